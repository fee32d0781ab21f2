/**
 * The files that Prefect 2 and 3 write for a result, and their values.
 *
 * | form | content | written by |
 * |---|---|---|
 * | A | `{"metadata": {…}, "result": "text"}` | tasks of Prefect 3 |
 * | B | what the serializer wrote, as it is | flows, and tasks whose metadata is kept in a second file |
 * | C | `{"serializer": {…}, "data": "text", "prefect_version": "…"}` | Prefect 2.6 and later |
 * | D | `{"encoding": "cloudpickle", "blob": "text"}` | Prefect 2.0 to 2.5 |
 *
 * Prefect treats any JSON object with a `result` or a `data` as A or C; here it must be a complete record, so a value
 * that merely has such a key stays itself. The serializer is that of the file, otherwise that of the state.
 *
 * Observed on Prefect 2.4, 2.6, 2.10, 2.20, 3.0, 3.8 and 3.9.
 *
 * @since 0.1.0
 */
import type { Prefect3Result } from "@effect-prefect/core/ResultDescriptor"
import * as ClassRegistry from "@effect-prefect/formats/ClassRegistry"
import { FormatError, undecodable } from "@effect-prefect/formats/FormatError"
import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import { keysOf } from "@effect-prefect/pickle"
import * as Effect from "effect/Effect"
import type * as Result from "effect/Result"
import { UnsupportedResultType } from "../../ResultError.ts"
import { asciiOf, decodeBase64 } from "../base64.ts"
import { decodeJson, mayHaveInstances } from "./json.ts"

type Dict = { readonly [key: string]: unknown }
const isDict = (value: unknown): value is Dict => typeof value === "object" && value !== null && !Array.isArray(value)

/**
 * A serializer as Prefect records it; sometimes only its type.
 *
 * @category models
 * @since 0.1.0
 */
export interface Serializer {
  /** `pickle`, `json`, `compressed/pickle`, …, or a user-defined name for a custom class. */
  readonly type: string
  readonly [option: string]: unknown
}

/**
 * The content of a result file, separated from its wrapper.
 *
 * @category models
 * @since 0.1.0
 */
export interface Prefect3Record {
  readonly form: "A" | "B" | "C" | "D"
  /** The serializer's output. */
  readonly payload: Uint8Array
  /** undefined when neither the file nor the state names one: it is then detected from the payload. */
  readonly serializer: Serializer | undefined
}

const isSerializer = (value: unknown): value is Serializer => isDict(value) && typeof value["type"] === "string"

const orUndefined = (value: unknown): Serializer | undefined => isSerializer(value) ? value : undefined

const strictUtf8 = new TextDecoder("utf-8", { fatal: true })
const encoder = new TextEncoder()

/** The names of a record's fields: any other object need not be parsed to see that it is none. */
const beginning = /^[ \n\r\t]*\{[ \n\r\t]*"(?:metadata|result|serializer|data|prefect_version|encoding|blob)"/

/** Whether bytes begin with `{"me…":`, like the records of Prefect 3. */
const isLikeMetadata = (bytes: Uint8Array): boolean =>
  bytes[0] === 0x7b && bytes[1] === 0x22 && bytes[2] === 0x6d && bytes[3] === 0x65 && bytes[10] === 0x22 &&
  bytes[11] === 0x3a

const mayBeRecord = (bytes: Uint8Array): boolean =>
  isLikeMetadata(bytes) || beginning.test(asciiOf(bytes.subarray(0, 256)))

const parseObject = (bytes: Uint8Array): unknown => {
  if (!mayBeRecord(bytes)) return undefined
  try {
    return JSON.parse(strictUtf8.decode(bytes))
  } catch {
    return undefined
  }
}

const hasOnly = (object: Dict, ...keys: ReadonlyArray<string>): boolean =>
  keysOf(object).length === keys.length && keys.every((key) => Object.hasOwn(object, key))

/**
 * Takes the record of a file apart. `recorded` is the serializer in the state.
 *
 * @category decoding
 * @since 0.1.0
 */
export const parse = (bytes: Uint8Array, recorded?: Prefect3Result["serializer"]): Prefect3Record =>
  encoded(takeApart(bytes, parseObject(bytes), recorded))

/** A record whose payload is still the text that it is in the file. */
type Parts = Omit<Prefect3Record, "payload"> & { readonly payload: string | Uint8Array }

const encoded = ({ payload, ...rest }: Parts): Prefect3Record => ({
  ...rest,
  payload: typeof payload === "string" ? encoder.encode(payload) : payload
})

const takeApart = (bytes: Uint8Array, object: unknown, recorded: Prefect3Result["serializer"]): Parts => {
  const fallback = orUndefined(recorded)
  if (isDict(object)) {
    const { data, metadata, result, serializer } = object
    if (
      typeof result === "string" && isDict(metadata) && keysOf(object).length === 2 &&
      (isSerializer(metadata["serializer"]) || Object.hasOwn(metadata, "storage_key"))
    ) {
      return { form: "A", payload: result, serializer: orUndefined(metadata["serializer"]) ?? fallback }
    }
    if (
      hasOnly(object, "serializer", "data", "prefect_version") && isSerializer(serializer) && typeof data === "string"
    ) {
      return { form: "C", payload: data, serializer }
    }
    const { blob, encoding } = object
    if (hasOnly(object, "encoding", "blob") && typeof encoding === "string" && typeof blob === "string") {
      return {
        form: "D",
        payload: blob,
        serializer: { type: encoding === "cloudpickle" ? "pickle" : encoding }
      }
    }
  }
  return { form: "B", payload: bytes, serializer: fallback }
}

/**
 * The value of a result file.
 *
 * Fails with UnsupportedResultType for a serializer that is not part of Prefect, and with FormatError for bytes that
 * the serializer did not write.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decode = (
  bytes: Uint8Array,
  descriptor: Pick<Prefect3Result, "serializer">,
  options: ResultFormat.DecodeOptions
): Effect.Effect<unknown, FormatError | UnsupportedResultType> =>
  Effect.suspend(() => {
    const read = ({ payload, serializer }: Prefect3Record) =>
      payload.length === 0
        ? Effect.fail(undecodable("the file is empty"))
        : deserialize(payload, serializer, options, 0)
    if (ResultFormat.isSmall(bytes) || !mayBeRecord(bytes)) return read(parse(bytes, descriptor.serializer))
    return ResultFormat.decode(bytes, { name: "record", format: "json", maxBytes: options.maxBytes }).pipe(
      Effect.orElseSucceed(() => undefined),
      Effect.flatMap((object) => read(encoded(takeApart(bytes, object, descriptor.serializer))))
    )
  })

/**
 * Like `decode`, without an Effect, for the record of a pickle or of JSON without instances of classes, as most are.
 * Undefined for everything else. `bytes` are small.
 */
export const decodeAtOnce = (
  bytes: Uint8Array,
  { serializer: recorded }: Pick<Prefect3Result, "serializer">,
  options: ResultFormat.DecodeOptions
): Result.Result<unknown, FormatError> | undefined => {
  const { payload, serializer } = takeApart(bytes, parseObject(bytes), recorded)
  if (serializer?.type === "pickle") {
    const plain = base64(payload)
    return plain === undefined ? undefined : ResultFormat.decodeAtOnce(plain, { ...options, format: "pickle" })
  }
  if (serializer?.type !== "json" || (options.registry?.decoders.size ?? 0) > 0) return undefined
  const json = typeof payload === "string" ? encoder.encode(payload) : payload
  return mayHaveInstances(json) ? undefined : ResultFormat.decodeAtOnce(json, { ...options, format: "json" })
}

/** The most nested serializers; Prefect itself nests one. */
const maxWrapping = 8

const deserialize = (
  payload: Uint8Array,
  serializer: Serializer | undefined,
  options: ResultFormat.DecodeOptions,
  depth: number
): Effect.Effect<unknown, FormatError | UnsupportedResultType> => {
  if (depth > maxWrapping) {
    return Effect.fail(undecodable(`it is wrapped in more than ${maxWrapping} serializers`))
  }
  const type = serializer?.type ?? typeOf(payload)
  if (type === "json") return json(payload, serializer, options)
  if (type === "pickle") return pickle(payload, options)
  if (type === "text") return Effect.try({ try: () => utf8(payload), catch: formatError })
  if (type === "compressed" || type.startsWith("compressed/")) {
    return compressed(payload, type, serializer, options, depth)
  }
  return Effect.fail(
    new UnsupportedResultType({
      type: `of the serializer ${JSON.stringify(type)}`,
      detail: "Prefect has no serializer of that name",
      hint: "read getResultBytes"
    })
  )
}

const looksLikeBase64 = /^[A-Za-z0-9+/\r\n]+={0,2}$/

/** The serializer of a payload without a record: base64 of a pickle or of compressed data, otherwise JSON. */
const typeOf = (payload: Uint8Array): "json" | "pickle" | "compressed" => {
  const text = asciiOf(payload)
  if (!looksLikeBase64.test(text.trimEnd())) return "json"
  const bytes = decodeBase64(text)
  if (bytes[0] === 0x80 && bytes[1]! <= 5) return "pickle"
  return ResultFormat.compressionOf(bytes) === undefined ? "json" : "compressed"
}

const formatError = (error: unknown): FormatError => {
  if (error instanceof FormatError) return error
  throw error
}

const defaultDecoder = "prefect.serializers.prefect_json_object_decoder"

const json = (
  payload: Uint8Array,
  serializer: Serializer | undefined,
  options: ResultFormat.DecodeOptions
) => {
  const { registry } = options
  const decoder = serializer?.["object_decoder"]
  return Effect.flatMap(
    // Without a decoder, or with a custom one, Prefect does not make instances of classes either.
    decodeJson(payload, decoder === undefined || decoder === defaultDecoder, options),
    (value) =>
      registry === undefined || registry.decoders.size === 0
        ? Effect.succeed(value)
        : ClassRegistry.resolve(value, registry)
  )
}

const utf8 = (bytes: Uint8Array): string => {
  try {
    return strictUtf8.decode(bytes)
  } catch {
    throw undecodable("it is not UTF-8 text")
  }
}

/** Base64 as Python's `base64.encodebytes` writes it, in lines of 76 characters. */
const base64 = (payload: string | Uint8Array): Uint8Array | undefined => {
  const text = typeof payload === "string" ? payload : asciiOf(payload)
  const bytes = decodeBase64(text)
  // Invalid characters are ignored; encoding the bytes again reveals them.
  const characters = text.replace(/[\s=]+/g, "").length
  return looksLikeBase64.test(text.trimEnd()) && Math.floor(characters * 3 / 4) === bytes.length
    ? bytes
    : undefined
}

const notBase64 = () => undecodable("it is not the base64 text that its serializer writes")

const pickle = (payload: Uint8Array, options: ResultFormat.DecodeOptions) => {
  const bytes = base64(payload)
  return bytes === undefined ? Effect.fail(notBase64()) : ResultFormat.decode(bytes, { ...options, format: "pickle" })
}

const compressions = new Map<unknown, ResultFormat.Compression>([
  ["zlib", "zlib"],
  ["gzip", "gzip"],
  ["bz2", "bz2"],
  ["lzma", "xz"],
  ["zstandard", "zstd"],
  ["zstd", "zstd"]
])

const compressed = (
  payload: Uint8Array,
  type: string,
  serializer: Serializer | undefined,
  options: ResultFormat.DecodeOptions,
  depth: number
): Effect.Effect<unknown, FormatError | UnsupportedResultType> => {
  const bytes = base64(payload)
  if (bytes === undefined) return Effect.fail(notBase64())
  // The library is not always recorded, and `lzma` writes two formats, so both are detected from the bytes.
  const library = serializer?.["compressionlib"]
  const compression = ResultFormat.compressionOf(bytes) ?? compressions.get(library)
  if (compression === undefined) {
    return Effect.fail(
      typeof library === "string" && !compressions.has(library)
        ? new UnsupportedResultType({
          type: `compressed by ${JSON.stringify(library)}`,
          detail: "zlib, gzip, bz2, lzma and zstd can be read",
          hint: "read getResultBytes"
        })
        : undecodable("it is not compressed in a way that is known, or is cut off")
    )
  }
  const inner = serializer?.["serializer"]
  const named = type.slice("compressed/".length)
  return Effect.flatMap(
    ResultFormat.decompress(compression, bytes, options),
    (plain) =>
      deserialize(plain, orUndefined(inner) ?? (named === "" ? undefined : { type: named }), options, depth + 1)
  )
}
