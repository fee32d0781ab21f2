import * as LogEntry from "@effect-prefect/core/LogEntry"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Fragment } from "effect/sql/Statement"
import type * as Backend from "../../Backend.ts"
import * as Errors from "../../PrefectApiError.ts"
import { compareCodePoints } from "../codePoints.ts"
import { ofSerializedFlow } from "../edges.ts"
import * as Rows from "../rows.ts"
import * as Sorting from "../sorting.ts"
import { describeBySlug } from "../taskRunText.ts"
import { isUuid, uuidRange } from "../uuids.ts"
import type { Connection } from "./connection.ts"
import type { Found, Keyed } from "./jsonRows.ts"
import * as JsonRows from "./jsonRows.ts"

interface RowOf<A> {
  readonly row: A
}

const fail = (operation: string, reason: Errors.Reason) =>
  Effect.fail(new Errors.PrefectApiError({ operation, reason }))

const noPage: Backend.Page<never> = { items: [], next: undefined }
const maxMapIndex = 2_147_483_647
const maxAmbiguous = 100

/** The position after which a listing of task runs continues; `taskId` null: among those without a task. */
interface TaskRunCursor {
  readonly taskId: string | null
  /** null only in a database whose column may be null. */
  readonly mapIndex: number | null
  readonly id: string
}

/**
 * The queries of a backend as SQL over the tables of a Prefect 1 server. Values are always bound.
 */
export const make = (connection: Pick<Connection, "client" | "maxRowBytes" | "run">): Backend.Backend => {
  const { client: sql, run } = connection
  const rowsOf = JsonRows.make(connection)
  const ofTable = (table: string) => sql.literal(`to_jsonb(${table}) as row`)

  const taskRun = sql.literal(
    `jsonb_build_object('id', t.id, 'name', t.name, 'task_id', t.task_id, 'map_index', t.map_index,
      'serialized_state', t.serialized_state, 'flow_run_id', t.flow_run_id,
      'task', case when k.id is null then null else jsonb_build_object('id', k.id, 'slug', k.slug) end) as row`
  )
  const withTask = sql.literal("public.task_run t left join public.task k on k.id = t.task_id")
  /** The name of a state as `State.typeName` gives it. */
  const stateName = (table: string) =>
    sql.literal(
      `(case when ${table}.serialized_state is null or jsonb_typeof(${table}.serialized_state) = 'null' then 'Scheduled'
        when jsonb_typeof(${table}.serialized_state -> 'type') = 'string' then ${table}.serialized_state ->> 'type'
        else 'UnknownState' end)`
    )
  const isState = (table: string, states: ReadonlyArray<string>): Fragment =>
    states.length === 0 ? sql.literal("false") : sql`${stateName(table)} in ${sql.in(states)}`

  const orTooLarge = <A>(decode: Rows.Decoder<A>): Rows.Decoder<A> => (row) => {
    const detail = JsonRows.tooLargeOf(row)
    return detail === undefined ? decode(row) : Result.fail(detail)
  }
  const models = <A>(table: string, decode: Rows.Decoder<A>, found: ReadonlyArray<Found>) =>
    Rows.decodeAll(table, orTooLarge(decode), found.map(({ row }) => row))
  const views = (found: ReadonlyArray<Found>) => models("task_run", Rows.decodeTaskRun, found)

  const one = (operation: string, query: string, found: ReadonlyArray<Found>) =>
    found.length > 1
      ? fail(operation, new Errors.AmbiguousTaskRun({ query, taskRunIds: found.flatMap(({ row }) => idOf(row) ?? []) }))
      : single(operation, Rows.decodeTaskRun, found, new Errors.TaskRunNotFound({ query }))

  const idOf = (row: unknown) => (row as { readonly id?: string | null }).id ?? undefined

  const single = <A>(
    operation: string,
    decode: Rows.Decoder<A>,
    found: ReadonlyArray<Found>,
    missing: Errors.Reason
  ) => Rows.decodeOne(operation, orTooLarge(decode), found.map(({ row }) => row), missing)

  /** Drops the extra row that shows whether there is another page. */
  const pageOf = <R>(found: ReadonlyArray<R>, limit: number, cursorOf: (last: R) => Backend.Cursor) => {
    const rows = found.slice(0, limit)
    const next = found.length > limit ? cursorOf(rows.at(-1)!) : undefined
    return { rows, next }
  }

  const taskRunCursor = ({ row }: Found): Backend.Cursor => {
    const { id, map_index, task_id } = row as { id: string; map_index: number | null; task_id: string | null }
    return { taskId: task_id, mapIndex: map_index, id } satisfies TaskRunCursor
  }

  const taskRunPage = Effect.fnUntraced(function*(
    found: ReadonlyArray<Found>,
    limit: number
  ) {
    const { next, rows } = pageOf(found, limit, taskRunCursor)
    return { items: yield* views(rows), next }
  })

  const taskRunsOfTask = (
    operation: string,
    task: Backend.TaskInFlowRun & { readonly after: number; readonly except?: string },
    { cursor, limit }: Backend.PageRequest
  ) => {
    if (!isUuid(task.flowRunId) || !isUuid(task.taskId) || task.after >= maxMapIndex) return Effect.succeed(noPage)
    const from = cursor as TaskRunCursor | undefined
    return Effect.flatMap(
      rowsOf(
        operation,
        sql`select ${taskRun} from ${withTask}
          where t.flow_run_id = ${task.flowRunId}::uuid and t.task_id = ${task.taskId}::uuid
            and ${
          from === undefined
            ? sql`t.map_index > ${task.after}::int`
            : sql`(t.map_index, t.id) > (${from.mapIndex}::int, ${from.id}::uuid)`
        } and ${task.except === undefined ? sql.literal("true") : sql`t.id <> ${task.except}::uuid`}
          order by t.map_index, t.id limit ${limit + 1}`
      ),
      (found) => taskRunPage(found, limit)
    )
  }

  const states = Effect.fnUntraced(function*(operation: string, table: "flow_run" | "task_run", id: string) {
    if (!isUuid(id)) return []
    const found = yield* rowsOf(
      operation,
      sql`select ${ofTable("s")} from ${sql.literal(`public.${table}_state`)} s
        where ${sql.literal(`s.${table}_id`)} = ${id}::uuid order by s.timestamp, s.version, s.id`
    )
    return yield* models(`${table}_state`, Rows.decodeStateRecord, found)
  })

  /** Rows by (time, id), from the start or after a key. */
  const keyOf = ({ id, key }: Keyed): Backend.Cursor => ({ key, id })
  const keyed = (cursor: Backend.Cursor | undefined) =>
    cursor as { readonly key: string; readonly id: string } | undefined
  // As text rather than the driver's Date, which has no microseconds.
  const textOf = (expression: string) => sql.literal(`(${expression})::text as key`)

  return {
    name: "the database",

    taskRun: (taskRunId) =>
      isUuid(taskRunId)
        ? Effect.flatMap(
          rowsOf(
            "taskRun",
            sql`select ${taskRun} from ${withTask} where t.id = ${taskRunId}::uuid limit ${maxAmbiguous}`
          ),
          (found) => one("taskRun", taskRunId, found)
        )
        : fail("taskRun", new Errors.TaskRunNotFound({ query: taskRunId })),

    taskRunsByIdPrefix: ({ limit, prefix }) => {
      const range = uuidRange(prefix)
      return range === undefined ? Effect.succeed([]) : Effect.flatMap(
        rowsOf(
          "taskRunsByIdPrefix",
          sql`select ${taskRun} from ${withTask}
            where t.id between ${range.first}::uuid and ${range.last}::uuid order by t.id limit ${limit}`
        ),
        views
      )
    },

    taskRunBySlug: (query) =>
      isUuid(query.flowRunId) && Math.abs(query.mapIndex) <= maxMapIndex
        ? Effect.flatMap(
          rowsOf(
            "taskRunBySlug",
            sql`select ${taskRun} from ${withTask}
              where t.flow_run_id = ${query.flowRunId}::uuid and k.slug = ${query.taskSlug}
                and t.map_index = ${query.mapIndex}::int order by t.id limit ${maxAmbiguous}`
          ),
          (found) => one("taskRunBySlug", describeBySlug(query), found)
        )
        : fail("taskRunBySlug", new Errors.TaskRunNotFound({ query: describeBySlug(query) })),

    // Step by step through the index on (flow_run_id, task_id, map_index): a task with 100 000 children costs as much
    // as one without children.
    firstTaskRunOfEachTask: Effect.fnUntraced(function*(flowRunId) {
      if (!isUuid(flowRunId)) return []
      const found = yield* rowsOf(
        "firstTaskRunOfEachTask",
        sql`with recursive heads as (
            (select t.task_id from public.task_run t where t.flow_run_id = ${flowRunId}::uuid and t.task_id is not null
              order by t.task_id limit 1)
            union all
            select (select t.task_id from public.task_run t
              where t.flow_run_id = ${flowRunId}::uuid and t.task_id > h.task_id order by t.task_id limit 1)
            from heads h where h.task_id is not null)
          select ${taskRun} from heads h
            cross join lateral (select * from public.task_run t
              where t.flow_run_id = ${flowRunId}::uuid and t.task_id = h.task_id order by t.map_index, t.id limit 1) t
            left join public.task k on k.id = t.task_id
          union all
          select ${taskRun} from ${withTask} where t.flow_run_id = ${flowRunId}::uuid and t.task_id is null`
      )
      const all = yield* views(found)
      const compare = (left: string | null, right: string | null) =>
        left === right ? 0 : left === null ? 1 : right === null ? -1 : compareCodePoints(left, right)
      return yield* Sorting.sorted(
        all,
        (left, right) =>
          compare(left.taskSlug, right.taskSlug) || compare(left.taskId, right.taskId) ||
          left.mapIndex - right.mapIndex || compare(left.taskRunId, right.taskRunId)
      )
    }),

    mappedTaskIds: Effect.fnUntraced(function*(flowRunId) {
      if (!isUuid(flowRunId)) return new Set<string>()
      const found = yield* run(
        "mappedTaskIds",
        sql<{ readonly task_id: string }>`with recursive heads as (
            (select t.task_id from public.task_run t where t.flow_run_id = ${flowRunId}::uuid and t.task_id is not null
              order by t.task_id limit 1)
            union all
            select (select t.task_id from public.task_run t
              where t.flow_run_id = ${flowRunId}::uuid and t.task_id > h.task_id order by t.task_id limit 1)
            from heads h where h.task_id is not null)
          select h.task_id from heads h where exists (select 1 from public.task_run t
            where t.flow_run_id = ${flowRunId}::uuid and t.task_id = h.task_id and t.map_index >= 0)`
      )
      return new Set(found.map(({ task_id }) => task_id))
    }),

    countMappedChildren: Effect.fnUntraced(function*({ flowRunId, taskId }) {
      if (!isUuid(flowRunId) || !isUuid(taskId)) return {}
      const counts = yield* run(
        "countMappedChildren",
        sql<{ readonly state: string; readonly count: number }>`
          select ${stateName("t")} as state, count(*)::int as count from public.task_run t
          where t.flow_run_id = ${flowRunId}::uuid and t.task_id = ${taskId}::uuid and t.map_index > -1 group by 1`
      )
      return Object.fromEntries(counts.map(({ count, state }) => [state, count]))
    }),

    flowRun: (flowRunId) =>
      isUuid(flowRunId)
        ? Effect.flatMap(
          rowsOf("flowRun", sql`select to_jsonb(r) as row from public.flow_run r where r.id = ${flowRunId}::uuid`),
          (found) => single("flowRun", Rows.decodeFlowRun, found, new Errors.FlowRunNotFound({ flowRunId }))
        )
        : fail("flowRun", new Errors.FlowRunNotFound({ flowRunId })),

    flowRunsByIdPrefix: ({ limit, prefix }) => {
      const range = uuidRange(prefix)
      return range === undefined ? Effect.succeed([]) : Effect.flatMap(
        rowsOf(
          "flowRunsByIdPrefix",
          sql`select ${ofTable("r")} from public.flow_run r
            where r.id between ${range.first}::uuid and ${range.last}::uuid order by r.id limit ${limit}`
        ),
        (found) => models("flow_run", Rows.decodeFlowRun, found)
      )
    },

    flow: (flowId) =>
      isUuid(flowId)
        ? Effect.flatMap(
          rowsOf("flow", sql`select to_jsonb(f) as row from public.flow f where f.id = ${flowId}::uuid`),
          (found) => single("flow", Rows.decodeFlow, found, new Errors.FlowNotFound({ flowId }))
        )
        : fail("flow", new Errors.FlowNotFound({ flowId })),

    edges: Effect.fnUntraced(function*(flowRunId) {
      const notFound = new Errors.FlowRunNotFound({ flowRunId })
      if (!isUuid(flowRunId)) return yield* fail("edges", notFound)
      const [found] = yield* rowsOf<
        RowOf<{ readonly flow_id: string | null; readonly edges: ReadonlyArray<Backend.Edge> }>
      >(
        "edges",
        sql`select jsonb_build_object('flow_id', r.flow_id, 'edges', coalesce((select jsonb_agg(jsonb_build_object('upstreamTaskId', e.upstream_task_id,
            'downstreamTaskId', e.downstream_task_id, 'key', e.key, 'mapped', coalesce(e.mapped, false)))
            from public.edge e where e.flow_id = r.flow_id), '[]'::jsonb)) as row
          from public.flow_run r where r.id = ${flowRunId}::uuid`
      )
      const flowRun = found?.row
      if (flowRun === undefined) return yield* fail("edges", notFound)
      if (flowRun.edges.length > 0 || flowRun.flow_id === null) return flowRun.edges
      const [flow] = yield* rowsOf<
        RowOf<{ readonly edges: unknown; readonly tasks: ReadonlyArray<readonly [slug: string, id: string]> }>
      >(
        "edges",
        sql`select jsonb_build_object('edges', f.serialized_flow -> 'edges', 'tasks',
            coalesce((select jsonb_agg(jsonb_build_array(k.slug, k.id)) from public.task k
              where k.flow_id = f.id and k.slug is not null), '[]'::jsonb)) as row
          from public.flow f where f.id = ${flowRun.flow_id}::uuid`
      )
      return flow === undefined ? [] : ofSerializedFlow(flow.row, new Map(flow.row.tasks))
    }),

    flowRunStates: (flowRunId) => states("flowRunStates", "flow_run", flowRunId),
    taskRunStates: (taskRunId) => states("taskRunStates", "task_run", taskRunId),

    storageBlock: () =>
      fail(
        "storageBlock",
        new Errors.UnsupportedByBackend({ feature: "storage blocks", backend: "the database of a Prefect 1 server" })
      ),

    taskRunsOfTaskPage: (task, page) => taskRunsOfTask("taskRunsOfTask", task, page),

    siblingsPage: ({ flowRunId, taskId, taskRunId }, page) =>
      flowRunId === null || taskId === null || !isUuid(taskRunId)
        ? Effect.succeed(noPage)
        : taskRunsOfTask("siblings", { flowRunId, taskId, after: -maxMapIndex, except: taskRunId }, page),

    taskRunSummariesPage: Effect.fnUntraced(function*({ after, flowRunId, taskId }, { cursor, limit }) {
      if (!isUuid(flowRunId) || taskId !== undefined && !isUuid(taskId)) return noPage
      const from = cursor as TaskRunCursor | { readonly taskless: true } | undefined
      const isTaskless = from !== undefined && ("taskless" in from || from.taskId === null)
      const where = sql.and([
        sql`t.flow_run_id = ${flowRunId}::uuid`,
        taskId !== undefined
          ? sql`t.task_id = ${taskId}::uuid`
          : sql.literal(isTaskless ? "t.task_id is null" : "t.task_id is not null"),
        ...(taskId === undefined || after === undefined
          ? []
          : [sql`t.map_index > ${Math.max(-maxMapIndex, Math.min(maxMapIndex, after))}::int`]),
        ...(from === undefined || "taskless" in from ? [] : [
          from.taskId === null
            ? sql`(t.map_index, t.id) > (${from.mapIndex}::int, ${from.id}::uuid)`
            : sql`(t.task_id, t.map_index, t.id) > (${from.taskId}::uuid, ${from.mapIndex}::int, ${from.id}::uuid)`
        ])
      ])
      // The column equals the type of the stored state, which is many times larger.
      const found = yield* run(
        "taskRunSummaries",
        sql<Backend.TaskRunSummary>`select t.id as "taskRunId", t.task_id as "taskId", t.map_index as "mapIndex",
            case when t.serialized_state is null then 'Scheduled' else coalesce(t.state, ${
          stateName("t")
        }) end as state,
            to_jsonb(t.start_time) #>> '{}' as "startTime", to_jsonb(t.end_time) #>> '{}' as "endTime"
          from public.task_run t where ${where} order by t.task_id, t.map_index, t.id limit ${limit + 1}`
      )
      const { next, rows } = pageOf(found, limit, ({ mapIndex, taskId, taskRunId }): Backend.Cursor => ({
        taskId,
        mapIndex,
        id: taskRunId
      }))
      return {
        items: yield* Rows.validSummaries(rows),
        next: next === undefined && !isTaskless && taskId === undefined ? { taskless: true } : next
      }
    }),

    // Two listings, one after the other, because the index cannot compare keys with a null task or map index.
    taskRunsPage: Effect.fnUntraced(function*({ flowRunId, mapped, states, taskSlug }, { cursor, limit }) {
      if (!isUuid(flowRunId)) return noPage
      const from = cursor as TaskRunCursor & { readonly isTaskless?: boolean } | { readonly taskless: true } | undefined
      const isTaskless = from !== undefined && ("taskless" in from || from.isTaskless === true)
      const where = sql.and([
        sql`t.flow_run_id = ${flowRunId}::uuid`,
        isTaskless
          ? sql.literal("(t.task_id is null or t.map_index is null)")
          : sql`t.task_id is not null${sql.literal(taskSlug === undefined ? " and t.map_index is not null" : "")}`,
        ...(from === undefined || "taskless" in from ? [] : [
          isTaskless
            ? from.mapIndex === null
              ? sql`(t.map_index is null and t.id > ${from.id}::uuid)`
              : sql`((t.map_index, t.id) > (${from.mapIndex}::int, ${from.id}::uuid) or t.map_index is null)`
            : sql`(t.task_id, t.map_index, t.id) > (${from.taskId}::uuid, ${from.mapIndex}::int, ${from.id}::uuid)`
        ]),
        ...(mapped === undefined ? [] : [sql.literal(mapped ? "t.map_index > -1" : "t.map_index < 0")]),
        ...(states === undefined ? [] : [isState("t", states)]),
        ...(taskSlug === undefined ? [] : [sql`k.slug = ${taskSlug}`])
      ])
      const found = yield* rowsOf(
        "taskRuns",
        sql`select ${taskRun} from ${withTask} where ${where}
          order by ${sql.literal(isTaskless ? "" : "t.task_id, ")}t.map_index, t.id limit ${limit + 1}`
      )
      const page = yield* taskRunPage(found, limit)
      const next = isTaskless && page.next !== undefined ? { ...page.next as object, isTaskless } : page.next
      return next === undefined && !isTaskless && taskSlug === undefined
        ? { items: page.items, next: { taskless: true } }
        : { items: page.items, next }
    }),

    flowRunsPage: Effect.fnUntraced(function*({ flowId, flowName, nameContains, states }, { cursor, limit }) {
      if (flowId !== undefined && !isUuid(flowId)) return noPage
      const from = keyed(cursor)
      const created = "coalesce(r.created, '-infinity'::timestamptz)"
      const where = sql.and([
        ...(from === undefined
          ? []
          : [sql`(${sql.literal(created)}, r.id) < (${from.key}::text::timestamptz, ${from.id}::uuid)`]),
        ...(flowId === undefined ? [] : [sql`r.flow_id = ${flowId}::uuid`]),
        ...(flowName === undefined
          ? []
          : [sql`r.flow_id in (select f.id from public.flow f where f.name = ${flowName})`]),
        ...(nameContains === undefined ? [] : [sql`strpos(lower(r.name), lower(${nameContains}::text)) > 0`]),
        ...(states === undefined ? [] : [isState("r", states)])
      ])
      const found = yield* rowsOf<Keyed>(
        "flowRuns",
        sql`select ${ofTable("r")}, ${textOf(created)}, r.id from public.flow_run r where ${where}
          order by ${sql.literal(created)} desc, r.id desc limit ${limit + 1}`,
        true
      )
      const { next, rows } = pageOf(found, limit, keyOf)
      return { items: yield* models("flow_run", Rows.decodeFlowRun, rows), next }
    }),

    flowsPage: Effect.fnUntraced(function*({ cursor, limit }) {
      const from = keyed(cursor)
      const created = "coalesce(f.created, '-infinity'::timestamptz)"
      const found = yield* rowsOf<Keyed>(
        "flows",
        sql`select ${ofTable("f")}, ${textOf(created)}, f.id from public.flow f where ${
          from === undefined
            ? sql.literal("true")
            : sql`(${sql.literal(created)}, f.id) < (${from.key}::text::timestamptz, ${from.id}::uuid)`
        } order by ${sql.literal(created)} desc, f.id desc limit ${limit + 1}`,
        true
      )
      const { next, rows } = pageOf(found, limit, keyOf)
      return { items: yield* models("flow", Rows.decodeFlow, rows), next }
    }),

    logsPage: Effect.fnUntraced(function*({ after, flowRunId, level, taskRunId }, { cursor, limit }) {
      if (flowRunId !== undefined && !isUuid(flowRunId) || taskRunId !== undefined && !isUuid(taskRunId)) return noPage
      const from = keyed(cursor) ?? (after === undefined ? undefined : { key: after.timestamp, id: after.id })
      const lower = level === undefined
        ? []
        : Object.entries(LogEntry.levels).filter(([, number]) => number < LogEntry.levels[level]).map(([name]) => name)
      const where = sql.and([
        ...(flowRunId === undefined ? [] : [sql`l.flow_run_id = ${flowRunId}::uuid`]),
        ...(taskRunId === undefined ? [] : [sql`l.task_run_id = ${taskRunId}::uuid`]),
        ...(from === undefined
          ? []
          : [sql`(l.timestamp, l.id) > (${from.key}::text::timestamptz, ${from.id}::uuid)`]),
        ...(lower.length === 0 ? [] : [sql`(l.level is null or not (l.level in ${sql.in(lower)}))`])
      ])
      const found = yield* rowsOf<Keyed>(
        "logs",
        sql`select ${ofTable("l")}, ${textOf("l.timestamp")}, l.id from public.log l where ${where}
          order by l.timestamp, l.id limit ${limit + 1}`,
        true
      )
      const { next, rows } = pageOf(found, limit, keyOf)
      return { items: yield* models("log", Rows.decodeLog, rows), next }
    }),

    artifactsPage: Effect.fnUntraced(function*({ flowRunId, taskRunId }, { cursor, limit }) {
      if (flowRunId !== undefined && !isUuid(flowRunId) || taskRunId !== undefined && !isUuid(taskRunId)) return noPage
      const from = keyed(cursor)
      const created = "coalesce(a.created, '-infinity'::timestamptz)"
      const where = sql.and([
        ...(taskRunId === undefined ? [] : [sql`a.task_run_id = ${taskRunId}::uuid`]),
        ...(flowRunId === undefined ? [] : [
          sql`exists (select from public.task_run t where t.id = a.task_run_id and t.flow_run_id = ${flowRunId}::uuid)`
        ]),
        ...(from === undefined
          ? []
          : [sql`(${sql.literal(created)}, a.id) > (${from.key}::text::timestamptz, ${from.id}::uuid)`])
      ])
      const found = yield* rowsOf<Keyed>(
        "artifacts",
        sql`select ${ofTable("a")}, ${textOf(created)}, a.id from public.task_run_artifact a where ${where}
          order by ${sql.literal(created)}, a.id limit ${limit + 1}`,
        true
      )
      const { next, rows } = pageOf(found, limit, keyOf)
      return { items: yield* models("task_run_artifact", Rows.decodeArtifact, rows), next }
    })
  }
}
