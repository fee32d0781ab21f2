/**
 * The error of reading a pickle.
 *
 * @since 0.1.0
 */

/**
 * The reason why a pickle was refused.
 *
 * - `Truncated`: the bytes end inside an instruction, or without STOP
 * - `UnknownOpcode`: a byte that no protocol defines, or a protocol above 5
 * - `StackUnderflow`, `MissingMark`, `MissingMemo`: the program takes what it never put there
 * - `BadFrame`: a frame of protocol 4 or 5 that does not end where it says
 * - `BadText`, `BadNumber`: text or a number that Python does not take either
 * - `BadValue`: an instruction or a class met a value of the wrong kind
 * - `Unhashable`: a key or a set member that Python cannot hash
 * - `Unresolved`: a persistent id, extension code or out-of-band buffer that the options do not provide
 * - `Refused`: a class that nothing here knows, under `unknown: "refuse"`
 * - `LimitExceeded`: one of the limits in the options
 *
 * @category errors
 * @since 0.1.0
 */
export type PickleErrorReason =
  | "Truncated"
  | "UnknownOpcode"
  | "StackUnderflow"
  | "MissingMark"
  | "MissingMemo"
  | "BadFrame"
  | "BadText"
  | "BadNumber"
  | "BadValue"
  | "Unhashable"
  | "Unresolved"
  | "Refused"
  | "LimitExceeded"

/**
 * The fields of a `PickleError`.
 *
 * @category errors
 * @since 0.1.0
 */
export interface PickleErrorDetails {
  readonly reason: PickleErrorReason
  /** What stood there, in words; never a value of the pickle. */
  readonly found: string
  /** What would have been right, in words. */
  readonly expected: string
  /** The limit's name in the options, when `reason` is `LimitExceeded`. */
  readonly limit?: string
}

/**
 * A pickle that cannot be read: what is wrong, at which byte, in which instruction, and what was expected there.
 *
 * @category errors
 * @since 0.1.0
 */
export class PickleError extends Error {
  override readonly name = "PickleError"
  readonly reason: PickleErrorReason
  /** Offset in bytes of the instruction that failed; -1 when a value failed outside of any pickle. */
  readonly position: number
  /** The instruction's name in Python's `pickletools`, `null` where no instruction could be read. */
  readonly opcode: string | null
  readonly found: string
  readonly expected: string
  readonly limit: string | null

  constructor(details: PickleErrorDetails, position = -1, opcode: string | null = null) {
    const where = position < 0 ? "" : ` at byte ${position}${opcode === null ? "" : ` (${opcode})`}`
    super(`${details.found}${where}: expected ${details.expected}`)
    this.reason = details.reason
    this.position = position
    this.opcode = opcode
    this.found = details.found
    this.expected = details.expected
    this.limit = details.limit ?? null
  }
}

/**
 * Fails without a position, which the machine adds.
 *
 * @internal
 */
export const fail = (reason: PickleErrorReason, found: string, expected: string): never => {
  throw new PickleError({ reason, found, expected })
}

/** @internal */
export const exceeded = (limit: string, found: string, max: number): never => {
  throw new PickleError({ reason: "LimitExceeded", found, expected: `at most ${max} (the limit ${limit})`, limit })
}
