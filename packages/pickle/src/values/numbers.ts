/**
 * Python's numbers that JavaScript has no type for.
 *
 * @since 0.1.0
 */
import { fail } from "../errors.ts"
import { type EqualityBudget, equalityKey, integerKey, keyPart, rationalKey, spend } from "./equality.ts"
import { projected } from "./json.ts"

/**
 * A Python float distinguished from an int: made under `floats: "typed"`, and for the dict keys `-0.0` and a second
 * NaN, which a JavaScript Map cannot hold.
 *
 * @category numbers
 * @since 0.1.0
 */
export class PyFloat {
  readonly value: number
  constructor(value: number) {
    this.value = value
  }
  valueOf(): number {
    return this.value
  }
  /** Python's `repr`. */
  toString(): string {
    return floatText(this.value)
  }
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `PyFloat(${this.toString()})`
  }
  toJSON(): number | null {
    return Number.isFinite(this.value) ? this.value : null
  }
  [equalityKey](): unknown {
    return Number.isNaN(this.value) ? this : this.value === 0 ? 0 : this.value
  }
}

/**
 * Python's `repr` of a float: `1.0`, `1e+16`, `nan`, `-inf`.
 *
 * @category numbers
 * @since 0.1.0
 */
export const floatText = (value: number): string => {
  if (Number.isNaN(value)) return "nan"
  if (value === Infinity) return "inf"
  if (value === -Infinity) return "-inf"
  if (value === 0) return Object.is(value, -0) ? "-0.0" : "0.0"
  const [mantissa, power] = value.toExponential().split("e") as [string, string]
  const exponent = Number(power)
  if (exponent < -4 || exponent >= 16) {
    const digits = Math.abs(exponent)
    return `${mantissa}e${exponent < 0 ? "-" : "+"}${digits < 10 ? "0" : ""}${digits}`
  }
  const negative = mantissa.startsWith("-")
  const digits = mantissa.replace("-", "").replace(".", "")
  const text = exponent < 0
    ? `0.${"0".repeat(-exponent - 1)}${digits}`
    : digits.length <= exponent + 1
    ? `${digits.padEnd(exponent + 1, "0")}.0`
    : `${digits.slice(0, exponent + 1)}.${digits.slice(exponent + 1)}`
  return negative ? `-${text}` : text
}

/** Digits without trailing zeros, in linear time: `/0+$/` starts again at each zero. */
const withoutEndZeros = (digits: string): string => {
  let end = digits.length
  while (end > 0 && digits.charCodeAt(end - 1) === 48) end--
  return digits.slice(0, end)
}

const decimalForm = /^([+-]?)(?:(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?|(inf(?:inity)?)|(s?nan)(\d*))$/i

/**
 * A `decimal.Decimal` in Python's own text, exact: `"1.10"`, `"-0"`, `"NaN"`, `"1E+50"`.
 *
 * @category numbers
 * @since 0.1.0
 */
export class Decimal {
  readonly value: string
  constructor(value: string) {
    this.value = value
  }
  toString(): string {
    return this.value
  }
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `Decimal(${this.toString()})`
  }
  toJSON(): string {
    return this.value
  }
  /** The nearest JavaScript number. */
  valueOf(): number {
    const match = decimalForm.exec(this.value)
    if (match?.[5] !== undefined) return match[1] === "-" ? -Infinity : Infinity
    return match?.[6] === undefined ? Number(this.value) : NaN
  }
  [equalityKey](budget: EqualityBudget): unknown {
    spend(budget, 1 + this.value.length)
    const match = decimalForm.exec(this.value)
    if (match === null) return this
    if (match[5] !== undefined) return match[1] === "-" ? -Infinity : Infinity
    if (match[6] !== undefined) {
      return match[6].toLowerCase() === "snan" ? fail("Unhashable", "a signaling NaN as a key", "a hashable key") : this
    }
    const sign = match[1] === "-" ? "-" : ""
    const fraction = match[3] ?? ""
    const digits = `${match[2] ?? ""}${fraction}`.replace(/^0+/, "")
    if (digits === "") return 0
    const significant = withoutEndZeros(digits)
    const exponent = Number(match[4] ?? 0) - fraction.length + (digits.length - significant.length)
    // Far exponents and long fractions cannot equal a float, and an integer that they could equal has thousands of
    // digits.
    const isFraction = exponent < 0
    if (Math.abs(exponent) > 5_000 || (isFraction && significant.length > 5_000)) {
      return `d${sign}${significant}e${exponent}`
    }
    const mantissa = BigInt(`${sign}${significant}` as `${number}`)
    if (exponent >= 0) return integerKey(mantissa * 10n ** BigInt(exponent))
    let numerator = mantissa
    let denominator = 10n ** BigInt(-exponent)
    spend(budget, -exponent)
    for (const prime of [2n, 5n]) {
      while (numerator % prime === 0n && denominator % prime === 0n) {
        numerator /= prime
        denominator /= prime
      }
    }
    return rationalKey(numerator, denominator)
  }
}

/**
 * Whether Python's `Decimal(text)` accepts a text.
 *
 * @internal
 */
export const isDecimalText = (text: string): boolean => {
  const match = decimalForm.exec(text)
  return match !== null &&
    (match[5] !== undefined || match[6] !== undefined || `${match[2] ?? ""}${match[3] ?? ""}` !== "")
}

/**
 * A `fractions.Fraction`, in lowest terms.
 *
 * @category numbers
 * @since 0.1.0
 */
export class Fraction {
  readonly numerator: bigint
  readonly denominator: bigint
  constructor(numerator: bigint, denominator: bigint) {
    this.numerator = numerator
    this.denominator = denominator
  }
  /** The nearest JavaScript number. */
  valueOf(): number {
    return Number(this.numerator) / Number(this.denominator)
  }
  /** Python's `str`: `"-3/7"`, `"2"`. */
  toString(): string {
    return this.denominator === 1n ? `${this.numerator}` : `${this.numerator}/${this.denominator}`
  }
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `Fraction(${this.toString()})`
  }
  toJSON(): string {
    return this.toString()
  }
  [equalityKey](budget: EqualityBudget): unknown {
    spend(budget, 1)
    return rationalKey(this.numerator, this.denominator)
  }
}

/**
 * A `complex`.
 *
 * @category numbers
 * @since 0.1.0
 */
export class Complex {
  readonly re: number
  readonly im: number
  constructor(re: number, im: number) {
    this.re = re
    this.im = im
  }
  /** Python's `repr`: `"(1.5-2j)"`, `"3j"`. */
  toString(): string {
    const short = (n: number) => floatText(n).replace(/\.0$/, "")
    if (this.re === 0 && !Object.is(this.re, -0)) return `${short(this.im)}j`
    const im = short(this.im)
    return `(${short(this.re)}${im.startsWith("-") ? im : `+${im}`}j)`
  }
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `Complex(${this.toString()})`
  }
  toJSON(): string {
    return this.toString()
  }
  [equalityKey](): unknown {
    return this.im === 0 ? (this.re === 0 ? 0 : this.re) : `c${this.re},${this.im}`
  }
}

/**
 * A Python int as read from a pickle: a number when that is exact, otherwise a bigint.
 *
 * @category numbers
 * @since 0.1.0
 */
export type PyInt = number | bigint

/**
 * A `range` (also Python 2's `xrange`).
 *
 * @category numbers
 * @since 0.1.0
 */
export class Range {
  readonly start: PyInt
  readonly stop: PyInt
  readonly step: PyInt
  constructor(start: PyInt, stop: PyInt, step: PyInt) {
    this.start = start
    this.stop = stop
    this.step = step
  }
  /** The number of integers in it. */
  get length(): PyInt {
    const [start, stop, step] = [BigInt(this.start), BigInt(this.stop), BigInt(this.step)]
    const span = step > 0n ? stop - start + step - 1n : start - stop - step - 1n
    const count = span / (step > 0n ? step : -step)
    return count <= 0n ? 0 : count <= 9007199254740991n ? Number(count) : count
  }
  *[Symbol.iterator](): IterableIterator<PyInt> {
    const step = BigInt(this.step)
    const stop = BigInt(this.stop)
    for (let at = BigInt(this.start); step > 0n ? at < stop : at > stop; at += step) {
      yield BigInt.asIntN(54, at) === at ? Number(at) : at
    }
  }
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString()
  }
  toJSON(): unknown {
    return projected(this)
  }
  toString(): string {
    return `range(${this.start}, ${this.stop}${BigInt(this.step) === 1n ? "" : `, ${this.step}`})`
  }
  [equalityKey](budget: EqualityBudget): unknown {
    const count = this.length
    if (count === 0) return "r"
    const part = (value: PyInt) => keyPart(value, budget)
    return count === 1 ? `r${part(this.start)}` : `r${part(count)},${part(this.start)},${part(this.step)}`
  }
}

/**
 * A `slice`.
 *
 * @category numbers
 * @since 0.1.0
 */
export class Slice {
  readonly start: unknown
  readonly stop: unknown
  readonly step: unknown
  constructor(start: unknown, stop: unknown, step: unknown) {
    this.start = start
    this.stop = stop
    this.step = step
  }
  toString(): string {
    return `slice(${
      [this.start, this.stop, this.step].map((part) => part === null ? "None" : String(part)).join(", ")
    })`
  }
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString()
  }
  toJSON(): unknown {
    return projected(this)
  }
  [equalityKey](budget: EqualityBudget): unknown {
    // Hashable since Python 3.12. A slice of values other than integers is compared by identity.
    const parts = [this.start, this.stop, this.step]
    if (parts.some((part) => typeof part === "object" && part !== null)) return this
    return `l${parts.map((part) => keyPart(part, budget)).join(",")}`
  }
}
