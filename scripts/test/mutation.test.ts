import { assert, describe, it } from "@effect/vitest"
import { sampleOf } from "../mutation/sample.mjs"

describe("a sample of mutants", () => {
  it.each([[811, 120, 1], [811, 120, 7], [121, 120, 3], [5, 5, 2], [3, 120, 1]])(
    "of %i, %i are taken, spread evenly, by the seed %i",
    (count, size, seed) => {
      const taken = [...sampleOf(count, size, seed)]
      assert.lengthOf(taken, Math.min(count, size))
      assert.deepStrictEqual(taken, [...sampleOf(count, size, seed)])
      const step = Math.max(1, count / size)
      for (const [at, index] of taken.entries()) {
        assert.isTrue(Number.isInteger(index) && index < count, String(index))
        // One of each stretch of the list.
        assert.strictEqual(Math.floor((index + 0.999) / step) >= at && index < (at + 1) * step, true, String(index))
      }
    }
  )

  it("is another one by another seed", () => {
    assert.notDeepEqual([...sampleOf(811, 120, 1)], [...sampleOf(811, 120, 2)])
  })
})
