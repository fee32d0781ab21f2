/**
 * `CollectWorkflow`: a collection as a durable workflow, for programs on an Effect cluster.
 *
 * The workflow enqueues the parts, waits until they are published, and ends with the manifest. Workers (`effect-prefect
 * collect worker`, or `CollectCluster.work`) publish them. Its messages do not grow with the number of results: three
 * activities, and a clock for each check of the progress.
 *
 * `effect/workflow` is unstable, and so is this module.
 *
 * **Example** (In a process, by one engine)
 *
 * ```ts
 * import { CollectOutput } from "@effect-prefect/collect"
 * import * as CollectCluster from "@effect-prefect/collect/CollectCluster"
 * import * as CollectWorkflow from "@effect-prefect/collect/CollectWorkflow"
 * import { Layer, Redacted } from "effect"
 * import { WorkflowEngine } from "effect/workflow"
 *
 * export const Workflows = CollectWorkflow.layer({ open: (place) => CollectOutput.layerLocal(place) }).pipe(
 *   Layer.provideMerge(WorkflowEngine.layerMemory),
 *   Layer.provide(CollectCluster.layer({ url: Redacted.make("postgresql://localhost/queue") }))
 * )
 * ```
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { PersistedQueueFactory } from "effect/persistence/PersistedQueue"
import * as Schema from "effect/Schema"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Activity from "effect/workflow/Activity"
import * as DurableClock from "effect/workflow/DurableClock"
import * as Workflow from "effect/workflow/Workflow"
import type { WorkflowEngine } from "effect/workflow/WorkflowEngine"
import * as CollectCluster from "./CollectCluster.ts"
import { CollectError, NotACollection, OtherCollection, PartsFailed } from "./CollectError.ts"
import { CollectOutput, type Output } from "./CollectOutput.ts"
import type * as Plan from "./CollectPlan.ts"
import * as Jobs from "./internal/jobs.ts"
import * as Manifests from "./internal/manifest.ts"
import { offer, queueOf } from "./internal/work.ts"

/**
 * The outcome of a collection.
 *
 * @category models
 * @since 0.1.0
 */
export class Collected extends Schema.Class<Collected>("@effect-prefect/collect/CollectWorkflow/Collected")({
  job: Schema.String,
  place: Schema.String,
  complete: Schema.Boolean,
  parts: Schema.Int,
  rows: Schema.Int,
  results: Schema.Int,
  failedParts: Schema.Int
}) {}

/**
 * The workflow. `place` is an output that contains the plan of `job`: `Collect.start` puts it there. Executions of one
 * job and place are one execution.
 *
 * @category workflows
 * @since 0.1.0
 */
export const Collect = Workflow.make("effect-prefect/Collect", {
  payload: { job: Schema.String, place: Schema.String },
  idempotencyKey: ({ job, place }) => Jobs.keyOf(job, place),
  success: Collected,
  error: CollectError
})

/**
 * Options for running the workflow.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** Opens the output in a payload. */
  readonly open: (place: string) => Layer.Layer<CollectOutput, CollectError>
  /** Milliseconds between two checks of the progress. Default 30 000. */
  readonly pollInterval?: number | undefined
  /** Attempts per part before it fails. Default 10. */
  readonly maxAttempts?: number | undefined
  /** Whether a collection with failed parts gets a manifest that lists them. Default false: the collection fails. */
  readonly allowFailed?: boolean | undefined
}

/**
 * Runs the workflow on the engine of the layer, with the queue of a cluster (`CollectCluster.layer`).
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options
): Layer.Layer<never, never, WorkflowEngine | SqlClient | PersistedQueueFactory> => {
  const maxAttempts = Math.max(1, options.maxAttempts ?? 10)
  const allowFailed = options.allowFailed ?? false
  const pollInterval = Math.max(1, options.pollInterval ?? 30_000)

  const withOutput = <A, E, R>(
    place: string,
    use: (output: Output) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | CollectError, R> =>
    Effect.flatMap(CollectOutput, use).pipe(Effect.provide(options.open(place))) as Effect.Effect<
      A,
      E | CollectError,
      R
    >

  const openPlan = (output: Output, job: string): Effect.Effect<Plan.Plan, CollectError> =>
    Effect.flatMap(Manifests.readPlan(output), (plan) => {
      if (plan === undefined) {
        return Effect.fail(
          new CollectError({ reason: new NotACollection({ output: output.name, detail: "it holds no plan" }) })
        )
      }
      return plan.job === job
        ? Effect.succeed(plan)
        : Effect.fail(
          new CollectError({ reason: new OtherCollection({ output: output.name, detail: `job ${plan.job}` }) })
        )
    })

  /** An unavailable server delays the workflow and does not end it. */
  const outlive = <A, R>(effect: Effect.Effect<A, CollectError | SqlError, R>): Effect.Effect<A, CollectError, R> =>
    Effect.catchTag(
      CollectCluster.outlive(effect, () => {}),
      "SqlError",
      Effect.die
    )

  return Collect.toLayer(Effect.fnUntraced(function*({ job, place }) {
    const key = Jobs.keyOf(job, place)
    const parts = yield* Activity.make({
      name: "plan",
      success: Schema.Int,
      error: CollectError,
      execute: outlive(
        withOutput(place, (output) => Effect.map(openPlan(output, job), (plan) => plan.parts.length))
      )
    })
    yield* Activity.make({
      name: "enqueue",
      error: CollectError,
      execute: outlive(withOutput(place, (output) =>
        Effect.gen(function*() {
          const plan = yield* openPlan(output, job)
          const jobs = yield* Jobs.make
          const round = yield* jobs.open(key, plan, { place, maxAttempts, allowFailed })
          const recorded = yield* Manifests.recordedParts(output)
          if (recorded.size === 0) yield* jobs.restart(key)
          const queue = yield* queueOf(key, maxAttempts)
          yield* offer(queue, key, round, plan.parts.map(({ part }) => part).filter((part) => !recorded.has(part)))
          yield* jobs.enqueued(key)
        })))
    })
    // Not an activity: a replay may check again, and finds the same or more.
    const isFinished = outlive(withOutput(place, (output) =>
      Effect.gen(function*() {
        const plan = yield* openPlan(output, job)
        const settled = yield* (yield* Jobs.make).settle(key, plan, output)
        return settled === undefined || settled.isFinished
      })))
    for (let poll = 1; !(yield* isFinished); poll++) {
      yield* DurableClock.sleep({ name: `poll-${poll}`, duration: pollInterval, inMemoryThreshold: 0 })
    }
    return yield* Activity.make({
      name: "manifest",
      success: Collected,
      error: CollectError,
      execute: outlive(withOutput(place, (output) =>
        Effect.gen(function*() {
          const plan = yield* openPlan(output, job)
          const jobs = yield* Jobs.make
          const failed = yield* jobs.failures(key, plan, output)
          if (failed.length > 0 && !allowFailed) {
            return yield* new CollectError({
              reason: new PartsFailed({
                failed: failed.length,
                parts,
                examples: failed.slice(0, 3).map(({ error, part, range }) => `part ${part} (${range}): ${error}`)
              })
            })
          }
          const manifest = yield* Manifests.createManifest(output, plan, failed)
          return new Collected({
            job,
            place,
            complete: manifest.complete,
            parts,
            rows: manifest.rows,
            results: manifest.results,
            failedParts: manifest.failed.length
          })
        })))
    })
  }))
}
