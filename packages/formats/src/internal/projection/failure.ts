/** The typed error of whatever a projection throws. */
import { PickleError } from "@effect-prefect/pickle"
import { FormatError, undecodable } from "../../FormatError.ts"
import { Refusal } from "../refusal.ts"

export const failure = (error: unknown): FormatError =>
  error instanceof FormatError
    ? error
    : error instanceof Refusal
    ? new FormatError({ reason: error.reason })
    : error instanceof PickleError
    ? undecodable(`it cannot be shown as JSON: ${error.message}`)
    : error instanceof RangeError
    ? undecodable("its JSON is longer than a string can be: take it in pieces with JsonProjection.toChunks")
    // The toJSON of a value that a registry made may throw.
    : undecodable("it cannot be shown as JSON: a value of it failed when it was asked for its own")
