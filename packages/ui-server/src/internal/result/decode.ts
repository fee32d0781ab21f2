/** Decodes stored bytes, and reports the detected compressions and format. */
import type { Prefect3Result } from "@effect-prefect/core/ResultDescriptor"
import type { FormatError } from "@effect-prefect/formats/FormatError"
import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import * as Table from "@effect-prefect/formats/Table"
import { PyDateTime } from "@effect-prefect/pickle"
import type { UnsupportedResultType } from "@effect-prefect/results/ResultError"
import * as Effect from "effect/Effect"

/** A decoded value, and the formats of its bytes, the outermost first: `["gzip", "pickle"]`. */
export interface Decoded {
  readonly value: unknown
  readonly formats: ReadonlyArray<string>
  /** The size of the decompressed bytes. */
  readonly size: number
}

const maxLayers = 4

const startsWith = (bytes: Uint8Array, text: string): boolean => {
  for (let i = 0; i < text.length; i++) if (bytes[i] !== text.charCodeAt(i)) return false
  return true
}

/** Whether bytes are a Parquet file, which is slow enough to decode in a separate thread whatever its size. */
export const isParquet = (bytes: Uint8Array): boolean => bytes.length >= 12 && startsWith(bytes, "PAR1")

/**
 * Whether bytes, or those of a result of Prefect 2 or 3 in a serializer's envelope, are compressed: a few kilobytes may
 * be a value of any size.
 */
export const isCompressed = (bytes: Uint8Array, serializer: unknown): boolean =>
  ResultFormat.compressionOf(bytes) !== undefined ||
  (typeof serializer === "object" && serializer !== null && "type" in serializer &&
    typeof serializer.type === "string" && serializer.type.startsWith("compressed/"))

const formatOf = (bytes: Uint8Array, name: string, value: unknown): string => {
  if (isParquet(bytes)) return "parquet"
  if (startsWith(bytes, "ARROW1") || startsWith(bytes, "FEA1")) return "feather"
  if (bytes[0] === 0x80) return "pickle"
  if (value instanceof Table.Table) return startsWith(bytes, "\xff\xff\xff\xff") ? "arrow" : "csv"
  if (value instanceof PyDateTime) return "datetime"
  const first = bytes.find((byte) => byte > 0x20)
  const isJson = first !== undefined && "{[\"-0123456789tfnNI".includes(String.fromCharCode(first))
  return isJson ? "json" : /\.json$/i.test(name) ? "json" : "pickle"
}

/** A result that Prefect 2 or 3 stored. Its format is the name of the serializer: `compressed/pickle`. */
export const decodePrefect3 = Effect.fnUntraced(function*(
  bytes: Uint8Array,
  serializer: unknown,
  options: ResultFormat.DecodeOptions
): Effect.fn.Return<Decoded, FormatError | UnsupportedResultType> {
  // The thread starts without the modules of storages, which are a sixth of all.
  const Prefect3Storage = yield* Effect.promise(() => import("@effect-prefect/results/Prefect3Storage"))
  const named = serializer as Prefect3Result["serializer"]
  const type = typeof named === "object" && named !== null && "type" in named ? named["type"] : undefined
  const value = yield* Prefect3Storage.decode(bytes, { serializer: named ?? null }, options)
  return { value, formats: typeof type === "string" ? type.split("/") : [], size: bytes.length }
})

export const decode = Effect.fnUntraced(function*(
  stored: Uint8Array,
  options: ResultFormat.DecodeOptions
): Effect.fn.Return<Decoded, FormatError> {
  const formats: Array<string> = []
  let bytes = stored
  while (options.format !== "text" && formats.length < maxLayers) {
    const compression = ResultFormat.compressionOf(bytes)
    if (compression === undefined) break
    bytes = yield* ResultFormat.decompress(compression, bytes, options)
    formats.push(compression)
  }
  const value = yield* ResultFormat.decode(bytes, options)
  formats.push(options.format ?? formatOf(bytes, options.name, value))
  return { value, formats, size: bytes.length }
})
