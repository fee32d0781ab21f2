import * as State from "@effect-prefect/core/State"
import { assert, describe, it } from "@effect/vitest"
import { notPersisted } from "../src/internal/run/notPersisted.ts"

const prefect3 = (type: string, name: string, message: string | null = null) =>
  State.fromJson({
    id: "01a2070f-6044-7d1e-adcb-1709c7428f2c",
    type,
    name,
    timestamp: "2026-11-23T06:19:37.924784Z",
    message,
    data: null,
    state_details: { scheduled_time: null, retriable: null }
  })
const detailOf = (state: State.State, isFlowRun = false) => notPersisted(state, isFlowRun).detail

describe("why a run has no stored result", () => {
  const ended: ReadonlyArray<readonly [what: string, state: State.State, detail: string]> = [
    ["Prefect 3: failed", prefect3("FAILED", "Failed"), "the run failed"],
    ["Prefect 3: timed out", prefect3("FAILED", "TimedOut", "after 3 s"), "the run timed out: after 3 s"],
    ["Prefect 3: crashed", prefect3("CRASHED", "Crashed"), "the run crashed"],
    ["Prefect 3: cancelled", prefect3("CANCELLED", "Cancelled"), "the run was cancelled"],
    [
      "Prefect 3: rolled back",
      prefect3("COMPLETED", "RolledBack"),
      "the run was rolled back, so Prefect discarded its result"
    ],
    ["Prefect 1: failed", State.fromJson({ type: "Failed", message: " a\n b " }), "the run failed: a b"],
    ["Prefect 1: timed out", State.fromJson({ type: "TimedOut" }), "the run timed out"],
    ["Prefect 1: never started", State.fromJson({ type: "TriggerFailed", message: "" }), "the run never started"],
    ["Prefect 1: skipped", State.fromJson({ type: "Skipped", message: null }), "the run was skipped"],
    ["Prefect 1: cancelled", State.fromJson({ type: "Cancelled" }), "the run was cancelled"]
  ]
  for (const [what, state, detail] of ended) {
    it(`${what}`, () => {
      assert.strictEqual(detailOf(state), detail)
      assert.strictEqual(notPersisted(state, false).state, State.typeName(state))
    })
  }

  it("otherwise says how a result is stored", () => {
    assert.include(detailOf(prefect3("COMPLETED", "Completed")), "persist_result=True")
    assert.include(detailOf(State.fromJson({ type: "Success" })), "checkpointing on")
    assert.include(detailOf(State.fromJson({ type: "Success" }), true), "a flow of Prefect 1 has no result of its own")
    assert.include(detailOf(State.fromJson({ type: "Levitating", message: "secret" })), "checkpointing on")
  })

  it("repeats up to 500 characters of a message", () => {
    const failed = (length: number) => detailOf(State.fromJson({ type: "Failed", message: "x".repeat(length) }))
    assert.strictEqual(failed(500), `the run failed: ${"x".repeat(500)}`)
    assert.strictEqual(failed(501), `the run failed: ${"x".repeat(500)}…`)
    assert.strictEqual(failed(1_000_000), `the run failed: ${"x".repeat(500)}…`)
  })
})
