import * as FlowRun from "@effect-prefect/results/FlowRun"
import * as Effect from "effect/Effect"
import type * as Inputs from "../inputs/flowRun.ts"
import type { InputsOf } from "../internal/lazyHandler.ts"
import * as OutputFormat from "../internal/outputFormat.ts"
import { withProgress } from "../internal/progress.ts"
import * as References from "../internal/references.ts"
import { writeResult } from "../internal/writeResult.ts"
import * as Services from "../services.ts"

export const result = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.result>) {
  const { getResult, getResultBytes, view } = yield* FlowRun.fromView(yield* References.flowRunOrChoice(flags.run))
  yield* writeResult(
    { id: view.flowRunId, name: `flow run ${view.flowRunId}`, getResult, getResultBytes },
    flags
  )
}, (effect, flags) => Effect.provide(effect, Services.services(flags)))

export const results = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.results>) {
  const format = yield* OutputFormat.formatOf(flags)
  const flowRun = yield* FlowRun.fromView(yield* References.flowRunOrChoice(flags.run))
  yield* OutputFormat.outcomes(flowRun.results.pipe(withProgress("results")), format, flags, "no task runs")
}, (effect, flags) => Effect.provide(effect, Services.services(flags)))
