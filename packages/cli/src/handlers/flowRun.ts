import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import type { LogEntry } from "@effect-prefect/core/LogEntry"
import * as LogEntries from "@effect-prefect/core/LogEntry"
import * as State from "@effect-prefect/core/State"
import * as FlowRun from "@effect-prefect/results/FlowRun"
import * as Watch from "@effect-prefect/results/Watch"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type * as Inputs from "../inputs/flowRun.ts"
import { type Style, style } from "../internal/colors.ts"
import { CommandFailed, UsageError } from "../internal/errors.ts"
import * as Json from "../internal/json.ts"
import type { InputsOf } from "../internal/lazyHandler.ts"
import { Output } from "../internal/output.ts"
import { withProgress } from "../internal/progress.ts"
import * as References from "../internal/references.ts"
import * as Render from "../internal/render.ts"
import { stateName } from "../internal/stateName.ts"
import { writeResult } from "../internal/writeResult.ts"
import * as Services from "../services.ts"

export const list = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.list>) {
  const limit = yield* Services.positive("limit", flags.limit)
  const states = flags.state.length === 0 ? undefined : yield* Effect.forEach(flags.state, stateName)
  if (Option.isSome(flags.flow)) yield* References.requireFlow(flags.flow.value)
  const all = (yield* PrefectApi).flowRuns({
    flowName: Option.getOrUndefined(flags.flow),
    states
  }, { pageSize: limit === undefined ? undefined : Math.min(limit, 200) })
  const flowRuns = limit === undefined ? all : Stream.take(all, limit)
  if (flags.json) return yield* Render.lines(flowRuns, (run) => `${JSON.stringify(Json.flowRun(run))}\n`)
  yield* Render.table(flowRuns, ["FLOW RUN", "STATE", "NAME", "STARTED", "ENDED"], (run, paint) => [
    { text: run.flowRunId },
    Render.state(run.state, paint),
    { text: run.name ?? "" },
    { text: Render.time(run.startTime), paint: paint.dim },
    { text: Render.time(run.endTime), paint: paint.dim }
  ], "no flow runs")
}, (effect, flags) => Effect.provide(effect, Services.backend(flags)))

export const show = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.show>) {
  const view = yield* References.flowRunOrChoice(flags.run)
  const { stdout } = yield* Output
  if (flags.json) return yield* stdout.write(`${JSON.stringify(Json.flowRun(view))}\n`)
  const paint = style(stdout.hasColors)
  yield* stdout.write(Render.fields([
    ["flow run", view.flowRunId],
    ["name", Render.stripControls(view.name ?? "")],
    ["flow", view.flowId ?? ""],
    ["state", Render.stateLine(view.state, paint)],
    ["started", Render.time(view.startTime)],
    ["ended", Render.time(view.endTime)],
    ["parameters", JSON.stringify(view.parameters ?? {})]
  ], paint))
}, (effect, flags) => Effect.provide(effect, Services.backend(flags)))

export const taskRuns = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.taskRuns>) {
  const api = yield* PrefectApi
  const { flowRunId } = yield* References.flowRunOrChoice(flags.run)
  const views = api.taskRuns({ flowRunId })
  if (flags.json) return yield* Render.lines(views, (view) => `${JSON.stringify(Json.taskRun(view))}\n`)
  yield* Render.table(views, Render.taskRunHeader, Render.taskRunCells, "no task runs")
}, (effect, flags) => Effect.provide(effect, Services.backend(flags)))

export const result = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.result>) {
  const { getResult, getResultBytes, view } = yield* FlowRun.fromView(yield* References.flowRunOrChoice(flags.run))
  yield* writeResult(
    { id: view.flowRunId, name: `flow run ${view.flowRunId}`, getResult, getResultBytes },
    flags
  )
}, (effect, flags) => Effect.provide(effect, Services.services(flags)))

export const results = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.results>) {
  const outcomes = (yield* FlowRun.fromView(yield* References.flowRunOrChoice(flags.run))).results.pipe(
    withProgress("results")
  )
  if (flags.json) return yield* Render.lines(outcomes, Json.outcomeLine)
  yield* Render.table(outcomes, Render.outcomeHeader, Render.outcomeCells, "no task runs")
}, (effect, flags) => Effect.provide(effect, Services.services(flags)))

const encodeLog = Schema.encodeSync(LogEntries.FromRow)

/** So wide that levels and the usual states end alike. */
const labelWidth = "Scheduled".length

const logText = (entry: LogEntry, paint: Style): string => {
  const level = (entry.level ?? "").padEnd(labelWidth)
  const isBad = entry.level === "ERROR" || entry.level === "CRITICAL"
  return `${paint.dim(Render.time(entry.timestamp))}  ${isBad ? paint.red(level) : level}  ` +
    `${Render.stripControls(entry.message ?? "")}\n`
}

const watchOptions = Effect.fnUntraced(function*(flags: {
  readonly level: Option.Option<LogEntries.LogLevel>
  readonly timeout: Option.Option<number>
}) {
  const seconds = yield* Services.positive("timeout", flags.timeout)
  return {
    level: Option.getOrUndefined(flags.level),
    ...(seconds === undefined ? {} : { timeout: `${seconds} seconds` as const })
  } satisfies Watch.WatchOptions
})

export const logs = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.logs>) {
  if (Option.isSome(flags.timeout) && !flags.follow) {
    return yield* new UsageError({ message: "--timeout goes with --follow" })
  }
  const api = yield* PrefectApi
  const { flowRunId } = yield* References.flowRunOrChoice(flags.run)
  const { stdout } = yield* Output
  const paint = style(stdout.hasColors)
  const options = yield* watchOptions(flags)
  const entries = flags.follow
    ? Watch.watch(api, flowRunId, options).pipe(
      Stream.filter((event) => event._tag === "Log"),
      Stream.map((event) => event.entry)
    )
    : api.logs({ flowRunId, level: options.level })
  const line = (entry: LogEntry) => flags.json ? `${JSON.stringify(encodeLog(entry))}\n` : logText(entry, paint)
  yield* Render.lines(entries, line)
}, (effect, flags) => Effect.provide(effect, Services.backend(flags)))

export const watch = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.watch>) {
  const api = yield* PrefectApi
  const { flowRunId } = yield* References.flowRunOrChoice(flags.run)
  const { stdout } = yield* Output
  const paint = style(stdout.hasColors)
  const options = yield* watchOptions(flags)
  const text = (event: Watch.WatchEvent): string => {
    if (event._tag === "Log") return logText(event.entry, paint)
    const { state, timestamp } = event.record
    const message = state._tag === "UnknownState" ? null : state.message
    return `${paint.dim(Render.time(timestamp))}  ${paint.state(state, State.typeName(state).padEnd(labelWidth))}  ` +
      `${Render.stripControls(message ?? "")}\n`
  }
  const json = (event: Watch.WatchEvent): string =>
    `${
      JSON.stringify(
        event._tag === "Log"
          ? { log: encodeLog(event.entry) }
          : { timestamp: event.record.timestamp, state: State.toJson(event.record.state) }
      )
    }\n`
  yield* Render.lines(Watch.watch(api, flowRunId, options), flags.json ? json : text)
  const { state } = yield* api.flowRun(flowRunId)
  if (!State.isSuccessful(state)) {
    return yield* new CommandFailed({ message: `flow run ${flowRunId} ended ${State.typeName(state)}` })
  }
}, (effect, flags) => Effect.provide(effect, Services.backend(flags)))
