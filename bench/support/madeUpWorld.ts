/** A mapped task run of any size, with a backend and a storage in this process that generate all data. */
import * as PrefectApi from "@effect-prefect/api/PrefectApi"
import * as Errors from "@effect-prefect/api/PrefectApiError"
import * as FlowRunView from "@effect-prefect/core/FlowRunView"
import * as TaskRunView from "@effect-prefect/core/TaskRunView"
import * as ResultStorage from "@effect-prefect/results/ResultStorage"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { smallPickle } from "./mappedWorld.ts"

/** The flow run whose one mapped task has all children. */
export const flowRunId = "22222222-0000-4000-8000-000000000000"
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

/** A backend that generates its rows: one mapped task with this number of children. */
export const api = (count: number) =>
  PrefectApi.make({
    name: "the benchmark",
    taskRun: () => Effect.succeed(view(-1, { type: "Mapped", n_map_states: count })),
    taskRunsByIdPrefix: unsupported,
    taskRunBySlug: unsupported,
    firstTaskRunOfEachTask: () => Effect.succeed([view(-1, { type: "Mapped", n_map_states: count })]),
    mappedTaskIds: () => Effect.succeed(new Set([taskId])),
    countMappedChildren: () => Effect.succeed({ Success: count }),
    flowRun: () =>
      Effect.succeed(
        Schema.decodeUnknownSync(FlowRunView.FromRow)({
          id: flowRunId,
          flow_id: null,
          name: "made up",
          serialized_state: { type: "Success" }
        })
      ),
    flowRunsByIdPrefix: unsupported,
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

/** A storage that generates a small pickle for each of them. */
export const storage = ResultStorage.layer(Effect.succeed([{
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
