/**
 * The row groups of a Parquet file, each read on its own: a file of one row group is assembled from its columns' bytes
 * and the footer, and read like any other. Only one row group is read at once, however large the file is. Of very many,
 * small ones are read together, because each assembled file has all of the footer that is not of row groups.
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

const fileOf = (
  footer: Footer,
  groups: ReadonlyArray<Group>,
  chunks: ReadonlyArray<Chunk>,
  spans: ReadonlyArray<Span>
) => {
  const moves = new Map<Chunk, number>()
  let at = magic.length
  for (const span of spans) {
    for (const chunk of chunks) {
      if (chunk.start >= span.start && chunk.end <= span.end) moves.set(chunk, at - span.start)
    }
    at += span.end - span.start
  }
  return footerOf(footer, groups, moves)
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
  groups: ReadonlyArray<Group>,
  firstRow: number,
  { maxBytes }: Options,
  columns: ReadonlyArray<string> | undefined
): Part<E> => {
  const numRows = groups.reduce((sum, { numRows }) => sum + numRows, 0)
  const all = groups.length === 1 ? groups[0]!.chunks : groups.flatMap(({ chunks }) => chunks)
  const chunks = columns === undefined ? all : all.filter(({ name }) => columns.includes(name))
  const spans = merge(chunks)
  const byteLength = lengthOf(spans)
  const cost = chunks.reduce((sum, { cost }) => sum + cost, 0)
  return {
    byteLength,
    load: Effect.suspend(() => {
      const most = Math.max(byteLength, cost, columns?.length === 0 ? numRows : 0)
      if (most > maxBytes) return Effect.fail(tooLargeError(maxBytes, most))
      return Effect.flatMap(
        readSpans(source, spans),
        (pieces) =>
          Effect.flatMap(
            giveWay(() => expected(chunks, pieces), formatError),
            (values) =>
              Effect.flatMap(giveWay(() => fileOf(footer, groups, chunks, spans), formatError), (ending) =>
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

/** The most row groups of a file in which each is a part. */
const fewGroups = 256

/** Row groups of less than this are read together in a file of more, and the most of them: its reader takes 32 768. */
const smallPart = 0x40000
const mostGroups = 32_000

/** The memory that the description of a column takes in an assembled file. */
const chunkWeight = 64

/** Where the next part is looked for: at a row group, which may have been read. */
interface Next {
  readonly index: number
  readonly firstRow: number
  readonly known: Group | undefined
}

/** What a row group takes, of those that are read together. */
const weightOf = ({ chunks }: Group): number =>
  chunks.reduce((sum, { cost, end, start }) => sum + Math.max(cost, end - start) + chunkWeight, chunkWeight)

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
    // The whole footer, of which each part may have as much.
    const limit = footer.groups.length <= fewGroups ? 0 : Math.min(Math.max(smallPart, bytes.length), maxBytes / 4)
    const parts = Stream.paginate({ index: 0, firstRow: 0, known: undefined } as Next, ({ firstRow, index, known }) =>
      giveWay(
        function*() {
          const groups: Array<Group> = []
          /** Those of them up to the last one that may have rows that match. */
          let matching = 0
          let weight = 0
          let row = firstRow
          let first = firstRow
          let at = index
          let after: Group | undefined
          for (; at < footer.groups.length; at++) {
            if (matching > 0 && limit === 0) {
              break
            }
            const group = at === index && known !== undefined ? known : yield* groupOf(footer, footer.groups[at]!)
            const more = weightOf(group)
            if (matching > 0 && (weight + more > limit || groups.length === mostGroups)) {
              after = group
              break
            }
            const isWanted = group.numRows > 0 && mayMatch(group, footer, filter)
            if (isWanted && groups.length === 0) {
              first = row
            }
            row += group.numRows
            if (isWanted || groups.length > 0) {
              groups.push(group)
              weight += more
            }
            if (isWanted) {
              matching = groups.length
            }
            yield
          }
          const next = at < footer.groups.length
            ? Option.some({ index: at, firstRow: row, known: after })
            : Option.none()
          return [
            matching > 0 ? [partOf(source, footer, groups.slice(0, matching), first, options, wanted)] : [],
            next
          ] as const
        },
        formatError
      ))
    return {
      parts,
      empty: Effect.flatMap(
        giveWay(() =>
          footerOf(footer, [], new Map()), formatError),
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
