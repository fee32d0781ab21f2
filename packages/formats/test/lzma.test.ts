/**
 * The decoder of LZMA in WebAssembly and the one in TypeScript give the same: what was written, or a refusal of what is
 * damaged.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { onTestFinished, vi } from "vitest"
import { seeds } from "../../core/test/seeds.ts"
import { LzmaDecoder } from "../src/internal/compression/lzmaDecoder.ts"
import { decoderOf } from "../src/internal/compression/lzmaInWasm.ts"
import type { Decoder } from "../src/internal/compression/lzmaStream.ts"
import { Output } from "../src/internal/compression/output.ts"
import { LzmaEncoder } from "./support/lzmaEncoder.ts"

const outputOf = (limit = 1 << 26) =>
  new Output(0, limit, () => {
    throw new Error("exceeded")
  })

const decoders: ReadonlyArray<readonly [string, (output: Output, dictionarySize: number) => Decoder]> = [
  ["in WebAssembly", decoderOf],
  ["in TypeScript", (output, dictionarySize) => new LzmaDecoder(output, dictionarySize)]
]

/** Numbers from 0 up to but without the bound, the same for the same seed. */
const randomOf = (seed: number) => {
  let x = seed * 2_654_435_761 + 1
  return (bound: number) => {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    return (x >>> 0) % bound
  }
}

/** A chunk as in LZMA2. */
interface Chunk {
  readonly resetsDictionary: boolean
  readonly properties: number | undefined
  readonly resetsState: boolean
  readonly size: number
  /** Undefined of bytes that are not compressed. */
  readonly coded: Uint8Array | undefined
}

/** Literals and matches of all kinds, in chunks of all kinds, at distances up to the size of the dictionary. */
const written = (
  seed: number,
  options: { readonly dictionarySize: number; readonly size: number; readonly isOneDictionary?: boolean }
) => {
  const random = randomOf(seed)
  const encoder = new LzmaEncoder(options.size + 300)
  const chunks: Array<Chunk> = []
  let needsProperties = true
  while (encoder.length < options.size) {
    const isFirst = chunks.length === 0
    const resetsDictionary = isFirst || (random(12) === 0 && options.isOneDictionary !== true)
    if (resetsDictionary) {
      encoder.resetDictionary()
      needsProperties = true
    }
    const from = encoder.length
    const end = Math.min(from + 1 + random(options.size / 4), options.size)
    if (!isFirst && random(4) === 0) {
      encoder.append(Uint8Array.from({ length: end - from }, () => random(256)))
      chunks.push({
        resetsDictionary,
        properties: undefined,
        resetsState: false,
        size: end - from,
        coded: undefined
      })
      continue
    }
    const lc = random(5)
    const hasProperties = needsProperties || random(3) === 0
    needsProperties = false
    const properties = hasProperties
      ? encoder.setProperties({ lc, lp: random(5 - lc), pb: random(5) })
      : undefined
    const resetsState = !hasProperties && random(2) === 0
    if (resetsState) encoder.resetState()
    const literals = 1 + random(8)
    while (encoder.length < end) {
      const left = end - encoder.length
      const reach = Math.min(encoder.dictionaryLength, options.dictionarySize)
      const near = encoder.reps.flatMap((distance, which) => distance < reach ? [which] : [])
      const length = Math.min(2 + (random(4) === 0 ? random(272) : random(12)), left)
      if (reach === 0 || random(10) < literals) encoder.literal(random(random(3) === 0 ? 256 : 16))
      else if (near.includes(0) && (length < 2 || random(6) === 0)) encoder.repeat(0, 1)
      else if (length < 2) encoder.literal(random(256))
      else if (near.length > 0 && random(2) === 0) encoder.repeat(near[random(near.length)]!, length)
      else encoder.match(random(3) === 0 ? reach - 1 - random(Math.min(reach, 9)) : random(random(reach) + 1), length)
    }
    chunks.push({ resetsDictionary, properties, resetsState, size: encoder.length - from, coded: encoder.take() })
  }
  return { chunks, data: encoder.data.subarray(0, encoder.length) }
}

/** Decodes chunks, in steps of sizes that the seed gives. Yields after each. */
function* decoded(
  chunks: ReadonlyArray<Chunk>,
  plain: Uint8Array,
  decoder: Decoder,
  output: Output,
  seed: number
): Generator<void, void> {
  const random = randomOf(seed)
  for (const chunk of chunks) {
    if (chunk.resetsDictionary) decoder.resetDictionary()
    const end = output.length + chunk.size
    if (chunk.coded === undefined) decoder.append(plain.subarray(output.length, end))
    else {
      if (chunk.properties !== undefined) decoder.setProperties(chunk.properties)
      if (chunk.resetsState) decoder.resetState()
      decoder.startRange(chunk.coded, 0, chunk.coded.length)
      while (end - output.length > 600) {
        assert.isFalse(decoder.decode(1 + random(Math.min(end - output.length - 300, 30_000)), true))
        yield
      }
      if (end > output.length) assert.isFalse(decoder.decode(end - output.length, false))
      assert.strictEqual(decoder.position, chunk.coded.length)
      assert.isTrue(decoder.isFinished)
    }
    yield
  }
}

const toEnd = (steps: Generator<void, void>) => {
  while (steps.next().done !== true) { /* the next step */ }
}

const isEqual = (left: Uint8Array, right: Uint8Array) => Buffer.compare(left, right) === 0

/** The outcome of decoding, or the message of what it was refused for. */
const outcomeOf = (body: () => void): string => {
  try {
    body()
    return ""
  } catch (error) {
    return (error as Error).message
  }
}

describe.each(decoders)("the decoder of LZMA %s", (_, open) => {
  it("gives what was written: literals and matches of all kinds, in chunks of all kinds", () => {
    for (let seed = 1; seed <= seeds(60, 2_000); seed++) {
      const dictionarySize = 4_096 + 500 * (seed % 7)
      const { chunks, data } = written(seed, { dictionarySize, size: 20_000 + (seed % 5) * 7_000 })
      const output = outputOf()
      const decoder = open(output, dictionarySize)
      toEnd(decoded(chunks, data, decoder, output, seed))
      decoder.close()
      assert.isTrue(isEqual(output.result(), data), `seed ${seed}`)
    }
  })

  it("gives what is longer than the memory it starts with", () => {
    // No dictionary is reset after the first chunk, so that the window is full several times.
    const seed = 3
    const dictionarySize = 1_100_000
    const { chunks, data } = written(seed, { dictionarySize, size: 2_600_000, isOneDictionary: true })
    const output = outputOf()
    const decoder = open(output, dictionarySize)
    toEnd(decoded(chunks, data, decoder, output, seed))
    decoder.close()
    assert.isTrue(isEqual(output.result(), data))
  })

  it("is not disturbed by another one that works between its steps", () => {
    const dictionarySize = 5_000
    const files = [1, 2, 3].map((seed) => {
      const output = outputOf()
      const decoder = open(output, dictionarySize)
      const { chunks, data } = written(seed, { dictionarySize, size: 40_000 })
      return { output, decoder, data, steps: decoded(chunks, data, decoder, output, seed) }
    })
    for (let left = files; left.length > 0;) left = left.filter(({ steps }) => steps.next().done !== true)
    for (const { data, decoder, output } of files) {
      decoder.close()
      assert.isTrue(isEqual(output.result(), data))
    }
  })

  it("refuses a distance before the start of the dictionary, whatever an earlier file had there", () => {
    const first = open(outputOf(), 4_096)
    first.append(new Uint8Array(10_000).fill(7))
    first.close()
    for (const repeat of [false, true]) {
      const encoder = new LzmaEncoder(1_000)
      const properties = encoder.setProperties({ lc: 3, lp: 0, pb: 2 })
      for (let i = 0; i < 10; i++) encoder.literal(i)
      if (repeat) encoder.repeat(0, 5)
      encoder.match(repeat ? 15 : 10, 5)
      const coded = encoder.take()
      const output = outputOf()
      const decoder = open(output, 4_096)
      decoder.resetDictionary()
      decoder.setProperties(properties)
      decoder.startRange(coded, 0, coded.length)
      assert.throws(() => decoder.decode(repeat ? 20 : 15, false), /a distance goes back too far/)
      decoder.close()
    }
  })

  it("refuses a distance that is larger than the dictionary", () => {
    for (const distance of [4_095, 4_096, 5_000]) {
      const encoder = new LzmaEncoder(10_000)
      const properties = encoder.setProperties({ lc: 0, lp: 0, pb: 0 })
      encoder.literal(1)
      for (let i = 0; i < 40; i++) encoder.match(0, 200)
      encoder.match(distance, 10)
      const coded = encoder.take()
      const output = outputOf()
      const decoder = open(output, 4_096)
      decoder.resetDictionary()
      decoder.setProperties(properties)
      decoder.startRange(coded, 0, coded.length)
      const said = outcomeOf(() => void decoder.decode(8_011, false))
      assert.match(said, distance === 4_095 ? /^$/ : /a distance goes back too far/)
      decoder.close()
    }
  })

  it("refuses what ends early, more than was asked for, and what is no range coder", () => {
    const encoder = new LzmaEncoder(200_000)
    const properties = encoder.setProperties({ lc: 3, lp: 1, pb: 2 })
    const random = randomOf(5)
    // More compressed bytes than the memory of WebAssembly has at once.
    for (let i = 0; i < 150_000; i++) encoder.literal(random(256))
    encoder.match(100, 50)
    const { length } = encoder
    encoder.end()
    const coded = encoder.take()
    const decodes = (bytes: Uint8Array, count: number, isStep = false) => {
      const output = outputOf()
      const decoder = open(output, 1 << 20)
      decoder.resetDictionary()
      decoder.setProperties(properties)
      decoder.startRange(bytes, 0, bytes.length)
      const isEnd = decoder.decode(count, isStep)
      decoder.close()
      return { isEnd, bytes: output.result() }
    }
    assert.isTrue(isEqual(decodes(coded, length).bytes, encoder.data.subarray(0, length)))
    assert.isTrue(decodes(coded, length + 1).isEnd)
    assert.lengthOf(decodes(coded, length - 30, true).bytes, length)
    assert.throws(() => decodes(coded, length - 30), /longer than what is left/)
    for (const cut of [5, 6, 30, 65_500, 65_540, 100_000, coded.length - 30]) {
      assert.throws(() => decodes(coded.subarray(0, cut), length), /it ends early/, undefined, `${cut}`)
    }
    assert.throws(() => decodes(coded.subarray(0, 4), length), /it ends early/)
    assert.throws(() => decodes(Uint8Array.of(1, 0, 0, 0, 0, 0), 1), /wrong byte/)
    assert.throws(() => decodes(Uint8Array.of(0, 255, 255, 255, 255, 0), 1), /wrong bytes/)
    for (const byte of [5, 13, 225, 255]) {
      assert.throws(() => open(outputOf(), 4_096).setProperties(byte), /properties are out of range/)
    }
  })

  it("does not write more than the limit of its output", () => {
    const encoder = new LzmaEncoder(200_000)
    const properties = encoder.setProperties({ lc: 3, lp: 0, pb: 2 })
    encoder.literal(1)
    for (let i = 0; i < 500; i++) encoder.match(0, 273)
    const coded = encoder.take()
    const output = outputOf(100_000)
    const decoder = open(output, 1 << 20)
    decoder.resetDictionary()
    decoder.setProperties(properties)
    decoder.startRange(coded, 0, coded.length)
    assert.throws(() => decoder.decode(encoder.length, false), /exceeded/)
    assert.isAtMost(output.bytes.length, 100_000)
  })
})

it("both decoders take and refuse the same of what is damaged", () => {
  const dictionarySize = 5_000
  for (let seed = 1; seed <= seeds(40, 1_000); seed++) {
    const { chunks, data } = written(seed, { dictionarySize, size: 6_000 })
    const random = randomOf(seed)
    for (let times = 0; times < 10; times++) {
      const changed = chunks.map((chunk) => {
        if (chunk.coded === undefined || random(2) === 0) return chunk
        const coded = chunk.coded.slice(0, random(8) === 0 ? random(chunk.coded.length) : chunk.coded.length)
        if (coded.length > 0) coded[random(coded.length)]! ^= 1 << random(8)
        return { ...chunk, coded }
      })
      const outcomes = decoders.map(([, open]) => {
        const output = outputOf()
        const decoder = open(output, dictionarySize)
        const said = outcomeOf(() => toEnd(decoded(changed, data, decoder, output, seed)))
        decoder.close()
        // Which of two reasons is found first may differ.
        return said === "" ? Buffer.from(output.result()).toString("latin1") : "refused"
      })
      assert.strictEqual(outcomes[0], outcomes[1], `seed ${seed}, ${times}`)
    }
  }
})

describe("which decoder it is", () => {
  const file = readFileSync(new URL("../../../fixtures/formats/orders.csv.xz", import.meta.url))
  const isInTypeScript = (decoder: Decoder) => decoder.constructor.name === "LzmaDecoder"

  it("depends on the dictionary, as far as the output may be as long", () => {
    const mebibyte = 1 << 20
    assert.isFalse(isInTypeScript(decoderOf(outputOf(2 ** 30), 64 * mebibyte)))
    assert.isFalse(isInTypeScript(decoderOf(outputOf(64 * mebibyte), 2 ** 32 - 1)))
    assert.isTrue(isInTypeScript(decoderOf(outputOf(2 ** 30), 96 * mebibyte)))
  })

  const Forbidden = class {
    constructor() {
      throw new Error("unsafe-eval")
    }
  }
  const Instance = class {
    constructor() {
      throw new RangeError("could not allocate memory")
    }
  }
  it.each([
    ["there is no WebAssembly", undefined],
    ["WebAssembly may not be compiled", { Module: Forbidden }],
    ["there is no room for its memory", { Module: class {}, Instance }]
  ])("is the one in TypeScript where %s", async (_, stub) => {
    vi.stubGlobal("WebAssembly", stub)
    vi.resetModules()
    onTestFinished(() => {
      vi.unstubAllGlobals()
      vi.resetModules()
    })
    const fresh = await import("../src/internal/compression/lzmaInWasm.ts")
    assert.isTrue(isInTypeScript(fresh.decoderOf(outputOf(), 4_096)))
    const { decompress } = await import("../src/internal/compression/compression.ts")
    const plain = Effect.runSync(decompress("xz", file, { maxBytes: 1 << 22, maxRatio: 100 }))
    assert.lengthOf(plain, 717_064)
  })
})
