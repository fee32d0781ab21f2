import { PyDict, PySet, Tuple } from "@effect-prefect/pickle"
import { assert, describe, it } from "@effect/vitest"

/** More than the keys that one table has. */
const count = 34_000

const keys: ReadonlyArray<readonly [name: string, of: (n: number) => unknown, equal: (n: number) => unknown]> = [
  ["tuples", (n) => new Tuple<unknown>(n, "x"), (n) => new Tuple<unknown>(n + 0, "x")],
  ["large integers", (n) => 2n ** 70n + BigInt(n), (n) => BigInt(n) + 2n ** 70n],
  ["bytes", (n) => Uint8Array.of(n & 255, n >> 8), (n) => new Uint8Array([n & 255, n >> 8])]
]

describe("collections of very many keys that are compared as in Python", () => {
  it.each(keys)("%s", (_, of, equal) => {
    const dict = new PyDict<unknown, number>()
    const set = new PySet<unknown>()
    for (let n = 0; n < count; n++) {
      dict.set(of(n), n)
      set.add(of(n))
    }
    // Of the first ones, of those about the size at which more tables are made, and of the last ones.
    for (const n of [0, 1, 32_767, 32_768, 32_769, count - 1]) {
      assert.strictEqual(dict.get(equal(n)), n)
      dict.set(equal(n), -n - 1)
      set.add(equal(n))
    }
    assert.deepStrictEqual([dict.size, set.size], [count, count])
    assert.strictEqual(dict.get(of(32_768)), -32_769)
    assert.strictEqual(dict.has(of(count)), false)
    for (const n of [0, 32_767, count - 1]) {
      assert.isTrue(dict.delete(equal(n)) && set.delete(equal(n)))
      assert.isFalse(dict.has(of(n)) || set.has(of(n)) || dict.delete(of(n)))
    }
    assert.deepStrictEqual([dict.size, set.size], [count - 3, count - 3])
    dict.set(of(0), 7)
    assert.deepStrictEqual([...dict].at(-1), [of(0), 7])
  })
})
