/**
 * `ResultError`: the failures of loading a result, as tagged reasons. The reasons are listed in the order in which they
 * are checked.
 *
 * @since 0.1.0
 */
import type { FormatError } from "@effect-prefect/formats/FormatError"
import * as Schema from "effect/Schema"

/** The problem, then the remedy in code. */
const advised = (summary: string, hint: string | undefined): string =>
  hint === undefined ? summary : `${summary}: ${hint}`

/**
 * `iterMapped` or `outcomes` of a task run that is not the parent of mapped children.
 *
 * @category reasons
 * @since 0.1.0
 */
export class NotMapped extends Schema.TaggedError<NotMapped>("@effect-prefect/results/NotMapped")("NotMapped", {
  state: Schema.String
}) {
  get summary() {
    return `it is not mapped (its state is ${this.state})`
  }
  get hint() {
    return "use getResult"
  }
  override get message() {
    return advised(this.summary, this.hint)
  }
}

/**
 * The run, or a mapped child, has not finished.
 *
 * @category reasons
 * @since 0.1.0
 */
export class NotFinished extends Schema.TaggedError<NotFinished>("@effect-prefect/results/NotFinished")("NotFinished", {
  state: Schema.String
}) {
  get summary() {
    return `it has not finished (its state is ${this.state})`
  }
  get hint() {
    return "wait for it, then getLatest"
  }
  override get message() {
    return advised(this.summary, this.hint)
  }
}

/**
 * Nothing was stored: there is no result type, or its location is null.
 *
 * @category reasons
 * @since 0.1.0
 */
export class NotPersisted extends Schema.TaggedError<NotPersisted>("@effect-prefect/results/NotPersisted")(
  "NotPersisted",
  {
    state: Schema.String,
    /** The cause, in the terms of the Prefect that ran it; for a failed run, its state's message. */
    detail: Schema.optionalKey(Schema.String)
  }
) {
  get summary() {
    return `its state ${this.state} has no stored result${this.detail === undefined ? "" : `: ${this.detail}`}`
  }
  override get message() {
    return this.summary
  }
}

/**
 * A result of a class that cannot be read: a custom class, a constant, a secret.
 *
 * @category reasons
 * @since 0.1.0
 */
export class UnsupportedResultType
  extends Schema.TaggedError<UnsupportedResultType>("@effect-prefect/results/UnsupportedResultType")(
    "UnsupportedResultType",
    { type: Schema.String, detail: Schema.String, hint: Schema.optionalKey(Schema.String) }
  )
{
  get summary() {
    return `its result type ${this.type} cannot be read: ${this.detail}`
  }
  override get message() {
    return advised(this.summary, this.hint)
  }
}

/**
 * The layer has no reader for that kind of storage.
 *
 * @category reasons
 * @since 0.1.0
 */
export class StorageNotProvided
  extends Schema.TaggedError<StorageNotProvided>("@effect-prefect/results/StorageNotProvided")("StorageNotProvided", {
    type: Schema.String,
    hint: Schema.String
  })
{
  get summary() {
    return `no storage for ${this.type} was provided`
  }
  override get message() {
    return advised(this.summary, this.hint)
  }
}

/**
 * A location that is not allowed (the store is then not contacted), or a store that rejected the credentials.
 *
 * @category reasons
 * @since 0.1.0
 */
export class ResultAccessDenied
  extends Schema.TaggedError<ResultAccessDenied>("@effect-prefect/results/ResultAccessDenied")("ResultAccessDenied", {
    location: Schema.String,
    detail: Schema.String,
    /** How to allow the location; absent when the store itself rejected the request. */
    hint: Schema.optionalKey(Schema.String)
  })
{
  get summary() {
    return `${this.location} may not be read: ${this.detail}`
  }
  override get message() {
    return advised(this.summary, this.hint)
  }
}

/**
 * The file, object or bucket does not exist.
 *
 * @category reasons
 * @since 0.1.0
 */
export class ResultNotFound extends Schema.TaggedError<ResultNotFound>("@effect-prefect/results/ResultNotFound")(
  "ResultNotFound",
  { location: Schema.String, detail: Schema.String }
) {
  get summary() {
    return `${this.location} does not exist: ${this.detail}`
  }
  override get message() {
    return this.summary
  }
}

/**
 * The store failed, after retries.
 *
 * @category reasons
 * @since 0.1.0
 */
export class StorageUnavailable
  extends Schema.TaggedError<StorageUnavailable>("@effect-prefect/results/StorageUnavailable")("StorageUnavailable", {
    location: Schema.String,
    detail: Schema.String
  })
{
  get summary() {
    return `${this.location} could not be read: ${this.detail}`
  }
  override get message() {
    return this.summary
  }
}

/**
 * Larger than the caller's limit of bytes, of memory, or of children.
 *
 * @category reasons
 * @since 0.1.0
 */
export class ResultTooLarge extends Schema.TaggedError<ResultTooLarge>("@effect-prefect/results/ResultTooLarge")(
  "ResultTooLarge",
  {
    limit: Schema.Finite,
    unit: Schema.Literals(["bytes", "memory", "children"]),
    size: Schema.optionalKey(Schema.Finite)
  }
) {
  get summary() {
    if (this.unit === "memory") {
      const size = this.size === undefined ? `more than ${this.limit}` : String(this.size)
      return `it needs about ${size} bytes of memory, over the limit of ${this.limit}`
    }
    const size = this.size === undefined ? `more than ${this.limit} ${this.unit}` : `${this.size} ${this.unit}`
    return `it has ${size}, over the limit of ${this.limit}`
  }
  get hint() {
    if (this.unit === "memory") return "raise maxMemory"
    return this.unit === "bytes"
      ? "raise maxBytes, or use getResultBytes"
      : "use outcomes, or raise maxChildren"
  }
  override get message() {
    return advised(this.summary, this.hint)
  }
}

const notTable = "it is not a table"

/**
 * The bytes do not match any format, or the value does not match the caller's schema, or is not a table when one is
 * requested.
 *
 * @category reasons
 * @since 0.1.0
 */
export class ResultDecodeError
  extends Schema.TaggedError<ResultDecodeError>("@effect-prefect/results/ResultDecodeError")("ResultDecodeError", {
    detail: Schema.String
  })
{
  /** For a result that was read, but is not a table as `getTable` requires. */
  static notTable(): ResultDecodeError {
    return new ResultDecodeError({ detail: notTable })
  }
  get isNotTable(): boolean {
    return this.detail === notTable
  }
  get summary() {
    return `its result cannot be decoded: ${this.detail}`
  }
  override get message() {
    return this.summary
  }
}

/**
 * There are fewer or more children than `n_map_states`, one between others is missing, or a map index occurs twice.
 *
 * @category reasons
 * @since 0.1.0
 */
export class ChildrenIncomplete
  extends Schema.TaggedError<ChildrenIncomplete>("@effect-prefect/results/ChildrenIncomplete")("ChildrenIncomplete", {
    detail: Schema.String,
    found: Schema.Int,
    expected: Schema.NullOr(Schema.Int)
  })
{
  get summary() {
    return `its mapped children are incomplete: ${this.detail}`
  }
  override get message() {
    return this.summary
  }
}

/**
 * The reasons with which a storage reader may fail.
 *
 * @category reasons
 * @since 0.1.0
 */
export type StorageReason =
  | UnsupportedResultType
  | StorageNotProvided
  | ResultAccessDenied
  | ResultNotFound
  | StorageUnavailable
  | ResultTooLarge

/**
 * Every reason.
 *
 * @category reasons
 * @since 0.1.0
 */
export const Reason = Schema.Union([
  NotMapped,
  NotFinished,
  NotPersisted,
  UnsupportedResultType,
  StorageNotProvided,
  ResultAccessDenied,
  ResultNotFound,
  StorageUnavailable,
  ResultTooLarge,
  ResultDecodeError,
  ChildrenIncomplete
])
/**
 * @category reasons
 * @since 0.1.0
 */
export type Reason = typeof Reason.Type

/**
 * The error of every operation that loads results. It names the task run that failed (for a mapped parent, the child at
 * fault), or the flow run whose own result it is.
 *
 * Handle a reason with `Effect.catchReason("ResultError", "ResultNotFound", f)`.
 *
 * @category errors
 * @since 0.1.0
 */
export class ResultError extends Schema.TaggedError<ResultError>("@effect-prefect/results/ResultError")("ResultError", {
  /** null for the result of a flow run. */
  taskRunId: Schema.NullOr(Schema.String),
  /** The flow run whose own result it is; absent for a task run's. */
  flowRunId: Schema.optionalKey(Schema.String),
  taskSlug: Schema.NullOr(Schema.String),
  /** -1 when the run is not a mapped child. */
  mapIndex: Schema.Int,
  reason: Reason
}) {
  override get message() {
    return `${this.#subject}: ${this.reason.message}`
  }
  /** The message without advice for code: for the users of a program that uses this library. */
  get summary(): string {
    return `${this.#subject}: ${this.reason.summary}`
  }
  get #subject(): string {
    const index = this.mapIndex < 0 ? "" : `[${this.mapIndex}]`
    return this.flowRunId === undefined
      ? `${this.taskSlug ?? "task run"}${index} (${this.taskRunId})`
      : `flow run ${this.flowRunId}`
  }
  /** The fields and the message, for `console.log`, loggers and `JSON.stringify`. */
  override toJSON(): unknown {
    return { message: this.message, ...super.toJSON() as object }
  }
  /** Whether the same call may succeed later. Requests to a store have already been retried. */
  get isRetryable(): boolean {
    return this.reason._tag === "NotFinished" || this.reason._tag === "StorageUnavailable"
  }
  /** The status with which an HTTP API of your own answers. */
  get httpStatus(): number {
    return httpStatuses[this.reason._tag]
  }
}

/** By RFC 9110, 15.5 and 15.6: what a client may change is 4xx, what only the operator may is 5xx. */
const httpStatuses: Readonly<Record<ResultError["reason"]["_tag"], number>> = {
  NotMapped: 409,
  NotFinished: 409,
  NotPersisted: 404,
  UnsupportedResultType: 422,
  StorageNotProvided: 500,
  ResultAccessDenied: 403,
  ResultNotFound: 404,
  StorageUnavailable: 503,
  ResultTooLarge: 413,
  ResultDecodeError: 422,
  ChildrenIncomplete: 409
}

/**
 * The reason for a result whose bytes or value `@effect-prefect/formats` rejected.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromFormatError = ({ reason }: FormatError): ResultDecodeError | ResultTooLarge | StorageUnavailable => {
  switch (reason._tag) {
    case "Undecodable":
      return new ResultDecodeError({ detail: reason.detail })
    case "ReaderUnavailable":
      return new StorageUnavailable({ location: "its result", detail: reason.detail })
    case "TooLarge":
      return new ResultTooLarge({
        limit: reason.limit,
        unit: "bytes",
        ...(reason.size === undefined ? {} : { size: reason.size })
      })
  }
}

/**
 * The message of an error for the users of a program: `summary` of a `ResultError`, and the message of any other error.
 *
 * @category formatting
 * @since 0.1.0
 */
export const summaryOf = (error: Error): string => error instanceof ResultError ? error.summary : error.message
