/** Frames and series of polars, whose pickles hold Arrow streams, or CBOR before 0.20. */
import {
  Column as PyColumn,
  Index,
  isDict,
  PyDate,
  PyObject,
  PyTime,
  Series,
  type TimeUnit,
  zoneFromName
} from "@effect-prefect/pickle"
import { Column, type ColumnKind, Table } from "../../Table.ts"
import { readFeather } from "../arrow/feather.ts"
import { arrayOf, Blocks, isList, type List, valueAt } from "../blocks.ts"
import { timeCell, timedeltaCell, timestampCell } from "../cells.ts"
import { refuse } from "../refusal.ts"
import type { Steps } from "../steps.ts"
import { readCbor } from "./cbor.ts"

/** The start of the Arrow stream: some versions write flags before it. */
const streamStart = (bytes: Uint8Array): number => {
  for (let at = 0; at <= Math.min(16, bytes.length - 8); at++) {
    if (bytes[at] === 0xff && bytes[at + 1] === 0xff && bytes[at + 2] === 0xff && bytes[at + 3] === 0xff) return at
  }
  return -1
}

/** Values between two steps. */
const every = 2_048

const units: Readonly<Record<string, TimeUnit>> = { Milliseconds: "ms", Microseconds: "us", Nanoseconds: "ns" }

interface Reader {
  readonly kind: ColumnKind
  readonly unit?: TimeUnit
  readonly timezone?: string | null
  readonly read: (value: unknown) => unknown
  /** In the place of `read`, where a value may consist of any number of others. */
  readonly steps?: (value: unknown, work: Work) => Generator<undefined, unknown>
}

/** What was done since the last step: cells may be many and short as well as few and long. */
class Work {
  private done = 0

  /** Counts values, and says whether it is time for a step. */
  isLong(values: number): boolean {
    if ((this.done += values) < every) return false
    this.done = 0
    return true
  }
}

const identity = (value: unknown): unknown => value

const same = (kind: ColumnKind): Reader => ({ kind, read: identity })

const integer = (value: unknown): bigint => BigInt(value as number | bigint)

const isInteger = (value: unknown): boolean => typeof value === "bigint" || Number.isSafeInteger(value)

const entry = (value: unknown, key: string): unknown => value instanceof Map ? value.get(key) : undefined

/** The storage of a type's values in CBOR. */
const readerOf = (type: unknown): Reader => {
  if (typeof type === "string") {
    if (/^U?Int\d+$/.test(type)) return same("int")
    if (/^Float\d+$/.test(type)) return same("float")
    switch (type) {
      case "Boolean":
        return same("bool")
      case "Utf8":
      case "String":
        return same("string")
      case "Binary":
        return { kind: "bytes", read: identity, steps: bytesSteps }
      case "Date":
        return { kind: "date", read: (value) => dateOf(value) }
      case "Time":
        return {
          kind: "time",
          read: (value): PyTime | null => isInteger(value) ? timeCell(integer(value), "ns") : null
        }
      case "Null":
      case "Unknown":
        return same("object")
    }
  }
  const datetime = entry(type, "Datetime")
  if (Array.isArray(datetime)) {
    const unit = units[String(datetime[0])] ?? "us"
    const name: unknown = datetime[1]
    const timezone = typeof name === "string" ? name : null
    const zone = timezone === null ? null : zoneFromName(timezone)
    return {
      kind: "datetime",
      unit,
      timezone,
      read: (value) => isInteger(value) ? timestampCell(integer(value), unit, zone) : null
    }
  }
  const duration = entry(type, "Duration")
  if (typeof duration === "string") {
    const unit = units[duration] ?? "us"
    return { kind: "timedelta", unit, read: (value) => isInteger(value) ? timedeltaCell(integer(value), unit) : null }
  }
  if (entry(type, "List") !== undefined || entry(type, "Array") !== undefined) {
    return { kind: "object", read: identity, steps: listSteps }
  }
  return refuse("a polars Series in it has a type that is not read")
}

function* bytesSteps(value: unknown, work: Work): Generator<undefined, unknown> {
  if (!Array.isArray(value)) return value
  const bytes = new Uint8Array(value.length)
  for (let at = 0; at < bytes.length; at += every) {
    const part = value.slice(at, at + every) as Array<number>
    bytes.set(part, at)
    if (work.isLong(part.length)) yield
  }
  return bytes
}

function* listSteps(value: unknown, work: Work): Generator<undefined, unknown> {
  return value instanceof Map ? arrayOf((yield* cborValues(value, work)).values) : null
}

const dateOf = (value: unknown): PyDate | null => {
  if (!Number.isSafeInteger(value)) return null
  const date = new Date((value as number) * 86_400_000)
  return new PyDate(date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate())
}

function* cborValues(
  series: Map<unknown, unknown>,
  work: Work
): Generator<undefined, { readonly reader: Reader; readonly values: List }> {
  const values = series.get("values")
  const type = series.get("datatype")
  if (!isList(values)) return refuse("a polars Series in it has a type that is not read")
  if (entry(type, "Struct") === undefined) {
    const reader = readerOf(type)
    const { read, steps } = reader
    if (read === identity && steps === undefined) return { reader, values }
    for (let at = 0; at < values.length; at++) {
      const value = values.at(at)
      if (value !== null) {
        const made = steps === undefined ? read(value) : yield* steps(value, work)
        if (Array.isArray(values)) values[at] = made
        else values.set(at, made)
      }
      if (work.isLong(1)) yield
    }
    return { reader, values }
  }
  const fields: Array<readonly [name: string, items: List]> = []
  for (const field of values) {
    if (field instanceof Map) fields.push([String(field.get("name")), (yield* cborValues(field, work)).values])
  }
  const length = fields[0]?.[1].length ?? 0
  const rows = new Blocks()
  for (let row = 0; row < length; row++) {
    rows.push(Object.fromEntries(fields.map(([name, items]) => [name, items.at(row) ?? null])))
    if (work.isLong(1 + fields.length)) yield
  }
  return { reader: same("object"), values: rows }
}

function* fromCbor(bytes: Uint8Array): Generator<undefined, Column> {
  const series = yield* readCbor(bytes)
  if (!(series instanceof Map)) return refuse("a polars Series in it is damaged")
  const { reader, values } = yield* cborValues(series, new Work())
  return new Column({
    name: String(series.get("name") ?? ""),
    kind: reader.kind,
    length: values.length,
    at: (row) => valueAt(values, row),
    unit: reader.unit,
    timezone: reader.timezone
  })
}

const stateOf = (object: PyObject): unknown => {
  const { state } = object
  // Before 0.18 the state was that of the wrapped object.
  return isDict(state) ? object.attributes().get("_s") ?? object.attributes().get("_df") ?? state : state
}

/** The bytes of a state, given directly or as the list of integers that some versions wrote. */
function* seriesColumn(object: PyObject, maxBytes: number): Steps<Column | undefined> {
  const state = stateOf(object)
  if (!(state instanceof Uint8Array)) return undefined
  const start = streamStart(state)
  if (start < 0) return yield* fromCbor(state)
  const [column] = (yield* beyond(readFeather(state.subarray(start), maxBytes), state.length)).columns
  return column
}

const rowNumbers = (length: number): Index => {
  const index = new Index(
    "RangeIndex",
    null,
    new PyColumn({ dtype: "int64", kind: "int", length, values: () => Float64Array.from({ length }, (_, i) => i) })
  )
  index.range = { start: 0, stop: length, step: 1 }
  return index
}

/** A polars Series; `undefined` when its state is not supported. */
function* polarsSeries(object: PyObject, maxBytes: number): Steps<Series | undefined> {
  const column = yield* seriesColumn(object, maxBytes)
  if (column === undefined) return undefined
  const { kind, length, name, timezone, unit } = column
  return new Series(
    name,
    rowNumbers(length),
    new PyColumn({
      dtype: kind,
      kind: "object",
      length,
      values: () => column.toArray(),
      unit,
      tzinfo: timezone === null ? null : zoneFromName(timezone)
    })
  )
}

/** A polars DataFrame: one Arrow stream, or a list of Series. */
function* polarsFrame(object: PyObject, maxBytes: number): Steps<Table | undefined> {
  const state = stateOf(object)
  if (state instanceof Uint8Array) {
    const start = streamStart(state)
    return start < 0 ? undefined : yield* beyond(readFeather(state.subarray(start), maxBytes), state.length)
  }
  if (!Array.isArray(state)) return undefined
  const columns: Array<Column> = []
  for (const series of state) {
    const column = series instanceof PyObject ? yield* seriesColumn(series, maxBytes) : undefined
    if (column === undefined || column.length !== (columns[0]?.length ?? column.length)) return undefined
    columns.push(column)
  }
  return new Table(columns, columns[0]?.length ?? 0)
}

function* polarsSteps(object: PyObject, maxBytes: number): Steps<Table | Series | undefined> {
  if (object.className.endsWith(".DataFrame")) return yield* polarsFrame(object, maxBytes)
  return object.className.endsWith(".Series") ? yield* polarsSeries(object, maxBytes) : undefined
}

/** What was made of a state, to which any number of objects may refer. */
const made = new WeakMap<object, { readonly value: Table | Series | undefined }>()

/** The bytes of memory that an Arrow stream takes beyond its own, which were counted with its pickle. */
function* beyond<A>(steps: Steps<A>, length: number): Steps<A> {
  let step = steps.next()
  while (step.done !== true) {
    step = steps.next(yield typeof step.value === "number" ? Math.max(0, step.value - length) : step.value)
  }
  return step.value
}

function* polarsOnce(object: PyObject, state: object, maxBytes: number): Steps<Table | Series | undefined> {
  const known = made.get(state)
  if (known !== undefined) return known.value
  const value = yield* polarsSteps(object, maxBytes)
  made.set(state, { value })
  return value
}

/**
 * The steps of the value of an object of polars, which is `undefined` when its state is not supported; `undefined` for any
 * other object.
 */
export const polarsValue = (object: PyObject, maxBytes: number): Steps<Table | Series | undefined> | undefined => {
  if (!/\.(?:DataFrame|Series)$/.test(object.className)) return undefined
  const state = stateOf(object)
  return Array.isArray(state) || state instanceof Uint8Array ? polarsOnce(object, state, maxBytes) : undefined
}
