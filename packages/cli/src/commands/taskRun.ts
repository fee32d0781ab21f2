import * as Command from "effect/cli/Command"
import * as Inputs from "../inputs/taskRun.ts"
import { descriptions } from "../internal/descriptions.ts"
import { lazyHandler } from "../internal/lazyHandler.ts"

const show = Command.make(
  "show",
  Inputs.show,
  lazyHandler(() => import("../handlers/taskRun.ts").then((_) => _.show))
).pipe(
  Command.withDescription("Show one task run, without loading its result"),
  Command.withExamples([{
    command: "effect-prefect task-run show --slug extract-1 --flow-run 6cdaa6fd-… --archive ./archive",
    description: "A task run by its slug"
  }])
)

const result = Command.make(
  "result",
  Inputs.result,
  lazyHandler(() => import("../handlers/taskRunResults.ts").then((_) => _.result))
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

const mapped = Command.make(
  "mapped",
  Inputs.mapped,
  lazyHandler(() => import("../handlers/taskRunResults.ts").then((_) => _.mapped))
).pipe(
  Command.withDescription("Load the results of a mapped task's children, one by one"),
  Command.withExamples([{
    command: "effect-prefect task-run mapped --slug score-1 --flow-run 6cdaa6fd-… --archive ./archive --json",
    description: "One JSON object per child; a failed child is data"
  }])
)

const list = Command.make(
  "list",
  Inputs.list,
  lazyHandler(() => import("../handlers/taskRun.ts").then((_) => _.list))
).pipe(
  Command.withDescription("List task runs, of one flow run or of many"),
  Command.withExamples([{
    command: "effect-prefect task-run list --flow nightly --state Failed --limit 20 --archive ./archive",
    description: "The last failed task runs of a flow, across its runs"
  }])
)

const logs = Command.make(
  "logs",
  Inputs.logs,
  lazyHandler(() => import("../handlers/taskRun.ts").then((_) => _.logs))
).pipe(
  Command.withDescription("Print a task run's log"),
  Command.withExamples([{
    command: "effect-prefect task-run logs --slug extract-1 --flow-run nightly/latest --level warn --archive ./archive",
    description: "The warnings of a task"
  }])
)

const states = Command.make(
  "states",
  Inputs.states,
  lazyHandler(() => import("../handlers/taskRun.ts").then((_) => _.states))
).pipe(
  Command.withDescription("List every state that a task run had, oldest first"),
  Command.withExamples([{
    command: "effect-prefect task-run states --slug flaky-1 --flow-run nightly/latest --archive ./archive",
    description: "The states of a task run"
  }])
)

export const taskRun = Command.make("task-run").pipe(
  Command.withDescription(descriptions["task-run"]),
  Command.withSubcommands([list, show, result, mapped, logs, states])
)
