/**
 * The `effect-prefect` command.
 */
import * as Command from "effect/cli/Command"
import { archive } from "./commands/archive.ts"
import { flow } from "./commands/flow.ts"
import { flowRun } from "./commands/flowRun.ts"
import { serve } from "./commands/serve.ts"
import { taskRun } from "./commands/taskRun.ts"

export const cli = Command.make("effect-prefect").pipe(
  Command.withDescription("Prefect task runs and their results, from a server, its database, or an archive"),
  Command.withSubcommands([flow, flowRun, taskRun, archive, serve])
)
