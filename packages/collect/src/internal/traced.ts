import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"

/** The tag of an error's reason. */
const typeOf = (error: unknown): string => {
  const { _tag, reason } = error as { readonly _tag?: string; readonly reason?: { readonly _tag?: string } }
  return reason?._tag ?? _tag ?? "error"
}

/** The part of an error that a span records. */
class Told extends Data.Error<{ readonly message: string }> {}

/** Runs an effect in a span that records the reason of an error, not its message, which names objects of buckets. */
export const traced = (name: string) => <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    let failure: Cause.Cause<E> | undefined
    const told = Effect.catchCause(effect, (cause) => {
      failure = cause
      return Effect.failCause(Cause.map(cause, (error) => new Told({ message: typeOf(error) })))
    })
    return Effect.catchCause(
      Effect.withSpan(told, name),
      (cause) => Effect.failCause(failure ?? (cause as Cause.Cause<never>))
    )
  }) as Effect.Effect<A, E, R>
