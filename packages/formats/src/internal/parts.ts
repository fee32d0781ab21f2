/** The types of a table that is read part by part: TableParts.ts re-exports them. */
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { FormatError } from "../FormatError.ts"
import type { Table } from "../Table.ts"
import type { Condition } from "./filter.ts"

/**
 * Bytes that can be read in parts: a file, or an object of a store.
 *
 * @category models
 * @since 0.1.0
 */
export interface Source<E> {
  readonly size: number
  /** Reads a number of bytes from an offset, all of which exist. */
  readonly read: (offset: number, length: number) => Effect.Effect<Uint8Array, E>
}

/**
 * The rows and columns to read, and the limit per read.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The limit of the bytes read at once, and of their decompressed size: a larger part fails with TooLarge. */
  readonly maxBytes: number
  /** Only these columns, in this order. Default: all. */
  readonly columns?: ReadonlyArray<string> | undefined
  /** Only rows that match all these conditions. Default: all. */
  readonly filter?: ReadonlyArray<Condition> | undefined
}

/**
 * A part that has not been read yet.
 *
 * @category models
 * @since 0.1.0
 */
export interface Part<E> {
  /** The bytes that `load` reads. */
  readonly byteLength: number
  /** Reads the part, including the columns of the filter. */
  readonly load: Effect.Effect<Table, FormatError | E>
}

/**
 * A table whose parts can be read one by one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Parts<E> {
  /** The parts in order. Parts that cannot have a row that matches the filter are omitted. */
  readonly parts: Stream.Stream<Part<E>, FormatError | E>
  /** The table without rows: its columns. */
  readonly empty: Effect.Effect<Table, FormatError>
  /** The size of the bytes that were read to find the parts, and are kept. */
  readonly headBytes: number
}
