import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import type { FlowRunView } from "@effect-prefect/core/FlowRunView"
import * as JsonText from "@effect-prefect/core/JsonText"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type * as Inputs from "../inputs/flowRun.ts"
import { style } from "../internal/colors.ts"
import { flowNames } from "../internal/flowNames.ts"
import { report } from "../internal/flowRunReport.ts"
import * as Json from "../internal/json.ts"
import type { InputsOf } from "../internal/lazyHandler.ts"
import { backendFlags, nextCommands, shortId } from "../internal/nextCommands.ts"
import { Output } from "../internal/output.ts"
import * as References from "../internal/references.ts"
import * as Render from "../internal/render.ts"
import { stateName } from "../internal/stateName.ts"
import * as TimeFlag from "../internal/timeFlag.ts"
import * as Times from "../internal/times.ts"
import * as Services from "../services.ts"

/** The most rows on a terminal when no limit is given. */
const terminalRows = 50
/** The most further rows that are counted. */
const maxCounted = 10_000

const startOf = (run: FlowRunView): string | null => run.startTime ?? run.scheduledStartTime ?? run.created ?? null

const lengthOf = (run: FlowRunView): number =>
  run.startTime && run.endTime ? Date.parse(run.endTime) - Date.parse(run.startTime) : -1

const orders: { readonly [order: string]: (a: FlowRunView, b: FlowRunView) => number } = {
  oldest: (a, b) => (Date.parse(startOf(a) ?? "") || 0) - (Date.parse(startOf(b) ?? "") || 0),
  longest: (a, b) => lengthOf(b) - lengthOf(a),
  name: (a, b) => (a.name ?? "") < (b.name ?? "") ? -1 : (a.name ?? "") > (b.name ?? "") ? 1 : 0
}

/** The flow runs that the flags select, in order. */
const selected = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.list>) {
  const now = yield* Clock.currentTimeMillis
  const { since, until } = yield* TimeFlag.span(flags, now)
  const limit = yield* Services.positive("limit", flags.limit)
  const states = flags.state.length === 0 ? undefined : yield* Effect.forEach(flags.state, stateName)
  if (Option.isSome(flags.flow)) yield* References.requireFlow(flags.flow.value)
  const isSelected = (run: FlowRunView): boolean => {
    const start = Date.parse(startOf(run) ?? "")
    return (since === undefined || start >= since) && (until === undefined || start < until) &&
      flags.label.every((label) => run.labels?.includes(label) === true)
  }
  const isFiltered = since !== undefined || until !== undefined || flags.label.length > 0
  const all = (yield* PrefectApi).flowRuns(
    { flowName: Option.getOrUndefined(flags.flow), states },
    {
      pageSize: limit === undefined || isFiltered || flags.sort !== "newest" ? undefined : Math.min(limit, 200)
    }
  )
  const filtered = isFiltered ? Stream.filter(all, isSelected) : all
  const order = orders[flags.sort]
  const sorted = order === undefined
    ? filtered
    : Stream.unwrap(
      Effect.map(Stream.runCollect(filtered), (runs) => Stream.fromIterable([...runs].sort(order)))
    )
  return { flowRuns: limit === undefined ? sorted : Stream.take(sorted, limit), limit }
})

export const list = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.list>) {
  const { flowRuns, limit } = yield* selected(flags)
  if (flags.json) return yield* Render.jsonLines(flowRuns, Json.flowRun)
  const { stdout } = yield* Output
  const times = Times.make(flags)
  const nameOf = yield* flowNames
  const now = yield* Clock.currentTimeMillis
  const isCut = stdout.isTerminal && limit === undefined
  let count = 0
  // One traversal: rows after the last shown one are only counted.
  const counted = Stream.takeWhile(flowRuns, () => ++count <= terminalRows + maxCounted)
  const shown = isCut ? Stream.filter(counted, () => count <= terminalRows) : flowRuns
  yield* Render.table(
    shown,
    ["FLOW RUN", "STATE", "FLOW", "NAME", `STARTED (${times.zone})`, "DURATION"],
    (run, paint) =>
      Effect.map(nameOf(run.flowId), (flow) => [
        { text: run.flowRunId },
        Render.state(run.state, paint),
        { text: flow },
        { text: run.name ?? "", optional: true },
        { text: times.time(run.startTime), paint: paint.dim, whole: true },
        { text: Times.between(run.startTime, run.endTime, now), paint: paint.dim, whole: true }
      ]),
    "no flow runs"
  )
  if (isCut && count > terminalRows) {
    const more = Math.min(count - terminalRows, maxCounted)
    const paint = style(stdout.colors)
    yield* stdout.write(
      paint.dim(`… and ${count - terminalRows > maxCounted ? "more than " : ""}${more} more; --limit N shows more\n`)
    )
  }
}, (effect, flags) => Effect.provide(effect, Services.backend(flags)))

export const show = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.show>) {
  const view = yield* References.flowRunOrChoice(flags.run)
  const { stdout } = yield* Output
  if (flags.json) return yield* Render.json([Json.flowRun(view)])
  const paint = style(stdout.colors)
  const { failures, text } = yield* report(view, { paint, utc: flags.utc, columns: stdout.columns })
  yield* stdout.write(text)
  const id = shortId(view.flowRunId)
  const named = backendFlags(flags)
  const [first] = failures
  yield* stdout.write(nextCommands(
    [
      ...(first === undefined ? [] : [
        [`effect-prefect task-run show ${shortId(first.taskRunId)}${named}`, "the first failure"],
        [`effect-prefect flow-run logs ${id} --level error${named}`, "what was logged about them"]
      ] as const),
      [`effect-prefect flow-run task-runs ${id}${named}`, "every task run"],
      [`effect-prefect flow-run results ${id}${named}`, "what they returned"]
    ],
    paint,
    stdout.columns
  ))
}, (effect, flags) => Effect.provide(effect, Services.backend(flags)))

export const taskRuns = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.taskRuns>) {
  const api = yield* PrefectApi
  const { flowRunId } = yield* References.flowRunOrChoice(flags.run)
  const states = flags.state.length === 0 ? undefined : yield* Effect.forEach(flags.state, stateName)
  const taskSlug = Option.getOrUndefined(flags.slug)
  const views = api.taskRuns({ flowRunId, states, taskSlug, mapped: Option.getOrUndefined(flags.mapped) })
  if (flags.json) return yield* Render.jsonLines(views, Json.taskRun)
  const times = Times.make(flags)
  const now = yield* Clock.currentTimeMillis
  yield* Render.table(
    yield* Render.inOrder(api, flowRunId, views),
    Render.taskRunHeader(times),
    Render.taskRunCells(times, now),
    "no task runs"
  )
}, (effect, flags) => Effect.provide(effect, Services.backend(flags)))

export const states = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.states>) {
  const api = yield* PrefectApi
  const { flowRunId } = yield* References.flowRunOrChoice(flags.run)
  yield* Render.stateRecords(yield* api.flowRunStates(flowRunId), flags)
}, (effect, flags) => Effect.provide(effect, Services.backend(flags)))

export const artifacts = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.artifacts>) {
  const api = yield* PrefectApi
  const { flowRunId } = yield* References.flowRunOrChoice(flags.run)
  const found = api.artifacts({ flowRunId })
  if (flags.json) return yield* Render.jsonLines(found, Json.artifact)
  yield* Render.table(
    found,
    ["ARTIFACT", "TASK RUN", "KIND", "DATA"],
    ({ data, id, kind, taskRunId }, paint) =>
      Effect.map(typeof data === "string" ? Effect.succeed(data) : JsonText.make(data), (text) => [
        { text: id },
        { text: taskRunId ?? "", paint: paint.dim, whole: true },
        { text: kind ?? "" },
        { text }
      ]),
    "no artifacts"
  )
}, (effect, flags) => Effect.provide(effect, Services.backend(flags)))
