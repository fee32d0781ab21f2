/**
 * `TableParts`: a table read part by part, so that one that is larger than memory can be processed.
 *
 * The parts are the row groups of a Parquet file, and the record batches of an Arrow file (Feather 2) or stream. Small row
 * groups of a file of more than 256 are read together. Of a Parquet file, only the bytes of the requested columns are read,
 * and no row group whose statistics rule out the filter, unless it is a small one between two others; of an Arrow file,
 * whole batches are read.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { FormatError } from "./FormatError.ts"
import * as Batches from "./internal/arrow/batches.ts"
import { latin1Of } from "./internal/bytes.ts"
import { filterSteps, selectColumns } from "./internal/filter.ts"
import type { Options, Part, Parts, Source } from "./internal/parts.ts"
import { openParquet } from "./internal/readers/parquetGroups.ts"
import { formatError } from "./internal/refusal.ts"
import { giveWay } from "./internal/steps.ts"
import type { Table } from "./Table.ts"

export type { Condition, Operator, Value } from "./internal/filter.ts"
export type { Options, Part, Parts, Source } from "./internal/parts.ts"

/**
 * A source over bytes in memory.
 *
 * @category constructors
 * @since 0.1.0
 */
export const sourceOf = (bytes: Uint8Array): Source<never> => ({
  size: bytes.length,
  read: (offset, length) => Effect.succeed(bytes.subarray(offset, offset + length))
})

const startsWith = (bytes: Uint8Array, text: string): boolean =>
  latin1Of(bytes, 0, Math.min(bytes.length, text.length)) === text

/**
 * The parts of a table, detected from the first bytes; undefined for bytes that can only be read as a whole: other
 * formats, and whole files that are compressed.
 *
 * @category decoding
 * @since 0.1.0
 */
export const open = <E>(
  source: Source<E>,
  options: Options
): Effect.Effect<Parts<E> | undefined, FormatError | E> =>
  source.size < 12
    ? Effect.succeed(undefined)
    : Effect.flatMap(source.read(0, 8), (head): Effect.Effect<Parts<E> | undefined, FormatError | E> => {
      if (startsWith(head, "PAR1")) return openParquet(source, options)
      if (startsWith(head, "ARROW1")) return Batches.openFile(source, options)
      return startsWith(head, "\xff\xff\xff\xff") ? Batches.openStream(source, options) : Effect.succeed(undefined)
    })

/**
 * The requested rows and columns of a table. A missing column, or one that does not support the filter's comparison,
 * fails with Undecodable.
 *
 * @category converting
 * @since 0.1.0
 */
export const narrow = (
  table: Table,
  { columns, filter = [] }: Pick<Options, "columns" | "filter">
): Effect.Effect<Table, FormatError> =>
  giveWay(function*() {
    return selectColumns(yield* filterSteps(table, filter), columns)
  }, formatError)

/**
 * The parts of a table one after the other, each read on demand and reduced to the requested rows and columns. Parts
 * without rows are omitted; a table without rows is emitted once, with its columns. Undefined where `open` returns
 * undefined.
 *
 * @category decoding
 * @since 0.1.0
 */
export const stream = <E>(
  source: Source<E>,
  options: Options
): Effect.Effect<Stream.Stream<Table, FormatError | E> | undefined, FormatError | E> =>
  Effect.map(
    open(source, options),
    (opened) => opened === undefined ? undefined : tables(opened, options, ({ load }) => load)
  )

/**
 * The tables of opened parts, each read with `load` on demand. Otherwise like `stream`.
 *
 * @category decoding
 * @since 0.1.0
 */
export const tables = <E, E2>(
  { empty, parts }: Parts<E>,
  options: Pick<Options, "columns" | "filter">,
  load: (part: Part<E>) => Effect.Effect<Table, E2>
): Stream.Stream<Table, FormatError | E | E2> =>
  Stream.suspend(() => {
    let hasRows = false
    const some = parts.pipe(
      Stream.mapEffect((part) => Effect.flatMap(load(part), (table) => narrow(table, options))),
      Stream.filter(({ numRows }) => {
        if (numRows > 0) hasRows = true
        return numRows > 0
      })
    )
    const none = Stream.unwrap(Effect.suspend(() =>
      hasRows
        ? Effect.succeed(Stream.empty)
        : Effect.map(Effect.flatMap(empty, (table) => narrow(table, options)), (table) => Stream.make(table))
    ))
    return Stream.concat(some, none)
  })
