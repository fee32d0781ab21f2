import { assert, describe, it } from "@effect/vitest"
import * as CliOutput from "effect/cli/CliOutput"
import { fit, makeTable } from "../src/internal/table.ts"

const id = "6cdaa6fd-f2a5-5ffe-bdc4-8a5c3feb73d3"
const header = ["FLOW RUN", "STATE", "NAME", "STARTED", "ENDED"]
const row = [id, "Running", "a rather long name, \u{1F600} and 漢字", "2022-03-01 12:00:00", "2022-03-01 12:01:21"]
const plain = (text: string) => text

const flexible = (wanted: number) => ({ wanted, least: Math.min(8, wanted), optional: false })
const whole = (wanted: number) => ({ wanted, least: wanted, optional: false })

describe("a table", () => {
  for (const columns of [200, 100, 80, 60, 45, 30]) {
    it(`fits ${columns} columns`, () => {
      const lines = makeTable(header, columns)([row.map((text) => ({ text }))], plain).split("\n")
      for (const line of lines) assert.isAtMost(CliOutput.displayWidth(line), columns, line)
    })
  }

  it("cuts nothing in a pipe, and keeps ids whole where there is room for one", () => {
    const cells = [[...row.slice(0, 4), "x".repeat(500)].map((text) => ({ text }))]
    assert.include(makeTable(header, undefined)(cells, plain), "x".repeat(500))
    assert.include(makeTable(header, 60)(cells, plain), id)
  })

  it("keeps its widths for the rows that follow", () => {
    const table = makeTable(["A", "B"], undefined)
    table([[{ text: "long text" }, { text: "1" }]], plain)
    assert.strictEqual(table([[{ text: "x" }, { text: "2" }]], plain), "x          2\n")
  })

  it("shows control characters as spaces: what was stored may hold any", () => {
    assert.notInclude(makeTable(["A"], undefined)([[{ text: "\u001b[31mred\nnext" }]], plain), "\u001b")
  })

  it("gives what there is when it is enough", () => {
    assert.deepStrictEqual(fit([flexible(10), flexible(20)], 80), [10, 20])
  })

  it("leaves out what is optional, and then what is to the right, before it cuts a time or an id", () => {
    const all = [whole(36), whole(7), flexible(10), { ...flexible(14), optional: true }, whole(19), whole(8)]
    assert.deepStrictEqual(fit(all, 104), [36, 7, 10, 14, 19, 8])
    assert.deepStrictEqual(fit(all, 96), [36, 7, 8, 8, 19, 8])
    assert.deepStrictEqual(fit(all, 94), [36, 7, 10, undefined, 19, 8])
    assert.deepStrictEqual(fit(all, 80), [36, 7, 10, undefined, 19, undefined])
    assert.deepStrictEqual(fit(all, 60), [36, 7, 10, undefined, undefined, undefined])
    assert.deepStrictEqual(fit(all, 30), [21, 7, undefined, undefined, undefined, undefined])
  })
})
