import * as LogEntry from "@effect-prefect/core/LogEntry"
import type * as TaskRunView from "@effect-prefect/core/TaskRunView"
import * as Effect from "effect/Effect"
import type * as Backend from "../../Backend.ts"
import * as Errors from "../../PrefectApiError.ts"
import { cachedSuccess } from "../cachedSuccess.ts"
import { compareCodePoints } from "../codePoints.ts"
import { withColumns } from "../depth.ts"
import { ofSerializedFlow } from "../edges.ts"
import { nameContains } from "../nameContains.ts"
import * as Decoders from "../rows.ts"
import * as Sorting from "../sorting.ts"
import { describeBySlug } from "../taskRunText.ts"
import { isoText, microseconds } from "../timestamps.ts"
import { isUuid, uuidRange } from "../uuids.ts"
import { type IdTable, inAnyCase } from "./anyCase.ts"
import * as Index from "./rowIndex.ts"

const fail = (operation: string, reason: Errors.Reason) =>
  Effect.fail(new Errors.PrefectApiError({ operation, reason }))
const malformed = (operation: string, detail: string) => fail(operation, new Errors.MalformedResponse({ detail }))

interface FoundPage<E> {
  readonly entries: ReadonlyArray<E>
  /** The last entry, if others follow the page. */
  readonly next: E | undefined
}

/** One page of a sorted list: the matching entries from `start` on, which may be few among many. */
const pageOf = <E extends Index.Entry>(
  sorted: ReadonlyArray<E>,
  start: number,
  limit: number,
  isWanted: (entry: E) => boolean,
  isEnd: (entry: E) => boolean = () => false
): Effect.Effect<FoundPage<E>> =>
  Effect.suspend(() => {
    const entries: Array<E> = []
    let next: E | undefined
    const look = (entry: E): boolean => {
      if (isEnd(entry)) return true
      if (!isWanted(entry)) return false
      if (entries.length === limit) {
        next = entries.at(-1)
        return true
      }
      entries.push(entry)
      return false
    }
    return Effect.map(Sorting.visited(sorted, look, start), () => ({ entries, next }))
  })

/** A cursor is the last entry of the previous page, which contains all sort keys of the list. */
const startOf = <E extends Index.Entry>(
  sorted: ReadonlyArray<E>,
  cursor: Backend.Cursor | undefined,
  order: (left: E, right: E) => number
): number => cursor === undefined ? 0 : Index.positionAfter(sorted, cursor as unknown as E, order)
const cursorOf = (entry: Index.Entry | undefined) => entry === undefined ? undefined : { ...entry }

/** The ids that begin with a prefix, in order. */
const idsOf = (
  ids: Iterable<string>,
  { limit, prefix }: Backend.IdPrefixQuery
): Effect.Effect<ReadonlyArray<string>> => {
  const range = uuidRange(prefix)
  if (range === undefined) return Effect.succeed([])
  return Sorting.filtered([...ids], (id) => range.first <= id && id <= range.last && isUuid(id)).pipe(
    Effect.flatMap((found) => Sorting.sorted(found, (left, right) => left < right ? -1 : left > right ? 1 : 0)),
    Effect.map((sorted) => sorted.slice(0, limit))
  )
}

const isLevelFrom = (level: LogEntry.LogLevel) => {
  const least = LogEntry.levels[level]
  return (name: string | null): boolean => {
    const known = name === null ? undefined : (LogEntry.levels as Record<string, number>)[name]
    return known === undefined || known >= least
  }
}

/**
 * A backend over the rows of Prefect's tables, independent of where they are stored. Each table is read when it is
 * first needed.
 */
export const make = Effect.fnUntraced(function*(rows: Index.Rows): Effect.fn.Return<{
  readonly backend: Backend.Backend
  /** Reads the tables that have not been read yet. */
  readonly readAll: Effect.Effect<void, Errors.PrefectApiError>
  /** Every task run, of any flow run, in the order of the table. */
  readonly allTaskRuns: (
    page: Backend.PageRequest
  ) => Effect.Effect<Backend.Page<TaskRunView.TaskRunView>, Errors.PrefectApiError>
}> {
  const taskRuns = yield* cachedSuccess(Index.indexTaskRuns(rows))
  const flowRuns = yield* cachedSuccess(Index.indexFlowRuns(rows))
  const flows = yield* cachedSuccess(Index.indexFlows(rows))
  const logs = yield* cachedSuccess(Index.indexLogs(rows))
  const edges = yield* cachedSuccess(Index.indexEdges(rows))
  const artifacts = yield* cachedSuccess(Index.indexArtifacts(rows))
  const taskRunStates = yield* cachedSuccess(Index.indexStates(rows, "task_run_state", "task_run_id"))
  const flowRunStates = yield* cachedSuccess(Index.indexStates(rows, "flow_run_state", "flow_run_id"))

  const read = (table: Index.TableName, entries: ReadonlyArray<Index.Entry>) =>
    Effect.flatMap(
      rows.read(table, entries.map((entry) => entry.place)),
      (found) => Sorting.mapped(found, (row) => Index.complete(table, row))
    )

  /** The rows of task runs, with the slugs of their tasks. */
  const taskRunRows = (operation: string, index: Index.TaskRunIndex, entries: ReadonlyArray<Index.TaskRunEntry>) =>
    Effect.flatMap(read("task_run", entries), (found) => {
      let changed: string | undefined
      const completed = Sorting.mapped(found, (row, at) => {
        const { id, taskId } = entries[at]!
        if (row["id"] !== id) changed ??= id
        return taskId !== null && index.slugs.has(taskId)
          ? withColumns(row, { task: { id: taskId, slug: index.slugs.get(taskId) } })
          : row
      })
      return Effect.flatMap(completed, (out) =>
        changed === undefined
          ? Effect.succeed(out)
          : malformed(operation, `the row of task run ${changed} is another one by now`))
    })

  const views = (operation: string, index: Index.TaskRunIndex, entries: ReadonlyArray<Index.TaskRunEntry>) =>
    Effect.flatMap(
      taskRunRows(operation, index, entries),
      (found) => Decoders.decodeAll("task_run", Decoders.decodeTaskRun, found, (_, at) => entries[at]!.id)
    )

  const models = <A>(table: Index.TableName, decode: Decoders.Decoder<A>, entries: ReadonlyArray<Index.Entry>) =>
    Effect.flatMap(
      read(table, entries),
      (found) => Decoders.decodeAll(table, decode, found, (_, at) => entries[at]!.id)
    )

  const viewsPage = (
    operation: string,
    index: Index.TaskRunIndex,
    page: Effect.Effect<FoundPage<Index.TaskRunEntry>>
  ) =>
    Effect.flatMap(
      page,
      ({ entries, next }) => Effect.map(views(operation, index, entries), (items) => ({ items, next: cursorOf(next) }))
    )

  const modelsPage = <A>(
    table: Index.TableName,
    decode: Decoders.Decoder<A>,
    page: Effect.Effect<FoundPage<Index.Entry>>
  ) =>
    Effect.flatMap(
      page,
      ({ entries, next }) => Effect.map(models(table, decode, entries), (items) => ({ items, next: cursorOf(next) }))
    )

  const single = <A>(
    operation: string,
    table: Index.TableName,
    decode: Decoders.Decoder<A>,
    entries: ReadonlyArray<Index.Entry>,
    missing: Errors.Reason
  ) =>
    Effect.flatMap(read(table, entries.slice(0, 1)), (found) => Decoders.decodeOne(operation, decode, found, missing))

  const one = (
    operation: string,
    query: string,
    index: Index.TaskRunIndex,
    entries: ReadonlyArray<Index.TaskRunEntry>
  ) => {
    if (entries.length > 1) {
      return fail(operation, new Errors.AmbiguousTaskRun({ query, taskRunIds: entries.map((entry) => entry.id) }))
    }
    return Effect.flatMap(
      taskRunRows(operation, index, entries),
      (found) => Decoders.decodeOne(operation, Decoders.decodeTaskRun, found, new Errors.TaskRunNotFound({ query }))
    )
  }

  const statesOf = (table: "task_run_state" | "flow_run_state", entries: ReadonlyArray<Index.Entry>) =>
    models(table, Decoders.decodeStateRecord, entries)

  /** The entries of one task in a flow run are adjacent, in map order. */
  const firstOf = (entries: ReadonlyArray<Index.TaskRunEntry>, taskId: string, after: number) =>
    Index.positionAfter(
      entries,
      {
        place: Infinity,
        id: "\uffff",
        taskId,
        mapIndex: after,
        flowRunId: null,
        state: "",
        startTime: Number.NaN,
        endTime: Number.NaN
      },
      Index.byTaskAndMapIndex
    )

  const backend: Backend.Backend = {
    name: rows.name,

    taskRun: (id) => Effect.flatMap(taskRuns, (index) => one("taskRun", id, index, index.byId.get(id))),

    taskRunsByIdPrefix: (query) =>
      Effect.flatMap(taskRuns, (index) => {
        return Effect.flatMap(
          idsOf(index.byId.lists.keys(), query),
          (ids) => views("taskRunsByIdPrefix", index, ids.flatMap((id) => index.byId.get(id)).slice(0, query.limit))
        )
      }),

    taskRunBySlug: (query) =>
      Effect.flatMap(taskRuns, (index) =>
        Effect.flatMap(
          Sorting.filtered(
            index.byFlowRun.get(query.flowRunId),
            (entry) =>
              entry.mapIndex === query.mapIndex && entry.taskId !== null &&
              index.slugs.get(entry.taskId) === query.taskSlug
          ),
          (entries) => one("taskRunBySlug", describeBySlug(query), index, entries)
        )),

    firstTaskRunOfEachTask: (flowRunId) =>
      Effect.flatMap(taskRuns, (index) => {
        const all = index.byFlowRun.get(flowRunId)
        const first = Sorting.filtered(
          all,
          (entry, at) => entry.taskId === null || entry.taskId !== all[at - 1]?.taskId
        )
        const slugOf = (entry: Index.TaskRunEntry) =>
          entry.taskId === null ? null : index.slugs.get(entry.taskId) ?? null
        const bySlug = (left: Index.TaskRunEntry, right: Index.TaskRunEntry) => {
          const leftSlug = slugOf(left)
          const rightSlug = slugOf(right)
          if (leftSlug === null || rightSlug === null) {
            return Number(leftSlug === null) - Number(rightSlug === null) || Index.byTaskAndMapIndex(left, right)
          }
          return compareCodePoints(leftSlug, rightSlug) || Index.byTaskAndMapIndex(left, right)
        }
        return first.pipe(
          Effect.flatMap((entries) => Sorting.sorted(entries, bySlug)),
          Effect.flatMap((entries) => views("firstTaskRunOfEachTask", index, entries))
        )
      }),

    mappedTaskIds: (flowRunId) =>
      Effect.flatMap(taskRuns, (index) => {
        const ids = new Set<string>()
        const look = ({ mapIndex, taskId }: Index.TaskRunEntry) => {
          if (mapIndex >= 0 && taskId !== null) ids.add(taskId)
        }
        return Effect.as(Sorting.visited(index.byFlowRun.get(flowRunId), look), ids)
      }),

    countMappedChildren: ({ flowRunId, taskId }) =>
      Effect.flatMap(taskRuns, (index) => {
        const all = index.byFlowRun.get(flowRunId)
        const counts = new Map<string, number>()
        const count = (entry: Index.TaskRunEntry) => {
          if (entry.taskId !== taskId) return true
          counts.set(entry.state, (counts.get(entry.state) ?? 0) + 1)
          return false
        }
        return Effect.map(
          Sorting.visited(all, count, firstOf(all, taskId, -1)),
          () => Object.fromEntries(counts)
        )
      }),

    flowRun: (flowRunId) =>
      Effect.flatMap(flowRuns, ({ byId }) =>
        single(
          "flowRun",
          "flow_run",
          Decoders.decodeFlowRun,
          byId.get(flowRunId),
          new Errors.FlowRunNotFound({ flowRunId })
        )),

    flowRunsByIdPrefix: (query) =>
      Effect.flatMap(flowRuns, ({ byId }) =>
        Effect.flatMap(
          idsOf(byId.lists.keys(), query),
          (ids) => models("flow_run", Decoders.decodeFlowRun, ids.flatMap((id) => byId.get(id).slice(0, 1)))
        )),

    flow: (flowId) =>
      Effect.flatMap(
        flows,
        ({ byId }) => single("flow", "flow", Decoders.decodeFlow, byId.get(flowId), new Errors.FlowNotFound({ flowId }))
      ),

    edges: Effect.fnUntraced(function*(flowRunId) {
      const { byId } = yield* flowRuns
      const [flowRun] = byId.get(flowRunId)
      if (flowRun === undefined) return yield* fail("edges", new Errors.FlowRunNotFound({ flowRunId }))
      const { flowId } = flowRun
      if (flowId === null) return []
      const stored = (yield* edges).get(flowId)
      if (stored !== undefined) return stored
      const [flow] = yield* read("flow", (yield* flows).byId.get(flowId).slice(0, 1))
      return ofSerializedFlow(flow?.["serialized_flow"], yield* Index.taskIdsOf(rows, flowId))
    }),

    flowRunStates: (flowRunId) =>
      Effect.flatMap(flowRunStates, (byRun) => statesOf("flow_run_state", byRun.get(flowRunId))),

    taskRunStates: (taskRunId) =>
      Effect.flatMap(taskRunStates, (byRun) => statesOf("task_run_state", byRun.get(taskRunId))),

    storageBlock: () =>
      fail(
        "storageBlock",
        new Errors.UnsupportedByBackend({ feature: "storage blocks", backend: rows.name })
      ),

    taskRunsOfTaskPage: ({ after, flowRunId, taskId }, { cursor, limit }) =>
      Effect.flatMap(taskRuns, (index) => {
        const all = index.byFlowRun.get(flowRunId)
        const start = cursor === undefined ? firstOf(all, taskId, after) : startOf(all, cursor, Index.byTaskAndMapIndex)
        const page = pageOf(all, start, limit, () => true, (entry) => entry.taskId !== taskId)
        return viewsPage("taskRunsOfTask", index, page)
      }),

    taskRunsPage: ({ flowRunId, mapped, states, taskSlug }, { cursor, limit }) =>
      Effect.flatMap(taskRuns, (index) => {
        const all = index.byFlowRun.get(flowRunId)
        const page = pageOf(
          all,
          startOf(all, cursor, Index.byTaskAndMapIndex),
          limit,
          (entry) =>
            (states === undefined || states.includes(entry.state)) &&
            (mapped === undefined || mapped === (entry.mapIndex >= 0)) &&
            (taskSlug === undefined || entry.taskId !== null && index.slugs.get(entry.taskId) === taskSlug)
        )
        return viewsPage("taskRuns", index, page)
      }),

    taskRunSummariesPage: ({ after, flowRunId, taskId }, { cursor, limit }) =>
      Effect.flatMap(taskRuns, (index) => {
        const all = index.byFlowRun.get(flowRunId)
        const start = cursor !== undefined
          ? startOf(all, cursor, Index.byTaskAndMapIndex)
          : taskId === undefined
          ? 0
          : firstOf(all, taskId, after ?? -Infinity)
        const page = pageOf(all, start, limit, () => true, (entry) => taskId !== undefined && entry.taskId !== taskId)
        return Effect.map(page, ({ entries, next }) => ({
          items: entries.map((entry) => ({
            taskRunId: entry.id,
            taskId: entry.taskId,
            mapIndex: entry.mapIndex,
            state: entry.state,
            startTime: isoText(entry.startTime),
            endTime: isoText(entry.endTime)
          })),
          next: cursorOf(next)
        }))
      }),

    siblingsPage: ({ flowRunId, taskId, taskRunId }, { cursor, limit }) =>
      Effect.flatMap(taskRuns, (index) => {
        if (taskId === null || flowRunId === null) return Effect.succeed({ items: [], next: undefined })
        const all = index.byFlowRun.get(flowRunId)
        const start = cursor === undefined
          ? firstOf(all, taskId, -Infinity)
          : startOf(all, cursor, Index.byTaskAndMapIndex)
        const page = pageOf(
          all,
          start,
          limit,
          (entry) => entry.id !== taskRunId,
          (entry) => entry.taskId !== taskId
        )
        return viewsPage("siblings", index, page)
      }),

    flowRunsPage: Effect.fnUntraced(function*({ flowId, flowName, nameContains: part, states }, { cursor, limit }) {
      const { sorted } = yield* flowRuns
      let named: ReadonlySet<string> | undefined
      if (flowName !== undefined) {
        const all = yield* flows
        named = new Set((yield* Sorting.filtered(all.sorted, ({ name }) => name === flowName)).map(({ id }) => id))
      }
      return yield* modelsPage(
        "flow_run",
        Decoders.decodeFlowRun,
        pageOf(
          sorted,
          startOf(sorted, cursor, Index.newestFirst),
          limit,
          (entry) =>
            (flowId === undefined || entry.flowId === flowId) &&
            (named === undefined || entry.flowId !== null && named.has(entry.flowId)) &&
            (part === undefined || nameContains(entry.name, part)) &&
            (states === undefined || states.includes(entry.state))
        )
      )
    }),

    flowsPage: ({ cursor, limit }) =>
      Effect.flatMap(flows, ({ sorted }) => {
        const page = pageOf(sorted, startOf(sorted, cursor, Index.newestFirst), limit, () => true)
        return modelsPage("flow", Decoders.decodeFlow, page)
      }),

    logsPage: ({ after, flowRunId, level, taskRunId }, { cursor, limit }) =>
      Effect.flatMap(logs, (index) => {
        const list = taskRunId !== undefined
          ? index.byTaskRun.get(taskRunId)
          : flowRunId !== undefined
          ? index.byFlowRun.get(flowRunId)
          : index.sorted
        const known: Backend.Cursor | undefined = cursor ??
          (after === undefined
            ? undefined
            : { time: microseconds(after.timestamp), id: after.id, place: Infinity })
        const isWantedLevel = level === undefined ? () => true : isLevelFrom(level)
        const page = pageOf(
          list,
          startOf(list, known, Index.byTime),
          limit,
          (entry) => isWantedLevel(entry.level) && (flowRunId === undefined || entry.flowRunId === flowRunId)
        )
        return modelsPage("log", Decoders.decodeLog, page)
      }),

    artifactsPage: Effect.fnUntraced(function*({ flowRunId, taskRunId }, { cursor, limit }) {
      const index = yield* artifacts
      const list = taskRunId === undefined ? index.sorted : index.byTaskRun.get(taskRunId)
      const runs = flowRunId === undefined ? undefined : yield* taskRuns
      return yield* modelsPage(
        "task_run_artifact",
        Decoders.decodeArtifact,
        pageOf(
          list,
          startOf(list, cursor, Index.oldestFirst),
          limit,
          (entry) =>
            runs === undefined || runs.byId.get(entry.taskRunId).some((taskRun) => taskRun.flowRunId === flowRunId)
        )
      )
    })
  }
  const all = Effect.all([taskRuns, flowRuns, flows, logs, artifacts, taskRunStates, flowRunStates, edges], {
    discard: true
  })
  const isWritten = (table: IdTable, id: string): Effect.Effect<boolean, Errors.PrefectApiError> =>
    table === "flow"
      ? Effect.map(flows, ({ byId }) => byId.lists.has(id))
      : table === "task"
      ? Effect.map(taskRuns, ({ slugs }) => slugs.has(id))
      : table === "task_run"
      ? Effect.map(taskRuns, ({ byId }) => byId.lists.has(id))
      : Effect.map(flowRuns, ({ byId }) => byId.lists.has(id))
  return {
    backend: inAnyCase(backend, isWritten),
    readAll: all,
    allTaskRuns: ({ cursor, limit }) =>
      Effect.flatMap(taskRuns, (index) => {
        const start = typeof cursor === "number" ? cursor : 0
        const entries = index.all.slice(start, start + limit)
        const end = start + entries.length
        return Effect.map(
          views("allTaskRuns", index, entries),
          (items) => ({ items, next: end < index.all.length ? end : undefined })
        )
      })
  }
})
