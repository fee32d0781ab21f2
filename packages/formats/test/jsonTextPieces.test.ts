/** JSON whose text is in pieces is read as if it were in one, wherever a piece ends. */
import { assert, describe, it, vi } from "@effect/vitest"
import { exactJsonSteps, orderedJsonSteps } from "../src/internal/json.ts"
import { toEnd } from "../src/internal/steps.ts"

const texts = [
  " [ null , true,false, NaN,-Infinity, Infinity ]\n",
  "{\"a\\\"b\" : \"\\\\\", \"10\": {\"2\": [-0, 1.5e-7, 12E+2, 123456789012345678901234567890]}, \"a\": {}}",
  "[[],{},[[[\"é😀\\u00e9\\n\"]]], \"\", 0.1]   ",
  "-1234567890123456789",
  "\"one long text, which is many pieces long, with \\\"quotes\\\" and \\\\\""
]
const bad = ["[1,]", "[1 2]", "{\"a\" 1}", "{a: 1}", "[\"\\q\"]", "[\"open", "[nul]", "[1] x", "", "  ", "[-]", "[1.e]"]

const piecesOf = (text: string, length: number): ReadonlyArray<string> =>
  Array.from({ length: Math.ceil(text.length / length) }, (_, at) => text.slice(at * length, (at + 1) * length))

describe("JSON in pieces", () => {
  for (const read of [orderedJsonSteps, exactJsonSteps]) {
    it(`is what it is in one piece: ${read.name}`, () => {
      for (const text of [...texts, ...bad]) {
        const whole = toEnd(read([text]))
        assert.strictEqual("value" in whole, texts.includes(text), text)
        for (const length of [1, 2, 3, 5, 7, 20, 31]) {
          assert.deepStrictEqual(toEnd(read(piecesOf(text, length))), whole, `${text} in pieces of ${length}`)
        }
        for (let cut = 0; cut <= text.length; cut++) {
          assert.deepStrictEqual(toEnd(read([text.slice(0, cut), "", text.slice(cut)])), whole, `${text} cut at ${cut}`)
        }
      }
    })
  }

  it("is looked into piece by piece", () => {
    const piece = "[1,\"two\",3.5],".repeat(10)
    const { exec } = RegExp.prototype
    let longest = 0
    const looks = vi.spyOn(RegExp.prototype, "exec").mockImplementation(function(this: RegExp, text) {
      longest = Math.max(longest, text.length)
      return exec.call(this, text)
    })
    try {
      const read = toEnd(orderedJsonSteps(["[", ...Array<string>(4_000).fill(piece), "0]"]))
      assert.isTrue("value" in read && (read.value as ReadonlyArray<unknown>).length === 40_001)
    } finally {
      looks.mockRestore()
    }
    assert.isAtLeast(longest, piece.length)
    assert.isAtMost(longest, 0x41000)
  })
})
