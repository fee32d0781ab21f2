import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Flags from "../Flags.ts"
import { lazy } from "../internal/lazy.ts"

const which = {
  id: Argument.String("id").pipe(Argument.withDescription("The task run's id"), Argument.optional),
  slug: Flag.String("slug").pipe(
    Flag.withDescription("Instead of an id: the task's slug, e.g. extract-1 (Prefect 3: its task key)"),
    Flag.withMetavar("SLUG"),
    Flag.optional
  ),
  flowRun: Flag.String("flow-run").pipe(
    Flag.withDescription("With --slug: the id of the flow run"),
    Flag.withMetavar("ID"),
    Flag.withAlias("F"),
    Flag.optional
  ),
  mapIndex: Flag.Int("map-index").pipe(
    Flag.withDescription("With --slug: the index of a mapped child (default -1: none)"),
    Flag.withMetavar("N"),
    Flag.optional
  )
}

export const showConfig = { ...which, ...Flags.backend, ...Flags.storage, json: Flags.json }

const show = Command.make(
  "show",
  showConfig,
  lazy(() => import("../handlers/taskRun.ts").then((_) => _.show))
).pipe(
  Command.withDescription("Show one task run, without loading its result"),
  Command.withExamples([{
    command: "effect-prefect task-run show --slug extract-1 --flow-run 6cdaa6fd-… --archive ./archive",
    description: "A task run by its slug"
  }])
)

export const resultConfig = {
  ...which,
  raw: Flag.Boolean("raw").pipe(
    Flag.withDescription("Print the bytes as they were stored"),
    Flag.withDefault(false)
  ),
  output: Flag.Path("output").pipe(
    Flag.withDescription("Write to this file instead; it is there whole or not at all"),
    Flag.withAlias("o"),
    Flag.withMetavar("FILE"),
    Flag.optional
  ),
  ...Flags.backend,
  ...Flags.storage,
  json: Flags.json
}

const result = Command.make(
  "result",
  resultConfig,
  lazy(() => import("../handlers/taskRun.ts").then((_) => _.result))
).pipe(
  Command.withDescription("Load and print a task run's result"),
  Command.withExamples([
    {
      command: "effect-prefect task-run result 3e1c0b0e-… --archive ./archive --json",
      description: "The value as JSON"
    },
    {
      command: "effect-prefect task-run result 3e1c0b0e-… --archive ./archive --raw --output frame.parquet",
      description: "The stored file itself"
    }
  ])
)

export const mappedConfig = { ...which, ...Flags.backend, ...Flags.storage, json: Flags.json }

const mapped = Command.make(
  "mapped",
  mappedConfig,
  lazy(() => import("../handlers/taskRun.ts").then((_) => _.mapped))
).pipe(
  Command.withDescription("Load the results of a mapped task's children, one by one"),
  Command.withExamples([{
    command: "effect-prefect task-run mapped --slug score-1 --flow-run 6cdaa6fd-… --archive ./archive --json",
    description: "One JSON object a child; a child that failed is data"
  }])
)

export const taskRun = Command.make("task-run").pipe(
  Command.withDescription("Task runs, their results and mapped children"),
  Command.withSubcommands([show, result, mapped])
)
