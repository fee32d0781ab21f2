import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import { Column, Table } from "@effect-prefect/formats/Table"
import * as TableEncoder from "@effect-prefect/formats/TableEncoder"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { isDeepStrictEqual } from "node:util"
import { longBuffers } from "../src/internal/arrow/longCells.ts"
import { longColumn } from "../src/internal/parquet/longCells.ts"
import type { Steps } from "../src/internal/steps.ts"

/** So large that the projection of one gives way several times when it may. */
const large = Array.from({ length: 120_000 }, (_, i) => [i])
const table = new Table([new Column({ name: "a", kind: "object", length: 1, at: () => large })], 1)

it("a cell with many values is written whole as CSV and Parquet", () =>
  Effect.runPromise(Effect.gen(function*() {
    const text = JSON.stringify(large)
    assert.isTrue([...TableEncoder.csv(table)].join("").trim() === `a\r\n"${text}"`)
    const bytes = yield* TableEncoder.parquet(table)
    const read = yield* ResultFormat.decode(bytes, { name: "a.parquet", maxBytes: 2 ** 28 })
    assert.ok(read instanceof Table)
    assert.isTrue(isDeepStrictEqual(JSON.parse(String(read.columns[0]!.at(0))), large))
  })))

it("a projection made at once is the same, and fails with the same error", () => {
  assert.isTrue(isDeepStrictEqual(JsonProjection.toJsonSync(large), large))
  assert.throws(() => JsonProjection.toJsonSync(large, { maxValues: 1_000 }), "more than 1000 values")
})
it("a row that refers to one text many times is written as CSV in pieces", () => {
  const text = "x".repeat(100_000)
  const wide = new Table(
    Array.from({ length: 300 }, (_, i) => new Column({ name: `c${i}`, kind: "string", length: 1, at: () => text })),
    1
  )
  const sizes = [...TableEncoder.csv(wide)].map((piece) => piece.length)
  assert.ok(sizes.reduce((sum, size) => sum + size, 0) > 30_000_000)
  assert.ok(Math.max(...sizes) < 200_000)
})

/** Pairs of surrogates at odd places, so that pieces of even length would divide them. */
const longText = `a${"\u{1f600}".repeat(300_000)}\ud800`
const longBytes = Uint8Array.from({ length: 1_000_000 }, (_, at) => at % 251)
const columnOf = (name: string, kind: "string" | "bytes" | "int", cells: ReadonlyArray<unknown>) =>
  new Column({ name, kind, length: cells.length, at: (row) => cells[row] })
const longCells = new Table([
  columnOf("i", "int", [1, 2, 3, 4]),
  columnOf("t", "string", [null, longText, null, "x"]),
  columnOf("j", "int", [5, null, 7, 8]),
  columnOf("b", "bytes", [new Uint8Array(2), longBytes, null, longBytes])
], 4)

it.effect.each([
  { format: "Parquet", encode: TableEncoder.parquet },
  { format: "Arrow", encode: TableEncoder.arrow }
])(
  "long texts and bytes are written as $format and read again",
  ({ encode }) =>
    Effect.gen(function*() {
      const bytes = yield* encode(longCells)
      const read = yield* ResultFormat.decode(bytes, { name: "x", maxBytes: 2 ** 26 })
      assert.ok(read instanceof Table)
      const expected = longCells.toRows().map((row) => ({
        ...row,
        // A lone surrogate has no UTF-8.
        t: typeof row["t"] === "string" ? row["t"].replace(/\ud800$/, "\ufffd") : row["t"]
      }))
      assert.isTrue(isDeepStrictEqual(read.toRows(), expected))
      const error = yield* Effect.flip(encode(longCells, { maxBytes: 20_000 }))
      assert.strictEqual(error.reason._tag, "TooLarge")
      const named = new Table([columnOf("n".repeat(1_048_577), "int", [1])], 1)
      assert.include((yield* Effect.flip(encode(named))).message, "too long for Parquet and Arrow")
    })
)

it("a text or bytes of twice the length are written in twice as many steps", () => {
  const steps = (of: (cell: unknown) => Steps<unknown>) => (cell: unknown) => {
    let count = 0
    for (const made = of(cell); made.next().done !== true;) count++
    return count
  }
  const ignore = () => {}
  const asArrow = steps((cell) => longBuffers([cell], ignore))
  const asParquet = steps((cell) => longColumn([cell], (bytes) => bytes, ignore))
  const asCsv = (cell: Uint8Array) =>
    Array.from(TableEncoder.csv(new Table([columnOf("b", "bytes", [cell])], 1))).length
  const half = new Uint8Array(6_000_000)
  const whole = new Uint8Array(12_000_000)
  const text = "t".repeat(12_000_000)
  assert.isAbove(asArrow(whole), 1)
  assert.isAtLeast(asArrow(text), 2 * asArrow(text.slice(6_000_000)) - 1)
  assert.isAtLeast(asParquet(whole), 2 * asParquet(half) - 1)
  assert.isAtLeast(asParquet(whole), 40)
  assert.isAtLeast(asArrow(text), 11)
  assert.isAtLeast(asCsv(whole), 2 * asCsv(half) - 4)
  assert.isAtLeast(asCsv(whole), 60)
})
