/**
 * Reading an archive through its index: a lookup, a page of children and the counts of a task cost the same at 1 000
 * 000 rows as at 10 000 (`ROWS=10000000` measures ten million), and building the index costs at most twice the reading
 * of the tables. The rows are generated. The limit of a lookup is the same lookup in the small archive.
 */
import * as ArchiveApi from "@effect-prefect/api/ArchiveApi"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { ownTime, processTime } from "./support/processTime.ts"
import type { Row } from "./support/row.ts"

const large = Number(process.env["ROWS"] ?? 1_000_000)
const small = 10_000
const childrenOfRun = 1000

const uuid = (prefix: string, n: number) => `${prefix}-0000-4000-8000-${n.toString(16).padStart(12, "0")}`
const scattered = (n: number) => (Math.imul(n, 2_654_435_761) >>> 0).toString(16).padStart(8, "0")

const write = (directory: string, count: number) => {
  mkdirSync(join(directory, "tables"), { recursive: true })
  const file = openSync(join(directory, "tables/task_run.jsonl"), "w")
  for (let start = 0; start < count; start += childrenOfRun) {
    let text = ""
    for (let n = start; n < start + childrenOfRun; n++) {
      const row = {
        id: uuid(scattered(n), n),
        flow_run_id: uuid("f0000000", start / childrenOfRun),
        task_id: uuid("a0000000", 1),
        map_index: n - start,
        name: "extract",
        start_time: "2022-03-01T12:00:00.123456+00:00",
        end_time: "2022-03-01T12:00:02+00:00",
        serialized_state: {
          type: n % 100 === 7 ? "Failed" : "Success",
          message: "Task run succeeded.",
          context: { tags: [] },
          cached_inputs: {},
          __version__: "1.4.1",
          _result: { type: "LocalResult", location: `/srv/results/${n}`, dir: "/srv/results", validate_dir: true }
        }
      }
      text += `${JSON.stringify(row)}\n`
    }
    writeSync(file, text)
  }
  closeSync(file)
}

let folder = ""
const directoryOf = (count: number) => join(folder, String(count))
const open = async () => {
  if (folder !== "") return
  folder = mkdtempSync(join(tmpdir(), "bench-index-"))
  for (const count of [small, large]) {
    write(directoryOf(count), count)
    await Effect.runPromise(ArchiveApi.makeIndex(directoryOf(count), { cache: join(folder, "cache") }))
  }
}
// Making them takes longer than all measurements, so the rows share them.
process.once("exit", () => folder === "" ? undefined : rmSync(folder, { recursive: true, force: true }))

const times = 50
type Api = Effect.Success<ReturnType<typeof ArchiveApi.make>>["api"]

/** Opens the archive anew for each query, as each command does. Measured by processor time. */
const ask = (count: number, question: (api: Api, n: number) => Effect.Effect<unknown, unknown>) => () =>
  ownTime(async () => {
    for (let turn = 0; turn < times; turn++) {
      const n = (turn * 7919) % count
      await Effect.runPromise(Effect.scoped(Effect.flatMap(
        ArchiveApi.make(directoryOf(count), { index: "always", cache: join(folder, "cache") }),
        ({ api }) => question(api, n)
      )))
    }
  })

const row = (work: string, question: (api: Api, n: number) => Effect.Effect<unknown, unknown>): Row => ({
  work: `${work}, ${large} rows`,
  count: times,
  ours: { name: "ArchiveApi", open, run: ask(large, question) },
  limit: { name: `${small} rows`, open, run: ask(small, question) },
  target: { limit: 0.66 }
})

const flowRunOf = (n: number) => uuid("f0000000", Math.floor(n / childrenOfRun))

export const rows: ReadonlyArray<Row> = [
  row("open an archive for one task run", (api, n) => api.taskRun(uuid(scattered(n), n))),
  row(
    "open an archive for a page of children",
    (api, n) =>
      Stream.runCollect(Stream.take(api.mappedChildren({ flowRunId: flowRunOf(n), taskId: uuid("a0000000", 1) }), 100))
  ),
  row(
    "open an archive for the counts of a task",
    (api, n) => api.countMappedChildren({ flowRunId: flowRunOf(n), taskId: uuid("a0000000", 1) })
  ),
  {
    work: `make the index of ${large} rows`,
    count: large,
    runs: 1,
    warmUp: false,
    ours: {
      name: "archive index",
      open,
      run: () => processTime("packages/cli/bin/effect-prefect.js", "archive", "index", directoryOf(large))
    },
    limit: {
      name: "reading the tables once",
      open,
      run: () => processTime("bench/support/readTaskRuns.ts", directoryOf(large), String(large))
    },
    target: { limit: 0.5 }
  }
]
