/** An archive of a real Prefect 2 or 3 server, read by every command beside the server itself. */
import assert from "node:assert/strict"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { check } from "../support/check.ts"
import { startCommands } from "../support/commands.ts"

export interface Server {
  readonly title: string
  readonly url: string
  /** What `--mount` allows to read. */
  readonly mounts: ReadonlyArray<string>
  readonly more?: ReadonlyArray<string>
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Values that no file of the archive may hold. */
  readonly secrets?: ReadonlyArray<string>
}

type Arguments = ReadonlyArray<string>
interface Line {
  readonly [key: string]: unknown
}

const linesOf = (text: string): ReadonlyArray<Line> =>
  text.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as Line)

/** Exports the server and compares what the commands say of it and of the archive, texts and exit codes. */
export const compareArchive = async (
  { env = {}, mounts, more = [], secrets = [], title, url }: Server
): Promise<void> => {
  const home = mkdtempSync(join(tmpdir(), "prefect-archive-"))
  const archive = join(home, "archive")
  const own = { ...env, HOME: home, XDG_CACHE_HOME: join(home, "cache") }
  await using live = startCommands(own)
  await using kept = startCommands(own)
  const command = kept.run
  const allowed = [...mounts.flatMap((mount) => ["--mount", mount]), ...more]
  try {
    await check(`${title}: an export of it, and verify`, async () => {
      const exported = await command([
        "archive",
        "export",
        "--prefect3",
        url,
        archive,
        "--results",
        "--allow-incomplete",
        ...allowed
      ])
      assert.equal(exported.code, 0, exported.stderr)
      assert.doesNotMatch(exported.stderr, /added, changed or removed/)
      const verified = await command(["archive", "verify", archive, "--json"])
      const problems = linesOf(verified.stdout).filter(({ type }) => type !== "summary")
      const incomplete = exported.stderr.split("\n").filter((line) => line.startsWith("not copied: ")).length
      assert.equal(problems.length, incomplete, verified.stdout)
    })
    const listed = await command(["flow-run", "list", "--json", "--archive", archive])
    const flowRuns = linesOf(listed.stdout).map((line) => String(line["flow_run_id"]))
    const flowRunNames = linesOf(listed.stdout).map((line) => String(line["name"]))
    const flows = await command(["flow", "list", "--json", "--archive", archive])
    const flowNames = linesOf(flows.stdout).map((line) => String(line["name"]))
    const slugsOf = (text: string) => [...new Set(linesOf(text).map((line) => String(line["task_slug"])))].slice(0, 2)
    const taskRunsOf = async (id: string) =>
      linesOf((await command(["flow-run", "task-runs", id, "--json", "--archive", archive])).stdout)
        .map((line) => String(line["task_run_id"]))
    const taskRuns = (await Promise.all(flowRuns.slice(0, 6).map(taskRunsOf))).flat()

    /**
     * A file that is missing is named where it was looked for, suggested commands name the backend, in columns as wide
     * as it, and the age of a run grows from one command to the next.
     */
    const plain = (text: string) =>
      text.replace(/(?<=does not exist: )[^"\n]*/g, "…")
        .replaceAll(`--archive ${archive}`, "--backend").replaceAll(`--prefect3 ${url}`, "--backend")
        .replace(/(?<=--backend) +/g, "  ").replace(/\b(?:\d+ (?:second|minute|hour)s? ago|just now)\b/g, "… ago")
    const same = async (args: Arguments, reads = false) => {
      const [left, right] = await Promise.all([
        live.run([...args, "--prefect3", url, ...(reads ? allowed : [])]),
        kept.run([...args, "--archive", archive])
      ])
      const name = args.join(" ")
      assert.equal(plain(right.stderr), plain(left.stderr), name)
      assert.equal(plain(right.stdout), plain(left.stdout), name)
      assert.equal(right.code, left.code, name)
    }
    await check(`${title}: the archive lists what the server lists`, async () => {
      assert.ok(flowRuns.length > 1 && taskRuns.length > 5)
      // A table's columns are as wide as the rows that came in time for its head.
      await same(["flow", "list", "--json"])
      await same(["flow-run", "list", "--json"])
      await same(["flow-run", "list", "--state", "Failed", "--limit", "2", "--json"])
      await same(["task-run", "list", "--json"])
      await same(["flow-run", "list", "--flow", flowNames[0]!, "--sort", "oldest", "--json"])
      await same(["flow-run", "list", "--state", "COMPLETED", "--sort", "name", "--json"])
      await same(["flow-run", "list", "--since", "1h", "--until", "2000-01-01", "--json"])
      await same(["task-run", "list", "--flow", flowNames[0]!, "--limit", "3", "--json"])
      await same(["task-run", "list", "--state", "Failed", "--json"])
    })
    await check(`${title}: the archive says of each flow run what the server says`, async () => {
      for (const id of flowRuns.slice(0, 6)) {
        for (const what of ["show", "states", "logs"]) await same(["flow-run", what, id])
        for (const what of ["show", "task-runs", "logs", "artifacts"]) await same(["flow-run", what, id, "--json"])
        await same(["flow-run", "result", id, "--json"], true)
        await same(["flow-run", "results", id, "--json"], true)
      }
    })
    await check(`${title}: the archive finds a flow run by each of its names`, async () => {
      for (const name of [`${flowNames[0]}/latest`, `${flowNames[0]}/latest:Failed`, "no such run", flowNames[0]!]) {
        await same(["flow-run", "show", name])
      }
      for (const id of [flowRuns[0]!, taskRuns[0]!]) {
        for (const what of ["flow-run", "task-run"]) {
          for (const run of [id.slice(0, 8), id.toUpperCase()]) await same([what, "show", run])
        }
      }
      await same(["flow-run", "task-runs", flowRunNames[0]!, "--json"])
    })
    await check(`${title}: the archive says of each task run what the server says`, async () => {
      for (const id of taskRuns.slice(0, 2)) {
        for (const what of ["show", "states", "logs"]) await same(["task-run", what, id])
      }
      for (const id of taskRuns.slice(0, 12)) {
        for (const what of ["show", "states", "logs", "mapped"]) await same(["task-run", what, id, "--json"])
        await same(["task-run", "result", id, "--json"], true)
        await same(["task-run", "result", id, "--raw"], true)
      }
      await same(["task-run", "list", "--flow-run", flowRuns[0]!, "--json"])
      const slugs = slugsOf(
        (await command(["flow-run", "task-runs", flowRuns[0]!, "--json", "--archive", archive])).stdout
      )
      for (const slug of slugs) {
        await same(["task-run", "list", "--slug", slug, "--json"])
        for (const index of [[], ["--map-index", "1"]]) {
          await same(["task-run", "show", "--slug", slug, "--flow-run", flowRuns[0]!, ...index])
        }
      }
      await same(["task-run", "show", "00000000-0000-4000-8000-000000000000"])
    })
    await check(`${title}: no file of the archive holds a secret`, () => {
      const blocks = readFileSync(join(archive, "tables/prefect3_block_document.jsonl"), "utf8")
      assert.ok(linesOf(blocks).length > 0)
      for (const secret of secrets) assert.ok(!blocks.includes(secret))
    })
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}
