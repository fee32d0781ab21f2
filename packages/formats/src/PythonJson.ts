/**
 * JSON as written by Python's `json` module: `NaN`, `Infinity` and `-Infinity` are numbers, and integers of any size
 * are exact.
 *
 * **Example** (What JSON.parse refuses or rounds)
 *
 * ```ts
 * import { PythonJson } from "@effect-prefect/formats"
 *
 * export const values = PythonJson.parse("[NaN, 12345678901234567890]") // NaN, and a bigint
 * ```
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import { type FormatError, undecodable } from "./FormatError.ts"
import { parseJson } from "./internal/jsonPieces.ts"

/**
 * Parses a text. Integers beyond ±(2^53-1) are bigints, a key `__proto__` is an ordinary key, and the last of equal keys
 * wins.
 *
 * @category decoding
 * @since 0.1.0
 */
export const parse = (text: string): Result.Result<unknown, FormatError> => {
  const parsed = parseJson(text)
  return "value" in parsed
    ? Result.succeed(parsed.value)
    : Result.fail(undecodable(`it is not JSON: ${parsed.problem}`))
}
