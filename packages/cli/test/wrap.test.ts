import * as LogEntry from "@effect-prefect/core/LogEntry"
import { assert, describe, it } from "@effect/vitest"
import * as CliOutput from "effect/cli/CliOutput"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { vi } from "vitest"
import { style } from "../src/internal/colors.ts"
import * as Logs from "../src/internal/logs.ts"
import { backendFlags, nextCommands, shortId } from "../src/internal/nextCommands.ts"
import * as Render from "../src/internal/render.ts"
import * as Settings from "../src/internal/settings.ts"
import { cut, makeTable, width } from "../src/internal/table.ts"
import * as Times from "../src/internal/times.ts"
import { wrap, wrapCells } from "../src/internal/wrap.ts"

const plain = style("none")

describe("wrapping", () => {
  it("breaks at spaces, and a word that is too long where it has to", () => {
    assert.deepStrictEqual(wrap("one two three", 8), ["one two", "three"])
    assert.deepStrictEqual(wrap("abcdefghijklmnop", 8), ["abcdefgh", "ijklmnop"])
    assert.deepStrictEqual(wrap("a abcdefghijklmnop b", 8), ["a", "abcdefgh", "ijklmnop", "b"])
    assert.deepStrictEqual(wrap("", 8), [""])
    assert.deepStrictEqual(wrap("Failed  two spaces stay", 80), ["Failed  two spaces stay"])
  })

  it("keeps every character, and no line is wider than the terminal, whatever the script", () => {
    const texts = ["漢字漢字漢字 漢字", "👩‍👩‍👧‍👦 family 👩‍👩‍👧‍👦", "é́ combining ñ", "x".repeat(50), "a b c d e f g h i j k l m n"]
    for (const text of texts) {
      for (const columns of [8, 11, 20, 60]) {
        const lines = wrap(text, columns)
        assert.strictEqual(lines.join("").replaceAll(" ", ""), text.replaceAll(" ", ""))
        for (const line of lines) assert.isAtMost(CliOutput.displayWidth(line), columns, line)
      }
    }
  })

  /** How many characters are looked at, each as often as it is: in strings that are segmented or tested. */
  const looks = (work: () => void): number => {
    let count = 0
    const counting = (owner: object, name: string) => {
      const method = Reflect.get(owner, name) as (text: string) => unknown
      return vi.spyOn(owner as Record<string, typeof method>, name).mockImplementation(function(this: unknown, text) {
        count += text.length
        return method.call(this, text)
      })
    }
    const spies = [counting(Intl.Segmenter.prototype, "segment"), counting(RegExp.prototype, "test")]
    try {
      work()
    } finally {
      for (const spy of spies) spy.mockRestore()
    }
    return count
  }

  it("looks at the text in proportion to its length, whatever its script, its words and the terminal", () => {
    const texts: Record<string, string> = {
      ascii: "x",
      "two columns": "漢",
      "two bytes": "é",
      "one base, many marks": "\u0301",
      "joined": "👩‍👩‍👧‍👦",
      words: "é é "
    }
    for (const [kind, unit] of Object.entries(texts)) {
      for (const columns of [8, 65_535]) {
        const of = (length: number) => {
          const text = `a${unit.repeat(length / unit.length)}`
          return looks(() => {
            const lines = wrap(text, columns)
            cut(text, columns)
            width(text)
            Array.from(makeTable(["NAME", "TEXT"], columns)([[{ text }, { text }]], String))
            assert.strictEqual(lines.join("").replaceAll(" ", ""), text.replaceAll(" ", ""), kind)
          })
        }
        const [few, many] = [of(1_500), of(6_000)]
        assert.isAbove(few, 1_500, kind)
        // In proportion to the square of the length it would be sixteen times as many.
        assert.isAtMost(many, 6 * few, `${kind}, ${columns} columns`)
      }
    }
  })

  it("paints each part by itself", () => {
    const red = (text: string) => `<${text}>`
    assert.deepStrictEqual(wrapCells([{ text: "87 " }, { text: "Success", paint: red }, { text: ", 1 " }], 80), [
      "87 <Success>, 1"
    ])
  })

  it("continues long values below their beginning, but on a very narrow terminal", () => {
    const rows = [["state", "Failed because of what was before"], ["id", "x"]] as const
    assert.strictEqual(
      Render.fields(rows, plain, 31),
      "state  Failed because of what\n       was before\nid     x\n"
    )
    for (const columns of [undefined, 20]) {
      assert.strictEqual(Render.fields(rows, plain, columns), "state  Failed because of what was before\nid     x\n")
    }
  })
})

describe("a log entry", () => {
  const entry = Schema.decodeUnknownSync(LogEntry.FromRow)({
    id: "1",
    flow_run_id: null,
    timestamp: "2022-03-01T12:00:00+00:00",
    level: "ERROR",
    message: "Traceback:\n  File \"x.py\"\r\nValueError\n"
  })
  const times = Times.make({ utc: true })

  it("keeps the lines of a traceback on a terminal, and is one line in a pipe", () => {
    assert.deepStrictEqual(Logs.text(entry, times, plain, 80).split("\n").map((line) => line.trim()), [
      "2022-03-01 12:00:00  ERROR      Traceback:",
      "File \"x.py\"",
      "ValueError",
      ""
    ])
    assert.strictEqual(Logs.text(entry, times, plain, undefined).split("\n").length, 2)
  })
})

describe("what is suggested next", () => {
  it("is short where the beginning of an id is enough, and names the backend again, but no secret", () => {
    assert.strictEqual(shortId("6cdaa6fd-f2a5-5ffe-bdc4-8a5c3feb73d3"), "6cdaa6fd")
    const timed = "019ab2c3-f2a5-7ffe-bdc4-8a5c3feb73d3"
    assert.strictEqual(shortId(timed), timed)
    const flags = { ...Settings.none, archive: Option.some("my archive"), profile: Option.none() }
    assert.strictEqual(backendFlags(flags), " --archive 'my archive'")
    assert.strictEqual(backendFlags({ ...Settings.none, api: Option.some("http://me:pw@host") }), "")
  })

  it("stands beside its command where there is room, else above it", () => {
    const commands = [["effect-prefect flow-run task-runs 6cdaa6fd", "every task run"]] as const
    assert.strictEqual(
      nextCommands(commands, plain, 80),
      "\nNext\n  effect-prefect flow-run task-runs 6cdaa6fd  every task run\n"
    )
    assert.strictEqual(
      nextCommands(commands, plain, 50),
      "\nNext\n  # every task run\n  effect-prefect flow-run task-runs 6cdaa6fd\n"
    )
  })
})
