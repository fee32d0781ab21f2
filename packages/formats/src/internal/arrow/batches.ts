/**
 * The record batches of Arrow data, each read on its own: of a file by the positions in its footer, of a stream in
 * order.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { FormatError, undecodable } from "../../FormatError.ts"
import { FlatTable } from "../flatbuffer.ts"
import type { Options, Part, Parts, Source } from "../parts.ts"
import { formatError, Refusal, tooLargeError } from "../refusal.ts"
import { readingAhead, readSpan } from "../source.ts"
import { giveWay } from "../steps.ts"
import {
  type Budget,
  budgetOf,
  type Message,
  readBatch,
  readMessages,
  type Schema,
  schemaOf,
  tableOf
} from "./feather.ts"
import { type Block, distinct, footerSpan, readFileFooter, tailLength } from "./file.ts"

const damaged = (what: string): FormatError => undecodable(`the Arrow data is damaged: ${what}`)

/** Errors of references outside the bytes are reported as damage. */
const failure = (error: unknown): FormatError =>
  error instanceof Refusal || error instanceof FormatError
    ? formatError(error)
    : damaged("it breaks off or contradicts itself")

const attempt = <A>(f: () => A): Effect.Effect<A, FormatError> => Effect.try({ try: f, catch: failure })

function* rowsOf(schema: Schema, bytes: Uint8Array, budget: Budget) {
  const [message] = readMessages(bytes)
  if (message === undefined) throw damaged("a message is missing")
  return yield* readBatch(schema, message, budget)
}

function* tableSteps(schema: Schema, bytes: Uint8Array, maxBytes: number, firstRow: number) {
  const budget = budgetOf(maxBytes, true)
  const rows = yield* rowsOf(schema, bytes, budget)
  return yield* tableOf(schema, rows === undefined ? [] : [rows], budget, undefined, firstRow)
}

/** The batches of a file, whose positions are at its end. */
export const openFile = <E>(source: Source<E>, { maxBytes }: Options): Effect.Effect<Parts<E>, FormatError | E> =>
  Effect.gen(function*() {
    if (source.size < tailLength) return yield* damaged("it breaks off")
    const tail = yield* readSpan(source, source.size - tailLength, source.size)
    const { end, start } = yield* attempt(() => footerSpan(tail, source.size))
    if (end - start > maxBytes) return yield* tooLargeError(maxBytes, end - start)
    const bytes = yield* readSpan(source, start, end)
    const footer = yield* attempt(() => readFileFooter(bytes))
    const schema = yield* giveWay(() => schemaOf(footer.schema), failure)
    const read = ({ length, offset }: Block) =>
      length > maxBytes ? Effect.fail(tooLargeError(maxBytes, length)) : readSpan(source, offset, offset + length)
    let headBytes = bytes.length
    const dictionaries = distinct(footer.dictionaries, source.size)
    for (;;) {
      const next = yield* attempt(() => dictionaries.next())
      if (next.done === true) break
      const block = next.value
      if ((headBytes += block.length) > maxBytes) return yield* tooLargeError(maxBytes, headBytes)
      const bytes = yield* read(block)
      yield* giveWay(() => rowsOf(schema, bytes, budgetOf(maxBytes, true)), failure)
    }
    let firstRow = 0
    const partOf = (block: Block): Part<E> => ({
      byteLength: block.length,
      load: Effect.flatMap(
        read(block),
        (bytes) =>
          Effect.map(giveWay(() => tableSteps(schema, bytes, maxBytes, firstRow), failure), (table) => {
            firstRow += table.numRows
            return table
          })
      )
    })
    const parts = Stream.suspend(() => {
      const blocks = distinct(footer.batches, source.size)
      return Stream.paginate(undefined, () =>
        attempt(() => {
          const next = blocks.next()
          return next.done === true ? [[], Option.none()] : [[partOf(next.value)], Option.some(undefined)]
        }))
    })
    return { parts, empty: giveWay(() => tableOf(schema, [], budgetOf(maxBytes, true), undefined), failure), headBytes }
  })

interface At {
  readonly schema: Schema | undefined
  readonly offset: number
  readonly firstRow: number
}

/** The start and end of the next message of a stream; undefined at its end. */
const nextMessage = Effect.fnUntraced(function*<E>(source: Source<E>, offset: number, maxBytes: number) {
  if (offset + 4 > source.size) return undefined
  const prefix = yield* readSpan(source, offset, Math.min(offset + 8, source.size))
  const view = new DataView(prefix.buffer, prefix.byteOffset, prefix.length)
  const isMarked = view.getInt32(0, true) === -1
  if (isMarked && prefix.length < 8) return yield* damaged("a message breaks off")
  const start = offset + (isMarked ? 8 : 4)
  const length = view.getInt32(isMarked ? 4 : 0, true)
  if (length === 0) return undefined
  if (length < 0 || start + length > source.size) return yield* damaged("a message breaks off")
  if (length > maxBytes) return yield* tooLargeError(maxBytes, length)
  const head = yield* readSpan(source, start, start + length)
  const body = yield* attempt(() => FlatTable.root(head).int64(3))
  const end = start + length + body
  if (!(body >= 0 && end <= source.size)) return yield* damaged("a body breaks off")
  if (body > maxBytes) return yield* tooLargeError(maxBytes, body)
  return { head, start: start + length, end }
})

/** The batches of a stream, in sequence. */
export const openStream = <E>(given: Source<E>, { maxBytes }: Options): Effect.Effect<Parts<E>, FormatError | E> =>
  Effect.gen(function*() {
    const source = readingAhead(given)
    const first = yield* nextMessage(source, 0, maxBytes)
    const schema = yield* giveWay(function*() {
      const root = first === undefined ? null : FlatTable.root(first.head)
      const table = root?.uint8(1) === 1 ? root.table(2) : null
      if (table === null || table === undefined) throw damaged("it has no schema")
      return yield* schemaOf(table)
    }, failure)
    const step = ({ firstRow, offset }: At) =>
      Effect.gen(function*() {
        const next = yield* nextMessage(source, offset, maxBytes)
        if (next === undefined) return [[], Option.none<At>()] as const
        const part: Part<E> = {
          byteLength: next.end - next.start,
          load: Effect.flatMap(readSpan(given, next.start, next.end), (body) =>
            giveWay(function*() {
              const message: Message = { head: next.head, body }
              const budget = budgetOf(maxBytes, true)
              const rows = yield* readBatch(schema, message, budget)
              return yield* tableOf(schema, rows === undefined ? [] : [rows], budget, undefined, firstRow)
            }, failure))
        }
        // A dictionary is read immediately, because later batches need it; the number of rows of a batch is in its
        // head.
        const { kind, rows } = yield* attempt(() => {
          const root = FlatTable.root(next.head)
          const kind = root.uint8(1)
          return { kind, rows: kind === 3 ? root.table(2)?.int64(0) ?? 0 : 0 }
        })
        if (kind === 2) yield* part.load
        return [
          kind === 3 ? [part] : [],
          Option.some<At>({ schema, offset: next.end, firstRow: firstRow + rows })
        ] as const
      })
    const parts = Stream.paginate({ schema, offset: first?.end ?? 0, firstRow: 0 } as At, step)
    return {
      parts,
      empty: giveWay(() => tableOf(schema, [], budgetOf(maxBytes, true), undefined), failure),
      headBytes: first?.end ?? 0
    }
  })
