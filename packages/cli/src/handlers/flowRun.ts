import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import * as State from "@effect-prefect/core/State"
import * as FlowRun from "@effect-prefect/results/FlowRun"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type * as Commands from "../commands/flowRun.ts"
import { style } from "../internal/colors.ts"
import * as Json from "../internal/json.ts"
import type { Infer } from "../internal/lazy.ts"
import { Output } from "../internal/output.ts"
import { withProgress } from "../internal/progress.ts"
import * as Render from "../internal/render.ts"
import * as Services from "../Services.ts"

/** A type's name however it was typed. Names in capitals are Prefect 3's types; any other may be a state of its own. */
const stateName = (text: string): string =>
  State.State.discriminants.find((type) => type.toLowerCase() === text.toLowerCase() && text !== text.toUpperCase()) ??
    text

export const list = Effect.fnUntraced(function*(flags: Infer<typeof Commands.listConfig>) {
  const limit = yield* Services.positive("limit", flags.limit)
  const all = (yield* PrefectApi).flowRuns({
    flowName: Option.getOrUndefined(flags.flow),
    states: Option.match(flags.state, { onNone: () => undefined, onSome: (state) => [stateName(state)] })
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

export const show = Effect.fnUntraced(function*(flags: Infer<typeof Commands.showConfig>) {
  const view = yield* (yield* PrefectApi).flowRun(flags.id)
  const { stdout } = yield* Output
  if (flags.json) return yield* stdout.write(`${JSON.stringify(Json.flowRun(view))}\n`)
  const paint = style(stdout.hasColors)
  yield* stdout.write(Render.fields([
    ["flow run", view.flowRunId],
    ["name", Render.clean(view.name ?? "")],
    ["flow", view.flowId ?? ""],
    ["state", Render.stateLine(view.state, paint)],
    ["started", Render.time(view.startTime)],
    ["ended", Render.time(view.endTime)],
    ["parameters", JSON.stringify(view.parameters ?? {})]
  ], paint))
}, (effect, flags) => Effect.provide(effect, Services.backend(flags)))

export const taskRuns = Effect.fnUntraced(function*(flags: Infer<typeof Commands.taskRunsConfig>) {
  const api = yield* PrefectApi
  yield* api.flowRun(flags.id)
  const views = api.taskRuns({ flowRunId: flags.id })
  if (flags.json) return yield* Render.lines(views, (view) => `${JSON.stringify(Json.taskRun(view))}\n`)
  yield* Render.table(views, Render.taskRunHeader, Render.taskRunCells, "no task runs")
}, (effect, flags) => Effect.provide(effect, Services.backend(flags)))

export const results = Effect.fnUntraced(function*(flags: Infer<typeof Commands.resultsConfig>) {
  const outcomes = (yield* FlowRun.fromFlowRunId(flags.id)).results.pipe(withProgress("results"))
  if (flags.json) return yield* Render.lines(outcomes, Json.outcomeLine)
  yield* Render.table(outcomes, Render.outcomeHeader, Render.outcomeCells, "no task runs")
}, (effect, flags) => Effect.provide(effect, Services.services(flags)))
