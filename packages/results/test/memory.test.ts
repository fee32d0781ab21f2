/** The memory of loads under way, and of results that nobody has taken, keeps to one budget. */
import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import type { PrefectApi } from "@effect-prefect/api/PrefectApi"
import * as FlowRun from "@effect-prefect/results/FlowRun"
import * as LocalStorage from "@effect-prefect/results/LocalStorage"
import * as ResultOptions from "@effect-prefect/results/ResultOptions"
import { ResultStorage } from "@effect-prefect/results/ResultStorage"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { Budget, budgetOf, Hold, type Lease } from "../src/internal/run/memory.ts"
import { flowRunId, mappedTables, numberOf, storageOf } from "./support/world.ts"

const parent = TaskRun.fromTaskRunId("parent")
const provide = (
  api: Layer.Layer<PrefectApi>,
  storage: Layer.Layer<ResultStorage, unknown>,
  options: Partial<ResultOptions.Options>
) => Effect.provide(Layer.mergeAll(api, storage, ResultOptions.layer(options)))

/** JSON text of so many bytes, whose value takes about as many. */
const textOf = (bytes: number) => new TextEncoder().encode(JSON.stringify("x".repeat(bytes - 2)))
const stored = (bytes: Uint8Array) => Effect.succeed({ _tag: "Bytes" as const, bytes, name: "x.json" })
const yields = Effect.forEach(Array.from({ length: 200 }), () => Effect.yieldNow, { discard: true })

describe("a budget", () => {
  const waiting = (budget: Budget) => budget.open(() => false).begin()
  const log = () => {
    const granted: Array<string> = []
    return {
      granted,
      as: (name: string) => (refusal: unknown) => void granted.push(refusal ? `${name} refused` : name)
    }
  }

  it("lets in what fits, and the others in the order in which they began", () => {
    const budget = new Budget(100)
    const { as, granted } = log()
    const [a, b, c] = [waiting(budget), waiting(budget), waiting(budget)] as const
    a.request(60, as("a"))
    c.request(50, as("c"))
    b.request(60, as("b"))
    assert.deepStrictEqual(granted, ["a"])
    a.settle(10)
    assert.deepStrictEqual(granted, ["a", "b"])
    b.release()
    assert.deepStrictEqual(granted, ["a", "b", "c"])
    a.release()
    c.release()
    assert.strictEqual(budget.held, 0)
  })

  it("is one for each storage and limit", () => {
    const [storage, other] = [{}, {}]
    assert.strictEqual(budgetOf(storage, 5), budgetOf(storage, 5))
    assert.notStrictEqual(budgetOf(storage, 5), budgetOf(storage, 6))
    assert.notStrictEqual(budgetOf(storage, 5), budgetOf(other, 5))
    assert.strictEqual(budgetOf(storage, 6).limit, 6)
  })

  it("refuses what can never fit", () => {
    const budget = new Budget(100)
    const { as, granted } = log()
    const lease = budget.open(() => true).begin()
    lease.request(60, as("a"))
    lease.request(41, as("b"))
    assert.deepStrictEqual(granted, ["a", "b refused"])
  })

  it("when all wait, lets in one that somebody cannot go on without, and no other", () => {
    const budget = new Budget(100)
    const { as, granted } = log()
    const hold = new Hold(budget)
    hold.add(90)
    let needed = false
    const [a, b] = [waiting(budget), budget.open(() => needed).begin()] as const
    a.request(50, as("a"))
    b.request(50, as("b"))
    assert.deepStrictEqual(granted, [])
    needed = true
    budget.letIn()
    assert.deepStrictEqual(granted, ["b"])
    assert.strictEqual(budget.held, 140)
    b.release()
    assert.deepStrictEqual(granted, ["b"])
    hold.release()
    assert.deepStrictEqual(granted, ["b", "a"])
  })

  it("forgets those who gave up, and lets in who comes after them", () => {
    const budget = new Budget(100)
    const { as, granted } = log()
    const [a, b, c] = [waiting(budget), waiting(budget), waiting(budget)] as const
    a.request(60, as("a"))
    const cancel = b.request(60, as("b"))
    c.request(40, as("c"))
    cancel()
    assert.deepStrictEqual(granted, ["a", "c"])
  })
})

describe("the reads of one storage", () => {
  const parents = Array.from({ length: 6 }, (_, at) => `parent-${at}`)
  const tables: MemoryApi.Tables = {
    flow_run: [{ id: flowRunId, name: "run" }],
    task: parents.map((id) => ({ id: `task-${id}`, slug: `${id}-1` })),
    task_run: parents.flatMap((id) => [
      { id, task_id: `task-${id}`, flow_run_id: flowRunId, serialized_state: { type: "Mapped", n_map_states: 20 } },
      ...Array.from({ length: 20 }, (_, index) => ({
        id: `${id}-${index}`,
        task_id: `task-${id}`,
        flow_run_id: flowRunId,
        map_index: index,
        serialized_state: {
          type: "Success",
          _result: { type: "LocalResult", location: `/srv/${index}.json`, dir: "/srv" }
        }
      }))
    ])
  }
  const load = (id: string) => Effect.flatMap(TaskRun.fromTaskRunId(id), (run) => Effect.result(run.getResult))

  it.effect("of several getResult at once are as many as of one, and one more for each", () =>
    Effect.gen(function*() {
      const { layer, most } = storageOf((location) => Effect.andThen(yields, stored(textOf(10 + numberOf(location)))))
      const results = yield* Effect.forEach(parents, load, { concurrency: "unbounded" }).pipe(
        provide(MemoryApi.layer(Effect.succeed(tables)), layer, {})
      )
      assert.isTrue(results.every(Result.isSuccess))
      assert.isAtMost(most(), 8 + parents.length)
    }))

  it.effect("are given back by those that are interrupted", () =>
    Effect.gen(function*() {
      let isStuck = true
      const { layer, most, reads } = storageOf((location) =>
        isStuck ? Effect.never : stored(textOf(10 + numberOf(location)))
      )
      yield* Effect.gen(function*() {
        const fiber = yield* Effect.forkChild(Effect.forEach(parents, load, { concurrency: "unbounded" }))
        yield* yields
        assert.isAtLeast(reads.length, 8)
        yield* Fiber.interrupt(fiber)
        isStuck = false
        const results = yield* Effect.forEach(parents, load, { concurrency: "unbounded" })
        assert.isTrue(results.every(Result.isSuccess))
        assert.isAtMost(most(), 8 + parents.length)
      }).pipe(provide(MemoryApi.layer(Effect.succeed(tables)), layer, {}))
    }))
})

describe("the places of those who decode", () => {
  const began = (budget: Budget, isNeeded = () => false) => budget.open(isNeeded).begin()
  const enter = (lease: Lease, name: string, entered: Array<string>) => lease.decode(() => void entered.push(name))
  const full = () => {
    const budget = new Budget(100)
    const entered: Array<string> = []
    const leases = ["a", "b", "c", "d"].map((name) => {
      const lease = began(budget)
      enter(lease, name, entered)
      return lease
    })
    assert.deepStrictEqual(entered.splice(0), ["a", "b", "c", "d"])
    return { budget, entered, leases }
  }

  it("are few, and are given in the order in which the loads began", () => {
    const { budget, entered, leases } = full()
    const [e, f, g] = [began(budget), began(budget), began(budget)] as const
    enter(g, "g", entered)
    const cancel = enter(f, "f", entered)
    enter(e, "e", entered)
    assert.deepStrictEqual(entered, [])
    leases[1]!.settle(10)
    assert.deepStrictEqual(entered, ["e"])
    cancel()
    leases[2]!.release()
    assert.deepStrictEqual(entered, ["e", "g"])
  })

  it("are not kept from an older load by younger ones that wait for memory", () => {
    const budget = new Budget(100)
    const entered: Array<string> = []
    const oldest = began(budget)
    const reading = began(budget)
    const younger = ["a", "b", "c", "d"].map((name) => {
      const lease = began(budget)
      enter(lease, name, entered)
      lease.request(25, () => {})
      return lease
    })
    const youngest = began(budget)
    for (const [at, lease] of younger.entries()) lease.request(10, () => void entered.push(`room ${at}`))
    enter(youngest, "youngest", entered)
    enter(oldest, "oldest", entered)
    assert.deepStrictEqual(entered.splice(0), ["a", "b", "c", "d", "oldest"])
    for (const lease of [oldest, reading, ...younger]) lease.release()
    assert.include(entered, "youngest")
  })

  it("when all wait, are one more for somebody who cannot go on without", () => {
    const { budget, entered, leases } = full()
    const hold = new Hold(budget)
    hold.add(100)
    for (const lease of leases) lease.request(10, () => {})
    let needed = false
    enter(began(budget, () => needed), "needed", entered)
    assert.deepStrictEqual(entered, [])
    needed = true
    budget.letIn()
    assert.deepStrictEqual(entered, ["needed"])
  })
})

describe("a walk", () => {
  const count = 60
  const size = 10_000

  it.effect("with a slow consumer keeps no more than the budget", () => {
    let live = 0
    const storage = storageOf(() =>
      Effect.sync(() => {
        live++
        return { _tag: "Bytes" as const, bytes: textOf(size), name: "x.json" }
      })
    )
    return Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const seen: Array<number> = []
      const fiber = yield* Effect.forkChild(
        Stream.runForEach((yield* parent).outcomes, ({ result, taskRun }) => {
          assert.isTrue(Result.isSuccess(result))
          seen.push(taskRun.view.mapIndex)
          return seen.length === 1 ? Deferred.await(gate) : Effect.void
        })
      )
      yield* yields
      // Five were given and five fit; eight that were read without having said their size wait to be decoded.
      assert.isAtMost(live, 5 + 5 + 8)
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(seen, Array.from({ length: count }, (_, index) => index))
    }).pipe(provide(MemoryApi.layer(mappedTables(count)), storage.layer, { maxMemory: 5 * size + 1000 }))
  })

  it.effect("holds the memory of what the consumer is at work on, and gives it few at a time", () => {
    const storage = storageOf(() => stored(textOf(size)))
    const maxMemory = 20 * size
    return Effect.gen(function*() {
      const budget = budgetOf(yield* ResultStorage, maxMemory)
      let seen = 0
      yield* Stream.runForEachArray((yield* parent).outcomes, (outcomes) =>
        Effect.gen(function*() {
          seen += outcomes.length
          assert.isAtMost(outcomes.length, 2)
          yield* yields
          assert.isAtLeast(budget.held, outcomes.length * size)
          assert.isAtMost(budget.held, maxMemory)
        }))
      assert.strictEqual(seen, count)
      assert.strictEqual(budget.held, 0)
    }).pipe(provide(MemoryApi.layer(mappedTables(count)), storage.layer, { maxMemory }))
  })

  it.effect("of small pickles that become large asks for their memory when it is scarce", () => {
    const sets = new Uint8Array(Buffer.from(`\x80\x04](${"\x8f".repeat(6_000)}e.`, "latin1"))
    const storage = storageOf(() => stored(sets))
    const maxMemory = 8 << 20
    return Effect.gen(function*() {
      const budget = budgetOf(yield* ResultStorage, maxMemory)
      yield* Stream.runForEachArray((yield* parent).outcomes, (outcomes) =>
        Effect.gen(function*() {
          yield* yields
          assert.isTrue(outcomes.every(({ result }) => Result.isSuccess(result)))
          assert.isAtMost(budget.held, maxMemory)
        }))
    }).pipe(provide(MemoryApi.layer(mappedTables(24)), storage.layer, { maxMemory }))
  })

  it.effect("whose consumer loads other results goes on, however full it is", () => {
    const storage = storageOf(() => stored(textOf(size)))
    return Effect.gen(function*() {
      const taskRun = yield* parent
      let inner = 0
      yield* Stream.runForEach(taskRun.outcomes, ({ taskRun: child }) =>
        Effect.gen(function*() {
          const again = yield* TaskRun.fromView(child.view)
          yield* again.getResult
          inner += (yield* Stream.runCollect(Stream.take(taskRun.outcomes, 2))).length
        }))
      assert.strictEqual(inner, 2 * count)
    }).pipe(provide(MemoryApi.layer(mappedTables(count)), storage.layer, { maxMemory: 2 * size + 1000 }))
  })

  it.effect("gives a child that can never fit as ResultTooLarge, and the others", () => {
    const storage = storageOf((location) => stored(textOf(numberOf(location) === 7 ? 10 * size : size)))
    return Effect.gen(function*() {
      const outcomes = yield* Stream.runCollect((yield* parent).outcomes)
      assert.deepStrictEqual(
        outcomes.flatMap(({ result, taskRun }) =>
          Result.isFailure(result) ? [[taskRun.view.mapIndex, result.failure.reason._tag, result.failure.message]] : []
        ),
        [[7, "ResultTooLarge", (outcomes[7]!.result as Result.Failure<unknown, Error>).failure.message]]
      )
      assert.include(String((outcomes[7]!.result as Result.Failure<unknown, Error>).failure.message), "maxMemory")
    }).pipe(provide(MemoryApi.layer(mappedTables(20)), storage.layer, { maxMemory: 5 * size }))
  })

  it.effect("that is given up gives its memory back", () => {
    const storage = storageOf(() => stored(textOf(size)))
    return Effect.gen(function*() {
      const taskRun = yield* parent
      for (let turn = 0; turn < 20; turn++) {
        assert.lengthOf(yield* Stream.runCollect(Stream.take(taskRun.outcomes, 3)), 3)
      }
      assert.lengthOf(yield* Stream.runCollect(taskRun.outcomes), count)
    }).pipe(provide(MemoryApi.layer(mappedTables(count)), storage.layer, { maxMemory: 4 * size }))
  })
})

describe("a result that is put together", () => {
  it.effect("of more than the budget is ResultTooLarge, and gives its memory back", () => {
    const storage = storageOf(() => stored(textOf(10_000)))
    return Effect.gen(function*() {
      const taskRun = yield* parent
      for (let turn = 0; turn < 3; turn++) {
        const error = yield* Effect.flip(taskRun.getResult)
        assert.strictEqual(error.reason._tag, "ResultTooLarge")
        assert.include(error.message, "maxMemory")
      }
      const few = yield* Stream.runCollect(Stream.take(taskRun.outcomes, 3))
      assert.lengthOf(few, 3)
    }).pipe(provide(MemoryApi.layer(mappedTables(30)), storage.layer, { maxMemory: 100_000 }))
  })

  it.effect("of a flow run: the parent is too large, and its children follow", () => {
    const storage = storageOf(() => stored(textOf(10_000)))
    return Effect.gen(function*() {
      const flowRun = yield* FlowRun.fromFlowRunId(flowRunId)
      const outcomes = yield* Stream.runCollect(flowRun.results)
      const [first, ...children] = outcomes
      assert.strictEqual(
        first !== undefined && Result.isFailure(first.result) && first.result.failure.reason._tag,
        "ResultTooLarge"
      )
      assert.lengthOf(children, 30)
      assert.isTrue(children.every(({ result }) => Result.isSuccess(result)))
    }).pipe(provide(MemoryApi.layer(mappedTables(30)), storage.layer, { maxMemory: 100_000 }))
  })

  for (const [fits, maxMemory] of [[true, 1_000_000], [false, 200_000]] as const) {
    it.effect(`of a flow run holds the memory of the children until they are taken, ${fits ? "if" : "unless"} they fit`, () => {
      const storage = storageOf(() => stored(textOf(10_000)))
      return Effect.gen(function*() {
        const budget = budgetOf(yield* ResultStorage, maxMemory)
        const flowRun = yield* FlowRun.fromFlowRunId(flowRunId)
        let seen = 0
        let most = 0
        yield* Stream.runForEachArray(flowRun.results, (outcomes) =>
          Effect.gen(function*() {
            if (seen === 0) assert.strictEqual(Result.isSuccess(outcomes[0].result), fits)
            yield* yields
            const left = 31 - Math.max(seen, 1)
            assert.isAtLeast(budget.held, (fits ? left : outcomes.length - (seen === 0 ? 1 : 0)) * 10_000)
            // Each array is let go of before anything is loaded in its place.
            if (fits) assert.isAtMost(budget.held, left * 10_200)
            seen += outcomes.length
            most = Math.max(most, outcomes.length)
          }))
        assert.strictEqual(seen, 31)
        assert.isAtMost(most, 1 + Math.ceil(maxMemory / 16 / 10_000))
        assert.strictEqual(budget.held, 0)
      }).pipe(provide(MemoryApi.layer(mappedTables(30)), storage.layer, { maxMemory }))
    })
  }
})

describe("files that unzip to many times their size", () => {
  it.live("are decompressed a few at a time", () =>
    Effect.gen(function*() {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "memory-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true }))
      )
      const megabytes = 3
      const zipped = gzipSync(textOf(megabytes * 2 ** 20))
      for (let index = 0; index < 24; index++) writeFileSync(join(folder, `${index}.json`), zipped)
      const tables = mappedTables(24, {
        change: (index) => ({
          serialized_state: {
            type: "Success",
            _result: { type: "LocalResult", location: join(folder, `${index}.json`) }
          }
        })
      })
      let most = 0
      yield* Effect.gen(function*() {
        const outcomes = (yield* parent).outcomes
        yield* Stream.runForEachArray(outcomes, (array) =>
          Effect.sync(() => {
            for (const { result } of array) assert.isTrue(Result.isSuccess(result))
            most = Math.max(most, array.length)
          }))
      }).pipe(
        provide(MemoryApi.layer(tables), LocalStorage.layer({ roots: [folder] }), { maxMemory: 20 * 2 ** 20 })
      )
      // Of those that wait to be taken no more fit.
      assert.isAtMost(most * megabytes, 20)
    }).pipe(Effect.scoped))
})

describe("a storage or decoder that loads other results itself", () => {
  const size = 100_000
  /** Ten results that each stand for another one, all of them too large to be decoded at once. */
  const run = (nest: "read" | "decode", shared: boolean, maxMemory: number) => {
    const extra = Array.from({ length: 10 }, (_, index) => ({
      id: `other-${index}`,
      flow_run_id: flowRunId,
      serialized_state: { type: "Success", _result: { type: "LocalResult", location: `/srv/other-${index}.json` } }
    }))
    const others = new Map<number, TaskRun.TaskRun>()
    const other = (location: string) => others.get(shared ? 0 : numberOf(location))!.getResult
    const storage = storageOf((location): ReturnType<ResultStorage["Service"]["read"]> => {
      if (location.includes("other")) return stored(textOf(size))
      const value = Effect.orDie(other(location))
      return nest === "read"
        ? Effect.map(value, (value) => ({ _tag: "Value", value }))
        : Effect.succeed({ _tag: "Bytes", bytes: textOf(size), name: "x", decode: () => value })
    })
    return Effect.gen(function*() {
      for (let index = 0; index < 10; index++) {
        others.set(index, yield* TaskRun.fromTaskRunId(`other-${index}`))
      }
      const outcomes = yield* Stream.runCollect((yield* parent).outcomes)
      assert.deepStrictEqual(outcomes.map(({ result }) => result._tag), outcomes.map(() => "Success"))
      assert.strictEqual(outcomes.length, 10)
      assert.strictEqual(budgetOf(yield* ResultStorage, maxMemory).held, 0)
    }).pipe(provide(MemoryApi.layer(mappedTables(10, { extra })), storage.layer, { maxMemory }))
  }

  for (const nest of ["read", "decode"] as const) {
    for (const shared of [false, true]) {
      const whose = shared ? "of the same result" : "of its own"
      it.effect(`goes on from its ${nest} ${whose}, when there is little memory`, () => run(nest, shared, 3 * size))
      it.effect(`goes on from its ${nest} ${whose}, when there is much`, () => run(nest, shared, 100 * size))
    }
  }
})

describe("the task runs that a flow run keeps", () => {
  it.effect("take no more than a part of the budget with their results", () => {
    const size = 100_000
    const storage = storageOf((location) => stored(textOf(numberOf(location) === 9 ? 10 * size : size)))
    return Effect.gen(function*() {
      const flowRun = yield* FlowRun.fromFlowRunId(flowRunId)
      const load = Effect.fnUntraced(function*(index: number) {
        const before = storage.reads.length
        yield* (yield* flowRun.getTaskRun({ taskRunId: `child-${index}`, mapIndex: index })).getResult
        return storage.reads.length - before
      })
      const loaded = Effect.forEach([0, 1, 2, 3, 0, 3, 2, 1, 0], load)
      // Three fit: the oldest makes room for another one, and is read again.
      assert.deepStrictEqual(yield* loaded, [1, 1, 1, 1, 1, 0, 0, 1, 0])
      // One that is larger than the part is not kept, and the others are.
      assert.deepStrictEqual(yield* Effect.forEach([9, 9, 0, 1], load), [1, 1, 0, 0])
    }).pipe(provide(MemoryApi.layer(mappedTables(10)), storage.layer, { maxMemory: 4 * (3 * size + 1_000) }))
  })
})
