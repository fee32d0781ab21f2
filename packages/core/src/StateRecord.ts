/**
 * `StateRecord`: one state in the history of a flow run or a task run.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as State from "./State.ts"

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
