/** The output of `DataFrame.to_json`, in any orientation, with the types that `pandas.read_json` infers by default. */
import { pythonStr, Timestamp, type TimeUnit } from "@effect-prefect/pickle"
import { Column, type ColumnKind, type ColumnParts, Table } from "../../Table.ts"
import { arrayOf, Blocks, isList, type List, valueAt, type Values } from "../blocks.ts"
import { zoneFromName } from "../cells.ts"
import { orderedJsonSteps } from "../json.ts"
import { type Dict, isDict, Labels, labelsOf as keysOf, LargeDict } from "../largeDict.ts"
import { parseDateTime } from "../python/datetime.ts"
import { refuse } from "../refusal.ts"
import { every, type Steps } from "../steps.ts"

interface Typed {
  readonly kind: ColumnKind
  readonly values: Values
  readonly unit?: TimeUnit
  readonly timezone?: string | null
}

/** One year in seconds: smaller numbers are not times. */
const minStamp = 31_536_000

const scales = [["s", 1_000_000_000n], ["ms", 1_000_000n], ["us", 1_000n], ["ns", 1n]] as const

const isMissing = (value: unknown): boolean => value === null || value === undefined || value !== value

/** Whether all values pass a test, in steps. */
function* all(values: Values, test: (value: unknown, at: number) => boolean): Steps<boolean> {
  for (let at = 0; at < values.length; at++) {
    if (!test(values.at(at), at)) return false
    if (at % every === every - 1) yield
  }
  return true
}

const isPresent = (value: unknown): boolean => !isMissing(value)

/** Numbers as times since 1970, in the first unit in which all of them fit 64 bits of nanoseconds. */
function* timesOfNumbers(values: Values): Steps<Typed | undefined> {
  const isNumber = (value: unknown): value is number | bigint => typeof value === "number" || typeof value === "bigint"
  if (yield* all(values, isMissing)) return undefined
  if (!(yield* all(values, (value) => isMissing(value) || (isNumber(value) && value > minStamp)))) return undefined
  for (const [, scale] of scales) {
    const times = yield* mapped(values, (value) => {
      if (isMissing(value)) return null
      const number = value as number | bigint
      if (typeof number === "bigint") return number * scale
      const whole = Math.floor(number)
      return BigInt(whole) * scale + BigInt(Math.round((number - whole) * Number(scale)))
    })
    if (!(yield* all(times, (time) => time === null || (time as bigint) < 2n ** 63n))) continue
    return {
      kind: "datetime",
      values: yield* mapped(times, (ns) => ns === null ? null : new Timestamp(ns as bigint, "ns", null)),
      unit: "ns"
    }
  }
  return undefined
}

const isoForm = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?$/

/** Texts as times, when all are ISO 8601 and either all or none have an offset. */
function* timesOfTexts(values: Values): Steps<Typed | undefined> {
  let offsets: boolean | undefined
  const out = new Blocks()
  const utc = zoneFromName("UTC")
  for (let at = 0; at < values.length; at++) {
    if (at % 1_024 === 1_023) yield
    const value = values.at(at)
    if (isMissing(value)) {
      out.push(null)
      continue
    }
    const match = typeof value === "string" ? isoForm.exec(value) : null
    const datetime = match === null ? undefined : parseDateTime(value as string)
    if (match === null || datetime === undefined) return undefined
    const hasOffset = match[1] !== undefined
    if (offsets !== undefined && offsets !== hasOffset) return undefined
    offsets = hasOffset
    const fraction = /\.(\d{7,9})/.exec(value as string)?.[1]
    const beyond = fraction === undefined ? 0n : BigInt(fraction.slice(6).padEnd(3, "0"))
    const micros = BigInt(datetime.toDate().getTime()) * 1_000n + BigInt(datetime.microsecond % 1_000)
    out.push(new Timestamp(micros * 1_000n + beyond, "ns", hasOffset ? utc : null))
  }
  return offsets === undefined
    ? undefined
    : { kind: "datetime", values: out, unit: "ns", timezone: offsets ? "UTC" : null }
}

const numberForm = /^\s*[+-]?(?:\d+(?:\.\d*)?(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?|inf(?:inity)?|nan)\s*$/i

const toFloat = (value: unknown): number | undefined => {
  if (isMissing(value)) return Number.NaN
  if (typeof value === "number") return value
  if (typeof value === "bigint") return Number(value)
  if (typeof value === "boolean") return value ? 1 : 0
  if (typeof value !== "string" || !numberForm.test(value)) return undefined
  const text = value.trim().toLowerCase()
  if (text.endsWith("nan")) return Number.NaN
  return text.includes("inf") ? (text.startsWith("-") ? -Infinity : Infinity) : Number(text)
}

function* kindOf(values: Values): Steps<ColumnKind> {
  const kinds = new Set<ColumnKind>()
  for (let at = 0; at < values.length; at++) {
    if (at % every === every - 1) yield
    const value = values.at(at)
    if (isMissing(value)) continue
    kinds.add(
      typeof value === "boolean"
        ? "bool"
        : typeof value === "string"
        ? "string"
        : typeof value === "bigint" || Number.isInteger(value)
        ? "int"
        : typeof value === "number"
        ? "float"
        : "object"
    )
  }
  if (kinds.size === 2 && kinds.has("int") && kinds.has("float")) return "float"
  const [first] = kinds
  return kinds.size === 1 && first !== undefined ? first : kinds.size === 0 ? "float" : "object"
}

/**
 * The type of a column, inferred like pandas: times by the column's name, and texts that are all numbers as numbers.
 */
function* infer(values: Values, isTime: boolean): Steps<Typed> {
  const kind = yield* kindOf(values)
  if (isTime && values.length > 0) {
    const times = kind === "int" || kind === "float" ? yield* timesOfNumbers(values) : yield* timesOfTexts(values)
    if (times !== undefined) return times
  }
  if ((kind === "bool" || kind === "int") && (yield* all(values, isPresent))) return { kind, values }
  const floats = new Float64Array(values.length)
  for (let at = 0; at < floats.length; at++) {
    const float = toFloat(values.at(at))
    if (float === undefined) return { kind, values: yield* mapped(values, presentValue) }
    floats[at] = float
    if (at % every === every - 1) yield
  }
  return { kind: floats.length > 0 && (yield* all(floats, Number.isInteger)) ? "int" : "float", values: floats }
}

/** Nested objects as plain ones. */
const plain = (root: unknown): unknown => {
  if (isList(root)) return arrayOf(root).map(plain)
  if (!isDict(root)) return root
  return Object.fromEntries([...root].map(([key, value]) => [key, plain(value)]))
}

const presentValue = (value: unknown): unknown => isMissing(value) ? null : plain(value)

const isTimeName = (name: string): boolean => /(?:_at|_time)$|^(?:modified|date|datetime)$|^timestamp/i.test(name)

/** Labels of an axis, which are numbers or times when all of them are. */
function* labelsOf(labels: Values): Steps<Typed> {
  const numbers = yield* mapped(
    labels,
    (label) => typeof label === "string" && /^-?\d+$/.test(label) ? Number(label) : label
  )
  if (numbers.length > 0 && (yield* all(numbers, (label) => typeof label === "number"))) {
    return (yield* timesOfNumbers(numbers)) ?? { kind: "int", values: numbers }
  }
  return yield* infer(labels, true)
}

function* namesOf(labels: Values): Steps<Blocks> {
  return yield* mapped((yield* labelsOf(labels)).values, (label) => pythonStr(isList(label) ? plain(label) : label))
}

function* tableOf(
  labels: Values,
  index: Values | null,
  columns: ReadonlyArray<Values>,
  numRows: number
): Steps<Table> {
  const names = yield* namesOf(labels)
  const column = (name: string, typed: Typed): ColumnParts => ({
    name,
    kind: typed.kind,
    length: numRows,
    at: (row) => valueAt(typed.values, row),
    unit: typed.unit,
    timezone: typed.timezone
  })
  const rowLabels = index === null ? null : yield* labelsOf(index)
  const isDefault = rowLabels === null || (yield* all(rowLabels.values, (label, row) => label === row))
  const typed: Array<Column> = []
  for (const [i, values] of columns.entries()) {
    yield
    const label = labels.at(i)
    typed.push(
      new Column(column(names.at(i) as string, yield* infer(values, typeof label === "string" && isTimeName(label))))
    )
  }
  return new Table(
    typed,
    numRows,
    isDefault ? [] : [new Column(column("", rowLabels))]
  )
}

/** Maps over a list in steps. */
function* mapped(list: Values, f: (value: unknown) => unknown): Steps<Blocks> {
  const out = new Blocks()
  for (let at = 0; at < list.length; at++) {
    out.push(f(list.at(at)))
    if (at % every === every - 1) yield
  }
  return out
}

/** Bytes of a cell while its column is made: in that which was read, and in that of its type. */
const cellMemory = 16

/** Requests the memory of a table's cells, of which most may be missing: their texts are no bound for them. */
function* request(numRows: number, numColumns: number): Steps<void> {
  yield numRows * numColumns * cellMemory
}

/** The different keys of all columns, in their order: those of the first column, as they are, if it has very many. */
function* rowsOf(root: Dict): Steps<Labels> {
  let rows: Labels | undefined
  const known = new Set<Labels>()
  let looked = 0
  for (const column of root.values()) {
    if (++looked % every === 0) yield
    if (!isDict(column)) continue
    if (column instanceof LargeDict) {
      const { labels } = column
      if (column.size === labels.length) rows ??= labels
      if (labels === rows || known.has(labels)) continue
      if (column.size === labels.length) known.add(labels)
    }
    rows ??= new Labels()
    for (const label of column.keys()) {
      rows.place(label)
      if (++looked % every === 0) yield
    }
  }
  return rows ?? new Labels()
}

function* ofColumns(root: Dict): Steps<Table> {
  const rows = yield* rowsOf(root)
  yield* request(rows.length, root.size)
  const columns: Array<Values> = []
  let length = rows.length
  let looked = 0
  for (const column of root.values()) {
    if (isList(column)) columns.push(column)
    else if (!isDict(column)) {
      refuse("it is read as pandas JSON, but a column of it is neither an object nor an array")
    } else if (column instanceof LargeDict && column.labels === rows && column.size === rows.length) {
      columns.push(column.items)
    } else {
      columns.push(yield* mapped(rows.keys, (label) => column.get(label as string)))
      looked += rows.length
    }
    length = Math.max(length, columns[columns.length - 1]!.length)
    if (++looked < every) continue
    looked = 0
    yield
  }
  if (!(yield* all(columns, (column) => (column as Values).length === length))) {
    refuse("it is read as pandas JSON, but its columns differ in length")
  }
  return yield* tableOf(keysOf(root), rows.length === 0 ? null : rows.keys, columns, length)
}

function* ofRecords(rows: List): Steps<Table> {
  const found = new Set<string>()
  for (let at = 0; at < rows.length; at++) {
    for (const name of (rows.at(at) as Dict).keys()) found.add(name)
    if (at % 1_024 === 0) yield
  }
  const names = [...found]
  yield* request(rows.length, names.length)
  const columns: Array<Values> = []
  for (const name of names) columns.push(yield* mapped(rows, (row) => (row as Dict).get(name)))
  return yield* tableOf(names, null, columns, rows.length)
}

function* ofRows(labels: List | null, index: List | null, rows: List): Steps<Table> {
  let longest = 0
  for (let at = 0; at < rows.length; at++) {
    longest = Math.max(longest, (rows.at(at) as List).length)
    if (at % every === every - 1) yield
  }
  const width = labels?.length ?? longest
  if (longest > width) refuse("it is read as pandas JSON, but a row of it is longer than its columns")
  yield* request(rows.length, width)
  const names = labels ?? Array.from({ length: width }, (_, i) => i)
  const columns: Array<Values> = []
  for (let i = 0; i < width; i++) columns.push(yield* mapped(rows, (row) => (row as List).at(i)))
  return yield* tableOf(names, index, columns, rows.length)
}

/** The orientation that contains its types: a table schema of Frictionless Data, and records. */
function* ofTableSchema(schema: Dict, data: List): Steps<Table> {
  const keys = schema.get("primaryKey")
  const primary = new Set<unknown>(isList(keys) ? keys : [])
  const columns: Array<Column> = []
  const index: Array<Column> = []
  yield* request(data.length, (schema.get("fields") as List).length)
  for (const field of schema.get("fields") as List) {
    if (!isDict(field)) continue
    const name = pythonStr(field.get("name"))
    const values = yield* mapped(data, (row) => (row as Dict).get(name))
    const type = field.get("type")
    const typed: Typed = (type === "datetime" ? yield* timesOfTexts(values) : undefined) ??
      { kind: yield* kindOf(values), values: yield* mapped(values, presentValue) }
    // Old pandas also writes local times with a Z; only `tz` distinguishes them.
    const timezone = typeof field.get("tz") === "string" ? field.get("tz") as string : null
    const zone = zoneFromName(timezone)
    const at = (row: number) => {
      const value = valueAt(typed.values, row)
      return value instanceof Timestamp ? new Timestamp(value.ns, value.unit, zone) : value
    }
    const column = new Column({
      name: primary.has(name) && name === "index" ? "" : name,
      kind: typed.kind,
      length: data.length,
      at,
      unit: typed.unit,
      timezone
    })
    if (!primary.has(name)) columns.push(column)
    else if (name !== "index" || !(yield* all(typed.values, (value, row) => value === row))) index.push(column)
  }
  return new Table(columns, data.length, index)
}

const splitKeys = new Set(["columns", "index", "data"])

/** The table of a pandas JSON text, which is in pieces. An object of objects is read by columns, pandas' default. */
export function* readPandasJson(pieces: ReadonlyArray<string>): Steps<Table> {
  const parsed = yield* orderedJsonSteps(pieces)
  if (!("value" in parsed)) return refuse(`it is read as pandas JSON, but it is not JSON: ${parsed.problem}`)
  const root = parsed.value
  if (isList(root)) {
    if (yield* all(root, isDict)) return yield* ofRecords(root)
    if (yield* all(root, isList)) return yield* ofRows(null, null, root)
    return refuse("it is read as pandas JSON, but its items are neither all objects nor all arrays")
  }
  if (!isDict(root)) return refuse("it is read as pandas JSON, but it is neither an object nor an array")
  const [schema, data, labels, index] = [root.get("schema"), root.get("data"), root.get("columns"), root.get("index")]
  if (
    isDict(schema) && isList(schema.get("fields")) && isList(data) && (yield* all(data, isDict))
  ) return yield* ofTableSchema(schema, data)
  if (
    isList(labels) && isList(data) && root.size <= splitKeys.size &&
    [...root.keys()].every((key) => splitKeys.has(key)) && (yield* all(data, isList))
  ) return yield* ofRows(labels, isList(index) ? index : null, data)
  return yield* ofColumns(root)
}
