import type { TaskRunSummary } from "@effect-prefect/api/Backend"
import type { PrefectApi } from "@effect-prefect/api/PrefectApi"
import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import * as JsonText from "@effect-prefect/core/JsonText"
import * as State from "@effect-prefect/core/State"
import type { StateRecord } from "@effect-prefect/core/StateRecord"
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import * as Turn from "@effect-prefect/core/Turn"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import { type Style, style } from "./colors.ts"
import * as Json from "./json.ts"
import { Output } from "./output.ts"
import { type Cell, makeTable, stripControls } from "./table.ts"
import * as Times from "./times.ts"
import { roomBeside, wrapCells } from "./wrap.ts"

export { stripControls }

const lifted = <A>(value: A | Effect.Effect<A>): Effect.Effect<A> =>
  Effect.isEffect(value) ? value as Effect.Effect<A> : Effect.succeed(value)

/** Prints a stream of rows as a table, as they arrive. */
export const table = <A, E, R>(
  rows: Stream.Stream<A, E, R>,
  header: ReadonlyArray<string>,
  cells: (row: A, style: Style) => ReadonlyArray<Cell> | Effect.Effect<ReadonlyArray<Cell>>,
  nothing: string
) =>
  Effect.gen(function*() {
    const { stdout } = yield* Output
    const paint = style(stdout.colors)
    const asLines = makeTable(header, stdout.columns)
    let any = false
    // The first rows determine the widths, so a few are awaited for an unnoticeable time.
    const groups = Stream.groupedWithin(rows, 100, "300 millis")
    yield* Stream.runForEach(groups, (array) => {
      any = true
      return Effect.flatMap(
        Effect.forEach(array, (row) => lifted(cells(row, paint))),
        Effect.fnUntraced(function*(rows) {
          for (const piece of asLines(rows, paint.bold)) {
            if (Turn.isLong()) yield* Turn.next
            yield* stdout.write(piece)
          }
        })
      )
    })
    if (!any) yield* stdout.write(`${nothing}\n`)
  })

/** Prints a stream of values, one per line, as they arrive. */
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

/** The characters that are written at once, and little more. */
const pieceLength = 0x10000

/** Prints JSON values, one per line: a long one in pieces, so that a time limit and signals act meanwhile. */
export const json = Effect.fnUntraced(function*(values: ReadonlyArray<unknown>) {
  const { stdout } = yield* Output
  let text = ""
  for (const value of values) {
    if (Turn.isLong()) yield* Turn.next
    const short = JsonText.atOnce(value)
    if (short === undefined) {
      for (const piece of JsonText.pieces(value)) {
        if (Turn.isLong()) yield* Turn.next
        text += piece
        if (text.length < pieceLength) continue
        yield* stdout.write(text)
        text = ""
      }
    }
    text += `${short ?? ""}\n`
    if (text.length < pieceLength) continue
    yield* stdout.write(text)
    text = ""
  }
  yield* stdout.write(text)
})

/** The same of a stream, as they arrive. */
export const jsonLines = <A, E, R>(rows: Stream.Stream<A, E, R>, of: (row: A) => unknown) =>
  Stream.runForEachArray(rows, (array) => json(array.map(of)))

/** A value of one part, or of several that are painted differently. */
export type Value = string | ReadonlyArray<Cell>

/**
 * The known fields of one thing, one per line: `state Success`. Unknown fields have no line. On a terminal, long values
 * continue below their beginning.
 */
export const fields = (
  rows: ReadonlyArray<readonly [name: string, value: Value]>,
  paint: Style,
  columns: number | undefined
): string => {
  const known = rows.filter(([, value]) => value.length > 0)
  const width = Math.max(...known.map(([name]) => name.length)) + 2
  return known.map(([name, value]) => {
    const cells = (typeof value === "string" ? [{ text: value }] : value)
      .map((cell): Cell => ({ ...cell, text: stripControls(cell.text) }))
    const lines = wrapCells(cells, roomBeside(width, columns))
    return `${paint.dim(name.padEnd(width))}${lines.join(`\n${" ".repeat(width)}`)}\n`
  }).join("")
}

/** A state and its message. */
export const stateLine = (of: State.State, paint: Style): ReadonlyArray<Cell> => {
  const message = of._tag === "UnknownState" ? null : of.message
  const name: Cell = { text: stripControls(State.typeName(of)), paint: (text) => paint.state(of, text) }
  return message ? [name, { text: `  ${stripControls(message)}`, paint: paint.dim }] : [name]
}

export const state = (of: State.State, paint: Style): Cell => ({
  text: State.typeName(of),
  paint: (text) => paint.state(of, text)
})

export const slug = (view: Pick<TaskRunView, "taskSlug" | "mapIndex">): string =>
  (view.taskSlug ?? "(no task)") + (view.mapIndex < 0 ? "" : `[${view.mapIndex}]`)

/** A task run and, when the backend knows them, its times. */
export interface Timed {
  readonly view: TaskRunView
  readonly startTime: string | null
  readonly endTime: string | null
}

/** More task runs than these are not sorted: they would have to be held in memory first. */
const mostSorted = 10_000

/** Times that are kept for task runs that are still to come: both listings have the same order, give or take a page. */
const mostPending = 20_000

/** Task runs with their times, in the order of the backend and as they come. */
const withTimes = <E, R>(
  summaries: Stream.Stream<TaskRunSummary, PrefectApiError>,
  views: Stream.Stream<TaskRunView, E, R>
): Stream.Stream<Timed, E | PrefectApiError, R> =>
  Stream.unwrap(Effect.gen(function*() {
    const pull = yield* Stream.toPull(summaries)
    const pending = new Map<string, TaskRunSummary>()
    let hasEnded = false
    const more = Pull.catchDone(
      Effect.map(pull, (array) => {
        for (const summary of array) pending.set(summary.taskRunId, summary)
        for (const id of pending.keys()) {
          if (pending.size <= mostPending) break
          pending.delete(id)
        }
      }),
      () =>
        Effect.sync(() => {
          hasEnded = true
        })
    )
    return Stream.mapArrayEffect(
      views,
      Effect.fnUntraced(function*(array) {
        const timed: Array<Timed> = []
        for (const view of array) {
          while (!hasEnded && !pending.has(view.taskRunId)) yield* more
          const { endTime = null, startTime = null } = pending.get(view.taskRunId) ?? {}
          pending.delete(view.taskRunId)
          timed.push({ view, startTime, endTime })
        }
        return timed as [Timed, ...Array<Timed>]
      })
    )
  }))

/**
 * Task runs in the order in which they started; those that never started come last. More than 10 000 are printed in the
 * order of the backend, as they come.
 */
export const inOrder = Effect.fnUntraced(function*<E, R>(
  api: PrefectApi["Service"],
  flowRunId: string,
  views: Stream.Stream<TaskRunView, E, R>
) {
  const summaries = new Map<string, TaskRunSummary>()
  yield* Stream.runForEachArray(
    Stream.take(api.taskRunSummaries({ flowRunId }), mostSorted + 1),
    (array) =>
      Effect.sync(() => {
        for (const summary of array) summaries.set(summary.taskRunId, summary)
      })
  )
  if (summaries.size > mostSorted) {
    const { stderr } = yield* Output
    yield* stderr.write(`more than ${mostSorted} task runs: not sorted by the time at which they started\n`)
    return withTimes(api.taskRunSummaries({ flowRunId }), views)
  }
  const timed = Array.from(yield* Stream.runCollect(views), (view): Timed => {
    const { endTime = null, startTime = null } = summaries.get(view.taskRunId) ?? {}
    return { view, startTime, endTime }
  })
  const starts = new Map(timed.map((row) => [row, row.startTime === null ? Infinity : Date.parse(row.startTime)]))
  // Stable, so that runs that started together stay in the backend's order.
  timed.sort((a, b) => {
    const [left, right] = [starts.get(a)!, starts.get(b)!]
    return left === right ? 0 : left - right
  })
  return Stream.fromIterable(timed)
})

export const taskRunHeader = (
  times: Times.Times
) => ["TASK RUN", "STATE", "TASK", `STARTED (${times.zone})`, "DURATION", "NAME"]
export const taskRunCells =
  (times: Times.Times, now: number) => ({ endTime, startTime, view }: Timed, paint: Style): ReadonlyArray<Cell> => [
    { text: view.taskRunId },
    state(view.state, paint),
    { text: slug(view) },
    { text: times.time(startTime), paint: paint.dim, whole: true },
    {
      text: Times.between(startTime, endTime, State.isFinished(view.state) ? undefined : now),
      paint: paint.dim,
      whole: true
    },
    { text: view.name ?? "", paint: paint.dim, optional: true }
  ]

/** The history of a run, oldest first. */
export const stateRecords = (
  records: ReadonlyArray<StateRecord>,
  flags: { readonly json: boolean; readonly utc: boolean }
) => {
  const stream = Stream.fromIterable(records)
  if (flags.json) return jsonLines(stream, Json.stateRecord)
  const times = Times.make(flags)
  return table(stream, [`TIME (${times.zone})`, "STATE", "MESSAGE"], (record, paint) => [
    { text: times.time(record.timestamp), paint: paint.dim, whole: true },
    state(record.state, paint),
    { text: record.state._tag === "UnknownState" ? "" : record.state.message ?? "" }
  ], "no states")
}
