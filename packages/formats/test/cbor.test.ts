/** CBOR as polars before 0.20 wrote it, read in steps. */
import { PyGlobal, PyObject, Series } from "@effect-prefect/pickle"
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import { isDeepStrictEqual } from "node:util"
import { runs } from "../../core/test/seeds.ts"
import { blockLength, Blocks } from "../src/internal/blocks.ts"
import { readCbor } from "../src/internal/python/cbor.ts"
import { polarsValue } from "../src/internal/python/polars.ts"

/** A head with its argument in as many bytes as there are, so that all forms come. */
const head = (major: number, argument: number, width: number): Array<number> => {
  if (width === 0 && argument < 24) return [major << 5 | argument]
  const bytes = [1, 2, 4, 8].find((each) => each >= width && argument < 256 ** each)!
  const out = Buffer.alloc(8)
  out.writeBigUInt64BE(BigInt(argument))
  return [major << 5 | 24 + Math.log2(bytes), ...out.subarray(8 - bytes)]
}

let width = 0

const encode = (value: unknown, isOpen: boolean): Array<number> => {
  // Every form comes as often, without chance.
  const size = width = (width + 1) % 9
  if (value === null) return [0xf6]
  if (typeof value === "boolean") return [value ? 0xf5 : 0xf4]
  if (typeof value === "string") {
    const bytes = Buffer.from(value)
    return [...head(3, bytes.length, size), ...bytes]
  }
  if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
    return (value as number) < 0 ? head(1, -1 - (value as number), size) : head(0, value as number, size)
  }
  if (typeof value === "number") {
    const out = Buffer.alloc(9, 0xfb)
    out.writeDoubleBE(value, 1)
    return [...out]
  }
  const isMap = value instanceof Map
  const items: Array<unknown> = isMap ? [...value].flat(1) : value as Array<unknown>
  const count = isMap ? value.size : items.length
  const content = items.flatMap((item) => encode(item, !isOpen))
  const major = isMap ? 5 : 4
  return isOpen
    ? [major << 5 | 31, ...content, 0xff]
    : [...(size === 3 ? head(6, 7, 0) : []), ...head(major, count, size), ...content]
}

const read = (bytes: Iterable<number>) => {
  const steps = readCbor(Uint8Array.from(bytes))
  for (let count = 0;; count++) {
    const step = steps.next()
    if (step.done === true) return { count, value: step.value }
  }
}

const wellFormed = (text: string): string => Buffer.from(text).toString()

/** Objects as Maps. */
const mapped = (value: unknown): unknown =>
  typeof value === "string"
    ? wellFormed(value)
    : Array.isArray(value)
    ? value.map(mapped)
    : typeof value === "object" && value !== null
    ? new Map(Object.entries(value).map(([key, item]) => [wellFormed(key), mapped(item)]))
    : value

describe("CBOR", () => {
  it.prop("is read as what it was made of, and refused where it is cut off", [
    Arbitrary.schema(Schema.Json),
    Arbitrary.schema(Schema.Boolean)
  ], ([json, isOpen]) => {
    const value = mapped(json)
    const bytes = encode(value, isOpen)
    assert.deepStrictEqual(read(bytes).value, value)
    assert.throws(() => read(bytes.slice(0, -1)), "damaged")
  }, { arbitrary: runs(50, 500) })

  it("takes a step for each few thousand values, and for a part of a long text", () => {
    const count = 50_000
    const array = (item: ReadonlyArray<number>) =>
      Buffer.concat([Buffer.from([0x99, 0xc3, 0x50]), Buffer.alloc(count * item.length, Buffer.from(item))])
    for (const item of [[0], [0x1a, 0, 1, 0, 0], [0x3a, 0, 1, 0, 0], [0x61, 0x61], [0x81, 0xf6], [0xa1, 0, 0]]) {
      const { count: steps, value } = read(array(item))
      assert.lengthOf(value as Array<unknown>, count)
      assert.isAtLeast(steps, 2)
    }
    const text = "é€😀".repeat(60_000)
    const bytes = Buffer.from(text)
    for (const around of [[], [0x81]]) {
      const { count: steps, value } = read(
        Buffer.concat([Buffer.from([...around, ...head(3, bytes.length, 4)]), bytes])
      )
      assert.isTrue((around.length === 0 ? value : (value as Array<unknown>)[0]) === text)
      assert.isAtLeast(steps, 2)
    }
  })

  it("has the long values of a Series in blocks, which do not grow as a whole, and all other arrays as arrays", () => {
    const numbers = Array.from({ length: blockLength + 3 }, (_, at) => at)
    for (const length of [blockLength - 1, blockLength, numbers.length]) {
      const values = numbers.slice(0, length)
      for (
        const mixed of [
          values,
          values.map((value) => value % 3 === 0 ? null : value % 5 === 0 ? `${value}` : value)
        ]
      ) {
        for (const isOpen of [false, true]) {
          const root = read(encode(new Map([["values", mixed]]), isOpen)).value as Map<string, unknown>
          const list = root.get("values") as Array<unknown> | Blocks
          assert.strictEqual(list instanceof Blocks, length >= blockLength)
          assert.strictEqual(list.length, length)
          assert.isTrue(isDeepStrictEqual([...list], mixed))
          assert.deepStrictEqual([0, length - 1, length].map((at) => list.at(at)), [
            mixed[0],
            mixed[length - 1],
            undefined
          ])
        }
      }
    }
    assert.isTrue(isDeepStrictEqual(read(encode([[numbers]], false)).value, [[numbers]]))
  })

  it("is refused where it is too deep, with its tags, or says that it has more than it can", () => {
    assert.isArray(read([...Array.from({ length: 200 }, () => 0x81), 0]).value)
    assert.strictEqual(read([...Array.from({ length: 200 }, () => 0xc1), 0]).value, 0)
    for (const each of [0x81, 0xc1, 0xa1]) {
      assert.throws(() => read([...Array.from({ length: 201 }, () => each), 0]), "damaged")
    }
    for (const each of [[0x9b, 0, 0, 0, 1, 0, 0, 0, 0], [0x7a, 0xff, 0xff, 0xff, 0xff], [0xff], [0x1c]]) {
      assert.throws(() => read([...each, 0]), "damaged")
    }
    assert.strictEqual(read([0x1b, 255, 255, 255, 255, 255, 255, 255, 255]).value, 2n ** 64n - 1n)
    assert.strictEqual(read([0x3b, 255, 255, 255, 255, 255, 255, 255, 255]).value, -(2n ** 64n))
    assert.strictEqual(read([0xf9, 0xc0, 0]).value, -2)
  })
})

/** A Series, as CBOR has it. */
const series = (datatype: unknown, values: unknown) =>
  new Map<string, unknown>([["name", "s"], ["datatype", datatype], ["values", values]])

/** The values of a Series, the steps that were taken, and those of reading its CBOR alone. */
const seriesOf = (value: Map<string, unknown>) => {
  const object = new PyObject(new PyGlobal("polars.series.series", "Series"), [])
  const bytes = Uint8Array.from(encode(value, false))
  object.states = [bytes]
  const steps = polarsValue(object, 2 ** 28)
  assert.isDefined(steps)
  for (let count = 0;; count++) {
    const step = steps.next()
    if (step.done !== true) continue
    assert.instanceOf(step.value, Series)
    return { count, values: step.value.column.toArray(), reading: read(bytes).count }
  }
}

describe("a Series of polars", () => {
  const many = 60_000
  const listOf = (type: unknown) => new Map([["List", type]])
  const numbers = Array.from({ length: many }, (_, at) => at & 127)
  const dates = numbers.map((at) => `${new Date(at * 86_400_000).toISOString().slice(0, 10)}`)
  const struct = (length: number) =>
    series(
      new Map([["Struct", []]]),
      ["a", "b"].map((name) =>
        new Map<string, unknown>([["name", name], ["datatype", "Int64"], ["values", numbers.slice(0, length)]])
      )
    )
  const shown = (value: unknown): unknown =>
    Array.isArray(value)
      ? value.map(shown)
      : value instanceof Uint8Array
      ? [...value]
      : typeof value === "object" && value !== null && "toString" in value && value.constructor !== Object
      ? String(value)
      : value

  for (
    const [what, value, expected] of [
      ["one list of many dates", series(listOf("Date"), [null, series("Date", numbers)]), [null, dates]],
      ["one list of lists", series(listOf(listOf("Date")), [series(listOf("Date"), [series("Date", numbers)])]), [[
        dates
      ]]],
      [
        "many lists of a few dates",
        series(listOf("Date"), Array.from({ length: many / 20 }, () => series("Date", numbers.slice(0, 20)))),
        Array.from({ length: many / 20 }, () => dates.slice(0, 20))
      ],
      ["one long cell of bytes", series("Binary", [numbers, null]), [numbers, null]],
      [
        "one list of many objects",
        series(listOf(new Map([["Struct", []]])), [struct(many)]),
        [numbers.map((at) => ({ a: at, b: at }))]
      ]
    ] as const
  ) {
    it(`with ${what} takes a step for each few thousand values`, () => {
      const { count, reading, values } = seriesOf(value)
      assert.isTrue(isDeepStrictEqual(shown(values), expected))
      assert.isAtLeast(count - reading, many / 4_096)
    })
  }
})
