/** Turns of the event loop, of which loads without an Effect may take a part. */
import * as Effect from "effect/Effect"

/** Milliseconds. */
const slice = 10
let began: number | undefined

/** Begins the next turn, before the fibers that yield. Browsers have no `setImmediate`. */
const soon: (then: () => void) => void = typeof setImmediate === "function"
  ? setImmediate
  : (then) => void setTimeout(then, 0)

/**
 * Whether loads have taken their part of this turn. They take so few steps of Effect that those do not give others one.
 */
export const isLong = (): boolean => {
  const now = performance.now()
  if (began !== undefined) return now - began > slice
  began = now
  soon(() => {
    began = undefined
  })
  return false
}

/** Waits for another turn. */
export const next: Effect.Effect<void> = Effect.yieldNow
