import * as GraphQLApi from "@effect-prefect/api/GraphQLApi"
import * as PrefectApi from "@effect-prefect/api/PrefectApi"
import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import * as Server from "@effect-prefect/server/Server"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { runs } from "../../core/test/seeds.ts"
import { serve } from "./support/embedded.ts"
import * as Faults from "./support/faultServer.ts"
import * as Mapped from "./support/mappedTables.ts"

type Api = PrefectApi.PrefectApi["Service"]

const options = { retries: 3, retryDelay: "1 millis", requestTimeout: "2 minutes" } as const

const open = ({ headers, url }: Faults.Client, more: Partial<GraphQLApi.Options> = {}) =>
  Effect.orDie(GraphQLApi.make({ url, headers, ...options, ...more }))

/** Makes the clients of this file, which share a server between them and the embedded one. */
class Clients extends Context.Service<Clients, (plan: Faults.FaultServer["plan"]) => Faults.Client>()("Clients") {}
const clients = Layer.effect(Clients, Effect.flatMap(Server.Server, ({ url }) => Faults.makeShared(url)))

const repeated = (rows: Array<Record<string, unknown>>) => [...rows, ...rows.slice(-1)]

/** On a busy machine a right answer may come too late as well. */
const impatient = { requestTimeout: "200 millis", retries: 100 } as const

interface Case {
  readonly fault: Faults.Fault
  /** What comes of a fault that passes; undefined: the right answer. */
  readonly once?: PrefectApiError["reason"]["_tag"]
  /** What comes of it at the first request, when that is something else. */
  readonly first?: PrefectApiError["reason"]["_tag"]
  /** What comes of a fault that stays. */
  readonly always: PrefectApiError["reason"]["_tag"]
  readonly options?: Partial<GraphQLApi.Options>
}

const passing: Record<string, Case> = {
  "a cut connection": { fault: Faults.cut, always: "Unavailable" },
  "a connection cut in the body": { fault: Faults.cutInBody, always: "Unavailable" },
  "no answer in time": { fault: Faults.silence, always: "Unavailable", options: impatient },
  "an answer that does not end in time": {
    fault: Faults.stall,
    always: "Unavailable",
    options: impatient
  },
  "status 408": { fault: Faults.status(408), always: "Unavailable" },
  "status 429": { fault: Faults.status(429), always: "RateLimited" },
  "status 429 with seconds": { fault: Faults.status(429, { "retry-after": "0" }), always: "RateLimited" },
  "status 429 with a date": {
    fault: Faults.status(429, { "retry-after": "Tue, 01 Mar 2022 12:00:00 GMT" }),
    always: "RateLimited"
  },
  "status 429 with a web page": { fault: Faults.page(429), always: "RateLimited" },
  "status 500": { fault: Faults.status(500), always: "Unavailable" },
  "status 502 with a web page": { fault: Faults.page(502), always: "Unavailable" },
  "status 503": { fault: Faults.status(503, { "retry-after": "nonsense" }), always: "Unavailable" },
  "status 504 without a body": { fault: Faults.status(504, {}, ""), always: "Unavailable" },
  "truncated JSON": { fault: Faults.truncated, always: "MalformedResponse" },
  "an empty body": { fault: Faults.status(200, {}, ""), always: "MalformedResponse" },
  "status 204": { fault: Faults.status(204, {}, ""), always: "MalformedResponse" },
  "API_ERROR": { fault: Faults.errors("API_ERROR", "try again"), always: "Unavailable" },
  "API_ERROR with status 400": { fault: Faults.errors("API_ERROR", "try again", null, 400), always: "Unavailable" },
  "API_ERROR beside partial data": {
    fault: Faults.errors("API_ERROR", "try again", { task_run: [], log: [] }),
    always: "Unavailable"
  }
}

const followed: Record<string, Case> = {
  "a redirect within the origin": { fault: Faults.status(308, { location: "/graphql" }), always: "MalformedResponse" }
}

/** Pages are asked for again with fewer rows; one row cannot be. */
const oversized: Record<string, Case> = {
  "an endless answer": {
    fault: Faults.endless,
    always: "MalformedResponse",
    options: { maxResponseBytes: 100_000 }
  },
  "an answer that says it is too long": {
    fault: Faults.status(200, { "content-length": "200000" }, " ".repeat(200_000)),
    always: "MalformedResponse",
    options: { maxResponseBytes: 100_000 }
  }
}

const staying = (
  fault: Faults.Fault,
  reason: PrefectApiError["reason"]["_tag"] = "MalformedResponse",
  options: Partial<GraphQLApi.Options> = {}
): Case => ({ fault, once: reason, always: reason, options })

/** At the first request the URL may be wrong; once it is known to be right, they pass. */
const unreadable: Record<string, Case> = Object.fromEntries(
  Object.entries({
    "a web page with status 200": Faults.page(200),
    "a web page that says it is JSON": Faults.status(200, {}, "<html><body>Log in</body></html>")
  }).map(([name, fault]) => [name, { fault, first: "MalformedResponse", always: "MalformedResponse" }])
)

const lasting: Record<string, Case> = {
  "a web page with status 404": staying(Faults.page(404)),
  "an array": staying(Faults.json([])),
  "no data": staying(Faults.json({})),
  "null data": staying(Faults.json({ data: null })),
  "data that is a list": staying(Faults.json({ data: [] })),
  "no list of rows": staying(Faults.json({ data: { task_run: {}, log: "no" } })),
  "rows that are not objects": staying(Faults.json({ data: { task_run: [null], log: [7] } })),
  "errors beside partial data": staying(Faults.errors(undefined, "something broke", { task_run: [], log: [] })),
  "errors of a server that failed inside": staying(
    Faults.errors("INTERNAL_SERVER_ERROR", "something broke", { task_run: [], log: [] })
  ),
  "errors that are no list": staying(Faults.json({ data: { task_run: [], log: [] }, errors: "no" })),
  "a query that was not understood": staying(
    Faults.errors("GRAPHQL_VALIDATION_FAILED", "Cannot query field \"task_id\" on type \"task_run\"", null, 400)
  ),
  "a query for a field with a long name": staying(
    Faults.errors("GRAPHQL_VALIDATION_FAILED", `Cannot query field "${"a".repeat(5_000_000)}"`, null, 400)
  ),
  "UNAUTHENTICATED": staying(Faults.errors("UNAUTHENTICATED", "no"), "Unauthorized"),
  "UNAUTHENTICATED with status 400": staying(Faults.errors("UNAUTHENTICATED", "no", null, 400), "Unauthorized"),
  "UNAUTHENTICATED with status 500": staying(Faults.errors("UNAUTHENTICATED", "no", null, 500), "Unauthorized"),
  "a malformed Authorization header": staying(
    Faults.errors("INTERNAL_SERVER_ERROR", "Malformed Authorization header", null, 400),
    "Unauthorized"
  ),
  "status 401": staying(Faults.status(401), "Unauthorized"),
  "status 403 with a web page": staying(Faults.page(403), "Unauthorized"),
  "status 418": staying(Faults.status(418)),
  "a row twice": staying(Faults.edited((body) => {
    for (const [table, rows] of Object.entries(body.data)) body.data[table] = repeated(rows)
    return body
  })),
  "a redirect to another origin": staying(Faults.status(307, { location: "https://elsewhere.example/?token=x" })),
  "a redirect to a page": staying(Faults.status(303, { location: "/login" })),
  "a redirect to nothing": staying(Faults.status(307, { location: "http://" }))
}

const children = 20

interface Walk {
  readonly run: (api: Api) => Effect.Effect<ReadonlyArray<string>, PrefectApiError>
  readonly expected: ReadonlyArray<string>
}

const walks: Record<string, Walk> = {
  "the children of a mapped task": {
    run: (api) =>
      Stream.runCollect(api.mappedChildren(Mapped, { pageSize: 4, after: children - 9 })).pipe(
        Effect.map((views) => views.map(({ taskRunId }) => taskRunId))
      ),
    expected: Array.from({ length: 8 }, (_, index) => Mapped.childId(children - 8 + index))
  },
  "log lines": {
    run: (api) =>
      Stream.runCollect(api.logs({ flowRunId: Mapped.flowRunId }, { pageSize: 9 })).pipe(
        Effect.map((entries) => entries.map(({ id }) => id))
      ),
    expected: Array.from({ length: Mapped.lines }, (_, index) => index)
      .toSorted((left, right) => left % 7 - right % 7 || left - right).map(Mapped.lineId)
  },
  "lookups by id and by slug": {
    run: (api) =>
      Effect.gen(function*() {
        const first = yield* api.taskRun(Mapped.childId(7))
        const second = yield* api.taskRunBySlug({ ...Mapped, mapIndex: 8 })
        return [first.taskRunId, second.taskRunId]
      }),
    expected: [Mapped.childId(7), Mapped.childId(8)]
  }
}

describe("GraphQLApi, when something is wrong with an answer", () => {
  it.layer(Layer.provide(clients, serve(Mapped.tablesOf(children))), { excludeTestServices: true })((it) => {
    const counted = new Map<Walk, number>()
    /** How many requests a walk makes when nothing is wrong. */
    const count = Effect.fnUntraced(function*(walk: Walk) {
      const known = counted.get(walk)
      if (known !== undefined) return known
      const client = (yield* Clients)(() => undefined)
      assert.deepStrictEqual(yield* Effect.flatMap(open(client), walk.run), [...walk.expected])
      counted.set(walk, client.received.length)
      return client.received.length
    })
    for (
      const [name, { always, fault, first, once, options }] of Object.entries({
        ...passing,
        ...followed,
        ...oversized,
        ...unreadable,
        ...lasting
      })
    ) {
      for (const [walkName, walk] of Object.entries(walks)) {
        it.effect(
          `${walkName}: ${name}, at each request, ${once === undefined ? "is asked again" : `is ${once}`}`,
          () =>
            Effect.gen(function*() {
              const client = yield* Clients
              const requests = yield* count(walk)
              const isLookup = walkName.startsWith("lookups")
              // Lookups with too many rows have a reason of their own, and one row cannot be asked for in halves.
              const reasonOf = (reason: string | undefined) => {
                if (isLookup && name === "a row twice") return "AmbiguousTaskRun"
                return isLookup && name in oversized ? "MalformedResponse" : reason
              }
              const passes = Effect.fnUntraced(function*(at: number) {
                const faulty = client((index) => index === at ? fault : undefined)
                const outcome = yield* Effect.result(Effect.flatMap(open(faulty, options), walk.run))
                const isEmptyPage = name.startsWith("a row") && at === requests - 1 && !isLookup
                if (Result.isSuccess(outcome)) {
                  assert.isTrue(
                    once === undefined && (at > 0 || first === undefined) || isEmptyPage,
                    "a fault was taken for an answer"
                  )
                  assert.deepStrictEqual(outcome.success, [...walk.expected])
                } else assert.strictEqual(outcome.failure.reason._tag, reasonOf(at === 0 ? first ?? once : once))
              })
              const stays = Effect.gen(function*() {
                const faulty = client(() => fault)
                const error = yield* Effect.flip(Effect.flatMap(open(faulty, { ...options, retries: 1 }), walk.run))
                assert.strictEqual(error.reason._tag, reasonOf(always))
                assert.strictEqual(error.isRetryable, always === "Unavailable" || always === "RateLimited")
              })
              // What waits for an answer that does not come waits beside the others, and so do such tests.
              yield* Effect.all([...Array.from({ length: requests }, (_, at) => passes(at)), stays], {
                concurrency: "unbounded"
              })
            }),
          { concurrent: options === impatient }
        )
      }
    }

    for (const [walkName, walk] of Object.entries(walks)) {
      it.effect(`${walkName}: a row without its id is left out of listings, and MalformedResponse elsewhere`, () =>
        Effect.gen(function*() {
          const client = yield* Clients
          const faulty = client(() =>
            Faults.edited((body) => {
              for (const rows of Object.values(body.data)) delete rows[0]?.["id"]
              return body
            })
          )
          const outcome = yield* Effect.result(Effect.flatMap(open(faulty), walk.run))
          if (Result.isFailure(outcome)) {
            assert.isTrue(walkName.startsWith("lookups"))
            assert.strictEqual(outcome.failure.reason._tag, "MalformedResponse")
          } else {
            assert.isBelow(outcome.success.length, walk.expected.length)
            assert.isAtLeast(outcome.success.length, walk.expected.length >> 1)
            const given = new Set(outcome.success)
            assert.deepStrictEqual(outcome.success, walk.expected.filter((id) => given.has(id)))
          }
        }).pipe(Effect.provide(Logger.layer([]))))
    }

    const quick = Object.entries(passing).filter(([, { options }]) => options === undefined)
    it.effect.prop(
      "nothing is lost or repeated, whatever passes in whatever order",
      [Schema.Array(Schema.NullOr(Schema.Literals(quick.map(([name]) => name)))).check(Schema.isMaxLength(12))],
      ([plan]) =>
        Effect.gen(function*() {
          const client = (yield* Clients)((index) => passing[plan[index] ?? ""]?.fault)
          const api = yield* open(client, { retries: plan.length })
          for (const walk of Object.values(walks)) assert.deepStrictEqual(yield* walk.run(api), [...walk.expected])
        }),
      { arbitrary: runs(5, 50) }
    )
  })
})
