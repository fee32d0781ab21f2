/**
 * `FlowView`: a flow, or one version of it, as a Prefect backend reports it.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { FlowId } from "./Ids.ts"

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
