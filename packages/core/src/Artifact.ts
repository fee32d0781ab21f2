/**
 * `Artifact`: a link or a text that a task left for people to read.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { TaskRunId } from "./Ids.ts"
import { accepts, type Column, column, makeFromRow, makeToRow } from "./internal/rowCodec.ts"
import type { MalformedRow } from "./TaskRunView.ts"

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

const columns: ReadonlyArray<Column> = [
  column("id", "id", accepts.id),
  column("taskRunId", "task_run_id", accepts.nullableId),
  column("kind", "kind", accepts.nullableText),
  column("data", "data", accepts.json)
]

/**
 * The view of a row that a parser of JSON returned, or the problem with it. Other than `FromRow` it does not look through
 * the JSON of the row, which may be many megabytes.
 *
 * @category decoding
 * @since 0.1.0
 */
export const fromRow: (row: unknown) => Artifact | MalformedRow = makeFromRow(Artifact.prototype, columns)

/**
 * The row of a view, without looking through its JSON.
 *
 * @category encoding
 * @since 0.1.0
 */
export const toRow: (view: Artifact) => typeof FromRow.Encoded = makeToRow<typeof FromRow.Encoded>(columns)
