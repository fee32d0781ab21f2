/** The backend over an archive's tables and their index: every query reads only the rows that it returns. */

import * as TaskRunView from "@effect-prefect/core/TaskRunView"
import * as Turn from "@effect-prefect/core/Turn"
import * as Effect from "effect/Effect"
import type { DatabaseSync } from "node:sqlite"
import type * as Backend from "../../Backend.ts"
import * as Errors from "../../PrefectApiError.ts"
import type { RowProblem } from "../../RowProblem.ts"
import { isRowTooWide, rowTooWide } from "../depth.ts"
import { ofSerializedFlow } from "../edges.ts"
import * as Decoders from "../rows.ts"
import { describeBySlug } from "../taskRunText.ts"
import { isoText } from "../timestamps.ts"
import { uuidRange } from "../uuids.ts"
import { inAnyCase } from "./anyCase.ts"
import * as IndexLists from "./indexLists.ts"
import { type Found, type FoundPage, IndexReader, pageOf } from "./indexReader.ts"
import * as IndexTaskRuns from "./indexTaskRuns.ts"
import type { Extent } from "./jsonLines.ts"
import { idOf, isSameKey, type Key, keyOf, taskIdOf, textOf } from "./keys.ts"
import { complete, type ReadRows, type TableName } from "./rowIndex.ts"

const fail = (operation: string, reason: Errors.Reason) =>
  Effect.fail(new Errors.PrefectApiError({ operation, reason }))
const malformed = (operation: string, detail: string) => fail(operation, new Errors.MalformedResponse({ detail }))

/** How many rows are decoded before others have a turn. */
const modelsAtOnce = 256

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
  const reader = new IndexReader(database)
  const taskRuns = IndexTaskRuns.make(reader)

  const rowsOf = (table: TableName, found: ReadonlyArray<Extent>) => read(table, found, (row) => complete(table, row))

  /** The task runs, and those whose rows have more than a task run may have. */
  const viewsAndProblems = (operation: string, entries: ReadonlyArray<IndexTaskRuns.FoundTaskRun>) =>
    Effect.gen(function*() {
      const tasks: Array<IndexTaskRuns.Task | undefined> = []
      const taskOf = taskRuns.taskFinder()
      while (tasks.length < entries.length) {
        if (tasks.length > 0) yield* Turn.share
        yield* reader.query(operation, () => {
          for (const { task } of entries.slice(tasks.length, tasks.length + IndexTaskRuns.tasksAtOnce)) {
            tasks.push(taskOf(task))
          }
        })
      }
      let problem: string | undefined
      const problems: Array<RowProblem> = []
      const found = yield* read("task_run", entries, (row, at) => {
        const id = idOf(entries[at]!.id)
        const excess = Decoders.excessOf(row)
        if (excess !== undefined) {
          problems.push(Decoders.problemOf("task_run", id, excess))
          return undefined
        }
        const task = tasks[at]
        if (isRowTooWide(row)) {
          problem ??= `task run ${id}: ${rowTooWide}`
          return undefined
        }
        // Nobody else has the row, so it need not be copied.
        if (task?.slug !== undefined) Object.assign(row, { task })
        const view = TaskRunView.fromRow(complete("task_run", row))
        if (!(view instanceof TaskRunView.TaskRunView)) problem ??= `task run ${id}: ${view.detail}`
        else if (view.taskRunId === id) return view
        else problem ??= `the row of task run ${id} is another one by now`
        return undefined
      })
      if (problem !== undefined) return yield* malformed(operation, problem)
      const items = (problems.length === 0 ? found : found.filter((view) => view !== undefined)) as Array<
        TaskRunView.TaskRunView
      >
      return { items, problems }
    })

  const views = (operation: string, entries: ReadonlyArray<IndexTaskRuns.FoundTaskRun>) =>
    Effect.flatMap(
      viewsAndProblems(operation, entries),
      ({ items, problems }) => Effect.as(Decoders.leaveOut(problems), items)
    )

  const modelsOf = <A>(table: TableName, decode: Decoders.Decoder<A>, entries: ReadonlyArray<Found>) =>
    Effect.flatMap(
      rowsOf(table, entries),
      (found) => Decoders.decodeAll(table, decode, found, (_, at) => idOf(entries[at]!.id))
    )
  const models = <A>(table: TableName, decode: Decoders.Decoder<A>, entries: ReadonlyArray<Found>) =>
    entries.length <= modelsAtOnce ? modelsOf(table, decode, entries) : Effect.gen(function*() {
      const all: Array<A> = []
      for (let start = 0; start < entries.length; start += modelsAtOnce) {
        yield* Turn.share
        for (const model of yield* modelsOf(table, decode, entries.slice(start, start + modelsAtOnce))) all.push(model)
      }
      return all
    })

  const single = <A>(
    operation: string,
    table: "flow" | "flow_run",
    id: string,
    decode: Decoders.Decoder<A>,
    missing: Errors.Reason
  ) =>
    reader.query(
      operation,
      () =>
        reader.all<Found>(
          `SELECT place, offset, length, id FROM ${table} WHERE id = ? ORDER BY place LIMIT 1`,
          keyOf(id)
        )
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
    return range === undefined ? Effect.succeed([]) : reader.query(operation, () =>
      reader.all<A>(
        `SELECT ${columns} FROM ${table} WHERE id BETWEEN ? AND ? AND length(id) = 16 ORDER BY id, place LIMIT ?`,
        keyOf(range.first),
        keyOf(range.last),
        limit
      ))
  }

  const one = (operation: string, name: string, entries: ReadonlyArray<IndexTaskRuns.FoundTaskRun>) => {
    if (entries.length === 0) return fail(operation, new Errors.TaskRunNotFound({ query: name }))
    if (entries.length > 1) {
      const taskRunIds = entries.map((entry) => idOf(entry.id))
      return fail(operation, new Errors.AmbiguousTaskRun({ query: name, taskRunIds }))
    }
    return Effect.flatMap(
      viewsAndProblems(operation, entries),
      ({ items: [view], problems: [problem] }) =>
        view === undefined ? malformed(operation, problem!.detail) : Effect.succeed(view)
    )
  }

  const statesOf = (table: "task_run_state" | "flow_run_state", operation: string, id: string) =>
    Effect.flatMap(
      reader.query(operation, () =>
        reader.all<Found>(
          `SELECT place, offset, length, id FROM ${table} WHERE run = ? ORDER BY time, version, id, place`,
          keyOf(id)
        )),
      (entries) => models(table, Decoders.decodeStateRecord, entries)
    )

  /** A page of task runs: their positions are found at once, and their rows read. */
  const pageOfViews = (
    operation: string,
    { limit }: Backend.PageRequest,
    find: () => FoundPage<IndexTaskRuns.FoundTaskRun>
  ) =>
    Effect.flatMap(
      reader.page(operation, limit, find),
      ({ entries, last }) =>
        Effect.map(views(operation, entries), (items) => ({ items, next: IndexTaskRuns.cursorOf(last) }))
    )

  /** The same of rows of another table. */
  const pageOfModels = <A, E extends Found>(
    table: TableName,
    decode: Decoders.Decoder<A>,
    find: Effect.Effect<FoundPage<E>, Errors.PrefectApiError>,
    cursorOf: (entry: E | undefined) => Backend.Cursor | undefined
  ) =>
    Effect.flatMap(
      find,
      ({ entries, last }) => Effect.map(models(table, decode, entries), (items) => ({ items, next: cursorOf(last) }))
    )

  const backend: Backend.Backend = {
    name: "the archive",

    taskRun: (id) =>
      Effect.flatMap(
        reader.query("taskRun", () => taskRuns.select(`id = ? ORDER BY place LIMIT 100`, keyOf(id))),
        (entries) => one("taskRun", id, entries)
      ),

    taskRunsByIdPrefix: (wanted) =>
      Effect.flatMap(
        byIdPrefix<IndexTaskRuns.FoundTaskRun>(
          "taskRunsByIdPrefix",
          "task_run",
          IndexTaskRuns.taskRunColumns,
          wanted
        ),
        (entries) => views("taskRunsByIdPrefix", entries)
      ),

    taskRunBySlug: (wanted) =>
      Effect.flatMap(
        reader.query("taskRunBySlug", () => taskRuns.bySlug(wanted)),
        (entries) => one("taskRunBySlug", describeBySlug(wanted), entries)
      ),

    firstTaskRunOfEachTask: (flowRunId) =>
      Effect.flatMap(
        taskRuns.firstOfEachTask("firstTaskRunOfEachTask", flowRunId),
        (entries) => views("firstTaskRunOfEachTask", entries)
      ),

    mappedTaskIds: (flowRunId) =>
      reader.query("mappedTaskIds", () =>
        new Set(
          reader.all<{ readonly task: Key }>("SELECT DISTINCT task FROM mapped WHERE run = ?", keyOf(flowRunId))
            .map(({ task }) => idOf(task))
        )),

    countMappedChildren: ({ flowRunId, taskId }) =>
      reader.query("countMappedChildren", () =>
        Object.fromEntries(
          reader.all<{ readonly state: number; readonly n: number }>(
            "SELECT state, n FROM mapped WHERE run = ? AND task = ?",
            keyOf(flowRunId),
            keyOf(taskId)
          ).map(({ n, state }) => [reader.stateOf(state), n])
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
      const [flowRun] = yield* reader.query("edges", () =>
        reader.all<{ readonly flow: Key | null }>(
          "SELECT flow FROM flow_run WHERE id = ? ORDER BY place LIMIT 1",
          keyOf(flowRunId)
        ))
      if (flowRun === undefined) return yield* fail("edges", new Errors.FlowRunNotFound({ flowRunId }))
      const { flow } = flowRun
      if (flow === null) return []
      const stored = yield* reader.query(
        "edges",
        () =>
          reader.all<
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
        reader.query(
          "edges",
          () =>
            reader.all<Found>("SELECT place, offset, length, id FROM flow WHERE id = ? ORDER BY place LIMIT 1", flow)
        ),
        (entries) => rowsOf("flow", entries)
      )
      const ids = yield* reader.query("edges", () =>
        new Map(
          reader.all<{ readonly slug: Key | null; readonly id: Key }>(
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

    taskRunsOfTaskPage: (query, page) => pageOfViews("taskRunsOfTask", page, () => taskRuns.pageOfTask(query, page)),

    taskRunsPage: (query, page) => pageOfViews("taskRuns", page, () => taskRuns.page(query, page)),

    taskRunSummariesPage: (query, page) =>
      reader.page("taskRunSummaries", page.limit, () => {
        const { entries, last } = taskRuns.summaries(query, page)
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
            state: reader.stateOf(entry.state),
            startTime: isoText(entry.start ?? Number.NaN),
            endTime: isoText(entry.end ?? Number.NaN)
          }
        })
        return { items, next: IndexTaskRuns.cursorOf(last) }
      }),

    siblingsPage: ({ flowRunId, taskId, taskRunId }, page) =>
      taskId === null || flowRunId === null
        ? Effect.succeed({ items: [], next: undefined })
        : pageOfViews("siblings", page, () => taskRuns.siblings({ flowRunId, taskId }, taskRunId, page)),

    flowRunsPage: (query, page) =>
      pageOfModels(
        "flow_run",
        Decoders.decodeFlowRun,
        IndexLists.flowRuns(reader, query, page),
        IndexLists.createdCursor
      ),

    flowsPage: (page) =>
      pageOfModels(
        "flow",
        Decoders.decodeFlow,
        reader.page("flows", page.limit, () => IndexLists.flows(reader, page)),
        IndexLists.createdCursor
      ),

    logsPage: (query, page) =>
      pageOfModels(
        "log",
        Decoders.decodeLog,
        reader.page("logs", page.limit, () => IndexLists.logs(reader, query, page)),
        IndexLists.lineCursor
      ),

    artifactsPage: (query, page) =>
      pageOfModels(
        "task_run_artifact",
        Decoders.decodeArtifact,
        reader.page("artifacts", page.limit, () => IndexLists.artifacts(reader, query, page)),
        IndexLists.createdCursor
      )
  }

  return {
    backend: inAnyCase(
      backend,
      (table, id) =>
        reader.query("archive", () => reader.all(`SELECT 1 FROM ${table} WHERE id = ? LIMIT 1`, keyOf(id)).length > 0)
    ),
    problems: reader.query(
      "archive",
      () => reader.all("SELECT tbl AS 'table', line, detail FROM problem ORDER BY rowid")
    ),
    allTaskRuns: ({ cursor, limit }) =>
      Effect.flatMap(
        reader.query("allTaskRuns", () =>
          pageOf(
            taskRuns.select(`place > ? ORDER BY place LIMIT ?`, typeof cursor === "number" ? cursor : -1, limit + 1),
            limit
          )),
        ({ entries, last }) => Effect.map(views("allTaskRuns", entries), (items) => ({ items, next: last?.place }))
      )
  }
}
