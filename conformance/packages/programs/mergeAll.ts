/** S3 and local files by Layer.mergeAll: each result is read from where it is allowed. */
import { MemoryApi } from "@effect-prefect/api"
import { LocalStorage, TaskRun } from "@effect-prefect/results"
import * as S3Storage from "@effect-prefect/results/S3Storage"
import * as Sample from "@effect-prefect/results/sample"
import { Effect, Layer } from "effect"
import { join } from "node:path"

const state = (_result: object) => ({ type: "Success", _result })
const Prefect = Layer.mergeAll(
  MemoryApi.layer({
    task_run: [
      {
        id: "local",
        serialized_state: state({
          type: "LocalResult",
          location: join(Sample.directory, "results/orders-etl/summary-1.json")
        })
      },
      { id: "s3", serialized_state: state({ type: "S3Result", bucket: "other", location: "x" }) }
    ]
  }),
  LocalStorage.layer({ roots: [Sample.directory] }),
  S3Storage.layer({ buckets: ["results"] })
)
const program = Effect.gen(function*() {
  const local = yield* (yield* TaskRun.fromTaskRunId("local")).getResult
  const denied = yield* Effect.flip((yield* TaskRun.fromTaskRunId("s3")).getResult)
  return JSON.stringify(local) === "{\"orders\":24,\"total_cents\":1283888}" &&
      denied.reason._tag === "ResultAccessDenied"
    ? "ok"
    : [local, denied]
}).pipe(Effect.provide(Prefect))
console.log(await Effect.runPromise(program))
