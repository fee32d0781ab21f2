/** Conditions on the rows of a table, and on the statistics of many rows at once. */
import { Decimal, PyDate, Timestamp, UUID } from "@effect-prefect/pickle"
import { Column, Table } from "../Table.ts"
import { refuse } from "./refusal.ts"
import type { Steps } from "./steps.ts"

/**
 * The comparison of a cell with a value.
 *
 * @category models
 * @since 0.1.0
 */
export type Operator = "=" | "!=" | "<" | "<=" | ">" | ">="

/**
 * The value that a cell is compared with.
 *
 * - numbers, bigints and `Decimal` with columns of numbers and decimals
 * - strings with columns of text, in code point order; with dates, and times in UTC, in ISO 8601
 * - `Date` and `Timestamp` with columns of times; `PyDate` with columns of dates
 * - booleans, and `UUID` by its text
 * - `null` for a missing value, with `=` and `!=` only
 *
 * @category models
 * @since 0.1.0
 */
export type Value = string | number | bigint | boolean | null | Date | Timestamp | PyDate | Decimal | UUID

/**
 * A condition on one column. A row with a missing value there matches only `{ op: "=", value: null }`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Condition {
  readonly column: string
  readonly op: Operator
  readonly value: Value
}

/** The operands of a comparison, both of one kind. */
type Key =
  | { readonly kind: "number"; readonly value: number | bigint }
  | { readonly kind: "decimal"; readonly digits: bigint; readonly scale: number }
  | { readonly kind: "text"; readonly value: string }
  | { readonly kind: "time"; readonly value: bigint }
  | { readonly kind: "boolean"; readonly value: boolean }

const decimalForm = /^([+-]?)(\d{1,400})(?:\.(\d{0,400}))?(?:E([+-]?\d{1,3}))?$/i

/** A decimal as an integer with a given scale; undefined for NaN, infinities and more digits than are compared. */
const decimalKey = (text: string): Key | undefined => {
  const [, sign, whole, fraction = "", exponent = "0"] = decimalForm.exec(text) ?? []
  if (whole === undefined) return undefined
  const digits = BigInt(whole + fraction)
  return { kind: "decimal", digits: sign === "-" ? -digits : digits, scale: fraction.length - Number(exponent) }
}

const nanosecondsOf = (date: Date): bigint => BigInt(date.getTime()) * 1_000_000n

/** An ISO 8601 text as nanoseconds since 1970, in UTC when it has no offset. */
const timeOf = (text: string): bigint | undefined => {
  const match = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:\d\d)?)?$/.exec(text)
  if (match === null) return undefined
  const [, day, minutes = "00:00", seconds = "00", fraction = "", zone = "Z"] = match
  const milliseconds = Date.parse(`${day}T${minutes}:${seconds}${zone}`)
  return Number.isNaN(milliseconds) ? undefined : BigInt(milliseconds) * 1_000_000n + BigInt(fraction.padEnd(9, "0"))
}

/** A cell, or the value of a condition, as an operand; undefined for values without an order here. */
const keyOf = (value: unknown): Key | undefined => {
  switch (typeof value) {
    case "number":
    case "bigint":
      return { kind: "number", value }
    case "string":
      return { kind: "text", value }
    case "boolean":
      return { kind: "boolean", value }
    default:
      if (value instanceof Timestamp) return { kind: "time", value: value.ns }
      if (value instanceof Date) {
        return Number.isNaN(value.getTime()) ? undefined : { kind: "time", value: nanosecondsOf(value) }
      }
      if (value instanceof PyDate || value instanceof UUID) return { kind: "text", value: String(value) }
      return value instanceof Decimal ? decimalKey(value.value) : undefined
  }
}

/** A unit of UTF-16 by its place among code points: surrogates stand for those that are larger than all others. */
const inOrder = (unit: number): number => unit >= 0xe000 ? unit - 0x800 : unit >= 0xd800 ? unit + 0x2000 : unit

const compareText = (left: string, right: string): number => {
  // UTF-16 order equals code point order except for surrogate pairs.
  for (let at = 0; at < left.length && at < right.length; at++) {
    const [a, b] = [left.charCodeAt(at), right.charCodeAt(at)]
    if (a !== b) return inOrder(a) - inOrder(b)
  }
  return left.length - right.length
}

const compareDecimals = (left: Extract<Key, { kind: "decimal" }>, right: Extract<Key, { kind: "decimal" }>): number => {
  const scale = Math.max(left.scale, right.scale)
  const [a, b] = [left.digits * 10n ** BigInt(scale - left.scale), right.digits * 10n ** BigInt(scale - right.scale)]
  return a < b ? -1 : a > b ? 1 : 0
}

/** The sign of a comparison; NaN when one side is NaN; undefined when the two are of different kinds. */
const compare = (cell: Key, value: Key): number | undefined => {
  if (cell.kind === "text" && value.kind === "text") return compareText(cell.value, value.value)
  if (cell.kind === "text" && value.kind === "time") {
    // A column of dates.
    const time = timeOf(cell.value)
    return time === undefined ? undefined : time < value.value ? -1 : time > value.value ? 1 : 0
  }
  if (cell.kind === "decimal" && value.kind === "decimal") return compareDecimals(cell, value)
  if (cell.kind !== value.kind || cell.kind === "decimal" || value.kind === "decimal") return undefined
  return cell.value < value.value ? -1 : cell.value > value.value ? 1 : cell.value == value.value ? 0 : Number.NaN
}

const holds = (op: Operator, order: number): boolean => {
  switch (op) {
    case "=":
      return order === 0
    case "!=":
      return order !== 0
    case "<":
      return order < 0
    case "<=":
      return order <= 0
    case ">":
      return order > 0
    case ">=":
      return order >= 0
  }
}

/** The value of a condition, converted for comparison with cells of a kind. */
const valueFor = (value: Value, cell: Key): Key | undefined => {
  const key = keyOf(value)
  if (key === undefined) return undefined
  if (cell.kind === "time" && key.kind === "text") {
    const time = timeOf(key.value)
    return time === undefined ? undefined : { kind: "time", value: time }
  }
  if (cell.kind === "decimal" && (key.kind === "number" || key.kind === "text")) return decimalKey(String(key.value))
  return key
}

const kindOfValue = (value: Value): string =>
  value === null ? "null" : typeof value === "object" ? value.constructor.name : typeof value

/** Whether a cell matches a condition. */
const tester = (condition: Condition, column: Column): (cell: unknown) => boolean => {
  const { op, value } = condition
  if (value === null) {
    if (op === "=") return (cell) => cell === null
    if (op === "!=") return (cell) => cell !== null
    return refuse(
      `the column ${JSON.stringify(condition.column)} is compared with null by ${op}: use = or !=`
    )
  }
  const unlike = () =>
    refuse(
      `the column ${JSON.stringify(condition.column)} (${column.kind}) cannot be compared with a ${kindOfValue(value)}`
    )
  // The value is converted once per kind of cell.
  const ready = new Map<Key["kind"], Key | undefined>()
  return (cell) => {
    if (cell === null) return false
    let key = keyOf(cell)
    if (key?.kind === "number" && keyOf(value)?.kind === "decimal") key = decimalKey(String(key.value)) ?? key
    if (key === undefined) return unlike()
    let other = ready.get(key.kind)
    if (other === undefined && !ready.has(key.kind)) ready.set(key.kind, other = valueFor(value, key))
    const order = other === undefined ? undefined : compare(key, other)
    return order === undefined ? unlike() : holds(op, order)
  }
}

/** The rows of a table that match all conditions, as a table over the same values. Yields between rows. */
export function* filterSteps(table: Table, conditions: ReadonlyArray<Condition>): Steps<Table> {
  if (conditions.length === 0) return table
  const all = [...table.columns, ...table.index]
  const tests = conditions.map((condition) => {
    const column = all.findLast(({ name }) => name === condition.column) ??
      refuse(`it has no column ${JSON.stringify(condition.column)}`)
    return { column, meets: tester(condition, column) }
  })
  const rows: Array<number> = []
  for (let row = 0; row < table.numRows; row++) {
    if (tests.every(({ column, meets }) => meets(column.at(row)))) rows.push(row)
    if (row % 4096 === 4095) yield
  }
  if (rows.length === table.numRows) return table
  const kept = Uint32Array.from(rows)
  const part = (column: Column): Column =>
    new Column({ ...partsOf(column), length: kept.length, at: (row) => column.at(kept[row] ?? -1) })
  return new Table(table.columns.map(part), kept.length, table.index.map(part))
}

const partsOf = (
  { byteSize, categories, isOrdered, kind, name, timezone, unit }: Column
): Omit<ConstructorParameters<typeof Column>[0], "at" | "length"> => ({
  name,
  kind,
  unit,
  timezone,
  categories,
  isOrdered,
  byteSize: byteSize ?? undefined
})

/** The named columns of a table, in the order of the names; the index stays. */
export const selectColumns = (table: Table, columns: ReadonlyArray<string> | undefined): Table => {
  if (columns === undefined) return table
  return new Table(
    columns.map((name) =>
      table.column(name) ?? refuse(
        table.index.some((column) => column.name === name)
          ? `the column ${JSON.stringify(name)} is its index, which is always included: leave it out`
          : `it has no column ${JSON.stringify(name)}`
      )
    ),
    table.numRows,
    table.index
  )
}

/** Whether values between two bounds may match a condition. Unknown cases may. */
export const mayHold = ({ op, value }: Condition, least: unknown, most: unknown): boolean => {
  if (value === null) return true
  const [low, high] = [keyOf(least), keyOf(most)]
  const [forLow, forHigh] = [low, high].map((key) => key === undefined ? undefined : valueFor(value, key))
  const fromLow = low === undefined || forLow === undefined ? undefined : compare(low, forLow)
  const fromHigh = high === undefined || forHigh === undefined ? undefined : compare(high, forHigh)
  if (fromLow === undefined || fromHigh === undefined || Number.isNaN(fromLow) || Number.isNaN(fromHigh)) return true
  switch (op) {
    case "=":
      return fromLow <= 0 && fromHigh >= 0
    case "!=":
      return !(fromLow === 0 && fromHigh === 0)
    case "<":
      return fromLow < 0
    case "<=":
      return fromLow <= 0
    case ">":
      return fromHigh > 0
    case ">=":
      return fromHigh >= 0
  }
}
