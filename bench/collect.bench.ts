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
import { mkdtempSync, rmSync } from "node:fs"
import { open } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { api, flowRunId, storage } from "./support/madeUpWorld.ts"
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

const megabytes = () => {
  globalThis.gc?.()
  return process.memoryUsage().heapUsed / 1024 / 1024
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
          if (Number.isNaN(early) && seen >= 100_000) early = megabytes()
          else if (Number.isNaN(late) && seen >= 990_000) late = megabytes()
        })
      )
      return { measured: late }
    }
  },
  limit: { name: "after 100 000", run: () => ({ measured: early }) },
  target: { limit: 1 / 1.15 },
  runs: 2
}

export const rows: ReadonlyArray<Row> = [beside, parquet, memory]
