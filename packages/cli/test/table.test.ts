import type { LogEntry } from "@effect-prefect/core/LogEntry"
import { assert, describe, it } from "@effect/vitest"
import * as CliOutput from "effect/cli/CliOutput"
import { vi } from "vitest"
import { style } from "../src/internal/colors.ts"
import * as Logs from "../src/internal/logs.ts"
import * as Render from "../src/internal/render.ts"
import { beginning, fit, makeTable as tableOf, width } from "../src/internal/table.ts"
import * as Times from "../src/internal/times.ts"

const id = "6cdaa6fd-f2a5-5ffe-bdc4-8a5c3feb73d3"
const header = ["FLOW RUN", "STATE", "NAME", "STARTED", "ENDED"]
const row = [id, "Running", "a rather long name, \u{1F600} and 漢字", "2022-03-01 12:00:00", "2022-03-01 12:01:21"]
const plain = (text: string) => text

const makeTable = (...options: Parameters<typeof tableOf>) => {
  const pieces = tableOf(...options)
  return (...rows: Parameters<typeof pieces>) => Array.from(pieces(...rows)).join("")
}

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

describe("a text of millions of characters", () => {
  const most = 16_384
  const units = { ascii: "x", words: "é ", "two columns": "漢", marks: "\u0301", joined: "👩‍👩‍👧‍👦", controls: "\u0001" }

  it("is cut before anything else is done with it, and says by how much", () => {
    assert.strictEqual(beginning("x".repeat(most)), "x".repeat(most))
    assert.strictEqual(beginning("x".repeat(20_000)), `${"x".repeat(most)}… (3616 more characters: --json shows them)`)
    // No character is divided.
    assert.strictEqual(beginning(`x${"😀".repeat(2)}`, 2), "x… (4 more characters: --json shows them)")
  })

  for (const [what, unit] of Object.entries(units)) {
    const text = unit.repeat(2_000_000 / unit.length)
    it(`${what}: little of it is looked at and shown on a terminal`, () => {
      const columns = 80
      let looked = 0
      const looking = (owner: object, name: string) => {
        const method = Reflect.get(owner, name) as (...args: ReadonlyArray<unknown>) => unknown
        return vi.spyOn(owner as Record<string, typeof method>, name).mockImplementation(
          function(this: unknown, ...args) {
            looked += typeof this === "string" ? this.length : String(args[0]).length
            return method.apply(this, args)
          }
        )
      }
      const spies = [looking(String.prototype, "replace"), looking(Intl.Segmenter.prototype, "segment")]
      const shown: Array<string> = []
      try {
        const entry: LogEntry = {
          id: "1",
          flowRunId: null,
          level: "INFO",
          message: text,
          timestamp: "2022-03-01T12:00:00Z"
        }
        shown.push(
          ...tableOf(["A", "B"], columns)([[{ text }, { text }]], plain),
          Render.fields([["a", text]], style("none"), columns),
          Logs.text(entry, Times.make({ utc: true }), style("none"), columns)
        )
      } finally {
        for (const spy of spies) spy.mockRestore()
      }
      assert.isAtMost(looked, 20 * most)
      for (const each of shown) assert.isAtMost(each.length, 4 * most)
    })
  }

  it("is whole in a pipe: a message of the log, and the last column", () => {
    const message = "漢 ".repeat(20_000)
    const entry: LogEntry = { id: "1", flowRunId: null, level: "INFO", message, timestamp: "2022-03-01T12:00:00Z" }
    assert.include(Logs.text(entry, Times.make({ utc: true }), style("none"), undefined), message)
    assert.include(makeTable(["A", "B"], undefined)([[{ text: "a" }, { text: message }]], plain), message.trimEnd())
  })

  it("of many rows is written in pieces", () => {
    const rows = Array.from({ length: 100 }, () => [{ text: "漢".repeat(2_000_000) }])
    const pieces = [...tableOf(["A"], undefined)(rows, plain)]
    assert.isAtLeast(pieces.length, 30)
  })
})

it("letters that are taken for one column each are that", () => {
  const letters = Array.from({ length: 0x450 - 0xc0 }, (_, at) => String.fromCharCode(0xc0 + at))
  assert.deepStrictEqual(letters.map(width), letters.map((letter) => CliOutput.displayWidth(letter)))
})
