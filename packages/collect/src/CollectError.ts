/**
 * `CollectError`: the failures of a collection, or of a part of one, as tagged reasons.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * No flow run, or no task run, matches the selection.
 *
 * @category reasons
 * @since 0.1.0
 */
export class NothingToCollect
  extends Schema.TaggedError<NothingToCollect>("@effect-prefect/collect/NothingToCollect")("NothingToCollect", {
    selection: Schema.String
  })
{
  override get message() {
    return `nothing to collect: ${this.selection} has no task runs`
  }
}

/**
 * A flow run of the selection has not finished.
 *
 * @category reasons
 * @since 0.1.0
 */
export class FlowRunUnfinished
  extends Schema.TaggedError<FlowRunUnfinished>("@effect-prefect/collect/FlowRunUnfinished")("FlowRunUnfinished", {
    flowRunId: Schema.String,
    state: Schema.String
  })
{
  override get message() {
    return `flow run ${this.flowRunId} has not finished (its state is ${this.state}): wait for it, ` +
      "or allow unfinished flow runs (--allow-unfinished)"
  }
}

/**
 * The output holds the plan of another collection.
 *
 * @category reasons
 * @since 0.1.0
 */
export class OtherCollection
  extends Schema.TaggedError<OtherCollection>("@effect-prefect/collect/OtherCollection")("OtherCollection", {
    output: Schema.String,
    detail: Schema.String
  })
{
  override get message() {
    return `${this.output} holds another collection: ${this.detail}; choose another output`
  }
}

/**
 * A file of the output is not one that this library writes.
 *
 * @category reasons
 * @since 0.1.0
 */
export class NotACollection
  extends Schema.TaggedError<NotACollection>("@effect-prefect/collect/NotACollection")("NotACollection", {
    output: Schema.String,
    detail: Schema.String
  })
{
  override get message() {
    return `${this.output} is not a collection that this version can read: ${this.detail}`
  }
}

/**
 * The plan needs a location that the storage layer does not allow.
 *
 * @category reasons
 * @since 0.1.0
 */
export class PlaceNotAllowed
  extends Schema.TaggedError<PlaceNotAllowed>("@effect-prefect/collect/PlaceNotAllowed")("PlaceNotAllowed", {
    location: Schema.String
  })
{
  override get message() {
    return `results lie in ${this.location}, which this process may not read: allow it (--mount ${this.location}), ` +
      `or mount its copy (--mount ${this.location}=DIR)`
  }
}

/**
 * Parts failed after all of their attempts.
 *
 * @category reasons
 * @since 0.1.0
 */
export class PartsFailed extends Schema.TaggedError<PartsFailed>("@effect-prefect/collect/PartsFailed")("PartsFailed", {
  failed: Schema.Int,
  parts: Schema.Int,
  /** The first three: number, range and last error. */
  examples: Schema.Array(Schema.String)
}) {
  override get message() {
    const more = this.failed > this.examples.length ? `; and ${this.failed - this.examples.length} more` : ""
    return `${this.failed} of ${this.parts} parts failed: ${this.examples.join("; ")}${more}. ` +
      "Run the same command again to retry them"
  }
}

/**
 * The output could not be written or read.
 *
 * @category reasons
 * @since 0.1.0
 */
export class OutputUnavailable
  extends Schema.TaggedError<OutputUnavailable>("@effect-prefect/collect/OutputUnavailable")("OutputUnavailable", {
    output: Schema.String,
    detail: Schema.String,
    /** Whether it stays so until somebody does something: a full disk, for example. */
    isPermanent: Schema.optionalKey(Schema.Boolean)
  })
{
  override get message() {
    return `${this.output}: ${this.detail}`
  }
}

/**
 * A format, an option or an output that this library, or the store, does not support.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Unsupported extends Schema.TaggedError<Unsupported>("@effect-prefect/collect/Unsupported")("Unsupported", {
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

/**
 * A part could not be read. The message is that of the backend or the storage.
 *
 * @category reasons
 * @since 0.1.0
 */
export class PartUnreadable
  extends Schema.TaggedError<PartUnreadable>("@effect-prefect/collect/PartUnreadable")("PartUnreadable", {
    part: Schema.Int,
    detail: Schema.String
  })
{
  override get message() {
    return this.detail
  }
}

/**
 * The queue, or its database, failed.
 *
 * @category reasons
 * @since 0.1.0
 */
export class QueueUnavailable
  extends Schema.TaggedError<QueueUnavailable>("@effect-prefect/collect/QueueUnavailable")("QueueUnavailable", {
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
export const Reason = Schema.Union([
  NothingToCollect,
  FlowRunUnfinished,
  OtherCollection,
  NotACollection,
  PlaceNotAllowed,
  PartsFailed,
  OutputUnavailable,
  Unsupported,
  PartUnreadable,
  QueueUnavailable
])
/**
 * @category reasons
 * @since 0.1.0
 */
export type Reason = typeof Reason.Type

/**
 * The error of every operation on collections.
 *
 * @category errors
 * @since 0.1.0
 */
export class CollectError
  extends Schema.TaggedError<CollectError>("@effect-prefect/collect/CollectError")("CollectError", {
    reason: Reason
  })
{
  override get message() {
    return this.reason.message
  }
  /** Whether the same call may succeed later. */
  get isRetryable(): boolean {
    if (this.reason._tag === "OutputUnavailable") return this.reason.isPermanent !== true
    return this.reason._tag === "PartUnreadable" || this.reason._tag === "QueueUnavailable"
  }
}
