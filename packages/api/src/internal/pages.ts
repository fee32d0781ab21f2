// Measured: bench/mapped.bench.ts
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
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

/** Called by a page's effect with the cursor of the next page, once that is known: before its own rows are decoded. */
const Announced = Context.Reference<((next: Cursor) => Effect.Effect<void>) | undefined>(
  "@effect-prefect/api/internal/pages/Announced",
  { defaultValue: () => undefined }
)

/** Says which page follows the one that has just arrived, so that a server may make it while this one is decoded. */
export const announce = (next: Cursor | undefined): Effect.Effect<void> =>
  next === undefined
    ? Effect.void
    : Effect.flatMap(Announced, (announced) => announced === undefined ? Effect.void : announced(next))

/** For pages whose request depends on the rows of the one before. */
export const unannounced = <A, E, R>(page: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.provideService(page, Announced, undefined)

/** The pages after which a traversal is taken for a long one, whose next page may be requested before it is pulled. */
const fewPages = 2

/** A page that is being requested, and the cursor that it begins after. */
interface Ahead<A, E> {
  readonly cursor: Cursor | undefined
  readonly fiber: Fiber.Fiber<Page<A>, E>
}

/**
 * A listing as a Stream that makes no request before it is pulled, and fetches one page ahead.
 *
 * Timers and other requests run between two pages, even if a backend responds without waiting.
 *
 * A page is emitted in two arrays, and the next page is requested when the second is pulled: taking a few elements
 * costs one page, and a long traversal never waits for a page that could have been requested earlier. After two pages, who
 * waits for one has the next one requested as soon as that arrives, and its rows are decoded while the server makes it.
 */
export const stream = <A, E>(
  page: (request: PageRequest) => Effect.Effect<Page<A>, E>,
  sizes: Sizes
): Stream.Stream<A, E> =>
  Stream.scoped(Stream.fromPull(Effect.map(Effect.scope, (scope) => {
    let cursor: Cursor | undefined
    let ended = false
    let rest: NonEmptyReadonlyArray<A> | undefined
    let given = 0
    let ahead: Ahead<A, E> | undefined
    /** The page that the consumer waits for, and the one after it. */
    let awaited: Cursor | undefined
    let afterAwaited: Ahead<A, E> | undefined

    const requestAhead = (cursor: Cursor | undefined): Effect.Effect<Ahead<A, E>> => {
      const announced = (next: Cursor) =>
        cursor === undefined || awaited !== cursor || given < fewPages || afterAwaited !== undefined
          ? Effect.void
          : Effect.flatMap(requestAhead(next), (requested) => {
            afterAwaited = requested
            // A request is written in the turn after the one in which it is made.
            return Effect.yieldNow
          })
      return Effect.map(
        Effect.forkIn(
          Effect.provideService(Effect.suspend(() => page({ cursor, limit: sizes.next })), Announced, announced),
          scope,
          { startImmediately: true }
        ),
        (fiber) => ({ cursor, fiber })
      )
    }

    const emit = ({ items, next }: Page<A>): Pull.Pull<NonEmptyReadonlyArray<A>, E> => {
      cursor = next
      ended = next === undefined
      given++
      if (!ended && afterAwaited?.cursor === next) ahead = afterAwaited
      awaited = undefined
      afterAwaited = undefined
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
        if (ahead !== undefined) return Effect.succeed(array)
        return Effect.map(requestAhead(cursor), (requested) => {
          ahead = requested
          return array
        })
      }
      if (ahead !== undefined) {
        const { cursor, fiber } = ahead
        ahead = undefined
        awaited = cursor
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
