import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import { types } from "@effect-prefect/core/Prefect3State"
import * as State from "@effect-prefect/core/State"
import * as Effect from "effect/Effect"
import { UsageError } from "./errors.ts"
import { nearEnough, nearest } from "./suggest.ts"

const prefect1: ReadonlyArray<string> = State.State.discriminants

/** The names that Prefect 2 and 3 themselves give to states, besides those that Prefect 1 has too. */
export const prefect3Names = [
  "Completed",
  "Crashed",
  "Late",
  "AwaitingRetry",
  "AwaitingConcurrencySlot",
  "RolledBack",
  "Suspended"
]

/**
 * A state in the form that a filter takes, however it was typed. In Prefect 2 and 3 a flow's author can name states
 * freely, and types are upper case; a text that is close to one of Prefect's own names is treated as a typo anyway.
 */
export const stateName = Effect.fnUntraced(function*(text: string): Effect.fn.Return<string, UsageError, PrefectApi> {
  const { backendName } = yield* PrefectApi
  const isPrefect1 = !/^Prefect [23]/.test(backendName)
  if (!isPrefect1 && (types as ReadonlyArray<string>).includes(text)) return text
  const known = isPrefect1 ? prefect1 : [...prefect1, ...prefect3Names]
  const same = known.find((name) => name.toLowerCase() === text.toLowerCase())
  if (same !== undefined) return same
  const near = nearEnough(text, known)
  if (near !== undefined) {
    return yield* new UsageError({ message: `--state ${JSON.stringify(text)} is not a state; did you mean ${near}?` })
  }
  if (!isPrefect1) return text
  return yield* new UsageError({
    message: `--state ${JSON.stringify(text)} is not a state; there are ${nearest(text, known).join(", ")}`
  })
})
