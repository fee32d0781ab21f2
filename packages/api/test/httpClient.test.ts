/** Requests to a backend, over a client that answers as the test says: what is sent, followed, read and asked again. */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as Http from "../src/internal/http/client.ts"
import { fetchFor } from "../src/internal/http/network.ts"
import { secretsOf, withoutSecrets } from "../src/internal/http/secrets.ts"
import { Unavailable } from "../src/PrefectApiError.ts"
import { observe } from "./support/observed.ts"

const base = "https://prefect.example/api"

type Step = (request: HttpClientRequest.HttpClientRequest) => Response | Error | "silence"

interface Asked {
  readonly url: string
  readonly method: string
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly time: number
}

/** A client that answers in turn, the last answer for ever. */
const scripted = (steps: ReadonlyArray<Step>) => {
  const asked: Array<Asked> = []
  const client = HttpClient.make((request) =>
    Effect.clockWith((clock) =>
      Effect.suspend(() => {
        const { headers, method, url } = request
        const at = asked.push({ url, method, headers, time: clock.currentTimeMillisUnsafe() })
        const answer = steps[Math.min(at, steps.length) - 1]!(request)
        if (answer === "silence") return Effect.never
        return answer instanceof Error
          ? Effect.fail(
            new HttpClientError.HttpClientError({
              reason: new HttpClientError.TransportError({ request, cause: answer })
            })
          )
          : Effect.succeed(HttpClientResponse.fromWeb(request, answer))
      })
    )
  )
  return { asked, client }
}

interface Options {
  readonly url?: string
  readonly method?: "GET" | "POST"
  readonly policy?: Http.HttpOptions
  readonly headers?: Readonly<Record<string, string | Redacted.Redacted>>
  readonly read?: (answer: Http.Answer) => Result.Result<Http.Answer, Http.HttpFailure>
}

/** Judges an answer by its status, and by whether it is JSON. */
const judge = (answer: Http.Answer): Result.Result<Http.Answer, Http.HttpFailure> => {
  const failure = Http.statusFailure(answer)
  return failure === undefined ? Result.map(Http.parseJson(answer), () => answer) : Result.fail(failure)
}

const backendOf = (client: HttpClient.HttpClient, { headers = {}, policy = {}, url = base }: Options = {}) =>
  Http.make({ url: new URL(url), headers, policy, addressHint: "its address ends in /api" }).pipe(
    Effect.provideService(HttpClient.HttpClient, client)
  )

/** Sends one request, and lets an hour pass. */
const send = (steps: ReadonlyArray<Step>, options: Options = {}) =>
  Effect.gen(function*() {
    const { asked, client } = scripted(steps)
    const backend = yield* backendOf(client, options)
    const request = HttpClientRequest.make(options.method ?? "GET")(options.url ?? base)
    const fiber = yield* Effect.forkChild(
      Effect.result(backend.send({ name: "test" }, request, options.read ?? judge))
    )
    for (let minutes = 0; minutes < 60; minutes++) yield* TestClock.adjust("1 minute")
    const result = yield* Fiber.join(fiber)
    const reason = Result.isFailure(result) ? result.failure.reason : undefined
    return {
      asked,
      gaps: asked.slice(1).map(({ time }, index) => time - asked[index]!.time),
      answer: Result.isSuccess(result) ? result.success : undefined,
      reason,
      detail: reason !== undefined && "detail" in reason ? reason.detail : ""
    }
  })

const found: Step = () => new Response("{}")
const status = (code: number, headers: Record<string, string> = {}): Step => () =>
  new Response(code === 304 ? null : "{}", { status: code, headers })
const to = (location: string, code = 307): Step => status(code, { location })

describe("telemetry", () => {
  it.effect("names the server by its address and port, in the span, the attempts and the time they took", () =>
    Effect.gen(function*() {
      for (
        const [url, address, port] of [
          ["https://prefect.example/api", "prefect.example", "443"],
          ["http://prefect.example/api", "prefect.example", "80"],
          ["http://[::1]:4200/api", "::1", "4200"]
        ] as const
      ) {
        const { metrics, spans } = yield* observe(send([status(503), found], { url, method: "POST" }))
        const attributes = Object.fromEntries(spans.find(({ name }) => name === "PrefectApi.test")!.attributes)
        assert.strictEqual(attributes["server.address"], address)
        assert.strictEqual(attributes["server.port"], Number(port))
        const server = { "http.request.method": "POST", "server.address": address, "server.port": port }
        assert.deepStrictEqual(
          metrics.map(({ attributes, id }) => [id, attributes]).toSorted(),
          [["http.client.request.attempts", server], ["http.client.request.duration", server]]
        )
        const duration = metrics.find(({ id }) => id === "http.client.request.duration")
        if (duration?.type !== "Histogram") return assert.fail("no histogram")
        assert.strictEqual(duration.state.count, 1)
        // In seconds: the wait before the second attempt is 200 milliseconds and a random part.
        assert.isTrue(duration.state.max > 0.05 && duration.state.max < 10, String(duration.state.max))
      }
    }))
})

describe("a redirect", () => {
  it.effect("is followed within the origin, without user, password and fragment", () =>
    Effect.gen(function*() {
      for (const code of [300, 301, 307, 308, 399]) {
        const { answer, asked } = yield* send([to("https://me:secret@prefect.example/v2?a=1#there", code), found])
        assert.strictEqual(answer?.status, 200)
        assert.deepStrictEqual(asked.map(({ url }) => url), [base, "https://prefect.example/v2?a=1"])
      }
      const relative = yield* send([to("../other"), found])
      assert.strictEqual(relative.asked[1]?.url, "https://prefect.example/other")
    }))

  it.effect("is none without a target, or where nothing was modified", () =>
    Effect.gen(function*() {
      for (const step of [status(307), to("/v2", 304), to("/v2", 400), to("/v2", 200)]) {
        assert.strictEqual((yield* send([step], { policy: { retries: 0 } })).asked.length, 1)
      }
    }))

  it.effect("is followed five times, and not six", () =>
    Effect.gen(function*() {
      const five = Array.from({ length: 5 }, (_, index) => to(`/${index}`))
      assert.strictEqual((yield* send([...five, found])).answer?.status, 200)
      const { asked, detail } = yield* send([...five, to("/6"), found])
      assert.strictEqual(detail, "it redirects more than 5 times")
      assert.strictEqual(asked.length, 6)
    }))

  it.effect("of a query is not followed to a page, that of a page is", () =>
    Effect.gen(function*() {
      const query = yield* send([to("/v2", 303), found], { method: "POST" })
      assert.strictEqual(query.detail, "it redirects a query to a page (HTTP status 303)")
      assert.strictEqual(query.asked.length, 1)
      assert.strictEqual((yield* send([to("/v2", 303), found])).answer?.status, 200)
      assert.strictEqual((yield* send([to("/v2", 307), found], { method: "POST" })).asked[1]?.method, "POST")
    }))

  it.effect("to another origin, to no URL, to a page to log in at or out of sight is an error", () =>
    Effect.gen(function*() {
      const cases: ReadonlyArray<readonly [Step, RegExp]> = [
        [
          to("https://elsewhere.example/api"),
          /redirects from https:\/\/prefect.example to https:\/\/elsewhere.example/
        ],
        [to("http://prefect.example/api"), /redirects from https:\/\/prefect.example to http:\/\/prefect.example/],
        [to("http://["), /something that is not a URL/],
        [to("/login"), /to a page to log in at \(https:\/\/prefect.example\); its address ends in \/api/],
        [to("https://sso.example/"), /to a page to log in at \(https:\/\/sso.example\)/],
        [() => Object.defineProperty(new Response("{}"), "status", { value: 0 }), /use the URL that it redirects to/]
      ]
      for (const [step, detail] of cases) {
        const { asked, detail: told, reason } = yield* send([step, found])
        assert.strictEqual(reason?._tag, "MalformedResponse")
        assert.match(told, detail)
        assert.strictEqual(asked.length, 1)
      }
      // A backend whose own address looks like that may redirect there.
      const own = yield* send([to("/auth/api/"), found], { url: "https://prefect.example/auth/api" })
      assert.strictEqual(own.answer?.status, 200)
    }))
})

describe("a body", () => {
  it.effect("may be as long as its limit, whatever its pieces are", () =>
    Effect.gen(function*() {
      const pieces = (...texts: ReadonlyArray<string>): Step => () =>
        new Response(
          Stream.toReadableStream(Stream.fromIterable(texts.map((text) => new TextEncoder().encode(text))))
        )
      const policy = { maxResponseBytes: 10 }
      assert.strictEqual((yield* send([pieces("[1,", "\"é\"", ",2]")], { policy })).answer?.text, "[1,\"é\",2]")
      for (const step of [pieces("[1,", "\"éé\"", ",2]"), () => new Response("[1,2,3,4,5]")]) {
        const { asked, detail } = yield* send([step], { policy })
        assert.match(detail, /^it is longer than 10 bytes; ask for smaller pages/)
        assert.strictEqual(asked.length, 1)
      }
      assert.strictEqual((yield* send([() => new Response("[1,2,3,45]")], { policy })).answer?.text, "[1,2,3,45]")
    }))

  it.effect("that declares too many bytes is not read, one that declares as many as it may is", () =>
    Effect.gen(function*() {
      const declared = (length: number) =>
        send([() => new Response("{}", { headers: { "content-length": `${length}` } })], {
          policy: { maxResponseBytes: 10 }
        })
      assert.match((yield* declared(11)).detail, /^it is longer than 10 bytes/)
      assert.strictEqual((yield* declared(10)).answer?.text, "{}")
    }))

  it.effect("without success is read in its beginning alone", () =>
    Effect.gen(function*() {
      let given = 0
      const endless = new ReadableStream<Uint8Array>({
        pull: (controller) => {
          given += 0x10000
          controller.enqueue(new Uint8Array(0x10000).fill(0x7b))
        }
      })
      const { client } = scripted([() => new Response(endless, { status: 400 })])
      const backend = yield* backendOf(client)
      const answer = yield* backend.send({ name: "test" }, HttpClientRequest.get(base), Result.succeed)
      assert.strictEqual(answer.status, 400)
      assert.strictEqual(answer.length, 0x100000)
      assert.isAtMost(given, 0x200000)
    }))

  it.effect("is no longer than the kind of request allows", () =>
    Effect.gen(function*() {
      const { client } = scripted([() => new Response("[1,2,3,4,5]")])
      const backend = yield* backendOf(client)
      const operation = { name: "test", maxBytes: 10 }
      const failure = yield* Effect.flip(backend.send(operation, HttpClientRequest.get(base), Result.succeed))
      assert.include(failure.message, "longer than 10 bytes, the most that an answer of its kind may have")
    }))

  it.effect("of small values is too large when they take several times its limit in memory", () =>
    Effect.gen(function*() {
      const text = `[${"{},".repeat(200_000)}{}]`
      for (const maxResponseBytes of [text.length, text.length * 8]) {
        const { client } = scripted([() => new Response(text)])
        const backend = yield* backendOf(client, { policy: { maxResponseBytes } })
        const asked = backend.send({ name: "test" }, HttpClientRequest.get(base), Http.parseJson)
        if (maxResponseBytes > text.length) assert.lengthOf((yield* asked) as ReadonlyArray<unknown>, 200_001)
        else {
          const failure = yield* Effect.flip(asked)
          assert.isTrue(failure.isTooLarge)
          assert.include(failure.message, "ask for smaller pages")
        }
      }
    }))

  it.effect("of many characters is parsed before it is judged", () =>
    Effect.gen(function*() {
      const seen: Array<unknown> = []
      for (const length of [0x80000, 0x80001]) {
        yield* Effect.gen(function*() {
          const { client } = scripted([() => new Response(`"${"x".repeat(length - 2)}"`)])
          const backend = yield* backendOf(client)
          yield* backend.send({ name: "test" }, HttpClientRequest.get(base), (answer) => {
            seen.push(typeof answer.json === "string" ? answer.json : typeof answer.json?.value)
            return Result.succeed(answer)
          })
        })
      }
      assert.deepStrictEqual(seen, ["undefined", "string"])
    }))
})

describe("a request that failed", () => {
  const refused = Object.assign(new Error("no"), { code: "ECONNREFUSED" })

  it.effect("is sent again after pauses that double up to ten seconds, each shorter by up to a half", () =>
    Effect.gen(function*() {
      const { asked, gaps } = yield* send([status(500)], { policy: { retries: 8 } })
      assert.strictEqual(asked.length, 9)
      for (const [index, longest] of [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000].entries()) {
        assert.isAtLeast(gaps[index]!, longest / 2 - 1)
        assert.isAtMost(gaps[index]!, longest + 1)
      }
      const once = yield* send([status(500)], { policy: { retries: 1, retryDelay: "1 minute", maxRetryDelay: 50 } })
      assert.isAtMost(once.gaps[0]!, 50)
      assert.strictEqual((yield* send([status(500)], { policy: { retries: 0 } })).asked.length, 1)
      assert.strictEqual((yield* send([status(500)])).asked.length, 6)
      assert.strictEqual((yield* send([status(501)])).asked.length, 1)
    }))

  it.effect("is sent again when it could not connect, unless that is the first time and only later ones may", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* send([() => refused, found])).answer?.status, 200)
      const policy = { retryFirstConnection: false }
      const first = yield* send([() => refused, found], { policy })
      assert.strictEqual(first.asked.length, 1)
      assert.strictEqual(first.reason?._tag, "Unavailable")
      const later = yield* send([status(500), () => refused, found], { policy })
      assert.strictEqual(later.answer?.status, 200)
    }))

  it.effect("is sent again for a body that is no JSON, once there was one that was", () =>
    Effect.gen(function*() {
      const { asked, client } = scripted([found, () => new Response("<html>"), found])
      const backend = yield* backendOf(client, { policy: { retryDelay: 0 } })
      const get = backend.send({ name: "test" }, HttpClientRequest.get(base), judge)
      yield* get
      yield* get
      assert.strictEqual(asked.length, 3)
      assert.strictEqual((yield* send([() => new Response("<html>"), found])).asked.length, 1)
      // The first one, too, when it was cut off: a wrong URL answers otherwise.
      for (const text of ["", "{\"a\":", " [1,"]) {
        const first = [() => new Response(text), found]
        assert.strictEqual((yield* send(first)).answer?.status, 200)
        assert.strictEqual((yield* send(first, { policy: { retryFirstConnection: false } })).asked.length, 1)
      }
    }))

  it.effect("is given up when there is no whole answer in its time", () =>
    Effect.gen(function*() {
      const { asked, detail, gaps } = yield* send([() => "silence"], {
        policy: { retries: 1, requestTimeout: "7 seconds" }
      })
      assert.strictEqual(asked.length, 2)
      assert.strictEqual(detail, "no complete answer from https://prefect.example within 7s")
      assert.isAtLeast(gaps[0]!, 7000)
    }))

  const failing = (options: Partial<Http.HttpFailure>) => () =>
    Result.fail(
      new Http.HttpFailure({ reason: new Unavailable({ detail: "no" }), retryable: true, ...options })
    )

  it.effect("waits just as long as it is told where that is the custom of the backend", () =>
    Effect.gen(function*() {
      const { gaps } = yield* send([found], {
        policy: { retries: 1, retryDelay: "20 seconds", maxRetryDelay: "20 seconds" },
        read: failing({ retryAfter: Duration.seconds(5), honourRetryAfter: true })
      })
      assert.isAtLeast(gaps[0]!, 5000)
      assert.isAtMost(gaps[0]!, 6001)
    }))

  it.effect("is sent again during ten minutes of maintenance, which count as no attempt", () =>
    Effect.gen(function*() {
      const { asked, gaps } = yield* send([found], {
        policy: { retries: 0 },
        read: failing({ retryAfter: Duration.seconds(50), isMaintenance: true })
      })
      assert.deepStrictEqual(gaps, Array.from({ length: 12 }, () => 50_000))
      assert.strictEqual(asked.length, 13)
      const scheduled = yield* send([found], {
        policy: { retries: 1, maxRetryAfter: "9 minutes" },
        read: failing({ retryAfter: Duration.minutes(9), isMaintenance: true })
      })
      // Two of nine minutes, and the one retry.
      assert.strictEqual(scheduled.asked.length, 4)
    }))

  it.effect("says so without the credentials that were sent", () =>
    Effect.gen(function*() {
      const { detail } = yield* send([found], {
        headers: { authorization: Redacted.make("Bearer s3cr3t-k3y") },
        read: () => Result.fail(Http.malformed("the key s3cr3t-k3y is wrong"))
      })
      assert.strictEqual(detail, "the key … is wrong")
    }))
})

describe("what is observed of a request", () => {
  it.effect("is where it went, how it ended and how often it was sent", () =>
    Effect.gen(function*() {
      const ports = {
        "https://prefect.example/": ["prefect.example", 443],
        "http://prefect.example/": ["prefect.example", 80],
        "http://[::1]:4200/": ["::1", 4200]
      } as const
      for (const [url, [address, port]] of Object.entries(ports)) {
        const { client } = scripted([found])
        const { metrics, spans } = yield* observe(Effect.flatMap(
          backendOf(client, { url }),
          (backend) => backend.send({ name: "test", attributes: { more: "1" } }, HttpClientRequest.get(url), judge)
        ))
        assert.deepStrictEqual(Object.fromEntries(spans[0]!.attributes), {
          "http.request.method": "GET",
          "server.address": address,
          "server.port": port,
          more: "1",
          "http.response.status_code": 200
        })
        for (const { attributes } of metrics) {
          assert.deepInclude(attributes, { "http.request.method": "GET", "server.address": address })
        }
      }
    }))

  it.effect("is the kind of its failure", () =>
    Effect.gen(function*() {
      const { client } = scripted([status(401)])
      const { spans } = yield* observe(Effect.flatMap(
        backendOf(client),
        (backend) => backend.send({ name: "test" }, HttpClientRequest.get(base), judge)
      ))
      assert.strictEqual(spans[0]?.attributes.get("error.type"), "Unauthorized")
      assert.isFalse(spans[0]?.attributes.has("http.request.resend_count"))
    }))
})

describe("a client of a backend", () => {
  it.effect("asks no other origin, and sends its headers with every request", () =>
    Effect.gen(function*() {
      const { asked, client } = scripted([found])
      const backend = yield* backendOf(client, {
        headers: { Authorization: Redacted.make("Bearer a\tb\xe9~") },
        policy: { headers: { "X-Proxy": "p", AUTHORIZATION: "other" } }
      })
      const exit = yield* Effect.exit(
        backend.send({ name: "test" }, HttpClientRequest.get("https://elsewhere.example/"), judge)
      )
      assert.strictEqual(exit._tag, "Failure")
      assert.strictEqual(asked.length, 0)
      yield* backend.send({ name: "test" }, HttpClientRequest.get(base), judge)
      assert.deepInclude(asked[0]?.headers, { "authorization": "Bearer a\tb\xe9~", "x-proxy": "p" })
      assert.strictEqual(backend.origin, "https://prefect.example")
    }))

  it.effect("refuses headers and numbers that cannot be", () =>
    Effect.gen(function*() {
      const { client } = scripted([found])
      const sourceOf = (options: Options) => Effect.map(Effect.flip(backendOf(client, options)), ({ source }) => source)
      for (const name of ["", "a b", "a:", "é", "a\n"]) {
        assert.strictEqual(yield* sourceOf({ headers: { [name]: "x" } }), "headers")
      }
      for (const value of ["a\n", "\na", "\x7f", "\u0100", "\x1f"]) {
        assert.strictEqual(yield* sourceOf({ headers: { Authorization: value } }), "apiKey")
        assert.strictEqual(yield* sourceOf({ headers: { other: Redacted.make(value) } }), "headers")
      }
      for (const value of [0, -1, 1.5, NaN, 2 ** 53]) {
        assert.strictEqual(yield* sourceOf({ policy: { maxResponseBytes: value } }), "maxResponseBytes")
        assert.strictEqual(yield* sourceOf({ policy: { maxConcurrentRequests: value } }), "maxConcurrentRequests")
      }
      for (const value of [-1, 0.5, NaN, Infinity]) {
        assert.strictEqual(yield* sourceOf({ policy: { retries: value } }), "retries")
      }
      for (const name of ["requestTimeout", "retryDelay", "maxRetryDelay", "maxRetryAfter"] as const) {
        assert.strictEqual(yield* sourceOf({ policy: { [name]: "soon" as "1 second" } }), name)
      }
      yield* backendOf(client, { policy: { maxResponseBytes: 1, maxConcurrentRequests: 1, retries: 0 } })
    }))

  it.effect("has no more requests under way than it may", () =>
    Effect.gen(function*() {
      for (const [policy, most] of [[{}, 16], [{ maxConcurrentRequests: 3 }, 3]] as const) {
        let running = 0
        let top = 0
        const client = HttpClient.make((request) =>
          Effect.gen(function*() {
            top = Math.max(top, ++running)
            yield* Effect.yieldNow
            running--
            return HttpClientResponse.fromWeb(request, new Response("{}"))
          })
        )
        const backend = yield* backendOf(client, { policy })
        const get = backend.send({ name: "test" }, HttpClientRequest.get(base), judge)
        yield* Effect.forEach(Array.from({ length: 40 }), () => get, { concurrency: "unbounded" })
        assert.strictEqual(top, most)
      }
    }))

  it.effect("keeps what a fetch is asked with, and follows redirects itself", () =>
    Effect.gen(function*() {
      const inits: Array<RequestInit | undefined> = []
      const fetch = (_: unknown, init?: RequestInit) => {
        inits.push(init)
        return Promise.resolve(new Response("{}"))
      }
      const backend = yield* Http.make({ url: new URL(base), headers: {}, policy: {}, addressHint: "" }).pipe(
        Effect.provideService(FetchHttpClient.RequestInit, { credentials: "include", redirect: "follow" })
      )
      yield* Effect.provideService(
        backend.send({ name: "test" }, HttpClientRequest.get(base), judge),
        FetchHttpClient.Fetch,
        fetch as typeof globalThis.fetch
      )
      assert.strictEqual(inits[0]?.credentials, "include")
      assert.strictEqual(inits[0]?.redirect, "manual")
      const own = yield* Effect.provideService(
        fetchFor({ rejectUnauthorized: false }),
        FetchHttpClient.Fetch,
        fetch as typeof globalThis.fetch
      )
      assert.isUndefined(own)
    }))
})

describe("the URL of a backend", () => {
  it.effect("is taken apart into an address and basic authentication", () =>
    Effect.gen(function*() {
      const basic = (text: string) => `Basic ${Buffer.from(text).toString("base64")}`
      const cases: ReadonlyArray<readonly [string, string, string | undefined]> = [
        ["http://host/api", "http://host/api", undefined],
        ["https://me:secret@host/api?a=1#there", "https://host/api?a=1", basic("me:secret")],
        ["http://me@host/", "http://host/", basic("me:")],
        ["http://:secret@host/", "http://host/", basic(":secret")],
        ["http://m%C3%A9:100%25@host/", "http://host/", basic("mé:100%")],
        ["http://me:100%@host/", "http://host/", basic("me:100%")]
      ]
      for (const [text, url, credentials] of cases) {
        const parsed = yield* Http.parseUrl(Redacted.make(text))
        assert.strictEqual(parsed.url.href, url)
        assert.strictEqual(parsed.basic === undefined ? undefined : Redacted.value(parsed.basic), credentials)
      }
      for (const text of ["", "host", "ftp://host/", "file:///etc/passwd", "http://["]) {
        assert.strictEqual((yield* Effect.flip(Http.parseUrl(text))).source, "url")
      }
    }))
})

describe("the secrets of a request", () => {
  const none = new URL("https://host/")
  const base64 = (text: string) => Buffer.from(text).toString("base64")

  it("are the values of its headers and the words in them, but not those that are public", () => {
    const secrets = secretsOf({ "x-key": "first second", accept: "application/json", "user-agent": "agent/1" }, none)
    for (
      const text of ["first second", "first%20second", base64("first second"), "first", "second", base64("second")]
    ) {
      assert.include(secrets, text)
    }
    assert.isFalse(secrets.some((text) => text.includes("json") || text.includes("agent")))
  })

  it("are never the names of schemes, nor texts so short that any sentence has them", () => {
    const secrets = secretsOf({ authorization: "Bearer abcde", "x-a": "abcd", "x-b": "token", "x-c": "basic" }, none)
    assert.include(secrets, "abcde")
    for (const text of ["Bearer", "abcd", "token", "basic"]) assert.notInclude(secrets, text)
    for (const text of ["tokens", "mytoken"]) assert.include(secretsOf({ "x-a": text }, none), text)
  })

  it("are the user and the password of basic authentication, and of no other header", () => {
    const secrets = secretsOf({ authorization: `Basic ${base64("alice:p4ssw0rd")}` }, none)
    for (const text of ["alice:p4ssw0rd", "alice", "p4ssw0rd", base64("p4ssw0rd")]) assert.include(secrets, text)
    assert.notInclude(secretsOf({ authorization: `Other ${base64("alice:p4ssw0rd")}` }, none), "p4ssw0rd")
    assert.include(secretsOf({ authorization: "Basic not-base64!" }, none), "not-base64!")
  })

  it("are the query of its URL, whole and each value", () => {
    const secrets = secretsOf({}, new URL("https://host/?key=s3cr3t%2F1&other=second"))
    for (const text of ["key=s3cr3t%2F1&other=second", "s3cr3t/1", "s3cr3t%2F1", "second"]) {
      assert.include(secrets, text)
    }
    assert.deepStrictEqual(secretsOf({}, none), [])
  })

  it("are found in base64 with or without its padding, the longest first", () => {
    const secrets = secretsOf({ "x-key": "secret-key" }, none)
    assert.include(secrets, "c2VjcmV0LWtleQ==")
    assert.include(secrets, "c2VjcmV0LWtleQ")
    assert.deepStrictEqual(secrets.map(({ length }) => length), [16, 14, 10])
    assert.strictEqual(withoutSecrets("a c2VjcmV0LWtleQ== b secret-key c secret-key", secrets), "a … b … c …")
  })
})
