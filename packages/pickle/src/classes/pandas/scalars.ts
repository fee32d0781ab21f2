/**
 * The scalars of pandas: Timestamp, Timedelta and NaT.
 *
 * @since 0.1.0
 */
import { type Create, inert } from "../../context.ts"
import { NaT, Timedelta, Timestamp, type TimeUnit } from "../../values/dataframe.ts"
import { numberOf, shrink } from "../../values/integers.ts"
import { Interval, Period } from "../../values/period.ts"
import { nanosecondsIn } from "../arrow.ts"
import { notATime, periodFrequency, unitOf } from "./columns.ts"

/** NumPy's numbers of the units (`NPY_DATETIMEUNIT`). */
const resolutions: Readonly<Record<number, TimeUnit>> = { 7: "s", 8: "ms", 9: "us", 10: "ns" }

const integerOf = (value: unknown): bigint | null =>
  typeof value === "bigint" ? value : Number.isSafeInteger(value) ? BigInt(value as number) : null

/** @internal */
export const timestamp: Create = (_context, args) => {
  const value = integerOf(args[0])
  const [, , tz, resolution] = args
  if (value === null || args.length > 4) return inert
  const unit = resolutions[numberOf(resolution ?? 10)] ?? "ns"
  return value === notATime ? NaT : new Timestamp(value * nanosecondsIn(unit), unit, tz ?? null)
}

/** @internal */
export const timedelta: Create = (_context, args) => {
  const value = integerOf(args[0])
  const [, second] = args
  if (value === null || args.length > 2) return inert
  const unit = typeof second === "number" || typeof second === "bigint"
    ? resolutions[Number(second)] ?? "ns"
    : typeof second === "string"
    ? unitOf(second)
    : "ns"
  return value === notATime ? NaT : new Timedelta(value * nanosecondsIn(unit), unit)
}

/**
 * `Period(None, offset, ordinal)`.
 *
 * @internal
 */
export const period: Create = (_context, args) => {
  const [first, freq, ordinal] = args
  const value = integerOf(ordinal)
  if (args.length !== 3 || first !== null || value === null) return inert
  return value === notATime ? NaT : new Period(shrink(value), periodFrequency(freq), freq)
}

/**
 * `Interval(left, right, closed)`.
 *
 * @internal
 */
export const interval: Create = (_context, args) => {
  const [left, right, closed = "right"] = args
  return args.length < 2 || args.length > 3 || typeof closed !== "string" ? inert : new Interval(left, right, closed)
}

/** @internal */
export const notATimeValue: Create = () => NaT
