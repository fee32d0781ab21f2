/** Converts the library's failures to responses of the API. */
import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import { type ResultError, summaryOf } from "@effect-prefect/results/ResultError"
import {
  BadGateway,
  BadRequest,
  Forbidden,
  NotFound,
  NotYet,
  type Problem,
  ServerFault,
  TooLarge,
  Unavailable,
  Unreadable,
  Unsupported
} from "@effect-prefect/ui-api/Problem"
import * as Effect from "effect/Effect"
import { ValueQueryError } from "./result/resultCache.ts"

type Reason = PrefectApiError["reason"]["_tag"] | ResultError["reason"]["_tag"]

/** A new reason in the library is a type error here until it has a status. */
const byReason: Record<Reason, new(fields: { reason: string; message: string }) => Problem> = {
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

export type Failure = PrefectApiError | ResultError | ValueQueryError

export const fromError = (error: Failure): Problem => {
  if (error instanceof ValueQueryError) {
    const { kind, message, parameter } = error
    switch (kind) {
      case "Query":
        return new BadRequest({ reason: parameter, message })
      case "Path":
        return new NotFound({ reason: "ValueNotFound", message })
      case "NotTabular":
        return new Unreadable({ reason: "NotTabular", message })
      case "Fault":
        return new ServerFault({ reason: "ServerFault", message })
    }
  }
  const reason = error.reason._tag
  return new byReason[reason]({ reason, message: summaryOf(error) })
}

export const orProblem = <A, R>(effect: Effect.Effect<A, Failure, R>): Effect.Effect<A, Problem, R> =>
  Effect.mapError(effect, fromError)
