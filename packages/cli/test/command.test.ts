import { assert, describe, it } from "@effect/vitest"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { archives, run, start } from "./support.ts"

const archive = archives["prefect-1"]
const flowRunId = "6cdaa6fd-f2a5-5ffe-bdc4-8a5c3feb73d3"
const bySlug = (slug: string) => ["--slug", slug, "--flow-run", flowRunId, "--archive", archive]
const summary = bySlug("summary-1")
const broken = bySlug("broken-1")
const score = bySlug("score-1")

describe("listings", () => {
  it("flow list and flow-run list, as tables and as JSON", async () => {
    const flows = (await run(["flow", "list", "--archive", archive, "--json"])).stdout.trim().split("\n")
    assert.sameMembers(flows.map((line) => (JSON.parse(line) as { readonly name: string }).name), [
      "nightly",
      "orders-etl"
    ])
    const runs = await run(["flow-run", "list", "--flow", "nightly", "--archive", archive])
    assert.include(runs.stdout, "nightly-run")
    assert.notInclude(runs.stdout, "orders-etl-run")
    assert.notInclude(runs.stdout, "\u001b")
    const limited = await run(["flow-run", "list", "--limit", "1", "--archive", archive, "--json"])
    assert.strictEqual(limited.stdout.trim().split("\n").length, 1)
    const failed = await run(["flow-run", "list", "--state", "failed", "--archive", archive, "--json"])
    assert.strictEqual((JSON.parse(failed.stdout) as { readonly flow_run_id: string }).flow_run_id, flowRunId)
  })

  it("flow-run show and task-runs", async () => {
    assert.match((await run(["flow-run", "show", flowRunId, "--archive", archive])).stdout, /state +Failed/)
    const views = (await run(["flow-run", "task-runs", flowRunId, "--archive", archive, "--json"])).stdout
    const rows = readFileSync(join(archive, "tables/task_run.jsonl"), "utf8").trim().split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter((row) => row["flow_run_id"] === flowRunId)
    assert.strictEqual(views.trim().split("\n").length, rows.length)
  })

  it("task-run show prints the state as it was stored", async () => {
    const { stdout } = await run(["task-run", "show", ...summary, "--json"])
    const view = JSON.parse(stdout) as Record<string, unknown>
    const row = readFileSync(join(archive, "tables/task_run.jsonl"), "utf8").trim().split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .find((row) => row["id"] === view["task_run_id"])!
    assert.deepStrictEqual(view, {
      task_run_id: row["id"],
      task_id: row["task_id"],
      task_slug: "summary-1",
      name: row["name"],
      state: row["serialized_state"],
      map_index: -1,
      flow_run_id: flowRunId
    })
  })
})

describe("task-run result", () => {
  it("prints the value, the bytes, or writes a file whole", async () => {
    const json = await run(["task-run", "result", ...summary, "--json"])
    assert.deepStrictEqual(Object.keys(JSON.parse(json.stdout) as object), ["orders", "total_cents"])
    const raw = await run(["task-run", "result", ...summary, "--raw"])
    const stored = readFileSync(join(archive, "results/orders-etl/summary-1.json"))
    assert.deepStrictEqual(raw.bytes, stored)
    const folder = mkdtempSync(join(tmpdir(), "effect-prefect-"))
    try {
      const file = join(folder, "out.json")
      const written = await run(["task-run", "result", ...summary, "--raw", "--output", file])
      assert.strictEqual(written.stdout, "")
      assert.deepStrictEqual(readFileSync(file), stored)
      const failed = await run(["task-run", "result", ...broken, "--output", join(folder, "none")])
      assert.strictEqual(failed.code, 1)
      assert.isFalse(existsSync(join(folder, "none")))
      assert.deepStrictEqual(readdirSync(folder), ["out.json"])
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it("fails with one line on standard error and nothing on standard output", async () => {
    const { code, stderr, stdout } = await run(["task-run", "result", ...broken, "--json"])
    assert.strictEqual(code, 1)
    assert.strictEqual(stdout, "")
    assert.strictEqual(stderr.trim().split("\n").length, 1)
    assert.include(stderr, "no stored result")
  })

  it("a child that failed is data", async () => {
    const { code, stdout } = await run(["task-run", "mapped", ...score, "--json"])
    assert.strictEqual(code, 0)
    const children = stdout.trim().split("\n").map((line) => JSON.parse(line) as { readonly map_index: number })
    assert.deepStrictEqual(children.map((child) => child.map_index), Array.from({ length: 24 }, (_, index) => index))
  })
})

describe("usage", () => {
  const wrong: ReadonlyArray<ReadonlyArray<string>> = [
    ["flow", "list"],
    ["flow", "nothing"],
    ["flow", "list", "--archive", archive, "--api", "http://localhost:1"],
    ["flow", "list", "--archive", archive, "--novel"],
    ["flow-run", "show", "--archive", archive],
    ["flow-run", "list", "--archive", archive, "--limit", "0"],
    ["task-run", "show", "--archive", archive],
    ["task-run", "show", "--archive", archive, "--slug", "a"],
    ["task-run", "show", "id", "--archive", archive, "--slug", "a", "--flow-run", "b"],
    ["task-run", "result", ...summary, "--raw", "--json"],
    ["task-run", "result", ...summary, "--mount", "=there"],
    ["task-run", "result", ...summary, "--max-bytes", "-1"],
    ["serve"]
  ]
  it.each(wrong.map((args) => [args]))("%j is wrong: exit 2, nothing on standard output", async (args) => {
    const { code, stderr, stdout } = await run(args)
    assert.strictEqual(code, 2, stderr)
    assert.strictEqual(stdout, "")
    assert.notStrictEqual(stderr, "")
  })

  it("what is not there is exit 1 and one line", async () => {
    for (
      const args of [["flow", "list", "--archive", "/no/such/folder"], ["flow-run", "show", "x", "--archive", archive]]
    ) {
      const { code, stderr, stdout } = await run(args)
      assert.strictEqual(code, 1)
      assert.strictEqual(stdout, "")
      assert.strictEqual(stderr.trim().split("\n").length, 1)
    }
  })

  it("help and the version go to standard output", async () => {
    for (const args of [["--help"], ["task-run", "result", "--help"], ["--version"]]) {
      const { code, stderr, stdout } = await run(args)
      assert.strictEqual(code, 0)
      assert.strictEqual(stderr, "")
      assert.notStrictEqual(stdout, "")
    }
  })

  it("a reader that closes the pipe ends it quietly", async () => {
    await using child = start(["flow-run", "results", flowRunId, "--archive", archive, "--json"])
    child.closeOutput()
    assert.strictEqual(await child.closed, 0)
    assert.strictEqual(child.said.stderr, "")
  })

  it("ends the process with the exit code, and keeps compiled code for its threads", async () => {
    // As where the command chose the cache: no variable of the environment names it.
    const watch = `import { dirname } from "node:path"
      import { getCompileCacheDir } from "node:module"
      delete process.env.NODE_COMPILE_CACHE
      process.on("exit", () => console.log(dirname(getCompileCacheDir() ?? "") === process.env.NODE_COMPILE_CACHE))`
    await using right = start(["flow", "list", "--archive", archive, "--json"], {
      NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(watch)}`
    })
    await using failed = start(["task-run", "result", ...broken, "--json"])
    await using wrong = start(["flow", "nothing"])
    assert.deepStrictEqual([await right.closed, await failed.closed, await wrong.closed], [0, 1, 2])
    assert.match(right.said.stdout, /"name".*\ntrue\n$/)
    assert.deepStrictEqual([failed.said.stdout, wrong.said.stdout], ["", ""])
    assert.include(failed.said.stderr, "no stored result")
    assert.include(wrong.said.stderr, "effect-prefect: ")
  })
})
