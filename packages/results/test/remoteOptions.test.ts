/** Options of the stores that cannot be used: each is an error that names it, and shows no part of it. */
import { AzureResult, GCSResult, S3Result } from "@effect-prefect/core/ResultDescriptor"
import * as AzureStorage from "@effect-prefect/results/AzureStorage"
import * as GCSStorage from "@effect-prefect/results/GCSStorage"
import * as S3Storage from "@effect-prefect/results/S3Storage"
import { readBytes, readReason } from "@effect-prefect/results/testing"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { limitsOf, type RemoteOptions } from "../src/internal/remote/options.ts"
import { httpDouble } from "./support/httpDouble.ts"

const credentials = { accessKeyId: "canary-id", secretAccessKey: Redacted.make("canary-secret") }

const stores = {
  S3: (endpoint: string, options: RemoteOptions & { readonly region?: string } = {}) =>
    Effect.provide(
      readReason(new S3Result({ bucket: "data", location: "key" })),
      S3Storage.layer({ endpoint, region: "us-east-1", buckets: ["data"], credentials, attempts: 1, ...options })
    ),
  "Google Cloud Storage": (endpoint: string, options: RemoteOptions = {}) =>
    Effect.provide(
      readReason(new GCSResult({ bucket: "data", location: "key" })),
      GCSStorage.layer({ endpoint, buckets: ["data"], attempts: 1, ...options })
    ),
  Azure: (accountUrl: string, options: RemoteOptions = {}) =>
    Effect.provide(
      readReason(new AzureResult({ container: "data", location: "key" })),
      AzureStorage.layer({
        accountUrl,
        sasToken: Redacted.make("sig=canary"),
        containers: ["data"],
        attempts: 1,
        ...options
      })
    )
}

describe.each(Object.entries(stores))("%s", (_, reasonOf) => {
  for (
    const endpoint of [
      "http://[",
      "http://canary host",
      "http://127.0.0.1:99999",
      "file:///etc/passwd",
      "ftp://canary@127.0.0.1"
    ]
  ) {
    it.live(`has no address ${endpoint}`, () =>
      Effect.gen(function*() {
        const { message } = yield* reasonOf(endpoint)
        assert.match(message, /its endpoint is not an http or https URL|account URL is not a valid one/)
        assert.notInclude(message, "canary")
      }))
  }

  it.live("has no limits of time that are none", () =>
    Effect.gen(function*() {
      for (const time of ["canary" as "1 second", "-1 second", Number.NaN] as const) {
        for (const name of ["idleTimeout", "timeout"] as const) {
          const { message } = yield* reasonOf("http://127.0.0.1:1", { [name]: time })
          assert.match(message, new RegExp(`could not be read: ${name} is not a duration`))
          assert.notInclude(message, "canary")
        }
      }
    }))
})

describe("the region of S3", () => {
  it.live("is a name", () =>
    Effect.gen(function*() {
      for (const region of ["", "us-east-1\n", "canary region", "canary.example/#", "-x", "x".repeat(64)]) {
        const { message } = yield* stores.S3("http://127.0.0.1:1", { region })
        assert.include(message, "its region is not the name of one")
        assert.notInclude(message, "canary")
      }
    }))
})

describe("a silence that may last for longer than a timer can", () => {
  it("is as long as a timer can be", () => {
    for (const idleTimeout of ["30 days", "Infinity"] as const) {
      assert.strictEqual(limitsOf({ idleTimeout }).idle, 2 ** 31 - 1)
    }
  })

  it.live("does not end a read at once", () =>
    Effect.gen(function*() {
      const { url } = yield* httpDouble((_, response) => void setTimeout(() => response.end("late"), 50))
      const { bytes } = yield* Effect.provide(
        readBytes(new S3Result({ bucket: "data", location: "key" })),
        S3Storage.layer({ endpoint: url, buckets: ["data"], credentials, attempts: 1, idleTimeout: "30 days" })
      )
      assert.strictEqual(Buffer.from(bytes).toString(), "late")
    }))
})

describe("what an SDK cannot send", () => {
  it.live("is told with what to check, at once", () =>
    Effect.gen(function*() {
      const { message } = yield* Effect.provide(
        readReason(new S3Result({ bucket: "data", location: "key" })),
        S3Storage.layer({
          endpoint: "http://127.0.0.1:1",
          region: "us-east-1",
          buckets: ["data"],
          credentials: { accessKeyId: "canary\nid", secretAccessKey: Redacted.make("canary") }
        })
      )
      assert.match(
        message,
        /the request could not be made \(ERR_INVALID_CHAR\): check the endpoint, the region and the/
      )
      assert.notInclude(message, "canary")
    }))
})
