/** The values that @effect-prefect/pickle reads, in Node and in the browser, which must agree. */
import { loads } from "@effect-prefect/pickle"
import { describe } from "@effect-prefect/pickle/testing"

/** Takes pickles in base64; returns a line of text for each, the typed value or the reason why it cannot be read. */
export const probe = (pickles: ReadonlyArray<string>): ReadonlyArray<string> =>
  pickles.map((base64) => {
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
    try {
      return JSON.stringify(describe(loads(bytes)))
    } catch (error) {
      return String(error)
    }
  })
