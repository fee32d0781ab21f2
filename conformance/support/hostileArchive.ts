/** Archive folders that a script generates, in a folder that is removed with the process. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

export const temporary = mkdtempSync(join(tmpdir(), "effect-prefect-attacks-"))
process.on("exit", () => rmSync(temporary, { recursive: true, force: true }))

export const uuid = (number: number, kind = "00000000"): string =>
  `${kind}-0000-4000-8000-${number.toString(16).padStart(12, "0")}`

export const flowRunId = uuid(1, "aaaaaaaa")

/** A successful task run of the flow run, its result in a local file. */
export const taskRun = (number: number, more: object = {}, state: object = {}) => ({
  id: uuid(number),
  name: `t-${number}`,
  flow_run_id: flowRunId,
  task_id: uuid(number, "bbbbbbbb"),
  map_index: -1,
  state: "Success",
  version: 1,
  serialized_state: {
    type: "Success",
    message: "ok",
    _result: { type: "LocalResult", location: `/srv/x/${number}`, dir: "/srv/x" },
    ...state
  },
  ...more
})

export const flowRun = (more: object = {}) => ({
  id: flowRunId,
  name: "run",
  flow_id: uuid(1, "cccccccc"),
  state: "Success",
  serialized_state: { type: "Success", message: "ok" },
  ...more
})

export type Tables = Readonly<Record<string, ReadonlyArray<object>>>

/** `count` task runs of one flow run of one flow. */
export const manyTaskRuns = (count: number): Tables => ({
  task_run: Array.from({ length: count }, (_, index) => taskRun(index + 1)),
  flow_run: [flowRun()],
  flow: [{ id: uuid(1, "cccccccc"), name: "flow" }]
})

/** Writes an archive and returns its folder. */
export const archive = (name: string, tables: Tables, mounts: object = {}): string => {
  const directory = join(temporary, name)
  mkdirSync(join(directory, "tables"), { recursive: true })
  for (const [table, rows] of Object.entries(tables)) {
    writeFileSync(
      join(directory, "tables", `${table}.jsonl`),
      rows.map((row) => `${JSON.stringify(row)}\n`).join("")
    )
  }
  writeFileSync(join(directory, "mounts.json"), JSON.stringify(mounts))
  return directory
}
