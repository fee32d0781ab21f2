/**
 * `PrefectApiError`: the failures of a Prefect backend, as tagged reasons.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * No task run has that id, or no task run of that flow run has that slug and map index.
 *
 * @category reasons
 * @since 0.1.0
 */
export class TaskRunNotFound extends Schema.TaggedError<TaskRunNotFound>("@effect-prefect/api/TaskRunNotFound")(
  "TaskRunNotFound",
  { query: Schema.String }
) {
  override get message() {
    return `no task run ${this.query}: check the id, and that this is the backend that ran it`
  }
}

/**
 * No flow run has that id.
 *
 * @category reasons
 * @since 0.1.0
 */
export class FlowRunNotFound extends Schema.TaggedError<FlowRunNotFound>("@effect-prefect/api/FlowRunNotFound")(
  "FlowRunNotFound",
  { flowRunId: Schema.String }
) {
  override get message() {
    return `no flow run ${this.flowRunId}: check the id, and that this is the backend that ran it`
  }
}

/**
 * No flow has that id.
 *
 * @category reasons
 * @since 0.1.0
 */
export class FlowNotFound extends Schema.TaggedError<FlowNotFound>("@effect-prefect/api/FlowNotFound")(
  "FlowNotFound",
  { flowId: Schema.String }
) {
  override get message() {
    return `no flow ${this.flowId}: check the id, and that this is the backend that has it`
  }
}

/**
 * No storage block has that id. It was deleted, or belongs to another server.
 *
 * @category reasons
 * @since 0.1.0
 */
export class StorageBlockNotFound
  extends Schema.TaggedError<StorageBlockNotFound>("@effect-prefect/api/StorageBlockNotFound")(
    "StorageBlockNotFound",
    { id: Schema.String }
  )
{
  override get message() {
    return `no storage block ${this.id}: it was deleted, or belongs to another server`
  }
}

/**
 * More than one task run matches the query.
 *
 * @category reasons
 * @since 0.1.0
 */
export class AmbiguousTaskRun extends Schema.TaggedError<AmbiguousTaskRun>("@effect-prefect/api/AmbiguousTaskRun")(
  "AmbiguousTaskRun",
  { query: Schema.String, taskRunIds: Schema.Array(Schema.String) }
) {
  override get message() {
    const shown = this.taskRunIds.slice(0, 5).join(", ")
    const more = this.taskRunIds.length > 5 ? ` and ${this.taskRunIds.length - 5} more` : ""
    return `${this.taskRunIds.length} task runs are ${this.query}: ask for one by its id (${shown}${more})`
  }
}

/**
 * A response that a Prefect server would not send.
 *
 * @category reasons
 * @since 0.1.0
 */
export class MalformedResponse extends Schema.TaggedError<MalformedResponse>("@effect-prefect/api/MalformedResponse")(
  "MalformedResponse",
  { detail: Schema.String }
) {
  override get message() {
    return `unexpected response from the backend: ${this.detail}`
  }
}

/**
 * The backend rejected the credentials, or requires some.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Unauthorized extends Schema.TaggedError<Unauthorized>("@effect-prefect/api/Unauthorized")(
  "Unauthorized",
  { detail: Schema.String }
) {
  override get message() {
    return `the backend refused the credentials: ${this.detail}`
  }
}

/**
 * The backend rate-limited the request and all of its retries.
 *
 * @category reasons
 * @since 0.1.0
 */
export class RateLimited extends Schema.TaggedError<RateLimited>("@effect-prefect/api/RateLimited")(
  "RateLimited",
  { retryAfter: Schema.optionalKey(Schema.Duration) }
) {
  override get message() {
    return "the backend limits the rate of requests: try again later, or make fewer requests at once"
  }
}

/**
 * The backend could not be reached or failed, and so did every retry.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Unavailable extends Schema.TaggedError<Unavailable>("@effect-prefect/api/Unavailable")(
  "Unavailable",
  { detail: Schema.String, cause: Schema.optionalKey(Schema.Defect()) }
) {
  override get message() {
    return `the backend is not available: ${this.detail}`
  }
}

/**
 * A query that this backend cannot answer.
 *
 * @category reasons
 * @since 0.1.0
 */
export class UnsupportedByBackend
  extends Schema.TaggedError<UnsupportedByBackend>("@effect-prefect/api/UnsupportedByBackend")(
    "UnsupportedByBackend",
    { feature: Schema.String, backend: Schema.String, hint: Schema.optionalKey(Schema.String) }
  )
{
  override get message() {
    return `${this.backend} has no ${this.feature}${this.hint === undefined ? "" : `: ${this.hint}`}`
  }
}

/**
 * Every reason.
 *
 * @category reasons
 * @since 0.1.0
 */
export const Reason = Schema.Union([
  TaskRunNotFound,
  FlowRunNotFound,
  FlowNotFound,
  StorageBlockNotFound,
  AmbiguousTaskRun,
  MalformedResponse,
  Unauthorized,
  RateLimited,
  Unavailable,
  UnsupportedByBackend
])
/**
 * @category reasons
 * @since 0.1.0
 */
export type Reason = typeof Reason.Type

/**
 * The error of every operation of `PrefectApi`. Handle a reason with `Effect.catchReason("PrefectApiError",
 * "TaskRunNotFound", f)`.
 *
 * @category errors
 * @since 0.1.0
 */
export class PrefectApiError extends Schema.TaggedError<PrefectApiError>("@effect-prefect/api/PrefectApiError")(
  "PrefectApiError",
  { operation: Schema.String, reason: Reason }
) {
  override get message() {
    return this.reason.message
  }
  /** The form that `console.log`, loggers and `JSON.stringify` show: the fields and the message. */
  override toJSON(): unknown {
    return { message: this.message, ...super.toJSON() as object }
  }
  /** Whether the same call may succeed later. It has already been retried. */
  get isRetryable(): boolean {
    return this.reason._tag === "RateLimited" || this.reason._tag === "Unavailable"
  }
  /** The status with which an HTTP API of your own answers: 502 where the backend, not the request, is at fault. */
  get httpStatus(): number {
    return httpStatuses[this.reason._tag]
  }
}

/** By RFC 9110, 15.5 and 15.6. The backend's Unauthorized concerns the API's own credentials, not those of its client. */
const httpStatuses: Readonly<Record<Reason["_tag"], number>> = {
  TaskRunNotFound: 404,
  FlowRunNotFound: 404,
  FlowNotFound: 404,
  StorageBlockNotFound: 404,
  AmbiguousTaskRun: 409,
  MalformedResponse: 502,
  Unauthorized: 502,
  RateLimited: 503,
  Unavailable: 503,
  UnsupportedByBackend: 501
}
