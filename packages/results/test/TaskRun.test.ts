import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import type { PrefectApi } from "@effect-prefect/api/PrefectApi"
import * as FlowRun from "@effect-prefect/results/FlowRun"
import * as ResultError from "@effect-prefect/results/ResultError"
import * as ResultOptions from "@effect-prefect/results/ResultOptions"
import * as ResultStorage from "@effect-prefect/results/ResultStorage"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { inspect } from "node:util"
import {
  countingApi,
  flowRunId,
  json,
  local,
  mappedTables,
  numberOf,
  numbers,
  single,
  storageOf,
  success
} from "./support/world.ts"

const provide = (
  api: Layer.Layer<PrefectApi>,
  storage: Layer.Layer<ResultStorage.ResultStorage> = numbers().layer,
  options: Partial<ResultOptions.Options> = {}
) => Effect.provide(Layer.mergeAll(api, storage, ResultOptions.layer(options)))

const parent = TaskRun.fromTaskRunId("parent")
const run = TaskRun.fromTaskRunId("run")

/** The tag of the reason that an effect fails with. */
const reasonOf = <A, R>(effect: Effect.Effect<A, TaskRun.TaskRunError, R>) =>
  Effect.map(Effect.flip(effect), (error) => error.reason._tag)

/** JSON that nests deeper than any state of Prefect's. */
const deep = (levels: number): unknown => JSON.parse("[".repeat(levels) + "]".repeat(levels))

describe("reading as a user would", () => {
  it.effect("takes a task run by its slug and loads its result", () =>
    Effect.gen(function*() {
      const taskRun = yield* TaskRun.fromTaskSlug({ taskSlug: "score-1", flowRunId, mapIndex: 2 })
      assert.strictEqual(taskRun.view.taskRunId, "child-2")
      assert.strictEqual(yield* taskRun.getResult, 2)
      assert.strictEqual(yield* taskRun.getResultAs(Schema.Int), 2)
      assert.strictEqual(new TextDecoder().decode(yield* taskRun.getResultBytes), "2")
    }).pipe(provide(MemoryApi.layer(mappedTables(3)))))

  it.effect("gives the results of a mapped parent in map order", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* (yield* parent).getResult, Array.from({ length: 50 }, (_, index) => index))
    }).pipe(provide(
      MemoryApi.layer(mappedTables(50)),
      // The later a child stands in the map, the sooner it is there.
      storageOf((location) =>
        Effect.andThen(Effect.forEach(Array(50 - numberOf(location)), () => Effect.yieldNow), json(numberOf(location)))
      ).layer
    )))

  it.effect("shows in the console what it is, and whether its result was loaded", () =>
    Effect.gen(function*() {
      const taskRun = yield* run
      assert.include(inspect(taskRun), "taskSlug=extract-1")
      assert.include(inspect(taskRun), "result=<not loaded>")
      yield* taskRun.getResult
      assert.include(inspect(taskRun), "result=<loaded>")
    }).pipe(provide(MemoryApi.layer(single(success("/srv/1.json"))))))

  it.effect("shows children as loaded whose results came with them, and no others", () =>
    Effect.gen(function*() {
      const outcomes = yield* Stream.runCollect((yield* parent).outcomes)
      assert.deepStrictEqual(
        outcomes.map(({ taskRun }) => inspect(taskRun).includes("<loaded>")),
        [true, false, true]
      )
    }).pipe(provide(
      MemoryApi.layer(mappedTables(3)),
      storageOf((location) =>
        numberOf(location) === 1
          ? Effect.fail(new ResultError.ResultNotFound({ location, detail: "it is not there" }))
          : json(1)
      ).layer
    )))

  it.effect("that has ended is awaited without a request", () => {
    const api = countingApi(single(success("/srv/1.json")))
    return Effect.gen(function*() {
      const taskRun = yield* run
      const before = api.requests()
      assert.strictEqual(yield* taskRun.awaitResult(), 1)
      assert.strictEqual(api.requests(), before)
    }).pipe(provide(api.layer))
  })
})

describe("reasons", () => {
  const cases: ReadonlyArray<
    readonly [string, Effect.Effect<string, unknown, PrefectApi | ResultStorage.ResultStorage>, MemoryApi.Tables]
  > = [
    [
      "NotMapped",
      run.pipe(Effect.flatMap((_) => reasonOf(Stream.runDrain(_.iterMapped)))),
      single(success("/srv/1.json"))
    ],
    ["NotMapped", run.pipe(Effect.flatMap((_) => reasonOf(Stream.runDrain(_.outcomes)))), single({ type: "Running" })],
    ["NotFinished", run.pipe(Effect.flatMap((_) => reasonOf(_.getResult))), single({ type: "Running" })],
    ["NotFinished", run.pipe(Effect.flatMap((_) => reasonOf(_.getResult))), single(null)],
    ["NotFinished", run.pipe(Effect.flatMap((_) => reasonOf(_.getResult))), single({ type: "Novel" })],
    [
      "NotFinished",
      run.pipe(Effect.flatMap((_) => reasonOf(_.getResult))),
      single({ type: "Running", _result: { type: "MyResult", location: "x" } })
    ],
    [
      "NotFinished",
      parent.pipe(Effect.flatMap((_) => reasonOf(_.getResult))),
      mappedTables(3, { change: (index) => index === 1 ? { serialized_state: { type: "Running" } } : undefined })
    ],
    ["NotPersisted", run.pipe(Effect.flatMap((_) => reasonOf(_.getResult))), single({ type: "Success" })],
    [
      "NotPersisted",
      run.pipe(Effect.flatMap((_) => reasonOf(_.getResult))),
      single({ type: "Success", _result: { type: "NoResultType" } })
    ],
    ["NotPersisted", run.pipe(Effect.flatMap((_) => reasonOf(_.getResult))), single(success(null))],
    [
      "NotPersisted",
      run.pipe(Effect.flatMap((_) => reasonOf(_.getResult))),
      single({ type: "Success", _result: { type: "MyResult", location: null } })
    ],
    [
      "NotPersisted",
      run.pipe(Effect.flatMap((_) => reasonOf(_.getResult))),
      single({ type: "Failed", _result: { type: "Result", location: null } })
    ],
    [
      "UnsupportedResultType",
      run.pipe(Effect.flatMap((_) => reasonOf(_.getResult))),
      single({ type: "Success", _result: { type: "LocalResult", location: 5 } })
    ],
    [
      "UnsupportedResultType",
      run.pipe(Effect.flatMap((_) => reasonOf(_.getResult))),
      single({ type: "Success", _result: { type: "MyResult", location: "x" } })
    ],
    [
      "UnsupportedResultType",
      run.pipe(Effect.flatMap((_) => reasonOf(_.getResult))),
      single({ type: "Success", _result: { type: "ConstantResult", location: "7" } })
    ],
    [
      "UnsupportedResultType",
      run.pipe(Effect.flatMap((_) => reasonOf(_.getResult))),
      single({ type: "Success", _result: { type: "SecretResult", location: "TOKEN" } })
    ],
    [
      "StorageNotProvided",
      run.pipe(Effect.flatMap((_) => reasonOf(_.getResult))),
      single({ type: "Success", _result: { type: "S3Result", location: "k", bucket: "b" } })
    ],
    ["ResultAccessDenied", run.pipe(Effect.flatMap((_) => reasonOf(_.getResult))), single(success("/etc/passwd"))],
    ["ResultNotFound", run.pipe(Effect.flatMap((_) => reasonOf(_.getResult))), single(success("/srv/missing"))],
    ["StorageUnavailable", run.pipe(Effect.flatMap((_) => reasonOf(_.getResult))), single(success("/srv/broken"))],
    ["ResultTooLarge", run.pipe(Effect.flatMap((_) => reasonOf(_.getResult))), single(success("/srv/large"))],
    ["ResultTooLarge", parent.pipe(Effect.flatMap((_) => reasonOf(_.getResult))), mappedTables(11)],
    [
      "ResultTooLarge",
      parent.pipe(Effect.flatMap((_) => reasonOf(_.getResult))),
      mappedTables(11, { nMapStates: null })
    ],
    ["ResultDecodeError", run.pipe(Effect.flatMap((_) => reasonOf(_.getResult))), single(success("/srv/garbage"))],
    [
      "ResultDecodeError",
      run.pipe(Effect.flatMap((_) => reasonOf(_.getResultAs(Schema.String)))),
      single(success("/srv/1.json"))
    ],
    [
      "ChildrenIncomplete",
      parent.pipe(Effect.flatMap((_) => reasonOf(_.getResult))),
      mappedTables(3, { nMapStates: 4 })
    ],
    [
      "ChildrenIncomplete",
      parent.pipe(Effect.flatMap((_) => reasonOf(_.getResult))),
      mappedTables(3, { nMapStates: 2 })
    ],
    [
      "ChildrenIncomplete",
      parent.pipe(Effect.flatMap((_) => reasonOf(_.getResult))),
      mappedTables(3, { change: (index) => index === 1 ? { map_index: 5 } : undefined })
    ],
    [
      "ChildrenIncomplete",
      parent.pipe(Effect.flatMap((_) => reasonOf(_.getResult))),
      mappedTables(3, { change: (index) => index === 2 ? { map_index: 1 } : undefined })
    ]
  ]
  const store = () =>
    storageOf((location) => {
      switch (location) {
        case "/srv/missing":
          return Effect.fail(new ResultError.ResultNotFound({ location, detail: "no such file" }))
        case "/srv/broken":
          return Effect.fail(new ResultError.StorageUnavailable({ location, detail: "it failed" }))
        case "/srv/large":
          return Effect.fail(new ResultError.ResultTooLarge({ limit: 1, unit: "bytes" }))
        case "/srv/garbage":
          return Effect.succeed({ _tag: "Bytes", bytes: new Uint8Array([1, 2, 3]), name: "garbage" })
        default:
          return json(numberOf(location))
      }
    })
  for (const [index, [expected, effect, tables]] of cases.entries()) {
    it.effect(`${index}: ${expected}`, () =>
      Effect.map(effect, (reason) => assert.strictEqual(reason, expected)).pipe(
        provide(MemoryApi.layer(tables), store().layer, { maxChildren: 10 })
      ))
  }

  it.effect("a place that was not allowed is refused without touching the store", () => {
    const storage = numbers()
    return Effect.gen(function*() {
      yield* reasonOf((yield* run).getResult)
      assert.deepStrictEqual(storage.reads, [])
    }).pipe(provide(MemoryApi.layer(single(success("/etc/passwd"))), storage.layer))
  })

  it.effect("a mapped parent fails with its first failing child in map order", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip((yield* parent).getResult)
      assert.strictEqual(error._tag === "ResultError" ? error.mapIndex : undefined, 3)
      assert.strictEqual(error.reason._tag, "NotPersisted")
    }).pipe(provide(MemoryApi.layer(mappedTables(9, {
      change: (index) =>
        index === 3
          ? { serialized_state: success(null) }
          : index === 4
          ? { serialized_state: { type: "Running" } }
          : undefined
    })))))

  it.effect("missing children are told before any child's own failure", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* reasonOf((yield* parent).getResult), "ChildrenIncomplete")
    }).pipe(provide(MemoryApi.layer(mappedTables(9, {
      nMapStates: 10,
      change: (index) => index === 0 ? { serialized_state: success(null) } : undefined
    })))))

  it.effect("a child whose row cannot be read is never left out in silence, also without n_map_states", () =>
    Effect.gen(function*() {
      const taskRun = yield* parent
      const found = [
        Effect.asVoid(taskRun.getResult),
        Stream.runDrain(taskRun.iterMapped),
        Stream.runDrain(taskRun.outcomes),
        Stream.runDrain(taskRun.outcomesBetween(0, 3))
      ]
      for (const walk of found) assert.strictEqual(yield* reasonOf(walk), "ChildrenIncomplete")
      const outcomes = yield* Stream.runCollect((yield* FlowRun.fromFlowRunId(flowRunId)).results)
      assert.deepStrictEqual(outcomes.map(({ result }) => Result.isSuccess(result)), [false, true, true])
    }).pipe(provide(MemoryApi.layer(mappedTables(3, {
      nMapStates: null,
      // The last one, which leaves no gap.
      change: (index) => index === 2 ? { serialized_state: { type: "Success", deep: deep(1100) } } : undefined
    })))))

  it.effect("no children at all give an empty array, and without n_map_states those that exist", () =>
    Effect.gen(function*() {
      const load = Effect.flatMap(parent, (_) => _.getResult)
      assert.deepStrictEqual(yield* load.pipe(provide(MemoryApi.layer(mappedTables(0)))), [])
      assert.deepStrictEqual(yield* load.pipe(provide(MemoryApi.layer(mappedTables(2, { nMapStates: null })))), [0, 1])
    }))

  it.effect("a schema's refusal names the place and never the value", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(
        (yield* run).getResultAs(Schema.Struct({ order: Schema.Struct({ id: Schema.Int }) }))
      )
      assert.strictEqual(error.reason._tag, "ResultDecodeError")
      assert.include(error.message, "order")
      assert.notInclude(error.message + inspect(error), "canary")
    }).pipe(provide(
      MemoryApi.layer(single(success("/srv/1.json"))),
      storageOf(() => json({ order: { id: "canary" } })).layer
    )))
})

describe("loaded once", () => {
  it.effect("1 000 concurrent callers cost one read, and so does everybody after them", () => {
    const storage = numbers()
    return Effect.gen(function*() {
      const { getResult } = yield* run
      const values = yield* Effect.all(Array.from({ length: 1000 }, () => getResult), { concurrency: "unbounded" })
      assert.isTrue(values.every((value) => value === 1))
      yield* getResult
      assert.strictEqual(storage.reads.length, 1)
    }).pipe(provide(MemoryApi.layer(single(success("/srv/1.json"))), storage.layer))
  })

  it.effect("a failure is not kept", () => {
    let attempts = 0
    const storage = storageOf((place) =>
      ++attempts === 1 ? Effect.fail(new ResultError.StorageUnavailable({ location: place, detail: "busy" })) : json(7)
    )
    return Effect.gen(function*() {
      const taskRun = yield* run
      assert.strictEqual(yield* reasonOf(taskRun.getResult), "StorageUnavailable")
      assert.strictEqual(yield* taskRun.getResult, 7)
    }).pipe(provide(MemoryApi.layer(single(success("/srv/1.json"))), storage.layer))
  })

  it.effect("one caller's interruption does not touch the others; when the last has gone the read is aborted", () =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const started = yield* Deferred.make<void>()
      const aborted = yield* Ref.make(0)
      const storage = storageOf(() =>
        Deferred.succeed(started, undefined).pipe(
          Effect.andThen(Deferred.await(gate)),
          Effect.andThen(json(1)),
          Effect.onInterrupt(() => Ref.update(aborted, (n) => n + 1))
        )
      )
      yield* Effect.gen(function*() {
        const { getResult } = yield* run
        const first = yield* Effect.forkChild(getResult)
        yield* Deferred.await(started)
        const second = yield* Effect.forkChild(getResult, { startImmediately: true })
        yield* Fiber.interrupt(first)
        assert.strictEqual(yield* Ref.get(aborted), 0)
        yield* Fiber.interrupt(second)
        assert.strictEqual(yield* Ref.get(aborted), 1)

        const third = yield* Effect.forkChild(getResult, { startImmediately: true })
        const fourth = yield* Effect.forkChild(getResult, { startImmediately: true })
        yield* Fiber.interrupt(third)
        yield* Deferred.succeed(gate, undefined)
        assert.strictEqual(yield* Fiber.join(fourth), 1)
        assert.strictEqual(storage.reads.length, 2)
      }).pipe(provide(MemoryApi.layer(single(success("/srv/1.json"))), storage.layer))
    }))

  it.effect("getLatest keeps a loaded result while the state is unchanged, and only then", () =>
    Effect.gen(function*() {
      const storage = numbers()
      const tables = yield* Ref.make(single(success("/srv/1.json")))
      yield* Effect.gen(function*() {
        const taskRun = yield* run
        yield* taskRun.getResult
        yield* Ref.set(tables, single({ ...success("/srv/1.json"), message: "seen again" }))
        const same = yield* taskRun.getLatest
        assert.notStrictEqual(same, taskRun)
        assert.strictEqual(yield* same.getResult, 1)
        assert.strictEqual(storage.reads.length, 1)
        yield* Ref.set(tables, single(success("/srv/2.json")))
        const moved = yield* same.getLatest
        assert.include(inspect(moved), "<not loaded>")
        assert.strictEqual(yield* moved.getResult, 2)
      }).pipe(provide(MemoryApi.layer(Ref.get(tables)), storage.layer))
    }))

  it.effect("after its layer has closed it says so", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(
        Layer.merge(MemoryApi.layer(single(success("/srv/1.json"))), numbers().layer),
        scope
      )
      const taskRun = yield* Effect.provideContext(run, context)
      yield* Scope.close(scope, yield* Effect.exit(Effect.void))
      const error = yield* Effect.flip(taskRun.getResult)
      assert.strictEqual(error.reason._tag, "StorageUnavailable")
      assert.include(error.message, "closed")
    }))
})

describe("mapped children", () => {
  it.effect("making it, and taking 3 of 1 000 children, costs one page and no read", () => {
    const api = countingApi(mappedTables(1000))
    const storage = numbers()
    return Effect.gen(function*() {
      const taskRun = yield* parent
      assert.strictEqual(api.requests(), 1)
      const taken = yield* Stream.runCollect(Stream.take(taskRun.iterMapped, 3))
      assert.deepStrictEqual(taken.map((child) => child.view.mapIndex), [0, 1, 2])
      assert.strictEqual(api.requests(), 2)
      assert.deepStrictEqual(storage.reads, [])
    }).pipe(provide(api.layer, storage.layer, { pageSize: 100 }))
  })

  it.effect("a walk is resumed after a map index", () =>
    Effect.gen(function*() {
      const rest = yield* Stream.runCollect((yield* parent).outcomesAfter(6))
      assert.deepStrictEqual(rest.map(({ result }) => Result.getOrThrow(result)), [7, 8, 9])
    }).pipe(provide(MemoryApi.layer(mappedTables(10)), undefined, { pageSize: 2 })))

  it.effect("a range of map indices ends the rows and the reads, whatever the page size", () =>
    Effect.gen(function*() {
      for (const pageSize of [undefined, 1, 2, 3, 50]) {
        for (
          const [after, until, expected] of [
            [-1, 0, []],
            [-1, 1, [0]],
            [2, 6, [3, 4, 5]],
            [8, 10, [9]],
            [8, 25, [9]],
            [5, 6, []],
            [7, 3, []],
            [7, null, [8, 9]]
          ] as const
        ) {
          const storage = numbers()
          const rows = yield* Effect.flatMap(parent, (taskRun) =>
            Stream.runCollect(taskRun.outcomesBetween(after, until))).pipe(
              provide(MemoryApi.layer(mappedTables(10)), storage.layer, { pageSize })
            )
          assert.deepStrictEqual(
            rows.map(({ result }) =>
              Result.getOrThrow(result)
            ),
            [...expected]
          )
          assert.strictEqual(storage.reads.length, expected.length)
        }
      }
    }))

  it.effect("a range asks for no page beyond its end", () => {
    const api = countingApi(mappedTables(10_000))
    return Effect.gen(function*() {
      const taskRun = yield* parent
      const before = api.requests()
      yield* Stream.runDrain(taskRun.outcomesBetween(999, 4000))
      assert.strictEqual(api.requests() - before, 2)
    }).pipe(provide(api.layer))
  })

  it.effect("a range gives what is there: gaps, and both children of one index", () =>
    Effect.gen(function*() {
      for (const pageSize of [1, 2, 3, 4, undefined]) {
        const rows = yield* Effect.flatMap(parent, (taskRun) => Stream.runCollect(taskRun.outcomesBetween(1, 5))).pipe(
          provide(
            MemoryApi.layer(mappedTables(8, {
              change: (index) => index === 3 ? { map_index: 4 } : undefined,
              nMapStates: 20
            })),
            undefined,
            { pageSize }
          )
        )
        assert.deepStrictEqual(rows.map(({ taskRun }) => taskRun.view.mapIndex), [2, 4, 4])
      }
    }))

  it.effect("a range of a task run that is not mapped is NotMapped", () =>
    Effect.gen(function*() {
      const taskRun = yield* run
      assert.strictEqual(yield* reasonOf(Stream.runDrain(taskRun.outcomesBetween(-1, 5))), "NotMapped")
    }).pipe(provide(MemoryApi.layer(single(success("/srv/1.json"))))))

  it.effect("views are loaded in the order in which they are given", () =>
    Effect.gen(function*() {
      const taskRun = yield* parent
      const views = Stream.fromIterable(
        (yield* Stream.runCollect(taskRun.iterMapped)).map(({ view }) => view).reverse()
      )
      const outcomes = yield* Stream.runCollect(TaskRun.outcomesOf(views))
      assert.deepStrictEqual(outcomes.map(({ result }) => Result.getOrThrow(result)), [4, 3, 2, 1, 0])
    }).pipe(provide(MemoryApi.layer(mappedTables(5)))))

  it.effect("failures are data, and lose no earlier child", () =>
    Effect.gen(function*() {
      const outcomes = yield* Stream.runCollect((yield* parent).outcomes)
      assert.deepStrictEqual(
        outcomes.map(({ result, taskRun }) => [
          taskRun.view.mapIndex,
          Result.isSuccess(result) ? result.success : result.failure.reason._tag
        ]),
        [[0, 0], [1, "NotPersisted"], [2, 2], [3, "NotFinished"]]
      )
    }).pipe(provide(MemoryApi.layer(mappedTables(4, {
      change: (index) =>
        index === 1
          ? { serialized_state: { type: "Failed", _result: local(null) } }
          : index === 3
          ? { serialized_state: { type: "Running" } }
          : undefined
    })))))

  it.effect("the children around a gap are given before it is told", () =>
    Effect.gen(function*() {
      const seen: Array<number> = []
      const error = yield* (yield* parent).iterMapped.pipe(
        Stream.runForEach((child) => Effect.sync(() => seen.push(child.view.mapIndex))),
        Effect.flip
      )
      assert.deepStrictEqual(seen, [0, 1, 3])
      assert.strictEqual(error.reason._tag, "ChildrenIncomplete")
    }).pipe(provide(MemoryApi.layer(mappedTables(3, {
      nMapStates: 4,
      change: (index) => index === 2 ? { map_index: 3 } : undefined
    })))))

  it.effect("no more are loaded at once than their storage takes", () => {
    const storage = storageOf((location) => Effect.andThen(Effect.yieldNow, json(numberOf(location))))
    return Effect.gen(function*() {
      yield* (yield* parent).getResult
      assert.strictEqual(storage.reads.length, 200)
      assert.isAtMost(storage.most(), 8)
      assert.isAbove(storage.most(), 1)
    }).pipe(provide(MemoryApi.layer(mappedTables(200)), storage.layer))
  })
})
