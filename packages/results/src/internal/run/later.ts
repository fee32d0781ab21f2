import * as Turn from "@effect-prefect/core/Turn"
import type * as Effect from "effect/Effect"

/** Said by what cannot be done at once, but may be after a wait. */
export class Later<E = never> {
  readonly wait: Effect.Effect<void, E>

  constructor(wait: Effect.Effect<void, E>) {
    this.wait = wait
  }
}

/** In another turn. */
export const inAnotherTurn: Later = new Later(Turn.next)
