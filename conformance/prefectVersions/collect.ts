/** Collections of a real Prefect 2 or 3 server, beside what `flow-run results` says of each of its flow runs. */
import assert from "node:assert/strict"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { check } from "../support/check.ts"
import { root } from "../support/folder.ts"
import { run } from "../support/process.ts"

interface Line {
  readonly [key: string]: unknown
}

interface Plan {
  readonly parts: ReadonlyArray<{ readonly _tag: string; readonly rows: number }>
}

const linesOf = (text: string): ReadonlyArray<Line> =>
  text.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as Line)

/** `flowName` is a flow whose task runs are siblings of each other, such as those of `.map()`. */
export const compareCollections = async (
  { flowName, mount, title, url }: {
    readonly title: string
    readonly url: string
    readonly mount: string
    readonly flowName: string
  }
): Promise<void> => {
  const home = mkdtempSync(join(tmpdir(), "prefect-collect-"))
  const backend = ["--prefect3", url, "--mount", mount]
  const command = async (...args: ReadonlyArray<string>) => {
    const main = join(root, "packages/cli/bin/effect-prefect.js")
    const { code, stderr, stdout } = await run(
      process.execPath,
      ["--conditions=@effect-prefect/source", main, ...args],
      { env: { HOME: home, XDG_CACHE_HOME: join(home, "cache") }, allowFailure: true }
    )
    assert.equal(code, 0, `${args.join(" ")}: ${stderr}`)
    return stdout
  }
  const rowsOf = (place: string) =>
    readdirSync(place).filter((name) => name.startsWith("part-")).toSorted().flatMap((name) =>
      linesOf(readFileSync(join(place, name), "utf8"))
    )
  const planOf = (place: string) => JSON.parse(readFileSync(join(place, "_plan.json"), "utf8")) as Plan
  let places = 0
  const collect = async (...args: ReadonlyArray<string>) => {
    const place = join(home, String(places++))
    await command("collect", ...args, ...backend, "--output", place, "--format", "jsonl", "--allow-unfinished")
    await command("collect", "verify", place)
    return place
  }
  try {
    const flowRuns = linesOf(await command("flow-run", "list", "--json", "--prefect3", url))
    const due = new Map<string, ReadonlyArray<Line>>()
    for (const { flow_run_id } of flowRuns) {
      const lines = linesOf(await command("flow-run", "results", String(flow_run_id), "--json", ...backend))
      due.set(String(flow_run_id), lines.map((line) => ({ flow_run_id, ...line })))
    }
    // By creation, which may be equal for some.
    const inOrder = (rows: ReadonlyArray<Line>) => {
      const ids = [...new Set(rows.map((row) => String(row["flow_run_id"])))]
      return ids.flatMap((id) => due.get(id) ?? [])
    }

    await check(`${title}: a collection of everything has the rows of flow-run results, in its order`, async () => {
      const small = await collect("--all", "--part-rows", "3")
      const rows = rowsOf(small)
      assert.deepEqual(rows, inOrder(rows))
      assert.equal(rows.length, [...due.values()].flat().length)
      assert.ok(planOf(small).parts.length > 5)
      // Whole flow runs are packed into one part.
      const packed = await collect("--all")
      assert.deepEqual(rowsOf(packed), rows)
      assert.deepEqual(planOf(packed).parts.map(({ _tag }) => _tag), ["FlowRuns"])
      const processes = await collect("--all", "--part-rows", "3", "--processes", "2")
      for (const name of readdirSync(small).filter((name) => name.startsWith("part-"))) {
        assert.deepEqual(readFileSync(join(processes, name)), readFileSync(join(small, name)), name)
      }
    })

    await check(
      `${title}: a collection of one flow, of one of its runs, and of the siblings of one task key`,
      async () => {
        const ofFlow = rowsOf(await collect("--flow", flowName, "--part-rows", "2"))
        assert.deepEqual(ofFlow, inOrder(ofFlow))
        const ids = linesOf(await command("flow-run", "list", "--flow", flowName, "--json", "--prefect3", url))
          .map((line) => String(line["flow_run_id"]))
        assert.deepEqual([...new Set(ofFlow.map((row) => String(row["flow_run_id"])))].toSorted(), ids.toSorted())
        const id = ids[0]!
        const rows = due.get(id)!
        assert.deepEqual(rowsOf(await collect("--flow-run", id)), rows)
        const siblingsOf = (slug: unknown) => rows.filter((row) => row["task_slug"] === slug)
        const most = Math.max(...rows.map((row) => siblingsOf(row["task_slug"]).length))
        const slug = String(rows.find((row) => siblingsOf(row["task_slug"]).length === most)!["task_slug"])
        const siblings = siblingsOf(slug)
        assert.ok(siblings.length > 2, slug)
        for (const partRows of ["2", "100"]) {
          assert.deepEqual(rowsOf(await collect("--flow-run", id, "--slug", slug, "--part-rows", partRows)), siblings)
        }
      }
    )
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}
