/** Lists that only decoders see are in blocks when they are long: an array would be copied as a whole as it grows. */
import { assert, describe, it } from "@effect/vitest"
import { isDeepStrictEqual } from "node:util"
import { blockLength, Blocks } from "../src/internal/blocks.ts"
import { exactJsonSteps, orderedJsonSteps } from "../src/internal/json.ts"
import { readPandasJson } from "../src/internal/readers/pandasJson.ts"
import { toEnd } from "../src/internal/steps.ts"

const length = blockLength + 3
const ids = Array.from({ length }, (_, at) => at)
const names = ["id", "half", "text", "sparse", "nested"]
const rows = ids.map((at) => [at, at / 2, `t${at}`, at % 7 === 0 ? null : at, at === length - 1 ? ids : [at]])
const valuesOf = (column: number) => rows.map((row) => row[column])

const objectOf = (values: ReadonlyArray<unknown>) => Object.fromEntries(names.map((name, at) => [name, values[at]]))
const records = () => rows.map(objectOf)

describe("long lists of pandas JSON", () => {
  it("are blocks where a table is made of them, and arrays where they are the value", () => {
    const text = [JSON.stringify(ids)]
    const [blocks, array] = [toEnd(orderedJsonSteps(text)), toEnd(exactJsonSteps(text))]
    assert.isTrue("value" in blocks && blocks.value instanceof Blocks && isDeepStrictEqual([...blocks.value], ids))
    assert.isTrue("value" in array && isDeepStrictEqual(array.value, ids))
  })

  it.each([
    ["rows", () => rows, ["0", "1", "2", "3", "4"]],
    ["split", () => ({ columns: names, index: ids, data: rows }), names],
    ["records", records, names],
    ["columns", () => objectOf(names.map((_, at) => Object.fromEntries(valuesOf(at).entries()))), names],
    ["lists", () => objectOf(names.map((_, at) => valuesOf(at))), names],
    ["table", () => ({ schema: { fields: names.map((name) => ({ name })) }, data: records() }), names]
  ])("are read as the columns that they are: %s", (_, make, expected) => {
    const table = toEnd(readPandasJson([JSON.stringify(make())]))
    assert.deepStrictEqual(table.columns.map(({ name }) => name), expected)
    assert.strictEqual(table.numRows, length)
    assert.lengthOf(table.index, 0)
    for (const [at, column] of table.columns.entries()) {
      assert.isTrue(isDeepStrictEqual(column.toArray(), valuesOf(at)), column.name)
      assert.isNull(column.at(-1))
      assert.isNull(column.at(length))
    }
  })
})
