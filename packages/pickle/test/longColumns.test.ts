/** A value of a long column is made with few others, and is the one that making all of them gives. */
import { Column, DType, NdArray, PyGlobal, PyObject, Tuple } from "@effect-prefect/pickle"
import { assert, describe, it } from "@effect/vitest"
import { arrowColumn } from "../src/classes/arrow.ts"
import { extensionColumn, intervalColumn } from "../src/classes/pandas/columns.ts"

const count = 5_000
const numbers = Array.from({ length: count }, (_, at) => at)

const object = (module: string, name: string, args: ReadonlyArray<unknown>, state?: Record<string, unknown>) => {
  const made = new PyObject(new PyGlobal(module, name), args)
  if (state !== undefined) made.states = [Object.assign(Object.create(null) as object, state)]
  return made
}
const type = (name: string) => object("pyarrow.lib", "type_for_alias", [name])
const bytesOf = (array: ArrayBufferView) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
const array = (
  kind: unknown,
  length: number,
  offset: number,
  buffers: ReadonlyArray<Uint8Array | null>,
  more: ReadonlyArray<unknown> = [[], null]
) => object("pyarrow.lib", "_restore_array", [new Tuple<unknown>(kind, length, 0, offset, [...buffers], ...more)])

/** Texts of different lengths, every third of which is missing. */
const texts = (length: number, offset = 0) => {
  const words = numbers.slice(0, length + offset).map((at) => `t${at}`)
  const offsets = new Int32Array(length + offset + 1)
  words.forEach((word, at) => offsets[at + 1] = offsets[at]! + word.length)
  const valid = new Uint8Array(Math.ceil((length + offset) / 8))
  words.forEach((_, at) => valid[at >> 3]! |= Number(at % 3 !== 0) << (at & 7))
  return array(type("string"), length, offset, [valid, bytesOf(offsets), new TextEncoder().encode(words.join(""))])
}
const arrow = (value: unknown): Column => {
  const column = arrowColumn(value)!
  return new Column({ ...column, dtype: column.type, missing: null })
}
const ints = (values: ReadonlyArray<number>) =>
  new NdArray(new DType("i", 4, "<"), [values.length], "C", bytesOf(Int32Array.from(values)), null)
const sparse = (length: number, starts: ReadonlyArray<number>, sizes?: ReadonlyArray<number>) =>
  extensionColumn(
    object("pandas.core.arrays.sparse.array", "SparseArray", [], {
      _sparse_values: ints(numbers.slice(0, sizes?.reduce((sum, size) => sum + size, 0) ?? starts.length)),
      _sparse_index: object("pandas._libs.sparse", sizes === undefined ? "IntIndex" : "BlockIndex", [
        length,
        ints(starts),
        ...(sizes === undefined ? [] : [ints(sizes)])
      ]),
      _dtype: object("pandas", "SparseDtype", [null, 0])
    }),
    null
  )!

const columns: Record<string, () => Column> = {
  "texts of Arrow": () => arrow(texts(count)),
  "texts of Arrow from an offset on": () => arrow(texts(count - 3, 3)),
  "bits of Arrow": () =>
    arrow(array(type("bool"), count, 0, [null, Uint8Array.from({ length: 626 }, (_, at) => at * 37)])),
  "chunks of texts": () =>
    arrow(object("pyarrow.lib", "chunked_array", [[texts(3), texts(0), texts(2_500), texts(1)], type("string")])),
  intervals: () => {
    const edges = (by: number) =>
      new Column({ dtype: "int64", kind: "int", length: count, values: () => numbers.map((at) => at + by) })
    return intervalColumn(edges(0), edges(1), "left")
  },
  "single values of a sparse array": () => sparse(count, numbers.filter((at) => at % 7 === 3 && at < 4_900)),
  "runs of a sparse array": () => sparse(count, [0, 5, 6, 4_000], [5, 1, 0, 990]),
  "a sparse array that ends early": () => sparse(10, [2, 8], [3, 9]),
  "runs of a sparse array that overlap": () => sparse(10, [2, 1, 5], [3, 2, 2])
}

describe.each(Object.entries(columns))("%s", (_, make) => {
  it("has at each place what making all values gives", () => {
    const column = make()
    const whole = make().values
    const expected = Array.from({ length: column.length }, (_, at) => column.nulls?.[at] === 1 ? null : whole[at])
    const shown = (value: unknown) => typeof value === "boolean" ? Number(value) : value
    assert.deepStrictEqual(column.toArray().map(shown), expected)
    assert.deepStrictEqual(
      numbers.slice(0, 9).map((at) => make().at(at)),
      numbers.slice(0, 9).map((at) => make().toArray()[at])
    )
    assert.isUndefined(column.at(column.length))
  })
})

it("makes the endpoints of one interval for one value", () => {
  let read = 0
  const edges = new Column({
    dtype: "int64",
    kind: "int",
    length: count,
    values: () => numbers,
    get: (values, at) => {
      read++
      return values[at]
    }
  })
  intervalColumn(edges, edges, "right").at(17)
  assert.isAtMost(read, 3)
})

it("makes the words of a dictionary that are asked for", () => {
  const words = texts(count)
  const codes = Int32Array.from(numbers)
  const column = arrow(array(
    object("pyarrow.lib", "dictionary", [type("int32"), type("string"), false]),
    count,
    0,
    [null, bytesOf(codes)],
    [[], words]
  ))
  assert.strictEqual(column.at(4_000), "t4000")
  assert.isNull(column.at(3_999))
})

it("reads a text though one far behind it cannot be read", () => {
  const offsets = new Int32Array(count + 1).fill(1, 1)
  offsets[count] = 9
  const column = arrow(array(type("string"), count, 0, [null, bytesOf(offsets), new Uint8Array([0x61])]))
  assert.strictEqual(column.at(0), "a")
  assert.throws(() => column.at(count - 1), "offsets")
})
