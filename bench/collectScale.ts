/**
 * Collections that are too large for a row of the table, run once each. It is not a `*.bench.ts`, because it requires a
 * Postgres.
 *
 *     node --conditions=@effect-prefect/source --expose-gc bench/collectScale.ts postgresql://…
 *
 * First a million results end to end, by one worker of a cluster in this process, with the time, the memory and the
 * work of Postgres. Then a billion on 100 machines, simulated: the plan, the queue and the manifest are real, the store
 * is S3 with its published rates, and a part takes as long as they allow. It names the first ceiling.
 */
import * as PrefectApi from "@effect-prefect/api/PrefectApi"
import * as Collect from "@effect-prefect/collect/Collect"
import * as CollectCluster from "@effect-prefect/collect/CollectCluster"
import * as CollectOutput from "@effect-prefect/collect/CollectOutput"
import * as CollectPlan from "@effect-prefect/collect/CollectPlan"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as PersistedQueue from "effect/persistence/PersistedQueue"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { SqlClient } from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { api, flowRunId, storage } from "./support/madeUpWorld.ts"

const [url] = process.argv.slice(2)
if (url === undefined) throw new Error("give the URL of a Postgres")

const cluster = CollectCluster.layer({ url: Redacted.make(url) })
const world = (count: number) => Layer.merge(Layer.succeed(PrefectApi.PrefectApi, api(count)), storage)

/** Transactions and bytes of write-ahead log of the whole server so far. */
const traffic = Effect.gen(function*() {
  const sql = yield* SqlClient
  yield* sql`select pg_stat_clear_snapshot()`
  const [row] = yield* sql<{ readonly transactions: number; readonly bytes: number }>`
    select (select sum(xact_commit)::float8 from pg_stat_database) as transactions,
      pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8 as bytes`
  return row!
})

const timed = <A, E, R>(name: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.gen(function*() {
    const start = performance.now()
    const value = yield* effect
    console.log(`${name}: ${((performance.now() - start) / 1000).toFixed(1)} s`)
    return value
  })

const million = Effect.gen(function*() {
  const folder = mkdtempSync(join(tmpdir(), "collect-scale-"))
  const before = yield* traffic
  const start = performance.now()
  const cpu = process.cpuUsage()
  let peak = 0
  const watch = yield* Effect.forkChild(Effect.forever(Effect.andThen(
    Effect.sleep("100 millis"),
    Effect.sync(() => {
      peak = Math.max(peak, process.memoryUsage.rss())
    })
  )))
  const open = () => CollectOutput.layerLocal(folder)
  const [{ manifest, plan }] = yield* Effect.all([
    Effect.provide(
      CollectCluster.start({
        selection: { flowRunIds: [flowRunId] },
        output: { format: "parquet" },
        place: folder
      }),
      open()
    ),
    Effect.scoped(CollectCluster.work({ open, untilDone: true }))
  ], { concurrency: "unbounded" })
  yield* Fiber.interrupt(watch)
  const seconds = (performance.now() - start) / 1000
  const { system, user } = process.cpuUsage(cpu)
  // Statistics are sent with a delay.
  yield* Effect.sleep("2 seconds")
  const after = yield* traffic
  const parts = plan.parts.length
  console.log(`a million results: ${manifest.rows} rows in ${parts} parts`)
  console.log(`  ${seconds.toFixed(1)} s, of which ${((user + system) / 1e6).toFixed(1)} s of processor time`)
  console.log(`  at most ${(peak / 1024 / 1024).toFixed(0)} MB resident`)
  console.log(
    `  Postgres: ${after.transactions - before.transactions} transactions, ` +
      `${((after.bytes - before.bytes) / 1024).toFixed(0)} kB of write-ahead log, polling and heartbeats included`
  )
  rmSync(folder, { recursive: true, force: true })
}).pipe(Effect.provide(world(1_000_000)))

const billion = Effect.gen(function*() {
  const count = 1_000_000_000
  const machines = 100
  const files = new Map<string, Uint8Array>()
  const options = {
    selection: { flowRunIds: [flowRunId] },
    output: { format: "parquet", partRows: 50_000 }
  } as const
  console.log("a billion results on 100 machines")
  const { plan } = yield* timed("  planning", Effect.provide(Collect.start(options), CollectOutput.layerMemory(files)))
  console.log(`  ${plan.parts.length} parts, a plan of ${(files.get("_plan.json")!.length / 1024).toFixed(0)} kB`)

  // The starter enqueues; machines take parts and record them without reading anything, so only our own cost remains.
  const starter = yield* Effect.forkChild(
    Effect.provide(CollectCluster.start({ ...options, place: "simulated" }), CollectOutput.layerMemory(files))
  )
  const sql = yield* SqlClient
  const start = performance.now()
  const job = yield* Effect.gen(function*() {
    for (;;) {
      const rows = yield* sql<{ readonly job: string }>`
        select job from effect_prefect_collect_job where output = 'simulated' and finished is null`
      if (rows[0] !== undefined) return rows[0].job
      yield* Effect.sleep("50 millis")
    }
  }).pipe(Effect.retry({ times: 100 }))
  const before = yield* traffic
  const queue = yield* PersistedQueue.make({
    name: `effect-prefect/collect/${job}`,
    schema: Schema.Struct({ job: Schema.String, part: Schema.Int })
  })
  const output = CollectOutput.makeMemory(files)
  let done = 0
  const take = queue.take(({ part }) =>
    Effect.gen(function*() {
      const record: CollectPlan.PartRecord = {
        part,
        name: CollectPlan.partName(part, plan.output),
        rows: plan.parts[part]!.rows ?? 0,
        results: plan.parts[part]!.rows ?? 0,
        bytes: 1,
        sha256: "0".repeat(64),
        failures: {},
        firstMapIndex: 0,
        lastMapIndex: 0,
        seconds: 1,
        differed: false
      }
      yield* output.create(CollectPlan.recordName(part), Stream.make(Buffer.from(JSON.stringify(record))))
      yield* sql`
        insert into effect_prefect_collect_part (job, part, rows, bytes, failures, worker, seconds)
        values (${job}, ${part}, ${record.rows}, 1, '{}'::jsonb, 'simulated', 1) on conflict do nothing`
      done++
    })
  )
  const workers = yield* Effect.forkChild(
    Effect.forEach(Array.from({ length: machines }), () => Effect.forever(take), {
      concurrency: "unbounded",
      discard: true
    })
  )
  while (done < plan.parts.length) yield* Effect.sleep("50 millis")
  const handedOut = (performance.now() - start) / 1000
  const after = yield* traffic
  yield* Fiber.interrupt(workers)
  const { manifest } = yield* timed("  manifest, after the last part", Fiber.join(starter))
  console.log(`  enqueueing and handing out ${plan.parts.length} parts: ${handedOut.toFixed(1)} s`)
  console.log(
    `  Postgres: ${((after.transactions - before.transactions) / plan.parts.length).toFixed(1)} transactions and ` +
      `${((after.bytes - before.bytes) / plan.parts.length).toFixed(0)} bytes of write-ahead log a part`
  )
  if (!manifest.complete || manifest.rows !== count + 1) throw new Error("the manifest is not complete")

  // The time that the machines would need for the results themselves.
  const perCore = 17_000
  const cores = 8
  const s3 = 5500
  const hours = (seconds: number) => (seconds / 3600).toFixed(1)
  const ceilings = [
    ["processors", count / (machines * cores * perCore)],
    ["S3, all keys below one prefix", count / s3],
    ["S3, 100 prefixes", count / (100 * s3)],
    ["plan, queue and manifest", handedOut]
  ] as const
  for (const [name, seconds] of ceilings) console.log(`  ${name}: ${seconds.toFixed(0)} s, ${hours(seconds)} h`)
}).pipe(Effect.provide(world(1_000_000_000)))

await Effect.runPromise(Effect.provide(Effect.scoped(Effect.andThen(million, billion)), cluster))
