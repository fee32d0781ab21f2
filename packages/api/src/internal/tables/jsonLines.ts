// Measured: bench/archive.bench.ts
import * as ArchiveFormat from "@effect-prefect/core/ArchiveFormat"
import { readSync } from "node:fs"
import type { FileHandle } from "node:fs/promises"
import { setImmediate } from "node:timers/promises"
import { chunksOf } from "./chunks.ts"

/** Calls back with every line of a file that is not blank. */
export const scan = async (
  path: string,
  signal: AbortSignal,
  use: (line: ArchiveFormat.Line) => void
): Promise<void> => {
  const lines = ArchiveFormat.splitLines(use)
  for await (const chunk of chunksOf(path, signal)) {
    lines.push(chunk)
  }
  lines.end()
}

export interface Extent {
  readonly offset: number
  readonly length: number
}

/** Extents closer than this are read at once, including the gap. */
const maxGap = 16 * 1024
const maxRead = 4 * 1024 * 1024

/** Reads between two turns of the event loop. */
const readsAtOnce = 32

/**
 * Reads parts of a file, in the requested order, with as few reads as their positions allow.
 *
 * Rows are small and were read before, so they are in the system's page cache: a synchronous read takes a tenth of the
 * time of an asynchronous one. Other fibers run after every few reads.
 */
export const readExtents = async (
  file: FileHandle,
  extents: ReadonlyArray<Extent>
): Promise<ReadonlyArray<Uint8Array>> => {
  const out: Array<Uint8Array> = Array.from(extents, () => new Uint8Array(0))
  const order = extents.map((_, at) => at).toSorted((left, right) => extents[left]!.offset - extents[right]!.offset)
  const runs: Array<{ readonly start: number; end: number; readonly members: Array<number> }> = []
  for (const at of order) {
    const { length, offset } = extents[at]!
    const run = runs.at(-1)
    if (run !== undefined && offset - run.end <= maxGap && offset + length - run.start <= maxRead) {
      run.end = Math.max(run.end, offset + length)
      run.members.push(at)
    } else runs.push({ start: offset, end: offset + length, members: [at] })
  }
  for (const [number, run] of runs.entries()) {
    if (number > 0 && number % readsAtOnce === 0) await setImmediate()
    const buffer = Buffer.allocUnsafe(run.end - run.start)
    let filled = 0
    while (filled < buffer.length) {
      // A closed handle has no descriptor; its former number may belong to another file.
      if (file.fd < 0) throw Object.assign(new Error(), { code: "EBADF" })
      const bytes = readSync(file.fd, buffer, filled, buffer.length - filled, run.start + filled)
      if (bytes === 0) break
      filled += bytes
    }
    for (const at of run.members) {
      const { length, offset } = extents[at]!
      const start = offset - run.start
      out[at] = buffer.subarray(Math.min(start, filled), Math.min(start + length, filled))
    }
  }
  return out
}
