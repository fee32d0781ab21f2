/** The outcomes of results, as JSON lines and as rows of a table. */
import * as State from "@effect-prefect/core/State"
import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
import { fromFormatError, ResultError, summaryOf } from "@effect-prefect/results/ResultError"
import type { Outcome } from "@effect-prefect/results/TaskRun"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Style } from "./colors.ts"
import { advised } from "./hints.ts"
import * as Render from "./render.ts"
import type { Cell } from "./table.ts"

/** The outcome of a result: its value as JSON text, or the reason why there is none. */
type Shown =
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
const shown = ({ result, taskRun }: Outcome): Effect.Effect<Shown> =>
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
export const line = (outcome: Outcome): Effect.Effect<string> => {
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

export const header = ["TASK", "STATE", "RESULT"]
export const cells = (outcome: Outcome, paint: Style): Effect.Effect<ReadonlyArray<Cell>> =>
  Effect.map(shown(outcome), (shown) => [
    { text: Render.slug(outcome.taskRun.view) },
    Render.state(outcome.taskRun.view.state, paint),
    shown._tag === "Value"
      ? { text: shown.text }
      : { text: `${shown.reason}: ${shown.problem}`, paint: paint.dim }
  ])
