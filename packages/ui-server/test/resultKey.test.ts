import * as TaskRunView from "@effect-prefect/core/TaskRunView"
import { assert, it, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { placeOf, resultKey } from "../src/internal/result/resultCache.ts"

const viewOf = (result: object) =>
  TaskRunView.fromRow({
    id: "run",
    map_index: -1,
    serialized_state: { type: "Success", _result: { type: "mine.Result", ...result } }
  }) as TaskRunView.TaskRunView

it.effect("the key of a result is short, however long the value is that its descriptor holds, and is never written at once", () =>
  Effect.gen(function*() {
    const rows = (last: number) => Array.from({ length: 20_000 }, (_, n) => ({ n, last: n === 19_999 ? last : 0 }))
    const { stringify } = JSON
    let longest = 0
    const spy = vi.spyOn(JSON, "stringify").mockImplementation((value: unknown) => {
      const text = stringify(value)
      longest = Math.max(longest, text.length)
      return text
    })
    const keys = yield* Effect.ensuring(
      Effect.all([rows(1), rows(2), rows(1)].map((rows) => resultKey(viewOf({ rows })))),
      Effect.sync(() => spy.mockRestore())
    )
    assert.isBelow(longest, 200_000)
    for (const key of keys) assert.isBelow(key.length, 100)
    assert.notStrictEqual(keys[0], keys[1])
    assert.strictEqual(keys[0], keys[2])
    assert.include(yield* resultKey(viewOf({ location: "s3://b/k" })), "s3://b/k")
  }))

it("a location that is no text may be the value itself, and is no place", () => {
  assert.isNull(placeOf(viewOf({ location: { k: 1 } })).location)
  assert.strictEqual(placeOf(viewOf({ location: "s3://b/k" })).location, "s3://b/k")
})
