import { readText } from "@effect-prefect/api/Network"
import * as Collect from "@effect-prefect/collect/Collect"
import * as Plan from "@effect-prefect/collect/CollectPlan"
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as PersistedQueue from "effect/persistence/PersistedQueue"
import * as Redacted from "effect/Redacted"
import { availableParallelism } from "node:os"
import type * as Inputs from "../inputs/collect.ts"
import * as Processes from "../internal/collectProcesses.ts"
import { collectProgress } from "../internal/collectProgress.ts"
import { CommandFailed, UsageError } from "../internal/errors.ts"
import { isObject } from "../internal/isObject.ts"
import type { InputsOf } from "../internal/lazyHandler.ts"
import { Output } from "../internal/output.ts"
import { isTable, outputOf, placeProblem, sharedPlace, shownPlace } from "../internal/place.ts"
import * as References from "../internal/references.ts"
import * as Render from "../internal/render.ts"
import { complain } from "../internal/terminal.ts"
import * as Services from "../services.ts"

type Flags = InputsOf<typeof Inputs.collect>

const usage = (message: string) => Effect.fail(new UsageError({ message }))

const selectionOf = Effect.fnUntraced(function*(flags: Flags) {
  const named = [
    ...(flags.flowRun.length > 0 ? ["--flow-run"] : []),
    ...(Option.isSome(flags.flow) ? ["--flow"] : []),
    ...(flags.all ? ["--all"] : [])
  ]
  if (named.length !== 1) {
    return yield* usage(
      named.length === 0
        ? "say what to collect: --flow-run RUN, --flow NAME or --all"
        : `give one of ${named.join(" and ")}`
    )
  }
  if (Option.isSome(flags.slug) && flags.flowRun.length === 0) return yield* usage("--slug goes with --flow-run")
  if (flags.all) return { all: true } as const
  if (Option.isSome(flags.flow)) {
    yield* References.requireFlow(flags.flow.value)
    return { flowName: flags.flow.value }
  }
  const [first, ...rest] = yield* Effect.forEach(flags.flowRun, (run) => References.flowRun(run))
  return {
    flowRunIds: [first!.flowRunId, ...rest.map(({ flowRunId }) => flowRunId)] as [string, ...Array<string>],
    ...(Option.isSome(flags.slug) ? { taskSlug: flags.slug.value } : {})
  }
})

const count = (number: number, one: string, many = `${one}s`): string => `${number} ${number === 1 ? one : many}`

const failuresText = (failures: Readonly<Record<string, number>>): string =>
  Object.entries(failures).map(([reason, count]) => `${count} ${reason}`).join(", ")

const partRowsOf = (flags: Flags): Effect.Effect<number | undefined, UsageError> => {
  if (Option.isNone(flags.partRows)) return Effect.succeed(undefined)
  const rows = flags.partRows.value
  return rows >= 1 && rows <= 1_000_000 ? Effect.succeed(rows) : usage("--part-rows takes a number from 1 to 1000000")
}

const columnTypes = ["int64", "double", "bool", "string", "timestamp"] as const

/** The typed columns of a schema file, in order. */
const columnsOf = Effect.fnUntraced(function*(flag: Option.Option<string>) {
  if (Option.isNone(flag)) return undefined
  const file = flag.value
  const text = yield* Effect.tryPromise({
    try: (signal) => readText(file, { signal }),
    catch: (error) =>
      new CommandFailed({
        message: `--schema: ${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? "unknown error"})`
      })
  })
  const json = yield* Effect.try({
    try: () => JSON.parse(text) as unknown,
    catch: () => new UsageError({ message: `--schema: ${file} is not JSON` })
  })
  if (!isObject(json)) {
    return yield* usage(`--schema: ${file} must hold an object, e.g. {"customer": "string", "total": "double"}`)
  }
  return yield* Effect.forEach(Object.entries(json), ([name, given]) => {
    const type = columnTypes.find((type) => type === given)
    if (name === "") return usage("--schema: a column has no name")
    return type === undefined
      ? usage(`--schema: the type of ${JSON.stringify(name)} is one of ${columnTypes.join(", ")}`)
      : Effect.succeed({ name, type })
  })
})

/**
 * A part consists of thousands of objects, and starts anew when one of them fails: at 5 requests for each, no part would
 * end while a store rejects every second request.
 */
const attempts = 20

/** When no bucket is read, the S3 endpoint is for the output alone. Buckets may be in the environment or a profile, too. */
const readFlags = <A extends Services.StorageFlags>(flags: A): A => ({ ...flags, attempts, isForOutput: true })

const memoryQueue = PersistedQueue.layer.pipe(Layer.provide(PersistedQueue.layerStoreMemory))

const clusterOf = Effect.fnUntraced(function*(flag: Option.Option<Redacted.Redacted>) {
  const url = Option.isSome(flag)
    ? flag.value
    : Option.getOrUndefined(yield* Config.option(Config.Redacted("EFFECT_PREFECT_CLUSTER")))
  if (url !== undefined && !/^postgres(ql)?:\/\//i.test(Redacted.value(url))) {
    return yield* usage("--cluster takes the URL of a Postgres, e.g. postgresql://user@host/database")
  }
  return url
})

const processesOf = (flag: Option.Option<number>): Effect.Effect<number | undefined, UsageError> => {
  if (Option.isNone(flag)) return Effect.succeed(undefined)
  if (flag.value < 0) return usage("--processes takes a number, or 0 for one a core")
  return Effect.succeed(flag.value === 0 ? availableParallelism() : flag.value)
}

/** A child of a collection with `--processes`. */
const child = Processes.serve((onRows) =>
  Effect.gen(function*() {
    const plan = yield* Collect.readPlan
    const publish = yield* Collect.makeWorker(plan, { onRows })
    return (part: number) => Effect.suspend(() => publish(plan.parts[part]!))
  })
)

const loadCluster = Effect.promise(() => import("@effect-prefect/collect/CollectCluster"))

export const collect = Effect.fnUntraced(function*(flags: Flags) {
  if (Option.isNone(flags.output)) return yield* usage("say where the parts go: --output PLACE")
  const { stdout } = yield* Output
  const place = flags.output.value
  const problem = placeProblem(place)
  if (problem !== undefined) return yield* usage(`--output: ${problem}`)
  // The output to a table consists of rows: they arrive as lines.
  const format = isTable(place) ? { format: "jsonl", compression: "none" } as const : {
    format: flags.format,
    compression: Option.getOrUndefined(flags.compression)
  }
  const partRows = yield* partRowsOf(flags)
  const slots = yield* Services.positive("slots", flags.slots)
  const maxAttempts = yield* Services.positive("max-attempts", flags.maxAttempts)
  const infer = yield* Services.positive("infer", flags.infer)
  const columns = yield* columnsOf(flags.schema)
  if (infer !== undefined && columns !== undefined) return yield* usage("give --schema or --infer, not both")
  const cluster = yield* clusterOf(flags.cluster)
  if (cluster !== undefined && Option.isSome(flags.processes)) {
    return yield* usage("--processes is for one machine; on a cluster start more workers")
  }
  if (cluster !== undefined && shownPlace(place) !== place) {
    return yield* usage(
      "with --cluster the place is stored in the cluster's database: leave the password out of it, and let the server trust " +
        "the workers or give each PGPASSWORD"
    )
  }
  const progress = yield* collectProgress(flags.json)
  const planned = Effect.map(selectionOf(flags), (selection) => ({
    selection,
    output: { ...format, partRows, columns },
    infer,
    allowUnfinished: flags.allowUnfinished,
    allowFailed: flags.allowFailed,
    maxAttempts
  }))
  const services = Layer.mergeAll(Services.services(readFlags(flags)), outputOf(place, flags.s3Endpoint), memoryQueue)
  if (Processes.isChild()) return yield* Effect.provide(child, services)
  const processes = yield* processesOf(flags.processes)
  const embedded = Effect.scoped(Effect.gen(function*() {
    const options = yield* planned
    const execute = processes === undefined
      ? undefined
      : yield* Processes.make(processes, (rows) => progress.observer.onRows?.(rows))
    return yield* Collect.run({
      ...options,
      execute,
      slots: (slots ?? 2) * (processes ?? 1),
      observer: progress.observer
    })
  })).pipe(Effect.provide(services))
  const clustered = (url: Redacted.Redacted) =>
    Effect.flatMap(loadCluster, (CollectCluster) =>
      CollectCluster.outlive(
        Effect.flatMap(planned, (options) =>
          CollectCluster.start({
            ...options,
            place: sharedPlace(place),
            onStart: (plan) => progress.observer.onStart?.(plan, { parts: 0, rows: 0 }),
            onProgress: ({ failures, parts, publishedParts, rows, workers }) =>
              Object.assign(progress.counts, { failures, parts, partsDone: publishedParts, rows, workers })
          })).pipe(
            Effect.provide(
              Layer.mergeAll(
                Services.services(readFlags(flags)),
                outputOf(place, flags.s3Endpoint),
                CollectCluster.layer({ url })
              )
            )
          ),
        progress.say
      ))
  const { manifest, plan } = yield* progress.shown(cluster === undefined ? embedded : clustered(cluster))
  const { failed, failures, results, rows } = manifest
  if (flags.json) {
    return yield* stdout.write(`${
      JSON.stringify({
        type: "collection",
        job: plan.job,
        output: shownPlace(place),
        complete: manifest.complete,
        parts: plan.parts.length,
        rows,
        results,
        failures,
        incomplete: manifest.incomplete.length,
        failed: failed.length
      })
    }\n`)
  }
  const notes = [
    ...(Object.keys(failures).length === 0 ? [] : [failuresText(failures)]),
    ...(manifest.incomplete.length === 0
      ? []
      : [`${count(manifest.incomplete.length, "mapped task")} with children missing or too many`]),
    ...(failed.length === 0 ? [] : [`${count(failed.length, "part")} failed`])
  ]
  yield* stdout.write(
    `${shownPlace(place)}: ${count(rows, "row")} in ${count(plan.parts.length, "part")}${
      notes.length === 0 ? "" : ` (${notes.join("; ")})`
    }\n`
  )
})

/** The messages of a worker to its user. */
const tell = (text: string) => complain(Render.stripControls(text))

/** A worker that is told to stop returns its parts; an unreachable queue must not prevent that. */
const graceMilliseconds = 8000

export const worker = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.worker>) {
  const url = yield* clusterOf(flags.cluster)
  if (url === undefined) return yield* usage("say which Postgres hands out the parts: --cluster URL")
  const slots = yield* Services.positive("slots", flags.slots)
  const apiRate = yield* Services.positive("api-rate", flags.apiRate)
  const storeRate = yield* Services.positive("store-rate", flags.storeRate)
  const CollectCluster = yield* loadCluster
  const working = CollectCluster.outlive(
    CollectCluster.work({
      open: (place) => outputOf(place, flags.s3Endpoint),
      slots,
      apiRate,
      storeRate,
      untilDone: flags.untilDone,
      onMessage: tell
    }).pipe(
      Effect.scoped,
      Effect.provide(Layer.mergeAll(Services.services(readFlags(flags)), CollectCluster.layer({ url })))
    ),
    tell
  )
  const fiber = yield* Effect.forkDetach(working)
  const signals = ["SIGTERM", "SIGINT"] as const
  const end = () => {
    setTimeout(() => process.exit(0), graceMilliseconds).unref()
    Effect.runFork(Effect.andThen(Fiber.interrupt(fiber), Effect.sync(() => process.exit(0))))
  }
  for (const signal of signals) process.once(signal, end)
  // The same signals interrupt the fiber of the command; `end` is what ends the process then.
  yield* Fiber.join(fiber).pipe(
    Effect.onExit((exit) =>
      Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
        ? Effect.never
        : Effect.sync(() => {
          for (const signal of signals) process.off(signal, end)
        })
    )
  )
})

const clusterStatus = Effect.fnUntraced(function*(url: Redacted.Redacted, json: boolean) {
  const { stdout } = yield* Output
  const CollectCluster = yield* loadCluster
  const jobs = yield* CollectCluster.status.pipe(
    Effect.provide(CollectCluster.layer({ url })),
    Effect.sandbox,
    Effect.mapError(() => new CommandFailed({ message: "the cluster's Postgres does not answer, or refuses" }))
  )
  for (const { failedParts, failures, isFinished, job, parts, place, publishedParts, rows, workers } of jobs) {
    yield* stdout.write(
      json
        ? `${
          JSON.stringify({
            job,
            output: place,
            finished: isFinished,
            parts,
            published_parts: publishedParts,
            failed_parts: failedParts,
            rows,
            failures,
            workers
          })
        }\n`
        : `${Render.stripControls(place)}: ${publishedParts} of ${count(parts, "part")}, ${count(rows, "row")}, ${
          isFinished ? failedParts > 0 ? `${count(failedParts, "part")} failed` : "finished" : count(workers, "worker")
        }\n`
    )
  }
  if (jobs.length === 0 && !json) yield* stdout.write("no jobs\n")
})

export const status = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.status>) {
  const { stdout } = yield* Output
  if (Option.isNone(flags.place)) {
    const url = yield* clusterOf(flags.cluster)
    if (url === undefined) {
      return yield* usage("say which collection: PLACE, or --cluster URL for the jobs of a cluster")
    }
    return yield* clusterStatus(url, flags.json)
  }
  const status = yield* Effect.provide(Collect.status, outputOf(flags.place.value, flags.s3Endpoint))
  if (flags.json) {
    return yield* stdout.write(`${
      JSON.stringify({
        job: status.job,
        complete: status.isComplete,
        parts: status.parts,
        published_parts: status.publishedParts,
        rows: status.rows,
        expected_rows: status.expectedRows,
        bytes: status.bytes,
        failures: status.failures
      })
    }\n`)
  }
  yield* stdout.write(
    `${Render.stripControls(Plan.describeSelection(status.selection))}: ${status.publishedParts} of ${
      count(status.parts, "part")
    }, ${status.rows}${status.expectedRows === null ? "" : ` of ${status.expectedRows}`} rows, ${
      status.isComplete ? "complete" : "not complete"
    }${Object.keys(status.failures).length === 0 ? "" : ` (${failuresText(status.failures)})`}\n`
  )
})

export const verify = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.verify>) {
  const { stdout } = yield* Output
  const found = yield* Effect.provide(Collect.verify, outputOf(flags.place, flags.s3Endpoint))
  for (const { detail, name } of found.issues) {
    yield* stdout.write(
      flags.json
        ? `${JSON.stringify({ type: "issue", name, problem: detail })}\n`
        : `${Render.stripControls(name)}: ${detail}\n`
    )
  }
  if (flags.json) {
    yield* stdout.write(
      `${
        JSON.stringify({
          type: "summary",
          parts: found.parts,
          rows: found.rows,
          bytes: found.bytes,
          issues: found.issueCount
        })
      }\n`
    )
  }
  if (found.issueCount > 0) {
    return yield* new CommandFailed({ message: `${shownPlace(flags.place)}: ${count(found.issueCount, "problem")}` })
  }
  if (!flags.json) {
    yield* stdout.write(
      `${shownPlace(flags.place)}: ${count(found.rows, "row")} in ${
        count(found.parts, "part")
      }: nothing is missing or changed\n`
    )
  }
})
