/** The states and times of task runs, for lists, heat maps and timelines. */
import type { TaskRunSummary } from "@effect-prefect/api/Backend"
import type { PrefectApi } from "@effect-prefect/api/PrefectApi"
import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import * as State from "@effect-prefect/core/State"
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

type Api = PrefectApi["Service"]

/** The start and end times, as the backend returns them. */
export interface Times {
  readonly start_time: string | null
  readonly end_time: string | null
}

export const noTimes: Times = { start_time: null, end_time: null }

const timesOf = ({ endTime, startTime }: TaskRunSummary): Times => ({ start_time: startTime, end_time: endTime })

/** The mapped children of a task in map order, after a map index. */
export const ofChildren = (
  api: Api,
  task: { readonly flowRunId: string; readonly taskId: string },
  after: number
): Stream.Stream<TaskRunSummary, PrefectApiError> => api.taskRunSummaries({ ...task, after: Math.max(-1, after) })

/** The times of one task run, derived from its states when it has no task, as on Prefect 3. */
export const ofTaskRun = (api: Api, view: TaskRunView): Effect.Effect<Times> => {
  const { flowRunId, mapIndex, taskId, taskRunId } = view
  if (taskId === null || flowRunId === null) return fromStates(api, taskRunId)
  const rows = api.taskRunSummaries({ flowRunId, taskId, after: mapIndex - 1 }, { pageSize: 2 })
  return Effect.map(
    Effect.orElseSucceed(Stream.runCollect(Stream.take(rows, 2)), () => []),
    (rows) => {
      const row = rows.find((row) => row.taskRunId === taskRunId)
      return row === undefined ? noTimes : timesOf(row)
    }
  )
}

const fromStates = (api: Api, taskRunId: string): Effect.Effect<Times> =>
  Effect.map(Effect.orElseSucceed(api.taskRunStates(taskRunId), () => []), (records) => {
    const started = records.find(({ state }) => State.isRunning(state))
    const last = records.at(-1)
    const isOver = last !== undefined && State.isFinished(last.state) && started !== undefined
    return { start_time: started?.timestamp ?? null, end_time: isOver ? last.timestamp : null }
  })

const earlier = (left: string | null, right: string | null): string | null =>
  left === null ? right : right === null || Date.parse(left) <= Date.parse(right) ? left : right

const later = (left: string | null, right: string | null): string | null =>
  left === null ? right : right === null || Date.parse(left) >= Date.parse(right) ? left : right

/** The largest number of mapped children for which the times of all tasks come from one traversal of all task runs. */
const maxWalk = 20_000
const concurrency = 8

/**
 * The times of each task of a flow run, by the id of its first task run: a mapped task lasts from its first child's
 * start to its last child's end. When there are very many children, only the last one is requested.
 */
export const ofTasks = Effect.fnUntraced(function*(
  api: Api,
  flowRunId: string,
  views: ReadonlyArray<TaskRunView>,
  children: ReadonlyMap<string, number>
): Effect.fn.Return<ReadonlyMap<string, Times>, PrefectApiError> {
  const byId = new Map<string, Times>()
  const total = [...children.values()].reduce((sum, count) => sum + count, 0)
  if (total <= maxWalk) {
    const firstOf = new Map<string, string>(
      views.flatMap((view) => view.taskId === null ? [] : [[view.taskId, view.taskRunId]])
    )
    yield* Stream.runForEachArray(api.taskRunSummaries({ flowRunId }), (rows) =>
      Effect.sync(() => {
        for (const row of rows) {
          const id = (row.taskId === null ? undefined : firstOf.get(row.taskId)) ?? row.taskRunId
          const known = byId.get(id) ?? noTimes
          byId.set(id, {
            start_time: earlier(known.start_time, row.startTime),
            end_time: later(known.end_time, row.endTime)
          })
        }
      }))
    return byId
  }
  yield* Effect.forEach(views, (view) =>
    Effect.gen(function*() {
      const own = yield* ofTaskRun(api, view)
      const count = children.get(view.taskRunId) ?? 0
      if (count === 0 || view.taskId === null) return byId.set(view.taskRunId, own)
      const last = yield* Stream.runCollect(
        Stream.take(api.taskRunSummaries({ flowRunId, taskId: view.taskId, after: count - 2 }, { pageSize: 1 }), 1)
      )
      return byId.set(view.taskRunId, { ...own, end_time: later(own.end_time, last[0]?.endTime ?? null) })
    }), { concurrency, discard: true })
  return byId
})
