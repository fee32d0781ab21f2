/** How much work is done in one turn of the event loop. */
import * as Effect from "effect/Effect"
import { vi } from "vitest"

/** The turn in which a test begins may have been begun by another clock. */
export const newTurn = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

/** The most times that the clock was looked at in one turn of the event loop, if each of them is a millisecond of work. */
export const longestTurn = Effect.fnUntraced(function*<A, E>(effect: Effect.Effect<A, E>) {
  yield* newTurn
  return yield* Effect.suspend(() => {
    let now = performance.now() + 1_000_000
    let before = now
    let longest = 0
    let others = setImmediate(function turn() {
      longest = Math.max(longest, now - before)
      before = now
      others = setImmediate(turn)
    })
    const clock = vi.spyOn(performance, "now").mockImplementation(() => ++now)
    return Effect.ensuring(
      Effect.map(effect, () => Math.max(longest, now - before)),
      Effect.sync(() => {
        clock.mockRestore()
        clearImmediate(others)
      })
    )
  })
})
