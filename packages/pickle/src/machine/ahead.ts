/**
 * The memory of values that are not made yet.
 *
 * A few kilobytes decompress to tens of megabytes of one instruction. Making their values takes ten times as long as
 * counting them, all for nothing if they are more than the reader has memory for.
 *
 * @since 0.1.0
 */
import type { Machine } from "./machine.ts"

const other = 255

/** The least memory that an instruction of one byte adds, in bytes; `other` for all other instructions. */
const weights = new Uint8Array(256).fill(other)
weights[0x4e] = weights[0x88] = weights[0x89] = 8 // NONE, NEWTRUE, NEWFALSE
weights[0x28] = weights[0x61] = weights[0x94] = 8 // MARK, APPEND, MEMOIZE
weights[0x30] = weights[0x32] = 8 // POP, DUP
weights[0x65] = 0 // APPENDS
weights[0x5d] = 56 // EMPTY_LIST
weights[0x7d] = weights[0x29] = 72 // EMPTY_DICT, EMPTY_TUPLE

/** Instructions that are worth a step. */
const many = 0x10000

/** Bytes between two steps. */
const every = 0x100000

/**
 * Yields the least memory of the values once the instructions of one byte that come next are done, where these are
 * many. Returns the offset of the instruction after them, up to which nothing needs to be counted again.
 *
 * @internal
 */
export function* aheadFrom(machine: Machine): Generator<number, number> {
  const { bytes } = machine
  let least = machine.memory
  let p = machine.p
  for (let end = p + every; p < bytes.length; end += every) {
    const stop = Math.min(end, bytes.length)
    while (p < stop) {
      const weight = weights[bytes[p]!]!
      if (weight === other) {
        if (p - machine.p >= many) yield machine.least = least
        return p
      }
      least += weight
      p++
    }
    yield machine.least = least
  }
  return p
}
