import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { withinLoad } from "./memory.ts"

/**
 * An effect that runs once for any number of callers and keeps its success.
 *
 * Interrupting one caller does not affect the others; the run is interrupted only with the last of them. A failure is
 * returned to every caller that waited for that run, and the next caller starts another. The cell is made at the first
 * call, because most of a hundred thousand children are requested only once.
 */
export const memoize = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> => {
  let cell: Effect.Effect<A, E> | undefined
  const first = Effect.flatMap(
    Effect.cachedWithTTL(effect, (exit) => Exit.isSuccess(exit) ? Duration.infinity : Duration.zero),
    // Another caller may have made one meanwhile.
    (made) => cell ??= made
  )
  return withinLoad(Effect.suspend(() => cell ?? first))
}
