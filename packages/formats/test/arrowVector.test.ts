import { assert, describe, it } from "@effect/vitest"
import { buildVector, concat, Dictionary, readField, type Vector } from "../src/internal/arrow/vector.ts"
import type { FlatTable } from "../src/internal/flatbuffer.ts"
import { Refusal } from "../src/internal/refusal.ts"
import { toEnd } from "../src/internal/steps.ts"

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

describe("texts", () => {
  const column = (values: ReadonlyArray<string | Uint8Array>, offsets?: ReadonlyArray<number>) => {
    const parts = values.map((value) => typeof value === "string" ? new TextEncoder().encode(value) : value)
    const ends = [0]
    for (const { length } of parts) ends.push(ends.at(-1)! + length)
    const buffers = [
      new Uint8Array(0),
      new Uint8Array(Int32Array.from(offsets ?? ends).buffer),
      new Uint8Array(Buffer.concat(parts))
    ]
    const table = { string: () => "", stringLength: () => 0, uint8: () => 5, table: () => null, tables: () => [] }
    const field = toEnd(readField(table as unknown as FlatTable, { bytes: 8 }))
    return toEnd(buildVector(field, {
      unionsHaveBitmaps: false,
      dictionaries: new Map(),
      node: () => ({ length: values.length, nullCount: 0 }),
      buffer: () => buffers.shift()!,
      variadic: () => 0
    }))
  }
  const kinds = [
    "",
    "a",
    "item 12",
    "é",
    "a longer text of some words",
    "€ 5",
    "\ufffd",
    "x".repeat(12),
    "y".repeat(13)
  ]

  it("are the same in order, backwards and anywhere, short or long, of ASCII or not", () => {
    for (let kind = 1; kind <= kinds.length; kind++) {
      const values = Array.from({ length: 500 }, (_, i) => kinds[i % 97 === 0 ? i % kinds.length : i % kind]!)
      const texts = column(values)
      const orders = [(i: number) => i, (i: number) => 499 - i, (i: number) => i * 131 % 500, (i: number) => i >> 1]
      for (const order of orders) {
        for (let i = 0; i < 500; i++) assert.strictEqual(texts.at(order(i)), values[order(i)])
      }
    }
  })

  it("of bytes that are not UTF-8 do not depend on the row before or after", () => {
    const bytes = [[0xff], [0xc3], [0xa9], [0xe2, 0x82], [0x41], [0xed, 0xa0, 0x80]]
    const values = Array.from({ length: 300 }, (_, i) => Uint8Array.from(bytes[i * 7 % 13 % bytes.length]!))
    const texts = column(values)
    for (const [i, value] of values.entries()) assert.strictEqual(texts.at(i), Buffer.from(value).toString("utf8"))
  })

  it("outside of their column are damage, also after rows that are not", () => {
    const texts = column(["a", "b", "c", "d"], [0, 1, 2, 9, 4])
    assert.strictEqual(texts.at(0), "a")
    assert.strictEqual(texts.at(1), "b")
    assert.throws(() => texts.at(2), Refusal)
    assert.throws(() => texts.at(3), Refusal)
  })
})
