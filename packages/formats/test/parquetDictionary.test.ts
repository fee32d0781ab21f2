import { FormatError, TooLarge } from "@effect-prefect/formats/FormatError"
import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import * as Read from "@effect-prefect/formats/Table"
import { assert, describe, it } from "@effect/vitest"
import * as Flechette from "@uwdata/flechette"
import * as Effect from "effect/Effect"
import { Compression, Table, writeParquet, WriterPropertiesBuilder } from "parquet-wasm"
import { unsnappy } from "../src/internal/compression/snappy.ts"
import { dictionaryBudgetOf, dictionarySizes as sizesOf, expectedMemory } from "../src/internal/parquet/dictionary.ts"
import {
  type Chunk,
  dictionaryOf,
  footerSpan,
  groupOf,
  readFooter,
  tailLength
} from "../src/internal/parquet/footer.ts"
import { Refusal } from "../src/internal/refusal.ts"
import { toEnd } from "../src/internal/steps.ts"

/** A file of columns of texts, each with a dictionary. */
const written = (
  columns: Readonly<Record<string, ReadonlyArray<string>>>,
  compression = Compression.SNAPPY
): Uint8Array => {
  const types = Object.fromEntries(Object.keys(columns).map((name) => [name, Flechette.utf8()]))
  const table = Flechette.tableFromArrays(columns as never, { types })
  const properties = new WriterPropertiesBuilder().setCompression(compression).build()
  return writeParquet(Table.fromIPCStream(Flechette.tableToIPC(table, { format: "stream" })!), properties)
}

/** A file of one column of texts, of which the largest has 300 bytes. */
const fileOf = (compression: Compression): Uint8Array => {
  const texts = Array.from({ length: 20_000 }, (_, row) => `text ${row % 500}`.padEnd(row % 500 === 77 ? 300 : 0, "é"))
  return written({ texts }, compression)
}
/** The bytes of `text 77` and of 293 times two more. */
const largest = 7 + 2 * 293

const chunkOf = (file: Uint8Array) => {
  const { end, start } = footerSpan(file.subarray(-tailLength), file.length)
  const footer = toEnd(readFooter(file.subarray(start, end), start))
  return toEnd(groupOf(footer, footer.groups[0]!)).chunks[0]!
}

const dictionarySizes = (chunk: Chunk, bytes: Uint8Array, offset = 0) =>
  sizesOf(chunk, bytes, dictionaryBudgetOf(bytes.length), offset)

const codecs = ["UNCOMPRESSED", "SNAPPY", "GZIP", "BROTLI", "ZSTD", "LZ4_RAW"] as const

describe("the sizes of a dictionary's values", () => {
  for (const name of codecs) {
    it(`are found in one that is compressed as ${name}`, () => {
      const file = fileOf(Compression[name])
      const chunk = chunkOf(file)
      assert.isAbove(dictionaryOf(chunk, file)!.size, 2_048)
      assert.strictEqual(dictionarySizes(chunk, file).largest, largest)
      // In bytes that begin elsewhere in the file.
      assert.strictEqual(dictionarySizes(chunk, file.subarray(4), 4).largest, largest)
    })

    it(`tell the memory of all rows, of which the file has few: ${name}`, () => {
      const file = fileOf(Compression[name])
      const chunk = chunkOf(file)
      const texts = Array.from({ length: 20_000 }, (_, row) => row % 500 === 77 ? largest : `text ${row % 500}`.length)
      const memory = texts.reduce((sum, length) => sum + 4 + length, 0)
      assert.isBelow(chunk.cost, memory / 2)
      assert.approximately(expectedMemory(chunk, dictionarySizes(chunk, file)), memory, memory / 100)
      // Counts that are wrong ask for a part of the memory that they speak of.
      const sizes = { largest: 1e9, mean: 1e9 }
      assert.strictEqual(expectedMemory(chunk, sizes), 16 * chunk.cost)
      assert.strictEqual(expectedMemory(chunk, { largest: 1e9, mean: 0 }), chunk.cost)
    })

    it(`are not looked for in more than a file may have: ${name}`, () => {
      const file = fileOf(Compression[name])
      const chunk = chunkOf(file)
      const { bytes, size } = dictionaryOf(chunk, file)!
      const budget = { bytes: 2 * (size + bytes.length) }
      const found = [1, 2, 3].map(() => sizesOf(chunk, file, budget).largest)
      assert.deepStrictEqual(found, [largest, largest, size])
    })

    it(`are at most the whole of one that is damaged: ${name}`, () => {
      const file = fileOf(Compression[name])
      const chunk = chunkOf(file)
      const { bytes, size } = dictionaryOf(chunk, file)!
      for (let at = 0; at < bytes.length; at += 37) {
        const damaged = Uint8Array.from(file)
        damaged[bytes.byteOffset - file.byteOffset + at]! ^= 0x55
        const found = dictionarySizes(chunk, damaged).largest
        assert.isAtLeast(found, 1)
        assert.isAtMost(found, size)
      }
      const cut = file.subarray(0, bytes.byteOffset - file.byteOffset + bytes.length - 9)
      assert.strictEqual(dictionarySizes(chunk, cut).largest, size)
    })
  }
})

describe("memory", () => {
  it.effect("that is only expected is no reason to refuse", () => {
    // Ten columns of few long texts: most rows repeat the short one.
    const data = Array.from({ length: 20_000 }, (_, row) => row % 100 === 0 ? `${row} `.padEnd(1_000, "x") : "")
    const content = written(Object.fromEntries(Array.from({ length: 10 }, (_, at) => [`c${at}`, data])))
    const limit = 16_000_000
    let asked = 0
    const reserve = (bytes: number, isGuess: boolean): Effect.Effect<number, FormatError> => {
      const room = isGuess ? Math.min(bytes, limit - asked) : bytes
      asked += room
      return asked > limit
        ? Effect.fail(new FormatError({ reason: new TooLarge({ limit, size: asked }) }))
        : Effect.succeed(room)
    }
    return Effect.gen(function*() {
      const table = yield* ResultFormat.decode(content, { name: "few.parquet", maxBytes: 100_000_000, reserve })
      assert.instanceOf(table, Read.Table)
      assert.strictEqual((table as Read.Table).columns[9]!.at(19_900), data[19_900])
    })
  })
})

describe("Snappy", () => {
  it("reads literals of any width, and copies of all kinds and of themselves", () => {
    const text = (bytes: Uint8Array, length: number) => Buffer.from(unsnappy(bytes, length)).toString()
    assert.strictEqual(text(Uint8Array.of(3, 0x08, 97, 98, 99), 3), "abc")
    // "ab", then four more from two bytes back in each of the three forms.
    assert.strictEqual(text(Uint8Array.of(6, 0x04, 97, 98, 0x01, 2), 6), "ababab")
    assert.strictEqual(text(Uint8Array.of(6, 0x04, 97, 98, 0x0e, 2, 0), 6), "ababab")
    assert.strictEqual(text(Uint8Array.of(6, 0x04, 97, 98, 0x0f, 2, 0, 0, 0), 6), "ababab")
    const long = new Uint8Array(300).fill(120)
    assert.strictEqual(text(Uint8Array.of(0xac, 2, 0xf4, 43, 1, ...long), 300), "x".repeat(300))
  })

  it("refuses what is damaged", () => {
    for (
      const [length, bytes] of [
        [3, []],
        [3, [0x80]],
        [4, [3, 0x08, 97, 98, 99]],
        [3, [3, 0x08, 97, 98]],
        [3, [3, 0xf0]],
        [2, [2, 0x08, 97, 98, 99]],
        [6, [6, 0x04, 97, 98, 0x01]],
        [6, [6, 0x04, 97, 98, 0x01, 3]],
        [6, [6, 0x04, 97, 98, 0x01, 0]],
        [5, [5, 0x04, 97, 98, 0x01, 2]],
        [4, [4, 0x04, 97, 98]],
        [0, [0xff, 0xff, 0xff, 0xff, 0xff, 1]]
      ] as ReadonlyArray<[number, ReadonlyArray<number>]>
    ) assert.throws(() => unsnappy(Uint8Array.from(bytes), length), Refusal)
  })
})
