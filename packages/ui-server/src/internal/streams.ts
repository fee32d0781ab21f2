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
