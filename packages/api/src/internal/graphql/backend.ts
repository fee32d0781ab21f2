import * as State from "@effect-prefect/core/State"
import * as TaskRunView from "@effect-prefect/core/TaskRunView"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Backend from "../../Backend.ts"
import * as Errors from "../../PrefectApiError.ts"
import type { RowProblem } from "../../RowProblem.ts"
import { compareCodePoints } from "../codePoints.ts"
import { toApiError } from "../http/failure.ts"
import { isObject } from "../isObject.ts"
import * as Rows from "../rows.ts"
import * as Sorting from "../sorting.ts"
import { describeBySlug } from "../taskRunText.ts"
import { microseconds } from "../timestamps.ts"
import { canonicalUuid, uuidRange } from "../uuids.ts"
import * as Batcher from "./batcher.ts"
import type { GraphQLClient } from "./client.ts"
import { fromLevel, inStates, slugConditions, slugKey } from "./conditions.ts"
import { countChildren } from "./counts.ts"
import * as Documents from "./documents.ts"
import { edgesOf } from "./edges.ts"
import type { Condition } from "./keyset.ts"
import * as Pages from "./pages.ts"
import { fail, type Listing, listings, malformed, type Row, views } from "./pages.ts"

const emptyPage: Backend.Page<never> = { items: [], next: undefined }

/**
 * The Prefect 1 GraphQL API as a backend.
 */
export const make = (client: GraphQLClient, options: { readonly lookupBatchSize: number }): Backend.Backend => {
  const name = "the Prefect 1 API"

  const { everyPage, everyRow, isLast, models, modelsPage, pagedRows, queryRows, rawPage, viewsPage } = Pages.make(
    client
  )

  const lookupById = <A>(
    operation: string,
    document: Documents.Document,
    table: string,
    decode: Rows.Decoder<A>,
    idOf: (value: A) => string,
    notFound: (id: string) => Errors.Reason,
    ambiguous: (id: string, found: ReadonlyArray<string>) => Errors.Reason = (id, { length }) =>
      new Errors.MalformedResponse({ detail: `it has ${length} rows of ${table} with the id ${id}` })
  ) => {
    const lookup = Batcher.make<string, A>({
      operation,
      batchSize: options.lookupBatchSize,
      keyOf: (id) => id,
      request: (ids) =>
        Effect.map(queryRows(operation, document, table, { ids }), (rows) =>
          rows.map((row): Batcher.Found<A> => {
            const value = decode(row)
            return Result.isSuccess(value)
              ? { key: canonicalUuid(idOf(value.success)) ?? "", value: value.success }
              : { detail: value.failure }
          })),
      notFound,
      ambiguous: (id, found) => ambiguous(id, found.map(idOf))
    })
    return (id: string): Effect.Effect<A, Errors.PrefectApiError> => {
      const uuid = canonicalUuid(id)
      return uuid === undefined ? fail(operation, notFound(id)) : lookup(uuid)
    }
  }

  const lookupBySlug = Batcher.make<Backend.TaskRunBySlug, TaskRunView.TaskRunView>({
    operation: "taskRunBySlug",
    batchSize: options.lookupBatchSize,
    keyOf: ({ flowRunId, mapIndex, taskSlug }) => slugKey(flowRunId, taskSlug, mapIndex),
    request: (queries) =>
      Effect.map(
        queryRows("taskRunBySlug", Documents.taskRunsBySlug, "task_run", { where: slugConditions(queries) }),
        (rows) =>
          rows.map((row): Batcher.Found<TaskRunView.TaskRunView> => {
            const view = Rows.decodeTaskRun(row)
            if (Result.isFailure(view)) return { detail: view.failure }
            const { flowRunId, mapIndex, taskSlug } = view.success
            return { key: slugKey(flowRunId, taskSlug, mapIndex), value: view.success }
          })
      ),
    notFound: (query) => new Errors.TaskRunNotFound({ query: describeBySlug(query) }),
    ambiguous: (query, found) =>
      new Errors.AmbiguousTaskRun({
        query: describeBySlug(query),
        taskRunIds: found.map(({ taskRunId }) => taskRunId)
      })
  })

  const byIdPrefix = Effect.fnUntraced(function*(
    operation: string,
    listing: Listing,
    { limit, prefix }: Backend.IdPrefixQuery
  ) {
    const range = uuidRange(prefix)
    const found: Array<Row> = []
    if (range === undefined) return found
    let cursor: Backend.Cursor | undefined
    do {
      const condition = { id: { _gte: range.first, _lte: range.last } }
      const page = yield* rawPage(operation, listing, [condition], { cursor, limit: limit - found.length })
      for (const row of page.rows) found.push(row)
      cursor = page.next
    } while (cursor !== undefined && found.length < limit)
    return found
  })

  const statesOf = (operation: string, listing: Listing, condition: Condition) =>
    Effect.flatMap(
      everyRow(operation, listing, [condition]),
      (rows) => {
        const timeOf = (row: Row) => {
          const time = microseconds(row["timestamp"])
          return Number.isNaN(time) ? Infinity : time
        }
        const versionOf = (row: Row) => typeof row["version"] === "number" ? row["version"] : Infinity
        // `|| 0`: two infinite times are equal.
        const sorted = Sorting.sorted(
          rows,
          (left, right) => timeOf(left) - timeOf(right) || versionOf(left) - versionOf(right) || 0
        )
        return Effect.flatMap(sorted, (all) => models(listing.table, all, Rows.decodeStateRecord))
      }
    )

  /** Rows that each belong to a different task, in the order of the task ids. */
  const distinctTasks = (
    operation: string,
    document: Documents.Document,
    condition: (after: string | undefined) => Condition
  ) =>
    everyPage(
      operation,
      Effect.fnUntraced(function*({ cursor, limit }) {
        let last = cursor as string | undefined
        const { rows, size } = yield* pagedRows(operation, document, "task_run", { where: condition(last) }, limit)
        const items: Array<Row> = []
        const problems: Array<RowProblem> = []
        for (const row of rows) {
          const taskId = isObject(row) ? row["task_id"] : undefined
          if (typeof taskId !== "string") {
            problems.push(Rows.problemOf("task_run", Rows.uuidOf(row), "task_id is not a string"))
            continue
          }
          if (last !== undefined && taskId <= last) {
            return yield* malformed(operation, "rows of task_run are repeated, or not in the requested order")
          }
          last = taskId
          items.push(row as Row)
        }
        yield* Rows.leaveOut(problems)
        const hasMore = !isLast(rows.length, size)
        if (items.length === 0 && rows.length >= size) {
          return yield* malformed(operation, "no task run of a page has its task_id")
        }
        return { items, next: hasMore && items.length > 0 ? last : undefined }
      })
    )

  const afterTask = (after: string | undefined) => after === undefined ? { _is_null: false } : { _gt: after }

  const firstOfTasks = (flowRunId: string) =>
    Effect.flatMap(
      distinctTasks("firstTaskRunOfEachTask", Documents.firstTaskRunOfEachTask, (after) => ({
        flow_run_id: { _eq: flowRunId },
        task_id: afterTask(after)
      })),
      views
    )

  const byTask = (left: TaskRunView.TaskRunView, right: TaskRunView.TaskRunView) =>
    Number(left.taskId === null) - Number(right.taskId === null) ||
    compareCodePoints(left.taskId ?? "", right.taskId ?? "") ||
    left.mapIndex - right.mapIndex ||
    compareCodePoints(left.taskRunId, right.taskRunId)

  const childrenOf = countChildren(client, everyRow)

  return {
    name,

    taskRun: lookupById(
      "taskRun",
      Documents.taskRunsById,
      "task_run",
      Rows.decodeTaskRun,
      ({ taskRunId }) => taskRunId,
      (id) => new Errors.TaskRunNotFound({ query: id }),
      (id, taskRunIds) => new Errors.AmbiguousTaskRun({ query: id, taskRunIds })
    ),

    taskRunsByIdPrefix: (query) =>
      Effect.flatMap(byIdPrefix("taskRunsByIdPrefix", listings.taskRunsById, query), views),

    taskRunBySlug: (query) => {
      const flowRunId = canonicalUuid(query.flowRunId)
      return flowRunId === undefined || !isPostgresInt(query.mapIndex)
        ? fail("taskRunBySlug", new Errors.TaskRunNotFound({ query: describeBySlug(query) }))
        : lookupBySlug({ ...query, flowRunId })
    },

    flowRun: lookupById(
      "flowRun",
      Documents.flowRunsById,
      "flow_run",
      Rows.decodeFlowRun,
      ({ flowRunId }) => flowRunId,
      (flowRunId) => new Errors.FlowRunNotFound({ flowRunId })
    ),

    flowRunsByIdPrefix: (query) =>
      Effect.flatMap(
        byIdPrefix("flowRunsByIdPrefix", listings.flowRunsById, query),
        (rows) => models("flow_run", rows, Rows.decodeFlowRun)
      ),

    flow: lookupById(
      "flow",
      Documents.flowsById,
      "flow",
      Rows.decodeFlow,
      ({ flowId }) => flowId,
      (flowId) => new Errors.FlowNotFound({ flowId })
    ),

    firstTaskRunOfEachTask: (id) => {
      const flowRunId = canonicalUuid(id)
      if (flowRunId === undefined) return Effect.succeed([])
      const operation = "firstTaskRunOfEachTask"
      const withoutTask = Effect.flatMap(
        everyRow(operation, listings.taskRuns, [{ flow_run_id: { _eq: flowRunId }, task_id: { _is_null: true } }]),
        views
      )
      return Effect.flatMap(
        Effect.all([firstOfTasks(flowRunId), withoutTask], { concurrency: 2 }),
        (found) =>
          Sorting.sorted(found.flat(), (left, right) =>
            left.taskSlug === null || right.taskSlug === null
              ? Number(left.taskSlug === null) - Number(right.taskSlug === null) || byTask(left, right)
              : compareCodePoints(left.taskSlug, right.taskSlug) || byTask(left, right))
      )
    },

    mappedTaskIds: (id) => {
      const flowRunId = canonicalUuid(id)
      if (flowRunId === undefined) return Effect.succeed(new Set<string>())
      return Effect.map(
        distinctTasks("mappedTaskIds", Documents.mappedTasks, (after) => ({
          flow_run_id: { _eq: flowRunId },
          map_index: { _gte: 0 },
          task_id: afterTask(after)
        })),
        (rows) => new Set(rows.map((row) => row["task_id"] as string))
      )
    },

    countMappedChildren: (task) => {
      const flowRunId = canonicalUuid(task.flowRunId)
      const taskId = canonicalUuid(task.taskId)
      return flowRunId === undefined || taskId === undefined ? Effect.succeed({}) : childrenOf(flowRunId, taskId)
    },

    edges: (id) => edgesOf(client, id),

    flowRunStates: (id) => {
      const flowRunId = canonicalUuid(id)
      return flowRunId === undefined
        ? Effect.succeed([])
        : statesOf("flowRunStates", listings.flowRunStates, { flow_run_id: { _eq: flowRunId } })
    },

    taskRunStates: (id) => {
      const taskRunId = canonicalUuid(id)
      return taskRunId === undefined
        ? Effect.succeed([])
        : statesOf("taskRunStates", listings.taskRunStates, { task_run_id: { _eq: taskRunId } })
    },

    storageBlock: () =>
      fail("storageBlock", new Errors.UnsupportedByBackend({ feature: "storage blocks", backend: name })),

    taskRunsOfTaskPage: (task, page) => {
      const operation = "taskRunsOfTask"
      const flowRunId = canonicalUuid(task.flowRunId)
      const taskId = canonicalUuid(task.taskId)
      if (flowRunId === undefined || taskId === undefined) return Effect.succeed(emptyPage)
      // Two runs may share an index in a damaged database, even the last of a page and the first of the next: the code
      // that counts the children reports it.
      return viewsPage(
        operation,
        listings.ofTask,
        [{
          flow_run_id: { _eq: flowRunId },
          task_id: { _eq: taskId },
          map_index: { _gt: Math.max(-2_147_483_648, Math.min(2_147_483_647, task.after)) }
        }],
        page
      )
    },

    taskRunsPage: (query, page) => {
      const flowRunId = canonicalUuid(query.flowRunId)
      if (flowRunId === undefined || query.states?.length === 0) return Effect.succeed(emptyPage)
      return viewsPage("taskRuns", listings.taskRuns, [
        {
          flow_run_id: { _eq: flowRunId },
          ...(query.taskSlug === undefined ? {} : { task: { slug: { _eq: query.taskSlug } } }),
          ...(query.mapped === undefined ? {} : { map_index: query.mapped ? { _gte: 0 } : { _lt: 0 } })
        },
        ...(query.states === undefined ? [] : [inStates(query.states)])
      ], page)
    },

    taskRunSummariesPage: Effect.fnUntraced(function*(query, page) {
      const operation = "taskRunSummaries"
      const flowRunId = canonicalUuid(query.flowRunId)
      const taskId = query.taskId === undefined ? undefined : canonicalUuid(query.taskId)
      if (flowRunId === undefined || query.taskId !== undefined && taskId === undefined) return emptyPage
      const { next, rows } = yield* rawPage(operation, listings.summaries, [{
        flow_run_id: { _eq: flowRunId },
        ...(taskId === undefined ? {} : { task_id: { _eq: taskId } }),
        ...(taskId === undefined || query.after === undefined
          ? {}
          : { map_index: { _gt: Math.max(-2_147_483_648, Math.min(2_147_483_647, query.after)) } })
      }], page)
      // The column is null when no state was stored, and sometimes even when one was.
      const unnamed = rows.flatMap((row) => row["state"] === null ? Rows.uuidOf(row) ?? [] : [])
      const stored = unnamed.length === 0
        ? []
        : (yield* Effect.mapError(
          queryRows(operation, Documents.statesById, "task_run", { ids: unnamed }),
          toApiError(operation)
        )).filter(isObject)
      const names = new Map(stored.map((row) => [
        row["id"],
        State.typeName(State.fromJson((row["serialized_state"] ?? null) as never))
      ]))
      const summaries = rows.map((row) => ({
        taskRunId: row["id"],
        taskId: row["task_id"] ?? null,
        mapIndex: row["map_index"],
        state: row["state"] ?? names.get(row["id"] as string) ?? "Scheduled",
        startTime: row["start_time"] ?? null,
        endTime: row["end_time"] ?? null
      }))
      return { items: yield* Rows.validSummaries(summaries), next }
    }),

    siblingsPage: ({ flowRunId, taskId, taskRunId }, page) =>
      flowRunId === null || taskId === null
        ? Effect.succeed(emptyPage)
        : viewsPage("siblings", listings.siblings, [{
          flow_run_id: { _eq: flowRunId },
          task_id: { _eq: taskId },
          id: { _neq: taskRunId }
        }], page),

    flowRunsPage: (query, page) => {
      const flowId = query.flowId === undefined ? undefined : canonicalUuid(query.flowId)
      if ((query.flowId !== undefined && flowId === undefined) || query.states?.length === 0) {
        return Effect.succeed(emptyPage)
      }
      return modelsPage(
        "flowRuns",
        listings.flowRuns,
        [
          {
            ...(flowId === undefined ? {} : { flow_id: { _eq: flowId } }),
            ...(query.flowName === undefined ? {} : { flow: { name: { _eq: query.flowName } } }),
            ...(query.nameContains === undefined ? {} : { name: { _ilike: containing(query.nameContains) } })
          },
          ...(query.states === undefined ? [] : [inStates(query.states)])
        ],
        page,
        Rows.decodeFlowRun
      )
    },

    // Flows contain their whole source graph.
    flowsPage: (page) =>
      modelsPage("flows", listings.flows, [{}], { ...page, limit: Math.min(page.limit, 100) }, Rows.decodeFlow),

    logsPage: (query, page) => {
      const ids = idsOf(query)
      if (ids === undefined) return Effect.succeed(emptyPage)
      const { flowRunId, taskRunId } = ids
      const known = query.after === undefined
        ? undefined
        : { after: [query.after.timestamp, canonicalUuid(query.after.id) ?? "ffffffff-ffff-ffff-ffff-ffffffffffff"] }
      return modelsPage(
        "logs",
        listings.logs,
        [
          {
            ...(flowRunId === undefined ? {} : { flow_run_id: { _eq: flowRunId } }),
            ...(taskRunId === undefined ? {} : { task_run_id: { _eq: taskRunId } })
          },
          ...(query.level === undefined ? [] : [fromLevel(query.level)])
        ],
        { ...page, cursor: page.cursor ?? known },
        Rows.decodeLog
      )
    },

    artifactsPage: (query, page) => {
      const ids = idsOf(query)
      if (ids === undefined) return Effect.succeed(emptyPage)
      const { flowRunId, taskRunId } = ids
      return modelsPage(
        "artifacts",
        listings.artifacts,
        [{
          ...(taskRunId === undefined ? {} : { task_run_id: { _eq: taskRunId } }),
          ...(flowRunId === undefined ? {} : { task_run: { flow_run_id: { _eq: flowRunId } } })
        }],
        page,
        Rows.decodeArtifact
      )
    }
  }
}

/** The `ilike` pattern in Postgres for a substring. */
const containing = (text: string) => `%${text.replace(/[\\%_]/g, "\\$&")}%`

interface RunIds {
  readonly flowRunId?: string | undefined
  readonly taskRunId?: string | undefined
}

/** The ids of a query in the form of the database; undefined where one of them is the id of nothing. */
const idsOf = (query: RunIds): RunIds | undefined => {
  const flowRunId = query.flowRunId === undefined ? undefined : canonicalUuid(query.flowRunId)
  const taskRunId = query.taskRunId === undefined ? undefined : canonicalUuid(query.taskRunId)
  const isKnown = (query.flowRunId === undefined || flowRunId !== undefined) &&
    (query.taskRunId === undefined || taskRunId !== undefined)
  return isKnown ? { flowRunId, taskRunId } : undefined
}

const isPostgresInt = (value: number) => Number.isInteger(value) && Math.abs(value) <= 2_147_483_647
