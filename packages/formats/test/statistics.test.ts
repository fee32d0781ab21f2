/** The bounds of a column in a row group of Parquet, which decide whether the row group is read at all. */
import { assert, describe, it } from "@effect/vitest"
import { type Chunk, countsTooFew, type Footer, type Leaf } from "../src/internal/parquet/footer.ts"
import { endsOf } from "../src/internal/parquet/statistics.ts"
import {
  binary,
  integer,
  list,
  type Replacement,
  struct,
  ThriftStruct,
  thriftTypes
} from "../src/internal/parquet/thrift.ts"

const encoded = (fields: Readonly<Record<number, Replacement>>): Uint8Array =>
  new ThriftStruct(Uint8Array.of(0), 0).encode(
    new Map(Object.entries(fields).map(([id, field]) => [Number(id), field]))
  )
const thrift = (fields: Readonly<Record<number, Replacement>>) => new ThriftStruct(encoded(fields), 0)
const nothing = struct(encoded({}))
const isSigned = (signed: boolean): Replacement => ({
  type: signed ? thriftTypes.true : thriftTypes.false,
  bytes: new Uint8Array(0)
})

const [boolean, int32, int64, int96, float, double, bytes, fixed] = [0, 1, 2, 3, 4, 5, 6, 7]

/** How the schema names the type: by a converted type, by a logical one, or by neither. */
const converted = (type: number) => ({ 6: integer(type) })
const logical = (id: number, fields: Readonly<Record<number, Replacement>> = {}) => ({
  10: struct(encoded({ [id]: struct(encoded(fields)) }))
})
const unit = (id: number) => ({ 2: struct(encoded({ [id]: nothing })) })
const scale = (digits: number) => ({ 7: integer(digits) })

const leafOf = (type: number, element: Readonly<Record<number, Replacement>>) =>
  ({ type, element: thrift(element) }) as unknown as Leaf
const chunkOf = (statistics: Readonly<Record<number, Replacement>> | undefined) =>
  ({ statistics: statistics === undefined ? undefined : thrift(statistics) }) as unknown as Chunk

const of32 = (value: number) => new Uint8Array(Int32Array.of(value).buffer)
const of64 = (value: bigint) => new Uint8Array(BigInt64Array.of(value).buffer)
const ofText = (text: string) => new TextEncoder().encode(text)
const second = "1970-01-01T00:00:01"

const cases: ReadonlyArray<
  readonly [string, number, Readonly<Record<number, Replacement>>, Uint8Array, unknown]
> = [
  ["true", boolean!, {}, Uint8Array.of(1), true],
  ["false", boolean!, {}, Uint8Array.of(0), false],
  ["a boolean without a byte", boolean!, {}, new Uint8Array(0), undefined],
  ["int32", int32!, {}, of32(-5), -5],
  ["int32 of 8 bytes", int32!, {}, of64(5n), undefined],
  ["int64", int64!, {}, of64(2n ** 60n), 2n ** 60n],
  ["int64 of 4 bytes", int64!, {}, of32(5), undefined],
  ["uint32", int32!, converted(13), of32(-1), 4_294_967_295],
  ["uint64", int64!, converted(14), of64(-1n), 2n ** 64n - 1n],
  ["a logical integer without a sign", int32!, logical(10, { 2: isSigned(false) }), of32(-1), 4_294_967_295],
  ["a logical integer with a sign", int32!, logical(10, { 2: isSigned(true) }), of32(-1), -1],
  ["a logical integer that does not say", int32!, logical(10), of32(-1), -1],
  ["a converted type that is not known", int32!, converted(99), of32(-1), -1],
  ["a logical type that is not known", int32!, logical(20), of32(-1), undefined],
  ["a decimal in int32", int32!, { ...converted(5), ...scale(2) }, of32(150), "1.50"],
  ["a decimal in bytes", bytes!, { ...logical(5), ...scale(2) }, Uint8Array.of(0xff, 0x6a), "-1.50"],
  ["a decimal in fixed bytes, without a scale", fixed!, converted(5), Uint8Array.of(0, 150), "150"],
  ["a converted date", int32!, converted(6), of32(18_262), "2020-01-01"],
  ["a logical date", int32!, logical(6), of32(-1), "1969-12-31"],
  ["a date out of range", int32!, logical(6), of32(2 ** 31 - 1), undefined],
  ["a time in milliseconds", int32!, converted(7), of32(1_000), undefined],
  ["a time in microseconds", int64!, converted(8), of64(1_000n), undefined],
  ["a logical time", int64!, logical(7, unit(2)), of64(1_000n), undefined],
  ["a converted timestamp in milliseconds", int64!, converted(9), of64(1_000n), second],
  ["a converted timestamp in microseconds", int64!, converted(10), of64(1_000_000n), second],
  ["a logical timestamp in milliseconds", int64!, logical(8, unit(1)), of64(1_000n), second],
  ["a logical timestamp in microseconds", int64!, logical(8, unit(2)), of64(1_000_000n), second],
  ["a logical timestamp in nanoseconds", int64!, logical(8, unit(3)), of64(1_000_000_000n), second],
  ["int96", int96!, {}, new Uint8Array(12), undefined],
  ["a float", float!, {}, new Uint8Array(Float32Array.of(1.5).buffer), 1.5],
  ["a float of 8 bytes", float!, {}, new Uint8Array(8), undefined],
  ["a float of another logical type", float!, logical(15), new Uint8Array(4), undefined],
  ["a double", double!, {}, new Uint8Array(Float64Array.of(2.5).buffer), 2.5],
  ["a double of 4 bytes", double!, {}, new Uint8Array(4), undefined],
  ["a double of another logical type", double!, logical(15), new Uint8Array(8), undefined],
  ...[converted(0), logical(1), converted(4), logical(4), converted(19), logical(12)].map((element) =>
    ["text", bytes!, element, ofText("\ufeffé"), "\ufeffé"] as const
  ),
  ["text that ends within a character", bytes!, converted(0), Uint8Array.of(0x61, 0xc3), undefined],
  ["bytes that are no text", bytes!, {}, ofText("a"), undefined],
  ["fixed bytes", fixed!, {}, ofText("a"), undefined],
  ["BSON", bytes!, logical(13), ofText("a"), undefined]
]

/** A cell, with the values of classes as their texts. */
const shown = (cell: unknown): unknown => typeof cell === "object" ? String(cell) : cell

describe("the bounds of a row group", () => {
  it.each(cases)("%s", (_, type, element, value, expected) => {
    const { least, most } = endsOf(chunkOf({ 5: binary(value), 6: binary(value) }), leafOf(type, element))
    assert.deepStrictEqual([shown(least), shown(most)], [expected, expected])
  })

  const ends = (statistics: Parameters<typeof chunkOf>[0], leaf: Leaf) => {
    const { least, most } = endsOf(chunkOf(statistics), leaf)
    return [shown(least), shown(most)]
  }

  it("are not known without statistics, and each by itself", () => {
    assert.deepStrictEqual(ends(undefined, leafOf(int32!, {})), [undefined, undefined])
    assert.deepStrictEqual(ends({}, leafOf(int32!, {})), [undefined, undefined])
    assert.deepStrictEqual(ends({ 5: binary(of32(7)) }, leafOf(int32!, {})), [undefined, 7])
    assert.deepStrictEqual(ends({ 6: binary(of32(7)) }, leafOf(int32!, {})), [7, undefined])
  })

  it("are those of old writers only for types whose order was the same", () => {
    const old = { 1: binary(of32(9)), 2: binary(of32(1)) }
    assert.deepStrictEqual(ends(old, leafOf(int32!, {})), [1, 9])
    assert.deepStrictEqual(ends({ ...old, 5: binary(of32(8)), 6: binary(of32(2)) }, leafOf(int32!, {})), [2, 8])
    assert.deepStrictEqual(ends(old, leafOf(int32!, converted(13))), [undefined, undefined])
    const texts = { 1: binary(ofText("z")), 2: binary(ofText("a")) }
    assert.deepStrictEqual(ends(texts, leafOf(bytes!, converted(0))), [undefined, undefined])
  })
})

it.each([
  ["parquet-mr version 1.2.8 (build a)", true],
  ["parquet-mr version 1.2.9", false],
  ["parquet-mr version 1.2.10", false],
  ["parquet-mr version 1.1.99", true],
  ["parquet-mr version 1.10.0", false],
  ["parquet-mr version 0.9.9", true],
  ["parquet-mr version 2.0.0", false],
  ["parquet-mr", true],
  ["parquet-mring version 1.0.0", false],
  ["parquet-cpp version 1.0.0", false],
  ["a parquet-mr version 1.0.0", false]
])("the sizes of %s may be too small: %s", (writer, expected) => {
  const footer = { struct: thrift({ 6: binary(ofText(writer)) }) } as unknown as Footer
  assert.strictEqual(countsTooFew(footer), expected)
})

describe("a struct of Thrift", () => {
  it.each([0, 1, -1, 63, 64, -64, -65, 8_191, 2 ** 31, -(2 ** 31), 2 ** 40 + 1])("has the integer %s", (value) => {
    assert.strictEqual(thrift({ 1: integer(value) }).integer(1), value)
  })

  it("has fields far from each other, of their own types alone", () => {
    const found = thrift({ 1: integer(5), 16: integer(6), 32: binary(ofText("x".repeat(200))), 100: nothing })
    assert.deepStrictEqual(found.ids(), [1, 16, 32, 100])
    assert.deepStrictEqual([found.integer(1), found.integer(16)], [5, 6])
    assert.strictEqual(found.text(32), "x".repeat(200))
    assert.isDefined(found.struct(100))
    assert.deepStrictEqual(
      [found.integer(32), found.binary(1), found.struct(1), found.integer(2), found.texts(32), found.structs(1)],
      [undefined, undefined, undefined, undefined, [], []]
    )
    const left = new ThriftStruct(found.encode(new Map([[16, null], [1, integer(7)]])), 0)
    assert.deepStrictEqual(left.ids(), [1, 32, 100])
    assert.strictEqual(left.integer(1), 7)
  })

  it("has lists of structs, short and long", () => {
    for (const length of [0, 1, 14, 15, 300]) {
      const items = Array.from({ length }, (_, index) => encoded({ 1: integer(index) }))
      assert.deepStrictEqual(
        thrift({ 4: list(items) }).structs(4).map((item) => item.integer(1)),
        Array.from({ length }, (_, index) => index)
      )
    }
  })

  it("that is cut anywhere is out of range", () => {
    const whole = encoded({ 1: integer(5), 40: binary(ofText("xyz")), 41: list([encoded({ 1: integer(1) })]) })
    for (let end = 0; end < whole.length; end++) {
      assert.throws(() => new ThriftStruct(whole.subarray(0, end), 0).ids(), RangeError)
    }
  })
})
