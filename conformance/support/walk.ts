/**
 * Walks the children of a mapped task slowly and prints what came of them. Each has the same stored bytes.
 *
 * Run as: node --max-old-space-size=1024 walk.ts FILE CHILDREN MILLISECONDS [outcomes|results|getResult]
 *
 * `results` are those of the flow run, the parent's among them; `getResult` is only the parent's.
 */
import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import * as FlowRun from "@effect-prefect/results/FlowRun"
import * as LocalStorage from "@effect-prefect/results/LocalStorage"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { dirname } from "node:path"

const [file = "", children = "0", pause = "0", what = "outcomes"] = process.argv.slice(2)
const run = { flow_run_id: "f", task_id: "t", name: "t-1", version: 1 }
const mapped = {
  ...run,
  id: "parent",
  map_index: -1,
  state: "Mapped",
  serialized_state: { type: "Mapped", n_map_states: Number(children) }
}
const child = (index: number) => ({
  ...run,
  id: `child-${index}`,
  map_index: index,
  state: "Success",
  serialized_state: { type: "Success", _result: { type: "LocalResult", location: file, dir: dirname(file) } }
})
const services = Layer.mergeAll(
  MemoryApi.layer({
    flow_run: [{ id: "f" }],
    task_run: [mapped, ...Array.from({ length: Number(children) }, (_, index) => child(index))]
  }),
  LocalStorage.layer({ roots: [dirname(file)] })
)

const outcomes: Record<string, number> = {}
const tell = (result: Result.Result<unknown, TaskRun.TaskRunError>) =>
  Effect.suspend(() => {
    const found = Result.isSuccess(result)
      ? `read ${(result.success as ReadonlyArray<unknown>).length}`
      : result.failure._tag === "ResultError"
      ? result.failure.reason._tag
      : String(result.failure)
    outcomes[found] = (outcomes[found] ?? 0) + 1
    return Effect.sleep(Number(pause))
  })
const parent = TaskRun.fromTaskRunId("parent")
const walk = what === "getResult"
  ? Effect.flatMap(parent, (taskRun) => Effect.flatMap(Effect.result(taskRun.getResult), tell))
  : what === "results"
  ? Effect.flatMap(
    FlowRun.fromFlowRunId("f"),
    (flowRun) => Stream.runForEach(flowRun.results, ({ result }) => tell(result))
  )
  : Effect.flatMap(parent, (taskRun) => Stream.runForEach(taskRun.outcomes, ({ result }) => tell(result)))
await Effect.runPromise(Effect.provide(walk, services))
console.log(JSON.stringify({ outcomes, megabytes: Math.round(process.resourceUsage().maxRSS / 1024) }))
