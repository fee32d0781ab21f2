/** Tests of `@effect/vitest`: the layers are built once by `it.layer`, and waiting takes no time of the TestClock. */
import { MemoryApi, type PrefectApi } from "@effect-prefect/api"
import { MemoryStorage, type ResultStorage, TaskRun } from "@effect-prefect/results"
import { assert, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Ref, Schema } from "effect"
import { TestClock } from "effect/testing"

/** The code under test: the number of orders of a run, at the latest after an hour. */
const orders = (taskRunId: string) =>
  Effect.gen(function*() {
    const taskRun = yield* TaskRun.fromTaskRunId(taskRunId)
    yield* taskRun.awaitResult({ timeout: "1 hour" })
    const { orders } = yield* (yield* taskRun.getLatest).getResultAs(Schema.Struct({ orders: Schema.Int }))
    return orders
  })

const tables = (serialized_state: object): MemoryApi.Tables => ({ task_run: [{ id: "r1", serialized_state }] })
const success = { type: "Success", _result: { type: "LocalResult", location: "/srv/r1.json" } }
let built = 0
const now = Ref.makeUnsafe(tables({ type: "Running" }))
const TestPrefect: Layer.Layer<PrefectApi.PrefectApi | ResultStorage.ResultStorage> = Layer.merge(
  Layer.unwrap(Effect.sync(() => {
    built++
    return MemoryApi.layer(Ref.get(now))
  })),
  MemoryStorage.layer({ "/srv/r1.json": "{\"orders\": 24}" })
)

it.layer(TestPrefect)("orders", (it) => {
  it.effect("fails after an hour", () =>
    Effect.gen(function*() {
      const waiting = yield* Effect.forkChild(Effect.flip(orders("r1")))
      yield* TestClock.adjust("1 hour")
      const error = yield* Fiber.join(waiting)
      assert.isTrue(error._tag === "WaitTimeout" && Duration.toHours(error.timeout) === 1)
    }))

  it.effect("waits for the run", () =>
    Effect.gen(function*() {
      const waiting = yield* Effect.forkChild(orders("r1"))
      yield* TestClock.adjust("10 minutes")
      yield* Ref.set(now, tables(success))
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(yield* Fiber.join(waiting), 24)
      assert.strictEqual(built, 1)
    }))
})
