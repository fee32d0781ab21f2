/** Each flag that limits something changes what happens, whatever the backend. */
import { assert, describe, it } from "@effect/vitest"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Recorded from "../../api/test/prefect3Server.ts"
import { run } from "./support.ts"

const uuid = (index: number) => `c0000000-0000-4000-8000-${String(index).padStart(12, "0")}`

/** An archive of a mapped task with three children of 2 000 characters each. */
const withArchive = async (use: (archive: string) => Promise<void>) => {
  const archive = mkdtempSync(join(tmpdir(), "limits-"))
  try {
    mkdirSync(join(archive, "tables"))
    mkdirSync(join(archive, "results"))
    const run = (index: number, mapIndex: number, state: unknown) => ({
      id: uuid(index),
      flow_run_id: uuid(100),
      task_id: uuid(200),
      map_index: mapIndex,
      serialized_state: state
    })
    const tables = {
      flow_run: [{ id: uuid(100), name: "limits" }],
      task: [{ id: uuid(200), slug: "mapped-1" }],
      task_run: [
        run(0, -1, { type: "Mapped", n_map_states: 3 }),
        ...[1, 2, 3].map((index) =>
          run(index, index - 1, {
            type: "Success",
            _result: { type: "LocalResult", location: `/w/${index}`, dir: "/w" }
          })
        )
      ]
    }
    for (const [table, rows] of Object.entries(tables)) {
      writeFileSync(join(archive, "tables", `${table}.jsonl`), rows.map((row) => `${JSON.stringify(row)}\n`).join(""))
    }
    for (const index of [1, 2, 3]) {
      writeFileSync(join(archive, "results", String(index)), JSON.stringify("x".repeat(2000)))
    }
    writeFileSync(join(archive, "mounts.json"), JSON.stringify({ "/w": "results" }))
    await use(archive)
  } finally {
    rmSync(archive, { recursive: true })
  }
}

describe("with an archive", () => {
  const limits: ReadonlyArray<readonly [flag: string, enough: string, tooFew: string, index: number]> = [
    ["--max-bytes", "2002", "2001", 1],
    ["--max-memory", "10000", "1000", 1],
    ["--max-memory", "10000", "5000", 0],
    ["--max-children", "3", "2", 0]
  ]
  it.each(limits)(
    "%s %s is enough, %s is too few",
    (flag, enough, tooFew, index) =>
      withArchive(async (archive) => {
        const result = ["task-run", "result", uuid(index), "--archive", archive, "--json"]
        const read = await run([...result, flag, enough])
        assert.strictEqual(read.code, 0, read.stderr)
        assert.include(read.stdout, "xxx")
        const refused = await run([...result, flag, tooFew])
        assert.strictEqual(refused.code, 1)
        assert.strictEqual(refused.stdout, "")
        assert.include(refused.stderr, `limit of ${tooFew}`)
      })
  )

  it("--concurrency 1 reads all the same", () =>
    withArchive(async (archive) => {
      const { stdout } = await run([
        "task-run",
        "mapped",
        uuid(0),
        "--archive",
        archive,
        "--json",
        "--concurrency",
        "1"
      ])
      assert.lengthOf(stdout.trim().split("\n"), 3)
    }))
})

describe("with Prefect 3", () => {
  it.each([["--max-bytes", "10"], ["--max-memory", "10"]])(
    "%s %s refuses",
    async (flag, limit) => {
      await using server = await Recorded.start()
      const completed = Recorded.exchange("task_runs/get_Completed_data").response as Recorded.Row
      const result = [
        "task-run",
        "result",
        completed["id"] as string,
        "--json",
        "--prefect3",
        server.url,
        "--mount",
        `/srv/prefect3=${join(Recorded.fixtures, "files")}`
      ]
      assert.strictEqual((await run(result)).code, 0)
      const refused = await run([...result, flag, limit])
      assert.strictEqual(refused.code, 1, refused.stdout)
      assert.include(refused.stderr, `limit of ${limit}`)
    }
  )
})
