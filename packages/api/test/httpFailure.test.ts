import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Result from "effect/Result"
import * as Failure from "../src/internal/http/failure.ts"
import { plainWords, withoutSecrets } from "../src/internal/http/words.ts"
import type { Reason } from "../src/PrefectApiError.ts"

const answer = (status: number, text = "", headers: Record<string, string> = {}): Failure.Answer => ({
  status,
  headers,
  text,
  length: text.length,
  receivedAt: Date.parse("2022-03-01T12:00:00Z")
})
const detailOf = (reason: Reason) => "detail" in reason ? reason.detail : undefined
const judged = (...args: Parameters<typeof answer>) => {
  const failure = Failure.statusFailure(answer(...args))
  return failure === undefined ? undefined : [failure.reason._tag, failure.retryable]
}
const secondsOf = (duration: Duration.Duration | undefined) =>
  duration === undefined ? undefined : Duration.toSeconds(duration)

describe("a status", () => {
  it("stands for a reason, and says whether asking again may help", () => {
    for (const status of [200, 204, 299]) assert.isUndefined(judged(status))
    for (const status of [199, 300, 304, 400, 406, 409, 418, 422]) {
      assert.deepStrictEqual(judged(status), ["MalformedResponse", false], String(status))
    }
    for (const status of [401, 403, 407]) assert.deepStrictEqual(judged(status), ["Unauthorized", false])
    for (const status of [408, 500, 502, 503, 504]) assert.deepStrictEqual(judged(status), ["Unavailable", true])
    for (const status of [501, 505, 507, 599]) assert.deepStrictEqual(judged(status), ["Unavailable", false])
    assert.deepStrictEqual(judged(429), ["RateLimited", true])
    for (const status of [404, 405, 413]) assert.deepStrictEqual(judged(status), ["MalformedResponse", false])
  })

  it("is told with what to do about it", () => {
    const said = (...args: Parameters<typeof answer>) => detailOf(Failure.statusFailure(answer(...args))!.reason)
    assert.strictEqual(said(401), "HTTP status 401; check the API key and the tenant")
    assert.strictEqual(said(403), "HTTP status 403; check the API key and the tenant")
    assert.include(said(407), "the proxy requires credentials")
    assert.strictEqual(said(404), "HTTP status 404; check that the URL is the one of Prefect's API")
    assert.strictEqual(said(405), "HTTP status 405; check that the URL is the one of Prefect's API")
    assert.include(said(413), "too large")
    assert.strictEqual(said(418), "HTTP status 418")
    assert.strictEqual(said(500), "HTTP status 500")
    const web = " with a web page, perhaps from a proxy"
    assert.strictEqual(said(502, "<html>"), `HTTP status 502${web}`)
    assert.strictEqual(said(418, "x", { "content-type": "text/HTML; charset=utf-8" }), `HTTP status 418${web}`)
    assert.include(said(404, " <!DOCTYPE html>"), `HTTP status 404${web};`)
    assert.strictEqual(said(500, "Out of memory", { "content-type": "Text/plain" }), "HTTP status 500: Out of memory")
    const charset = { "content-type": "text/plain; charset=utf-8" }
    assert.strictEqual(said(500, "Out of memory", charset), "HTTP status 500: Out of memory")
    assert.strictEqual(said(500, "Out of memory"), "HTTP status 500")
    assert.strictEqual(said(500, "{\"a\":\"<html>\"}"), "HTTP status 500")
    assert.strictEqual(said(500, "Out of memory", { "content-type": "application/json" }), "HTTP status 500")
    assert.strictEqual(said(500, "", { "content-type": "text/plain" }), "HTTP status 500")
  })

  it("carries how long to wait", () => {
    const limited = Failure.statusFailure(answer(429, "", { "retry-after": "7" }))!
    assert.strictEqual(secondsOf(limited.retryAfter), 7)
    assert.strictEqual(limited.reason._tag === "RateLimited" ? secondsOf(limited.reason.retryAfter) : 0, 7)
    const unnamed = Failure.statusFailure(answer(429))!
    assert.isUndefined(unnamed.retryAfter)
    assert.isFalse("retryAfter" in unnamed.reason && unnamed.reason.retryAfter !== undefined)
    assert.strictEqual(secondsOf(Failure.statusFailure(answer(503, "", { "retry-after": "2" }))!.retryAfter), 2)
  })
})

describe("Retry-After", () => {
  const now = Date.parse("2022-03-01T12:00:00Z")
  const seconds = (header: string | undefined) => secondsOf(Failure.parseRetryAfter(header, now))

  it("is seconds or a date, and nothing else", () => {
    assert.strictEqual(seconds("0"), 0)
    assert.strictEqual(seconds(" 120 "), 120)
    assert.strictEqual(seconds("1.5"), 1.5)
    assert.strictEqual(seconds("1.25"), 1.25)
    assert.strictEqual(seconds("999999999"), 999_999_999)
    assert.strictEqual(seconds("Tue, 01 Mar 2022 12:00:30 GMT"), 30)
    assert.strictEqual(seconds("Tue 01 Mar 2022 12:00:30 GMT"), 30)
    assert.strictEqual(seconds("Tuesday, 01 Mar 2022 12:00:30 GMT"), 30)
    assert.strictEqual(seconds("Tue, 01 Mar 2022 11:00:00 GMT"), 0)
    for (
      const none of [
        undefined,
        "",
        "1234567890",
        "-1",
        "1.",
        ".5",
        "1s",
        "x1",
        "nonsense",
        "Mar 99 nothing",
        "2022-03-01"
      ]
    ) assert.isUndefined(seconds(none), none)
    assert.isUndefined(seconds("Mo, 01 Mar 2022 12:00:30 GMT"))
    assert.isUndefined(seconds("x Tue, 01 Mar 2022 12:00:30 GMT"))
  })
})

describe("a body", () => {
  it("is JSON, or says why it is none", () => {
    const parsed = (text: string, headers = {}) => Failure.parseJson(answer(200, text, headers))
    assert.deepStrictEqual(Result.getOrThrow(parsed("{\"a\":1}")), { a: 1 })
    const problem = (text: string, headers = {}, kind = "other") => {
      const result = parsed(text, headers)
      if (Result.isSuccess(result)) return assert.fail("it was taken")
      const { isTooLarge, reason, retryable, unreadable } = result.failure
      assert.deepStrictEqual([reason._tag, unreadable, isTooLarge, retryable], [
        "MalformedResponse",
        kind,
        undefined,
        false
      ])
      return detailOf(reason)
    }
    assert.strictEqual(problem("", {}, "cut"), "it is empty")
    assert.include(problem("<!doctype html>"), "a web page")
    assert.include(problem("<?xml version='1.0'?>"), "a web page")
    assert.include(problem("{", { "content-type": "text/html" }), "a web page")
    assert.strictEqual(problem("{\"a\":", {}, "cut"), "it is not JSON, or was cut off after 5 characters")
    assert.include(problem(`${" ".repeat(200)}<html>`), "after 206 characters")
    // Asking again would not help.
    const deep = Failure.parseJson({ ...answer(200, "[["), json: "too deep" })
    if (Result.isSuccess(deep)) return assert.fail("it was taken")
    assert.deepStrictEqual([detailOf(deep.failure.reason), deep.failure.unreadable], [
      "its values are nested too deep",
      undefined
    ])
  })

  it("keeps the digits of large integers", () => {
    const texts = [
      "{\"a\":12345678901234567890}",
      "[1,-12345678901234567890]",
      "[9007199254740993]",
      "[1.5,\"1234567890123456789\"]"
    ]
    for (const text of texts) assert.strictEqual(JSON.stringify(Failure.parsePrecisely(text)), text)
    assert.strictEqual(JSON.stringify(Failure.parsePrecisely("[1, 9007199254740993]")), "[1,9007199254740993]")
    assert.deepStrictEqual(Failure.parsePrecisely("[1234567890123456]"), [1234567890123456])
    assert.deepStrictEqual(Failure.parsePrecisely("[1234567890123456789.5]"), [Number("1234567890123456789.5")])
    assert.deepStrictEqual(Failure.parsePrecisely("[12345678901234567890e1]"), [Number("12345678901234567890e1")])
  })
})

describe("a body that is nested too deep for a reviver", () => {
  it("keeps the digits of the rows that are not", () => {
    const deep = `${"[".repeat(200_000)}${"]".repeat(200_000)}`
    const { rows } = Failure.parsePrecisely(
      `{"rows":[{"n":12345678901234567890},{"deep":${deep}},{"n":2}]}`
    ) as { readonly rows: ReadonlyArray<object> }
    assert.lengthOf(rows, 3)
    assert.strictEqual(JSON.stringify(rows[0]), "{\"n\":12345678901234567890}")
    assert.deepStrictEqual(rows[2], { n: 2 })
    assert.throws(() => Failure.parsePrecisely("[12345678901234567890"), SyntaxError)
  })
})

describe("addresses to log in at", () => {
  it.each([
    "https://login.example/x",
    "https://a.example/oauth2/start",
    "https://a.example/oauth/start",
    "https://a.example/saml/acs",
    "https://a.example/sign-in",
    "https://a.example/signin",
    "https://a.example/SSO"
  ])(
    "%s",
    (url) => assert.isTrue(Failure.isLogin(new URL(url)))
  )
  it.each([
    "https://a.example/graphql",
    "https://blogin.example/",
    "https://a.example/authors",
    "https://a.example/?login"
  ])(
    "not %s",
    (url) => assert.isFalse(Failure.isLogin(new URL(url)))
  )
})

describe("what a request fails with", () => {
  const request = HttpClientRequest.post("https://a.example/")
  const transport = (cause: unknown) =>
    new HttpClientError.HttpClientError({ reason: new HttpClientError.TransportError({ request, cause }) })
  const coded = (code: string) => transport(Object.assign(new Error("canary"), { code }))
  const judged = (...args: Parameters<typeof Failure.networkFailure>) => {
    const { reason, retryable } = Failure.networkFailure(...args)
    return [reason._tag, retryable, detailOf(reason)]
  }
  const origin = "https://a.example"

  it("is told by its code", () => {
    const known: Record<string, string> = {
      ECONNREFUSED: "the connection was refused",
      ECONNRESET: "the connection was reset",
      EHOSTUNREACH: "the host cannot be reached",
      ETIMEDOUT: "the connection timed out"
    }
    for (const [code, words] of Object.entries(known)) {
      assert.deepStrictEqual(judged(coded(code), origin, "sent"), [
        "Unavailable",
        true,
        `${origin}: ${words} (${code})`
      ])
    }
    assert.deepStrictEqual(judged(coded("ENOVEL"), origin, "sent"), [
      "Unavailable",
      true,
      `${origin}: the request failed (ENOVEL)`
    ])
    assert.deepStrictEqual(judged(transport(new Error("canary")), origin, "answered"), [
      "Unavailable",
      true,
      `${origin}: the connection broke in the middle of the answer`
    ])
    // No error's code: it may be anything.
    for (const code of ["1ENOVEL", "ENOVEL now"]) {
      assert.strictEqual(judged(coded(code), origin, "sent")[2], `${origin}: the request failed`)
    }
    for (const code of ["ENOTFOUND", "EAI_AGAIN"]) assert.include(judged(coded(code), origin, "sent")[2], "HTTPS_PROXY")
  })

  it("is not asked again where a first connection could not be made at all", () => {
    const codes = ["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"]
    for (const code of codes) {
      assert.strictEqual(judged(coded(code), origin, "sent", false)[1], false, code)
      assert.strictEqual(judged(coded(code), origin, "sent", true)[1], true, code)
    }
    for (const code of ["ECONNRESET", "EPIPE", "ENOVEL", "XENOTFOUND", "ENOTFOUNDX"]) {
      assert.isTrue(judged(coded(code), origin, "sent", false)[1])
    }
    assert.isTrue(judged(transport(new Error("canary")), origin, "sent", false)[1])
  })

  it("is a certificate that is not trusted, which asking again does not change", () => {
    for (
      const code of [
        "SELF_SIGNED_CERT_IN_CHAIN",
        "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
        "CERT_HAS_EXPIRED",
        "ERR_TLS_CERT_ALTNAME_INVALID"
      ]
    ) {
      const [tag, retryable, detail] = judged(coded(code), origin, "sent")
      assert.deepStrictEqual([tag, retryable], ["Unavailable", false])
      assert.include(detail, `the certificate of ${origin} is not trusted (${code})`)
    }
  })

  it("is TLS that the server does not speak, which is no matter of certificates", () => {
    for (const code of ["ERR_SSL_WRONG_VERSION_NUMBER", "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION", "EPROTO"]) {
      const [tag, retryable, detail] = judged(coded(code), origin, "sent")
      assert.deepStrictEqual([tag, retryable], ["Unavailable", false])
      assert.strictEqual(
        detail,
        `no TLS could be agreed with ${origin} (${code}); check whether its URL begins with http or https`
      )
    }
  })

  it("is what a proxy says of it", () => {
    const refused = (status: number) =>
      transport(new Error("x", { cause: new Error(`Proxy response (${status}) !== 200`) }))
    assert.deepStrictEqual(judged(refused(407), origin, "sent").slice(0, 2), ["Unauthorized", false])
    assert.deepStrictEqual(judged(refused(502), origin, "sent"), [
      "Unavailable",
      true,
      `${origin}: the proxy does not connect to it (HTTP status 502)`
    ])
    assert.strictEqual(judged(refused(502), origin, "sent", false)[1], false)
  })

  it("is what a proxy says in the first six causes, and in no other words", () => {
    const within = (causes: number) => {
      let error = new Error("Proxy response (502) !== 200")
      for (let cause = 1; cause < causes; cause++) error = new Error("x", { cause: error })
      return judged(transport(error), origin, "sent")[2]
    }
    assert.include(within(5), "the proxy does not connect")
    for (const other of [within(6), judged(transport(new Error("no Proxy response (502)")), origin, "sent")[2]]) {
      assert.strictEqual(other, `${origin}: the request failed`)
    }
    const circle = new Error("x")
    circle.cause = circle
    for (const cause of [circle, new Error("x", { cause: null })]) {
      assert.strictEqual(judged(transport(cause), origin, "sent")[2], `${origin}: the request failed`)
    }
  })

  it("is a request that could not be made, or an answer without a body", () => {
    const invalid = new HttpClientError.HttpClientError({ reason: new HttpClientError.InvalidUrlError({ request }) })
    assert.deepStrictEqual(judged(invalid, origin, "sent"), [
      "Unavailable",
      false,
      `the request to ${origin} could not be made (InvalidUrlError)`
    ])
    const unencoded = new HttpClientError.HttpClientError({ reason: new HttpClientError.EncodeError({ request }) })
    assert.deepStrictEqual(judged(unencoded, origin, "sent"), [
      "Unavailable",
      false,
      `the request to ${origin} could not be made (EncodeError)`
    ])
    const response = HttpClientResponse.fromWeb(request, new Response(null))
    const empty = new HttpClientError.HttpClientError({
      reason: new HttpClientError.EmptyBodyError({ request, response })
    })
    assert.deepStrictEqual(judged(empty, origin, "answered"), ["MalformedResponse", false, "it is empty"])
  })
})

describe("a failure", () => {
  it("says what kind it is", () => {
    const flags = ({ isTooLarge, reason, retryable, unreadable }: Failure.HttpFailure) => [
      reason._tag,
      retryable,
      isTooLarge,
      unreadable
    ]
    assert.deepStrictEqual(flags(Failure.malformed("x")), ["MalformedResponse", false, undefined, undefined])
    assert.deepStrictEqual(flags(Failure.oversized("x")), ["MalformedResponse", false, true, undefined])
    assert.deepStrictEqual(flags(Failure.unauthorized("x")), ["Unauthorized", false, undefined, undefined])
    for (const retryable of [true, false]) {
      assert.deepStrictEqual(flags(Failure.unavailable("x", retryable)), [
        "Unavailable",
        retryable,
        undefined,
        undefined
      ])
    }
    assert.strictEqual(Failure.unavailable("why", true).message, Failure.unavailable("why", true).reason.message)
    const error = Failure.toApiError("taskRun")(Failure.unauthorized("x"))
    assert.deepStrictEqual([error.operation, error.reason._tag], ["taskRun", "Unauthorized"])
  })

  it("takes the server's words, where there are any and its reason has room", () => {
    const said = (failure: Failure.HttpFailure, words: string) => detailOf(Failure.withWords(failure, words).reason)
    assert.strictEqual(said(Failure.unavailable("a", true), ": b"), "a: b")
    assert.strictEqual(said(Failure.oversized("a"), ": b"), "a: b")
    assert.strictEqual(said(Failure.unauthorized("a"), ": b"), "a")
    const same = Failure.unavailable("a", true)
    assert.strictEqual(Failure.withWords(same, ""), same)
    assert.strictEqual(Failure.withWords(same, ": b").reason._tag, "Unavailable")
    assert.isTrue(Failure.withWords(same, ": b").retryable)
    assert.isTrue(Failure.withWords(Failure.oversized("a"), ": b").isTooLarge)
    assert.strictEqual(Failure.withWords(Failure.oversized("a"), ": b").reason._tag, "MalformedResponse")
  })

  it("may have its sentence changed, and is the same where that changes nothing", () => {
    const clean = (detail: string) => detail.replace("secret", "…")
    for (
      const failure of [
        Failure.unavailable("a secret", true),
        Failure.oversized("a secret"),
        Failure.unauthorized("a secret")
      ]
    ) {
      const changed = Failure.withDetail(failure, clean)
      assert.deepStrictEqual([changed.reason._tag, detailOf(changed.reason)], [failure.reason._tag, "a …"])
      assert.deepStrictEqual([changed.retryable, changed.isTooLarge], [failure.retryable, failure.isTooLarge])
    }
    const same = Failure.malformed("nothing")
    assert.strictEqual(Failure.withDetail(same, clean), same)
    const limited = Failure.statusFailure(answer(429))!
    assert.strictEqual(Failure.withDetail(limited, () => assert.fail("it has no sentence")), limited)
  })
})

describe("words of a server", () => {
  it("are repeated where they are plain", () => {
    assert.strictEqual(
      plainWords("The database is not ready (yet), try again."),
      "The database is not ready (yet), try again."
    )
    assert.strictEqual(plainWords("field \"canary\" was not found"), "field … was not found")
    assert.strictEqual(plainWords("field 'one two three' was not found"), "field … was not found")
    assert.strictEqual(plainWords("field `one two three` was not found"), "field … was not found")
    for (const quote of ["\"", "`"]) {
      assert.strictEqual(plainWords(`it said ${quote}one ${"two ".repeat(600)}${quote} and ended`), "it said")
    }
    assert.strictEqual(
      plainWords(" the server's pool is read-only at MAX_QUERY_DEPTH or DEPTH "),
      "the server's pool is read-only at MAX_QUERY_DEPTH or DEPTH"
    )
    assert.strictEqual(plainWords("no such row 123e4567-e89b here or there"), "no such row … here or there")
    assert.strictEqual(plainWords("MAX_DEPTH of 12345 reached"), "MAX_DEPTH of 12345 reached")
    assert.strictEqual(plainWords("is it 123456 then or not"), "is it … then or not")
    assert.strictEqual(plainWords("it ended in /srv/a /srv/b"), "it ended in")
    assert.strictEqual(plainWords("one /a /b"), "one")
    assert.strictEqual(plainWords("/a one /b"), "")
    assert.strictEqual(plainWords("/a one two /b three"), "… one two … three")
    assert.strictEqual(plainWords("/a one /b two"), "… one … two")
    assert.strictEqual(plainWords("one two /a /b three"), "one two … three")
    assert.strictEqual(plainWords("/a /b"), "")
    assert.strictEqual(plainWords(""), "")
    assert.strictEqual(plainWords(`${"a ".repeat(80)}`).length, 159)
    assert.strictEqual(plainWords(`${"ab ".repeat(53)}a`), `${"ab ".repeat(53)}a`)
    assert.strictEqual(plainWords(`${"ab ".repeat(53)}ab`), `${"ab ".repeat(53)}a…`)
  })

  it("never carry what looks like a credential", () => {
    assert.strictEqual(
      withoutSecrets("https://user:canary@a.example/x?token=canary failed"),
      "https://a.example/x failed"
    )
    assert.strictEqual(withoutSecrets("s://user:canary@a.example/x?canary"), "s://a.example/x")
    assert.strictEqual(withoutSecrets("Bearer canary and basic  canary"), "Bearer … and basic …")
    assert.strictEqual(withoutSecrets("api_key_id=canary"), "api_key_id=…")
    assert.strictEqual(withoutSecrets("{\"token\": \"canary\"}"), "{\"token\": \"…\"}")
    assert.strictEqual(withoutSecrets("api_key=canary&x=1 Password: canary"), "api_key=…&x=1 Password: …")
    assert.strictEqual(withoutSecrets("it is canary and abc", ["canary", "abc"]), "it is … and abc")
    assert.strictEqual(withoutSecrets("it is abcd", ["abcd"]), "it is …")
    assert.strictEqual(withoutSecrets("  a \n b "), "a b")
    assert.strictEqual(withoutSecrets("x".repeat(3_000)).length, 2_000)
  })
})
