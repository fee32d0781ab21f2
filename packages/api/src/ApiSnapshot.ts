/**
 * `ApiSnapshot`: the rows of Prefect 1's tables as a backend of `PrefectApi` returns them, streamed, for archiving a
 * server whose database is out of reach.
 *
 * @since 0.1.0
 */
import * as Artifact from "@effect-prefect/core/Artifact"
import * as FlowRunView from "@effect-prefect/core/FlowRunView"
import * as FlowView from "@effect-prefect/core/FlowView"
import * as LogEntry from "@effect-prefect/core/LogEntry"
import * as StateRecord from "@effect-prefect/core/StateRecord"
import * as TaskRunView from "@effect-prefect/core/TaskRunView"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Lines from "./internal/lines.ts"
import type { Selection, Table } from "./PostgresSnapshot.ts"
import { PrefectApi } from "./PrefectApi.ts"
import { type PrefectApiError } from "./PrefectApiError.ts"

/**
 * The tables of a server, and a way to find out afterwards whether it has changed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Snapshot {
  readonly tables: ReadonlyArray<Table>
  /**
   * The number of flow runs that were added or changed since the snapshot began: the responses of a running server do
   * not all belong to one instant.
   */
  readonly changed: Effect.Effect<number, PrefectApiError>
  /** Rows by table that the server has but that could not be read. Known once the tables have been read. */
  readonly omitted: Effect.Effect<Readonly<Record<string, number>>>
}

const encoders = {
  flow: FlowView.toRow,
  flow_run: FlowRunView.toRow,
  log: Schema.encodeSync(LogEntry.FromRow),
  state: StateRecord.toRow,
  artifact: Artifact.toRow
}

const concurrency = 8

/** The fields that reveal a change of a flow run. */
const stampOf = (view: FlowRunView.FlowRunView): string => `${view.updated ?? ""} ${view.state._tag}`

/**
 * The rows of the selected flow runs, and of everything that belongs to them. A table is requested when its rows are
 * pulled; the flow runs are listed once, at the start.
 *
 * Columns that the API's models do not have are missing from the rows.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(
  { flowNames, since, until }: Selection = {}
): Effect.fn.Return<Snapshot, PrefectApiError, PrefectApi> {
  const api = yield* PrefectApi
  const from = since === undefined ? -Infinity : Date.parse(since)
  const to = until === undefined ? Infinity : Date.parse(until)
  const isSelected = ({ created }: FlowRunView.FlowRunView) => {
    if (since === undefined && until === undefined) return true
    const time = Date.parse(created ?? "")
    return time >= from && time < to
  }
  const listing = (): Stream.Stream<FlowRunView.FlowRunView, PrefectApiError> =>
    Stream.filter(
      flowNames === undefined
        ? api.flowRuns()
        : Stream.flatMap(Stream.fromIterable(new Set(flowNames)), (flowName) => api.flowRuns({ flowName })),
      isSelected
    )
  const flowIdOf = new Map<string, string | null>()
  const stamps = new Map<string, string>()
  yield* Stream.runForEach(listing(), (view) =>
    Effect.sync(() => {
      flowIdOf.set(view.flowRunId, view.flowId)
      stamps.set(view.flowRunId, stampOf(view))
    }))
  const flowRunIds = [...flowIdOf.keys()]
  const isWhole = flowNames === undefined && since === undefined && until === undefined
  const flowIds = new Set([...flowIdOf.values()].filter((id) => id !== null))
  const tasks = new Map<string, object>()

  const ofRuns = <A>(
    rows: (flowRunId: string) => Stream.Stream<A, PrefectApiError>
  ): Stream.Stream<A, PrefectApiError> => Stream.flatMap(Stream.fromIterable(flowRunIds), rows, { concurrency: 1 })
  const taskRuns = ofRuns((flowRunId) => api.taskRuns({ flowRunId }))
  const table = (name: string, rows: Stream.Stream<object, PrefectApiError>, estimatedRows?: number): Table => ({
    name,
    estimatedRows,
    rows: Lines.ofStream(rows)
  })
  /** Tasks are known by their runs, so their table comes after the task runs. */
  const seeTask = ({ flowRunId, taskId, taskSlug }: TaskRunView.TaskRunView) => {
    if (taskId !== null && !tasks.has(taskId)) {
      tasks.set(taskId, { id: taskId, slug: taskSlug, flow_id: flowIdOf.get(flowRunId ?? "") ?? null })
    }
  }
  return {
    tables: [
      table(
        "flow",
        api.flows().pipe(
          Stream.filter(({ flowId }) => isWhole || flowIds.has(flowId)),
          Stream.map((flow) => encoders.flow(flow))
        )
      ),
      table(
        "flow_run",
        Stream.mapEffect(
          Stream.fromIterable(flowRunIds),
          (flowRunId) => Effect.map(api.flowRun(flowRunId), (view) => encoders.flow_run(view)),
          { concurrency }
        ),
        flowRunIds.length
      ),
      table(
        "flow_run_state",
        Stream.fromIterable(flowRunIds).pipe(
          Stream.mapEffect(
            (flowRunId) =>
              Effect.map(
                api.flowRunStates(flowRunId),
                (states) => states.map((state) => ({ ...encoders.state(state), flow_run_id: flowRunId }))
              ),
            { concurrency }
          ),
          Stream.flattenIterable
        )
      ),
      table(
        "task_run",
        Stream.map(taskRuns, (view) => {
          seeTask(view)
          const { task: _, ...row } = TaskRunView.toRow(view)
          return row
        })
      ),
      table("task", Stream.suspend(() => Stream.fromIterable(tasks.values()))),
      table(
        "task_run_state",
        // Their rows, which may be long, are not asked for again.
        ofRuns((flowRunId) => api.taskRunSummaries({ flowRunId })).pipe(
          Stream.mapEffect(
            ({ taskRunId }) =>
              Effect.map(
                api.taskRunStates(taskRunId),
                (states) => states.map((state) => ({ ...encoders.state(state), task_run_id: taskRunId }))
              ),
            { concurrency }
          ),
          Stream.flattenIterable
        )
      ),
      table("log", ofRuns((flowRunId) => Stream.map(api.logs({ flowRunId }), (entry) => encoders.log(entry)))),
      table(
        "task_run_artifact",
        ofRuns((flowRunId) => Stream.map(api.artifacts({ flowRunId }), (artifact) => encoders.artifact(artifact)))
      ),
      table(
        "edge",
        Stream.fromIterable(new Map([...flowIdOf].map(([run, flow]) => [flow, run] as const))).pipe(
          Stream.mapEffect(([flowId, flowRunId]) =>
            Effect.map(api.edges(flowRunId), (edges) =>
              flowId === null ? [] : edges.map((edge) => ({
                flow_id: flowId,
                upstream_task_id: edge.upstreamTaskId,
                downstream_task_id: edge.downstreamTaskId,
                key: edge.key,
                mapped: edge.mapped
              })))
          ),
          Stream.flattenIterable
        )
      )
    ],
    omitted: Effect.succeed({}),
    changed: Effect.map(
      Stream.runFold(
        listing(),
        () => 0,
        (count, view) => stamps.get(view.flowRunId) === stampOf(view) ? count : count + 1
      ),
      (count) => count
    )
  }
})
