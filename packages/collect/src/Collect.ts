/**
 * `Collect`: collects any number of results into Parquet or JSON Lines parts.
 *
 * A plan cuts the selection into parts, each with a fixed number, range and name. A part is read, encoded and published
 * once. The manifest, written last, says that the collection is complete. An interrupted collection continues when it
 * is run again.
 *
 * **Example** (Collecting a flow run into a folder)
 *
 * ```ts
 * import { Collect, CollectOutput } from "@effect-prefect/collect"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as PersistedQueue from "effect/persistence/PersistedQueue"
 *
 * export const collect = (flowRunId: string) =>
 *   Collect.run({
 *     selection: { flowRunIds: [flowRunId] },
 *     output: { format: "jsonl" }
 *   }).pipe(
 *     Effect.provide(CollectOutput.layerLocal("results")),
 *     Effect.provide(PersistedQueue.layer.pipe(Layer.provide(PersistedQueue.layerStoreMemory)))
 *   )
 * ```
 *
 * @since 0.1.0
 */
import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import { layer as layerOptions, ResultOptions } from "@effect-prefect/results/ResultOptions"
import { resultOptions, ResultStorage } from "@effect-prefect/results/ResultStorage"
import * as Effect from "effect/Effect"
import type { PersistedQueueFactory } from "effect/persistence/PersistedQueue"
import {
  CollectError,
  NotACollection,
  OtherCollection,
  PartsFailed,
  PlaceNotAllowed,
  Unsupported
} from "./CollectError.ts"
import { CollectOutput } from "./CollectOutput.ts"
import * as Plan from "./CollectPlan.ts"
import * as FlowRuns from "./internal/flowRuns.ts"
import * as Manifests from "./internal/manifest.ts"
import { firstDenied } from "./internal/needs.ts"
import * as Planner from "./internal/planner.ts"
import { publish } from "./internal/publish.ts"
import { traced } from "./internal/traced.ts"
import { drain } from "./internal/work.ts"

/**
 * What to collect, and in which format.
 *
 * @category models
 * @since 0.1.0
 */
export interface PlanOptions {
  readonly selection: Plan.Selection
  readonly output: {
    readonly format: Plan.OutputFormat["format"]
    /** Default: zstd for Parquet, none for JSON Lines. */
    readonly compression?: Plan.OutputFormat["compression"] | undefined
    /** Rows per part, 1 to 1 000 000. Default 20 000; 50 000 when there are more than 10 million rows. */
    readonly partRows?: number | undefined
    /** Typed columns besides those that every collection has. Default: none, or those that `infer` finds. */
    readonly columns?: ReadonlyArray<Plan.Column> | undefined
  }
  /**
   * Reads this number of results of each mapped task, and makes the members that all of them share typed columns. At
   * most 100 tasks are sampled. Default: none.
   */
  readonly infer?: number | undefined
  /** Whether to collect flow runs that have not finished, in their current state. Default false: they are rejected. */
  readonly allowUnfinished?: boolean | undefined
}

/**
 * Callbacks for the progress of a collection. They run synchronously while results load, so keep them fast.
 *
 * @category models
 * @since 0.1.0
 */
export interface Observer {
  /** The plan is available; the given numbers of its parts and rows were published before. */
  readonly onStart?: ((plan: Plan.Plan, done: { readonly parts: number; readonly rows: number }) => void) | undefined
  /** Rows were read and encoded. */
  readonly onRows?: ((rows: number) => void) | undefined
  /** A part was published. */
  readonly onPart?: ((record: Plan.PartRecord) => void) | undefined
  /** An attempt at a part failed. */
  readonly onFailure?:
    | ((part: Plan.Part, error: CollectError, attempts: number, isLast: boolean) => void)
    | undefined
}

/**
 * Options for working on parts.
 *
 * @category models
 * @since 0.1.0
 */
export interface WorkOptions {
  /** Parts that are processed concurrently, so that the end of one overlaps the start of the next. Default 2. */
  readonly slots?: number | undefined
  /** Attempts per part before it fails. Default 10. */
  readonly maxAttempts?: number | undefined
  /** Whether a collection with failed parts gets a manifest that lists them. Default false: the collection fails. */
  readonly allowFailed?: boolean | undefined
  readonly observer?: Observer | undefined
}

/**
 * The state of the collection after a run.
 *
 * @category models
 * @since 0.1.0
 */
export interface Collection {
  readonly plan: Plan.Plan
  readonly manifest: Plan.Manifest
}

/**
 * The output options with their defaults.
 *
 * @category options
 * @since 0.1.0
 */
export const outputFormat = ({ columns, compression, format, partRows }: PlanOptions["output"]): Plan.OutputFormat => ({
  format,
  compression: compression ?? (format === "parquet" ? "zstd" : "none"),
  partRows: partRows ?? 20_000,
  columns: columns ?? []
})

const createdBy = "effect-prefect"

/**
 * Plans a collection: requests counts from the backend, and reads no results except those for `infer`. Nothing is
 * written.
 *
 * @category planning
 * @since 0.1.0
 */
export const plan = Effect.fnUntraced(function*(
  options: PlanOptions
): Effect.fn.Return<Plan.Plan, CollectError | PrefectApiError, PrefectApi | ResultStorage> {
  const { maxBytes } = yield* resultOptions
  if (options.infer !== undefined && options.output.columns !== undefined) {
    return yield* new CollectError({
      reason: new Unsupported({
        detail: "give the typed columns (--schema), or have them inferred (--infer), not both"
      })
    })
  }
  return yield* Planner.make(yield* PrefectApi, yield* ResultStorage, {
    selection: options.selection,
    output: outputFormat(options.output),
    largeParts: options.output.partRows === undefined,
    maxBytes,
    createdBy,
    allowUnfinished: options.allowUnfinished ?? false,
    infer: options.infer ?? 0
  })
}, traced("Collect.plan"))

/** Whether the backend has what a plan by name or of everything was made from. */
const checkBackend = Effect.fnUntraced(function*(name: string, { parts, selection }: Plan.Plan) {
  const [first] = parts
  if ("flowRunIds" in selection || first === undefined) return
  const flowRunId = first._tag === "FlowRuns" ? first.flowRunIds[0] : first.flowRunId
  const api = yield* PrefectApi
  yield* Effect.catchReason(api.flowRun(flowRunId), "PrefectApiError", "FlowRunNotFound", () =>
    Effect.fail(
      new CollectError({
        reason: new OtherCollection({
          output: name,
          detail: `${Plan.describeSelection(selection)} of another backend`
        })
      })
    ))
})

/**
 * The plan in the output, or a new one, which is then stored there. When several processes start at once, one stores
 * its plan, and the others use it.
 *
 * Fails with OtherCollection when the output contains a plan of another selection or format.
 *
 * @category planning
 * @since 0.1.0
 */
export const start = Effect.fnUntraced(function*(
  options: PlanOptions
): Effect.fn.Return<
  { readonly plan: Plan.Plan; readonly manifest: Plan.Manifest | undefined },
  CollectError | PrefectApiError,
  PrefectApi | ResultStorage | CollectOutput
> {
  const output = yield* CollectOutput
  const wanted = {
    selection: options.selection,
    output: {
      ...outputFormat(options.output),
      columns: options.output.columns,
      partRows: options.output.partRows
    }
  }
  let known = yield* Manifests.readPlan(output)
  if (known === undefined) {
    const made = yield* plan(options)
    yield* output.prepare(made.job)
    known = yield* Manifests.createPlan(output, made)
  } else {
    yield* Manifests.checkPlan(output, known, wanted)
    yield* checkBackend(output.name, known)
    const newest = yield* Manifests.readManifest(output)
    if (newest?.manifest.complete === true) {
      // The process that wrote the manifest may have been ended before it tidied up.
      yield* Effect.ignore(output.finish)
      return { plan: known, manifest: newest.manifest }
    }
    yield* output.prepare(known.job)
  }
  yield* Manifests.checkPlan(output, known, wanted)
  return { plan: known, manifest: undefined }
}, traced("Collect.start"))

/**
 * The plan in the output. Fails with NotACollection when there is none.
 *
 * @category planning
 * @since 0.1.0
 */
export const readPlan: Effect.Effect<Plan.Plan, CollectError, CollectOutput> = Effect.flatMap(
  CollectOutput,
  (output) =>
    Effect.flatMap(Manifests.readPlan(output), (plan) =>
      plan === undefined
        ? Effect.fail(
          new CollectError({
            reason: new NotACollection({ output: output.name, detail: `it holds no ${Plan.planName}` })
          })
        )
        : Effect.succeed(plan))
)

/** Fails when the storage layer does not allow a location that the plan needs. */
const checkNeeds = Effect.fnUntraced(function*(plan: Plan.Plan) {
  const denied = firstDenied(yield* ResultStorage, plan.needs)
  if (denied === undefined) return
  return yield* new CollectError({ reason: new PlaceNotAllowed({ location: denied }) })
})

/**
 * Publishes one part and returns its record, or the record of the writer that published it first.
 *
 * @category working
 * @since 0.1.0
 */
export const makeWorker = Effect.fnUntraced(function*(
  plan: Plan.Plan,
  options?: { readonly onRows?: ((rows: number) => void) | undefined }
): Effect.fn.Return<
  (part: Plan.Part) => Effect.Effect<Plan.PartRecord, CollectError>,
  CollectError,
  PrefectApi | ResultStorage | CollectOutput
> {
  yield* checkNeeds(plan)
  const storage = yield* ResultStorage
  const output = yield* CollectOutput
  const api = yield* PrefectApi
  const reader = yield* FlowRuns.makeReader(api, plan)
  const limits = yield* ResultOptions
  return (part) =>
    publish(output, plan, part, reader, options?.onRows ?? (() => {})).pipe(
      Effect.provideService(PrefectApi, api),
      Effect.provideService(ResultStorage, storage),
      // By its layer, for which it is given, even if it is the default: a lower limit of the storage does not replace it.
      Effect.provide(layerOptions({ maxBytes: plan.limits.maxBytes })),
      Effect.provideService(ResultOptions, limits)
    )
}, traced("Collect.makeWorker"))

/**
 * Writes the manifest of a collection whose parts are all published, or have failed.
 *
 * @category working
 * @since 0.1.0
 */
export const finish = Effect.fnUntraced(function*(
  plan: Plan.Plan,
  failed: ReadonlyArray<Plan.FailedPart>,
  options?: { readonly allowFailed?: boolean | undefined }
): Effect.fn.Return<Plan.Manifest, CollectError, CollectOutput> {
  if (failed.length > 0 && options?.allowFailed !== true) {
    return yield* new CollectError({
      reason: new PartsFailed({
        failed: failed.length,
        parts: plan.parts.length,
        examples: failed.slice(0, 3).map(({ error, part, range }) => `part ${part} (${range}): ${error}`)
      })
    })
  }
  return yield* Manifests.createManifest(yield* CollectOutput, plan, failed)
}, traced("Collect.finish"))

/**
 * Collects: makes a plan, or continues with the plan in the output, works on its parts in this process, and writes the
 * manifest. Does nothing when the collection is complete.
 *
 * A result that cannot be read is a row with the reason. When a store or a backend is unavailable, the part fails and
 * is retried after 1 s, 2 s, 4 s, … up to 60 s. Fails with PartsFailed when parts have failed after all of their
 * attempts.
 *
 * @category running
 * @since 0.1.0
 */
export const run = Effect.fnUntraced(function*(
  options: PlanOptions & WorkOptions & {
    /** The function that publishes a part. Default: a worker in this process. */
    readonly execute?: ((part: Plan.Part) => Effect.Effect<Plan.PartRecord, CollectError>) | undefined
  }
): Effect.fn.Return<
  Collection,
  CollectError | PrefectApiError,
  PrefectApi | ResultStorage | CollectOutput | PersistedQueueFactory
> {
  const output = yield* CollectOutput
  const { observer } = options
  const { manifest, plan } = yield* start(options)
  if (manifest !== undefined) return { plan, manifest }
  const recorded = yield* Manifests.recordedParts(output)
  const pending = plan.parts.map(({ part }) => part).filter((part) => !recorded.has(part))
  if (observer?.onStart !== undefined) {
    const records = yield* Manifests.readRecords(output, recorded)
    observer.onStart(plan, { parts: records.length, rows: records.reduce((rows, record) => rows + record.rows, 0) })
  }
  if (pending.length > 0) yield* checkNeeds(plan)
  const execute = pending.length === 0
    ? undefined
    : options.execute ?? (yield* makeWorker(plan, { onRows: observer?.onRows }))
  const failed = execute === undefined ? [] : yield* drain(plan, pending, {
    slots: Math.max(1, options.slots ?? 2),
    maxAttempts: Math.max(1, options.maxAttempts ?? 10),
    execute,
    observer: {
      onPart: observer?.onPart ?? (() => {}),
      onFailure: observer?.onFailure ?? (() => {})
    }
  })
  return { plan, manifest: yield* finish(plan, failed, options) }
}, traced("Collect.run"))

/**
 * The progress of a collection, according to its output.
 *
 * @category models
 * @since 0.1.0
 */
export interface Status {
  readonly job: string
  readonly selection: Plan.Selection
  readonly isComplete: boolean
  readonly parts: number
  readonly publishedParts: number
  readonly rows: number
  /** Rows that the plan expects; null when unknown. */
  readonly expectedRows: number | null
  readonly bytes: number
  readonly failures: Readonly<Record<string, number>>
}

/**
 * The progress of the collection in the output, from the number of records.
 *
 * @category inspecting
 * @since 0.1.0
 */
export const status: Effect.Effect<Status, CollectError, CollectOutput> = Effect.gen(function*() {
  const output = yield* CollectOutput
  const plan = yield* readPlan
  const records = yield* Manifests.readRecords(output, yield* Manifests.recordedParts(output))
  const { manifest } = Manifests.manifestOf(plan, records, [])
  return {
    job: plan.job,
    selection: plan.selection,
    isComplete: (yield* Manifests.readManifest(output))?.manifest.complete === true,
    parts: plan.parts.length,
    publishedParts: records.length,
    rows: manifest.rows,
    expectedRows: plan.expected,
    bytes: records.reduce((bytes, record) => bytes + record.bytes, 0),
    failures: manifest.failures
  }
}).pipe(traced("Collect.status"))

/**
 * A problem with a collection.
 *
 * @category models
 * @since 0.1.0
 */
export interface VerificationIssue {
  /** The file's name. */
  readonly name: string
  readonly detail: string
}

/**
 * The result of verifying a collection.
 *
 * @category models
 * @since 0.1.0
 */
export interface Verification {
  readonly parts: number
  readonly rows: number
  readonly bytes: number
  /** The first 1 000 issues. */
  readonly issues: ReadonlyArray<VerificationIssue>
  readonly issueCount: number
}

/**
 * Reads every part of the output's collection and compares it with the plan, the records and the manifest.
 *
 * @category inspecting
 * @since 0.1.0
 */
export const verify: Effect.Effect<Verification, CollectError, CollectOutput> = Effect.gen(function*() {
  const output = yield* CollectOutput
  const plan = yield* readPlan
  return yield* Manifests.verify(output, plan)
}).pipe(traced("Collect.verify"))
