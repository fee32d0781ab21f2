import * as State from "@effect-prefect/core/State"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { makeBackend } from "../src/internal/prefect3/backend.ts"
import type { Pages } from "../src/internal/prefect3/pages.ts"
import * as Rows from "../src/internal/prefect3/rows.ts"
import * as States from "../src/internal/prefect3/states.ts"

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

describe("the names of states", () => {
  it("are those of Prefect 1, the types of Prefect 3, or any that a run was given there", () => {
    const success = State.fromJson({ type: "Success" })
    const done = State.fromJson({ type: "COMPLETED", name: "Done" })
    const unknown = State.fromJson({ type: "Other" })
    const names = ["Success", "COMPLETED", "Done", "Other"]
    const found = [success, done, unknown].map((state) => names.filter((name) => States.matches([name], state)))
    assert.deepStrictEqual(found, [["Success"], ["Success", "COMPLETED", "Done"], []])
  })
})

describe("the edges of task runs", () => {
  it("are between those that are listed by a text", () => {
    const from = (id: string | number) => ({ x: [{ input_type: "task_run", id }] })
    const rows = [
      { id: "a" },
      { id: 1 },
      { id: "b", task_inputs: { ...from(1), y: [{ input_type: "task_run", id: "a" }], __z: from("a").x } },
      { id: 2, task_inputs: from("b") },
      { id: "c", task_inputs: { ...from("d"), wait_for: from("a").x } }
    ]
    assert.deepStrictEqual(Rows.edges(rows), [
      { upstreamTaskId: "a", downstreamTaskId: "b", key: "y", mapped: false },
      { upstreamTaskId: "a", downstreamTaskId: "c", key: null, mapped: false }
    ])
  })
})
