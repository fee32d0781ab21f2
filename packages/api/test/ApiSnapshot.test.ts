import * as ApiSnapshot from "@effect-prefect/api/ApiSnapshot"
import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

const ids = ["00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"] as const
const tables: MemoryApi.Tables = {
  flow_run: [{ id: ids[0], flow_id: ids[0], name: "nightly" }],
  task_run: ids.map((id) => ({ id, flow_run_id: ids[0], task_id: id, serialized_state: { type: "Success" } })),
  task_run_state: ids.map((id) => ({ id, task_run_id: id, timestamp: "2020-01-01T00:00:00Z", version: 1 }))
}

describe("the snapshot of an API", () => {
  it.effect("asks once for the rows of task runs, which may be long, though their states are theirs", () =>
    Effect.gen(function*() {
      const api = yield* MemoryApi.make(tables)
      let listings = 0
      const counted = PrefectApi.of({
        ...api,
        taskRuns: (...query) => {
          listings++
          return api.taskRuns(...query)
        }
      })
      const snapshot = yield* Effect.provideService(ApiSnapshot.make(), PrefectApi, counted)
      const lines: Record<string, ReadonlyArray<unknown>> = {}
      for (const { name, rows } of snapshot.tables) lines[name] = yield* Stream.runCollect(rows)
      assert.strictEqual(listings, 1)
      assert.strictEqual(lines["task_run"]!.length, 2)
      assert.deepStrictEqual(
        lines["task_run_state"]!.map((line) =>
          (JSON.parse(String(line)) as { readonly task_run_id: string }).task_run_id
        ),
        [...ids]
      )
    }))
})
