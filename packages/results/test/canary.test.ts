/** Secrets, signatures and values stand nowhere but where they belong: not in errors, logs, spans or what inspects them. */
import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import * as AzureStorage from "@effect-prefect/results/AzureStorage"
import * as GCSStorage from "@effect-prefect/results/GCSStorage"
import * as LocalStorage from "@effect-prefect/results/LocalStorage"
import * as ResultStorage from "@effect-prefect/results/ResultStorage"
import * as S3Storage from "@effect-prefect/results/S3Storage"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"
import type { RequestListener } from "node:http"
import { inspect } from "node:util"
import { httpDouble } from "./support/httpDouble.ts"
import { single } from "./support/world.ts"

const canary = "CANARY"
const signed = `x?X-Amz-Signature=${canary}&sig=${canary}`

const layerOf = (url: string) =>
  ResultStorage.layerMerge([
    LocalStorage.layer({ roots: ["/nowhere"] }),
    S3Storage.layer({
      endpoint: url,
      region: "us-east-1",
      buckets: ["data"],
      attempts: 2,
      credentials: {
        accessKeyId: `${canary}-id`,
        secretAccessKey: Redacted.make(canary),
        sessionToken: Redacted.make(canary)
      }
    }),
    GCSStorage.layer({ endpoint: url, buckets: ["data"], attempts: 2 }),
    AzureStorage.layer({
      accountUrl: `${url}/account`,
      sasToken: Redacted.make(`sv=1&sig=${canary}`),
      containers: ["data"],
      attempts: 2
    })
  ])

const descriptors = [
  { type: "S3Result", bucket: "data", location: signed },
  { type: "S3Result", bucket: "data", location: "key" },
  { type: "S3Result", bucket: "other", location: signed },
  { type: "GCSResult", bucket: "data", location: signed },
  { type: "GCSResult", bucket: "other", location: signed },
  { type: "AzureResult", container: "data", location: signed },
  { type: "AzureResult", container: "data", location: `https://a.blob.core.windows.net/data/x?sv=1&sig=${canary}` },
  { type: "LocalResult", location: `/nowhere/${signed}`, dir: "/nowhere" },
  { type: "LocalResult", location: `https://bucket.s3.amazonaws.com/${signed}`, dir: "/elsewhere" }
]

const says = (status: number, text: string): RequestListener => (_request, response) => {
  response.writeHead(status, {
    "x-ms-error-code": `${canary} code`,
    "x-amz-request-id": canary,
    "www-authenticate": canary,
    location: `http://127.0.0.1:1/${canary}`
  })
  response.end(text)
}

const answers: ReadonlyArray<RequestListener> = [
  ...[400, 401, 403, 404, 409, 500, 503, 302].map((status) =>
    says(status, `<Error><Code>${canary} code</Code><Message>${canary}</Message></Error>`)
  ),
  // A credential in the place of a code.
  (_request, response) => {
    response.writeHead(403, { "x-ms-error-code": canary })
    response.end(`<Error><Code>${canary}</Code><Message>${canary}</Message></Error>`)
  },
  // All that a request has, as a debugging proxy answers it: its URL and headers, as they are and in base64.
  (request, response) => {
    const sent = `${request.url} ${JSON.stringify(request.headers)}`
    response.writeHead(500, { "x-ms-error-code": Buffer.from(sent).toString("base64").slice(0, 60) })
    response.end(`<Error><Code>${Buffer.from(sent).toString("base64")}</Code><Message>${sent}</Message></Error>`)
  },
  says(403, `{"error":{"code":403,"message":"${canary}","errors":[{"reason":"${canary}"}]}}`),
  says(200, `${canary} as JSON`),
  (_request, response) => {
    response.writeHead(200, { "content-length": "1000" })
    response.write(canary, () => response.destroy())
  },
  (request) => request.socket.destroy()
]

/** A logger and a tracer that keep everything they are given. */
const recorder = () => {
  const kept: Array<string> = []
  const logger = Logger.make((options) => {
    kept.push(inspect(options.message, { depth: 9 }), inspect(options.cause, { depth: 9 }))
  })
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      kept.push(span.name)
      const { attribute, end, event } = span
      span.attribute = (key, value) => {
        kept.push(`${key} ${inspect(value, { depth: 9 })}`)
        attribute.call(span, key, value)
      }
      span.event = (name, time, attributes) => {
        kept.push(`${name} ${inspect(attributes, { depth: 9 })}`)
        event.call(span, name, time, attributes)
      }
      span.end = (time, exit) => {
        kept.push(inspect(exit, { depth: 12 }))
        end.call(span, time, exit)
      }
      return span
    }
  })
  const layer = Layer.mergeAll(
    Logger.layer([logger]),
    Layer.succeed(References.MinimumLogLevel, "Trace"),
    Layer.succeed(Tracer.Tracer, tracer)
  )
  return { kept, layer }
}

describe("what is secret", () => {
  it.live("stands in no error, log or span", () =>
    Effect.gen(function*() {
      const { kept, layer } = recorder()
      let failures = 0
      for (const answer of answers) {
        const double = yield* httpDouble(answer)
        yield* Effect.forEach(descriptors, (_result) =>
          Effect.gen(function*() {
            const run = yield* TaskRun.fromTaskRunId("run")
            const exit = yield* Effect.exit(Effect.withSpan(run.getResult, "reading"))
            if (Exit.isSuccess(exit)) return
            failures++
            kept.push(inspect(exit, { depth: 12 }), Cause.pretty(exit.cause), JSON.stringify(exit))
            yield* Effect.logError(exit.cause)
          }).pipe(
            Effect.provide([MemoryApi.layer(single({ type: "Success", _result })), layerOf(double.url)])
          ), { concurrency: 4 }).pipe(Effect.provide(layer))
      }
      assert.strictEqual(failures, answers.length * descriptors.length)
      assert.isAbove(kept.length, failures * 4)
      const leaks = kept.filter((text) => text.includes(canary))
      assert.deepStrictEqual(leaks, [])
    }))
})
