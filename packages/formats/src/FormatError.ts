/**
 * The error of decoding bytes to a value, and of projecting a value to JSON. It only describes bytes and values: the
 * caller knows which task run they belong to.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The bytes are not what the format requires, or the value has no JSON projection. `detail` describes the problem and
 * its position, and never quotes the value.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Undecodable extends Schema.TaggedError<Undecodable>("@effect-prefect/formats/Undecodable")("Undecodable", {
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

/**
 * The decoded bytes are larger than the caller's limit.
 *
 * @category reasons
 * @since 0.1.0
 */
export class TooLarge extends Schema.TaggedError<TooLarge>("@effect-prefect/formats/TooLarge")("TooLarge", {
  /** In bytes. */
  limit: Schema.Finite,
  /** In bytes, if known. */
  size: Schema.optionalKey(Schema.Finite)
}) {
  override get message() {
    const size = this.size === undefined ? `more than ${this.limit}` : String(this.size)
    return `it has ${size} bytes, over the limit of ${this.limit}`
  }
}

/**
 * The process cannot read the format at the moment, whatever the bytes are: it may have too many open files or threads,
 * or too little memory.
 *
 * @category reasons
 * @since 0.1.0
 */
export class ReaderUnavailable
  extends Schema.TaggedError<ReaderUnavailable>("@effect-prefect/formats/ReaderUnavailable")("ReaderUnavailable", {
    detail: Schema.String
  })
{
  override get message() {
    return this.detail
  }
}

/**
 * Every reason.
 *
 * @category reasons
 * @since 0.1.0
 */
export const Reason = Schema.Union([Undecodable, TooLarge, ReaderUnavailable])
/**
 * @category reasons
 * @since 0.1.0
 */
export type Reason = typeof Reason.Type

/**
 * The error of every operation of this package.
 *
 * Handle a reason with `Effect.catchReason("FormatError", "TooLarge", f)`.
 *
 * @category errors
 * @since 0.1.0
 */
export class FormatError extends Schema.TaggedError<FormatError>("@effect-prefect/formats/FormatError")("FormatError", {
  reason: Reason
}) {
  override get message() {
    return this.reason.message
  }
  /** The fields and the message, for `console.log`, loggers and `JSON.stringify`. */
  override toJSON(): unknown {
    return { message: this.message, ...super.toJSON() as object }
  }
}

/**
 * An `Undecodable` error with the given detail.
 *
 * @category constructors
 * @since 0.1.0
 */
export const undecodable = (detail: string): FormatError => new FormatError({ reason: new Undecodable({ detail }) })
