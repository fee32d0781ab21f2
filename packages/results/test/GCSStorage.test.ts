import { GCSResult } from "@effect-prefect/core/ResultDescriptor"
import * as GCSStorage from "@effect-prefect/results/GCSStorage"
import { readBytes, readReason, suite as storageContract } from "@effect-prefect/results/testing"
import { assert, describe, it, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { generateKeyPairSync } from "node:crypto"
import { writeFileSync } from "node:fs"
import type { RequestListener } from "node:http"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { type Answer, cutAt, endless, httpDouble, inTurn, partOf, silent } from "./support/httpDouble.ts"
import { temporaryFolder } from "./support/temporaryFolder.ts"

const gs = (bucket: string, location: string, extra?: Record<string, string>) =>
  new GCSResult(extra === undefined ? { bucket, location } : { bucket, location, extra })

const bytes = new TextEncoder().encode("123456789".repeat(5000))
/** CRC-32C of "123456789": the check value of its specification. */
const digits = { body: new TextEncoder().encode("123456789"), crc32c: "4waSgw==" }

const media = (body: Uint8Array, headers: Record<string, string> = {}): Answer => (response) => {
  response.writeHead(200, {
    "content-length": body.length,
    "x-goog-generation": "1",
    "x-goog-stored-content-encoding": "identity",
    "x-goog-stored-content-length": String(body.length),
    ...headers
  })
  response.end(body)
}

/** The JSON API's own answers to a download, as recorded from the service: errors are text. */
const failed = (status: number, text: string, headers: Record<string, string> = {}): Answer => (response) => {
  response.writeHead(status, { "content-type": "text/html; charset=UTF-8", ...headers })
  response.end(text)
}
const noObject = (bucket: string, key: string) => failed(404, `No such object: ${bucket}/${key}`)
const noBucket = failed(404, "The specified bucket does not exist.")

/**
 * The part of the JSON API that serves media, over objects in memory; without generations, as gcp-storage-emulator,
 * which neither names the one that it sends nor heeds the one that is asked for.
 */
const api = (
  objects: Map<string, Uint8Array>,
  buckets: ReadonlyArray<string>,
  hasGenerations: boolean
): RequestListener =>
(request, response) => {
  const url = new URL(request.url ?? "/", "http://store")
  const match = /^\/storage\/v1\/b\/([^/]+)\/o\/([^/]+)$/.exec(url.pathname)
  if (match === null || url.searchParams.get("alt") !== "media") return failed(400, "Bad Request")(response, request)
  const bucket = decodeURIComponent(match[1]!)
  const key = decodeURIComponent(match[2]!)
  const body = objects.get(`${bucket}/${key}`)
  if (!buckets.includes(bucket)) return noBucket(response, request)
  if (body === undefined) return noObject(bucket, key)(response, request)
  // Another object of the name is another generation.
  const generation = String(body.length)
  if (hasGenerations && (url.searchParams.get("generation") ?? generation) !== generation) {
    return noObject(bucket, key)(response, request)
  }
  const headers = hasGenerations ? { "x-goog-generation": generation } : {}
  const part = partOf(body, request.headers.range)
  if (part === undefined) {
    response.writeHead(200, { "content-length": body.length, ...headers })
    return response.end(body)
  }
  response.writeHead(206, { "content-length": part.body.length, ...headers, ...part.headers })
  response.end(part.body)
}

const storeOf = (hasGenerations: boolean) =>
  Effect.gen(function*() {
    const objects = new Map<string, Uint8Array>([["other/x", bytes]])
    const { requests, url } = yield* httpDouble(api(objects, ["data", "other"], hasGenerations))
    return { objects, requests, url }
  })

storageContract(
  "Google Cloud Storage",
  Effect.map(storeOf(true), ({ objects, requests, url }) => ({
    layer: GCSStorage.layer({ endpoint: url, buckets: [{ bucket: "data", prefix: "flows" }, "more"] }),
    put: async (key, bytes) => objects.set(`data/flows/${key}`, bytes),
    descriptor: (key) => gs("data", `flows/${key}`),
    outside: [gs("other", "x"), gs("data", "x"), gs("data", "flows/../x"), gs("", "x"), gs("more/../data", "x")],
    emptyIsNone: true,
    asked: requests
  }))
)

storageContract(
  "a server of Google Cloud Storage without generations",
  Effect.map(storeOf(false), ({ objects, requests, url }) => ({
    layer: GCSStorage.layer({ endpoint: url, buckets: ["data"] }),
    put: async (key, bytes) => objects.set(`data/${key}`, bytes),
    descriptor: (key) => gs("data", key),
    outside: [gs("other", "x")],
    emptyIsNone: true,
    hasParts: false,
    asked: requests
  }))
)

const read = gs("data", "key")
const at = (url: string, options: Partial<GCSStorage.Options> = {}) =>
  Effect.provide(GCSStorage.layer({ endpoint: url, buckets: ["data"], ...options }))

const failing = (answer: Answer, options: Partial<GCSStorage.Options> = { attempts: 1 }) =>
  Effect.gen(function*() {
    const double = yield* httpDouble(inTurn(answer))
    const reason = yield* readReason(read).pipe(at(double.url, options))
    assert.notInclude(JSON.stringify(reason) + reason.message, "CANARY")
    return { reason, requests: double.requests() }
  })

describe("GCSStorage", () => {
  for (
    const [name, answer, tag, words, retried] of [
      ["a missing object", noObject("data", "key"), "ResultNotFound", "no such object", false],
      ["a missing bucket", noBucket, "ResultNotFound", "no bucket \"data\"", false],
      ["an anonymous caller", failed(401, "CANARY"), "ResultAccessDenied", "credentials", false],
      ["a caller without permission", failed(403, "CANARY"), "ResultAccessDenied", "storage.objects.get", false],
      ["a rate limit", failed(429, "rateLimitExceeded CANARY"), "StorageUnavailable", "too many", true],
      ["a rate limit of old", failed(403, "rateLimitExceeded CANARY"), "StorageUnavailable", "too many", true],
      ["a failing backend", failed(500, "CANARY"), "StorageUnavailable", "500", true],
      ["a busy backend", failed(503, "CANARY"), "StorageUnavailable", "too many", true],
      ["a wrong request", failed(400, "CANARY"), "StorageUnavailable", "400", false]
    ] as const
  ) {
    it.live(`tells ${name} apart`, () =>
      Effect.gen(function*() {
        const { reason, requests } = yield* failing(answer, { attempts: 2 })
        assert.strictEqual(reason._tag, tag)
        assert.include(reason.message, words)
        assert.include(reason.message, "gs://data/key")
        assert.strictEqual(requests, retried ? 2 : 1)
      }), { concurrent: true })
  }

  it.live("goes on where the body was cut, in the same generation", () =>
    Effect.gen(function*() {
      const generation = { "x-goog-generation": "17" }
      const double = yield* httpDouble(inTurn(cutAt(bytes, 20_000, generation), (response, request) => {
        const offset = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1])
        assert.include(request.url, "generation=17")
        response.writeHead(206, {
          "content-length": bytes.length - offset,
          "content-range": `bytes ${offset}-${bytes.length - 1}/${bytes.length}`,
          ...generation
        })
        response.end(bytes.subarray(offset))
      }))
      assert.deepStrictEqual((yield* readBytes(read).pipe(at(double.url))).bytes, bytes)
      assert.strictEqual(double.requests(), 2)

      const changed = bytes.map((byte) => byte ^ 1)
      const replaced = yield* httpDouble(
        inTurn(cutAt(bytes, 20_000, generation), noObject("data", "key"), media(changed))
      )
      assert.deepStrictEqual((yield* readBytes(read).pipe(at(replaced.url))).bytes, changed)
    }))

  it.live("fails when it is cut again and again", () =>
    Effect.gen(function*() {
      const { reason, requests } = yield* failing(cutAt(bytes, 100), { attempts: 2 })
      assert.include(reason.message, `the connection broke at 100 of ${bytes.length} bytes`)
      assert.strictEqual(requests, 2)
    }))

  it.live("verifies CRC-32C", () =>
    Effect.gen(function*() {
      const hash = { "x-goog-hash": `crc32c=${digits.crc32c},md5=CY9rzUYh03PK3k6DJie09g==` }
      const right = yield* httpDouble(inTurn(media(digits.body, hash)))
      assert.deepStrictEqual((yield* readBytes(read).pipe(at(right.url))).bytes, digits.body)
      const { reason } = yield* failing(media(digits.body.map((byte) => byte + 1), hash))
      assert.include(reason.message, "checksum")
    }))

  it.live("gives an object that is stored as gzip as it is stored", () =>
    Effect.gen(function*() {
      const body = gzipSync(bytes)
      const headers = { "content-encoding": "gzip", "x-goog-stored-content-encoding": "gzip" }
      const double = yield* httpDouble(inTurn(media(body, headers)))
      const stored = yield* readBytes(read).pipe(at(double.url))
      assert.strictEqual(Buffer.compare(stored.bytes, body), 0)
    }))

  it.live("stops reading at the limit, and gives up on a store that falls silent", () =>
    Effect.gen(function*() {
      const double = yield* httpDouble(inTurn(endless()))
      assert.strictEqual((yield* readReason(read, 300_000).pipe(at(double.url)))._tag, "ResultTooLarge")
      for (const answer of [silent({ "content-length": "10" }), () => {}]) {
        const { reason } = yield* failing(answer, { attempts: 1, idleTimeout: "100 millis" })
        assert.include(reason.message, "sent nothing")
      }
      const gone = yield* Effect.scoped(httpDouble(() => {}))
      assert.include((yield* readReason(read).pipe(at(gone.url, { attempts: 1 }))).message, "ECONNREFUSED")
    }))

  it.live("asks for a generation where the descriptor has one", () =>
    Effect.gen(function*() {
      const urls: Array<string> = []
      const double = yield* httpDouble((request, response) => {
        urls.push(request.url ?? "")
        media(bytes)(response, request)
      })
      yield* readBytes(gs("data", "key", { generation: "42" })).pipe(at(double.url))
      assert.include(urls[0], "generation=42")
    }))

  it.live("sends credentials only where they belong, and shows none", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryFolder
      const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 1024 })
      const file = join(folder, "account.json")
      const account = {
        type: "service_account",
        project_id: "project",
        private_key_id: "CANARY",
        private_key: privateKey.export({ type: "pkcs8", format: "pem" }),
        client_email: "reader@project.iam.gserviceaccount.com"
      }
      const sent: Array<string | undefined> = []
      const double = yield* httpDouble((request, response) => {
        sent.push(request.headers.authorization)
        media(bytes)(response, request)
      })
      yield* Effect.acquireRelease(
        Effect.sync(() => vi.stubEnv("GOOGLE_APPLICATION_CREDENTIALS", file)),
        () => Effect.sync(() => vi.unstubAllEnvs())
      )
      writeFileSync(file, JSON.stringify(account))
      yield* readBytes(read).pipe(at(double.url))
      assert.deepStrictEqual(sent, [undefined])
      for (const broken of ["CANARY no JSON", JSON.stringify({ ...account, private_key: "CANARY" })]) {
        writeFileSync(file, broken)
        const reason = yield* readReason(read).pipe(at(double.url, { authenticate: true }))
        assert.strictEqual(reason._tag, "ResultAccessDenied")
        assert.notInclude(JSON.stringify(reason) + reason.message, "CANARY")
      }
      assert.strictEqual(sent.length, 1)
    }))

  it.live("takes the application default credentials, here those of a machine of Google", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryFolder
      const asked: Array<string | undefined> = []
      const metadata = yield* httpDouble((request, response) => {
        asked.push(request.url)
        response.writeHead(200, { "metadata-flavor": "Google", "content-type": "application/json" })
        response.end(
          request.url?.includes("/token") === true
            ? JSON.stringify({ access_token: "CANARY", expires_in: 3600, token_type: "Bearer" })
            : "\"default\""
        )
      })
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          vi.stubEnv("GOOGLE_APPLICATION_CREDENTIALS", undefined)
          vi.stubEnv("CLOUDSDK_CONFIG", folder)
          vi.stubEnv("GCE_METADATA_HOST", metadata.url.replace("http://", ""))
          vi.stubEnv("METADATA_SERVER_DETECTION", "assume-present")
        }),
        () => Effect.sync(() => vi.unstubAllEnvs())
      )
      const sent: Array<string | undefined> = []
      const double = yield* httpDouble((request, response) => {
        sent.push(request.headers.authorization)
        const answer = sent.length > 1 ? failed(403, "no storage.objects.get access") : media(bytes)
        answer(response, request)
      })
      const layer = GCSStorage.layer({ endpoint: double.url, authenticate: true, buckets: ["data"] })
      yield* readBytes(read).pipe(Effect.provide(layer))
      const reason = yield* readReason(read).pipe(Effect.provide(layer))
      assert.deepStrictEqual(sent, ["Bearer CANARY", "Bearer CANARY"])
      assert.isNotEmpty(asked)
      assert.notInclude(asked.join("\n"), "project")
      assert.strictEqual(reason._tag, "ResultAccessDenied")
      assert.notInclude(JSON.stringify(reason) + reason.message, "CANARY")
    }))

  it.live("takes the address from STORAGE_EMULATOR_HOST", () =>
    Effect.gen(function*() {
      const double = yield* httpDouble(api(new Map([["data/key", bytes]]), ["data"], true))
      yield* Effect.acquireRelease(
        Effect.sync(() => vi.stubEnv("STORAGE_EMULATOR_HOST", double.url)),
        () => Effect.sync(() => vi.unstubAllEnvs())
      )
      const layer = GCSStorage.layer({ buckets: ["data"] })
      assert.deepStrictEqual((yield* readBytes(read).pipe(Effect.provide(layer))).bytes, bytes)
    }))
})
