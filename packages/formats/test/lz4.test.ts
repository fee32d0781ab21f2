import { assert, describe, it } from "@effect/vitest"
import { unlz4Block, unlz4Frame, unlz4FrameSteps } from "../src/internal/compression/lz4.ts"
import { Refusal } from "../src/internal/refusal.ts"

const extended = (length: number): Array<number> => {
  const bytes: Array<number> = []
  let rest = length - 15
  for (; rest >= 255; rest -= 255) bytes.push(255)
  return [...bytes, rest]
}

/** One sequence: literals, and a match of `length` bytes, 4 or more, that starts `distance` bytes back. */
const sequence = (literals: ReadonlyArray<number>, distance: number, length: number): Array<number> => [
  Math.min(literals.length, 15) << 4 | Math.min(length - 4, 15),
  ...(literals.length >= 15 ? extended(literals.length) : []),
  ...literals,
  distance & 0xff,
  distance >> 8,
  ...(length - 4 >= 15 ? extended(length - 4) : [])
]
/** The last sequence has no match. */
const last = (literals: ReadonlyArray<number>): Array<number> => [
  Math.min(literals.length, 15) << 4,
  ...(literals.length >= 15 ? extended(literals.length) : []),
  ...literals
]
const bytes = (count: number, from: number) => Array.from({ length: count }, (_, i) => (from + i * 7) & 0xff)

/** A block of every combination of lengths and distances about the limits at which the copy is made another way. */
const lengths = [4, 5, 8, 9, 15, 16, 17, 18, 19, 32, 33, 63, 64, 65, 66, 128, 300, 1_000]
const distances = [1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 63, 64, 65, 100, 999]
const make = () => {
  const expected = bytes(1_000, 3)
  const block: Array<number> = []
  let literals: Array<number> = [...expected]
  let from = 11
  for (const length of lengths) {
    for (const distance of distances) {
      block.push(...sequence(literals, distance, length))
      for (let i = 0; i < length; i++) expected.push(expected[expected.length - distance]!)
      literals = bytes((from * 13) % 90, from++)
      expected.push(...literals)
    }
  }
  block.push(...last(literals))
  return { block: Uint8Array.from(block), expected: Uint8Array.from(expected) }
}

describe("an LZ4 block", () => {
  const { block, expected } = make()

  it("is read whatever the lengths and distances of its copies", () => {
    const out = new Uint8Array(expected.length)
    assert.strictEqual(unlz4Block(block, out, 0), expected.length)
    assert.deepStrictEqual(out, expected)
  })

  it("is read up to its last byte, however near the last copies are to it", () => {
    for (let literals = 0; literals <= 20; literals++) {
      for (let length = 4; length <= 24; length++) {
        for (let tail = 0; tail <= 20; tail++) {
          const before = [...bytes(12, 5), ...bytes(literals, 60)]
          const distance = 8 + (length % 5)
          const expected = [...before]
          for (let i = 0; i < length; i++) expected.push(expected[expected.length - distance]!)
          expected.push(...bytes(tail, 9))
          const block = Uint8Array.from([...sequence(before, distance, length), ...last(bytes(tail, 9))])
          const guarded = new Uint8Array(expected.length + 20).fill(77)
          assert.strictEqual(unlz4Block(block, guarded.subarray(0, expected.length), 0), expected.length)
          assert.deepStrictEqual(guarded, Uint8Array.from([...expected, ...new Uint8Array(20).fill(77)]))
        }
      }
    }
  })

  it("goes back into the blocks before it, and no further", () => {
    const out = Uint8Array.from([1, 2, 3, 4, 0, 0, 0, 0, 0, 0])
    assert.strictEqual(unlz4Block(Uint8Array.from([...sequence([], 4, 4), ...last([9, 9])]), out, 4), 10)
    assert.deepStrictEqual(out, Uint8Array.from([1, 2, 3, 4, 1, 2, 3, 4, 9, 9]))
    for (const distance of [0, 5]) {
      assert.throws(() => unlz4Block(Uint8Array.from(sequence([], distance, 4)), out, 4), Refusal)
    }
  })

  it("never writes past its end, and is refused wherever it is cut off", () => {
    const out = new Uint8Array(expected.length - 1)
    assert.throws(() => unlz4Block(block, out, 0), Refusal)
    for (let end = 1; end < block.length; end += 3) {
      const guarded = new Uint8Array(expected.length + 8).fill(77)
      let length = -1
      try {
        length = unlz4Block(block.subarray(0, end), guarded.subarray(0, expected.length), 0)
      } catch (error) {
        assert.instanceOf(error, Refusal)
      }
      assert.isBelow(length, expected.length)
      assert.deepStrictEqual(guarded.subarray(expected.length), new Uint8Array(8).fill(77))
    }
  })

  it("in a frame has exactly the length that is expected", () => {
    const frame = (size: number) => {
      const header = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]
      return Uint8Array.from([...header, size & 0xff, size >> 8 & 0xff, size >> 16, 0, ...block, 0, 0, 0, 0])
    }
    assert.deepStrictEqual(unlz4Frame(frame(block.length), expected.length), expected)
    for (const length of [expected.length - 1, expected.length + 1]) {
      assert.throws(() => unlz4Frame(frame(block.length), length), Refusal)
    }
    assert.throws(() => unlz4Frame(frame(block.length + 10), expected.length), Refusal)
  })

  it("of any length is read in steps of at most a megabyte or two", () => {
    const length = 5_000_003
    const literals = Array.from({ length: 11 }, (_, at) => at + 1)
    const count = length - literals.length - 5
    const periodic = Uint8Array.from({ length }, (_, at) => at < length - 5 ? at % 11 + 1 : 9)
    const framed = (...blocks: ReadonlyArray<Uint8Array>) =>
      Uint8Array.from(Buffer.concat([
        Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]),
        ...blocks.flatMap((
          block
        ) => [new Uint8Array(Uint32Array.of(block.length).buffer), block]),
        Buffer.alloc(4)
      ]))
    const match = Uint8Array.from([...sequence(literals, 11, count), ...last([9, 9, 9, 9, 9])])
    const literal = Buffer.concat([Uint8Array.from([0xf0, ...extended(length)]), periodic])
    const stored = framed(periodic)
    // The sign bit of the size of a block that is not compressed.
    stored[10]! |= 0x80
    for (const frame of [framed(match), framed(literal), stored]) {
      const steps = unlz4FrameSteps(frame, length)
      let count = 0
      for (;;) {
        const step = steps.next()
        if (step.done === true) {
          assert.isTrue(Buffer.from(periodic).equals(step.value))
          break
        }
        count++
      }
      assert.isAbove(count, length / 0x200000)
    }
    const many = Buffer.alloc(3 * 200_000, Uint8Array.from(sequence([], 4, 5)))
    const block = Buffer.concat([Uint8Array.from(sequence([1, 2, 3, 4], 4, 5)), many])
    const short = unlz4FrameSteps(framed(block), 9 + 5 * 200_000)
    short.next()
    assert.isFalse(short.next().done)
  })

  it("is refused where a length is of more bytes than come, before all of it is read", () => {
    for (const token of [0xf0, 0x0f]) {
      const block = new Uint8Array(100_000).fill(255)
      block.set(token === 0x0f ? [0x1f, 1, 1, 0] : [token])
      const watched = new Proxy(block, {
        get: (target, key) => {
          if (Number(key) > 1_000) assert.fail("it is read")
          const value: unknown = Reflect.get(target, key, target)
          return typeof value === "function" ? value.bind(target) : value
        }
      })
      assert.throws(() => unlz4Block(watched, new Uint8Array(1_000), 0), /longer than it says/)
    }
  })
})
