import { afterEach, assert, describe, it, vi } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { readFileSync } from "node:fs"
import { Duplex } from "node:stream"
import builtin, * as zlib from "node:zlib"
import type { FormatError } from "../src/FormatError.ts"
import {
  chunksOfBrowser,
  type Compression,
  compressionOf,
  decompress,
  decompressSmall,
  type Limits
} from "../src/internal/compression/compression.ts"
import { Output } from "../src/internal/compression/output.ts"
import { zstdFrames } from "../src/internal/compression/zstd.ts"
import { formatError } from "../src/internal/refusal.ts"

const fixture = (name: string) => readFileSync(new URL(`../../../fixtures/formats/pandas-3/${name}`, import.meta.url))
const pickle = fixture("mixed.pickle")
const compressed: Record<Compression, Uint8Array> = {
  gzip: zlib.gzipSync(pickle),
  zlib: zlib.deflateSync(pickle),
  zstd: zlib.zstdCompressSync(pickle),
  bz2: fixture("mixed.pickle.bz2"),
  xz: fixture("mixed.pickle.xz"),
  lzma: fixture("mixed.pickle.lzma")
}
const kinds = Object.keys(compressed) as Array<Compression>

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

/** zlib's at once, and the others in steps without another turn. */
const atOnce = (kind: Compression, bytes: Uint8Array, limits: Limits): Uint8Array =>
  decompressSmall(kind, bytes, limits) ?? Effect.runSync(decompress(kind, bytes, limits))
/** A frame whose header does not say its size. */
const unsizedZstd = async (text: string): Promise<Buffer> => {
  const stream = zlib.createZstdCompress()
  stream.write(text)
  stream.flush(() => stream.end())
  return Buffer.concat(await stream.toArray())
}

const refusalOf = (body: () => unknown): FormatError["reason"] => {
  try {
    body()
  } catch (error) {
    return formatError(error).reason
  }
  throw new Error("it was not refused")
}

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
    assert.isUndefined(of(0x5d, ...Buffer.alloc(17, 1)))
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
      assert.isTrue(pickle.equals(atOnce(kind, compressed[kind], limits)))
      assert.isTrue(pickle.equals(yield* decompress(kind, compressed[kind], limits)))
    }))

  it.effect.each(kinds)(
    "%s of exactly the limit is given, and one byte less of it is too large",
    (kind) =>
      Effect.gen(function*() {
        const exact = { ...limits, maxBytes: pickle.length }
        assert.lengthOf(atOnce(kind, compressed[kind], exact), pickle.length)
        assert.lengthOf(yield* decompress(kind, compressed[kind], exact), pickle.length)
        const less = { ...limits, maxBytes: pickle.length - 1 }
        assert.strictEqual((yield* reasonOf(kind, compressed[kind], less))._tag, "TooLarge")
        assert.throws(() => atOnce(kind, compressed[kind], less))
      })
  )

  it.effect.each(kinds)("%s that is damaged says so", (kind) =>
    Effect.gen(function*() {
      const garbled = Uint8Array.from(compressed[kind])
      garbled.fill(0x55, garbled.length >> 1)
      const reason = yield* reasonOf(kind, garbled)
      assert.strictEqual(reason._tag, "Undecodable")
      assert.throws(() => atOnce(kind, garbled, limits))
      const cut = compressed[kind].subarray(0, -20)
      assert.strictEqual((yield* reasonOf(kind, cut))._tag, "Undecodable")
    }))

  it.effect("names the compression of what is damaged, and says how", () =>
    Effect.gen(function*() {
      const garbled = Uint8Array.from(compressed.gzip).fill(0x55, 40)
      const details = [yield* reasonOf("gzip", garbled), refusalOf(() => decompressSmall("gzip", garbled, limits))]
      for (const reason of details) {
        assert.match(reason._tag === "Undecodable" ? reason.detail : "", /^the gzip stream is damaged \(Z_\w+\)$/)
      }
      for (const kind of ["gzip", "zlib", "zstd"] as const) {
        const reason = yield* reasonOf(kind, compressed[kind].subarray(0, 20))
        assert.strictEqual(reason._tag === "Undecodable" ? reason.detail.split(" ")[1] : "", kind)
      }
    }))

  it.effect("of several frames of zstd give the content of all, whatever is between them", () =>
    Effect.gen(function*() {
      const plain = [random(300_000), Buffer.from("second"), Buffer.alloc(0), Buffer.alloc(70_000, 7)]
      const frame = (at: number, checksum = 0) =>
        zlib.zstdCompressSync(plain[at]!, { params: { [zlib.constants.ZSTD_c_checksumFlag]: checksum } })
      const [first, second, empty, checked, fourth] = [frame(0), frame(1), frame(2), frame(2, 1), frame(3, 1)]
      const unsized = yield* Effect.promise(() => unsizedZstd("second"))
      assert.strictEqual(unsized[4]! & 0xe0, 0)
      const skipped = (...content: ReadonlyArray<number>) =>
        Buffer.from([0x50 + content.length, 0x2a, 0x4d, 0x18, content.length, 0, 0, 0, ...content])
      const texts: ReadonlyArray<readonly [ReadonlyArray<Buffer>, ReadonlyArray<number>]> = [
        [[first, second], [0, 1]],
        [[skipped(1, 2), first, second], [0, 1]],
        [[skipped(), skipped(3), second, skipped(1, 2), fourth, first, skipped()], [1, 3, 0]],
        [[first, empty, second, checked], [0, 1]],
        [[empty, second, first], [1, 0]],
        [[checked, skipped(4), empty], []],
        [[unsized, fourth, unsized], [1, 3, 1]],
        [[fourth, unsized, unsized, second], [3, 1, 1, 1]],
        [[skipped(1), empty], []],
        // A chunk that ends with a frame.
        [[fourth, fourth, fourth, second], [3, 3, 3, 1]]
      ]
      for (const [parts, contents] of texts) {
        const whole = Buffer.concat(parts)
        assert.strictEqual(compressionOf(whole), "zstd")
        const expected = Buffer.concat(contents.map((at) => plain[at]!))
        assert.isTrue(expected.equals(yield* decompress("zstd", whole, limits)))
        const exact = { ...limits, maxBytes: Math.max(expected.length, 1) }
        assert.isTrue(expected.equals(yield* decompress("zstd", whole, exact)))
        const atOnce = decompressSmall("zstd", whole, exact)
        assert.isTrue(atOnce === undefined ? whole.length > 256 * 1024 : expected.equals(atOnce))
        if (expected.length > 0) {
          const less = { ...limits, maxBytes: expected.length - 1 }
          assert.strictEqual((yield* reasonOf("zstd", whole, less))._tag, "TooLarge")
          if (atOnce !== undefined) assert.throws(() => decompressSmall("zstd", whole, less))
        }
      }
      assert.isUndefined(compressionOf(skipped(1, 2, 3, 4, 5)))
      assert.isUndefined(compressionOf(Buffer.concat([skipped(1), Buffer.from("text that follows")])))
      assert.isUndefined(compressionOf(Buffer.from([0x50, 0x2a, 0x4d, 0x18, 255, 255, 255, 255, 0, 0])))
    }))

  it.effect("of several frames of zstd are refused where one is damaged or is none", () =>
    Effect.gen(function*() {
      const frame = (text: string, checksum = 0) =>
        zlib.zstdCompressSync(Buffer.from(text), { params: { [zlib.constants.ZSTD_c_checksumFlag]: checksum } })
      const skipped = Buffer.from([0x5f, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 1, 2])
      const whole = [frame("first"), frame("second, which is longer", 1)] as const
      const both = Buffer.concat(whole)
      const damaged = [
        // The frame's end, and each place within it.
        ...Array.from({ length: whole[1].length - 1 }, (_, cut) => both.subarray(0, -cut - 1)),
        ...[1, 7, 9].map((cut) => Buffer.concat([both, skipped.subarray(0, cut)])),
        ...["garbage", "\0\0\0\0\0\0\0\0", "\0", "x".repeat(100)].map((text) =>
          Buffer.concat([both, Buffer.from(text)])
        ),
        Buffer.concat([whole[0], frame("", 1).fill(0, 9)]),
        Buffer.concat([both.subarray(0, -1), Buffer.from([both.at(-1)! ^ 1])]),
        skipped,
        Buffer.alloc(0)
      ]
      for (const bytes of damaged) {
        for (
          const reason of [
            yield* reasonOf("zstd", bytes),
            refusalOf(() => decompressSmall("zstd", bytes, limits))
          ]
        ) {
          assert.strictEqual(reason._tag, "Undecodable", bytes.toString("hex"))
          assert.include(reason._tag === "Undecodable" ? reason.detail : "", "the zstd stream is damaged")
        }
      }
    }))

  it.effect("of very many frames of zstd let others run, and take time as they are long", () =>
    Effect.gen(function*() {
      const one = zlib.zstdCompressSync(Buffer.from("one"))
      const empty = zlib.zstdCompressSync(Buffer.alloc(0))
      const block = Buffer.from([0, 0, 0])
      const many = [
        Buffer.concat([one, ...Array.from({ length: 300_000 }, () => empty), one]),
        Buffer.concat([
          one,
          ...Array.from({ length: 300_000 }, () => Buffer.from([0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0])),
          one
        ]),
        // Empty blocks before the last one.
        Buffer.concat([
          one,
          empty.subarray(0, 6),
          ...Array.from({ length: 300_000 }, () => block),
          empty.subarray(6),
          one
        ])
      ]
      for (const bytes of many) {
        // How often others run meanwhile.
        assert.isAtLeast([...zstdFrames(bytes)].filter((frame) => frame === undefined).length, 4)
        assert.strictEqual(Buffer.from(yield* decompress("zstd", bytes, limits)).toString(), "oneone")
      }
      // Each of so few takes a moment; more of them do not hold up others.
      for (const [count, isAtOnce] of [[16, true], [17, false]] as const) {
        const bytes = Buffer.concat(Array.from({ length: count }, () => one))
        assert.strictEqual(decompressSmall("zstd", bytes, limits) !== undefined, isAtOnce)
        assert.lengthOf(yield* decompress("zstd", bytes, limits), 3 * count)
      }
    }))

  it.effect("of more small frames of zstd than anybody writes are refused", () =>
    Effect.gen(function*() {
      const framesOf = (count: number, size: number) => {
        const frame = zlib.zstdCompressSync(Buffer.alloc(size))
        return Buffer.concat(Array.from({ length: count }, () => frame))
      }
      assert.lengthOf(yield* decompress("zstd", framesOf(10_000, 1), limits), 10_000)
      assert.lengthOf(yield* decompress("zstd", framesOf(10_200, 256), limits), 10_200 * 256)
      // Frames of one byte, and of none that are not written as an encoder does.
      const emptyBlocks = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00])
      for (const bytes of [framesOf(20_000, 1), Buffer.concat(Array.from({ length: 20_000 }, () => emptyBlocks))]) {
        const reason = yield* reasonOf("zstd", bytes, limits)
        assert.include(
          reason._tag === "Undecodable" ? reason.detail : "",
          "(zstd) in too many frames of less than 256 bytes"
        )
      }
    }))

  it.effect("of many frames of zstd are read no further when they are interrupted", () =>
    Effect.gen(function*() {
      const bytes = Buffer.concat(Array.from({ length: 200 }, () => zlib.zstdCompressSync(Buffer.alloc(1 << 20))))
      const streams: Array<zlib.ZstdDecompress> = []
      const make = builtin.createZstdDecompress
      const spy = vi.spyOn(builtin, "createZstdDecompress").mockImplementation((options) => {
        const stream = make(options)
        streams.push(stream)
        return stream
      })
      yield* Effect.addFinalizer(() => Effect.sync(() => spy.mockRestore()))
      const isReading = yield* Deferred.make<void>()
      let asked = 0
      const reserve = (bytes: number) =>
        ++asked === 3 ? Effect.andThen(Deferred.succeed(isReading, undefined), Effect.never) : Effect.succeed(bytes)
      const fiber = yield* Effect.forkChild(decompress("zstd", bytes, { ...limits, reserve }))
      yield* Deferred.await(isReading)
      yield* Fiber.interrupt(fiber)
      assert.lengthOf(streams, 1)
      assert.isTrue(streams[0]!.destroyed)
      assert.isBelow(streams[0]!.bytesWritten, bytes.length / 2)
    }))

  it.effect.each(["gzip", "zlib", "zstd"] as const)("%s comes to zlib in pieces", (kind) =>
    Effect.gen(function*() {
      const written = vi.spyOn(Duplex.prototype, "write")
      yield* Effect.addFinalizer(() => Effect.sync(() => written.mockRestore()))
      const plain = random(3 << 20)
      const bytes = { gzip: zlib.gzipSync, zlib: zlib.deflateSync, zstd: zlib.zstdCompressSync }[kind](plain)
      assert.isTrue(plain.equals(yield* decompress(kind, bytes, limits)))
      const lengths = written.mock.calls.map(([chunk]) => (chunk as Uint8Array).length)
      assert.strictEqual(lengths.reduce((sum, length) => sum + length), bytes.length)
      assert.isAtMost(Math.max(...lengths), 1 << 20)
    }))

  it("that is not zlib's is never read at once", () => {
    for (const kind of ["bz2", "xz", "lzma"] as const) {
      assert.isUndefined(decompressSmall(kind, compressed[kind], limits))
    }
  })

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
      const refused = refusalOf(() =>
        decompressSmall(kind, compress(Buffer.alloc(most + 1)), { ...limits, maxBytes: most })
      )
      assert.strictEqual(refused._tag, "TooLarge")
    }
  })

  describe("by zlib", () => {
    afterEach(() => {
      vi.restoreAllMocks()
    })

    /** What zlib is asked for at once. */
    const askedOf = (kind: "gzip" | "zlib" | "zstd", bytes: Uint8Array, given = limits) => {
      const name = ({ gzip: "gunzipSync", zlib: "inflateSync", zstd: "zstdDecompressSync" } as const)[kind]
      const spy = vi.spyOn(builtin, name)
      try {
        decompressSmall(kind, bytes, given)
      } catch {
        // Only what was asked for matters.
      }
      const asked = spy.mock.calls.map(([, options]) => options as { chunkSize: number; maxOutputLength: number })
      spy.mockRestore()
      return asked
    }

    it("have room for what they say, as far as they can hold it", () => {
      const most = 4 * 1024 * 1024
      const room = (kind: "gzip" | "zlib" | "zstd", bytes: Uint8Array, given = limits) =>
        askedOf(kind, bytes, given)[0]!.chunkSize
      const gzip = (length: number, said: number) => {
        const bytes = Buffer.concat([zlib.gzipSync(""), Buffer.alloc(100_000)]).subarray(0, length)
        bytes.writeUInt32LE(said, length - 4)
        return bytes
      }
      assert.strictEqual(room("gzip", zlib.gzipSync(Buffer.alloc(100_000))), 100_001)
      assert.strictEqual(room("gzip", gzip(18, 100)), 101)
      assert.strictEqual(room("gzip", gzip(18, 1)), 64)
      assert.strictEqual(room("gzip", gzip(1_000, 1)), 1_000)
      assert.strictEqual(room("gzip", gzip(17, 100)), 4 * 17 + 1)
      assert.strictEqual(room("gzip", gzip(1_000, 4_000_000)), 1_032_001)
      assert.strictEqual(room("gzip", gzip(100_000, 4e9)), most + 1)
      assert.strictEqual(room("gzip", gzip(1_000, 4_000_000), { ...limits, maxBytes: 5_000 }), 5_001)
      const flat = zlib.deflateSync(random(1_000))
      assert.strictEqual(room("zlib", flat), 4 * flat.length + 1)
      const frame = zlib.zstdCompressSync(Buffer.alloc(300_000))
      assert.strictEqual(room("zstd", frame), 300_001)
      frame.writeUInt32LE(4_000_000, 5)
      assert.strictEqual(room("zstd", frame), (frame.length / 4 + 1) * 131_072 + 1)
    })

    it("of several frames have room for what is left", () => {
      const [large, one] = [
        zlib.zstdCompressSync(Buffer.alloc(4 * 1024 * 1024)),
        zlib.zstdCompressSync(Buffer.alloc(1))
      ]
      const some = zlib.zstdCompressSync(Buffer.alloc(1_000_000))
      assert.deepStrictEqual(
        askedOf("zstd", Buffer.concat([some, some])).map(({ maxOutputLength }) => maxOutputLength),
        [4_194_304, 3_194_304]
      )
      const both = Buffer.concat([large, one])
      assert.isUndefined(decompressSmall("zstd", both, limits))
      const refused = refusalOf(() => decompressSmall("zstd", both, { ...limits, maxBytes: 4 * 1024 * 1024 }))
      assert.strictEqual(refused._tag, "TooLarge")
      // zstd lets others work between many blocks; at once there are none.
      const [empty, blocks] = [zlib.zstdCompressSync(Buffer.alloc(0)), Buffer.alloc(3 * 80_000)]
      const many = Buffer.concat([one, empty.subarray(0, 6), blocks, empty.subarray(6), one])
      assert.lengthOf(decompressSmall("zstd", many, limits)!, 2)
    })

    it("keep no more memory than twice what they are", () => {
      const spy = vi.spyOn(builtin, "gunzipSync")
      for (const [length, isCopied] of [[100, false], [50, false], [49, true], [0, true]] as const) {
        const given = Buffer.from(new Uint8Array(100).buffer, 0, length)
        spy.mockReturnValueOnce(given as ReturnType<typeof builtin.gunzipSync>)
        const plain = decompressSmall("gzip", compressed.gzip, limits)!
        assert.strictEqual(plain.buffer !== given.buffer, isCopied)
        assert.lengthOf(plain, length)
      }
    })

    it.effect("come in chunks of what is expected up to 4 MiB, else of 1 MiB", () =>
      Effect.gen(function*() {
        const spy = vi.spyOn(builtin, "createGunzip")
        for (const [length, chunkSize] of [[4_194_303, 4_194_304], [4_194_304, 1_048_576], [10, 65_536]] as const) {
          yield* decompress("gzip", zlib.gzipSync(Buffer.alloc(length)), { ...limits, maxRatio: 1e6 })
          assert.deepStrictEqual(spy.mock.lastCall, [{ chunkSize }])
        }
      }))

    it.effect("ask for no more room than they were given, and for as much as bz2 grows to", () =>
      Effect.gen(function*() {
        const asked: Array<number> = []
        const given = (granted: (bytes: number) => number) => (bytes: number) =>
          Effect.sync(() => {
            asked.push(bytes)
            return granted(bytes)
          })
        const plain = random(100_000)
        yield* decompress("gzip", zlib.gzipSync(plain), { ...limits, reserve: given(() => plain.length) })
        assert.deepStrictEqual(asked, [100_001])
        yield* decompress("bz2", compressed.bz2, { ...limits, reserve: given((bytes) => bytes) })
        assert.deepStrictEqual(asked.slice(1, 2), [4 * compressed.bz2.length])
      }))

    it.effect("ask for the memory that the decoder of xz has beside its output", () =>
      Effect.gen(function*() {
        let asked = 0
        const reserve = (bytes: number) =>
          Effect.sync(() => {
            asked += bytes
            return bytes
          })
        const value = yield* decompress("xz", fixture("../orders.csv.xz"), { ...limits, reserve })
        assert.isAtLeast(asked, value.length + (1 << 20))
      }))

    it.effect("say which Node.js reads zstd, where this one does not", () =>
      Effect.gen(function*() {
        const names = ["createZstdDecompress", "zstdDecompressSync"] as const
        const kept = names.map((name) => Object.getOwnPropertyDescriptor(builtin, name)!)
        for (const name of names) Object.defineProperty(builtin, name, { value: undefined, configurable: true })
        yield* Effect.addFinalizer(() =>
          Effect.sync(() => names.forEach((name, at) => Object.defineProperty(builtin, name, kept[at]!)))
        )
        const reasons = [
          yield* reasonOf("zstd", compressed.zstd),
          refusalOf(() => decompressSmall("zstd", compressed.zstd, limits))
        ]
        for (const reason of reasons) {
          assert.include(reason._tag === "Undecodable" ? reason.detail : "", "use Node.js 22.15 or later")
        }
      }))
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

describe("the chunks of a browser", () => {
  let cancelled = 0
  /** The zlib of Node.js in its place: not all versions have a `DecompressionStream` of zstd. */
  const stub = (knowsZstd: boolean) =>
    vi.stubGlobal("DecompressionStream", function(kind: string) {
      if (kind === "zstd" && !knowsZstd) throw new TypeError("unknown")
      const made = kind === "zstd"
        ? zlib.createZstdDecompress()
        : kind === "deflate"
        ? zlib.createInflate()
        : zlib.createGunzip()
      const { readable, writable } = Duplex.toWeb(made) as unknown as {
        readonly readable: ReadableStream<Uint8Array>
        readonly writable: WritableStream
      }
      const reader = readable.getReader()
      return {
        writable,
        readable: new ReadableStream<Uint8Array>({
          pull: async (controller) => {
            const { done, value } = await reader.read()
            if (done) controller.close()
            else controller.enqueue(value)
          },
          cancel: (reason) => {
            cancelled++
            return reader.cancel(reason)
          }
        })
      }
    })
  afterEach(() => {
    vi.unstubAllGlobals()
  })

  const read = async (kind: "gzip" | "zlib" | "zstd", bytes: Uint8Array) => {
    const chunks = chunksOfBrowser(kind, bytes)
    const all: Array<Uint8Array> = []
    // A fault could have it give chunks for ever.
    while (all.length < 1_000) {
      const chunk = await chunks.next()
      if (chunk.done === true) break
      all.push(chunk.value)
    }
    chunks.close()
    return Buffer.concat(all).toString()
  }

  it("are those of all frames", async () => {
    stub(true)
    const [first, second] = ["1".repeat(100_000), "second"]
    const frames = Buffer.concat([zlib.zstdCompressSync(first), zlib.zstdCompressSync(second)])
    assert.isTrue(await read("zstd", frames) === first + second)
    assert.isTrue(await read("gzip", zlib.gzipSync(first)) === first)
    assert.isTrue(await read("zlib", zlib.deflateSync(first)) === first)
    assert.strictEqual(cancelled, 0)
  })

  it("let others have their turn between many blocks", async () => {
    stub(true)
    const [one, empty] = ["one", ""].map((text) => zlib.zstdCompressSync(Buffer.from(text))) as [Buffer, Buffer]
    const bytes = Buffer.concat([one, empty.subarray(0, 6), Buffer.alloc(3 * 200_000), empty.subarray(6), one])
    const later = vi.spyOn(globalThis, "setTimeout")
    const text = await read("zstd", bytes)
    const turns = later.mock.calls.filter(([, delay]) => delay === undefined).length
    later.mockRestore()
    assert.strictEqual(text, "oneone")
    assert.isAtLeast(turns, 3)
  })

  it("are read no further once they are closed, even where none was read", async () => {
    stub(true)
    const chunks = chunksOfBrowser("gzip", zlib.gzipSync(random(1_000_000)))
    chunks.close()
    const chunk = await chunks.next()
    assert.isTrue(chunk.done !== true && chunk.value.length > 0)
    const before = cancelled
    chunks.close()
    assert.strictEqual(cancelled, before + 1)
  })

  it("are none where the browser does not know zstd", async () => {
    stub(false)
    const refused = await read("zstd", compressed.zstd).catch((error: unknown) => formatError(error).reason)
    assert.include(JSON.stringify(refused), "which is not read here")
    assert.strictEqual(await read("gzip", compressed.gzip), pickle.toString())
  })
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
