/** Long lists are sorted in steps, so that none holds the event loop. */
import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { vi } from "vitest"
import { atOnce, filtered, mapped, sorted, sortSteps, visited } from "../src/internal/sorting.ts"

/** A number that looks random, the same in each run. */
const scattered = (index: number): number => (Math.imul(index, 2_654_435_761) >>> 0) % 65_521

interface Item {
  readonly key: number
  readonly place: number
}
const byKey = (left: Item, right: Item) => left.key - right.key
const items = (count: number, keyOf: (index: number) => number): ReadonlyArray<Item> =>
  Array.from({ length: count }, (_, place) => ({ key: keyOf(place), place }))

describe("sortSteps", () => {
  it("sorts as the engine does, equal items in their order, whatever the size of the parts", () => {
    const keys = [
      (index: number) => index,
      (index: number) => -index,
      (index: number) => scattered(index) % 7,
      scattered
    ]
    for (const keyOf of keys) {
      for (const count of [0, 1, 2, 3, 7, 8, 9, 64, 65]) {
        const list = items(count, keyOf)
        for (const size of [1, 2, 3, 8]) {
          const steps = sortSteps(list, byKey, size)
          let step = steps.next()
          while (step.done !== true) step = steps.next()
          assert.deepStrictEqual(step.value, list.toSorted(byKey))
        }
      }
    }
  })

  it("compares no more in a step of a long list than in one of a short list", () => {
    const most = (count: number) => {
      let compared = 0
      let most = 0
      const steps = sortSteps(
        items(count, scattered),
        (left, right) => {
          compared++
          return byKey(left, right)
        },
        64
      )
      while (steps.next().done !== true) {
        most = Math.max(most, compared)
        compared = 0
      }
      return most
    }
    assert.isAtMost(most(4_096), most(128) * 1.5)
  })
})

it.effect("sorted and mapped change neither order nor length of long lists", () =>
  Effect.gen(function*() {
    const list = items(atOnce + 3, scattered)
    assert.deepStrictEqual(yield* sorted(list, byKey), list.toSorted(byKey))
    assert.deepStrictEqual(yield* mapped(list, ({ key }, at) => key + at), list.map(({ key }, at) => key + at))
  }))

it.effect("visited and filtered see each item from a position on, in order, until they are told to stop", () =>
  Effect.gen(function*() {
    const list = Array.from({ length: 2 * atOnce + 3 }, (_, at) => at)
    const isOdd = (item: number) => item % 2 === 1
    assert.deepStrictEqual(yield* filtered(list, isOdd), list.filter(isOdd))
    for (const [from, last] of [[0, atOnce - 1], [0, atOnce], [5, 2 * atOnce], [5, list.length - 1]] as const) {
      const seen: Array<number> = []
      yield* visited(list, (item, at) => {
        seen.push(item, at)
        return item === last
      }, from)
      assert.deepStrictEqual(seen, list.slice(from, last + 1).flatMap((item) => [item, item]))
    }
  }))

it.live("each query that looks at many rows shares the turn as it goes", () =>
  Effect.gen(function*() {
    const many = 3 * atOnce
    const rows = (count: number, flowRunId: string) =>
      Array.from({ length: count }, (_, index) => ({
        id: `${flowRunId} ${index}`,
        flow_run_id: flowRunId,
        task_id: "t",
        map_index: index,
        serialized_state: { type: "Success" }
      }))
    const api = yield* PrefectApi.pipe(Effect.provide(MemoryApi.layer({
      task: [{ id: "t", slug: "slug" }],
      task_run: [...rows(many, "f"), ...rows(3, "short")]
    })))
    const queries: Record<string, (flowRunId: string) => Effect.Effect<unknown, unknown>> = {
      first: api.firstTaskRunOfEachTask,
      mapped: api.mappedTaskIds,
      counts: (flowRunId) => api.countMappedChildren({ flowRunId, taskId: "t" }),
      slug: (flowRunId) => api.taskRunBySlug({ flowRunId, taskSlug: "slug", mapIndex: 1 }),
      states: (flowRunId) => Stream.runCount(api.taskRuns({ flowRunId, states: ["Failed"] }))
    }
    const looks = Effect.fnUntraced(function*(query: Effect.Effect<unknown, unknown>) {
      const clock = vi.spyOn(performance, "now")
      return yield* query.pipe(
        Effect.map(() => clock.mock.calls.length),
        Effect.ensuring(Effect.sync(() => clock.mockRestore()))
      )
    })
    for (const [name, query] of Object.entries(queries)) {
      yield* query("f")
      const few = yield* looks(query("short"))
      assert.isAtLeast(yield* looks(query("f")), few + 2, name)
    }
  }))

it.live("no listing of a backend lets the engine sort more rows at once", () =>
  Effect.gen(function*() {
    const count = 5_000
    const id = (index: number) => `0000aaaa-0000-4000-8000-${index.toString(16).padStart(12, "0")}`
    const rows = <A>(rowOf: (index: number) => A) =>
      items(count, scattered).toSorted(byKey).map(({ place }) => rowOf(place))
    const tables: MemoryApi.Tables = {
      flow_run: rows((index) => ({ id: id(index), created: new Date(1.6e12 + scattered(index)).toISOString() })),
      task: rows((index) => ({ id: `task ${index}`, slug: `slug ${scattered(index)}` })),
      task_run: rows((index) => ({ id: id(index), flow_run_id: id(0), task_id: `task ${index}` })),
      log: rows((index) => ({
        id: id(index),
        flow_run_id: id(0),
        timestamp: new Date(scattered(index)).toISOString()
      })),
      task_run_artifact: rows((index) => ({
        id: id(index),
        task_run_id: id(0),
        created: new Date(index).toISOString()
      })),
      task_run_state: rows((index) => ({ id: id(index), task_run_id: id(0), timestamp: new Date(index).toISOString() }))
    }
    let longest = 0
    const { sort, toSorted } = Array.prototype
    const watch = <F extends (this: Array<unknown>, ...args: Array<never>) => unknown>(original: F) =>
      function(this: Array<unknown>, ...args: Parameters<F>) {
        longest = Math.max(longest, this.length)
        return original.apply(this, args)
      }
    Object.assign(Array.prototype, { sort: watch(sort), toSorted: watch(toSorted) })
    yield* Effect.ensuring(
      Effect.gen(function*() {
        const api = yield* PrefectApi
        assert.strictEqual(yield* Stream.runCount(api.taskRuns({ flowRunId: id(0) })), count)
        assert.strictEqual(yield* Stream.runCount(api.flowRuns()), count)
        assert.strictEqual(yield* Stream.runCount(api.logs({ flowRunId: id(0) })), count)
        assert.strictEqual(yield* Stream.runCount(api.artifacts({ taskRunId: id(0) })), count)
        assert.lengthOf(yield* api.taskRunStates(id(0)), count)
        assert.lengthOf(yield* api.firstTaskRunOfEachTask(id(0)), count)
        assert.lengthOf(yield* api.taskRunsByIdPrefix({ prefix: "0000aaaa", limit: 6 }), 6)
        assert.lengthOf(yield* api.flowRunsByIdPrefix({ prefix: "0000aaaa", limit: 6 }), 6)
      }).pipe(Effect.provide(MemoryApi.layer(tables))),
      Effect.sync(() => void Object.assign(Array.prototype, { sort, toSorted }))
    )
    assert.isAbove(longest, 1_000)
    assert.isAtMost(longest, atOnce)
  }))
