/** A reader is told of dicts with keys that are not text, so that it need not look for them. */
import { loads, PyDict } from "@effect-prefect/pickle"
import { assert, describe, it } from "@effect/vitest"

const read = (pickle: string) => {
  const bytes = new Uint8Array(Buffer.from(pickle, "latin1"))
  let calls = 0
  const value = loads(bytes, { onMap: () => void calls++ })
  return { value, calls }
}

const many = (items: string) => `(${"X\x01\0\0\0aK\x01".repeat(40_000)}${items}`

describe("onMap", () => {
  for (
    const [name, pickle] of [
      ["in the text form", "(dI1\nI2\ns."],
      ["of one instruction", "(I1\nI2\nd."],
      ["at its first key", "\x80\x04}K\x01K\x02s."],
      ["of an index as text", "\x80\x04}\x8c\x011K\x02s."],
      ["at a later key", "\x80\x04}\x8c\x01aK\x02sG\x3f\xf0\0\0\0\0\0\0K\x02s."],
      ["of a batch", "\x80\x04}(\x8c\x01aK\x02K\x01K\x02u."],
      ["of a large batch", `\x80\x04}${many("K\x01K\x02u.")}`],
      ["of a large instruction", `\x80\x02${many("K\x01K\x02d.")}`]
    ] as const
  ) {
    it(`is called for a dict with another key, ${name}`, () => {
      const { calls, value } = read(pickle)
      assert.instanceOf(value, PyDict)
      assert.isAbove(calls, 0)
    })
  }

  for (
    const [name, pickle] of [
      ["in the text form", "(dVa\nI2\ns."],
      ["of one instruction", "(Va\nI2\nd."],
      ["of a batch", "\x80\x04}(\x8c\x01aK\x02\x8c\x01bK\x02u."],
      ["of a large batch", `\x80\x04}${many("u.")}`]
    ] as const
  ) {
    it(`is not called for a dict of texts, ${name}`, () => {
      const { calls, value } = read(pickle)
      assert.notInstanceOf(value, Map)
      assert.strictEqual(calls, 0)
    })
  }
})
