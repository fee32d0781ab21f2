/** Distributes parts through a queue and follows each of them to its end. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as PersistedQueue from "effect/persistence/PersistedQueue"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { CollectError, PartUnreadable, QueueUnavailable } from "../CollectError.ts"
import * as Plan from "../CollectPlan.ts"

/** The queue's entry for a part; the part itself is in the plan. */
export const PartRef = Schema.Struct({ job: Schema.String, part: Schema.Int })

export type Queue = PersistedQueue.PersistedQueue<typeof PartRef.Type>

export const queueName = (job: string): string => `effect-prefect/collect/${job}`

export const queueOf = (job: string, maxAttempts: number) =>
  PersistedQueue.make({
    name: queueName(job),
    schema: PartRef,
    maxAttempts,
    retrySchedule: Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("60 seconds")])
  })

const queueId = (job: string, part: number, round: number): string => `${job}/${part}/${round}`

/** Offers parts to the queue. A part that was offered in this round is not offered again. */
export const offer = (queue: Queue, job: string, round: number, parts: Iterable<number>) =>
  Effect.forEach(
    parts,
    (part) => queue.offer({ job, part }, { id: queueId(job, part, round) }),
    { concurrency: 8, discard: true }
  ).pipe(
    Effect.mapError((error) =>
      new CollectError({ reason: new QueueUnavailable({ detail: `parts cannot be enqueued: ${error.message}` }) })
    )
  )

/** A defect fails the part, not the worker, because another attempt may succeed. Its text may contain stored values. */
export const guard = <A, R>(
  part: number,
  effect: Effect.Effect<A, CollectError, R>
): Effect.Effect<A, CollectError, R> =>
  Effect.catchDefect(effect, (defect) =>
    Effect.fail(
      new CollectError({
        reason: new PartUnreadable({
          part,
          detail: `an unexpected ${defect instanceof Error ? defect.name : typeof defect}`
        })
      })
    ))

export interface Observer {
  readonly onPart: (record: Plan.PartRecord) => void
  /** A part failed; `isLast` after its last attempt. */
  readonly onFailure: (part: Plan.Part, error: CollectError, attempts: number, isLast: boolean) => void
}

/**
 * Works on parts until each is published or has failed permanently, and returns the failed ones. An error that no
 * attempt can correct ends the work.
 */
export const drain = Effect.fnUntraced(function*(
  plan: Plan.Plan,
  pending: ReadonlyArray<number>,
  options: {
    readonly slots: number
    readonly maxAttempts: number
    readonly execute: (part: Plan.Part) => Effect.Effect<Plan.PartRecord, CollectError>
    readonly observer: Observer
  }
): Effect.fn.Return<ReadonlyArray<Plan.FailedPart>, CollectError, PersistedQueue.PersistedQueueFactory> {
  if (pending.length === 0) return []
  const { execute, maxAttempts, observer, slots } = options
  const queue = yield* queueOf(plan.job, maxAttempts)
  yield* offer(queue, plan.job, 1, pending)
  const failed: Array<Plan.FailedPart> = []
  const settled = new Set<number>()
  const end = yield* Deferred.make<void, CollectError>()
  const settle = (part: number) => {
    settled.add(part)
    if (settled.size === pending.length) Deferred.doneUnsafe(end, Effect.void)
  }
  const one = queue.take(({ part: number }, { attempts }) => {
    const part = plan.parts[number]!
    return guard(number, execute(part)).pipe(
      Effect.tap((record) =>
        Effect.sync(() => {
          observer.onPart(record)
          settle(number)
        })
      ),
      Effect.tapError((error) => {
        if (!error.isRetryable) return Deferred.fail(end, error)
        const isLast = attempts >= maxAttempts
        observer.onFailure(part, error, attempts, isLast)
        if (isLast) {
          failed.push({ part: number, range: Plan.describePart(part), error: error.message, attempts })
          settle(number)
        }
        return Effect.void
      })
    )
  })
  yield* Effect.raceFirst(
    Deferred.await(end),
    Effect.forEach(Array.from({ length: slots }), () => Effect.forever(Effect.exit(one)), {
      concurrency: "unbounded",
      discard: true
    })
  )
  return failed.sort((left, right) => left.part - right.part)
})
