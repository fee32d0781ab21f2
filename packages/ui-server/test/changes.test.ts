import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { changesOf } from "../src/internal/changes.ts"

const tables = (state: string): MemoryApi.Tables => ({
  flow_run: [{ id: "run", name: "run", serialized_state: { type: "Running" } }],
  task: [{ id: "t", slug: "one-1" }],
  task_run: [{ id: "r", task_id: "t", flow_run_id: "run", serialized_state: { type: state } }]
})
const apiOf = (state: string) => Effect.provide(PrefectApi, MemoryApi.layer(tables(state)))
const options = { isStatic: false, pollMillis: 1 }

/** A backend that can be replaced while it is used. */
const replaceable = (first: PrefectApi["Service"]) => {
  let current = first
  return {
    api: new Proxy(first, { get: (_, name) => Reflect.get(current, name) as unknown }),
    replace: (next: PrefectApi["Service"]) => {
      current = next
    }
  }
}

describe("changes", () => {
  it.live("include what happened between the answer and its first event", () =>
    Effect.gen(function*() {
      const { api, replace } = replaceable(yield* apiOf("Pending"))
      const changes = yield* changesOf(api, yield* api.flowRun("run"), options)
      replace(yield* apiOf("Success"))
      assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(changes, 2)), [
        ": following\n\n",
        "data: {\"task_run_id\":\"r\",\"what\":\"state\"}\n\n"
      ])
    }))
  it.live("that could not be seen are reported when the backend is back", () =>
    Effect.gen(function*() {
      const { api, replace } = replaceable(yield* apiOf("Pending"))
      const view = yield* api.flowRun("run")
      replace(yield* Effect.provide(PrefectApi, MemoryApi.layer({})))
      const changes = yield* changesOf(api, view, options)
      replace(yield* apiOf("Success"))
      assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(changes, 2)), [
        ": following\n\n",
        "data: {\"what\":\"run\"}\n\ndata: {\"what\":\"log\"}\n\n"
      ])
    }))
})
