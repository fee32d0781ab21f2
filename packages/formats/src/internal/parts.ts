/** The types of a table that is read part by part: TableParts.ts re-exports them. */
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { FormatError } from "../FormatError.ts"
import type { Table } from "../Table.ts"
import type { Condition } from "./filter.ts"

/**
 * Bytes that can be read in parts: a file, an object of a store.
 *
 * @category models
 * @since 0.1.0
 */
export interface Source<E> {
  readonly size: number
  /** Reads so many bytes from an offset on, all of which are there. */
  readonly read: (offset: number, length: number) => Effect.Effect<Uint8Array, E>
}

/**
 * Which rows and columns are read, and how much at once.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The limit of what is read at once, and of what it decompresses to: a part above it is TooLarge. */
  readonly maxBytes: number
  /** Only these columns, in this order. Default: all. */
  readonly columns?: ReadonlyArray<string> | undefined
  /** Only rows that meet all these conditions. Default: all. */
  readonly filter?: ReadonlyArray<Condition> | undefined
}

/**
 * A part that has not been read.
 *
 * @category models
 * @since 0.1.0
 */
export interface Part<E> {
  /** The bytes that `load` reads. */
  readonly byteLength: number
  /** Reads the part, with the columns of the filter beside those that were asked for. */
  readonly load: Effect.Effect<Table, FormatError | E>
}

/**
 * A table whose parts can be read one by one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Parts<E> {
  /** The parts in order. Those that can have no row of the filter are left out. */
  readonly parts: Stream.Stream<Part<E>, FormatError | E>
  /** The table without rows: its columns. */
  readonly empty: Effect.Effect<Table, FormatError>
  /** The bytes of what was read to find the parts, and is kept. */
  readonly headBytes: number
}
