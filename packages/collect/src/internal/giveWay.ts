/** Work in small steps, so that large parts yield to other fibers and can be interrupted. */
import * as Effect from "effect/Effect"

/** The time between yields in milliseconds. */
const slice = 10

/** Gives timers, the network and other fibers a turn. */
const otherTurn: Effect.Effect<void> = Effect.callback((resume) => {
  const immediate = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(immediate))
})

/** Runs steps, and yields to other fibers between them. */
export const giveWay = <A>(make: () => Generator<void, A>): Effect.Effect<A> =>
  Effect.suspend(() => {
    const steps = make()
    const go = (): Effect.Effect<A> => {
      const start = performance.now()
      for (;;) {
        const step = steps.next()
        if (step.done === true) return Effect.succeed(step.value)
        if (performance.now() - start > slice) return Effect.flatMap(otherTurn, go)
      }
    }
    return go()
  })
