/** Which objects are sent to S3 in pieces. */
import * as Context from "effect/Context"

export interface UploadSizes {
  /** Bytes of the largest object that is sent whole. */
  readonly whole: number
  /** Bytes of a piece; S3 takes no less than 5 MiB, except for the last. */
  readonly piece: number
}

/** A reference, because tests of pieces need none of megabytes. */
export const UploadSizes = Context.Reference<UploadSizes>("@effect-prefect/collect/UploadSizes", {
  defaultValue: () => ({ whole: 64 * 1024 * 1024, piece: 16 * 1024 * 1024 })
})
