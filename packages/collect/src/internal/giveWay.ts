/** Work in small steps, so that large parts yield to other fibers and can be interrupted. */
import * as Turn from "@effect-prefect/core/Turn"
import * as Effect from "effect/Effect"

/** Runs steps, and yields to other fibers between them. */
export const giveWay = <A>(make: () => Generator<void, A>): Effect.Effect<A> =>
  Effect.suspend(() => {
    const steps = make()
    const go = (): Effect.Effect<A> => {
      for (;;) {
        const step = steps.next()
        if (step.done === true) return Effect.succeed(step.value)
        if (Turn.isLong()) return Effect.flatMap(Turn.next, go)
      }
    }
    return go()
  })
