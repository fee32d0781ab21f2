import { AzureResult } from "@effect-prefect/core/ResultDescriptor"
import * as AzureStorage from "@effect-prefect/results/AzureStorage"
import { readBytes, readReason, suite as storageContract } from "@effect-prefect/results/testing"
import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { createHash } from "node:crypto"
import type { RequestListener } from "node:http"
import { type Answer, cutAt, endless, httpDouble, inTurn, partOf, silent } from "./support/httpDouble.ts"

const azure = (container: string, location: string, extra?: Record<string, string>) =>
  new AzureResult(extra === undefined ? { container, location } : { container, location, extra })

const bytes = Uint8Array.from({ length: 45_000 }, (_, index) => (index * 7) & 255)
const tag = { etag: "\"0x8DC1\"" }

const connectionString = (url: string) =>
  Redacted.make(
    `DefaultEndpointsProtocol=http;AccountName=account;AccountKey=${btoa("CANARY-key")};BlobEndpoint=${url}/account;`
  )

/** The blob service's answers: a code in a header and in XML. */
const failed = (status: number, code: string, headers: Record<string, string> = {}): Answer => (response) => {
  response.writeHead(status, {
    "content-type": "application/xml",
    "x-ms-error-code": code,
    "x-ms-request-id": "1",
    "x-ms-version": "2025-01-05",
    ...headers
  })
  response.end(`﻿<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>CANARY</Message></Error>`)
}

const blob = (body: Uint8Array, headers: Record<string, string> = {}): Answer => (response) => {
  response.writeHead(200, {
    "content-length": body.length,
    "content-md5": createHash("md5").update(body).digest("base64"),
    "x-ms-blob-type": "BlockBlob",
    "x-ms-version": "2025-01-05",
    ...tag,
    ...headers
  })
  response.end(body)
}

/** The part of the blob service that serves blobs, over blobs in memory. */
const service =
  (blobs: Map<string, Uint8Array>, containers: ReadonlyArray<string>): RequestListener => (request, response) => {
    const url = new URL(request.url ?? "/", "http://store")
    const [, account, container = "", ...rest] = url.pathname.split("/").map(decodeURIComponent)
    const key = rest.join("/")
    if (account !== "account") return failed(400, "InvalidUri")(response, request)
    if (!/^SharedKey account:.+/.test(request.headers.authorization ?? "")) {
      return failed(401, "NoAuthenticationInformation")(response, request)
    }
    if (!containers.includes(container)) return failed(404, "ContainerNotFound")(response, request)
    const body = blobs.get(`${container}/${key}`)
    if (body === undefined) return failed(404, "BlobNotFound")(response, request)
    const etag = `"${body.length}"`
    if ((request.headers["if-match"] ?? etag) !== etag) return failed(412, "ConditionNotMet")(response, request)
    const part = partOf(body, request.headers["x-ms-range"] ?? request.headers.range)
    if (part === undefined) return blob(body, { etag })(response, request)
    response.writeHead(206, {
      "content-length": part.body.length,
      "x-ms-blob-type": "BlockBlob",
      "x-ms-version": "2025-01-05",
      etag,
      ...part.headers
    })
    response.end(part.body)
  }

storageContract(
  "Azure Blob Storage",
  Effect.gen(function*() {
    const blobs = new Map<string, Uint8Array>([["other/x", bytes]])
    const { requests, url } = yield* httpDouble(service(blobs, ["data", "other"]))
    return {
      layer: AzureStorage.layer({
        connectionString: connectionString(url),
        containers: [{ container: "data", prefix: "flows" }, "more"]
      }),
      put: async (key, bytes) => blobs.set(`data/flows/${key}`, bytes),
      descriptor: (key) => azure("data", `flows/${key}`),
      outside: [azure("other", "x"), azure("data", "x"), azure("data", "flows/../x"), azure("more/../data", "x")],
      emptyIsNone: true,
      asked: requests
    }
  })
)

const read = azure("data", "key")
const at = (url: string, options: Partial<AzureStorage.Options> = {}) =>
  Effect.provide(AzureStorage.layer({ connectionString: connectionString(url), containers: ["data"], ...options }))

const failing = (answer: Answer, options: Partial<AzureStorage.Options> = { attempts: 1 }) =>
  Effect.gen(function*() {
    const double = yield* httpDouble(inTurn(answer))
    const reason = yield* readReason(read).pipe(at(double.url, options))
    assert.notInclude(JSON.stringify(reason) + reason.message, "CANARY")
    assert.notInclude(JSON.stringify(reason) + reason.message, btoa("CANARY-key"))
    return { reason, requests: double.requests() }
  })

describe("AzureStorage", () => {
  for (
    const [code, status, reasonTag, retried] of [
      ["BlobNotFound", 404, "ResultNotFound", false],
      ["ContainerNotFound", 404, "ResultNotFound", false],
      ["AuthenticationFailed", 403, "ResultAccessDenied", false],
      ["AuthorizationPermissionMismatch", 403, "ResultAccessDenied", false],
      ["NoAuthenticationInformation", 401, "ResultAccessDenied", false],
      ["PublicAccessNotPermitted", 409, "ResultAccessDenied", false],
      ["SomethingNew", 403, "ResultAccessDenied", false],
      ["BlobArchived", 409, "StorageUnavailable", false],
      ["ServerBusy", 503, "StorageUnavailable", true],
      ["InternalError", 500, "StorageUnavailable", true],
      ["SomethingNew", 400, "StorageUnavailable", false]
    ] as const
  ) {
    it.live(`tells ${code} (${status}) apart`, () =>
      Effect.gen(function*() {
        const { reason, requests } = yield* failing(failed(status, code), { attempts: 2 })
        assert.strictEqual(reason._tag, reasonTag)
        assert.include(reason.message, code)
        assert.include(reason.message, "azure://data/key")
        assert.strictEqual(requests, retried ? 2 : 1)
      }), { concurrent: true })
  }

  it.live("goes on where the body was cut, and only when it is still the same blob", () =>
    Effect.gen(function*() {
      const rest: Answer = (response, request) => {
        const range = request.headers["x-ms-range"] ?? request.headers.range
        const offset = Number(/^bytes=(\d+)-$/.exec(String(range))?.[1])
        assert.strictEqual(request.headers["if-match"], tag.etag)
        response.writeHead(206, {
          "content-length": bytes.length - offset,
          "content-range": `bytes ${offset}-${bytes.length - 1}/${bytes.length}`,
          ...tag
        })
        response.end(bytes.subarray(offset))
      }
      const double = yield* httpDouble(inTurn(cutAt(bytes, 20_000, tag), rest))
      assert.deepStrictEqual((yield* readBytes(read).pipe(at(double.url))).bytes, bytes)
      assert.strictEqual(double.requests(), 2)

      const changed = bytes.map((byte) => byte ^ 1)
      const replaced = yield* httpDouble(
        inTurn(cutAt(bytes, 20_000, tag), failed(412, "ConditionNotMet"), blob(changed, { etag: "\"0x8DC2\"" }))
      )
      assert.deepStrictEqual((yield* readBytes(read).pipe(at(replaced.url))).bytes, changed)
      assert.strictEqual(replaced.requests(), 3)
    }))

  it.live("fails when it is cut again and again", () =>
    Effect.gen(function*() {
      const { reason, requests } = yield* failing(cutAt(bytes, 100, tag), { attempts: 2 })
      assert.include(reason.message, `the connection broke at 100 of ${bytes.length} bytes`)
      assert.strictEqual(requests, 2)
    }))

  it.live("says what the store does not say of a blob", () =>
    Effect.gen(function*() {
      for (const headers of [{ etag: "\"1\"", "transfer-encoding": "chunked" }, { "content-length": 2 }]) {
        const { reason } = yield* failing((response) => response.writeHead(200, headers).end("{}"))
        assert.strictEqual(reason._tag, "StorageUnavailable")
        assert.include(reason.message, "the store does not say its length or its ETag")
      }
    }))

  it.live("verifies MD5", () =>
    Effect.gen(function*() {
      const md5 = { "content-md5": createHash("md5").update(bytes).digest("base64") }
      const { reason } = yield* failing(blob(bytes.map((byte) => byte ^ 1), md5))
      assert.include(reason.message, "checksum")
    }))

  it.live("stops reading at the limit, and gives up on a store that falls silent", () =>
    Effect.gen(function*() {
      const double = yield* httpDouble(inTurn(endless({ ...tag, "content-length": "9000000" })))
      const tooLarge = yield* readReason(read, 300_000).pipe(at(double.url))
      assert.strictEqual(tooLarge._tag, "ResultTooLarge")
      for (const answer of [silent({ "content-length": "10", ...tag }), () => {}]) {
        const { reason } = yield* failing(answer, { attempts: 1, idleTimeout: "100 millis" })
        assert.include(reason.message, "sent nothing")
      }
      const gone = yield* Effect.scoped(httpDouble(() => {}))
      assert.include((yield* readReason(read).pipe(at(gone.url, { attempts: 1 }))).message, "ECONNREFUSED")
    }))

  it.live("takes the account from the environment, as Prefect does", () =>
    Effect.gen(function*() {
      const double = yield* httpDouble(inTurn(blob(bytes)))
      const layer = (env: Record<string, string>) =>
        AzureStorage.layer({ containers: ["data"] }).pipe(
          Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env })))
        )
      const there = layer({ AZURE_STORAGE_CONNECTION_STRING: Redacted.value(connectionString(double.url)) })
      assert.deepStrictEqual((yield* readBytes(read).pipe(Effect.provide(there))).bytes, bytes)
      const reason = yield* readReason(read).pipe(Effect.provide(layer({})))
      assert.strictEqual(reason._tag, "StorageNotProvided")
      assert.include(reason.message, "AZURE_STORAGE_CONNECTION_STRING")
      const malformed = yield* readReason(read).pipe(
        Effect.provide(layer({ AZURE_STORAGE_CONNECTION_STRING: "AccountKey=CANARY" }))
      )
      assert.strictEqual(malformed._tag, "StorageNotProvided")
      assert.notInclude(malformed.message, "CANARY")
    }))

  it.live("takes a shared access signature, and shows it nowhere", () =>
    Effect.gen(function*() {
      const urls: Array<string> = []
      const double = yield* httpDouble((request, response) => {
        urls.push(request.url ?? "")
        const answer = urls.length > 1 ? failed(403, "AuthenticationFailed") : blob(bytes)
        answer(response, request)
      })
      const layer = AzureStorage.layer({
        accountUrl: `${double.url}/account`,
        sasToken: Redacted.make("?sv=1&sig=CANARY"),
        containers: ["data"]
      })
      yield* readBytes(read).pipe(Effect.provide(layer))
      assert.include(urls[0], "sig=CANARY")
      const reason = yield* readReason(read).pipe(Effect.provide(layer))
      assert.strictEqual(reason._tag, "ResultAccessDenied")
      assert.notInclude(JSON.stringify(reason) + reason.message, "CANARY")
    }))

  it.live("asks for a version where the descriptor has one", () =>
    Effect.gen(function*() {
      const urls: Array<string> = []
      const double = yield* httpDouble((request, response) => {
        urls.push(request.url ?? "")
        blob(bytes)(response, request)
      })
      yield* readBytes(azure("data", "key", { version_id: "2024-01-01T00:00:00.0000000Z" })).pipe(at(double.url))
      assert.include(urls[0], "versionid=2024-01-01")
    }))
})
