import type { Artifact } from "@effect-prefect/core/Artifact"
import * as Artifacts from "@effect-prefect/core/Artifact"
import type { FlowRunView } from "@effect-prefect/core/FlowRunView"
import * as FlowRunViews from "@effect-prefect/core/FlowRunView"
import type { FlowView } from "@effect-prefect/core/FlowView"
import * as FlowViews from "@effect-prefect/core/FlowView"
import * as LogEntries from "@effect-prefect/core/LogEntry"
import * as State from "@effect-prefect/core/State"
import type { StateRecord } from "@effect-prefect/core/StateRecord"
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
import { fromFormatError, ResultError, summaryOf } from "@effect-prefect/results/ResultError"
import type { Outcome } from "@effect-prefect/results/TaskRun"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { advised } from "./hints.ts"

/** The view as `--json` prints it: Prefect's names, and the state as it was stored. */
export const taskRun = (view: TaskRunView) => ({
  task_run_id: view.taskRunId,
  task_id: view.taskId,
  task_slug: view.taskSlug,
  name: view.name,
  state: State.toJson(view.state),
  map_index: view.mapIndex,
  flow_run_id: view.flowRunId
})

const encodeFlowRun = Schema.encodeSync(FlowRunViews.FromRow)
export const flowRun = (view: FlowRunView) => {
  const { id, serialized_state, ...rest } = encodeFlowRun(view)
  return { flow_run_id: id, ...rest, state: serialized_state }
}

const encodeFlow = Schema.encodeSync(FlowViews.FromRow)
export const flow = (view: FlowView) => {
  const { id, ...rest } = encodeFlow(view)
  return { flow_id: id, ...rest }
}

export const logEntry = Schema.encodeSync(LogEntries.FromRow)

export const artifact: (artifact: Artifact) => object = Schema.encodeSync(Artifacts.FromRow)

/** One state of a run's history, its state as it was stored. */
export const stateRecord = ({ state, timestamp, version }: StateRecord) => ({
  timestamp,
  ...(version === undefined ? {} : { version }),
  state: State.toJson(state)
})

/** The outcome of a result: its value as JSON text, or the reason why there is none. */
export type Shown =
  | { readonly _tag: "Value"; readonly text: string }
  | {
    readonly _tag: "Error"
    readonly reason: string
    /** The failure, and the task run that it belongs to. */
    readonly message: string
    /** The failure alone, for a table that names the task run anyway. */
    readonly problem: string
  }

/** A value without a JSON projection is a failure like any other. */
export const shown = ({ result, taskRun }: Outcome): Effect.Effect<Shown> =>
  Result.match(result, {
    onFailure: (error): Effect.Effect<Shown> =>
      Effect.succeed({
        _tag: "Error",
        reason: error.reason._tag,
        message: summaryOf(error),
        problem: error instanceof ResultError ? advised(error.reason) : error.reason.message
      }),
    onSuccess: (value) =>
      Effect.match(JsonProjection.toText(value), {
        onSuccess: (text): Shown => ({ _tag: "Value", text }),
        onFailure: (error) => {
          const reason = fromFormatError(error)
          return {
            _tag: "Error",
            reason: reason._tag,
            message: `${taskRun.view.taskSlug ?? "task run"} (${taskRun.view.taskRunId}): ${reason.summary}`,
            problem: advised(reason)
          }
        }
      })
  })

/** One line of `flow-run results` and `task-run mapped`. */
export const outcomeLine = (outcome: Outcome): Effect.Effect<string> => {
  const { view } = outcome.taskRun
  const head = JSON.stringify({
    task_run_id: view.taskRunId,
    task_slug: view.taskSlug,
    map_index: view.mapIndex,
    state: State.typeName(view.state)
  })
  return Effect.map(shown(outcome), (shown) => {
    const tail = shown._tag === "Value"
      ? `{"value":${shown.text}}`
      : JSON.stringify({ error: { reason: shown.reason, message: shown.message } })
    return `${head.slice(0, -1)},"outcome":${tail}}\n`
  })
}
