/** Refusals: exceptions inside the package that become typed failures at its boundary. */
import { FormatError, type Reason, TooLarge, Undecodable, undecodable } from "../FormatError.ts"

/** Thrown when a decoder cannot read its bytes. The detail names the problem and its position, never a value. */
export class Refusal extends Error {
  override readonly name = "Refusal"
  readonly reason: Reason
  constructor(reason: Reason) {
    super()
    this.reason = reason
  }
  override get message() {
    return this.reason.message
  }
}

export const refuse = (detail: string): never => {
  throw new Refusal(new Undecodable({ detail }))
}

/** The error for a number of bytes, or of values, above the limit. */
export const tooLargeError = (limit: number, size: number): FormatError =>
  new FormatError({ reason: new TooLarge({ limit, size }) })

export const tooLarge = (limit: number): never => {
  throw new Refusal(new TooLarge({ limit }))
}

const isBeyondEngine = (error: unknown): boolean =>
  error instanceof RangeError || (error instanceof Error && "code" in error && error.code === "ERR_STRING_TOO_LONG")

/**
 * The typed error of a refusal, and of a text or list that is longer than the engine's can be. Any other exception is a
 * defect and is thrown again.
 */
export const formatError = (error: unknown): FormatError => {
  if (error instanceof FormatError) return error
  if (error instanceof Refusal) return new FormatError({ reason: error.reason })
  if (isBeyondEngine(error)) return undecodable("a value of it is larger than this JavaScript engine can hold")
  throw error
}
