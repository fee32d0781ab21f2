import * as State from "@effect-prefect/core/State"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import * as Effect from "effect/Effect"
import type * as Inputs from "../inputs/taskRun.ts"
import type { InputsOf } from "../internal/lazyHandler.ts"
import { formatOf, outcomes } from "../internal/outputFormat.ts"
import { withProgress } from "../internal/progress.ts"
import * as References from "../internal/references.ts"
import * as Render from "../internal/render.ts"
import { writeResult } from "../internal/writeResult.ts"
import * as Services from "../services.ts"

export const result = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.result>) {
  const taskRun = yield* TaskRun.fromView(yield* References.taskRunOfFlags(flags))
  const { getResult, getResultBytes, view } = taskRun
  yield* writeResult({
    id: view.taskRunId,
    name: `${Render.stripControls(Render.slug(view))} (${view.taskRunId})`,
    getResult,
    getResultBytes,
    // A mapped task's result is the list of its children's, which is a different table from theirs in sequence.
    getTable: State.isMapped(view.state) ? undefined : () => taskRun.getTable()
  }, flags)
}, (effect, flags) => Effect.provide(effect, Services.services(flags)))

export const mapped = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.mapped>) {
  const format = yield* formatOf(flags)
  const taskRun = yield* TaskRun.fromView(yield* References.taskRunOfFlags(flags))
  const rows = taskRun.outcomes.pipe(withProgress(Render.slug(taskRun.view)))
  yield* outcomes(rows, format, flags, "no mapped children")
}, (effect, flags) => Effect.provide(effect, Services.services(flags)))
