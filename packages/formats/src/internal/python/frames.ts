/** Converts pandas' DataFrames in pickles to `Table`s. */
import {
  type Column as PyColumn,
  type DataFrame,
  type Index,
  isMissing,
  offsetText,
  plainOf,
  PyFloat,
  PyObject,
  pythonStr,
  zoneOf
} from "@effect-prefect/pickle"
import { Column, type ColumnKind, Table } from "../../Table.ts"
import { byteSizeOf } from "./columnSize.ts"

const kinds: Readonly<Record<string, ColumnKind>> = {
  bool: "bool",
  int: "int",
  uint: "int",
  float: "float",
  string: "string",
  bytes: "bytes",
  datetime: "datetime",
  date: "date",
  time: "time",
  timedelta: "timedelta",
  decimal: "decimal"
}

/** The name of a time zone as used in tables: `UTC`, a key of the IANA database, or an offset. */
const timezoneName = (tzinfo: unknown): string | null => {
  if (tzinfo === null || tzinfo === undefined) return null
  if (typeof tzinfo === "string") return tzinfo
  const zone = zoneOf(tzinfo)
  if (zone === null) return "unknown"
  return zone.key ?? (zone.offset === 0 ? "UTC" : offsetText(zone.offset ?? 0))
}

/** A column of a table, with its categories if they are listed already. */
export const convert = (column: PyColumn, name: string, listed?: ReadonlyArray<unknown>): Column => {
  const { categories } = column
  const source = categories === null ? column : categories.column
  return new Column({
    name,
    kind: kinds[source.kind] ?? "object",
    length: column.length,
    at: (row) => {
      const value = column.at(row)
      return isMissing(value) ? null : value instanceof PyObject ? plainOf(value) : value
    },
    unit: source.unit,
    timezone: timezoneName(source.tzinfo),
    categories: listed ?? categories?.toArray() ?? null,
    isOrdered: column.ordered,
    byteSize: byteSizeOf(column)
  })
}

/** A default index counts the rows from 0 and has no name. */
const isDefaultIndex = (index: Index): boolean =>
  index.range !== null && index.range.start === 0 && index.range.step === 1 && index.name === null

export const indexColumns = (index: Index): ReadonlyArray<Column> => {
  if (isDefaultIndex(index)) return []
  const nameOf = (level: number) =>
    index.names[level] === null || index.names[level] === undefined
      ? ""
      : pythonStr(index.names[level])
  const { codes, levels } = index
  if (levels === null || codes === null) return [convert(index.column, nameOf(0))]
  return levels.map((level, i) => {
    const inner = convert(level.column, nameOf(i))
    const positions = codes[i]!
    return new Column({
      name: inner.name,
      kind: inner.kind,
      length: index.length,
      at: (row) => positions[row]! < 0 ? null : inner.at(positions[row]!),
      unit: inner.unit,
      timezone: inner.timezone
    })
  })
}

/** A column's name in Python's `str` form; a float has its point. */
const columnName = (columns: Index, i: number): string => {
  const name = columns.at(i)
  return pythonStr(typeof name === "number" && columns.column.kind === "float" ? new PyFloat(name) : name)
}

export const fromDataFrame = (
  frame: DataFrame,
  listed?: ReadonlyMap<PyColumn, ReadonlyArray<unknown>>
): Table =>
  new Table(
    frame.data.map((column, i) => convert(column, columnName(frame.columns, i), listed?.get(column))),
    frame.length,
    indexColumns(frame.index)
  )
