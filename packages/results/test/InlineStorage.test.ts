import { PrefectResult } from "@effect-prefect/core/ResultDescriptor"
import * as InlineStorage from "@effect-prefect/results/InlineStorage"
import { readBytes, readReason } from "@effect-prefect/results/testing"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"

describe("InlineStorage", () => {
  it.effect("gives the location as JSON, or as a datetime", () =>
    Effect.gen(function*() {
      for (
        const [location, format] of [
          ["24", "json"],
          ["2020", "json"],
          ["NaN", "json"],
          ["\"2020-01-01\"", "json"],
          ["{\"a\": \"ü\"}", "json"],
          ["2020-01-01T00:00:00+00:00", "datetime"],
          ["2020-01-01", "datetime"]
        ] as const
      ) {
        const stored = yield* readBytes(new PrefectResult({ location }))
        assert.strictEqual(new TextDecoder().decode(stored.bytes), location)
        assert.strictEqual(stored.format, format)
        assert.notStrictEqual(stored.emptyIsNone, true)
      }
    }).pipe(Effect.provide(InlineStorage.layer)))

  it.effect("keeps the limit, in bytes and not characters", () =>
    Effect.gen(function*() {
      const descriptor = new PrefectResult({ location: "\"üü\"" })
      yield* readBytes(descriptor, 6)
      assert.strictEqual((yield* readReason(descriptor, 5))._tag, "ResultTooLarge")
    }).pipe(Effect.provide(InlineStorage.layer)))
})
