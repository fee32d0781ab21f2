/**
 * `LogEntry`: one line of a flow run's log.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { FlowRunId, TaskRunId } from "./Ids.ts"

/**
 * A log line. Lines are ordered by (timestamp, id), because timestamps are not unique.
 *
 * @category models
 * @since 0.1.0
 */
export class LogEntry extends Schema.Class<LogEntry>("@effect-prefect/core/LogEntry")({
  id: Schema.NonEmptyString,
  flowRunId: Schema.NullOr(FlowRunId),
  taskRunId: Schema.optionalKey(Schema.NullOr(TaskRunId)),
  /** ISO 8601 as the backend returned it, with microseconds. */
  timestamp: Schema.String,
  /** The logger's name. */
  name: Schema.optionalKey(Schema.NullOr(Schema.String)),
  /** `DEBUG`, `INFO`, `WARNING`, `ERROR` or `CRITICAL`; other text is kept as it is. */
  level: Schema.optionalKey(Schema.NullOr(Schema.String)),
  message: Schema.NullOr(Schema.String)
}) {}

/**
 * `LogEntry` from and to Prefect's own JSON, a row of the table `log`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FromRow = LogEntry.pipe(Schema.encodeKeys({ flowRunId: "flow_run_id", taskRunId: "task_run_id" }))

/**
 * A row of the table `log`.
 *
 * @category models
 * @since 0.1.0
 */
export type LogRow = typeof FromRow.Encoded

/**
 * Python's numeric log levels by name.
 *
 * @category models
 * @since 0.1.0
 */
export const levels = { DEBUG: 10, INFO: 20, WARNING: 30, ERROR: 40, CRITICAL: 50 } as const
/**
 * The name of one of Python's log levels.
 *
 * @category models
 * @since 0.1.0
 */
export type LogLevel = keyof typeof levels
