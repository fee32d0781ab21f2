import * as ArchiveApi from "@effect-prefect/api/ArchiveApi"
import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import * as State from "@effect-prefect/core/State"
import * as FlowRun from "@effect-prefect/results/FlowRun"
import * as ResultOptions from "@effect-prefect/results/ResultOptions"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { fileURLToPath } from "node:url"
import { flowRunId, json, mappedTables, numberOf, numbers, storageOf, success } from "./support/world.ts"

const archive = fileURLToPath(new URL("../../../fixtures/prefect-1", import.meta.url))
const ordersEtl = "6cdaa6fd-f2a5-5ffe-bdc4-8a5c3feb73d3"

const line = (
  { result, taskRun }: {
    readonly result: Result.Result<unknown, { readonly reason: { readonly _tag: string } }>
    readonly taskRun: { readonly view: { readonly taskSlug: string | null; readonly mapIndex: number } }
  }
) => [
  taskRun.view.taskSlug,
  taskRun.view.mapIndex,
  Result.isSuccess(result) ? result.success : result.failure.reason._tag
]

describe("results", () => {
  const tables: MemoryApi.Tables = {
    ...mappedTables(3),
    task: [
      { id: "task", slug: "score-1" },
      { id: "emoji", slug: "\u{1F600}-1" },
      { id: "private", slug: "\uFFFD-1" },
      { id: "upper", slug: "Upper-1" }
    ],
    task_run: [
      ...mappedTables(3).task_run!,
      { id: "e", task_id: "emoji", flow_run_id: flowRunId, serialized_state: success("/srv/10.json") },
      { id: "p", task_id: "private", flow_run_id: flowRunId, serialized_state: success("/srv/11.json") },
      { id: "u", task_id: "upper", flow_run_id: flowRunId, serialized_state: { type: "Running" } },
      // Children whose parent is not Mapped, and a run whose task is gone.
      { id: "u0", task_id: "upper", flow_run_id: flowRunId, map_index: 0, serialized_state: success("/srv/12.json") },
      { id: "gone", task_id: "gone", flow_run_id: flowRunId, serialized_state: success("/srv/13.json") }
    ]
  }

  it.effect("stand by slug in code point order, parents before children, and read each object once", () => {
    const storage = numbers()
    return Effect.gen(function*() {
      const outcomes = yield* Stream.runCollect((yield* FlowRun.fromFlowRunId(flowRunId)).results)
      assert.deepStrictEqual(outcomes.map(line), [
        ["Upper-1", -1, "NotFinished"],
        ["Upper-1", 0, 12],
        ["score-1", -1, [0, 1, 2]],
        ["score-1", 0, 0],
        ["score-1", 1, 1],
        ["score-1", 2, 2],
        ["\uFFFD-1", -1, 11],
        ["\u{1F600}-1", -1, 10],
        [null, -1, 13]
      ])
      assert.strictEqual(storage.reads.length, new Set(storage.reads).size)
      const again = outcomes.find(({ taskRun }) => taskRun.view.taskRunId === "parent")!
      assert.deepStrictEqual(yield* again.taskRun.getResult, [0, 1, 2])
      assert.strictEqual(storage.reads.length, 7)
    }).pipe(Effect.provide(Layer.merge(MemoryApi.layer(tables), storage.layer)))
  })

  for (const nMapStates of [20, null]) {
    it.effect(`a parent with too many children is told first, its children follow (n_map_states ${nMapStates})`, () =>
      Effect.gen(function*() {
        const outcomes = yield* Stream.runCollect((yield* FlowRun.fromFlowRunId(flowRunId)).results)
        assert.deepStrictEqual(outcomes.map(line), [
          ["score-1", -1, "ResultTooLarge"],
          ...Array.from({ length: 20 }, (_, index) => ["score-1", index, index])
        ])
        // How many there are is only said where Prefect recorded it.
        const [{ result }] = outcomes as [(typeof outcomes)[number]]
        const size = Result.isFailure(result) ? (result.failure.reason as { readonly size?: number }).size : null
        assert.strictEqual(size, nMapStates ?? undefined)
      }).pipe(Effect.provide(Layer.mergeAll(
        MemoryApi.layer(mappedTables(20, { nMapStates })),
        numbers().layer,
        ResultOptions.layer({ maxChildren: 7, pageSize: 3 })
      ))))
  }

  it.effect("of tasks without children are read side by side", () => {
    const storage = storageOf((location) => Effect.andThen(Effect.yieldNow, json(numberOf(location))))
    const several = Array.from({ length: 12 }, (_, at) => ({
      id: `run-${at}`,
      task_id: `task-${at}`,
      flow_run_id: flowRunId,
      serialized_state: success(`/srv/${at}.json`)
    }))
    return Effect.gen(function*() {
      const outcomes = yield* Stream.runCollect((yield* FlowRun.fromFlowRunId(flowRunId)).results)
      assert.lengthOf(outcomes, 12)
      assert.strictEqual(storage.most(), 8)
    }).pipe(Effect.provide(Layer.merge(
      MemoryApi.layer({
        flow_run: [{ id: flowRunId, name: "run" }],
        task: several.map(({ task_id }) => ({ id: task_id, slug: `${task_id}-1` })),
        task_run: several
      }),
      storage.layer
    )))
  })

  it.effect("children that are there follow a parent that is incomplete", () =>
    Effect.gen(function*() {
      const outcomes = yield* Stream.runCollect((yield* FlowRun.fromFlowRunId(flowRunId)).results)
      assert.deepStrictEqual(outcomes.map(line), [
        ["score-1", -1, "ChildrenIncomplete"],
        ["score-1", 0, 0],
        ["score-1", 1, 1]
      ])
    }).pipe(Effect.provide(Layer.merge(MemoryApi.layer(mappedTables(2, { nMapStates: 3 })), numbers().layer))))
})

describe("the archive of a real Prefect 1.4.1", () => {
  const provide = Effect.provide(Layer.merge(ArchiveApi.layer(archive), numbers().layer))

  it.effect("has its states, flow, log and task runs", () =>
    Effect.gen(function*() {
      const run = yield* FlowRun.fromFlowRunId(ordersEtl)
      assert.deepStrictEqual(run.parameters, { n: 24 })
      assert.strictEqual((yield* run.flow).name, "orders-etl")
      const states = yield* run.states
      assert.strictEqual(State.typeName(states[states.length - 1]!.state), "Failed")
      const lines = yield* Stream.runCollect(run.logs())
      assert.isAbove(lines.length, 0)
      const order = lines.map((entry) => `${entry.timestamp}/${entry.id}`)
      assert.deepStrictEqual(order, order.toSorted())
      const mapped = yield* Stream.runCollect(run.taskRuns({ mapped: true, taskSlug: "score-1" }))
      assert.strictEqual(mapped.length, 24)
      const failed = yield* Stream.runCollect(run.taskRuns({ states: ["Failed"] }))
      assert.isTrue(failed.every((taskRun) => State.typeName(taskRun.view.state) === "Failed"))
      assert.isAbove(failed.length, 0)
    }).pipe(provide))

  it.effect("a task run by slug, id or both; what does not agree is said", () =>
    Effect.gen(function*() {
      const run = yield* FlowRun.fromFlowRunId(ordersEtl)
      const bySlug = yield* run.getTaskRun({ taskSlug: "score-1", mapIndex: 7 })
      const byId = yield* run.getTaskRun({ taskRunId: bySlug.view.taskRunId })
      assert.strictEqual(byId, bySlug, "a finished task run is kept")
      const both = { taskRunId: bySlug.view.taskRunId, taskSlug: "score-1", mapIndex: 8 }
      const error = yield* Effect.flip(run.getTaskRun(both))
      assert.strictEqual(error.reason._tag, "TaskRunNotFound")
      assert.include(error.message, "its map index is 7")
      const slug = yield* Effect.flip(run.getTaskRun({ ...both, mapIndex: 7, taskSlug: "transform-1" }))
      assert.include(slug.message, "its slug is score-1")
    }).pipe(provide))
})
