/** Options that are checked when something is made, and not where they would do harm. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { PrefectConfigError } from "../PrefectConfigError.ts"

export const positiveInt = (source: string, value: number): Effect.Effect<number, PrefectConfigError> =>
  Number.isSafeInteger(value) && value > 0
    ? Effect.succeed(value)
    : Effect.fail(new PrefectConfigError({ source, detail: "it is not a positive integer" }))

export const durationOf = (
  source: string,
  input: Duration.Input
): Effect.Effect<Duration.Duration, PrefectConfigError> =>
  Effect.mapError(
    Effect.fromOption(Duration.fromInput(input)),
    () => new PrefectConfigError({ source, detail: "it is not a duration, e.g. \"5 seconds\"" })
  )
