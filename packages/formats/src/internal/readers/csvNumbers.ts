/** Numbers of CSV, read from their bytes: exactly the results of `Number` for the same text. */

/** Powers of ten that a double holds exactly. */
const powers = Float64Array.from({ length: 23 }, (_, i) => Number(`1e${i}`))

/** Splits a double into two of 26 bits, whose products are exact (Dekker 1971, Veltkamp's constant 2^27 + 1). */
const splitter = 134_217_729

/** The rounding error of `a * b`. */
const productError = (a: number, b: number, product: number): number => {
  const aBig = splitter * a
  const aHigh = aBig - (aBig - a)
  const aLow = a - aHigh
  const bBig = splitter * b
  const bHigh = bBig - (bBig - b)
  const bLow = b - bHigh
  return ((aHigh * bHigh - product) + aHigh * bLow + aLow * bHigh) + aLow * bLow
}

/**
 * The double nearest to `(high * 10^lowDigits + low) / 10^scale`, for a `high` and a `low` of at most 9 digits and a
 * `scale` up to 22; undefined when the quotient is too near to the middle between two doubles to be told.
 *
 * Seventeen digits, as Python's `repr` writes them, are more than a double holds. So the numerator is kept as the exact
 * sum of two doubles, and the quotient as the sum of one and what it lacks, which is known to some 100 bits.
 */
export const quotient = (high: number, low: number, lowDigits: number, scale: number): number | undefined => {
  const ten = powers[lowDigits]!
  const product = high * ten
  const rest = productError(high, ten, product) + low
  const numerator = product + rest
  const lack = rest - (numerator - product)
  const divisor = powers[scale]!
  const first = numerator / divisor
  const back = first * divisor
  const remainder = (numerator - back) - productError(first, divisor, back) + lack
  const correction = remainder / divisor
  // The true correction lies between these two.
  const less = first + correction * (1 - 2 ** -40)
  return less === first + correction * (1 + 2 ** -40) ? less : undefined
}

/** Reads a number after another. */
export class NumberReader {
  private readonly bytes: Uint8Array
  /** The number that was read. */
  value = 0
  /** Whether it is written as an integer. */
  isInteger = false

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  /**
   * Reads the number between two places. Returns false when it has none of the common forms: it may still be a number.
   */
  read(start: number, end: number): boolean {
    const { bytes } = this
    let at = start
    const isNegative = bytes[at] === 0x2d
    if (isNegative) at++
    // Nine digits fit an integer of 32 bits, the fastest that an engine has.
    let high = 0
    let low = 0
    let digits = 0
    let point = 0
    const first = at
    for (; at < end; at++) {
      const digit = bytes[at]! - 0x30
      if (digit >= 0 && digit <= 9) {
        if (digits < 9) {
          high = (Math.imul(high, 10) + digit) | 0
          // Zeros before the first other digit count for nothing.
          if (high !== 0) digits++
        } else {
          if (digits === 18) return false
          low = (Math.imul(low, 10) + digit) | 0
          digits++
        }
      } else if (digit === -2 && point === 0) point = at + 1
      else return false
    }
    const scale = point === 0 ? 0 : end - point
    // A sign or a point alone is not a number.
    if (end - first - (point === 0 ? 0 : 1) < 1 || scale > 22) return false
    let value: number
    if (digits <= 9) value = point === 0 ? high : high / powers[scale]!
    else if (digits <= 15) value = (high * powers[digits - 9]! + low) / powers[scale]!
    else {
      // Integers that may exceed 2^53 must not be rounded.
      if (point === 0) return false
      const near = quotient(high, low, digits - 9, scale)
      if (near === undefined) return false
      value = near
    }
    this.isInteger = point === 0
    this.value = isNegative ? -value : value
    return true
  }
}
