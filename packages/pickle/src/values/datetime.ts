/**
 * Python's `datetime` module, for values that JavaScript's Date cannot hold (microseconds, fold, a zone, no zone, years
 * 1 to 9999).
 *
 * @since 0.1.0
 */
import { type EqualityBudget, equalityKey, identityKey, spend } from "./equality.ts"
import { projected } from "./json.ts"
import { PyGlobal, PyObject } from "./objects.ts"

const two = (n: number): string => n < 10 ? `0${n}` : `${n}`
const padded = (n: number, width: number): string => `${n}`.padStart(width, "0")

/** Days from 1970-01-01 to a date of the proleptic Gregorian calendar. */
const daysFromEpoch = (year: number, month: number, day: number): number => {
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  return date.getTime() / 86_400_000
}

/**
 * A `datetime.timezone`, or any zone with one fixed offset.
 *
 * @category datetime
 * @since 0.1.0
 */
export class Timezone {
  /** Offset from UTC in microseconds. */
  readonly offset: number
  /** The name it was given, or `null`. */
  readonly name: string | null
  constructor(offset: number, name: string | null = null) {
    this.offset = offset
    this.name = name
  }
  toString(): string {
    return this.name ?? (this.offset === 0 ? "UTC" : `UTC${offsetText(this.offset)}`)
  }
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `Timezone(${this.toString()})`
  }
  toJSON(): string {
    return this.toString()
  }
  [equalityKey](): unknown {
    return `z${this.offset}`
  }
}

/**
 * A `zoneinfo.ZoneInfo`: a key of the IANA database.
 *
 * @category datetime
 * @since 0.1.0
 */
export class ZoneInfo {
  readonly key: string
  constructor(key: string) {
    this.key = key
  }
  toString(): string {
    return this.key
  }
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `ZoneInfo(${this.key})`
  }
  toJSON(): string {
    return this.key
  }
}

/**
 * A time zone of any library: a fixed offset in microseconds, a key of the IANA database, or both (pytz has one object for
 * each offset of a zone).
 *
 * @category datetime
 * @since 0.1.0
 */
export interface Zone {
  readonly offset: number | null
  readonly key: string | null
}

/** More characters than any zone name has. */
const longestKey = 255

/** The zone name in the path of a zone database file: the part after `zoneinfo/`, otherwise its last segments. */
const zoneKey = (path: string): string | undefined => {
  const end = path.slice(-longestKey)
  const at = end.lastIndexOf("zoneinfo/")
  const segments = end.slice(at < 0 ? 0 : at + "zoneinfo/".length).split("/")
  // From the back, so that each segment is visited once.
  let first: number | undefined
  for (let index = segments.length - 1; index >= 0; index--) {
    if (/^[A-Z][A-Za-z_]+$/.test(segments[index]!)) first = index
    else if (!/^[A-Za-z0-9_+-]+$/.test(segments[index]!)) break
  }
  return first === undefined ? undefined : segments.slice(first).join("/")
}

/**
 * The zone of a name as Arrow and pandas write it: `UTC`, a key of the IANA database, `+01:00`.
 *
 * @category datetime
 * @since 0.1.0
 */
export const zoneFromName = (name: string): Timezone | ZoneInfo => {
  if (name === "UTC" || name === "utc" || name === "Z") return utc
  const match = /^(?:UTC|GMT|pytz\.FixedOffset\()?([+-])?(\d{1,2}):?(\d\d)$/.exec(name)
  if (match !== null) return fixedZone(match[1] === "-" ? -1 : 1, Number(match[2]) * 60 + Number(match[3]))
  const minutes = /^pytz\.FixedOffset\((-?)(\d{1,4})\)$/.exec(name)
  return minutes === null ? new ZoneInfo(name) : fixedZone(minutes[1] === "-" ? -1 : 1, Number(minutes[2]))
}

const utc = new Timezone(0)

const fixedZone = (sign: number, minutes: number): Timezone => minutes === 0 ? utc : new Timezone(sign * minutes * 60e6)

/** An offset in seconds or as a timedelta, in microseconds; `null` for other values and for a day or more. */
const offsetIn = (value: unknown): number | null => {
  const micros = value instanceof PyTimedelta
    ? value.totalMicroseconds
    : typeof value === "number"
    ? value * 1e6
    : NaN
  return Math.abs(micros) < 86_400e6 ? micros : null
}

/** The constant offset of a dateutil zone that was read from a file without transitions; `null` for other zones. */
const singleOffset = (tzinfo: PyObject): number | null => {
  if (!tzinfo.className.startsWith("dateutil.tz._tzfile.")) return null
  const [, , path, data] = tzinfo.args
  if (!Array.isArray(data) || (typeof path === "string" && zoneKey(path) !== undefined)) return null
  const [transitions, , offsets] = data as ReadonlyArray<unknown>
  const isFixed = Array.isArray(transitions) && transitions.length === 0 && Array.isArray(offsets) &&
    offsets.length === 1
  return isFixed ? offsetIn(offsets[0]) : null
}

/** `(key, from cache)`, the arguments from which a ZoneInfo and its subclasses are reconstructed. */
const isZoneKey = (args: ReadonlyArray<unknown>): boolean =>
  typeof args[0] === "string" && (args[1] === undefined || typeof args[1] === "boolean" || args[1] === 0 ||
    args[1] === 1)

/** `getattr(Class, "_unpickle")(key, from cache)`: only zoneinfo's class and its subclasses have that method. */
const keyedZone = ({ args, className }: PyObject): Zone | null =>
  className.endsWith("._unpickle") && isZoneKey(args) ? { offset: null, key: args[0] as string } : null

/**
 * The meaning of a `tzinfo` in a pickle: of `datetime.timezone`, zoneinfo and its subclasses, pytz, dateutil and
 * pendulum; `null` for an unknown class, for rules that the pickle does not contain, and for no zone.
 *
 * @category datetime
 * @since 0.1.0
 */
export const zoneOf = (tzinfo: unknown): Zone | null => {
  if (tzinfo instanceof Timezone) return { offset: tzinfo.offset, key: null }
  if (tzinfo instanceof ZoneInfo) return { offset: null, key: tzinfo.key }
  if (!(tzinfo instanceof PyObject)) return null
  const [first, second, third] = tzinfo.args
  const keyed = keyedZone(tzinfo)
  if (keyed !== null) return keyed
  if (!(tzinfo.class instanceof PyGlobal)) return null
  const { module, name } = tzinfo.class
  if (module === "pytz") {
    if (name === "_UTC") return { offset: 0, key: "UTC" }
    if (name === "_p" && typeof first === "string") {
      return { offset: typeof second === "number" ? second * 1e6 : null, key: first }
    }
    const isFixed = name === "FixedOffset" || name === "_FixedOffset"
    return isFixed && typeof first === "number" ? { offset: first * 60e6, key: null } : null
  }
  if (module === "pytz._FixedOffset") return typeof first === "number" ? { offset: first * 60e6, key: null } : null
  if (module.startsWith("dateutil.tz") || module.startsWith("dateutil.zoneinfo")) {
    if (name === "tzutc") return { offset: 0, key: "UTC" }
    if (name === "tzoffset") {
      const offset = offsetIn(second) ?? offsetIn(tzinfo.attributes().get("_offset"))
      return offset === null ? null : { offset, key: null }
    }
    if (name === "tzlocal" || name === "tzrange" || name === "tzstr") {
      // The start of summer time depends on the machine, or on rules that are code.
      const attributes = tzinfo.attributes()
      const [standard, summer] = [offsetIn(attributes.get("_std_offset")), offsetIn(attributes.get("_dst_offset"))]
      const isFixed = standard !== null && (attributes.get("hasdst") ?? attributes.get("_hasdst")) === false
      return isFixed || (standard !== null && standard === summer) ? { offset: standard, key: null } : null
    }
    const only = singleOffset(tzinfo)
    if (only !== null) return { offset: only, key: null }
    const file = tzinfo.args.find((arg) => typeof arg === "string")
    const path = typeof file === "string" ? file : tzinfo.attributes().get("_filename")
    if (typeof path !== "string") return null
    const key = zoneKey(path)
    return key === undefined ? null : { offset: null, key }
  }
  if (module.startsWith("pendulum.tz")) {
    if (name === "FixedTimezone") return typeof first === "number" ? { offset: first * 1e6, key: null } : null
    if (typeof first === "string") return { offset: null, key: first }
    return typeof third === "string" ? { offset: null, key: third } : null
  }
  // `wrap_zone(zone, key)`: a zone of zoneinfo or the standard library with the methods of pytz.
  if (module === "pytz_deprecation_shim._impl" && name === "wrap_zone") {
    return first instanceof PyObject ? keyedZone(first) : zoneOf(first)
  }
  if (module === "psycopg2.tz" && name === "FixedOffsetTimezone") {
    const offset = typeof first === "number" ? offsetIn(first * 60) : offsetIn(first)
    return offset === null ? null : { offset, key: null }
  }
  if (module === "isodate.tzinfo") {
    const offset = name === "_Utc" || name === "Utc" ? 0 : offsetIn(tzinfo.attributes().get("_FixedOffset__offset"))
    return offset === null ? null : { offset, key: null }
  }
  return null
}

const formats = new Map<string, Intl.DateTimeFormat | null>()
const maxFormats = 1_000

const formatOf = (key: string): Intl.DateTimeFormat | null => {
  let format = formats.get(key)
  if (format === undefined) {
    try {
      format = new Intl.DateTimeFormat("en-US-u-ca-iso8601-nu-latn", {
        timeZone: key,
        hourCycle: "h23",
        year: "numeric",
        month: "numeric",
        day: "numeric",
        hour: "numeric",
        minute: "numeric",
        second: "numeric"
      })
    } catch {
      format = null
    }
    if (formats.size >= maxFormats) formats.clear()
    formats.set(key, format)
  }
  return format
}

/**
 * The offset in microseconds of a zone at an instant in milliseconds; `null` when this runtime does not know the zone.
 */
export const offsetAt = (key: string, instant: number): number | null => {
  if (key === "UTC" || key === "Etc/UTC" || key === "GMT") return 0
  const format = formatOf(key)
  if (format === null) return null
  const part = { year: 0, month: 0, day: 0, hour: 0, minute: 0, second: 0 }
  for (const { type, value } of format.formatToParts(instant)) {
    if (type in part) part[type as keyof typeof part] = Number(value)
  }
  const offset = (year: number) =>
    daysFromEpoch(year, part.month, part.day) * 86_400 + part.hour * 3_600 + part.minute * 60 + part.second -
    Math.floor(instant / 1_000)
  // The years before 1 count backwards, and not every runtime says that they do.
  const seconds = offset(part.year)
  return (Math.abs(seconds) < 2 * 86_400 ? seconds : offset(1 - part.year)) * 1e6
}

/** The offset in microseconds of a zone at a local time in milliseconds, resolving gaps and folds as PEP 495 does. */
const offsetOfLocal = (key: string, local: number, fold: number): number | null => {
  const before = offsetAt(key, local - 86_400_000)
  const after = offsetAt(key, local + 86_400_000)
  if (before === null || after === null) return null
  if (before === after) {
    // There is at most one transition in two days, save for rare pairs: then query the instant itself.
    return offsetAt(key, local - before / 1_000)
  }
  const early = offsetAt(key, local - before / 1_000)
  const late = offsetAt(key, local - after / 1_000)
  if (early === before && late === before) return before
  if (early === after && late === after) return after
  // A fold (both hold) or a gap (neither does): the offset before the transition, or with `fold` the one after it.
  return fold === 0 ? before : after
}

/**
 * An offset in microseconds in ISO 8601: `+01:00`, `-04:56:02.000001`.
 *
 * @category datetime
 * @since 0.1.0
 */
export const offsetText = (offset: number): string => {
  const size = Math.abs(offset)
  const seconds = Math.floor(size / 1e6)
  const micros = size % 1e6
  const tail = seconds % 60 === 0 && micros === 0
    ? ""
    : `:${two(seconds % 60)}${micros === 0 ? "" : `.${padded(micros, 6)}`}`
  return `${offset < 0 ? "-" : "+"}${two(Math.floor(seconds / 3_600))}:${two(Math.floor(seconds / 60) % 60)}${tail}`
}

/** Microseconds as seconds, rounded once. */
const longSeconds = (micros: bigint): number => {
  const size = micros < 0n ? -micros : micros
  return Number(`${micros < 0n ? "-" : ""}${size / 1_000_000n}.${padded(Number(size % 1_000_000n), 6)}`)
}

/**
 * A `datetime.timedelta`, normalized as Python does: `0 <= seconds < 86400`, `0 <= microseconds < 1000000`.
 *
 * @category datetime
 * @since 0.1.0
 */
export class PyTimedelta {
  readonly days: number
  readonly seconds: number
  readonly microseconds: number
  constructor(days: number, seconds: number, microseconds: number) {
    this.days = days
    this.seconds = seconds
    this.microseconds = microseconds
  }
  /** The total length in seconds, as Python's `total_seconds()`. */
  get totalSeconds(): number {
    const seconds = this.days * 86_400 + this.seconds
    const micros = seconds * 1e6 + this.microseconds
    // Python divides integers; beyond the safe ones that requires text.
    return Number.isSafeInteger(micros)
      ? micros / 1e6
      : longSeconds(BigInt(seconds) * 1_000_000n + BigInt(this.microseconds))
  }
  /** The total length in microseconds; exact up to 285 years. */
  get totalMicroseconds(): number {
    return (this.days * 86_400 + this.seconds) * 1e6 + this.microseconds
  }
  /** Python's `str`: `1 day, 0:00:02.000003`. */
  toString(): string {
    const time = `${Math.floor(this.seconds / 3_600)}:${two(Math.floor(this.seconds / 60) % 60)}:${
      two(this.seconds % 60)
    }`
    const days = this.days === 0 ? "" : `${this.days} day${Math.abs(this.days) === 1 ? "" : "s"}, `
    return `${days}${time}${this.microseconds === 0 ? "" : `.${padded(this.microseconds, 6)}`}`
  }
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `PyTimedelta(${this.toString()})`
  }
  toJSON(): number {
    return this.totalSeconds
  }
  [equalityKey](): unknown {
    return `y${this.days},${this.seconds},${this.microseconds}`
  }
}

/**
 * A `datetime.date`.
 *
 * @category datetime
 * @since 0.1.0
 */
export class PyDate {
  readonly year: number
  /** 1 to 12. */
  readonly month: number
  readonly day: number
  constructor(year: number, month: number, day: number) {
    this.year = year
    this.month = month
    this.day = day
  }
  /** ISO 8601: `2024-02-29`. */
  toString(): string {
    return `${padded(this.year, 4)}-${two(this.month)}-${two(this.day)}`
  }
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `PyDate(${this.toString()})`
  }
  toJSON(): string {
    return this.toString()
  }
  /** The date at midnight UTC. */
  toDate(): Date {
    return new Date(daysFromEpoch(this.year, this.month, this.day) * 86_400_000)
  }
  [equalityKey](): unknown {
    return `a${this.toString()}`
  }
}

const clock = (hour: number, minute: number, second: number, microsecond: number): string =>
  `${two(hour)}:${two(minute)}:${two(second)}${microsecond === 0 ? "" : `.${padded(microsecond, 6)}`}`

/**
 * A `datetime.time`.
 *
 * @category datetime
 * @since 0.1.0
 */
export class PyTime {
  readonly hour: number
  readonly minute: number
  readonly second: number
  readonly microsecond: number
  /** 1 for the second of two equal local times (PEP 495). */
  readonly fold: number
  /** `null`, a `Timezone`, a `ZoneInfo`, or the inert object of another library: see `zoneOf`. */
  readonly tzinfo: unknown
  constructor(hour: number, minute: number, second: number, microsecond: number, fold: number, tzinfo: unknown) {
    this.hour = hour
    this.minute = minute
    this.second = second
    this.microsecond = microsecond
    this.fold = fold
    this.tzinfo = tzinfo
  }
  /** Offset from UTC in microseconds; `null` without a zone and for a zone whose offset depends on the date. */
  utcOffset(): number | null {
    return zoneOf(this.tzinfo)?.offset ?? null
  }
  /** Whether it has a zone of an unknown class. */
  get hasUnknownZone(): boolean {
    return this.tzinfo !== null && zoneOf(this.tzinfo) === null
  }
  /** ISO 8601 without an offset: `23:59:59.000001`. */
  get localText(): string {
    return clock(this.hour, this.minute, this.second, this.microsecond)
  }
  /** ISO 8601, with the offset when it is fixed: `23:59:59.000001+01:00`; `…01[module.Zone]` for an unknown zone. */
  toString(): string {
    const offset = this.utcOffset()
    if (offset !== null) return `${this.localText}${offsetText(offset)}`
    return this.hasUnknownZone ? `${this.localText}[${unknownZoneText(this.tzinfo)}]` : this.localText
  }
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `PyTime(${this.toString()})`
  }
  toJSON(): unknown {
    return projected(this)
  }
  [equalityKey](): unknown {
    const offset = this.utcOffset()
    if (offset === null) return `m${clock(this.hour, this.minute, this.second, this.microsecond)}`
    return `mu${(this.hour * 3_600 + this.minute * 60 + this.second) * 1e6 + this.microsecond - offset}`
  }
}

/**
 * The text for a zone whose offset is unknown.
 *
 * @internal
 */
export const unknownZoneText = (tzinfo: unknown): string =>
  tzinfo instanceof PyObject ? tzinfo.className : zoneOf(tzinfo)?.key ?? "unknown"

/**
 * A `datetime.datetime`, and pendulum's `DateTime`.
 *
 * @category datetime
 * @since 0.1.0
 */
export class PyDateTime {
  readonly year: number
  /** 1 to 12. */
  readonly month: number
  readonly day: number
  readonly hour: number
  readonly minute: number
  readonly second: number
  readonly microsecond: number
  /** 1 for the second of two equal local times (PEP 495). */
  readonly fold: number
  /** `null`, a `Timezone`, a `ZoneInfo`, or the inert object of another library: see `zoneOf`. */
  readonly tzinfo: unknown
  /** `datetime.datetime`, or the name of pendulum's class. */
  readonly className: string
  constructor(
    year: number,
    month: number,
    day: number,
    hour: number,
    minute: number,
    second: number,
    microsecond: number,
    fold: number,
    tzinfo: unknown,
    className = "datetime.datetime"
  ) {
    this.year = year
    this.month = month
    this.day = day
    this.hour = hour
    this.minute = minute
    this.second = second
    this.microsecond = microsecond
    this.fold = fold
    this.tzinfo = tzinfo
    this.className = className
  }
  /** The local time in milliseconds, as if it were UTC. */
  #local(): number {
    return daysFromEpoch(this.year, this.month, this.day) * 86_400_000 +
      (this.hour * 3_600 + this.minute * 60 + this.second) * 1_000
  }
  /**
   * Offset from UTC in microseconds. `null` without a zone, for a zone of an unknown class, and for a key that is
   * missing from this runtime's time zone data.
   */
  utcOffset(): number | null {
    const zone = zoneOf(this.tzinfo)
    if (zone === null) return null
    return zone.offset ?? (zone.key === null ? null : offsetOfLocal(zone.key, this.#local(), this.fold))
  }
  /** Whether it has a zone whose offset is unknown: see `utcOffset`. */
  get hasUnknownZone(): boolean {
    return this.tzinfo !== null && this.utcOffset() === null
  }
  /** ISO 8601 of the local time, without an offset: `2024-01-02T03:04:05.000006`. */
  get localText(): string {
    return `${padded(this.year, 4)}-${two(this.month)}-${two(this.day)}T${
      clock(this.hour, this.minute, this.second, this.microsecond)
    }`
  }
  /** ISO 8601 with the offset: `2024-01-02T03:04:05.000006+01:00`; `…05[module.Zone]` when the zone is unknown. */
  toString(): string {
    if (this.tzinfo === null) return this.localText
    const offset = this.utcOffset()
    return `${this.localText}${offset === null ? `[${unknownZoneText(this.tzinfo)}]` : offsetText(offset)}`
  }
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `PyDateTime(${this.toString()})`
  }
  toJSON(): unknown {
    return projected(this)
  }
  /** The instant to the millisecond; without a zone, the local time taken as UTC; an invalid Date for an unknown zone. */
  toDate(): Date {
    const offset = this.tzinfo === null ? 0 : this.utcOffset() ?? NaN
    return new Date(this.#local() + Math.floor((this.microsecond - offset) / 1_000))
  }
  [equalityKey](budget: EqualityBudget): unknown {
    spend(budget, 1)
    if (this.tzinfo === null) return `w${this.#local()},${this.microsecond}`
    const offset = this.utcOffset()
    if (offset === null) {
      const zone = this.tzinfo
      return `w${this.#local()},${this.microsecond},${typeof zone === "object" ? identityKey(zone!) : ""}`
    }
    return `v${(BigInt(this.#local()) * 1_000n) + BigInt(this.microsecond) - BigInt(offset)}`
  }
}
