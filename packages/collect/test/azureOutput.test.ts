import * as AzureOutput from "@effect-prefect/collect/AzureOutput"
import { CollectOutput } from "@effect-prefect/collect/CollectOutput"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

/** The answers of the service: a listing, and errors with their code in a header and in XML. */
const service = (asked: Array<string>) =>
  createServer((request, response) => {
    asked.push(`${request.method} ${request.url?.split("?")[0]}`)
    request.resume()
    const failed = (status: number, code: string) =>
      response.writeHead(status, { "content-type": "application/xml", "x-ms-error-code": code })
        .end(`<?xml version="1.0"?><Error><Code>${code}</Code></Error>`)
    if (request.method === "PUT") return failed(409, "BlobAlreadyExists")
    if (request.method === "DELETE") return failed(404, "BlobNotFound")
    if (!request.url?.includes("comp=list")) return failed(404, "BlobNotFound")
    response.writeHead(200, { "content-type": "application/xml" }).end(
      "<?xml version=\"1.0\"?><EnumerationResults><Blobs><Blob><Name>_probe-1</Name></Blob></Blobs></EnumerationResults>"
    )
  })

describe("Azure", () => {
  it.live("is understood by the codes of its errors, whose bodies are not read", () =>
    Effect.scoped(Effect.gen(function*() {
      const asked: Array<string> = []
      const server = yield* Effect.acquireRelease(
        Effect.sync(() => service(asked)),
        (server) => Effect.sync(() => server.close().closeAllConnections())
      )
      yield* Effect.promise(() => once(server.listen(0, "127.0.0.1"), "listening"))
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      yield* Effect.gen(function*() {
        const output = yield* CollectOutput
        assert.isFalse((yield* output.create("part", Stream.make(new Uint8Array(9)))).isNew)
        assert.isUndefined(yield* output.read("part"))
        yield* output.finish
      }).pipe(Effect.provide(AzureOutput.layer({
        container: "bucket",
        connectionString: Redacted.make(
          `DefaultEndpointsProtocol=http;AccountName=account;AccountKey=${btoa("key")};BlobEndpoint=${url}/account;`
        )
      })))
      assert.deepStrictEqual(asked, [
        "PUT /account/bucket/part",
        "GET /account/bucket/part",
        "GET /account/bucket",
        "DELETE /account/bucket/_probe-1"
      ])
    })))
})
