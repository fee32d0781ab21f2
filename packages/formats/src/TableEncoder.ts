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
import { FormatError, undecodable } from "./FormatError.ts"
import { arrowFile, type ArrowType, type WrittenColumn as ArrowColumn } from "./internal/arrow/write.ts"
import { parquetFile, type WrittenColumn as ParquetColumn } from "./internal/parquet/write.ts"
import { giveWay, type Steps } from "./internal/steps.ts"
import * as JsonProjection from "./JsonProjection.ts"
import type { Column, Table } from "./Table.ts"

const columnsOf = (table: Table): ReadonlyArray<Column> => [...table.index, ...table.columns]

/** A cell as one text: the JSON projection, and strings without quotation marks. */
const cellText = (value: unknown): string | null => {
  if (typeof value === "string") return value
  const json = JsonProjection.toJsonSync(value)
  return json === null || typeof json === "string" ? json : JSON.stringify(json)
}

/**
 * A CSV field, quoted where RFC 4180 requires it.
 *
 * @category encoding
 * @since 0.1.0
 */
export const csvField = (text: string): string => /[",\r\n]/.test(text) ? `"${text.replaceAll("\"", "\"\"")}"` : text

const chunkLength = 65_536

/**
 * CSV in pieces, made on demand: a header of column names, lines that end in `\r\n` (RFC 4180), an empty field for a
 * missing value and `""` for an empty string. Throws a `FormatError` for a cell that has no JSON projection. Without
 * `header` it continues the text of a previous table with the same columns.
 *
 * @category encoding
 * @since 0.1.0
 */
export function* csv(
  table: Table,
  { header = true }: { readonly header?: boolean | undefined } = {}
): Generator<string, void> {
  const columns = columnsOf(table)
  let out = header ? `${columns.map(({ name }) => csvField(name)).join(",")}\r\n` : ""
  for (let row = 0; row < table.numRows; row++) {
    for (let i = 0; i < columns.length; i++) {
      const text = cellText(columns[i]!.at(row))
      // A single empty field would be an empty line, which readers skip.
      const field = text === null ? (columns.length === 1 ? "\"\"" : "") : text === "" ? "\"\"" : csvField(text)
      out += i === 0 ? field : `,${field}`
      // One row may refer to the same long text any number of times.
      if (out.length < chunkLength) continue
      yield out
      out = ""
    }
    out += "\r\n"
    if (out.length < chunkLength) continue
    yield out
    out = ""
  }
  yield out
}

/**
 * The type that a column is written as. `values` are in the form that both writers accept: bigints of nanoseconds, of
 * unscaled decimals, …
 */
type Plan =
  | { readonly type: "bool" | "float" | "string" | "bytes" | "int"; readonly values: Array<unknown> }
  | { readonly type: "decimal"; readonly precision: number; readonly scale: number; readonly values: Array<unknown> }
  | { readonly type: "timestamp"; readonly timezone: string | null; readonly values: Array<unknown> }
  | { readonly type: "date" | "duration"; readonly values: Array<unknown> }

const minInt64 = -(2n ** 63n)
const maxInt64 = 2n ** 63n - 1n

/** Cells between two steps, and columns of few cells. */
const every = 2_048
const columnsAtOnce = 64

function* asText(column: Column): Steps<Plan> {
  const values: Array<unknown> = []
  for (let row = 0; row < column.length; row++) {
    if (row % every === every - 1) yield
    values.push(cellText(column.at(row)))
  }
  return { type: "string", values }
}

function* mapped(column: Column, f: (value: unknown) => unknown): Steps<Array<unknown> | undefined> {
  const out: Array<unknown> = []
  for (let row = 0; row < column.length; row++) {
    if (row % every === every - 1) yield
    const value = column.at(row)
    if (value === null) {
      out.push(null)
      continue
    }
    const made = f(value)
    if (made === undefined) return undefined
    out.push(made)
  }
  return out
}

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
  const parts = (yield* mapped(column, (value) => {
    const part = unscaled(value)
    scale = Math.max(scale, part?.scale ?? 0)
    return part
  })) as Array<ReturnType<typeof unscaled> | null> | undefined
  if (parts === undefined) return undefined
  let precision = 1
  const values: Array<unknown> = []
  for (const part of parts) {
    if (values.length % every === every - 1) yield
    if (part === null || part === undefined) {
      values.push(null)
      continue
    }
    const value = part.digits * 10n ** BigInt(scale - part.scale)
    precision = Math.max(precision, String(value < 0n ? -value : value).length)
    values.push(value)
  }
  return precision > maxPrecision || scale > maxPrecision
    ? undefined
    : { type: "decimal", precision: Math.max(precision, scale), scale, values }
}

const day = 86_400_000

const dates = (value: unknown): number | undefined =>
  value instanceof PyDate ? Math.round(Date.parse(`${value.toString()}T00:00:00Z`) / day) : undefined

function* planOf(column: Column): Steps<Plan> {
  const typed = function*<T extends "bool" | "float" | "string" | "bytes" | "int" | "date" | "duration">(
    type: T,
    f: (value: unknown) => unknown
  ): Steps<Plan> {
    const values = yield* mapped(column, f)
    return values === undefined ? yield* asText(column) : { type, values }
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
      return (yield* decimals(column)) ?? (yield* asText(column))
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
      return values === undefined ? yield* asText(column) : { type: "timestamp", timezone: column.timezone, values }
    }
    case "time":
    case "object":
      return yield* asText(column)
  }
}

/** The plans of columns with unique names, for formats and readers that look them up by name: `a`, `a_1`. */
function* plansOf(table: Table): Steps<ReadonlyArray<readonly [name: string, plan: Plan]>> {
  const taken = new Set<string>()
  const plans: Array<readonly [name: string, plan: Plan]> = []
  for (const column of columnsOf(table)) {
    let name = column.name
    for (let i = 1; taken.has(name); i++) name = `${column.name}_${i}`
    taken.add(name)
    if (plans.push([name, yield* planOf(column)]) % columnsAtOnce === 0) yield
  }
  return plans
}

/** Rows that are encoded one after the other. */
interface Part {
  readonly start: number
  readonly end: number
}

/** Parts of at most `maxRows` rows, whose texts and bytes in a column are hardly longer than `maxLength`. */
function* partsOf(
  plans: ReadonlyArray<readonly [name: string, plan: Plan]>,
  numRows: number,
  maxRows: number,
  maxLength: number
): Steps<ReadonlyArray<Part>> {
  const columns = plans.map(([, { type, values }]) => ({ type, values })).filter(({ type }) =>
    type === "string" || type === "bytes"
  ) as ReadonlyArray<{ readonly values: ReadonlyArray<string | Uint8Array | null> }>
  const lengths = columns.map(() => 0)
  const parts: Array<Part> = []
  let start = 0
  let looked = 0
  for (let row = 0; row < numRows; row++) {
    let isFull = row - start >= maxRows - 1
    for (let at = 0; at < columns.length; at++) {
      if (++looked % every === 0) yield
      lengths[at]! += columns[at]!.values[row]?.length ?? 0
      if (lengths[at]! >= maxLength) isFull = true
    }
    if (!isFull) continue
    parts.push({ start, end: row + 1 })
    start = row + 1
    lengths.fill(0)
  }
  if (start < numRows) parts.push({ start, end: numRows })
  return parts
}

const missingPeer = (name: string, use: string) => () =>
  undecodable(`${use} needs the package ${name}: npm install ${name}`)

const failure = (error: unknown): FormatError => {
  if (error instanceof FormatError) return error
  throw error
}

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

function* parquetSteps(module: typeof import("hyparquet-writer"), table: Table): Steps<Uint8Array> {
  const plans = yield* plansOf(table)
  const parts = yield* partsOf(plans, table.numRows, groupRows, groupLength)
  const columns: Array<ParquetColumn> = []
  for (const [name, plan] of plans) {
    if (columns.push({ element: parquetElement(name, plan), values: plan.values }) % every === 0) yield
  }
  return yield* parquetFile(module, columns, parts)
}

/**
 * A Parquet file, compressed with Snappy. Needs the optional peer `hyparquet-writer`. Yields to other fibers meanwhile.
 *
 * @category encoding
 * @since 0.1.0
 */
export const parquet = (table: Table): Effect.Effect<Uint8Array, FormatError> =>
  Effect.flatMap(
    Effect.tryPromise({
      try: () => import("hyparquet-writer").catch(rethrow),
      catch: missingPeer("hyparquet-writer", "Parquet")
    }),
    (module) => giveWay(() => parquetSteps(module, table), failure)
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

function* arrowSteps(Arrow: typeof import("@uwdata/flechette"), table: Table): Steps<Uint8Array> {
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
  const plans = yield* plansOf(table)
  const parts = yield* partsOf(plans, table.numRows, batchRows, batchLength)
  const columns: Array<ArrowColumn> = []
  for (const [name, plan] of plans) {
    const type = builtAs(plan)
    const build = (start: number, end: number) => {
      const [batch] = Arrow.columnFromArray(plan.values.slice(start, end) as never, type).data
      const { length, nullCount, offsets, validity, values } = batch as unknown as BuiltBatch
      return {
        length,
        nullCount,
        buffers: plan.type === "string" || plan.type === "bytes" ? [validity, offsets, values] : [validity, values]
      }
    }
    if (columns.push({ name, type: arrowType(plan), build }) % every === 0) yield
  }
  return yield* arrowFile(columns, parts)
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
export const arrow = (table: Table): Effect.Effect<Uint8Array, FormatError> =>
  Effect.flatMap(
    Effect.tryPromise({
      try: () => import("@uwdata/flechette").catch(rethrow),
      catch: missingPeer("@uwdata/flechette", "Arrow")
    }),
    (module) => giveWay(() => arrowSteps(module, table), failure)
  )
