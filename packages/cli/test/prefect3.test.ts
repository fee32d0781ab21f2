import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Recorded from "../../api/test/prefect3Server.ts"
import { run } from "./support.ts"

let server: Recorded.Prefect3Server
beforeAll(async () => {
  server = await Recorded.start()
})
afterAll(() => server[Symbol.asyncDispose]())

const flowRunId = Recorded.runs["structure"]!
const completed = Recorded.exchange("task_runs/get_Completed_data").response as Recorded.Row
const taskRunId = completed["id"] as string
const ask = (...args: ReadonlyArray<string>) => run([...args, "--prefect3", server.url])
const mount = ["--mount", `/srv/prefect3=${join(Recorded.fixtures, "files")}`]
const lines = (text: string) => text.trimEnd().split("\n")

interface Line {
  readonly task_run_id: string
  readonly task_slug: string
  readonly map_index: number
  readonly state: string
  readonly outcome: { readonly value?: Recorded.Json; readonly error?: { readonly reason: string } }
}

const boom = { __class__: "builtins.ValueError", __args__: ["boom: expected failure"] }

/** The flow run of fixtures/prefect-3, by task key: the states and the values or reasons of its runs, in their order. */
const structure: ReadonlyArray<
  | readonly [slug: string, state: string, value: Recorded.Json]
  | readonly [
    slug: string,
    state: string,
    value: undefined,
    reason: string
  ]
> = [
  ["cached-09b75c91", "Success", { x: 1, at: 1795414778.079866 }],
  ["cached-09b75c91", "Cached", { x: 1, at: 1795414778.079866 }],
  ["child-83247e40", "Success", 7],
  ["downstream-c02921b7", "Success", [2, 0, [10, 20]]],
  ["downstream-c02921b7", "Pending", undefined, "NotFinished"],
  ["duplicated-0f748cc1", "Failed", undefined, "NotPersisted"],
  ["duplicated-0f748cc1", "Failed", undefined, "NotPersisted"],
  ["duplicated-0f748cc1", "Failed", undefined, "NotPersisted"],
  ["failing-8a05f9fc", "Failed", boom],
  ["failing-8a05f9fc", "Failed", boom],
  ["failing_unpersisted-1557a8e7", "Failed", undefined, "NotPersisted"],
  ["flaky-29addc47", "Success", "ok at 3"],
  ["inner_task-7daa8860", "Success", 101],
  ["keyed-e0e31e52", "Success", { x: 3 }],
  ...[0, 10, 30, 20, 40, 50, 60, 990, 200].map((value) => ["mapped5-abe10713", "Success", value] as const),
  ["mapped5-abe10713", "Cached", 0],
  ...[100, 300, 400].map((value) => ["mapped5-abe10713", "Success", value] as const),
  ["mapped_fail-b39b5d07", "Success", 0],
  ["mapped_fail-b39b5d07", "Failed", { __class__: "builtins.ValueError", __args__: ["child 1"] }],
  ["mapped_fail-b39b5d07", "Success", 2],
  ["not_persisted-d2f08503", "Success", undefined, "NotPersisted"],
  ["outer_task-b491e829", "Success", 102],
  ["plain-741b216c", "Success", 2],
  ["returns_failed_state-41dc00e6", "Failed", undefined, "NotPersisted"],
  ["returns_state-2ec85437", "Success", undefined, "NotPersisted"],
  ["slow-932f55c5", "TimedOut", undefined, "NotPersisted"]
]

describe("--prefect3", () => {
  it("flow-run results: every task run with its value or the reason why there is none", async () => {
    const { code, stderr, stdout } = await ask("flow-run", "results", flowRunId, ...mount, "--json")
    assert.strictEqual(stderr, "")
    assert.strictEqual(code, 0)
    const given = lines(stdout).map((line) => JSON.parse(line) as Line)
    assert.deepStrictEqual(
      given.map(({ map_index, outcome, state, task_slug }): ReadonlyArray<unknown> => [
        task_slug,
        map_index,
        state,
        outcome.error === undefined ? outcome : { error: outcome.error.reason }
      ]),
      structure.map((
        [slug, state, value, reason]
      ) => [slug, -1, state, reason === undefined ? { value } : { error: reason }])
    )
    const rows = Recorded.taskRuns.filter((row) => row["flow_run_id"] === flowRunId)
    assert.sameMembers(given.map((line) => line.task_run_id), rows.map((row) => row["id"] as string))
  })

  it("a place that was not mounted is refused, and the run is still listed", async () => {
    const { code, stderr, stdout } = await ask("flow-run", "results", flowRunId, "--json")
    assert.strictEqual(stderr, "")
    assert.strictEqual(code, 0)
    const reasons = lines(stdout).map((line) => (JSON.parse(line) as Line).outcome.error?.reason)
    assert.deepStrictEqual(
      reasons,
      structure.map(([, , , reason]) => reason ?? "ResultAccessDenied")
    )
  })

  it("task-run show: the state as Prefect 3 keeps it", async () => {
    const { code, stderr, stdout } = await ask("task-run", "show", taskRunId, "--json")
    assert.strictEqual(stderr, "")
    assert.strictEqual(code, 0)
    assert.deepStrictEqual(JSON.parse(stdout), {
      task_run_id: taskRunId,
      task_id: null,
      task_slug: "plain-741b216c",
      name: "plain-4cd",
      state: completed["state"],
      map_index: -1,
      flow_run_id: flowRunId
    })
  })

  it("task-run show, for people, and result", async () => {
    const shown = await ask("task-run", "show", taskRunId)
    assert.strictEqual(
      shown.stdout,
      [
        `task run  ${taskRunId}`,
        "name      plain-4cd",
        "task      plain-741b216c",
        `flow run  ${flowRunId}`,
        "state     Success",
        "result    Prefect3Result at /srv/prefect3/storage/8f986ce4fc359a84468d836634c751ef\n"
      ].join("\n")
    )
    const value = await ask(
      "task-run",
      "result",
      "--slug",
      "plain-741b216c",
      "--flow-run",
      flowRunId,
      ...mount,
      "--json"
    )
    assert.strictEqual(value.stdout, "2\n")
    assert.strictEqual(value.code, 0)
  })

  it("task-run mapped: Prefect 3 keeps no trace of .map(), and says so", async () => {
    const { code, stderr, stdout } = await ask("task-run", "mapped", taskRunId, "--json")
    assert.strictEqual(code, 1)
    assert.strictEqual(stdout, "")
    assert.strictEqual(
      stderr,
      "effect-prefect: Prefect 3.8.0 has no mapped children: it does not record .map(); " +
        "use siblings for the runs with the same task key\n"
    )
  })

  it("collect: one task, by its task key or the name of its function", async () => {
    const folder = mkdtempSync(join(tmpdir(), "effect-prefect-prefect3-"))
    try {
      const collected = async (slug: string, rows: string) => {
        const place = join(folder, `${slug}-${rows}`)
        const args = ["collect", "--flow-run", flowRunId, "--slug", slug, "--part-rows", rows, "--output", place]
        const { code, stderr } = await ask(...args, "--format", "jsonl", "--allow-unfinished", ...mount)
        assert.strictEqual(code, 0, stderr)
        const names = readdirSync(place).filter((name) => name.startsWith("part-")).sort()
        return names.flatMap((name) => lines(readFileSync(join(place, name), "utf8")))
      }
      const due = await collected("mapped5-abe10713", "100")
      const siblings = structure.filter(([slug]) => slug === "mapped5-abe10713")
      assert.strictEqual(due.length, siblings.length)
      assert.deepStrictEqual(due.map((line) => (JSON.parse(line) as Line).outcome.value), siblings.map(([, , v]) => v))
      for (const rows of ["4", "100"]) assert.deepStrictEqual(await collected("mapped5", rows), due)
      const none = ["collect", "--flow-run", flowRunId, "--slug", "mapped", "--output", join(folder, "none")]
      const nothing = await ask(...none, "--allow-unfinished", ...mount)
      assert.strictEqual(nothing.code, 1)
      assert.match(nothing.stderr, /nothing to collect/)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  it("flow-run result: what the flow returned, or why there is nothing", async () => {
    const folder = fileURLToPath(new URL("../../../fixtures/prefect-3.9/flow-result", import.meta.url))
    const server = await Recorded.start(Recorded.replay(folder))
    try {
      const result = (id: string, ...args: ReadonlyArray<string>) =>
        run(["flow-run", "result", id, "--prefect3", server.url, ...args])
      const id = "23920252-5ce0-47b3-801c-4387d713574f"
      const files = ["--mount", `/srv/prefect2=${join(folder, "files")}`]
      const value = await result(id, "--json", ...files)
      assert.deepStrictEqual([value.code, value.stdout], [0, "{\"result\":5,\"other\":[1]}\n"])
      const raw = await result(id, "--raw", ...files)
      assert.deepStrictEqual([raw.code, JSON.parse(raw.stdout)], [0, { result: 5, other: [1] }])
      const denied = await result(id, "--json")
      assert.deepStrictEqual([denied.code, denied.stdout], [1, ""])
      assert.include(denied.stderr, `flow run ${id}`)
    } finally {
      await server[Symbol.asyncDispose]()
    }
  })

  it("flow-run logs: every line in order, and from a level up", async () => {
    const { code, stderr, stdout } = await ask("flow-run", "logs", flowRunId, "--json")
    assert.strictEqual(stderr, "")
    assert.strictEqual(code, 0)
    const messages = Recorded.logs.filter((row) => row["flow_run_id"] === flowRunId)
      .toSorted((left, right) => String(left["timestamp"]) < String(right["timestamp"]) ? -1 : 1)
      .map((row) => row["message"])
    assert.isAbove(messages.length, 1)
    assert.deepStrictEqual(lines(stdout).map((line) => (JSON.parse(line) as Recorded.Row)["message"]), messages)
    // All that was recorded is INFO.
    const warnings = await ask("flow-run", "logs", flowRunId, "--level", "WARNING")
    assert.deepStrictEqual([warnings.code, warnings.stdout, warnings.stderr], [0, "no log lines\n", ""])
    const none = await ask("flow-run", "logs", flowRunId, "--level", "WARNING", "--json")
    assert.deepStrictEqual([none.code, none.stdout, none.stderr], [0, "", ""])
  })
})
