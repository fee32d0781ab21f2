/**
 * The interface that a Prefect backend implements: lookups, and listings one page at a time.
 *
 * `PrefectApi.make` turns a `Backend` into the service, whose listings are lazy Streams.
 *
 * @since 0.1.0
 */
import type { Artifact } from "@effect-prefect/core/Artifact"
import type { FlowRunView } from "@effect-prefect/core/FlowRunView"
import type { FlowView } from "@effect-prefect/core/FlowView"
import type { LogEntry, LogLevel } from "@effect-prefect/core/LogEntry"
import type { StateRecord } from "@effect-prefect/core/StateRecord"
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { PrefectApiError } from "./PrefectApiError.ts"

/**
 * A task run by its task's slug, its flow run and its map index (-1: not a mapped child).
 *
 * @category models
 * @since 0.1.0
 */
export interface TaskRunBySlug {
  readonly taskSlug: string
  readonly flowRunId: string
  readonly mapIndex: number
}

/**
 * All runs of one task in one flow run: a mapped parent and its children.
 *
 * @category models
 * @since 0.1.0
 */
export interface TaskInFlowRun {
  readonly flowRunId: string
  readonly taskId: string
}

/**
 * A filter for the task runs of a flow run. Omitted fields match everything.
 *
 * @category models
 * @since 0.1.0
 */
export interface TaskRunsQuery {
  readonly flowRunId: string
  readonly taskSlug?: string | undefined
  /** Names of states, e.g. `["Failed", "TimedOut"]`; `Scheduled` includes runs without a stored state. */
  readonly states?: ReadonlyArray<string> | undefined
  /** true: only mapped children; false: no mapped children. */
  readonly mapped?: boolean | undefined
}

/**
 * A filter for flow runs, which are listed newest first. Omitted fields match everything.
 *
 * @category models
 * @since 0.1.0
 */
export interface FlowRunsQuery {
  readonly flowName?: string | undefined
  readonly flowId?: string | undefined
  /** Names of states, e.g. `["Running"]`. */
  readonly states?: ReadonlyArray<string> | undefined
  /** Part of the flow run's name, ignoring case. Runs without a name do not match. */
  readonly nameContains?: string | undefined
}

/**
 * A query for the runs whose id is a UUID with this prefix.
 *
 * @category models
 * @since 0.1.0
 */
export interface IdPrefixQuery {
  /** Hexadecimal digits, ignoring case; dashes between them are ignored. Any other text matches nothing. */
  readonly prefix: string
  /** The largest number of runs to return. */
  readonly limit: number
}

/**
 * A filter for log lines, which are listed in the order of (timestamp, id); lines of Prefect 2 and 3 with the same
 * timestamp are listed in the order in which the server received them. Omitted fields match everything.
 *
 * @category models
 * @since 0.1.0
 */
export interface LogsQuery {
  readonly flowRunId?: string | undefined
  readonly taskRunId?: string | undefined
  /** Lines of this level and above; lines without a known level always match. */
  readonly level?: LogLevel | undefined
  /** Only lines after this one. */
  readonly after?: { readonly timestamp: string; readonly id: string } | undefined
}

/**
 * A filter for artifacts. Omitted fields match everything.
 *
 * @category models
 * @since 0.1.0
 */
export interface ArtifactsQuery {
  readonly flowRunId?: string | undefined
  readonly taskRunId?: string | undefined
}

/**
 * A filter for summaries of the task runs of one flow run.
 *
 * @category models
 * @since 0.1.0
 */
export interface TaskRunSummariesQuery {
  readonly flowRunId: string
  /** Only the runs of this task: the parent and its mapped children. */
  readonly taskId?: string | undefined
  /** With `taskId`, only the runs with a larger map index: -1 excludes the parent. */
  readonly after?: number | undefined
}

/**
 * A task run without its stored state: enough to draw 100 000 of them.
 *
 * @category models
 * @since 0.1.0
 */
export interface TaskRunSummary {
  readonly taskRunId: string
  /** null when the task was deleted, and on Prefect 3, which has no task ids. */
  readonly taskId: string | null
  /** -1 when the run is not a mapped child. */
  readonly mapIndex: number
  /** The name of its state, as `State.typeName` gives it. */
  readonly state: string
  /** ISO 8601; null when it has not started. */
  readonly startTime: string | null
  /** ISO 8601; null when it has not finished. */
  readonly endTime: string | null
}

/**
 * An edge of a flow's graph: the result of one task is an argument of another, or must exist before it runs.
 *
 * On Prefect 3, which has no tasks, both ids are those of task runs.
 *
 * @category models
 * @since 0.1.0
 */
export interface Edge {
  readonly upstreamTaskId: string
  readonly downstreamTaskId: string
  /** The name of the downstream task's parameter; null when no data is passed. */
  readonly key: string | null
  /** Whether the downstream task is mapped over this argument. */
  readonly mapped: boolean
}

/**
 * A storage block of Prefect 3: the location of results and the settings for reading them.
 *
 * @category models
 * @since 0.1.0
 */
export interface StorageBlock {
  readonly id: string
  /** The slug of its type: `local-file-system`, `remote-file-system`, `s3-bucket`, `gcs-bucket`, … */
  readonly type: string
  /** Its document as the server returned it, with the secret fields masked. */
  readonly data: { readonly [key: string]: unknown }
}

/**
 * A page of a listing. `next` is the cursor of the next page; undefined on the last page.
 *
 * @category backends
 * @since 0.1.0
 */
export interface Page<A> {
  readonly items: ReadonlyArray<A>
  readonly next: Cursor | undefined
}

/**
 * A position in a listing, in a form that only its backend understands.
 *
 * @category backends
 * @since 0.1.0
 */
export type Cursor = string | number | { readonly [key: string]: unknown }

/**
 * A request for one page: the cursor that the previous page returned, and the largest number of rows to return.
 *
 * @category backends
 * @since 0.1.0
 */
export interface PageRequest {
  readonly cursor: Cursor | undefined
  readonly limit: number
}

/**
 * Lookups that every backend implements. They neither retry nor paginate.
 *
 * @category backends
 * @since 0.1.0
 */
export interface Queries {
  /** The task run with that id. */
  readonly taskRun: (taskRunId: string) => Effect.Effect<TaskRunView, PrefectApiError>
  /**
   * The task runs whose id has a prefix, in the order of their ids. Makes one or a few requests, however many task runs
   * there are.
   */
  readonly taskRunsByIdPrefix: (query: IdPrefixQuery) => Effect.Effect<ReadonlyArray<TaskRunView>, PrefectApiError>
  /** The task run with that slug in that flow run. On Prefect 3 the slug is a task key, or its qualified name. */
  readonly taskRunBySlug: (query: TaskRunBySlug) => Effect.Effect<TaskRunView, PrefectApiError>
  /**
   * The first task run of each task of a flow run (a parent, or one that is not mapped; otherwise the child with the
   * lowest map index), sorted by slug in Unicode code point order; runs without a task come last. On Prefect 3, which
   * has no tasks, every task run of the flow run.
   */
  readonly firstTaskRunOfEachTask: (flowRunId: string) => Effect.Effect<ReadonlyArray<TaskRunView>, PrefectApiError>
  /** The ids of the tasks that have mapped children in a flow run. */
  readonly mappedTaskIds: (flowRunId: string) => Effect.Effect<ReadonlySet<string>, PrefectApiError>
  /** The number of mapped children of a task by state name. */
  readonly countMappedChildren: (
    task: TaskInFlowRun
  ) => Effect.Effect<Readonly<Record<string, number>>, PrefectApiError>
  readonly flowRun: (flowRunId: string) => Effect.Effect<FlowRunView, PrefectApiError>
  /**
   * The flow runs whose id has a prefix, in the order of their ids. Makes one or a few requests, however many flow runs
   * there are.
   */
  readonly flowRunsByIdPrefix: (query: IdPrefixQuery) => Effect.Effect<ReadonlyArray<FlowRunView>, PrefectApiError>
  readonly flow: (flowId: string) => Effect.Effect<FlowView, PrefectApiError>
  /** The edges of the graph that a flow run executed, in no particular order. */
  readonly edges: (flowRunId: string) => Effect.Effect<ReadonlyArray<Edge>, PrefectApiError>
  /** Every state that a flow run had, oldest first. */
  readonly flowRunStates: (flowRunId: string) => Effect.Effect<ReadonlyArray<StateRecord>, PrefectApiError>
  /** Every state that a task run had, oldest first. */
  readonly taskRunStates: (taskRunId: string) => Effect.Effect<ReadonlyArray<StateRecord>, PrefectApiError>
  /**
   * A storage block of Prefect 3. Fails with UnsupportedByBackend on Prefect 1, and StorageBlockNotFound for a deleted
   * block.
   */
  readonly storageBlock: (id: string) => Effect.Effect<StorageBlock, PrefectApiError>
}

/**
 * A Prefect backend.
 *
 * @category backends
 * @since 0.1.0
 */
export interface Backend extends Queries {
  /** Its name in messages: `the archive`, `Prefect 3`, … */
  readonly name: string
  /**
   * Emits when a flow run may have changed, so that a watcher can poll immediately. Signals carry no data and may be
   * late, duplicated or missing. The connection lasts as long as the Stream is pulled. Omitted by backends that have no
   * such signals.
   */
  readonly flowRunSignals?: ((flowRunId: string) => Stream.Stream<void>) | undefined
  /** The runs of one task in the order of their map index, starting above `after` (-1: only children). */
  readonly taskRunsOfTaskPage: (
    task: TaskInFlowRun & { readonly after: number },
    page: PageRequest
  ) => Effect.Effect<Page<TaskRunView>, PrefectApiError>
  /** In an order of the backend's own that does not change between pages. */
  readonly taskRunsPage: (
    query: TaskRunsQuery,
    page: PageRequest
  ) => Effect.Effect<Page<TaskRunView>, PrefectApiError>
  /** In the order of (task id, map index, id); runs without a task come last. */
  readonly taskRunSummariesPage: (
    query: TaskRunSummariesQuery,
    page: PageRequest
  ) => Effect.Effect<Page<TaskRunSummary>, PrefectApiError>
  readonly siblingsPage: (
    view: TaskRunView,
    page: PageRequest
  ) => Effect.Effect<Page<TaskRunView>, PrefectApiError>
  readonly flowRunsPage: (
    query: FlowRunsQuery,
    page: PageRequest
  ) => Effect.Effect<Page<FlowRunView>, PrefectApiError>
  readonly flowsPage: (page: PageRequest) => Effect.Effect<Page<FlowView>, PrefectApiError>
  readonly logsPage: (query: LogsQuery, page: PageRequest) => Effect.Effect<Page<LogEntry>, PrefectApiError>
  readonly artifactsPage: (query: ArtifactsQuery, page: PageRequest) => Effect.Effect<Page<Artifact>, PrefectApiError>
}
