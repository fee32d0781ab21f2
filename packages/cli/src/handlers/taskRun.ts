import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import * as ResultDescriptor from "@effect-prefect/core/ResultDescriptor"
import * as State from "@effect-prefect/core/State"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type * as Inputs from "../inputs/taskRun.ts"
import { style } from "../internal/colors.ts"
import * as Json from "../internal/json.ts"
import type { InputsOf } from "../internal/lazyHandler.ts"
import * as Logs from "../internal/logs.ts"
import { Output } from "../internal/output.ts"
import * as References from "../internal/references.ts"
import * as Render from "../internal/render.ts"
import { stateName } from "../internal/stateName.ts"
import * as Services from "../services.ts"

export const show = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.show>) {
  const view = yield* References.taskRunOfFlags(flags)
  const { stdout } = yield* Output
  if (flags.json) return yield* Render.json([Json.taskRun(view)])
  const paint = style(stdout.colors)
  const descriptor = State.resultDescriptor(view.state)
  const result = State.isMapped(view.state)
    ? `those of ${view.state.nMapStates ?? "its"} mapped children`
    : ResultDescriptor.isPersisted(descriptor)
    ? Render.stripControls(`${descriptor._tag} at ${descriptor.location}`)
    : "none stored"
  yield* stdout.write(Render.fields(
    [
      ["task run", Render.stripControls(view.taskRunId)],
      ["name", Render.stripControls(view.name ?? "")],
      ["task", Render.stripControls(Render.slug(view))],
      ["task id", view.taskId ?? ""],
      ["flow run", view.flowRunId ?? ""],
      ["state", Render.stateLine(view.state, paint)],
      ["result", result]
    ],
    paint,
    stdout.columns
  ))
}, (effect, flags) => Effect.provide(effect, Services.backend(flags)))

/** The flow runs whose task runs are listed: the given one, otherwise those of a flow, newest first. */
const flowRunIds = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.list>) {
  if (Option.isSome(flags.flowRun)) return Stream.make((yield* References.flowRun(flags.flowRun.value)).flowRunId)
  if (Option.isSome(flags.flow)) yield* References.requireFlow(flags.flow.value)
  const runs = (yield* PrefectApi).flowRuns({ flowName: Option.getOrUndefined(flags.flow) })
  return Stream.map(runs, (run) => run.flowRunId)
})

export const list = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.list>) {
  const api = yield* PrefectApi
  const limit = yield* Services.positive("limit", flags.limit)
  const states = flags.state.length === 0 ? undefined : yield* Effect.forEach(flags.state, stateName)
  const taskSlug = Option.getOrUndefined(flags.slug)
  const all = Stream.flatMap(yield* flowRunIds(flags), (flowRunId) => api.taskRuns({ flowRunId, states, taskSlug }))
  const views = limit === undefined ? all : Stream.take(all, limit)
  if (flags.json) return yield* Render.jsonLines(views, Json.taskRun)
  yield* Render.table(views, ["TASK RUN", "STATE", "TASK", "FLOW RUN", "MESSAGE"], (view, paint) => [
    { text: view.taskRunId },
    Render.state(view.state, paint),
    { text: Render.slug(view) },
    { text: view.flowRunId ?? "", paint: paint.dim, whole: true, optional: true },
    { text: view.state._tag === "UnknownState" ? "" : view.state.message ?? "", paint: paint.dim }
  ], "no task runs")
}, (effect, flags) => Effect.provide(effect, Services.backend(flags)))

export const logs = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.logs>) {
  const api = yield* PrefectApi
  const { taskRunId } = yield* References.taskRunOfFlags(flags)
  const entries = api.logs({ taskRunId, level: Option.getOrUndefined(flags.level) })
  yield* Logs.print(yield* Logs.arranged(entries, flags), flags)
}, (effect, flags) => Effect.provide(effect, Services.backend(flags)))

export const states = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.states>) {
  const api = yield* PrefectApi
  const { taskRunId } = yield* References.taskRunOfFlags(flags)
  yield* Render.stateRecords(yield* api.taskRunStates(taskRunId), flags)
}, (effect, flags) => Effect.provide(effect, Services.backend(flags)))
