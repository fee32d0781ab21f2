/** The numbers of a large array that must be converted are converted near the item that is asked for, not all at once. */
import { DType, NdArray } from "@effect-prefect/pickle"
import { assert, describe, it, vi } from "@effect/vitest"

const count = 10_000

const kinds: Record<string, readonly [dtype: DType, offset: number]> = {
  "half precision": [new DType("f", 2, "<"), 0],
  "half precision, big endian": [new DType("f", 2, ">"), 0],
  "long doubles": [new DType("f", 16, "<"), 0],
  "long doubles, big endian": [new DType("f", 16, ">"), 0],
  "complex numbers of long doubles": [new DType("c", 32, "<"), 0],
  "big endian": [new DType("i", 4, ">"), 0],
  "complex numbers, big endian": [new DType("c", 8, ">"), 0],
  "times, big endian": [new DType("M", 8, ">", { unit: "s" }), 0],
  "not aligned": [new DType("f", 8, "<"), 3]
}

describe("an item of a large array", () => {
  for (const [kind, [dtype, offset]] of Object.entries(kinds)) {
    const memory = new Uint8Array(count * dtype.itemsize + 8)
    for (let at = 0; at < memory.length; at++) memory[at] = (at * 7 + (at >> 9)) & 0x3f
    const bytes = memory.subarray(offset, offset + count * dtype.itemsize)
    const array = () => new NdArray(dtype, [count], "C", bytes, null)

    it(`${kind}: is what it is when all are converted`, () => {
      const one = array()
      const all = array()
      assert.isNotNull(all.values)
      for (const position of [9_999, 0, 4_095, 4_096, 8_191, 8_192, 5_000]) {
        assert.deepStrictEqual(one.itemAt(position), all.itemAt(position), `${position}`)
      }
      assert.deepStrictEqual(one.values, all.values)
      assert.deepStrictEqual(one.itemAt(6_000), all.itemAt(6_000))
    })

    it(`${kind}: does not convert all`, () => {
      const parts = vi.spyOn(Uint8Array.prototype, "subarray")
      const values = vi.spyOn(NdArray.prototype, "values", "get")
      try {
        array().itemAt(5_000)
        assert.strictEqual(values.mock.calls.length, 0)
        const converted = parts.mock.results.reduce((sum, { value }) => sum + (value as Uint8Array).length, 0)
        assert.isAtMost(converted, 4_200 * dtype.itemsize)
      } finally {
        parts.mockRestore()
        values.mockRestore()
      }
    })
  }

  it("is that of the new bytes when a state is set again", () => {
    const array = new NdArray(new DType("i", 4, ">"), [count], "C", new Uint8Array(4 * count), null)
    assert.strictEqual(array.itemAt(7), 0)
    array.bytes = new Uint8Array(4 * count).fill(1)
    array.reset()
    assert.strictEqual(array.itemAt(7), 0x01010101)
  })
})
