import { AzureResult, GCSResult, S3Result } from "@effect-prefect/core/ResultDescriptor"
import { FormatError, ReaderUnavailable } from "@effect-prefect/formats/FormatError"
import * as AzureStorage from "@effect-prefect/results/AzureStorage"
import * as GCSStorage from "@effect-prefect/results/GCSStorage"
import { fromFormatError, ResultError } from "@effect-prefect/results/ResultError"
import * as S3Storage from "@effect-prefect/results/S3Storage"
import { readBytes, readReason } from "@effect-prefect/results/testing"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { type Answer, httpDouble, inTurn } from "./support/httpDouble.ts"

const options = { attempts: 1, idleTimeout: "20 seconds" } as const
const s3 = (endpoint: string) =>
  S3Storage.layer({
    endpoint,
    region: "us-east-1",
    credentials: { accessKeyId: "id", secretAccessKey: Redacted.make("secret") },
    buckets: ["data"],
    ...options
  })
const object = new S3Result({ bucket: "data", location: "key" })

const whole: Answer = (response) => {
  response.writeHead(200, { "content-length": 2, etag: "\"1\"", "x-goog-generation": "1" })
  response.end("{}")
}

/** The ways to request an object: the descriptor, the layer, and what was requested before. */
const ways = {
  "S3, by the SDK": { descriptor: object, layer: s3, code: "AccessDenied", before: [] },
  "S3, directly": { descriptor: object, layer: s3, code: "AccessDenied", before: [whole] },
  "Google Cloud Storage": {
    descriptor: new GCSResult({ bucket: "data", location: "key" }),
    layer: (endpoint: string) => GCSStorage.layer({ endpoint, buckets: ["data"], ...options }),
    code: "none",
    before: []
  },
  "Azure": {
    descriptor: new AzureResult({ container: "data", location: "key" }),
    layer: (url: string) =>
      AzureStorage.layer({
        connectionString: Redacted.make(
          `DefaultEndpointsProtocol=http;AccountName=account;AccountKey=${btoa("key")};BlobEndpoint=${url}/account;`
        ),
        containers: ["data"],
        ...options
      }),
    code: "AuthorizationFailure",
    before: []
  }
}

const xml = { "content-type": "application/xml" }

/** An error that goes on as long as anybody reads it. */
const withoutEnd = (status: number, piece: string) => (code: string): Answer => (response) => {
  response.writeHead(status, xml)
  response.write(`<?xml version="1.0"?><Error><Code>${code}</Code>`)
  const chunk = Buffer.alloc(65_536, piece)
  const write = () => {
    while (!response.destroyed && response.write(chunk));
    if (!response.destroyed) response.once("drain", write)
  }
  write()
}

const withDetail = (type: string, detail: string) => (code: string): Answer => (response) => {
  response.writeHead(403, xml)
  response.end(`<?xml version="1.0"?>${type}<Error><Code>${code}</Code>${detail}</Error>`)
}

for (const [name, { before, code, descriptor, layer }] of Object.entries(ways)) {
  describe(`an error of a store (${name})`, () => {
    const failing = (answer: Answer) =>
      Effect.gen(function*() {
        const double = yield* httpDouble(inTurn(...before as [Answer], answer))
        const reason = yield* Effect.gen(function*() {
          for (const _ of before) yield* readBytes(descriptor)
          return yield* readReason(descriptor)
        }).pipe(Effect.provide(layer(double.url)))
        return { reason, requests: double.requests() - before.length }
      })

    for (
      const [what, answer, tag] of [
        ["an error of text without end", withoutEnd(403, "a"), "ResultAccessDenied"],
        ["an error of elements without end", withoutEnd(404, "<a>"), "ResultNotFound"],
        ["a failure without end", withoutEnd(500, "<a/>"), "StorageUnavailable"],
        [
          "an error of entities",
          withDetail(
            `<!DOCTYPE e [<!ENTITY a "${"a".repeat(1000)}"><!ENTITY b "${"&a;".repeat(1000)}">]>`,
            `<Message>${"&b;".repeat(1000)}</Message>`
          ),
          "ResultAccessDenied"
        ],
        ["an error of many elements", withDetail("", "<a></a>".repeat(200_000)), "ResultAccessDenied"]
      ] as const
    ) {
      it.live(`is read to its code alone: ${what}`, () =>
        Effect.map(failing(answer(code)), ({ reason }) => {
          // Google has no such codes, so its status alone counts.
          assert.strictEqual(reason._tag, descriptor._tag === "GCSResult" ? tag : "ResultAccessDenied")
        }), { concurrent: true })
    }

    it.live(
      "is a success without an object",
      () =>
        Effect.map(failing((response) => response.writeHead(204).end()), ({ reason }) => {
          assert.strictEqual(reason._tag, "StorageUnavailable")
          assert.include(reason.message, "HTTP 204")
        }),
      { concurrent: true }
    )

    it.live("is a part that no object can have, whose body ends with that request", () =>
      Effect.gen(function*() {
        let closed: () => void = () => {}
        const isClosed = new Promise<void>((resolve) => closed = resolve)
        const { reason } = yield* failing((response) => {
          response.on("close", closed)
          response.writeHead(206, { etag: "\"1\"", "content-range": "bytes 5-4/3", "content-length": 10 })
          response.write("12345")
        })
        assert.strictEqual(reason._tag, "StorageUnavailable")
        assert.include(reason.message, "a part that the object cannot have")
        // An error of the body that nobody listens to is not one of this test, but ends the run.
        yield* Effect.promise(() => isClosed)
      }), { concurrent: true })

    it.live("is a redirect, which is not followed", () =>
      Effect.map(
        failing((response, request) => response.writeHead(302, { location: `${request.url}?again` }).end()),
        ({ reason, requests }) => {
          assert.strictEqual(reason._tag, "StorageUnavailable")
          assert.include(reason.message, "HTTP 302")
          assert.strictEqual(requests, 1)
        }
      ), { concurrent: true })
  })
}

it("a reader that cannot be started is no fault of what is stored", () => {
  const reason = fromFormatError(new FormatError({ reason: new ReaderUnavailable({ detail: "it cannot be started" }) }))
  assert.strictEqual(reason._tag, "StorageUnavailable")
  assert.isTrue(new ResultError({ taskRunId: "r", taskSlug: "s", mapIndex: -1, reason }).isRetryable)
})
