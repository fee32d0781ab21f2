/** Work in small steps, so that large inputs yield to other fibers and can be interrupted. */
import * as Effect from "effect/Effect"
import type { FormatError } from "../FormatError.ts"

/**
 * Work that yields every few milliseconds at most: nothing, the estimated memory in bytes that its values take by then, or
 * a promise of work in another thread, whose result `yield` then returns.
 */
export type Steps<A> = Generator<undefined | number | Promise<unknown>, A, unknown>

/**
 * Waits until values may take this number of bytes in all; of a guess, as many of them as the limit allows. Returns the bytes
 * that they may take.
 */
export type Grow = (bytes: number, isGuess?: boolean) => Effect.Effect<number, FormatError>

/** The time between yields in milliseconds. */
const slice = 10

/** Runs steps synchronously; none of them may be a promise. */
export const toEnd = <A>(steps: Steps<A>): A => {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

/** Gives timers, the network and other fibers a turn. Browsers have no `setImmediate`, and delay repeated timers. */
const otherTurn: Effect.Effect<void> = Effect.callback((resume) => {
  if (typeof setImmediate === "function") {
    const immediate = setImmediate(() => resume(Effect.void))
    return Effect.sync(() => clearImmediate(immediate))
  }
  const { port1, port2 } = new MessageChannel()
  port1.addEventListener("message", () => {
    port1.close()
    resume(Effect.void)
  })
  port1.start()
  port2.postMessage(undefined)
  return Effect.sync(() => port1.close())
})

/** Whatever a promise was rejected with. */
class Thrown {
  readonly error: unknown

  constructor(error: unknown) {
    this.error = error
  }
}

/** Runs steps and yields to other fibers between them. Short work is synchronous. */
export const giveWay = <A>(
  make: () => Steps<A>,
  failed: (error: unknown) => FormatError,
  grow?: Grow
): Effect.Effect<A, FormatError> =>
  Effect.suspend(() => {
    const steps = make()
    let allowed = 0
    let start = performance.now()
    const go = (first: () => IteratorResult<unknown, A>): Effect.Effect<A, FormatError> => {
      try {
        for (let step = first();; step = steps.next(undefined)) {
          if (step.done === true) return Effect.succeed(step.value)
          const { value } = step
          if (typeof value === "number") {
            if (grow !== undefined && value > allowed + growth) {
              allowed = value
              return Effect.flatMap(grow(value), performance.now() - start > slice ? afterTurn : next)
            }
          } else if (value !== undefined) {
            return Effect.matchEffect(
              Effect.tryPromise({ try: () => value as Promise<unknown>, catch: (error) => new Thrown(error) }),
              {
                onFailure: ({ error }) => Effect.suspend(() => go(() => steps.throw(error))),
                onSuccess: (result) => Effect.suspend(() => go(() => steps.next(result)))
              }
            )
          }
          if (performance.now() - start > slice) return Effect.flatMap(otherTurn, restart)
        }
      } catch (error) {
        return Effect.fail(failed(error))
      }
    }
    const next = (): Effect.Effect<A, FormatError> => go(() => steps.next(undefined))
    const restart = (): Effect.Effect<A, FormatError> => {
      start = performance.now()
      return next()
    }
    const afterTurn = () => Effect.flatMap(otherTurn, restart)
    return next()
  })

/** Additional memory of fewer bytes is not requested. */
const growth = 0x100000

/** The positions at which a loop of that length yields. */
export const every = 8_192
