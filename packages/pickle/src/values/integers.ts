/**
 * The integers and floats in a pickle: little endian two's complement of any length, and the text of protocol 0.
 *
 * @since 0.1.0
 */
import { exceeded, fail } from "../errors.ts"
import type { PyInt } from "./numbers.ts"

/**
 * The most bytes of an integer by default. A larger one takes over 50 milliseconds to become text, which cannot be
 * interrupted.
 *
 * @internal
 */
export const maxIntegerBytes = 0x10000

const hex: ReadonlyArray<string> = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, "0"))

/**
 * A bigint as a number when that is exact, otherwise unchanged.
 *
 * @internal
 */
export const shrink = (value: bigint): PyInt =>
  value >= -9007199254740991n && value <= 9007199254740991n ? Number(value) : value

/**
 * A little endian two's complement integer (LONG1, LONG4): a number when that is exact, otherwise a bigint.
 *
 * @internal
 */
export const longFromBytes = (bytes: Uint8Array, start: number, length: number): PyInt => {
  if (length === 0) return 0
  if (length <= 6) {
    let value = 0
    for (let i = length - 1; i >= 0; i--) value = value * 256 + bytes[start + i]!
    return bytes[start + length - 1]! < 0x80 ? value : value - 2 ** (8 * length)
  }
  return shrink(bigFromBytes(bytes, start, length))
}

/** @internal */
export const bigFromBytes = (bytes: Uint8Array, start: number, length: number): bigint => {
  if (length === 0) return 0n
  const parts: Array<string> = ["0x"]
  for (let i = length - 1; i >= 0; i--) parts.push(hex[bytes[start + i]!]!)
  const value = BigInt(parts.join(""))
  return bytes[start + length - 1]! < 0x80 ? value : value - (1n << BigInt(8 * length))
}

const digitForms: ReadonlyArray<readonly [RegExp, number]> = [
  [/^0[xX](?:_?[0-9a-fA-F])+$/, 16],
  [/^0[oO](?:_?[0-7])+$/, 8],
  [/^0[bB](?:_?[01])+$/, 2],
  [/^(?:0(?:_?0)*|[1-9](?:_?[0-9])*)$/, 10]
]

const whitespace = /^[\t-\r ]+|[\t-\r ]+$/g

/**
 * An integer as Python's `int(text, base)` reads it, for the bases 0 (a literal) and 10; `maxBytes` limits its size.
 *
 * @internal
 */
export const integerFromText = (text: string, base: 0 | 10, maxBytes: number): bigint => {
  const trimmed = text.replace(whitespace, "")
  const negative = trimmed.startsWith("-")
  const digits = negative || trimmed.startsWith("+") ? trimmed.slice(1) : trimmed
  if (digits.length > maxBytes * 2.4) exceeded("integerBytes", "an integer of too many digits", maxBytes)
  const form = base === 10
    ? /^[0-9](?:_?[0-9])*$/.test(digits)
    : digitForms.some(([pattern]) => pattern.test(digits))
  if (!form) return fail("BadNumber", "text that is not an integer", "an integer")
  const value = BigInt(digits.replaceAll("_", ""))
  return negative ? -value : value
}

/**
 * The argument of INT: C's `strtol` with base 0 first (so `010` is 8), then Python's literals. `01` and `00` are the
 * booleans of protocols 0 and 1.
 *
 * @internal
 */
export const intFromText = (text: string, maxBytes: number): PyInt | boolean => {
  const match = /^[\t-\r ]*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)$/.exec(text)
  if (match === null) return shrink(integerFromText(text, 0, maxBytes))
  const digits = match[2]!
  if (digits.length > maxBytes * 2.4) exceeded("integerBytes", "an integer of too many digits", maxBytes)
  const octal = digits.length > 1 && digits[0] === "0" && !/^0[xX]/.test(digits)
  const size = BigInt(octal ? `0o${digits.slice(1)}` : digits)
  const value = match[1] === "-" ? -size : size
  // Beyond a C long, Python parses it as its own literal, in which a leading zero is an error.
  if (BigInt.asIntN(64, value) !== value) return shrink(integerFromText(text, 0, maxBytes))
  if (text.length === 2 && (value === 0n || value === 1n)) return value === 1n
  return shrink(value)
}

/**
 * The argument of FLOAT, in the syntax of Python's `float` literals and `repr`.
 *
 * @internal
 */
export const floatFromText = (text: string): number => {
  if (/^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/.test(text)) {
    const value = Number(text)
    return Number.isFinite(value)
      ? value
      : fail("BadNumber", "a float that is too large", "a float within double precision")
  }
  const match = /^([+-]?)(?:(inf(?:inity)?)|nan)$/i.exec(text)
  if (match === null) return fail("BadNumber", "text that is not a float", "a float")
  return match[2] === undefined ? NaN : match[1] === "-" ? -Infinity : Infinity
}

/** The number of a Python int, float or bool; NaN for anything else, which may have no primitive value. */
export const numberOf = (value: unknown): number =>
  typeof value === "number" || typeof value === "bigint" || typeof value === "boolean" ? Number(value) : NaN

/** The text of a value in a name: lists that contain each other many times would make one without end. */
export const labelOf = (value: unknown): string =>
  (typeof value === "object" && value !== null) || typeof value === "function"
    ? "object"
    : typeof value === "bigint" && BigInt.asIntN(64, value) !== value
    ? "a large integer"
    : String(value)
