/**
 * `RowProblem`: a row of a backend that a listing left out, so that it does not hide the others.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Schema from "effect/Schema"

/**
 * A row that a listing left out, and why. Listings tell the `Listener` of it and give the other rows; a lookup of the
 * row fails with `MalformedResponse`.
 *
 * **Details**
 *
 * The first 20 of each page are logged as warnings, whose message is this value: a `Logger` can tell it from others by
 * its class, and other loggers show its text. It never contains a value of the row.
 *
 * **Example** (Counting the rows that were left out)
 *
 * ```ts
 * import { PrefectApi, RowProblem } from "@effect-prefect/api"
 * import { Effect, Stream } from "effect"
 *
 * export const count = Effect.gen(function*() {
 *   const api = yield* PrefectApi.PrefectApi
 *   let leftOut = 0
 *   const flowRuns = yield* api.flowRuns().pipe(
 *     Stream.provideService(RowProblem.Listener, () => leftOut++),
 *     Stream.runCollect
 *   )
 *   return { flowRuns, leftOut }
 * })
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export class RowProblem extends Schema.TaggedClass<RowProblem>("@effect-prefect/api/RowProblem")("RowProblem", {
  /** Prefect's name of the table or listing: `task_run`, or `task_runs` of Prefect 2 and 3. */
  table: Schema.String,
  /** The row's id; null when it has none that can be told. */
  id: Schema.NullOr(Schema.String),
  /** What is wrong with the row, without its values. */
  detail: Schema.String
}) {
  override toString(): string {
    return `left out a row of ${this.table} (${this.id ?? "without an id"}): ${this.detail}`
  }
}

/**
 * Receives each row that a listing leaves out, also those that are not logged. No default.
 *
 * @category options
 * @since 0.1.0
 */
export const Listener = Context.Reference<((problem: RowProblem) => void) | undefined>(
  "@effect-prefect/api/RowProblem/Listener",
  { defaultValue: () => undefined }
)
