import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Flags from "../Flags.ts"
import { lazy } from "../internal/lazy.ts"
import { logs, watch } from "./flowRunLive.ts"

const id = Argument.String("id").pipe(Argument.withDescription("The flow run's id"))

export const listConfig = {
  flow: Flag.String("flow").pipe(
    Flag.withDescription("Only runs of the flow of this name"),
    Flag.withMetavar("NAME"),
    Flag.optional
  ),
  state: Flag.String("state").pipe(
    Flag.withDescription("Only runs in this state, e.g. Failed; of Prefect 3 also by its own types, e.g. CRASHED"),
    Flag.withMetavar("STATE"),
    Flag.optional
  ),
  limit: Flag.Int("limit").pipe(
    Flag.withDescription("At most this many, newest first (default: all)"),
    Flag.withMetavar("N"),
    Flag.optional
  ),
  ...Flags.backend,
  ...Flags.unusedStorage,
  json: Flags.json
}

const list = Command.make(
  "list",
  listConfig,
  lazy(() => import("../handlers/flowRun.ts").then((_) => _.list))
).pipe(
  Command.withDescription("List flow runs, newest first"),
  Command.withExamples([{
    command: "effect-prefect flow-run list --archive ./archive --flow nightly --state Failed --limit 20",
    description: "The last 20 failed runs of a flow"
  }])
)

export const showConfig = { id, ...Flags.backend, ...Flags.unusedStorage, json: Flags.json }

const show = Command.make(
  "show",
  showConfig,
  lazy(() => import("../handlers/flowRun.ts").then((_) => _.show))
).pipe(
  Command.withDescription("Show one flow run"),
  Command.withExamples([{
    command: "effect-prefect flow-run show 6cdaa6fd-f2a5-5ffe-bdc4-8a5c3feb73d3 --archive ./archive",
    description: "A flow run of an archive"
  }])
)

export const taskRunsConfig = { id, ...Flags.backend, ...Flags.unusedStorage, json: Flags.json }

const taskRuns = Command.make(
  "task-runs",
  taskRunsConfig,
  lazy(() => import("../handlers/flowRun.ts").then((_) => _.taskRuns))
).pipe(
  Command.withDescription("List the task runs of a flow run"),
  Command.withExamples([{
    command: "effect-prefect flow-run task-runs 6cdaa6fd-f2a5-5ffe-bdc4-8a5c3feb73d3 --archive ./archive",
    description: "Its task runs and their states"
  }])
)

export const resultsConfig = { id, ...Flags.backend, ...Flags.storage, json: Flags.json }

const results = Command.make(
  "results",
  resultsConfig,
  lazy(() => import("../handlers/flowRun.ts").then((_) => _.results))
).pipe(
  Command.withDescription("Load the result of every task run of a flow run"),
  Command.withExamples([
    {
      command: "effect-prefect flow-run results 6cdaa6fd-f2a5-5ffe-bdc4-8a5c3feb73d3 --archive ./archive --json",
      description: "One JSON object a line, with each value or the reason why there is none"
    },
    {
      command: "effect-prefect flow-run results ID --api http://localhost:4200 --mount /srv/prefect/results=./results",
      description: "Results that a worker stored under /srv/prefect/results, from a local copy"
    }
  ])
)

export const flowRun = Command.make("flow-run").pipe(
  Command.withDescription("Flow runs, their task runs and results"),
  Command.withSubcommands([list, show, taskRuns, results, logs, watch])
)
