/**
 * Decoders for the datetime module, zoneinfo and pendulum.
 *
 * @since 0.1.0
 */
import { type Create, inert } from "../context.ts"
import { fail } from "../errors.ts"
import { PyDate, PyDateTime, PyTime, PyTimedelta, Timezone, ZoneInfo } from "../values/datetime.ts"
import { PyFloat } from "../values/numbers.ts"
import { isDict, PyGlobal, PyObject } from "../values/objects.ts"

/** The packed bytes of a state: bytes, or the latin-1 text that Python 2 and protocols 0 to 2 write. */
const packed = (value: unknown, length: number): Uint8Array | null => {
  if (value instanceof Uint8Array) return value.length === length ? value : null
  if (typeof value !== "string" || value.length !== length) return null
  const out = new Uint8Array(length)
  for (let i = 0; i < length; i++) {
    const code = value.charCodeAt(i)
    if (code > 255) return null
    out[i] = code
  }
  return out
}

const daysInMonth = (year: number, month: number): number =>
  month === 2
    ? (year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28)
    : [4, 6, 9, 11].includes(month)
    ? 30
    : 31

const checkDate = (year: number, month: number, day: number): void => {
  if (!(year >= 1 && year <= 9999 && month >= 1 && month <= 12 && day >= 1 && day <= daysInMonth(year, month))) {
    fail("BadValue", "a date that does not exist", "a date from year 1 to 9999")
  }
}

const checkTime = (hour: number, minute: number, second: number, microsecond: number): void => {
  if (
    !(hour >= 0 && hour < 24 && minute >= 0 && minute < 60 && second >= 0 && second < 60 && microsecond >= 0 &&
      microsecond < 1_000_000)
  ) {
    fail("BadValue", "a time that does not exist", "a time within a day")
  }
}

const ints = (args: ReadonlyArray<unknown>): ReadonlyArray<number> | null => {
  const out: Array<number> = []
  for (const arg of args) {
    if (typeof arg !== "number" && typeof arg !== "bigint" && typeof arg !== "boolean") return null
    out.push(Number(arg))
  }
  return out
}

const foldOf = (kwargs: unknown): number => {
  const fold: unknown = kwargs instanceof Map
    ? kwargs.get("fold")
    : (kwargs as { readonly fold?: unknown } | null)?.fold
  return fold === 1 || fold === 1n ? 1 : 0
}

const make = (
  [year = 1, month = 1, day = 1, hour = 0, minute = 0, second = 0, microsecond = 0]: ReadonlyArray<number>,
  fold: number,
  tzinfo: unknown,
  className?: string
): PyDateTime => {
  checkDate(year, month, day)
  checkTime(hour, minute, second, microsecond)
  return new PyDateTime(year, month, day, hour, minute, second, microsecond, fold, tzinfo, className)
}

const noDateTime = () => fail("BadValue", "a datetime without its fields", "10 bytes or 3 integers")

/** A tzinfo: any object except those that cannot be one. */
const zoneArgument = (value: unknown): unknown => {
  if (value === undefined || value === null) return null
  const isObject = value instanceof Timezone || value instanceof ZoneInfo || value instanceof PyObject ||
    (typeof value === "object" && !Array.isArray(value) && !(value instanceof Map) && !(value instanceof Set) &&
      !isDict(value) && !(value instanceof PyGlobal))
  return isObject ? value : fail("BadValue", "an invalid time zone", "a tzinfo")
}

const datetime: Create = (_context, args, kwargs) => {
  const bytes = args.length <= 2 ? packed(args[0], 10) : null
  if (bytes !== null) {
    const [high, low, month, day, hour, minute, second, m1, m2, m3] = bytes as unknown as ReadonlyArray<number>
    const fields = [high! * 256 + low!, month! & 0x7f, day!, hour!, minute!, second!, m1! * 65_536 + m2! * 256 + m3!]
    return make(fields, month! >> 7, zoneArgument(args[1]))
  }
  const fields = ints(args.slice(0, 7))
  if (fields === null || fields.length < 3) {
    return noDateTime()
  }
  return make(fields, foldOf(kwargs), zoneArgument(args[7]))
}

const date: Create = (_context, args) => {
  const bytes = args.length === 1 ? packed(args[0], 4) : null
  const fields = bytes === null ? ints(args) : [bytes[0]! * 256 + bytes[1]!, bytes[2]!, bytes[3]!]
  if (fields === null || fields.length !== 3) {
    return fail("BadValue", "a date without its fields", "4 bytes or 3 integers")
  }
  const [year, month, day] = fields as [number, number, number]
  // CPython validates only the month of a packed date.
  if (bytes === null) checkDate(year, month, day)
  else if (month < 1 || month > 12) return fail("BadValue", "a date without its fields", "4 bytes or 3 integers")
  return new PyDate(year, month, day)
}

const time: Create = (_context, args, kwargs) => {
  const bytes = args.length <= 2 ? packed(args[0], 6) : null
  const fields = bytes === null
    ? ints(args.slice(0, 4))
    : [bytes[0]! & 0x7f, bytes[1]!, bytes[2]!, bytes[3]! * 65_536 + bytes[4]! * 256 + bytes[5]!]
  if (fields === null) return fail("BadValue", "a time without its fields", "6 bytes or integers")
  const [hour = 0, minute = 0, second = 0, microsecond = 0] = fields
  checkTime(hour, minute, second, microsecond)
  const fold = bytes === null ? foldOf(kwargs) : bytes[0]! >> 7
  return new PyTime(hour, minute, second, microsecond, fold, zoneArgument(bytes === null ? args[4] : args[1]))
}

const timedelta: Create = (_context, args) => {
  const values = args.map((arg) =>
    arg instanceof PyFloat ? arg.value : typeof arg === "bigint" || typeof arg === "boolean" ? Number(arg) : arg
  )
  if (args.length > 7 || !values.every((value) => Number.isSafeInteger(value))) return inert
  const [days = 0, seconds = 0, microseconds = 0, milliseconds = 0, minutes = 0, hours = 0, weeks = 0] =
    values as Array<number>
  const micros = BigInt(microseconds) + BigInt(milliseconds) * 1_000n +
    (BigInt(seconds) + BigInt(minutes) * 60n + BigInt(hours) * 3_600n) * 1_000_000n
  const day = 86_400_000_000n
  const extra = micros / day - (micros % day < 0n ? 1n : 0n)
  const rest = micros - extra * day
  const whole = days + weeks * 7 + Number(extra)
  if (Math.abs(whole) > 999_999_999) return fail("BadValue", "a timedelta that is too long", "at most 999999999 days")
  return new PyTimedelta(whole, Number(rest / 1_000_000n), Number(rest % 1_000_000n))
}

const timezone: Create = (_context, args) => {
  const [offset, name] = args
  if (!(offset instanceof PyTimedelta) || args.length > 2 || (name !== undefined && typeof name !== "string")) {
    return fail("BadValue", "a timezone without its offset", "a timedelta")
  }
  if (Math.abs(offset.totalMicroseconds) >= 86_400e6) {
    return fail("BadValue", "a timezone of a day or more", "less than a day")
  }
  return new Timezone(offset.totalMicroseconds, name ?? null)
}

const zoneInfo: Create = (_context, args) =>
  typeof args[0] === "string" && args.length <= 2 ? new ZoneInfo(args[0]) : inert

/** pendulum's DateTime, with its fields and a zone. */
const pendulum: Create = (_context, args, kwargs, cls) => {
  const fields = ints(args.slice(0, 7))
  if (fields === null || fields.length !== 7 || args.length > 8 || !(cls instanceof PyGlobal)) return inert
  return make(fields, foldOf(kwargs), args[7] ?? null, cls.qualifiedName)
}

/** pendulum's Period: from one moment to another. Its length is the difference of the two as datetimes or dates. */
const period = (args: ReadonlyArray<unknown>): PyTimedelta | null => {
  const [start, end, absolute] = args
  const from = moment(start)
  const to = moment(end)
  if (from === null || to === null) return null
  const length = to - from
  return ofMicros(absolute === true && length < 0n ? -length : length)
}

/** Microseconds since 1970: in UTC for a datetime with an offset, otherwise of the local time. */
const moment = (given: unknown): bigint | null => {
  const isDate = given instanceof PyObject && given.class instanceof PyGlobal && given.class.name === "Date"
  const value = isDate ? pendulumOf(given) : given
  if (value instanceof PyDateTime) {
    return fieldMicros(value.year, value.month, value.day) +
      BigInt((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000n + BigInt(value.microsecond) -
      BigInt(value.utcOffset() ?? 0)
  }
  return value instanceof PyDate ? fieldMicros(value.year, value.month, value.day) : null
}

const fieldMicros = (year: number, month: number, day: number): bigint =>
  BigInt(new Date(0).setUTCFullYear(year, month - 1, day)) * 1_000n

/** @internal */
export const temporal: Readonly<Record<string, Create>> = {
  "datetime.datetime": datetime,
  "datetime.date": date,
  "datetime.time": time,
  "datetime.timedelta": timedelta,
  "datetime.timezone": timezone,
  "_pydatetime.datetime": datetime,
  "_pydatetime.date": date,
  "_pydatetime.time": time,
  "_pydatetime.timedelta": timedelta,
  "_pydatetime.timezone": timezone,
  "zoneinfo.ZoneInfo": zoneInfo,
  "zoneinfo.ZoneInfo._unpickle": zoneInfo,
  "zoneinfo._zoneinfo.ZoneInfo._unpickle": zoneInfo,
  "backports.zoneinfo.ZoneInfo._unpickle": zoneInfo,
  "pendulum.datetime.DateTime": pendulum
}

/**
 * The value of a pendulum object: Date, Time, Duration or Period, which are subclasses of those of the datetime module.
 * `null` for any other object and for invalid arguments.
 *
 * @category datetime
 * @since 0.1.0
 */
export const pendulumOf = (object: PyObject): PyDate | PyTime | PyTimedelta | null => {
  if (!(object.class instanceof PyGlobal) || object.kwargs !== null) return null
  const { args } = object
  const fields = ints(args.slice(0, 7))
  switch (object.class.qualifiedName) {
    case "pendulum.date.Date": {
      const bytes = args.length === 1 ? packed(args[0], 4) : null
      const [year, month, day] = bytes === null ? fields ?? [] : [bytes[0]! * 256 + bytes[1]!, bytes[2]!, bytes[3]!]
      if (year === undefined || month === undefined || day === undefined) return null
      return year >= 1 && year <= 9999 && month >= 1 && month <= 12 && day >= 1 && day <= daysInMonth(year, month)
        ? new PyDate(year, month, day)
        : null
    }
    case "pendulum.time.Time": {
      const [hour = 0, minute = 0, second = 0, microsecond = 0] = ints(args.slice(0, 4)) ?? [24]
      const isTime = hour >= 0 && hour < 24 && minute >= 0 && minute < 60 && second >= 0 && second < 60 &&
        microsecond >= 0 && microsecond < 1_000_000
      return isTime ? new PyTime(hour, minute, second, microsecond, 0, args[4] ?? null) : null
    }
    case "pendulum.duration.Duration": {
      const [days = 0, seconds = 0, microseconds = 0] = fields ?? []
      return fields === null || !fields.every(Number.isSafeInteger)
        ? null
        : ofMicros((BigInt(days) * 86_400n + BigInt(seconds)) * 1_000_000n + BigInt(microseconds))
    }
    case "pendulum.period.Period":
    case "pendulum.interval.Interval":
      return period(args)
    default:
      return null
  }
}

const ofMicros = (micros: bigint): PyTimedelta => {
  const day = 86_400_000_000n
  const days = micros / day - (micros % day < 0n ? 1n : 0n)
  const rest = micros - days * day
  return new PyTimedelta(Number(days), Number(rest / 1_000_000n), Number(rest % 1_000_000n))
}
