import { assert, describe, it } from "@effect/vitest"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { archives, run } from "./support.ts"

const latest = "orders-etl/latest"
const here = (...args: ReadonlyArray<string>) => run([...args, "--archive", archives["prefect-1"]])
const objects = (stdout: string) =>
  stdout.trimEnd().split("\n").map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>)

describe("flow-run show", () => {
  it("tells how the run went, what failed first, and what to run next", async () => {
    const { stdout } = await here("flow-run", "show", latest, "--utc")
    assert.match(stdout, /flow +orders-etl\n/)
    assert.match(stdout, /started +2022-03-01 12:00:00 UTC/)
    assert.match(stdout, /duration +1m 21s\n/)
    assert.match(stdout, /task runs +87 Success, 4 Mapped, 3 Failed, 1 TriggerFailed, 1 Skipped\n/)
    const failures = stdout.slice(stdout.indexOf("Task runs that failed"))
    assert.isBelow(failures.indexOf("  broken-1 "), failures.indexOf("  after_broken-1  TriggerFailed"))
    assert.notStrictEqual(failures.indexOf("  broken-1 "), -1)
    const commands = [...failures.matchAll(/^ {2}effect-prefect (.+?) {2}/gm)].map(([, command]) => command!.trim())
    assert.strictEqual(commands.length, 4)
    // As they stand, for the backend that was named.
    for (const command of commands) assert.strictEqual((await run(command.split(" "))).code, 0, command)
  })
})

describe("listings", () => {
  it("flow-run list by time, label and order", async () => {
    const list = async (...flags: ReadonlyArray<string>) => {
      const { code, stderr, stdout } = await here("flow-run", "list", "--json", ...flags)
      assert.strictEqual(code, 0, stderr)
      return stdout === "" ? [] : objects(stdout).map(({ name }) => name)
    }
    assert.deepStrictEqual(await list("--sort", "name"), ["nightly-run", "orders-etl-run"])
    assert.deepStrictEqual(await list("--sort", "longest", "--limit", "1"), ["orders-etl-run"])
    assert.sameMembers(await list("--since", "2022-03-01T12:00Z"), ["nightly-run", "orders-etl-run"])
    assert.deepStrictEqual(await list("--since", "2022-03-01T12:00:01Z"), [])
    assert.deepStrictEqual(await list("--until", "2022-03-01T12:00Z"), [])
    assert.deepStrictEqual(await list("--label", "no-such-label"), [])
  })

  it("task-runs in the order in which they ran, by state, slug and mapping", async () => {
    const { stdout } = await here("flow-run", "task-runs", latest, "--utc")
    const starts = stdout.split("\n").slice(1).flatMap((line) => /2022-\d\d-\d\d \d\d:\d\d:\d\d/.exec(line)?.[0] ?? [])
    assert.isAbove(starts.length, 90)
    assert.deepStrictEqual(starts, [...starts].sort())
    const of = async (...flags: ReadonlyArray<string>) =>
      objects((await here("flow-run", "task-runs", latest, "--json", ...flags)).stdout)
    assert.lengthOf(await of("--state", "failed"), 3)
    assert.lengthOf(await of("--state", "failed", "--no-mapped"), 2)
    assert.lengthOf(await of("--slug", "score-1", "--mapped"), 24)
  })

  it("task-run list across the runs of a flow, or in one", async () => {
    const failed = objects(
      (await here("task-run", "list", "--flow", "orders-etl", "--state", "Failed", "--json")).stdout
    )
    assert.sameMembers(failed.map(({ task_slug }) => task_slug), ["secret-1", "broken-1", "score-1"])
    const one = objects((await here("task-run", "list", "--flow-run", latest, "--limit", "1", "--json")).stdout)
    assert.lengthOf(one, 1)
  })

  it("states of a flow run and of a task run, oldest first", async () => {
    const flowRun = objects((await here("flow-run", "states", latest, "--json")).stdout)
    const types = (rows: ReadonlyArray<Readonly<Record<string, unknown>>>) =>
      rows.map(({ state }) => (state as { readonly type: string }).type)
    assert.deepStrictEqual(types(flowRun), ["Scheduled", "Submitted", "Running", "Failed"])
    const taskRun = await here("task-run", "states", "--slug", "flaky-1", "--flow-run", latest, "--json")
    assert.deepStrictEqual(types(objects(taskRun.stdout)), ["Pending", "Running", "Retrying", "Running", "Success"])
  })

  it("logs: the last lines, the newest first, levels in any case", async () => {
    const all = objects((await here("flow-run", "logs", latest, "--json")).stdout)
    const two = objects((await here("flow-run", "logs", latest, "--tail", "2", "--reverse", "--json")).stdout)
    assert.deepStrictEqual(two, all.slice(-2).reverse())
    for (const level of ["warn", "WARNING"]) {
      const { code, stderr } = await here("flow-run", "logs", latest, "--level", level)
      assert.strictEqual(code, 0, stderr)
    }
    const none = await here("flow-run", "logs", latest, "--tail", "0")
    assert.strictEqual(none.code, 2)
  })

  it("artifacts say when there are none", async () => {
    assert.strictEqual((await here("flow-run", "artifacts", latest)).stdout, "no artifacts\n")
  })
})

describe("results of many task runs as rows", () => {
  it("CSV has the columns of collected parts, a row for each line of --json", async () => {
    const csv = (await here("flow-run", "results", latest, "--format", "csv")).stdout.split("\r\n")
    const json = objects((await here("flow-run", "results", latest, "--json")).stdout)
    assert.strictEqual(
      csv[0],
      "flow_run_id,task_run_id,task_slug,map_index,state,mapped_children,value,error_reason,error_message"
    )
    assert.lengthOf(csv, json.length + 2)
    assert.deepStrictEqual(
      csv.slice(1, -1).map((line) => line.split(",")[1]),
      json.map(({ task_run_id }) => task_run_id as string)
    )
  })

  it("Parquet is written to a file by its ending, and fields choose columns", async () => {
    const folder = mkdtempSync(join(tmpdir(), "effect-prefect-rows-"))
    try {
      const file = join(folder, "rows.parquet")
      const { code, stderr } = await here("task-run", "mapped", "--slug", "score-1", "--flow-run", latest, "-o", file)
      assert.strictEqual(code, 0, stderr)
      assert.strictEqual(readFileSync(file).subarray(0, 4).toString(), "PAR1")
      const fields = await here(
        "task-run",
        "mapped",
        "--slug",
        "score-1",
        "--flow-run",
        latest,
        "--json",
        "--fields",
        "map_index,state"
      )
      assert.deepStrictEqual(objects(fields.stdout)[7], { map_index: 7, state: "Failed" })
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
