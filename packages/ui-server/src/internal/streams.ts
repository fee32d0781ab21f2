import * as Turn from "@effect-prefect/core/Turn"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

/**
 * A stream whose first elements are already pulled, so that an earlier failure can be a response of its own. The rest
 * is pulled on demand, in the scope of the request.
 */
export const started = <A, E, R>(
  stream: Stream.Stream<A, E, R>
): Effect.Effect<Stream.Stream<A, E, R>, E, R | Scope.Scope> =>
  Effect.gen(function*() {
    const pull = yield* Stream.toPull(stream)
    return yield* Pull.matchEffect(pull, {
      onSuccess: (first): Effect.Effect<Stream.Stream<A, E, R>, E> =>
        Effect.succeed(Stream.concat(Stream.fromArray(first), Stream.fromPull(Effect.succeed(pull)))),
      onFailure: (cause): Effect.Effect<Stream.Stream<A, E, R>, E> => Effect.failCause(cause),
      onDone: (): Effect.Effect<Stream.Stream<A, E, R>, E> => Effect.succeed(Stream.empty)
    })
  })

/**
 * A stream whose arrays have at most so many elements, with a turn for other requests between two of them: what is made
 * of an array, its JSON for example, is made at once.
 */
export const inTurns = <A, E, R>(stream: Stream.Stream<A, E, R>, most: number): Stream.Stream<A, E, R> =>
  Stream.scoped(Stream.fromPull(Effect.map(Stream.toPull(stream), (pull) => {
    let rest: NonEmptyReadonlyArray<A> | undefined
    let isFirst = true
    const emit = (all: NonEmptyReadonlyArray<A>): Effect.Effect<NonEmptyReadonlyArray<A>> => {
      rest = all.length > most ? all.slice(most) as unknown as NonEmptyReadonlyArray<A> : undefined
      return Effect.succeed(rest === undefined ? all : all.slice(0, most) as unknown as NonEmptyReadonlyArray<A>)
    }
    return Effect.suspend(() => {
      const next = rest === undefined ? Effect.flatMap(pull, emit) : emit(rest)
      if (!isFirst) return Effect.andThen(Turn.share, next)
      isFirst = false
      return next
    })
  })))
