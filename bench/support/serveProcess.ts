/**
 * A server process of serve.bench.ts, on the Postgres in the first argument: `serve` itself, or (second argument
 * `plain`) the same prepared SQL through the same driver and the same HTTP server, without GraphQL. Prints its URL;
 * replies to `{"memory": true}` on its channel with the megabytes of its heap after a collection.
 */
import * as Database from "@effect-prefect/server/Database"
import * as Server from "@effect-prefect/server/Server"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Cli } from "effect-prefect"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import { createServer } from "node:http"
import * as SqlCompiler from "../../packages/server/src/internal/compiler.ts"
import { unknown } from "../../packages/server/src/internal/statistics.ts"
import { completeCatalog } from "../../packages/server/test/support/completeCatalog.ts"
import { liveHeap } from "./liveHeap.ts"
import { lookup, lookupField } from "./serveLookup.ts"

const [, , url = "", mode = "serve"] = process.argv

process.on("message", () => process.send?.({ memory: liveHeap() }))

const plain = Effect.gen(function*() {
  const database = yield* Database.Database
  const root = SqlCompiler.rootFields(completeCatalog).get("task_run")
  if (root === undefined) return yield* Effect.die("the catalog has no task_run")
  const context = {
    catalog: completeCatalog,
    fragments: new Map(),
    maxRows: 100_000,
    maxFields: 2_000,
    statistics: unknown
  }
  const { sql } = SqlCompiler.compile({ ...context, variables: { id: "" } }, root, lookupField)
  const handler = Effect.gen(function*() {
    const request = yield* HttpServerRequest.HttpServerRequest
    const body = JSON.parse(yield* request.text) as ReturnType<typeof lookup>
    const [row] = yield* database.query(sql, [body.variables.id])
    return HttpServerResponse.text(`{"data":{"task_run":${row?.["root"] ?? "null"}}}`, {
      contentType: "application/json; charset=utf-8"
    })
  })
  const http = yield* NodeHttpServer.make(() => createServer(), { host: "127.0.0.1", port: 0 })
  yield* http.serve(handler)
  return HttpServer.formatAddress(http.address)
})

const database = Cli.serveDatabase({ url: Redacted.make(url), maxConnections: 10 })
const start = mode === "plain"
  ? plain
  : Effect.map(
    Layer.build(Server.layer({ port: 0 }).pipe(Layer.provide(Layer.fresh(database)))),
    (context) => Effect.runSync(Effect.provideContext(Server.Server, context)).url
  )

Effect.runFork(
  Effect.scoped(Effect.gen(function*() {
    process.stdout.write(`ready ${yield* start}\n`)
    return yield* Effect.never
  })).pipe(Effect.provide(database), Effect.provide(Logger.layer([])))
)
