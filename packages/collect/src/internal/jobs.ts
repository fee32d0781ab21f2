/** The tables of a cluster: its jobs, their progress and its workers. The queue has a table of its own. */
import * as Effect from "effect/Effect"
import * as Migrator from "effect/sql/Migrator"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { createHash } from "node:crypto"
import type { CollectError } from "../CollectError.ts"
import * as Plan from "../CollectPlan.ts"
import * as Manifests from "./manifest.ts"
import type { Output } from "./output.ts"
import { queueName } from "./work.ts"

export const queueTable = "effect_prefect_queue"

const migrations = Migrator.fromRecord({
  "0001_create_tables": Effect.gen(function*() {
    const sql = yield* SqlClient
    yield* sql`create table if not exists effect_prefect_collect_job (
      job text primary key,
      output text not null,
      plan_sha256 text not null,
      parts integer not null,
      rows bigint,
      round integer not null default 1,
      max_attempts integer not null,
      allow_failed boolean not null,
      enqueued boolean not null default false,
      failed integer not null default 0,
      created timestamptz not null default now(),
      finished timestamptz
    )`
    yield* sql`create table if not exists effect_prefect_collect_part (
      job text not null,
      part integer not null,
      rows bigint not null,
      bytes bigint not null,
      failures jsonb not null,
      worker text not null,
      seconds double precision not null,
      finished timestamptz not null default now(),
      primary key (job, part)
    )`
    yield* sql`create table if not exists effect_prefect_collect_failure (
      job text not null,
      part integer not null,
      round integer not null,
      attempts integer not null,
      error text not null,
      failed timestamptz not null default now(),
      primary key (job, part)
    )`
    yield* sql`create table if not exists effect_prefect_collect_worker (
      id text primary key,
      host text not null,
      pid integer not null,
      job text,
      seen timestamptz not null default now(),
      rows bigint not null
    )`
  })
})

/** The name of a job in the database: the same results may be collected to several places. */
export const keyOf = (job: string, place: string): string =>
  `${job}-${createHash("sha256").update(place).digest("hex").slice(0, 8)}`

export interface Job {
  /** The job's key. */
  readonly job: string
  /** The job of its plan. */
  readonly planJob: string
  readonly place: string
  readonly parts: number
  readonly round: number
  readonly maxAttempts: number
  readonly allowFailed: boolean
  readonly isEnqueued: boolean
  readonly failed: number
  readonly isFinished: boolean
}

interface JobRow {
  readonly job: string
  readonly output: string
  readonly parts: number
  readonly round: number
  readonly max_attempts: number
  readonly allow_failed: boolean
  readonly enqueued: boolean
  readonly failed: number
  readonly is_finished: boolean
}

const fromRow = (row: JobRow): Job => ({
  job: row.job,
  planJob: row.job.slice(0, row.job.lastIndexOf("-")),
  place: row.output,
  parts: row.parts,
  round: row.round,
  maxAttempts: row.max_attempts,
  allowFailed: row.allow_failed,
  isEnqueued: row.enqueued,
  failed: row.failed,
  isFinished: row.is_finished
})

export type Jobs = Effect.Success<typeof make>

/** The tables, which are created when they do not exist. */
export const make = Effect.gen(function*() {
  const sql = (yield* SqlClient).withoutTransforms()
  yield* Effect.orDie(Migrator.make({})({ loader: migrations, table: "effect_prefect_collect_migrations" }))

  const columns = sql.literal(
    "job, output, parts, round, max_attempts, allow_failed, enqueued, failed, finished is not null as is_finished"
  )
  /** A server that has stopped silently must not delay work that does not need it. */
  const atMost = <A>(effect: Effect.Effect<A, SqlError>) => Effect.timeoutOption(effect, "5 seconds")

  const find = (job: string): Effect.Effect<Job | undefined, SqlError> =>
    Effect.map(
      sql<JobRow>`select ${columns} from effect_prefect_collect_job where job = ${job}`,
      ([row]) => row === undefined ? undefined : fromRow(row)
    )

  const openJobs: Effect.Effect<ReadonlyArray<Job>, SqlError> = Effect.map(
    sql<JobRow>`select ${columns} from effect_prefect_collect_job where finished is null order by created, job`,
    (rows) => rows.map(fromRow)
  )

  const all: Effect.Effect<ReadonlyArray<Job>, SqlError> = Effect.map(
    sql<JobRow>`select ${columns} from effect_prefect_collect_job order by created desc, job limit 100`,
    (rows) => rows.map(fromRow)
  )

  /** Opens a job and returns its round: the current one, or the next one when it had ended. */
  const open = (
    key: string,
    plan: Plan.Plan,
    options: { readonly place: string; readonly maxAttempts: number; readonly allowFailed: boolean }
  ): Effect.Effect<number, SqlError> => {
    const digest = createHash("sha256").update(Plan.canonicalJson(plan)).digest("hex")
    return Effect.map(
      sql<{ readonly round: number }>`
        insert into effect_prefect_collect_job as known (job, output, plan_sha256, parts, rows, max_attempts, allow_failed)
        values (${key}, ${options.place}, ${digest}, ${plan.parts.length}, ${plan.expected},
          ${options.maxAttempts}, ${options.allowFailed})
        on conflict (job) do update set
          output = excluded.output,
          max_attempts = excluded.max_attempts,
          allow_failed = excluded.allow_failed,
          round = case when known.finished is null then known.round else known.round + 1 end,
          enqueued = known.enqueued and known.finished is null,
          failed = 0,
          finished = null
        returning round`,
      ([row]) => row!.round
    )
  }

  /** Deletes the progress of a job whose output is empty, for example after it was removed. */
  const restart = (job: string) => sql`delete from effect_prefect_collect_part where job = ${job}`

  const enqueued = (job: string) => sql`update effect_prefect_collect_job set enqueued = true where job = ${job}`

  /** Only for showing progress, so an unavailable database is not a failure. */
  const published = (job: string, record: Plan.PartRecord, worker: string) =>
    Effect.ignore(atMost(sql`
      insert into effect_prefect_collect_part (job, part, rows, bytes, failures, worker, seconds)
      values (${job}, ${record.part}, ${record.rows}, ${record.bytes}, ${JSON.stringify(record.failures)}::jsonb,
        ${worker}, ${record.seconds})
      on conflict do nothing`))

  /** Adds parts that are in the output, and whose workers ended, or found the job finished, before they told. */
  const addUntold = (job: string, output: Output, recorded: ReadonlySet<number>) =>
    Effect.gen(function*() {
      const told = yield* sql<{ readonly part: number }>`
        select part from effect_prefect_collect_part where job = ${job}`
      const untold = new Set(recorded)
      for (const { part } of told) untold.delete(part)
      const records = yield* Manifests.readRecords(output, untold)
      yield* Effect.forEach(records, (record) => published(job, record, ""), { discard: true })
    })

  const partFailed = ({ job, round }: Job, part: number, attempts: number, error: string) =>
    Effect.ignore(atMost(sql`
      insert into effect_prefect_collect_failure (job, part, round, attempts, error)
      values (${job}, ${part}, ${round}, ${attempts}, ${error.slice(0, 2000)})
      on conflict (job, part) do update set
        round = excluded.round, attempts = excluded.attempts, error = excluded.error, failed = now()`))

  const progress = (job: string) =>
    Effect.map(
      Effect.all([
        sql<{ readonly parts: number; readonly rows: number }>`
          select count(*)::int as parts, coalesce(sum(rows), 0)::float8 as rows
          from effect_prefect_collect_part where job = ${job}`,
        sql<{ readonly reason: string; readonly count: number }>`
          select key as reason, sum(value::bigint)::float8 as count
          from effect_prefect_collect_part, jsonb_each_text(failures)
          where job = ${job} group by key order by key`
      ]),
      ([[counts], failures]) => ({
        publishedParts: counts?.parts ?? 0,
        rows: counts?.rows ?? 0,
        failures: Object.fromEntries(failures.map(({ count, reason }) => [reason, count]))
      })
    )

  const heartbeat = (worker: {
    readonly id: string
    readonly host: string
    readonly pid: number
    readonly job: string | null
    readonly rows: number
  }) =>
    atMost(sql`
      insert into effect_prefect_collect_worker (id, host, pid, job, rows)
      values (${worker.id}, ${worker.host}, ${worker.pid}, ${worker.job}, ${worker.rows})
      on conflict (id) do update set job = excluded.job, rows = excluded.rows, seen = now()`)

  const leave = (id: string) => sql`delete from effect_prefect_collect_worker where id = ${id}`

  const workers: Effect.Effect<number, SqlError> = Effect.map(
    sql<{ readonly count: number }>`
      select count(*)::int as count from effect_prefect_collect_worker where seen > now() - interval '30 seconds'`,
    ([row]) => row?.count ?? 0
  )

  /** The parts without a record, and the reasons. */
  const failures = (
    key: string,
    plan: Plan.Plan,
    output: Output
  ): Effect.Effect<ReadonlyArray<Plan.FailedPart>, SqlError | CollectError> =>
    Effect.gen(function*() {
      const recorded = yield* Manifests.recordedParts(output)
      const job = yield* find(key)
      const rows = yield* sql<{ readonly part: number; readonly attempts: number; readonly error: string }>`
        select part, attempts, error from effect_prefect_collect_failure
        where job = ${key} and round = ${job?.round ?? 1}`
      const known = new Map(rows.map((row) => [row.part, row]))
      return plan.parts.filter(({ part }) => !recorded.has(part)).map((part): Plan.FailedPart => {
        const row = known.get(part.part)
        const isLost = row === undefined || (job !== undefined && row.attempts < job.maxAttempts)
        return {
          part: part.part,
          range: Plan.describePart(part),
          attempts: isLost ? job?.maxAttempts ?? 0 : row.attempts,
          error: isLost
            ? `worker lost${row === undefined ? "" : ` (before that: ${row.error})`}`
            : row.error
        }
      })
    })

  /**
   * Ends a job when none of its parts is waiting or in progress, writes the manifest when it is due, and returns the
   * job.
   */
  const settle = (
    key: string,
    plan: Plan.Plan,
    output: Output
  ): Effect.Effect<Job | undefined, SqlError | CollectError> =>
    Effect.gen(function*() {
      const job = yield* find(key)
      if (job === undefined || job.isFinished) return job
      const [row] = yield* sql<{ readonly count: number }>`
        select count(*)::int as count from ${sql(queueTable)}
        where queue_name = ${queueName(key)} and state = 'pending'`
      if (row === undefined || row.count > 0) return job
      const recorded = yield* Manifests.recordedParts(output)
      const isWhole = plan.parts.every(({ part }) => recorded.has(part))
      // Parts may still be on their way into the queue.
      if (!isWhole && !job.isEnqueued) return job
      const failed = isWhole ? [] : yield* failures(key, plan, output)
      if (isWhole || job.allowFailed) yield* Manifests.createManifest(output, plan, failed)
      yield* addUntold(key, output, recorded)
      yield* sql`
        update effect_prefect_collect_job set finished = now(), failed = ${failed.length}
        where job = ${key} and round = ${job.round} and finished is null`
      return yield* find(key)
    })

  return {
    find,
    openJobs,
    all,
    open,
    restart,
    enqueued,
    published,
    partFailed,
    progress,
    heartbeat,
    leave,
    workers,
    failures,
    settle
  }
})
