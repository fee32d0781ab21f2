/** Attempts that end in time, whatever a store or a database does. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

/** The longest time for one attempt in milliseconds, besides that which its bytes may take. */
export const patience = 120_000

export const patienceText = `${patience / 60_000} minutes`

/** Bytes in a millisecond. Those that move slower do not prolong an attempt: a store could send one a second for ever. */
const slowest = 100

/** Ends once an attempt has taken too long for the bytes that it has moved. */
export const late = (moved: () => number): Effect.Effect<void> =>
  Effect.flatMap(Clock.currentTimeMillis, (begun) => {
    const wait: Effect.Effect<void> = Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const left = begun + patience + moved() / slowest - now
      return left > 0 ? Effect.andThen(Effect.sleep(left), wait) : Effect.void
    })
    return wait
  })

/**
 * Statements for a number of bytes, which fail as `orElse` says when they take too long. A database driver cannot be
 * interrupted, and waits for a database that has fallen silent: the statements run in a fiber of their own, and neither the
 * limit nor an interruption waits for its end.
 */
export const within = <A, E, R, E2>(
  statements: Effect.Effect<A, E, R>,
  bytes: number,
  orElse: Effect.Effect<never, E2>
): Effect.Effect<A, E | E2, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.forkDetach(statements), (fiber) =>
      Effect.ensuring(
        restore(Effect.raceFirst(Fiber.join(fiber), Effect.andThen(late(() => bytes), orElse))),
        Effect.sync(() => fiber.interruptUnsafe())
      ))
  )
