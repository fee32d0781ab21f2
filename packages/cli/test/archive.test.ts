import { assert, describe, it } from "@effect/vitest"
import { appendFileSync, cpSync, existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { archives, run } from "./support.ts"

const damaged = (): string => {
  const directory = mkdtempSync(join(tmpdir(), "archive-"))
  cpSync(archives["prefect-1"], directory, { recursive: true })
  appendFileSync(join(directory, "tables/task_run.jsonl"), "{ half a line\n")
  rmSync(join(directory, "results"), { recursive: true })
  return directory
}
const lines = (text: string) => text.split("\n").filter((line) => line !== "")

describe("archive verify", () => {
  it.each(Object.keys(archives) as Array<keyof typeof archives>)("finds nothing missing in %s", async (name) => {
    const { code, stderr, stdout } = await run(["archive", "verify", archives[name]])
    assert.strictEqual(stderr, "")
    assert.strictEqual(code, 0)
    assert.include(stdout, "103 task runs")
  })

  it("says what is missing or damaged, and exits with 1", async () => {
    const directory = damaged()
    try {
      const { code, stderr, stdout } = await run(["archive", "verify", directory])
      assert.strictEqual(code, 1)
      assert.strictEqual(lines(stderr).length, 1)
      assert.include(stderr, "missing or unreadable")
      assert.include(stdout, "tables/task_run.jsonl:104: ")
      assert.include(stdout, "score-1[3]: ResultNotFound: ")

      const json = await run(["archive", "verify", directory, "--json"])
      assert.strictEqual(json.code, 1)
      const findings = lines(json.stdout).map((line) => JSON.parse(line) as Record<string, unknown>)
      assert.deepStrictEqual(findings.at(-1)?.["type"], "summary")
      assert.strictEqual(findings.length, Number(findings.at(-1)?.["problems"]) + 1)
      assert.deepStrictEqual(
        findings.filter(({ type }) => type === "line").map(({ file, line }) => [file, line]),
        [["tables/task_run.jsonl", 104]]
      )
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  })

  it("says what is no archive, in one line", async () => {
    const { code, stderr, stdout } = await run(["archive", "verify", "/nowhere"])
    assert.strictEqual(code, 1)
    assert.strictEqual(stdout, "")
    assert.strictEqual(lines(stderr).length, 1)
    assert.include(stderr, "/nowhere is not an archive")
    assert.strictEqual((await run(["archive", "verify"])).code, 2)
  })
})

describe("archive export", () => {
  it("says what a database's URL is like, and never the URL that it was given", async () => {
    const directory = join(tmpdir(), `never-${process.pid}`)
    const { code, stderr, stdout } = await run(
      ["archive", "export", directory, "--database", "mysql://me:hunter2@localhost/x"]
    )
    assert.isFalse(existsSync(directory))
    assert.strictEqual(code, 1)
    assert.strictEqual(stdout, "")
    assert.include(stderr, "postgresql://USER:PASSWORD@HOST")
    assert.notInclude(stderr, "hunter2")
    assert.strictEqual((await run(["archive", "export", "x"])).code, 2)
  })
})

it("a damaged line of an archive is warned of on standard error, and standard output stays JSON", async () => {
  const directory = damaged()
  try {
    const { code, stderr, stdout } = await run(["task-run", "show", "--archive", directory, "--json", "no-such-run"])
    assert.strictEqual(code, 1)
    assert.strictEqual(stdout, "")
    assert.deepStrictEqual(
      lines(stderr).map((line) => line.slice(0, 62)),
      [
        "effect-prefect: warning: tables/task_run.jsonl, line 104 is lef",
        "effect-prefect: there is no task run \"no-such-run\": give its id, the first"
      ].map((line) => line.slice(0, 62))
    )
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})
