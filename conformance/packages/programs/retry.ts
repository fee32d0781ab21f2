/** A store that fails twice: what may pass is tried again by a schedule of the caller's. */
import { MemoryApi } from "@effect-prefect/api"
import { MemoryStorage, ResultError, TaskRun } from "@effect-prefect/results"
import { Effect, Layer, Schedule } from "effect"

let reads = 0
const flaky = Effect.suspend(() =>
  ++reads < 3
    ? Effect.fail(new ResultError.StorageUnavailable({ location: "/x", detail: "a test" }))
    : Effect.succeed(new TextEncoder().encode("[1]"))
)
const serialized_state = { type: "Success", _result: { type: "LocalResult", location: "/x" } }
const program = Effect.flatMap(TaskRun.fromTaskRunId("r1"), (taskRun) =>
  Effect.retry(taskRun.getResult, {
    schedule: Schedule.exponential("1 millis"),
    times: 5,
    while: (error) => error.isRetryable
  })).pipe(Effect.provide(
    Layer.merge(MemoryApi.layer({ task_run: [{ id: "r1", serialized_state }] }), MemoryStorage.layer({ "/x": flaky }))
  ))
console.log(JSON.stringify(await Effect.runPromise(program)) === "[1]" && reads === 3 ? "ok" : reads)
