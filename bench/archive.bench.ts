/**
 * Task runs from an archive: rows decoded into views, an archive opened for one lookup, and a mapped task traversed
 * page by page. The limit is only JSON.parse of the same lines.
 */
import * as ArchiveApi from "@effect-prefect/api/ArchiveApi"
import * as TaskRunView from "@effect-prefect/core/TaskRunView"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { root } from "../conformance/support/folder.ts"
import type { Row } from "./support/row.ts"

const count = 50_000
const flowRunId = "f"
const taskId = "t"

/** Children as a real server recorded one, in an order that a database may return. */
const lines = (): ReadonlyArray<string> => {
  const [child] = readFileSync(join(root, "fixtures/prefect-1/tables/task_run.jsonl"), "utf8").split("\n")
    .filter((line) => line.includes(`"map_index": 3`)).map((line) => JSON.parse(line) as object)
  return Array.from({ length: count }, (_, at) => (at * 7919) % count).map((index) =>
    JSON.stringify({ ...child, id: `r${index}`, flow_run_id: flowRunId, task_id: taskId, map_index: index })
  )
}

const same = (given: number) => {
  if (given !== count) throw new Error(`${given} task runs instead of ${count}`)
}

let all: ReadonlyArray<string> = []
let directory = ""
const open = () => {
  if (directory !== "") return
  all = lines()
  directory = mkdtempSync(join(tmpdir(), "bench-archive-"))
  mkdirSync(join(directory, "tables"))
  writeFileSync(join(directory, "tables/task_run.jsonl"), all.map((line) => `${line}\n`).join(""))
}
const close = () => {
  if (directory !== "") rmSync(directory, { recursive: true, force: true })
  directory = ""
}
const parseFile = () => {
  let found = 0
  for (const line of readFileSync(join(directory, "tables/task_run.jsonl"), "utf8").split("\n")) {
    if (line !== "" && typeof (JSON.parse(line) as { readonly id: string }).id === "string") found++
  }
  same(found)
}

const useArchive = <A>(
  body: (archive: Effect.Success<ReturnType<typeof ArchiveApi.make>>) => Effect.Effect<A, unknown>
) => Effect.runPromise(Effect.scoped(Effect.flatMap(ArchiveApi.make(directory), body)))

const decode = Schema.decodeUnknownSync(TaskRunView.FromRow)

export const rows: ReadonlyArray<Row> = [
  {
    work: `decode ${count} task runs from their JSON`,
    count,
    ours: {
      name: "TaskRunView.fromRow",
      open,
      close,
      run: () => {
        let found = 0
        for (const line of all) if (TaskRunView.fromRow(JSON.parse(line)) instanceof TaskRunView.TaskRunView) found++
        same(found)
      }
    },
    peers: [{
      name: "the Schema",
      open,
      close,
      run: () => {
        let found = 0
        for (const line of all) if (decode(JSON.parse(line)) instanceof TaskRunView.TaskRunView) found++
        same(found)
      }
    }],
    limit: {
      name: "JSON.parse",
      open,
      close,
      run: () => {
        let found = 0
        for (const line of all) if (typeof JSON.parse(line) === "object") found++
        same(found)
      }
    },
    target: { limit: 0.5 }
  },
  {
    work: `open an archive of ${count} task runs for one of them`,
    count,
    ours: {
      name: "ArchiveApi",
      open,
      close,
      run: () =>
        useArchive(({ api }) => api.taskRun("r7")).then((view) => {
          if (view.mapIndex !== 7) throw new Error("it found another task run")
        })
    },
    limit: { name: "JSON.parse of each line", open, close, run: parseFile },
    target: { limit: 0.3 }
  },
  {
    work: `walk ${count} mapped children of an archive, opened anew`,
    count,
    ours: {
      name: "mappedChildren",
      open,
      close,
      run: () => useArchive(({ api }) => Stream.runCount(api.mappedChildren({ flowRunId, taskId }))).then(same)
    },
    limit: { name: "JSON.parse of each line, twice", open, close, run: () => (parseFile(), parseFile()) },
    target: { limit: 0.6 }
  }
]
