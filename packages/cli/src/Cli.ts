/**
 * The `effect-prefect` command.
 */
import * as Command from "effect/cli/Command"
import { archive } from "./commands/archive.ts"
import { collect } from "./commands/collect.ts"
import { doctor } from "./commands/doctor.ts"
import { flow } from "./commands/flow.ts"
import { flowRun } from "./commands/flowRun.ts"
import { profile } from "./commands/profile.ts"
import { serve } from "./commands/serve.ts"
import { taskRun } from "./commands/taskRun.ts"
import { ui } from "./commands/ui.ts"

export { serveDatabase } from "./internal/serveDatabase.ts"

export const cli = Command.make("effect-prefect").pipe(
  Command.withDescription("Prefect task runs and their results, from a server, its database, or an archive"),
  Command.withExamples([
    { command: "effect-prefect flow-run list --archive ./archive", description: "The flow runs of an archive" },
    {
      command: "effect-prefect flow-run results ID --api http://localhost:4200 --mount /srv/prefect/results=./results",
      description: "All results of a run of a server, whose workers' files are in ./results here"
    },
    {
      command: "effect-prefect task-run result --slug extract-1 --flow-run ID --archive ./archive --json | jq .",
      description: "One result as JSON"
    },
    { command: "source <(effect-prefect --completions bash)", description: "Completions for this shell" }
  ]),
  Command.withSubcommands([flow, flowRun, taskRun, archive, collect, serve, ui, profile, doctor])
)
