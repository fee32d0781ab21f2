/** Converts cells of columnar files to the values of a pickled DataFrame. */
import {
  Decimal,
  PyDate,
  PyTime,
  Timedelta,
  Timestamp,
  type TimeUnit,
  type Timezone,
  zoneFromName as zoneOfName,
  type ZoneInfo
} from "@effect-prefect/pickle"
import { hexOf } from "./bytes.ts"

const nanoseconds: Readonly<Record<TimeUnit, bigint>> = { s: 1_000_000_000n, ms: 1_000_000n, us: 1_000n, ns: 1n }

/** The representation of NaT in NumPy and pandas. */
const notATime = -(2n ** 63n)

/** The zone of a name as pandas and Arrow write it: `UTC`, a key of the IANA database, `+01:00`. */
export const zoneFromName = (name: string | null): Timezone | ZoneInfo | null =>
  name === null || name === "" ? null : zoneOfName(name)

export const timestampCell = (count: bigint, unit: TimeUnit, zone: Timezone | ZoneInfo | null): Timestamp | null =>
  count === notATime ? null : new Timestamp(count * nanoseconds[unit], unit, zone)

export const timedeltaCell = (count: bigint, unit: TimeUnit): Timedelta | null =>
  count === notATime ? null : new Timedelta(count * nanoseconds[unit], unit)

/** A date from days since 1970; `null` outside the years 1 to 9999, which Python's dates cannot represent. */
export const dateCell = (days: number): PyDate | null => {
  const date = new Date(days * 86_400_000)
  const year = date.getUTCFullYear()
  return year >= 1 && year <= 9_999 ? new PyDate(year, date.getUTCMonth() + 1, date.getUTCDate()) : null
}

export const timeCell = (count: bigint, unit: TimeUnit): PyTime | null => {
  const micros = Number(count * nanoseconds[unit] / 1_000n)
  if (!(micros >= 0 && micros < 86_400e6)) return null
  const seconds = Math.floor(micros / 1e6)
  return new PyTime(Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, seconds % 60, micros % 1e6, 0, null)
}

/** A decimal with `scale` digits after the point, in Python's `str` form. */
export const decimalCell = (unscaled: bigint, scale: number): Decimal => {
  const sign = unscaled < 0n ? "-" : ""
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString()
  if (scale === 0) return new Decimal(`${sign}${digits}`)
  const exponent = digits.length - 1 - scale
  if (scale < 0 || exponent < -6) {
    const fraction = digits.length > 1 ? `.${digits.slice(1)}` : ""
    return new Decimal(`${sign}${digits[0]}${fraction}E${exponent < 0 ? "-" : "+"}${Math.abs(exponent)}`)
  }
  const padded = digits.padStart(scale + 1, "0")
  return new Decimal(`${sign}${padded.slice(0, -scale)}.${padded.slice(-scale)}`)
}

/** A signed big endian integer of any width. */
export const bigEndianInteger = (bytes: Uint8Array): bigint => {
  if (bytes.length === 0) return 0n
  const hex = hexOf(bytes)
  return BigInt.asIntN(bytes.length * 8, BigInt(`0x${hex}`))
}

/** An integer as a number when that is exact. */
export const integerCell = (value: bigint): number | bigint =>
  value >= -9007199254740991n && value <= 9007199254740991n ? Number(value) : value
