import type { FormatError } from "@effect-prefect/formats/FormatError"
import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
import { Table } from "@effect-prefect/formats/Table"
import * as TableEncoder from "@effect-prefect/formats/TableEncoder"
import * as Tabular from "@effect-prefect/formats/Tabular"
import { fromFormatError } from "@effect-prefect/results/ResultError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { CommandFailed, UsageError } from "./errors.ts"
import { fieldsOf, type Format, formatOf, select, write } from "./outputFormat.ts"

/** A run, as messages about its result name it. */
interface Run {
  readonly id: string
  readonly name: string
}

/** The flags of a command that writes one result. */
export interface ResultFlags {
  readonly raw: boolean
  readonly json: boolean
  readonly format: Option.Option<Format>
  readonly fields: Option.Option<string>
  readonly output: Option.Option<string>
}

/** Indented where that helps a reader; a large value is left as it is. */
const pretty = (text: string): string => text.length > 1_000_000 ? text : JSON.stringify(JSON.parse(text), null, 2)

const tableOf = Effect.fnUntraced(function*(run: Run, value: unknown, format: string) {
  const table = Tabular.fromValue(value)
  if (table !== undefined) return table
  return yield* new CommandFailed({
    message: `${run.name}: its result is not a table, so it cannot be ` +
      `written as ${format}; use --format json`
  })
})

/** A value's JSON text, which is made whole before any of it is written: what has no projection prints nothing. */
const jsonText = (run: Run, value: unknown) =>
  Effect.mapError(
    JsonProjection.toText(value),
    (error) => new CommandFailed({ message: `${run.id}: ${fromFormatError(error).summary}` })
  )

/** The rows of a table or the items of a list, one a line; any other value is one line. */
const jsonLines = (run: Run, value: unknown) => {
  const items = value instanceof Table ? value.rows() : Array.isArray(value) ? value : [value]
  return Effect.map(
    Effect.forEach(items, (item) => jsonText(run, item)),
    (lines) => lines.map((line) => `${line}\n`)
  )
}

const encoded = Effect.fnUntraced(function*(
  run: Run,
  value: unknown,
  format: Format | undefined,
  flags: ResultFlags
) {
  const fields = fieldsOf(flags.fields)
  if (format === "csv" || format === "parquet" || format === "arrow") {
    const table = yield* select(yield* tableOf(run, value, format), fields)
    const failed = (error: FormatError) =>
      new CommandFailed({ message: `${run.id}: ${fromFormatError(error).summary}` })
    if (format === "csv") {
      return Stream.fromIterable(
        yield* Effect.try({
          try: () => [...TableEncoder.csv(table)],
          catch: (error) => failed(error as FormatError)
        })
      )
    }
    const bytes = format === "parquet" ? TableEncoder.parquet(table) : TableEncoder.arrow(table)
    return Stream.make(yield* Effect.mapError(bytes, failed))
  }
  const selected = fields === undefined ? value : yield* select(yield* tableOf(run, value, "fields"), fields)
  if (format === "jsonl") return Stream.fromIterable(yield* jsonLines(run, selected))
  const text = yield* jsonText(run, selected)
  return Stream.make(flags.json || format === "json" ? `${text}\n` : `${pretty(text)}\n`)
})

/**
 * Writes the result of a task run or flow run to standard output or a file, in the format that the flags ask for.
 */
export const writeResult = Effect.fnUntraced(function*<E, R>(
  run: Run & {
    readonly getResult: Effect.Effect<unknown, E, R>
    readonly getResultBytes: Effect.Effect<Uint8Array, E, R>
  },
  flags: ResultFlags
) {
  const format = yield* formatOf(flags)
  if (flags.raw && (flags.json || Option.isSome(flags.format) || Option.isSome(flags.fields))) {
    return yield* new UsageError({ message: "--raw gives the stored bytes: it takes no --json, --format or --fields" })
  }
  const chunks = flags.raw
    ? Stream.make(yield* run.getResultBytes)
    : yield* encoded(run, yield* run.getResult, format, flags)
  yield* write(flags.output, chunks)
})
