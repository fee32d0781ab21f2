/**
 * The failures of the page's HTTP API: one schema per status code, with the library's reason.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

const fields = { reason: Schema.String, message: Schema.String }

/**
 * A parameter of the request is invalid. `reason` is its name. Status 400.
 *
 * @category errors
 * @since 0.1.0
 */
export class BadRequest extends Schema.TaggedError<BadRequest>()("BadRequest", fields, { httpApiStatus: 400 }) {}

/**
 * The request has no token, or an expired one. Status 401.
 *
 * @category errors
 * @since 0.1.0
 */
export class Unauthenticated
  extends Schema.TaggedError<Unauthenticated>()("Unauthenticated", fields, { httpApiStatus: 401 })
{}

/**
 * The location is not allowed, or the request comes from another page. Status 403.
 *
 * @category errors
 * @since 0.1.0
 */
export class Forbidden extends Schema.TaggedError<Forbidden>()("Forbidden", fields, { httpApiStatus: 403 }) {}

/**
 * The run, flow, value or route does not exist. Status 404.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotFound extends Schema.TaggedError<NotFound>()("NotFound", fields, { httpApiStatus: 404 }) {}

/**
 * The run, or a child of it, has not finished. Status 409.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotYet extends Schema.TaggedError<NotYet>()("NotYet", fields, { httpApiStatus: 409 }) {}

/**
 * The value exceeds a limit. Status 413.
 *
 * @category errors
 * @since 0.1.0
 */
export class TooLarge extends Schema.TaggedError<TooLarge>()("TooLarge", fields, { httpApiStatus: 413 }) {}

/**
 * The value cannot be decoded, or the run is not of the kind that the route requires. Status 422.
 *
 * @category errors
 * @since 0.1.0
 */
export class Unreadable extends Schema.TaggedError<Unreadable>()("Unreadable", fields, { httpApiStatus: 422 }) {}

/**
 * An undescribed failure of the server. Status 500.
 *
 * @category errors
 * @since 0.1.0
 */
export class ServerFault extends Schema.TaggedError<ServerFault>()("ServerFault", fields, { httpApiStatus: 500 }) {}

/**
 * The backend or the storage does not support the operation. Status 501.
 *
 * @category errors
 * @since 0.1.0
 */
export class Unsupported extends Schema.TaggedError<Unsupported>()("Unsupported", fields, { httpApiStatus: 501 }) {}

/**
 * The backend sent an invalid response, or rejected the credentials. Status 502.
 *
 * @category errors
 * @since 0.1.0
 */
export class BadGateway extends Schema.TaggedError<BadGateway>()("BadGateway", fields, { httpApiStatus: 502 }) {}

/**
 * The backend, the storage or this server is busy or unreachable. Status 503.
 *
 * @category errors
 * @since 0.1.0
 */
export class Unavailable extends Schema.TaggedError<Unavailable>()("Unavailable", fields, { httpApiStatus: 503 }) {}

/**
 * Every failure that an endpoint may return.
 *
 * @category errors
 * @since 0.1.0
 */
export const problems = [
  BadRequest,
  Unauthenticated,
  Forbidden,
  NotFound,
  NotYet,
  TooLarge,
  Unreadable,
  ServerFault,
  Unsupported,
  BadGateway,
  Unavailable
] as const

/**
 * A failure of the API: its tag, the library's reason, and one sentence with the remedy.
 *
 * @category errors
 * @since 0.1.0
 */
export type Problem = InstanceType<(typeof problems)[number]>
