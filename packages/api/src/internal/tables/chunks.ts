import { createReadStream } from "node:fs"
import { stat } from "node:fs/promises"

const largest = 1 << 20

/**
 * Reads the bytes of a file in chunks of a mebibyte. A small file gets a small buffer, because archives have many small
 * files.
 */
export const chunksOf = async function*(path: string, signal: AbortSignal): AsyncGenerator<Buffer> {
  const { size } = await stat(path)
  const highWaterMark = Math.min(largest, size + 1)
  yield* createReadStream(path, { signal, highWaterMark }) as AsyncIterable<Buffer>
}
