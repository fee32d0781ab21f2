import * as ResultDescriptor from "@effect-prefect/core/ResultDescriptor"
import * as State from "@effect-prefect/core/State"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import * as Effect from "effect/Effect"
import type * as Inputs from "../inputs/taskRun.ts"
import { style } from "../internal/colors.ts"
import * as Json from "../internal/json.ts"
import type { InputsOf } from "../internal/lazyHandler.ts"
import { Output } from "../internal/output.ts"
import { withProgress } from "../internal/progress.ts"
import * as References from "../internal/references.ts"
import * as Render from "../internal/render.ts"
import { writeResult } from "../internal/writeResult.ts"
import * as Services from "../services.ts"

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

export const result = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.result>) {
  const taskRun = yield* TaskRun.fromView(yield* References.taskRunOfFlags(flags))
  const { getResult, getResultBytes, view } = taskRun
  yield* writeResult({
    id: view.taskRunId,
    name: `${Render.stripControls(Render.slug(view))} (${view.taskRunId})`,
    getResult,
    getResultBytes
  }, flags)
}, (effect, flags) => Effect.provide(effect, Services.services(flags)))

export const mapped = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.mapped>) {
  const taskRun = yield* TaskRun.fromView(yield* References.taskRunOfFlags(flags))
  const outcomes = taskRun.outcomes.pipe(withProgress(Render.slug(taskRun.view)))
  if (flags.json) return yield* Render.lines(outcomes, Json.outcomeLine)
  yield* Render.table(outcomes, Render.outcomeHeader, Render.outcomeCells, "no mapped children")
}, (effect, flags) => Effect.provide(effect, Services.services(flags)))
