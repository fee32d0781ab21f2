/** Numbers of CSV, read from their bytes: exactly the results of `Number` for the same text. */
import { isMissing } from "./csvMissing.ts"

/** Powers of ten that a double holds exactly. */
const powers = Float64Array.from({ length: 23 }, (_, i) => Number(`1e${i}`))

/** Splits a double into two of 26 bits, whose products are exact (Dekker 1971, Veltkamp's constant 2^27 + 1). */
const splitter = 134_217_729

const upperOf = (value: number): number => {
  const big = splitter * value
  return big - (big - value)
}

/** The rounding error of `a * b`, which has the parts `bHigh` and `bLow`. */
const productError = (a: number, bHigh: number, bLow: number, product: number): number => {
  const aHigh = upperOf(a)
  const aLow = a - aHigh
  return ((aHigh * bHigh - product) + aHigh * bLow + aLow * bHigh) + aLow * bLow
}

/** One divided by each power, as the parts of the nearest double and what that lacks: some 100 bits. */
const inverses = Float64Array.from(powers, (power) => 1 / power)
const inversesHigh = Float64Array.from(inverses, upperOf)
const inversesLow = Float64Array.from(inverses, (inverse, i) => inverse - inversesHigh[i]!)
const inversesLack = Float64Array.from(powers, (power, i) => {
  const product = power * inverses[i]!
  return ((1 - product) - productError(power, inversesHigh[i]!, inversesLow[i]!, product)) / power
})

/**
 * The double nearest to `(high * 10^lowDigits + low) / 10^scale`, for a `high` below 2^53, a `low` of at most 9 digits and
 * a `scale` up to 22; NaN when the quotient is too near to the middle between two doubles to be told.
 *
 * Seventeen digits, as Python's `repr` writes them, are more than a double holds. So the numerator is kept as the exact
 * sum of two doubles, and the quotient as the sum of one and what it lacks, which is known to some 100 bits.
 */
export const quotient = (high: number, low: number, lowDigits: number, scale: number): number => {
  const ten = powers[lowDigits]!
  const product = high * ten
  // Nine digits are few bits besides their zeros.
  const rest = productError(high, ten, 0, product) + low
  const numerator = product + rest
  const lack = rest - (numerator - product)
  const inverse = inverses[scale]!
  const first = numerator * inverse
  const correction = productError(numerator, inversesHigh[scale]!, inversesLow[scale]!, first) +
    (numerator * inversesLack[scale]! + lack * inverse)
  // The true correction lies between these two.
  const less = first + correction * (1 - 2 ** -40)
  return less === first + correction * (1 + 2 ** -40) ? less : Number.NaN
}

const minus = 0x2d
const plus = 0x2b
const point = 0x2e
const letterE = 0x65
const zeros = 0x30303030

/** Four bytes of zero to nine, the first of which is the lowest, as a number of four digits. */
const fourDigits = (bytes: number): number => {
  const pairs = (Math.imul(bytes, 2_561) >>> 8) & 0x00ff00ff
  return Math.imul(pairs, 6_553_601) >>> 16
}

/** One in the highest bit of each of four bytes that is no digit, of those up to the first such byte. */
const others = (bytes: number): number => ((bytes + 0x76767676) | bytes) & 0x80808080

/** `high * 10^4` and four digits are below 2^53. */
const maxHigh = 900_719_925_473

/** Numbers that are read here are shorter, in bytes. */
const longest = 64

/** Reads numbers one at a time. */
export class NumberReader {
  private readonly bytes: Uint8Array
  private readonly view: DataView
  /** The number that was read. */
  value = Number.NaN
  /** Whether it is written as an integer. */
  isInteger = false

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  /**
   * Reads the number that begins at a place. Returns the place after it, or -1 when it has none of the common forms or is
   * near the end of the bytes: it may still be a number.
   */
  read(from: number): number {
    const { bytes } = this
    if (from + longest > bytes.length) return -1
    const first = bytes[from] === minus ? from + 1 : from
    let at = first
    let whole = 0
    let digit = bytes[at]! - 0x30
    // Nine digits fit an integer of 32 bits, the fastest that an engine has.
    for (; digit >= 0 && digit <= 9 && at < first + 9; digit = bytes[++at]! - 0x30) {
      whole = (Math.imul(whole, 10) + digit) | 0
    }
    if (digit >= 0 && digit <= 9) return this.long(first, from)
    return this.afterDigits(whole, first, at, from)
  }

  /** Reads a number of more than nine digits before its point. */
  private long(first: number, from: number): number {
    const { bytes } = this
    let at = first
    let whole = 0
    for (let digit = bytes[at]! - 0x30; digit >= 0 && digit <= 9; digit = bytes[++at]! - 0x30) {
      // Integers that may exceed 2^53 must not be rounded.
      if (at - first === 15) return -1
      whole = whole * 10 + digit
    }
    return this.afterDigits(whole, first, at, from)
  }

  private afterDigits(whole: number, first: number, at: number, from: number): number {
    const byte = this.bytes[at]!
    if (byte === point) return this.fraction(whole, at + 1, at === first, from)
    if (at === first) return -1
    if ((byte | 0x20) === letterE) return this.exponent(whole, 0, 0, 0, at, from)
    this.isInteger = true
    this.value = first === from ? whole : -whole
    return at
  }

  /** Reads the digits after a point, four at once. */
  private fraction(whole: number, start: number, isNeeded: boolean, from: number): number {
    const { bytes, view } = this
    let at = start
    let high = whole
    let low = 0
    let lowDigits = 0
    let four = view.getUint32(at, true) ^ zeros
    let end = others(four)
    while (end === 0) {
      if (lowDigits === 0 && high <= maxHigh) high = high * 10_000 + fourDigits(four)
      else if (lowDigits === 4) return -1
      else {
        low = fourDigits(four)
        lowDigits = 4
      }
      at += 4
      four = view.getUint32(at, true) ^ zeros
      end = others(four)
    }
    const count = (31 - Math.clz32(end & -end)) >> 3
    if (count > 0) {
      const digits = fourDigits(four << (32 - 8 * count))
      const ten = powers[count]!
      if (lowDigits === 0 && high <= maxHigh) high = high * ten + digits
      else {
        low = low * ten + digits
        lowDigits += count
      }
      at += count
    } else if (isNeeded && at === start) return -1
    const scale = at - start
    if ((bytes[at]! | 0x20) === letterE) return this.exponent(high, low, lowDigits, scale, at, from)
    if (scale > 22) return -1
    const value = lowDigits === 0 ? high / powers[scale]! : quotient(high, low, lowDigits, scale)
    if (value !== value) return -1
    this.isInteger = false
    this.value = bytes[from] === minus ? -value : value
    return at
  }

  private take(high: number, low: number, lowDigits: number, scale: number, end: number, from: number): number {
    const value = lowDigits === 0 ? high / powers[scale]! : quotient(high, low, lowDigits, scale)
    if (value !== value) return -1
    this.isInteger = false
    this.value = this.bytes[from] === minus ? -value : value
    return end
  }

  /** Reads the exponent of `(high * 10^lowDigits + low) / 10^digits`. */
  private exponent(
    high: number,
    low: number,
    lowDigits: number,
    digits: number,
    letter: number,
    from: number
  ): number {
    const { bytes } = this
    const sign = bytes[letter + 1]
    const start = sign === minus || sign === plus ? letter + 2 : letter + 1
    let at = start
    let exponent = 0
    for (let digit = bytes[at]! - 0x30; digit >= 0 && digit <= 9 && at < start + 3; digit = bytes[++at]! - 0x30) {
      exponent = exponent * 10 + digit
    }
    if (at === start) return -1
    const scale = sign === minus ? digits + exponent : digits - exponent
    if (scale >= 0) return scale > 22 ? -1 : this.take(high, low, lowDigits, scale, at, from)
    return scale < -22 || lowDigits > 0 ? -1 : this.take(high * powers[-scale]!, 0, 0, 0, at, from)
  }
}

/** Longer texts are no numbers. */
const maxNumber = 0x80000

const integerForm = /^[ \t]*[+-]?\d+[ \t]*$/
const floatForm = /^[ \t\v\f]*([+-]?)(?:(\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|(inf|infinity|\+inf|-inf))[ \t\v\f]*$/i

const toFloat = (text: string): number | undefined => {
  const match = floatForm.exec(text)
  if (match === null) return undefined
  if (match[3] !== undefined) return match[1] === "-" || match[3].startsWith("-") ? -Infinity : Infinity
  return Number(text)
}

/** A column has a text that is neither a number nor missing. */
export const hasText = 1
/** A column has a number that is not written as an integer. */
export const hasFraction = 2

/** What is added to the rows of a column, so that those of all columns do not share the few places of a cache. */
const apart = 16

/** The numbers of some rows, column by column. */
export class Numbers {
  /** The numbers, NaN for those that are missing; from `stride * column` on. */
  readonly values: Float64Array
  readonly stride: number
  /** What is known of each column: `hasText`, after which nothing else of it is kept, `hasFraction`. */
  readonly states: Uint8Array
  /** How many numbers each column lacks. */
  readonly missing: Uint32Array
  /** Integers that a number cannot represent, by column and row. */
  private readonly large = new Map<number, Map<number, bigint>>()

  constructor(width: number, rows: number) {
    this.stride = rows > apart ? rows + apart : rows
    this.values = new Float64Array(this.stride * width)
    this.states = new Uint8Array(width)
    this.missing = new Uint32Array(width)
  }

  /** Prepares for other rows. */
  clear(): void {
    this.states.fill(0)
    this.missing.fill(0)
    this.large.clear()
  }

  largeOf(column: number): ReadonlyMap<number, bigint> | undefined {
    return this.large.get(column)
  }

  /** Takes a text that has none of the common forms of numbers. */
  take(column: number, row: number, text: string): void {
    if (isMissing(text)) this.lack(column, row)
    else {
      const value = text.length > maxNumber ? undefined : this.other(column, row, text)
      if (value === undefined) this.states[column]! |= hasText
      else this.values[this.stride * column + row] = value
    }
  }

  /** Notes that a number is missing. */
  lack(column: number, row: number): void {
    this.missing[column]!++
    this.values[this.stride * column + row] = Number.NaN
  }

  private other(column: number, row: number, text: string): number | undefined {
    if (!integerForm.test(text)) {
      this.states[column]! |= hasFraction
      return toFloat(text)
    }
    const value = Number(text)
    if (!Number.isSafeInteger(value)) {
      let large = this.large.get(column)
      if (large === undefined) this.large.set(column, large = new Map())
      large.set(row, BigInt(text.trim().replace("+", "")))
    }
    return value
  }
}
