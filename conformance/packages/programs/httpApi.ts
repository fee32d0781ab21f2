/** An HttpApi whose handlers require `PrefectApi` and `ResultStorage`, served over HTTP and called by its own client. */
import { ArchiveApi, PrefectApi, type PrefectApiError } from "@effect-prefect/api"
import { FlowRunView } from "@effect-prefect/core/FlowRunView"
import { JsonProjection, LocalStorage, type ResultError, ResultStorage, TaskRun } from "@effect-prefect/results"
import * as Sample from "@effect-prefect/results/sample"
import { NodeHttpServer } from "@effect/platform-node"
import { Effect, Layer, Schema } from "effect"
import { FetchHttpClient, HttpRouter } from "effect/http"
import { HttpApi, HttpApiBuilder, HttpApiClient, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import assert from "node:assert/strict"
import { createServer } from "node:http"

class Missing extends Schema.TaggedError<Missing>()("Missing", { message: Schema.String }, { httpApiStatus: 404 }) {}
class Later extends Schema.TaggedError<Later>()("Later", { message: Schema.String }, { httpApiStatus: 409 }) {}
class Failed extends Schema.TaggedError<Failed>()("Failed", { message: Schema.String }, { httpApiStatus: 502 }) {}

const Api = HttpApi.make("results").add(
  HttpApiGroup.make("runs").add(
    HttpApiEndpoint.get("flowRun", "/flow-runs/:id", {
      params: { id: Schema.String },
      success: FlowRunView,
      error: [Missing, Later, Failed]
    }),
    HttpApiEndpoint.get("result", "/task-runs/:id/result", {
      params: { id: Schema.String },
      success: Schema.Json,
      error: [Missing, Later, Failed]
    })
  )
)

const problem = ({ httpStatus, message }: ResultError.ResultError | PrefectApiError.PrefectApiError) =>
  httpStatus === 404 ? new Missing({ message }) : httpStatus === 409 ? new Later({ message }) : new Failed({ message })

const Handlers = HttpApiBuilder.group(
  Api,
  "runs",
  Effect.fnUntraced(function*(handlers) {
    const api = yield* PrefectApi.PrefectApi
    const services = yield* Effect.context<PrefectApi.PrefectApi | ResultStorage.ResultStorage>()
    return handlers.handleAll({
      flowRun: ({ params }) => Effect.mapError(api.flowRun(params.id), problem),
      result: ({ params }) =>
        Effect.gen(function*() {
          const taskRun = yield* TaskRun.fromTaskRunId(params.id)
          const value = yield* taskRun.getResult
          return yield* Effect.orDie(JsonProjection.toJson(value))
        }).pipe(Effect.mapError(problem), Effect.provideContext(services))
    })
  })
)

const port = 1024 + process.pid % 60_000
const Server = HttpRouter.serve(HttpApiBuilder.layer(Api).pipe(Layer.provide(Handlers)), {
  disableLogger: true,
  disableListenLog: true
}).pipe(
  Layer.provide(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port })),
  Layer.provide(Layer.merge(ArchiveApi.layer(Sample.directory), LocalStorage.layerArchive(Sample.directory)))
)
const program = Effect.gen(function*() {
  const client = yield* HttpApiClient.make(Api, { baseUrl: `http://127.0.0.1:${port}` })
  // The view is the same class on both sides.
  const flowRun = yield* client.runs.flowRun({ params: { id: Sample.flowRunId } })
  assert.ok(flowRun instanceof FlowRunView && flowRun.state._tag === "Failed")
  assert.deepEqual(yield* client.runs.result({ params: { id: Sample.taskRunId } }), {
    orders: 24,
    total_cents: 1283888
  })
  return yield* client.runs.result({ params: { id: "00000000-0000-4000-8000-000000000000" } }).pipe(
    Effect.catchTag("Missing", ({ message }) => Effect.succeed(message))
  )
})
const message = await Effect.runPromise(Effect.provide(program, Layer.merge(Server, FetchHttpClient.layer)))
assert.match(String(message), /no task run 00000000/)
console.log("ok")
