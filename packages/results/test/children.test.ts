import * as TaskRunView from "@effect-prefect/core/TaskRunView"
import { assert, describe, it } from "@effect/vitest"
import { Completeness, notAParent } from "../src/internal/run/children.ts"
import type { Services } from "../src/internal/run/load.ts"

const view = (mapIndex: number, nMapStates?: number | null, ids: object = {}) =>
  TaskRunView.fromRow({
    id: `r${mapIndex}`,
    name: null,
    task: { id: "t", slug: "t-1" },
    map_index: mapIndex,
    serialized_state: { type: "Mapped", ...(nMapStates == null ? {} : { n_map_states: nMapStates }) },
    flow_run_id: "f",
    ...ids
  }) as TaskRunView.TaskRunView

/** What is wrong with the children of these indexes, after an index. */
const problemOf = (indexes: ReadonlyArray<number>, nMapStates: number | null, after = -1) => {
  const completeness = new Completeness(view(-1, nMapStates), after)
  for (const index of indexes) completeness.see(view(index))
  const reason = completeness.finish()?.reason
  return reason === undefined ? undefined : (reason as { readonly detail?: string }).detail
}

describe("the children of a mapped task run", () => {
  it("are complete when each index is there once", () => {
    assert.isUndefined(problemOf([0, 1, 2], 3))
    assert.isUndefined(problemOf([], 0))
    assert.isUndefined(problemOf([0, 1, 2], null))
    assert.isUndefined(problemOf([3, 4], 5, 2))
    assert.isUndefined(problemOf([], 5, 4))
  })

  it("are not when one is missing, there twice or beyond the last", () => {
    assert.strictEqual(problemOf([0, 2], 3), "child 1 is missing")
    assert.strictEqual(problemOf([0, 1], 3), "child 2 is missing, and n_map_states is 3")
    assert.strictEqual(problemOf([1], 2), "child 0 is missing")
    assert.strictEqual(problemOf([], 1), "child 0 is missing, and n_map_states is 1")
    assert.strictEqual(problemOf([4], 5, 2), "child 3 is missing")
    assert.strictEqual(problemOf([0, 0, 1], 2), "there are two children 0")
    assert.strictEqual(problemOf([0, 1, 1], null), "there are two children 1")
    assert.strictEqual(problemOf([0, 1, 2], 2), "there is a child 2, and n_map_states is 2")
    // The first problem is the one that is told.
    assert.strictEqual(problemOf([1, 1, 9], 3), "child 0 is missing")
  })

  it("cannot be told of a task run without a task or a flow run", () => {
    const services = { api: { backendName: "a test" } } as Services
    assert.isUndefined(notAParent(services, view(-1, 2)))
    for (const ids of [{ task: null }, { flow_run_id: null }]) {
      assert.strictEqual(notAParent(services, view(-1, 2, ids))?.reason._tag, "UnsupportedByBackend")
    }
  })
})
