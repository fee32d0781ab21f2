// Measured: bench/archive.bench.ts
import * as ArchiveFormat from "@effect-prefect/core/ArchiveFormat"
import * as Turn from "@effect-prefect/core/Turn"
import { readSync } from "node:fs"
import type { FileHandle } from "node:fs/promises"
import { inTurns, parseInPieces } from "../http/pieces.ts"
import { isObject } from "../isObject.ts"
import { LongText } from "../longText.ts"
import * as Sorting from "../sorting.ts"
import { piecesOf } from "./chunks.ts"

/** Rows of more bytes are decoded and parsed in steps. */
export const longRow = 0x80000

type Parsed = ArchiveFormat.Row["row"] | string

const notJson = "it is not JSON in UTF-8"

const parse = (text: string): unknown => JSON.parse(text)

/** As `ArchiveFormat.parseLine`, in steps: the row of a long line, or the problem with it. */
export function* parseSteps(
  parts: ReadonlyArray<string> | undefined,
  isRow: true | "keys" = true
): Generator<undefined, Parsed> {
  if (parts === undefined) return notJson
  try {
    const row = yield* parseInPieces(new LongText(parts), parse, undefined, isRow)
    return isObject(row) ? row : "it is not a JSON object"
  } catch {
    return notJson
  }
}

/**
 * Splits the bytes of a table into its lines, of which the long ones are parsed while other work has its turns. With
 * `"keys"`, long rows have no more than the keys by which they are found.
 */
export const rowSplitter = (
  signal: AbortSignal,
  use: (line: ArchiveFormat.Line, row: Parsed) => void,
  isRow: true | "keys"
) => {
  const found: Array<ArchiveFormat.Line> = []
  const lines = ArchiveFormat.splitLines((line) => void found.push(line), { longBytes: longRow })
  /** A promise only where there is a long line: most pieces have none. */
  const take = (): Promise<void> | undefined => {
    for (let at = 0; at < found.length; at++) {
      const line = found[at]!
      if (line.bytes === undefined && line.length <= ArchiveFormat.maxLineBytes) {
        return (async () => {
          const row = await inTurns(parseSteps(line.parts, isRow), signal)
          signal.throwIfAborted()
          found.splice(0, at + 1)
          use(line, row!)
          await take()
        })()
      }
      const parsed = line.bytes === undefined ? ArchiveFormat.tooLong : ArchiveFormat.parseLine(line.bytes)
      use(line, typeof parsed === "string" ? parsed : parsed.row)
    }
    found.length = 0
    return undefined
  }
  return {
    push: (chunk: Uint8Array): Promise<void> | undefined => {
      lines.push(chunk)
      return take()
    },
    end: (): Promise<void> | undefined => {
      lines.end()
      return take()
    }
  }
}

/**
 * Calls back with every line of a file that is not blank, and its row or the problem with it. Long rows have no more than
 * the keys by which they are found.
 */
export const scan = async (
  path: string,
  signal: AbortSignal,
  use: (line: ArchiveFormat.Line, row: Parsed) => void
): Promise<void> => {
  const lines = rowSplitter(signal, use, "keys")
  for await (const piece of piecesOf(path, signal)) {
    const taken = lines.push(piece)
    if (taken !== undefined) await taken
  }
  await lines.end()
}

export interface Extent {
  readonly offset: number
  readonly length: number
}

/** Extents closer than this are read at once, including the gap. */
const maxGap = 32 * 1024
/** The size of a read, unless one extent is longer. It fits the processor's cache, so gaps cost little. */
const maxRead = 256 * 1024

/** The most rows that are read without giving way. */
const smallList = 100

/** The buffer of all reads: a row is decoded at once, so its bytes need not outlive the next read. */
let shared: Buffer | undefined

/** The text of a part of a file that is longer than a read; undefined when it is not UTF-8. */
const readLong = async (file: FileHandle, { length, offset }: Extent, signal: AbortSignal | undefined) => {
  const text = ArchiveFormat.decodeParts()
  const buffer = Buffer.allocUnsafeSlow(maxRead)
  for (let done = 0; done < length;) {
    const bytes = readAt(file, buffer, Math.min(length - done, maxRead), offset + done)
    if (bytes === 0) break
    text.push(buffer.subarray(0, bytes))
    done += bytes
    if (!Turn.isLong()) continue
    await new Promise<void>(Turn.onNext)
    signal?.throwIfAborted()
  }
  return text.end()
}

const readAt = (file: FileHandle, buffer: Buffer, length: number, position: number, at = 0): number => {
  // A closed handle has no descriptor; its former number may belong to another file.
  if (file.fd < 0) throw Object.assign(new Error(), { code: "EBADF" })
  return readSync(file.fd, buffer, at, length, position)
}

/**
 * Reads parts of a file, with as few reads as their positions allow. `use` is called for each of them, in the order of
 * the file, with its bytes, which are valid only during the call, and its position in the list. `useLong` is called for a
 * part of more bytes than `longRow`, with its text in parts, or undefined when it is not UTF-8.
 *
 * Rows are small and were read before, so they are in the system's page cache: a synchronous read takes a tenth of the
 * time of an asynchronous one. Others have a turn between the reads of a long list, which ends when its
 * consumer is interrupted: abandoned lists would be read, and held, side by side.
 */
export const readExtents = async (
  file: FileHandle,
  extents: ReadonlyArray<Extent>,
  use: (bytes: Uint8Array, at: number) => void,
  useLong: (parts: ReadonlyArray<string> | undefined, at: number) => Promise<void>,
  signal?: AbortSignal
): Promise<void> => {
  const places = extents.map((_, at) => at)
  const byOffset = (left: number, right: number) => extents[left]!.offset - extents[right]!.offset
  const order = Sorting.isShort(places)
    ? places.sort(byOffset)
    : await inTurns(Sorting.sortSteps(places, byOffset), signal ?? new AbortController().signal) ?? []
  for (let first = 0; first < order.length;) {
    if (order.length > smallList && Turn.isLong()) await new Promise<void>(Turn.onNext)
    signal?.throwIfAborted()
    const extent = extents[order[first]!]!
    if (extent.length > longRow) {
      await useLong(await readLong(file, extent, signal), order[first]!)
      first++
      continue
    }
    const start = extent.offset
    let end = start
    let next = first
    for (; next < order.length; next++) {
      const { length, offset } = extents[order[next]!]!
      if (next > first && (offset - end > maxGap || offset + length - start > maxRead)) break
      end = Math.max(end, offset + length)
    }
    const size = end - start
    const buffer = size > maxRead ? Buffer.allocUnsafe(size) : shared ??= Buffer.allocUnsafeSlow(maxRead)
    let filled = 0
    while (filled < size) {
      const bytes = readAt(file, buffer, size - filled, start + filled, filled)
      if (bytes === 0) break
      filled += bytes
    }
    for (; first < next; first++) {
      const at = order[first]!
      const { length, offset } = extents[at]!
      use(buffer.subarray(Math.min(offset - start, filled), Math.min(offset - start + length, filled)), at)
    }
  }
}
