/** A handler that answers with a result or the status of its failure. */
import { MemoryApi } from "@effect-prefect/api"
import { MemoryStorage, TaskRun } from "@effect-prefect/results"
import { Effect, Layer, ManagedRuntime } from "effect"
import { createServer } from "node:http"

const runtime = ManagedRuntime.make(Layer.merge(
  MemoryApi.layer({ task_run: [{ id: "r1", serialized_state: { type: "Running" } }] }),
  MemoryStorage.layer({})
))
const answer = (id: string) =>
  runtime.runPromise(
    Effect.flatMap(TaskRun.fromTaskRunId(id), (taskRun) => taskRun.getResult).pipe(
      Effect.match({
        onSuccess: (body): { readonly status: number; readonly body: unknown } => ({ status: 200, body }),
        onFailure: (error) => ({ status: error.httpStatus, body: { error: error.reason._tag } })
      })
    )
  )
const server = createServer((request, response) => {
  void answer((request.url ?? "").slice(1)).then(({ body, status }) => {
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body))
  })
})
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
const address = server.address()
const port = typeof address === "object" && address !== null ? address.port : 0
const statuses = await Promise.all(
  ["r1", "r2"].map(async (id) => (await fetch(`http://127.0.0.1:${port}/${id}`)).status)
)
await new Promise((resolve) => server.close(resolve))
await runtime.dispose()
console.log(statuses.join() === "409,404" ? "ok" : statuses)
