/**
 * Collections that are too large for a row of the table, run once each. It is not a `*.bench.ts`, because it requires a
 * Postgres.
 *
 *     node --conditions=@effect-prefect/source --expose-gc bench/collectScale.ts postgresql://…
 *
 * First the engine alone: empty parts through the queue, beside a bare loop over `FOR UPDATE SKIP LOCKED` on the same
 * connection. Then a million results end to end, by one worker of a cluster in this process, with the time, the memory
 * and the work of Postgres. Then a billion on 100 machines, simulated: the plan, the queue and the manifest are real,
 * the store is S3 with its published rates, and a part takes as long as they allow. It names the first ceiling. `engine`,
 * `million` or `billion` after the URL runs one of them.
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

const [url, only] = process.argv.slice(2)
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

/** What Postgres and this process did for a number of parts. */
const perPart = <E, R>(name: string, parts: number, effect: Effect.Effect<unknown, E, R>) =>
  Effect.gen(function*() {
    const before = yield* traffic
    const cpu = process.cpuUsage()
    yield* effect
    const { system, user } = process.cpuUsage(cpu)
    // Statistics are sent with a delay.
    yield* Effect.sleep("2 seconds")
    const after = yield* traffic
    const milliseconds = (system + user) / 1000 / parts
    console.log(
      `  ${name}: ${milliseconds.toFixed(2)} ms of processor time, ` +
        `${((after.transactions - before.transactions) / parts).toFixed(1)} transactions and ` +
        `${((after.bytes - before.bytes) / parts).toFixed(0)} bytes of write-ahead log a part`
    )
    return milliseconds
  })

const engine = Effect.gen(function*() {
  const parts = 2000
  const sql = yield* SqlClient
  yield* sql`create table if not exists bench_bare (id serial primary key, element text, state text, taken timestamptz)`
  yield* sql`create table if not exists bench_part (job text, part integer, rows bigint, primary key (job, part))`
  const ratios: Array<number> = []
  console.log(`the engine, ${parts} empty parts by two slots`)
  for (let run = 0; run < 4; run++) {
    const job = `engine-${run}`
    let done = 0
    const record = (part: number) =>
      sql`insert into bench_part (job, part, rows) values (${job}, ${part}, 0) on conflict do nothing`
    const queue = yield* PersistedQueue.make({
      name: `effect-prefect/collect/${job}`,
      schema: Schema.Struct({ job: Schema.String, part: Schema.Int })
    })
    const take = queue.take(({ part }) => Effect.andThen(record(part), Effect.sync(() => done++)))
    const until = Effect.gen(function*() {
      while (done < parts) yield* Effect.sleep("20 millis")
    })
    const own = yield* perPart(
      "PersistedQueue",
      parts,
      Effect.gen(function*() {
        yield* Effect.forEach(
          Array.from({ length: parts }, (_, part) => part),
          (part) => queue.offer({ job, part }, { id: `${job}/${part}/1` }),
          { concurrency: 8, discard: true }
        )
        yield* Effect.raceFirst(
          until,
          Effect.forEach([0, 1], () => Effect.forever(take), { concurrency: "unbounded", discard: true })
        )
      })
    )
    const bareTake = Effect.gen(function*() {
      const [row] = yield* sql<{ readonly id: number; readonly element: string }>`
        update bench_bare set taken = now(), state = 'taken' where id = (
          select id from bench_bare where state = 'pending' order by id for update skip locked limit 1
        ) returning id, element`
      if (row === undefined) return false
      yield* record(parts + row.id)
      yield* sql`update bench_bare set state = 'completed' where id = ${row.id}`
      return true
    })
    const bareSlot = Effect.gen(function*() {
      while (yield* bareTake) { /* the next one */ }
    })
    const bare = yield* perPart(
      "bare SKIP LOCKED",
      parts,
      Effect.gen(function*() {
        yield* Effect.forEach(
          Array.from({ length: parts }, (_, part) => part),
          (part) => sql`insert into bench_bare (element, state) values (${JSON.stringify({ job, part })}, 'pending')`,
          { concurrency: 8, discard: true }
        )
        yield* Effect.all([bareSlot, bareSlot], { concurrency: "unbounded", discard: true })
      })
    )
    if (run > 0) ratios.push(own / bare)
  }
  ratios.sort((left, right) => left - right)
  console.log(`  PersistedQueue takes ${ratios[1]!.toFixed(2)} × the processor time of the bare loop (median of 3)`)
  const [size] = yield* sql<{ readonly bytes: number }>`
    select (pg_total_relation_size('effect_prefect_queue') / (select count(*) from effect_prefect_queue))::float8 as bytes`
  console.log(`  ${size!.bytes.toFixed(0)} bytes of table and indexes a part in the queue`)
  yield* sql`drop table bench_bare, bench_part`
  yield* sql`delete from effect_prefect_queue where queue_name like 'effect-prefect/collect/engine-%'`
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

const all = { engine, million, billion }
const chosen = Object.entries(all).flatMap(([name, effect]) => only === undefined || only === name ? [effect] : [])
await Effect.runPromise(Effect.provide(Effect.scoped(Effect.all(chosen, { discard: true })), cluster))
