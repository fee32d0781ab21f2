/**
 * `Progress`: how far the loading of results has come, for a bar or a log line.
 *
 * Make one and provide it as the `Listener` of whatever loads; then look at it as often as you like. Loading without a
 * listener does no work for it.
 *
 * **Example** (Logging how far a mapped task has come)
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
 *   return yield* Effect.provideService(taskRun.getResult, Progress.Listener, progress)
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
 * Is told of each result as its loading ends. Its functions are called in the middle of it, so they must be quick.
 *
 * @category models
 * @since 0.1.0
 */
export interface Observer {
  /**
   * A walk begins that will give so many more results: what is left of `n_map_states`, or null where the parent's state
   * does not say.
   */
  readonly expect: (children: number | null) => void
  /** A result was loaded, or its loading failed, after so many stored bytes were read. */
  readonly settled: (failed: boolean, bytes: number) => void
}

/**
 * The observer of the results that an effect or a stream loads. Default: none.
 *
 * A result that was loaded before is not loaded again, and so is not told.
 *
 * @category services
 * @since 0.1.0
 */
export const Listener = Context.Reference<Observer | undefined>("@effect-prefect/results/Progress/Listener", {
  defaultValue: () => undefined
})

/**
 * How far it has come at one moment.
 *
 * @category models
 * @since 0.1.0
 */
export interface Snapshot {
  /** How many results were loaded or have failed, in whatever order. */
  readonly done: number
  /** How many of those have failed. */
  readonly failed: number
  /** How many bytes were read, as they are stored. */
  readonly bytes: number
  /** How many results there will be: `n_map_states`, or what is left of it in a resumed walk. Null: nobody knows. */
  readonly expected: number | null
  /** Milliseconds since the first walk, or the first result, began to be told. */
  readonly elapsed: number
  /** Results a second since then. */
  readonly rate: number
  /** Bytes a second since then. */
  readonly byteRate: number
}

/**
 * An observer that counts.
 *
 * @category models
 * @since 0.1.0
 */
export interface Progress extends Observer {
  readonly snapshot: Effect.Effect<Snapshot>
  /** A snapshot now and then one each interval, but only when something has changed. It does not end by itself. */
  readonly changes: (interval?: Duration.Input) => Stream.Stream<Snapshot>
}

/**
 * Starts to count at nothing. Provided to several walks, it counts them together.
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
      expect: (children) => {
        start()
        walks++
        expected = expected === null || children === null ? null : expected + children
      },
      settled: (hasFailed, read) => {
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
