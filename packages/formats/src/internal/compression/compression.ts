/**
 * The compressions that a result may be wrapped in, detected from their first bytes.
 *
 * Node's zlib supports gzip, zlib and zstd; bz2, xz and legacy `.lzma` are decoded here
 * (docs/decisions/decompressors.md).
 */
import * as Effect from "effect/Effect"
import type { FormatError } from "../../FormatError.ts"
import { zlib } from "../node.ts"
import { formatError, Refusal, refuse, tooLarge } from "../refusal.ts"
import { isLong, otherTurn } from "../steps.ts"
import { bunzip2, isBzip2 } from "./bzip2.ts"
import { isLzmaAlone, unlzmaAlone } from "./lzma.ts"
import { Output } from "./output.ts"
import { isXz, unxz } from "./xz.ts"
import { sizeInZstd, zstdFrames, zstdStart } from "./zstd.ts"

/**
 * A compression that is detected from its first bytes.
 *
 * @category models
 * @since 0.1.0
 */
export type Compression = "gzip" | "zlib" | "bz2" | "xz" | "lzma" | "zstd"

export interface Limits {
  /** The largest decompressed size in bytes. */
  readonly maxBytes: number
  /** The largest ratio of decompressed to compressed bytes, which applies above 64 MiB. */
  readonly maxRatio: number
  /** Waits for memory before it is allocated. */
  readonly reserve?: ((bytes: number, isGuess: boolean) => Effect.Effect<number, FormatError>) | undefined
}

/** Below this size the ratio is not checked: an array of zeros shrinks by a factor of thousands. */
const ratioFloor = 64 * 1024 * 1024

/** Inputs below this size are decompressed synchronously; larger ones would block other fibers. */
const smallInput = 256 * 1024
const smallOutput = 4 * 1024 * 1024

/** The compression that bytes start with. A `.lzma` file has no magic number, so it is checked last. */
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
    case 0x5d:
      if (isLzmaAlone(bytes)) return "lzma"
  }
  return zstdStart(bytes) === undefined ? undefined : "zstd"
}

/** The most that a deflate stream grows by, and the most that a block of zstd of four bytes does. */
const deflateRatio = 1032
const zstdBlock = 128 * 1024

/** The size in the trailer of gzip, which is that of its last member modulo 4 GiB. */
const sizeInGzip = (bytes: Uint8Array): number | undefined =>
  bytes.length < 18
    ? undefined
    : new DataView(bytes.buffer, bytes.byteOffset + bytes.length - 4, 4).getUint32(0, true)

/**
 * The bytes for which zlib makes room at once: one more than the stream says that it has, so that it is done in one step
 * without copies. No more than so few bytes can hold, nor than `most`, and no less than would take many steps, because
 * the stream may claim any size.
 */
const roomFor = (compression: "gzip" | "zlib" | "zstd", bytes: Uint8Array, most: number): number => {
  const said = compression === "gzip" ? sizeInGzip(bytes) : compression === "zstd" ? sizeInZstd(bytes) : undefined
  const held = compression === "zstd" ? (bytes.length / 4 + 1) * zstdBlock : bytes.length * deflateRatio
  return Math.max(leastRoom, bytes.length, Math.min(said ?? bytes.length * 4, held, most) + 1)
}

/** The least that a chunk of zlib may have. */
const leastRoom = 64

const outputLimit = (bytes: Uint8Array, limits: Limits): number =>
  Math.min(limits.maxBytes, Math.max(ratioFloor, bytes.length * limits.maxRatio))

const exceededBy = (compression: Compression, limit: number, limits: Limits) => (): never =>
  limit === limits.maxBytes
    ? tooLarge(limits.maxBytes)
    : refuse(
      `it decompresses (${compression}) to more than ${limits.maxRatio} times its size, which no ordinary result does; ` +
        "raise maxRatio if this one should"
    )

const missingZstd = (): never =>
  refuse("it is compressed with zstd, which is not read here: use Node.js 22.15 or later")

const zlibProblem = (compression: Compression, error: unknown, exceeded: () => never): never => {
  if (error instanceof Refusal) throw error
  const code = (error as { readonly code?: unknown } | null)?.code
  if (code === "ERR_BUFFER_TOO_LARGE") return exceeded()
  return refuse(`the ${compression} stream is damaged${typeof code === "string" ? ` (${code})` : ""}`)
}

const stepsOf = (compression: "bz2" | "xz" | "lzma", bytes: Uint8Array, output: Output) =>
  compression === "bz2"
    ? bunzip2(bytes, output)
    : compression === "xz"
    ? unxz(bytes, output)
    : unlzmaAlone(bytes, output)

const atOnceByZlib = (
  compression: "gzip" | "zlib" | "zstd",
  bytes: Uint8Array,
  options: { readonly maxOutputLength: number; readonly chunkSize: number }
): Uint8Array | undefined => {
  if (zlib === undefined) return undefined
  if (compression === "gzip") return zlib.gunzipSync(bytes, options)
  if (compression === "zlib") return zlib.inflateSync(bytes, options)
  return zlib.zstdDecompressSync === undefined ? missingZstd() : zlib.zstdDecompressSync(bytes, options)
}

/** Bytes that do not keep more memory than they have: the stream may have said that it is much longer than it is. */
const withoutRest = (bytes: Uint8Array): Uint8Array =>
  bytes.length * 2 < bytes.buffer.byteLength ? new Uint8Array(bytes) : bytes

/** The chunks that zlib decompresses. Yields `undefined` to let other work run. */
const partsOf = (
  compression: "gzip" | "zlib" | "zstd",
  bytes: Uint8Array
): Iterable<Uint8Array | undefined> => compression === "zstd" ? zstdFrames(bytes) : [bytes]

/** The most frames of zstd that are decompressed synchronously: each takes its time, whatever its size. */
const mostParts = 16

/** The frames of zstd that may have any size, and the least bytes of all of them on average when there are more. */
const freeParts = 10_000
const leastPart = 256
/** At least what a stream has given that has not been counted yet. */
const onTheWay = 1 << 20

const tooSmallParts = (): never => refuse(`it is compressed (zstd) in too many frames of less than ${leastPart} bytes`)

const nothing = new Uint8Array(0)

/** zlib does not stop within such bytes when it is interrupted, though they may have nothing but blocks without content. */
const writtenAtOnce = 1 << 20

/** Decompressed bytes in one piece, which are copied only if they come in several. */
class Joined {
  readonly #expected: number
  readonly #limit: number
  readonly #exceeded: () => never
  #only: Uint8Array | undefined
  #output: Output | undefined

  constructor(compressed: number, limit: number, exceeded: () => never) {
    this.#expected = compressed * 4
    this.#limit = limit
    this.#exceeded = exceeded
  }

  get length(): number {
    return this.#output?.length ?? this.#only?.length ?? 0
  }

  append(bytes: Uint8Array): void {
    if (this.#output !== undefined) return this.#output.append(bytes)
    if (bytes.length > this.#limit) this.#exceeded()
    if (this.#only === undefined) this.#only = bytes
    else {
      this.#output = new Output(this.#expected, this.#limit, this.#exceeded)
      this.#output.append(this.#only)
      this.#output.append(bytes)
      this.#only = undefined
    }
  }

  result(): Uint8Array {
    return withoutRest(this.#output?.result() ?? this.#only ?? nothing)
  }
}

/**
 * Decompresses one layer synchronously if that takes only a moment; otherwise returns undefined. Throws a `Refusal`.
 */
export const decompressSmall = (
  compression: Compression,
  bytes: Uint8Array,
  limits: Limits
): Uint8Array | undefined => {
  if (bytes.length > smallInput) return undefined
  const limit = outputLimit(bytes, limits)
  const most = Math.min(limit, smallOutput)
  const large = new Error()
  const exceeded = most === limit ? exceededBy(compression, limit, limits) : (): never => {
    throw large
  }
  try {
    switch (compression) {
      case "gzip":
      case "zlib":
      case "zstd": {
        const joined = new Joined(bytes.length, most, exceeded)
        let parts = 0
        for (const part of partsOf(compression, bytes)) {
          if (part === undefined) continue
          if (++parts > mostParts) return undefined
          const chunkSize = roomFor(compression, part, most)
          const maxOutputLength = Math.max(most - joined.length, 1)
          const plain = atOnceByZlib(compression, part, { maxOutputLength, chunkSize })
          if (plain === undefined) return undefined
          joined.append(plain)
        }
        return joined.result()
      }
      default:
        // In steps, which take a moment too where there is little.
        return undefined
    }
  } catch (error) {
    if (error === large) return undefined
    const code = (error as { readonly code?: unknown } | null)?.code
    if (code === "ERR_BUFFER_TOO_LARGE" && most < limit) return undefined
    return zlibProblem(compression, error, exceeded)
  }
}

/** Decompressed bytes, chunk by chunk, made without blocking. */
interface Chunks {
  readonly next: () => Promise<
    { readonly done?: false; readonly value: Uint8Array } | { readonly done: true; readonly value?: unknown }
  >
  readonly close: () => void
}

/** In zlib's threads. */
const chunksOfZlib = (
  { createGunzip, createInflate, createZstdDecompress }: NonNullable<typeof zlib>,
  compression: "gzip" | "zlib" | "zstd",
  bytes: Uint8Array,
  chunkSize: number
): Chunks => {
  let taken = 0
  const options = { chunkSize }
  const stream = compression === "gzip"
    ? createGunzip(options)
    : compression === "zlib"
    ? createInflate(options)
    : createZstdDecompress === undefined
    ? missingZstd()
    : createZstdDecompress(options)
  // Until it is first asked for a chunk, the iterator does not listen for errors.
  stream.on("error", () => {})
  const parts = partsOf(compression, bytes)[Symbol.iterator]()
  let count = 0
  let part: Uint8Array = nothing
  const feed = (error?: Error | null) => {
    if (stream.destroyed || (error !== undefined && error !== null)) return
    try {
      if (part.length === 0) {
        const next = parts.next()
        if (next.done === true) return void stream.end()
        if (next.value === undefined) return void setImmediate(feed)
        if (++count > freeParts && taken + onTheWay + stream.readableLength < count * leastPart) tooSmallParts()
        part = next.value
      }
      const written = part.subarray(0, writtenAtOnce)
      part = part.subarray(writtenAtOnce)
      // zlib continues with a new frame if the last one ended with the bytes that were written.
      stream.write(written, feed)
    } catch (refusal) {
      stream.destroy(refusal as Error)
    }
  }
  feed()
  const iterator = stream[Symbol.asyncIterator]() as AsyncIterator<Uint8Array, undefined>
  const next = async () => {
    const chunk = await iterator.next()
    if (chunk.done !== true) taken += chunk.value.length
    return chunk
  }
  return { next, close: () => void stream.destroy() }
}

/** In a browser; not all support zstd. */
export const chunksOfBrowser = (compression: "gzip" | "zlib" | "zstd", bytes: Uint8Array): Chunks => {
  const open = (part: Uint8Array) => {
    let decompressor: DecompressionStream
    try {
      decompressor = new DecompressionStream(
        (compression === "zlib" ? "deflate" : compression) as ConstructorParameters<typeof DecompressionStream>[0]
      )
    } catch {
      return missingZstd()
    }
    return new Blob([part as Uint8Array<ArrayBuffer>]).stream().pipeThrough(decompressor).getReader()
  }
  const parts = partsOf(compression, bytes)[Symbol.iterator]()
  let count = 0
  let taken = 0
  let reader: ReturnType<typeof open> | undefined
  const next: Chunks["next"] = async () => {
    for (;;) {
      if (reader === undefined) {
        const part = parts.next()
        if (part.done === true) return { done: true }
        if (part.value === undefined) await new Promise((resolve) => setTimeout(resolve))
        else if (++count > freeParts && taken < count * leastPart) tooSmallParts()
        else reader = open(part.value)
      } else {
        const chunk = await reader.read()
        if (!chunk.done) {
          taken += chunk.value.length
          return chunk as { readonly value: Uint8Array }
        }
        reader = undefined
      }
    }
  }
  return { next, close: () => void reader?.cancel().catch(() => {}) }
}

const chunksOf = (compression: "gzip" | "zlib" | "zstd", bytes: Uint8Array, chunkSize: number): Chunks =>
  zlib === undefined ? chunksOfBrowser(compression, bytes) : chunksOfZlib(zlib, compression, bytes, chunkSize)

/** The most that zlib makes room for at once. It does not stop within a chunk when it is interrupted. */
const largestChunk = 4 * 1024 * 1024
const usualChunk = 1 << 20
const smallestChunk = 1 << 16

/** Decompresses one layer without blocking: in zlib's threads, or block by block. */
export const decompress = (
  compression: Compression,
  bytes: Uint8Array,
  limits: Limits
): Effect.Effect<Uint8Array, FormatError> =>
  Effect.suspend(() => {
    const limit = outputLimit(bytes, limits)
    const exceeded = exceededBy(compression, limit, limits)
    const failed = (error: unknown) => {
      try {
        return zlibProblem(compression, error, exceeded)
      } catch (refusal) {
        return formatError(refusal)
      }
    }
    let reserved = 0
    /** Memory for the current and the next chunk; a growing buffer briefly exists twice. */
    const room = (size: number) => {
      if (limits.reserve === undefined || size <= reserved) return undefined
      const more = Math.max(size, Math.min(2 * reserved, limit)) - reserved
      reserved += more
      return limits.reserve(more, false)
    }
    const run = <A>(body: () => A) => Effect.try({ try: body, catch: failed })
    if (compression === "gzip" || compression === "zlib" || compression === "zstd") {
      const expected = roomFor(compression, bytes, limit)
      const chunkSize = expected <= largestChunk ? Math.max(expected, smallestChunk) : usualChunk
      const decompressed = Effect.acquireUseRelease(
        run(() => chunksOf(compression, bytes, chunkSize)),
        Effect.fnUntraced(function*(chunks) {
          const joined = new Joined(bytes.length, limit, exceeded)
          for (;;) {
            const next = yield* Effect.tryPromise({ try: () => chunks.next(), catch: failed })
            if (next.done === true) return joined.result()
            const wait = room(joined.length + next.value.length)
            if (wait !== undefined) yield* wait
            yield* run(() => joined.append(next.value))
          }
        }),
        (chunks) => Effect.sync(chunks.close)
      )
      if (limits.reserve === undefined) return decompressed
      return Effect.flatMap(limits.reserve(Math.min(chunkSize, limit), true), (granted) => {
        reserved = granted
        return decompressed
      })
    }
    return Effect.gen(function*() {
      const output = new Output(bytes.length * 4, limit, exceeded)
      const steps = stepsOf(compression, bytes, output)
      const size = () => output.bytes.length + output.beside
      /** The last step of this turn, or the one after which there is not enough memory. */
      const lastStep = () => {
        for (;;) {
          const step = steps.next()
          if (step.done === true || isLong() || (limits.reserve !== undefined && size() > reserved)) return step
        }
      }
      for (;;) {
        const step = yield* run(lastStep)
        if (step.done === true) return step.value
        const wait = room(size())
        if (wait !== undefined) yield* wait
        yield* otherTurn
      }
    })
  })
