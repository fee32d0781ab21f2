/** What is made of a value is bounded, however few bytes refer to a large value how often. */
import type { FormatError } from "@effect-prefect/formats/FormatError"
import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import { Column, type ColumnKind, Table } from "@effect-prefect/formats/Table"
import * as TableEncoder from "@effect-prefect/formats/TableEncoder"
import { Column as PyColumn, DataFrame, Index } from "@effect-prefect/pickle"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { TextSink } from "../src/internal/projection/sinks.ts"
import { walk } from "../src/internal/projection/walk.ts"

const tableOf = (length: number, value: unknown, kind: ColumnKind = "object") =>
  new Table([new Column({ name: "a", kind, length, at: () => value })], length)

const list = Array.from({ length: 1_000 }, (_, i) => i)

const encoders = [
  ["csv", (table: Table, options: TableEncoder.FileOptions) =>
    Effect.try({
      try: () => [...TableEncoder.csv(table, options)],
      catch: (error) => error as FormatError
    })],
  ["parquet", TableEncoder.parquet],
  ["arrow", TableEncoder.arrow]
] as const

describe("a table", () => {
  for (const [name, encode] of encoders) {
    const refused = (table: Table, options: TableEncoder.FileOptions) =>
      Effect.map(Effect.flip(encode(table, options) as Effect.Effect<unknown, FormatError>), ({ message }) => message)

    for (
      const [what, table] of [
        ["lists", tableOf(100, list)],
        ["long texts", tableOf(100, "x".repeat(16_000), "string")],
        ["bytes", tableOf(100, new Uint8Array(12_000))],
        ["integers of many digits", tableOf(100, 10n ** 16_000n)],
        ["nothing", tableOf(100_001, null)]
      ] as const
    ) {
      // Of texts, Parquet and Arrow are limited by the bytes of the file.
      if (what === "long texts" && name !== "csv") continue
      it.effect(`of the same ${what} in each row is ${name} up to the limit`, () =>
        Effect.gen(function*() {
          assert.match(
            yield* refused(table, { maxValues: 100_000 }),
            /too much to be written .* more than 100000 values/
          )
          yield* encode(table, { maxValues: 200_000 }) as Effect.Effect<unknown, FormatError>
        }))
    }

    it.effect(`of more rows than there could be is refused as ${name} before one is read`, () =>
      Effect.gen(function*() {
        let read = 0
        const column = new Column({ name: "a", kind: "int", length: 1e12, at: () => ++read })
        assert.match(yield* refused(new Table([column], 1e12), {}), /more than 268435456 values/)
        assert.strictEqual(read, 0)
      }))

    if (name !== "csv") {
      it.effect(`is no larger than ${name} may be`, () =>
        Effect.gen(function*() {
          for (
            const table of [
              tableOf(50_000, list),
              tableOf(100, "x".repeat(3_000_000), "string"),
              new Table([new Column({ name: "a", kind: "float", length: 50_000, at: (row) => row / 7 })], 50_000)
            ]
          ) {
            assert.match(yield* refused(table, { maxBytes: 100_000 }), /over the limit of 100000/)
          }
        }))
    }
  }

  it("with a large cell gives way while that is made as CSV", () => {
    const pieces = [...TableEncoder.csv(tableOf(1, Array.from({ length: 100_000 }, () => null)))]
    assert.isAbove(pieces.length, 2)
  })
})

describe("a text of quotes", () => {
  const text = "\"".repeat(200_001)

  it("is doubled whole, in parts", () => {
    assert.isTrue(TableEncoder.csvField(text) === `"${text}${text}"`)
    assert.isTrue(TableEncoder.csvField(`${text},`) === `"${text}${text},"`)
  })

  it.effect("is read whole, and takes little more memory than its characters", () =>
    Effect.gen(function*() {
      const table = yield* ResultFormat.decode(new TextEncoder().encode(`a\n"${text}${text}"\n`), {
        name: "a.csv",
        maxBytes: 2 ** 24
      })
      assert.ok(table instanceof Table)
      assert.isTrue(table.columns[0]!.at(0) === text)
    }))
})

describe("a long text of CSV, in a cell or as a name", () => {
  const at = 3_000_000
  for (
    const [what, text, field] of [
      ["plain", "x".repeat(at), "x".repeat(at)],
      ["with a quote at its end", `${"x".repeat(at)}"`, `"${"x".repeat(at)}"""`],
      ["of quotes", "\"".repeat(at), `"${"\"".repeat(2 * at)}"`],
      ["of pairs of surrogates", `${"😀".repeat(at / 2)},`, `"${"😀".repeat(at / 2)},"`]
    ] as const
  ) {
    it(`${what} is written whole, in steps, however long it is`, () => {
      const columns = ["", text].map((name) => new Column({ name, kind: "string", length: 1, at: () => text }))
      const pieces = [...TableEncoder.csv(new Table(columns, 1))]
      assert.isTrue(pieces.join("") === `,${field}\r\n${field},${field}\r\n`)
      assert.isAtMost(Math.max(...pieces.map(({ length }) => length)), 200_000)
      const parts = [...TableEncoder.csvFieldParts(text)]
      assert.isTrue(parts.join("") === field && TableEncoder.csvField(text) === field)
      assert.isAtMost(Math.max(...parts.map(({ length }) => length)), 131_072)
      // Each step looks at a part of the text.
      const looked = [...TableEncoder.csvFieldParts("x".repeat(at))].filter((part) => part === "").length
      assert.isAtLeast(looked, Math.floor(at / 65_536))
    })
  }

  it("is followed by short ones in pieces of some length", () => {
    const columns = Array.from({ length: 40_000 }, () => new Column({ name: "", kind: "int", length: 1, at: () => 1 }))
    const sizes = [...TableEncoder.csv(new Table(columns, 1))].map(({ length }) => length)
    assert.isAtMost(sizes.length, 4)
  })
})

it.effect("a table whose names would be larger than a file of Parquet is refused", () =>
  Effect.gen(function*() {
    const name = "c".repeat(10_000)
    const table = new Table([new Column({ name, kind: "int", length: 400_000, at: () => 1 })], 400_000)
    const { message } = yield* Effect.flip(TableEncoder.parquet(table, { maxBytes: 150_000 }))
    assert.match(message, /over the limit/)
  }))

describe("JSON Lines", () => {
  const lines = (value: unknown, maxValues?: number) => [...JsonProjection.toLines(value, { maxValues })].join("")

  it("are the rows of a table, the items of a list, or one value", () => {
    assert.strictEqual(lines(tableOf(2, 1)), "{\"a\":1}\n{\"a\":1}\n")
    assert.strictEqual(lines([1, "x", [null]]), "1\n\"x\"\n[null]\n")
    assert.strictEqual(lines(new Map([["a", 1]])), "{\"a\":1}\n")
    assert.strictEqual(lines([]), "")
  })

  it("do not repeat long names more often than there may be values, which is found before the first row", () => {
    let read = 0
    const column = (name: string) => new Column({ name, kind: "int", length: 1_000, at: () => ++read })
    const rows = (name: string) => new Table([column(name), column("a")], 1_000)
    const long = "n".repeat(2_000)
    assert.throws(() => lines(rows(long), 1_900_000), "more than 1900000 characters")
    assert.throws(() => JsonProjection.toJsonSync(rows(long), { maxValues: 1_900_000 }), "too long column names")
    assert.throws(() => JsonProjection.toJsonSync([1, { a: rows(long) }], { maxValues: 1_900_000 }), "write it as csv")
    assert.strictEqual(read, 0)
    // The names of usual tables are as free as they were.
    assert.strictEqual(lines(rows(long), 2_100_000).split("\n").length, 1_001)
    assert.strictEqual(lines(rows("n".repeat(1_000)), 100_000).split("\n").length, 1_001)
    assert.strictEqual(lines(new Table([column("n".repeat(100_000))], 1), 10_000).split("\n").length, 2)
    const labels = (...values: ReadonlyArray<unknown>) =>
      new Index(
        "Index",
        null,
        new PyColumn({ dtype: "object", kind: "object", length: values.length, values: () => values })
      )
    const frame = new DataFrame(labels(long), labels(...list), [labels(...list).column])
    assert.throws(() => JsonProjection.toJsonSync(frame, { maxValues: 1_900_000 }), "too long column names")
  })

  it("are within one limit together", () => {
    const items = Array.from({ length: 100 }, () => list)
    assert.strictEqual(lines(items, 200_000).split("\n").length, 101)
    assert.throws(() => lines(items, 100_000), "more than 100000 values")
  })

  it("come in pieces, also within a long line", () => {
    const pieces = [...JsonProjection.toLines([Array.from({ length: 200_000 }, (_, i) => i), 1])]
    assert.isAbove(pieces.length, 10)
    assert.isBelow(Math.max(...pieces.map(({ length }) => length)), 200_000)
  })
})

describe("a projection", () => {
  const count = (value: unknown) => {
    const steps = walk(value, new TextSink(), undefined)
    for (let taken = 0;; taken++) if (steps.next().done === true) return taken
  }

  it("takes a step for a few thousand digits", () => {
    assert.isAtLeast(count(Array.from({ length: 100 }, (_, i) => 10n ** 4_000n + BigInt(i))), 100)
  })

  it("takes a step for a few thousand digits of keys, also before there is text", () => {
    const map = new Map(Array.from({ length: 100 }, (_, i) => [10n ** 8_000n + BigInt(i), null]))
    assert.isAtLeast(count(map), 10)
    const many = new Map(Array.from({ length: 1_000 }, (_, i) => [10n ** 8_000n + BigInt(i), null]))
    assert.include([...JsonProjection.toChunks(many)], "")
  })

  it("counts the characters of keys that are longer than names are", () => {
    const object = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`${i}`.padEnd(160, "k"), null]))
    assert.throws(() => JsonProjection.toJsonSync(object, { maxValues: 1_000 }), "more than 1000 values")
  })
})
