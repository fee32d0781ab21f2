/** Turns of the event loop, of which loads without an Effect may take a part. */
import * as Effect from "effect/Effect"

/** Milliseconds. */
const slice = 10
let began: number | undefined
/** What goes on in the next turns, in which each takes its part. */
const waiting: Array<() => void> = []

/** Begins the next turn, before the fibers that yield. Browsers have no `setImmediate`. */
const soon: (then: () => void) => void = typeof setImmediate === "function"
  ? setImmediate
  : (then) => void setTimeout(then, 0)

const isOver = (): boolean => began !== undefined && performance.now() - began > slice

const begin = (): void => {
  began = undefined
  let count = 0
  // The one after which a turn is over has requested the next one.
  while (count < waiting.length && !isOver()) waiting[count++]!()
  waiting.splice(0, count)
}

/**
 * Whether loads have taken their part of this turn. They take so few steps of Effect that those do not give others one.
 */
export const isLong = (): boolean => {
  if (began !== undefined) return isOver()
  began = performance.now()
  soon(begin)
  return false
}

/**
 * Waits for another turn. It does not yield: a scheduler that runs what yields in the same turn, as `Effect.runSync`
 * does, would never come to the next one.
 */
const next: Effect.Effect<void> = Effect.callback((resume) => {
  if (isOver()) waiting.push(() => resume(Effect.void))
  else resume(Effect.void)
})

/** Said by what cannot be done at once, but may be after a wait. */
export class Later<E = never> {
  readonly wait: Effect.Effect<void, E>

  constructor(wait: Effect.Effect<void, E>) {
    this.wait = wait
  }
}

/** In another turn. */
export const later: Later = new Later(next)
