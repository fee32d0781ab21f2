import { assert, describe, it } from "@effect/vitest"
import { concat, Dictionary, type Vector } from "../src/internal/arrow/vector.ts"

const vector = (values: ReadonlyArray<unknown>) => {
  let reads = 0
  const at = (row: number) => {
    reads++
    return values[row] ?? null
  }
  return { length: values.length, at, reads: () => reads }
}

describe("a dictionary", () => {
  it("grows by what is appended, and reads a text once", () => {
    const [first, second] = [vector(["a", "b"]), vector(["c", null, 5])]
    const dictionary = new Dictionary(first)
    assert.deepStrictEqual([1, 0, 1, 1].map(dictionary.at), ["b", "a", "b", "b"])
    assert.strictEqual(first.reads(), 2)
    dictionary.append(second)
    assert.strictEqual(dictionary.length, 5)
    assert.deepStrictEqual([4, 2, 3, 2, 0, 3].map(dictionary.at), [5, "c", null, "c", "a", null])
    assert.strictEqual(first.reads(), 2)
    assert.strictEqual(second.reads(), 4)
  })

  it("may be appended to any number of times", () => {
    const dictionary = new Dictionary(vector(["first"]))
    for (let i = 0; i < 100_000; i++) dictionary.append(vector([`text ${i}`]))
    assert.strictEqual(dictionary.length, 100_001)
    assert.strictEqual(dictionary.at(100_000), "text 99999")
    assert.strictEqual(dictionary.at(0), "first")
  })

  it("makes no memory for rows between, and keeps values that are no text apart", () => {
    const lists = vector([["x"], ["y"]])
    const dictionary = new Dictionary(lists)
    dictionary.at(1)
    dictionary.at(1)
    assert.strictEqual(lists.reads(), 2)
  })
})

describe("concat", () => {
  it("finds rows across vectors, also empty ones", () => {
    const parts: ReadonlyArray<Vector> = [vector([]), vector([1, 2]), vector([]), vector([3]), vector([4, 5])]
    const all = concat(parts)
    assert.strictEqual(all.length, 5)
    assert.deepStrictEqual(Array.from({ length: 6 }, (_, row) => all.at(row)), [1, 2, 3, 4, 5, null])
    assert.strictEqual(concat([parts[1]!]), parts[1])
    assert.strictEqual(concat([]).at(0), null)
  })
})
