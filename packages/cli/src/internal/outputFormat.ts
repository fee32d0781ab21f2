/** `--format`, `--output` and `--fields`: the format and the target of the output. */
import { Table } from "@effect-prefect/formats/Table"
import type { Outcome } from "@effect-prefect/results/TaskRun"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { basename } from "node:path"
import { UsageError } from "./errors.ts"
import { requireFields } from "./fields.ts"
import { writeFile } from "./files.ts"
import * as Outcomes from "./outcomes.ts"
import { Output } from "./output.ts"
import * as Render from "./render.ts"

export const formats = ["json", "jsonl", "csv", "parquet", "arrow"] as const
export type Format = (typeof formats)[number]

const endings: { readonly [ending: string]: Format } = {
  json: "json",
  jsonl: "jsonl",
  ndjson: "jsonl",
  csv: "csv",
  parquet: "parquet",
  arrow: "arrow",
  feather: "arrow"
}

const isBinary = (format: Format | undefined): boolean => format === "parquet" || format === "arrow"

export interface OutputFlags {
  readonly format: Option.Option<Format>
  readonly output: Option.Option<string>
  readonly json: boolean
}

/** The file of `--output`; none for `-`, which means standard output. */
const fileOf = (output: Option.Option<string>): Option.Option<string> => Option.filter(output, (file) => file !== "-")

/** The requested format: from its flag, otherwise from the suffix of the file; undefined when neither names one. */
export const formatOf = Effect.fnUntraced(function*(flags: OutputFlags) {
  const output = Option.getOrUndefined(fileOf(flags.output))
  if (output !== undefined && Object.hasOwn(endings, output) && basename(output) === output) {
    return yield* new UsageError({
      message: `--output ${output} would write a file named ${output}; for the format, use --format ${endings[
        output
      ]!} (or ./${output} for the file)`
    })
  }
  const ending = output === undefined ? undefined : /\.([a-z]+)$/i.exec(output)?.[1]?.toLowerCase()
  const named = Option.getOrUndefined(flags.format)
  if (flags.json && named !== undefined && named !== "json" && named !== "jsonl") {
    return yield* new UsageError({ message: `--json and --format ${named} do not go together` })
  }
  const format = named ??
    (flags.json ? undefined : ending === undefined || !Object.hasOwn(endings, ending) ? undefined : endings[ending])
  if (isBinary(format) && output === undefined && (yield* Output).stdout.isTerminal) {
    return yield* new UsageError({
      message: `${format} is binary: write it to a file with --output FILE, or into a pipe`
    })
  }
  return format
})

/** Writes to the file of `--output`, otherwise to standard output. */
export const write = <E, R>(
  output: Option.Option<string>,
  chunks: Stream.Stream<string | Uint8Array, E, R>
) =>
  Option.match(fileOf(output), {
    onSome: (file) => writeFile(file, chunks),
    onNone: () => Effect.flatMap(Output, ({ stdout }) => Stream.runForEach(chunks, stdout.writeData))
  })

/** The names in `--fields a,b`; undefined for all fields. */
export const fieldsOf = Effect.fnUntraced(function*(fields: Option.Option<string>) {
  if (Option.isNone(fields)) return undefined
  const names = fields.value.split(",").map((name) => name.trim()).filter((name) => name !== "")
  const [first] = names
  if (first === undefined) return yield* new UsageError({ message: "--fields takes names, e.g. --fields id,total" })
  const twice = names.find((name, at) => names.indexOf(name) !== at)
  if (twice !== undefined) {
    return yield* new UsageError({ message: `--fields names ${JSON.stringify(twice)} twice; give it once` })
  }
  return names as ReadonlyArray<string>
})

/** A table's columns by name, in the order of the names, including those of the index. */
export const select = Effect.fnUntraced(function*(table: Table, wanted: ReadonlyArray<string> | undefined) {
  if (wanted === undefined) return table
  const columns = [...table.index, ...table.columns]
  yield* requireFields(wanted, columns.map(({ name }) => name))
  return new Table(wanted.map((name) => columns.findLast((column) => column.name === name)!), table.numRows)
})

/** The rows of `flow-run results` and `task-run mapped` in any format for rows. */
export const outcomes = Effect.fnUntraced(function*<E, R>(
  rows: Stream.Stream<Outcome, E, R>,
  format: Format | undefined,
  flags: OutputFlags & { readonly fields: Option.Option<string> },
  nothing: string
) {
  const fields = yield* fieldsOf(flags.fields)
  switch (format) {
    case "csv":
    case "parquet": {
      const { outcomeRows } = yield* Effect.promise(() => import("./outcomeRows.ts"))
      return yield* write(flags.output, yield* outcomeRows(rows, format, fields))
    }
    case "arrow":
      return yield* new UsageError({ message: "rows of results are written as jsonl, csv or parquet, not as arrow" })
    case undefined:
      if (!flags.json && fields === undefined && Option.isNone(fileOf(flags.output))) {
        return yield* Render.table(rows, Outcomes.header, Outcomes.cells, nothing)
      }
  }
  if (fields !== undefined) yield* requireFields(fields, Outcomes.fields)
  yield* write(flags.output, Stream.mapEffect(rows, (outcome) => Outcomes.line(outcome, fields)))
})
