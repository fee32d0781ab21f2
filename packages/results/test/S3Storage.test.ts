import { CreateBucketCommand, GetObjectCommand, S3Client } from "@aws-sdk/client-s3"
import { S3Result } from "@effect-prefect/core/ResultDescriptor"
import * as S3Storage from "@effect-prefect/results/S3Storage"
import { readBytes, readReason, suite as storageContract } from "@effect-prefect/results/testing"
import { assert, describe, it, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { hash } from "node:crypto"
import dns from "node:dns"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import S3rver from "s3rver"
import * as SignedGet from "../src/internal/remote/signedGet.ts"
import { checksumOf } from "./support/checksumOf.ts"
import { type Answer, cutAt, endless, httpDouble, inTurn, silent } from "./support/httpDouble.ts"
import { onceForFile } from "./support/onceForFile.ts"
import { temporaryFolder, writeFile } from "./support/temporaryFolder.ts"

const credentials = { accessKeyId: "S3RVER", secretAccessKey: Redacted.make("S3RVER") }
const s3 = (bucket: string, location: string, extra?: Record<string, string>) =>
  new S3Result(extra === undefined ? { bucket, location } : { bucket, location, extra })

/** A real S3 server in this process, with the buckets `data` and `other`. */
const server = onceForFile(Effect.gen(function*() {
  const folder = yield* temporaryFolder
  const rver = new S3rver({
    directory: folder,
    silent: true,
    configureBuckets: [{ name: "data" }, { name: "other" }]
  })
  yield* Effect.promise(() => rver.configureBuckets())
  const { requests, url } = yield* httpDouble(rver.callback())
  const client = yield* Effect.acquireRelease(
    Effect.sync(() =>
      new S3Client({
        endpoint: url,
        region: "us-east-1",
        forcePathStyle: true,
        requestChecksumCalculation: "WHEN_REQUIRED",
        credentials: { accessKeyId: "S3RVER", secretAccessKey: "S3RVER" }
      })
    ),
    (client) => Effect.sync(() => client.destroy())
  )
  // As the server keeps what it is sent: requests cost more than all that is read of it.
  const put = async (bucket: string, key: string, bytes: Uint8Array) => {
    const file = join(folder, bucket, `${key}._S3rver_object`)
    writeFile(file, bytes)
    writeFile(`${file}.md5`, hash("md5", bytes))
  }
  return { url, requests, put, client }
}))

storageContract(
  "S3",
  Effect.map(server, ({ put, requests, url }) => ({
    layer: S3Storage.layer({ endpoint: url, credentials, buckets: ["data"] }),
    put: (key, bytes) => put("data", key, bytes),
    descriptor: (key) => s3("data", key),
    outside: [s3("other", "x"), s3("", "x"), s3("data", "../other/x"), s3("data/../other", "x"), s3("DATA", "x")],
    emptyIsNone: true,
    asked: requests
  }))
)

storageContract(
  "S3 below a prefix",
  Effect.map(server, ({ put, requests, url }) => ({
    layer: S3Storage.layer({
      endpoint: url,
      credentials,
      buckets: [{ bucket: "data", prefix: "flows/" }, { bucket: "other", prefix: "a/b" }]
    }),
    put: (key, bytes) => put("data", `flows/${key}`, bytes),
    descriptor: (key) => s3("data", `flows/${key}`),
    outside: [
      s3("data", "x"),
      s3("data", "flows2/x"),
      s3("data", "flows/../x"),
      s3("data", "x/../flows/x"),
      s3("data", "/flows/x"),
      s3("other", "a/x"),
      s3("other", "flows/x")
    ],
    emptyIsNone: true,
    asked: requests
  }))
)

for (const [name, give] of [["given", (client: S3Client) => client], ["made", Effect.succeed<S3Client>]] as const) {
  storageContract(
    `S3 by a client of the caller's own, ${name}`,
    Effect.map(server, ({ client, put, requests }) => ({
      layer: S3Storage.layer({ client: give(client), buckets: ["data"] }),
      put: (key, bytes) => put("data", key, bytes),
      descriptor: (key) => s3("data", key),
      outside: [s3("other", "x"), s3("", "x")],
      emptyIsNone: true,
      asked: requests
    }))
  )
}

const bytes = Uint8Array.from({ length: 50_000 }, (_, index) => (index * 7) & 255)
const read = s3("data", "key")

const at = (url: string, options: Partial<S3Storage.Options> = {}) =>
  Effect.provide(S3Storage.layer({ endpoint: url, region: "us-east-1", credentials, buckets: ["data"], ...options }))

const errorAnswer = (status: number, code: string, headers: Record<string, string> = {}): Answer => (response) => {
  response.writeHead(status, { "content-type": "application/xml", ...headers })
  response.end(
    `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>CANARY-message</Message>` +
      "<StringToSign>CANARY-string</StringToSign><AWSAccessKeyId>CANARY-key</AWSAccessKeyId></Error>"
  )
}

const whole = (body: Uint8Array, headers: Record<string, string> = {}): Answer => (response) => {
  response.writeHead(200, { "content-length": body.length, etag: "\"one\"", ...headers })
  response.end(body)
}

/** Answers a Range request as S3 does. */
const rest = (body: Uint8Array, etag: string): Answer => (response, request) => {
  const offset = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1])
  assert.strictEqual(request.headers["if-match"], "\"one\"")
  if (etag !== "\"one\"") return errorAnswer(412, "PreconditionFailed")(response, request)
  response.writeHead(206, {
    "content-length": body.length - offset,
    "content-range": `bytes ${offset}-${body.length - 1}/${body.length}`,
    etag
  })
  response.end(body.subarray(offset))
}

const failing = (answer: Answer, options: Partial<S3Storage.Options> = { attempts: 1 }) =>
  Effect.gen(function*() {
    let requests = 0
    const double = yield* httpDouble(inTurn((response, request) => {
      // SDKs look for the region of a bucket by a HEAD of their own.
      if (request.method === "GET") requests++
      answer(response, request)
    }))
    const reason = yield* readReason(read).pipe(at(double.url, options))
    assert.notInclude(JSON.stringify(reason) + reason.message, "CANARY")
    return { reason, requests }
  })

describe("S3Storage", () => {
  it.live("asks again as the caller's schedule says", () =>
    Effect.gen(function*() {
      const retrySchedule = Schedule.recurs(2)
      const { reason, requests } = yield* failing(errorAnswer(503, "SlowDown"), { retrySchedule })
      assert.strictEqual(reason._tag, "StorageUnavailable")
      assert.strictEqual(requests, 3)
      assert.strictEqual((yield* failing(errorAnswer(404, "NoSuchKey"), { retrySchedule })).requests, 1)
    }))

  for (
    const [code, status, tag, retried] of [
      ["NoSuchKey", 404, "ResultNotFound", false],
      ["NoSuchVersion", 404, "ResultNotFound", false],
      ["NoSuchBucket", 404, "ResultNotFound", false],
      ["InvalidAccessKeyId", 403, "ResultAccessDenied", false],
      ["SignatureDoesNotMatch", 403, "ResultAccessDenied", false],
      ["ExpiredToken", 400, "ResultAccessDenied", false],
      ["AccessDenied", 403, "ResultAccessDenied", false],
      ["SomethingNew", 403, "ResultAccessDenied", false],
      ["InvalidObjectState", 403, "StorageUnavailable", false],
      ["SlowDown", 503, "StorageUnavailable", true],
      ["TooManyRequests", 429, "StorageUnavailable", true],
      ["InternalError", 500, "StorageUnavailable", true],
      ["PermanentRedirect", 301, "StorageUnavailable", false],
      ["SomethingNew", 400, "StorageUnavailable", false]
    ] as const
  ) {
    it.live(`tells ${code} (${status}) apart`, () =>
      Effect.gen(function*() {
        const first = yield* failing(errorAnswer(status, code), { attempts: 1 })
        const { reason, requests } = yield* failing(errorAnswer(status, code), { attempts: 2 })
        assert.strictEqual(reason._tag, tag)
        assert.include(reason.message, code)
        assert.include(reason.message, "s3://data/key")
        // Older SDKs follow a redirect to no region by the same request.
        assert.isAtMost(first.requests, status === 301 ? 2 : 1)
        assert.strictEqual(requests, retried ? 2 * first.requests : first.requests)
      }), { concurrent: true })

    it.live(`tells ${code} (${status}) apart once the way to the bucket is known`, () =>
      Effect.gen(function*() {
        const double = yield* httpDouble(inTurn(whole(bytes), errorAnswer(status, code)))
        const reason = yield* Effect.andThen(readBytes(read), readReason(read)).pipe(at(double.url, { attempts: 1 }))
        assert.strictEqual(reason._tag, tag)
        assert.include(reason.message, code)
        assert.notInclude(JSON.stringify(reason) + reason.message, "CANARY")
      }), { concurrent: true })
  }

  it.live("tells a missing bucket from a missing object on a real server", () =>
    Effect.gen(function*() {
      const { client, put, url } = yield* server
      yield* Effect.promise(() => client.send(new CreateBucketCommand({ Bucket: "made" })))
      yield* Effect.promise(() => put("made", "there", bytes))
      const provide = at(url, { buckets: ["made", "none"] })
      assert.strictEqual((yield* readBytes(s3("made", "there")).pipe(provide)).bytes.length, bytes.length)
      assert.include((yield* readReason(s3("made", "none")).pipe(provide)).message, "NoSuchKey")
      assert.include((yield* readReason(s3("none", "x")).pipe(provide)).message, "NoSuchBucket")
    }))

  it.live("tells an unknown access key on a real server", () =>
    Effect.gen(function*() {
      const { url } = yield* server
      const credentials = { accessKeyId: "NOBODY", secretAccessKey: Redacted.make("CANARY") }
      const reason = yield* readReason(read).pipe(at(url, { credentials }))
      assert.strictEqual(reason._tag, "ResultAccessDenied")
      assert.include(reason.message, "InvalidAccessKeyId")
      assert.notInclude(reason.message, "CANARY")
    }))

  it.live("goes on where the body was cut, and only when it is still the same object", () =>
    Effect.gen(function*() {
      const etag = { etag: "\"one\"" }
      const resumed = yield* httpDouble(inTurn(cutAt(bytes, 20_000, etag), rest(bytes, "\"one\"")))
      assert.deepStrictEqual((yield* readBytes(read).pipe(at(resumed.url))).bytes, bytes)
      assert.strictEqual(resumed.requests(), 2)

      const changed = bytes.map((byte) => byte ^ 1)
      const restarted = yield* httpDouble(
        inTurn(cutAt(bytes, 20_000, etag), rest(changed, "\"two\""), whole(changed, { etag: "\"two\"" }))
      )
      assert.deepStrictEqual((yield* readBytes(read).pipe(at(restarted.url))).bytes, changed)
      assert.strictEqual(restarted.requests(), 3)

      const modified = (day: number) => ({ ...etag, "last-modified": `Mon, 0${day} Jan 2024 00:00:00 GMT` })
      const kept = yield* httpDouble(
        inTurn(
          cutAt(bytes, 20_000, modified(1)),
          (response, request) => {
            response.setHeader("last-modified", "Mon, 08 Jan 2024 00:00:00 GMT")
            rest(changed, "\"one\"")(response, request)
          },
          whole(changed, modified(8))
        )
      )
      assert.deepStrictEqual((yield* readBytes(read).pipe(at(kept.url))).bytes, changed)
      assert.strictEqual(kept.requests(), 3)

      const ignored = yield* httpDouble(inTurn(cutAt(bytes, 20_000, etag), whole(changed)))
      assert.deepStrictEqual((yield* readBytes(read).pipe(at(ignored.url))).bytes, changed)

      const weak = yield* httpDouble(inTurn(cutAt(bytes, 20_000, { etag: "W/\"one\"" }), (response, request) => {
        assert.isUndefined(request.headers.range)
        whole(bytes)(response, request)
      }))
      assert.deepStrictEqual((yield* readBytes(read).pipe(at(weak.url))).bytes, bytes)
    }))

  it.live("fails when it is cut again and again", () =>
    Effect.gen(function*() {
      const { reason, requests } = yield* failing(cutAt(bytes, 100), { attempts: 3 })
      assert.strictEqual(reason._tag, "StorageUnavailable")
      assert.include(reason.message, "the connection broke at 100 of 50000 bytes")
      assert.strictEqual(requests, 3)
    }))

  it.live("verifies the store's checksum, of every kind that stores give", () =>
    Effect.gen(function*() {
      const body = new TextEncoder().encode("123456789")
      const sums = {
        "x-amz-checksum-crc32": "y/Q5Jg==",
        "x-amz-checksum-crc32c": "4waSgw==",
        "x-amz-checksum-crc64nvme": "rosUhgp5mIg=",
        "x-amz-checksum-sha1": "98O8HYCOBHMq32eZZczDTKeuNEE=",
        "x-amz-checksum-sha256": "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="
      }
      for (const [header, sum] of Object.entries(sums)) {
        const right = yield* httpDouble(inTurn((response, request) => {
          assert.strictEqual(request.headers["x-amz-checksum-mode"], "ENABLED")
          whole(body, { [header]: sum })(response, request)
        }))
        assert.deepStrictEqual((yield* readBytes(read).pipe(at(right.url))).bytes, body, header)
        const repaired = yield* httpDouble(
          inTurn(whole(body.map((byte) => byte + 1), { [header]: sum }), whole(body, { [header]: sum }))
        )
        assert.deepStrictEqual((yield* readBytes(read).pipe(at(repaired.url))).bytes, body, header)
        const { reason } = yield* failing(whole(body.slice(1), { [header]: sum }))
        assert.strictEqual(reason._tag, "StorageUnavailable", header)
        assert.include(reason.message, "checksum")
      }
      // A checksum of the parts' checksums says nothing about the bytes.
      const composite = yield* httpDouble(inTurn(whole(body, { "x-amz-checksum-crc32": "AAAAAA==-2" })))
      assert.deepStrictEqual((yield* readBytes(read).pipe(at(composite.url))).bytes, body)
    }))

  it.live("verifies the whole after it went on", () =>
    Effect.gen(function*() {
      const headers = { etag: "\"one\"", "x-amz-checksum-crc32": "AAAAAA==" }
      const double = yield* httpDouble(inTurn(cutAt(bytes, 20_000, headers), rest(bytes, "\"one\"")))
      const reason = yield* readReason(read).pipe(at(double.url, { attempts: 2 }))
      assert.include(reason.message, "checksum")
    }))

  it.live("stops reading at the limit where the store announces no length", () =>
    Effect.gen(function*() {
      const unannounced = yield* httpDouble(inTurn(endless()))
      const reason = yield* readReason(read, 300_000).pipe(at(unannounced.url))
      assert.strictEqual(reason._tag, "ResultTooLarge")
      assert.strictEqual(unannounced.requests(), 1)
    }))

  it.live("reads a body of no announced length", () =>
    Effect.gen(function*() {
      const double = yield* httpDouble(inTurn((response) => {
        response.write(bytes.subarray(0, 30_000))
        response.end(bytes.subarray(30_000))
      }))
      assert.deepStrictEqual((yield* readBytes(read).pipe(at(double.url))).bytes, bytes)
    }))

  it.live("gives up on a store that falls silent", () =>
    Effect.gen(function*() {
      for (const answer of [silent({ "content-length": "10" }), () => {}]) {
        const { reason } = yield* failing(answer, { attempts: 1, idleTimeout: "100 millis" })
        assert.strictEqual(reason._tag, "StorageUnavailable")
        assert.include(reason.message, "sent nothing")
      }
      const { reason } = yield* failing(silent(), { timeout: "200 millis" })
      assert.include(reason.message, "longer than 200ms")
    }))

  it.live("says when nothing answers", () =>
    Effect.gen(function*() {
      const gone = yield* Effect.scoped(httpDouble(() => {}))
      const reason = yield* readReason(read).pipe(at(gone.url, { attempts: 1 }))
      assert.strictEqual(reason._tag, "StorageUnavailable")
      assert.include(reason.message, "ECONNREFUSED")
    }))

  it.live("asks again after throttling, waits as long as it is told, and asks less at once", () =>
    Effect.gen(function*() {
      let refused = 0
      const double = yield* httpDouble((request, response) => {
        const answer = refused++ < 16 ? errorAnswer(503, "SlowDown", { "retry-after": "0" }) : whole(bytes)
        setTimeout(() => answer(response, request), 5)
      })
      const all = yield* Effect.forEach(
        Array.from({ length: 40 }, (_, index) => s3("data", `key${index}`)),
        (one) => readBytes(one),
        {
          concurrency: "unbounded"
        }
      ).pipe(at(double.url, { concurrency: 8, attempts: 10 }))
      assert.isTrue(all.every((stored) => stored.bytes.length === bytes.length))
      assert.isAtMost(double.mostAtOnce(), 8)
      assert.strictEqual(double.requests(), 56)
    }))

  it.live("asks for a version where the descriptor has one", () =>
    Effect.gen(function*() {
      const urls: Array<string> = []
      const double = yield* httpDouble((request, response) => {
        urls.push(request.url ?? "")
        whole(bytes)(response, request)
      })
      yield* readBytes(s3("data", "key", { version_id: "v 1" })).pipe(at(double.url))
      assert.include(urls[0], "versionId=v%201")
    }))

  it.live("addresses buckets by path or by host", () =>
    Effect.gen(function*() {
      const hosts: Array<string> = []
      const double = yield* httpDouble((request, response) => {
        hosts.push(`${request.headers.host?.replace(/:\d+$/, "")}${request.url?.replace(/\?.*/, "")}`)
        whole(bytes)(response, request)
      })
      yield* readBytes(read).pipe(at(double.url))
      // Not every machine knows the names below localhost.
      const lookup = vi.spyOn(dns, "lookup").mockImplementation(
        ((_name: string, _options: unknown, done: (...result: Array<unknown>) => void) =>
          done(null, [{ address: "127.0.0.1", family: 4 }])) as typeof dns.lookup
      )
      yield* Effect.addFinalizer(() => Effect.sync(() => lookup.mockRestore()))
      const named = double.url.replace("127.0.0.1", "localhost")
      yield* readBytes(read).pipe(at(named, { forcePathStyle: false }))
      assert.deepStrictEqual(hosts, ["127.0.0.1/data/key", "data.localhost/key"])
    }))

  it.live("signs each request as the SDK does", () =>
    Effect.gen(function*() {
      const checked: Array<string> = []
      let bySdk = 0
      const keys = ["a b", "ü/日本", "a+b&c=d", "it's (a) *star*!", "%2e%2e~-._", "a//b", "x:y@z,[1]{2}|\\\"<>^`", "d/"]
      const double = yield* httpDouble((request, response) => {
        if (request.headers["amz-sdk-request"] !== undefined) bySdk++
        const [path = "", query = ""] = (request.url ?? "").split("?")
        const given = request.headers.authorization ?? ""
        const names = /SignedHeaders=([^,]+)/.exec(given)?.[1]?.split(";") ?? []
        const headers = Object.fromEntries(names.map((name) => [name, String(request.headers[name])]))
        const expected = SignedGet.authorization(path, query, headers, "eu-west-1", {
          accessKeyId: "reader",
          secretAccessKey: "secret"
        })
        checked.push(given === expected ? decodeURIComponent(path) : `${given} is not ${expected}`)
        assert.strictEqual(request.headers["x-amz-security-token"], "token")
        whole(bytes)(response, request)
      })
      const layer = at(double.url, {
        region: "eu-west-1",
        credentials: {
          accessKeyId: "reader",
          secretAccessKey: Redacted.make("secret"),
          sessionToken: Redacted.make("token")
        }
      })
      // Each key once through the SDK, which is given a bucket for the first time, and once without it.
      for (const key of keys) {
        yield* Effect.andThen(readBytes(s3("data", key)), readBytes(s3("data", key))).pipe(layer)
      }
      assert.deepStrictEqual(checked, keys.flatMap((key) => [`/data/${key}`, `/data/${key}`]))
      assert.strictEqual(bySdk, keys.length)
    }))

  it.live("sends all requests through the request handler and middleware of the caller's client", () =>
    Effect.gen(function*() {
      let sent = 0
      const stamps: Array<unknown> = []
      const sum = checksumOf("crc64nvme", bytes)
      const double = yield* httpDouble((request, response) => {
        stamps.push(request.headers["x-stamp"], request.headers["x-amz-checksum-mode"])
        whole(bytes, { "x-amz-checksum-crc64nvme": sum })(response, request)
      })
      const client = new S3Client({
        endpoint: double.url,
        region: "us-east-1",
        forcePathStyle: true,
        credentials: { accessKeyId: "reader", secretAccessKey: "secret" }
      })
      const { requestHandler } = client.config
      const handle = requestHandler.handle.bind(requestHandler)
      vi.spyOn(requestHandler, "handle").mockImplementation((request, options) => {
        sent++
        return handle(request, options)
      })
      yield* Effect.addFinalizer(() => Effect.sync(() => client.destroy()))
      client.middlewareStack.add(
        (next) => (args) => {
          const { headers } = args.request as { readonly headers: Record<string, string> }
          headers["x-stamp"] = "proxy"
          return next(args)
        },
        { step: "build", name: "stamp" }
      )
      const middleware = client.middlewareStack.identify().length
      const storage = Effect.provide(S3Storage.layer({ client, buckets: ["data"] }))
      for (let time = 0; time < 3; time++) yield* readBytes(read).pipe(storage)
      assert.strictEqual(sent, 3)
      assert.deepStrictEqual(stamps, Array.from({ length: 3 }, () => ["proxy", "ENABLED"]).flat())
      // The client is as it was, and still works.
      assert.strictEqual(client.middlewareStack.identify().length, middleware)
      yield* Effect.promise(() => client.send(new GetObjectCommand({ Bucket: "data", Key: "key" })))

      // Requests of one's own only where they are asked for.
      const signed = Effect.provide(S3Storage.layer({ client, buckets: ["data"], signedGet: true }))
      yield* Effect.andThen(readBytes(read), readBytes(read)).pipe(signed)
      assert.strictEqual(sent, 5)
    }))

  it.live("verifies the checksum of the response with a client of the caller's own", () =>
    Effect.gen(function*() {
      const double = yield* httpDouble(inTurn(whole(bytes, { "x-amz-checksum-crc64nvme": "AAAAAAAAAAA=" })))
      const client = new S3Client({
        endpoint: double.url,
        region: "us-east-1",
        forcePathStyle: true,
        maxAttempts: 1,
        responseChecksumValidation: "WHEN_REQUIRED",
        credentials: { accessKeyId: "reader", secretAccessKey: "secret" }
      })
      yield* Effect.addFinalizer(() => Effect.sync(() => client.destroy()))
      const reason = yield* readReason(read).pipe(
        Effect.provide(S3Storage.layer({ client, buckets: ["data"], attempts: 1 }))
      )
      assert.include(reason.message, "crc64nvme")
    }))

  it.live("says that the client could not be made, and not why", () =>
    Effect.gen(function*() {
      const client = Effect.fail("CANARY")
      const reason = yield* readReason(read).pipe(Effect.provide(S3Storage.layer({ client, buckets: ["data"] })))
      assert.strictEqual(reason._tag, "StorageUnavailable")
      assert.notInclude(JSON.stringify(reason) + reason.message, "CANARY")
    }))

  it.live("sends every request through the SDK without signedGet", () =>
    Effect.gen(function*() {
      let bySdk = 0
      const double = yield* httpDouble((request, response) => {
        if (request.headers["amz-sdk-request"] !== undefined) bySdk++
        whole(bytes)(response, request)
      })
      const layer = at(double.url, { signedGet: false })
      yield* Effect.andThen(readBytes(read), readBytes(read)).pipe(layer)
      assert.strictEqual(bySdk, 2)
    }))

  it.live("follows a bucket to its region, and stays there", () =>
    Effect.gen(function*() {
      const regions: Array<string | undefined> = []
      let home = "eu-west-1"
      const double = yield* httpDouble((request, response) => {
        const region = /\/(\w+-\w+-\d)\/s3\//.exec(request.headers.authorization ?? "")?.[1]
        regions.push(region)
        const answer = region === home
          ? whole(bytes)
          : errorAnswer(301, "PermanentRedirect", { "x-amz-bucket-region": home })
        answer(response, request)
      })
      yield* Effect.gen(function*() {
        yield* readBytes(read)
        yield* readBytes(read)
        home = "ap-south-1"
        yield* readBytes(read)
        yield* readBytes(read)
      }).pipe(at(double.url))
      assert.deepStrictEqual(regions, [
        "us-east-1",
        "eu-west-1",
        "eu-west-1",
        "eu-west-1",
        "us-east-1",
        "ap-south-1",
        "ap-south-1"
      ])
    }))

  it.live("renews credentials that the store says have expired, once, where there are newer ones", () =>
    Effect.gen(function*() {
      let made = 0
      let valid = 2
      const { requests, url } = yield* httpDouble((request, response) => {
        if (request.url === "/credentials") {
          const Token = `token${++made}`
          const Expiration = new Date(Date.now() + 86_400_000).toISOString()
          return response.end(JSON.stringify({ AccessKeyId: "id", SecretAccessKey: "secret", Token, Expiration }))
        }
        if (request.headers["x-amz-security-token"] === `token${valid}`) return whole(bytes)(response, request)
        errorAnswer(400, "ExpiredToken")(response, request)
      })
      const names = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"]
      vi.stubEnv("AWS_CONFIG_FILE", "/nowhere").stubEnv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
        .stubEnv("AWS_CONTAINER_CREDENTIALS_FULL_URI", `${url}/credentials`)
      for (const name of names) vi.stubEnv(name, undefined)
      yield* Effect.addFinalizer(() => Effect.sync(() => vi.unstubAllEnvs()))
      yield* Effect.gen(function*() {
        // Found expired by the SDK, by a request that was signed here, and never renewed by what gives them.
        assert.deepStrictEqual((yield* readBytes(read)).bytes, bytes)
        assert.strictEqual(made, 2)
        valid = 3
        assert.deepStrictEqual((yield* readBytes(read)).bytes, bytes)
        assert.strictEqual(made, 3)
        valid = 0
        const before = requests()
        assert.include((yield* readReason(read)).message, "the session token has expired")
        assert.isAtMost(requests() - before, 6)
      }).pipe(
        Effect.provide(S3Storage.layer({ endpoint: url, region: "us-east-1", buckets: ["data"], attempts: 1 }))
      )
    }))

  it.live.skipIf(process.platform !== "linux")(
    "ends a program that gives credentials with the read that waits for it",
    () =>
      Effect.gen(function*() {
        const folder = yield* temporaryFolder
        const started = join(folder, "started")
        writeFile(join(folder, "program"), `sleep 600 &\necho $! > ${started}\nwait\n`)
        writeFile(join(folder, "config"), `[default]\ncredential_process = sh ${join(folder, "program")}\n`)
        const names = [
          "AWS_ACCESS_KEY_ID",
          "AWS_SECRET_ACCESS_KEY",
          "AWS_PROFILE",
          "AWS_CONTAINER_CREDENTIALS_FULL_URI"
        ]
        vi.stubEnv("AWS_CONFIG_FILE", join(folder, "config")).stubEnv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
        for (const name of names) vi.stubEnv(name, undefined)
        yield* Effect.addFinalizer(() => Effect.sync(() => vi.unstubAllEnvs()))
        const { url } = yield* httpDouble((request, response) => whole(bytes)(response, request))
        const fiber = yield* readBytes(read).pipe(
          Effect.provide(S3Storage.layer({ endpoint: url, region: "us-east-1", buckets: ["data"] })),
          Effect.forkChild
        )
        const pid = yield* Effect.sync(() => Number(readFileSync(started, "utf8"))).pipe(
          Effect.filterOrFail((pid) => pid > 0),
          Effect.sandbox,
          Effect.retry(Schedule.spaced(5))
        )
        yield* Fiber.interrupt(fiber)
        const stat = `/proc/${pid}/stat`
        while (existsSync(stat) && !readFileSync(stat, "utf8").includes(") Z")) yield* Effect.sleep(5)
      })
  )

  it.live("reads again with credentials that another read has renewed meanwhile", () =>
    Effect.gen(function*() {
      let valid = 1
      let made = 0
      const held: Array<() => void> = []
      const { url } = yield* httpDouble((request, response) => {
        if (request.url === "/credentials") {
          made++
          const Expiration = new Date(Date.now() + 86_400_000).toISOString()
          return response.end(
            JSON.stringify({ AccessKeyId: "id", SecretAccessKey: "secret", Token: `token${valid}`, Expiration })
          )
        }
        const refuse = () => errorAnswer(400, "ExpiredToken")(response, request)
        if (request.headers["x-amz-security-token"] === `token${valid}`) {
          whole(bytes)(response, request)
          // The others learn that theirs have expired once one read has succeeded with new ones.
          for (const late of held.splice(0)) late()
        } else if (request.url!.includes("first")) refuse()
        else held.push(refuse)
      })
      const names = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"]
      vi.stubEnv("AWS_CONFIG_FILE", "/nowhere").stubEnv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
        .stubEnv("AWS_CONTAINER_CREDENTIALS_FULL_URI", `${url}/credentials`)
      for (const name of names) vi.stubEnv(name, undefined)
      yield* Effect.addFinalizer(() => Effect.sync(() => vi.unstubAllEnvs()))
      yield* Effect.gen(function*() {
        const readKey = (key: string) => readBytes(s3("data", key))
        yield* readKey("any")
        const before = made
        valid = 2
        const late = yield* Effect.forkChild(Effect.all([readKey("late"), readKey("later")], { concurrency: 2 }))
        while (held.length < 2) yield* Effect.sleep(5)
        yield* readKey("first")
        assert.lengthOf(yield* Fiber.join(late), 2)
        assert.strictEqual(made - before, 1)
      }).pipe(
        Effect.provide(
          S3Storage.layer({ endpoint: url, region: "us-east-1", buckets: ["data"], attempts: 1, signedGet: false })
        )
      )
    }))

  it.live("asks nothing but for the bytes, and leaves no connection behind", () =>
    Effect.gen(function*() {
      const methods = new Set<string>()
      const open = new Set<unknown>()
      const double = yield* httpDouble((request, response) => {
        methods.add(`${request.method}`)
        open.add(request.socket)
        request.socket.once("close", () => open.delete(request.socket))
        whole(bytes)(response, request)
      })
      yield* Effect.forEach(Array.from({ length: 20 }), () => readBytes(read), { concurrency: 20 }).pipe(at(double.url))
      assert.deepStrictEqual([...methods], ["GET"])
      while (open.size > 0) yield* Effect.sleep(5)
    }))
})
