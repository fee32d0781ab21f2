import { FormatError } from "@effect-prefect/formats/FormatError"
import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
import { Table } from "@effect-prefect/formats/Table"
import * as TableEncoder from "@effect-prefect/formats/TableEncoder"
import * as Tabular from "@effect-prefect/formats/Tabular"
import { fromFormatError, ResultError } from "@effect-prefect/results/ResultError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { CommandFailed, UsageError } from "./errors.ts"
import { fieldsOf, type Format, formatOf, select, write } from "./outputFormat.ts"

/** A run as named in messages about its result. */
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

/** Text that is indented, and the most spaces that this adds. */
const shortText = 1_000_000
const maxSpaces = 4_000_000

/** The spaces of lines that are indented: deep down, a few characters have a thousand of them each. */
const spacesOf = (text: string): number => {
  let [depth, spaces, isInText] = [0, 0, false]
  for (let at = 0; at < text.length; at++) {
    const character = text[at]
    if (isInText) {
      if (character === "\\") at++
      else if (character === "\"") isInText = false
    } else if (character === "\"") isInText = true
    else if (character === "," || character === "[" || character === "{") {
      if (character !== ",") depth++
      spaces += 2 * depth
    } else if (character === "]" || character === "}") spaces += 2 * --depth
  }
  return spaces
}

/** Indented when that helps a reader; a large value is not. */
const pretty = (text: string): string => spacesOf(text) > maxSpaces ? text : JSON.stringify(JSON.parse(text), null, 2)

const notTable = (run: Run, format: string) =>
  new CommandFailed({
    message: `${run.name}: its result is not a table, so it ${
      format === "fields" ? "has no fields; leave out --fields" : `cannot be written as ${format}; use --format json`
    }`
  })

const tableOf = (run: Run, value: unknown, format: string): Effect.Effect<Table, CommandFailed> =>
  Effect.flatMap(
    Tabular.fromValue(value),
    (table) => table === undefined ? Effect.fail(notTable(run, format)) : Effect.succeed(table)
  )

/** The amount of text that is held back, so that nothing is written of a result that cannot be read. */
const keptBack = 16 * 1024 * 1024

/**
 * Holds back the beginning of a stream until it has ended or exceeds the limit: a small output is written completely or
 * not at all, and a large one while it is read, after `check`.
 */
const whole = <E, R>(
  chunks: Stream.Stream<string, E, R>,
  check: Effect.Effect<void, E, R> = Effect.void
): Stream.Stream<string, E, R> =>
  Stream.suspend(() => {
    let kept: Array<string> | undefined = []
    let length = 0
    const some = Stream.flatMap(chunks, (chunk) => {
      if (kept === undefined) return Stream.make(chunk)
      kept.push(chunk)
      if ((length += chunk.length) <= keptBack) return Stream.empty
      const all = kept
      kept = undefined
      return Stream.concat(Stream.fromEffectDrain(check), Stream.fromIterable(all))
    })
    return Stream.concat(some, Stream.suspend(() => Stream.fromIterable(kept ?? [])))
  })

const failure = (run: Run) => (error: FormatError) =>
  new CommandFailed({ message: `${run.id}: ${fromFormatError(error).summary}` })

/** The pieces of a generator that throws a `FormatError`. */
const piecesOf = (run: Run, pieces: Iterator<string, void>): Stream.Stream<string, CommandFailed> => {
  const piece = Effect.try({
    try: () => {
      const next = pieces.next()
      return next.done === true ? undefined : [next.value, pieces] as const
    },
    catch: (error) => {
      if (error instanceof FormatError) return failure(run)(error)
      throw error
    }
  })
  // Nothing is written meanwhile, so nothing else lets other work run.
  return Stream.unfold(pieces, () => Effect.andThen(Effect.yieldNow, piece))
}

/** The CSV text of a table that is read part by part. */
const csvOf = <E, R>(
  run: Run,
  tables: Stream.Stream<Table, E, R>,
  fields: ReadonlyArray<string> | undefined
): Stream.Stream<string, E | CommandFailed, R> => {
  let header = true
  const text = Stream.flatMap(tables, (part) =>
    Stream.unwrap(Effect.map(select(part, fields), (table) => {
      const pieces = TableEncoder.csv(table, { header })
      header = false
      return piecesOf(run, pieces)
    })))
  return whole(text)
}

/** A value's JSON text. Nothing is written of a value without a projection, however large it is. */
const jsonText = (run: Run, value: unknown): Stream.Stream<string, CommandFailed> =>
  whole(
    piecesOf(run, JsonProjection.toChunks(value)),
    Effect.mapError(JsonProjection.validate(value), failure(run))
  )

/** The limit of all lines together: the rows of large tables have more values than one value should. */
const lineValues = 2 ** 28

/**
 * The rows of a table or the items of a list, one per line; any other value on one line. The items of a list may refer to
 * one large value any number of times.
 */
const jsonLines = (run: Run, value: unknown): Stream.Stream<string, CommandFailed> =>
  whole(
    piecesOf(run, JsonProjection.toLines(value, { maxValues: lineValues })),
    value instanceof Table
      ? undefined
      : Effect.mapError(
        JsonProjection.validate(value, { maxValues: lineValues, maxDepth: 1_001 }),
        failure(run)
      )
  )

/** JSON text for a reader: indented, unless it is long. */
const prettyText = (text: Stream.Stream<string, CommandFailed>): Stream.Stream<string, CommandFailed> =>
  Stream.suspend(() => {
    let kept: string | undefined = ""
    const some = Stream.flatMap(text, (chunk) => {
      if (kept === undefined) return Stream.make(chunk)
      kept += chunk
      if (kept.length <= shortText) return Stream.empty
      const all = kept
      kept = undefined
      return Stream.make(all)
    })
    return Stream.concat(some, Stream.suspend(() => kept === undefined ? Stream.empty : Stream.make(pretty(kept))))
  })

const encoded = Effect.fnUntraced(function*(
  run: Run,
  value: unknown,
  format: Format | undefined,
  flags: ResultFlags,
  fields: ReadonlyArray<string> | undefined
) {
  if (format === "csv") return csvOf(run, Stream.fromEffect(tableOf(run, value, format)), fields)
  if (format === "parquet" || format === "arrow") {
    const table = yield* select(yield* tableOf(run, value, format), fields)
    const bytes = format === "parquet" ? TableEncoder.parquet(table) : TableEncoder.arrow(table)
    return Stream.make(yield* Effect.mapError(bytes, failure(run)))
  }
  const selected = fields === undefined ? value : yield* select(yield* tableOf(run, value, "fields"), fields)
  if (format === "jsonl") return jsonLines(run, selected)
  const text = jsonText(run, selected)
  return Stream.concat(flags.json || format === "json" ? text : prettyText(text), Stream.make("\n"))
})

const isNoTable = (error: unknown): boolean =>
  error instanceof ResultError && error.reason._tag === "ResultDecodeError" && error.reason.isNotTable

/** Writes the result of a task run or flow run to standard output or a file, in the format of the flags. */
export const writeResult = Effect.fnUntraced(function*<E, R>(
  run: Run & {
    readonly getResult: Effect.Effect<unknown, E, R>
    readonly getResultBytes: Effect.Effect<Uint8Array, E, R>
    /** The result as a table, part by part if possible. */
    readonly getTable?: (() => Stream.Stream<Table, E, R>) | undefined
  },
  flags: ResultFlags
) {
  const format = yield* formatOf(flags)
  if (flags.raw && (flags.json || Option.isSome(flags.format) || Option.isSome(flags.fields))) {
    return yield* new UsageError({ message: "--raw gives the stored bytes: it takes no --json, --format or --fields" })
  }
  const fields = yield* fieldsOf(flags.fields)
  const { getTable } = run
  const chunks = format === "csv" && getTable !== undefined
    ? csvOf(
      run,
      Stream.mapError(getTable(), (error) => isNoTable(error) ? notTable(run, format) : error),
      fields
    )
    : flags.raw
    ? Stream.make(yield* run.getResultBytes)
    : yield* encoded(run, yield* run.getResult, format, flags, fields)
  yield* write(flags.output, chunks)
})
