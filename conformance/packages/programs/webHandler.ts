/** A handler of web requests, in the servers of Bun and Deno; in Node.js it is called as a route handler is. */
import { ArchiveApi } from "@effect-prefect/api"
import { JsonProjection, LocalStorage, TaskRun } from "@effect-prefect/results"
import * as Sample from "@effect-prefect/results/sample"
import { Effect, Layer, ManagedRuntime } from "effect"
import assert from "node:assert/strict"

const runtime = ManagedRuntime.make(Layer.merge(
  ArchiveApi.layer(Sample.directory),
  LocalStorage.layerArchive(Sample.directory)
))

const handler = (request: Request): Promise<Response> =>
  Effect.gen(function*() {
    const taskRun = yield* TaskRun.fromTaskRunId(new URL(request.url).pathname.slice(1))
    return Response.json(yield* Effect.orDie(JsonProjection.toJson(yield* taskRun.getResult)))
  }).pipe(
    Effect.catch((error) => Effect.succeed(Response.json({ error: error.reason._tag }, { status: error.httpStatus }))),
    (effect) => runtime.runPromise(effect, { signal: request.signal })
  )

type Handler = typeof handler
interface Runtimes {
  readonly Bun?: {
    readonly serve: (options: { readonly port: number; readonly fetch: Handler }) => {
      readonly port: number
      readonly stop: (closeActiveConnections: boolean) => Promise<void>
    }
  }
  readonly Deno?: {
    readonly serve: (options: { readonly port: number; readonly onListen: () => void }, handler: Handler) => {
      readonly addr: { readonly port: number }
      readonly shutdown: () => Promise<void>
    }
  }
}

const serve = ({ Bun, Deno }: Runtimes) => {
  if (Bun !== undefined) {
    const server = Bun.serve({ port: 0, fetch: handler })
    return { get: (path: string) => fetch(`http://127.0.0.1:${server.port}${path}`), stop: () => server.stop(true) }
  }
  if (Deno !== undefined) {
    const server = Deno.serve({ port: 0, onListen: () => {} }, handler)
    return {
      get: (path: string) => fetch(`http://127.0.0.1:${server.addr.port}${path}`),
      stop: () => server.shutdown()
    }
  }
  return { get: (path: string) => handler(new Request(`http://localhost${path}`)), stop: () => Promise.resolve() }
}

const server = serve(globalThis as Runtimes)
const found = await server.get(`/${Sample.taskRunId}`)
assert.deepEqual(await found.json(), { orders: 24, total_cents: 1283888 })
const missing = await server.get("/00000000-0000-4000-8000-000000000000")
assert.deepEqual([missing.status, await missing.json()], [404, { error: "TaskRunNotFound" }])
await server.stop()
await runtime.dispose()
console.log("ok")
