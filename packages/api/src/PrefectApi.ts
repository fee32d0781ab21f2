/**
 * `PrefectApi`: what this library asks a Prefect backend.
 *
 * A backend implements `Backend`, whose listings are single pages. `make` turns it into the service that users have,
 * whose listings are lazy Streams, so paging and prefetching are the same on every backend.
 *
 * @since 0.1.0
 */
import type { Artifact } from "@effect-prefect/core/Artifact"
import type { FlowRunView } from "@effect-prefect/core/FlowRunView"
import type { FlowView } from "@effect-prefect/core/FlowView"
import type { LogEntry, LogLevel } from "@effect-prefect/core/LogEntry"
import type { StateRecord } from "@effect-prefect/core/StateRecord"
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Pages from "./internal/pages.ts"
import { MalformedResponse, PrefectApiError } from "./PrefectApiError.ts"

/**
 * One task run of a task: what Prefect calls a slug, in one flow run, at one map index (-1: not a mapped child).
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
 * Which task runs of a flow run are wanted. What is left out does not restrict.
 *
 * @category models
 * @since 0.1.0
 */
export interface TaskRunsQuery {
  readonly flowRunId: string
  readonly taskSlug?: string | undefined
  /** Names of states, e.g. `["Failed", "TimedOut"]`; `Scheduled` includes runs without a stored state. */
  readonly states?: ReadonlyArray<string> | undefined
  /** true: only mapped children; false: none of them. */
  readonly mapped?: boolean | undefined
}

/**
 * Which flow runs are wanted, newest first. What is left out does not restrict.
 *
 * @category models
 * @since 0.1.0
 */
export interface FlowRunsQuery {
  readonly flowName?: string | undefined
  readonly flowId?: string | undefined
  /** Names of states, e.g. `["Running"]`. */
  readonly states?: ReadonlyArray<string> | undefined
}

/**
 * Which log lines are wanted, in the order of (timestamp, id).
 *
 * @category models
 * @since 0.1.0
 */
export interface LogsQuery {
  readonly flowRunId?: string | undefined
  readonly taskRunId?: string | undefined
  /** Lines of this level and above; lines without a known level are given at every level. */
  readonly level?: LogLevel | undefined
  /** Only lines after this one. */
  readonly after?: { readonly timestamp: string; readonly id: string } | undefined
}

/**
 * How a listing is fetched.
 *
 * @category models
 * @since 0.1.0
 */
export interface PageOptions {
  /** Rows asked for at once; the backend may give fewer. Default: 100 at first, then 2 000. */
  readonly pageSize?: number | undefined
}

/**
 * A storage block of Prefect 3: where results were written, and with what.
 *
 * @category models
 * @since 0.1.0
 */
export interface StorageBlock {
  readonly id: string
  /** The slug of its type: `local-file-system`, `remote-file-system`, `s3-bucket`, `gcs-bucket`, … */
  readonly type: string
  /** Its document as the server gave it; secret fields are masked there. */
  readonly data: { readonly [key: string]: unknown }
}

/**
 * One page of a listing. `next` is handed back to get the page after it; undefined on the last one.
 *
 * @category backends
 * @since 0.1.0
 */
export interface Page<A> {
  readonly items: ReadonlyArray<A>
  readonly next: Cursor | undefined
}

/**
 * A place in a listing, in a form that its backend alone understands.
 *
 * @category backends
 * @since 0.1.0
 */
export type Cursor = string | number | { readonly [key: string]: unknown }

/**
 * One page of a listing: the cursor of the page before it, and how many rows it may hold.
 *
 * @category backends
 * @since 0.1.0
 */
export interface PageRequest {
  readonly cursor: Cursor | undefined
  readonly limit: number
}

/**
 * What every backend answers one by one. The error says which of the reasons it was; nothing here retries, or pages,
 * on behalf of the backend.
 *
 * @category backends
 * @since 0.1.0
 */
export interface Queries {
  /** The task run of that id. */
  readonly taskRun: (taskRunId: string) => Effect.Effect<TaskRunView, PrefectApiError>
  /** The task run of that slug in that flow run. Prefect 3 takes a task key, or its qualified name. */
  readonly taskRunBySlug: (query: TaskRunBySlug) => Effect.Effect<TaskRunView, PrefectApiError>
  /**
   * For each task of a flow run its first task run (a parent, or one that is not mapped; else the child of the lowest
   * map index), sorted by slug in Unicode code point order; runs without a task come last. On Prefect 3, which has no
   * tasks, every task run of the flow run.
   */
  readonly firstTaskRuns: (flowRunId: string) => Effect.Effect<ReadonlyArray<TaskRunView>, PrefectApiError>
  /** The ids of the tasks that have mapped children in a flow run. */
  readonly mappedTaskIds: (flowRunId: string) => Effect.Effect<ReadonlySet<string>, PrefectApiError>
  /** How many mapped children of a task are in which state, by the state's name. */
  readonly countMappedChildren: (
    task: TaskInFlowRun
  ) => Effect.Effect<Readonly<Record<string, number>>, PrefectApiError>
  readonly flowRun: (flowRunId: string) => Effect.Effect<FlowRunView, PrefectApiError>
  readonly flow: (flowId: string) => Effect.Effect<FlowView, PrefectApiError>
  /** Every state that a flow run had, oldest first. */
  readonly flowRunStates: (flowRunId: string) => Effect.Effect<ReadonlyArray<StateRecord>, PrefectApiError>
  /** Every state that a task run had, oldest first. */
  readonly taskRunStates: (taskRunId: string) => Effect.Effect<ReadonlyArray<StateRecord>, PrefectApiError>
  /** A storage block of Prefect 3; UnsupportedByBackend on Prefect 1. */
  readonly storageBlock: (id: string) => Effect.Effect<StorageBlock, PrefectApiError>
}

/**
 * What a backend implements.
 *
 * @category backends
 * @since 0.1.0
 */
export interface Backend extends Queries {
  /** What it is called in messages: `the archive`, `Prefect 3`, … */
  readonly name: string
  /**
   * Emits when something may have happened to a flow run, so that who watches it asks at once. A hint and nothing more:
   * it may come late, twice or never, and says nothing itself. Its connection lasts as long as the Stream is pulled.
   * Left out where the backend has no such thing.
   */
  readonly changes?: ((flowRunId: string) => Stream.Stream<void>) | undefined
  /** The runs of one task in the order of their map index, from above `after` on (children alone: -1). */
  readonly taskRunsOfTaskPage: (
    task: TaskInFlowRun & { readonly after: number },
    page: PageRequest
  ) => Effect.Effect<Page<TaskRunView>, PrefectApiError>
  /** In an order of the backend's own that does not change between pages. */
  readonly taskRunsPage: (
    query: TaskRunsQuery,
    page: PageRequest
  ) => Effect.Effect<Page<TaskRunView>, PrefectApiError>
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
  readonly artifactsPage: (
    query: { readonly flowRunId?: string | undefined; readonly taskRunId?: string | undefined },
    page: PageRequest
  ) => Effect.Effect<Page<Artifact>, PrefectApiError>
}

/**
 * The service. All of its listings are lazy: nothing is asked before the first element is pulled, the next page is
 * fetched while the rest of this one is used, and taking a few elements costs one page.
 *
 * @category services
 * @since 0.1.0
 */
export class PrefectApi extends Context.Service<
  PrefectApi,
  Queries & {
    /** What the backend is called in messages. */
    readonly backendName: string
    /**
     * Emits when something may have happened to a flow run: a hint to ask sooner, never all there is to know. It neither
     * fails nor ends, and never emits on a backend that gives no hints.
     */
    readonly changes: (flowRunId: string) => Stream.Stream<void>
    /**
     * The mapped children of a task in map order: those with a map index above `after` and below `until`, where these
     * are given. Rows at or beyond `until` are not asked for, except for the one that shows that the range has ended.
     */
    readonly mappedChildren: (
      task: TaskInFlowRun,
      options?: PageOptions & { readonly after?: number | undefined; readonly until?: number | undefined }
    ) => Stream.Stream<TaskRunView, PrefectApiError>
    /** Every run of one task: the parent, then its children in map order. */
    readonly taskRunsOfTask: (
      task: TaskInFlowRun,
      options?: PageOptions
    ) => Stream.Stream<TaskRunView, PrefectApiError>
    readonly taskRuns: (query: TaskRunsQuery, options?: PageOptions) => Stream.Stream<TaskRunView, PrefectApiError>
    /** The other runs of the same task in the same flow run, in no order. Prefect 3's nearest thing to children. */
    readonly siblings: (view: TaskRunView, options?: PageOptions) => Stream.Stream<TaskRunView, PrefectApiError>
    readonly flowRuns: (query?: FlowRunsQuery, options?: PageOptions) => Stream.Stream<FlowRunView, PrefectApiError>
    readonly flows: (options?: PageOptions) => Stream.Stream<FlowView, PrefectApiError>
    readonly logs: (query: LogsQuery, options?: PageOptions) => Stream.Stream<LogEntry, PrefectApiError>
    readonly artifacts: (
      query: { readonly flowRunId?: string | undefined; readonly taskRunId?: string | undefined },
      options?: PageOptions
    ) => Stream.Stream<Artifact, PrefectApiError>
  }
>()("@effect-prefect/api/PrefectApi") {}

/**
 * Rows of the first page, and of those after it, where nothing else is said: the first element is there soon and who
 * takes a few costs the backend little, and a long walk spends its time on rows rather than on requests.
 *
 * @category options
 * @since 0.1.0
 */
export const defaultPageSizes = { first: 100, next: 2000 } as const

const pageSizes = (size: number | undefined) =>
  size === undefined || Number.isNaN(size)
    ? defaultPageSizes
    : { first: Math.max(1, Math.floor(size)), next: Math.max(1, Math.floor(size)) }

/**
 * The service that a backend makes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (backend: Backend): PrefectApi["Service"] => {
  const stream = <A>(
    operation: string,
    page: (request: PageRequest) => Effect.Effect<Page<A>, PrefectApiError>,
    options: PageOptions | undefined
  ) =>
    Pages.stream(
      (request) =>
        Effect.flatMap(
          page(request),
          // Whoever asked again would ask forever.
          (answer) =>
            answer.next !== undefined && JSON.stringify(answer.next) === JSON.stringify(request.cursor)
              ? Effect.fail(
                new PrefectApiError({
                  operation,
                  reason: new MalformedResponse({ problem: "a page says that the next one is itself" })
                })
              )
              : Effect.succeed(answer)
        ),
      pageSizes(options?.pageSize)
    )
  return PrefectApi.of({
    backendName: backend.name,
    changes: backend.changes ?? (() => Stream.never),
    taskRun: backend.taskRun,
    taskRunBySlug: backend.taskRunBySlug,
    firstTaskRuns: backend.firstTaskRuns,
    mappedTaskIds: backend.mappedTaskIds,
    countMappedChildren: backend.countMappedChildren,
    flowRun: backend.flowRun,
    flow: backend.flow,
    flowRunStates: backend.flowRunStates,
    taskRunStates: backend.taskRunStates,
    storageBlock: backend.storageBlock,
    mappedChildren: (task, { after, pageSize, until } = {}) => {
      const range = { ...task, after: Math.max(-1, after ?? -1) }
      if (until === undefined) {
        return stream("mappedChildren", (page) => backend.taskRunsOfTaskPage(range, page), { pageSize })
      }
      return Stream.suspend(() => {
        let last = range.after
        if (until <= last + 1) return Stream.empty
        return stream(
          "mappedChildren",
          ({ cursor, limit }) =>
            // One row more than the range has left: an index that is there twice is known by what follows it.
            Effect.map(
              backend.taskRunsOfTaskPage(range, { cursor, limit: Math.min(limit, until - last) }),
              ({ items, next }) => {
                last = Math.max(last, items.at(-1)?.mapIndex ?? last)
                return last < until ? { items, next } : {
                  items: items.filter((view) => view.mapIndex < until),
                  next: undefined
                }
              }
            ),
          // The size of the range is known, so there is no need for a small page to begin with.
          { pageSize: pageSize ?? defaultPageSizes.next }
        )
      })
    },
    taskRunsOfTask: (task, options) =>
      stream("taskRunsOfTask", (page) => backend.taskRunsOfTaskPage({ ...task, after: -2 }, page), options),
    taskRuns: (query, options) => stream("taskRuns", (page) => backend.taskRunsPage(query, page), options),
    siblings: (view, options) => stream("siblings", (page) => backend.siblingsPage(view, page), options),
    flowRuns: (query, options) => stream("flowRuns", (page) => backend.flowRunsPage(query ?? {}, page), options),
    flows: (options) => stream("flows", backend.flowsPage, options),
    logs: (query, options) => stream("logs", (page) => backend.logsPage(query, page), options),
    artifacts: (query, options) => stream("artifacts", (page) => backend.artifactsPage(query, page), options)
  })
}
