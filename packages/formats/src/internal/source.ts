/** Reads bytes in parts, from any source. */
import * as Effect from "effect/Effect"
import { undecodable } from "../FormatError.ts"
import type { Source } from "./parts.ts"

/** The largest gap between two parts that are read as one. */
const gap = 256 * 1024

/** Concurrent reads of one source. */
const atOnce = 4

/** The position of some bytes. */
interface Span {
  readonly start: number
  readonly end: number
}

/** Bytes that were read, and their offset. */
export interface Piece {
  readonly start: number
  readonly bytes: Uint8Array
}

/** The parts to read for some spans: adjacent ones are joined. */
export const merge = (spans: ReadonlyArray<Span>): ReadonlyArray<Span> => {
  const out: Array<{ start: number; end: number }> = []
  for (const { end, start } of spans.toSorted((left, right) => left.start - right.start)) {
    const last = out.at(-1)
    if (last !== undefined && start <= last.end + gap) last.end = Math.max(last.end, end)
    else out.push({ start, end })
  }
  return out
}

/** The total size of some spans. */
export const lengthOf = (spans: ReadonlyArray<Span>): number =>
  spans.reduce((sum, { end, start }) => sum + end - start, 0)

/** Reads parts of a source. */
export const readSpans = <E>(source: Source<E>, spans: ReadonlyArray<Span>) =>
  Effect.forEach(
    spans,
    ({ end, start }) => Effect.map(readSpan(source, start, end), (bytes): Piece => ({ start, bytes })),
    {
      concurrency: atOnce
    }
  )

/** Reads one part of a source, which must exist. */
export const readSpan = <E>(source: Source<E>, start: number, end: number) =>
  end > source.size
    ? Effect.fail(undecodable("the file is damaged: a part of it lies outside its bytes"))
    : start === end
    ? Effect.succeed(new Uint8Array(0))
    : Effect.flatMap(
      source.read(start, end - start),
      (bytes) =>
        bytes.length === end - start
          ? Effect.succeed(bytes)
          : Effect.fail(undecodable("the file is damaged: a part of it could not be read completely"))
    )

/** The size of a read when a source is read from the start. */
const ahead = 64 * 1024

/** A source whose small parts are read together with the bytes after them. */
export const readingAhead = <E>(source: Source<E>): Source<E> => {
  let last: Piece = { start: 0, bytes: new Uint8Array(0) }
  return {
    size: source.size,
    read: (offset, length) =>
      Effect.suspend(() => {
        const from = offset - last.start
        if (from >= 0 && from + length <= last.bytes.length) {
          return Effect.succeed(last.bytes.subarray(from, from + length))
        }
        const wanted = Math.min(Math.max(length, ahead), source.size - offset)
        return Effect.map(source.read(offset, wanted), (bytes) => {
          if (wanted > length) last = { start: offset, bytes }
          return bytes.subarray(0, length)
        })
      })
  }
}
