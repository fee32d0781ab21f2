/** A text in parts is the same text. */
import { assert, describe, it } from "@effect/vitest"
import { parseInPieces } from "../src/internal/http/pieces.ts"
import { LongText } from "../src/internal/longText.ts"

describe("a long text", () => {
  const whole = "abcabdé€🦊abc"
  for (const cuts of [[], [3], [0, 0, 5, 5], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]]) {
    it(`cut at ${cuts.join(", ") || "no place"} is the same`, () => {
      const text = new LongText([0, ...cuts].map((from, at) => whole.slice(from, cuts[at])))
      assert.strictEqual(text.length, whole.length)
      const places = Array.from({ length: whole.length + 2 }, (_, at) => at)
      for (const from of [...places, ...places.toReversed()]) {
        assert.deepStrictEqual(text.charCodeAt(from), whole.charCodeAt(from))
        for (const to of places.slice(from)) {
          assert.strictEqual(text.slice(from, to), whole.slice(from, to))
          for (const sought of ["a", "abc", "🦊a", "no"]) {
            const found = whole.slice(0, to).indexOf(sought, from)
            assert.strictEqual(text.indexOf(sought, from, to), found)
          }
        }
      }
    })
  }

  it("is searched across the ends of what is searched at a time", () => {
    const long = `${"x".repeat(0xffff)}yz${"x".repeat(0x20000)}`
    const text = new LongText([long.slice(0, 0x10000), long.slice(0x10000)])
    assert.strictEqual(text.indexOf("yz", 5, text.length), 0xffff)
    assert.strictEqual(text.indexOf("yz", 0x10000, text.length), -1)
    assert.strictEqual(text.indexOf("yz", 0, 0x10000), -1)
  })

  it("without parts has no characters", () => {
    const text = new LongText([])
    assert.deepStrictEqual([text.length, text.slice(0, 5), text.charCodeAt(0)], [0, "", Number.NaN])
  })
})

describe("the steps of a long text", () => {
  /** The longest text that was made of it in one step, and the characters that were looked at. */
  const looked = (text: string) => {
    const parts = Array.from(
      { length: Math.ceil(text.length / 0x80000) },
      (_, at) => text.slice(at * 0x80000, (at + 1) * 0x80000)
    )
    const whole = new LongText(parts)
    let longest = 0
    let characters = 0
    const { charCodeAt, slice } = whole
    Object.assign(whole, {
      slice(from: number, to: number) {
        const made = slice.call(whole, from, to)
        longest = Math.max(longest, made.length)
        return made
      },
      charCodeAt(at: number) {
        characters++
        return charCodeAt.call(whole, at)
      }
    })
    const steps = parseInPieces(whole, (piece) => JSON.parse(piece) as unknown)
    for (;;) {
      const step = steps.next()
      if (step.done === true) return { value: step.value, longest, characters }
    }
  }
  const rows = JSON.stringify(Array.from({ length: 40_000 }, (_, id) => ({ id, text: "x".repeat(40), tags: ["a"] })))
  const cases = {
    "one text": JSON.stringify("é".repeat(3_000_000)),
    "a text in an object": JSON.stringify({ a: "x".repeat(3_000_000), b: 1 }),
    "escapes": JSON.stringify({ a: "\\".repeat(1_500_000), b: ["\"".repeat(1_500_000)] }),
    "rows": `{"data":{"rows":${rows}}}`,
    "white space": ` ${" ".repeat(1_500_000)}{ ${" ".repeat(1_500_000)}"a" :${" ".repeat(1_500_000)}[1,2]}`
  }
  for (const [name, text] of Object.entries(cases)) {
    it(`are short for ${name}`, () => {
      const { characters, longest, value } = looked(text)
      assert.isTrue(JSON.stringify(value) === JSON.stringify(JSON.parse(text)))
      assert.isAtMost(longest, 0x40000)
      // Twice each, and not once for each escape before it.
      assert.isAtMost(characters, 2 * text.length)
    })
  }
})
