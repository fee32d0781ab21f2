/**
 * The row groups of a Parquet file, each read on its own: a file of one row group is assembled from its columns' bytes
 * and the footer, and read like any other. Only one row group is read at once, however large the file is.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { FormatError } from "../../FormatError.ts"
import { type Condition, mayHold } from "../filter.ts"
import { dictionaryBudgetOf, dictionarySizes, expectedMemory } from "../parquet/dictionary.ts"
import {
  type Chunk,
  countsTooFew,
  type Footer,
  footerOf,
  footerSpan,
  type Group,
  groupOf,
  magic,
  readFooter,
  tailLength
} from "../parquet/footer.ts"
import { endsOf } from "../parquet/statistics.ts"
import type { Span } from "../parquet/thrift.ts"
import type { Options, Part, Parts, Source } from "../parts.ts"
import { formatError, refuse, tooLargeError } from "../refusal.ts"
import { lengthOf, merge, type Piece, readSpan, readSpans } from "../source.ts"
import { giveWay, type Steps } from "../steps.ts"
import { readParts, uuidsOf } from "./parquet.ts"

/** Whether a row group may have rows that match all conditions, according to its statistics. */
const mayMatch = ({ chunks }: Group, { leaves }: Footer, conditions: ReadonlyArray<Condition>): boolean =>
  conditions.every((condition) => {
    const leaf = leaves.get(condition.column)
    const chunk = chunks.find(({ isFlat, name }) => isFlat && name === condition.column)
    if (leaf === undefined || chunk === undefined) return true
    const { least, most } = endsOf(chunk, leaf)
    return least === undefined || most === undefined || mayHold(condition, least, most)
  })

const requireColumns = (names: ReadonlyArray<string>, columns: ReadonlyArray<string> | undefined): void => {
  for (const column of columns ?? []) {
    if (!names.includes(column)) refuse(`it has no column ${JSON.stringify(column)}`)
  }
}

const fileOf = (footer: Footer, group: Group, chunks: ReadonlyArray<Chunk>, spans: ReadonlyArray<Span>) => {
  const moves = new Map<Chunk, number>()
  let at = magic.length
  for (const span of spans) {
    for (const chunk of chunks) {
      if (chunk.start >= span.start && chunk.end <= span.end) moves.set(chunk, at - span.start)
    }
    at += span.end - span.start
  }
  return footerOf(footer, group, moves)
}

/** What the values of some columns, whose bytes were read, are expected to take, and the size of the largest. */
function* expected(
  chunks: ReadonlyArray<Chunk>,
  pieces: ReadonlyArray<Piece>
): Steps<{ readonly cost: number; readonly maxValue: number }> {
  const dictionaries = dictionaryBudgetOf(pieces.reduce((sum, { bytes }) => sum + bytes.length, 0))
  let cost = 0
  let maxValue = 0
  for (const { bytes, start } of pieces) {
    for (const chunk of chunks) {
      if (chunk.start < start || chunk.start >= start + bytes.length) continue
      const sizes = dictionarySizes(chunk, bytes, dictionaries, start)
      cost += expectedMemory(chunk, sizes)
      maxValue = Math.max(maxValue, sizes.largest)
      yield
    }
  }
  return { cost, maxValue }
}

const partOf = <E>(
  source: Source<E>,
  footer: Footer,
  group: Group,
  firstRow: number,
  { maxBytes }: Options,
  columns: ReadonlyArray<string> | undefined
): Part<E> => {
  const chunks = columns === undefined ? group.chunks : group.chunks.filter(({ name }) => columns.includes(name))
  const spans = merge(chunks)
  const byteLength = lengthOf(spans)
  const cost = chunks.reduce((sum, { cost }) => sum + cost, 0)
  return {
    byteLength,
    load: Effect.suspend(() => {
      const most = Math.max(byteLength, cost, columns?.length === 0 ? group.numRows : 0)
      if (most > maxBytes) return Effect.fail(tooLargeError(maxBytes, most))
      return Effect.flatMap(
        readSpans(source, spans),
        (pieces) =>
          Effect.flatMap(
            giveWay(() => expected(chunks, pieces), formatError),
            (values) =>
              Effect.flatMap(giveWay(() => fileOf(footer, group, chunks, spans), formatError), (ending) =>
                readParts(
                  [magic, ...pieces.map(({ bytes }) => bytes), ending],
                  maxBytes,
                  columns,
                  { firstRow, uuids: uuidsOf(footer, columns), ...values }
                ))
          )
      )
    })
  }
}

/** The row groups of a Parquet file; undefined for files of old writers, which can only be read whole. */
export const openParquet = <E>(
  source: Source<E>,
  options: Options
): Effect.Effect<Parts<E> | undefined, FormatError | E> =>
  Effect.gen(function*() {
    const { columns, filter = [], maxBytes } = options
    const tail = yield* readSpan(source, source.size - tailLength, source.size)
    const { end, start } = yield* Effect.try({ try: () => footerSpan(tail, source.size), catch: formatError })
    if (end - start > maxBytes) return yield* tooLargeError(maxBytes, end - start)
    const bytes = yield* readSpan(source, start, end)
    const footer = yield* giveWay(() => readFooter(bytes, start), formatError)
    // Where its columns end is not known before they are read.
    if (countsTooFew(footer)) return undefined
    const wanted = columns === undefined ? undefined : [...new Set([...columns, ...filter.map(({ column }) => column)])]
    yield* Effect.try({ try: () => requireColumns(footer.names, columns), catch: formatError })
    const parts = Stream.paginate({ index: 0, firstRow: 0 }, ({ firstRow, index }) =>
      giveWay(
        function*() {
          const span = footer.groups[index]
          if (span === undefined) return [[], Option.none()] as const
          const group = yield* groupOf(footer, span)
          const next = Option.some({ index: index + 1, firstRow: firstRow + group.numRows })
          return [
            group.numRows > 0 && mayMatch(group, footer, filter)
              ? [partOf(source, footer, group, firstRow, options, wanted)]
              : [],
            next
          ] as const
        },
        formatError
      ))
    return {
      parts,
      empty: Effect.flatMap(
        giveWay(() => footerOf(footer, undefined, new Map()), formatError),
        (ending) =>
          readParts([magic, ending], maxBytes, wanted, {
            firstRow: 0,
            uuids: uuidsOf(footer, wanted),
            cost: 0,
            maxValue: 0
          })
      ),
      headBytes: bytes.length
    }
  })
