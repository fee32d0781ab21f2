/** A value of a column of pandas is read without all others of it. */
import { Column, DataFrame, Index, loads, Series } from "@effect-prefect/pickle"
import { assert, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"

const folder = (name: string) => new URL(`../../../fixtures/${name}/`, import.meta.url)

const columnsOf = (value: unknown): ReadonlyArray<Column> => {
  if (value instanceof Column) return [value]
  if (value instanceof Series) return [value.column, ...columnsOf(value.index)]
  if (value instanceof Index) return value.levels === null ? [value.column] : value.levels.flatMap(columnsOf)
  if (value instanceof DataFrame) return [...value.data, ...columnsOf(value.index)]
  return []
}

describe("a value at a position", () => {
  it.each(["pickle", "formats/pandas-1.3", "formats/pandas-3"])(
    "of the columns of %s is the same before all values were made and after",
    (name) => {
      const kinds = new Set<string>()
      for (const file of readdirSync(folder(name))) {
        if (!/\.(?:pickle|pkl)$/.test(file)) continue
        const bytes = readFileSync(new URL(file, folder(name)))
        if (!bytes.includes("pandas")) continue
        for (const column of columnsOf(loads(bytes, { encoding: "latin1" }))) {
          kinds.add(column.kind)
          const places = Array.from({ length: column.length }, (_, i) => i)
          const before = places.map((i) => column.at(i))
          assert.strictEqual(column.values.length, column.length, file)
          assert.deepStrictEqual(before, places.map((i) => column.at(i)), file)
        }
      }
      assert.includeMembers([...kinds], ["string", "object", "categorical"])
    }
  )

  it.each(
    [
      [
        "positions",
        [[5, 1.5], [2 ** 28 - 1, 2.5]],
        "gASVmwEAAAAAAACMDXBhbmRhcy5hcnJheXOUjAtTcGFyc2VBcnJheZSTlCmBlH2UKIwNX3NwYXJzZV9pbmRleJSME3BhbmRhcy5f" +
        "bGlicy5zcGFyc2WUjAhJbnRJbmRleJSTlEoAAAAQjBZudW1weS5fY29yZS5tdWx0aWFycmF5lIwMX3JlY29uc3RydWN0lJOUjAVu" +
        "dW1weZSMB25kYXJyYXmUk5RLAIWUQwFilIeUUpQoSwFLAoWUaAyMBWR0eXBllJOUjAJpNJSJiIeUUpQoSwOMATyUTk5OSv////9K" +
        "/////0sAdJRiiUMIBQAAAP///w+UdJRihpRSlIwOX3NwYXJzZV92YWx1ZXOUaAtoDksAhZRoEIeUUpQoSwFLAoWUaBWMAmY4lImI" +
        "h5RSlChLA2gZTk5OSv////9K/////0sAdJRiiUMQAAAAAAAA+D8AAAAAAAAEQJR0lGKMBl9kdHlwZZSMBnBhbmRhc5SMC1NwYXJz" +
        "ZUR0eXBllJOUKYGUfZQoaCpoJowLX2ZpbGxfdmFsdWWURwAAAAAAAAAAdWJ1Yi4="
      ],
      [
        "runs",
        [[5, 1.5], [9, 2.5], [10, 0]],
        "gASVwwEAAAAAAACMDXBhbmRhcy5hcnJheXOUjAtTcGFyc2VBcnJheZSTlCmBlH2UKIwNX3NwYXJzZV9pbmRleJSME3BhbmRhcy5f" +
        "bGlicy5zcGFyc2WUjApCbG9ja0luZGV4lJOUSgAAABCMFm51bXB5Ll9jb3JlLm11bHRpYXJyYXmUjAxfcmVjb25zdHJ1Y3SUk5SM" +
        "BW51bXB5lIwHbmRhcnJheZSTlEsAhZRDAWKUh5RSlChLAUsChZRoDIwFZHR5cGWUk5SMAmk0lImIh5RSlChLA4wBPJROTk5K////" +
        "/0r/////SwB0lGKJQwgFAAAACQAAAJR0lGJoC2gOSwCFlGgQh5RSlChLAUsChZRoGIlDCAEAAAABAAAAlHSUYoeUUpSMDl9zcGFy" +
        "c2VfdmFsdWVzlGgLaA5LAIWUaBCHlFKUKEsBSwKFlGgVjAJmOJSJiIeUUpQoSwNoGU5OTkr/////Sv////9LAHSUYolDEAAAAAAA" +
        "APg/AAAAAAAABECUdJRijAZfZHR5cGWUjAZwYW5kYXOUjAtTcGFyc2VEdHlwZZSTlCmBlH2UKGgwaCyMC19maWxsX3ZhbHVllEcA" +
        "AAAAAAAAAHVidWIu"
      ]
    ] as const
  )("of a sparse array of 2^28 values by %s needs no room for the others", (_, values, pickle) => {
    const column = loads(Buffer.from(pickle, "base64")) as Column
    assert.strictEqual(column.length, 2 ** 28)
    for (const [at, value] of [[0, 0], [4, 0], [6, 0], [2 ** 27, 0], ...values]) {
      assert.strictEqual(column.at(at!), value)
    }
  })
})
