/**
 * From stored bytes to a plain value.
 *
 * Prefect 1 never recorded which serializer wrote a result, so the format is told from the bytes.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { ResultDecodeError } from "./ResultError.ts"

/**
 * A format that overrides what the bytes look like.
 *
 * @category models
 * @since 0.1.0
 */
export type FormatHint = "pickle" | "json" | "datetime" | "text" | "parquet" | "feather" | "csv" | "pandas-json"

/**
 * @category models
 * @since 0.1.0
 */
export interface DecodeOptions {
  /** What the file or object is called. */
  readonly name: string
  readonly format?: FormatHint | undefined
  /** How large the decompressed bytes may be. */
  readonly maxBytes: number
}

/**
 * The value of some bytes.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decode = (bytes: Uint8Array, _options: DecodeOptions): Effect.Effect<unknown, ResultDecodeError> =>
  Effect.try({
    try: () => JSON.parse(new TextDecoder().decode(bytes)) as unknown,
    catch: () => new ResultDecodeError({ problem: "tried JSON" })
  })
