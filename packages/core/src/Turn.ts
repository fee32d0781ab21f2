/**
 * `Turn`: a part of each turn of the event loop that all long work shares, so that timers, signals and other requests
 * are served between two parts, however many fibers work at a time.
 *
 * **Example** (Leaving the rest of the turn to others)
 *
 * ```ts
 * import * as Turn from "@effect-prefect/core/Turn"
 * import * as Effect from "effect/Effect"
 *
 * export const sum = Effect.fnUntraced(function*(rows: ReadonlyArray<number>) {
 *   let total = 0
 *   for (let start = 0; start < rows.length; start += 1_000) {
 *     yield* Turn.share
 *     for (const row of rows.slice(start, start + 1_000)) total += row
 *   }
 *   return total
 * })
 * ```
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"

/** What Node and browsers have. */
interface Host {
  readonly performance: { readonly now: () => number }
  readonly queueMicrotask: (then: () => void) => void
  readonly setTimeout: (then: () => void, millis: number) => unknown
  /** Node's. */
  readonly setImmediate?: (then: () => void) => unknown
  readonly process?: { readonly nextTick?: (then: () => void) => void }
}
const host = globalThis as unknown as Host

/** Milliseconds. */
const slice = 10
/** Turns between two parts: an event loop accepts one connection in each, and a request takes a few of them. */
const turnsOfOthers = 16
/** The most turns, while others come. */
const mostTurnsOfOthers = 128
/** How many there have been. */
let turns = 0
let hasOthers = false
/** When the first work of this turn began. */
let began: number | undefined
/** Whether what has waited has not asked yet: it takes a step, even if its part is over before it comes to that. */
let hasWaited = false
/** What goes on in the next turns, in the order in which it came. */
const waiting: Array<() => void> = []

/** Begins the next turn, before the fibers that yield. */
const soon = (then: () => void): void => {
  if (host.setImmediate === undefined) host.setTimeout(then, 0)
  else host.setImmediate(then)
}

/** Calls back when promises that are settled have been followed, however much work that is. */
const settled = (then: () => void): void =>
  host.queueMicrotask(() => {
    if (host.process?.nextTick === undefined) host.queueMicrotask(then)
    else host.process.nextTick(then)
  })

const isOver = (): boolean => began !== undefined && host.performance.now() - began > slice

const start = (): void => {
  began = host.performance.now()
  turns = 0
  soon(begin)
}

const begin = (): void => {
  const most = hasOthers ? mostTurnsOfOthers : turnsOfOthers
  hasOthers = false
  if (waiting.length > 0 && turns++ < most) return soon(begin)
  began = undefined
  if (waiting.length === 0) return
  // What goes on may do all of its work before it asks again, so the turn begins here.
  start()
  goOn()
}

const goOn = (): void => {
  hasWaited = true
  waiting.shift()?.()
  hasWaited = false
  if (waiting.length > 0) settled(() => void (isOver() || goOn()))
}

/**
 * Whether long work has taken its part of this turn, 10 milliseconds. Then the rest waits for `next`.
 *
 * @category turns
 * @since 0.1.0
 */
export const isLong = (): boolean => {
  if (hasWaited) {
    hasWaited = false
    return false
  }
  if (began !== undefined) return isOver()
  start()
  return false
}

/**
 * Says that others have come in this turn, of whom more may come in the next: long work leaves them up to 128 turns
 * between two parts as long as it is said in each, and 16 otherwise.
 *
 * @category turns
 * @since 0.1.0
 */
export const leave = (): void => {
  hasOthers = true
}

/**
 * Calls back in a later turn if this one is over, and at once otherwise.
 *
 * @category turns
 * @since 0.1.0
 */
export const onNext = (go: () => void): void => {
  if (isOver()) waiting.push(go)
  else go()
}

/**
 * Waits for another turn if this one is over. It does not yield: a scheduler that runs what yields in the same turn, as
 * `Effect.runSync` does, would never come to the next one.
 *
 * @category turns
 * @since 0.1.0
 */
export const next: Effect.Effect<void> = Effect.callback((resume) => onNext(() => resume(Effect.void)))

/**
 * Waits until long work may go on: not at all as long as it has a part of this turn left.
 *
 * @category turns
 * @since 0.1.0
 */
export const share: Effect.Effect<void> = Effect.suspend(() => isLong() ? next : Effect.void)
