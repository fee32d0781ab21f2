/** The memory of the values of an answer, as V8 lays them out on 64 bits. */
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import { vi } from "vitest"
import { TooMuchMemory, withinMemory } from "../src/internal/http/memory.ts"

/** The bytes that texts are estimated to take: the least limit within which all of them are. */
const estimateOf = (...texts: ReadonlyArray<string>): number => {
  const isWithin = (maxBytes: number): boolean => {
    const parse = withinMemory(JSON.parse, maxBytes)
    try {
      for (const text of texts) assert.deepStrictEqual(parse(text), JSON.parse(text))
      return true
    } catch (error) {
      assert.instanceOf(error, TooMuchMemory)
      return false
    }
  }
  let [over, within] = [-1, 2 ** 24]
  while (within - over > 1) {
    const middle = Math.floor((over + within) / 2)
    if (isWithin(middle)) within = middle
    else over = middle
  }
  return within
}

beforeEach(() => void vi.spyOn(Math, "random").mockReturnValue(0))
afterEach(() => void vi.restoreAllMocks())

/** A new key of one character, the description of objects with so many keys as none before had, and an object. */
const key = 24
const shape = (keys: number) => 144 + keys * 56
const object = (keys: number) => 24 + keys * 8
/** The first object with a key of one character. */
const first = key + shape(1) + object(1)
/** An array with its store. */
const array = (length: number) => 32 + 16 + length * 8

describe("the memory of a piece of an object", () => {
  it.each<[text: string, bytes: number]>([
    ["{}", 24 + 4 * 8 + shape(0)],
    [`{"a":1}`, first],
    [`{"a":null}`, first],
    [`{"a":"x"}`, first],
    [`{"a":"xy"}`, first + 24],
    [`{"a":"${"x".repeat(200)}"}`, first + 16 + 200],
    [`{"a":"${"я".repeat(200)}"}`, first + 16 + 400],
    [`{"a":-2147483648}`, first],
    [`{"a":2147483648}`, first + 16],
    [`{"a":1.5}`, first + 16],
    [`{"a":[]}`, first + 32],
    [`{"a":[1,"xy",1.5]}`, first + array(3) + 24 + 16],
    [`{"a":[[],{}]}`, first + array(2) + 32 + 24 + 4 * 8 + shape(0)],
    [`{"a":{"a":1}}`, first + object(1)],
    [`{"a":1,"b":1,"c":1,"d":1}`, 4 * key + shape(4) + object(4)],
    [`{"a":["same","same"]}`, first + array(2) + 24],
    [`{"1":1,"2":1}`, 24 + 4 * 8 + shape(0) + 2 * 12],
    [`{"4000000":1}`, 24 + 4 * 8 + shape(0) + 40]
  ])("%s", (text, bytes) => assert.strictEqual(estimateOf(text), bytes))

  it("has its keys and their description once", () => {
    assert.strictEqual(estimateOf(`{"a":1}`, `{"a":1}`), first + object(1))
    assert.strictEqual(estimateOf(`{"a":1}`, `{"a":1,"b":1}`), first + key + shape(2) + object(2))
  })

  it("is a hash table where its keys are many", () => {
    const text = (count: number) =>
      JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${1_000 + index}`, 1])))
    assert.strictEqual(estimateOf(text(127)), 127 * key + shape(127) + object(127))
    assert.strictEqual(estimateOf(text(128)), 128 * key + 24 + 128 * 32)
  })
})

describe("the memory of a piece of a list", () => {
  it("is counted where its values are many for so short a text", () => {
    assert.strictEqual(estimateOf("[1,1,1,1,1,1,1,1]"), array(8))
  })

  it("is that of a sample of it, otherwise", () => {
    const texts = JSON.stringify(Array.from({ length: 200 }, () => "a".repeat(29)))
    // Each of 32 characters is a text, its comma a reference.
    const bytes = 200 * (16 + 4 + 29 + 8)
    assert.closeTo(estimateOf(texts) / bytes, 1, 0.2)
  })

  it("is counted where it has keys that none before it had", () => {
    const rows = (from: number) =>
      JSON.stringify(Array.from({ length: 10 }, (_, at) => ({ [`key${from + at}`]: "a".repeat(500) })))
    const each = 24 + shape(1) + object(1) + 16 + 504
    assert.strictEqual(estimateOf(rows(10)), 10 * each + array(10))
    assert.strictEqual(estimateOf(rows(10), rows(20)), 20 * each + 2 * array(10))
  })

  it("counts short texts by how many of them are new", () => {
    const list = (of: (at: number) => string) =>
      JSON.stringify(Array.from({ length: 40 }, (_, at) => [of(at), "a".repeat(60)]))
    const repeated = list(() => "Success")
    const differ = list((at) => `text ${at + 10}`)
    assert.isAbove(estimateOf(differ) - estimateOf(repeated), 35 * 20)
  })
})

describe("the sample of a text", () => {
  const long = (text: string) => JSON.stringify([text])

  it("takes what is within a text for characters", () => {
    for (const part of [",[{", ":]}", `","`, `\\","`, "\\", "123.5,"]) {
      const text = long(part.repeat(1_000))
      const { length } = JSON.parse(text)[0] as string
      assert.isBelow(estimateOf(text) / length, 3, part)
      assert.isAbove(estimateOf(text) / length, 0.9, part)
    }
  })
})
