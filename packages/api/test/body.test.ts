/** The body of an answer is held in few arrays, however small the chunks are in which it arrives. */
import { assert, describe, it } from "@effect/vitest"
import { Body } from "../src/internal/http/body.ts"

const bytesOf = (size: number, from: number) => Uint8Array.from({ length: size }, (_, at) => from + at)

/** A body of chunks of these sizes, and the bytes that went into it. */
const filled = (sizes: ReadonlyArray<number>) => {
  const body = new Body()
  const sent: Array<number> = []
  let most = 0
  for (const size of sizes) {
    const chunk = bytesOf(size, sent.length)
    for (const byte of chunk) sent.push(byte)
    body.add(chunk)
    most = Math.max(most, body.count)
  }
  return { body, most, sent: Uint8Array.from(sent) }
}

const repeated = (count: number, ...sizes: ReadonlyArray<number>) => Array.from({ length: count }, () => sizes).flat()

describe("a body", () => {
  const cases: Record<string, ReadonlyArray<number>> = {
    "nothing": [],
    "one chunk": [70_000],
    "single bytes": repeated(20_000, 1),
    "single bytes with empty chunks": repeated(20_000, 0, 1),
    "single bytes after a large chunk": [100_000, ...repeated(1_000, 1)],
    "small and large chunks in turn": repeated(200, 1, 1, 1, 3_000)
  }
  for (const [name, sizes] of Object.entries(cases)) {
    it(`of ${name} is what was sent, in few arrays`, () => {
      const { body, most, sent } = filled(sizes)
      assert.strictEqual(body.size, sent.length)
      assert.isTrue(Buffer.from(body.bytes()).equals(sent))
      // An array takes about two hundred bytes besides its content.
      assert.isAtMost(most, 256 + sent.length / 200)
    })
  }

  it("of empty chunks alone takes no arrays", () => {
    assert.strictEqual(filled(repeated(10_000, 0)).most, 0)
  })

  it("has 256 chunks joined where they have fewer than 256 KiB", () => {
    const countOf = (...sizes: ReadonlyArray<number>) => filled(sizes).body.count
    assert.strictEqual(countOf(...repeated(255, 1_024)), 255)
    assert.strictEqual(countOf(...repeated(256, 1_024)), 256)
    assert.strictEqual(countOf(...repeated(255, 1_024), 1_023), 1)
    assert.strictEqual(countOf(...repeated(256, 1_024), ...repeated(255, 1)), 511)
    assert.strictEqual(countOf(...repeated(256, 1_024), ...repeated(256, 1)), 257)
  })
})

describe("the text of a body", () => {
  const read = (body: Body) => {
    const steps = body.text()
    for (let turns = 0;; turns++) {
      const step = steps.next()
      if (step.done === true) return { text: step.value.slice(0, step.value.length), turns }
    }
  }

  it("is decoded in steps where it is long, wherever its chunks are cut", () => {
    const bytes = new TextEncoder().encode("é€🦊x".repeat(200_000))
    for (const length of [bytes.length, 0x80001, 99_999]) {
      const body = new Body()
      for (let from = 0; from < bytes.length; from += length) body.add(bytes.subarray(from, from + length))
      const { text, turns } = read(body)
      assert.isTrue(text === "é€🦊x".repeat(200_000))
      assert.isAtLeast(turns, bytes.length / 0x80000)
    }
  })

  it("is what one call gives, with what is no UTF-8 at its end", () => {
    const bytes = new Uint8Array(0x80010).fill(0x78)
    bytes[bytes.length - 1] = 0xe2
    const body = new Body()
    body.add(bytes)
    assert.isTrue(read(body).text === new TextDecoder().decode(bytes))
  })
})
