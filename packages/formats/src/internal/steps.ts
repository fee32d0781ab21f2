/** Work in small steps, so that large inputs yield to other fibers and can be interrupted. */
import * as Effect from "effect/Effect"
import type { FormatError } from "../FormatError.ts"

/**
 * Work that yields at least every few milliseconds: either nothing, or a promise of work in another thread, whose
 * result `yield` then returns.
 */
export type Steps<A> = Generator<undefined | Promise<unknown>, A, unknown>

/** The time between yields in milliseconds. */
const slice = 10

/** Runs steps synchronously; none of them may be a promise. */
export const toEnd = <A>(steps: Steps<A>): A => {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

/** Gives timers, the network and other fibers a turn. */
const otherTurn: Effect.Effect<void> = Effect.callback((resume) => {
  const immediate = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(immediate))
})

/** Runs steps and yields to other fibers between them. Short work is synchronous. */
export const giveWay = <A>(
  make: () => Steps<A>,
  failed: (error: unknown) => FormatError
): Effect.Effect<A, FormatError> =>
  Effect.suspend(() => {
    const steps = make()
    const go = (sent: unknown): Effect.Effect<A, FormatError> => {
      const start = performance.now()
      try {
        for (;;) {
          const step = steps.next(sent)
          sent = undefined
          if (step.done === true) return Effect.succeed(step.value)
          const { value } = step
          if (value !== undefined) {
            return Effect.flatMap(Effect.tryPromise({ try: () => value, catch: failed }), (result) =>
              Effect.suspend(() => go(result)))
          }
          if (performance.now() - start > slice) {
            return Effect.flatMap(otherTurn, () =>
              go(undefined))
          }
        }
      } catch (error) {
        return Effect.fail(failed(error))
      }
    }
    return go(undefined)
  })

/** The positions at which a loop of that length yields. */
export const every = 8_192
