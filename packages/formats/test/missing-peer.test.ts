import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import { Table } from "@effect-prefect/formats/Table"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { vi } from "vitest"

vi.mock("hyparquet", () => {
  throw new Error("Cannot find package 'hyparquet'")
})

const decode = (name: string) =>
  ResultFormat.decode(
    readFileSync(fileURLToPath(new URL(`../../../fixtures/formats/pandas-3/${name}`, import.meta.url))),
    {
      name,
      maxBytes: 1 << 20
    }
  )

describe("without hyparquet", () => {
  it.effect("Parquet says what to install", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(decode("mixed.parquet"))
      assert.strictEqual(error.reason._tag, "Undecodable")
      assert.include(error.message, "npm install hyparquet")
    }))
  it.effect.each(["mixed.feather", "mixed.csv", "mixed.pickle", "mixed.arrows", "mixed.v1.feather"])(
    "%s is read",
    (name) =>
      Effect.gen(function*() {
        assert.isTrue((yield* decode(name)) instanceof Table)
      })
  )
})
