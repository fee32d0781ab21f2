/**
 * The REST API of a live Prefect 3 server, or of a Prefect Cloud workspace, as a `PrefectApi`.
 *
 * What Prefect 3 has is given, what it has not is UnsupportedByBackend: it has no task ids, and a `.map()` leaves no
 * parent, no index and no order on the server. `siblings` gives the runs that share a task key instead.
 *
 * Observed on Prefect 3.8.0.
 *
 * @since 0.1.0
 */
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import * as Cache from "effect/Cache"
import type * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type * as Backend from "./Backend.ts"
import { compareCodePoints } from "./internal/codePoints.ts"
import { nameContains } from "./internal/nameContains.ts"
import * as Block from "./internal/prefect3/block.ts"
import * as Client from "./internal/prefect3/client.ts"
import * as Events from "./internal/prefect3/events.ts"
import * as Pages from "./internal/prefect3/pages.ts"
import * as Rows from "./internal/prefect3/rows.ts"
import * as States from "./internal/prefect3/states.ts"
import { isUuidLoose } from "./internal/uuids.ts"
import * as Prefect3Config from "./Prefect3Config.ts"
import * as PrefectApi from "./PrefectApi.ts"
import {
  AmbiguousTaskRun,
  FlowNotFound,
  FlowRunNotFound,
  MalformedResponse,
  PrefectApiError,
  type Reason,
  StorageBlockNotFound,
  TaskRunNotFound,
  UnsupportedByBackend
} from "./PrefectApiError.ts"
import type { PrefectConfigError } from "./PrefectConfigError.ts"

/**
 * The server and how it is requested: the options of `layer`.
 *
 * @category models
 * @since 0.1.0
 */
export type Options = Prefect3Config.Options

/**
 * The service itself. The server's version is asked for at the first call, and once.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<PrefectApi.PrefectApi["Service"], PrefectConfigError> {
  const client = yield* Client.make(options)
  return PrefectApi.make(yield* makeBackend(client, options))
})

/**
 * `PrefectApi` of a Prefect 3 server. Uses the `HttpClient` of its context, or `fetch` where there is none.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<PrefectApi.PrefectApi, PrefectConfigError> =>
  Layer.effect(PrefectApi.PrefectApi, make(options))

/**
 * As `layer`, with the server that Prefect's own client would use: the one of the environment (`PREFECT_API_URL`,
 * `PREFECT_API_KEY`, `PREFECT_API_AUTH_STRING`), else that of the active profile of `~/.prefect/profiles.toml`. What is
 * given here comes first.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Partial<Options> = {}
): Layer.Layer<PrefectApi.PrefectApi, PrefectConfigError | Config.ConfigError> =>
  Layer.effect(
    PrefectApi.PrefectApi,
    Effect.flatMap(Prefect3Config.load(options), make)
  )

const backendName = "Prefect 3"
const unmapped = "it keeps no trace of .map(); use siblings for the runs with the same task key, in no order"

const fail = (operation: string, reason: Reason) => Effect.fail(new PrefectApiError({ operation, reason }))
const unsupported = (operation: string, feature: string) =>
  fail(operation, new UnsupportedByBackend({ feature, backend: backendName, hint: unmapped }))

/** An id as one segment of a path. `.` and `..` would be taken for something else, and are no ids. */
const segment = (id: string): string | undefined => /^\.{0,2}$/.test(id) ? undefined : encodeURIComponent(id)

/** The server refuses a query with an id that is no UUID: nothing has such an id. */
const orNotFound = <A>(
  effect: Effect.Effect<A, PrefectApiError>,
  operation: string,
  id: string | undefined,
  notFound: (id: string) => Reason
): Effect.Effect<A, PrefectApiError> =>
  id === undefined || isUuidLoose(id) ? effect : Effect.catchIf(
    effect,
    ({ reason }) => reason._tag === "MalformedResponse",
    () => fail(operation, notFound(id))
  )

const noFlowRun = (flowRunId: string) => new FlowRunNotFound({ flowRunId })
const noTaskRun = (query: string) => new TaskRunNotFound({ query })
const noFlow = (flowId: string) => new FlowNotFound({ flowId })

const makeBackend = Effect.fnUntraced(function*(
  client: Client.Client,
  { events = true, includeSecrets = false }: Options
) {
  const pages = Pages.make(client)

  const one = <A>(
    operation: string,
    path: string,
    id: string,
    make: (row: unknown) => A | Rows.Malformed,
    notFound: () => Reason
  ): Effect.Effect<A, PrefectApiError> => {
    const name = segment(id)
    if (name === undefined) return fail(operation, notFound())
    return Effect.flatMap(client.get(operation, `${path}/${name}`), (row) => {
      if (row === undefined) return fail(operation, notFound())
      const value = make(row)
      return Rows.isMalformed(value)
        ? fail(operation, new MalformedResponse({ detail: value.detail }))
        : Effect.succeed(value)
    })
  }

  const taskRun = (taskRunId: string) =>
    one("taskRun", "/task_runs", taskRunId, Rows.taskRun, () => noTaskRun(taskRunId))
  const flowRun = (flowRunId: string) =>
    one("flowRun", "/flow_runs", flowRunId, Rows.flowRun, () => noFlowRun(flowRunId))
  const flow = (flowId: string) => one("flow", "/flows", flowId, Rows.flow, () => noFlow(flowId))

  // By id, because the other orders of the server are not total.
  const ofFlowRun = (operation: string, flowRunId: string, taskRuns?: object): Pages.Filter => ({
    operation,
    path: "/task_runs/filter",
    body: {
      flow_runs: { id: { any_: [flowRunId] } },
      ...(taskRuns === undefined ? {} : { task_runs: taskRuns }),
      sort: "ID_DESC"
    }
  })

  const allTaskRuns = (operation: string, flowRunId: string): Effect.Effect<ReadonlyArray<Rows.Row>, PrefectApiError> =>
    orNotFound(pages.all(ofFlowRun(operation, flowRunId)), operation, flowRunId, noFlowRun)

  const taskRunBySlug = Effect.fnUntraced(function*(
    { flowRunId, mapIndex, taskSlug }: Backend.TaskRunBySlug
  ): Effect.fn.Return<TaskRunView, PrefectApiError> {
    const operation = "taskRunBySlug"
    if (mapIndex >= 0) return yield* unsupported(operation, "map index")
    const rows = yield* allTaskRuns(operation, flowRunId)
    const exact = rows.filter((row) => row["task_key"] === taskSlug)
    const found = exact.length > 0 ? exact : rows.filter((row) => isOfTask(row, taskSlug))
    const query = `${taskSlug} in flow run ${flowRunId}`
    if (found.length === 0) return yield* fail(operation, new TaskRunNotFound({ query }))
    if (found.length > 1) {
      const taskRunIds = found.map((row) => String(row["id"]))
      return yield* fail(operation, new AmbiguousTaskRun({ query, taskRunIds }))
    }
    const [view] = yield* decodeAll(operation, found)
    return view!
  })

  const firstTaskRunOfEachTask = Effect.fnUntraced(function*(
    flowRunId: string
  ): Effect.fn.Return<ReadonlyArray<TaskRunView>, PrefectApiError> {
    const operation = "firstTaskRunOfEachTask"
    const rows = yield* allTaskRuns(operation, flowRunId)
    // An empty flow run and one that is not there look the same.
    if (rows.length === 0) yield* flowRun(flowRunId)
    return yield* decodeAll(operation, rows.toSorted(byTaskKey))
  })

  const taskRunsPage = (
    operation: string,
    { flowRunId, mapped, states, taskSlug }: Backend.TaskRunsQuery,
    request: Backend.PageRequest
  ): Effect.Effect<Backend.Page<TaskRunView>, PrefectApiError> => {
    if (mapped === true) return unsupported(operation, "mapped children")
    const state = states === undefined ? undefined : States.filter(states)
    if (states !== undefined && state === undefined) return Effect.succeed({ items: [], next: undefined })
    const filter = ofFlowRun(operation, flowRunId, state === undefined ? undefined : { state })
    const page = orNotFound(pages.byOffset(filter, request, Rows.taskRun), operation, flowRunId, noFlowRun)
    return Effect.map(page, ({ items, next }) => ({
      items: items.filter((view) =>
        (states === undefined || States.matches(states, view.state)) &&
        (taskSlug === undefined || view.taskSlug === taskSlug || isOfTask({ task_key: view.taskSlug }, taskSlug))
      ),
      next
    }))
  }

  const blocks = yield* Cache.makeWith(
    (id: string) =>
      Effect.flatMap(
        segment(id) === undefined
          ? Effect.undefined
          : client.get(
            "storageBlock",
            `/block_documents/${segment(id)}${includeSecrets ? "?include_secrets=true" : ""}`
          ),
        (json) => {
          if (json === undefined) return fail("storageBlock", new StorageBlockNotFound({ id }))
          const block = Block.fromJson(json)
          return block === undefined
            ? fail("storageBlock", new MalformedResponse({ detail: `storage block ${id} is not a block document` }))
            : Effect.succeed(block)
        }
      ),
    { capacity: 1000, timeToLive: (exit) => Exit.isSuccess(exit) ? "1 hour" : 0 }
  )

  const states = (
    operation: string,
    path: string,
    exists: Effect.Effect<unknown, PrefectApiError>
  ) =>
    Effect.gen(function*() {
      const rows = yield* client.get(operation, path)
      if (!Array.isArray(rows)) {
        yield* exists
        return yield* fail(operation, new MalformedResponse({ detail: "its states are not a list" }))
      }
      // A run that is not there has no states either.
      if (rows.length === 0) yield* exists
      const records = []
      for (const row of rows) {
        const record = Rows.stateRecord(row)
        if (Rows.isMalformed(record)) return yield* fail(operation, new MalformedResponse({ detail: record.detail }))
        records.push(record)
      }
      return records
    })

  const backend: Backend.Backend = {
    name: backendName,
    flowRunSignals: events ? (flowRunId) => Events.flowRunSignals(client, flowRunId) : undefined,
    taskRun,
    taskRunBySlug,
    firstTaskRunOfEachTask,
    mappedTaskIds: () => Effect.succeed(new Set<string>()),
    countMappedChildren: () => unsupported("countMappedChildren", "mapped children"),
    flowRun,
    flow,
    edges: Effect.fnUntraced(function*(flowRunId) {
      const rows = yield* allTaskRuns("edges", flowRunId)
      if (rows.length === 0) yield* flowRun(flowRunId)
      return Rows.edges(rows)
    }),
    flowRunStates: (flowRunId) =>
      orNotFound(
        states(
          "flowRunStates",
          `/flow_run_states/?flow_run_id=${encodeURIComponent(flowRunId)}`,
          flowRun(flowRunId)
        ),
        "flowRunStates",
        flowRunId,
        noFlowRun
      ),
    taskRunStates: (taskRunId) =>
      orNotFound(
        states(
          "taskRunStates",
          `/task_run_states/?task_run_id=${encodeURIComponent(taskRunId)}`,
          taskRun(taskRunId)
        ),
        "taskRunStates",
        taskRunId,
        noTaskRun
      ),
    storageBlock: (id) => Cache.get(blocks, id),
    taskRunsOfTaskPage: () => unsupported("taskRunsOfTask", "mapped children"),
    taskRunsPage: (query, request) => taskRunsPage("taskRuns", query, request),
    taskRunSummariesPage: ({ flowRunId, taskId }, request) =>
      taskId !== undefined
        ? unsupported("taskRunSummaries", "task ids")
        : orNotFound(
          pages.byOffset(ofFlowRun("taskRunSummaries", flowRunId), request, Rows.taskRunSummary),
          "taskRunSummaries",
          flowRunId,
          noFlowRun
        ),
    siblingsPage: (view, request) =>
      // A task outside a flow, or without a key, shares it with nobody.
      view.flowRunId === null || view.taskSlug === null
        ? Effect.succeed({ items: [], next: undefined })
        : Effect.map(
          taskRunsPage("siblings", { flowRunId: view.flowRunId }, request),
          ({ items, next }) => ({
            items: items.filter((other) => other.taskSlug === view.taskSlug && other.taskRunId !== view.taskRunId),
            next
          })
        ),
    flowRunsPage: ({ flowId, flowName, nameContains: part, states }, request) => {
      const state = states === undefined ? undefined : States.filter(states)
      if (states !== undefined && state === undefined) return Effect.succeed({ items: [], next: undefined })
      const flows = {
        ...(flowId === undefined ? {} : { id: { any_: [flowId] } }),
        ...(flowName === undefined ? {} : { name: { any_: [flowName] } })
      }
      const time = "expected_start_time"
      const newestFirst = {
        time,
        from: (before: string | undefined): Pages.Filter => {
          const flowRuns = {
            ...(state === undefined ? {} : { state }),
            // The server takes % and _ for wildcards, so it may give more than matches; a backslash could make it give less.
            ...(part === undefined || part.includes("\\") ? {} : { name: { like_: part } }),
            ...(before === undefined ? {} : { [time]: { before_: before } })
          }
          return {
            operation: "flowRuns",
            path: "/flow_runs/filter",
            body: {
              ...(Object.keys(flows).length === 0 ? {} : { flows }),
              ...(Object.keys(flowRuns).length === 0 ? {} : { flow_runs: flowRuns }),
              sort: "EXPECTED_START_TIME_DESC"
            }
          }
        }
      }
      const page = orNotFound(pages.byTime(newestFirst, request, Rows.flowRun), "flowRuns", flowId, noFlow)
      return Effect.map(page, ({ items, next }) => ({
        items: items.filter((view) =>
          (states === undefined || States.matches(states, view.state)) &&
          (part === undefined || nameContains(view.name, part))
        ),
        next
      }))
    },
    flowsPage: (request) =>
      pages.byOffset(
        { operation: "flows", path: "/flows/filter", body: { sort: "NAME_ASC" } },
        request,
        Rows.flow
      ),
    logsPage: ({ after, flowRunId, level, taskRunId }, request) => {
      const logs = {
        ...(flowRunId === undefined ? {} : { flow_run_id: { any_: [flowRunId] } }),
        ...(taskRunId === undefined ? {} : { task_run_id: { any_: [taskRunId] } }),
        ...(level === undefined ? {} : { level: { ge_: Rows.levelNumber(level) } })
      }
      const oldestFirst = {
        time: "timestamp",
        start: after?.timestamp,
        from: (time: string | undefined): Pages.Filter => ({
          operation: "logs",
          path: "/logs/filter",
          body: {
            logs: time === undefined ? logs : { ...logs, timestamp: { after_: time } },
            sort: "TIMESTAMP_ASC"
          }
        })
      }
      const ofFlowRun = orNotFound(pages.byTime(oldestFirst, request, Rows.logEntry), "logs", flowRunId, noFlowRun)
      return Effect.map(orNotFound(ofFlowRun, "logs", taskRunId, noTaskRun), ({ items, next }) => ({
        items: items
          .filter((line) => after === undefined || line.timestamp !== after.timestamp || line.id > after.id)
          .toSorted((left, right) =>
            compareCodePoints(left.timestamp, right.timestamp) || compareCodePoints(left.id, right.id)
          ),
        next
      }))
    },
    artifactsPage: ({ flowRunId, taskRunId }, request) => {
      const artifacts = {
        ...(flowRunId === undefined ? {} : { flow_run_id: { any_: [flowRunId] } }),
        ...(taskRunId === undefined ? {} : { task_run_id: { any_: [taskRunId] } })
      }
      const page = pages.byOffset(
        { operation: "artifacts", path: "/artifacts/filter", body: { artifacts, sort: "ID_DESC" } },
        request,
        Rows.artifact
      )
      return orNotFound(
        orNotFound(page, "artifacts", flowRunId, noFlowRun),
        "artifacts",
        taskRunId,
        noTaskRun
      )
    }
  }
  return backend
})

/** Whether a task run is of the task of that qualified name. */
const isOfTask = (row: Rows.Row, name: string): boolean =>
  typeof row["task_key"] === "string" && Rows.qualifiedName(row["task_key"]) === name

const decodeAll = (
  operation: string,
  rows: ReadonlyArray<Rows.Row>
): Effect.Effect<ReadonlyArray<TaskRunView>, PrefectApiError> => {
  const views: Array<TaskRunView> = []
  for (const row of rows) {
    const view = Rows.taskRun(row)
    if (Rows.isMalformed(view)) return fail(operation, new MalformedResponse({ detail: view.detail }))
    views.push(view)
  }
  return Effect.succeed(views)
}

/** By task key, then by when the run was to start, then by id; runs without a key come last. */
const byTaskKey = (left: Rows.Row, right: Rows.Row): number => {
  for (const field of ["task_key", "expected_start_time", "id"]) {
    const [a, b] = [left[field], right[field]]
    if (typeof a !== "string" || typeof b !== "string") {
      if (a !== b && (typeof a === "string" || typeof b === "string")) return typeof a === "string" ? -1 : 1
      continue
    }
    const order = compareCodePoints(a, b)
    if (order !== 0) return order
  }
  return 0
}
