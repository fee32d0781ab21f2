/**
 * `FlowRun`: a view of a flow run, and the task runs and results in it.
 *
 * @since 0.1.0
 */
import type { PrefectApi } from "@effect-prefect/api/PrefectApi"
import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import type { FlowRunView } from "@effect-prefect/core/FlowRunView"
import * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import { flowRunOutcomes } from "./internal/flowRunOutcomes.ts"
import { type Env, env } from "./internal/load.ts"
import type { ResultStorage } from "./ResultStorage.ts"
import type { Outcome } from "./TaskRun.ts"

/**
 * A flow run. Everything on it is lazy and needs no services: what it needs was taken when it was made.
 *
 * @category models
 * @since 0.1.0
 */
export interface FlowRun {
  /** What the backend said when this was made. */
  readonly view: FlowRunView
  /**
   * The outcome of every task run: by slug in Unicode code point order, each mapped parent before its children, task
   * runs without a task last. Each stored result is read once.
   */
  readonly results: Stream.Stream<Outcome, PrefectApiError>
}

const make = (services: Env, view: FlowRunView): FlowRun => ({
  view,
  results: flowRunOutcomes(services, view.flowRunId)
})

/**
 * The flow run of an id.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromFlowRunId = Effect.fn("FlowRun.fromFlowRunId")(function*(
  flowRunId: string
): Effect.fn.Return<FlowRun, PrefectApiError, PrefectApi | ResultStorage> {
  const services = yield* env
  return make(services, yield* services.api.flowRun(flowRunId))
})
