/** A CSV that is read in parts is the table that it is when it is read whole. */
import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import { Table } from "@effect-prefect/formats/Table"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"

const decode = (bytes: Uint8Array) =>
  Effect.map(ResultFormat.decode(bytes, { name: "x.csv", maxBytes: 2 ** 26 }), (value) => {
    assert.instanceOf(value, Table)
    return value
  })

/** Bytes of a part, as the reader has it. */
const part = 0x20000

describe("a CSV in parts", () => {
  const ends = ["\n", "\r\n", "\r"]
  const cells = ["a", "é", "\"q\"\"q\"", "\"line\nline\"", "\"\"", "", "x,€ ".slice(0, 1), "\ufeff"]

  for (const end of ends) {
    it.effect(`lines that end in ${JSON.stringify(end)} are cut anywhere`, () =>
      Effect.gen(function*() {
        for (let shift = 0; shift < 24; shift++) {
          const padding = `${"p".repeat(part - 40 + shift)},1`
          const row = cells.join(",")
          const head = cells.map((_, i) => `c${i}`).join(",")
          const table = yield* decode(
            Buffer.from([head, `${padding}${",".repeat(cells.length - 2)}`, row, row, row].join(end))
          )
          assert.strictEqual(table.numRows, 4)
          for (let at = 1; at < 4; at++) {
            assert.deepStrictEqual(Object.values(table.row(at)!), [
              "a",
              "é",
              "q\"q",
              "line\nline",
              null,
              null,
              "x",
              "\ufeff"
            ])
          }
        }
      }))
  }

  it.effect("a line longer than a part, and one longer than all parts before", () =>
    Effect.gen(function*() {
      const long = `"${"x\n".repeat(part * 3)}"`
      const table = yield* decode(Buffer.from(`a,b\n1,${long}\n2,y\n`))
      assert.deepStrictEqual(table.columns.map(({ kind }) => kind), ["int", "string"])
      assert.strictEqual(table.row(0)!["b"], "x\n".repeat(part * 3))
      assert.strictEqual(table.row(1)!["b"], "y")
    }))

  it.effect("bytes that are no UTF-8, wherever they are", () =>
    Effect.gen(function*() {
      for (const bad of ["\x80".repeat(part * 3), "\xe2\x82", "\xff"]) {
        const error = yield* Effect.flip(decode(Buffer.from(`a\n${"x\n".repeat(part)}${bad}`, "latin1")))
        assert.match(error.message, /not UTF-8/)
      }
    }))

  it.effect("a quote that is never closed: the row is named", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(decode(Buffer.from(`a\n${"x\n".repeat(part)}"${"y\n".repeat(part)}`)))
      assert.match(error.message, new RegExp(`in row ${part + 1}\\b`))
    }))
})
