import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import * as FlowRun from "@effect-prefect/results/FlowRun"
import * as Progress from "@effect-prefect/results/Progress"
import * as ResultOptions from "@effect-prefect/results/ResultOptions"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { flowRunId, json, local, mappedTables, numberOf, numbers, storageOf, success } from "./support/world.ts"

const provide = (tables: MemoryApi.Tables, storage = numbers().layer) =>
  Effect.provide(Layer.mergeAll(MemoryApi.layer(tables), storage, ResultOptions.layer({ pageSize: 7 })))

const parent = TaskRun.fromTaskRunId("parent")
const failing = (index: number) =>
  index % 10 === 3 ? { serialized_state: { type: "Failed", _result: local(null) } } : undefined

/** What a progress has counted after an effect. */
const counted = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const progress = yield* Progress.make
    yield* Effect.exit(Effect.provideService(effect, Progress.Current, progress))
    const { bytes, done, expected, failed } = yield* progress.snapshot
    return { done, failed, bytes, expected }
  })

describe("Progress", () => {
  it.effect("counts the children of getResult, their bytes and n_map_states", () =>
    Effect.gen(function*() {
      const taskRun = yield* parent
      assert.deepStrictEqual(yield* counted(taskRun.getResult), { done: 30, failed: 0, bytes: 50, expected: 30 })
      const again = yield* counted(taskRun.getResult)
      assert.deepStrictEqual(again, { done: 0, failed: 0, bytes: 0, expected: null })
    }).pipe(provide(mappedTables(30))))

  it.effect("counts the failures of outcomes, and what is left of a resumed walk", () =>
    Effect.gen(function*() {
      const taskRun = yield* parent
      const all = yield* counted(Stream.runDrain(taskRun.outcomes))
      assert.deepStrictEqual(all, { done: 20, failed: 2, bytes: 27, expected: 20 })
      const rest = yield* counted(Stream.runDrain(taskRun.outcomesAfter(12)))
      assert.deepStrictEqual(rest, { done: 7, failed: 1, bytes: 12, expected: 7 })
    }).pipe(provide(mappedTables(20, { change: failing }))))

  it.effect("counts children that are loaded one by one, and single task runs", () =>
    Effect.gen(function*() {
      const taskRun = yield* parent
      const some = Stream.runForEach(Stream.take(taskRun.iterMapped, 4), (child) => child.getResult)
      assert.deepStrictEqual(yield* counted(some), { done: 4, failed: 0, bytes: 4, expected: 20 })
      const child = yield* TaskRun.fromTaskRunId("child-11")
      assert.deepStrictEqual(yield* counted(child.getResult), { done: 1, failed: 0, bytes: 2, expected: null })
    }).pipe(provide(mappedTables(20))))

  it.effect("does not know how many there will be where no state says it", () =>
    Effect.gen(function*() {
      const all = yield* counted(Stream.runDrain((yield* parent).outcomes))
      assert.deepStrictEqual(all, { done: 5, failed: 0, bytes: 5, expected: null })
    }).pipe(provide(mappedTables(5, { nMapStates: null }))))

  it.effect("counts all results of a flow run together", () =>
    Effect.gen(function*() {
      const flowRun = yield* FlowRun.fromFlowRunId(flowRunId)
      assert.deepStrictEqual(
        yield* counted(Stream.runDrain(flowRun.results)),
        { done: 9, failed: 0, bytes: 9, expected: 9 }
      )
    }).pipe(provide({
      ...mappedTables(8, {
        extra: [{ id: "one", task_id: "single", flow_run_id: flowRunId, serialized_state: success("/srv/1.json") }]
      }),
      task: [{ id: "task", slug: "score-1" }, { id: "single", slug: "extract-1" }]
    })))

  it.effect("gives the rates, and a snapshot an interval while something changes", () => {
    const storage = storageOf((location) => Effect.andThen(Effect.sleep("1 second"), json(numberOf(location))))
    return Effect.gen(function*() {
      const progress = yield* Progress.make
      const taskRun = yield* parent
      const seen: Array<Progress.Snapshot> = []
      const watching = yield* Effect.forkChild(
        Stream.runForEach(progress.changes("1 second"), (now) => Effect.sync(() => seen.push(now)))
      )
      const loading = yield* Effect.forkChild(Effect.provideService(taskRun.getResult, Progress.Current, progress))
      yield* TestClock.adjust("20 seconds")
      yield* Fiber.join(loading)
      yield* Fiber.interrupt(watching)
      assert.deepStrictEqual(seen[0], {
        done: 0,
        failed: 0,
        bytes: 0,
        expected: null,
        elapsed: 0,
        rate: 0,
        byteRate: 0
      })
      const last = seen.at(-1)!
      assert.deepStrictEqual([last.done, last.bytes, last.expected], [16, 22, 16])
      assert.isAtMost(seen.length, 5)
      assert.strictEqual(last.rate, last.done / last.elapsed * 1000)
      assert.strictEqual(last.byteRate, last.bytes / last.elapsed * 1000)
    }).pipe(provide(mappedTables(16), storage.layer))
  })
})
