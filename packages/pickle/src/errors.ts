/**
 * The error for pickles that cannot be read.
 *
 * @since 0.1.0
 */

/**
 * The reason why a pickle was rejected.
 *
 * - `Truncated`: the bytes end inside an instruction, or without STOP
 * - `UnknownOpcode`: a byte that no protocol defines, or a protocol above 5
 * - `StackUnderflow`, `MissingMark`, `MissingMemo`: the program uses a value, mark or memo entry that it never put
 *   there
 * - `BadFrame`: a frame of protocol 4 or 5 that does not end where it claims to
 * - `BadText`, `BadNumber`: text or a number that Python rejects too
 * - `BadValue`: an instruction or a class received a value of the wrong kind
 * - `Unhashable`: a key or a set member that Python cannot hash
 * - `Unresolved`: a persistent id, extension code or out-of-band buffer that the options do not provide
 * - `Refused`: an unknown class, under `unknown: "refuse"`
 * - `LimitExceeded`: one of the limits in the options was exceeded
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
  /** What was found, in words; never a value of the pickle. */
  readonly found: string
  /** What was expected, in words. */
  readonly expected: string
  /** The limit's name in the options, when `reason` is `LimitExceeded`. */
  readonly limit?: string
}

/**
 * A pickle that cannot be read: the problem, its byte offset, the instruction, and what was expected there.
 *
 * @category errors
 * @since 0.1.0
 */
export class PickleError extends Error {
  override readonly name = "PickleError"
  readonly reason: PickleErrorReason
  /** The byte offset of the instruction that failed; -1 when the failure was not inside a pickle. */
  readonly position: number
  /** The instruction's name in Python's `pickletools`; `null` when no instruction could be read. */
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
