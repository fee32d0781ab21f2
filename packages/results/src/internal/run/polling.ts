import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"

/**
 * The pauses between polls of a live run, and the time limit.
 *
 * @category options
 * @since 0.1.0
 */
export interface PollOptions {
  /** The shortest pause between two polls; pauses grow while nothing happens. Default 1 second. */
  readonly minPause?: Duration.Input | undefined
  /** The longest pause. Default 10 seconds. */
  readonly maxPause?: Duration.Input | undefined
  /** The total time limit, after which it fails with WaitTimeout. Default: no limit. */
  readonly timeout?: Duration.Input | undefined
}

const growth = 1.5

/**
 * The pause after `quiet` polls without an event: it grows up to a bound, and is spread by a fifth so that many
 * watchers do not poll at the same moment. It never exceeds the remaining time. `woken` ends it early, but not before
 * the shortest pause is over.
 */
export const pause = (
  options: PollOptions | undefined,
  quiet: number,
  left = Infinity,
  woken: Effect.Effect<unknown> = Effect.never
): Effect.Effect<void> => {
  const min = Duration.toMillis(options?.minPause ?? Duration.seconds(1))
  const max = Math.max(min, Duration.toMillis(options?.maxPause ?? Duration.seconds(10)))
  const base = Math.min(max, min * growth ** quiet)
  return Effect.flatMap(Random.next, (random) => {
    // Whole milliseconds: fractions may not add up to the remaining time.
    const spread = (millis: number) => Math.max(0, Math.min(left, Math.ceil(millis * (0.8 + 0.4 * random))))
    const shortest = spread(min)
    const rest = spread(base) - shortest
    return Effect.andThen(
      Effect.sleep(Duration.millis(shortest)),
      rest > 0 ? Effect.raceFirst(Effect.sleep(Duration.millis(rest)), Effect.asVoid(woken)) : Effect.void
    )
  })
}

/**
 * The response to a poll; undefined when the backend is temporarily unavailable. Its own retries are over by then, but
 * a watch outlives a server's restart: only permanent failures end it.
 */
export const reconnect = <A>(
  effect: Effect.Effect<A, PrefectApiError>
): Effect.Effect<A | undefined, PrefectApiError> =>
  Effect.catchIf(
    effect,
    (error) => error.isRetryable,
    () => Effect.succeed(undefined)
  )

/**
 * Polls a run until it will not change any more, and returns its latest version. Waits while the backend is
 * unavailable; after the timeout it fails with `timedOut`.
 */
export const awaitSettled = Effect.fnUntraced(function*<A, E>(
  first: A,
  run: {
    readonly getLatest: (latest: A) => Effect.Effect<A, PrefectApiError>
    readonly isSettled: (latest: A) => Effect.Effect<boolean, PrefectApiError>
    readonly timedOut: (latest: A, timeout: Duration.Duration) => E
  },
  options: PollOptions | undefined
): Effect.fn.Return<A, E | PrefectApiError> {
  const startedAt = yield* Clock.currentTimeMillis
  const timeout = options?.timeout === undefined ? undefined : Duration.toMillis(options.timeout)
  let latest = first
  for (let quiet = 0;; quiet++) {
    const next = yield* reconnect(Effect.flatMap(
      quiet === 0 ? Effect.succeed(latest) : run.getLatest(latest),
      (value) => Effect.map(run.isSettled(value), (settled) => ({ value, settled }))
    ))
    if (next !== undefined) {
      if (next.settled) return next.value
      latest = next.value
    }
    const left = timeout === undefined ? Infinity : startedAt + timeout - (yield* Clock.currentTimeMillis)
    if (left <= 0) return yield* Effect.fail(run.timedOut(latest, Duration.millis(timeout ?? 0)))
    yield* pause(options, quiet, left)
  }
})
