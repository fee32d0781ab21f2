import * as State from "@effect-prefect/core/State"
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import type { Outcome } from "@effect-prefect/results/TaskRun"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { type Style, style } from "./colors.ts"
import * as Json from "./json.ts"
import { Output } from "./output.ts"
import { type Cell, makeTable, stripControls } from "./table.ts"

export { stripControls }

const lifted = <A>(value: A | Effect.Effect<A>): Effect.Effect<A> =>
  Effect.isEffect(value) ? value as Effect.Effect<A> : Effect.succeed(value)

/** Prints a stream of rows as a table, as they come. */
export const table = <A, E, R>(
  rows: Stream.Stream<A, E, R>,
  header: ReadonlyArray<string>,
  cells: (row: A, style: Style) => ReadonlyArray<Cell> | Effect.Effect<ReadonlyArray<Cell>>,
  nothing: string
) =>
  Effect.gen(function*() {
    const { stdout } = yield* Output
    const paint = style(stdout.hasColors)
    const asLines = makeTable(header, stdout.columns)
    let any = false
    // The first rows settle the widths, so a few are awaited, for as long as nobody minds.
    const groups = Stream.groupedWithin(rows, 100, "300 millis")
    yield* Stream.runForEach(groups, (array) => {
      any = true
      return Effect.flatMap(
        Effect.forEach(array, (row) => lifted(cells(row, paint))),
        (rows) => stdout.write(asLines(rows, paint.bold))
      )
    })
    if (!any) yield* stdout.write(`${nothing}\n`)
  })

/** Prints a stream of values, one a line, as they come. */
export const lines = <A, E, R>(
  rows: Stream.Stream<A, E, R>,
  line: (row: A) => string | Effect.Effect<string>
) =>
  Effect.gen(function*() {
    const { stdout } = yield* Output
    yield* Stream.runForEachArray(rows, (array) =>
      Effect.flatMap(
        Effect.forEach(array, (row) => lifted(line(row))),
        (lines) => stdout.write(lines.join(""))
      ))
  })

/** What is known of one thing, a line each: `state     Success`. What is not known has no line. */
export const fields = (rows: ReadonlyArray<readonly [name: string, value: string]>, paint: Style): string => {
  const known = rows.filter(([, value]) => value !== "")
  const width = Math.max(...known.map(([name]) => name.length)) + 2
  return known.map(([name, value]) => `${paint.dim(name.padEnd(width))}${value}\n`).join("")
}

/** A state and its message. */
export const stateLine = (of: State.State, paint: Style): string => {
  const message = of._tag === "UnknownState" ? null : of.message
  return paint.state(of, State.typeName(of)) + (message ? paint.dim(`  ${stripControls(message)}`) : "")
}

export const state = (of: State.State, paint: Style): Cell => ({
  text: State.typeName(of),
  paint: (text) => paint.state(of, text)
})

export const slug = (view: TaskRunView): string =>
  (view.taskSlug ?? "(no task)") + (view.mapIndex < 0 ? "" : `[${view.mapIndex}]`)

export const taskRunHeader = ["TASK RUN", "STATE", "TASK", "NAME"]
export const taskRunCells = (view: TaskRunView, paint: Style): ReadonlyArray<Cell> => [
  { text: view.taskRunId },
  state(view.state, paint),
  { text: slug(view) },
  { text: view.name ?? "", paint: paint.dim }
]

export const outcomeHeader = ["TASK", "STATE", "RESULT"]
export const outcomeCells = (outcome: Outcome, paint: Style): Effect.Effect<ReadonlyArray<Cell>> =>
  Effect.map(Json.shown(outcome), (shown) => [
    { text: slug(outcome.taskRun.view) },
    state(outcome.taskRun.view.state, paint),
    shown._tag === "Value"
      ? { text: shown.text }
      : { text: `${shown.reason}: ${shown.problem}`, paint: paint.dim }
  ])

/** `2022-03-01 12:00:08` in the machine's time zone; the text itself where it is no time. */
export const time = (iso: string | null | undefined): string => {
  if (iso === null || iso === undefined) return ""
  const date = new Date(iso)
  if (Number.isNaN(date.getTime())) return iso
  const two = (n: number) => String(n).padStart(2, "0")
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ` +
    `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
}
