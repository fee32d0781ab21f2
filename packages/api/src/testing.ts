/**
 * The contract of `PrefectApi` as a suite of `@effect/vitest`, for backends of your own: what every Prefect 1 backend
 * promises about lookups, listings, pages, mapped children, logs and errors.
 *
 * Needs the packages `vitest` and `@effect/vitest`.
 *
 * **Example** (Testing a backend)
 *
 * ```ts no-run
 * import { MemoryApi } from "@effect-prefect/api"
 * import { suite } from "@effect-prefect/api/testing"
 *
 * suite("my backend", (tables) => MemoryApi.layer(tables))
 * ```
 *
 * @since 0.1.0
 */
import * as FlowRunView from "@effect-prefect/core/FlowRunView"
import * as State from "@effect-prefect/core/State"
import * as TaskRunView from "@effect-prefect/core/TaskRunView"
import { assert, it as vitestIt } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type * as Backend from "./Backend.ts"
import * as Rows from "./internal/testing/tables.ts"
import type * as MemoryApi from "./MemoryApi.ts"
import * as PrefectApi from "./PrefectApi.ts"
import type { PrefectApiError } from "./PrefectApiError.ts"

/**
 * The rows that the suite expects, by the names of Prefect 1's tables. Load them into what the backend reads.
 *
 * @category models
 * @since 0.1.0
 */
export type Tables = MemoryApi.Tables & Readonly<Record<string, ReadonlyArray<object>>>

/**
 * What the suite may ask beside the service.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** How many requests for rows the backend made so far. With it, laziness is counted too. */
  readonly requests?: Effect.Effect<number> | undefined
}

const { flowRuns, flows, nowhere, tables, tasks, uuid } = Rows

const rowById = new Map(tables.task_run.map((row) => [row.id, row]))
const slugById = new Map<string, string>(Object.values(tasks).map(({ id, slug }) => [id, slug]))

/** What the view of a row must be, spelled out from the row. */
const expectedRow = (id: string): TaskRunView.TaskRunRow => {
  const row = rowById.get(id)!
  const slug = row.task_id === null ? undefined : slugById.get(row.task_id)
  return {
    id,
    name: row.name,
    task_id: row.task_id,
    task: row.task_id === null || slug === undefined ? null : { id: row.task_id, slug },
    map_index: row.map_index,
    serialized_state: row.serialized_state,
    flow_run_id: row.flow_run_id
  }
}
const assertIsRow = (view: TaskRunView.TaskRunView, id: string) => {
  assert.instanceOf(view, TaskRunView.TaskRunView)
  assert.deepStrictEqual(TaskRunView.toRow(view), expectedRow(id))
}
const assertAreRows = (views: ReadonlyArray<TaskRunView.TaskRunView>, ids: ReadonlyArray<string>) => {
  assert.deepStrictEqual(views.map((view) => view.taskRunId), [...ids])
  for (const [at, view] of views.entries()) assertIsRow(view, ids[at]!)
}

const runsOf = (flowRunId: string, taskId: string | null) =>
  tables.task_run.filter((row) => row.flow_run_id === flowRunId && row.task_id === taskId)
    .toSorted((left, right) => left.map_index - right.map_index)
const idsOf = (rows: ReadonlyArray<{ readonly id: string }>) => rows.map(({ id }) => id)
const fan = runsOf(flowRuns.main, tasks.fan.id)
const [fanParent, ...fanChildren] = fan
const large = runsOf(flowRuns.large, tasks.large.id)

const reasonOf = (error: PrefectApiError) => error.reason._tag
/** Backends write an instant in notations of their own, with all of its microseconds. */
const microsecondsOf = (text: string) => Number(/\.(\d+)/.exec(text)?.[1]?.padEnd(6, "0") ?? 0)
const isSameInstant = (left: string | null | undefined, right: string) =>
  typeof left === "string" && Date.parse(left) === Date.parse(right) && microsecondsOf(left) === microsecondsOf(right)

/**
 * Defines the suite for a backend. `layerFromTables` is called once: it loads the tables, and gives the service over them.
 *
 * @category suites
 * @since 0.1.0
 */
export const suite = (
  name: string,
  layerFromTables: (tables: Tables) => Layer.Layer<PrefectApi.PrefectApi, unknown>,
  options: Options = {}
): void => {
  vitestIt.layer(layerFromTables(tables), { excludeTestServices: true })(name, (it) => {
    const test = <A, E>(
      title: string,
      body: (api: PrefectApi.PrefectApi["Service"]) => Effect.Effect<A, E>
    ) => it.effect(title, () => Effect.flatMap(PrefectApi.PrefectApi, body))
    const collect = Stream.runCollect

    test("finds a task run by its id, whatever its state is", (api) =>
      Effect.forEach(
        tables.task_run.slice(0, 30),
        ({ id }) => Effect.map(api.taskRun(id), (view) => assertIsRow(view, id))
      ))

    test("says that there is no task run of an id", (api) =>
      Effect.gen(function*() {
        for (const id of [nowhere, "not-a-uuid", "", "x' or '1'='1"]) {
          const error = yield* Effect.flip(api.taskRun(id))
          assert.strictEqual(reasonOf(error), "TaskRunNotFound")
          assert.strictEqual(error._tag, "PrefectApiError")
          if (id !== "") assert.include(error.message, id)
        }
      }))

    test("finds what belongs to an id in capitals, as Postgres compares ids", (api) =>
      Effect.gen(function*() {
        const own = tables.task_run.find((row) => row.id === Rows.logTaskRun)!
        const task = { flowRunId: flowRuns.large, taskId: tasks.large.id }
        const slug = { taskSlug: "fan-1", flowRunId: flowRuns.main, mapIndex: -1 }
        const capitals = <A extends object>(query: A): A =>
          Object.fromEntries(
            Object.entries(query).map((
              [name, value]
            ) => [name, name.endsWith("Id") && typeof value === "string" ? value.toUpperCase() : value])
          ) as A
        const asked = (ids: <A extends object>(query: A) => A) => {
          const { flowId, flowRunId, taskRunId } = ids({
            flowId: flows.etl2,
            flowRunId: flowRuns.main,
            taskRunId: own.id
          })
          return Effect.all({
            taskRun: api.taskRun(taskRunId),
            bySlug: api.taskRunBySlug(ids(slug)),
            first: api.firstTaskRunOfEachTask(flowRunId),
            mapped: Effect.map(api.mappedTaskIds(flowRunId), (all) => [...all].toSorted()),
            counts: api.countMappedChildren(ids(task)),
            flowRun: api.flowRun(flowRunId),
            flow: api.flow(flowId),
            edges: api.edges(flowRunId),
            flowRunStates: api.flowRunStates(flowRunId),
            taskRunStates: api.taskRunStates(taskRunId),
            children: collect(api.mappedChildren(ids(task))),
            taskRuns: collect(api.taskRuns(ids({ flowRunId: flowRuns.main }))),
            summaries: collect(api.taskRunSummaries(ids(task))),
            flowRuns: collect(api.flowRuns(ids({ flowId: flows.etl2 }))),
            logs: collect(api.logs(ids({ flowRunId: flowRuns.main }))),
            taskLogs: collect(api.logs(ids({ taskRunId: own.id }))),
            artifacts: collect(api.artifacts(ids({ taskRunId: own.id })))
          })
        }
        const expected = yield* asked((query) => query)
        assert.deepStrictEqual(yield* asked(capitals), expected)
        for (const found of [expected.children, expected.summaries, expected.flowRuns, expected.logs]) {
          assert.isAbove(found.length, 0)
        }
      }))

    test("finds task runs and flow runs by the first digits of their ids, in the order of the ids", (api) =>
      Effect.gen(function*() {
        const all = { taskRun: idsOf(tables.task_run), flowRun: idsOf(tables.flow_run) }
        const beginning = (ids: ReadonlyArray<string>, prefix: string) =>
          ids.filter((id) => id.startsWith(prefix)).toSorted()
        const [id] = all.taskRun
        for (const prefix of [id!, id!.slice(0, 6), id!.slice(0, 13), id!.slice(0, 30), id!.slice(0, -1)]) {
          const views = yield* api.taskRunsByIdPrefix({ prefix, limit: 10 })
          assertAreRows(views, beginning(all.taskRun, prefix).slice(0, 10))
          assert.isAbove(views.length, 0)
          const other = prefix.replaceAll("-", "").toUpperCase()
          assert.deepStrictEqual(yield* api.taskRunsByIdPrefix({ prefix: other, limit: 10 }), views)
        }
        for (const prefix of [flowRuns.main, flowRuns.main.slice(0, 8), `${flowRuns.main.slice(0, 8)}-`]) {
          const views = yield* api.flowRunsByIdPrefix({ prefix, limit: 3 })
          assert.deepStrictEqual(views.map((view) => view.flowRunId), beginning(all.flowRun, prefix).slice(0, 3))
        }
        for (const prefix of ["", "not hex", nowhere.slice(0, 8), "x' or '1'='1", "%", `${id}0`, "-"]) {
          assert.deepStrictEqual(yield* api.taskRunsByIdPrefix({ prefix, limit: 10 }), [], prefix)
          assert.deepStrictEqual(yield* api.flowRunsByIdPrefix({ prefix, limit: 10 }), [], prefix)
        }
      }))

    test("finds a task run by slug, flow run and map index", (api) =>
      Effect.gen(function*() {
        for (const row of [...fan, ...runsOf(flowRuns.main, tasks.emoji.id)]) {
          const view = yield* api.taskRunBySlug({
            taskSlug: slugById.get(row.task_id!)!,
            flowRunId: row.flow_run_id,
            mapIndex: row.map_index
          })
          assertIsRow(view, row.id)
        }
      }))

    test("says that there is no task run of a slug, flow run or map index", (api) =>
      Effect.gen(function*() {
        const query = { taskSlug: "fan-1", flowRunId: flowRuns.main, mapIndex: -1 }
        for (
          const wrong of [
            { ...query, mapIndex: 99 },
            { ...query, taskSlug: "FAN-1" },
            { ...query, taskSlug: "fan%" },
            { ...query, flowRunId: flowRuns.large },
            { ...query, flowRunId: nowhere },
            { ...query, flowRunId: "not-a-uuid" },
            { ...query, taskSlug: tasks.orphans.slug }
          ]
        ) {
          const error = yield* Effect.flip(api.taskRunBySlug(wrong))
          assert.strictEqual(reasonOf(error), "TaskRunNotFound", JSON.stringify(wrong))
          assert.include(error.message, wrong.taskSlug)
          assert.include(error.message, wrong.flowRunId)
        }
      }))

    test("refuses to choose between two task runs of one slug", (api) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(
          api.taskRunBySlug({ taskSlug: "twin-1", flowRunId: flowRuns.main, mapIndex: -1 })
        )
        if (error.reason._tag !== "AmbiguousTaskRun") return assert.fail(reasonOf(error))
        assert.deepStrictEqual(
          error.reason.taskRunIds.toSorted(),
          idsOf([
            ...runsOf(flowRuns.main, tasks.twin.id),
            ...runsOf(flowRuns.main, tasks.otherTwin.id)
          ]).toSorted()
        )
      }))

    test("gives the first task run of each task by slug in code point order, those without a slug last", (api) =>
      Effect.gen(function*() {
        const first = yield* api.firstTaskRunOfEachTask(flowRuns.main)
        const slugs = ["B-1", "_a-1", "a-1", "fan-1", "orphans-1", "twin-1", "twin-1", "é-1", "\uff01-1", "\u{1f600}-1"]
        assert.deepStrictEqual(first.map((view) => view.taskSlug), [...slugs, null, null, null])
        const { accent, emoji, fan, lower, orphans, otherTwin, twin, underscore, upper, wide } = tasks
        const order = [upper, underscore, lower, fan, orphans, twin, otherTwin, accent, wide, emoji]
        assertAreRows(first, [
          ...order.map(({ id }) => runsOf(flowRuns.main, id)[0]!.id),
          ...idsOf(runsOf(flowRuns.main, Rows.lostTask)),
          ...idsOf(runsOf(flowRuns.main, null))
        ])
        assert.deepStrictEqual(yield* api.firstTaskRunOfEachTask(nowhere), [])
      }))

    test("tells which tasks have mapped children", (api) =>
      Effect.gen(function*() {
        const { fan, orphans } = tasks
        const expected = [fan, orphans].map(({ id }) => id).filter((id) =>
          runsOf(flowRuns.main, id).some((row) => (row.map_index ?? -1) >= 0)
        )
        assert.isAbove(expected.length, 0)
        assert.includeMembers([...yield* api.mappedTaskIds(flowRuns.main)], expected)
        for (const id of yield* api.mappedTaskIds(flowRuns.main)) {
          assert.isTrue(runsOf(flowRuns.main, id).some((row) => (row.map_index ?? -1) >= 0))
        }
        assert.strictEqual((yield* api.mappedTaskIds(nowhere)).size, 0)
      }))

    test("walks mapped children in map order across pages", (api) =>
      Effect.gen(function*() {
        const task = { flowRunId: flowRuns.large, taskId: tasks.large.id }
        for (
          const pageSize of [1, 2, 7, Rows.largeChildren - 1, Rows.largeChildren, Rows.largeChildren + 1, undefined]
        ) {
          const children = yield* collect(api.mappedChildren(task, { pageSize }))
          assertAreRows(children, idsOf(large.slice(1)))
        }
        assert.deepStrictEqual(yield* collect(api.mappedChildren({ ...task, flowRunId: nowhere })), [])
        assert.deepStrictEqual(yield* collect(api.mappedChildren({ ...task, taskId: nowhere })), [])
      }))

    test("takes mapped children up again after a map index", (api) =>
      Effect.gen(function*() {
        const task = { flowRunId: flowRuns.large, taskId: tasks.large.id }
        for (const after of [-1, 0, 4, 5, Rows.largeChildren - 2, Rows.largeChildren - 1, 10_000]) {
          const children = yield* collect(api.mappedChildren(task, { after, pageSize: 5 }))
          assertAreRows(children, idsOf(large.filter((row) => row.map_index > after)))
        }
      }))

    test("gives the same children to two readers, and again to a third", (api) =>
      Effect.gen(function*() {
        const children = api.mappedChildren({ flowRunId: flowRuns.large, taskId: tasks.large.id }, { pageSize: 4 })
        const both = yield* Effect.all([collect(children), collect(children)], { concurrency: 2 })
        for (const views of [...both, yield* collect(children)]) assertAreRows(views, idsOf(large.slice(1)))
      }))

    test("gives odd children as they are", (api) =>
      Effect.gen(function*() {
        const children = yield* collect(api.mappedChildren({ flowRunId: flowRuns.main, taskId: tasks.fan.id }))
        assertAreRows(children, idsOf(fanChildren))
        assert.deepStrictEqual(
          children.map((view) => State.typeName(view.state)),
          Rows.fanStates.map((type) => type ?? "Scheduled")
        )
        const orphans = yield* collect(api.mappedChildren({ flowRunId: flowRuns.main, taskId: tasks.orphans.id }))
        assert.deepStrictEqual(orphans.map((view) => view.mapIndex), [2, 3, 4])
      }))

    test("gives every run of a task: the parent, then its children", (api) =>
      Effect.gen(function*() {
        const of = (taskId: string, flowRunId = flowRuns.main) =>
          collect(api.taskRunsOfTask({ flowRunId, taskId }, { pageSize: 3 }))
        assertAreRows(yield* of(tasks.fan.id), idsOf([fanParent!, ...fanChildren]))
        assertAreRows(yield* of(tasks.upper.id), idsOf(runsOf(flowRuns.main, tasks.upper.id)))
        assertAreRows(yield* of(Rows.lostTask), idsOf(runsOf(flowRuns.main, Rows.lostTask)))
        assertAreRows(
          yield* of(tasks.large.id, flowRuns.stateless),
          idsOf(runsOf(flowRuns.stateless, tasks.large.id))
        )
      }))

    test("counts mapped children by state", (api) =>
      Effect.gen(function*() {
        const of = (taskId: string, flowRunId: string) => api.countMappedChildren({ flowRunId, taskId })
        assert.deepStrictEqual({ ...yield* of(tasks.fan.id, flowRuns.main) }, {
          Success: 3,
          Failed: 1,
          Scheduled: 1,
          Retrying: 1,
          Levitating: 1
        })
        assert.deepStrictEqual({ ...yield* of(tasks.large.id, flowRuns.large) }, { Success: Rows.largeChildren })
        assert.deepStrictEqual({ ...yield* of(tasks.upper.id, flowRuns.main) }, {})
        assert.deepStrictEqual({ ...yield* of(tasks.large.id, nowhere) }, {})
      }))

    test("lists the task runs of a flow run, each once, in pages of any size", (api) =>
      Effect.gen(function*() {
        const expected = idsOf(tables.task_run.filter((row) => row.flow_run_id === flowRuns.main)).toSorted()
        for (const pageSize of [1, 4, 1000]) {
          const views = yield* collect(api.taskRuns({ flowRunId: flowRuns.main }, { pageSize }))
          assert.deepStrictEqual(views.map((view) => view.taskRunId).toSorted(), expected)
          for (const view of views) assertIsRow(view, view.taskRunId)
        }
        assert.deepStrictEqual(yield* collect(api.taskRuns({ flowRunId: nowhere })), [])
      }))

    test("filters task runs by slug, by state and by whether they are mapped children", (api) =>
      Effect.gen(function*() {
        const all = tables.task_run.filter((row) => row.flow_run_id === flowRuns.main)
        const nameOf = (row: (typeof all)[number]) => row.serialized_state?.type ?? "Scheduled"
        const check = Effect.fnUntraced(function*(
          query: Omit<Backend.TaskRunsQuery, "flowRunId">,
          isWanted: (row: (typeof all)[number]) => boolean
        ) {
          const views = yield* collect(api.taskRuns({ flowRunId: flowRuns.main, ...query }, { pageSize: 2 }))
          assert.deepStrictEqual(
            views.map((view) => view.taskRunId).toSorted(),
            idsOf(all.filter(isWanted)).toSorted(),
            JSON.stringify(query)
          )
        })
        yield* check({ taskSlug: "fan-1" }, (row) => row.task_id === tasks.fan.id)
        yield* check({ taskSlug: "fan-1", mapped: false }, (row) => row.id === fanParent!.id)
        yield* check({ taskSlug: "fan" }, () => false)
        yield* check({ mapped: true }, (row) => row.map_index >= 0)
        yield* check({ mapped: false }, (row) => row.map_index < 0)
        yield* check({ states: ["Failed"] }, (row) => nameOf(row) === "Failed")
        yield* check({ states: ["Scheduled"] }, (row) => nameOf(row) === "Scheduled")
        yield* check(
          { states: ["TimedOut", "Scheduled"] },
          (row) => nameOf(row) === "TimedOut" || nameOf(row) === "Scheduled"
        )
        yield* check(
          { states: ["Levitating"], mapped: false },
          (row) => nameOf(row) === "Levitating" && row.map_index < 0
        )
        yield* check({ states: [] }, () => false)
      }))

    test("summarizes the task runs of a flow run by task and map index, in pages of any size", (api) =>
      Effect.gen(function*() {
        const nullLast = (id: string | null) => id ?? "~"
        const expected = (rows: ReadonlyArray<(typeof tables.task_run)[number]>) =>
          rows.toSorted((left, right) =>
            nullLast(left.task_id) < nullLast(right.task_id)
              ? -1
              : nullLast(left.task_id) > nullLast(right.task_id)
              ? 1
              : left.map_index - right.map_index || (left.id < right.id ? -1 : 1)
          ).map((row) => ({
            taskRunId: row.id,
            taskId: row.task_id,
            mapIndex: row.map_index,
            state: row.serialized_state?.type ?? "Scheduled",
            startTime: row.start_time,
            endTime: row.end_time
          }))
        const of = (query: Omit<Backend.TaskRunSummariesQuery, "flowRunId">, pageSize?: number) =>
          Effect.map(
            collect(api.taskRunSummaries({ flowRunId: flowRuns.main, ...query }, { pageSize })),
            (all) => all.map((summary) => ({ ...summary }))
          )
        const all = tables.task_run.filter((row) => row.flow_run_id === flowRuns.main)
        for (const pageSize of [1, 3, undefined]) assert.deepStrictEqual(yield* of({}, pageSize), expected(all))
        const ofFan = all.filter((row) => row.task_id === tasks.fan.id)
        assert.deepStrictEqual(yield* of({ taskId: tasks.fan.id }, 2), expected(ofFan))
        for (const after of [-1, 3, 99]) {
          assert.deepStrictEqual(
            yield* of({ taskId: tasks.fan.id, after }, 2),
            expected(ofFan.filter((row) => row.map_index > after))
          )
        }
        assert.deepStrictEqual(yield* of({ taskId: nowhere }), [])
        assert.deepStrictEqual(yield* collect(api.taskRunSummaries({ flowRunId: nowhere })), [])
      }))

    test("gives the edges of a flow run's graph, from its flow's description where there are no rows", (api) =>
      Effect.gen(function*() {
        const sorted = (edges: ReadonlyArray<Backend.Edge>) =>
          edges.map((edge) => ({ ...edge })).toSorted((left, right) =>
            left.upstreamTaskId < right.upstreamTaskId ? -1 : 1
          )
        const { fan, large, lower, upper } = tasks
        assert.deepStrictEqual(sorted(yield* api.edges(flowRuns.main)), [
          { upstreamTaskId: fan.id, downstreamTaskId: lower.id, key: null, mapped: false },
          { upstreamTaskId: upper.id, downstreamTaskId: fan.id, key: "x", mapped: true }
        ])
        assert.deepStrictEqual(sorted(yield* api.edges(flowRuns.large)), [
          { upstreamTaskId: large.id, downstreamTaskId: large.id, key: "x", mapped: true }
        ])
        assert.deepStrictEqual(yield* api.edges(flowRuns.tieLow), [])
        for (const id of [nowhere, "not-a-uuid"]) {
          assert.strictEqual(reasonOf(yield* Effect.flip(api.edges(id))), "FlowRunNotFound")
        }
      }))

    test("finds flow runs by a part of their name, which is no pattern", (api) =>
      Effect.gen(function*() {
        const names = (nameContains: string) =>
          Effect.map(collect(api.flowRuns({ nameContains }, { pageSize: 1 })), (all) => all.map(({ name }) => name))
        assert.deepStrictEqual(yield* names("TIE-"), ["tie-high", "tie-low"])
        assert.deepStrictEqual(yield* names("_run"), ["large_run 100%"])
        assert.deepStrictEqual(yield* names("0%"), ["large_run 100%"])
        for (const none of ["%", "m_in", "\\", "null", "0%0"]) {
          assert.deepStrictEqual(yield* names(none), none === "%" ? ["large_run 100%"] : [], none)
        }
        assert.lengthOf(yield* names(""), 5)
      }))

    test("lets other work run between pages", (api) =>
      Effect.gen(function*() {
        let turns = 0
        // Each turn of the event loop counts, however short it is.
        const next = () => {
          turns++
          timer = setImmediate(next)
        }
        let timer = setImmediate(next)
        const pages = api.mappedChildren({ flowRunId: flowRuns.large, taskId: tasks.large.id }, { pageSize: 1 })
        const seen: Array<number> = []
        yield* Effect.ensuring(
          Stream.runForEach(pages, () => Effect.sync(() => seen.push(turns))),
          Effect.sync(() => clearImmediate(timer))
        )
        assert.isAbove(new Set(seen).size, 3)
      }))

    test("gives the siblings of a task run", (api) =>
      Effect.gen(function*() {
        const view = yield* api.taskRun(fanChildren[2]!.id)
        const siblings = yield* collect(api.siblings(view, { pageSize: 3 }))
        assert.deepStrictEqual(
          siblings.map((sibling) => sibling.taskRunId).toSorted(),
          idsOf(fan.filter((row) => row.id !== view.taskRunId)).toSorted()
        )
        const [taskless] = runsOf(flowRuns.main, null)
        assert.deepStrictEqual(yield* collect(api.siblings(yield* api.taskRun(taskless!.id))), [])
      }))

    test("finds a flow run with what it was given", (api) =>
      Effect.gen(function*() {
        const view = yield* api.flowRun(flowRuns.main)
        assert.instanceOf(view, FlowRunView.FlowRunView)
        assert.strictEqual(view.flowId, flows.etl1)
        assert.strictEqual(view.name, "main-run")
        assert.strictEqual(view.state._tag, "Failed")
        assert.deepStrictEqual(view.labels, ["a", "b"])
        assert.deepStrictEqual(view.parameters, { n: 24 })
        assert.deepStrictEqual(view.context, { who: "me" })
        assert.isTrue(isSameInstant(view.created, "2022-03-01T12:00:00Z"))
        assert.strictEqual((yield* api.flowRun(flowRuns.stateless)).state._tag, "Scheduled")
        assert.strictEqual((yield* api.flowRun(flowRuns.odd)).state._tag, "UnknownState")
        for (const id of [nowhere, "not-a-uuid"]) {
          const error = yield* Effect.flip(api.flowRun(id))
          assert.strictEqual(reasonOf(error), "FlowRunNotFound")
          assert.include(error.message, id)
        }
      }))

    test("lists flow runs newest first, by their id where the time is the same", (api) =>
      Effect.gen(function*() {
        const { large, main, odd, stateless, tieHigh, tieLow } = flowRuns
        const newestFirst = [tieHigh, tieLow, large, main, stateless, odd]
        for (const pageSize of [1, 2, 3, undefined]) {
          const views = yield* collect(api.flowRuns({}, { pageSize }))
          assert.deepStrictEqual(views.map((view) => view.flowRunId), newestFirst as never)
        }
        const ids = (query: Backend.FlowRunsQuery) =>
          Effect.map(collect(api.flowRuns(query, { pageSize: 1 })), (views) =>
            views.map((view): string => view.flowRunId))
        assert.deepStrictEqual(yield* ids({ flowName: "etl" }), [large, main, stateless, odd])
        assert.deepStrictEqual(yield* ids({ flowName: "ETL" }), [])
        assert.deepStrictEqual(yield* ids({ flowId: flows.etl2 }), [large, stateless])
        assert.deepStrictEqual(yield* ids({ flowId: nowhere }), [])
        assert.deepStrictEqual(yield* ids({ states: ["Success"] }), [tieHigh, large])
        assert.deepStrictEqual(yield* ids({ states: ["Scheduled", "Levitating"] }), [stateless, odd])
        assert.deepStrictEqual(yield* ids({ flowName: "etl", states: ["Success"] }), [large])
      }))

    test("finds a flow, and lists them all", (api) =>
      Effect.gen(function*() {
        const flow = yield* api.flow(flows.etl2)
        assert.strictEqual(flow.name, "etl")
        assert.strictEqual(flow.version, 2)
        assert.strictEqual(flow.projectId, Rows.project)
        assert.strictEqual(flow.archived, false)
        for (const id of [nowhere, "not-a-uuid"]) {
          assert.strictEqual(reasonOf(yield* Effect.flip(api.flow(id))), "FlowNotFound")
        }
        for (const pageSize of [1, 2, undefined]) {
          const all = yield* collect(api.flows({ pageSize }))
          assert.deepStrictEqual(all.map((view): string => view.flowId).toSorted(), Object.values(flows).toSorted())
        }
      }))

    test("gives logs complete and in the order of (timestamp, id), though timestamps repeat", (api) =>
      Effect.gen(function*() {
        const messages = ["first", ...Array.from({ length: 11 }, (_, at) => `line ${at}`), "last"]
        for (const pageSize of [1, 2, 3, 11, undefined]) {
          const lines = yield* collect(api.logs({ flowRunId: flowRuns.main }, { pageSize }))
          assert.deepStrictEqual(lines.map((line) => line.message), messages)
        }
        const lines = yield* collect(api.logs({ flowRunId: flowRuns.main }))
        for (const at of [0, 1, 5, 11, 12]) {
          const { id, timestamp } = lines[at]!
          const rest = yield* collect(api.logs({ flowRunId: flowRuns.main, after: { id, timestamp } }, { pageSize: 2 }))
          assert.deepStrictEqual(rest.map((line) => line.message), messages.slice(at + 1))
        }
        assert.strictEqual(lines[5]!.flowRunId, flowRuns.main as never)
        assert.strictEqual(lines[1]!.taskRunId, Rows.logTaskRun as never)
        assert.isTrue(isSameInstant(lines[0]!.timestamp, "2022-03-01T12:00:01.749999Z"))
        assert.deepStrictEqual(yield* collect(api.logs({ flowRunId: nowhere })), [])
      }))

    test("gives logs from a level up, and those of no known level at every level", (api) =>
      Effect.gen(function*() {
        const messages = (query: Backend.LogsQuery) =>
          Effect.map(collect(api.logs(query, { pageSize: 2 })), (lines) => lines.map((line) => line.message))
        const of = (...numbers: ReadonlyArray<number>) => numbers.map((at) => `line ${at}`)
        const flowRunId = flowRuns.main
        assert.deepStrictEqual(yield* messages({ flowRunId, level: "DEBUG" }), yield* messages({ flowRunId }))
        assert.deepStrictEqual(yield* messages({ flowRunId, level: "ERROR" }), of(3, 4, 5, 6, 9))
        assert.deepStrictEqual(yield* messages({ flowRunId, level: "WARNING" }), ["first", ...of(2, 3, 4, 5, 6, 9)])
        assert.deepStrictEqual(yield* messages({ flowRunId, level: "CRITICAL" }), of(4, 5, 6))
        assert.deepStrictEqual(yield* messages({ taskRunId: Rows.logTaskRun }), of(0, 3, 6, 9))
        assert.deepStrictEqual(yield* messages({ taskRunId: Rows.logTaskRun, flowRunId, level: "ERROR" }), of(3, 6, 9))
        assert.deepStrictEqual(yield* messages({ taskRunId: Rows.logTaskRun, flowRunId: flowRuns.large }), [])
      }))

    test("gives the states that a run had, oldest first", (api) =>
      Effect.gen(function*() {
        const states = yield* api.flowRunStates(flowRuns.main)
        assert.deepStrictEqual(states.map((record) => State.typeName(record.state)), [
          "Scheduled",
          "Submitted",
          "Running",
          "Failed"
        ])
        assert.deepStrictEqual(states.map((record) => record.version), [1, 2, 3, 4])
        assert.isTrue(isSameInstant(states[1]!.timestamp, "2022-03-01T12:00:02.5Z"))
        const ofTask = yield* api.taskRunStates(Rows.logTaskRun)
        assert.deepStrictEqual(ofTask.map((record) => State.typeName(record.state)), ["Pending", "Levitating"])
        assert.deepStrictEqual(yield* api.flowRunStates(nowhere), [])
        assert.deepStrictEqual(yield* api.taskRunStates(nowhere), [])
      }))

    test("gives the artifacts of a task run and of a flow run", (api) =>
      Effect.gen(function*() {
        const ids = (query: { readonly flowRunId?: string; readonly taskRunId?: string }) =>
          Effect.map(collect(api.artifacts(query, { pageSize: 1 })), (all) => all.map(({ id }) => id).toSorted())
        const both = [uuid(0xe, 1), uuid(0xe, 2)]
        assert.deepStrictEqual(yield* ids({ taskRunId: Rows.logTaskRun }), both)
        assert.deepStrictEqual(yield* ids({ flowRunId: flowRuns.main }), both)
        assert.deepStrictEqual(yield* ids({ flowRunId: flowRuns.stateless }), [uuid(0xe, 3)])
        assert.deepStrictEqual(yield* ids({ taskRunId: nowhere }), [])
        const [link] = yield* collect(api.artifacts({ taskRunId: Rows.logTaskRun }))
        assert.strictEqual(link!.kind, "link")
        assert.deepStrictEqual(link!.data, { link: "https://example.org" })
      }))

    test("has no storage blocks, which are Prefect 3's", (api) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(api.storageBlock(nowhere))
        assert.strictEqual(reasonOf(error), "UnsupportedByBackend")
        assert.isFalse(error.isRetryable)
      }))

    const { requests } = options
    if (requests !== undefined) {
      test("asks for nothing before it is pulled, and for one page when few are taken", (api) =>
        Effect.gen(function*() {
          const before = yield* requests
          const children = api.mappedChildren({ flowRunId: flowRuns.large, taskId: tasks.large.id }, { pageSize: 10 })
          assert.strictEqual(yield* requests, before)
          yield* collect(Stream.take(children, 1))
          assert.strictEqual((yield* requests) - before, 1)
          yield* collect(children)
          assert.strictEqual((yield* requests) - before, 1 + Math.ceil(Rows.largeChildren / 10))
        }))
    }
  })
}
