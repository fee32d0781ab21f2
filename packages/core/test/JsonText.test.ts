import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { vi } from "vitest"
import * as JsonText from "../src/JsonText.ts"

const chain = (depth: number): unknown => {
  let value: unknown = "end"
  for (let at = 0; at < depth; at++) value = at % 2 === 0 ? [at, value] : { at, value, "": null }
  return value
}

const keyed = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`key ${at}`, at]))

const shapes: Readonly<Record<string, unknown>> = {
  scalars: [null, true, false, 0, -1.5, 1e300, NaN, "", "é\u2028\"\\\n\ud800"],
  empty: [[], {}, [[]], [{}], { a: [], b: {} }],
  "many numbers": Array.from({ length: 100_000 }, (_, at) => at / 3),
  "many records": Array.from({ length: 20_000 }, (_, id) => ({ id, name: `row ${id}`, tags: ["a", null], at: {} })),
  "many keys": { a: keyed(60_000), b: [keyed(2_000), keyed(40_000)] },
  "long texts": Array.from({ length: 3 }, (_, at) => `${"x".repeat(at)}${"\ud83d\ude00\"".repeat(90_000)}`),
  "a long text that ends within a pair": ["x".repeat(300_000) + "\ud83d", 1],
  "a long key": { ["k".repeat(300_000)]: 1, next: [] },
  deep: [chain(900), "x".repeat(400_000), chain(40)],
  "one list in another": [[Array.from({ length: 50_000 }, () => ["x"])]],
  "what is no JSON": {
    a: undefined,
    b: [undefined, () => {}],
    c: () => {},
    d: Array.from({ length: 20_000 }, () => ({}))
  },
  "left out of a long object": { a: undefined, b: "x".repeat(300_000), c: undefined, d: [undefined] },
  prototypes: JSON.parse(`{"__proto__": ${JSON.stringify(keyed(20_000))}, "constructor": 1}`)
}

describe("JsonText", () => {
  for (const [name, value] of Object.entries(shapes)) {
    it(`is what JSON.stringify writes: ${name}`, () => {
      const text = JSON.stringify(value)
      const pieces = Array.from(JsonText.pieces(value))
      assert.isTrue(pieces.join("") === text)
      // A piece is no longer than what is written at once.
      assert.isAtMost(Math.max(...pieces.map(({ length }) => length)), 800_000)
      assert.isAtLeast(pieces.length, Math.floor(text.length / 800_000))
      const short = JsonText.atOnce(value)
      assert.strictEqual(short === undefined, !JsonText.isShort(value))
      if (short !== undefined) assert.strictEqual(short, text)
    })
  }
  it("says what is written at once: no more than 16 384 values or 16 times as many characters, 32 deep", () => {
    const numbers = (count: number) => Array.from({ length: count }, () => 1)
    const nested = (depth: number): unknown => depth === 0 ? 1 : [nested(depth - 1)]
    const limits: Readonly<Record<string, readonly [small: unknown, large: unknown]>> = {
      texts: ["x".repeat(16 * 16_384 - 1), "x".repeat(16 * 16_384)],
      numbers: [numbers(16_376), numbers(16_377)],
      lists: [[...numbers(16_368), []], [...numbers(16_369), []]],
      objects: [[...numbers(16_367), { a: 1 }], [...numbers(16_368), { a: 1 }]],
      keys: [{ ["k".repeat(16 * 16_375)]: 1 }, { ["k".repeat(16 * 16_376)]: 1 }],
      "lists of nothing": [Object.assign([], { length: 16_376 }), Object.assign([], { length: 16_377 })],
      depth: [nested(32), nested(33)]
    }
    for (const [name, [small, large]] of Object.entries(limits)) {
      assert.isTrue(JsonText.isShort(small), name)
      assert.isFalse(JsonText.isShort(large), name)
    }
    assert.isTrue(JsonText.isShort({}))
    assert.isFalse(JsonText.isShort(keyed(16_385)))
  })
  it("has pieces of 64 kB, and empty ones where much is left out", () => {
    const records = Array.from(JsonText.pieces(shapes["many records"]))
    const text = records.join("")
    assert.isAtMost(records.length, 3 * text.length / 0x10000)
    const keys = keyed(60_000)
    assert.isAtMost(Array.from(JsonText.pieces(keys)).length, 3 * JSON.stringify(keys).length / 0x10000)
    const nothing = Object.fromEntries(Array.from({ length: 100_000 }, (_, at) => [`key ${at}`, undefined]))
    const empty = Array.from(JsonText.pieces(nothing))
    assert.strictEqual(empty.join(""), "{}")
    assert.isAtLeast(empty.length, 5)
  })
  it("lists the keys of a large object once, and measures no more than it writes", () => {
    let reads = 0
    let lists = 0
    const counting = <A extends object>(value: A): A =>
      new Proxy(value, {
        get: (target, key, self) => {
          reads++
          return Reflect.get(target, key, self) as unknown
        },
        ownKeys: (target) => {
          lists++
          return Reflect.ownKeys(target)
        }
      })
    const wide = keyed(20_000)
    assert.isTrue(Array.from(JsonText.pieces(counting(wide))).join("") === JSON.stringify(wide))
    assert.strictEqual(lists, 1)
    // Of each list, which is not small because of the next one, the beginning is small.
    let value: unknown = counting(Array.from({ length: 20_000 }, () => 1))
    for (let level = 0; level < 40; level++) value = counting([...Array.from({ length: 1_000 }, () => 1), value])
    reads = 0
    for (const _ of JsonText.pieces(value)) { /* Only counted. */ }
    assert.isAtMost(reads, 6 * 60_000)
  })
  it("writes a value without JSON as null, and integers that no number has as they are", () => {
    const { rawJSON } = JSON as unknown as { readonly rawJSON: (text: string) => unknown }
    const digits = "9".repeat(40)
    for (const value of [undefined, () => {}]) {
      assert.deepStrictEqual(Array.from(JsonText.pieces(value)), ["null"])
      assert.strictEqual(JsonText.atOnce(value), "null")
    }
    const rows = Array.from({ length: 20_000 }, () => ({ value: rawJSON(digits) }))
    assert.isTrue(Array.from(JsonText.pieces(rows)).join("") === JSON.stringify(rows))
    const raw = { a: rawJSON(digits), b: "x".repeat(300_000) }
    assert.isTrue(Array.from(JsonText.pieces(raw)).join("") === JSON.stringify(raw))
  })
  it.live("gives way between two pieces, and stops when it is interrupted", () =>
    Effect.gen(function*() {
      let now = performance.now() + 4_000_000
      // Each piece takes longer than a part of a turn.
      const clock = vi.spyOn(performance, "now").mockImplementation(() => now += 20)
      yield* Effect.addFinalizer(() => Effect.sync(() => clock.mockRestore()))
      let turns = 0
      const count = () => {
        turns++
        timer = setImmediate(count)
      }
      let timer = setImmediate(count)
      yield* Effect.addFinalizer(() => Effect.sync(() => clearImmediate(timer)))
      const value = shapes["many records"]
      assert.isTrue((yield* JsonText.make(value)) === JSON.stringify(value))
      assert.isAtLeast(turns, 10)
      turns = 0
      assert.strictEqual(yield* JsonText.make({ id: 1 }), "{\"id\":1}")
      assert.strictEqual(turns, 0)
      const long = Array.from({ length: 200 }, () => value)
      let isDone = false
      const fiber = yield* Effect.forkChild(Effect.tap(JsonText.make(long), () => Effect.sync(() => isDone = true)))
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      fiber.interruptUnsafe()
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(() => setImmediate(resolve))))
      assert.isFalse(isDone)
      assert.isDefined(fiber.pollUnsafe())
    }))
})
