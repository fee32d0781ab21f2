/** Bytes in blocks of one size, compressed as one stream: equal input gives equal output. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { promisify } from "node:util"
import * as zlib from "node:zlib"
import type { OutputFormat } from "../CollectPlan.ts"

type Compression = OutputFormat["compression"]

const blockBytes = 256 * 1024

/** zstd's level 3 is its own default: it keeps up with the rows, and is smaller than gzip. */
export const zstdLevel = 3

const compressor = (compression: "zstd" | "gzip"): zlib.Gzip | zlib.ZstdCompress =>
  compression === "gzip"
    ? zlib.createGzip({ level: 6 })
    : zlib.createZstdCompress({ params: { [zlib.constants.ZSTD_c_compressionLevel]: zstdLevel } })

/** Cuts bytes into blocks of one size; the last may be smaller. */
class Cutter {
  private pending: Array<Uint8Array> = []
  private size = 0

  add(chunk: Uint8Array): Array<Uint8Array> {
    const out: Array<Uint8Array> = []
    for (let rest = chunk; rest.length > 0;) {
      const part = rest.subarray(0, blockBytes - this.size)
      this.pending.push(part)
      this.size += part.length
      rest = rest.subarray(part.length)
      if (this.size === blockBytes) out.push(this.take())
    }
    return out
  }
  take(): Uint8Array {
    const block = this.pending.length === 1 ? this.pending[0]! : Buffer.concat(this.pending)
    this.pending = []
    this.size = 0
    return block
  }
}

export const compress = <E, R>(
  bytes: Stream.Stream<Uint8Array, E, R>,
  compression: Compression
): Stream.Stream<Uint8Array, E, R> => {
  if (compression === "none") return bytes
  return Stream.unwrap(Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => compressor(compression)),
      (stream) => Effect.sync(() => stream.destroy())
    ),
    (stream) => {
      const cutter = new Cutter()
      let out: Array<Uint8Array> = []
      stream.on("data", (chunk: Uint8Array) => out.push(chunk))
      const taken = () => {
        const all = out
        out = []
        return all
      }
      const write = (block: Uint8Array) =>
        Effect.promise(() =>
          new Promise<void>((resolve, reject) =>
            stream.write(block, (error) => error === null || error === undefined ? resolve() : reject(error))
          )
        )
      const body = Stream.mapArrayEffect(bytes, (chunks) =>
        Effect.map(
          Effect.forEach(chunks.flatMap((chunk) => cutter.add(chunk)), write, { discard: true }),
          () => [taken()] as [Array<Uint8Array>]
        ))
      const end = Stream.fromEffect(Effect.map(
        Effect.promise(() =>
          new Promise<void>((resolve, reject) => {
            stream.once("end", resolve)
            stream.once("error", reject)
            stream.end(cutter.take())
          })
        ),
        taken
      ))
      return Stream.flattenIterable(Stream.concat(body, end))
    }
  ))
}

export const decompress = async (bytes: Uint8Array, compression: Compression): Promise<Uint8Array> =>
  compression === "none"
    ? bytes
    : compression === "gzip"
    ? promisify(zlib.gunzip)(bytes)
    : promisify(zlib.zstdDecompress)(bytes)
