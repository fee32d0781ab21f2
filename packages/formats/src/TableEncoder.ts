/**
 * Encodes a `Table` as CSV, Parquet or an Arrow file. Columns of the index come first, under their own names.
 *
 * | kind | CSV | Parquet | Arrow |
 * |---|---|---|---|
 * | `bool`, `float`, `string`, `bytes` | text; bytes as base64 | BOOLEAN, DOUBLE, STRING, BYTE_ARRAY | bool, float64, utf8, binary |
 * | `int` | digits | INT64; STRING beyond 64 bits | int64; utf8 beyond 64 bits |
 * | `decimal` | digits | DECIMAL up to 38 digits, else STRING | decimal128, else utf8 |
 * | `datetime` | ISO 8601 | TIMESTAMP in nanoseconds, of an instant when it has a time zone | timestamp[ns, time zone] |
 * | `date` | ISO 8601 | DATE | date32 |
 * | `time` | ISO 8601 | STRING | utf8 |
 * | `timedelta` | seconds | INT64, nanoseconds | duration[ns] |
 * | `object` | the JSON projection | STRING, the JSON projection | utf8, the JSON projection |
 *
 * **Example** (A table in three formats)
 *
 * ```ts
 * import type { Table } from "@effect-prefect/formats"
 * import * as TableEncoder from "@effect-prefect/formats/TableEncoder"
 * import { Effect } from "effect"
 * import { writeFile } from "node:fs/promises"
 *
 * export const save = (table: Table.Table) =>
 *   Effect.gen(function*() {
 *     yield* Effect.promise(() => writeFile("table.csv", TableEncoder.csv(table)))
 *     const parquet = yield* TableEncoder.parquet(table)
 *     yield* Effect.promise(() => writeFile("table.parquet", parquet))
 *     const arrow = yield* TableEncoder.arrow(table)
 *     yield* Effect.promise(() => writeFile("table.arrow", arrow))
 *   })
 * ```
 *
 * @since 0.1.0
 */
import { Decimal, PyDate, Timedelta, Timestamp } from "@effect-prefect/pickle"
import * as Effect from "effect/Effect"
import { type FormatError, undecodable } from "./FormatError.ts"
import { longBuffers } from "./internal/arrow/longCells.ts"
import { arrowFile, type ArrowType, type WrittenColumn as ArrowColumn } from "./internal/arrow/write.ts"
import { heapLimit } from "./internal/node.ts"
import { parquetFile, type WrittenColumn as ParquetColumn } from "./internal/parquet/write.ts"
import { failure as projectionFailure } from "./internal/projection/failure.ts"
import { base64Parts, partLength, project } from "./internal/projection/level.ts"
import { flat, TextSink } from "./internal/projection/sinks.ts"
import { TooManyValues, walk } from "./internal/projection/walk.ts"
import { formatError, tooLarge } from "./internal/refusal.ts"
import { giveWay, type Steps } from "./internal/steps.ts"
import type { Column, Table } from "./Table.ts"

/**
 * The most that is made of a table. A few bytes can refer to one large value any number of times, and can claim any number
 * of rows that take no bytes.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /**
   * The size of all cells: one for each, for each 16 characters of a text of more than 1 024 of them, and the size of the
   * JSON projection of any other value. Default 2^28.
   */
  readonly maxValues?: number | undefined
}

/**
 * The limits of a file that is made in memory.
 *
 * @category options
 * @since 0.1.0
 */
export interface FileOptions extends Options {
  /**
   * The largest file in bytes. Default 512 MiB, or half of the heap that V8 may use (`--max-old-space-size`) where that is
   * less.
   */
  readonly maxBytes?: number | undefined
}

const defaultMaxValues = 2 ** 28
const defaultMaxBytes = Math.min(2 ** 29, Math.floor(heapLimit / 2))

const chunkLength = 65_536

const columnsOf = (table: Table): ReadonlyArray<Column> => [...table.index, ...table.columns]

/** Characters of a text that may be anything's. */
const someText = 1_024

/** The size that the cells of a table may still have. */
class Room {
  readonly maxValues: number
  readonly maxBytes: number
  left: number
  private kept = 0

  constructor(table: Table, { maxValues = defaultMaxValues }: Options, maxBytes = Infinity) {
    this.maxValues = maxValues
    this.maxBytes = maxBytes
    this.left = maxValues
    this.take(table.numRows * (table.index.length + table.columns.length))
  }

  take(size: number): void {
    this.left -= size
    if (this.left < 0) throw this.refusal()
  }

  text(text: string): string {
    if (text.length > someText) this.take(text.length >> 4)
    return text
  }

  /** Counts text that was made for a file and takes memory until that is complete. */
  keep(length: number): void {
    if ((this.kept += length) > this.maxBytes) tooLarge(this.maxBytes)
  }

  /** The error of the table, where that of a cell would name what was left. */
  refusal(): FormatError {
    return undecodable(
      `it holds too much to be written as a table: more than ${this.maxValues} values, of which each counts wherever the table refers to it`
    )
  }
}

/** A cell as one text: the JSON projection, and strings without quotation marks. Undefined for one that takes steps. */
const cellAtOnce = (value: unknown, room: Room): string | null | undefined => {
  if (typeof value === "string") return room.text(value)
  if (value === null || typeof value === "boolean") return value === null ? null : String(value)
  if (typeof value === "number") return Number.isFinite(value) ? JSON.stringify(value) : null
  return undefined
}

/** As `cellAtOnce`, for any other value. */
function* cellSteps(value: unknown, room: Room): Steps<string | null> {
  const sink = new TextSink()
  try {
    // Bytes are a text too, which is made in parts when they are many.
    const isLarge = value instanceof Uint8Array && value.length > partLength
    const level = isLarge ? undefined : project(value)
    if (level !== undefined && (typeof level !== "object" || level === null)) {
      return level === null ? null : room.text(typeof level === "string" ? level : JSON.stringify(level))
    }
    room.take(yield* walk(value, sink, { maxValues: room.left }))
    return isLarge ? sink.text.slice(1, -1) : flat(sink.text)
  } catch (error) {
    throw error instanceof TooManyValues ? room.refusal() : projectionFailure(error)
  }
}

const special = /[",\r\n]/

/**
 * A CSV field, quoted where RFC 4180 requires it. Of a long text, `csvFieldParts` gives it without holding up other work.
 *
 * @category encoding
 * @since 0.1.0
 */
export const csvField = (text: string): string => {
  if (text.length > chunkLength) return Array.from(csvFieldParts(text)).join("")
  return special.test(text) ? `"${text.replaceAll("\"", "\"\"")}"` : text
}

/**
 * The CSV field of `csvField` in parts, made on demand, each of them in a moment. Parts are empty while a long text is
 * searched for what must be quoted.
 *
 * **Example** (A field of any length)
 *
 * ```ts
 * import * as TableEncoder from "@effect-prefect/formats/TableEncoder"
 *
 * Array.from(TableEncoder.csvFieldParts("a,b")).join("") // "\"a,b\""
 * ```
 *
 * @category encoding
 * @since 0.1.0
 */
export function* csvFieldParts(text: string): Generator<string, void> {
  if (text.length <= chunkLength) return yield csvField(text)
  let isQuoted = false
  for (let at = 0; at < text.length && !isQuoted; at += chunkLength) {
    isQuoted = special.test(text.slice(at, at + chunkLength))
    yield ""
  }
  if (isQuoted) yield "\""
  for (let at = 0; at < text.length; at += chunkLength) {
    const part = text.slice(at, at + chunkLength)
    // The engine keeps two objects for each quote that it doubles, until the text is read.
    yield isQuoted ? flat(part.replaceAll("\"", "\"\"")) : part
  }
  if (isQuoted) yield "\""
}

/** Steps of a cell between two pieces. */
const stepsAtOnce = 16

/**
 * CSV in pieces, made on demand: a header of column names, lines that end in `\r\n` (RFC 4180), an empty field for a
 * missing value and `""` for an empty string. Throws a `FormatError` for a cell that has no JSON projection, and for a table
 * above `maxValues`. Without `header` it continues the text of a previous table with the same columns. A piece is empty
 * while a large cell is made.
 *
 * @category encoding
 * @since 0.1.0
 */
export function* csv(
  table: Table,
  { header = true, ...options }: Options & { readonly header?: boolean | undefined } = {}
): Generator<string, void> {
  const columns = columnsOf(table)
  const room = new Room(table, options)
  let out = ""
  let taken = 0
  const longField = function*(text: string): Generator<string, void> {
    for (const part of csvFieldParts(text)) {
      out += part
      if (out.length < chunkLength && (part !== "" || ++taken % stepsAtOnce !== 0)) continue
      yield flat(out)
      out = ""
    }
  }
  if (header) {
    for (let i = 0; i < columns.length; i++) {
      const { name } = columns[i]!
      if (i > 0) out += ","
      if (name.length > chunkLength) {
        yield* longField(name)
        continue
      }
      out += csvField(name)
      if (out.length < chunkLength) continue
      yield flat(out)
      out = ""
    }
    out += "\r\n"
  }
  for (let row = 0; row < table.numRows; row++) {
    for (let i = 0; i < columns.length; i++) {
      const value = columns[i]!.at(row)
      if (value instanceof Uint8Array && value.length > partLength) {
        if (i > 0) out += ","
        room.take(1 + Math.floor(value.length / 12))
        // Base64 needs no quotation marks.
        for (const part of base64Parts(value)) {
          yield flat(out + part)
          out = ""
        }
        continue
      }
      let text = cellAtOnce(value, room)
      if (text === undefined) {
        const steps = cellSteps(value, room)
        let step = steps.next()
        while (step.done !== true) {
          if (++taken % stepsAtOnce === 0) {
            yield flat(out)
            out = ""
          }
          step = steps.next()
        }
        text = step.value
      }
      if (i > 0) out += ","
      if (text !== null && text.length > chunkLength) {
        yield* longField(text)
        continue
      }
      // A single empty field would be an empty line, which readers skip.
      out += text === null ? (columns.length === 1 ? "\"\"" : "") : text === "" ? "\"\"" : csvField(text)
      // One row may refer to the same long text any number of times.
      if (out.length < chunkLength) continue
      yield flat(out)
      out = ""
    }
    out += "\r\n"
    if (out.length < chunkLength) continue
    yield flat(out)
    out = ""
  }
  yield out
}

/**
 * The type that a column is written as. `slice` gives values in the form that both writers accept: bigints of nanoseconds,
 * of unscaled decimals, … They are made when they are written: those of a whole table would take many times its memory.
 */
type Plan =
  & {
    readonly length: (row: number) => number
    readonly slice: (start: number, end: number) => Array<unknown>
  }
  & (
    | { readonly type: "bool" | "float" | "string" | "bytes" | "int" | "date" | "duration" }
    | { readonly type: "decimal"; readonly precision: number; readonly scale: number }
    | { readonly type: "timestamp"; readonly timezone: string | null }
  )

const minInt64 = -(2n ** 63n)
const maxInt64 = 2n ** 63n - 1n

/** Cells between two steps, and columns of few cells. */
const every = 2_048
const columnsAtOnce = 64

function* asText(column: Column, room: Room): Steps<Plan> {
  const values: Array<string | null> = []
  for (let row = 0; row < column.length; row++) {
    if (row % every === every - 1) yield
    const value = column.at(row)
    let text = cellAtOnce(value, room)
    if (text === undefined) {
      text = yield* cellSteps(value, room)
      // Its steps are those of one cell, of which there are many.
      yield
    }
    // What was made is kept until it is written.
    if (typeof value !== "string") room.keep(text === null ? 0 : text.length)
    values.push(text)
  }
  return {
    type: "string",
    length: (row) => values[row]?.length ?? 0,
    slice: (start, end) => values.slice(start, end)
  }
}

/** The cells of a column as `form` makes them, where it makes all of them. */
function* mapped(
  column: Column,
  form: (value: unknown) => unknown
): Steps<Pick<Plan, "length" | "slice"> | undefined> {
  for (let row = 0; row < column.length; row++) {
    if (row % every === every - 1) yield
    const value = column.at(row)
    if (value !== null && form(value) === undefined) return undefined
  }
  return sliced(column, form)
}

const sliced = (column: Column, form: (value: unknown) => unknown): Pick<Plan, "length" | "slice"> => ({
  length: (row) => {
    const value = column.at(row)
    return typeof value === "string" || value instanceof Uint8Array ? value.length : 0
  },
  slice: (start, end) =>
    Array.from({ length: end - start }, (_, at) => {
      const value = column.at(start + at)
      return value === null ? null : form(value)
    })
})

const int64 = (value: unknown): bigint | undefined => {
  if (typeof value === "number") return Number.isSafeInteger(value) ? BigInt(value) : undefined
  return typeof value === "bigint" && value >= minInt64 && value <= maxInt64 ? value : undefined
}

const decimalForm = /^([+-]?)(\d{0,60})(?:\.(\d{0,60}))?$/

/**
 * An unscaled integer and its scale; undefined for NaN, infinities, exponents and more digits than any column type has.
 */
const unscaled = (value: unknown): { readonly digits: bigint; readonly scale: number } | undefined => {
  if (!(value instanceof Decimal)) return undefined
  const [, sign, whole, fraction = ""] = decimalForm.exec(value.value) ?? []
  if (whole === undefined || whole + fraction === "") return undefined
  const digits = BigInt(whole + fraction)
  return { digits: sign === "-" ? -digits : digits, scale: fraction.length }
}

const maxPrecision = 38

function* decimals(column: Column): Steps<Plan | undefined> {
  let scale = 0
  let whole = -Infinity
  const isRead = yield* mapped(column, (value) => {
    const part = unscaled(value)
    if (part === undefined) return undefined
    scale = Math.max(scale, part.scale)
    if (part.digits !== 0n) {
      whole = Math.max(whole, String(part.digits < 0n ? -part.digits : part.digits).length - part.scale)
    }
    return part
  })
  const precision = Math.max(1, whole + scale, scale)
  if (isRead === undefined || precision > maxPrecision) return undefined
  const form = (value: unknown) => {
    const { digits, scale: own } = unscaled(value)!
    return digits * 10n ** BigInt(scale - own)
  }
  return { type: "decimal", precision, scale, ...sliced(column, form) }
}

const day = 86_400_000

const dates = (value: unknown): number | undefined =>
  value instanceof PyDate ? Math.round(Date.parse(`${value.toString()}T00:00:00Z`) / day) : undefined

function* planOf(column: Column, room: Room): Steps<Plan> {
  const typed = function*<T extends "bool" | "float" | "string" | "bytes" | "int" | "date" | "duration">(
    type: T,
    form: (value: unknown) => unknown
  ): Steps<Plan> {
    const values = yield* mapped(column, form)
    return values === undefined ? yield* asText(column, room) : { type, ...values }
  }
  switch (column.kind) {
    case "bool":
      return yield* typed("bool", (value) => typeof value === "boolean" ? value : undefined)
    case "float":
      return yield* typed("float", (value) => typeof value === "number" ? value : undefined)
    case "int":
      return yield* typed("int", int64)
    case "string":
      return yield* typed("string", (value) => typeof value === "string" ? value : undefined)
    case "bytes":
      return yield* typed("bytes", (value) => value instanceof Uint8Array ? value : undefined)
    case "decimal":
      return (yield* decimals(column)) ?? (yield* asText(column, room))
    case "date":
      return yield* typed("date", dates)
    case "timedelta":
      return yield* typed("duration", (value) => value instanceof Timedelta ? value.ns : undefined)
    case "datetime": {
      // With an unknown zone, instants would be misread; text states the zone.
      const values = column.timezone === "unknown"
        ? undefined
        : yield* mapped(
          column,
          (value) => value instanceof Timestamp && value.ns >= minInt64 && value.ns <= maxInt64 ? value.ns : undefined
        )
      return values === undefined
        ? yield* asText(column, room)
        : { type: "timestamp", timezone: column.timezone, ...values }
    }
    case "time":
    case "object":
      return yield* asText(column, room)
  }
}

/** The most characters of a name: it is encoded in one step, and repeated wherever the file describes its column. */
const longestName = 0x100000

/** The plans of columns with unique names, for formats and readers that look them up by name: `a`, `a_1`. */
function* plansOf(table: Table, room: Room): Steps<ReadonlyArray<readonly [name: string, plan: Plan]>> {
  const taken = new Set<string>()
  /** The number after the last one that was tried for a name. */
  const tried = new Map<string, number>()
  const plans: Array<readonly [name: string, plan: Plan]> = []
  for (const column of columnsOf(table)) {
    let name = column.name
    if (name.length > longestName) {
      throw undecodable(
        `a column has a name of more than ${longestName} characters, which is too long for Parquet and Arrow: write CSV`
      )
    }
    let number = tried.get(name) ?? 1
    for (; taken.has(name); number++) name = `${column.name}_${number}`
    tried.set(column.name, number)
    taken.add(name)
    if (plans.push([name, yield* planOf(column, room)]) % columnsAtOnce === 0) yield
  }
  return plans
}

/** Rows that are encoded one after the other. */
interface Part {
  readonly start: number
  readonly end: number
  /** The columns, by their number, with a text or bytes above `longCell` there. */
  readonly long: ReadonlySet<number>
}

/** Characters or bytes of a cell above which its column is encoded in steps. */
const longCell = 0x40000

/** Parts of at most `maxRows` rows, whose texts and bytes in a column are hardly longer than `maxLength`. */
function* partsOf(
  plans: ReadonlyArray<readonly [name: string, plan: Plan]>,
  numRows: number,
  maxRows: number,
  maxLength: number
): Steps<ReadonlyArray<Part>> {
  const columns = plans.flatMap(([, plan], number) =>
    plan.type === "string" || plan.type === "bytes" ? [{ number, length: plan.length }] : []
  )
  const lengths = columns.map(() => 0)
  const parts: Array<Part> = []
  let start = 0
  let looked = 0
  let long = new Set<number>()
  for (let row = 0; row < numRows; row++) {
    let isFull = row - start >= maxRows - 1
    for (let at = 0; at < columns.length; at++) {
      if (++looked % every === 0) yield
      const length = columns[at]!.length(row)
      lengths[at]! += length
      if (length > longCell) long.add(columns[at]!.number)
      if (lengths[at]! >= maxLength) isFull = true
    }
    if (!isFull) continue
    parts.push({ start, end: row + 1, long })
    start = row + 1
    long = new Set()
    lengths.fill(0)
  }
  if (start < numRows) parts.push({ start, end: numRows, long })
  return parts
}

const missingPeer = (name: string, use: string) => () =>
  undecodable(`${use} needs the package ${name}: npm install ${name}`)

const parquetElement = (name: string, plan: Plan): ParquetColumn["element"] => {
  const optional = { name, repetition_type: "OPTIONAL" }
  switch (plan.type) {
    case "bool":
      return { ...optional, type: "BOOLEAN" }
    case "float":
      return { ...optional, type: "DOUBLE" }
    case "int":
    case "duration":
      return { ...optional, type: "INT64" }
    case "bytes":
      return { ...optional, type: "BYTE_ARRAY" }
    case "string":
      return { ...optional, type: "BYTE_ARRAY", converted_type: "UTF8", logical_type: { type: "STRING" } }
    case "date":
      return { ...optional, type: "INT32", converted_type: "DATE", logical_type: { type: "DATE" } }
    case "decimal":
      return {
        ...optional,
        type: "FIXED_LEN_BYTE_ARRAY",
        type_length: 16,
        converted_type: "DECIMAL",
        logical_type: { type: "DECIMAL", precision: plan.precision, scale: plan.scale },
        precision: plan.precision,
        scale: plan.scale
      }
    case "timestamp":
      return {
        ...optional,
        type: "INT64",
        logical_type: { type: "TIMESTAMP", isAdjustedToUTC: plan.timezone !== null, unit: "NANOS" }
      }
  }
}

/** For `import(…).catch(rethrow)`: bundlers treat a caught import as one whose package may be missing. */
const rethrow = (error: unknown): never => {
  throw error
}

/** Rows of a row group of Parquet, and characters or bytes of a column in it: each is encoded in one step. */
const groupRows = 20_000
const groupLength = 0x200000

/** Rows of a record batch of Arrow, as many as Python writes, and characters or bytes of a column in it. */
const batchRows = 65_536
const batchLength = 0x400000

function* parquetSteps(
  module: typeof import("hyparquet-writer"),
  table: Table,
  options: FileOptions
): Steps<Uint8Array> {
  const { maxBytes = defaultMaxBytes } = options
  const plans = yield* plansOf(table, new Room(table, options, maxBytes))
  const parts = yield* partsOf(plans, table.numRows, groupRows, groupLength)
  const columns: Array<ParquetColumn> = []
  for (const [name, plan] of plans) {
    if (columns.push({ element: parquetElement(name, plan), values: plan }) % every === 0) yield
  }
  return yield* parquetFile(module, columns, parts, maxBytes)
}

/**
 * A Parquet file, compressed with Snappy. Needs the optional peer `hyparquet-writer`. Yields to other fibers meanwhile.
 *
 * @category encoding
 * @since 0.1.0
 */
export const parquet = (table: Table, options: FileOptions = {}): Effect.Effect<Uint8Array, FormatError> =>
  Effect.flatMap(
    Effect.tryPromise({
      try: () => import("hyparquet-writer").catch(rethrow),
      catch: missingPeer("hyparquet-writer", "Parquet")
    }),
    (module) => giveWay(() => parquetSteps(module, table, options), formatError)
  )

/** The type that a column has in Arrow. */
const arrowType = (plan: Plan): ArrowType => {
  switch (plan.type) {
    case "bool":
    case "bytes":
      return { name: plan.type === "bool" ? "bool" : "binary" }
    case "float":
      return { name: "float64" }
    case "int":
      return { name: "int64" }
    case "string":
      return { name: "utf8" }
    case "decimal":
      return { name: "decimal", precision: plan.precision, scale: plan.scale }
    case "timestamp":
      return { name: "timestamp", timezone: plan.timezone }
    case "date":
    case "duration":
      return { name: plan.type }
  }
}

function* arrowSteps(
  Arrow: typeof import("@uwdata/flechette"),
  table: Table,
  options: FileOptions
): Steps<Uint8Array> {
  const { maxBytes = defaultMaxBytes } = options
  /** The type that the values are built as: integers for times, whose own builders convert through numbers. */
  const builtAs = (plan: Plan) => {
    switch (plan.type) {
      case "bool":
        return Arrow.bool()
      case "float":
        return Arrow.float64()
      case "string":
        return Arrow.utf8()
      case "bytes":
        return Arrow.binary()
      case "decimal":
        return Arrow.decimal(plan.precision, plan.scale, 128)
      case "date":
        return Arrow.int32()
      case "int":
      case "duration":
      case "timestamp":
        return Arrow.int64()
    }
  }
  const plans = yield* plansOf(table, new Room(table, options, maxBytes))
  const parts = yield* partsOf(plans, table.numRows, batchRows, batchLength)
  const columns: Array<ArrowColumn> = []
  for (const [name, plan] of plans) {
    const type = builtAs(plan)
    const build = (start: number, end: number) => {
      const [batch] = Arrow.columnFromArray(plan.slice(start, end) as never, type).data
      const { length, nullCount, offsets, validity, values } = batch as unknown as BuiltBatch
      return {
        length,
        nullCount,
        buffers: plan.type === "string" || plan.type === "bytes" ? [validity, offsets, values] : [validity, values]
      }
    }
    const buildLong = (start: number, end: number, grew: (length: number) => void) =>
      longBuffers(plan.slice(start, end), grew)
    if (columns.push({ name, type: arrowType(plan), build, buildLong }) % every === 0) yield
  }
  return yield* arrowFile(columns, parts, maxBytes)
}

/** What flechette makes of some values; only texts and bytes have offsets. */
interface BuiltBatch {
  readonly length: number
  readonly nullCount: number
  readonly validity: Uint8Array
  readonly offsets: Int32Array
  readonly values: ArrayBufferView
}

/**
 * An Arrow IPC file (Feather version 2), uncompressed. Needs the optional peer `@uwdata/flechette`. Yields to other fibers
 * meanwhile.
 *
 * @category encoding
 * @since 0.1.0
 */
export const arrow = (table: Table, options: FileOptions = {}): Effect.Effect<Uint8Array, FormatError> =>
  Effect.flatMap(
    Effect.tryPromise({
      try: () => import("@uwdata/flechette").catch(rethrow),
      catch: missingPeer("@uwdata/flechette", "Arrow")
    }),
    (module) => giveWay(() => arrowSteps(module, table, options), formatError)
  )
