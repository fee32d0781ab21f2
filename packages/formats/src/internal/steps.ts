/** Work in small steps, so that what is large gives way to others and can be interrupted between them. */
import * as Effect from "effect/Effect"
import type { FormatError } from "../FormatError.ts"

/**
 * Work that yields every few milliseconds at most: nothing, or a promise of work in another thread, whose result `yield`
 * then gives.
 */
export type Steps<A> = Generator<undefined | Promise<unknown>, A, unknown>

/** How long work goes on before it gives way, in milliseconds. */
const slice = 10

/** Does steps at once, none of which is a promise. */
export const toEnd = <A>(steps: Steps<A>): A => {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

/** Lets timers, the network and everybody else have a turn. */
const otherTurn: Effect.Effect<void> = Effect.callback((resume) => {
  const immediate = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(immediate))
})

/** Does steps and gives way between them. What is short is done at once. */
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

/** The places at which a loop over so many things yields. */
export const every = 8_192
