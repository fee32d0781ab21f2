/** Small values as JSON text without an Effect: the same text and the same failures. */
import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"

it.effect("a small value is the same text at once, and a large one none", () =>
  Effect.gen(function*() {
    const cyclic: Array<unknown> = []
    cyclic.push(cyclic)
    for (const value of [null, 1n, "text", [1, [2]], new Map([["x", 2n ** 60n]]), new Set([1]), { a: Number.NaN }]) {
      assert.strictEqual(JsonProjection.toTextAtOnce(value), yield* JsonProjection.toText(value))
    }
    const failure = yield* Effect.flip(JsonProjection.toText(cyclic))
    const atOnce = Result.try(() => JsonProjection.toTextAtOnce(cyclic))
    assert.deepInclude(Result.getOrThrow(Result.flip(atOnce)), { message: failure.message })
    const large = Array.from({ length: 100_000 }, (_, index) => index)
    assert.isUndefined(JsonProjection.toTextAtOnce(large))
    assert.strictEqual(yield* JsonProjection.toText(large), JSON.stringify(large))
  }))

it("long texts and keys are few at once, however few the values are that have them", () => {
  const texts = Array.from({ length: 100 }, () => "x".repeat(100_000))
  const keys = Object.fromEntries(texts.map((text, at) => [`${at}${text}`, at]))
  for (const value of [texts, keys, new Map(Object.entries(keys))]) {
    assert.isUndefined(JsonProjection.toTextAtOnce(value))
    const pieces = Array.from(JsonProjection.toChunks(value))
    assert.isAtMost(Math.max(...pieces.map(({ length }) => length)), 600_000)
  }
})
