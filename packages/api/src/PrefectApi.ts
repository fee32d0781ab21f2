/**
 * `PrefectApi`: the service for querying flows, flow runs and task runs.
 *
 * Each backend implements `Backend`, whose listings are single pages. `make` turns it into the service, whose listings
 * are lazy Streams, so paging and prefetching are the same for every backend.
 *
 * @since 0.1.0
 */
import type { Artifact } from "@effect-prefect/core/Artifact"
import type { FlowRunView } from "@effect-prefect/core/FlowRunView"
import type { FlowView } from "@effect-prefect/core/FlowView"
import type { LogEntry } from "@effect-prefect/core/LogEntry"
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type {
  ArtifactsQuery,
  Backend,
  FlowRunsQuery,
  LogsQuery,
  Page,
  PageRequest,
  Queries,
  TaskInFlowRun,
  TaskRunsQuery,
  TaskRunSummariesQuery,
  TaskRunSummary
} from "./Backend.ts"
import * as Pages from "./internal/pages.ts"
import * as Sorting from "./internal/sorting.ts"
import { canonicalUuid } from "./internal/uuids.ts"
import { MalformedResponse, PrefectApiError } from "./PrefectApiError.ts"

/**
 * Options for fetching a listing.
 *
 * @category models
 * @since 0.1.0
 */
export interface PageOptions {
  /** Rows per request; the backend may return fewer. Default: 100 at first, then 2 000. */
  readonly pageSize?: number | undefined
}

/**
 * The service. All of its listings are lazy: no request is made before the first element is pulled, the next page is
 * fetched while the rest of this one is processed, and taking a few elements costs one page.
 *
 * @category services
 * @since 0.1.0
 */
export class PrefectApi extends Context.Service<
  PrefectApi,
  Queries & {
    /** The backend's name in messages. */
    readonly backendName: string
    /**
     * Emits when a flow run may have changed, so that a watcher can poll immediately. Signals carry no data and may be
     * late, duplicated or missing. The Stream neither fails nor ends; it never emits on a backend without signals.
     */
    readonly flowRunSignals: (flowRunId: string) => Stream.Stream<void>
    /**
     * The mapped children of a task in map order: those with a map index above `after` and below `until`, where given.
     * Rows at or beyond `until` are not requested, except for the one that shows that the range has ended.
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
    /**
     * The id, state and times of each task run of a flow run, without the stored states, in the order of (task id, map
     * index); runs without a task come last. Default page size: 1 000 at first, then 10 000. Prefect 3 has neither
     * tasks nor map indexes, and returns them in an order of its own.
     */
    readonly taskRunSummaries: (
      query: TaskRunSummariesQuery,
      options?: PageOptions
    ) => Stream.Stream<TaskRunSummary, PrefectApiError>
    /**
     * The other runs of the same task in the same flow run, in no particular order. Prefect 3's closest equivalent of
     * children.
     */
    readonly siblings: (view: TaskRunView, options?: PageOptions) => Stream.Stream<TaskRunView, PrefectApiError>
    readonly flowRuns: (query?: FlowRunsQuery, options?: PageOptions) => Stream.Stream<FlowRunView, PrefectApiError>
    readonly flows: (options?: PageOptions) => Stream.Stream<FlowView, PrefectApiError>
    readonly logs: (query: LogsQuery, options?: PageOptions) => Stream.Stream<LogEntry, PrefectApiError>
    readonly artifacts: (query: ArtifactsQuery, options?: PageOptions) => Stream.Stream<Artifact, PrefectApiError>
  }
>()("@effect-prefect/api/PrefectApi") {}

/**
 * Default page sizes. The first page is small, so the first element arrives quickly; later pages are large, so long
 * traversals make few requests.
 *
 * @category options
 * @since 0.1.0
 */
export const defaultPageSizes = { first: 100, next: 2000 } as const

/** Summaries are small. */
const summaryPageSizes = { first: 1000, next: 10_000 } as const

/**
 * An effect that runs before each page of a listing is requested, for example to keep to a rate. No default.
 *
 * @category options
 * @since 0.1.0
 */
export const BeforePage = Context.Reference<Effect.Effect<void> | undefined>(
  "@effect-prefect/api/PrefectApi/BeforePage",
  {
    defaultValue: () => undefined
  }
)

/** What a row belongs to, as far as it says so. */
interface Owners {
  readonly flowRunId?: string | null | undefined
  readonly taskRunId?: string | null | undefined
  readonly taskId?: string | null | undefined
  readonly flowId?: string | null | undefined
}

/** A text that is no id of Prefect's names no other owner: such a row is judged when it is decoded. */
const isOwner = (asked: string | null | undefined, found: string | null | undefined): boolean => {
  if (asked === found || asked == null || found == null) return true
  const other = canonicalUuid(found)
  return other === undefined || other === (canonicalUuid(asked) ?? asked)
}

const isOwned = (asked: Owners, found: Owners): boolean =>
  isOwner(asked.flowRunId, found.flowRunId) && isOwner(asked.taskRunId, found.taskRunId) &&
  isOwner(asked.taskId, found.taskId) && isOwner(asked.flowId, found.flowId)

const foreign = (operation: string) =>
  new PrefectApiError({
    operation,
    reason: new MalformedResponse({ detail: "it has a row of another run, task or flow than was asked for" })
  })

const ofTaskRun = ({ flowRunId, taskId }: TaskRunView): Owners => ({ flowRunId, taskId })

const pageSizes = (size: number | undefined, defaults: Pages.Sizes) =>
  size === undefined || Number.isNaN(size)
    ? defaults
    : { first: Math.max(1, Math.floor(size)), next: Math.max(1, Math.floor(size)) }

/**
 * Makes the service from a backend.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (backend: Backend): PrefectApi["Service"] => {
  const {
    artifactsPage,
    flowRunSignals = () => Stream.never,
    flowRunsPage,
    flowsPage,
    logsPage,
    name: _,
    siblingsPage,
    taskRunsOfTaskPage,
    taskRunsPage,
    taskRunSummariesPage,
    ...queries
  } = backend
  /** A page whose rows are those that were asked for: a server, or a cache before it, may send those of another run. */
  const belonging = <A>(
    operation: string,
    asked: Owners,
    ownersOf: (row: A) => Owners,
    page: Effect.Effect<Page<A>, PrefectApiError>
  ): Effect.Effect<Page<A>, PrefectApiError> =>
    Effect.filterOrFail(
      page,
      ({ items }) => items.every((row) => isOwned(asked, ownersOf(row))),
      () => foreign(operation)
    )
  const stream = <A>(
    operation: string,
    page: (request: PageRequest) => Effect.Effect<Page<A>, PrefectApiError>,
    options: PageOptions | undefined,
    defaults: Pages.Sizes = defaultPageSizes
  ) =>
    Pages.stream(
      (request) =>
        Effect.flatMap(
          Effect.flatMap(
            BeforePage,
            (before) => before === undefined ? page(request) : Effect.andThen(before, page(request))
          ),
          // Following it would loop forever.
          (answer) =>
            answer.next !== undefined && JSON.stringify(answer.next) === JSON.stringify(request.cursor)
              ? Effect.fail(
                new PrefectApiError({
                  operation,
                  reason: new MalformedResponse({
                    detail: "pagination did not advance: a page returned its own cursor as the next one"
                  })
                })
              )
              : Effect.succeed(answer)
        ),
      pageSizes(options?.pageSize, defaults)
    )
  const ofTask = (operation: string, task: TaskInFlowRun & { readonly after: number }, page: PageRequest) =>
    Effect.filterOrFail(
      belonging(
        operation,
        { flowRunId: task.flowRunId, taskId: task.taskId },
        ofTaskRun,
        taskRunsOfTaskPage(task, page)
      ),
      ({ items }) => items.every(({ mapIndex }) => mapIndex > task.after),
      () =>
        new PrefectApiError({
          operation,
          reason: new MalformedResponse({ detail: "it has a row before those that were asked for" })
        })
    )
  return PrefectApi.of({
    ...queries,
    taskRunBySlug: (query) =>
      Effect.filterOrFail(
        queries.taskRunBySlug(query),
        ({ flowRunId }) => isOwned({ flowRunId: query.flowRunId }, { flowRunId }),
        () => foreign("taskRunBySlug")
      ),
    firstTaskRunOfEachTask: (flowRunId) =>
      Effect.tap(queries.firstTaskRunOfEachTask(flowRunId), (views) => {
        let isForeign = false
        const look = (view: TaskRunView) => {
          isForeign = !isOwned({ flowRunId }, { flowRunId: view.flowRunId })
          return isForeign
        }
        return Effect.flatMap(
          Sorting.visited(views, look),
          () => isForeign ? Effect.fail(foreign("firstTaskRunOfEachTask")) : Effect.void
        )
      }),
    // Some backends learn their name from the first response.
    get backendName() {
      return backend.name
    },
    flowRunSignals,
    mappedChildren: (task, { after, pageSize, until } = {}) => {
      const range = { ...task, after: Math.max(-1, after ?? -1) }
      if (until === undefined) {
        return stream("mappedChildren", (page) => ofTask("mappedChildren", range, page), { pageSize })
      }
      return Stream.suspend(() => {
        let last = range.after
        if (until <= last + 1) return Stream.empty
        return stream(
          "mappedChildren",
          ({ cursor, limit }) =>
            // One row more than remains of the range: the row after a duplicated index reveals it.
            Effect.map(
              Pages.unannounced(
                ofTask("mappedChildren", range, { cursor, limit: Math.min(limit, until - last) })
              ),
              ({ items, next }) => {
                last = Math.max(last, items.at(-1)?.mapIndex ?? last)
                return last < until ? { items, next } : {
                  items: items.filter((view) => view.mapIndex < until),
                  next: undefined
                }
              }
            ),
          // The size of the range is known, so the first page need not be small.
          { pageSize: pageSize ?? defaultPageSizes.next }
        )
      })
    },
    taskRunsOfTask: (task, options) =>
      stream("taskRunsOfTask", (page) => ofTask("taskRunsOfTask", { ...task, after: -2 }, page), options),
    taskRuns: (query, options) =>
      stream(
        "taskRuns",
        (page) => belonging("taskRuns", { flowRunId: query.flowRunId }, ofTaskRun, taskRunsPage(query, page)),
        options
      ),
    taskRunSummaries: (query, options) =>
      stream(
        "taskRunSummaries",
        (page) =>
          belonging(
            "taskRunSummaries",
            { taskId: query.taskId },
            ({ taskId }) => ({ taskId }),
            taskRunSummariesPage(query, page)
          ),
        options,
        summaryPageSizes
      ),
    siblings: (view, options) =>
      stream(
        "siblings",
        (page) => belonging("siblings", ofTaskRun(view), ofTaskRun, siblingsPage(view, page)),
        options
      ),
    flowRuns: (query = {}, options) =>
      stream(
        "flowRuns",
        (page) =>
          belonging("flowRuns", { flowId: query.flowId }, ({ flowId }) => ({ flowId }), flowRunsPage(query, page)),
        options
      ),
    flows: (options) => stream("flows", flowsPage, options),
    logs: (query, options) =>
      stream(
        "logs",
        (page) =>
          belonging(
            "logs",
            { flowRunId: query.flowRunId, taskRunId: query.taskRunId },
            ({ flowRunId, taskRunId }) => ({ flowRunId, taskRunId }),
            logsPage(query, page)
          ),
        options
      ),
    artifacts: (query, options) =>
      stream(
        "artifacts",
        (page) =>
          belonging(
            "artifacts",
            { taskRunId: query.taskRunId },
            ({ taskRunId }) => ({ taskRunId }),
            artifactsPage(query, page)
          ),
        options
      )
  })
}
