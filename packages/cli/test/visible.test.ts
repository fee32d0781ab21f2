import { assert, describe, it } from "@effect/vitest"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { onTestFinished } from "vitest"
import { style } from "../src/internal/colors.ts"
import { own, visible } from "../src/internal/terminal.ts"
import { run as effectPrefect } from "./support.ts"

const hostile = "x\nFORGED x\u001b]52;c;ZXZpbA==\u0007\u001b[2J\r\u009b31m\u202e\u2066\u200f\u0000y"
// oxlint-disable-next-line no-control-regex -- these are what it looks for
const acted = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\u200f]/

describe("visible", () => {
  it("shows what a terminal would act on, and keeps lines and tabs", () => {
    assert.strictEqual(visible("a\tb\nc"), "a\tb\nc")
    assert.strictEqual(
      visible(hostile),
      "x\nFORGED x\\u001b]52;c;ZXZpbA==\\u0007\\u001b[2J\\u000d\\u009b31m\\u202e\\u2066\\u200f\\u0000y"
    )
  })

  it("lets through sequences of the command's own, whatever text they colour", () => {
    assert.strictEqual(visible(own("\r\u001b[2K")), "\r\u001b[2K")
    assert.strictEqual(visible(style("basic").red("\u001b[31mx")), "\u001b[31m\\u001b[31mx\u001b[39m")
  })

  it("leaves JSON the same JSON", () => {
    const value = { [hostile]: [hostile, "\u2028"] }
    assert.deepStrictEqual(JSON.parse(visible(JSON.stringify(value))), value)
  })

  it("takes no text for a sequence of its own", () => {
    const other = own("\u001b[31m").replace(/[0-9a-f]{24}/, "0".repeat(24))
    assert.strictEqual(visible(other), other)
  })
})

describe("an archive with hostile texts", () => {
  const id = "00000000-0000-4000-8000-000000000001"
  const run = "aaaaaaaa-0000-4000-8000-000000000001"
  const archive = () => {
    const directory = mkdtempSync(join(tmpdir(), "visible-"))
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
    mkdirSync(join(directory, "tables"))
    const state = {
      type: hostile,
      message: hostile,
      _result: { type: "LocalResult", location: hostile, dir: hostile }
    }
    const tables: Record<string, ReadonlyArray<object>> = {
      task_run: [{ id, name: hostile, flow_run_id: run, task_id: hostile, map_index: -1, serialized_state: state }],
      flow_run: [{
        id: run,
        name: hostile,
        flow_id: hostile,
        parameters: { [hostile]: hostile },
        serialized_state: state
      }],
      flow: [{ id: "cccccccc-0000-4000-8000-000000000001", name: hostile }],
      log: [{ id, flow_run_id: run, level: hostile, message: hostile, timestamp: hostile, name: hostile }]
    }
    for (const [name, rows] of Object.entries(tables)) {
      const lines = rows.map((row) => `${JSON.stringify(row)}\n`).join("")
      writeFileSync(join(directory, "tables", `${name}.jsonl`), `${lines}{"${hostile}\n`)
    }
    writeFileSync(join(directory, "mounts.json"), JSON.stringify({ [hostile]: hostile }))
    return directory
  }

  it("reaches the terminal by no command, neither its answers nor its errors", async () => {
    const flags = ["--archive", archive()]
    const commands = [
      ["flow", "list"],
      ["flow-run", "list"],
      ["flow-run", "show", run],
      ["flow-run", "task-runs", run],
      ["flow-run", "results", run],
      ["flow-run", "logs", run],
      ["flow-run", "states", run],
      ["task-run", "show", id],
      ["task-run", "result", id],
      ["task-run", "show", hostile],
      ["flow-run", "list", "--state", hostile]
    ]
    for (const command of commands) {
      const { stderr, stdout } = await effectPrefect([...command, ...flags])
      assert.notMatch(stdout, acted, command.join(" "))
      assert.notMatch(stderr, acted, command.join(" "))
      // A message of a log has the lines that it has.
      if (command[1] !== "logs") assert.notMatch(`${stdout}\n${stderr}`, /^\s*FORGED/m, command.join(" "))
      assert.isAbove(stdout.length + stderr.length, 0, command.join(" "))
    }
  })
})
