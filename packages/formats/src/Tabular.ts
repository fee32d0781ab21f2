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
  keysOf as keysOfObject,
  NdArray,
  pythonStr,
  Series,
  type TimeUnit
} from "@effect-prefect/pickle"
import * as Effect from "effect/Effect"
import { convert, fromDataFrame, indexColumns } from "./internal/python/frames.ts"
import { every, giveWay, type Steps, toEnd } from "./internal/steps.ts"
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
    if (value.size > maxColumns) return undefined
    const keys = [...value.keys()]
    return keys.every((key) => typeof key === "string") ? keys : undefined
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null
    ? keysOfObject(value)
    : undefined
}

const valueOf = (object: unknown, key: string): unknown =>
  object instanceof Map ? object.get(key) : (object as Readonly<Record<string, unknown>>)[key]

/** The common kind of some values of a column of objects and of those before them; undefined where all are missing. */
const kindOf = (
  records: ReadonlyArray<unknown>,
  key: string,
  start: number,
  before: ColumnKind | undefined
): ColumnKind | undefined => {
  let kind = before
  const end = Math.min(records.length, start + every)
  for (let at = start; at < end; at++) {
    const value = valueOf(records[at], key)
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
  return kind
}

/**
 * The cells, and the columns, from which each object of a list is looked at once, however often it is referred to: to
 * remember an object takes as long as to look at some columns of it.
 */
const manyCells = 2 ** 20
const severalColumns = 16

/** The values of a list, each once. */
function* distinctOf(records: ReadonlyArray<unknown>): Steps<ReadonlyArray<unknown>> {
  const seen = new Set<unknown>()
  const out: Array<unknown> = []
  for (let at = 0; at < records.length; at++) {
    if (at % every === every - 1) yield
    if (seen.add(records[at]).size > out.length) out.push(records[at])
  }
  return out
}

/** The cells that take as long as a column. */
const columnCells = 32

function* fromRecords(records: ReadonlyArray<unknown>): Steps<Table | undefined> {
  if (records.length < 2) return undefined
  const first = keysOf(records[0])
  if (first === undefined || first.length === 0 || first.length > maxColumns) return undefined
  const set = new Set(first)
  // Many records may be references to one large object.
  const distinct = first.length >= severalColumns && records.length * first.length > manyCells
    ? yield* distinctOf(records)
    : records
  let cells = 0
  for (const record of distinct) {
    const keys = keysOf(record)
    if (keys === undefined || keys.length !== first.length || !keys.every((key) => set.has(key))) return undefined
    if ((cells += keys.length) < every) continue
    cells = 0
    yield
  }
  const columns: Array<Column> = []
  for (const key of first) {
    let kind: ColumnKind | undefined
    for (let at = 0; at < distinct.length && kind !== "object"; at += every) {
      if (cells >= every) {
        cells = 0
        yield
      }
      kind = kindOf(distinct, key, at, kind)
      // A column of few values takes as long as some of them.
      cells += Math.min(every, distinct.length - at) + columnCells
    }
    columns.push(
      new Column({ name: key, kind: kind ?? "object", length: records.length, at: (row) => valueOf(records[row], key) })
    )
  }
  return new Table(columns, records.length)
}

function* tableOf(value: unknown): Steps<Table | undefined> {
  if (typeof value !== "object" || value === null) return undefined
  if (value instanceof Table) return value
  if (value instanceof DataFrame) return fromDataFrame(value)
  if (value instanceof Series) return fromSeries(value)
  if (value instanceof Index) return fromIndex(value)
  if (value instanceof Categorical || value instanceof PyColumn) {
    return new Table([convert(value, "value")], value.length)
  }
  if (value instanceof NdArray) return fromArray(value)
  return Array.isArray(value) ? yield* fromRecords(value) : undefined
}

/**
 * The table that represents a value: a table itself, a pandas Series or Index, a NumPy array of one or two dimensions,
 * or a list of at least two objects with the same keys. `undefined` for other values.
 *
 * Cells are read on access; only a list of objects is traversed once, and other fibers have their turns meanwhile.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromValue = (value: unknown): Effect.Effect<Table | undefined> =>
  Effect.orDie(giveWay(() => tableOf(value), (error) => {
    throw error
  }))

/**
 * As `fromValue`, at once: for small values, and in a thread of its own.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromValueSync = (value: unknown): Table | undefined => toEnd(tableOf(value))

/**
 * Whether a value is a list of objects that `fromValue` converts to a table: it can be shown as a tree as well.
 *
 * @category converting
 * @since 0.1.0
 */
export const isRecords = (value: unknown): boolean => Array.isArray(value)
