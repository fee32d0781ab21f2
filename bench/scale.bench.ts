/**
 * A mapped task run of up to 1 000 000 children, from a backend in this process that makes its rows up and a storage
 * that makes up pickles: what the walk itself costs, whether that grows with the children, and what it keeps in memory.
 */
import * as PrefectApi from "@effect-prefect/api/PrefectApi"
import * as Errors from "@effect-prefect/api/PrefectApiError"
import * as TaskRunView from "@effect-prefect/core/TaskRunView"
import * as ResultStorage from "@effect-prefect/results/ResultStorage"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { smallPickle } from "./support/mappedWorld.ts"
import type { Contender, Row } from "./support/row.ts"

const flowRunId = "22222222-0000-4000-8000-000000000000"
const taskId = "33333333-0000-4000-8000-000000000000"

const view = (mapIndex: number, serialized_state: object): TaskRunView.TaskRunView =>
  TaskRunView.fromRow({
    id: `44444444-0000-4000-8000-${(mapIndex + 1).toString(16).padStart(12, "0")}`,
    name: "score",
    task_id: taskId,
    task: { id: taskId, slug: "score-1" },
    map_index: mapIndex,
    serialized_state,
    flow_run_id: flowRunId
  }) as TaskRunView.TaskRunView

const child = (index: number) =>
  view(index, {
    __version__: "1.4.1",
    type: "Success",
    message: "Task run succeeded.",
    context: { tags: [] },
    cached_inputs: {},
    _result: { type: "LocalResult", __version__: "1.4.1", location: `/made/up/${index}`, dir: "/made/up" }
  })

const unsupported = () =>
  Effect.fail(
    new Errors.PrefectApiError({
      operation: "bench",
      reason: new Errors.UnsupportedByBackend({ feature: "this", backend: "the benchmark" })
    })
  )

const api = (count: number) =>
  PrefectApi.make({
    name: "the benchmark",
    taskRun: () => Effect.succeed(view(-1, { type: "Mapped", n_map_states: count })),
    taskRunBySlug: unsupported,
    firstTaskRunOfEachTask: unsupported,
    mappedTaskIds: unsupported,
    countMappedChildren: unsupported,
    flowRun: unsupported,
    flow: unsupported,
    flowRunStates: unsupported,
    taskRunStates: unsupported,
    storageBlock: unsupported,
    edges: unsupported,
    taskRunsPage: unsupported,
    taskRunSummariesPage: unsupported,
    siblingsPage: unsupported,
    flowRunsPage: unsupported,
    flowsPage: unsupported,
    logsPage: unsupported,
    artifactsPage: unsupported,
    taskRunsOfTaskPage: ({ after }, { cursor, limit }) =>
      Effect.sync(() => {
        const start = (cursor === undefined ? after : cursor as number) + 1
        const end = Math.min(count, start + limit)
        const items = Array.from({ length: Math.max(0, end - start) }, (_, at) => child(start + at))
        return { items, next: end < count ? end - 1 : undefined }
      })
  })

const storage = ResultStorage.layer(Effect.succeed([{
  type: "LocalResult",
  concurrency: 64,
  resolve: ({ location }) => ({
    _tag: "Allowed",
    location: "/made/up",
    read: () =>
      Effect.sync(() => ({
        _tag: "Bytes" as const,
        bytes: smallPickle(Number(String(location).slice("/made/up/".length))),
        name: "made up"
      }))
  })
}]))

const walk = (count: number, use: (seen: number) => void) =>
  Effect.runPromise(
    Effect.gen(function*() {
      const parent = yield* TaskRun.fromTaskRunId("parent")
      let seen = 0
      yield* Stream.runForEachArray(parent.outcomes, (outcomes) =>
        Effect.sync(() => {
          for (const { result } of outcomes) if (Result.isFailure(result)) throw result.failure
          seen += outcomes.length
          use(seen)
        }))
      if (seen !== count) throw new Error(`${seen} children instead of ${count}`)
    }).pipe(Effect.provide(Layer.merge(Layer.succeed(PrefectApi.PrefectApi, api(count)), storage)))
  )

const timed = (count: number, times = 1): Contender => ({
  name: times === 1 ? `${count} children` : `${times} × ${count} children`,
  run: async () => {
    const start = performance.now()
    await walk(count, () => {})
    return { measured: (performance.now() - start) * times }
  }
})

/** Ten times the children may take twelve times as long. */
const growth = (count: number): Row => ({
  work: `outcomes of ${count} children`,
  count,
  ours: timed(count),
  limit: timed(count / 10, 10),
  target: { limit: 10 / 12 },
  runs: 3
})

const megabytes = () => {
  globalThis.gc?.()
  return process.memoryUsage().heapUsed / 1024 / 1024
}

let early = Number.NaN

const memory: Row = {
  work: "live heap at 1 000 000 children of outcomes",
  count: 1_000_000,
  show: "MB",
  ours: {
    name: "after 1 000 000",
    run: async () => {
      early = Number.NaN
      let late = Number.NaN
      await walk(1_000_000, (seen) => {
        if (Number.isNaN(early) && seen >= 100_000) early = megabytes()
        else if (Number.isNaN(late) && seen >= 990_000) late = megabytes()
      })
      return { measured: late }
    }
  },
  limit: { name: "after 100 000", run: () => ({ measured: early }) },
  target: { limit: 1 / 1.1 },
  runs: 3
}

export const rows: ReadonlyArray<Row> = [growth(10_000), growth(100_000), growth(1_000_000), memory]
