import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import * as PrefectApi from "@effect-prefect/api/PrefectApi"
import { suite } from "@effect-prefect/api/testing"
import * as FlowRunView from "@effect-prefect/core/FlowRunView"
import { FlowRunId, TaskRunId } from "@effect-prefect/core/Ids"
import * as State from "@effect-prefect/core/State"
import * as TaskRunView from "@effect-prefect/core/TaskRunView"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"

suite("MemoryApi", MemoryApi.layer)

const TestApi = MemoryApi.layer({
  flow_run: [{ id: "nightly-1", name: "nightly" }],
  task: [{ id: "t1", slug: "extract-1" }, { id: "t2", slug: "load-1" }],
  task_run: [
    { id: "r1", task_id: "t1", flow_run_id: "nightly-1", serialized_state: { type: "Success" } },
    { id: "r2", task_id: "t2", flow_run_id: "nightly-1" },
    { id: "r3", task: { id: "t3", slug: "inline-1" }, flow_run_id: "nightly-1", map_index: 4 },
    { id: "same", flow_run_id: "nightly-1", name: "one" },
    { id: "same", flow_run_id: "nightly-1", name: "two" },
    { id: "d1", task_id: "t4", flow_run_id: "nightly-2", map_index: 0 },
    { id: "d2", task_id: "t4", flow_run_id: "nightly-2", map_index: 0 }
  ],
  log: [
    { id: "l2", flow_run_id: "nightly-1", timestamp: "2022-03-01T12:00:00.25+00:00", message: "later" },
    { id: "l1", flow_run_id: "nightly-1", timestamp: "2022-03-01T13:00:00.1+01:00", message: "earlier" }
  ]
})

describe("MemoryApi, as a test of a user's own would use it", () => {
  it.layer(TestApi)((it) => {
    it.effect("fills in what a row leaves out as Prefect's database does", () =>
      Effect.gen(function*() {
        const api = yield* PrefectApi.PrefectApi
        const view = yield* api.taskRunBySlug({ taskSlug: "load-1", flowRunId: "nightly-1", mapIndex: -1 })
        assert.strictEqual(view.taskRunId, TaskRunId.make("r2"))
        assert.strictEqual(view.state._tag, "Scheduled")
        assert.strictEqual(view.name, null)
        assert.strictEqual((yield* api.flowRun("nightly-1")).flowId, null)
      }))

    it.effect("takes rows that carry their task, as the GraphQL API gives them", () =>
      Effect.gen(function*() {
        const api = yield* PrefectApi.PrefectApi
        const view = yield* api.taskRunBySlug({ taskSlug: "inline-1", flowRunId: "nightly-1", mapIndex: 4 })
        assert.strictEqual(view.taskSlug, "inline-1")
      }))

    it.effect("finds UUIDs in capitals, whichever way the rows write them", () =>
      Effect.gen(function*() {
        const uuid = (digit: string) => `${digit.repeat(8)}-0000-4000-8000-00000000000${digit}`
        const rowsOf = (spell: (id: string) => string): MemoryApi.Tables => ({
          flow: [{ id: spell(uuid("c")), name: "etl" }],
          flow_run: [{ id: spell(uuid("a")), flow_id: spell(uuid("c")), name: "nightly" }],
          task: [{ id: spell(uuid("d")), slug: "score-1" }],
          task_run: [-1, 0].map((map_index) => ({
            id: spell(uuid(map_index < 0 ? "b" : "e")),
            task_id: spell(uuid("d")),
            flow_run_id: spell(uuid("a")),
            map_index
          }))
        })
        const capitals = (id: string) => id.toUpperCase()
        for (const spell of [capitals, (id: string) => id]) {
          yield* Effect.gen(function*() {
            const api = yield* PrefectApi.PrefectApi
            const task = { flowRunId: capitals(uuid("a")), taskId: capitals(uuid("d")) }
            assert.strictEqual((yield* api.flow(capitals(uuid("c")))).name, "etl")
            assert.strictEqual((yield* api.flowRun(task.flowRunId)).name, "nightly")
            assert.strictEqual((yield* api.taskRun(capitals(uuid("b")))).taskSlug, "score-1")
            assert.deepStrictEqual(
              (yield* Stream.runCollect(api.mappedChildren(task))).map((view): string => view.taskRunId),
              [spell(uuid("e"))]
            )
          }).pipe(Effect.provide(MemoryApi.layer(rowsOf(spell))))
        }
      }))

    it.effect("keeps rows that repeat an id, and refuses to choose", () =>
      Effect.gen(function*() {
        const api = yield* PrefectApi.PrefectApi
        const error = yield* Effect.flip(api.taskRun("same"))
        assert.strictEqual(error.reason._tag, "AmbiguousTaskRun")
        const views = yield* Stream.runCollect(api.taskRuns({ flowRunId: "nightly-1" }, { pageSize: 1 }))
        assert.deepStrictEqual(
          views.filter((view) => view.taskId === null).map((view) => view.name),
          ["one", "two"]
        )
        const twice = yield* Stream.runCollect(
          api.mappedChildren({ flowRunId: "nightly-2", taskId: "t4" }, { pageSize: 1 })
        )
        assert.deepStrictEqual(twice.map((view) => view.mapIndex), [0, 0])
      }))

    it.effect("orders log lines by the instant, not by its text", () =>
      Effect.gen(function*() {
        const api = yield* PrefectApi.PrefectApi
        const lines = yield* Stream.runCollect(api.logs({ flowRunId: "nightly-1" }))
        assert.deepStrictEqual(lines.map((line) => line.message), ["earlier", "later"])
      }))
  })

  it.effect("gives views back that it was made from", () => {
    const child = new TaskRunView.TaskRunView({
      taskRunId: TaskRunId.make("r1"),
      taskId: null,
      taskSlug: "extract-1",
      name: "extract",
      state: new State.Failed({ message: "no disk" }),
      mapIndex: 3,
      flowRunId: FlowRunId.make("f1")
    })
    const run = new FlowRunView.FlowRunView({
      flowRunId: FlowRunId.make("f1"),
      flowId: null,
      name: "nightly",
      state: new State.Running({}),
      parameters: { n: 1 }
    })
    return Effect.gen(function*() {
      const api = yield* PrefectApi.PrefectApi
      assert.isTrue(Equal.equals(yield* api.taskRun("r1"), child))
      const bySlug = yield* api.taskRunBySlug({ taskSlug: "extract-1", flowRunId: "f1", mapIndex: 3 })
      assert.isTrue(Equal.equals(bySlug, child))
      assert.isTrue(Equal.equals(yield* api.flowRun("f1"), run))
      assert.deepStrictEqual((yield* api.flowRun("f1")).parameters, { n: 1 })
    }).pipe(Effect.provide(MemoryApi.layerViews([child, run])))
  })

  it.effect("lets a run go on when its tables are given as an Effect", () =>
    Effect.gen(function*() {
      const tables = yield* Ref.make<MemoryApi.Tables>({ task_run: [{ id: "r1" }] })
      const api = yield* MemoryApi.make(Ref.get(tables))
      assert.strictEqual((yield* api.taskRun("r1")).state._tag, "Scheduled")
      yield* Ref.set(tables, { task_run: [{ id: "r1", serialized_state: { type: "Running" } }, { id: "r2" }] })
      assert.strictEqual((yield* api.taskRun("r1")).state._tag, "Running")
      assert.strictEqual((yield* api.taskRun("r2")).state._tag, "Scheduled")
    }))

  it.effect("dies of a row that is none of Prefect's, and names it", () =>
    Effect.gen(function*() {
      const api = yield* MemoryApi.make({ task_run: [{ id: "r1" }, { id: "r2", map_index: 0.5 }] })
      const exit = yield* Effect.exit(api.taskRun("r1"))
      assert.isTrue(Exit.hasDies(exit))
      assert.include(String(exit), "row 1 of the table task_run: map_index is not an integer")
    }))
})
