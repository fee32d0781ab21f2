/** Paging, sorting, filtering and summaries of a table. */
import type { Json } from "@effect-prefect/formats/JsonProjection"
import type { Column, Table } from "@effect-prefect/formats/Table"
import { cellJson, CellTexts, fromNumber, parseOperand, sizeOf, toNumber } from "./cells.ts"
import { QueryError } from "./queryError.ts"
import { glance } from "./tree.ts"

/** The columns on the page: those of the index come first. */
export const columnsOf = (table: Table): ReadonlyArray<{ readonly column: Column; readonly isIndex: boolean }> => [
  ...table.index.map((column) => ({ column, isIndex: true })),
  ...table.columns.map((column) => ({ column, isIndex: false }))
]

const timeKinds: ReadonlySet<string> = new Set(["datetime", "date"])
const numberKinds: ReadonlySet<string> = new Set(["int", "float", "decimal", "timedelta", "datetime", "date"])

/** Whether the summary of a column is a histogram. Categories are texts or few, so they are counted. */
export const isNumeric = (column: Column): boolean => column.categories === null && numberKinds.has(column.kind)

const longText = 256

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
const condition = (table: Table, text: string, texts: CellTexts): (row: number) => boolean => {
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
    // Many rows may have the same long text, by reference.
    const known = new Map<string, boolean>()
    return (row) => {
      const value = column.at(row)
      if (value === null) return false
      const shown = texts.of(value)
      if (shown.length <= longText) return shown.toLowerCase().includes(needle)
      let answer = known.get(shown)
      if (answer === undefined) {
        answer = shown.toLowerCase().includes(needle)
        known.set(shown, answer)
      }
      return answer
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
    const shown = texts.of(value)
    return compare(shown < operand ? -1 : shown > operand ? 1 : 0, operator)
  }
}

/** The rows that match all conditions, in order; undefined when there are no conditions. */
export const filterRows = (table: Table, where: ReadonlyArray<string>): Uint32Array | undefined => {
  if (where.length === 0) return undefined
  const texts = new CellTexts("where")
  const tests = where.map((text) => condition(table, text, texts))
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
  // Typed arrays: a million rows as an array of numbers would take several times their memory while it grows.
  const total = rows === undefined ? table.numRows : rows.length
  const out = new Uint32Array(total)
  let present = 0
  let missing = total
  const put = (row: number, isMissing: boolean) => {
    if (isMissing) out[--missing] = row
    else out[present++] = row
  }
  if (isNumeric(column) || column.kind === "bool") {
    const keys = new Float64Array(table.numRows)
    for (let i = 0; i < total; i++) {
      const row = rows === undefined ? i : rows[i]!
      const value = column.at(row)
      const key = value === null ? NaN : toNumber(value)
      keys[row] = key
      put(row, Number.isNaN(key))
    }
    out.subarray(0, present).sort((a, b) => sign * (keys[a]! - keys[b]!) || a - b)
  } else {
    // Equal texts share one number, so that columns of a few texts are compared as numbers.
    const cells = new CellTexts("sort")
    const numbers = new Map<string, number>()
    const numberOf = new Uint32Array(table.numRows)
    for (let i = 0; i < total; i++) {
      const row = rows === undefined ? i : rows[i]!
      const value = column.at(row)
      if (value !== null) {
        const text = cells.of(value)
        let number = numbers.get(text)
        if (number === undefined) {
          number = numbers.size
          numbers.set(text, number)
        }
        numberOf[row] = number
      }
      put(row, value === null)
    }
    const texts = [...numbers.keys()]
    const places = new Uint32Array(texts.length)
    Uint32Array.from(texts.keys()).sort((a, b) => texts[a]! < texts[b]! ? -1 : 1).forEach((number, place) => {
      places[number] = place
    })
    out.subarray(0, present).sort((a, b) => sign * (places[numberOf[a]!]! - places[numberOf[b]!]!) || a - b)
  }
  // They were put from the end.
  out.subarray(present).reverse()
  return out
}

/** The characters of cells in one response above which its other cells are cut, and above which it is refused. */
const maxPageText = 2 ** 24
const mostPageText = 2 ** 26

/** Makes the cells of one response, whose size has a limit whatever the cells refer to. */
class PageCells {
  /** The number of cells that were cut. */
  cut = 0
  #text = 0

  of(value: unknown): Json {
    const json = cellJson(value)
    if (json === null || typeof json === "number" || typeof json === "boolean") return this.#add(json, 8)
    const size = typeof json === "string" ? json.length : sizeOf(json, maxPageText)
    if (size <= maxCutText || this.#text + size <= maxPageText) return this.#add(json, size)
    this.cut++
    const shown = typeof json === "string" ? cutCell(json) : cutCell(glance(value).preview)
    return this.#add(shown, maxCutText)
  }

  #add(json: Json, size: number): Json {
    this.#text += size
    if (this.#text > mostPageText) {
      throw new QueryError("limit", "limit asks for more than one response may have: ask for fewer rows or columns")
    }
    return json
  }
}

/** A page of rows, by column. `names` selects columns by name, in that order, each once. */
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
  if (names !== undefined && new Set(names).size < names.length) {
    throw new QueryError("columns", "columns names a column more than once")
  }
  const count = Math.max(0, Math.min(limit, total - offset))
  const made = new PageCells()
  const cells = columns.map((): Array<Json> => [])
  // Row by row, so that the first rows are complete when others are cut.
  for (let i = 0; i < count; i++) {
    const row = rows === undefined ? offset + i : rows[offset + i]!
    for (const [place, column] of columns.entries()) cells[place]!.push(made.of(column.at(row)))
  }
  return { offset: Math.min(offset, total), total, columns: cells, ...(made.cut === 0 ? {} : { cut: made.cut }) }
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
  // Strings are keys as they are: what many rows refer to is neither copied nor hashed for each of them.
  const strings = new Map<string, { readonly value: unknown; count: number }>()
  const texts = new CellTexts("index")
  for (let i = 0; i < total; i++) {
    const value = column.at(rowAt(i))
    if (value === null) {
      nulls++
      continue
    }
    const isString = typeof value === "string"
    const entries = isString ? strings : counts
    const key = isString ? value : `${typeof value} ${texts.of(value)}`
    const entry = entries.get(key)
    if (entry === undefined) entries.set(key, { value, count: 1 })
    else entry.count++
  }
  const top = [...strings.values(), ...counts.values()].toSorted((left, right) => right.count - left.count).slice(
    0,
    topCount
  )
  return {
    kind: column.kind,
    nulls,
    distinct: strings.size + counts.size,
    top: top.map(({ count, value }): [Json, number] => [cutCell(cellJson(value)), count])
  }
}

const maxCutText = 200
const cutCell = (json: Json): Json =>
  typeof json === "string" && json.length > maxCutText ? `${json.slice(0, maxCutText - 1)}…` : json
