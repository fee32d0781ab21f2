import * as Artifact from "@effect-prefect/core/Artifact"
import * as FlowRunView from "@effect-prefect/core/FlowRunView"
import * as FlowView from "@effect-prefect/core/FlowView"
import * as LogEntry from "@effect-prefect/core/LogEntry"
import * as State from "@effect-prefect/core/State"
import * as StateRecord from "@effect-prefect/core/StateRecord"
import * as TaskRunView from "@effect-prefect/core/TaskRunView"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import type * as Api from "../PrefectApi.ts"
import * as Errors from "../PrefectApiError.ts"
import { compareCodePoints } from "./codePoints.ts"
import { type Data, type GraphQLClient, isObject } from "./graphqlClient.ts"
import * as Documents from "./graphqlDocuments.ts"
import * as Keyset from "./graphqlKeyset.ts"
import * as Lookups from "./graphqlLookups.ts"
import { isOversized } from "./http.ts"
import { microseconds } from "./instants.ts"
import { canonicalUuid } from "./uuids.ts"
import { describeBySlug } from "./wanted.ts"

type Row = { readonly [column: string]: unknown }
type Condition = Keyset.Condition

const fail = (operation: string, reason: Errors.Reason) =>
  Effect.fail(new Errors.PrefectApiError({ operation, reason }))
const malformed = (operation: string, problem: string) => fail(operation, new Errors.MalformedResponse({ problem }))

const emptyPage: Api.Page<never> = { items: [], next: undefined }

/** The most rows that one query asks for. */
const maxPageSize = 10_000

const pathOf = SchemaIssue.makeFormatterStandardSchemaV1()

/**
 * A row as a model, or what is wrong with it: the column, and never its value.
 */
const decoder = <S extends Schema.ConstraintDecoder<unknown>>(schema: S) => {
  const decode = Schema.decodeUnknownResult(schema)
  return (row: unknown): Result.Result<S["Type"], string> =>
    Result.mapError(decode(row), ({ issue }) => {
      const path = pathOf(issue).issues[0]?.path ?? []
      const column = path[0]
      const name = typeof column === "object" ? column.key : column
      return name === undefined
        ? "a row is not one of Prefect's"
        : `the column ${String(name)} is not of Prefect's type`
    })
}

const decodeFlowRun = decoder(FlowRunView.FromRow)
const decodeFlow = decoder(FlowView.FromRow)
const decodeLog = decoder(LogEntry.FromRow)
const decodeArtifact = decoder(Artifact.FromRow)
const decodeStateRecord = decoder(StateRecord.FromRow)

const decodeTaskRun = (row: unknown): Result.Result<TaskRunView.TaskRunView, string> => {
  const view = TaskRunView.fromRow(row)
  return view instanceof TaskRunView.TaskRunView ? Result.succeed(view) : Result.fail(view.problem)
}

const listingOf = (name: string, table: Documents.Table, order: Keyset.Order) => ({
  document: Documents.listing(name, table, Keyset.orderBy(order)),
  table,
  order
})

const listings = {
  taskRuns: listingOf("TaskRuns", "task_run", Keyset.byTaskAndMapIndex),
  siblings: listingOf("Siblings", "task_run", Keyset.byMapIndex),
  flowRuns: listingOf("FlowRuns", "flow_run", Keyset.newestFirst),
  flows: listingOf("Flows", "flow", Keyset.newestFirst),
  logs: listingOf("Logs", "log", Keyset.byTimestamp),
  artifacts: listingOf("Artifacts", "task_run_artifact", Keyset.oldestFirst),
  flowRunStates: listingOf("FlowRunStates", "flow_run_state", Keyset.byId),
  taskRunStates: listingOf("TaskRunStates", "task_run_state", Keyset.byId)
}
type Listing = (typeof listings)[keyof typeof listings]

const stateTypes = Object.keys(
  {
    Pending: 0,
    Scheduled: 0,
    Paused: 0,
    Resume: 0,
    Retrying: 0,
    ClientFailed: 0,
    Submitted: 0,
    Queued: 0,
    Running: 0,
    Cancelling: 0,
    Finished: 0,
    Looped: 0,
    Success: 0,
    Cached: 0,
    Mapped: 0,
    Skipped: 0,
    Cancelled: 0,
    Failed: 0,
    TimedOut: 0,
    TriggerFailed: 0,
    ValidationFailed: 0
  } satisfies Record<Exclude<State.StateType, "UnknownState">, 0>
)

const all = (conditions: ReadonlyArray<Condition>): Condition =>
  conditions.length === 1 ? conditions[0]! : { _and: conditions }

/** The stored state itself is asked, since it is what views are made of; no stored state reads as Scheduled. */
const inStates = (states: ReadonlyArray<string>): Condition => ({
  _or: [
    ...states.map((type) => ({ serialized_state: { _contains: { type } } })),
    ...(states.includes("Scheduled") ? [{ serialized_state: { _is_null: true } }] : [])
  ]
})

/** Lines whose level is not one of Python's are given at every level. */
const fromLevel = (level: LogEntry.LogLevel): Condition => {
  const names = Object.keys(LogEntry.levels) as Array<LogEntry.LogLevel>
  const below = names.filter((name) => LogEntry.levels[name] < LogEntry.levels[level])
  return { _or: [{ level: { _nin: below } }, { level: { _is_null: true } }] }
}

/**
 * The conditions of several slugs, map indexes and flow runs. Map indexes which are wanted for the same slugs share a
 * branch, so a thousand children of one task, or the parents of a whole flow run, are one branch.
 */
const slugConditions = (wanted: ReadonlyArray<Api.TaskRunBySlug>): Condition => {
  const flowRuns = new Map<string, Map<number, Set<string>>>()
  for (const { flowRunId, mapIndex, taskSlug } of wanted) {
    const byIndex = flowRuns.get(flowRunId) ?? new Map<number, Set<string>>()
    const slugs = byIndex.get(mapIndex) ?? new Set<string>()
    flowRuns.set(flowRunId, byIndex.set(mapIndex, slugs.add(taskSlug)))
  }
  const branches: Array<Condition> = []
  for (const [flowRunId, byIndex] of flowRuns) {
    const bySlugs = new Map<string, { readonly slugs: ReadonlyArray<string>; readonly indexes: Array<number> }>()
    for (const [mapIndex, set] of byIndex) {
      const slugs = [...set].toSorted(compareCodePoints)
      const key = JSON.stringify(slugs)
      const same = bySlugs.get(key)
      if (same === undefined) bySlugs.set(key, { slugs, indexes: [mapIndex] })
      else same.indexes.push(mapIndex)
    }
    for (const { indexes, slugs } of bySlugs.values()) {
      branches.push({
        flow_run_id: { _eq: flowRunId },
        task: { slug: slugs.length === 1 ? { _eq: slugs[0] } : { _in: slugs } },
        map_index: indexes.length === 1 ? { _eq: indexes[0] } : { _in: indexes }
      })
    }
  }
  return branches.length === 1 ? branches[0]! : { _or: branches }
}

const slugKey = (flowRunId: string | null, taskSlug: string | null, mapIndex: number) =>
  JSON.stringify([flowRunId, taskSlug, mapIndex])

/**
 * The Prefect 1 GraphQL API as a backend.
 */
export const make = (client: GraphQLClient, options: { readonly lookupBatchSize: number }): Api.Backend => {
  const name = "the Prefect 1 API"

  /**
   * A server may give fewer rows than were asked for, so a short page is the last one only when this server has shown
   * that it gives longer ones.
   */
  let longestPage = 0
  const isLast = (length: number, limit: number): boolean => {
    const last = length === 0 || (length < limit && length < longestPage)
    longestPage = Math.max(longestPage, length)
    return last
  }

  const rowsOf = (operation: string, data: Data, table: string) => {
    const rows = data[table]
    return Array.isArray(rows)
      ? Effect.succeed(rows as ReadonlyArray<unknown>)
      : malformed(operation, `it has no list of ${table}`)
  }

  const queryRows = (
    operation: string,
    document: Documents.Document,
    table: string,
    variables: { readonly [name: string]: unknown }
  ) => Effect.flatMap(client.query(operation, document, variables), (data) => rowsOf(operation, data, table))

  /** Rows of a table may be small or huge; what once was too large is not asked for again. */
  const pageSizes = new Map<string, number>()

  const pagedRows = Effect.fnUntraced(function*(
    operation: string,
    document: Documents.Document,
    table: string,
    variables: { readonly [name: string]: unknown },
    limit: number
  ) {
    while (true) {
      const size = Math.min(maxPageSize, Math.max(1, Math.trunc(limit)), pageSizes.get(table) ?? maxPageSize)
      const answer = yield* Effect.result(queryRows(operation, document, table, { ...variables, limit: size }))
      if (Result.isSuccess(answer)) return { rows: answer.success, size }
      if (size === 1 || !isOversized(answer.failure)) return yield* answer.failure
      pageSizes.set(table, Math.max(1, size >> 2))
    }
  })

  /** One page of raw rows in the order that was asked for, and the cursor after them. */
  const rawPage = Effect.fnUntraced(function*(
    operation: string,
    { document, order, table }: Listing,
    conditions: ReadonlyArray<Condition>,
    { cursor, limit }: Api.PageRequest
  ) {
    const from = cursor === undefined ? undefined : (cursor as unknown as { readonly after: Keyset.Place }).after
    const where = all(from === undefined ? conditions : [...conditions, Keyset.after(order, from)])
    const { rows, size } = yield* pagedRows(operation, document, table, { where }, limit)
    let place = from
    for (const row of rows) {
      const next = isObject(row) ? Keyset.placeOf(order, row) : undefined
      if (next === undefined) return yield* malformed(operation, `a row of ${table} lacks what it is sorted by`)
      if (place !== undefined && !Keyset.isBefore(order, place, next)) {
        return yield* malformed(operation, `rows of ${table} are repeated, or not in the order that was asked for`)
      }
      place = next
    }
    const next: Api.Cursor | undefined = isLast(rows.length, size) || place === undefined ? undefined : { after: place }
    return { rows: rows as ReadonlyArray<Row>, next }
  })

  /** A row that is not one of Prefect's is left out, and said so: it must not hide the others. */
  const models = Effect.fnUntraced(function*<A>(
    table: string,
    rows: ReadonlyArray<Row>,
    decode: (row: unknown) => Result.Result<A, string>
  ) {
    const items: Array<A> = []
    for (const row of rows) {
      const model = decode(row)
      if (Result.isSuccess(model)) items.push(model.success)
      else {
        const id = typeof row["id"] === "string" ? canonicalUuid(row["id"]) : undefined
        yield* Effect.logWarning(`left out a row of ${table} (${id ?? "without an id"}): ${model.failure}`)
      }
    }
    return items
  })

  const modelsPage = <A>(
    operation: string,
    listing: Listing,
    conditions: ReadonlyArray<Condition>,
    page: Api.PageRequest,
    decode: (row: unknown) => Result.Result<A, string>
  ): Effect.Effect<Api.Page<A>, Errors.PrefectApiError> =>
    Effect.flatMap(
      rawPage(operation, listing, conditions, page),
      ({ next, rows }) => Effect.map(models(listing.table, rows, decode), (items) => ({ items, next }))
    )

  const views = (
    operation: string,
    rows: ReadonlyArray<unknown>
  ): Effect.Effect<ReadonlyArray<TaskRunView.TaskRunView>, Errors.PrefectApiError> => {
    const items: Array<TaskRunView.TaskRunView> = []
    for (const row of rows) {
      const view = TaskRunView.fromRow(row)
      if (!(view instanceof TaskRunView.TaskRunView)) return malformed(operation, view.problem)
      items.push(view)
    }
    return Effect.succeed(items)
  }

  const viewsPage = (
    operation: string,
    listing: Listing,
    conditions: ReadonlyArray<Condition>,
    page: Api.PageRequest
  ): Effect.Effect<Api.Page<TaskRunView.TaskRunView>, Errors.PrefectApiError> =>
    Effect.flatMap(
      rawPage(operation, listing, conditions, page),
      ({ next, rows }) => Effect.map(views(operation, rows), (items) => ({ items, next }))
    )

  const everyPage = Effect.fnUntraced(function*<A>(
    page: (request: Api.PageRequest) => Effect.Effect<Api.Page<A>, Errors.PrefectApiError>
  ) {
    const items: Array<A> = []
    let cursor: Api.Cursor | undefined
    do {
      const answer: Api.Page<A> = yield* page({ cursor, limit: 1000 })
      for (const item of answer.items) items.push(item)
      cursor = answer.next
    } while (cursor !== undefined)
    return items
  })

  const lookupById = <A>(
    operation: string,
    document: Documents.Document,
    table: string,
    decode: (row: unknown) => Result.Result<A, string>,
    idOf: (value: A) => string,
    notFound: (id: string) => Errors.Reason,
    ambiguous: (id: string, found: ReadonlyArray<string>) => Errors.Reason = (id, { length }) =>
      new Errors.MalformedResponse({ problem: `it has ${length} rows of ${table} with the id ${id}` })
  ) => {
    const lookup = Lookups.make<string, A>({
      operation,
      batchSize: options.lookupBatchSize,
      keyOf: (id) => id,
      ask: (ids) =>
        Effect.map(queryRows(operation, document, table, { ids }), (rows) =>
          rows.map((row): Lookups.Found<A> => {
            const value = decode(row)
            return Result.isSuccess(value)
              ? { key: canonicalUuid(idOf(value.success)) ?? "", value: value.success }
              : { problem: value.failure }
          })),
      notFound,
      ambiguous: (id, found) => ambiguous(id, found.map(idOf))
    })
    return (id: string): Effect.Effect<A, Errors.PrefectApiError> => {
      const uuid = canonicalUuid(id)
      return uuid === undefined ? fail(operation, notFound(id)) : lookup(uuid)
    }
  }

  const lookupBySlug = Lookups.make<Api.TaskRunBySlug, TaskRunView.TaskRunView>({
    operation: "taskRunBySlug",
    batchSize: options.lookupBatchSize,
    keyOf: ({ flowRunId, mapIndex, taskSlug }) => slugKey(flowRunId, taskSlug, mapIndex),
    ask: (wanted) =>
      Effect.map(
        queryRows("taskRunBySlug", Documents.taskRunsBySlug, "task_run", { where: slugConditions(wanted) }),
        (rows) =>
          rows.map((row): Lookups.Found<TaskRunView.TaskRunView> => {
            const view = decodeTaskRun(row)
            if (Result.isFailure(view)) return { problem: view.failure }
            const { flowRunId, mapIndex, taskSlug } = view.success
            return { key: slugKey(flowRunId, taskSlug, mapIndex), value: view.success }
          })
      ),
    notFound: (query) => new Errors.TaskRunNotFound({ wanted: describeBySlug(query) }),
    ambiguous: (query, found) =>
      new Errors.AmbiguousTaskRun({
        wanted: describeBySlug(query),
        taskRunIds: found.map(({ taskRunId }) => taskRunId)
      })
  })

  const statesOf = (operation: string, listing: Listing, condition: Condition) =>
    Effect.flatMap(
      everyPage((page) =>
        rawPage(operation, listing, [condition], page).pipe(
          Effect.map(({ next, rows }): Api.Page<Row> => ({ items: rows, next }))
        )
      ),
      (rows) => {
        const timeOf = (row: Row) => {
          const time = microseconds(row["timestamp"])
          return Number.isNaN(time) ? Infinity : time
        }
        const versionOf = (row: Row) => typeof row["version"] === "number" ? row["version"] : Infinity
        // `|| 0`: two that are infinite are equal.
        const sorted = rows.toSorted((left, right) =>
          timeOf(left) - timeOf(right) || versionOf(left) - versionOf(right) || 0
        )
        return models(listing.table, sorted, decodeStateRecord)
      }
    )

  /** Rows of which each is another task's, in the order of the task ids. */
  const distinctTasks = (
    operation: string,
    document: Documents.Document,
    condition: (after: string | undefined) => Condition
  ) =>
    everyPage(Effect.fnUntraced(function*({ cursor, limit }) {
      let last = cursor as string | undefined
      const { rows, size } = yield* pagedRows(operation, document, "task_run", { where: condition(last) }, limit)
      for (const row of rows) {
        const taskId = isObject(row) ? row["task_id"] : undefined
        if (typeof taskId !== "string") return yield* malformed(operation, "a task run lacks its task_id")
        if (last !== undefined && taskId <= last) {
          return yield* malformed(operation, "rows of task_run are repeated, or not in the order that was asked for")
        }
        last = taskId
      }
      return { items: rows as ReadonlyArray<Row>, next: isLast(rows.length, size) ? undefined : last }
    }))

  const afterTask = (after: string | undefined) => after === undefined ? { _is_null: false } : { _gt: after }

  const firstOfTasks = (flowRunId: string) =>
    Effect.flatMap(
      distinctTasks("firstTaskRuns", Documents.firstTaskRuns, (after) => ({
        flow_run_id: { _eq: flowRunId },
        task_id: afterTask(after)
      })),
      (rows) => views("firstTaskRuns", rows)
    )

  const byTask = (left: TaskRunView.TaskRunView, right: TaskRunView.TaskRunView) =>
    Number(left.taskId === null) - Number(right.taskId === null) ||
    compareCodePoints(left.taskId ?? "", right.taskId ?? "") ||
    left.mapIndex - right.mapIndex ||
    compareCodePoints(left.taskRunId, right.taskRunId)

  const countChildren = Effect.fnUntraced(function*(flowRunId: string, taskId: string) {
    const operation = "countMappedChildren"
    const children: Condition = {
      flow_run_id: { _eq: flowRunId },
      task_id: { _eq: taskId },
      map_index: { _gte: 0 }
    }
    const conditions = [
      children,
      { ...children, serialized_state: { _is_null: true } },
      ...stateTypes.map((state) => ({ ...children, state: { _eq: state }, serialized_state: { _is_null: false } }))
    ]
    const data = yield* client.query(
      operation,
      countDocument,
      Object.fromEntries(conditions.map((condition, index) => [`where${index}`, condition]))
    )
    const numbers: Array<number> = []
    for (const index of conditions.keys()) {
      const answer = data[`count${index}`]
      const aggregate = isObject(answer) ? answer["aggregate"] : undefined
      const count = isObject(aggregate) ? aggregate["count"] : undefined
      if (!Number.isSafeInteger(count)) return yield* malformed(operation, "a count is not an integer")
      numbers.push(count as number)
    }
    const [total = 0, withoutState = 0, ...counted] = numbers
    const counts = new Map<string, number>()
    const add = (state: string, count: number) => {
      if (count > 0) counts.set(state, (counts.get(state) ?? 0) + count)
    }
    add("Scheduled", withoutState)
    for (const [index, count] of counted.entries()) add(stateTypes[index]!, count)
    const known = counted.reduce((sum, count) => sum + count, withoutState)
    if (known < total) {
      const others: Condition = {
        ...children,
        serialized_state: { _is_null: false },
        _or: [{ state: { _nin: stateTypes } }, { state: { _is_null: true } }]
      }
      for (const view of yield* everyPage((page) => viewsPage(operation, listings.taskRuns, [others], page))) {
        add(State.typeName(view.state), 1)
      }
    }
    return Object.fromEntries(counts)
  })

  return {
    name,

    taskRun: lookupById(
      "taskRun",
      Documents.taskRunsById,
      "task_run",
      decodeTaskRun,
      ({ taskRunId }) => taskRunId,
      (id) => new Errors.TaskRunNotFound({ wanted: id }),
      (id, taskRunIds) => new Errors.AmbiguousTaskRun({ wanted: id, taskRunIds })
    ),

    taskRunBySlug: (query) => {
      const flowRunId = canonicalUuid(query.flowRunId)
      return flowRunId === undefined || !isPostgresInt(query.mapIndex)
        ? fail("taskRunBySlug", new Errors.TaskRunNotFound({ wanted: describeBySlug(query) }))
        : lookupBySlug({ ...query, flowRunId })
    },

    flowRun: lookupById(
      "flowRun",
      Documents.flowRunsById,
      "flow_run",
      decodeFlowRun,
      ({ flowRunId }) => flowRunId,
      (flowRunId) => new Errors.FlowRunNotFound({ flowRunId })
    ),

    flow: lookupById(
      "flow",
      Documents.flowsById,
      "flow",
      decodeFlow,
      ({ flowId }) => flowId,
      (flowId) => new Errors.FlowNotFound({ flowId })
    ),

    firstTaskRuns: (id) => {
      const flowRunId = canonicalUuid(id)
      if (flowRunId === undefined) return Effect.succeed([])
      const withoutTask = everyPage((page) =>
        viewsPage(
          "firstTaskRuns",
          listings.taskRuns,
          [{ flow_run_id: { _eq: flowRunId }, task_id: { _is_null: true } }],
          page
        )
      )
      return Effect.map(
        Effect.all([firstOfTasks(flowRunId), withoutTask], { concurrency: 2 }),
        (found) =>
          found.flat().sort((left, right) =>
            left.taskSlug === null || right.taskSlug === null
              ? Number(left.taskSlug === null) - Number(right.taskSlug === null) || byTask(left, right)
              : compareCodePoints(left.taskSlug, right.taskSlug) || byTask(left, right)
          )
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
      return flowRunId === undefined || taskId === undefined ? Effect.succeed({}) : countChildren(flowRunId, taskId)
    },

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

    taskRunsOfTaskPage: Effect.fnUntraced(function*(task, { cursor, limit }) {
      const operation = "taskRunsOfTask"
      const flowRunId = canonicalUuid(task.flowRunId)
      const taskId = canonicalUuid(task.taskId)
      if (flowRunId === undefined || taskId === undefined) return emptyPage
      const after = cursor === undefined ? task.after : cursor as number
      const { rows, size } = yield* pagedRows(
        operation,
        Documents.taskRunsOfTask,
        "task_run",
        { flowRunId, taskId, after: Math.max(-2_147_483_648, Math.min(2_147_483_647, after)) },
        limit
      )
      const items: Array<TaskRunView.TaskRunView> = []
      let last: TaskRunView.TaskRunView | undefined
      for (const row of rows) {
        const view = TaskRunView.fromRow(row)
        if (!(view instanceof TaskRunView.TaskRunView)) return yield* malformed(operation, view.problem)
        if ((view.flowRunId ?? flowRunId) !== flowRunId || (view.taskId ?? taskId) !== taskId) {
          return yield* malformed(operation, "it has a task run of another task, or of another flow run")
        }
        // Two runs may share an index in a damaged database; whoever counts the children says so.
        if (
          last === undefined
            ? view.mapIndex <= after
            : view.mapIndex < last.mapIndex || view.taskRunId === last.taskRunId
        ) {
          return yield* malformed(operation, "task runs are repeated, or not in the order that was asked for")
        }
        items.push(view)
        last = view
      }
      return { items, next: isLast(rows.length, size) ? undefined : last?.mapIndex }
    }),

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
            ...(query.flowName === undefined ? {} : { flow: { name: { _eq: query.flowName } } })
          },
          ...(query.states === undefined ? [] : [inStates(query.states)])
        ],
        page,
        decodeFlowRun
      )
    },

    // Flows carry their whole source graph.
    flowsPage: (page) =>
      modelsPage("flows", listings.flows, [{}], { ...page, limit: Math.min(page.limit, 100) }, decodeFlow),

    logsPage: (query, page) => {
      const flowRunId = query.flowRunId === undefined ? undefined : canonicalUuid(query.flowRunId)
      const taskRunId = query.taskRunId === undefined ? undefined : canonicalUuid(query.taskRunId)
      if (
        (query.flowRunId !== undefined && flowRunId === undefined) ||
        (query.taskRunId !== undefined && taskRunId === undefined)
      ) return Effect.succeed(emptyPage)
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
        decodeLog
      )
    },

    artifactsPage: (query, page) => {
      const flowRunId = query.flowRunId === undefined ? undefined : canonicalUuid(query.flowRunId)
      const taskRunId = query.taskRunId === undefined ? undefined : canonicalUuid(query.taskRunId)
      if (
        (query.flowRunId !== undefined && flowRunId === undefined) ||
        (query.taskRunId !== undefined && taskRunId === undefined)
      ) return Effect.succeed(emptyPage)
      return modelsPage(
        "artifacts",
        listings.artifacts,
        [{
          ...(taskRunId === undefined ? {} : { task_run_id: { _eq: taskRunId } }),
          ...(flowRunId === undefined ? {} : { task_run: { flow_run_id: { _eq: flowRunId } } })
        }],
        page,
        decodeArtifact
      )
    }
  }
}

const isPostgresInt = (value: number) => Number.isInteger(value) && Math.abs(value) <= 2_147_483_647

/** The total, the runs without a stored state, and each type. */
const countDocument = Documents.counts(stateTypes.length + 2)
