import * as Prefect3Api from "@effect-prefect/api/Prefect3Api"
import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as Recorded from "./prefect3Server.ts"

const completed = Recorded.exchange("task_runs/get_Completed_data").response as Recorded.Row
const taskRunId = completed["id"] as string
const flowRunId = completed["flow_run_id"] as string

type Scripted = Response | "broken" | "refused"
interface Sent extends Recorded.Received {
  readonly at: number
  readonly url: string
}

const json = (body: unknown, status = 200, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json", ...headers } })

/** Answers by script; the recordings where it has nothing to say. Times are those of the test's clock. */
const scripted = (script: (request: Sent, count: number) => Scripted | undefined) => {
  const sent: Array<Sent> = []
  const client = HttpClient.make((request, url) =>
    Effect.gen(function*() {
      const body = request.body._tag === "Uint8Array"
        ? JSON.parse(new TextDecoder().decode(request.body.body)) as Recorded.Row
        : null
      const asked: Sent = {
        method: request.method,
        path: `${url.pathname}${url.search}`.replace(/^\/api/, ""),
        url: url.href,
        headers: { ...request.headers },
        body,
        at: yield* Clock.currentTimeMillis
      }
      sent.push(asked)
      const reply = script(asked, sent.filter(({ path }) => path === asked.path).length)
      if (reply === "broken" || reply === "refused") {
        const cause = Object.assign(new Error("secret"), { code: reply === "broken" ? "ECONNRESET" : "ECONNREFUSED" })
        return yield* new HttpClientError.HttpClientError({
          reason: new HttpClientError.TransportError({ request, cause })
        })
      }
      if (reply !== undefined) return HttpClientResponse.fromWeb(request, reply)
      const recorded = Recorded.answer(asked)
      return HttpClientResponse.fromWeb(request, json(recorded.body, recorded.status))
    })
  )
  return { sent, layer: Layer.succeed(HttpClient.HttpClient, client) }
}

/** Runs to the end while the test's clock runs. */
const inTime = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<Exit.Exit<A, E>> =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(Effect.exit(effect))
    for (let i = 0; i < 4000 && fiber.pollUnsafe() === undefined; i++) yield* TestClock.adjust("250 millis")
    return yield* Fiber.join(fiber)
  })

const ask = (
  script: Parameters<typeof scripted>[0],
  call: (api: PrefectApi["Service"]) => Effect.Effect<unknown, PrefectApiError> = (api) => api.taskRun(taskRunId),
  options: Partial<Prefect3Api.Options> = {}
) =>
  Effect.gen(function*() {
    const { layer, sent } = scripted(script)
    const exit = yield* inTime(
      Effect.flatMap(PrefectApi, call).pipe(
        Effect.provide(Layer.provide(Prefect3Api.layer({ url: "http://prefect.test/api", ...options }), layer))
      )
    )
    return {
      exit,
      sent,
      error: Exit.isFailure(exit) ? yield* Effect.flip(exit) as Effect.Effect<PrefectApiError> : undefined
    }
  })

const gaps = (sent: ReadonlyArray<Sent>, path: string) => {
  const times = sent.filter((request) => request.path === path).map(({ at }) => at)
  return times.slice(1).map((time, index) => time - times[index]!)
}

const path = `/task_runs/${taskRunId}`
const onTaskRun = (reply: (count: number) => Scripted | undefined) => (request: Sent, count: number) =>
  request.path === path ? reply(count) : undefined

describe("retries, as Prefect's client does them", () => {
  for (const status of [408, 429, 502, 503]) {
    it.effect(`${status} is asked again`, () =>
      Effect.gen(function*() {
        const { exit, sent } = yield* ask(onTaskRun((count) => count < 3 ? json({}, status) : undefined))
        assert.isTrue(Exit.isSuccess(exit))
        assert.lengthOf(gaps(sent, path), 2)
      }))
  }

  it.effect("500 is not", () =>
    Effect.gen(function*() {
      const { error, sent } = yield* ask(onTaskRun(() => json({ exception_message: "Internal Server Error" }, 500)))
      assert.strictEqual(error?.reason._tag, "Unavailable")
      assert.lengthOf(gaps(sent, path), 0)
    }))

  it.effect("six attempts, each wait longer than the one before", () =>
    Effect.gen(function*() {
      const { error, sent } = yield* ask(onTaskRun(() => json({}, 503)))
      assert.strictEqual(error?.reason._tag, "Unavailable")
      const waits = gaps(sent, path)
      assert.lengthOf(waits, 5)
      assert.deepStrictEqual(waits, waits.toSorted((left, right) => left - right))
      assert.isAtLeast(waits[0]!, 1000)
      assert.isAtMost(waits[4]!, 33_000)
    }))

  it.effect("Retry-After in seconds is the least wait, and not much less than the whole of it", () =>
    Effect.gen(function*() {
      const { sent } = yield* ask(
        onTaskRun((count) => count === 1 ? json({}, 429, { "retry-after": "7.5" }) : undefined)
      )
      const [wait] = gaps(sent, path)
      assert.isAtLeast(wait!, 7500)
      assert.isAtMost(wait!, 9250)
    }))

  it.effect("Retry-After as an HTTP date", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(Date.parse("2026-11-23T06:00:00Z"))
      const headers = { "retry-after": "Mon, 23 Nov 2026 06:00:20 GMT" }
      const { exit, sent } = yield* ask(onTaskRun((count) => count === 1 ? json({}, 429, headers) : undefined))
      assert.isTrue(Exit.isSuccess(exit))
      const [wait] = gaps(sent, path)
      assert.isAtLeast(wait!, 19_000)
      assert.isAtMost(wait!, 24_500)
    }))

  it.effect("429 to the end is RateLimited, and says how long to wait", () =>
    Effect.gen(function*() {
      const { error, sent } = yield* ask(onTaskRun(() => json({}, 429, { "retry-after": "2" })))
      assert(error?.reason._tag === "RateLimited")
      assert.isTrue(Duration.equals(error.reason.retryAfter!, Duration.seconds(2)))
      assert.isTrue(error.isRetryable)
      assert.lengthOf(gaps(sent, path), 5)
    }))

  it.effect("Prefect-Maintenance does not count", () =>
    Effect.gen(function*() {
      const headers = { "prefect-maintenance": "true", "retry-after": "0.5" }
      const { exit, sent } = yield* ask(onTaskRun((count) => count <= 8 ? json({}, 503, headers) : undefined))
      assert.isTrue(Exit.isSuccess(exit))
      assert.lengthOf(gaps(sent, path), 8)
    }))

  it.effect("a maintenance without end is an error", () =>
    Effect.gen(function*() {
      const headers = { "prefect-maintenance": "true", "retry-after": "30" }
      const { error } = yield* ask(onTaskRun(() => json({}, 503, headers)))
      assert.strictEqual(error?.reason._tag, "Unavailable")
      assert.include(error?.message, "maintenance")
    }))

  it.effect("a connection that breaks is tried again, its error never shown", () =>
    Effect.gen(function*() {
      const { exit } = yield* ask(onTaskRun((count) => count === 1 ? "broken" : undefined))
      assert.isTrue(Exit.isSuccess(exit))
      const { error } = yield* ask(onTaskRun(() => "broken"), undefined, { retries: 1 })
      assert.strictEqual(error?.reason._tag, "Unavailable")
      assert.notInclude(JSON.stringify(error), "secret")
    }))

  it.effect("a server that never was there fails at once, one that went away is waited for", () =>
    Effect.gen(function*() {
      const never = yield* ask(() => "refused")
      assert.strictEqual(never.error?.reason._tag, "Unavailable")
      assert.lengthOf(never.sent, 1)
      const { exit } = yield* ask(onTaskRun((count) => count === 1 ? "refused" : undefined))
      assert.isTrue(Exit.isSuccess(exit))
    }))

  it.effect("a body that does not end is given up", () =>
    Effect.gen(function*() {
      const stuck = () =>
        new Response(new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(3)) }))
      const { error } = yield* ask(onTaskRun(stuck), undefined, { retries: 1, requestTimeout: "3 seconds" })
      assert.strictEqual(error?.reason._tag, "Unavailable")
    }))
})

describe("answers that are not Prefect's", () => {
  const broken: ReadonlyArray<readonly [string, () => Response]> = [
    ["HTML", () => new Response("<!doctype html><title>x</title>", { headers: { "content-type": "text/html" } })],
    ["cut off JSON", () => new Response(JSON.stringify(completed).slice(0, 300))],
    ["nothing", () => new Response("")],
    ["a task run without an id", () => json({ ...completed, id: null })],
    ["another task run", () => json({ ...completed, id: flowRunId })],
    ["a list", () => json([completed])],
    ["a bad task key", () => json({ ...completed, task_key: 3 })]
  ]
  for (const [what, reply] of broken) {
    it.effect(`${what} is MalformedResponse`, () =>
      Effect.gen(function*() {
        const { error } = yield* ask(onTaskRun(reply))
        assert.strictEqual(error?.reason._tag, "MalformedResponse")
        assert.notInclude(error?.message, completed["name"] as string)
      }))
  }

  it.effect("a page that is no list", () =>
    Effect.gen(function*() {
      const { error } = yield* ask(
        ({ path }) => path === "/task_runs/filter" ? json({ results: [] }) : undefined,
        (api) => api.firstTaskRunOfEachTask(flowRunId)
      )
      assert.strictEqual(error?.reason._tag, "MalformedResponse")
    }))

  const listings: Record<string, (api: PrefectApi["Service"]) => Effect.Effect<unknown, PrefectApiError>> = {
    "task runs": (api) => Stream.runCollect(api.taskRuns({ flowRunId })),
    "flow runs": (api) => Stream.runCollect(api.flowRuns({})),
    "logs": (api) => Stream.runCollect(api.logs({ flowRunId })),
    "ids with a prefix": (api) => api.taskRunsByIdPrefix({ prefix: "00000000", limit: 5 }),
    "edges": (api) => api.edges(flowRunId)
  }
  for (const [what, call] of Object.entries(listings)) {
    it.effect(`a row that is no object, among ${what}`, () =>
      Effect.gen(function*() {
        for (const row of [null, "x", 1, []]) {
          const { error } = yield* ask(({ path }) => path.endsWith("/filter") ? json([row]) : undefined, call)
          assert.strictEqual(error?.reason._tag, "MalformedResponse")
        }
      }))
  }

  it.effect("a body over the limit", () =>
    Effect.gen(function*() {
      const { error } = yield* ask(() => undefined, undefined, { maxResponseBytes: 500 })
      assert.strictEqual(error?.reason._tag, "MalformedResponse")
      assert.include(error?.message, "500 bytes")
    }))

  it.effect("one odd state does not break a listing", () =>
    Effect.gen(function*() {
      const odd = [null, { type: "EXPLODED" }, "x", {
        ...(completed["state"] as Recorded.Row),
        data: { type: "weird" }
      }]
      const { exit } = yield* ask(
        ({ path }) =>
          path === "/task_runs/filter"
            ? json(odd.map((state, index) => ({ ...completed, id: `${index}`, state })))
            : undefined,
        (api) => Effect.map(api.firstTaskRunOfEachTask(flowRunId), (views) => views.map((view) => view.state._tag))
      )
      assert.deepStrictEqual(yield* exit, ["Scheduled", "UnknownState", "UnknownState", "Success"])
    }))

  it.effect("422 is what the server says, without what it quotes", () =>
    Effect.gen(function*() {
      const { request, response, status } = Recorded.exchange("task_runs/sort_ID_ASC")
      const { error } = yield* ask(
        ({ path }) => path === request.path ? json(response, status) : undefined,
        (api) => api.firstTaskRunOfEachTask(flowRunId)
      )
      assert.strictEqual(error?.reason._tag, "MalformedResponse")
      assert.notInclude(error?.message, flowRunId)
    }))
})

describe("credentials", () => {
  it.effect("Basic for an auth string, Bearer for a key, the auth string first", () =>
    Effect.gen(function*() {
      const recorded = Recorded.exchange("auth/basic_ok").request.headers["Authorization"]
      const authString = Redacted.make("admin:study-pass")
      const apiKey = Redacted.make("pnu_x")
      for (
        const [options, header] of [
          [{ authString }, recorded],
          [{ apiKey }, "Bearer pnu_x"],
          [{ apiKey, authString }, recorded],
          [{ url: "http://admin:study-pass@prefect.test/api" }, recorded],
          [{}, undefined]
        ] as const
      ) {
        const { sent } = yield* ask(() => undefined, undefined, options)
        assert.isAbove(sent.length, 1)
        assert.isTrue(sent.every(({ headers }) => headers["authorization"] === header))
        assert.isTrue(sent.every(({ url }) => !url.includes("study-pass")))
      }
    }))

  for (const name of ["admin_version_noauth", "bad_basic", "bearer"]) {
    it.effect(`${name} is Unauthorized, and says what to set`, () =>
      Effect.gen(function*() {
        const { response, status } = Recorded.exchange(`auth/${name}`)
        const { error, sent } = yield* ask(() => json(response, status), undefined, { apiKey: Redacted.make("hidden") })
        assert.strictEqual(error?.reason._tag, "Unauthorized")
        assert.include(error?.message, "PREFECT_API_AUTH_STRING")
        assert.notInclude(JSON.stringify(error) + error?.message, "hidden")
        assert.lengthOf(sent, 1)
      }))
  }

  const csrf = (request: Sent): Response | undefined => {
    const token = Recorded.exchange("auth/csrf_token")
    if (request.path.startsWith("/csrf-token")) return json(token.response, token.status)
    if (request.method !== "POST") return undefined
    const refused = request.headers["prefect-csrf-token"] === undefined
      ? "auth/csrf_missing"
      : request.headers["prefect-csrf-client"] === undefined
      ? "auth/csrf_no_client"
      : request.headers["prefect-csrf-token"] === (token.response as Recorded.Row)["token"]
      ? undefined
      : "auth/csrf_bad"
    if (refused === undefined) return undefined
    const { response, status } = Recorded.exchange(refused)
    return json(response, status)
  }

  it.effect("a CSRF token is got when the server asks for one, once, and sent with every POST", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(Date.parse("2026-11-23T06:30:00Z"))
      const { exit, sent } = yield* ask(
        csrf,
        (api) => Effect.all([1, 2, 3, 4].map(() => api.firstTaskRunOfEachTask(flowRunId)), { concurrency: 2 })
      )
      assert.isTrue(Exit.isSuccess(exit))
      const tokens = sent.filter(({ path }) => path.startsWith("/csrf-token"))
      assert.lengthOf(tokens, 1)
      const client = new URL(tokens[0]!.url).searchParams.get("client")
      const [last] = sent.slice(-1)
      assert.strictEqual(last!.headers["prefect-csrf-client"], client)
    }))

  it.effect("a token that has expired is replaced", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(Date.parse("2026-11-23T08:00:00Z"))
      const { exit, sent } = yield* ask(csrf, (api) =>
        Effect.andThen(api.firstTaskRunOfEachTask(flowRunId), api.firstTaskRunOfEachTask(flowRunId)))
      assert.isTrue(Exit.isSuccess(exit))
      const tokens = sent.filter(({ path }) =>
        path.startsWith("/csrf-token")
      )
      // The first POST is sent once without one.
      assert.isAtLeast(tokens.length, 2)
      assert.lengthOf(tokens, sent.filter(({ method }) => method === "POST").length - 1)
    }))

  it.effect("a token that no header can carry is none", () =>
    Effect.gen(function*() {
      for (const token of ["a\r\nx: 1", "\u4e2d", "", "t".repeat(5000)]) {
        const { error, sent } = yield* ask(
          (request) => request.path.startsWith("/csrf-token") ? json({ token }) : csrf(request),
          (api) => api.firstTaskRunOfEachTask(flowRunId)
        )
        assert.strictEqual(error?.reason._tag, "Unauthorized")
        assert.lengthOf(sent.filter(({ method }) => method === "POST"), 1)
      }
    }))

  it.effect("a server that refuses the token too is Unauthorized", () =>
    Effect.gen(function*() {
      const { error, sent } = yield* ask((request) => {
        const bad = Recorded.exchange("auth/csrf_bad")
        return request.method === "POST" ? json(bad.response, bad.status) : csrf(request)
      }, (api) => api.firstTaskRunOfEachTask(flowRunId))
      assert.strictEqual(error?.reason._tag, "Unauthorized")
      assert.lengthOf(sent.filter(({ method }) => method === "POST"), 2)
    }))

  it.effect("no token is asked for where CSRF is off", () =>
    Effect.gen(function*() {
      const { sent } = yield* ask(() => undefined, (api) => api.firstTaskRunOfEachTask(flowRunId))
      assert.isFalse(sent.some(({ path }) => path.startsWith("/csrf-token")))
    }))
})

describe("which server it is", () => {
  it.effect("is told without what is no part of a version", () =>
    Effect.gen(function*() {
      for (const version of ["1.0", "3.8.0"]) {
        for (const rest of [" hidden-key", "+hidden-key", "\u001b[31m", "x".repeat(100_000)]) {
          const { error } = yield* ask(
            ({ path }) => path === "/admin/version" ? json(version + rest) : undefined,
            (api) => api.countMappedChildren({ flowRunId, taskId: flowRunId }),
            { apiKey: Redacted.make("hidden-key") }
          )
          assert.strictEqual(error?.reason._tag, "UnsupportedByBackend")
          assert.include(error?.message, `Prefect ${version}`)
          assert.notInclude(error?.message, "hidden-key")
          assert.notInclude(error?.message, "\u001b")
          assert.isBelow(error?.message.length ?? 0, 500)
        }
      }
    }))

  it.effect("1.0.0 is refused, and named", () =>
    Effect.gen(function*() {
      const { error, sent } = yield* ask(({ path }) => path === "/admin/version" ? json("1.0.0") : undefined)
      assert.strictEqual(error?.reason._tag, "UnsupportedByBackend")
      assert.include(error?.message, "1.0.0")
      assert.lengthOf(sent, 1)
    }))

  for (const [version, warnings] of [["2.0.0", 0], ["2.20.27", 0], ["3.9.1", 0], ["4.0.0", 1], ["12.1", 1]] as const) {
    it.effect(`${version} is read${warnings === 0 ? "" : ", with a warning"}`, () =>
      Effect.gen(function*() {
        const logged: Array<string> = []
        const logger = Logger.make(({ logLevel, message }) => {
          if (logLevel === "Warn") logged.push(String(message))
        })
        const { exit } = yield* Effect.provide(
          ask(({ path }) => path === "/admin/version" ? json(version) : undefined),
          Logger.layer([logger])
        )
        assert.isTrue(Exit.isSuccess(exit))
        assert.lengthOf(logged, warnings)
        for (const line of logged) assert.include(line, version)
      }))
  }

  it.effect("an address of Prefect Cloud's pages is refused, and the API's is named", () =>
    Effect.gen(function*() {
      const [account, workspace] = ["11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"]
      const api = `https://api.prefect.cloud/api/accounts/${account}/workspaces/${workspace}`
      for (
        const url of [
          `https://app.prefect.cloud/account/${account}/workspace/${workspace}`,
          `https://app.prefect.cloud/account/${account}/workspace/${workspace}/runs/flow-run/x?tab=logs`
        ]
      ) {
        const { message } = yield* Effect.flip(Prefect3Api.make({ url }))
        assert.include(message, api)
      }
      for (
        const [url, hint] of [
          ["https://app.prefect.cloud", "it is a page of Prefect Cloud"],
          ["https://api.prefect.cloud/api", "it is not the address of a workspace of Prefect Cloud"]
        ] as const
      ) {
        const { message } = yield* Effect.flip(Prefect3Api.make({ url }))
        assert.include(message, hint)
        assert.include(message, "/api/accounts/ACCOUNT/workspaces/WORKSPACE")
      }
    }))

  it.effect("an address of a server's own pages is refused, and the API's is named", () =>
    Effect.gen(function*() {
      const { error } = yield* ask(
        ({ url }) =>
          url.startsWith("http://prefect.test/runs/")
            ? new Response("<!doctype html>", { headers: { "content-type": "text/html" } })
            : undefined,
        undefined,
        { url: "http://prefect.test/runs/flow-run/x" }
      )
      assert.strictEqual(error?.reason._tag, "MalformedResponse")
      assert.include(error?.message, "it is at http://prefect.test/api")
    }))

  it.effect("a page to log in at is known, and the API is named", () =>
    Effect.gen(function*() {
      const { error, sent } = yield* ask(() =>
        new Response(null, { status: 302, headers: { location: "https://sso.example/oauth2/start?rd=secret" } })
      )
      assert.strictEqual(error?.reason._tag, "MalformedResponse")
      assert.include(error?.message, "https://sso.example")
      assert.include(error?.message, "/api")
      assert.notInclude(error?.message, "secret")
      assert.lengthOf(sent, 1)
    }))

  it.effect("the server's own words are in the error, without credentials", () =>
    Effect.gen(function*() {
      const { error } = yield* ask(
        ({ path }) =>
          path === "/admin/version"
            ? undefined
            : json({
              detail:
                "Operation timed out for pnu_abcdef0123 at https://u:p@db.example/x?sig=1 with api_key=xyz and Bearer zzz"
            }, 500),
        undefined,
        { apiKey: Redacted.make("pnu_abcdef0123") }
      )
      assert.strictEqual(error?.reason._tag, "Unavailable")
      assert.include(error?.message, "Operation timed out")
      assert.notMatch(error!.message, /pnu_abcdef0123|u:p|sig=1|xyz|zzz/)
    }))

  it.effect("a URL without /api is completed", () =>
    Effect.gen(function*() {
      const { exit, sent } = yield* ask(
        ({ url }) => url === "http://prefect.test/admin/version" ? new Response("<html></html>") : undefined,
        undefined,
        { url: "http://prefect.test/" }
      )
      assert.isTrue(Exit.isSuccess(exit))
      assert.strictEqual(sent.at(-1)?.url, `http://prefect.test/api${path}`)
    }))

  it.effect("Prefect 1's GraphQL server is no Prefect 3", () =>
    Effect.gen(function*() {
      const { error } = yield* ask(() => new Response("Cannot GET /", { status: 404 }))
      assert.strictEqual(error?.reason._tag, "MalformedResponse")
      assert.include(error?.message, "/api")
    }))

  it.effect("Prefect Cloud is not asked for its version", () =>
    Effect.gen(function*() {
      const url = "https://api.prefect.cloud/api/accounts/a/workspaces/w"
      const { sent } = yield* ask(() => json(completed), undefined, { url, apiKey: Redacted.make("k") })
      assert.deepStrictEqual(sent.map((request) => request.url), [`${url}${path}`])
    }))

  it.effect("what cannot be a URL or a header is a PrefectConfigError, without its value", () =>
    Effect.gen(function*() {
      for (
        const options of [
          { url: "localhost:4200" },
          { url: "http://prefect.test", apiKey: Redacted.make("hidden\n") }
        ]
      ) {
        const error = yield* Effect.flip(Effect.provide(PrefectApi, Prefect3Api.layer(options)))
        assert.strictEqual(error._tag, "PrefectConfigError")
        assert.notInclude(error.message, "hidden")
      }
    }))
})
