/**
 * A collection, compared with the plain stream of the same outcomes into one file: the cost of parts, records, digests
 * and the queue, the cost of Parquet compared with JSON Lines, and the memory. Rows and results are generated in this
 * process. Times are processor times, because a worker has its own core.
 */
import * as PrefectApi from "@effect-prefect/api/PrefectApi"
import * as Collect from "@effect-prefect/collect/Collect"
import * as CollectFormat from "@effect-prefect/collect/CollectFormat"
import * as CollectOutput from "@effect-prefect/collect/CollectOutput"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PersistedQueue from "effect/persistence/PersistedQueue"
import * as Stream from "effect/Stream"
import { parquetWriteBuffer } from "hyparquet-writer"
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { open } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as zlib from "node:zlib"
import { heldBy } from "./support/held.ts"
import { liveHeap } from "./support/liveHeap.ts"
import { api, flowRunId, storage } from "./support/madeUpWorld.ts"
import { commandCpu } from "./support/processes.ts"
import type { Contender, Row } from "./support/row.ts"

const queue = PersistedQueue.layer.pipe(Layer.provide(PersistedQueue.layerStoreMemory))

const world = (count: number) => Layer.merge(Layer.succeed(PrefectApi.PrefectApi, api(count)), storage)

/** Runs a function in an empty folder, and returns its processor time in milliseconds. */
const timed = async (work: (folder: string) => Promise<void>): Promise<number> => {
  const folder = mkdtempSync(join(tmpdir(), "collect-bench-"))
  try {
    const before = process.cpuUsage()
    await work(folder)
    const { system, user } = process.cpuUsage(before)
    return (user + system) / 1000
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const collect = async (
  folder: string,
  count: number,
  format: "jsonl" | "parquet",
  partRows: number,
  onRows: (rows: number) => void = () => {}
): Promise<void> => {
  const { manifest } = await Effect.runPromise(
    Collect.run({
      selection: { flowRunIds: [flowRunId] },
      output: { format, partRows },
      observer: { onRows }
    }).pipe(
      Effect.provide(CollectOutput.layerLocal(folder)),
      Effect.provide(Layer.merge(world(count), queue))
    )
  )
  if (manifest.rows !== count + 1) throw new Error(`${manifest.rows} rows instead of ${count + 1}`)
}

/** The lines of `task-run mapped --json`, written as they arrive. */
const plain = async (folder: string, count: number): Promise<void> => {
  const file = await open(join(folder, "plain.jsonl"), "w")
  let rows = 0
  await Effect.runPromise(
    Effect.gen(function*() {
      const parent = yield* TaskRun.fromTaskRunId("parent")
      yield* Stream.runForEachArray(
        parent.outcomes,
        (outcomes) =>
          Effect.flatMap(Effect.forEach(outcomes, CollectFormat.rowOf), (shown) => {
            let text = ""
            for (const { mapIndex, outcome, state, taskRunId, taskSlug } of shown) {
              const head = JSON.stringify({ task_run_id: taskRunId, task_slug: taskSlug, map_index: mapIndex, state })
              text += `${head.slice(0, -1)},"outcome":{"value":${outcome._tag === "Value" ? outcome.json : "null"}}}\n`
            }
            rows += shown.length
            return Effect.promise(() => file.write(text))
          })
      )
    }).pipe(Effect.provide(world(count)))
  )
  await file.close()
  if (rows !== count) throw new Error(`${rows} rows instead of ${count}`)
}

const collecting = (name: string, format: "jsonl" | "parquet", count: number, partRows: number): Contender => ({
  name,
  run: async () => ({ measured: await timed((folder) => collect(folder, count, format, partRows)) })
})

const count = 100_000

const beside: Row = {
  work: "collect as JSON Lines, parts of 5 000 (processor time)",
  count,
  ours: collecting("collect", "jsonl", count, 5000),
  limit: {
    name: "outcomes into one file",
    run: async () => ({ measured: await timed((folder) => plain(folder, count)) })
  },
  target: { limit: 1 / 1.1 }
}

const parquet: Row = {
  work: "collect as Parquet with zstd, parts of 20 000 (processor time)",
  count,
  ours: collecting("Parquet", "parquet", count, 20_000),
  limit: collecting("JSON Lines", "jsonl", count, 20_000),
  target: { limit: 1 / 1.25 }
}

let early = Number.NaN

const memory: Row = {
  work: "live heap at 1 000 000 results of collect",
  count: 1_000_000,
  show: "MB",
  ours: {
    name: "after 1 000 000",
    run: async () => {
      early = Number.NaN
      let late = Number.NaN
      let seen = 0
      await timed((folder) =>
        collect(folder, 1_000_000, "jsonl", 20_000, (rows) => {
          seen += rows
          if (Number.isNaN(early) && seen >= 100_000) early = liveHeap()
          else if (Number.isNaN(late) && seen >= 990_000) late = liveHeap()
        })
      )
      return { measured: late }
    }
  },
  limit: { name: "after 100 000", run: () => ({ measured: early }) },
  target: { limit: 1 / 1.15 },
  runs: 1,
  warmUp: false
}

/** The rows of a large part, with small values. */
const groupRows = (): ReadonlyArray<CollectFormat.Row> =>
  Array.from({ length: 50_000 }, (_, index) => ({
    flowRunId,
    taskRunId: `44444444-0000-4000-8000-${String(index).padStart(12, "0")}`,
    taskSlug: "score-1",
    state: "Success",
    mapIndex: index,
    outcome: { _tag: "Value", json: `{"index":${index}}` }
  }))

const parquetOutput = { format: "parquet", compression: "zstd", partRows: 50_000, columns: [] } as const

let group: ReadonlyArray<CollectFormat.Row> = []
const openGroup = () => {
  group = groupRows()
}

/** Without giving way: all columns of the row group in one call. */
const atOnce = () => {
  const texts = (name: string, of: (row: CollectFormat.Row) => string) => ({ name, data: group.map(of) })
  parquetWriteBuffer({
    codec: "ZSTD",
    compressors: { ZSTD: (bytes) => zlib.zstdCompressSync(bytes) },
    rowGroupSize: group.length,
    columnData: [
      texts("flow_run_id", (row) => row.flowRunId),
      texts("task_run_id", (row) => row.taskRunId),
      texts("task_slug", (row) => row.taskSlug ?? ""),
      { name: "map_index", data: group.map((row) => row.mapIndex), type: "INT32" },
      texts("state", (row) => row.state),
      texts("value", (row) => row.outcome._tag === "Value" ? row.outcome.json : "")
    ]
  })
}

const held: Row = {
  work: "held by 50 000 rows of Parquet",
  count: 1,
  show: "ms",
  ours: {
    name: "giving way",
    open: openGroup,
    run: async () => {
      const { longest } = await heldBy(() =>
        Effect.runPromise(
          Stream.runDrain(
            CollectFormat.encode(Stream.rechunk(Stream.fromIterable(group), 2048), parquetOutput)
          )
        )
      )
      return { measured: longest }
    }
  },
  peers: [{
    name: "at once",
    run: async () => {
      const { longest } = await heldBy(async () => {
        atOnce()
      })
      return { measured: longest }
    }
  }],
  target: { peer: 2 }
}

/**
 * An archive whose children share a thousand files. There are a million of them, because each process takes a second of
 * processor time until its code is compiled: at 200 000 that is a fifth of its time.
 */
const children = 1_000_000
const makeArchive = (folder: string) => {
  const at = new Date(Date.UTC(2022, 0, 1)).toISOString()
  const taskRun = (number: number) => ({
    id: `44444444-0000-4000-8000-${String(number).padStart(12, "0")}`,
    task_id: "33333333-0000-4000-8000-000000000000",
    flow_run_id: flowRunId,
    created: at,
    map_index: number - 1,
    state: number === 0 ? "Mapped" : "Success",
    serialized_state: number === 0 ? { type: "Mapped", n_map_states: children } : {
      type: "Success",
      _result: { type: "LocalResult", location: `/srv/results/${number % 1000}.json`, dir: "/srv/results" }
    }
  })
  const lines = {
    flow: [{ id: "00000000-0000-4000-8000-000000000000", name: "nightly", created: at }],
    flow_run: [{
      id: flowRunId,
      flow_id: "00000000-0000-4000-8000-000000000000",
      name: "run",
      created: at,
      state: "Success",
      serialized_state: { type: "Success" }
    }],
    task: [{ id: "33333333-0000-4000-8000-000000000000", slug: "score-1", name: "score", created: at }]
  }
  for (const name of ["tables", "results"]) mkdirSync(join(folder, name), { recursive: true })
  const write = (table: string, rows: ReadonlyArray<object>) =>
    appendFileSync(join(folder, "tables", `${table}.jsonl`), rows.map((row) => `${JSON.stringify(row)}\n`).join(""))
  for (const [table, rows] of Object.entries(lines)) write(table, rows)
  for (let from = 0; from <= children; from += 10_000) {
    const length = Math.min(10_000, children + 1 - from)
    write("task_run", Array.from({ length }, (_, at) => taskRun(from + at)))
  }
  for (let file = 0; file < 1000; file++) {
    writeFileSync(join(folder, "results", `${file}.json`), JSON.stringify({ file, name: `customer-${file}` }))
  }
  writeFileSync(join(folder, "mounts.json"), JSON.stringify({ "/srv/results": "results" }))
}

let archive = ""
const collectArchive = async (...more: ReadonlyArray<string>) => {
  const folder = mkdtempSync(join(tmpdir(), "collect-bench-"))
  try {
    return await commandCpu(
      "collect",
      "--all",
      "--archive",
      archive,
      "--output",
      join(folder, "table"),
      "--format",
      "jsonl",
      ...more
    )
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/**
 * With a free core for each process, the time is that of the process that takes longest: the parent does little, and
 * the parts go to whichever child is free.
 */
const processes: Row = {
  work: "1 000 000 results by two child processes, by the processor time of the busiest",
  count: children,
  ours: {
    name: "--processes 2",
    open: async () => {
      archive = mkdtempSync(join(tmpdir(), "collect-bench-archive-"))
      makeArchive(archive)
      await commandCpu("archive", "index", archive)
    },
    run: async () => ({ measured: Math.max(...await collectArchive("--processes", "2")) }),
    close: () => rmSync(archive, { recursive: true, force: true })
  },
  peers: [{ name: "one process", run: async () => ({ measured: Math.max(...await collectArchive()) }) }],
  target: { peer: 1.7 },
  runs: 1,
  warmUp: false
}

export const rows: ReadonlyArray<Row> = [beside, parquet, held, memory, processes]
