import * as Command from "effect/cli/Command"
import * as Inputs from "../inputs/flowRun.ts"
import { descriptions } from "../internal/descriptions.ts"
import { lazyHandler } from "../internal/lazyHandler.ts"

const list = Command.make(
  "list",
  Inputs.list,
  lazyHandler(() => import("../handlers/flowRun.ts").then((_) => _.list))
).pipe(
  Command.withDescription("List flow runs, newest first"),
  Command.withExamples([{
    command: "effect-prefect flow-run list --archive ./archive --flow nightly --state Failed --limit 20",
    description: "The last 20 failed runs of a flow"
  }])
)

const show = Command.make(
  "show",
  Inputs.show,
  lazyHandler(() => import("../handlers/flowRun.ts").then((_) => _.show))
).pipe(
  Command.withDescription("Show one flow run"),
  Command.withExamples([{
    command: "effect-prefect flow-run show 6cdaa6fd-f2a5-5ffe-bdc4-8a5c3feb73d3 --archive ./archive",
    description: "A flow run of an archive"
  }])
)

const taskRuns = Command.make(
  "task-runs",
  Inputs.taskRuns,
  lazyHandler(() => import("../handlers/flowRun.ts").then((_) => _.taskRuns))
).pipe(
  Command.withDescription("List the task runs of a flow run"),
  Command.withExamples([{
    command: "effect-prefect flow-run task-runs 6cdaa6fd-f2a5-5ffe-bdc4-8a5c3feb73d3 --archive ./archive",
    description: "Its task runs and their states"
  }])
)

const result = Command.make(
  "result",
  Inputs.result,
  lazyHandler(() => import("../handlers/flowRunResults.ts").then((_) => _.result))
).pipe(
  Command.withDescription("Load and print a flow run's own result: the return value of a flow of Prefect 2 or 3"),
  Command.withExamples([{
    command: "effect-prefect flow-run result nightly/latest --prefect3 http://127.0.0.1:4200/api --json",
    description: "The return value of a flow's newest run"
  }])
)

const results = Command.make(
  "results",
  Inputs.results,
  lazyHandler(() => import("../handlers/flowRunResults.ts").then((_) => _.results))
).pipe(
  Command.withDescription("Load the result of every task run of a flow run"),
  Command.withExamples([
    {
      command: "effect-prefect flow-run results 6cdaa6fd-f2a5-5ffe-bdc4-8a5c3feb73d3 --archive ./archive --json",
      description: "One JSON object per line, with each value or the reason why there is none"
    },
    {
      command: "effect-prefect flow-run results ID --api http://localhost:4200 --mount /srv/prefect/results=./results",
      description: "Results that a worker stored under /srv/prefect/results, from a local copy"
    }
  ])
)

const logs = Command.make(
  "logs",
  Inputs.logs,
  lazyHandler(() => import("../handlers/flowRunLogs.ts").then((_) => _.logs))
).pipe(
  Command.withDescription("Print a flow run's log"),
  Command.withExamples([
    {
      command: "effect-prefect flow-run logs ID --archive ./archive --level WARNING",
      description: "Warnings and errors"
    },
    {
      command: "effect-prefect flow-run logs ID --api http://localhost:4200 --follow",
      description: "New lines as they are written"
    }
  ])
)

const watch = Command.make(
  "watch",
  Inputs.watch,
  lazyHandler(() => import("../handlers/flowRunLogs.ts").then((_) => _.watch))
).pipe(
  Command.withDescription("Watch a flow run until it has finished; the exit code tells whether it succeeded"),
  Command.withExamples([{
    command: "effect-prefect flow-run watch ID --api http://localhost:4200 --timeout 3600 && deploy",
    description: "Continue when it has succeeded within an hour"
  }])
)

const states = Command.make(
  "states",
  Inputs.states,
  lazyHandler(() => import("../handlers/flowRun.ts").then((_) => _.states))
).pipe(
  Command.withDescription("List every state that a flow run had, oldest first"),
  Command.withExamples([{
    command: "effect-prefect flow-run states nightly/latest --archive ./archive",
    description: "The states of a flow's newest run"
  }])
)

const artifacts = Command.make(
  "artifacts",
  Inputs.artifacts,
  lazyHandler(() => import("../handlers/flowRun.ts").then((_) => _.artifacts))
).pipe(
  Command.withDescription("List the artifacts that the task runs of a flow run left"),
  Command.withExamples([{
    command: "effect-prefect flow-run artifacts nightly/latest --archive ./archive --json",
    description: "Links and Markdown, one object per line"
  }])
)

export const flowRun = Command.make("flow-run").pipe(
  Command.withDescription(descriptions["flow-run"]),
  Command.withSubcommands([list, show, taskRuns, result, results, logs, states, artifacts, watch])
)
