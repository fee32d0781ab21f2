/**
 * `Artifact`: a link or a text that a task left for people to read.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { TaskRunId } from "./Ids.ts"

/**
 * A task run artifact.
 *
 * @category models
 * @since 0.1.0
 */
export class Artifact extends Schema.Class<Artifact>("@effect-prefect/core/Artifact")({
  id: Schema.NonEmptyString,
  taskRunId: Schema.NullOr(TaskRunId),
  /** `link` or `markdown` on Prefect 1; Prefect 3's artifact type. */
  kind: Schema.NullOr(Schema.String),
  data: Schema.Json
}) {}

/**
 * `Artifact` from and to Prefect's own JSON, a row of `task_run_artifact`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FromRow = Artifact.pipe(Schema.encodeKeys({ taskRunId: "task_run_id" }))
