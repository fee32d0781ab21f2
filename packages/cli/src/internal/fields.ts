import * as Effect from "effect/Effect"
import { CommandFailed } from "./errors.ts"
import { nearest } from "./suggest.ts"

/** Fails for a field that does not exist, and lists the existing ones. */
export const requireFields = (wanted: ReadonlyArray<string>, names: ReadonlyArray<string>) => {
  const missing = wanted.find((name) => !names.includes(name))
  return missing === undefined ? Effect.void : Effect.fail(
    new CommandFailed({
      message: `there is no field ${JSON.stringify(missing)}; there are ${
        nearest(missing, names).slice(0, 10).join(", ")
      }`
    })
  )
}
