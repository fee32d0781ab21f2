/**
 * `Progress`: the progress of loading results, for a progress bar or a log line.
 *
 * Make one, provide it as `Progress.Current` to the code that loads results, and read its snapshots. Without it,
 * loading does no extra work.
 *
 * **Example** (Logging the progress of a mapped task)
 *
 * ```ts
 * import { Progress, type TaskRun } from "@effect-prefect/results"
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 *
 * export const load = Effect.fnUntraced(function*(taskRun: TaskRun.TaskRun) {
 *   const progress = yield* Progress.make
 *   yield* Effect.forkScoped(Stream.runForEach(progress.changes("1 second"), (now) =>
 *     Effect.logInfo(`${now.done} of ${now.expected}, ${now.failed} failed, ${Math.round(now.rate)}/s`)))
 *   return yield* Effect.provideService(taskRun.getResult, Progress.Current, progress)
 * })
 * ```
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"

/**
 * Callbacks for each result that loads or fails. They run synchronously while results load, so keep them fast.
 *
 * @category models
 * @since 0.1.0
 */
export interface Callbacks {
  /**
   * Called when a traversal of mapped children starts, with the number of results still expected, or `null` when
   * unknown.
   */
  readonly onStart: (expected: number | null) => void
  /** Called when a result was loaded or its loading failed, with the number of stored bytes that were read. */
  readonly onSettled: (failed: boolean, bytes: number) => void
}

/**
 * The callbacks for the results that an effect or a stream loads. Default: none.
 *
 * Results that are already cached are not reported.
 *
 * @category services
 * @since 0.1.0
 */
export const Current = Context.Reference<Callbacks | undefined>("@effect-prefect/results/Progress/Current", {
  defaultValue: () => undefined
})

/**
 * The progress at one moment.
 *
 * @category models
 * @since 0.1.0
 */
export interface Snapshot {
  /** The number of results that were loaded or have failed, in any order. */
  readonly done: number
  /** The number of those that failed. */
  readonly failed: number
  /** The number of stored bytes that were read. */
  readonly bytes: number
  /** The number of results in total: `n_map_states`, or the rest of it in a resumed traversal. Null when unknown. */
  readonly expected: number | null
  /** Milliseconds since the first traversal or result was reported. */
  readonly elapsed: number
  /** Results per second since then. */
  readonly rate: number
  /** Bytes per second since then. */
  readonly byteRate: number
}

/**
 * Callbacks that count, and snapshots of the counts.
 *
 * @category models
 * @since 0.1.0
 */
export interface Progress extends Callbacks {
  readonly snapshot: Effect.Effect<Snapshot>
  /** A snapshot at once, then one per interval (default 200 ms) when something has changed. It never ends. */
  readonly changes: (interval?: Duration.Input) => Stream.Stream<Snapshot>
}

/**
 * Creates a counter that starts at zero. Share one between traversals to count them together.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<Progress> = Clock.clockWith((clock) =>
  Effect.sync(() => {
    let startedAt: number | undefined
    let done = 0
    let failed = 0
    let bytes = 0
    let expected: number | null = 0
    let walks = 0
    const start = () => {
      startedAt ??= clock.currentTimeMillisUnsafe()
    }
    const snapshot = Effect.sync((): Snapshot => {
      const elapsed = startedAt === undefined ? 0 : clock.currentTimeMillisUnsafe() - startedAt
      const aSecond = (count: number) => elapsed === 0 ? 0 : count / elapsed * 1000
      return {
        done,
        failed,
        bytes,
        expected: walks === 0 ? null : expected,
        elapsed,
        rate: aSecond(done),
        byteRate: aSecond(bytes)
      }
    })
    return {
      onStart: (children) => {
        start()
        walks++
        expected = expected === null || children === null ? null : expected + children
      },
      onSettled: (hasFailed, read) => {
        start()
        done++
        if (hasFailed) failed++
        bytes += read
      },
      snapshot,
      changes: (interval = "200 millis") =>
        Stream.fromEffect(snapshot).pipe(
          Stream.repeat(Schedule.spaced(interval)),
          Stream.changesWith((before, now) => before.done === now.done && before.expected === now.expected)
        )
    }
  })
)
