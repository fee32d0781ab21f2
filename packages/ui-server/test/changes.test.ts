import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { makeChanges } from "../src/internal/changes.ts"

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
      const changesOf = yield* makeChanges(api, options)
      const changes = yield* changesOf(yield* api.flowRun("run"))
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
      const changes = yield* Effect.flatMap(makeChanges(api, options), (changesOf) => changesOf(view))
      replace(yield* apiOf("Success"))
      assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(changes, 2)), [
        ": following\n\n",
        "data: {\"what\":\"run\"}\n\ndata: {\"what\":\"log\"}\n\n"
      ])
    }))
  it.live("of one run are looked at once for all who follow it, one of whom does not read, and no longer than they do", () =>
    Effect.gen(function*() {
      let looks = 0
      const { api: first, replace } = replaceable(yield* apiOf("Pending"))
      const api: PrefectApi["Service"] = new Proxy(first, {
        get: (target, name) => {
          if (name === "firstTaskRunOfEachTask") looks++
          return Reflect.get(target, name) as unknown
        }
      })
      const changesOf = yield* makeChanges(api, options)
      const view = yield* api.flowRun("run")
      const scope = yield* Scope.make()
      const follow = Scope.provide(changesOf(view), scope)
      const followers = yield* Effect.all(Array.from({ length: 20 }, () => follow), { concurrency: "unbounded" })
      assert.strictEqual(looks, 1)
      yield* Effect.sleep("20 millis")
      assert.isAtMost(looks, 25)
      replace(yield* apiOf("Success"))
      yield* Effect.sleep("20 millis")
      replace(
        yield* Effect.provide(
          PrefectApi,
          MemoryApi.layer({
            ...tables("Success"),
            flow_run: [{ id: "run", name: "run", serialized_state: { type: "Success" } }]
          })
        )
      )
      // Whoever reads late is told all of it, each change once, and then that it is over.
      for (const changes of followers.slice(1)) {
        const texts = yield* Stream.runCollect(changes)
        assert.deepStrictEqual(texts.join("").split("\n\n").filter((text) => !text.startsWith(":") && text !== ""), [
          "data: {\"task_run_id\":\"r\",\"what\":\"state\"}",
          "data: {\"what\":\"run\"}"
        ])
      }
      const before = looks
      yield* Scope.close(scope, Exit.void)
      yield* Effect.sleep("10 millis")
      assert.strictEqual(looks, before)
    }))
})
