import { assert, describe, it } from "@effect/vitest"
import type { HelpDoc } from "effect/cli/HelpDoc"
import * as Context from "effect/Context"
import * as Option from "effect/Option"
import { format } from "../src/internal/help.ts"
import { run } from "./support.ts"

const flag = (name: string, type: string, description: string) => ({
  name,
  aliases: [],
  type,
  description: Option.some(description),
  required: false
})

const doc: HelpDoc = {
  description: "Describes a thing in more words than a narrow terminal has columns for, so that they wrap",
  usage: "program thing [flags]",
  annotations: Context.empty(),
  flags: [flag("short", "boolean", "One line"), flag("a-name-longer-than-its-column", "PLACE", "Below its name")],
  globalFlags: [
    flag("wizard", "boolean", "Never shown"),
    flag("log-level", "<all|trace|debug|info|warn>", "Sets it (choices: all, trace, debug, info, warn)")
  ]
}

describe("help", () => {
  for (const columns of [40, 60, 80, 130]) {
    it(`fits ${columns} columns`, () => {
      const text = format(doc, { columns, colors: false })
      for (const line of text.split("\n")) assert.isAtMost(line.length, columns, line)
    })
  }

  it("has the flags of every command last, without those that make no sense, choices said once", () => {
    const text = format(doc, { columns: 80, colors: false })
    assert.isAbove(text.indexOf("FLAGS OF EVERY COMMAND"), text.indexOf("--short"))
    assert.notInclude(text, "wizard")
    assert.include(text, "--log-level VALUE")
    assert.strictEqual(text.split("all, trace, debug, info, warn").length, 2)
  })

  it("of the command itself is printed to standard output", async () => {
    const { code, stderr, stdout } = await run(["flow-run", "list", "--help"])
    assert.deepStrictEqual([code, stderr], [0, ""])
    assert.match(stdout, /^List flow runs, newest first\n/)
    assert.notInclude(stdout, "\u001b")
  })
})
