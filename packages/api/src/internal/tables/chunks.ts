import { createReadStream } from "node:fs"
import { stat } from "node:fs/promises"

const largest = 1 << 20

/** The bytes of a file, a mebibyte at once. A small file takes a small buffer: archives have many. */
export const chunksOf = async function*(path: string, signal: AbortSignal): AsyncGenerator<Buffer> {
  const { size } = await stat(path)
  const highWaterMark = Math.min(largest, size + 1)
  yield* createReadStream(path, { signal, highWaterMark }) as AsyncIterable<Buffer>
}
