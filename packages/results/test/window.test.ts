/** Children are loaded in a window that slides over them. */
import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import type { PrefectApi } from "@effect-prefect/api/PrefectApi"
import type { ResultDescriptor } from "@effect-prefect/core/ResultDescriptor"
import { ResultNotFound } from "@effect-prefect/results/ResultError"
import * as ResultOptions from "@effect-prefect/results/ResultOptions"
import * as ResultStorage from "@effect-prefect/results/ResultStorage"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { runs } from "../../core/test/seeds.ts"
import { countingApi, json, mappedTables, numberOf, numbers, storageOf, success } from "./support/world.ts"

const provide = (
  api: Layer.Layer<PrefectApi>,
  storage: Layer.Layer<ResultStorage.ResultStorage>,
  options: Partial<ResultOptions.Options> = {}
) => Effect.provide(Layer.mergeAll(api, storage, ResultOptions.layer(options)))

const parent = TaskRun.fromTaskRunId("parent")
const notFound = (place: string) => Effect.fail(new ResultNotFound({ location: place, detail: "it is not there" }))

const shown = ({ result, taskRun }: TaskRun.Outcome) => [
  taskRun.view.mapIndex,
  Result.isSuccess(result) ? result.success : result.failure.reason._tag
]

describe("order", () => {
  it.effect.prop(
    "whatever time each child takes, outcomes are in map order and none is lost",
    [
      Arbitrary.schema(
        Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5 }))).check(
          Schema.isMaxLength(60)
        )
      ),
      Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 25 })))
    ],
    ([turns, pageSize]) => {
      const storage = storageOf((location) => {
        const index = numberOf(location)
        const turn = turns[index]!
        const waits = Array.from({ length: turn }, () => Effect.yieldNow)
        return Effect.andThen(Effect.all(waits), turn === 5 ? notFound(location) : json(index))
      })
      return Effect.gen(function*() {
        const outcomes = yield* Stream.runCollect((yield* parent).outcomes)
        assert.deepStrictEqual(
          outcomes.map(shown),
          turns.map((turn, index) => [index, turn === 5 ? "ResultNotFound" : index])
        )
        assert.isAtMost(storage.most(), 8)
      }).pipe(provide(MemoryApi.layer(mappedTables(turns.length)), storage.layer, { pageSize }))
    },
    { arbitrary: runs(10, 50) }
  )

  it.effect("a slow child does not hold up those of later pages, and a later failure does not overtake it", () =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const last = yield* Deferred.make<void>()
      const storage = storageOf((location) => {
        const index = numberOf(location)
        if (index === 1) return Effect.andThen(Deferred.await(gate), json(1))
        if (index === 7) return notFound(location)
        return index === 29 ? Effect.andThen(Deferred.succeed(last, undefined), json(29)) : json(index)
      })
      const fiber = yield* Effect.forkChild(
        Effect.flatMap(parent, (taskRun) => Stream.runCollect(taskRun.outcomes)).pipe(
          provide(MemoryApi.layer(mappedTables(30)), storage.layer, { pageSize: 4 })
        )
      )
      yield* Deferred.await(last)
      assert.strictEqual(storage.reads.length, 30)
      yield* Deferred.succeed(gate, undefined)
      assert.deepStrictEqual(
        (yield* Fiber.join(fiber)).map(shown),
        Array.from({ length: 30 }, (_, index) => [index, index === 7 ? "ResultNotFound" : index])
      )
    }))

  it.effect("a backend that fails comes after all the outcomes before it", () => {
    let pages = 0
    const tables = mappedTables(40)
    const api = MemoryApi.layer(Effect.suspend(() => pages++ < 3 ? Effect.succeed(tables) : Effect.die("no more")))
    return Effect.gen(function*() {
      const seen: Array<number> = []
      const exit = yield* Effect.exit(
        Stream.runForEach((yield* parent).outcomes, ({ taskRun }) =>
          Effect.sync(() => {
            seen.push(taskRun.view.mapIndex)
          }))
      )
      assert.isTrue(Exit.isFailure(exit))
      assert.deepStrictEqual(seen, Array.from({ length: 20 }, (_, index) => index))
    }).pipe(provide(api, numbers().layer, { pageSize: 10 }))
  })

  it.effect("a storage that breaks says so, and keeps nobody waiting", () => {
    const storage = storageOf((location) =>
      numberOf(location) === 3 ? Effect.die(new Error("broken")) : json(numberOf(location))
    )
    return Effect.gen(function*() {
      const taskRun = yield* parent
      const exits = [yield* Effect.exit(Stream.runDrain(taskRun.outcomes)), yield* Effect.exit(taskRun.getResult)]
      for (const exit of exits) {
        assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
      }
    }).pipe(provide(MemoryApi.layer(mappedTables(10)), storage.layer))
  })
})

describe("a slow consumer", () => {
  it.effect("stops the producer: no more is read or asked for than a window and a page", () => {
    const count = 6_000
    const api = countingApi(mappedTables(count))
    const storage = numbers()
    return Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const taken = yield* Deferred.make<void>()
      let seen = 0
      const fiber = yield* Effect.forkChild(
        Stream.runForEachArray((yield* parent).outcomes, (outcomes) => {
          seen += outcomes.length
          return seen < 1000 ? Effect.void : Effect.andThen(Deferred.succeed(taken, undefined), Deferred.await(gate))
        })
      )
      yield* Deferred.await(taken)
      for (let turn = 0; turn < 100; turn++) yield* Effect.yieldNow
      const before = seen
      assert.isAtMost(storage.reads.length, before + 2048)
      assert.isAtMost(api.requests(), Math.ceil((before + 2048) / 500) + 4)
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(fiber)
      assert.strictEqual(seen, count)
      assert.strictEqual(storage.reads.length, count)
    }).pipe(provide(api.layer, storage.layer, { pageSize: 500 }))
  })

  it.effect("who takes a few outcomes pays for few reads and for one page", () => {
    const api = countingApi(mappedTables(3_000))
    const storage = numbers()
    return Effect.gen(function*() {
      const taken = yield* Stream.runCollect(Stream.take((yield* parent).outcomes, 3))
      assert.deepStrictEqual(taken.map(shown), [[0, 0], [1, 1], [2, 2]])
      assert.strictEqual(api.requests(), 2)
      assert.isAtMost(storage.reads.length, 100)
    }).pipe(provide(api.layer, storage.layer))
  })

  it.effect("who stops has what is under way interrupted", () =>
    Effect.gen(function*() {
      const started = yield* Deferred.make<void>()
      let interrupted = 0
      const storage = storageOf((location) =>
        numberOf(location) === 0
          ? Effect.andThen(Deferred.await(started), json(0))
          : Effect.andThen(Deferred.succeed(started, undefined), Effect.never).pipe(
            Effect.onInterrupt(() => Effect.sync(() => interrupted++))
          )
      )
      const taken = yield* Effect.flatMap(parent, (taskRun) => Stream.runCollect(Stream.take(taskRun.outcomes, 1)))
        .pipe(
          provide(MemoryApi.layer(mappedTables(100)), storage.layer)
        )
      assert.deepStrictEqual(taken.map(shown), [[0, 0]])
      assert.isAbove(interrupted, 0)
      assert.strictEqual(interrupted, storage.reads.length - 1)
    }))
})

describe("storages", () => {
  /** A storage of one type, with its own bound, whose reads wait for two turns. */
  const bounded = (type: "LocalResult" | "S3Result" | "GCSResult", concurrency: number) => {
    let running = 0
    let most = 0
    let reads = 0
    const reader = {
      type,
      concurrency,
      resolve: (descriptor: ResultDescriptor) => ({
        _tag: "Allowed" as const,
        location: String(descriptor.location),
        read: () =>
          Effect.suspend(() => {
            reads++
            most = Math.max(most, ++running)
            return Effect.andThen(Effect.yieldNow, json(numberOf(String(descriptor.location))))
          }).pipe(Effect.ensuring(Effect.sync(() => running--)))
      })
    }
    return { reader, most: () => most, reads: () => reads }
  }

  const tables = mappedTables(300, {
    change: (index) => {
      const location = `${index}.json`
      if (index % 3 === 0) return { serialized_state: success(location) }
      return {
        serialized_state: {
          type: "Success",
          _result: index % 3 === 1
            ? { type: "S3Result", bucket: "results", location }
            : { type: "GCSResult", bucket: "results", location }
        }
      }
    }
  })

  it.effect("children in several storages keep to the bound of each, and fill it", () => {
    const local = bounded("LocalResult", 16)
    const s3 = bounded("S3Result", 5)
    const gcs = bounded("GCSResult", 1)
    return Effect.gen(function*() {
      const values = yield* (yield* parent).getResult
      assert.deepStrictEqual(values, Array.from({ length: 300 }, (_, index) => index))
      assert.deepStrictEqual([local.reads(), s3.reads(), gcs.reads()], [100, 100, 100])
      assert.deepStrictEqual([local.most(), s3.most(), gcs.most()], [16, 5, 1])
    }).pipe(
      provide(
        MemoryApi.layer(tables),
        ResultStorage.layer(Effect.succeed([local.reader, s3.reader, gcs.reader]))
      )
    )
  })

  it.effect("a concurrency that was asked for is that of all storages together", () => {
    let running = 0
    let most = 0
    const storages = [bounded("LocalResult", 16), bounded("S3Result", 16), bounded("GCSResult", 16)].map((
      { reader }
    ) => ({
      ...reader,
      resolve: (descriptor: ResultDescriptor) => {
        const resolved = reader.resolve(descriptor)
        return {
          ...resolved,
          read: () =>
            Effect.suspend(() => {
              most = Math.max(most, ++running)
              return resolved.read()
            }).pipe(Effect.ensuring(Effect.sync(() => running--)))
        }
      }
    }))
    return Effect.gen(function*() {
      yield* (yield* parent).getResult
      assert.strictEqual(most, 4)
    }).pipe(provide(MemoryApi.layer(tables), ResultStorage.layer(Effect.succeed(storages)), { concurrency: 4 }))
  })
})

describe("a failing child", () => {
  it.effect("aborts what is read after it, while the rows are still judged", () =>
    Effect.gen(function*() {
      let interrupted = 0
      const storage = storageOf((location) => {
        const index = numberOf(location)
        if (index === 2) return Effect.andThen(Effect.yieldNow, notFound(location))
        return index < 2 ? json(index) : Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted++))
      })
      const error = yield* Effect.flatMap(parent, (taskRun) => Effect.flip(taskRun.getResult)).pipe(
        provide(
          MemoryApi.layer(mappedTables(100, { change: (index) => index === 90 ? { map_index: 200 } : undefined })),
          storage.layer,
          { pageSize: 10 }
        )
      )
      assert.strictEqual(error.reason._tag, "ChildrenIncomplete")
      assert.isAbove(interrupted, 0)
      assert.isBelow(storage.reads.length, 100)
    }))
})

describe("a resumed walk", () => {
  const rest = (after: number, tables: MemoryApi.Tables, pageSize = 3) =>
    Effect.gen(function*() {
      const seen: Array<number> = []
      const error = yield* Effect.result(Stream.runForEach((yield* parent).outcomesAfter(after), ({ taskRun }) =>
        Effect.sync(() => {
          seen.push(taskRun.view.mapIndex)
        })))
      return [seen, Result.isSuccess(error) ? "complete" : error.failure.message.replace(/^.*?: /, "")] as const
    }).pipe(provide(MemoryApi.layer(tables), numbers().layer, { pageSize }))

  const without = (missing: number) =>
    mappedTables(9, { nMapStates: 10, change: (index) => index >= missing ? { map_index: index + 1 } : undefined })

  it.effect("is complete when all the children after the index are there", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* rest(3, mappedTables(10)), [[4, 5, 6, 7, 8, 9], "complete"])
      assert.deepStrictEqual(yield* rest(9, mappedTables(10)), [[], "complete"])
    }))

  it.effect("does not miss a child from before it, and misses each one after it", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* rest(5, without(2)))[1], "complete")
      assert.deepStrictEqual((yield* rest(2, without(2)))[1], "complete")
      const [seen, problem] = yield* rest(3, without(4))
      assert.deepStrictEqual(seen, [5, 6, 7, 8, 9])
      assert.include(problem, "child 4 is missing")
      assert.include((yield* rest(8, without(9)))[1], "child 9 is missing")
    }))

  it.effect("told of an index beyond the last child, it says that there is none", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* rest(50, mappedTables(10)), [[], "complete"])
    }))
})
