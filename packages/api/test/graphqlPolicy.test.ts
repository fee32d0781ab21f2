import * as GraphQLApi from "@effect-prefect/api/GraphQLApi"
import * as PrefectApi from "@effect-prefect/api/PrefectApi"
import { RateLimited, type Reason } from "@effect-prefect/api/PrefectApiError"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { TestClock } from "effect/testing"
import { gzipSync } from "node:zlib"
import * as Faults from "./support/faultServer.ts"

const id = "0000000c-0000-4000-8000-000000000001"
const row = {
  id,
  name: null,
  task_id: "00000007-0000-4000-8000-000000000001",
  task: null,
  map_index: 3,
  serialized_state: null,
  flow_run_id: "0000000a-0000-4000-8000-000000000001"
}
const answer = Faults.json({ data: { task_run: [row] } })

/** A client that answers in turn, the last answer for ever, and the requests that it got with their times. */
const scripted = (...answers: ReadonlyArray<() => Response>) => {
  const requests: Array<{ readonly request: HttpClientRequest.HttpClientRequest; readonly time: number }> = []
  const layer = Layer.succeed(
    HttpClient.HttpClient,
    HttpClient.make((request) =>
      Effect.clockWith((clock) =>
        Effect.sync(() => {
          const at = Math.min(requests.push({ request, time: clock.currentTimeMillisUnsafe() }), answers.length) - 1
          return HttpClientResponse.fromWeb(request, answers[at]!())
        })
      )
    )
  )
  return { requests, layer }
}

const found = () => Response.json({ data: { task_run: [row] } })
const refused = (status: number, headers: Record<string, string>) => () => new Response("{}", { status, headers })

const ask = Effect.flatMap(PrefectApi.PrefectApi, (api) => api.taskRun(id))

describe("GraphQLApi over a client of the user's own", () => {
  const times = (...answers: ReadonlyArray<() => Response>) => timesWith({}, ...answers)
  const timesWith = (options: Partial<GraphQLApi.Options>, ...answers: ReadonlyArray<() => Response>) =>
    Effect.gen(function*() {
      const client = scripted(...answers)
      const api = GraphQLApi.layer({ url: "https://prefect.example/graphql", ...options }).pipe(
        Layer.provide(client.layer)
      )
      const fiber = yield* Effect.forkChild(Effect.exit(Effect.provide(ask, api)))
      for (let minutes = 0; minutes < 20; minutes++) yield* TestClock.adjust("1 minute")
      const exit = yield* Fiber.join(fiber)
      const start = client.requests[0]!.time
      return { exit, waits: client.requests.map(({ time }) => time - start) }
    })

  it.effect("waits as many seconds as Retry-After asks for", () =>
    Effect.gen(function*() {
      const { exit, waits } = yield* times(refused(429, { "retry-after": "7" }), found)
      assert.isTrue(exit._tag === "Success")
      assert.deepStrictEqual(waits, [0, 7000])
    }))

  it.effect("waits until the date that Retry-After gives", () =>
    Effect.gen(function*() {
      const { waits } = yield* times(refused(503, { "retry-after": "Thu, 01 Jan 1970 00:00:30 GMT" }), found)
      assert.deepStrictEqual(waits, [0, 30_000])
    }))

  it.effect("does not wait longer than a minute, whatever Retry-After asks for", () =>
    Effect.gen(function*() {
      for (const asked of ["86400", "Fri, 31 Dec 2100 23:59:59 GMT", "999999999"]) {
        const { waits } = yield* times(refused(429, { "retry-after": asked }), found)
        assert.deepStrictEqual(waits, [0, 60_000])
      }
    }))

  it.effect("sends again as the caller's schedule says, which sees the reasons", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const retrySchedule = Schedule.spaced("3 seconds").pipe(
        Schedule.upTo({ times: 2 }),
        Schedule.setInputType<Reason>(),
        Schedule.tap(({ input }) => Effect.sync(() => seen.push(input._tag)))
      )
      const { exit, waits } = yield* timesWith({ retrySchedule }, refused(500, {}))
      assert.isTrue(exit._tag === "Failure")
      assert.deepStrictEqual(waits, [0, 3000, 6000])
      assert.deepStrictEqual(seen, ["Unavailable", "Unavailable"])
    }))

  it.effect("waits as long as the backend asks, whatever the schedule says", () =>
    Effect.gen(function*() {
      const retrySchedule = Schedule.spaced("3 seconds")
      const { waits } = yield* timesWith({ retrySchedule }, refused(503, { "retry-after": "9" }), found)
      assert.deepStrictEqual(waits, [0, 9000])
    }))

  it.effect("asks no schedule about what will not pass", () =>
    Effect.gen(function*() {
      const { waits } = yield* timesWith({ retrySchedule: Schedule.spaced("3 seconds") }, refused(401, {}))
      assert.deepStrictEqual(waits, [0])
    }))

  it.effect("backs off longer each time, never in step, and then gives up", () =>
    Effect.gen(function*() {
      const { exit, waits } = yield* times(refused(500, {}))
      assert.strictEqual(waits.length, 6)
      const gaps = waits.slice(1).map((time, index) => time - waits[index]!)
      for (const [index, gap] of gaps.entries()) {
        assert.isAtLeast(gap, 100 * 2 ** index - 1)
        assert.isAtMost(gap, 200 * 2 ** index + 1)
      }
      assert.isTrue(exit._tag === "Failure")
    }))

  it.effect("says how long the backend asked to be left alone", () =>
    Effect.gen(function*() {
      const client = scripted(refused(429, { "retry-after": "90" }))
      const api = GraphQLApi.layer({ url: "https://prefect.example", retries: 0 }).pipe(Layer.provide(client.layer))
      const { reason } = yield* Effect.flip(Effect.provide(ask, Layer.orDie(api)))
      assert.instanceOf(reason, RateLimited)
      assert.deepStrictEqual(reason.retryAfter, Duration.seconds(90))
    }))

  it.effect("takes no answer from another origin, when the client followed a redirect by itself", () =>
    Effect.gen(function*() {
      const client = scripted(() =>
        Object.defineProperty(found(), "url", { value: "https://elsewhere.example/graphql?token=abc" })
      )
      const api = GraphQLApi.layer({ url: "https://prefect.example" }).pipe(Layer.provide(client.layer))
      const { message, reason } = yield* Effect.flip(Effect.provide(ask, Layer.orDie(api)))
      assert.strictEqual(reason._tag, "MalformedResponse")
      assert.include(message, "https://elsewhere.example,")
      assert.notInclude(message, "token")
    }))

  it.effect("knows a page to log in at, wherever it is", () =>
    Effect.gen(function*() {
      for (const location of ["https://sso.example/saml2/idp?token=abc", "/login?next=/graphql&token=abc"]) {
        const client = scripted(refused(302, { location }), () => new Response("<!doctype html><p>Log in"))
        const api = GraphQLApi.layer({ url: "https://prefect.example" }).pipe(Layer.provide(client.layer))
        const { message, reason } = yield* Effect.flip(Effect.provide(ask, Layer.orDie(api)))
        assert.strictEqual(reason._tag, "MalformedResponse")
        assert.include(message, "log in")
        assert.include(message, "4200/graphql")
        assert.notInclude(message, "token")
        assert.lengthOf(client.requests, 1)
      }
    }))

  it.effect("repeats the backend's own words for what failed", () =>
    Effect.gen(function*() {
      const failed = (status: number, code: string, message: string) => () =>
        Response.json({ errors: [{ message, extensions: { code } }], data: null }, { status })
      const messageOf = (...answers: ReadonlyArray<() => Response>) => {
        const client = scripted(...answers)
        const api = GraphQLApi.layer({ url: "https://prefect.example", retries: 0 }).pipe(Layer.provide(client.layer))
        return Effect.map(Effect.flip(Effect.provide(ask, Layer.orDie(api))), ({ message }) => message)
      }
      assert.include(yield* messageOf(failed(200, "API_ERROR", "Operation timed out")), ": Operation timed out")
      assert.include(yield* messageOf(failed(500, "X", "Operation timed out")), "HTTP status 500: Operation timed out")
      assert.include(
        yield* messageOf(failed(200, "postgres-error", "canceling statement due to statement timeout")),
        "canceling statement due to statement timeout"
      )
      const text = () =>
        new Response("upstream request timeout", { status: 504, headers: { "content-type": "text/plain" } })
      assert.include(yield* messageOf(text), "HTTP status 504: upstream request timeout")
      const quoted = yield* messageOf(
        failed(200, "data-exception", "invalid input syntax for type uuid: \"customer 7\" at 4f2c9a1e77b0")
      )
      assert.include(quoted, "invalid input syntax for type uuid")
      assert.notMatch(quoted, /customer|4f2c/)
    }))

  it.effect("names the API in place of Prefect's web pages", () =>
    Effect.gen(function*() {
      for (
        const [url, api] of [
          ["https://cloud.prefect.io/acme/flow-run/x", "https://api.prefect.io/graphql"],
          ["https://app.prefect.cloud/account/a/workspace/b", "Prefect3Api"]
        ] as const
      ) {
        const { message } = yield* Effect.flip(GraphQLApi.make({ url }))
        assert.include(message, api)
      }
    }))

  it.effect("sends Prefect's headers, and the variables as an object", () =>
    Effect.gen(function*() {
      const client = scripted(found)
      const api = GraphQLApi.layer({
        url: "https://prefect.example/graphql",
        apiKey: Redacted.make("the-key"),
        tenantId: "F0A90902-15A1-5FA8-914B-4624B268AA51",
        headers: { "x-proxy": Redacted.make("knock") }
      }).pipe(Layer.provide(client.layer))
      const view = yield* Effect.provide(ask, api)
      assert.strictEqual(view.mapIndex, 3)
      const { request } = client.requests[0]!
      assert.strictEqual(request.url, "https://prefect.example/graphql")
      assert.strictEqual(request.method, "POST")
      assert.strictEqual(request.headers["authorization"], "Bearer the-key")
      assert.strictEqual(request.headers["x-prefect-tenant-id"], "f0a90902-15a1-5fa8-914b-4624b268aa51")
      assert.strictEqual(request.headers["x-prefect-core-version"], "1.4.1")
      assert.strictEqual(request.headers["x-proxy"], "knock")
    }))
})

describe("GraphQLApi over fetch", () => {
  const open = (server: Faults.FaultServer, options: Partial<GraphQLApi.Options> = {}) =>
    GraphQLApi.make({ url: server.url, apiKey: Redacted.make("the-key"), retries: 0, ...options })

  it.live("follows redirects within the origin, with the query and the key", () =>
    Effect.gen(function*() {
      const server = yield* Faults.make()
      for (const status of [301, 302, 307, 308]) {
        server.received.length = 0
        server.plan = (index) => index === 0 ? Faults.status(status, { location: "../graphql?v=1#top" }) : answer
        const api = yield* open(server)
        assert.strictEqual((yield* api.taskRun(id)).taskRunId, id)
        const [first, second] = server.received
        assert.strictEqual(second?.path, "/graphql?v=1")
        assert.strictEqual(second?.method, "POST")
        assert.strictEqual(second?.headers["authorization"], "Bearer the-key")
        assert.strictEqual(second?.body, first?.body)
      }
    }))

  it.live("asks nothing of another origin, and names it", () =>
    Effect.gen(function*() {
      const server = yield* Faults.make()
      const other = yield* Faults.make()
      other.plan = () => answer
      const { port } = new URL(other.url)
      for (
        const target of [other.url, `http://localhost:${port}`, `//127.0.0.1:${port}`, `http://u:p@127.0.0.1:${port}`]
      ) {
        for (const status of [301, 302, 303, 307, 308]) {
          server.plan = () => Faults.status(status, { location: `${target}/graphql?token=abc` })
          const error = yield* Effect.flip(Effect.flatMap(open(server), (api) => api.taskRun(id)))
          assert.include(error.message, new URL(target, server.url).origin)
          assert.notInclude(error.message, "token")
        }
      }
      assert.strictEqual(other.received.length, 0)
    }))

  it.live("sends a user and a password of the URL as basic authentication, and shows neither", () =>
    Effect.gen(function*() {
      const server = yield* Faults.make()
      server.plan = (index) => index === 0 ? answer : Faults.status(500)
      const url = server.url.replace("://", "://m%C3%A9:p%40ss@")
      const api = yield* GraphQLApi.make({ url, retries: 0 })
      yield* api.taskRun(id)
      assert.strictEqual(
        server.received[0]?.headers["authorization"],
        `Basic ${Buffer.from("mé:p@ss").toString("base64")}`
      )
      const error = yield* Effect.flip(api.taskRun(id))
      assert.notInclude(error.message, "ss")
    }))

  it.live("says that nobody listens", () =>
    Effect.gen(function*() {
      const url = yield* Effect.scoped(Effect.map(Faults.make(), (server) => server.url))
      const api = yield* GraphQLApi.make({ url, retries: 1, retryDelay: "1 millis" })
      const error = yield* Effect.flip(api.taskRun(id))
      assert.strictEqual(
        error.message,
        `the backend is not available: ${url}: the connection was refused (ECONNREFUSED)`
      )
    }))

  it.live("reads no more of a compressed answer than its limit", () =>
    Effect.gen(function*() {
      const server = yield* Faults.make()
      const bomb = gzipSync(Buffer.alloc(8 * 1024 * 1024, " "))
      server.plan = () => ({ response }) => {
        response.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" })
        response.end(bomb)
      }
      const api = yield* open(server, { maxResponseBytes: 1024 * 1024 })
      const error = yield* Effect.flip(api.taskRun(id))
      assert.include(error.message, "longer than 1048576 bytes")
    }))

  it.live("has no more requests under way than it may", () =>
    Effect.gen(function*() {
      const server = yield* Faults.make()
      let open = 0
      let most = 0
      server.plan = () => async (exchange) => {
        most = Math.max(most, ++open)
        await new Promise((resolve) => setTimeout(resolve, 20))
        open--
        return answer(exchange)
      }
      const api = yield* GraphQLApi.make({ url: server.url, maxConcurrentRequests: 3, lookupBatchSize: 1 })
      const ids = Array.from({ length: 12 }, (_, index) => id.replace(/1$/, index.toString(16)))
      yield* Effect.forEach(ids, (one) => Effect.exit(api.taskRun(one)), { concurrency: "unbounded" })
      assert.strictEqual(server.received.length, 12)
      assert.strictEqual(most, 3)
    }))
})

describe("GraphQLApi options", () => {
  const problems: ReadonlyArray<readonly [Partial<GraphQLApi.Options>, string]> = [
    [{ url: "localhost:4200" }, "url"],
    [{ url: "file:///etc/passwd" }, "url"],
    [{ url: "" }, "url"],
    [{ apiKey: Redacted.make("two\nlines") }, "apiKey"],
    [{ tenantId: "acme" }, "tenantId"],
    [{ headers: { "bad name": "x" } }, "headers"],
    [{ lookupBatchSize: 0 }, "lookupBatchSize"],
    [{ maxResponseBytes: -1 }, "maxResponseBytes"],
    [{ maxConcurrentRequests: 1.5 }, "maxConcurrentRequests"],
    [{ retries: Number.NaN }, "retries"],
    [{ retries: -1 }, "retries"],
    [{ requestTimeout: "soon" as "1 second" }, "requestTimeout"],
    [{ retryDelay: "later" as "1 second" }, "retryDelay"]
  ]
  for (const [options, source] of problems) {
    it.effect(`refuses ${JSON.stringify(options)}`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(GraphQLApi.make({ url: "http://localhost:4200", ...options }))
        assert.strictEqual(error._tag, "PrefectConfigError")
        assert.strictEqual(error.source, source)
        assert.notInclude(error.message, "lines")
      }))
  }
})
