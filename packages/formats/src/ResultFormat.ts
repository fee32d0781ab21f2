/**
 * Decodes stored bytes to a plain value.
 *
 * Prefect 1 never recorded which serializer wrote a result, so the format is detected from the bytes. The first match
 * wins:
 *
 * 1. a compression around the rest: gzip, zlib, bz2, xz, zstd, legacy `.lzma` (up to four, nested)
 * 2. Parquet (`PAR1` at both ends), Arrow and Feather files (`ARROW1`, `FEA1`) and Arrow streams
 * 3. a pickle of protocol 2 to 5, by its header, and the archives of `torch.save`
 * 4. CSV, when the name ends in `.csv` (before the suffix of a compression)
 * 5. JSON as Python writes it
 * 6. an ISO 8601 datetime
 * 7. a pickle of protocol 0 or 1, which has no header
 * 8. base64 text of a pickle, as very old versions of Prefect stored it
 *
 * A hint replaces steps 2 to 8. Steps 2 and 3 take precedence over the name, because no text begins like that; pandas
 * JSON cannot be distinguished from other JSON and plain text can be anything, so both require the hint.
 *
 * **Example** (A file of unknown format)
 *
 * ```ts
 * import { ResultFormat } from "@effect-prefect/formats"
 * import { Effect } from "effect"
 * import { readFile } from "node:fs/promises"
 *
 * export const read = (path: string) =>
 *   Effect.flatMap(
 *     Effect.promise(() => readFile(path)),
 *     (bytes) => ResultFormat.decode(bytes, { name: path, maxBytes: 256 * 1024 * 1024 })
 *   )
 * ```
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as ClassRegistry from "./ClassRegistry.ts"
import { FormatError, TooLarge } from "./FormatError.ts"
import { isArrowStream, readFeather } from "./internal/arrow/feather.ts"
import { plainBytes } from "./internal/bytes.ts"
import * as Compressions from "./internal/compression/compression.ts"
import type { Compression } from "./internal/compression/compression.ts"
import { jsonBytesSteps, notSmallJson, smallJson } from "./internal/jsonPieces.ts"
import { maxDateTimeLength, parseDateTime } from "./internal/python/datetime.ts"
import { readCsv } from "./internal/readers/csv.ts"
import { readPandasJson } from "./internal/readers/pandasJson.ts"
import { readParquet } from "./internal/readers/parquet.ts"
import {
  beyond,
  fromBase64,
  isBinaryPickle,
  mayBeOldPickle,
  pickleSteps,
  readPickle,
  readTorch
} from "./internal/readers/pickle.ts"
import { formatError, Refusal, refuse } from "./internal/refusal.ts"
import { giveWay, type Grow, type Steps } from "./internal/steps.ts"
import { afterSpace, decodeUtf8, utf8PiecesSteps, utf8Steps, withoutMark } from "./internal/text.ts"
import { isZip } from "./internal/zip.ts"

/**
 * A format that overrides detection.
 *
 * - `pickle`: a pickle, or base64 text of one
 * - `json`: JSON as Python writes it
 * - `datetime`: an ISO 8601 datetime
 * - `text`: UTF-8 text, as a string
 * - `parquet`, `feather` (Arrow files and streams too), `csv`: a `Table`
 * - `pandas-json`: a `Table` from what `DataFrame.to_json` writes
 *
 * @category models
 * @since 0.1.0
 */
export type Format = "pickle" | "json" | "datetime" | "text" | "parquet" | "feather" | "csv" | "pandas-json"

/**
 * The name and format of stored bytes, and the limits of decoding them.
 *
 * @category models
 * @since 0.1.0
 */
export interface DecodeOptions {
  /** The name of the file or object. */
  readonly name: string
  readonly format?: Format | undefined
  /** The largest decompressed size in bytes. */
  readonly maxBytes: number
  /** The largest ratio of decompressed to compressed bytes, which applies above 64 MiB. Default 1 000. */
  readonly maxRatio?: number | undefined
  /**
   * Waits until the given number of bytes of memory is available: an exact number for decompressed bytes, an estimate
   * (`isGuess`) for the values that bytes become. Default: memory is always available.
   */
  readonly reserve?: Reserve | undefined
  /** Only these columns of a Parquet file; other formats are read completely. Default: all. */
  readonly columns?: ReadonlyArray<string> | undefined
  /** Decoders for the caller's classes. Default: none, so objects stay inert. */
  readonly registry?: ClassRegistry.ClassRegistry | undefined
}

/**
 * A request for memory, which succeeds when there is room and fails when there can never be enough. It returns the bytes
 * that were granted: all of them, or fewer for a guess that is too large.
 *
 * @category models
 * @since 0.1.0
 */
export type Reserve = (bytes: number, isGuess: boolean) => Effect.Effect<number, FormatError>

export type { Compression } from "./internal/compression/compression.ts"

/**
 * The compression that bytes begin with, or undefined.
 *
 * @category decoding
 * @since 0.1.0
 */
export const compressionOf: (bytes: Uint8Array) => Compression | undefined = Compressions.compressionOf

/**
 * Removes one layer of compression, yielding to other fibers meanwhile.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decompress = (
  compression: Compression,
  bytes: Uint8Array,
  options: Pick<DecodeOptions, "maxBytes" | "maxRatio" | "reserve">
): Effect.Effect<Uint8Array, FormatError> => Compressions.decompress(compression, bytes, limitsOf(options))

/** The most layers of compression around a value. */
const maxLayers = 4

const limitsOf = (options: Pick<DecodeOptions, "maxBytes" | "maxRatio" | "reserve">): Compressions.Limits => ({
  maxBytes: options.maxBytes,
  maxRatio: options.maxRatio ?? 1_000,
  reserve: options.reserve
})

const compressionEndings = /\.(?:gz|gzip|z|zlib|zz|bz2|bzip2|xz|lzma|zst|zstd)$/

const isCsvName = (name: string): boolean => {
  // Nearly all names end here, and very many small results are read.
  if (!/\.csv/i.test(name)) return false
  let base = name.toLowerCase()
  for (let layer = 0; layer < maxLayers && compressionEndings.test(base); layer++) {
    base = base.replace(compressionEndings, "")
  }
  return base.endsWith(".csv")
}

const startsWith = (bytes: Uint8Array, text: string): boolean => {
  for (let i = 0; i < text.length; i++) if (bytes[i] !== text.charCodeAt(i)) return false
  return true
}

const isParquet = (bytes: Uint8Array): boolean =>
  bytes.length >= 12 && startsWith(bytes, "PAR1") && startsWith(bytes.subarray(bytes.length - 4), "PAR1")

const isArrow = (bytes: Uint8Array): boolean =>
  startsWith(bytes, "ARROW1") || startsWith(bytes, "FEA1") || isArrowStream(bytes)

const requireText = <A>(text: A | undefined): A => text ?? refuse("it is read as text, but its bytes are not UTF-8")

const datetimeOf = (bytes: Uint8Array): unknown =>
  parseDateTime(bytes.length > maxDateTimeLength ? "" : decodeUtf8(bytes) ?? "") ??
    refuse("it is read as a datetime, but it is not an ISO 8601 datetime")

function* jsonOf(bytes: Uint8Array): Steps<unknown> {
  const parsed = yield* jsonBytesSteps(bytes)
  if (parsed === undefined) return refuse("it is read as JSON, but its bytes are not text")
  return "value" in parsed ? parsed.value : refuse(`it is read as JSON, but it is not: ${parsed.problem}`)
}

function* pickleOf(bytes: Uint8Array, options: DecodeOptions): Steps<unknown> {
  const registry = options.registry ?? ClassRegistry.empty
  if (isBinaryPickle(bytes)) return yield* pickleSteps(bytes, registry, options.maxBytes)
  if (isZip(bytes)) {
    return (yield* torchOf(bytes, options)) ?? refuse("it is a ZIP archive, and not one that torch.save wrote")
  }
  const decoded = yield* fromBase64(bytes)
  return yield* pickleSteps(decoded ?? bytes, registry, options.maxBytes)
}

const torchOf = (bytes: Uint8Array, options: DecodeOptions): Steps<unknown> =>
  readTorch(bytes, options.registry ?? ClassRegistry.empty, options.maxBytes)

/** Marks Parquet, whose reader is loaded on first use; all other formats are decoded synchronously. */
const parquet = Symbol("Parquet")

function* byHint(bytes: Uint8Array, hint: Format, options: DecodeOptions): Steps<unknown> {
  switch (hint) {
    case "pickle":
      return yield* pickleOf(bytes, options)
    case "json":
      return yield* jsonOf(bytes)
    case "datetime":
      return datetimeOf(bytes)
    case "text":
      return requireText(yield* utf8Steps(bytes))
    case "parquet":
      return parquet
    case "feather":
      return yield* readFeather(bytes, options.maxBytes)
    case "csv":
      return yield* readCsv(bytes, options.maxBytes)
    case "pandas-json":
      return yield* readPandasJson(requireText(yield* utf8PiecesSteps(withoutMark(bytes))))
  }
}

/** The characters that JSON may begin with, after white space or a byte order mark. */
function* mayBeJson(bytes: Uint8Array): Steps<boolean> {
  const first = bytes[yield* afterSpace(bytes, 0)]
  if (first === undefined) return false
  return (first >= 0x30 && first <= 0x39) || "{[\"-tfnNI\xef\xfe\xff\0".includes(String.fromCharCode(first))
}

/** The value of bytes that are not compressed, or the decoder to load for it. */
function* byBytes(bytes: Uint8Array, options: DecodeOptions): Steps<unknown> {
  const registry = options.registry ?? ClassRegistry.empty
  if (isBinaryPickle(bytes)) return yield* pickleSteps(bytes, registry, options.maxBytes)
  if (isZip(bytes)) {
    return (yield* torchOf(bytes, options)) ?? refuse("it is a ZIP archive, and not one that torch.save wrote")
  }
  if (isParquet(bytes)) return parquet
  if (isArrow(bytes)) return yield* readFeather(bytes, options.maxBytes)
  if (isCsvName(options.name)) return yield* readCsv(bytes, options.maxBytes)
  if (bytes.length === 0) return refuse("it is empty")
  const tried: Array<string> = []
  if (yield* mayBeJson(bytes)) {
    const parsed = yield* jsonBytesSteps(bytes)
    if (parsed !== undefined) {
      if ("value" in parsed) return parsed.value
      tried.push(`JSON (${parsed.problem})`)
    }
  } else tried.push("JSON")
  if (bytes.length <= maxDateTimeLength) {
    const datetime = parseDateTime(decodeUtf8(bytes) ?? "")
    if (datetime !== undefined) return datetime
  }
  tried.push("an ISO datetime")
  if (mayBeOldPickle(bytes)) {
    try {
      return yield* pickleSteps(bytes, registry, options.maxBytes)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      tried.push(`a pickle without a header (${error.reason._tag === "Undecodable" ? error.reason.detail : ""})`)
    }
  } else tried.push("a pickle without a header")
  const decoded = yield* fromBase64(bytes)
  if (decoded !== undefined) {
    try {
      return yield* pickleSteps(decoded, registry, options.maxBytes)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      tried.push(`base64 of a pickle (${error.reason._tag === "Undecodable" ? error.reason.detail : ""})`)
    }
  } else tried.push("base64 of a pickle")
  return refuse(
    `no format matches its ${bytes.length} bytes; tried Parquet, Arrow and pickle by their first bytes, ${
      tried.join(", ")
    }. A format can be given in the options`
  )
}

function* interpret(stored: Uint8Array, options: DecodeOptions): Steps<unknown> {
  const bytes = plainBytes(stored)
  return options.format === undefined ? yield* byBytes(bytes, options) : yield* byHint(bytes, options.format, options)
}

/** The compression around bytes. A hint applies to the content, and plain text is never decompressed. */
const layerOf = (bytes: Uint8Array, options: DecodeOptions): Compression | undefined =>
  options.format === "text" ? undefined : Compressions.compressionOf(bytes)

const tooManyLayers = () => refuse(`it is compressed more than ${maxLayers} times over`)

const loadParquet = (bytes: Uint8Array, options: DecodeOptions, grow: Grow): Effect.Effect<unknown, FormatError> =>
  readParquet(bytes, options.maxBytes, options.columns, grow)

/** Removes compressions, yielding to other fibers between and inside them. */
const decodeLarge = (bytes: Uint8Array, options: DecodeOptions, layer: number): Effect.Effect<unknown, FormatError> => {
  const compression = layerOf(bytes, options)
  if (compression === undefined) return decodeInner(bytes, options)
  return layer >= maxLayers
    ? Effect.try({ try: tooManyLayers, catch: formatError })
    : Effect.flatMap(
      Compressions.decompress(compression, bytes, limitsOf(options)),
      (inner) => decodeLarge(inner, options, layer + 1)
    )
}

/** Smaller values do not need a request for memory. */
const smallBytes = 64 * 1024

/**
 * The bytes of memory that the value of bytes for which `isSmall` holds may take without a request.
 *
 * @category decoding
 * @since 0.1.0
 */
export const smallMemory = 0x200000

/**
 * Whether bytes are decoded in a moment: few, and not compressed.
 *
 * @category decoding
 * @since 0.1.0
 */
export const isSmall = (bytes: Uint8Array): boolean =>
  bytes.length <= smallBytes && Compressions.compressionOf(bytes) === undefined

/** Pickles that cannot take as much. */
const tinyBytes = 8 * 1024

/** The estimated memory of a value while it is decoded, as a multiple of its bytes. */
const guessedGrowth = 3

/** The memory that values may take where no `reserve` is given, in bytes; four times `maxBytes` where that is more. */
const defaultMemory = 0x20000000

/** Reserves what values take beyond the guess that was granted. */
const growthOf = (options: DecodeOptions, guess: number): Grow => {
  const { maxBytes, reserve } = options
  if (reserve === undefined) {
    const limit = Math.max(defaultMemory, 4 * maxBytes)
    return (bytes, isGuess = false) =>
      bytes <= limit || isGuess
        ? Effect.succeed(Math.min(bytes, limit))
        : Effect.fail(new FormatError({ reason: new TooLarge({ limit, size: bytes }) }))
  }
  let granted = guess
  return (bytes, isGuess = false) => {
    const missing = bytes - granted
    return missing <= 0
      ? Effect.succeed(granted)
      : Effect.map(reserve(missing, isGuess), (more) => granted += more)
  }
}

const decodeInner = (bytes: Uint8Array, options: DecodeOptions): Effect.Effect<unknown, FormatError> => {
  if (bytes.length <= smallBytes) return decodeSmall(bytes, options)
  if (options.reserve === undefined) return decodePlain(bytes, options, growthOf(options, 0))
  return Effect.flatMap(
    options.reserve(bytes.length * guessedGrowth, true),
    (granted) => decodePlain(bytes, options, growthOf(options, granted))
  )
}

const decodeSmall = (bytes: Uint8Array, options: DecodeOptions): Effect.Effect<unknown, FormatError> => {
  // A caller who reserves memory has tried.
  const atOnce = options.reserve === undefined || bytes.length <= tinyBytes ? pickleAtOnce(bytes, options) : undefined
  return atOnce === undefined ? decodePlain(bytes, options, growthOf(options, 0)) : Effect.fromResult(atOnce)
}

/**
 * Decodes, without an Effect, what takes a moment: JSON of up to 20 kB in UTF-8 that begins with a bracket or a quote, and
 * pickles of up to 64 KiB whose values take little memory, both without compression. Returns undefined for everything
 * else, which `decode` decodes.
 *
 * **When to use**
 *
 * For very many small results, of which each costs little more than its Effects.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decodeAtOnce = (
  bytes: Uint8Array,
  options: DecodeOptions
): Result.Result<unknown, FormatError> | undefined => {
  const json = jsonAtOnce(bytes, options)
  return json === notSmallJson ? pickleAtOnce(bytes, options) : Result.succeed(json)
}

/** No other format and no compression begins as these texts do, except what a name or a hint declares. */
const jsonAtOnce = (bytes: Uint8Array, { format, name }: DecodeOptions): unknown =>
  format === "json" || (format === undefined && !isCsvName(name)) ? smallJson(bytes) : notSmallJson

const pickleAtOnce = (
  bytes: Uint8Array,
  { format, maxBytes, registry = ClassRegistry.empty }: DecodeOptions
): Result.Result<unknown, FormatError> | undefined => {
  if (bytes.length > smallBytes || !isBinaryPickle(bytes) || (format !== undefined && format !== "pickle")) {
    return undefined
  }
  try {
    const memory = bytes.length > tinyBytes ? smallMemory : undefined
    const value = readPickle(plainBytes(bytes), registry, maxBytes, memory)
    return value === beyond ? undefined : Result.succeed(value)
  } catch (error) {
    return Result.fail(formatError(error))
  }
}

const decodePlain = (
  bytes: Uint8Array,
  options: DecodeOptions,
  grow: Grow
): Effect.Effect<unknown, FormatError> =>
  Effect.flatMap(
    giveWay(() => interpret(bytes, options), formatError, grow),
    (value) => value === parquet ? loadParquet(bytes, options, grow) : Effect.succeed(value)
  )

/**
 * Decodes bytes to a value.
 *
 * Small inputs are decoded synchronously. Large inputs yield to other fibers every few milliseconds and can be
 * interrupted then; Parquet is read in another thread.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decode = (
  bytes: Uint8Array,
  options: DecodeOptions
): Effect.Effect<unknown, FormatError> =>
  Effect.suspend(() => {
    const json = jsonAtOnce(bytes, options)
    if (json !== notSmallJson) return Effect.succeed(json)
    let inner = bytes
    for (let layer = 0;; layer++) {
      const compression = layerOf(inner, options)
      if (compression === undefined) return decodeInner(inner, options)
      try {
        if (layer >= maxLayers) tooManyLayers()
        const plain = Compressions.decompressSmall(compression, inner, limitsOf(options))
        if (plain === undefined) return decodeLarge(inner, options, layer)
        inner = plain
      } catch (error) {
        return Effect.fail(formatError(error))
      }
    }
  })
