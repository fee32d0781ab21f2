/** What the values of an answer take in memory is bounded, whatever little text they are. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { parsePrecisely } from "../src/internal/http/failure.ts"
import { parseLong } from "../src/internal/http/pieces.ts"

const length = 600_000
const many = (piece: (at: number) => string) => {
  const pieces: Array<string> = []
  for (let at = 0, characters = 0; characters < length; at++) {
    const next = piece(at)
    pieces.push(next)
    characters += next.length + 1
  }
  return pieces.join(",")
}

/** Lists that become many times as long in memory, and the least number of bytes that each character becomes. */
const dense: Record<string, readonly [text: string, times: number]> = {
  "empty objects": [`[${many(() => "{}")}]`, 16],
  "empty lists": [`{"data":{"rows":[${many(() => "[]")}]}}`, 10],
  "lists in lists": [`[${many(() => "[[]]")}]`, 15],
  "small objects": [`{"data":{"rows":[${many(() => `{"a":1}`)}]}}`, 4],
  "objects of keys like no others": [`[${many((at) => `{"k${at}":1}`)}]`, 14],
  "an object of many keys": [`{"data":{${many((at) => `"k${at}":1`)}}}`, 6],
  "nested lists": [`[${many(() => "[".repeat(500) + "]".repeat(500))}]`, 20],
  "doubles among others": [`[${many(() => "-0,[]")}]`, 6],
  "long texts before empty objects": [`[${many(() => `"${"x".repeat(400)}"`)},${many(() => "{}")}]`, 8]
}

const uuid = (at: number) => `00000000-0000-4000-8000-${at.toString(16).padStart(12, "0")}`
const rows: Record<string, string> = {
  "rows of a listing": `{"data":{"task_run":[${
    many((at) =>
      JSON.stringify({ id: uuid(at), name: `n${at}`, map_index: at, serialized_state: { type: "Success", data: null } })
    )
  }]}}`,
  "rows of few columns": `[${many((at) => JSON.stringify({ id: uuid(at), map_index: at, state: "Success" }))}]`,
  "numbers": `[${many((at) => `${at / 7}`)}]`,
  "long texts": `[${many(() => `"${"x{},[]:".repeat(1000)}"`)}]`
}

describe("the memory of the values of a long text", () => {
  for (const [name, [text, times]] of Object.entries(dense)) {
    it.effect(`is known for ${name}`, () =>
      Effect.gen(function*() {
        assert.strictEqual(yield* parseLong(text, parsePrecisely, text.length * times / 2), "too large")
        assert.isObject(yield* parseLong(text, parsePrecisely, text.length * 40))
      }))
  }

  for (const [name, text] of Object.entries(rows)) {
    it.effect(`is little for ${name}`, () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* parseLong(text, parsePrecisely, text.length * 4), { value: JSON.parse(text) })
      }))
  }
})
