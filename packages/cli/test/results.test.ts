import { assert, describe, it } from "@effect/vitest"
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { archives, run } from "./support.ts"

interface Line {
  readonly task_run_id: string
  readonly task_slug: string
  readonly map_index: number
  readonly state: string
  readonly outcome: { readonly value?: unknown; readonly error?: unknown }
}

const isDatetime = (value: unknown): value is string =>
  typeof value === "string" && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/.test(value)

/** As the fixtures are to be compared: datetimes as instants. */
const comparable = (value: unknown): unknown => {
  if (isDatetime(value)) return new Date(/[+-]\d\d:\d\d$|Z$/.test(value) ? value : `${value}Z`).getTime()
  if (Array.isArray(value)) return value.map(comparable)
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, comparable(item)]))
  }
  return value
}

/** Values that are Python sets, whose order means nothing. */
const sets = new Set(["skus"])
const unordered = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(unordered)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      sets.has(key) && Array.isArray(item) ? item.toSorted() : unordered(item)
    ])
  )
}

const lines = (text: string): Array<Line> => text.trim().split("\n").map((line) => JSON.parse(line) as Line)

const expectedOf = (archive: string): Array<Line & { readonly flow_run_id: string }> =>
  lines(readFileSync(join(archive, "expected.jsonl"), "utf8")) as Array<Line & { readonly flow_run_id: string }>

const agree = (actual: Line, expected: Line) => {
  assert.deepStrictEqual(
    [actual.task_run_id, actual.task_slug, actual.map_index, actual.state],
    [expected.task_run_id, expected.task_slug, expected.map_index, expected.state]
  )
  const outcome = actual.outcome.error === undefined
    ? actual.outcome
    : { error: (actual.outcome.error as { readonly reason: string }).reason }
  assert.deepStrictEqual(comparable(unordered(outcome)), comparable(unordered(expected.outcome)), actual.task_slug)
}

describe.each(Object.entries(archives))("%s", (_, archive) => {
  const expected = expectedOf(archive)
  const flowRuns = [...new Set(expected.map((line) => line.flow_run_id))]

  it.each(flowRuns)("flow run %s says what Prefect's own readers say", async (flowRunId) => {
    const { code, stderr, stdout } = await run(["flow-run", "results", flowRunId, "--archive", archive, "--json"])
    assert.strictEqual(stderr, "")
    assert.strictEqual(code, 0)
    const wanted = new Map(
      expected.filter((line) => line.flow_run_id === flowRunId).map((line) => [line.task_run_id, line])
    )
    const given = lines(stdout)
    assert.strictEqual(given.length, wanted.size)
    for (const line of given) agree(line, wanted.get(line.task_run_id)!)
  })

  it("mounts given by hand say the same as mounts.json", async () => {
    const folder = mkdtempSync(join(tmpdir(), "effect-prefect-"))
    try {
      symlinkSync(join(archive, "tables"), join(folder, "tables"))
      const mounts = JSON.parse(readFileSync(join(archive, "mounts.json"), "utf8")) as Record<string, string>
      const flags = Object.entries(mounts).flatMap(([from, to]) => ["--mount", `${from}=${join(archive, to)}`])
      for (const flowRunId of flowRuns) {
        const byHand = await run(["flow-run", "results", flowRunId, "--archive", folder, "--json", ...flags])
        const byItself = await run(["flow-run", "results", flowRunId, "--archive", archive, "--json"])
        assert.strictEqual(byHand.stdout, byItself.stdout)
        const without = await run(["flow-run", "results", flowRunId, "--archive", folder, "--json"])
        assert.include(without.stdout, `"reason":"ResultAccessDenied"`)
      }
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
