import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import { inAnotherTurn, Later } from "./later.ts"
import { withinLoad } from "./memory.ts"

/**
 * Gives the success of an effect if it needs no steps of its own, perhaps after a wait that others may share, and
 * otherwise undefined. `isReady` after such a wait.
 */
type AtOnce<A, E> = (
  fiber: Fiber.Fiber<unknown, unknown>,
  isReady: boolean
) => Exit.Success<A> | Later<E> | undefined

/**
 * An effect that runs once for any number of callers and keeps its success.
 *
 * Interrupting one caller does not affect the others; the run is interrupted only with the last of them. A failure is
 * returned to every caller that waited for that run, and the next caller starts another. The cell is made at the first
 * call, because most of a hundred thousand children are requested only once. A success that `atOnce` gives needs neither
 * a fiber of its own nor a place to wait.
 */
export const memoize = <A, E>(
  effect: () => Effect.Effect<A, E>,
  atOnce: AtOnce<A, E> = () => undefined
): Effect.Effect<A, E> => {
  let cell: Effect.Effect<A, E> | undefined
  const first = () =>
    Effect.flatMap(
      Effect.cachedWithTTL(effect(), (exit) => Exit.isSuccess(exit) ? Duration.infinity : Duration.zero),
      // Another caller may have made one meanwhile.
      (made) => cell ??= made
    )
  const result = (isReady: boolean): Effect.Effect<A, E> =>
    Effect.withFiber((fiber) => {
      const known = cell ?? atOnce(fiber, isReady)
      if (known instanceof Later) return Effect.flatMap(known.wait, () => result(isReady || known !== inAnotherTurn))
      if (!Exit.isExit(known)) return withinLoad(known ?? first())
      return cell = known
    })
  return result(false)
}
