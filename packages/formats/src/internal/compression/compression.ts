/**
 * The compressions that a result may be wrapped in, told by their first bytes.
 *
 * Node's zlib has gzip, zlib and zstd; bz2, xz and legacy `.lzma` are decoded here (docs/decisions/decompressors.md).
 */
import * as Effect from "effect/Effect"
import { promisify } from "node:util"
import * as zlib from "node:zlib"
import type { FormatError } from "../../FormatError.ts"
import { formatError, Refusal, refuse, tooLarge } from "../refusal.ts"
import { bunzip2, isBzip2 } from "./bzip2.ts"
import { isLzmaAlone, unlzmaAlone } from "./lzma.ts"
import { Output } from "./output.ts"
import { isXz, unxz } from "./xz.ts"

export type Compression = "gzip" | "zlib" | "bz2" | "xz" | "lzma" | "zstd"

export interface Limits {
  /** How large decompressed bytes may be. */
  readonly maxBytes: number
  /** How many times larger than the compressed bytes they may be, above 64 MiB. */
  readonly maxRatio: number
}

/** Below this a ratio says nothing: an array of zeros becomes thousands of times smaller. */
const ratioFloor = 64 * 1024 * 1024

/** What is smaller than this is decompressed at once; more would keep everybody else waiting. */
const smallInput = 256 * 1024

const isZstd = (bytes: Uint8Array): boolean =>
  bytes.length > 4 && bytes[1] === 0xb5 && bytes[2] === 0x2f && bytes[3] === 0xfd && bytes[0] === 0x28

/** The compression that bytes start with. A `.lzma` file has no magic, so it is the last that is asked for. */
export const compressionOf = (bytes: Uint8Array): Compression | undefined => {
  switch (bytes[0]) {
    case 0x1f:
      return bytes[1] === 0x8b && bytes[2] === 8 ? "gzip" : undefined
    case 0x78: {
      const flags = bytes[1] ?? 0
      return bytes.length > 6 && (0x7800 + flags) % 31 === 0 && (flags & 0x20) === 0 ? "zlib" : undefined
    }
    case 0x42:
      return isBzip2(bytes) ? "bz2" : undefined
    case 0xfd:
      return isXz(bytes) ? "xz" : undefined
    case 0x28:
      return isZstd(bytes) ? "zstd" : undefined
    case 0x5d:
      return isLzmaAlone(bytes) ? "lzma" : undefined
  }
  return undefined
}

const outputLimit = (bytes: Uint8Array, limits: Limits): number =>
  Math.min(limits.maxBytes, Math.max(ratioFloor, bytes.length * limits.maxRatio))

const exceededBy = (compression: Compression, limit: number, limits: Limits) => (): never =>
  limit === limits.maxBytes
    ? tooLarge(limits.maxBytes)
    : refuse(
      `it decompresses (${compression}) to more than ${limits.maxRatio} times its size, which no ordinary result does; ` +
        "raise maxRatio if this one should"
    )

const missingZstd = () =>
  refuse("it is compressed with zstd, which this Node.js cannot read: use Node.js 22.15 or later")

const zlibProblem = (compression: Compression, error: unknown, exceeded: () => never): never => {
  if (error instanceof Refusal) throw error
  const code = (error as { readonly code?: unknown } | null)?.code
  if (code === "ERR_BUFFER_TOO_LARGE") return exceeded()
  return refuse(`the ${compression} stream is damaged${typeof code === "string" ? ` (${code})` : ""}`)
}

const stepwise = (compression: "bz2" | "xz" | "lzma", bytes: Uint8Array, limit: number, exceeded: () => never) => {
  const output = new Output(bytes.length * 4, limit, exceeded)
  return compression === "bz2"
    ? bunzip2(bytes, output)
    : compression === "xz"
    ? unxz(bytes, output)
    : unlzmaAlone(bytes, output)
}

const toEnd = <A>(steps: Generator<void, A>): A => {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

/** Whether bytes may be decompressed without giving way. */
export const isSmall = (bytes: Uint8Array): boolean => bytes.length <= smallInput

/** Decompresses one layer at once. Throws a `Refusal`. */
export const decompressSync = (compression: Compression, bytes: Uint8Array, limits: Limits): Uint8Array => {
  const limit = outputLimit(bytes, limits)
  const exceeded = exceededBy(compression, limit, limits)
  const options = { maxOutputLength: Math.max(limit, 1) }
  try {
    switch (compression) {
      case "gzip":
        return zlib.gunzipSync(bytes, options)
      case "zlib":
        return zlib.inflateSync(bytes, options)
      case "zstd":
        return zlib.zstdDecompressSync === undefined ? missingZstd() : zlib.zstdDecompressSync(bytes, options)
      default:
        return toEnd(stepwise(compression, bytes, limit, exceeded))
    }
  } catch (error) {
    return zlibProblem(compression, error, exceeded)
  }
}

/** Decompresses one layer in a way that lets others work: in zlib's threads, or block by block. */
export const decompress = (
  compression: Compression,
  bytes: Uint8Array,
  limits: Limits
): Effect.Effect<Uint8Array, FormatError> => {
  const limit = outputLimit(bytes, limits)
  const exceeded = exceededBy(compression, limit, limits)
  const failed = (error: unknown) => {
    try {
      return zlibProblem(compression, error, exceeded)
    } catch (refusal) {
      return formatError(refusal)
    }
  }
  const options = { maxOutputLength: Math.max(limit, 1) }
  switch (compression) {
    case "gzip":
      return Effect.tryPromise({ try: () => promisify(zlib.gunzip)(bytes, options), catch: failed })
    case "zlib":
      return Effect.tryPromise({ try: () => promisify(zlib.inflate)(bytes, options), catch: failed })
    case "zstd":
      return Effect.tryPromise({
        try: async () =>
          zlib.zstdDecompress === undefined ? missingZstd() : await promisify(zlib.zstdDecompress)(bytes, options),
        catch: failed
      })
    default:
      return Effect.gen(function*() {
        const steps = stepwise(compression, bytes, limit, exceeded)
        for (;;) {
          const step = yield* Effect.try({ try: () => steps.next(), catch: failed })
          if (step.done === true) return step.value
          yield* Effect.yieldNow
        }
      })
  }
}
