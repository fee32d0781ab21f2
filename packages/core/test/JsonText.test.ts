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
  "many keys": { a: keyed(30_000), b: [keyed(2_000), keyed(40_000)] },
  "long texts": Array.from({ length: 20 }, (_, at) => `${at}${"\ud83d\ude00\"".repeat(60_000)}`),
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
