/** The name of the state, and the times, of every task run: what heat maps and timelines are drawn from. */
import type { PrefectApi } from "@effect-prefect/api/PrefectApi"
import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import * as State from "@effect-prefect/core/State"
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

export interface Summary {
  readonly taskRunId: string
  readonly taskId: string | null
  readonly mapIndex: number
  readonly state: string
  readonly startTime: string | null
  readonly endTime: string | null
}

const fromView = (view: TaskRunView): Summary => ({
  taskRunId: view.taskRunId,
  taskId: view.taskId,
  mapIndex: view.mapIndex,
  state: State.typeName(view.state),
  startTime: null,
  endTime: null
})

/** The mapped children of a task in map order, from after a map index on. */
export const ofChildren = (
  api: PrefectApi["Service"],
  task: { readonly flowRunId: string; readonly taskId: string },
  after: number
): Stream.Stream<Summary, PrefectApiError> =>
  Stream.mapArray(api.mappedChildren(task, { after }), (views) => views.map(fromView) as [Summary, ...Array<Summary>])

/** Every task run of a flow run. */
export const ofFlowRun = (
  api: PrefectApi["Service"],
  flowRunId: string
): Stream.Stream<Summary, PrefectApiError> =>
  Stream.mapArray(api.taskRuns({ flowRunId }), (views) => views.map(fromView) as [Summary, ...Array<Summary>])

/** The times of one task run: those that its states tell, where the backend does not say them itself. */
export const timesOf = (
  api: PrefectApi["Service"],
  view: TaskRunView
): Effect.Effect<{ readonly start_time: string | null; readonly end_time: string | null }> =>
  Effect.map(Effect.orElseSucceed(api.taskRunStates(view.taskRunId), () => []), (records) => {
    const started = records.find(({ state }) => State.isRunning(state))
    const last = records.at(-1)
    return {
      start_time: started?.timestamp ?? null,
      end_time: last !== undefined && State.isFinished(last.state) && started !== undefined ? last.timestamp : null
    }
  })
