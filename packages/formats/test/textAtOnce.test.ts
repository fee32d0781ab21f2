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
    for (const value of [cyclic]) {
      const failed = yield* Effect.result(JsonProjection.toText(value))
      const atOnce = yield* Effect.result(
        Effect.try({ try: () => JsonProjection.toTextAtOnce(value), catch: (error) => error as Error })
      )
      assert.isTrue(Result.isFailure(failed))
      assert.strictEqual(
        Result.isFailure(atOnce) && atOnce.failure.message,
        Result.isFailure(failed) && failed.failure.message
      )
    }
    const large = Array.from({ length: 100_000 }, (_, index) => index)
    assert.isUndefined(JsonProjection.toTextAtOnce(large))
    assert.strictEqual(yield* JsonProjection.toText(large), JSON.stringify(large))
  }))
