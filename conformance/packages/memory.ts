/** The smallest program of a task run and its result, by the modules that it needs: everything is in memory. */
import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import * as MemoryStorage from "@effect-prefect/results/MemoryStorage"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

const state = { type: "Success", _result: { type: "LocalResult", location: "/x", __version__: "1.4.1" } }
const program = Effect.flatMap(TaskRun.fromTaskRunId("r1"), (taskRun) => taskRun.getResult)
const Memory = Layer.merge(
  MemoryApi.layer({ task_run: [{ id: "r1", state: "Success", serialized_state: state }] }),
  MemoryStorage.layer({ "/x": "{\"orders\": 24}" })
)
console.log(JSON.stringify(await Effect.runPromise(Effect.provide(program, Memory))))
