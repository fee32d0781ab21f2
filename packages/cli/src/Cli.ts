/**
 * The `effect-prefect` command.
 */
import * as Command from "effect/cli/Command"
import { identity } from "effect/Function"
import { descriptions } from "./internal/descriptions.ts"

export { serveDatabase } from "./internal/serveDatabase.ts"
export { showFlowRun } from "./internal/showFlowRun.ts"

/** The modules of the subcommands. A run of the command needs one, so only that one is loaded. */
const load = {
  flow: () => import("./commands/flow.ts").then((_) => _.flow),
  "flow-run": () => import("./commands/flowRun.ts").then((_) => _.flowRun),
  "task-run": () => import("./commands/taskRun.ts").then((_) => _.taskRun),
  archive: () => import("./commands/archive.ts").then((_) => _.archive),
  collect: () => import("./commands/collect.ts").then((_) => _.collect),
  serve: () => import("./commands/serve.ts").then((_) => _.serve),
  ui: () => import("./commands/ui.ts").then((_) => _.ui),
  profile: () => import("./commands/profile.ts").then((_) => _.profile),
  doctor: () => import("./commands/doctor.ts").then((_) => _.doctor),
  complete: () => import("./commands/complete.ts").then((_) => _.complete)
}
type Name = keyof typeof load
const names = Object.keys(load) as ReadonlyArray<Name>

type Subcommand = Awaited<ReturnType<(typeof load)[Name]>>

/** A subcommand by its name and description alone, for help and suggestions. */
const placeholder = (name: Name) =>
  (name === "complete" ? Command.unlisted : identity)(
    Command.make(name).pipe(Command.withDescription(descriptions[name]))
  ) as unknown as Subcommand

const make = (subcommands: ReadonlyArray<Subcommand>) =>
  Command.make("effect-prefect").pipe(
    Command.withDescription("Prefect task runs and their results, from a server, its database, or an archive"),
    Command.withExamples([
      { command: "effect-prefect flow-run list --archive ./archive", description: "The flow runs of an archive" },
      {
        command:
          "effect-prefect flow-run results ID --api http://localhost:4200 --mount /srv/prefect/results=./results",
        description: "All results of a run of a server, whose workers' files are in ./results here"
      },
      {
        command: "effect-prefect task-run result --slug extract-1 --flow-run ID --archive ./archive --json | jq .",
        description: "One result as JSON"
      },
      { command: "source <(effect-prefect --completions bash)", description: "Completions for this shell" }
    ]),
    Command.withSubcommands(subcommands)
  )

/** The whole command. */
export const loadAll = async () => make(await Promise.all(names.map((name) => load[name]())))

/** The command with the subcommand that the arguments name; of the others only the names and descriptions. */
export const loadFor = async (args: ReadonlyArray<string>) => {
  const named = names.find((name) => name === args.find((arg) => Object.hasOwn(load, arg)))
  return make(await Promise.all(names.map((name) => name === named ? load[name]() : placeholder(name))))
}
