import { FormatError, TooLarge } from "@effect-prefect/formats/FormatError"
import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import { Table } from "@effect-prefect/formats/Table"
import * as TableParts from "@effect-prefect/formats/TableParts"
import { UUID } from "@effect-prefect/pickle"
import { assert, describe, it } from "@effect/vitest"
import * as Flechette from "@uwdata/flechette"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { parquetWriteBuffer } from "hyparquet-writer"
import { readFileSync } from "node:fs"
import { seeds } from "../../core/test/seeds.ts"
import { readFeather } from "../src/internal/arrow/feather.ts"
import { footerSpan } from "../src/internal/parquet/footer.ts"
import { integer, list, struct, ThriftStruct, thriftTypes } from "../src/internal/parquet/thrift.ts"
import { readParquet } from "../src/internal/readers/parquet.ts"

const here = new URL("../../../fixtures/formats/parquet/", import.meta.url)
const fixture = (name: string) => readFileSync(new URL(name, here))

const decode = (name: string, options: Partial<ResultFormat.DecodeOptions> = {}) =>
  ResultFormat.decode(fixture(name), { name, maxBytes: 1 << 20, ...options })

const rows = [
  {
    m: [[1, "a"], [2, null]],
    mm: [[1, [[5, "x"]]]],
    dk: [["2020-01-01", 1.5]],
    l: [],
    st: { a: 1, b: [{ c: "x" }] },
    dec: "1.50",
    u: "AAAAAAAAAAAAAAAAAAAABQ==",
    tz: "2020-07-01T02:00:00+02:00",
    tm: "01:02:03",
    du: 5,
    di: "a",
    h: 1.5
  },
  {
    m: [],
    mm: [],
    dk: null,
    l: [1, null],
    st: null,
    dec: null,
    u: null,
    tz: null,
    tm: null,
    du: null,
    di: "b",
    h: 2
  },
  {
    m: null,
    mm: null,
    dk: [],
    l: null,
    st: { a: null, b: [] },
    dec: "-12345678901234567890.12",
    u: "AAAAAAAAAAAAAAAAAAAABg==",
    tz: null,
    tm: null,
    du: null,
    di: "a",
    h: 3
  }
]

describe("kinds of columns that few writers use", () => {
  for (const name of ["odd.parquet", "odd.v2.parquet"]) {
    it.effect(`${name}: maps with keys of any type, empty lists, structs, decimals, times, categories`, () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* JsonProjection.toJson(yield* decode(name)), rows as never)
      }))
  }

  for (const name of ["uuid.parquet", "uuid.feather"]) {
    it.effect(`${name}: the extension arrow.uuid is a UUID`, () =>
      Effect.gen(function*() {
        const table = (yield* decode(name)) as Table
        assert.deepStrictEqual(table.columns[0]!.at(0), new UUID("00000000-0000-0000-0000-000000000005"))
      }))
  }

  it.effect("each row group has its own dictionary", () =>
    Effect.gen(function*() {
      const table = (yield* decode("groups.parquet")) as Table
      assert.deepStrictEqual(
        table.columns[0]!.toArray(),
        Array.from({ length: 500 }, (_, row) => `g${Math.floor(row / 100)}-${row % 100 % 7}`)
      )
    }))
})

/** A file whose footer says something else. */
const withFooter = (bytes: Uint8Array, change: (footer: ThriftStruct) => Uint8Array) => {
  const { end, start } = footerSpan(bytes.subarray(-8), bytes.length)
  const footer = change(new ThriftStruct(bytes.subarray(start, end), 0))
  const length = Buffer.alloc(4)
  length.writeUInt32LE(footer.length)
  return Buffer.concat([bytes.subarray(0, start), footer, length, Buffer.from("PAR1")])
}

/** Names the dictionaries of all columns as their first page of data, as old writers do, and another place as theirs. */
const withPages = (metadata: ThriftStruct, place: number) =>
  metadata.encode(new Map([[9, integer(metadata.integer(11)!)], [11, integer(place)]]))

const withDictionaries = (footer: ThriftStruct, place: number) =>
  footer.encode(
    new Map([[
      4,
      list(
        footer.structs(4).map((group) =>
          group.encode(
            new Map([[
              1,
              list(
                group.structs(1).map((chunk) =>
                  chunk.encode(new Map([[3, struct(withPages(chunk.struct(3)!, place))]]))
                )
              )
            ]])
          )
        )
      )
    ]])
  )

describe("a footer that says something odd", () => {
  const odd: ReadonlyArray<readonly [string, (footer: ThriftStruct) => Uint8Array]> = [
    ["that there are no rows", (footer) => footer.encode(new Map([[3, integer(0)]]))],
    ["that dictionaries are at no place", (footer) => withDictionaries(footer, 0)],
    ["that dictionaries come after their data", (footer) => withDictionaries(footer, 1_000_000)],
    ["keys without values", (footer) => {
      const keys = footer.structs(5).map((key) => key.encode(new Map()))
      return footer.encode(new Map([[5, list([...keys, Buffer.from([0x18, 1, 0x6b, 0])])]]))
    }]
  ]
  it.effect.each(odd)("%s: the rows come as they are", ([, change]) =>
    Effect.gen(function*() {
      const bytes = withFooter(fixture("groups.parquet"), change)
      const table = (yield* ResultFormat.decode(bytes, { name: "x", maxBytes: 1 << 20 })) as Table
      const expected = (yield* decode("groups.parquet")) as Table
      assert.deepStrictEqual(table.toRows(), expected.toRows())
      const parts = yield* TableParts.stream(TableParts.sourceOf(bytes), { maxBytes: 1 << 20 })
      const tables = yield* Stream.runCollect(parts!)
      assert.deepStrictEqual(tables.flatMap((part) => part.toRows()), expected.toRows())
    }))

  it.effect("spans of months are their bytes, as pyarrow has them", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(
        yield* JsonProjection.toJson(yield* decode("duckdb-interval.parquet")),
        [{ x: "AQAAAAAAAAAAAAAA" }, { x: null }] as never
      )
    }))

  it.effect("values that only Parquet calls UUIDs are UUIDs", () =>
    Effect.gen(function*() {
      const table = (yield* decode("duckdb-uuid.parquet")) as Table
      assert.instanceOf(table.columns[0]!.at(0), UUID)
      assert.isNull(table.columns[0]!.at(1))
    }))
})

describe("row groups of one row", () => {
  it.effect("take the memory of their row, and come in order", () =>
    Effect.gen(function*() {
      const rows = Array.from({ length: 1_000 }, (_, at) => ({ a: `t${at % 7}`, b: at, c: at % 9 === 0 ? null : "c" }))
      const bytes = new Uint8Array(parquetWriteBuffer({
        columnData: (["a", "b", "c"] as const).map((name) => ({ name, data: rows.map((row) => row[name]) })),
        rowGroupSize: 1
      }))
      let asked = 0
      const table = yield* readParquet(bytes, 1 << 28, undefined, (memory) => {
        asked = Math.max(asked, memory)
        return Effect.succeed(memory)
      })
      assert.deepStrictEqual(table.toRows(), rows)
      // Of rows that each take the memory of all: 13 million.
      assert.isBelow(asked, 5_000_000)
    }))

  it.effect("come together in few parts, with their rows and without those that are ruled out", () =>
    Effect.gen(function*() {
      const rows = Array.from({ length: 700 }, (_, at) => ({ a: at, b: `t${at}` }))
      const bytes = new Uint8Array(parquetWriteBuffer({
        columnData: [{ name: "a", data: rows.map(({ a }) => a) }, { name: "b", data: rows.map(({ b }) => b) }],
        kvMetadata: [{ key: "k", value: "v".repeat(200_000) }],
        rowGroupSize: 1
      }))
      const read = (options: Partial<TableParts.Options>) =>
        Effect.gen(function*() {
          const parts = yield* TableParts.stream(TableParts.sourceOf(bytes), { maxBytes: 1 << 24, ...options })
          const tables = yield* Stream.runCollect(parts!)
          return { count: tables.length, rows: tables.flatMap((table) => table.toRows()) }
        })
      // Each would have the whole footer: 140 MB.
      const all = yield* read({})
      assert.isAtMost(all.count, 4)
      assert.deepStrictEqual(all.rows, rows)
      const some = yield* read({ columns: ["b"], filter: [{ column: "a", op: ">=", value: 130 }] })
      assert.deepStrictEqual(some.rows, rows.slice(130).map(({ b }) => ({ b })))
      const opened = yield* TableParts.open(TableParts.sourceOf(bytes), {
        maxBytes: 1 << 24,
        filter: [{ column: "a", op: "=", value: 650 }]
      })
      const [part, ...others] = yield* Stream.runCollect(opened!.parts)
      assert.lengthOf(others, 0)
      assert.deepStrictEqual((yield* part!.load).toRows(), [{ a: 650, b: "t650" }])
    }))

  it.effect("more than the reader takes are refused with another way", () =>
    Effect.gen(function*() {
      const bytes = withFooter(fixture("groups.parquet"), (footer) => {
        const group = footer.structs(4)[0]!.encode(new Map([[1, list([])]]))
        const root = footer.structs(2)[0]!.encode(new Map([[5, { ...integer(0), type: thriftTypes.i32 }]]))
        const groups = Array.from({ length: 32_769 }, () => group)
        return footer.encode(new Map([[2, list([root])], [4, list(groups)], [7, null]]))
      })
      const error = yield* Effect.flip(ResultFormat.decode(bytes, { name: "x", maxBytes: 1 << 24 }))
      assert.include(error.message, "more than 32 768 row groups")
    }))
})

describe("Arrow data", () => {
  it.effect("in a file is read by the footer, whatever is before the first batch", () =>
    Effect.gen(function*() {
      const table = (yield* decode("polars-2.arrow")) as Table
      assert.deepStrictEqual(table.toRows(), [{ s: "a" }, { s: null }, { s: "c" }])
      const bytes = fixture("polars-2.arrow")
      for (const end of [-1, -11, -100]) {
        const error = yield* Effect.flip(
          ResultFormat.decode(bytes.subarray(0, end), { name: "x", maxBytes: 1 << 20 })
        )
        assert.include(error.message, "damaged")
      }
    }))

  it.effect("of a stream before Arrow 0.15 is told by its schema", () =>
    Effect.gen(function*() {
      const table = (yield* decode("legacy.stream")) as Table
      assert.deepStrictEqual(table.toRows(), [{ a: 1, s: "x" }, { a: null, s: "y" }, { a: 3, s: null }])
    }))
})

describe("a read", () => {
  it.effect("of some columns has those alone", () =>
    Effect.gen(function*() {
      const table = (yield* decode("odd.parquet", { columns: ["dec", "di"] })) as Table
      assert.deepStrictEqual([...table.columnNames].sort(), ["dec", "di"])
    }))

  it.effect("over the limit is TooLarge before it is made", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(decode("odd.parquet", { maxBytes: 100 }))
      assert.strictEqual(error.reason._tag, "TooLarge")
    }))

  it.live("that is interrupted ends, and the next one works", () =>
    Effect.gen(function*() {
      const reads = yield* Effect.forEach(
        Array.from({ length: 5 }),
        () => Effect.forkChild(decode("odd.parquet"), { startImmediately: true })
      )
      yield* Fiber.interruptAll(reads)
      assert.isTrue((yield* decode("odd.parquet")) instanceof Table)
    }))

  const stream = Flechette.tableToIPC(
    Flechette.tableFromArrays({ d: ["g1", "g2", "g3", null] }, { types: { d: Flechette.utf8() } }),
    { format: "stream" }
  )!
  it.effect.each([
    { name: "a Parquet file", bytes: fixture("groups.parquet"), column: "d", value: "g2" },
    { name: "an Arrow file", bytes: fixture("polars-2.arrow"), column: "s", value: "" },
    { name: "an Arrow stream", bytes: stream, column: "d", value: "g2" },
    { name: "Feather", bytes: fixture("uuid.feather"), column: "u", value: "0" }
  ])(
    "of $name part by part is a typed error, whatever is damaged",
    ({ bytes, column, name, value }) =>
      Effect.gen(function*() {
        const read = (copy: Uint8Array) =>
          Effect.gen(function*() {
            const parts = yield* TableParts.stream(TableParts.sourceOf(copy), {
              maxBytes: 1 << 20,
              filter: [{ column, op: ">", value }]
            })
            if (parts === undefined) return 0
            return yield* Stream.runFold(parts, () => 0, (sum, { numRows }) => sum + numRows)
          })
        assert.isAbove(yield* read(bytes), 0)
        let failures = 0
        for (let at = 0; at < bytes.length; at += seeds(5, 1) * (name.includes("Parquet") ? 13 : 3)) {
          const copy = Buffer.from(bytes)
          copy[at]! ^= at % 2 === 0 ? 0xff : 0x10
          const result = yield* Effect.result(read(copy))
          if (result._tag === "Success") continue
          failures++
          assert.match(result.failure.reason._tag, /^(?:Undecodable|TooLarge)$/)
        }
        for (let end = 0; end < bytes.length; end += seeds(3, 1) * 97) {
          const result = yield* Effect.result(read(bytes.subarray(0, end)))
          if (result._tag === "Success") continue
          failures++
          assert.strictEqual(result.failure.reason._tag, "Undecodable")
        }
        assert.isAbove(failures, 0)
      })
  )

  it.effect("of damaged bytes is a typed error, whatever is damaged", () =>
    Effect.gen(function*() {
      const bytes = fixture("odd.parquet")
      for (let at = 4; at < bytes.length - 8; at += seeds(5, 1) * 41) {
        const copy = Buffer.from(bytes)
        copy[at] = copy[at]! ^ 0xff
        const result = yield* Effect.result(ResultFormat.decode(copy, { name: "x.parquet", maxBytes: 1 << 20 }))
        if (result._tag === "Failure") assert.match(result.failure.reason._tag, /^(?:Undecodable|TooLarge)$/)
        else assert.isTrue(result.success instanceof Table)
      }
    }))
})

describe("memory", () => {
  /** A small file of many rows, all of them one long text. */
  const repeated = (rows: number, characters: number) => {
    const text = "x".repeat(characters)
    return new Uint8Array(
      parquetWriteBuffer({
        columnData: [{ name: "a", data: Array.from({ length: rows }, () => text), type: "STRING" }]
      })
    )
  }
  const reserveUpTo = (limit: number) => {
    const asked: Array<number> = []
    const reserve: ResultFormat.Reserve = (bytes, isGuess) => {
      asked.push(bytes)
      const sum = asked.reduce((left, right) => left + right, 0)
      return sum > limit && !isGuess
        ? Effect.fail(new FormatError({ reason: new TooLarge({ limit, size: sum }) }))
        : Effect.succeed(bytes)
    }
    return { asked, reserve }
  }

  it.live("of rows that repeat a long text is asked for before it is taken", () =>
    Effect.gen(function*() {
      const bytes = repeated(20_000, 5_000)
      assert.isBelow(bytes.length, 25_000)
      const { asked, reserve } = reserveUpTo(25_000_000)
      const error = yield* Effect.flip(ResultFormat.decode(bytes, { name: "x", maxBytes: 2 ** 28, reserve }))
      assert.strictEqual(error.reason._tag, "TooLarge")
      assert.isAbove(asked.at(-1)!, 8_000_000)
    }))

  it.live("is asked for again when it was not enough, and the rows are the same", () =>
    Effect.gen(function*() {
      const { asked, reserve } = reserveUpTo(100_000_000)
      const table = (yield* ResultFormat.decode(repeated(2_000, 5_000), {
        name: "x",
        maxBytes: 2 ** 28,
        reserve
      })) as Table
      assert.isAbove(asked.reduce((left, right) => left + right, 0), 10_000_000)
      assert.strictEqual(table.numRows, 2_000)
      assert.strictEqual(table.columns[0]!.at(1_999), "x".repeat(5_000))
    }))

  it("of compressed Arrow buffers is told before they are decompressed", () => {
    const bytes = readFileSync(new URL("../pandas-3/mixed.zstd.feather", here))
    const steps = readFeather(bytes, 2 ** 20, false)
    const weights: Array<number> = []
    let step = steps.next()
    for (; step.done !== true; step = steps.next()) if (typeof step.value === "number") weights.push(step.value)
    const table = step.value
    assert.isAbove(weights.length, table.numColumns)
    assert.deepStrictEqual(weights, weights.toSorted((left, right) => left - right))
    assert.isAtLeast(weights.at(-1)!, table.columns.reduce((sum, { byteSize }) => sum + byteSize!, 0) / 2)
  })

  it.effect("of a small pickle of many objects is asked for", () =>
    Effect.gen(function*() {
      const bytes = Buffer.from(`\x80\x04](${"\x8f".repeat(60_000)}e.`, "latin1")
      const { asked, reserve } = reserveUpTo(1_000_000)
      const error = yield* Effect.flip(ResultFormat.decode(bytes, { name: "x", maxBytes: 2 ** 28, reserve }))
      assert.strictEqual(error.reason._tag, "TooLarge")
      assert.isAbove(asked.at(-1)!, 1_000_000)
    }))
})
