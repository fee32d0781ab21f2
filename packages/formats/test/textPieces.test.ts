import { assert, describe, it } from "@effect/vitest"
import { decodeUtf8, utf8Steps } from "../src/internal/text.ts"

/** The text of some bytes, and the number of turns that it gave to other work. */
const inPieces = (bytes: Uint8Array): readonly [string | undefined, number] => {
  const steps = utf8Steps(bytes)
  for (let turns = 0;; turns++) {
    const step = steps.next()
    if (step.done === true) return [step.value, turns]
  }
}

describe("text in pieces is the same as at once", () => {
  const million = 2 ** 20
  for (const [name, character] of [["one byte", "a"], ["two", "é"], ["three", "€"], ["four", "😀"]] as const) {
    it(`characters of ${name} each, wherever a piece ends`, () => {
      for (let before = 0; before < 4; before++) {
        const bytes = new TextEncoder().encode("x".repeat(before) + character.repeat(2.5 * million))
        const [text, turns] = inPieces(bytes)
        assert.isTrue(text === decodeUtf8(bytes))
        const pieces = Math.ceil(bytes.length / million)
        assert.ok(turns === pieces - 1 || turns === pieces, `${turns} turns`)
      }
    })
  }
  it("a mark, surrogates, and what is no text", () => {
    const marked = new Uint8Array(Buffer.from(`\ufeff${"a".repeat(2 * million)}`))
    assert.isTrue(inPieces(marked)[0] === "a".repeat(2 * million))
    const lone = Buffer.alloc(3 * million, Buffer.from([0xed, 0xa0, 0x80]))
    assert.isTrue(inPieces(new Uint8Array(lone))[0] === "\ud800".repeat(million))
    const damaged = new Uint8Array(2 * million).fill(0x80, million - 10, million + 10)
    assert.strictEqual(inPieces(damaged)[0], undefined)
    assert.deepStrictEqual(inPieces(new Uint8Array(0)), ["", 0])
  })
})
