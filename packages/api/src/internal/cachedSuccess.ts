import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/** Makes an effect that runs once for any number of callers, and caches only success. */
export const cachedSuccess = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<Effect.Effect<A, E, R>> =>
  Effect.cachedWithTTL(self, (exit) => Exit.isSuccess(exit) ? Duration.infinity : Duration.zero)
