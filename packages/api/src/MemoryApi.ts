/**
 * `PrefectApi` over rows in memory, for use in tests in place of a Prefect server.
 *
 * **Example** (A flow run of two tasks)
 *
 * ```ts
 * import * as MemoryApi from "@effect-prefect/api/MemoryApi"
 *
 * export const TestApi = MemoryApi.layer({
 *   flow_run: [{ id: "nightly-1", name: "nightly" }],
 *   task: [{ id: "t1", slug: "extract-1" }, { id: "t2", slug: "load-1" }],
 *   task_run: [
 *     { id: "r1", task_id: "t1", flow_run_id: "nightly-1", serialized_state: { type: "Success" } },
 *     { id: "r2", task_id: "t2", flow_run_id: "nightly-1" }
 *   ]
 * })
 * ```
 *
 * @since 0.1.0
 */
import * as FlowRunView from "@effect-prefect/core/FlowRunView"
import * as FlowView from "@effect-prefect/core/FlowView"
import * as JsonText from "@effect-prefect/core/JsonText"
import * as LogEntry from "@effect-prefect/core/LogEntry"
import * as TaskRunView from "@effect-prefect/core/TaskRunView"
import * as Turn from "@effect-prefect/core/Turn"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Backend from "./Backend.ts"
import { isTooDeepSteps, rememberDepth } from "./internal/depth.ts"
import * as Sorting from "./internal/sorting.ts"
import * as RowsBackend from "./internal/tables/backend.ts"
import type { Row, Rows, TableName } from "./internal/tables/rowIndex.ts"
import * as PrefectApi from "./PrefectApi.ts"

/**
 * A row of any table, as Prefect's database or API returns it. Unused columns are ignored.
 *
 * @category models
 * @since 0.1.0
 */
export interface AnyRow {
  readonly id: string
  /** ISO 8601. */
  readonly created?: string | null
  readonly [column: string]: unknown
}

/**
 * A row of `task_run`. Omitted columns are null, and `map_index` is -1 (not a mapped child). A null state is Scheduled.
 *
 * @category models
 * @since 0.1.0
 */
export interface TaskRunRow extends AnyRow {
  readonly flow_run_id?: string | null
  readonly task_id?: string | null
  /** The task itself, for rows as the GraphQL API returns them; otherwise it is looked up in the table `task`. */
  readonly task?: { readonly id: string; readonly slug: string | null } | null
  readonly map_index?: number
  readonly name?: string | null
  readonly serialized_state?: unknown
}

/**
 * A row of `flow_run`.
 *
 * @category models
 * @since 0.1.0
 */
export interface FlowRunRow extends AnyRow {
  readonly flow_id?: string | null
  readonly name?: string | null
  readonly serialized_state?: unknown
}

/**
 * A row of `task_run_state` or `flow_run_state`; its id may be omitted.
 *
 * @category models
 * @since 0.1.0
 */
export interface StateRow {
  readonly id?: string
  /** ISO 8601. */
  readonly timestamp?: string | null
  /** The position among the states of one run, counted from 1. */
  readonly version?: number | null
  readonly serialized_state?: unknown
  readonly [column: string]: unknown
}

/**
 * A row of `log`. Lines are listed in the order of (timestamp, id).
 *
 * @category models
 * @since 0.1.0
 */
export interface LogRow extends AnyRow {
  readonly flow_run_id?: string | null
  readonly task_run_id?: string | null
  /** ISO 8601. */
  readonly timestamp: string
  readonly level?: string | null
  readonly message?: string | null
}

/**
 * A row of `edge`; its id may be omitted.
 *
 * @category models
 * @since 0.1.0
 */
export interface EdgeRow {
  readonly flow_id: string
  readonly upstream_task_id: string
  readonly downstream_task_id: string
  /** The name of the downstream task's parameter. */
  readonly key?: string | null
  readonly mapped?: boolean
  readonly [column: string]: unknown
}

/**
 * Prefect's tables. Omitted tables are empty.
 *
 * @category models
 * @since 0.1.0
 */
export interface Tables {
  readonly task_run?: ReadonlyArray<TaskRunRow>
  readonly task?: ReadonlyArray<AnyRow & { readonly slug?: string | null }>
  readonly flow_run?: ReadonlyArray<FlowRunRow>
  readonly flow?: ReadonlyArray<AnyRow & { readonly name?: string | null }>
  readonly log?: ReadonlyArray<LogRow>
  readonly task_run_state?: ReadonlyArray<StateRow & { readonly task_run_id: string }>
  readonly flow_run_state?: ReadonlyArray<StateRow & { readonly flow_run_id: string }>
  readonly task_run_artifact?: ReadonlyArray<AnyRow & { readonly task_run_id: string }>
  readonly edge?: ReadonlyArray<EdgeRow>
}

const rowsOf = (tables: Tables): Rows => {
  const table = (name: TableName): ReadonlyArray<Row> => tables[name] ?? []
  return {
    name: "the memory",
    scan: (name, use) =>
      Effect.asVoid(Sorting.mapped(table(name), (row, place) => {
        const detail = use(row, place)
        if (detail !== undefined) throw new TypeError(`row ${place} of the table ${name}: ${detail}`)
      })),
    read: Effect.fnUntraced(function*(name, places) {
      const found: Array<Row> = []
      for (const place of places) {
        if (!Sorting.isShort(places) && Turn.isLong()) yield* Turn.next
        found.push(yield* withDepth(table(name)[place]!))
      }
      return found
    })
  }
}

/** A row whose depth is known, however long it is. Others have their turns while it is looked at. */
const withDepth = Effect.fnUntraced(function*(row: Row) {
  if (JsonText.isShort(row)) return row
  const steps = isTooDeepSteps(row)
  for (;;) {
    const step = steps.next()
    if (step.done === true) {
      // Whoever gave the row may change it.
      const copy = { ...row }
      rememberDepth(copy, step.value)
      return copy
    }
    if (Turn.isLong()) yield* Turn.next
  }
})

/**
 * The service over tables. An invalid row is a defect that names it.
 *
 * When given as an Effect, the tables are read again for each request, so a test can make a run progress: change a Ref,
 * or derive them from the Clock. They are indexed again only when the effect returns a different object.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(
  tables: Tables | Effect.Effect<Tables>
): Effect.fn.Return<PrefectApi.PrefectApi["Service"]> {
  if (!Effect.isEffect(tables)) return PrefectApi.make((yield* RowsBackend.make(rowsOf(tables))).backend)
  const known = new WeakMap<Tables, Backend.Backend>()
  const current = Effect.flatMap(tables, (now) => {
    const backend = known.get(now)
    if (backend !== undefined) return Effect.succeed(backend)
    return Effect.map(RowsBackend.make(rowsOf(now)), (made) => {
      known.set(now, made.backend)
      return made.backend
    })
  })
  const ask = <Args extends ReadonlyArray<unknown>, A, E>(
    query: (backend: Backend.Backend) => (...args: Args) => Effect.Effect<A, E>
  ) =>
  (...args: Args): Effect.Effect<A, E> => Effect.flatMap(current, (backend) => query(backend)(...args))
  return PrefectApi.make({
    name: "the memory",
    taskRun: ask((backend) => backend.taskRun),
    taskRunsByIdPrefix: ask((backend) => backend.taskRunsByIdPrefix),
    taskRunBySlug: ask((backend) => backend.taskRunBySlug),
    firstTaskRunOfEachTask: ask((backend) => backend.firstTaskRunOfEachTask),
    mappedTaskIds: ask((backend) => backend.mappedTaskIds),
    countMappedChildren: ask((backend) => backend.countMappedChildren),
    flowRun: ask((backend) => backend.flowRun),
    flowRunsByIdPrefix: ask((backend) => backend.flowRunsByIdPrefix),
    flow: ask((backend) => backend.flow),
    edges: ask((backend) => backend.edges),
    flowRunStates: ask((backend) => backend.flowRunStates),
    taskRunStates: ask((backend) => backend.taskRunStates),
    storageBlock: ask((backend) => backend.storageBlock),
    taskRunsOfTaskPage: ask((backend) => backend.taskRunsOfTaskPage),
    taskRunsPage: ask((backend) => backend.taskRunsPage),
    taskRunSummariesPage: ask((backend) => backend.taskRunSummariesPage),
    siblingsPage: ask((backend) => backend.siblingsPage),
    flowRunsPage: ask((backend) => backend.flowRunsPage),
    flowsPage: ask((backend) => backend.flowsPage),
    logsPage: ask((backend) => backend.logsPage),
    artifactsPage: ask((backend) => backend.artifactsPage)
  })
})

/**
 * The service over tables, or over an Effect that returns them for each request.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (tables: Tables | Effect.Effect<Tables>): Layer.Layer<PrefectApi.PrefectApi> =>
  Layer.effect(PrefectApi.PrefectApi, make(tables))

const encodeLog = Schema.encodeSync(LogEntry.FromRow)

/**
 * The rows of views. When a view names a slug but no task id, its task is identified by the slug.
 *
 * @category conversions
 * @since 0.1.0
 */
export const tablesFromViews = (
  views: Iterable<
    TaskRunView.TaskRunView | FlowRunView.FlowRunView | FlowView.FlowView | LogEntry.LogEntry
  >
): Tables => {
  const task_run: Array<TaskRunRow> = []
  const task = new Map<string, AnyRow>()
  const flow_run: Array<FlowRunRow> = []
  const flow: Array<AnyRow> = []
  const log: Array<LogRow> = []
  for (const view of views) {
    if (view instanceof TaskRunView.TaskRunView) {
      const taskId: string | null = view.taskId ?? view.taskSlug
      task_run.push({ ...TaskRunView.toRow(view), task: null, task_id: taskId })
      if (taskId !== null && view.taskSlug !== null) task.set(taskId, { id: taskId, slug: view.taskSlug })
    } else if (view instanceof FlowRunView.FlowRunView) flow_run.push({ ...FlowRunView.toRow(view) })
    else if (view instanceof FlowView.FlowView) flow.push({ ...FlowView.toRow(view) })
    else log.push({ ...encodeLog(view) })
  }
  return { task_run, task: [...task.values()], flow_run, flow, log }
}

/**
 * The service over views.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerViews = (
  views: Iterable<
    TaskRunView.TaskRunView | FlowRunView.FlowRunView | FlowView.FlowView | LogEntry.LogEntry
  >
): Layer.Layer<PrefectApi.PrefectApi> => layer(tablesFromViews(views))
