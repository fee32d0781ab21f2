// Measured: bench/archive.bench.ts
import { createReadStream, readSync } from "node:fs"
import type { FileHandle } from "node:fs/promises"
import { setImmediate } from "node:timers/promises"
import { isObject } from "../isObject.ts"

/** Longer lines are not rows of Prefect's. */
export const maxLineBytes = 64 * 1024 * 1024

const newline = 0x0a
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/**
 * The object that a line is, or what is wrong with the line. The words of the parser are left out: they quote the line.
 */
export const parseLine = (line: Uint8Array): { readonly [key: string]: unknown } | string => {
  let value: unknown
  try {
    value = JSON.parse(decoder.decode(line))
  } catch {
    return "it is not JSON in UTF-8"
  }
  return isObject(value) ? value : "it is not a JSON object"
}

export interface Line {
  /** Counted from 1. */
  readonly number: number
  readonly offset: number
  /** undefined: longer than `maxLineBytes`. */
  readonly bytes: Uint8Array | undefined
}

const isBlank = (bytes: Uint8Array) => bytes.every((byte) => byte === 0x20 || byte === 0x0d || byte === 0x09)
const hasMark = (bytes: Uint8Array) => bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf

/**
 * Gives every line of a file that is not blank, without its newline and without a byte order mark at the start.
 */
export const scan = async (path: string, signal: AbortSignal, use: (line: Line) => void): Promise<void> => {
  let number = 0
  let offset = 0
  let carried: Array<Uint8Array> = []
  let carriedBytes = 0
  const emit = (bytes: Uint8Array | undefined, length: number) => {
    number++
    if (bytes === undefined) use({ number, offset, bytes })
    else {
      const mark = number === 1 && hasMark(bytes) ? 3 : 0
      const text = mark === 0 ? bytes : bytes.subarray(mark)
      if (text.length > 200 || !isBlank(text)) use({ number, offset: offset + mark, bytes: text })
    }
    offset += length
  }
  for await (const chunk of createReadStream(path, { signal, highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
    let start = 0
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      const part = chunk.subarray(start, end)
      const length = carriedBytes + part.length
      emit(
        length > maxLineBytes ? undefined : carriedBytes === 0 ? part : Buffer.concat([...carried, part]),
        length + 1
      )
      carried = []
      carriedBytes = 0
      start = end + 1
    }
    if (start < chunk.length) {
      carriedBytes += chunk.length - start
      if (carriedBytes > maxLineBytes) carried = []
      else carried.push(Buffer.from(chunk.subarray(start)))
    }
  }
  if (carriedBytes > 0) emit(carriedBytes > maxLineBytes ? undefined : Buffer.concat(carried), carriedBytes)
}

export interface Extent {
  readonly offset: number
  readonly length: number
}

/** Extents nearer than this are read at once, with what is between them. */
const maxGap = 16 * 1024
const maxRead = 4 * 1024 * 1024

/** Reads between two turns of the event loop. */
const readsAtOnce = 32

/**
 * Reads parts of a file, in the order asked, with as few reads as their places allow.
 *
 * Rows are small and were read before, so the system has them in memory: a read that does not leave the thread takes a
 * tenth of the time of one that does. Other fibers get their turn after a few of them.
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
      // A handle that was closed has no descriptor; the number that it had may be another file's by now.
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
