/** The objects that the command prints with `--json`, for the page. */
import type { Artifact } from "@effect-prefect/core/Artifact"
import type { FlowRunView } from "@effect-prefect/core/FlowRunView"
import * as FlowRunViews from "@effect-prefect/core/FlowRunView"
import type { FlowView } from "@effect-prefect/core/FlowView"
import * as FlowViews from "@effect-prefect/core/FlowView"
import type { LogEntry } from "@effect-prefect/core/LogEntry"
import * as LogEntries from "@effect-prefect/core/LogEntry"
import * as State from "@effect-prefect/core/State"
import type { StateRecord } from "@effect-prefect/core/StateRecord"
import * as StateRecords from "@effect-prefect/core/StateRecord"
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import { FormatError, undecodable } from "@effect-prefect/formats/FormatError"
import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
import { fromFormatError, summaryOf } from "@effect-prefect/results/ResultError"
import type * as TaskRun from "@effect-prefect/results/TaskRun"
import type * as Models from "@effect-prefect/ui-api/Models"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

const stateJson = (state: State.State): Schema.Json => State.toJson(state) as Schema.Json

export const flowRun = (view: FlowRunView): Models.FlowRun => {
  const { flow_id, id, name, serialized_state, ...rest } = FlowRunViews.toRow(view)
  return { flow_run_id: id, flow_id, name, ...rest, state: serialized_state as Schema.Json }
}

export const flow = (view: FlowView): Models.Flow => {
  const { id, ...rest } = FlowViews.toRow(view)
  return { flow_id: id, ...rest }
}

export const taskRun = (view: TaskRunView) => ({
  task_run_id: view.taskRunId,
  task_id: view.taskId,
  task_slug: view.taskSlug,
  name: view.name,
  state: stateJson(view.state),
  map_index: view.mapIndex,
  flow_run_id: view.flowRunId
})

const maxMessage = 300

/** A state's message, truncated for lists. */
export const messageOf = (state: State.State): string | null => {
  const message = state._tag === "UnknownState" ? null : state.message ?? null
  return message === null || message.length <= maxMessage ? message : `${message.slice(0, maxMessage - 1)}…`
}

export const stateRecord = (record: StateRecord): Models.StateRecord => {
  const { serialized_state, ...rest } = StateRecords.toRow(record)
  return { ...rest, state: serialized_state as Schema.Json }
}

const encodeLog = Schema.encodeSync(LogEntries.FromRow)
export const logLine = (entry: LogEntry): Models.LogLine => encodeLog(entry)

export const artifact = (artifact: Artifact): Models.Artifact => ({
  id: artifact.id,
  task_run_id: artifact.taskRunId,
  kind: artifact.kind,
  data: artifact.data
})

const maxValueText = 2048

interface Text {
  readonly text: string
  readonly bytes: number
}

/** The beginning of a value's JSON, and its complete length. Yields to other requests between pieces. */
const valueText = (value: unknown): Effect.Effect<Text, FormatError> =>
  Effect.gen(function*() {
    const chunks = JsonProjection.toChunks(value)
    let text = ""
    let bytes = 0
    for (;;) {
      const next = yield* Effect.try({
        try: () => chunks.next(),
        catch: (error) => error instanceof FormatError ? error : undecodable("it cannot be shown as JSON")
      })
      if (next.done === true) return { text, bytes }
      if (text.length <= maxValueText) text += next.value
      bytes += Buffer.byteLength(next.value)
      if (bytes > 65_536) yield* Effect.yieldNow
    }
  })

/** One outcome as the command prints it; a value over 2 KiB is truncated. */
export const outcome =
  (rename: (text: string) => string) => ({ result, taskRun }: TaskRun.Outcome): Effect.Effect<Models.Outcome> => {
    const { view } = taskRun
    const head = {
      task_run_id: view.taskRunId,
      task_slug: view.taskSlug,
      map_index: view.mapIndex,
      state: State.typeName(view.state)
    }
    if (Result.isFailure(result)) {
      const message = rename(summaryOf(result.failure))
      return Effect.succeed({ ...head, outcome: { error: { reason: result.failure.reason._tag, message } } })
    }
    return Effect.match(valueText(result.success), {
      onSuccess: ({ bytes, text }): Models.Outcome => ({
        ...head,
        outcome: bytes <= maxValueText
          ? { value: JSON.parse(text) as Schema.Json }
          : { value: text.slice(0, maxValueText), cut: true, bytes }
      }),
      onFailure: (error): Models.Outcome => {
        const reason = fromFormatError(error)
        return {
          ...head,
          outcome: {
            error: {
              reason: reason._tag,
              message: `${view.taskSlug ?? "task run"} (${view.taskRunId}): ${reason.summary}`
            }
          }
        }
      }
    })
  }
