/**
 * `CollectCluster`: one collection by any number of workers, which receive the parts from a Postgres.
 *
 * The database holds the open parts and the progress of the work. Only the output records what is done: losing the
 * database loses no result. No URL, key or password is stored in it.
 *
 * Requires the package `@effect/sql-pg`, except for the SQL client, for which any other Postgres client of `effect/sql`
 * can be used.
 *
 * **Example** (The queue of the workers)
 *
 * ```ts
 * import * as CollectCluster from "@effect-prefect/collect/CollectCluster"
 * import { Redacted } from "effect"
 *
 * export const Queue = CollectCluster.layer({ url: Redacted.make("postgresql://localhost/queue") })
 * ```
 *
 * @since 0.1.0
 */
import * as PrefectApi from "@effect-prefect/api/PrefectApi"
import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import { ResultStorage } from "@effect-prefect/results/ResultStorage"
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PersistedQueue from "effect/persistence/PersistedQueue"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { randomUUID } from "node:crypto"
import { hostname } from "node:os"
import * as Collect from "./Collect.ts"
import { CollectError, PartsFailed, QueueUnavailable } from "./CollectError.ts"
import { CollectOutput } from "./CollectOutput.ts"
import type * as Plan from "./CollectPlan.ts"
import * as Jobs from "./internal/jobs.ts"
import * as Manifests from "./internal/manifest.ts"
import { readRecord } from "./internal/publish.ts"
import * as Throttle from "./internal/throttle.ts"
import { traced } from "./internal/traced.ts"
import { guard, offer, queueOf } from "./internal/work.ts"

/**
 * The services of a cluster: a connection to its Postgres, and the queue in it.
 *
 * @category services
 * @since 0.1.0
 */
export type Services = SqlClient | PersistedQueue.PersistedQueueFactory

/**
 * The queue in a Postgres that a SQL client is connected to. Its tables are created when they do not exist.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerQueue = (options?: {
  /** The time after which a dead worker's parts go to others. Default 30 seconds. */
  readonly lockExpiration?: number | undefined
  /** The time after which an idle worker looks for parts again. Default 500 milliseconds. */
  readonly pollInterval?: number | undefined
}): Layer.Layer<PersistedQueue.PersistedQueueFactory, SqlError, SqlClient> => {
  const lockExpiration = options?.lockExpiration ?? 30_000
  return PersistedQueue.layer.pipe(Layer.provide(PersistedQueue.layerStoreSql({
    tableName: Jobs.queueTable,
    pollInterval: options?.pollInterval ?? 500,
    lockRefreshInterval: lockExpiration / 3,
    lockExpiration
  })))
}

/**
 * Connects to a cluster's Postgres, with at most 4 connections. Fails when the server is unavailable; see `outlive`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: {
  /** `postgresql://user:password@host:port/database`. */
  readonly url: Redacted.Redacted
}): Layer.Layer<Services, SqlError> =>
  Layer.provideMerge(
    layerQueue(),
    PgClient.layer({
      url: options.url,
      maxConnections: 4,
      connectTimeout: "5 seconds",
      applicationName: "effect-prefect collect",
      // Connection poolers do not keep named statements.
      prepare: false
    })
  )

const transientTags = new Set(["MigrationError", "PersistedQueueError"])

/** Whether an error means that a server is temporarily unavailable. */
const isTransient = (error: unknown): boolean => {
  if (typeof error !== "object" || error === null || !("_tag" in error)) return false
  if (transientTags.has(String(error._tag))) return true
  if (error._tag === "SqlError") {
    const reason = (error as { readonly reason?: { readonly _tag?: string } }).reason?._tag
    return reason !== "AuthenticationError" && reason !== "AuthorizationError" && reason !== "SqlSyntaxError"
  }
  return "isRetryable" in error && error.isRetryable === true
}

/** Describes the unavailable server, without a URL or a statement. */
const described = (error: unknown): string => {
  const tag = (error as { readonly _tag: string })._tag
  return tag === "SqlError" || transientTags.has(tag)
    ? "the cluster's Postgres does not answer"
    : error instanceof Error
    ? error.message
    : tag
}

/**
 * Runs an effect, including the layers in it, again while it fails because a server is unavailable: after 1 s, 2 s, 4
 * s, … up to 30 s. `onLost` is called once for each outage.
 *
 * @category running
 * @since 0.1.0
 */
export const outlive = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  onLost: (problem: string) => void
): Effect.Effect<A, E | CollectError, R> =>
  Effect.suspend(() => {
    let said: string | undefined
    let seconds = 1
    let startedAt = Date.now()
    const attempt: Effect.Effect<A, E | CollectError, R> = Effect.catchCause(effect, (cause) => {
      if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause)
      const error = Cause.squash(cause)
      if (!isTransient(error)) {
        return (error as { readonly _tag?: string } | undefined)?._tag === "SqlError"
          ? Effect.fail(
            new CollectError({
              reason: new QueueUnavailable({ detail: "the cluster's Postgres refuses: check its URL, user and rights" })
            })
          )
          : Effect.failCause(cause)
      }
      // A failure after a longer run is not part of the last outage.
      if (Date.now() - startedAt > 60_000) {
        said = undefined
        seconds = 1
      }
      const problem = described(error)
      if (problem !== said) onLost(`${problem}; trying again`)
      said = problem
      const pause = seconds * 1000
      seconds = Math.min(30, seconds * 2)
      return Effect.andThen(
        Effect.sleep(pause),
        Effect.suspend(() => {
          startedAt = Date.now()
          return attempt
        })
      )
    })
    return attempt
  })

/**
 * The progress of the work of a cluster.
 *
 * @category models
 * @since 0.1.0
 */
export interface Progress {
  readonly parts: number
  readonly publishedParts: number
  readonly rows: number
  readonly failures: Readonly<Record<string, number>>
  /** Workers that reported in the last 30 seconds. */
  readonly workers: number
}

/** Milliseconds between two looks at the jobs. */
const defaultPollInterval = 1000

/**
 * Collects with the workers of a cluster: makes a plan, or continues with the plan in the output, enqueues its parts,
 * and waits until they are published or have failed. Other processes that start the same collection join the job.
 *
 * Fails with PartsFailed when parts have failed after all of their attempts; the next start retries them.
 *
 * @category running
 * @since 0.1.0
 */
export const start = Effect.fnUntraced(function*(
  options: Collect.PlanOptions & {
    /**
     * The output in the form that workers open: an absolute path, `s3://bucket/prefix`. It is stored in the database,
     * so it must not contain credentials.
     */
    readonly place: string
    readonly maxAttempts?: number | undefined
    readonly allowFailed?: boolean | undefined
    readonly onStart?: ((plan: Plan.Plan) => void) | undefined
    readonly onProgress?: ((progress: Progress) => void) | undefined
    /** Milliseconds between two checks of the progress. Default 1000. */
    readonly pollInterval?: number | undefined
  }
): Effect.fn.Return<
  Collect.Collection,
  CollectError | PrefectApiError | SqlError,
  PrefectApi.PrefectApi | ResultStorage | CollectOutput | Services
> {
  const output = yield* CollectOutput
  const { manifest, plan } = yield* Collect.start(options)
  if (manifest !== undefined) return { plan, manifest }
  options.onStart?.(plan)
  const jobs = yield* Jobs.make
  const maxAttempts = Math.max(1, options.maxAttempts ?? 10)
  const key = Jobs.keyOf(plan.job, options.place)
  const round = yield* jobs.open(key, plan, {
    place: options.place,
    maxAttempts,
    allowFailed: options.allowFailed ?? false
  })
  const recorded = yield* Manifests.recordedParts(output)
  if (recorded.size === 0) yield* jobs.restart(key)
  const queue = yield* queueOf(key, maxAttempts)
  yield* offer(queue, key, round, plan.parts.map(({ part }) => part).filter((part) => !recorded.has(part)))
  yield* jobs.enqueued(key)
  for (;;) {
    const job = yield* jobs.settle(key, plan, output)
    options.onProgress?.({
      ...yield* jobs.progress(key),
      parts: plan.parts.length,
      workers: yield* jobs.workers
    })
    if (job === undefined || !job.isFinished) {
      yield* Effect.sleep(options.pollInterval ?? defaultPollInterval)
      continue
    }
    const newest = yield* Manifests.readManifest(output)
    if (newest !== undefined && (newest.manifest.complete || job.allowFailed)) {
      return { plan, manifest: newest.manifest }
    }
    if (job.failed === 0) {
      // If the database says finished and the output does not, the output is right.
      return { plan, manifest: yield* Manifests.createManifest(output, plan, []) }
    }
    const failed = yield* jobs.failures(key, plan, output)
    return yield* new CollectError({
      reason: new PartsFailed({
        failed: failed.length,
        parts: plan.parts.length,
        examples: failed.slice(0, 3).map(({ error, part, range }) => `part ${part} (${range}): ${error}`)
      })
    })
  }
}, traced("CollectCluster.start"))

/**
 * Options of a worker of a cluster.
 *
 * @category models
 * @since 0.1.0
 */
export interface WorkerOptions {
  /** Opens the output of a job. */
  readonly open: (place: string) => Layer.Layer<CollectOutput, CollectError>
  /** Parts that are processed concurrently. Default 2. */
  readonly slots?: number | undefined
  /** Whether the worker ends when no job is open. Default false: it waits for the next job. */
  readonly untilDone?: boolean | undefined
  /** Requests per second to the backend, by all workers together. Default: no limit. */
  readonly apiRate?: number | undefined
  /** Results per second from the storages, by all workers together. Default: no limit. */
  readonly storeRate?: number | undefined
  /** Milliseconds between two checks whether a job is finished. Default 1000. */
  readonly pollInterval?: number | undefined
  /** Called with messages for the user: a job begins, a part failed, a job cannot be processed. */
  readonly onMessage?: ((message: string) => void) | undefined
}

/** How long a worker that ends when no job is open waits for the first one. */
const firstJob = 10_000

/**
 * Works on the parts of every open job, the oldest job first, until it is interrupted. Unfinished parts are then
 * returned at once.
 *
 * Fails with PlaceNotAllowed, before it takes a part, when the storage layer does not allow a location that a plan
 * needs.
 *
 * @category running
 * @since 0.1.0
 */
export const work = Effect.fnUntraced(function*(options: WorkerOptions): Effect.fn.Return<
  void,
  CollectError | SqlError,
  PrefectApi.PrefectApi | ResultStorage | Services | Scope.Scope
> {
  const jobs = yield* Jobs.make
  const say = options.onMessage ?? (() => {})
  const self = { id: randomUUID(), host: hostname(), pid: process.pid }
  const state = { job: null as string | null, rows: 0 }
  const apiThrottle = options.apiRate === undefined ? undefined : Throttle.make(options.apiRate)
  const storeThrottle = options.storeRate === undefined ? undefined : Throttle.make(options.storeRate)
  const throttles = [apiThrottle, storeThrottle].filter((throttle) => throttle !== undefined)
  const throttled = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.gen(function*() {
      const api = yield* PrefectApi.PrefectApi
      const storage = yield* ResultStorage
      return yield* effect.pipe(
        Effect.provideService(PrefectApi.BeforePage, apiThrottle?.wait),
        Effect.provideService(
          PrefectApi.PrefectApi,
          apiThrottle === undefined ? api : Throttle.throttleApi(api, apiThrottle)
        ),
        Effect.provideService(
          ResultStorage,
          storeThrottle === undefined ? storage : Throttle.throttleStorage(storage, storeThrottle)
        )
      )
    })
  const beat = Effect.ignore(Effect.flatMap(
    Effect.andThen(jobs.heartbeat({ ...self, ...state }), jobs.workers),
    (workers) => Effect.sync(() => throttles.forEach((throttle) => throttle.share(workers)))
  ))
  yield* beat
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep("5 seconds"), beat)))
  yield* Effect.addFinalizer(() => Effect.ignore(Effect.timeout(jobs.leave(self.id), "2 seconds")))

  /** Jobs that cannot be processed, and until when to skip them. */
  const skipped = new Map<string, number>()
  const startedAt = Date.now()
  let hasServed = false
  for (;;) {
    const open = (yield* jobs.openJobs).filter(({ job }) => (skipped.get(job) ?? 0) < Date.now())
    const [next] = open
    if (next === undefined) {
      if (options.untilDone === true && (hasServed || Date.now() - startedAt > firstJob)) return
      yield* Effect.sleep((options.pollInterval ?? defaultPollInterval) / 2)
      continue
    }
    state.job = next.job
    const problem = yield* throttled(serve(jobs, next, self.id, state, options))
    state.job = null
    if (problem === undefined) hasServed = true
    else {
      if (!skipped.has(next.job)) say(`job ${next.job} is left out: ${problem}`)
      skipped.set(next.job, Date.now() + 30_000)
    }
  }
}, traced("CollectCluster.work"))

/** Works on one job until it is finished; returns the reason when it cannot be processed. */
const serve = Effect.fnUntraced(function*(
  jobs: Jobs.Jobs,
  job: Jobs.Job,
  worker: string,
  state: { rows: number },
  options: WorkerOptions
): Effect.fn.Return<
  string | undefined,
  CollectError | SqlError,
  PrefectApi.PrefectApi | ResultStorage | PersistedQueue.PersistedQueueFactory
> {
  const say = options.onMessage ?? (() => {})
  const served = Effect.gen(function*() {
    const context = yield* Layer.build(options.open(job.place))
    const output = Context.get(context, CollectOutput)
    const plan = yield* Manifests.readPlan(output)
    if (plan === undefined) return `${job.place} holds no plan here: all workers must see the same output`
    if (plan.job !== job.planJob) return `${job.place} holds another collection by now`
    const publish = yield* Effect.provideContext(
      Collect.makeWorker(plan, {
        onRows: (rows) => {
          state.rows += rows
        }
      }),
      context
    )
    say(`job ${job.job}: ${plan.parts.length} parts to ${job.place}`)
    const queue = yield* queueOf(job.job, job.maxAttempts)
    const end = yield* Deferred.make<void, CollectError>()
    let busy = 0

    const execute = (part: Plan.Part) =>
      Effect.flatMap(
        readRecord(output, part.part),
        // Delivered again after its response was lost: it is done.
        (record) => record === undefined ? publish(part) : Effect.succeed(record)
      )
    const one = queue.take(({ part: number }, { attempts }) =>
      Effect.suspend(() => {
        busy++
        const part = plan.parts[number]
        if (part === undefined) return Effect.void
        return guard(number, execute(part)).pipe(
          Effect.flatMap((record) => jobs.published(job.job, record, worker)),
          Effect.tapError((error) => {
            if (!error.isRetryable) return Deferred.fail(end, error)
            const isLast = attempts >= job.maxAttempts
            say(`part ${number}, attempt ${attempts}: ${error.message}${isLast ? "" : "; trying again"}`)
            return jobs.partFailed(job, number, attempts, error.message)
          })
        )
      }).pipe(Effect.ensuring(Effect.sync(() => busy--)))
    )
    const slot = Effect.forever(
      Effect.flatMap(
        Effect.exit(one),
        // An unavailable queue fails at once.
        (exit) => exit._tag === "Success" ? Effect.void : Effect.sleep("200 millis")
      )
    )
    const watch = Effect.gen(function*() {
      let idle = 0
      let isLost = false
      for (;;) {
        idle = busy > 0 ? 0 : idle + 1
        const found = yield* Effect.exit(
          idle > 0 && idle % 2 === 0 ? jobs.settle(job.job, plan, output) : jobs.find(job.job)
        )
        if (found._tag === "Success") {
          isLost = false
          if (found.value === undefined || found.value.isFinished) return
        } else if (!isLost) {
          isLost = true
          const error = Cause.squash(found.cause)
          say(`${isTransient(error) ? described(error) : "the job cannot be watched"}; trying again`)
        }
        yield* Effect.sleep(options.pollInterval ?? defaultPollInterval)
      }
    })
    const slots = Math.max(1, options.slots ?? 2)
    yield* Effect.raceFirst(
      Effect.raceFirst(Deferred.await(end), watch),
      Effect.forEach(Array.from({ length: slots }), () => slot, { concurrency: "unbounded", discard: true })
    )
    return undefined
  })
  return yield* Effect.catchReason(
    Effect.scoped(served),
    "CollectError",
    "NotACollection",
    (reason) => Effect.succeed(reason.message)
  )
})

/**
 * The jobs of a cluster, the newest first, and their progress.
 *
 * @category inspecting
 * @since 0.1.0
 */
export const status: Effect.Effect<
  ReadonlyArray<
    & Progress
    & {
      readonly job: string
      readonly place: string
      readonly isFinished: boolean
      readonly failedParts: number
    }
  >,
  SqlError,
  SqlClient
> = Effect.gen(function*() {
  const jobs = yield* Jobs.make
  const workers = yield* jobs.workers
  return yield* Effect.forEach(yield* jobs.all, (job) =>
    Effect.map(jobs.progress(job.job), (progress) => ({
      ...progress,
      job: job.job,
      place: job.place,
      parts: job.parts,
      isFinished: job.isFinished,
      failedParts: job.failed,
      workers
    })))
}).pipe(traced("CollectCluster.status"))
