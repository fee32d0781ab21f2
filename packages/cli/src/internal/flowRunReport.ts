/** The report of `flow-run show`: the flow run, and its first failures with their messages. */
import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import type { FlowRunView } from "@effect-prefect/core/FlowRunView"
import * as JsonText from "@effect-prefect/core/JsonText"
import * as ObjectKeys from "@effect-prefect/core/ObjectKeys"
import * as State from "@effect-prefect/core/State"
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Style } from "./colors.ts"
import { flowNames } from "./flowNames.ts"
import * as Render from "./render.ts"
import { type Cell, width } from "./table.ts"
import * as Times from "./times.ts"
import { roomBeside, wrapCells } from "./wrap.ts"

const worstFirst: ReadonlyArray<string> = ["Failed", "TimedOut", "ValidationFailed", "ClientFailed", "TriggerFailed"]

const shownFailures = 5

const failureLines = (
  views: ReadonlyArray<TaskRunView>,
  total: number,
  paint: Style,
  columns: number | undefined
): string => {
  if (total === 0) return ""
  const slugs = views.map((view) => Render.stripControls(Render.slug(view)))
  const indent = Math.min(24, Math.max(...slugs.map(width))) + 4
  const lines = views.map((view, at) => {
    const slug = slugs[at]!
    const [first = "", ...rest] = wrapCells(
      Render.stateLine(view.state, paint),
      roomBeside(indent, columns)
    )
    const below = `\n${" ".repeat(indent)}`
    const start = `  ${slug}`
    return `${start}${width(start) + 2 > indent ? below : " ".repeat(indent - width(start))}${
      [first, ...rest].join(below)
    }\n`
  })
  const more = total > views.length ? paint.dim(`  … and ${total - views.length} more\n`) : ""
  return `\n${paint.bold("Task runs that failed")}\n${lines.join("")}${more}`
}

/** More characters than a line of a terminal has. */
const foldedLength = 0x10000

/** A value's JSON on one line, up to a number of characters. */
const folded = (value: unknown, columns: number): string => {
  // No more is made than is shown, however long the value is.
  let json = ""
  for (const piece of JsonText.pieces(value)) if ((json += piece).length > foldedLength) break
  const text = Render.stripControls(json, json.length)
  return text.length > columns ? `${text.slice(0, columns - 1)}…` : text
}

/** The number of task runs by state, and the failed ones: the causes before the consequences. */
const digest = Effect.fnUntraced(function*(flowRunId: string) {
  const api = yield* PrefectApi
  const counts = new Map<string, number>()
  yield* Stream.runForEachArray(api.taskRunSummaries({ flowRunId }), (array) =>
    Effect.sync(() => {
      for (const { state } of array) counts.set(state, (counts.get(state) ?? 0) + 1)
    }))
  const failures: Array<TaskRunView> = []
  let total = 0
  for (const state of worstFirst) {
    const count = counts.get(state) ?? 0
    total += count
    if (count === 0 || failures.length >= shownFailures) continue
    const some = yield* Stream.runCollect(
      Stream.take(
        api.taskRuns({ flowRunId, states: [state] }, { pageSize: shownFailures }),
        shownFailures - failures.length
      )
    )
    failures.push(...some)
  }
  return { counts, failures, total }
})

export interface ReportOptions {
  readonly paint: Style
  readonly utc: boolean
  /** Columns of the terminal; undefined in a pipe. */
  readonly columns: number | undefined
}

/** The report as text, and the failed task runs that it names. */
export const report = Effect.fnUntraced(function*(view: FlowRunView, { columns, paint, utc }: ReportOptions) {
  const times = Times.make({ utc })
  const now = yield* Clock.currentTimeMillis
  const flow = yield* Effect.flatMap(flowNames, (nameOf) => nameOf(view.flowId))
  const { counts, failures, total } = yield* digest(view.flowRunId)
  const at = (iso: string | null | undefined): Render.Value =>
    iso === null || iso === undefined
      ? ""
      : [{ text: `${times.time(iso)} ${times.zone}` }, { text: `  ${Times.relative(iso, now)}`, paint: paint.dim }]
  const parameters = view.parameters ?? {}
  const byCount = [...counts].sort((a, b) => b[1] - a[1])
  const fields = Render.fields(
    [
      ["flow run", view.flowRunId],
      ["name", Render.stripControls(view.name ?? "")],
      ["flow", Render.stripControls(flow)],
      ["state", Render.stateLine(view.state, paint)],
      ["started", at(view.startTime)],
      ["ended", at(view.endTime)],
      ["duration", Times.between(view.startTime, view.endTime, State.isFinished(view.state) ? undefined : now)],
      ["parameters", ObjectKeys.of(parameters).length === 0 ? "" : folded(parameters, (columns ?? 120) - 14)],
      ["labels", Render.stripControls((view.labels ?? []).join(", "))],
      [
        "task runs",
        byCount.flatMap(([name, count], at): ReadonlyArray<Cell> => [
          { text: `${at === 0 ? "" : ", "}${count} ` },
          { text: Render.stripControls(name), paint: (text) => paint.stateName(name, text) }
        ])
      ]
    ],
    paint,
    columns
  )
  return { failures, text: fields + failureLines(failures, total, paint, columns) }
})
