/** The backend over an archive's tables and their index: every query reads only the rows that it returns. */

import * as LogEntry from "@effect-prefect/core/LogEntry"
import * as TaskRunView from "@effect-prefect/core/TaskRunView"
import * as Effect from "effect/Effect"
import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite"
import type * as Backend from "../../Backend.ts"
import * as Errors from "../../PrefectApiError.ts"
import { compareCodePoints } from "../codePoints.ts"
import { ofSerializedFlow } from "../edges.ts"
import { nameContains } from "../nameContains.ts"
import * as Decoders from "../rows.ts"
import { describeBySlug } from "../taskRunText.ts"
import { isoText, microseconds } from "../timestamps.ts"
import { uuidRange } from "../uuids.ts"
import { inAnyCase } from "./anyCase.ts"
import type { Extent } from "./jsonLines.ts"
import { complete, type ReadRows, type TableName } from "./rowIndex.ts"
import { idOf, idOfTexts, idTexts, type Key, keyOf, noTask, taskIdOf, taskKeyOf } from "./sqlite.ts"

const fail = (operation: string, reason: Errors.Reason) =>
  Effect.fail(new Errors.PrefectApiError({ operation, reason }))
const malformed = (operation: string, detail: string) => fail(operation, new Errors.MalformedResponse({ detail }))

/** The position of a row, and its id. */
interface Found extends Extent {
  readonly place: number
  readonly id: Key
}
interface FoundTaskRun extends Found {
  readonly task: Key
  readonly map_index: number
  readonly state: number
  readonly start: number | null
  readonly end: number | null
}
/** A task, and its slug if there is such a task. */
interface Task {
  readonly id: string
  readonly slug: string | null | undefined
}
interface FoundFlowRun extends Found {
  readonly created: number
  readonly name: Key | null
}

const taskRunColumns = "place, offset, length, id, task, map_index, state, start, end"
/** What a summary needs: each further column costs as much as these. */
interface FoundSummary {
  readonly place: number
  readonly id: string
  readonly task: Key
  readonly map_index: number
  readonly state: number
  readonly start: number | null
  readonly end: number | null
}
const summaryColumns = `place, ${idTexts("id")}, map_index, state, start, end`
type SummaryColumns = readonly [
  place: number,
  hex: string | null,
  text: string | null,
  mapIndex: number,
  state: number,
  start: number | null,
  end: number | null,
  task?: Key
]
type TaskRunColumns = readonly [
  place: number,
  offset: number,
  length: number,
  id: Key,
  task: Key,
  mapIndex: number,
  state: number,
  start: number | null,
  end: number | null
]

/** How many rows, tasks and summaries are read before others have a turn: 2 to 10 ms of work. */
const rowsAtOnce = 2_048
const tasksAtOnce = 256
const summariesAtOnce = 512

/** Gives timers, signals and other requests a turn. */
const otherTurn: Effect.Effect<void> = Effect.callback((resume) => {
  const immediate = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(immediate))
})

/** One page of a result that has one row more than the page. */
const pageOf = <A>(found: ReadonlyArray<A>, limit: number) => ({
  entries: found.slice(0, limit),
  last: found.length > limit ? found[limit - 1] : undefined
})

/** SQLite limits the number of parameters; a longer list of flows is handled by scanning. */
const mostFlows = 100

export const make = (database: DatabaseSync, read: ReadRows<TableName>): {
  readonly backend: Backend.Backend
  readonly problems: Effect.Effect<
    ReadonlyArray<{ readonly table: string; readonly line: number; readonly detail: string }>,
    Errors.PrefectApiError
  >
  readonly allTaskRuns: (
    page: Backend.PageRequest
  ) => Effect.Effect<Backend.Page<TaskRunView.TaskRunView>, Errors.PrefectApiError>
} => {
  const statements = new Map<string, StatementSync>()
  const all = <A>(sql: string, ...parameters: ReadonlyArray<SQLInputValue>): ReadonlyArray<A> => {
    let statement = statements.get(sql)
    if (statement === undefined) statements.set(sql, statement = database.prepare(sql))
    return statement.all(...parameters) as unknown as ReadonlyArray<A>
  }
  /** Rows as arrays, of which objects of one shape are made: those that SQLite makes are hash tables, and dearer. */
  const selectArrays = <A>(sql: string, ...parameters: ReadonlyArray<SQLInputValue>): ReadonlyArray<A> => {
    let statement = statements.get(sql)
    if (statement === undefined) {
      statements.set(sql, statement = database.prepare(sql))
      statement.setReturnArrays(true)
    }
    return statement.all(...parameters) as unknown as ReadonlyArray<A>
  }
  const selectTaskRuns = (sql: string, ...parameters: ReadonlyArray<SQLInputValue>): ReadonlyArray<FoundTaskRun> =>
    selectArrays<TaskRunColumns>(`SELECT ${taskRunColumns} FROM task_run WHERE ${sql}`, ...parameters).map(
      ([place, offset, length, id, task, map_index, state, start, end]) => ({
        place,
        offset,
        length,
        id,
        task,
        map_index,
        state,
        start,
        end
      })
    )
  /** Selects summaries of a task, or of all of them: a column that is known is not read. */
  const selectSummariesOf =
    (known: Key | undefined) =>
    (sql: string, ...parameters: ReadonlyArray<SQLInputValue>): ReadonlyArray<FoundSummary> =>
      selectArrays<SummaryColumns>(
        `SELECT ${summaryColumns}${known === undefined ? ", task" : ""} FROM task_run WHERE ${sql}`,
        ...parameters
      ).map(([place, hex, text, map_index, state, start, end, task = known!]) => ({
        place,
        id: idOfTexts(hex, text),
        task,
        map_index,
        state,
        start,
        end
      }))
  /** Queries wait only for the disk. */
  const query = <A>(operation: string, body: () => A): Effect.Effect<A, Errors.PrefectApiError> =>
    Effect.try({
      try: body,
      catch: () =>
        new Errors.PrefectApiError({
          operation,
          reason: new Errors.Unavailable({
            detail: database.isOpen
              ? "the index of the archive is damaged; make it anew with archive index"
              : "the archive was closed: use it inside the scope of its layer"
          })
        })
    })

  const stateNames = new Map(
    all<{ readonly code: number; readonly name: string }>("SELECT code, name FROM state")
      .map(({ code, name }) => [code, name])
  )
  const codesOf = (names: ReadonlyArray<string>): ReadonlyArray<number> =>
    [...stateNames].filter(([, name]) => names.includes(name)).map(([code]) => code)
  const stateOf = (code: number): string => stateNames.get(code) ?? ""

  /** The slug of a task, from its first row; undefined when there is no such task. */
  const slugOf = (task: Key): string | null | undefined => {
    const [found] = all<{ readonly slug: Key | null }>(
      "SELECT slug FROM task WHERE id = ? ORDER BY place LIMIT 1",
      task
    )
    return found === undefined ? undefined : textOf(found.slug)
  }
  const tasksOf = (slug: string): ReadonlyArray<Key> =>
    all<{ readonly id: Key }>("SELECT DISTINCT id FROM task WHERE slug = ? ORDER BY id", keyOf(slug))
      .map(({ id }) => id)
      .filter((id) => slugOf(id) === slug)

  const rowsOf = (table: TableName, found: ReadonlyArray<Extent>) => read(table, found, (row) => complete(table, row))

  /** The task of a run by its key. Runs of one task often follow each other. */
  const taskFinder = () => {
    const found = new Map<string, Task>()
    let lastKey: Key | undefined
    let last: Task | undefined
    return (key: Key): Task | undefined => {
      if (lastKey !== undefined && isSameKey(lastKey, key)) return last
      lastKey = key
      const id = taskIdOf(key)
      if (id === null) return last = undefined
      last = found.get(id)
      if (last === undefined) found.set(id, last = { id, slug: slugOf(key) })
      return last
    }
  }

  const views = (operation: string, entries: ReadonlyArray<FoundTaskRun>) =>
    Effect.gen(function*() {
      const tasks: Array<Task | undefined> = []
      const taskOf = taskFinder()
      while (tasks.length < entries.length) {
        if (tasks.length > 0) yield* otherTurn
        yield* query(operation, () => {
          for (const { task } of entries.slice(tasks.length, tasks.length + rowsAtOnce)) tasks.push(taskOf(task))
        })
      }
      let problem: string | undefined
      const found = yield* read("task_run", entries, (row, at) => {
        const id = idOf(entries[at]!.id)
        const task = tasks[at]
        // Nobody else has the row, so it need not be copied.
        if (task?.slug !== undefined) Object.assign(row, { task })
        const view = TaskRunView.fromRow(complete("task_run", row))
        if (!(view instanceof TaskRunView.TaskRunView)) problem ??= `task run ${id}: ${view.detail}`
        else if (view.taskRunId === id) return view
        else problem ??= `the row of task run ${id} is another one by now`
        return undefined
      })
      return problem === undefined
        ? found as Array<TaskRunView.TaskRunView>
        : yield* malformed(operation, problem)
    })

  const models = <A>(table: TableName, decode: Decoders.Decoder<A>, entries: ReadonlyArray<Found>) =>
    Effect.flatMap(
      rowsOf(table, entries),
      (found) => Decoders.decodeAll(table, decode, found, (_, at) => idOf(entries[at]!.id))
    )

  const single = <A>(
    operation: string,
    table: "flow" | "flow_run",
    id: string,
    decode: Decoders.Decoder<A>,
    missing: Errors.Reason
  ) =>
    query(
      operation,
      () => all<Found>(`SELECT place, offset, length, id FROM ${table} WHERE id = ? ORDER BY place LIMIT 1`, keyOf(id))
    ).pipe(
      Effect.flatMap((entries) => rowsOf(table, entries)),
      Effect.flatMap((found) => Decoders.decodeOne(operation, decode, found, missing))
    )

  /** The rows whose id is a UUID in a range; the keys of other ids are texts, or longer. */
  const byIdPrefix = <A extends Found>(
    operation: string,
    table: "flow_run" | "task_run",
    columns: string,
    { limit, prefix }: Backend.IdPrefixQuery
  ): Effect.Effect<ReadonlyArray<A>, Errors.PrefectApiError> => {
    const range = uuidRange(prefix)
    return range === undefined ? Effect.succeed([]) : query(operation, () =>
      all<A>(
        `SELECT ${columns} FROM ${table} WHERE id BETWEEN ? AND ? AND length(id) = 16 ORDER BY id, place LIMIT ?`,
        keyOf(range.first),
        keyOf(range.last),
        limit
      ))
  }

  const one = (operation: string, name: string, entries: ReadonlyArray<FoundTaskRun>) => {
    if (entries.length === 0) return fail(operation, new Errors.TaskRunNotFound({ query: name }))
    if (entries.length > 1) {
      const taskRunIds = entries.map((entry) => idOf(entry.id))
      return fail(operation, new Errors.AmbiguousTaskRun({ query: name, taskRunIds }))
    }
    return Effect.map(views(operation, entries), (found) => found[0]!)
  }

  /** A position in the order of (task, map index, id, place). */
  type Position = readonly [task: Key, mapIndex: number, id: Key, place: number]
  const cursorOf = (entry: FoundTaskRun | FoundSummary | undefined) =>
    entry === undefined
      ? undefined
      : {
        taskId: taskIdOf(entry.task),
        mapIndex: entry.map_index,
        id: typeof entry.id === "string" ? entry.id : idOf(entry.id),
        place: entry.place
      }
  const positionOf = (cursor: Backend.Cursor | undefined): Position | undefined => {
    if (cursor === undefined) return undefined
    const { id, mapIndex, place, taskId } = cursor as unknown as NonNullable<ReturnType<typeof cursorOf>>
    return [taskKeyOf(taskId), mapIndex, keyOf(id), place]
  }

  type Select<A> = (sql: string, ...parameters: ReadonlyArray<SQLInputValue>) => ReadonlyArray<A>
  /** The runs of one task in a flow run, in map order, after a position. */
  const runsOfTask = <A>(
    select: Select<A>,
    run: Key,
    task: Key,
    after: Position | number,
    limit: number
  ): ReadonlyArray<A> =>
    typeof after === "number"
      ? select(
        `run = ? AND task = ? AND map_index > ?
          ORDER BY map_index, id, place LIMIT ?`,
        run,
        task,
        after,
        limit
      )
      : select(
        `run = ? AND task = ? AND (map_index, id, place) > (?, ?, ?)
          ORDER BY map_index, id, place LIMIT ?`,
        run,
        task,
        ...after.slice(1) as [number, Key, number],
        limit
      )
  const runsOf = <A>(
    select: Select<A>,
    run: Key,
    after: Position | undefined,
    limit: number,
    where = "",
    ...parameters: ReadonlyArray<SQLInputValue>
  ): ReadonlyArray<A> =>
    select(
      `run = ?
        ${after === undefined ? "" : "AND (task, map_index, id, place) > (?, ?, ?, ?)"} ${where}
        ORDER BY task, map_index, id, place LIMIT ?`,
      run,
      ...after ?? [],
      ...parameters,
      limit
    )
  const listOf = (length: number) => Array.from({ length }, () => "?").join(", ")

  const statesOf = (table: "task_run_state" | "flow_run_state", operation: string, id: string) =>
    Effect.flatMap(
      query(operation, () =>
        all<Found>(
          `SELECT place, offset, length, id FROM ${table} WHERE run = ? ORDER BY time, version, id, place`,
          keyOf(id)
        )),
      (entries) => models(table, Decoders.decodeStateRecord, entries)
    )

  /** Newest first: one page of each list, and then the newest of all. */
  const newest = <A extends { readonly created: number; readonly id: Key; readonly place: number }>(
    lists: ReadonlyArray<ReadonlyArray<A>>,
    limit: number
  ): ReadonlyArray<A> =>
    lists.length === 1 ?
      lists[0]! :
      lists.flat().toSorted((left, right) =>
        right.created - left.created || compareKeys(right.id, left.id) || right.place - left.place
      ).slice(0, limit)

  const backend: Backend.Backend = {
    name: "the archive",

    taskRun: (id) =>
      Effect.flatMap(
        query("taskRun", () => selectTaskRuns(`id = ? ORDER BY place LIMIT 100`, keyOf(id))),
        (entries) => one("taskRun", id, entries)
      ),

    taskRunsByIdPrefix: (wanted) =>
      Effect.flatMap(
        byIdPrefix<FoundTaskRun>("taskRunsByIdPrefix", "task_run", taskRunColumns, wanted),
        (entries) => views("taskRunsByIdPrefix", entries)
      ),

    taskRunBySlug: (wanted) =>
      Effect.flatMap(
        query("taskRunBySlug", () =>
          tasksOf(wanted.taskSlug).flatMap((task) =>
            selectTaskRuns(
              `run = ? AND task = ? AND map_index = ?
                ORDER BY id, place LIMIT 100`,
              keyOf(wanted.flowRunId),
              task,
              wanted.mapIndex
            )
          )),
        (entries) => one("taskRunBySlug", describeBySlug(wanted), entries)
      ),

    firstTaskRunOfEachTask: (flowRunId) =>
      Effect.gen(function*() {
        const operation = "firstTaskRunOfEachTask"
        const run = keyOf(flowRunId)
        const first: Array<{ readonly entry: FoundTaskRun; readonly slug: string | null }> = []
        const hasTask = (entry: FoundTaskRun | undefined): entry is FoundTaskRun =>
          entry !== undefined && Buffer.compare(bytesOf(entry.task), noTask) !== 0
        let [entry] = yield* query(operation, () => runsOf(selectTaskRuns, run, undefined, 1))
        while (hasTask(entry)) {
          let next: FoundTaskRun | undefined = entry
          entry = yield* query(operation, () => {
            for (let looked = 0; looked < tasksAtOnce && hasTask(next); looked++) {
              first.push({ entry: next, slug: slugOf(next.task) ?? null })
              ;[next] = selectTaskRuns(
                `run = ? AND task > ?
                  ORDER BY task, map_index, id, place LIMIT 1`,
                run,
                next.task
              )
            }
            return next
          })
          yield* otherTurn
        }
        // Runs without a task are single.
        const others: Array<FoundTaskRun> = []
        for (let isMore = entry !== undefined; isMore;) {
          const last = others.at(-1)
          const after: Position | number = last === undefined
            ? -Infinity
            : [noTask, last.map_index, last.id, last.place]
          const found = yield* query(operation, () => runsOfTask(selectTaskRuns, run, noTask, after, rowsAtOnce))
          for (const run of found) others.push(run)
          isMore = found.length === rowsAtOnce
          yield* otherTurn
        }
        const sorted = first.toSorted((left, right) =>
          left.slug === null || right.slug === null
            ? Number(left.slug === null) - Number(right.slug === null)
            : compareCodePoints(left.slug, right.slug)
        )
        return yield* views(operation, [...sorted.map((found) => found.entry), ...others])
      }),

    mappedTaskIds: (flowRunId) =>
      query("mappedTaskIds", () =>
        new Set(
          all<{ readonly task: Key }>("SELECT DISTINCT task FROM mapped WHERE run = ?", keyOf(flowRunId))
            .map(({ task }) => idOf(task))
        )),

    countMappedChildren: ({ flowRunId, taskId }) =>
      query("countMappedChildren", () =>
        Object.fromEntries(
          all<{ readonly state: number; readonly n: number }>(
            "SELECT state, n FROM mapped WHERE run = ? AND task = ?",
            keyOf(flowRunId),
            keyOf(taskId)
          ).map(({ n, state }) => [stateOf(state), n])
        )),

    flowRun: (flowRunId) =>
      single("flowRun", "flow_run", flowRunId, Decoders.decodeFlowRun, new Errors.FlowRunNotFound({ flowRunId })),

    flowRunsByIdPrefix: (wanted) =>
      Effect.flatMap(
        byIdPrefix<Found>("flowRunsByIdPrefix", "flow_run", "place, offset, length, id", wanted),
        (entries) => models("flow_run", Decoders.decodeFlowRun, entries)
      ),

    flow: (flowId) => single("flow", "flow", flowId, Decoders.decodeFlow, new Errors.FlowNotFound({ flowId })),

    edges: Effect.fnUntraced(function*(flowRunId) {
      const [flowRun] = yield* query("edges", () =>
        all<{ readonly flow: Key | null }>(
          "SELECT flow FROM flow_run WHERE id = ? ORDER BY place LIMIT 1",
          keyOf(flowRunId)
        ))
      if (flowRun === undefined) return yield* fail("edges", new Errors.FlowRunNotFound({ flowRunId }))
      const { flow } = flowRun
      if (flow === null) return []
      const stored = yield* query(
        "edges",
        () =>
          all<
            {
              readonly upstream: Key
              readonly downstream: Key
              readonly key: Key | null
              readonly mapped: number
            }
          >(
            "SELECT upstream, downstream, key, mapped FROM edge WHERE flow = ? ORDER BY place",
            flow
          )
      )
      if (stored.length > 0) {
        return stored.map(({ downstream, key, mapped, upstream }) => ({
          upstreamTaskId: idOf(upstream),
          downstreamTaskId: idOf(downstream),
          key: textOf(key),
          mapped: mapped === 1
        }))
      }
      const [row] = yield* Effect.flatMap(
        query(
          "edges",
          () => all<Found>("SELECT place, offset, length, id FROM flow WHERE id = ? ORDER BY place LIMIT 1", flow)
        ),
        (entries) => rowsOf("flow", entries)
      )
      const ids = yield* query("edges", () =>
        new Map(
          all<{ readonly slug: Key | null; readonly id: Key }>(
            "SELECT slug, id FROM task WHERE flow = ? ORDER BY place",
            flow
          ).flatMap(({ id, slug }) => slug === null ? [] : [[idOf(slug), idOf(id)] as const])
        ))
      return ofSerializedFlow(row?.["serialized_flow"], ids)
    }),

    flowRunStates: (flowRunId) => statesOf("flow_run_state", "flowRunStates", flowRunId),
    taskRunStates: (taskRunId) => statesOf("task_run_state", "taskRunStates", taskRunId),

    storageBlock: () =>
      fail("storageBlock", new Errors.UnsupportedByBackend({ feature: "storage blocks", backend: "the archive" })),

    taskRunsOfTaskPage: ({ after, flowRunId, taskId }, { cursor, limit }) =>
      Effect.flatMap(
        query("taskRunsOfTask", () =>
          pageOf(
            runsOfTask(selectTaskRuns, keyOf(flowRunId), keyOf(taskId), positionOf(cursor) ?? after, limit + 1),
            limit
          )),
        ({ entries, last }) =>
          Effect.map(views("taskRunsOfTask", entries), (items) => ({ items, next: cursorOf(last) }))
      ),

    taskRunsPage: ({ flowRunId, mapped, states, taskSlug }, { cursor, limit }) =>
      Effect.flatMap(
        query("taskRuns", () => {
          const codes = states === undefined ? undefined : codesOf(states)
          const run = keyOf(flowRunId)
          const after = positionOf(cursor)
          const where = (codes === undefined ? "" : `AND state IN (${listOf(codes.length)}) `) +
            (mapped === undefined ? "" : mapped ? "AND map_index >= 0" : "AND map_index < 0")
          if (taskSlug === undefined) {
            return pageOf(runsOf(selectTaskRuns, run, after, limit + 1, where, ...codes ?? []), limit)
          }
          const found: Array<FoundTaskRun> = []
          for (const task of tasksOf(taskSlug)) {
            if (after !== undefined && compareKeys(task, after[0]) < 0) continue
            const more = runsOf(
              selectTaskRuns,
              run,
              after,
              limit + 1 - found.length,
              `AND task = ? ${where}`,
              task,
              ...codes ?? []
            )
            for (const run of more) found.push(run)
            if (found.length > limit) break
          }
          return pageOf(found, limit)
        }),
        ({ entries, last }) => Effect.map(views("taskRuns", entries), (items) => ({ items, next: cursorOf(last) }))
      ),

    taskRunSummariesPage: ({ after, flowRunId, taskId }, { cursor, limit }) =>
      query("taskRunSummaries", () => {
        const run = keyOf(flowRunId)
        const task = taskId === undefined ? undefined : keyOf(taskId)
        const select = selectSummariesOf(task)
        // Large pages save only requests; here they would be as much as V8 moves when it collects what is new.
        const wanted = Math.min(limit, summariesAtOnce)
        const position = positionOf(cursor)
        const { entries, last } = pageOf(
          task === undefined
            ? runsOf(select, run, position, wanted + 1)
            : runsOfTask(select, run, task, position ?? after ?? -Infinity, wanted + 1),
          wanted
        )
        let shownKey: Key | undefined
        let shownId: string | null = null
        const items = entries.map((entry): Backend.TaskRunSummary => {
          if (shownKey === undefined || !isSameKey(shownKey, entry.task)) {
            shownKey = entry.task
            shownId = taskIdOf(shownKey)
          }
          return {
            taskRunId: entry.id,
            taskId: shownId,
            mapIndex: entry.map_index,
            state: stateOf(entry.state),
            startTime: isoText(entry.start ?? Number.NaN),
            endTime: isoText(entry.end ?? Number.NaN)
          }
        })
        return { items, next: cursorOf(last) }
      }),

    siblingsPage: ({ flowRunId, taskId, taskRunId }, { cursor, limit }) =>
      taskId === null || flowRunId === null
        ? Effect.succeed({ items: [], next: undefined })
        : Effect.flatMap(
          query("siblings", () => {
            const own = taskRunId as string
            const found = runsOfTask(
              selectTaskRuns,
              keyOf(flowRunId),
              keyOf(taskId),
              positionOf(cursor) ?? -Infinity,
              limit + 2
            )
            const others = found.filter((entry) => idOf(entry.id) !== own)
            const entries = others.slice(0, limit)
            return {
              entries,
              last: found.length > entries.length && others.length > limit ? entries.at(-1) : undefined
            }
          }),
          ({ entries, last }) => Effect.map(views("siblings", entries), (items) => ({ items, next: cursorOf(last) }))
        ),

    flowRunsPage: Effect.fnUntraced(function*({ flowId, flowName, nameContains: part, states }, { cursor, limit }) {
      const { entries, last } = yield* query("flowRuns", () => {
        const codes = states === undefined ? undefined : codesOf(states)
        const named = flowName === undefined
          ? undefined
          : all<{ readonly id: Key }>("SELECT DISTINCT id FROM flow WHERE name = ?", keyOf(flowName)).map(({ id }) =>
            id
          )
        const flows = flowId === undefined
          ? named
          : named === undefined || named.some((id) => idOf(id) === flowId)
          ? [keyOf(flowId)]
          : []
        let after = cursor as { readonly created: number; readonly id: string; readonly place: number } | undefined
        const list = (where: string, parameters: ReadonlyArray<SQLInputValue>, count: number) =>
          all<FoundFlowRun>(
            `SELECT place, offset, length, id, created, name FROM flow_run WHERE true ${where}
              ${after === undefined ? "" : "AND (created, id, place) < (?, ?, ?)"}
              ORDER BY created DESC, id DESC, place DESC LIMIT ?`,
            ...parameters,
            ...after === undefined ? [] : [after.created, keyOf(after.id), after.place],
            count
          )
        const byState = codes === undefined ? "" : `AND state IN (${listOf(codes.length)})`
        const next = (count: number): ReadonlyArray<FoundFlowRun> => {
          if (flows !== undefined && flows.length <= mostFlows) {
            return newest(flows.map((flow) => list(`AND flow = ? ${byState}`, [flow, ...codes ?? []], count)), count)
          }
          if (flows !== undefined) {
            return list(
              `${byState} AND flow IN (SELECT id FROM flow WHERE name = ?)`,
              [...codes ?? [], keyOf(flowName!)],
              count
            )
          }
          return codes === undefined
            ? list("", [], count)
            : newest(codes.map((code) => list("AND state = ?", [code], count)), count)
        }
        if (part === undefined) return pageOf(next(limit + 1), limit)
        const found: Array<FoundFlowRun> = []
        for (;;) {
          const some = next(1000)
          found.push(...some.filter(({ name }) => nameContains(textOf(name), part)))
          const end = some.at(-1)
          if (found.length > limit || some.length < 1000 || end === undefined) return pageOf(found, limit)
          after = { created: end.created, id: idOf(end.id), place: end.place }
        }
      })
      const items = yield* models("flow_run", Decoders.decodeFlowRun, entries)
      return { items, next: last === undefined ? undefined : timedCursor(last) }
    }),

    flowsPage: ({ cursor, limit }) =>
      Effect.flatMap(
        query("flows", () => {
          const after = cursor as { readonly created: number; readonly id: string; readonly place: number } | undefined
          return pageOf(
            all<FoundFlowRun>(
              `SELECT place, offset, length, id, created, name FROM flow
                ${after === undefined ? "" : "WHERE (created, id, place) < (?, ?, ?)"}
                ORDER BY created DESC, id DESC, place DESC LIMIT ?`,
              ...after === undefined ? [] : [after.created, keyOf(after.id), after.place],
              limit + 1
            ),
            limit
          )
        }),
        ({ entries, last }) =>
          Effect.map(models("flow", Decoders.decodeFlow, entries), (items) => ({
            items,
            next: last === undefined ? undefined : timedCursor(last)
          }))
      ),

    logsPage: ({ after, flowRunId, level, taskRunId }, { cursor, limit }) =>
      Effect.flatMap(
        query("logs", () => {
          const known = cursor as { readonly time: number; readonly id: string; readonly place: number } | undefined ??
            (after === undefined
              ? undefined
              : { time: microseconds(after.timestamp), id: after.id, place: Infinity })
          const lower = level === undefined ? [] : lowerThan(level)
          const conditions = [
            ...(taskRunId === undefined ? [] : ["task_run = ?"]),
            ...(flowRunId === undefined ? [] : [taskRunId === undefined ? "flow_run = ?" : "+flow_run = ?"]),
            ...(known === undefined ? [] : ["(time, id, place) > (?, ?, ?)"]),
            ...(level === undefined ? [] : [`(level IS NULL OR level NOT IN (${listOf(lower.length)}))`])
          ]
          return pageOf(
            all<Found & { readonly time: number }>(
              `SELECT place, offset, length, id, time FROM log
                ${conditions.length === 0 ? "" : `WHERE ${conditions.join(" AND ")}`} ORDER BY time, id, place LIMIT ?`,
              ...taskRunId === undefined ? [] : [keyOf(taskRunId)],
              ...flowRunId === undefined ? [] : [keyOf(flowRunId)],
              ...known === undefined ? [] : [known.time, keyOf(known.id), known.place],
              ...lower,
              limit + 1
            ),
            limit
          )
        }),
        ({ entries, last }) =>
          Effect.map(models("log", Decoders.decodeLog, entries), (items) => ({
            items,
            next: last === undefined ? undefined : { time: last.time, id: idOf(last.id), place: last.place }
          }))
      ),

    artifactsPage: ({ flowRunId, taskRunId }, { cursor, limit }) =>
      Effect.flatMap(
        query("artifacts", () => {
          const after = cursor as { readonly created: number; readonly id: string; readonly place: number } | undefined
          const byRun = flowRunId !== undefined && taskRunId === undefined
          const key = byRun ? "artifact_run" : "artifact"
          const conditions = [
            ...(taskRunId === undefined ? [] : ["artifact.task_run = ?"]),
            ...(byRun ? ["artifact_run.run = ?"] : []),
            ...(!byRun && flowRunId !== undefined
              ? ["EXISTS (SELECT 1 FROM task_run WHERE task_run.id = artifact.task_run AND task_run.run = ?)"]
              : []),
            ...(after === undefined ? [] : [`(${key}.created, ${key}.id, ${key}.place) > (?, ?, ?)`])
          ]
          return pageOf(
            all<FoundFlowRun>(
              `SELECT artifact.place, offset, length, artifact.id, artifact.created FROM ${
                byRun ? "artifact_run CROSS JOIN artifact ON artifact.place = artifact_run.place" : "artifact"
              } ${conditions.length === 0 ? "" : `WHERE ${conditions.join(" AND ")}`}
                ORDER BY ${key}.created, ${key}.id, ${key}.place LIMIT ?`,
              ...taskRunId === undefined ? [] : [keyOf(taskRunId)],
              ...flowRunId === undefined ? [] : [keyOf(flowRunId)],
              ...after === undefined ? [] : [after.created, keyOf(after.id), after.place],
              limit + 1
            ),
            limit
          )
        }),
        ({ entries, last }) =>
          Effect.map(models("task_run_artifact", Decoders.decodeArtifact, entries), (items) => ({
            items,
            next: last === undefined ? undefined : timedCursor(last)
          }))
      )
  }

  return {
    backend: inAnyCase(
      backend,
      (table, id) => query("archive", () => all(`SELECT 1 FROM ${table} WHERE id = ? LIMIT 1`, keyOf(id)).length > 0)
    ),
    problems: query("archive", () => all("SELECT tbl AS 'table', line, detail FROM problem ORDER BY rowid")),
    allTaskRuns: ({ cursor, limit }) =>
      Effect.flatMap(
        query("allTaskRuns", () =>
          pageOf(
            selectTaskRuns(`place > ? ORDER BY place LIMIT ?`, typeof cursor === "number" ? cursor : -1, limit + 1),
            limit
          )),
        ({ entries, last }) => Effect.map(views("allTaskRuns", entries), (items) => ({ items, next: last?.place }))
      )
  }
}

const timedCursor = ({ created, id, place }: FoundFlowRun) => ({ created, id: idOf(id), place })

const textOf = (key: Key | null): string | null => key === null ? null : idOf(key)

const bytesOf = (key: Key): Uint8Array => typeof key === "string" ? Buffer.from(key) : key

const isSameKey = (left: Key, right: Key): boolean =>
  typeof left === "string" || typeof right === "string" ? left === right : Buffer.compare(left, right) === 0

/** As SQLite compares: texts before bytes. */
const compareKeys = (left: Key, right: Key): number =>
  typeof left === typeof right
    ? Buffer.compare(bytesOf(left), bytesOf(right))
    : typeof left === "string"
    ? -1
    : 1

/** The known levels below a level. */
const lowerThan = (level: LogEntry.LogLevel): ReadonlyArray<string> =>
  Object.entries(LogEntry.levels).filter(([, value]) => value < LogEntry.levels[level]).map(([name]) => name)
