/** Damaged xz and .lzma files are refused, whatever is damaged; filters and chains of them are undone. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readdirSync, readFileSync } from "node:fs"
import { crc32 } from "node:zlib"
import { decompress } from "../src/internal/compression/compression.ts"
import { Output } from "../src/internal/compression/output.ts"
import { unxz as unxzSteps } from "../src/internal/compression/xz.ts"

const limits = { maxBytes: 1 << 20, maxRatio: 1000 }
const unxz = (bytes: Uint8Array) => Buffer.from(Effect.runSync(decompress("xz", bytes, limits))).toString("latin1")

const uint32 = (value: number) => {
  const out = Buffer.alloc(4)
  out.writeUInt32LE(value)
  return out
}
const checked = (...parts: ReadonlyArray<Uint8Array>) => {
  const bytes = Buffer.concat(parts)
  return Buffer.concat([bytes, uint32(crc32(bytes))])
}
const padded = (bytes: Uint8Array, byte = 0) => Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3, byte)])
const number = (value: number): Array<number> => value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...number(value >> 7)]

/** What may be other than it should be. */
interface Changes {
  readonly flags?: number
  /** The fields of the block header after its flags. */
  readonly fields?: ReadonlyArray<number>
  readonly headerPadding?: number
  readonly blockPadding?: number
  readonly blocks?: number
  /** The chunks of LZMA2. */
  readonly chunks?: ReadonlyArray<number>
  readonly index?: (sizes: ReadonlyArray<number>) => ReadonlyArray<number>
  readonly streamFlags?: number
  readonly footerFlags?: number
  readonly end?: ReadonlyArray<number>
}

const text = "hello"
const plainChunks = [1, 0, text.length - 1, ...Buffer.from(text), 0]

/** An xz stream of one block, whose checksums are right whatever is changed. */
const stream = (changes: Changes = {}): Buffer => {
  const streamFlags = Buffer.from([changes.streamFlags ?? 0, 1])
  const head = [0, changes.flags ?? 0, ...(changes.fields ?? [0x21, 1, 0])]
  const headerBytes = padded(Buffer.from(head), changes.headerPadding)
  headerBytes[0] = headerBytes.length / 4
  const data = Buffer.from(changes.chunks ?? plainChunks)
  const sizes = [headerBytes.length + 4 + data.length + 4, text.length]
  const { blocks = 1 } = changes
  const records = changes.index?.(sizes) ??
    [...number(blocks), ...Array.from({ length: blocks }, () => sizes.flatMap(number)).flat()]
  const index = checked(padded(Buffer.from([0, ...records])))
  const footer = Buffer.concat([uint32(index.length / 4 - 1), Buffer.from([changes.footerFlags ?? 0, 1])])
  const block = Buffer.concat([checked(headerBytes), padded(data, changes.blockPadding), uint32(crc32(text))])
  return Buffer.concat([
    Buffer.from("\xfd7zXZ\0", "latin1"),
    checked(streamFlags),
    Buffer.alloc(blocks * block.length, block),
    index,
    uint32(crc32(footer)),
    footer,
    Buffer.from("YZ"),
    Buffer.from(changes.end ?? [])
  ])
}

describe("an xz stream", () => {
  it("is read as it should be", () => {
    assert.strictEqual(unxz(stream()), text)
    assert.strictEqual(unxz(stream({ flags: 0xc0, fields: [9, 5, 0x21, 1, 0] })), text)
    assert.strictEqual(unxz(Buffer.concat([stream({ end: [0, 0, 0, 0] }), stream()])), text + text)
    assert.strictEqual(unxz(stream({ end: [0, 0, 0, 0, 0, 0, 0, 0] })), text)
    // As Python has it, what follows the last stream is nothing.
    assert.strictEqual(unxz(stream({ end: [1, 2, 3, 4, 5] })), text)
  })

  const bad: ReadonlyArray<readonly [string, Changes, RegExp]> = [
    ["whose index has another packed size", { index: ([a = 0, b = 0]) => [1, a + 4, b] }, /index does not agree/],
    ["whose index has another size", { index: ([a = 0, b = 0]) => [1, a, b + 1] }, /index does not agree/],
    ["whose index has a huge size", {
      index: ([a = 0]) => [1, a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]
    }, /index does not agree/],
    ["whose index counts another number", { index: ([a = 0, b = 0]) => [2, a, b, a, b] }, /count its blocks/],
    ["with a number that is longer than it must be", { index: ([a = 0, b = 0]) => [1, a, b | 0x80, 0] }, /more bytes/],
    ["with a reserved bit in its block header", { flags: 0x04 }, /later version/],
    ["with fields that are not known", { headerPadding: 1 }, /later version/],
    ["with a reserved bit in its flags", { streamFlags: 0x10, footerFlags: 0x10 }, /later version/],
    ["whose footer has other flags", { footerFlags: 1 }, /footer/],
    ["whose block padding is not zero", { blockPadding: 1 }, /padding/],
    ["whose header names another packed size", { flags: 0x40, fields: [10, 0x21, 1, 0] }, /wrong size/],
    ["whose header names no packed size", { flags: 0x40, fields: [0, 0x21, 1, 0] }, /wrong size/],
    ["whose header names another size", { flags: 0x80, fields: [6, 0x21, 1, 0] }, /wrong size/],
    ["whose header ends within a filter", { fields: [0x21, 9, 0] }, /header ends early/],
    ["whose last filter is not LZMA2", { fields: [3, 1, 0] }, /last filter/],
    ["with LZMA2 before the last filter", { flags: 1, fields: [0x21, 1, 0, 0x21, 1, 0] }, /filter 0x21/],
    ["with a filter that is not known", { flags: 1, fields: [0x7f, 0, 0x21, 1, 0] }, /filter 0x7f/],
    ["with a filter at an odd offset", { flags: 1, fields: [7, 4, 1, 0, 0, 0, 0x21, 1, 0] }, /not aligned/],
    ["with a dictionary that is not known", { fields: [0x21, 1, 0x40] }, /too large/],
    ["whose first chunk needs a dictionary", { chunks: [2, ...plainChunks.slice(1)] }, /does not reset/],
    ["with a chunk that is not known", { chunks: [...plainChunks.slice(0, -1), 3, 0] }, /unknown kind/],
    ["with properties out of range", { chunks: [0xe0, 0, 0, 0, 5, 44, 0, 0, 0, 0, 0, 0, 0] }, /out of range/],
    ["whose chunk has no properties after a new dictionary", {
      chunks: [...plainChunks.slice(0, -1), 0x80, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0]
    }, /before its properties/],
    ["with padding that is not of four bytes", { end: [0, 0, 0, 0, 0] }, /four bytes/]
  ]
  it.each(bad)("%s is refused", (_, changes, message) => {
    assert.throws(() => unxz(stream(changes)), message)
  })

  it("is refused wherever it is cut or a byte is another", () => {
    const whole = stream({ flags: 0xc0, fields: [9, 5, 0x21, 1, 0] })
    for (let at = 6; at < whole.length; at++) {
      assert.throws(() => unxz(whole.subarray(0, at)))
      const changed = Buffer.from(whole)
      changed[at]! ^= 1
      assert.throws(() => unxz(changed), undefined, undefined, `byte ${at}`)
    }
  })
})

describe("others have their turns while xz is read that has", () => {
  /** The steps without one that writes. */
  const idleStepsOf = (bytes: Uint8Array): number => {
    const output = new Output(0, 1 << 20, () => assert.fail("too much"))
    const steps = unxzSteps(bytes, output)
    let count = 0
    for (let length = 0; steps.next().done !== true; length = output.length) if (output.length === length) count++
    return count
  }
  const less = 8_000
  it.each<[string, Uint8Array, Uint8Array, number]>([
    ["much padding", stream(), Buffer.concat([stream(), Buffer.alloc(1 << 20)]), 3],
    ["many streams of nothing", stream({ blocks: 0 }), Buffer.alloc(32 * 50, stream({ blocks: 0 })), 49],
    ["an index of many blocks", stream({ blocks: less }), stream({ blocks: less + 0x2000 }), 0x2000 + 1]
  ])("%s", (_, one, bytes, more) => {
    assert.isAtLeast(idleStepsOf(bytes), idleStepsOf(one) + more)
  })
})

describe("filters", () => {
  const folder = new URL("../../../fixtures/formats/xz/", import.meta.url)
  it.each(readdirSync(folder))("%s has the content that its checksum says", (name) => {
    assert.isAtLeast(unxz(readFileSync(new URL(name, folder))).length, 1200)
  })
})

describe("a .lzma file", () => {
  const file = Buffer.from("XQAAgAD//////////wAwmIimHTn7mawI5f//+w7gAA==", "base64")
  const withSize = (size: number) => {
    const out = Buffer.from(file)
    out.writeBigInt64LE(BigInt(size), 5)
    return Effect.runSync(decompress("lzma", out, limits))
  }
  it("may have an end marker, its size, or both", () => {
    assert.lengthOf(Effect.runSync(decompress("lzma", file, limits)), 30)
    assert.lengthOf(withSize(30), 30)
  })
  it("of another size than it has is refused", () => {
    for (const size of [0, 1, 2, 5, 10, 28, 29, 31, 1000]) {
      assert.throws(() => withSize(size), /damaged/, undefined, `${size}`)
    }
  })
})
