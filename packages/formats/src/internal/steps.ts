/** Work in small steps, so that large inputs yield to other fibers and can be interrupted. */
import * as Effect from "effect/Effect"
import type { FormatError } from "../FormatError.ts"

/** A guess of the memory in bytes that all values of a work will take, before it makes them. */
export class Guess {
  readonly bytes: number

  constructor(bytes: number) {
    this.bytes = bytes
  }
}

/**
 * Work that yields every few milliseconds at most: nothing, the estimated memory in bytes that its values take by then, a
 * guess of that, for which `yield` returns the bytes that they may take where there is a limit, or a promise of work in
 * another thread, whose result `yield` then returns.
 */
export type Steps<A> = Generator<undefined | number | Guess | Promise<unknown>, A, unknown>

/**
 * Waits until values may take this number of bytes in all; of a guess, as many of them as the limit allows. Returns the bytes
 * that they may take.
 */
export type Grow = (bytes: number, isGuess?: boolean) => Effect.Effect<number, FormatError>

/** Runs steps synchronously; none of them may be a promise. */
export const toEnd = <A>(steps: Steps<A>): A => {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

/** Milliseconds of each turn of the event loop that all work of this module has together, however many fibers do it. */
const slice = 10

/** When the first work of this turn began; then the end of the turn is announced. */
let began: number | undefined

/** What goes on in the next turns, in the order in which it came. */
const waiting = new Set<() => void>()

/** Kept, because a clock of tests that stands still may take its place: nothing would go on any more. */
const immediate = typeof setImmediate === "function" ? setImmediate : undefined

/** Calls back in the next turn. Browsers have no `setImmediate`, and delay repeated timers. */
const later = (then: () => void): void => {
  if (immediate !== undefined && typeof setImmediate === "function") return void immediate(then)
  const { port1, port2 } = new MessageChannel()
  port1.addEventListener("message", () => {
    port1.close()
    then()
  })
  port1.start()
  port2.postMessage(undefined)
}

const begin = (): void => {
  began = performance.now()
  later(nextTurn)
}

const nextTurn = (): void => {
  began = undefined
  if (waiting.size === 0) return
  begin()
  for (const goOn of waiting) {
    waiting.delete(goOn)
    goOn()
    if (isLong()) return
  }
}

/** Whether the work of this turn has taken its time. */
export const isLong = (): boolean => {
  if (began !== undefined) return performance.now() - began > slice
  begin()
  return false
}

/** Gives timers, the network and other fibers a turn, if this one is long; a fiber of `Effect.runSync` can have no other. */
export const otherTurn: Effect.Effect<void> = Effect.callback(function(resume) {
  if (this.executionMode === "sync" || !isLong()) return resume(Effect.void)
  const goOn = () => resume(Effect.void)
  waiting.add(goOn)
  return Effect.sync(() => void waiting.delete(goOn))
})

/** Whatever a promise was rejected with. */
class Thrown {
  readonly error: unknown

  constructor(error: unknown) {
    this.error = error
  }
}

/**
 * Runs steps and yields to other fibers between them. Short work is synchronous, unless other work has taken the time of
 * this turn.
 */
export const giveWay = <A>(
  make: () => Steps<A>,
  failed: (error: unknown) => FormatError,
  grow?: Grow
): Effect.Effect<A, FormatError> =>
  Effect.suspend(() => {
    const steps = make()
    let allowed = 0
    const go = (first: () => IteratorResult<unknown, A>): Effect.Effect<A, FormatError> => {
      try {
        for (let step = first();; step = steps.next(undefined)) {
          if (step.done === true) return Effect.succeed(step.value)
          const { value } = step
          if (typeof value === "number") {
            if (grow !== undefined && value > allowed + growth) {
              allowed = value
              return Effect.flatMap(grow(value), () => inTurn(next))
            }
          } else if (value instanceof Guess) {
            if (grow !== undefined) {
              return Effect.flatMap(grow(value.bytes, true), (granted) => {
                allowed = Math.max(allowed, granted)
                return inTurn(() => steps.next(granted))
              })
            }
          } else if (value !== undefined) {
            return Effect.matchEffect(
              Effect.tryPromise({ try: () => value as Promise<unknown>, catch: (error) => new Thrown(error) }),
              {
                onFailure: ({ error }) => Effect.suspend(() => go(() => steps.throw(error))),
                onSuccess: (result) => Effect.suspend(() => inTurn(() => steps.next(result)))
              }
            )
          }
          if (isLong()) return inTurn(next)
        }
      } catch (error) {
        return Effect.fail(failed(error))
      }
    }
    const inTurn = (first: () => IteratorResult<unknown, A>): Effect.Effect<A, FormatError> =>
      isLong() ? Effect.flatMap(otherTurn, () => go(first)) : go(first)
    const next = () => steps.next(undefined)
    return inTurn(next)
  })

/** Additional memory of fewer bytes is not requested. */
const growth = 0x100000

/** The positions at which a loop of that length yields. */
export const every = 8_192
