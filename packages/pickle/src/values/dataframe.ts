/**
 * pandas' frames, series, indexes and scalars as columns: typed data, a mask of missing values, a logical dtype.
 *
 * @since 0.1.0
 */
import { fail } from "../errors.ts"
import { offsetAt, offsetText, unknownZoneText, zoneOf } from "./datetime.ts"
import { equalityKey } from "./equality.ts"
import { type Inspect, inspected, projected } from "./json.ts"
import { nanosecondsText } from "./ndarray.ts"

/**
 * pandas' missing time, `NaT`.
 *
 * @category pandas
 * @since 0.1.0
 */
export class NaTType {
  toString(): string {
    return "NaT"
  }
  toJSON(): null {
    return null
  }
}

/**
 * The only `NaT`.
 *
 * @category pandas
 * @since 0.1.0
 */
export const NaT: NaTType = Object.freeze(new NaTType())

/**
 * pandas' missing value of nullable dtypes, `NA`.
 *
 * @category pandas
 * @since 0.1.0
 */
export class NAType {
  toString(): string {
    return "<NA>"
  }
  toJSON(): null {
    return null
  }
}

/**
 * The only `NA`.
 *
 * @category pandas
 * @since 0.1.0
 */
export const NA: NAType = Object.freeze(new NAType())

/**
 * The units in which pandas keeps times.
 *
 * @category pandas
 * @since 0.1.0
 */
export type TimeUnit = "s" | "ms" | "us" | "ns"

/**
 * A `pandas.Timestamp`: an instant with a zone, or a local time without one, to the nanosecond.
 *
 * @category pandas
 * @since 0.1.0
 */
export class Timestamp {
  /** Nanoseconds since 1970: of the instant when there is a zone, otherwise of the local time. */
  readonly ns: bigint
  /** The unit in which pandas kept it. */
  readonly unit: TimeUnit
  /** `null`, a `Timezone`, a `ZoneInfo`, or the inert object of another library: see `zoneOf`. */
  readonly tzinfo: unknown
  constructor(ns: bigint, unit: TimeUnit, tzinfo: unknown) {
    this.ns = ns
    this.unit = unit
    this.tzinfo = tzinfo
  }
  /** The zone's name: a key of the IANA database, `UTC`, `UTC+01:00`; `null` without a zone. */
  get tz(): string | null {
    return zoneName(this.tzinfo)
  }
  /** Offset from UTC in microseconds; `null` without a zone or when the zone is unknown. */
  utcOffset(): number | null {
    if (this.tzinfo === null) return null
    const zone = zoneOf(this.tzinfo)
    if (zone === null) return null
    return zone.key === null ? zone.offset : offsetAt(zone.key, Number(this.ns / 1_000_000n)) ?? zone.offset
  }
  /** The instant in UTC as ISO 8601: `2024-01-01T00:02:03.000000004+00:00`. */
  get utcText(): string {
    return `${nanosecondsText(this.ns)}+00:00`
  }
  /** Whether it has a zone whose offset is unknown. */
  get hasUnknownZone(): boolean {
    return this.tzinfo !== null && this.utcOffset() === null
  }
  /**
   * ISO 8601 with the offset: `2024-01-01T01:02:03.000000004+01:00`; for an unknown zone in UTC with `[module.Zone]`.
   */
  toString(): string {
    if (this.tzinfo === null) return nanosecondsText(this.ns)
    const offset = this.utcOffset()
    if (offset === null) return `${this.utcText}[${unknownZoneText(this.tzinfo)}]`
    return `${nanosecondsText(this.ns + BigInt(offset) * 1_000n)}${offsetText(offset)}`
  }
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `Timestamp(${this.toString()})`
  }
  toJSON(): unknown {
    return projected(this)
  }
  /** The instant to the millisecond; without a zone, the local time taken as UTC. */
  toDate(): Date {
    return new Date(Number(this.ns / 1_000_000n - (this.ns % 1_000_000n < 0n ? 1n : 0n)))
  }
  [equalityKey](): unknown {
    if (this.ns % 1_000n !== 0n) return `${this.tzinfo === null ? "w" : "v"}ns${this.ns}`
    if (this.tzinfo !== null) return `v${this.ns / 1_000n}`
    const micros = this.ns / 1_000n
    const rest = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n
    return `w${(micros - rest) / 1_000n},${rest}`
  }
}

/**
 * The name of a zone as pandas writes it in a dtype; `null` without a zone.
 *
 * @internal
 */
export const zoneName = (tzinfo: unknown): string | null => {
  if (tzinfo === null || tzinfo === undefined) return null
  if (typeof tzinfo === "string") return tzinfo
  const zone = zoneOf(tzinfo)
  if (zone === null) return "unknown"
  if (zone.key !== null) return zone.key
  return zone.offset === 0 ? "UTC" : `UTC${offsetText(zone.offset ?? 0)}`
}

/**
 * A `pandas.Timedelta`.
 *
 * @category pandas
 * @since 0.1.0
 */
export class Timedelta {
  readonly ns: bigint
  readonly unit: TimeUnit
  constructor(ns: bigint, unit: TimeUnit) {
    this.ns = ns
    this.unit = unit
  }
  /** The total length in seconds. */
  get totalSeconds(): number {
    return Number(this.ns) / 1e9
  }
  /** pandas' `str`: `1 days 00:00:01.000000002`. */
  toString(): string {
    const day = 86_400_000_000_000n
    const days = this.ns / day - (this.ns % day < 0n ? 1n : 0n)
    const rest = this.ns - days * day
    const text = nanosecondsText(rest).slice(11)
    return `${days} days ${days < 0n ? "+" : ""}${text}`
  }
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `Timedelta(${this.toString()})`
  }
  toJSON(): number {
    return this.totalSeconds
  }
  [equalityKey](): unknown {
    return `yns${this.ns}`
  }
}

/**
 * The kind of the values of a column, whatever pandas and NumPy call its dtype.
 *
 * @category pandas
 * @since 0.1.0
 */
export type ColumnKind =
  | "bool"
  | "int"
  | "uint"
  | "float"
  | "complex"
  | "string"
  | "bytes"
  | "datetime"
  | "date"
  | "time"
  | "timedelta"
  | "period"
  | "interval"
  | "decimal"
  | "categorical"
  | "sparse"
  | "object"

/**
 * The parts of a column.
 *
 * @category pandas
 * @since 0.1.0
 */
export interface ColumnParts {
  /** pandas' name of the dtype: `int64`, `Int64`, `datetime64[ns, UTC]`, `category`, `str`, `string`, `object`, … */
  readonly dtype: string
  readonly kind: ColumnKind
  readonly length: number
  /** The raw data; called on first access. See `Column.values`. */
  readonly values: () => ArrayLike<unknown>
  /**
   * 1 where a value is missing, one byte per value; `null` when the data itself marks missing values (NaN, NaT, None).
   */
  readonly nulls?: Uint8Array | null
  /** The representation of a missing value in pandas: NaN, `NA`, `NaT` or None. */
  readonly missing?: unknown
  readonly unit?: TimeUnit | null
  readonly tzinfo?: unknown
  readonly categories?: Index | null
  readonly ordered?: boolean
  /** The value at a position as in Python; the raw value when absent. */
  readonly get?: ((values: ArrayLike<unknown>, i: number) => unknown) | null
  /** The same without the raw data, where to make all of that takes long. */
  readonly at?: ((i: number) => unknown) | null
}

const maxShown = 100

/** The first values, for a printer that shows no more. */
const shown = (values: { readonly length: number; at(i: number): unknown }): ReadonlyArray<unknown> => {
  const out: Array<unknown> = Array.from({ length: Math.min(values.length, maxShown) }, (_, i) => values.at(i))
  // Holes make the printer count the remaining values.
  out.length = values.length
  return out
}

/**
 * One column of a DataFrame, the values of a Series or of an Index, or a stand-alone pandas extension array.
 *
 * **Details**
 *
 * `values` is the raw data by `kind`: typed arrays for bool (0 and 1), int, uint, float; a BigInt64Array of counts of
 * `unit` for datetime, timedelta; strings or null for string; the codes of a categorical (-1 is missing); an array of
 * Python values for the rest. `at(i)` is the value as Python shows it.
 *
 * @category pandas
 * @since 0.1.0
 */
export class Column {
  readonly dtype: string
  readonly kind: ColumnKind
  readonly length: number
  /**
   * 1 where a value is missing, one byte per value; `null` when the data itself marks missing values (NaN, NaT, None).
   */
  readonly nulls: Uint8Array | null
  /** The unit of `values` for datetime and timedelta, otherwise `null`. */
  readonly unit: TimeUnit | null
  /** The zone of a datetime column, or `null`. */
  readonly tzinfo: unknown
  /** The categories of a categorical, otherwise `null`. */
  readonly categories: Index | null
  /** Whether a categorical is ordered. */
  readonly ordered: boolean
  readonly #missing: unknown
  readonly #load: () => ArrayLike<unknown>
  readonly #get: ((values: ArrayLike<unknown>, i: number) => unknown) | null
  readonly #at: ((i: number) => unknown) | null
  #values: ArrayLike<unknown> | null = null

  constructor(parts: ColumnParts) {
    this.dtype = parts.dtype
    this.kind = parts.kind
    this.length = parts.length
    this.nulls = parts.nulls ?? null
    this.unit = parts.unit ?? null
    this.tzinfo = parts.tzinfo ?? null
    this.categories = parts.categories ?? null
    this.ordered = parts.ordered ?? false
    this.#missing = parts.missing
    this.#load = parts.values
    this.#get = parts.get ?? null
    this.#at = parts.at ?? null
  }
  /** The raw data, made on first access. */
  get values(): ArrayLike<unknown> {
    return this.#values ??= this.#load()
  }
  /** The name of the zone of a datetime column, or `null`. */
  get tz(): string | null {
    return zoneName(this.tzinfo)
  }
  /** The value at a position as in Python: a number or bigint, string, `Timestamp`, `NaT`, `NA`, … */
  at(i: number): unknown {
    if (this.nulls !== null && this.nulls[i] === 1) return this.#missing
    if (this.#at !== null && this.#values === null) return i >= 0 && i < this.length ? this.#at(i) : undefined
    const { values } = this
    return this.#get === null ? values[i] : this.#get(values, i)
  }
  /** Whether the value at a position is missing: null, NaN, `NaT`, `NA`. */
  isNull(i: number): boolean {
    if (this.nulls !== null && this.nulls[i] === 1) return true
    return isMissing(this.at(i))
  }
  /** All values as in Python. */
  toArray(): Array<unknown> {
    const out: Array<unknown> = []
    for (let i = 0; i < this.length; i++) out.push(this.at(i))
    return out
  }
  *[Symbol.iterator](): IterableIterator<unknown> {
    for (let i = 0; i < this.length; i++) yield this.at(i)
  }
  toString(): string {
    return `Column(${this.dtype}, ${this.length})`
  }
  toJSON(): unknown {
    return projected(this)
  }
  [Symbol.for("nodejs.util.inspect.custom")](depth: number, options: object, inspect?: Inspect): string {
    return inspected(this.toString(), shown(this), depth, options, inspect)
  }
  [equalityKey](): unknown {
    return fail("Unhashable", "a pandas array as a key", "a hashable key")
  }
}

/**
 * Whether a value is one of pandas' missing values: null, NaN, `NaT`, `NA`.
 *
 * @category pandas
 * @since 0.1.0
 */
export const isMissing = (value: unknown): boolean =>
  value === null || value === undefined || value === NaT || value === NA || value !== value

/**
 * A stand-alone `pandas.Categorical`: a column of codes with its categories.
 *
 * @category pandas
 * @since 0.1.0
 */
export class Categorical extends Column {}

/**
 * The labels of rows or columns.
 *
 * @category pandas
 * @since 0.1.0
 */
export class Index {
  /** `Index`, `RangeIndex`, `DatetimeIndex`, `MultiIndex`, `Int64Index`, … */
  kind: string
  /** Its name, or `null`. */
  name: unknown
  /** The names of the levels of a MultiIndex; `[name]` for other indexes. */
  names: ReadonlyArray<unknown>
  /** The labels; those of a MultiIndex are tuples. */
  column: Column
  /** The levels of a MultiIndex; `null` for other indexes. */
  levels: ReadonlyArray<Index> | null
  /**
   * For each level of a MultiIndex, the position of every label in that level, -1 for missing; `null` for other
   * indexes.
   */
  codes: ReadonlyArray<ArrayLike<number>> | null
  /** Start, stop and step of a RangeIndex; `null` for other indexes. */
  range: { readonly start: number; readonly stop: number; readonly step: number } | null

  constructor(kind: string, name: unknown, column: Column) {
    this.kind = kind
    this.name = name
    this.names = [name]
    this.column = column
    this.levels = null
    this.codes = null
    this.range = null
  }
  get length(): number {
    return this.column.length
  }
  get dtype(): string {
    return this.column.dtype
  }
  /** The label at a position as in Python. */
  at(i: number): unknown {
    return this.column.at(i)
  }
  toArray(): Array<unknown> {
    return this.column.toArray()
  }
  *[Symbol.iterator](): IterableIterator<unknown> {
    yield* this.column
  }
  toString(): string {
    return `Index(${this.kind}, ${this.dtype}, ${this.length})`
  }
  toJSON(): unknown {
    return projected(this)
  }
  [Symbol.for("nodejs.util.inspect.custom")](depth: number, options: object, inspect?: Inspect): string {
    return inspected(this.toString(), shown(this), depth, options, inspect)
  }
  [equalityKey](): unknown {
    return fail("Unhashable", "a pandas Index as a key", "a hashable key")
  }
}

/**
 * A `pandas.Series`.
 *
 * @category pandas
 * @since 0.1.0
 */
export class Series {
  name: unknown
  index: Index
  column: Column
  /** `pandas.core.series.Series`, or the name of the subclass. */
  className = "pandas.core.series.Series"
  /** `Series.attrs`, a dict, or `null`. */
  attrs: unknown = null
  constructor(name: unknown, index: Index, column: Column) {
    this.name = name
    this.index = index
    this.column = column
  }
  get length(): number {
    return this.column.length
  }
  get dtype(): string {
    return this.column.dtype
  }
  /** The value at a position (not a label) as in Python. */
  at(i: number): unknown {
    return this.column.at(i)
  }
  toArray(): Array<unknown> {
    return this.column.toArray()
  }
  *[Symbol.iterator](): IterableIterator<unknown> {
    yield* this.column
  }
  toString(): string {
    return `Series(${this.name === null ? "" : `${String(this.name)}, `}${this.dtype}, ${this.length})`
  }
  toJSON(): unknown {
    return projected(this)
  }
  [Symbol.for("nodejs.util.inspect.custom")](depth: number, options: object, inspect?: Inspect): string {
    return inspected(this.toString(), shown(this), depth, options, inspect)
  }
  [equalityKey](): unknown {
    return fail("Unhashable", "a pandas Series as a key", "a hashable key")
  }
}

/**
 * A `pandas.DataFrame`: the labels of its columns, the labels of its rows, and one `Column` for each column.
 *
 * @category pandas
 * @since 0.1.0
 */
export class DataFrame {
  /** The labels of the columns. */
  columns: Index
  /** The labels of the rows. */
  index: Index
  /** The data: one column per label in `columns`. */
  data: ReadonlyArray<Column>
  /** `pandas.core.frame.DataFrame`, or the name of the subclass. */
  className = "pandas.core.frame.DataFrame"
  /** `DataFrame.attrs`, a dict, or `null`. */
  attrs: unknown = null
  constructor(columns: Index, index: Index, data: ReadonlyArray<Column>) {
    this.columns = columns
    this.index = index
    this.data = data
  }
  /** The number of rows. */
  get length(): number {
    return this.index.length
  }
  /** The first column with that label, compared as text; `undefined` when there is none. */
  column(label: string): Column | undefined {
    for (let i = 0; i < this.columns.length; i++) {
      if (String(this.columns.at(i)) === label) return this.data[i]
    }
    return undefined
  }
  /** The rows as objects without a prototype, keyed by the text of the column's label. */
  *rows(): IterableIterator<Record<string, unknown>> {
    const labels = this.columns.toArray().map(String)
    for (let i = 0; i < this.length; i++) {
      const row: Record<string, unknown> = Object.create(null) as Record<string, unknown>
      labels.forEach((label, j) => row[label] = this.data[j]!.at(i))
      yield row
    }
  }
  toString(): string {
    const columns = this.columns.toArray().map((label, i) => `${String(label)} ${this.data[i]?.dtype ?? ""}`)
    return `DataFrame(${this.length} rows: ${columns.join(", ")})`
  }
  toJSON(): unknown {
    return projected(this)
  }
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString()
  }
  [equalityKey](): unknown {
    return fail("Unhashable", "a DataFrame as a key", "a hashable key")
  }
}
