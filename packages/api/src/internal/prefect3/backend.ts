/** A backend over the responses of a Prefect 2 or 3 server: the same over HTTP and from an archive. */
import type { LogEntry } from "@effect-prefect/core/LogEntry"
import type { StateRecord } from "@effect-prefect/core/StateRecord"
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import * as Cache from "effect/Cache"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Backend from "../../Backend.ts"
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
} from "../../PrefectApiError.ts"
import { compareCodePoints } from "../codePoints.ts"
import { isTooDeep, tooDeep } from "../depth.ts"
import { isObject } from "../isObject.ts"
import * as Kept from "../kept.ts"
import { nameContains } from "../nameContains.ts"
import { decodeAll, decodeOne } from "../rows.ts"
import * as Sorting from "../sorting.ts"
import { describeBySlug } from "../taskRunText.ts"
import { canonicalUuid, isUuidLoose, uuidRange } from "../uuids.ts"
import * as Block from "./block.ts"
import type { Client } from "./client.ts"
import type { Filter, Pages } from "./pages.ts"
import * as Rows from "./rows.ts"
import * as States from "./states.ts"

/** States that are converted before other work has its turn. */
const rowsAtOnce = 1_000

/** The most blocks that are kept, and about the most bytes of them. */
const maxBlocks = 1_000
const maxBlockBytes = 32 * 1024 * 1024

/** The part of a client that lookups need. */
export type Server = Pick<Client, "get" | "name" | "version">

const unmapped = "it records neither parent nor index of .map(); use siblings for the runs with the same task key"

const fail = (operation: string, reason: Reason) => Effect.fail(new PrefectApiError({ operation, reason }))

/** An id as one segment of a path. `.` and `..` would change the path, and are not ids. */
const segment = (id: string): string | undefined => /^\.{0,2}$/.test(id) ? undefined : encodeURIComponent(id)

/** The server rejects a query with an id that is not a UUID, so such an id does not exist. */
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

const stateRecord = Rows.resultOf(Rows.stateRecord)

const noFlowRun = (flowRunId: string) => new FlowRunNotFound({ flowRunId })
const noTaskRun = (query: string) => new TaskRunNotFound({ query })
const noFlow = (flowId: string) => new FlowNotFound({ flowId })
const noStorageBlock = (id: string) => new StorageBlockNotFound({ id })

export interface Options {
  /** Whether storage blocks are requested with their secrets. */
  readonly includeSecrets?: boolean | undefined
  readonly flowRunSignals?: Backend.Backend["flowRunSignals"]
}

/** The backend over a server's responses: from the server itself, or from an archive of it. */
export const makeBackend = Effect.fnUntraced(function*(
  client: Server,
  pages: Pages,
  { flowRunSignals, includeSecrets = false }: Options = {}
) {
  const unsupported = (operation: string, feature: string, hint = unmapped) =>
    Effect.andThen(
      // The message names the version.
      Effect.ignore(client.version),
      Effect.suspend(() => fail(operation, new UnsupportedByBackend({ feature, backend: client.name(), hint })))
    )

  /**
   * Whether the server numbers the calls of a task within a flow run: Prefect 2 does, Prefect 3 generates a UUID for
   * each.
   */
  const isCounting = Effect.map(client.version, (version) => version?.startsWith("2.") === true)

  const one = <A>(
    operation: string,
    path: string,
    id: string,
    make: (row: unknown) => A | Rows.Malformed,
    notFound: () => Reason
  ): Effect.Effect<A, PrefectApiError> => {
    const name = segment(id)
    if (name === undefined) return fail(operation, notFound())
    // Prefect 2.6 rejects what is not a UUID here too; later servers answer 404.
    const row = orNotFound(client.get(operation, `${path}/${name}`), operation, id, notFound)
    return Effect.flatMap(row, (row) => {
      if (row === undefined) return fail(operation, notFound())
      const found = isObject(row) ? row["id"] : undefined
      if (typeof found === "string" && (canonicalUuid(found) ?? found) !== (canonicalUuid(id) ?? id)) {
        return fail(operation, new MalformedResponse({ detail: "it is another row than the one of the id" }))
      }
      return decodeOne(operation, Rows.resultOf(make), [row], notFound())
    })
  }

  const taskRun = (taskRunId: string) =>
    one("taskRun", "/task_runs", taskRunId, Rows.taskRun, () => noTaskRun(taskRunId))
  const flowRun = (flowRunId: string) =>
    one("flowRun", "/flow_runs", flowRunId, Rows.flowRun, () => noFlowRun(flowRunId))
  const flow = (flowId: string) => one("flow", "/flows", flowId, Rows.flow, () => noFlow(flowId))

  // By id, because the server's other orders are not total.
  const ofFlowRun = (operation: string, flowRunId: string, taskRuns?: object): Filter => ({
    operation,
    path: "/task_runs/filter",
    body: {
      flow_runs: { id: { any_: [flowRunId] } },
      ...(taskRuns === undefined ? {} : { task_runs: taskRuns }),
      sort: "ID_DESC"
    }
  })

  const byIdPrefix = <A>(
    operation: string,
    path: string,
    { limit, prefix }: Backend.IdPrefixQuery,
    make: (row: unknown) => A | Rows.Malformed
  ): Effect.Effect<ReadonlyArray<A>, PrefectApiError> => {
    const range = uuidRange(prefix)
    return range === undefined
      ? Effect.succeed([])
      : pages.byIdRange({ operation, path, body: {} }, range, limit, make)
  }

  const allTaskRuns = (operation: string, flowRunId: string): Effect.Effect<ReadonlyArray<Rows.Row>, PrefectApiError> =>
    orNotFound(pages.all(ofFlowRun(operation, flowRunId)), operation, flowRunId, noFlowRun)

  const taskRunBySlug = Effect.fnUntraced(function*(
    { flowRunId, mapIndex, taskSlug }: Backend.TaskRunBySlug
  ): Effect.fn.Return<TaskRunView, PrefectApiError> {
    const operation = "taskRunBySlug"
    if (mapIndex >= 0 && !(yield* isCounting)) return yield* unsupported(operation, "map index")
    const rows = yield* allTaskRuns(operation, flowRunId)
    const exact = rows.filter((row) => row["task_key"] === taskSlug)
    const ofTask = exact.length > 0 ? exact : rows.filter((row) => isOfTask(row, taskSlug))
    const found = mapIndex < 0 ? ofTask : ofTask.filter((row) => Rows.callNumber(row) === mapIndex)
    const query = describeBySlug({ flowRunId, mapIndex, taskSlug })
    if (found.length === 0) return yield* fail(operation, new TaskRunNotFound({ query }))
    if (found.length > 1) {
      const taskRunIds = found.map((row) => String(row["id"]))
      return yield* fail(operation, new AmbiguousTaskRun({ query, taskRunIds }))
    }
    return yield* decodeOne(operation, Rows.resultOf(Rows.taskRun), found, new TaskRunNotFound({ query }))
  })

  const firstTaskRunOfEachTask = Effect.fnUntraced(function*(
    flowRunId: string
  ): Effect.fn.Return<ReadonlyArray<TaskRunView>, PrefectApiError> {
    const operation = "firstTaskRunOfEachTask"
    const rows = yield* allTaskRuns(operation, flowRunId)
    // An empty flow run and a missing one look the same.
    if (rows.length === 0) yield* flowRun(flowRunId)
    return yield* taskRunsOf(yield* Sorting.sorted(rows, byTaskKey))
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

  /** About the bytes of the blocks in the cache. */
  let blockBytes = 0
  const blocks: Cache.Cache<string, Backend.StorageBlock, PrefectApiError> = yield* Cache.makeWith(
    (id: string): Effect.Effect<Backend.StorageBlock, PrefectApiError> =>
      Effect.flatMap(
        segment(id) === undefined
          ? Effect.undefined
          : orNotFound(
            client.get(
              "storageBlock",
              `/block_documents/${segment(id)}${includeSecrets ? "?include_secrets=true" : ""}`,
              Block.maxBytes
            ),
            "storageBlock",
            id,
            noStorageBlock
          ),
        (json) => {
          if (json === undefined) return fail("storageBlock", noStorageBlock(id))
          if (isTooDeep(json)) return fail("storageBlock", new MalformedResponse({ detail: tooDeep }))
          const block = Block.fromJson(json)
          if (block === undefined) {
            return fail(
              "storageBlock",
              new MalformedResponse({ detail: `storage block ${id} is not a block document` })
            )
          }
          const bytes = Kept.bytesOf(json)
          blockBytes += bytes
          if (blockBytes <= maxBlockBytes) return Effect.succeed(block)
          blockBytes = bytes
          return Effect.as(Cache.invalidateAll(blocks), block)
        }
      ),
    { capacity: maxBlocks, timeToLive: (exit) => Exit.isSuccess(exit) ? "1 hour" : 0 }
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
      // A missing run has no states either.
      if (rows.length === 0) yield* exists
      const records: Array<StateRecord> = []
      for (let at = 0; at < rows.length; at += rowsAtOnce) {
        if (at > 0) yield* Effect.yieldNow
        for (const record of yield* decodeAll("states", stateRecord, rows.slice(at, at + rowsAtOnce))) {
          records.push(record)
        }
      }
      return records
    })

  const backend: Backend.Backend = {
    get name() {
      return client.name()
    },
    flowRunSignals,
    taskRun,
    taskRunsByIdPrefix: (query) => byIdPrefix("taskRunsByIdPrefix", "/task_runs/filter", query, Rows.taskRun),
    taskRunBySlug,
    firstTaskRunOfEachTask,
    mappedTaskIds: () => Effect.succeed(new Set<string>()),
    countMappedChildren: () => unsupported("countMappedChildren", "mapped children"),
    flowRun,
    flowRunsByIdPrefix: (query) => byIdPrefix("flowRunsByIdPrefix", "/flow_runs/filter", query, Rows.flowRun),
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
    siblingsPage: Effect.fnUntraced(function*({ flowRunId, taskRunId, taskSlug }, request) {
      // A task run outside a flow, or without a key, has no siblings.
      if (flowRunId === null || taskSlug === null) return { items: [], next: undefined }
      if (!(yield* isCounting)) {
        const { items, next } = yield* taskRunsPage("siblings", { flowRunId }, request)
        return {
          items: items.filter((other) => other.taskSlug === taskSlug && other.taskRunId !== taskRunId),
          next
        }
      }
      const rows = yield* allTaskRuns("siblings", flowRunId)
      const siblings = rows.filter((row) => row["task_key"] === taskSlug && row["id"] !== taskRunId)
      return { items: yield* taskRunsOf(yield* Sorting.sorted(siblings, byTaskKey)), next: undefined }
    }),
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
        isDescending: true,
        from: (before: string | undefined): Filter => {
          const flowRuns = {
            ...(state === undefined ? {} : { state }),
            // The server treats % and _ as wildcards, so it may return more than matches; a backslash could make it
            // return less.
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
        isDescending: false,
        start: after?.timestamp,
        from: (time: string | undefined): Filter => ({
          operation: "logs",
          path: "/logs/filter",
          body: {
            logs: time === undefined ? logs : { ...logs, timestamp: { after_: time } },
            sort: "TIMESTAMP_ASC"
          }
        })
      }
      const ofFlowRun = orNotFound(pages.byTime(oldestFirst, request, Rows.receivedLog), "logs", flowRunId, noFlowRun)
      return Effect.map(orNotFound(ofFlowRun, "logs", taskRunId, noTaskRun), ({ items, next }) => ({
        items: linesAfter(items.toSorted(inServerOrder).map(({ entry }) => entry), after),
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

/** By timestamp, then by the time at which the server received the line; otherwise in the server's order. */
const inServerOrder = (left: Rows.ReceivedLog, right: Rows.ReceivedLog): number =>
  compareCodePoints(left.entry.timestamp, right.entry.timestamp) || compareCodePoints(left.received, right.received)

/** The lines of a page that follow a given line. All lines with its timestamp are on one page. */
const linesAfter = (
  lines: ReadonlyArray<LogEntry>,
  after: Backend.LogsQuery["after"]
): ReadonlyArray<LogEntry> => {
  if (after === undefined) return lines
  const at = lines.findIndex(({ id, timestamp }) => id === after.id && timestamp === after.timestamp)
  return lines.filter(({ id, timestamp }, index) =>
    timestamp !== after.timestamp || (at < 0 ? id > after.id : index > at)
  )
}

/**
 * Whether a task run belongs to the task with that name: the qualified name, or its last part when the key has a
 * module.
 */
const isOfTask = (row: Rows.Row, name: string): boolean => {
  const key = row["task_key"]
  if (typeof key !== "string") return false
  const qualifiedName = Rows.qualifiedName(key)
  return qualifiedName === name || qualifiedName === key && key.endsWith(`.${name}`)
}

const taskRunsOf = (rows: ReadonlyArray<Rows.Row>): Effect.Effect<ReadonlyArray<TaskRunView>> =>
  decodeAll("task_runs", Rows.resultOf(Rows.taskRun), rows)

/**
 * By task key, then by call number, then by expected start time, then by id; runs without a key, a number or a time
 * come last.
 */
const byTaskKey = (left: Rows.Row, right: Rows.Row): number =>
  compareTexts(left["task_key"], right["task_key"]) ||
  (Rows.callNumber(left) ?? Infinity) - (Rows.callNumber(right) ?? Infinity) ||
  compareTexts(left["expected_start_time"], right["expected_start_time"]) ||
  compareTexts(left["id"], right["id"])

const compareTexts = (left: unknown, right: unknown): number =>
  typeof left === "string" && typeof right === "string"
    ? compareCodePoints(left, right)
    : Number(typeof right === "string") - Number(typeof left === "string")
