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

const asText = (column: Column): Plan => ({
  type: "string",
  values: Array.from({ length: column.length }, (_, row) => cellText(column.at(row)))
})

const mapped = (column: Column, f: (value: unknown) => unknown): Array<unknown> | undefined => {
  const out: Array<unknown> = []
  for (let row = 0; row < column.length; row++) {
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

const decimals = (column: Column): Plan | undefined => {
  const parts = mapped(column, unscaled) as Array<ReturnType<typeof unscaled> | null> | undefined
  if (parts === undefined) return undefined
  const scale = parts.reduce((most, part) => Math.max(most, part?.scale ?? 0), 0)
  let precision = 1
  const values = parts.map((part) => {
    if (part === null || part === undefined) return null
    const value = part.digits * 10n ** BigInt(scale - part.scale)
    precision = Math.max(precision, String(value < 0n ? -value : value).length)
    return value
  })
  return precision > maxPrecision || scale > maxPrecision
    ? undefined
    : { type: "decimal", precision: Math.max(precision, scale), scale, values }
}

const day = 86_400_000

const dates = (value: unknown): number | undefined =>
  value instanceof PyDate ? Math.round(Date.parse(`${value.toString()}T00:00:00Z`) / day) : undefined

const planOf = (column: Column): Plan => {
  const typed = <T extends "bool" | "float" | "string" | "bytes" | "int" | "date" | "duration">(
    type: T,
    f: (value: unknown) => unknown
  ): Plan => {
    const values = mapped(column, f)
    return values === undefined ? asText(column) : { type, values }
  }
  switch (column.kind) {
    case "bool":
      return typed("bool", (value) => typeof value === "boolean" ? value : undefined)
    case "float":
      return typed("float", (value) => typeof value === "number" ? value : undefined)
    case "int":
      return typed("int", int64)
    case "string":
      return typed("string", (value) => typeof value === "string" ? value : undefined)
    case "bytes":
      return typed("bytes", (value) => value instanceof Uint8Array ? value : undefined)
    case "decimal":
      return decimals(column) ?? asText(column)
    case "date":
      return typed("date", dates)
    case "timedelta":
      return typed("duration", (value) => value instanceof Timedelta ? value.ns : undefined)
    case "datetime": {
      // With an unknown zone, instants would be misread; text states the zone.
      const values = column.timezone === "unknown"
        ? undefined
        : mapped(
          column,
          (value) => value instanceof Timestamp && value.ns >= minInt64 && value.ns <= maxInt64 ? value.ns : undefined
        )
      return values === undefined ? asText(column) : { type: "timestamp", timezone: column.timezone, values }
    }
    case "time":
    case "object":
      return asText(column)
  }
}

/** Columns with unique names, for formats and readers that look them up by name: `a`, `a_1`. */
const named = (table: Table): ReadonlyArray<readonly [name: string, column: Column]> => {
  const taken = new Set<string>()
  return columnsOf(table).map((column) => {
    let name = column.name
    for (let i = 1; taken.has(name); i++) name = `${column.name}_${i}`
    taken.add(name)
    return [name, column]
  })
}

const missingPeer = (name: string, use: string) => () =>
  undecodable(`${use} needs the package ${name}: npm install ${name}`)

const failure = (error: unknown): FormatError => {
  if (error instanceof FormatError) return error
  throw error
}

const parquetElement = (name: string, plan: Plan): Record<string, unknown> => {
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

/**
 * A Parquet file, compressed with Snappy. Needs the optional peer `hyparquet-writer`.
 *
 * @category encoding
 * @since 0.1.0
 */
export const parquet = (table: Table): Effect.Effect<Uint8Array, FormatError> =>
  Effect.gen(function*() {
    const { ByteWriter, parquetWrite } = yield* Effect.tryPromise({
      try: () => import("hyparquet-writer").catch(rethrow),
      catch: missingPeer("hyparquet-writer", "Parquet")
    })
    return yield* Effect.try({
      try: () => {
        const plans = named(table).map(([name, column]) => [name, planOf(column)] as const)
        const writer = new ByteWriter()
        void parquetWrite({
          writer,
          columnData: plans.map(([name, { values }]) => ({ name, data: values })),
          schema: [
            { name: "root", num_children: plans.length },
            ...plans.map(([name, plan]) => parquetElement(name, plan))
          ] as never
        })
        return writer.getBytes()
      },
      catch: failure
    })
  })

/**
 * An Arrow IPC file (Feather version 2), uncompressed. Needs the optional peer `@uwdata/flechette`.
 *
 * @category encoding
 * @since 0.1.0
 */
export const arrow = (table: Table): Effect.Effect<Uint8Array, FormatError> =>
  Effect.gen(function*() {
    const Arrow = yield* Effect.tryPromise({
      try: () => import("@uwdata/flechette").catch(rethrow),
      catch: missingPeer("@uwdata/flechette", "Arrow")
    })
    const build = (plan: Plan) => {
      const { values } = plan
      const ns = Arrow.TimeUnit.NANOSECOND
      // 64-bit integers with the type that they represent, because the builders of those types convert through numbers.
      const as = (type: Parameters<typeof Arrow.columnFromArray>[1]) =>
        new Arrow.Column(Arrow.columnFromArray(values as never, Arrow.int64()).data as never, type as never)
      switch (plan.type) {
        case "bool":
          return Arrow.columnFromArray(values as never, Arrow.bool())
        case "float":
          return Arrow.columnFromArray(values as never, Arrow.float64())
        case "int":
          return Arrow.columnFromArray(values as never, Arrow.int64())
        case "string":
          return Arrow.columnFromArray(values as never, Arrow.utf8())
        case "bytes":
          return Arrow.columnFromArray(values as never, Arrow.binary())
        case "date":
          return new Arrow.Column(
            Arrow.columnFromArray(values as never, Arrow.int32()).data as never,
            Arrow.dateDay() as never
          )
        case "decimal":
          return Arrow.columnFromArray(values as never, Arrow.decimal(plan.precision, plan.scale, 128))
        case "duration":
          return as(Arrow.duration(ns))
        case "timestamp":
          return as(Arrow.timestamp(ns, plan.timezone))
      }
    }
    return yield* Effect.try({
      try: () => {
        const columns = named(table).map(([name, column]) => [name, build(planOf(column))] as const)
        const bytes = Arrow.tableToIPC(Arrow.tableFromColumns(columns as never), { format: "file" })
        return bytes ?? new Uint8Array()
      },
      catch: failure
    })
  })
