/** Paging, sorting, filtering and summaries of a table. */
import type { Json } from "@effect-prefect/formats/JsonProjection"
import type { Column, Table } from "@effect-prefect/formats/Table"
import { cellJson, cellText, fromNumber, parseOperand, toNumber } from "./cells.ts"
import { QueryError } from "./queryError.ts"

/** The columns on the page: those of the index come first. */
export const columnsOf = (table: Table): ReadonlyArray<{ readonly column: Column; readonly isIndex: boolean }> => [
  ...table.index.map((column) => ({ column, isIndex: true })),
  ...table.columns.map((column) => ({ column, isIndex: false }))
]

const timeKinds: ReadonlySet<string> = new Set(["datetime", "date"])
const numberKinds: ReadonlySet<string> = new Set(["int", "float", "decimal", "timedelta", "datetime", "date"])

/** Whether the summary of a column is a histogram. Categories are texts or few, so they are counted. */
export const isNumeric = (column: Column): boolean => column.categories === null && numberKinds.has(column.kind)

const operators = ["<=", ">=", "!=", "=", "<", ">", "~"] as const
type Operator = (typeof operators)[number]

const compare = (order: number, operator: Operator): boolean => {
  switch (operator) {
    case "<":
      return order < 0
    case "<=":
      return order <= 0
    case ">":
      return order > 0
    case ">=":
      return order >= 0
    case "!=":
      return order !== 0
    default:
      return order === 0
  }
}

/**
 * The test of one `where`: `score>100`, `name~ab` (contains), `flag=null`. When several columns match, the one with the
 * longest name is used.
 */
const condition = (table: Table, text: string): (row: number) => boolean => {
  const fitting = columnsOf(table).map(({ column }) => column).filter((column) =>
    text.startsWith(column.name) &&
    operators.some((operator) => text.slice(column.name.length).trimStart().startsWith(operator))
  ).toSorted((left, right) => right.name.length - left.name.length)
  const column = fitting[0]
  if (column === undefined) {
    throw new QueryError("where", "where begins with the name of a column, then one of < <= = != >= > ~, then a value")
  }
  const rest = text.slice(column.name.length).trimStart()
  const operator = operators.find((one) => rest.startsWith(one))!
  const operand = rest.slice(operator.length).trim()
  if (operator === "~") {
    const needle = operand.toLowerCase()
    return (row) => {
      const value = column.at(row)
      return value !== null && cellText(value).toLowerCase().includes(needle)
    }
  }
  if (operand === "null" && (operator === "=" || operator === "!=")) {
    return (row) => (column.at(row) === null) === (operator === "=")
  }
  if (isNumeric(column)) {
    const wanted = parseOperand(operand, timeKinds.has(column.kind))
    if (Number.isNaN(wanted)) {
      throw new QueryError("where", `where compares a column of kind ${column.kind} with what is no such value`)
    }
    return (row) => {
      const value = column.at(row)
      return value !== null && compare(toNumber(value) - wanted, operator)
    }
  }
  return (row) => {
    const value = column.at(row)
    if (value === null) return false
    const shown = cellText(value)
    return compare(shown < operand ? -1 : shown > operand ? 1 : 0, operator)
  }
}

/** The rows that match all conditions, in order; undefined when there are no conditions. */
export const filterRows = (table: Table, where: ReadonlyArray<string>): Uint32Array | undefined => {
  if (where.length === 0) return undefined
  const tests = where.map((text) => condition(table, text))
  const kept = new Uint32Array(table.numRows)
  let count = 0
  for (let row = 0; row < table.numRows; row++) {
    if (tests.every((test) => test(row))) kept[count++] = row
  }
  return kept.slice(0, count)
}

const columnNamed = (table: Table, name: string, parameter: string): Column => {
  const found = columnsOf(table).find(({ column }) => column.name === name)
  if (found === undefined) throw new QueryError(parameter, `${parameter} names a column that the table does not have`)
  return found.column
}

/** Rows in the order of a column, those without a value last; the sort is stable. */
export const sortRows = (table: Table, sort: string, rows: Uint32Array | undefined): Uint32Array => {
  const descending = sort.startsWith("-")
  const known = columnsOf(table).some(({ column }) => column.name === sort)
  const column = columnNamed(table, descending && !known ? sort.slice(1) : sort, "sort")
  const sign = descending && !known ? -1 : 1
  const order = rows ?? Uint32Array.from({ length: table.numRows }, (_, row) => row)
  const missing: Array<number> = []
  const present: Array<number> = []
  if (isNumeric(column) || column.kind === "bool") {
    const keys = new Float64Array(table.numRows)
    for (const row of order) {
      const value = column.at(row)
      const key = value === null ? NaN : toNumber(value)
      keys[row] = key
      if (Number.isNaN(key)) missing.push(row)
      else present.push(row)
    }
    const sorted = Uint32Array.from(present)
    sorted.sort((a, b) => sign * (keys[a]! - keys[b]!) || a - b)
    const out = new Uint32Array(order.length)
    out.set(sorted)
    out.set(missing, sorted.length)
    return out
  }
  const keys = new Map<number, string>()
  for (const row of order) {
    const value = column.at(row)
    if (value === null) missing.push(row)
    else {
      keys.set(row, cellText(value))
      present.push(row)
    }
  }
  present.sort((a, b) => {
    const left = keys.get(a)!
    const right = keys.get(b)!
    return left === right ? a - b : left < right ? -sign : sign
  })
  return Uint32Array.from([...present, ...missing])
}

/** A page of rows, by column. `names` selects columns by name, in that order. */
export const page = (
  table: Table,
  rows: Uint32Array | undefined,
  offset: number,
  limit: number,
  names: ReadonlyArray<string> | undefined
) => {
  const total = rows === undefined ? table.numRows : rows.length
  const columns = names === undefined
    ? columnsOf(table).map(({ column }) => column)
    : names.map((name) => columnNamed(table, name, "columns"))
  const count = Math.max(0, Math.min(limit, total - offset))
  return {
    offset: Math.min(offset, total),
    total,
    columns: columns.map((column) => {
      const cells: Array<Json> = []
      for (let i = 0; i < count; i++) {
        cells.push(cellJson(column.at(rows === undefined ? offset + i : rows[offset + i]!)))
      }
      return cells
    })
  }
}

const binCount = 64
const topCount = 10

/** A summary of a column: 64 equal bins of numbers and times, otherwise its most frequent values. */
export const summarise = (table: Table, index: number, rows: Uint32Array | undefined) => {
  const found = columnsOf(table)[index]
  if (found === undefined) throw new QueryError("index", "index is the place of a column, counted from 0")
  const { column } = found
  const total = rows === undefined ? table.numRows : rows.length
  const rowAt = (i: number): number => rows === undefined ? i : rows[i]!
  let nulls = 0
  if (isNumeric(column)) {
    const isTime = timeKinds.has(column.kind)
    const numbers = new Float64Array(total)
    let count = 0
    let sum = 0
    let lowest = -1
    let highest = -1
    let min = Infinity
    let max = -Infinity
    for (let i = 0; i < total; i++) {
      const value = column.at(rowAt(i))
      const number = value === null ? NaN : toNumber(value)
      if (!Number.isFinite(number)) {
        nulls++
        continue
      }
      numbers[count++] = number
      sum += number
      if (number < min) {
        min = number
        lowest = rowAt(i)
      }
      if (number > max) {
        max = number
        highest = rowAt(i)
      }
    }
    const bins = Array.from({ length: binCount }, () => 0)
    const width = (max - min) / binCount
    for (let i = 0; i < count; i++) {
      const bin = width > 0 ? Math.min(binCount - 1, Math.floor((numbers[i]! - min) / width)) : 0
      bins[bin] = bins[bin]! + 1
    }
    return {
      kind: column.kind,
      nulls,
      min: count === 0 ? null : cellJson(column.at(lowest)),
      max: count === 0 ? null : cellJson(column.at(highest)),
      mean: count === 0 ? null : fromNumber(sum / count, isTime),
      bins
    }
  }
  const counts = new Map<string, { readonly value: unknown; count: number }>()
  for (let i = 0; i < total; i++) {
    const value = column.at(rowAt(i))
    if (value === null) {
      nulls++
      continue
    }
    const key = `${typeof value} ${cellText(value)}`
    const entry = counts.get(key)
    if (entry === undefined) counts.set(key, { value, count: 1 })
    else entry.count++
  }
  const top = [...counts.values()].toSorted((left, right) => right.count - left.count).slice(0, topCount)
  return {
    kind: column.kind,
    nulls,
    distinct: counts.size,
    top: top.map(({ count, value }): [Json, number] => [cutCell(cellJson(value)), count])
  }
}

const cutCell = (json: Json): Json => typeof json === "string" && json.length > 200 ? `${json.slice(0, 199)}…` : json
