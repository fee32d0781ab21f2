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

/** The first object with a key of one character: the key, then an object with room for four values. */
const first = 64 + 1
const object = 24 + 4 * 8

describe("the memory of a piece of an object", () => {
  it.each<[text: string, bytes: number]>([
    ["{}", object],
    [`{"a":1}`, first + object],
    [`{"a":null}`, first + object],
    [`{"a":"x"}`, first + object],
    [`{"a":"xy"}`, first + object + 16 + 2],
    [`{"a":"${"x".repeat(200)}"}`, first + object + 16 + 200],
    [`{"a":-2147483648}`, first + object],
    [`{"a":2147483648}`, first + object + 16],
    [`{"a":1.5}`, first + object + 16],
    [`{"a":[]}`, first + object + 32],
    [`{"a":[1,"xy",1.5]}`, first + object + 32 + 16 + 3 * 8 + 18 + 16],
    [`{"a":[[],{}]}`, first + object + 32 + 16 + 2 * 8 + 32 + object],
    [`{"a":{"a":1}}`, first + 2 * object],
    [`{"a":1,"b":1,"c":1,"d":1}`, 4 * first + object],
    [`{"a":1,"b":1,"c":1,"d":1,"e":1}`, 5 * first + object + 8]
  ])("%s", (text, bytes) => assert.strictEqual(estimateOf(text), bytes))

  it("has its keys once, and a hash table where there are more of them than are remembered", () => {
    assert.strictEqual(estimateOf(`{"a":1}`, `{"a":1}`), first + 2 * object)
    const keys = Array.from({ length: 1_002 }, (_, index) => `k${1_000 + index}`)
    const text = JSON.stringify(Object.fromEntries(keys.map((key) => [key, 1])))
    const values = 24 + keys.length * 8
    const hashed = 24 * 8 + 2 * 5 * 8
    assert.strictEqual(estimateOf(text), keys.length * (64 + 5) + values + hashed)
    assert.strictEqual(estimateOf(text, text), (keys.length + 2) * (64 + 5) + 2 * (values + hashed))
  })
})

describe("the memory of a piece of a list", () => {
  it("is counted where its values are many for so short a text", () => {
    assert.strictEqual(estimateOf("[1,1,1,1,1,1,1,1]"), 32 + 16 + 8 * 8)
    assert.strictEqual(estimateOf(`"${",".repeat(10)}"`), 16 + 10)
  })

  it("is that of a sample of it, otherwise", () => {
    // A comma in sixteen characters, but none at the end of the sample.
    const texts = JSON.stringify(Array.from({ length: 200 }, () => "a".repeat(13)))
    assert.strictEqual(estimateOf(texts), Math.ceil((48 + 7 * 16) / 128 * texts.length))
    // In 64 characters an object, a colon and a comma.
    const objects = JSON.stringify(Array.from({ length: 50 }, () => ({ k: "a".repeat(55) })))
    assert.strictEqual(estimateOf(objects), Math.ceil((48 + 2 * 64 + 2 * 16 + 16) / 128 * objects.length))
  })

  it("is no less than the text", () => {
    const text = JSON.stringify(["a".repeat(1_000)])
    assert.strictEqual(estimateOf(text), text.length)
  })
})
