// Measured: bench/mapped.bench.ts
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import type { Cursor, Page, PageRequest } from "../Backend.ts"

/** The number of rows to request for the first page, and for later pages. */
export interface Sizes {
  readonly first: number
  readonly next: number
}

/**
 * A listing as a Stream that makes no request before it is pulled, and fetches one page ahead.
 *
 * Timers and other requests run between two pages, even if a backend responds without waiting.
 *
 * A page is emitted in two arrays, and the next page is requested when the second is pulled: taking a few elements
 * costs one page, and a long traversal never waits for a page that could have been requested earlier.
 */
export const stream = <A, E>(
  page: (request: PageRequest) => Effect.Effect<Page<A>, E>,
  sizes: Sizes
): Stream.Stream<A, E> =>
  Stream.scoped(Stream.fromPull(Effect.map(Effect.scope, (scope) => {
    let cursor: Cursor | undefined
    let ended = false
    let rest: NonEmptyReadonlyArray<A> | undefined
    let ahead: Fiber.Fiber<Page<A>, E> | undefined

    const emit = ({ items, next }: Page<A>): Pull.Pull<NonEmptyReadonlyArray<A>, E> => {
      cursor = next
      ended = next === undefined
      if (items.length === 0) return pull
      const all = items as NonEmptyReadonlyArray<A>
      if (ended || all.length === 1) return Effect.succeed(all)
      const cut = Math.max(1, all.length >> 3)
      rest = all.slice(cut) as unknown as NonEmptyReadonlyArray<A>
      return Effect.succeed(all.slice(0, cut) as unknown as NonEmptyReadonlyArray<A>)
    }

    const pull: Pull.Pull<NonEmptyReadonlyArray<A>, E> = Effect.suspend(() => {
      if (rest !== undefined) {
        const array = rest
        rest = undefined
        return Effect.map(
          Effect.forkIn(Effect.suspend(() => page({ cursor, limit: sizes.next })), scope, { startImmediately: true }),
          (fiber) => {
            ahead = fiber
            return array
          }
        )
      }
      if (ahead !== undefined) {
        const fiber = ahead
        ahead = undefined
        return Effect.flatMap(Effect.andThen(Effect.yieldNow, Fiber.join(fiber)), emit)
      }
      return ended
        ? Cause.done()
        : Effect.flatMap(
          cursor === undefined
            ? page({ cursor, limit: sizes.first })
            : Effect.andThen(Effect.yieldNow, page({ cursor, limit: sizes.next })),
          emit
        )
    })
    return pull
  })))
