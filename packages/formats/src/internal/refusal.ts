/** Refusals: exceptions inside the package that become typed failures at its edge. */
import { FormatError, type Reason, TooLarge, Undecodable } from "../FormatError.ts"

/** Thrown when a decoder cannot read its bytes. The detail names what is wrong and where, never a value. */
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

export const tooLarge = (limit: number): never => {
  throw new Refusal(new TooLarge({ limit }))
}

/** The typed error of a refusal. Anything else is a defect and is thrown again. */
export const formatError = (error: unknown): FormatError => {
  if (error instanceof FormatError) return error
  if (error instanceof Refusal) return new FormatError({ reason: error.reason })
  throw error
}
