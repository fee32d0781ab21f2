/**
 * `Table`: the value of every tabular result, from a pickled DataFrame, Parquet, Arrow, CSV or pandas JSON.
 *
 * @since 0.1.0
 */
import { type TimeUnit, toJson } from "@effect-prefect/pickle"

/**
 * The kind of the values of a column.
 *
 * - `bool`: booleans
 * - `int`: numbers, and bigints beyond ±(2^53-1)
 * - `float`: numbers
 * - `string`: strings
 * - `bytes`: Uint8Array
 * - `decimal`: `Decimal` of `@effect-prefect/pickle`
 * - `datetime`: `Timestamp`, to the nanosecond, of an instant when the column has a time zone
 * - `date`, `time`: `PyDate`, `PyTime`
 * - `timedelta`: `Timedelta`, to the nanosecond
 * - `object`: any values, for example lists or values of several kinds
 *
 * @category models
 * @since 0.1.0
 */
export type ColumnKind =
  | "bool"
  | "int"
  | "float"
  | "string"
  | "bytes"
  | "decimal"
  | "datetime"
  | "date"
  | "time"
  | "timedelta"
  | "object"

/**
 * The parts of a column.
 *
 * @category models
 * @since 0.1.0
 */
export interface ColumnParts {
  readonly name: string
  readonly kind: ColumnKind
  readonly length: number
  /** The value at a row; `null`, `undefined` and NaN all mean missing. */
  readonly at: (row: number) => unknown
  readonly unit?: TimeUnit | null | undefined
  readonly timezone?: string | null | undefined
  readonly categories?: ReadonlyArray<unknown> | null | undefined
  readonly isOrdered?: boolean | undefined
  /** The memory that it holds in bytes, if the decoder knows. */
  readonly byteSize?: number | undefined
}

/**
 * A column: values of one kind, any of which may be missing. Values are made on access.
 *
 * @category models
 * @since 0.1.0
 */
export class Column implements Iterable<unknown> {
  /** Its label as text, in Python's `str` form: `a`, `0`, `('a', 'b')`. */
  readonly name: string
  readonly kind: ColumnKind
  readonly length: number
  /** The unit in which times and timedeltas were stored, otherwise `null`. */
  readonly unit: TimeUnit | null
  /**
   * The time zone of a `datetime` column (`UTC`, `Europe/Berlin`, `+01:00`); `null` for local times and other kinds.
   */
  readonly timezone: string | null
  /** The categories of a categorical column, in order; otherwise `null`. */
  readonly categories: ReadonlyArray<unknown> | null
  /** Whether the categories are ordered. */
  readonly isOrdered: boolean
  /** The memory that it holds in bytes; `null` when its decoder does not know. */
  readonly byteSize: number | null
  readonly #at: (row: number) => unknown

  constructor(parts: ColumnParts) {
    this.name = parts.name
    this.kind = parts.kind
    this.length = parts.length
    this.unit = parts.unit ?? null
    this.timezone = parts.timezone ?? null
    this.categories = parts.categories ?? null
    this.isOrdered = parts.isOrdered ?? false
    this.byteSize = parts.byteSize ?? null
    this.#at = parts.at
  }

  /** The value at a row; `null` when it is missing (Python's None, NaN, NaT and NA). */
  at(row: number): unknown {
    const value = this.#at(row)
    return value === undefined || value !== value ? null : value
  }

  /** Whether the value at a row is missing. */
  isNull(row: number): boolean {
    return this.at(row) === null
  }

  /** The number of missing values. */
  get nullCount(): number {
    let count = 0
    for (let row = 0; row < this.length; row++) if (this.at(row) === null) count++
    return count
  }

  toArray(): Array<unknown> {
    return Array.from({ length: this.length }, (_, row) => this.at(row))
  }

  /** The JSON projection: the values as an array. */
  toJSON(): unknown {
    return toJson(this.toArray())
  }

  toString(): string {
    return `Column(${this.name} ${this.kind}, ${this.length})`
  }
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString()
  }

  *[Symbol.iterator](): IterableIterator<unknown> {
    for (let row = 0; row < this.length; row++) yield this.at(row)
  }
}

/**
 * A row: the values by column name. Among columns with the same name, the last one wins.
 *
 * @category models
 * @since 0.1.0
 */
export type Row = Record<string, unknown>

/** Makes the rows of a table: plain objects of the same shape. */
const rowMaker = (columns: ReadonlyArray<Column>): (row: number) => Row => {
  const last = new Map(columns.map((column) => [column.name, column]))
  const names = [...last.keys()]
  const sources = [...last.values()]
  const isPlain = !last.has("__proto__")
  return (row) => {
    const out: Row = {}
    for (let i = 0; i < names.length; i++) {
      const value = sources[i]!.at(row)
      if (isPlain) out[names[i]!] = value
      else Object.defineProperty(out, names[i]!, { value, enumerable: true, configurable: true, writable: true })
    }
    return out
  }
}

/**
 * A table of typed columns. An index other than plain row numbers is kept apart from the columns and is not part of the
 * rows, as in pandas' `to_dict("records")`.
 *
 * **Example** (Reading a table)
 *
 * ```ts
 * import * as Table from "@effect-prefect/formats/Table"
 *
 * export const total = (table: Table.Table) => {
 *   let sum = 0
 *   for (const row of table.rows()) sum += Number(row["total"])
 *   return sum
 * }
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export class Table implements Iterable<Row> {
  /** The columns, in order. Names may be duplicated. */
  readonly columns: ReadonlyArray<Column>
  /** The columns of the index; empty when it is just the row numbers. */
  readonly index: ReadonlyArray<Column>
  readonly numRows: number

  constructor(columns: ReadonlyArray<Column>, numRows: number, index: ReadonlyArray<Column> = []) {
    this.columns = columns
    this.numRows = numRows
    this.index = index
  }

  get numColumns(): number {
    return this.columns.length
  }

  get columnNames(): ReadonlyArray<string> {
    return this.columns.map((column) => column.name)
  }

  /** The column with that name, the last of several; `undefined` when there is none. */
  column(name: string): Column | undefined {
    return this.columns.findLast((column) => column.name === name)
  }

  /** The row at a position, counted from 0; `undefined` when there is none. */
  row(at: number): Row | undefined {
    return at >= 0 && at < this.numRows ? rowMaker(this.columns)(at) : undefined
  }

  /** Iterates over the rows. Each row is made when it is read. */
  *rows(): IterableIterator<Row> {
    const make = rowMaker(this.columns)
    for (let row = 0; row < this.numRows; row++) yield make(row)
  }

  /** All rows at once. */
  toRows(): Array<Row> {
    const make = rowMaker(this.columns)
    return Array.from({ length: this.numRows }, (_, row) => make(row))
  }

  [Symbol.iterator](): IterableIterator<Row> {
    return this.rows()
  }

  /** The JSON projection: the rows as objects. */
  toJSON(): unknown {
    return toJson(this.toRows())
  }

  /** Its shape without its values: `Table(24 rows: id int, day datetime)`. */
  toString(): string {
    return `Table(${this.numRows} rows: ${this.columns.map(({ kind, name }) => `${name} ${kind}`).join(", ")})`
  }
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString()
  }
}
