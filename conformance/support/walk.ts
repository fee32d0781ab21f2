/**
 * Walks the children of a mapped task slowly and prints what came of them. Each has the same stored bytes.
 *
 * Run as: node --max-old-space-size=1024 walk.ts FILE CHILDREN MILLISECONDS
 */
import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import * as LocalStorage from "@effect-prefect/results/LocalStorage"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { dirname } from "node:path"

const [file = "", children = "0", pause = "0"] = process.argv.slice(2)
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
  MemoryApi.layer({ task_run: [mapped, ...Array.from({ length: Number(children) }, (_, index) => child(index))] }),
  LocalStorage.layer({ roots: [dirname(file)] })
)

const outcomes: Record<string, number> = {}
await Effect.runPromise(
  Effect.flatMap(
    TaskRun.fromTaskRunId("parent"),
    (parent) =>
      Stream.runForEach(parent.outcomes, ({ result }) =>
        Effect.gen(function*() {
          const found = Result.isSuccess(result)
            ? `read ${(result.success as ReadonlyArray<unknown>).length}`
            : String(result.failure)
          outcomes[found] = (outcomes[found] ?? 0) + 1
          yield* Effect.sleep(Number(pause))
        }))
  ).pipe(Effect.provide(services))
)
console.log(JSON.stringify({ outcomes, megabytes: Math.round(process.resourceUsage().maxRSS / 1024) }))
