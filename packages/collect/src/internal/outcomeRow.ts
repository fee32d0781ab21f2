/** The rows of outcomes. */
import * as State from "@effect-prefect/core/State"
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import { FormatError } from "@effect-prefect/formats/FormatError"
import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
import { fromFormatError, summaryOf } from "@effect-prefect/results/ResultError"
import type { Outcome } from "@effect-prefect/results/TaskRun"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Row, RowOutcome } from "./rows.ts"

/** The row of an outcome, if that takes only a moment. */
export const rowAtOnce = ({ result, taskRun: { view } }: Outcome): Row | undefined => {
  if (Result.isFailure(result)) {
    return rowWith(view, { _tag: "Failure", reason: result.failure.reason._tag, message: summaryOf(result.failure) })
  }
  try {
    const json = JsonProjection.toTextAtOnce(result.success)
    return json === undefined ? undefined : rowWith(view, { _tag: "Value", json })
  } catch (error) {
    if (error instanceof FormatError) return rowWith(view, unshown(view, error))
    throw error
  }
}

const rowWith = (view: TaskRunView, outcome: RowOutcome): Row => ({
  flowRunId: view.flowRunId ?? "",
  taskRunId: view.taskRunId,
  taskSlug: view.taskSlug,
  state: State.typeName(view.state),
  mapIndex: view.mapIndex,
  outcome
})

/** Of a value without a JSON projection. */
const unshown = (view: TaskRunView, error: FormatError): RowOutcome => {
  const { _tag: reason, summary } = fromFormatError(error)
  return { _tag: "Failure", reason, message: `${view.taskSlug ?? "task run"} (${view.taskRunId}): ${summary}` }
}

/**
 * The row of an outcome. A value without a JSON projection is a failure like any other.
 *
 * @category constructors
 * @since 0.1.0
 */
export const rowOf = (outcome: Outcome): Effect.Effect<Row> =>
  Effect.suspend(() => {
    const row = rowAtOnce(outcome)
    if (row !== undefined) return Effect.succeed(row)
    const { result, taskRun: { view } } = outcome
    return Effect.match(JsonProjection.toText(Result.getOrThrow(result)), {
      onSuccess: (json) => rowWith(view, { _tag: "Value", json }),
      onFailure: (error) => rowWith(view, unshown(view, error))
    })
  })

/**
 * The row of a mapped parent. Its value consists of those of its children, which follow it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const parentRow = ({ taskRun: { view } }: Outcome, children: number): Row =>
  rowWith(view, { _tag: "Mapped", children })
