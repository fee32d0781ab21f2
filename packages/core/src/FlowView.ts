/**
 * `FlowView`: a flow, or one version of it, as a Prefect backend reports it.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { FlowId } from "./Ids.ts"
import { accepts, type Column, column, makeFromRow, makeToRow, optional } from "./internal/rowCodec.ts"
import type { MalformedRow } from "./TaskRunView.ts"

const NullableString = Schema.optionalKey(Schema.NullOr(Schema.String))
const NullableJson = Schema.optionalKey(Schema.NullOr(Schema.Json))

/**
 * An immutable view of a flow.
 *
 * @category models
 * @since 0.1.0
 */
export class FlowView extends Schema.Class<FlowView>("@effect-prefect/core/FlowView")({
  flowId: FlowId,
  name: Schema.NullOr(Schema.String),
  /** The version within the flow group, counted from 1. Absent on Prefect 3. */
  version: Schema.optionalKey(Schema.NullOr(Schema.Int)),
  versionGroupId: NullableString,
  flowGroupId: NullableString,
  projectId: NullableString,
  archived: Schema.optionalKey(Schema.NullOr(Schema.Boolean)),
  description: NullableString,
  coreVersion: NullableString,
  parameters: NullableJson,
  storage: NullableJson,
  runConfig: NullableJson,
  settings: NullableJson,
  serializedFlow: NullableJson,
  created: NullableString,
  updated: NullableString
}) {}

/**
 * `FlowView` from and to Prefect's own JSON, a row of the table `flow`. Columns that the view does not have are
 * ignored.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FromRow = FlowView.pipe(Schema.encodeKeys({
  flowId: "id",
  versionGroupId: "version_group_id",
  flowGroupId: "flow_group_id",
  projectId: "project_id",
  coreVersion: "core_version",
  runConfig: "run_config",
  serializedFlow: "serialized_flow"
}))

/**
 * A row of the table `flow`.
 *
 * @category models
 * @since 0.1.0
 */
export type FlowRow = typeof FromRow.Encoded

const columns: ReadonlyArray<Column> = [
  column("flowId", "id", accepts.id),
  column("name", "name", accepts.nullableText),
  optional("version", "version", accepts.nullableInteger),
  optional("versionGroupId", "version_group_id", accepts.nullableText),
  optional("flowGroupId", "flow_group_id", accepts.nullableText),
  optional("projectId", "project_id", accepts.nullableText),
  optional("archived", "archived", accepts.nullableBoolean),
  optional("description", "description", accepts.nullableText),
  optional("coreVersion", "core_version", accepts.nullableText),
  optional("parameters", "parameters", accepts.json),
  optional("storage", "storage", accepts.json),
  optional("runConfig", "run_config", accepts.json),
  optional("settings", "settings", accepts.json),
  optional("serializedFlow", "serialized_flow", accepts.json),
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
export const fromRow: (row: unknown) => FlowView | MalformedRow = makeFromRow(FlowView.prototype, columns)

/**
 * The row of a view, without looking through its JSON.
 *
 * @category encoding
 * @since 0.1.0
 */
export const toRow: (view: FlowView) => FlowRow = makeToRow<FlowRow>(columns)
