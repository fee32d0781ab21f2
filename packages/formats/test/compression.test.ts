import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import * as zlib from "node:zlib"
import {
  type Compression,
  compressionOf,
  decompress,
  decompressSmall
} from "../src/internal/compression/compression.ts"
import { Output } from "../src/internal/compression/output.ts"

const fixture = (name: string) => readFileSync(new URL(`../../../fixtures/formats/pandas-3/${name}`, import.meta.url))
const pickle = fixture("mixed.pickle")
const compressed: Record<Compression, Uint8Array> = {
  gzip: zlib.gzipSync(pickle),
  zlib: zlib.deflateSync(pickle),
  zstd: zlib.zstdCompressSync(pickle),
  bz2: fixture("mixed.pickle.bz2"),
  xz: fixture("mixed.pickle.xz"),
  lzma: new Uint8Array()
}
const kinds = (Object.keys(compressed) as Array<Compression>).filter((kind) => kind !== "lzma")

/** Bytes that do not shrink. */
const random = (length: number) => {
  const bytes = Buffer.alloc(length)
  let seed = 7
  for (let at = 0; at < length; at++) {
    seed = (seed * 1103515245 + 12345) % 2147483648
    bytes[at] = seed >> 16
  }
  return bytes
}

const limits = { maxBytes: 1 << 30, maxRatio: 1000 }
const reasonOf = (kind: Compression, bytes: Uint8Array, given: Parameters<typeof decompress>[2] = limits) =>
  Effect.map(Effect.flip(decompress(kind, bytes, given)), ({ reason }) => reason)

describe("compressions", () => {
  it("are told by their first bytes", () => {
    for (const kind of kinds) assert.strictEqual(compressionOf(compressed[kind]), kind)
    const of = (...bytes: ReadonlyArray<number>) => compressionOf(Uint8Array.from(bytes))
    assert.strictEqual(of(0x1f, 0x8b, 8), "gzip")
    for (const no of [[0x1f, 0x8b, 7], [0x1f, 0x8a, 8], [0x1f], [0x1e, 0x8b, 8], []]) assert.isUndefined(of(...no))
    assert.strictEqual(of(0x78, 0x9c, 0, 0, 0, 0, 0), "zlib")
    assert.strictEqual(of(0x78, 0x01, 0, 0, 0, 0, 0), "zlib")
    // A text that begins in "x", too few bytes, a dictionary.
    for (const no of [[0x78, 0x9d, 0, 0, 0, 0, 0], [0x78, 0x9c, 0, 0, 0, 0], [0x78, 0x20, 0, 0, 0, 0, 0], [0x78]]) {
      assert.isUndefined(of(...no))
    }
    assert.isUndefined(of(0x78, 0xbb, 0, 0, 0, 0, 0))
    assert.strictEqual(of(0x28, 0xb5, 0x2f, 0xfd, 0), "zstd")
    for (
      const no of [[0x28, 0xb5, 0x2f, 0xfd], [0x28, 0xb4, 0x2f, 0xfd, 0], [0x28, 0xb5, 0x2e, 0xfd, 0], [
        0x28,
        0xb5,
        0x2f,
        0xfc,
        0
      ]]
    ) assert.isUndefined(of(...no))
  })

  it.effect.each(kinds)("%s gives its content, at once and step by step", (kind) =>
    Effect.gen(function*() {
      assert.isTrue(pickle.equals(decompressSmall(kind, compressed[kind], limits)!))
      assert.isTrue(pickle.equals(yield* decompress(kind, compressed[kind], limits)))
    }))

  it.effect.each(kinds)(
    "%s of exactly the limit is given, and one byte less of it is too large",
    (kind) =>
      Effect.gen(function*() {
        const exact = { ...limits, maxBytes: pickle.length }
        assert.lengthOf(decompressSmall(kind, compressed[kind], exact)!, pickle.length)
        assert.lengthOf(yield* decompress(kind, compressed[kind], exact), pickle.length)
        const less = { ...limits, maxBytes: pickle.length - 1 }
        assert.strictEqual((yield* reasonOf(kind, compressed[kind], less))._tag, "TooLarge")
        assert.throws(() => decompressSmall(kind, compressed[kind], less))
      })
  )

  it.effect.each(kinds)("%s that is damaged says so", (kind) =>
    Effect.gen(function*() {
      const garbled = Uint8Array.from(compressed[kind])
      garbled.fill(0x55, garbled.length >> 1)
      const reason = yield* reasonOf(kind, garbled)
      assert.strictEqual(reason._tag, "Undecodable")
      assert.throws(() => decompressSmall(kind, garbled, limits))
      const cut = compressed[kind].subarray(0, -20)
      assert.strictEqual((yield* reasonOf(kind, cut))._tag, "Undecodable")
    }))

  it.effect("names the compression of what is damaged", () =>
    Effect.gen(function*() {
      for (const kind of ["gzip", "zlib", "zstd"] as const) {
        const reason = yield* reasonOf(kind, compressed[kind].subarray(0, 20))
        assert.strictEqual(reason._tag === "Undecodable" ? reason.detail.split(" ")[1] : "", kind)
      }
    }))

  it.effect("of several frames of zstd is refused, since only the first would be read", () =>
    Effect.gen(function*() {
      const limits = { maxBytes: 1 << 20, maxRatio: 1_000 }
      const [first, second, empty] = [random(300_000), Buffer.from("second"), Buffer.alloc(0)].map((part) =>
        zlib.zstdCompressSync(part)
      ) as [Buffer, Buffer, Buffer]
      const skipped = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 1, 2])
      for (const bytes of [first, Buffer.concat([first, skipped, empty])]) {
        assert.lengthOf(yield* decompress("zstd", bytes, limits), 300_000)
      }
      for (const bytes of [Buffer.concat([first, second]), Buffer.concat([first, skipped, empty, second])]) {
        const reason = yield* reasonOf("zstd", bytes, limits)
        assert.include(reason._tag === "Undecodable" ? reason.detail : "", "several zstd frames")
      }
      assert.throws(() => decompressSmall("zstd", Buffer.concat([second, second]), limits))
      assert.strictEqual(Buffer.from(decompressSmall("zstd", second, limits)!).toString(), "second")
    }))

  it.effect("may make bytes as many times larger as they are told, above 64 MiB", () =>
    Effect.gen(function*() {
      const floor = 64 * 1024 * 1024
      const bytes = zlib.zstdCompressSync(Buffer.alloc(floor))
      assert.isBelow(bytes.length * 100, floor)
      assert.lengthOf(yield* decompress("zstd", bytes, { maxBytes: 1 << 30, maxRatio: 100 }), floor)
      const more = zlib.zstdCompressSync(Buffer.alloc(floor + 1))
      const reason = yield* reasonOf("zstd", more, { maxBytes: 1 << 30, maxRatio: 100 })
      assert.include(reason._tag === "Undecodable" ? reason.detail : "", "(zstd) to more than 100 times its size")
      const ratio = Math.ceil((floor + 1) / more.length)
      assert.lengthOf(yield* decompress("zstd", more, { maxBytes: 1 << 30, maxRatio: ratio }), floor + 1)
      const limited = yield* reasonOf("zstd", more, { maxBytes: floor, maxRatio: 100 })
      assert.strictEqual(limited._tag, "TooLarge")
    }))

  it("are decompressed at once up to 256 KiB of them and 4 MiB of their content", () => {
    const stored = zlib.deflateSync(random(256 * 1024), { level: 0 })
    const padding = stored.length - 256 * 1024
    const largest = zlib.deflateSync(random(256 * 1024 - padding), { level: 0 })
    assert.strictEqual(largest.length, 256 * 1024)
    assert.lengthOf(decompressSmall("zlib", largest, limits)!, 256 * 1024 - padding)
    assert.isUndefined(
      decompressSmall("zlib", zlib.deflateSync(random(256 * 1024 - padding + 1), { level: 0 }), limits)
    )
    for (
      const [kind, compress] of [["gzip", zlib.gzipSync], ["zlib", zlib.deflateSync], [
        "zstd",
        zlib.zstdCompressSync
      ]] as const
    ) {
      const most = 4 * 1024 * 1024
      assert.lengthOf(decompressSmall(kind, compress(Buffer.alloc(most)), limits)!, most)
      assert.isUndefined(decompressSmall(kind, compress(Buffer.alloc(most + 1)), limits))
      // Where that is more than allowed, it is told at once.
      assert.throws(() => decompressSmall(kind, compress(Buffer.alloc(most + 1)), { ...limits, maxBytes: most }))
    }
  })

  it.effect("wait for room before they take it, once for all that there is", () =>
    Effect.gen(function*() {
      for (const kind of ["gzip", "bz2"] as const) {
        const asked: Array<number> = []
        const reserve = (bytes: number, isGuess: boolean) =>
          Effect.sync(() => {
            // Only what the stream says of itself, or what its length lets expect, is a guess.
            assert.strictEqual(isGuess, kind === "gzip" && asked.length === 0)
            asked.push(bytes)
            return bytes
          })
        const value = yield* decompress(kind, compressed[kind], { ...limits, reserve })
        assert.isTrue(asked.every((bytes) => bytes > 0), kind)
        if (kind === "gzip") assert.isAtLeast(asked.reduce((sum, bytes) => sum + bytes, 0), value.length)
      }
      const large = zlib.gzipSync(Buffer.alloc(5 << 20))
      const asked: Array<number> = []
      const reserve = (bytes: number) =>
        Effect.sync(() => {
          asked.push(bytes)
          return bytes
        })
      yield* decompress("gzip", large, { maxBytes: 6 << 20, maxRatio: 1e6, reserve })
      // It doubles, up to the limit.
      assert.deepStrictEqual(asked.map((bytes) => bytes / (1 << 20)), [1, 1, 2, 2])
    }))

  it.effect("give all that there is, whatever size is said where", () =>
    Effect.gen(function*() {
      const parts = [random(70_000), new Uint8Array(0), random(300_000), random(10), new Uint8Array(2_000_000)]
      const members = parts.map((part) => zlib.gzipSync(part))
      for (const order of [[0, 1, 2, 3, 4], [4, 2, 0, 1, 3], [4, 2, 0, 3, 1], [3, 4]]) {
        const whole = Buffer.concat(order.map((at) => members[at]!))
        const plain = Buffer.concat(order.map((at) => parts[at]!))
        assert.isTrue(plain.equals(yield* decompress("gzip", whole, limits)))
        const atOnce = decompressSmall("gzip", whole, limits)
        assert.isTrue(atOnce === undefined || plain.equals(atOnce))
        const refused = yield* Effect.flip(decompress("gzip", whole, { ...limits, maxBytes: plain.length - 1 }))
        assert.strictEqual(refused.reason._tag, "TooLarge")
      }
      for (const length of [0, 1, 255, 256, 257, 65_791, 65_792, 300_000, 5_000_000]) {
        const plain = Buffer.from(random(length))
        for (const checksum of [0, 1]) {
          const params = { [zlib.constants.ZSTD_c_checksumFlag]: checksum }
          const whole = zlib.zstdCompressSync(plain, { params })
          assert.isTrue(plain.equals(yield* decompress("zstd", whole, limits)), `${length}`)
          if (length > 0) {
            const refused = yield* Effect.flip(decompress("zstd", whole, { ...limits, maxBytes: length - 1 }))
            assert.strictEqual(refused.reason._tag, "TooLarge")
          }
        }
      }
    }))

  it.effect("hold no memory that they only said they would need", () =>
    Effect.gen(function*() {
      // Its last member says 3 MB, of which its length could hold as much, and is cut off.
      const last = zlib.gzipSync(new Uint8Array(3_000_000))
      const lying = Buffer.concat([zlib.gzipSync(random(280_000)), last.subarray(0, 10), last.subarray(-4)])
      const asked: Array<number> = []
      const reserve = (bytes: number, isGuess: boolean) =>
        Effect.sync(() => {
          asked.push(isGuess ? bytes : 0)
          return bytes
        })
      yield* Effect.flip(decompress("gzip", lying, { ...limits, reserve }))
      assert.deepStrictEqual(asked.slice(0, 1), [3_000_001])
      // Zeros after a member are ignored, and say that nothing comes.
      const padded = Buffer.concat([zlib.gzipSync(random(100)), Buffer.alloc(8)])
      const small = decompressSmall("gzip", padded, limits)!
      assert.lengthOf(small, 100)
      const zlibbed = decompressSmall("zlib", zlib.deflateSync(random(100_000)), limits)!
      assert.isAtMost(zlibbed.buffer.byteLength, 2 * zlibbed.length)
    }))
})

describe("an output", () => {
  const exceeded = (): never => {
    throw new Error("exceeded")
  }

  it("grows up to its limit, and asks before it would be more", () => {
    const output = new Output(0, 5_000, exceeded)
    assert.lengthOf(output.bytes, 1_024)
    output.append(new Uint8Array(1_000).fill(1))
    assert.lengthOf(output.reserve(24), 1_024)
    assert.lengthOf(output.reserve(25), 2_048)
    output.append(new Uint8Array(2_000).fill(2))
    assert.lengthOf(output.bytes, 4_096)
    output.append(new Uint8Array(2_000).fill(3))
    assert.lengthOf(output.bytes, 5_000)
    assert.throws(() => output.append(new Uint8Array(1)), "exceeded")
    assert.lengthOf(output.result(), 5_000)
    assert.deepStrictEqual([0, 999, 1_000, 2_999, 3_000, 4_999].map((at) => output.result()[at]), [1, 1, 2, 2, 3, 3])
  })

  it("begins with what is expected, within its limit and a mebibyte", () => {
    assert.lengthOf(new Output(3_000, 9_000, exceeded).bytes, 3_000)
    assert.lengthOf(new Output(3_000, 2_000, exceeded).bytes, 2_000)
    assert.lengthOf(new Output(1 << 30, 1 << 30, exceeded).bytes, 1 << 20)
    assert.lengthOf(new Output(3_000, 9_000, exceeded).result(), 0)
  })
})
