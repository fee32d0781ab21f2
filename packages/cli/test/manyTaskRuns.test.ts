import { assert, it } from "@effect/vitest"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { run } from "./support.ts"

const idOf = (prefix: string, n: number) => `${prefix}-0000-4000-8000-${n.toString(16).padStart(12, "0")}`
const flowRunId = idOf("f0000000", 0)

/** An archive whose task runs started in the reverse of their order. */
const archiveOf = (count: number): string => {
  const directory = mkdtempSync(join(tmpdir(), "many-"))
  const write = (table: string, rows: ReadonlyArray<object>) =>
    writeFileSync(join(directory, "tables", `${table}.jsonl`), rows.map((row) => `${JSON.stringify(row)}\n`).join(""))
  mkdirSync(join(directory, "tables"))
  write("flow_run", [{ id: flowRunId, name: "run" }])
  write("task", [{ id: idOf("a0000000", 0), slug: "extract-1" }])
  write(
    "task_run",
    Array.from({ length: count }, (_, n) => ({
      id: idOf("00000000", n),
      flow_run_id: flowRunId,
      task_id: idOf("a0000000", 0),
      map_index: n,
      start_time: new Date(Date.UTC(2022, 0, 1) - n * 1000).toISOString(),
      serialized_state: { type: n % 2 === 0 ? "Success" : "Failed" }
    }))
  )
  return directory
}

const idsIn = (text: string) => text.match(/^[0-9a-f-]{36}/gm) ?? []

it("more than 10 000 task runs are printed as they come, each with its times", async () => {
  const directory = archiveOf(10_001)
  try {
    const { stderr, stdout } = await run(["flow-run", "task-runs", flowRunId, "--archive", directory, "--utc"])
    assert.deepStrictEqual(idsIn(stdout), Array.from({ length: 10_001 }, (_, n) => idOf("00000000", n)))
    assert.include(stdout, "2021-12-31 23:59:55")
    assert.match(stderr, /^more than 10000 task runs: [^\n]*\n$/)
    const failed = await run([
      "flow-run",
      "task-runs",
      flowRunId,
      "--archive",
      directory,
      "--utc",
      "--state",
      "Failed"
    ])
    assert.strictEqual(idsIn(failed.stdout).length, 5000)
    assert.match(failed.stdout, new RegExp(`^${idOf("00000000", 5)} .*2021-12-31 23:59:55`, "m"))
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})

it("10 000 task runs are printed in the order in which they started", async () => {
  const directory = archiveOf(10_000)
  try {
    const { stderr, stdout } = await run(["flow-run", "task-runs", flowRunId, "--archive", directory])
    assert.strictEqual(stderr, "")
    assert.deepStrictEqual(
      idsIn(stdout),
      Array.from({ length: 10_000 }, (_, n) => idOf("00000000", 9_999 - n))
    )
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})
