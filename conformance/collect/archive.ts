/** An archive with mapped tasks of any size, written as the tables of a Prefect 1 server and its workers' files. */
import { mkdirSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"

const uuid = (kind: number, number: number): string =>
  `${kind.toString(16).padStart(8, "0")}-0000-4000-8000-${number.toString(16).padStart(12, "0")}`

export interface MappedTask {
  readonly slug: string
  readonly children: number
}

export interface FlowRunSpec {
  readonly tasks: ReadonlyArray<MappedTask>
}

/** The id of the flow run with that number. */
export const flowRunId = (at: number): string => uuid(1, at)

/** The value of child `index` of a task. */
export const valueOf = (slug: string, index: number): unknown => ({
  slug,
  index,
  name: `customer-${index % 97}`,
  total: index / 4,
  tags: index % 3 === 0 ? ["a", "b"] : []
})

/**
 * Writes the archive. Every 50th child has failed without a result, and the file of every 70th is missing. A task with
 * no children is not mapped.
 */
export const writeArchive = (folder: string, flowRuns: ReadonlyArray<FlowRunSpec>): void => {
  const rows: Record<string, Array<string>> = { flow: [], flow_run: [], task: [], task_run: [] }
  const add = (table: string, row: object) => rows[table]!.push(`${JSON.stringify(row)}\n`)
  const created = (at: number) => new Date(Date.UTC(2022, 0, 1) + at * 1000).toISOString()
  add("flow", { id: uuid(0, 0), name: "nightly", created: created(0) })
  const tasks = new Map<string, string>()
  const taskId = (slug: string): string => {
    const known = tasks.get(slug)
    if (known !== undefined) return known
    const id = uuid(2, tasks.size)
    tasks.set(slug, id)
    add("task", { id, flow_id: uuid(0, 0), slug, name: slug, mapped: false, created: created(0) })
    return id
  }
  let runs = 0
  const store = (name: string, value: unknown) => {
    const path = join(folder, "results", name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, JSON.stringify(value))
    return { type: "Success", _result: { type: "LocalResult", location: `/srv/results/${name}`, dir: "/srv/results" } }
  }
  for (const [at, { tasks }] of flowRuns.entries()) {
    add("flow_run", {
      id: flowRunId(at),
      flow_id: uuid(0, 0),
      name: `run-${at}`,
      created: created(at),
      serialized_state: { type: "Success" },
      state: "Success"
    })
    for (const { children, slug } of tasks) {
      const task = {
        task_id: taskId(slug),
        flow_run_id: flowRunId(at),
        created: created(at),
        name: slug
      }
      add("task_run", {
        ...task,
        id: uuid(3, runs++),
        map_index: -1,
        ...(children === 0
          ? { state: "Success", serialized_state: store(`${at}/${slug}.json`, valueOf(slug, -1)) }
          : { state: "Mapped", serialized_state: { type: "Mapped", n_map_states: children } })
      })
      for (let index = 0; index < children; index++) {
        const name = `${at}/${slug}/${index >> 10}/${index}.json`
        const state = index % 50 === 49
          ? { type: "Failed", message: "it failed" }
          : index % 70 === 69
          ? { type: "Success", _result: { type: "LocalResult", location: `/srv/results/${name}`, dir: "/srv/results" } }
          : store(name, valueOf(slug, index))
        add("task_run", { ...task, id: uuid(3, runs++), map_index: index, state: state.type, serialized_state: state })
      }
    }
  }
  mkdirSync(join(folder, "tables"), { recursive: true })
  for (const [table, lines] of Object.entries(rows)) {
    writeFileSync(join(folder, "tables", `${table}.jsonl`), lines.join(""))
  }
  writeFileSync(join(folder, "mounts.json"), JSON.stringify({ "/srv/results": "results" }))
}
