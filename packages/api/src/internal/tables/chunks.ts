import * as ArchiveFormat from "@effect-prefect/core/ArchiveFormat"
import * as Turn from "@effect-prefect/core/Turn"
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

/** Reads the bytes of a table in pieces of few lines. Timers and other requests run between them. */
export const piecesOf = async function*(path: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunksOf(path, signal)) {
    for (const piece of ArchiveFormat.piecesOf(chunk)) {
      yield piece
      if (!Turn.isLong()) continue
      await new Promise<void>(Turn.onNext)
      signal.throwIfAborted()
    }
  }
}
