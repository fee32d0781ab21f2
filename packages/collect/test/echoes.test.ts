/** Stores that answer with the credentials of a request: no error of a collection repeats them. */
import * as AzureOutput from "@effect-prefect/collect/AzureOutput"
import { CollectOutput } from "@effect-prefect/collect/CollectOutput"
import * as GCSOutput from "@effect-prefect/collect/GCSOutput"
import * as S3Output from "@effect-prefect/collect/S3Output"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { createServer, type IncomingMessage } from "node:http"
import type { AddressInfo } from "node:net"
import { inspect } from "node:util"

// In the form of a word, as some codes are.
const canary = "CANARYcanaryCANARY"

/** A store that refuses, with an echo in every place of its answer. */
const echoing = (echo: (request: IncomingMessage) => string) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly url: string; readonly close: () => void }>((resume) => {
      const server = createServer((request, response) => {
        request.resume().on("end", () => {
          const text = echo(request)
          const isJson = request.url?.startsWith("/storage") === true || request.url?.startsWith("/upload") === true
          response.writeHead(403, {
            "content-type": isJson ? "application/json" : "application/xml",
            "x-ms-error-code": text.replace(/[^ -~]/g, "").slice(0, 200),
            "x-amz-request-id": canary
          })
          response.end(
            isJson
              ? JSON.stringify({ error: { code: 403, message: text, errors: [{ reason: text, message: text }] } })
              : `<?xml version="1.0"?><Error><Code>${text}</Code><Message>${text}</Message></Error>`
          )
        })
      })
      server.listen(0, "127.0.0.1", () => {
        const close = () => {
          server.closeAllConnections()
          server.close()
        }
        resume(Effect.succeed({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

const outputs: Readonly<Record<string, (url: string) => Layer.Layer<CollectOutput, unknown>>> = {
  S3: (endpoint) =>
    S3Output.layer({
      bucket: "bucket",
      endpoint,
      region: "us-east-1",
      attempts: 1,
      credentials: {
        accessKeyId: canary,
        secretAccessKey: Redacted.make(canary),
        sessionToken: Redacted.make(canary)
      }
    }),
  "Google Cloud Storage": (endpoint) => GCSOutput.layer({ bucket: "bucket", endpoint }),
  Azure: (url) =>
    AzureOutput.layer({
      container: "container",
      connectionString: Redacted.make(
        `DefaultEndpointsProtocol=http;AccountName=account;AccountKey=${btoa(canary)};BlobEndpoint=${url}/account;`
      )
    })
}

describe("an answer that echoes the request", () => {
  for (const [name, layerOf] of Object.entries(outputs)) {
    it.live(`is not repeated: ${name}`, () =>
      Effect.gen(function*() {
        for (const echo of [() => canary, (request: IncomingMessage) => `${request.url} ${inspect(request.headers)}`]) {
          const { url } = yield* echoing(echo)
          const error = yield* Effect.flip(
            Effect.provide(Effect.flatMap(CollectOutput, (output) => output.prepare("job")), layerOf(url))
          )
          const text = `${inspect(error, { depth: 9 })} ${JSON.stringify(error)}`
          assert.notInclude(text, canary)
          assert.notInclude(text, btoa(canary).replace(/=+$/, ""))
          assert.include(text, "403")
        }
      }))
  }
})
