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

/** The fields of a line, in their order. */
export const fields = ["task_run_id", "task_slug", "map_index", "state", "outcome"]

/** One line of `flow-run results` and `task-run mapped`, with some of the fields or all. */
export const line = (outcome: Outcome, wanted: ReadonlyArray<string> = fields): Effect.Effect<string> => {
  const { view } = outcome.taskRun
  const values: { readonly [field: string]: unknown } = {
    task_run_id: view.taskRunId,
    task_slug: view.taskSlug,
    map_index: view.mapIndex,
    state: State.typeName(view.state)
  }
  const lineOf = (tail: string) =>
    `{${wanted.map((name) => `"${name}":${name === "outcome" ? tail : JSON.stringify(values[name])}`).join(",")}}\n`
  if (!wanted.includes("outcome")) return Effect.succeed(lineOf(""))
  return Effect.map(shown(outcome), (shown) =>
    lineOf(
      shown._tag === "Value"
        ? `{"value":${shown.text}}`
        : JSON.stringify({ error: { reason: shown.reason, message: shown.message } })
    ))
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
