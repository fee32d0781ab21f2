/**
 * Objects of libraries, of which a few bytes make another one: what they refer to is read once, in steps, and the memory of
 * what is made is asked for.
 */
import { FormatError, TooLarge } from "@effect-prefect/formats/FormatError"
import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import { Table } from "@effect-prefect/formats/Table"
import { PyGlobal, PyObject, Tuple } from "@effect-prefect/pickle"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import * as zlib from "node:zlib"
import { pillowImage } from "../src/internal/python/image.ts"

const latin1 = (text: string) => Buffer.from(text, "latin1")

const uint32 = (value: number) => Buffer.from(Uint32Array.of(value).buffer)

const bytesOf = (content: Uint8Array) => Buffer.concat([latin1("B"), uint32(content.length), content])

const textOf = (text: string) => Buffer.concat([latin1("X"), uint32(text.length), latin1(text)])

/** A pickle of so many objects of a class that share one state. */
const objects = (name: string, state: Uint8Array, many: number) =>
  Buffer.concat([
    latin1("\x80\x04"),
    state,
    latin1(`q\x000c${name}\nq\x010](`),
    Buffer.alloc(many * 7, "h\x01)\x81h\x00b", "latin1"),
    latin1("e.")
  ])

const decode = (bytes: Uint8Array, limit = 2 ** 29) =>
  Effect.suspend(() => {
    let taken = 0
    return ResultFormat.decode(bytes, {
      name: "x",
      maxBytes: 2 ** 28,
      reserve: (more) =>
        Effect.suspend(() => {
          taken += more
          return taken <= limit
            ? Effect.succeed(more)
            : Effect.fail(new FormatError({ reason: new TooLarge({ limit, size: taken }) }))
        })
    })
  })

const decodeList = (bytes: Uint8Array, limit?: number) =>
  Effect.map(decode(bytes, limit), (value) => value as ReadonlyArray<unknown>)

const image = (width: number, height: number, data: Uint8Array, mode: string) => {
  const object = new PyObject(new PyGlobal("PIL.Image", "Image"), [])
  object.states = [[{}, mode, Tuple.of(width, height), null, data]]
  return object
}

describe("an image of Pillow", () => {
  const state = Buffer.concat([
    latin1("]("),
    latin1("}"),
    textOf("L"),
    latin1("K\x64K\x64\x86N"),
    bytesOf(new Uint8Array(10_000).map((_, i) => i * i)),
    latin1("e")
  ])

  it.effect("is made once of a state that many have", () =>
    Effect.gen(function*() {
      const images = yield* decodeList(objects("PIL.Image\nImage", state, 5_000))
      assert.strictEqual(images.length, 5_000)
      assert.strictEqual(new Set(images).size, 1)
      assert.containsAllKeys(images[0], ["mode", "size", "png"])
    }))

  for (
    const [width, height, mode] of [[1, 2_000_000, "L"], [2_000_000, 1, "L"], [1_000, 2_000, "L"], [
      1_000,
      1_000,
      "I;16"
    ]] as const
  ) {
    it(`of ${width} by ${height} in ${mode} is made in steps`, () => {
      const data = new Uint8Array(2_000_000).map((_, i) => i)
      const steps = pillowImage(image(width, height, data, mode))
      let count = 0
      let step = steps.next()
      for (; step.done !== true; count++) step = steps.next()
      assert.isAtLeast(count, 20)
      // The rows are those of the image.
      const png = Buffer.from((step.value as { readonly png: Uint8Array }).png)
      const at = png.indexOf("IDAT")
      const end = at + 4 + png.readUInt32BE(at - 4)
      assert.strictEqual(png.readUInt32BE(end), zlib.crc32(png.subarray(at, end)))
      const lines = zlib.inflateSync(png.subarray(at + 4, end))
      const row = data.length / height
      const pixels = Buffer.concat(
        height > 10_000
          ? [lines.filter((_, i) => i % 2 === 1)]
          : Array.from({ length: height }, (_, y) => lines.subarray(y * (row + 1) + 1, (y + 1) * (row + 1)))
      )
      assert.isTrue((mode === "L" ? pixels : pixels.swap16()).equals(data))
    })
  }
})

describe("a table of polars", () => {
  it.effect("is read once of a state that many have", () =>
    Effect.gen(function*() {
      const stream = readFileSync(new URL("../../../fixtures/formats/pandas-0.25/mixed.arrows", import.meta.url))
      const tables = yield* decodeList(objects("polars.dataframe.frame\nDataFrame", bytesOf(stream), 2_000))
      assert.strictEqual(new Set(tables).size, 1)
      assert.instanceOf(tables[0], Table)
    }))
})

describe("a tensor of PyTorch that repeats its memory", () => {
  const storage = Buffer.concat([
    latin1("\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}."),
    latin1("\x80\x02((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x02NtQ."),
    latin1("\x80\x02]X\x01\0\0\x000a.\x02\0\0\0\0\0\0\0\0\0\x80?\0\0\0@")
  ])
  const tensor = (size: number) =>
    Buffer.concat([
      latin1("ctorch._utils\n_rebuild_tensor_v2\n(h\x00K\0J"),
      uint32(size),
      latin1("J"),
      uint32(size),
      latin1("\x86K\0K\0\x86\x89}tR")
    ])
  const tensors = (size: number, many: number) =>
    Buffer.concat([
      latin1("\x80\x04ctorch.storage\n_load_from_bytes\n"),
      bytesOf(storage),
      latin1("\x85Rq\x000]("),
      ...Array.from({ length: many }, () => tensor(size)),
      latin1("e.")
    ])

  for (const size of [100, 1_000]) {
    it.effect(`takes memory that is asked for: ${size} by ${size}`, () =>
      Effect.gen(function*() {
        const { message } = yield* Effect.flip(decode(tensors(size, 100), 30 * size * size * 4))
        assert.match(message, /over the limit/)
        assert.strictEqual((yield* decodeList(tensors(size, 10), 30 * size * size * 4)).length, 10)
      }))
  }
})
