/** How decoders say no: thrown inside of them, a typed failure outside. */
import { ResultDecodeError, ResultTooLarge } from "../../../results/src/ResultError.ts"

/** Bytes that a decoder does not take. The problem names what is wrong and where, never a value. */
export class Refusal extends Error {
  override readonly name = "Refusal"
  readonly reason: ResultDecodeError | ResultTooLarge
  constructor(reason: ResultDecodeError | ResultTooLarge) {
    super()
    this.reason = reason
  }
  override get message() {
    return this.reason.message
  }
}

export const refuse = (problem: string): never => {
  throw new Refusal(new ResultDecodeError({ problem }))
}

export const tooLarge = (limit: number): never => {
  throw new Refusal(new ResultTooLarge({ limit, unit: "bytes" }))
}
