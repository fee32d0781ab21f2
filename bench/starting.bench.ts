/**
 * Starting the command: `effect-prefect --help`, and `effect-prefect flow-run list` on an archive of 1 000 task runs,
 * compared with a script that imports the same Effect modules and does nothing. All rows measure processor time.
 */
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import type { Contender, Row } from "./support/row.ts"

const root = join(import.meta.dirname, "..")
const source = join(root, "packages/cli/src")

/** The Effect modules that some modules import, directly or through our own modules. */
const effectModules = (...files: ReadonlyArray<string>): ReadonlyArray<string> => {
  const names = new Set<string>()
  const seen = new Set<string>()
  const visit = (file: string): void => {
    if (seen.has(file)) return
    seen.add(file)
    for (const [, type, name] of readFileSync(file, "utf8").matchAll(/^import (type )?[^;]*?from "([^"]+)"/gm)) {
      if (type !== undefined || name === undefined) continue
      if (name.startsWith(".")) visit(join(file, "..", name))
      else if (/^@?effect\//.test(name)) names.add(name)
      else if (name.startsWith("@effect-prefect/")) {
        const [, room = "", module = "index"] = name.split("/")
        visit(join(root, "packages", room, "src", `${module}.ts`))
      }
    }
  }
  for (const file of files) visit(file)
  return [...names]
}

const ofHelp = effectModules(join(source, "main.ts"))
const ofList = effectModules(
  join(source, "main.ts"),
  join(source, "commands/flowRun.ts"),
  join(source, "handlers/flowRun.ts"),
  join(root, "packages/api/src/ArchiveApi.ts")
)

let folder = ""

/** An archive of 20 flow runs with 50 task runs each. */
const writeArchive = () => {
  folder = mkdtempSync(join(tmpdir(), "bench-starting-"))
  mkdirSync(join(folder, "tables"))
  const write = (table: string, rows: ReadonlyArray<object>) =>
    writeFileSync(join(folder, "tables", `${table}.jsonl`), rows.map((row) => `${JSON.stringify(row)}\n`).join(""))
  const id = (kind: string, number: number) => `${kind}0000000-0000-4000-8000-${String(number).padStart(12, "0")}`
  const numbers = (count: number) => Array.from({ length: count }, (_, at) => at)
  const state = { type: "Success", message: "done", context: {}, __version__: "1.4.1" }
  write("flow", [{ id: id("f", 1), name: "nightly", version: 1, created: "2022-03-01T00:00:00+00:00" }])
  write("task", numbers(50).map((task) => ({ id: id("a", task), slug: `task-${task}`, flow_id: id("f", 1) })))
  write(
    "flow_run",
    numbers(20).map((run) => ({
      id: id("b", run),
      flow_id: id("f", 1),
      name: `run-${run}`,
      serialized_state: state,
      created: "2022-03-01T12:00:00+00:00",
      start_time: "2022-03-01T12:00:00+00:00",
      end_time: "2022-03-01T12:01:00+00:00"
    }))
  )
  write(
    "task_run",
    numbers(1000).map((at) => ({
      id: id("c", at),
      flow_run_id: id("b", at % 20),
      task_id: id("a", at % 50),
      map_index: -1,
      serialized_state: state
    }))
  )
}

/** A program, measured by its processor time. */
const program = (name: string, args: () => ReadonlyArray<string>): Contender => ({
  name,
  run: () => {
    const report = pathToFileURL(join(import.meta.dirname, "support/reportCpu.mjs")).href
    const { output, status, stderr } = spawnSync(process.execPath, ["--import", report, ...args()], {
      cwd: root,
      encoding: "utf8",
      stdio: ["ignore", "ignore", "pipe", "pipe"]
    })
    if (status !== 0) throw new Error(`${name}: ${stderr}`)
    return { measured: Number(output[3]) }
  }
})

const importing = (names: ReadonlyArray<string>) =>
  program("the same Effect modules", () => ["bench/support/importAll.mjs", ...names])

export const rows: ReadonlyArray<Row> = [{
  work: "effect-prefect --help",
  count: 1,
  show: "ms",
  ours: program("effect-prefect", () => ["packages/cli/bin/effect-prefect.js", "--help"]),
  limit: importing(ofHelp),
  target: { limit: 1 / 1.1 },
  runs: 25
}, {
  work: "effect-prefect flow-run list, 1 000 task runs",
  count: 1,
  show: "ms",
  ours: {
    ...program("effect-prefect", () => ["packages/cli/bin/effect-prefect.js", "flow-run", "list", "--archive", folder]),
    open: writeArchive,
    close: () => rmSync(folder, { recursive: true, force: true })
  },
  limit: importing(ofList),
  target: { limit: 1 / 1.3 },
  runs: 25
}]
