import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import { Table } from "@effect-prefect/formats/Table"
import { UUID } from "@effect-prefect/pickle"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { readFileSync } from "node:fs"

const fixture = (name: string) => readFileSync(new URL(`../../../fixtures/formats/parquet/${name}`, import.meta.url))

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

  it.effect("of damaged bytes is a typed error, whatever is damaged", () =>
    Effect.gen(function*() {
      const bytes = fixture("odd.parquet")
      for (let at = 4; at < bytes.length - 8; at += 41) {
        const copy = Buffer.from(bytes)
        copy[at] = copy[at]! ^ 0xff
        const result = yield* Effect.result(ResultFormat.decode(copy, { name: "x.parquet", maxBytes: 1 << 20 }))
        if (result._tag === "Failure") assert.match(result.failure.reason._tag, /^(?:Undecodable|TooLarge)$/)
        else assert.isTrue(result.success instanceof Table)
      }
    }))
})
