/** What an error of a store, or on the way to it, is called, and whether asking again may help. */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { IncomingMessage } from "node:http"
import { Readable } from "node:stream"
import { addressText } from "../src/internal/remote/address.ts"
import { start } from "../src/internal/remote/checksum.ts"
import { errorText, field, general, word } from "../src/internal/remote/failure.ts"
import { configured } from "../src/internal/remote/network.ts"
import { limitsOf } from "../src/internal/remote/options.ts"
import * as Sdk from "../src/internal/remote/sdk.ts"
import { encodeKey, routeOf } from "../src/internal/remote/signedGet.ts"
import { contentRange, NoSuchPart, rangeOf } from "../src/internal/remote/store.ts"
import { checksumOf } from "./support/checksumOf.ts"

const told = (error: unknown, status?: number, after?: number) => {
  const { after: wait, reason, retry } = general("s3://b/k", error, status, after)
  return [reason._tag, "detail" in reason ? reason.detail : "", retry, wait]
}

describe("a status of a store", () => {
  const statuses: ReadonlyArray<readonly [number, string, string, string, boolean]> = [
    [401, "ResultAccessDenied", "the store did not accept the credentials", "never", false],
    [403, "ResultAccessDenied", "the credentials may not read it", "never", false],
    [404, "ResultNotFound", "the store has no such object", "never", false],
    [412, "StorageUnavailable", "it was changed while it was read", "restart", false],
    [416, "StorageUnavailable", "it was changed while it was read", "restart", false],
    [429, "StorageUnavailable", "the store gets too many requests", "slower", true],
    [503, "StorageUnavailable", "the store gets too many requests", "slower", true],
    [408, "StorageUnavailable", "it did not respond in time", "later", true],
    [500, "StorageUnavailable", "the store failed with HTTP 500", "later", true],
    [599, "StorageUnavailable", "the store failed with HTTP 599", "later", true],
    [499, "StorageUnavailable", "the store answered with HTTP 499", "never", false],
    [300, "StorageUnavailable", "the store answered with HTTP 300", "never", false],
    [299, "StorageUnavailable", "the store answered with HTTP 299", "never", false],
    [204, "StorageUnavailable", "the store answered with HTTP 204", "never", false],
    [206, "StorageUnavailable", "the request failed", "later", false],
    [200, "StorageUnavailable", "the request failed", "later", false]
  ]
  for (const [status, tag, detail, retry, waits] of statuses) {
    it(`${status}: ${detail}`, () => {
      assert.deepStrictEqual(told({}, status, 7000), [tag, detail, retry, waits ? 7000 : undefined])
    })
  }

  it("is told with the store's code, or the error's name, but with no other text", () => {
    assert.strictEqual(told({ code: "NoSuchKey" }, 404)[1], "the store has no such object (NoSuchKey)")
    assert.strictEqual(told(new Error("s3cr3t-k3y"), 500)[1], "the store failed with HTTP 500")
    assert.strictEqual(told({ name: "RestError" }, 500)[1], "the store failed with HTTP 500 (RestError)")
    assert.strictEqual(
      told({ code: "s3cr3t-k3y", name: "RestError" }, 403)[1],
      "the credentials may not read it (RestError)"
    )
    assert.strictEqual(
      told({ code: "NoSuchKey", name: "RestError" }, 400)[1],
      "the store answered with HTTP 400 (NoSuchKey)"
    )
    assert.strictEqual(told({ name: "TypeError" })[1], "the request failed (TypeError)")
  })
})

describe("an error on the way to a store", () => {
  it("is told by its code, wherever that is", () => {
    const refused = ["StorageUnavailable", "nothing listens there (ECONNREFUSED)", "later", undefined]
    for (
      const error of [
        { code: "ECONNREFUSED" },
        { cause: { code: "ECONNREFUSED" } },
        { cause: { cause: { code: "ECONNREFUSED" } } },
        { errors: [{ code: "ECONNREFUSED" }], code: 7 },
        { name: "ECONNREFUSED" }
      ]
    ) assert.deepStrictEqual(told(error), refused)
    const sentences = {
      ECONNRESET: "the connection was cut",
      ERR_STREAM_PREMATURE_CLOSE: "the connection was cut",
      ETIMEDOUT: "it did not respond in time",
      TimeoutError: "it did not respond in time",
      ENOTFOUND: "its host name is not known",
      EAI_AGAIN: "its host name could not be looked up",
      EHOSTUNREACH: "its host cannot be reached"
    }
    for (const [code, sentence] of Object.entries(sentences)) {
      assert.deepStrictEqual(told({ code }), ["StorageUnavailable", `${sentence} (${code})`, "later", undefined])
    }
    assert.strictEqual(told({ code: "constructor" })[1], "the request failed")
    for (const error of [undefined, null, "text", 5]) assert.strictEqual(told(error)[1], "the request failed")
  })

  it("is a certificate that is not trusted, which asking again does not change", () => {
    for (
      const code of [
        "CERT_HAS_EXPIRED",
        "ERR_TLS_CERT_ALTNAME_INVALID",
        "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
        "SELF_SIGNED_CERT_IN_CHAIN",
        "DEPTH_ZERO_SELF_SIGNED_CERT"
      ]
    ) {
      const [tag, detail, retry] = told({ cause: { code } })
      assert.deepStrictEqual([tag, retry], ["StorageUnavailable", "never"])
      assert.include(detail, `certificate is not trusted (${code})`)
    }
    for (const code of ["ERR_SSL_WRONG_VERSION_NUMBER", "EPROTO"]) {
      const [tag, detail, retry] = told({ cause: { code } })
      assert.deepStrictEqual([tag, retry], ["StorageUnavailable", "never"])
      assert.include(detail, `no TLS could be agreed with the store (${code}): check whether`)
    }
    assert.notInclude(told({ code: "XCERT_HAS_EXPIRED" })[1], "certificate")
    // Not a code: it is not repeated.
    assert.strictEqual(told({ code: "CERT_secret" })[1], "the request failed")
  })

  it("is what a proxy says of it", () => {
    const credentials = "the proxy requires credentials (HTTP status 407); put them into its URL"
    const denied = ["ResultAccessDenied", credentials, "never", undefined]
    assert.deepStrictEqual(told({}, 407), denied)
    assert.deepStrictEqual(told({ code: "ERR_PROXY_TUNNEL", statusCode: 407 }), denied)
    assert.deepStrictEqual(
      told({ code: "ERR_PROXY_TUNNEL", message: "no tunnel: HTTP/1.1 407 Proxy Authentication Required" }),
      denied
    )
    const without = (status: string) => [
      "StorageUnavailable",
      `the proxy does not connect to the store${status}`,
      "later",
      undefined
    ]
    assert.deepStrictEqual(told({ code: "ERR_PROXY_TUNNEL", statusCode: 502 }), without(" (HTTP status 502)"))
    assert.deepStrictEqual(
      told({ cause: { code: "ERR_PROXY_TUNNEL" }, message: "no tunnel: HTTP/1.0 503 No" }),
      without(" (HTTP status 503)")
    )
    assert.deepStrictEqual(told({ code: "ERR_PROXY_TUNNEL", message: "no tunnel" }), without(""))
    assert.deepStrictEqual(told({ code: "ERR_PROXY_TUNNEL" }), without(""))
  })
})

describe("the text of an error of a store", () => {
  const response = (chunks: AsyncIterable<string> | Iterable<string>) =>
    Readable.from(chunks, { objectMode: false }) as IncomingMessage

  it("is read until its subject is clear", async () => {
    assert.strictEqual(await errorText(response(["<Code>", "NoSuchKey"])), "<Code>NoSuchKey")
    const block = "x".repeat(2048)
    assert.strictEqual((await errorText(response(Array<string>(8).fill(block)))).length, 3 * 2048)
  })

  it("is what arrived of it", async () => {
    const cut = async function*() {
      yield "<Code>Slow"
      throw new Error("cut")
    }
    assert.strictEqual(await errorText(response(cut())), "<Code>Slow")
  })
})

describe("a code of a store", () => {
  it("is one word", () => {
    for (const text of ["SlowDown", "A", "a1_.-", `A${"b".repeat(63)}`]) assert.strictEqual(word(text), text)
    for (const value of ["", "1a", "two words", "a\n", `A${"b".repeat(64)}`, "!a", "a!", 5, null, ["a"]]) {
      assert.isUndefined(word(value))
    }
  })

  it("is in a field of an error of any type", () => {
    assert.strictEqual(field({ a: { b: 1 } }, "a", "b"), 1)
    for (const error of [undefined, null, "text", { a: null }, { a: 5 }]) assert.isUndefined(field(error, "a", "b"))
  })
})

describe("a part of an object", () => {
  it("is asked for with its first and last byte", () => {
    assert.strictEqual(rangeOf({ offset: 5, length: 5, tag: undefined }), "bytes=5-9")
    assert.strictEqual(rangeOf({ offset: 5, tag: undefined }), "bytes=5-")
  })

  it("says where it is in the whole", () => {
    assert.deepStrictEqual(contentRange("bytes 50-99/1000"), [50, 1000])
    assert.isUndefined(contentRange(undefined, 200))
  })

  it("is refused when no object can have it", () => {
    for (const text of ["bytes 5-9/*", "bytes */10", "bytes 5-9/10x", "xbytes 5-9/10", "bytes -9/10"]) {
      assert.throws(() => contentRange(text), NoSuchPart)
    }
    const endless = "9".repeat(400)
    for (const text of ["bytes 500-509/10", "bytes 9-5/10", "bytes 5-10/10", `bytes 5-9/${endless}`]) {
      assert.throws(() => contentRange(text), NoSuchPart)
    }
    assert.throws(() => contentRange(undefined, 206), NoSuchPart)
  })
})

describe("checksums of bytes that arrive in pieces", () => {
  // A byte of each value, several times: the check values of one text reach few entries of a table.
  const bytes = Uint8Array.from({ length: 2051 }, (_, index) => (index * 167 + (index >> 8)) & 255)
  /** One bit after the other, as the specifications have it. */
  const byBits = (polynomial: bigint, width: bigint): string => {
    const ones = (1n << width) - 1n
    let crc = ones
    for (const byte of bytes) {
      crc ^= BigInt(byte)
      for (let bit = 0; bit < 8; bit++) crc = crc & 1n ? (crc >> 1n) ^ polynomial : crc >> 1n
    }
    return Buffer.from((crc ^ ones).toString(16).padStart(Number(width) / 4, "0"), "hex").toString("base64")
  }

  it("are those of the whole, wherever it is cut", () => {
    for (
      const [algorithm, expected] of [
        ["crc32", byBits(0xedb88320n, 32n)],
        ["crc32c", byBits(0x82f63b78n, 32n)],
        ["crc64nvme", byBits(0x9a6c9329ac4bc9b5n, 64n)]
      ] as const
    ) {
      assert.strictEqual(checksumOf(algorithm, bytes), expected)
      for (const size of [1, 7, 8, 9, 500]) {
        const running = start(algorithm)
        for (let at = 0; at < bytes.length; at += size) running.update(bytes.subarray(at, at + size))
        assert.strictEqual(running.base64(), expected)
      }
    }
    assert.strictEqual(checksumOf("sha1", new TextEncoder().encode("abc")), "qZk+NkcGgWq6PiVxeFDCbJzQ2J0=")
  })
})

describe("the client of a store", () => {
  const loaded = (error: unknown) =>
    Effect.flip(Sdk.load("S3Result", "@aws-sdk/client-s3", () => Promise.reject(error)))

  it.effect("needs its package, and says whether that is missing or broken", () =>
    Effect.gen(function*() {
      const missing = [
        { code: "ERR_MODULE_NOT_FOUND", message: "Cannot find package '@aws-sdk/client-s3'" },
        { code: "MODULE_NOT_FOUND", message: "Cannot find module \"@aws-sdk/client-s3\"" },
        { message: "Could not resolve \"@aws-sdk/client-s3\"" }
      ]
      for (const error of missing) {
        const reason = yield* loaded(error)
        assert.strictEqual(reason._tag, "StorageNotProvided")
        assert.include(reason.message, "npm install @aws-sdk/client-s3")
      }
      const broken = [
        { code: "ERR_MODULE_NOT_FOUND", message: "Cannot find package '@smithy/core'" },
        { code: "EACCES", message: "cannot read '@aws-sdk/client-s3'" },
        { message: "It Could not resolve \"@aws-sdk/client-s3\"" }
      ]
      for (const error of broken) assert.strictEqual((yield* loaded(error))._tag, "StorageUnavailable")
    }))

  it.effect("says which part of its configuration is invalid", () =>
    Effect.gen(function*() {
      const reason = yield* Effect.flip(configured("S3Result", Effect.fail({ message: "HTTP_PROXY is no URL" })))
      assert.strictEqual(reason._tag, "StorageUnavailable")
      assert.deepStrictEqual([reason.location, reason.detail], ["S3Result", "HTTP_PROXY is no URL"])
    }))
})

describe("the options of a store", () => {
  it("have defaults", () => {
    assert.deepStrictEqual(limitsOf({}), {
      concurrency: 32,
      attempts: 5,
      idle: 30_000,
      timeout: Duration.minutes(15)
    })
    assert.deepStrictEqual(limitsOf({ concurrency: 2, attempts: 1, idleTimeout: 5, timeout: "1 hour" }), {
      concurrency: 2,
      attempts: 1,
      idle: 5,
      timeout: Duration.hours(1)
    })
  })

  it("have addresses with or without a slash at the end", () => {
    for (
      const address of ["http://host/a/", new URL("http://host/a/"), Redacted.make("http://host/a"), "http://host/a"]
    ) {
      assert.strictEqual(addressText(address), "http://host/a")
    }
  })
})

describe("the route of a request that the SDK has signed", () => {
  const signed = "AWS4-HMAC-SHA256 Credential=AKID/20150830/eu-west-1/s3/aws4_request, SignedHeaders=host, Signature=00"
  const request = (over: object = {}, headers: object = {}) => ({
    protocol: "https:",
    hostname: "bucket.s3.eu-west-1.amazonaws.com",
    path: "/a%20b/c",
    headers: { authorization: signed, ...headers },
    ...over
  })

  it("is its host, its region and the path before the key", () => {
    assert.deepStrictEqual(routeOf(request(), "a b/c"), {
      secure: true,
      hostname: "bucket.s3.eu-west-1.amazonaws.com",
      port: undefined,
      prefix: "/",
      region: "eu-west-1"
    })
    assert.deepStrictEqual(
      routeOf(request({ protocol: "http:", hostname: "[::1]", port: 9000, path: "/bucket/c" }), "c"),
      { secure: false, hostname: "::1", port: 9000, prefix: "/bucket/", region: "eu-west-1" }
    )
  })

  it("is none for requests that only the SDK can make", () => {
    for (
      const other of [
        undefined,
        {},
        request({ hostname: undefined }),
        request({ path: undefined }),
        request({ path: "/bucket/other" }),
        request({ path: "/xa%20b/c" }),
        request({}, { authorization: undefined }),
        request({}, { authorization: signed.replace("/s3/", "/s3express/") }),
        request({}, { authorization: `x${signed}` }),
        request({}, { authorization: signed.replace("AWS4-HMAC", "AWS4-ECDSA") }),
        request({}, { "x-amz-s3session-token": "token" })
      ]
    ) assert.isUndefined(routeOf(other, "a b/c"))
  })

  it("has keys encoded by the rules of the signature", () => {
    assert.strictEqual(encodeKey("a/b c!'()*~-_.é"), "a/b%20c%21%27%28%29%2A~-_.%C3%A9")
  })
})
