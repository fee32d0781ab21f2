import type { PageRequest } from "@effect-prefect/api/Backend"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { runs } from "../../core/test/seeds.ts"
import * as Pages from "../src/internal/prefect3/pages.ts"

const row = (id: string, time: number) => ({ id, time: new Date(time).toISOString() })
type Row = ReturnType<typeof row>

/**
 * A table that grows and shrinks while it is paged, behind a limit that its administrator chose: a larger one is refused,
 * or gives as many rows without a word.
 */
const table = (
  rows: ReadonlyArray<Row>,
  newcomers: ReadonlyArray<Row>,
  maxLimit: number,
  sort: (rows: Array<Row>) => Array<Row>,
  { isSilent = false, leavers = [] }: { readonly isSilent?: boolean; readonly leavers?: ReadonlyArray<Row> } = {}
) => {
  let current = [...rows, ...leavers]
  let asked = 0
  const pages = Pages.make({
    name: () => "a test",
    post: (_operation, _path, body) =>
      Effect.sync(() => {
        const { from, limit = maxLimit, offset } = body as { from?: string; limit?: number; offset: number }
        if (!isSilent && limit > maxLimit) {
          const named = maxLimit % 2 === 0 ? maxLimit : "its own"
          return { _tag: "Refused", detail: `Invalid limit: must be less than or equal to ${named}.` }
        }
        if (asked++ > 2000) {
          throw new Error("paged without end")
        }
        const all = sort(current).filter((row) => from === undefined || row.time >= from)
        const newcomer = newcomers[asked % (newcomers.length + 1)]
        if (newcomer !== undefined && !current.includes(newcomer)) current = [...current, newcomer]
        // From the second request on, two of them leave before each.
        const gone = new Set(leavers.slice(0, 2 * asked))
        current = current.filter((row) => !gone.has(row))
        return { _tag: "Json", json: all.slice(offset, offset + Math.min(limit, maxLimit)) }
      })
  })
  const walk = (page: (request: PageRequest) => ReturnType<typeof pages.byOffset<Row>>, limit: number) =>
    Effect.gen(function*() {
      const out: Array<Row> = []
      let cursor: PageRequest["cursor"]
      do {
        const { items, next } = yield* page({ cursor, limit })
        out.push(...items)
        cursor = next
      } while (cursor !== undefined)
      return out
    })
  return { pages, walk }
}

const make = (value: unknown) => value as Row
const ids = (rows: ReadonlyArray<Row>) => rows.map(({ id }) => id).toSorted()
const Limit = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 9 })))
/** Limits that a server applies without a word are round numbers. */
const Silent = Schema.UndefinedOr(Schema.Literals([5, 8, 10, 16]))
const Asked = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 20 })))
const Times = Schema.Array(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 5 })))).pipe(
  Schema.check(Schema.isMaxLength(40))
)

describe("every row comes once, whatever comes and goes", () => {
  it.effect.prop(
    "by offset, newest id first",
    [Times, Times, Asked, Limit, Silent],
    ([old, recent, limit, maxLimit, silent]) =>
      Effect.gen(function*() {
        const rows = old.map((time, index) => row(`a${String(index).padStart(3, "0")}`, time))
        const newcomers = recent.map((time, index) => row(`b${String(index).padStart(3, "0")}`, time))
        const { pages, walk } = table(rows, newcomers, silent ?? maxLimit, (rows) =>
          rows.toSorted((left, right) =>
            left.id < right.id ? 1 : -1
          ), { isSilent: silent !== undefined })
        const filter = { operation: "t", path: "/t", body: {} }
        const found = yield* walk((request) =>
          pages.byOffset(filter, request, make), limit)
        assert.strictEqual(new Set(ids(found)).size, found.length)
        assert.deepStrictEqual(
          ids(found.filter(({ id }) =>
            id.startsWith("a")
          )),
          ids(rows)
        )
      }),
    { arbitrary: runs(30, 150) }
  )

  it.effect.prop(
    "by offset, though rows are removed meanwhile",
    [Times, Asked, Limit, Silent],
    ([kept, limit, maxLimit, silent]) =>
      Effect.gen(function*() {
        // Of pages of one row, none can begin with that of the page before.
        const most = silent ?? Math.max(2, maxLimit)
        const rows = kept.map((_, index) => row(`a${String(index * 2).padStart(3, "0")}`, 0))
        const leavers = kept.map((_, index) => row(`a${String(index * 2 + 1).padStart(3, "0")}`, 0)).toReversed()
        const descending = (rows: Array<Row>) => rows.toSorted((left, right) => left.id < right.id ? 1 : -1)
        const { pages, walk } = table(rows, [], most, descending, { isSilent: silent !== undefined, leavers })
        const filter = { operation: "t", path: "/t", body: {} }
        const found = ids(yield* walk((request) => pages.byOffset(filter, request, make), limit))
        assert.strictEqual(new Set(found).size, found.length)
        const stayed = new Set(ids(rows))
        assert.deepStrictEqual(found.filter((id) => stayed.has(id)), [...stayed])
      }),
    { arbitrary: runs(30, 150) }
  )

  it.effect.prop(
    "by time, oldest first, with many rows of one time",
    [Times, Asked, Limit, Silent],
    ([times, limit, maxLimit, silent]) =>
      Effect.gen(function*() {
        const rows = times.map((time, index) => row(`a${index}`, time))
        const { pages, walk } = table(rows, [], silent ?? maxLimit, (rows) =>
          rows.toSorted((left, right) =>
            left.time < right.time ? -1 : left.time > right.time ? 1 : 0
          ), { isSilent: silent !== undefined })
        const options = {
          time: "time",
          isDescending: false,
          from: (from: string | undefined) => ({ operation: "t", path: "/t", body: from === undefined ? {} : { from } })
        }
        const found = yield* walk((request) =>
          pages.byTime(options, request, make), limit)
        assert.deepStrictEqual(ids(found), ids(rows))
        const order = found.map(({ time }) =>
          time
        )
        assert.deepStrictEqual(order, order.toSorted())
      }),
    { arbitrary: runs(30, 150) }
  )
})

describe("a short listing", () => {
  /** The requests of two listings of seven rows each, by a client that does not know the server. */
  const requestsOf = (refusal: string | undefined, maxLimit: number) =>
    Effect.gen(function*() {
      const rows = Array.from({ length: 7 }, (_, index) => row(`r${index}`, index))
      let requests = 0
      const pages = Pages.make({
        name: () => "a test",
        post: (_operation, _path, body) =>
          Effect.sync(() => {
            requests++
            const { limit = maxLimit, offset } = body as { limit?: number; offset: number }
            return limit > maxLimit
              ? { _tag: "Refused", detail: refusal! }
              : { _tag: "Json", json: rows.slice(offset, offset + limit) }
          })
      })
      const filter = { operation: "t", path: "/t", body: {} }
      assert.strictEqual((yield* pages.all(filter)).length, 7)
      const { items, next } = yield* pages.byTime(
        { time: "time", isDescending: false, from: () => filter },
        { cursor: undefined, limit: 200 },
        make
      )
      assert.strictEqual(items.length, 7)
      assert.isUndefined(next)
      return requests
    })

  it.effect("is one request", () => Effect.map(requestsOf(undefined, 200), (count) => assert.strictEqual(count, 2)))

  it.effect("is one request for a server that has named a limit of its own", () =>
    Effect.map(
      requestsOf("Invalid limit: must be less than or equal to 50.", 50),
      (count) => assert.strictEqual(count, 3)
    ))
})

describe("a server that always sends new rows", () => {
  const endless = (limits: Pages.Limits) => {
    let made = 0
    return Pages.make({
      name: () => "a test",
      post: () =>
        Effect.sync(() => {
          assert.isBelow(made, 20_000)
          return { _tag: "Json", json: Array.from({ length: 200 }, () => row(`r${made++}`, 0)) }
        })
    }, { limits })
  }
  const filter = { operation: "edges", path: "/t", body: {} }
  const limited: ReadonlyArray<readonly [Pages.Limits, string]> = [
    [{ rows: 1_000 }, "more than 1000 rows"],
    [{ bytes: 65_536 }, "more than 0.0625 MiB of rows"],
    [{ listed: 1_000 }, "/t lists more than 1000 rows"]
  ]
  for (const [limits, detail] of limited) {
    it.effect(`is ended by the limit of ${Object.keys(limits).join()} when all are kept`, () =>
      Effect.gen(function*() {
        const { operation, reason } = yield* Effect.flip(endless(limits).all(filter))
        assert.strictEqual(operation, "edges")
        assert.strictEqual(reason._tag, "MalformedResponse")
        assert.include(reason.message, detail)
      }))
  }

  for (const name of ["byOffset", "byTime"] as const) {
    it.effect(`is ended by the limit of a listing ${name}`, () =>
      Effect.gen(function*() {
        const pages = endless({ listed: 1_000 })
        const next = (request: PageRequest) =>
          name === "byOffset"
            ? pages.byOffset(filter, request, make)
            : pages.byTime({ time: "time", isDescending: true, from: () => filter }, request, make)
        let found = 0
        const walk = Effect.gen(function*() {
          let cursor: PageRequest["cursor"]
          do {
            const page = yield* next({ cursor, limit: 200 })
            found += page.items.length
            cursor = page.next
          } while (cursor !== undefined)
        })
        const { reason } = yield* Effect.flip(walk)
        assert.strictEqual(reason._tag, "MalformedResponse")
        assert.include(reason.message, "/t lists more than 1000 rows")
        assert.isAtMost(found, 1_000)
        assert.isAtLeast(found, 600)
      }))
  }
})

describe("a server whose pages do not go forward", () => {
  const answering = (answer: (call: number) => ReadonlyArray<Row>) => {
    let calls = 0
    return Pages.make({
      name: () => "a test",
      post: () => Effect.sync(() => ({ _tag: "Json", json: answer(calls++) }))
    })
  }
  const page = (start: number) => Array.from({ length: 5 }, (_, index) => row(`r${start + index}`, start + index))

  /** What the pages of one order in time fail with, and the rows found until then. */
  const failureOf = (pages: ReturnType<typeof answering>, isDescending: boolean) => {
    const options = { time: "time", isDescending, from: () => ({ operation: "t", path: "/t", body: {} }) }
    let found = 0
    const walk = Effect.gen(function*() {
      let cursor: PageRequest["cursor"]
      do {
        const { items, next } = yield* pages.byTime(options, { cursor, limit: 5 }, make)
        found += items.length
        assert.isBelow(found, 100)
        cursor = next
      } while (cursor !== undefined)
    })
    return Effect.map(Effect.flip(walk), (error) => ({ error, found }))
  }

  for (const isDescending of [false, true]) {
    it.effect(`two pages in turn, ${isDescending ? "newest" : "oldest"} first`, () =>
      Effect.gen(function*() {
        const pages = answering((call) => {
          const rows = page(call % 2 === 0 ? 0 : 100)
          return isDescending ? rows.toReversed() : rows
        })
        const { error } = yield* failureOf(pages, isDescending)
        assert.strictEqual(error.reason._tag, "MalformedResponse")
        assert.include(error.message, "did not advance")
      }))
  }

  const same: ReadonlyArray<readonly [string, string, string]> = [
    ["one time in two notations", "2020-01-01T00:00:00Z", "2020-01-01T00:00:00.000000+00:00"],
    ["two times that are none", "a", "b"]
  ]
  for (const [what, ...times] of same) {
    it.effect(`the same rows with ${what}`, () =>
      Effect.gen(function*() {
        const pages = answering((call) => page(0).map((row) => ({ ...row, time: times[call % 2]! })))
        const { error, found } = yield* failureOf(pages, true)
        assert.include(error.message, "gives the same rows again")
        assert.strictEqual(found, 5)
      }))
  }

  it.effect("rows that are all nested too deep, again and again", () =>
    Effect.gen(function*() {
      const deep = JSON.parse(`{"id":"deep","time":"2020","x":${"[".repeat(2_000)}${"]".repeat(2_000)}}`) as Row
      const filter = { operation: "t", path: "/t", body: {} }
      const error = yield* Effect.flip(
        answering((call) => {
          assert.isBelow(call, 10)
          return Array.from({ length: 200 }, () => deep)
        }).all(filter)
      )
      assert.include(error.message, "gives the same rows again")
    }))
})

describe("a row that is nested deeper than anybody can show", () => {
  it.effect("is left out, and the others come", () =>
    Effect.gen(function*() {
      const deep = JSON.parse(`{"id":"deep","time":"2020","x":${"[".repeat(100_000)}${"]".repeat(100_000)}}`) as Row
      const pages = Pages.make({
        name: () => "a test",
        post: () => Effect.succeed({ _tag: "Json", json: [row("a", 1), deep, row("b", 2)] })
      })
      const { items } = yield* pages.byOffset({ operation: "t", path: "/t", body: {} }, {
        cursor: undefined,
        limit: 50
      }, make)
      assert.deepStrictEqual(ids(items), ["a", "b"])
    }))
})

describe("rows of a range of ids", () => {
  const Digits = Schema.Array(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 0xfff })))).pipe(
    Schema.check(Schema.isMaxLength(60))
  )
  const descending = (rows: Array<Row>) => rows.toSorted((left, right) => left.id < right.id ? 1 : -1)
  const filter = { operation: "t", path: "/t", body: {} }
  const idOf = (number: number) => number.toString(16).padStart(3, "0")

  it.effect.prop(
    "come in their order, however the server limits its pages, and though newer rows come meanwhile",
    [Digits, Digits, Limit, Limit],
    ([old, recent, limit, maxLimit]) =>
      Effect.gen(function*() {
        const rows = [...new Set(old)].map((number) => row(`a${idOf(number)}`, 0))
        const newcomers = [...new Set(recent)].slice(0, 20).map((number) => row(`b${idOf(number)}`, 0))
        const { pages } = table(rows, newcomers, maxLimit, descending)
        for (const digit of ["0", "7", "f"]) {
          const range = { first: `a${digit}00`, last: `a${digit}ff` }
          const found = yield* pages.byIdRange(filter, range, limit, make)
          const all = ids(rows.filter(({ id }) => id.startsWith(`a${digit}`)))
          assert.deepStrictEqual(found.map(({ id }) => id), all.slice(0, limit))
        }
      }),
    { arbitrary: runs(30, 150) }
  )

  it.effect("cost requests that grow with the logarithm of the table", () =>
    Effect.gen(function*() {
      const rows = Array.from({ length: 100_000 }, (_, at) => row(at.toString(16).padStart(5, "0"), 0)).toReversed()
      let requests = 0
      const pages = Pages.make({
        name: () => "a test",
        post: (_operation, _path, body) =>
          Effect.sync(() => {
            requests++
            const { limit, offset } = body as { limit: number; offset: number }
            return { _tag: "Json", json: rows.slice(offset, offset + limit) }
          })
      })
      const found = yield* pages.byIdRange(filter, { first: "0abc0", last: "0abcf" }, 6, make)
      assert.deepStrictEqual(found.map(({ id }) => id), ["0abc0", "0abc1", "0abc2", "0abc3", "0abc4", "0abc5"])
      assert.isBelow(requests, 40)
    }))
})
