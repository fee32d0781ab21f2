/**
 * `RowProblem`: a row of a backend that a listing left out, so that it does not hide the others.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * A row that a listing left out, and why. Listings log it as a warning and give the other rows; a lookup of the row
 * fails with `MalformedResponse`.
 *
 * **Details**
 *
 * The message of the log entry is this value: a `Logger` can tell it from others by its class, and other loggers show its
 * text. It never contains a value of the row.
 *
 * **Example** (Counting the rows that were left out)
 *
 * ```ts
 * import { RowProblem } from "@effect-prefect/api"
 * import { Logger } from "effect"
 *
 * let leftOut = 0
 * export const counting = Logger.layer(
 *   [Logger.make(({ message }) => {
 *     const messages = Array.isArray(message) ? message : [message]
 *     if (messages.some((each) => each instanceof RowProblem.RowProblem)) leftOut++
 *   })],
 *   { mergeWithExisting: true }
 * )
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
