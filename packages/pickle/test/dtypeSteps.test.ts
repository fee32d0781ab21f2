/** A dtype of NumPy with very many fields gets them in steps. */
import { assert, describe, it } from "@effect/vitest"
import { largeDTypeState } from "../src/classes/numpy.ts"
import { Tuple } from "../src/values/containers.ts"
import { DType } from "../src/values/ndarray.ts"

const stateOf = (count: number): Tuple => {
  const names = Array.from({ length: count }, (_, at) => `f${at}`)
  const byte = new DType("i", 1, "|")
  const fields = new Map(names.map((name, at) => [name, Tuple.from<unknown>([byte, at])]))
  return Tuple.from<unknown>([3, "|", null, Tuple.from<unknown>(names), fields, count, 1, 16]) as Tuple
}

describe("a dtype", () => {
  it("of few fields has its state at once", () => {
    assert.isUndefined(largeDTypeState(new DType("V", 100, "|"), stateOf(100)))
  })

  it("of many fields has its state in steps", () => {
    const count = 40_000
    const dtype = new DType("V", count, "|")
    const steps = largeDTypeState(dtype, stateOf(count))!
    let taken = 0
    while (steps.next().done !== true) taken++
    // Its fields, and what they hold.
    assert.isAtLeast(taken, 2 * 9)
    assert.lengthOf(dtype.fields!, count)
    assert.deepInclude(dtype.fields![count - 1], { name: `f${count - 1}`, offset: count - 1 })
    // The fields have one dtype, which no later instruction changes.
    assert.strictEqual(dtype.fields![0]!.dtype, dtype.fields![1]!.dtype)
  })
})
