import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import { Column, Table } from "@effect-prefect/formats/Table"
import * as TableEncoder from "@effect-prefect/formats/TableEncoder"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { isDeepStrictEqual } from "node:util"

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
