/**
 * Ids of Prefect's tables: UUIDs as text, branded so that one kind cannot be used as another.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The id of a flow.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FlowId = Schema.NonEmptyString.pipe(Schema.brand("FlowId"))
/**
 * @category models
 * @since 0.1.0
 */
export type FlowId = typeof FlowId.Type

/**
 * The id of a flow run.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FlowRunId = Schema.NonEmptyString.pipe(Schema.brand("FlowRunId"))
/**
 * @category models
 * @since 0.1.0
 */
export type FlowRunId = typeof FlowRunId.Type

/**
 * The id of a task of a flow. Prefect 3 has no task ids.
 *
 * @category schemas
 * @since 0.1.0
 */
export const TaskId = Schema.NonEmptyString.pipe(Schema.brand("TaskId"))
/**
 * @category models
 * @since 0.1.0
 */
export type TaskId = typeof TaskId.Type

/**
 * The id of a task run.
 *
 * @category schemas
 * @since 0.1.0
 */
export const TaskRunId = Schema.NonEmptyString.pipe(Schema.brand("TaskRunId"))
/**
 * @category models
 * @since 0.1.0
 */
export type TaskRunId = typeof TaskRunId.Type
