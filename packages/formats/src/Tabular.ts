/**
 * `Tabular`: tables for values that are best shown as tables, including those that are not a `Table` yet.
 *
 * @since 0.1.0
 */
import {
  Categorical,
  Column as PyColumn,
  DataFrame,
  Index,
  NdArray,
  pythonStr,
  Series,
  type TimeUnit
} from "@effect-prefect/pickle"
import { convert, fromDataFrame, indexColumns } from "./internal/python/frames.ts"
import { Column, type ColumnKind, Table } from "./Table.ts"

/**
 * The most columns of a two-dimensional array that is shown as a table.
 *
 * @category options
 * @since 0.1.0
 */
export const maxColumns = 10_000

const arrayKinds: Readonly<Record<string, ColumnKind>> = {
  b: "bool",
  i: "int",
  u: "int",
  f: "float",
  U: "string",
  S: "bytes",
  M: "datetime",
  m: "timedelta"
}

const timeUnits: ReadonlySet<string | null> = new Set(["s", "ms", "us", "ns"])

const fromSeries = (series: Series): Table => {
  const name = series.name === null || series.name === undefined ? "value" : pythonStr(series.name)
  return new Table([convert(series.column, name)], series.length, indexColumns(series.index))
}

const fromIndex = (index: Index): Table => {
  const columns = index.levels === null ?
    [convert(index.column, index.name === null ? "value" : pythonStr(index.name))]
    : indexColumns(index)
  return new Table(columns, index.length)
}

const fromArray = (array: NdArray): Table | undefined => {
  const { dtype, mask, shape } = array
  if (shape.length < 1 || shape.length > 2) return undefined
  const rows = shape[0]!
  const at = (row: number, column: number): unknown => {
    const value = shape.length === 1 ? array.get(row) : array.get(row, column)
    const position = shape.length === 1 ? row : row * shape[1]! + column
    return mask !== null && mask[position] === 1 ? null : value
  }
  if (dtype.fields !== null) {
    if (shape.length === 2) return undefined
    return new Table(
      dtype.fields.map((field) =>
        new Column({
          name: field.name,
          kind: arrayKinds[field.dtype.kind] ?? "object",
          length: rows,
          at: (row) => {
            const record = at(row, 0)
            return record === null ? null : (record as Readonly<Record<string, unknown>>)[field.name]
          }
        })
      ),
      rows
    )
  }
  const width = shape.length === 1 ? 1 : shape[1]!
  if (width === 0 || width > maxColumns) return undefined
  const unit = timeUnits.has(dtype.unit) ? dtype.unit as TimeUnit : null
  return new Table(
    Array.from({ length: width }, (_, column) =>
      new Column({
        name: shape.length === 1 ? "value" : String(column),
        kind: arrayKinds[dtype.kind] ?? "object",
        length: rows,
        at: (row) => at(row, column),
        unit
      })),
    rows
  )
}

/** The keys of an object or a dict with text keys, in order; undefined for other values. */
const keysOf = (value: unknown): ReadonlyArray<string> | undefined => {
  if (typeof value !== "object" || value === null) return undefined
  if (value instanceof Map) {
    const keys = [...value.keys()]
    return keys.every((key) => typeof key === "string") ? keys : undefined
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null
    ? Object.keys(value)
    : undefined
}

const valueOf = (object: unknown, key: string): unknown =>
  object instanceof Map ? object.get(key) : (object as Readonly<Record<string, unknown>>)[key]

/** The common kind of all values of a column of objects, if they have one. */
const kindOf = (records: ReadonlyArray<unknown>, key: string): ColumnKind => {
  let kind: ColumnKind | undefined
  for (const record of records) {
    const value = valueOf(record, key)
    if (value === null || value === undefined) continue
    const one = typeof value === "boolean"
      ? "bool"
      : typeof value === "string"
      ? "string"
      : typeof value === "bigint"
      ? "int"
      : typeof value === "number"
      ? Number.isInteger(value) ? "int" : "float"
      : "object"
    if (one === "object") return "object"
    if (kind === undefined || kind === one) kind = one
    else if ((kind === "int" && one === "float") || (kind === "float" && one === "int")) kind = "float"
    else return "object"
  }
  return kind ?? "object"
}

/** The number of cells from which each object of a list is looked at once, however often it is referred to. */
const manyCells = 2 ** 20

const fromRecords = (records: ReadonlyArray<unknown>): Table | undefined => {
  if (records.length < 2) return undefined
  const first = keysOf(records[0])
  if (first === undefined || first.length === 0 || first.length > maxColumns) return undefined
  const set = new Set(first)
  // Many records may be references to one large object.
  const distinct = records.length * first.length > manyCells ? [...new Set(records)] : records
  for (const record of distinct) {
    const keys = keysOf(record)
    if (keys === undefined || keys.length !== first.length || !keys.every((key) => set.has(key))) return undefined
  }
  return new Table(
    first.map((key) =>
      new Column({
        name: key,
        kind: kindOf(distinct, key),
        length: records.length,
        at: (row) => valueOf(records[row], key)
      })
    ),
    records.length
  )
}

/**
 * The table that represents a value: a table itself, a pandas Series or Index, a NumPy array of one or two dimensions,
 * or a list of at least two objects with the same keys. `undefined` for other values.
 *
 * Cells are read on access; only a list of objects is traversed once.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromValue = (value: unknown): Table | undefined => {
  if (typeof value !== "object" || value === null) return undefined
  if (value instanceof Table) return value
  if (value instanceof DataFrame) return fromDataFrame(value)
  if (value instanceof Series) return fromSeries(value)
  if (value instanceof Index) return fromIndex(value)
  if (value instanceof Categorical || value instanceof PyColumn) {
    return new Table([convert(value, "value")], value.length)
  }
  if (value instanceof NdArray) return fromArray(value)
  return Array.isArray(value) ? fromRecords(value) : undefined
}

/**
 * Whether a value is a list of objects that `fromValue` converts to a table: it can be shown as a tree as well.
 *
 * @category converting
 * @since 0.1.0
 */
export const isRecords = (value: unknown): boolean => Array.isArray(value)
