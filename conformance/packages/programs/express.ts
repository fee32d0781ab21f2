/** A route of Express 5 that answers with a result, or with the status of its failure. */
import { ArchiveApi, type PrefectApi, type PrefectApiError } from "@effect-prefect/api"
import { JsonProjection, LocalStorage, type ResultError, type ResultStorage, TaskRun } from "@effect-prefect/results"
import * as Sample from "@effect-prefect/results/sample"
import { Effect, Layer, ManagedRuntime } from "effect"
import express, { type Response } from "express"
import assert from "node:assert/strict"
import { once } from "node:events"
import type { AddressInfo } from "node:net"

const runtime = ManagedRuntime.make(Layer.merge(
  ArchiveApi.layer(Sample.directory),
  LocalStorage.layerArchive(Sample.directory)
))

const send = <A>(
  response: Response,
  effect: Effect.Effect<
    A,
    ResultError.ResultError | PrefectApiError.PrefectApiError,
    PrefectApi.PrefectApi | ResultStorage.ResultStorage
  >
): Promise<void> => {
  // A client that goes away interrupts the read.
  const gone = new AbortController()
  response.once("close", () => gone.abort())
  return runtime.runPromise(
    Effect.match(effect, {
      onSuccess: (body) => void response.json(body),
      onFailure: (error) =>
        void response.status(error.httpStatus).json({ error: error.reason._tag, message: error.message })
    }),
    { signal: gone.signal }
  )
}

const app = express()
app.get("/results/:id", (request, response) =>
  send(
    response,
    Effect.gen(function*() {
      const taskRun = yield* TaskRun.fromTaskRunId(request.params.id)
      return yield* Effect.orDie(JsonProjection.toJson(yield* taskRun.getResult))
    })
  ))
app.get("/flow-runs/:flowRunId/tasks/:slug", (request, response) =>
  send(
    response,
    Effect.flatMap(
      TaskRun.fromTaskSlug({ taskSlug: request.params.slug, flowRunId: request.params.flowRunId }),
      (taskRun) => Effect.map(taskRun.getResult, (value) => ({ state: taskRun.view.state._tag, type: typeof value }))
    )
  ))

const server = app.listen(0, "127.0.0.1")
await once(server, "listening")
const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
const get = async (path: string) => {
  const response = await fetch(`${origin}${path}`)
  return [response.status, await response.json()] as const
}
assert.deepEqual(await get(`/results/${Sample.taskRunId}`), [200, { orders: 24, total_cents: 1283888 }])
const [status, problem] = await get("/results/00000000-0000-4000-8000-000000000000")
assert.deepEqual([status, (problem as { readonly error: string }).error], [404, "TaskRunNotFound"])
assert.equal((await get(`/flow-runs/${Sample.flowRunId}/tasks/extract-1`))[0], 200)
// A mapped task of which a child failed.
assert.equal((await get(`/flow-runs/${Sample.flowRunId}/tasks/score-1`))[0], 404)

server.close()
server.closeAllConnections()
await runtime.dispose()
console.log("ok")
