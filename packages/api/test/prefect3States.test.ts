import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { makeBackend } from "../src/internal/prefect3/backend.ts"
import type { Pages } from "../src/internal/prefect3/pages.ts"

const id = "00000000-0000-4000-8000-000000000001"

describe("the history of a run with very many states", () => {
  it.live("leaves other work its turns", () =>
    Effect.gen(function*() {
      const rows = Array.from({ length: 2_500 }, (_, at) => ({ id: `s${at}`, type: "RUNNING", timestamp: null }))
      const backend = yield* makeBackend({
        name: () => "a test",
        version: Effect.succeed("3.8.0"),
        get: () => Effect.succeed(rows)
      }, {} as Pages)
      let turns = 0
      const count = () => {
        turns++
        immediate = setImmediate(count)
      }
      let immediate = setImmediate(count)
      const records = yield* backend.flowRunStates(id)
      clearImmediate(immediate)
      assert.strictEqual(records.length, rows.length)
      assert.isAtLeast(turns, 2)
    }))
})
