/** Objects of very many keys in pandas JSON are what Maps of them would be, and no Map grows with them. */
import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import type { Table } from "@effect-prefect/formats/Table"
import { assert, describe, it, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { blockLength } from "../src/internal/blocks.ts"
import { readPandasJson } from "../src/internal/readers/pandasJson.ts"

const decode = (text: string) =>
  Effect.map(
    ResultFormat.decode(new TextEncoder().encode(text), { name: "x", maxBytes: 2 ** 28, format: "pandas-json" }),
    (table) => table as Table
  )

const count = 3 * blockLength
const label = (at: number) => `row ${at}`
const object = (keys: ReadonlyArray<string>, value: (at: number) => unknown): string =>
  `{${keys.map((key, at) => `${JSON.stringify(key)}:${JSON.stringify(value(at))}`).join(",")}}`
const labels = Array.from({ length: count }, (_, at) => label(at))

/** The rows by pandas' rules: the different keys of all columns in their order, and the last of equal keys. */
const expected = (columns: Readonly<Record<string, ReadonlyArray<readonly [string, unknown]>>>) => {
  const maps = Object.entries(columns).map(([name, pairs]) => [name, new Map(pairs)] as const)
  const rows = [...new Set(maps.flatMap(([, map]) => [...map.keys()]))]
  return rows.map((row) => [row, ...maps.map(([, map]) => map.get(row) ?? null)])
}

const rowsOf = (table: Table) =>
  Array.from({ length: table.numRows }, (_, at) => [
    table.index[0]?.at(at),
    ...table.columns.map((column) => {
      const cell = column.at(at)
      return cell !== cell ? null : cell
    })
  ])

describe("a column of very many labels", () => {
  const pairs = (keys: ReadonlyArray<string>, from = 0) => keys.map((key, at) => [key, at + from] as const)
  const cases: Readonly<Record<string, ReadonlyArray<ReadonlyArray<readonly [string, unknown]>>>> = {
    "with those of the column before it": [pairs(labels), pairs(labels, 7)],
    "with other ones from a place on": [
      pairs(labels),
      pairs(labels.map((key, at) => at < 2 * blockLength ? key : `${key}!`))
    ],
    "with fewer": [pairs(labels), pairs(labels.slice(0, -5)), pairs(labels)],
    "with more": [pairs(labels.slice(0, -5)), pairs(labels), pairs(labels.slice(0, -5))],
    "in another order": [pairs(labels), pairs(labels.toReversed())],
    "with a label twice": [pairs(labels), pairs([...labels, label(5), label(count - 1)]), pairs(labels)],
    "with a label twice where the next one is due": [
      pairs(labels),
      pairs([...labels.slice(0, blockLength), label(5), ...labels.slice(blockLength)])
    ],
    "that are escaped, empty or long": [
      pairs(labels.map((key, at) => at % 3 === 0 ? `"${key}\\` : at % 3 === 1 ? `${key} of many characters` : key)),
      pairs([...labels, "", "é😀", "\u0001"])
    ],
    "beside one of few": [pairs(labels.slice(0, 3)), pairs(labels), pairs(labels.slice(7, 9))]
  }
  for (const [name, columns] of Object.entries(cases)) {
    it.effect(name, () =>
      Effect.gen(function*() {
        const text = `{${
          columns.map((column, at) => `"c${at}": ${object(column.map(([key]) => key), (row) => column[row]![1])}`).join(
            " ,\n"
          )
        }}`
        const table = yield* decode(text)
        assert.deepStrictEqual(
          rowsOf(table),
          expected(Object.fromEntries(columns.map((column, at) => [`c${at}`, column])))
        )
      }))
  }

  it.effect("is not in one Map", () =>
    Effect.gen(function*() {
      const real = Map.prototype.set
      let most = 0
      const set = vi.spyOn(Map.prototype, "set").mockImplementation(function(this: Map<unknown, unknown>, key, value) {
        real.call(this, key, value)
        most = Math.max(most, this.size)
        return this
      })
      const keys = Array.from({ length: 60_000 }, (_, at) => `${at}`)
      const column = object(keys, (at) => at)
      const table = yield* Effect.ensuring(
        decode(`{"a":${column},"b":${column}}`),
        Effect.sync(() => set.mockRestore())
      )
      assert.deepStrictEqual([table.numRows, table.index.length, table.columns[1]!.at(59_999)], [60_000, 0, 59_999])
      assert.isAtMost(most, blockLength)
    }))
})

it("a table of very many columns is made of few cells in each step", () => {
  const text = `{${Array.from({ length: 30_000 }, (_, at) => `"${at}":{"a":${at},"b":null}`).join(",")}}`
  const get = vi.spyOn(Map.prototype, "get")
  try {
    const steps = readPandasJson([text])
    let most = 0
    let before = 0
    for (let step = steps.next(); step.done !== true; step = steps.next()) {
      most = Math.max(most, get.mock.calls.length - before)
      before = get.mock.calls.length
    }
    assert.isAtLeast(before, 60_000)
    assert.isAtMost(most, 20_000)
  } finally {
    get.mockRestore()
  }
})

it.effect("a table of very many columns has their names in their order", () =>
  Effect.gen(function*() {
    const table = yield* decode(`{${labels.map((name, at) => `"${name}":{"a":${at},"b":${at + 1}}`).join(",")}}`)
    assert.deepStrictEqual(table.columnNames, labels)
    assert.deepStrictEqual(rowsOf(table)[1], ["b", ...labels.map((_, at) => at + 1)])
  }))

it.effect("a square table, whose rows have the names of its columns", () =>
  Effect.gen(function*() {
    const names = Array.from({ length: blockLength + 1 }, (_, at) => `n${at}`)
    const inner = object(names, () => 1)
    const few = names.slice(0, -1)
    // The outer object has fewer keys than those it shares.
    const table = yield* decode(`{${few.map((name, at) => `"${name}":${at < 2 ? inner : "{\"n0\":2}"}`).join(",")}}`)
    assert.deepStrictEqual(table.columnNames, few)
    assert.deepStrictEqual([table.numRows, table.columns[7]!.at(0), table.columns[1]!.at(blockLength)], [
      blockLength + 1,
      2,
      1
    ])
  }))

describe("an object that breaks off or is damaged", () => {
  const whole = object(labels, (at) => at)
  for (const end of ["", "}", ",", ",}", ",\"a}", ",\"a\"}", ",\"a\":", ",a:1}", ",\"\u0001\":1}"]) {
    it.effect(JSON.stringify(end), () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(decode(`{"a":${whole.slice(0, -1)}${end}`))
        assert.strictEqual(error.reason._tag, "Undecodable")
      }))
  }
})
