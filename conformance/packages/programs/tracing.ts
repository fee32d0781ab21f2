/** Spans of a result through a tracer of the caller's, without a value in them. */
import { MemoryApi } from "@effect-prefect/api"
import { MemoryStorage, TaskRun } from "@effect-prefect/results"
import { Effect, Layer, Tracer } from "effect"

const names: Array<string> = []
const tracer = Tracer.make({
  span: (options) => {
    names.push(options.name)
    return new Tracer.NativeSpan(options)
  }
})
const serialized_state = { type: "Success", _result: { type: "LocalResult", location: "/x" } }
const program = Effect.flatMap(TaskRun.fromTaskRunId("r1"), (taskRun) => taskRun.getResult).pipe(
  Effect.provide(Layer.merge(
    MemoryApi.layer({ task_run: [{ id: "r1", serialized_state }] }),
    MemoryStorage.layer({ "/x": "[1]" })
  )),
  Effect.withTracer(tracer)
)
await Effect.runPromise(program)
console.log(names.includes("TaskRun.fromTaskRunId") ? "ok" : names)
