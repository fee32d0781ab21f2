/**
 * pandas' periods and intervals, for which NumPy and Python's datetime have no types.
 *
 * @since 0.1.0
 */
import { Timedelta, Timestamp } from "./dataframe.ts"
import { type EqualityBudget, equalityKey, keyPart } from "./equality.ts"
import { nanosecondsText } from "./ndarray.ts"
import { floatText, PyFloat, type PyInt } from "./numbers.ts"

const months = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
const weekdays = ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]

const padded = (value: number | bigint, width: number): string => `${value}`.padStart(width, "0")

const floorDivide = (value: bigint, divisor: bigint): bigint => {
  const quotient = value / divisor
  return value % divisor < 0n ? quotient - 1n : quotient
}

const dayText = (days: bigint): string => {
  const millis = Number(days) * 86_400_000
  return Math.abs(millis) > 8.64e15 ? `${days} days` : new Date(millis).toISOString().split("T")[0]!
}

/** Nanoseconds per unit below a day, and the digits that pandas prints after the second. */
const clocks: Readonly<Record<string, readonly [nanoseconds: bigint, digits: number]>> = {
  h: [3_600_000_000_000n, -5],
  min: [60_000_000_000n, -3],
  s: [1_000_000_000n, 0],
  ms: [1_000_000n, 3],
  us: [1_000n, 6],
  ns: [1n, 9]
}

/** pandas' unit names before 2.2. */
const renamed: Readonly<Record<string, string>> = {
  A: "Y",
  H: "h",
  T: "min",
  S: "s",
  L: "ms",
  U: "us",
  N: "ns"
}

/** The unit of a frequency and its anchor: `Q`, `MAR` of `2Q-MAR`. */
const unitOf = (freq: string): readonly [unit: string, anchor: string] => {
  const match = /^-?\d*([A-Za-z]+)(?:-([A-Z]{3}))?$/.exec(freq)
  const unit = match?.[1] ?? freq
  return [renamed[unit] ?? unit, match?.[2] ?? ""]
}

const periodText = (ordinal: bigint, freq: string): string => {
  const [unit, anchor] = unitOf(freq)
  const clock = Object.hasOwn(clocks, unit) ? clocks[unit] : undefined
  if (clock !== undefined) {
    const [nanoseconds, digits] = clock
    const ns = ordinal * nanoseconds
    const second = floorDivide(ns, 1_000_000_000n)
    const text = nanosecondsText(second * 1_000_000_000n).replace("T", " ")
    if (digits <= 0) return digits === 0 ? text : text.slice(0, -3)
    return `${text}.${padded(ns - second * 1_000_000_000n, 9).slice(0, digits)}`
  }
  switch (unit) {
    case "Y":
      return padded(1970n + ordinal, 4)
    case "Q": {
      const year = floorDivide(ordinal, 4n)
      return `${padded(1970n + year, 4)}Q${ordinal - year * 4n + 1n}`
    }
    case "M": {
      const year = floorDivide(ordinal, 12n)
      return `${padded(1970n + year, 4)}-${padded(ordinal - year * 12n + 1n, 2)}`
    }
    case "W": {
      // Week 0 that ends on a Sunday ends on the 28th of December 1969.
      const last = ordinal * 7n - 4n + BigInt((weekdays.indexOf(anchor === "" ? "SUN" : anchor) + 1) % 7)
      return `${dayText(last - 6n)}/${dayText(last)}`
    }
    case "D":
      return dayText(ordinal)
    case "B": {
      // Business day 0 is a Thursday.
      const week = floorDivide(ordinal + 3n, 5n)
      return dayText(week * 7n + (ordinal + 3n - week * 5n) - 3n)
    }
    default:
      return `Period(${ordinal}, ${freq})`
  }
}

/**
 * A `pandas.Period`: a span of time, as an ordinal since 1970 in a frequency.
 *
 * @category pandas
 * @since 0.1.0
 */
export class Period {
  readonly ordinal: PyInt
  /** pandas' text of the frequency: `M`, `Q-DEC`, `W-SUN`, `2D`. */
  readonly freq: string
  /** The frequency in the pickle: its text, or an inert pandas offset object. */
  readonly offset: unknown
  constructor(ordinal: PyInt, freq: string, offset: unknown = freq) {
    this.ordinal = ordinal
    this.freq = freq
    this.offset = offset
  }
  /** pandas' `str`: `2020Q1`, `2020-01`, `2019-12-30/2020-01-05`. */
  toString(): string {
    return periodText(BigInt(this.ordinal), this.freq)
  }
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `Period(${this.toString()}, ${this.freq})`
  }
  toJSON(): string {
    return this.toString()
  }
  [equalityKey](): unknown {
    return `P${this.freq}\n${this.ordinal}`
  }
}

/**
 * The frequency for the name of an offset class and its anchor; `null` for other classes.
 *
 * @internal
 */
export const frequencyOf = (
  name: string,
  anchor: { readonly month: unknown; readonly weekday: unknown },
  count: unknown
): string | null => {
  const month = (fallback: number) => months[(typeof anchor.month === "number" ? anchor.month : fallback) - 1] ?? "DEC"
  const weekday = weekdays[typeof anchor.weekday === "number" ? anchor.weekday : 6] ?? "SUN"
  const base: Readonly<Record<string, string>> = {
    YearEnd: `Y-${month(12)}`,
    YearBegin: `Y-${month(12)}`,
    BYearEnd: `Y-${month(12)}`,
    BYearBegin: `Y-${month(12)}`,
    QuarterEnd: `Q-${month(12)}`,
    QuarterBegin: `Q-${month(12)}`,
    BQuarterEnd: `Q-${month(12)}`,
    BQuarterBegin: `Q-${month(12)}`,
    MonthEnd: "M",
    MonthBegin: "M",
    BusinessMonthEnd: "M",
    BMonthEnd: "M",
    Week: `W-${weekday}`,
    Day: "D",
    BusinessDay: "B",
    BDay: "B",
    Hour: "h",
    Minute: "min",
    Second: "s",
    Milli: "ms",
    Micro: "us",
    Nano: "ns"
  }
  if (!Object.hasOwn(base, name)) return null
  return `${typeof count === "number" && count !== 1 ? count : ""}${base[name]}`
}

const endText = (end: unknown, isFloat: boolean): string =>
  typeof end === "number" && isFloat
    ? floatText(end)
    : end instanceof Timestamp
    ? end.toString().replace("T", " ")
    : end instanceof Timedelta
    ? end.toString()
    : String(end)

/**
 * A `pandas.Interval`.
 *
 * @category pandas
 * @since 0.1.0
 */
export class Interval {
  readonly left: unknown
  readonly right: unknown
  /** The closed ends: `right`, `left`, `both` or `neither`. */
  readonly closed: string
  readonly #text: string
  /** An end that is a `PyFloat` is converted to a number and printed as a float. */
  constructor(left: unknown, right: unknown, closed: string, isFloat = false) {
    this.left = left instanceof PyFloat ? left.value : left
    this.right = right instanceof PyFloat ? right.value : right
    this.closed = closed
    const text = (end: unknown) =>
      end instanceof PyFloat ? end.toString() : endText(end, isFloat || (typeof end === "number" && end % 1 !== 0))
    this.#text = `${closed === "left" || closed === "both" ? "[" : "("}${text(left)}, ${text(right)}${
      closed === "right" || closed === "both" ? "]" : ")"
    }`
  }
  /** pandas' `str`: `(0.992, 3.667]`. */
  toString(): string {
    return this.#text
  }
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `Interval${this.toString()}`
  }
  toJSON(): string {
    return this.toString()
  }
  [equalityKey](budget: EqualityBudget): unknown {
    return `I${this.closed},${keyPart(this.left, budget)},${keyPart(this.right, budget)}`
  }
}
