import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import * as PrefectApi from "@effect-prefect/api/PrefectApi"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { Page, PageRequest } from "../src/Backend.ts"
import * as GraphQLPages from "../src/internal/graphql/pages.ts"
import * as Pages from "../src/internal/pages.ts"

const size = 10

/** Pages of numbers whose rows take until `decoded` after the next page was announced, and what happened. */
const made = (count: number, decoded: (page: number) => Effect.Effect<void> = () => Effect.void) => {
  const events: Array<string> = []
  const page = ({ cursor, limit }: PageRequest): Effect.Effect<Page<number>> => {
    const start = Number(cursor ?? 0)
    const number = start / size
    const answer = Effect.gen(function*() {
      events.push(`asked ${number}`)
      // An answer never comes in the turn in which it is asked for.
      for (let turn = 0; turn < 3; turn++) yield* Effect.yieldNow
      const next = start + limit < count ? start + limit : undefined
      yield* Pages.announce(next)
      yield* decoded(number)
      events.push(`decoded ${number}`)
      return { items: Array.from({ length: Math.min(limit, count - start) }, (_, at) => start + at), next }
    })
    return Effect.onInterrupt(answer, () => Effect.sync(() => void events.push(`interrupted ${number}`)))
  }
  return { events, listing: Pages.stream(page, { first: size, next: size }) }
}

describe("pages ahead", () => {
  it.effect("asks for the page after the awaited one before that is decoded, once two pages were taken", () =>
    Effect.gen(function*() {
      const asked = yield* Deferred.make<void>()
      const { events, listing } = made(
        6 * size,
        (page) => page === 3 ? Deferred.succeed(asked, undefined) : page === 2 ? Deferred.await(asked) : Effect.void
      )
      assert.deepStrictEqual(yield* Stream.runCollect(listing), Array.from({ length: 6 * size }, (_, at) => at))
      assert.isBelow(events.indexOf("asked 1"), events.indexOf("decoded 1"))
      assert.isBelow(events.indexOf("decoded 1"), events.indexOf("asked 2"))
      assert.isBelow(events.indexOf("asked 3"), events.indexOf("decoded 2"))
      assert.deepStrictEqual(
        events.filter((event) => event.startsWith("asked")),
        Array.from({ length: 6 }, (_, at) => `asked ${at}`)
      )
    }))

  it.effect("asks for no more than one page ahead, even if each page is there before the one before it is decoded", () =>
    Effect.gen(function*() {
      const go = yield* Deferred.make<void>()
      const arrived = yield* Deferred.make<void>()
      const { events, listing } = made(
        9 * size,
        (page) => page === 2 ? Deferred.await(go) : page === 3 ? Deferred.succeed(arrived, undefined) : Effect.void
      )
      const running = yield* Effect.forkChild(Stream.runCount(listing))
      yield* Deferred.await(arrived)
      for (let turn = 0; turn < 20; turn++) yield* Effect.yieldNow
      assert.include(events, "decoded 3")
      assert.notInclude(events, "asked 4")
      yield* Deferred.succeed(go, undefined)
      assert.strictEqual(yield* Fiber.join(running), 9 * size)
    }))

  it.effect("asks for nothing ahead while the consumer is at work on a page", () =>
    Effect.gen(function*() {
      const { events, listing } = made(9 * size)
      yield* Stream.runForEachArray(listing, () => Effect.repeat(Effect.yieldNow, { times: 20 }))
      for (let page = 2; page < 8; page++) {
        assert.isBelow(events.indexOf(`decoded ${page}`), events.indexOf(`asked ${page + 1}`))
      }
    }))

  it.effect("asks for one page when a few elements are taken", () =>
    Effect.gen(function*() {
      const { events, listing } = made(9 * size)
      assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(listing, 1)), [0])
      assert.deepStrictEqual(events, ["asked 0", "decoded 0"])
    }))

  it.effect("goes by the cursor of the page, if that is not the one that was announced", () =>
    Effect.gen(function*() {
      const asked: Array<unknown> = []
      const page = ({ cursor }: PageRequest): Effect.Effect<Page<number>> => {
        const at = Number(cursor ?? 0)
        asked.push(at)
        const next = at < 6 ? at + 1 : undefined
        return Effect.repeat(Effect.yieldNow, { times: 3 }).pipe(
          Effect.andThen(Pages.announce(at === 3 ? 100 : next)),
          Effect.as({ items: [at, at], next })
        )
      }
      const seen = yield* Stream.runCollect(Pages.stream(page, { first: 2, next: 2 }))
      assert.deepStrictEqual(seen, [0, 1, 2, 3, 4, 5, 6].flatMap((at) => [at, at]))
      assert.include(asked, 100)
    }))

  it.effect("ends a request ahead with the stream", () =>
    Effect.gen(function*() {
      const { events, listing } = made(9 * size)
      assert.strictEqual((yield* Stream.runCollect(Stream.take(listing, 2 * size + 1))).length, 2 * size + 1)
      assert.include(events, "asked 3")
      assert.include(events, "interrupted 3")
    }))

  it.effect("asks for the pages of a range one after the other, whose sizes depend on the rows before", () =>
    Effect.gen(function*() {
      const nothing = yield* MemoryApi.make({})
      let announced = 0
      const api = PrefectApi.make({
        ...nothing,
        name: "a test",
        taskRunsPage: () => Effect.die("asked"),
        taskRunSummariesPage: () => Effect.die("asked"),
        siblingsPage: () => Effect.die("asked"),
        flowRunsPage: () => Effect.die("asked"),
        flowsPage: () => Effect.die("asked"),
        logsPage: () => Effect.die("asked"),
        artifactsPage: () => Effect.die("asked"),
        taskRunsOfTaskPage: (_, { cursor }) => {
          const at = Number(cursor ?? 0)
          announced++
          return Effect.repeat(Effect.yieldNow, { times: 3 }).pipe(
            Effect.andThen(Pages.announce(at + 1)),
            Effect.as({ items: [], next: at < 5 ? at + 1 : undefined })
          )
        }
      })
      const count = yield* Stream.runCount(api.mappedChildren({ flowRunId: "f", taskId: "t" }, { until: 100 }))
      assert.strictEqual(count, 0)
      assert.strictEqual(announced, 6)
    }))

  it.effect("announces the pages of a GraphQL API before their rows are decoded", () =>
    Effect.gen(function*() {
      const events: Array<string> = []
      const idOf = (at: number) => `00000000-0000-4000-8000-${`${at}`.padStart(12, "0")}`
      const pages = GraphQLPages.make({
        query: (_, __, variables) =>
          Effect.gen(function*() {
            const after = /"map_index":\{"_gt":(\d+)\}/.exec(JSON.stringify(variables["where"]))?.[1]
            const start = after === undefined ? 0 : Number(after) + 1
            const number = start / size
            events.push(`asked ${number}`)
            for (let turn = 0; turn < 3; turn++) yield* Effect.yieldNow
            return {
              task_run: Array.from({ length: Math.min(size, 6 * size - start) }, (_, at) => ({
                id: idOf(start + at),
                get name() {
                  events.push(`decoded ${number}`)
                  return null
                },
                task: { id: idOf(0), slug: "t-1" },
                map_index: start + at,
                serialized_state: null,
                flow_run_id: idOf(1)
              }))
            }
          })
      })
      const listing = Pages.stream(
        (request) => pages.viewsPage("test", GraphQLPages.listings.siblings, [], request),
        { first: size, next: size }
      )
      assert.strictEqual(yield* Stream.runCount(listing), 6 * size)
      assert.isBelow(events.indexOf("asked 3"), events.indexOf("decoded 2"))
      assert.isBelow(events.indexOf("asked 4"), events.indexOf("decoded 3"))
    }))
})
