/** The failures of this API: one schema per status code, each with the library's reason. */
import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import type { ResultError } from "@effect-prefect/results/ResultError"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

const fields = { reason: Schema.String, message: Schema.String }

export class Unreadable extends Schema.TaggedError<Unreadable>()("Unreadable", fields, { httpApiStatus: 422 }) {}
export class NotFound extends Schema.TaggedError<NotFound>()("NotFound", fields, { httpApiStatus: 404 }) {}
export class NotYet extends Schema.TaggedError<NotYet>()("NotYet", fields, { httpApiStatus: 409 }) {}
export class Forbidden extends Schema.TaggedError<Forbidden>()("Forbidden", fields, { httpApiStatus: 403 }) {}
export class TooLarge extends Schema.TaggedError<TooLarge>()("TooLarge", fields, { httpApiStatus: 413 }) {}
export class Unsupported extends Schema.TaggedError<Unsupported>()("Unsupported", fields, { httpApiStatus: 501 }) {}
export class BadGateway extends Schema.TaggedError<BadGateway>()("BadGateway", fields, { httpApiStatus: 502 }) {}
export class Unavailable extends Schema.TaggedError<Unavailable>()("Unavailable", fields, { httpApiStatus: 503 }) {}

export const problems = [
  Unreadable,
  NotFound,
  NotYet,
  Forbidden,
  TooLarge,
  Unsupported,
  BadGateway,
  Unavailable
] as const

export type Problem = InstanceType<(typeof problems)[number]>

type Reason = PrefectApiError["reason"]["_tag"] | ResultError["reason"]["_tag"]

/** A new reason in the library is a type error here until it has a status. */
const byReason: Record<Reason, (typeof problems)[number]> = {
  TaskRunNotFound: NotFound,
  FlowRunNotFound: NotFound,
  FlowNotFound: NotFound,
  StorageBlockNotFound: NotFound,
  AmbiguousTaskRun: Unreadable,
  MalformedResponse: BadGateway,
  Unauthorized: BadGateway,
  RateLimited: Unavailable,
  Unavailable,
  UnsupportedByBackend: Unsupported,
  NotMapped: Unreadable,
  NotFinished: NotYet,
  NotPersisted: NotFound,
  UnsupportedResultType: Unsupported,
  StorageNotProvided: Unsupported,
  ResultAccessDenied: Forbidden,
  ResultNotFound: NotFound,
  StorageUnavailable: Unavailable,
  ResultTooLarge: TooLarge,
  ResultDecodeError: Unreadable,
  ChildrenIncomplete: NotYet
}

export const fromError = ({ message, reason }: PrefectApiError | ResultError): Problem =>
  new byReason[reason._tag]({ reason: reason._tag, message })

export const orProblem = <A, R>(
  effect: Effect.Effect<A, PrefectApiError | ResultError, R>
): Effect.Effect<A, Problem, R> => Effect.mapError(effect, fromError)
