import * as ResultDescriptor from "@effect-prefect/core/ResultDescriptor"
import * as State from "@effect-prefect/core/State"
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import type { FormatError } from "@effect-prefect/formats/FormatError"
import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
import { Table } from "@effect-prefect/formats/Table"
import * as TableEncoder from "@effect-prefect/formats/TableEncoder"
import * as Tabular from "@effect-prefect/formats/Tabular"
import { fromFormatError } from "@effect-prefect/results/ResultError"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type * as Inputs from "../inputs/taskRun.ts"
import { style } from "../internal/colors.ts"
import { CommandFailed, UsageError } from "../internal/errors.ts"
import * as Json from "../internal/json.ts"
import type { InputsOf } from "../internal/lazyHandler.ts"
import { Output } from "../internal/output.ts"
import { fieldsOf, type Format, formatOf, select, write } from "../internal/outputFormat.ts"
import { withProgress } from "../internal/progress.ts"
import * as References from "../internal/references.ts"
import * as Render from "../internal/render.ts"
import * as Services from "../services.ts"

/** Indented where that helps a reader; a large value is left as it is. */
const pretty = (text: string): string => text.length > 1_000_000 ? text : JSON.stringify(JSON.parse(text), null, 2)

export const show = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.show>) {
  const view = yield* References.taskRunOfFlags(flags)
  const { stdout } = yield* Output
  if (flags.json) return yield* stdout.write(`${JSON.stringify(Json.taskRun(view))}\n`)
  const paint = style(stdout.hasColors)
  const descriptor = State.resultDescriptor(view.state)
  const result = State.isMapped(view.state)
    ? `those of ${view.state.nMapStates ?? "its"} mapped children`
    : ResultDescriptor.isPersisted(descriptor)
    ? Render.stripControls(`${descriptor._tag} at ${descriptor.location}`)
    : "none stored"
  yield* stdout.write(Render.fields([
    ["task run", Render.stripControls(view.taskRunId)],
    ["name", Render.stripControls(view.name ?? "")],
    ["task", Render.stripControls(Render.slug(view))],
    ["task id", view.taskId ?? ""],
    ["flow run", view.flowRunId ?? ""],
    ["state", Render.stateLine(view.state, paint)],
    ["result", result]
  ], paint))
}, (effect, flags) => Effect.provide(effect, Services.services(flags)))

const tableOf = Effect.fnUntraced(function*(view: TaskRunView, value: unknown, format: string) {
  const table = Tabular.fromValue(value)
  if (table !== undefined) return table
  return yield* new CommandFailed({
    message:
      `${Render.stripControls(Render.slug(view))} (${view.taskRunId}): its result is not a table, so it cannot be ` +
      `written as ${format}; use --format json`
  })
})

/** A value's JSON text, which is made whole before any of it is written: what has no projection prints nothing. */
const jsonText = (view: TaskRunView, value: unknown) =>
  Effect.mapError(
    JsonProjection.toText(value),
    (error) => new CommandFailed({ message: `${view.taskRunId}: ${fromFormatError(error).message}` })
  )

/** The rows of a table or the items of a list, one a line; any other value is one line. */
const jsonLines = (view: TaskRunView, value: unknown) => {
  const items = value instanceof Table ? value.rows() : Array.isArray(value) ? value : [value]
  return Effect.map(
    Effect.forEach(items, (item) => jsonText(view, item)),
    (lines) => lines.map((line) => `${line}\n`)
  )
}

const encoded = Effect.fnUntraced(function*(
  view: TaskRunView,
  value: unknown,
  format: Format | undefined,
  flags: InputsOf<typeof Inputs.result>
) {
  const fields = fieldsOf(flags.fields)
  if (format === "csv" || format === "parquet" || format === "arrow") {
    const table = yield* select(yield* tableOf(view, value, format), fields)
    const failed = (error: FormatError) =>
      new CommandFailed({ message: `${view.taskRunId}: ${fromFormatError(error).message}` })
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
  const selected = fields === undefined ? value : yield* select(yield* tableOf(view, value, "fields"), fields)
  if (format === "jsonl") return Stream.fromIterable(yield* jsonLines(view, selected))
  const text = yield* jsonText(view, selected)
  return Stream.make(flags.json || format === "json" ? `${text}\n` : `${pretty(text)}\n`)
})

export const result = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.result>) {
  const format = yield* formatOf(flags)
  if (flags.raw && (flags.json || Option.isSome(flags.format) || Option.isSome(flags.fields))) {
    return yield* new UsageError({ message: "--raw gives the stored bytes: it takes no --json, --format or --fields" })
  }
  const taskRun = yield* TaskRun.fromView(yield* References.taskRunOfFlags(flags))
  const chunks = flags.raw
    ? Stream.make(yield* taskRun.getResultBytes)
    : yield* encoded(taskRun.view, yield* taskRun.getResult, format, flags)
  yield* write(flags.output, chunks)
}, (effect, flags) => Effect.provide(effect, Services.services(flags)))

export const mapped = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.mapped>) {
  const taskRun = yield* TaskRun.fromView(yield* References.taskRunOfFlags(flags))
  const outcomes = taskRun.outcomes.pipe(withProgress(Render.slug(taskRun.view)))
  if (flags.json) return yield* Render.lines(outcomes, Json.outcomeLine)
  yield* Render.table(outcomes, Render.outcomeHeader, Render.outcomeCells, "no mapped children")
}, (effect, flags) => Effect.provide(effect, Services.services(flags)))
