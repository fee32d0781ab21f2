import type * as Backend from "@effect-prefect/api/Backend"
import * as PrefectApi from "@effect-prefect/api/PrefectApi"
import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Stream from "effect/Stream"
import * as GraphQLBackend from "../src/internal/graphql/backend.ts"
import type { Data } from "../src/internal/graphql/client.ts"
import * as Pages from "../src/internal/graphql/pages.ts"
import * as Http from "../src/internal/http/failure.ts"
import * as Kept from "../src/internal/kept.ts"
import * as Rows from "../src/internal/rows.ts"

const { flowRunStates, flowRuns, siblings } = Pages.listings

const idOf = (at: number) => `00000000-0000-4000-8000-${`${at}`.padStart(12, "0")}`
const child = (at: number) => ({
  id: idOf(at),
  name: null,
  task: { id: idOf(0), slug: "t-1" },
  map_index: at,
  serialized_state: null,
  flow_run_id: idOf(1)
})

type Answer = (limit: number, variables: { readonly [name: string]: unknown }) => Data | Http.HttpFailure

/** Pages over a server that answers so, and the limits that it was asked for. */
const over = (answer: Answer) => {
  const limits: Array<number> = []
  const wheres: Array<unknown> = []
  const pages = Pages.make({
    query: (_, __, variables) =>
      Effect.suspend(() => {
        const limit = variables["limit"] as number
        limits.push(limit)
        wheres.push(variables["where"])
        const given = answer(limit, variables)
        return given instanceof Http.HttpFailure ? Effect.fail(given) : Effect.succeed(given)
      })
  })
  const page = (request: Backend.PageRequest, listing = siblings) => pages.rawPage("test", listing, [], request)
  return { limits, page, pages, wheres }
}

/** A server with so many rows that gives so many at most. */
const served = (count: number, most: number) => {
  let from = 0
  return over((limit) => {
    const rows = Array.from({ length: Math.min(most, limit, count - from) }, (_, at) => child(from + at))
    from += rows.length
    return { task_run: rows }
  })
}

const first = (limit: number): Backend.PageRequest => ({ cursor: undefined, limit })

const reasonOf = <A>(effect: Effect.Effect<A, PrefectApiError>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => reason)

describe("a page of a GraphQL server", () => {
  it.effect("is the last when it is shorter than asked for and than one before", () =>
    Effect.gen(function*() {
      const { page } = served(25, 10)
      const one = yield* page(first(10))
      assert.deepStrictEqual(one.next, { after: [9, idOf(9)] })
      const two = yield* page({ cursor: one.next, limit: 10 })
      assert.deepStrictEqual(two.next, { after: [19, idOf(19)] })
      const three = yield* page({ cursor: two.next, limit: 10 })
      assert.strictEqual(three.rows.length, 5)
      assert.isUndefined(three.next)
    }))

  it.effect("is not the last when the server gives no more than that at once", () =>
    Effect.gen(function*() {
      const { page } = served(20, 10)
      for (const at of [9, 19]) {
        const { next } = yield* page(first(1_000))
        assert.deepStrictEqual(next, { after: [at, idOf(at)] })
      }
      const end = yield* page(first(1_000))
      assert.deepStrictEqual(end, { rows: [], next: undefined })
    }))

  it.effect("that is full is not the last, even after a longer one", () =>
    Effect.gen(function*() {
      const { page } = served(100, 100)
      yield* page(first(50))
      const { next } = yield* page(first(10))
      assert.isDefined(next)
    }))

  it.effect("asks for whole rows, from one to ten thousand", () =>
    Effect.gen(function*() {
      const { limits, page } = served(0, 1)
      for (const limit of [0, -3, 0.5, 1, 2.9, 9_999, 10_000, 10_001, Infinity]) yield* page(first(limit))
      assert.deepStrictEqual(limits, [1, 1, 1, 1, 2, 9_999, 10_000, 10_000, 10_000])
    }))

  it.effect("that is too large is asked for in a quarter of its rows, down to one, and stays so", () =>
    Effect.gen(function*() {
      const { limits, page } = over((limit) =>
        limit > 5 ? Http.oversized("it is too long") : { task_run: [child(1)], flow_run: [] }
      )
      yield* page(first(100))
      yield* page(first(100))
      yield* page(first(3))
      assert.deepStrictEqual(limits, [100, 25, 6, 1, 1, 1])
      // Rows of another table have another size.
      const { next } = yield* page(first(5), flowRuns)
      assert.strictEqual(limits.at(-1), 5)
      assert.isUndefined(next)
    }))

  it.effect("of one row that is too large fails, and so does any other failure at once", () =>
    Effect.gen(function*() {
      const large = over(() => Http.oversized("it is too long"))
      const reason = yield* reasonOf(large.page(first(8)))
      assert.strictEqual(reason._tag, "MalformedResponse")
      assert.deepStrictEqual(large.limits, [8, 2, 1])
      const other = over(() => Http.malformed("it is none"))
      assert.strictEqual((yield* reasonOf(other.page(first(8))))._tag, "MalformedResponse")
      assert.deepStrictEqual(other.limits, [8])
    }))

  it.effect("without a list of rows, or with rows that cannot be ordered, is malformed", () =>
    Effect.gen(function*() {
      for (
        const [data, detail] of [
          [{}, "no list of task_run"],
          [{ task_run: { 0: child(0) } }, "no list of task_run"],
          [{ task_run: [child(0), null] }, "is not an object"],
          [{ task_run: Array.from({ length: 10 }, (_, at) => ({ id: idOf(at) })) }, "has what it is sorted by"],
          [{ task_run: [child(1), child(0)] }, "repeated, or not in the requested order"],
          [{ task_run: [child(1), child(1)] }, "repeated, or not in the requested order"]
        ] as const
      ) {
        const reason = yield* reasonOf(over(() => data).page(first(10)))
        assert.include(reason.message, detail)
      }
    }))

  it.effect("begins after its cursor, or is malformed", () =>
    Effect.gen(function*() {
      const { page, wheres } = over(() => ({ task_run: [child(5)] }))
      const { next } = yield* page(first(1))
      const reason = yield* reasonOf(page({ cursor: next, limit: 1 }))
      assert.include(reason.message, "repeated, or not in the requested order")
      assert.deepStrictEqual(wheres[0], { _and: [] })
      assert.include(JSON.stringify(wheres[1]), `"_gt":5`)
      const both = over(() => ({ task_run: [] }))
      yield* both.pages.rawPage("test", siblings, [{ a: 1 }, { b: 2 }], { cursor: next, limit: 1 })
      assert.deepStrictEqual((both.wheres[0] as { readonly _and: ReadonlyArray<unknown> })._and.slice(0, 2), [
        { a: 1 },
        { b: 2 }
      ])
    }))

  it.effect("is views of task runs, without one that is none", () =>
    Effect.gen(function*() {
      const { pages } = served(2, 2)
      const { items } = yield* pages.viewsPage("test", siblings, [], first(2))
      assert.deepStrictEqual(items.map(({ mapIndex }) => mapIndex), [0, 1])
      const broken = over(() => ({ task_run: [child(0), { ...child(1), flow_run_id: 7 }, child(2)] }))
      const others = yield* Effect.provide(
        broken.pages.viewsPage("test", siblings, [], first(3)),
        Logger.layer([])
      )
      assert.deepStrictEqual(others.items.map(({ mapIndex }) => mapIndex), [0, 2])
    }))

  it.effect("goes on after the last row that has what it is sorted by", () =>
    Effect.gen(function*() {
      const { page } = over(() => ({ task_run: [child(0), child(1), { ...child(2), map_index: "2" }] }))
      const { next, rows } = yield* page(first(3))
      assert.strictEqual(rows.length, 3)
      assert.deepStrictEqual(next, { after: [1, idOf(1)] })
    }))

  it.effect("that is short is the last when none of its rows has what it is sorted by", () =>
    Effect.gen(function*() {
      const odd = { ...child(0), map_index: "0" }
      const { next, rows } = yield* over(() => ({ task_run: [odd] })).page(first(10))
      assert.deepStrictEqual(rows, [odd])
      assert.isUndefined(next)
    }))

  it.effect("is models, without a row that is none, which a warning names by its id alone", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => void lines.push(String(message)))
      const state = (at: number, id: unknown = idOf(at)) => ({
        id,
        state: "Running",
        message: null,
        timestamp: "2022-03-01T12:00:00+00:00",
        version: 1,
        serialized_state: null
      })
      const { pages } = over(() => ({
        flow_run_state: [state(1), { ...state(2), version: "secret" }, { ...state(3, "not-an-id"), version: "secret" }]
      }))
      const { items, next } = yield* pages.modelsPage("test", flowRunStates, [], first(3), Rows.decodeStateRecord).pipe(
        Effect.provide(Logger.layer([logger]))
      )
      assert.strictEqual(items.length, 1)
      assert.deepStrictEqual(next, { after: ["not-an-id"] })
      assert.deepStrictEqual(lines.map((line) => /\((.*?)\)/.exec(line)?.[1]), [idOf(2), "without an id"])
      assert.notInclude(lines.join(), "secret")
    }))

  it.effect("follows another until there is none", () =>
    Effect.gen(function*() {
      const { limits, pages } = served(25, 10)
      const rows = yield* pages.everyRow("test", siblings, [])
      assert.deepStrictEqual(rows.map((row) => row["map_index"]), Array.from({ length: 25 }, (_, at) => at))
      assert.deepStrictEqual(limits, [1_000, 1_000, 1_000])
    }))

  it.effect("ends an answer of more rows than are kept", () =>
    Effect.gen(function*() {
      const kept = Kept.make<{ readonly at: number }>("test", { rows: 3 })
      yield* kept.add([{ at: 0 }, { at: 1 }])
      const { operation, reason } = yield* Effect.flip(kept.add([{ at: 2 }, { at: 3 }]))
      assert.strictEqual(operation, "test")
      assert.strictEqual(reason._tag, "MalformedResponse")
      assert.include(reason.message, "more than 3 rows")
      assert.lengthOf(kept.items, 3)
      const long = Kept.make<{ readonly text: string }>("test", { bytes: 2 ** 20 })
      yield* long.add([{ text: "x".repeat(2 ** 19) }])
      const tooLong = yield* Effect.flip(long.add([{ text: "x".repeat(2 ** 19) }]))
      assert.include(tooLong.message, "more than 1 MiB of rows")
    }))
})

describe("children of one map index", () => {
  it.effect("are all seen, whatever the size of the pages", () =>
    Effect.gen(function*() {
      const children = [0, 1, 1, 1, 2, 2].map((mapIndex, at) => ({ ...child(at), map_index: mapIndex }))
      interface Where {
        readonly _and?: ReadonlyArray<Where>
        readonly _or?: ReadonlyArray<Where>
        readonly [column: string]: unknown
      }
      const operators: Record<string, (left: unknown, right: unknown) => boolean> = {
        _eq: (left, right) => left === right,
        _gt: (left, right) => left as string > (right as string),
        _gte: (left, right) => left as string >= (right as string)
      }
      const fits = (row: Record<string, unknown>, { _and = [], _or, ...columns }: Where): boolean =>
        _and.every((each) => fits(row, each)) && (_or === undefined || _or.some((each) => fits(row, each))) &&
        Object.entries(columns).every(([column, condition]) =>
          Object.entries(condition as object).every(([operator, value]) => operators[operator]!(row[column], value))
        )
      const task = { flowRunId: idOf(1), taskId: idOf(0) }
      const backend = GraphQLBackend.make({
        query: (_, __, { limit, where }) =>
          Effect.succeed({
            task_run: children.map((row) => ({ ...row, task_id: task.taskId }))
              .filter((row) => fits(row, where as Where)).slice(0, limit as number)
          })
      }, { lookupBatchSize: 1 })
      const api = PrefectApi.make(backend)
      for (const pageSize of [1, 2, 3, 4, 10]) {
        const found = yield* Stream.runCollect(api.mappedChildren(task, { pageSize }))
        assert.deepStrictEqual(found.map(({ taskRunId }): string => taskRunId), children.map(({ id }) => id))
        const some = yield* Stream.runCollect(api.mappedChildren(task, { pageSize, after: 0, until: 2 }))
        assert.deepStrictEqual(some.map(({ mapIndex }) => mapIndex), [1, 1, 1])
      }
    }))
})

describe("children of another flow run", () => {
  it.effect("are MalformedResponse from a GraphQL server, as all rows of others are", () =>
    Effect.gen(function*() {
      const api = PrefectApi.make(GraphQLBackend.make({
        query: () => Effect.succeed({ task_run: [child(0), { ...child(1), flow_run_id: idOf(2) }] })
      }, { lookupBatchSize: 1 }))
      const reason = yield* reasonOf(Stream.runDrain(api.taskRunsOfTask({ flowRunId: idOf(1), taskId: idOf(0) })))
      assert.strictEqual(reason._tag, "MalformedResponse")
      assert.include(reason.message, "a row of another run, task or flow")
    }))
})
