/**
 * `StateRecord`: one state in the history of a flow run or a task run.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { accepts, type Column, column, makeFromRow, makeToRow, optional } from "./internal/rowCodec.ts"
import * as State from "./State.ts"
import type { MalformedRow } from "./TaskRunView.ts"

/**
 * A state and when it was set.
 *
 * @category models
 * @since 0.1.0
 */
export class StateRecord extends Schema.Class<StateRecord>("@effect-prefect/core/StateRecord")({
  id: Schema.optionalKey(Schema.String),
  /** ISO 8601 as the backend returned it, with microseconds. */
  timestamp: Schema.NullOr(Schema.String),
  /** The position among the states of one run, counted from 1. Absent on Prefect 3. */
  version: Schema.optionalKey(Schema.NullOr(Schema.Int)),
  state: State.FromJson
}) {}

/**
 * `StateRecord` from and to Prefect's own JSON, a row of `flow_run_state` or `task_run_state`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FromRow = StateRecord.pipe(Schema.encodeKeys({ state: "serialized_state" }))

const columns: ReadonlyArray<Column> = [
  optional("id", "id", accepts.text),
  column("timestamp", "timestamp", accepts.nullableText),
  optional("version", "version", accepts.nullableInteger),
  column("state", "serialized_state", accepts.json, { read: State.fromJson, write: State.toJson })
]

/**
 * The view of a row that a parser of JSON returned, or the problem with it. Other than `FromRow` it does not look through
 * the JSON of the row, which may be many megabytes.
 *
 * @category decoding
 * @since 0.1.0
 */
export const fromRow: (row: unknown) => StateRecord | MalformedRow = makeFromRow(StateRecord.prototype, columns)

/**
 * The row of a view, without looking through its JSON.
 *
 * @category encoding
 * @since 0.1.0
 */
export const toRow: (view: StateRecord) => typeof FromRow.Encoded = makeToRow<typeof FromRow.Encoded>(columns)
