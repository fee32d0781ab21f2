/**
 * `FlowRunView`: a flow run as a Prefect backend reports it.
 *
 * @since 0.1.0
 */
import * as Equal from "effect/Equal"
import * as Hash from "effect/Hash"
import * as Schema from "effect/Schema"
import { FlowId, FlowRunId } from "./Ids.ts"
import { accepts, type Column, column, makeFromRow, makeToRow, optional } from "./internal/rowCodec.ts"
import * as State from "./State.ts"
import type { MalformedRow } from "./TaskRunView.ts"

const NullableTime = Schema.optionalKey(Schema.NullOr(Schema.String))

/**
 * An immutable view of a flow run. Two views are equal when their ids and states are.
 *
 * Times are ISO 8601 text as the backend returned them, with microseconds.
 *
 * @category models
 * @since 0.1.0
 */
export class FlowRunView extends Schema.Class<FlowRunView>("@effect-prefect/core/FlowRunView")({
  flowRunId: FlowRunId,
  /** null on Prefect 3 when the flow was deleted. */
  flowId: Schema.NullOr(FlowId),
  name: Schema.NullOr(Schema.String),
  state: State.FromJson,
  labels: Schema.optionalKey(Schema.NullOr(Schema.Array(Schema.String))),
  parameters: Schema.optionalKey(Schema.NullOr(Schema.JsonObject)),
  context: Schema.optionalKey(Schema.NullOr(Schema.JsonObject)),
  runConfig: Schema.optionalKey(Schema.NullOr(Schema.JsonObject)),
  scheduledStartTime: NullableTime,
  startTime: NullableTime,
  endTime: NullableTime,
  created: NullableTime,
  updated: NullableTime
}) {
  [Equal.symbol](that: Equal.Equal): boolean {
    return that instanceof FlowRunView && this.flowRunId === that.flowRunId && Equal.equals(this.state, that.state)
  }
  [Hash.symbol](): number {
    return Hash.combine(Hash.string(this.flowRunId), Hash.hash(this.state))
  }
}

/**
 * `FlowRunView` from and to Prefect's own JSON, a row of the table `flow_run`. Columns that the view does not have are
 * ignored.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FromRow = FlowRunView.pipe(Schema.encodeKeys({
  flowRunId: "id",
  flowId: "flow_id",
  state: "serialized_state",
  runConfig: "run_config",
  scheduledStartTime: "scheduled_start_time",
  startTime: "start_time",
  endTime: "end_time"
}))

/**
 * A row of the table `flow_run`.
 *
 * @category models
 * @since 0.1.0
 */
export type FlowRunRow = typeof FromRow.Encoded

const columns: ReadonlyArray<Column> = [
  column("flowRunId", "id", accepts.id),
  column("flowId", "flow_id", accepts.nullableId),
  column("name", "name", accepts.nullableText),
  column("state", "serialized_state", accepts.json, { read: State.fromJson, write: State.toJson }),
  optional("labels", "labels", accepts.nullableTexts),
  optional("parameters", "parameters", accepts.nullableObject),
  optional("context", "context", accepts.nullableObject),
  optional("runConfig", "run_config", accepts.nullableObject),
  optional("scheduledStartTime", "scheduled_start_time", accepts.nullableText),
  optional("startTime", "start_time", accepts.nullableText),
  optional("endTime", "end_time", accepts.nullableText),
  optional("created", "created", accepts.nullableText),
  optional("updated", "updated", accepts.nullableText)
]

/**
 * The view of a row that a parser of JSON returned, or the problem with it. Other than `FromRow` it does not look through
 * the JSON of the row, which may be many megabytes.
 *
 * @category decoding
 * @since 0.1.0
 */
export const fromRow: (row: unknown) => FlowRunView | MalformedRow = makeFromRow(FlowRunView.prototype, columns)

/**
 * The row of a view, without looking through its JSON.
 *
 * @category encoding
 * @since 0.1.0
 */
export const toRow: (view: FlowRunView) => FlowRunRow = makeToRow<FlowRunRow>(columns)
