/** ISO 8601 datetimes in the forms that Prefect's DateTimeSerializer and Python's `isoformat` write. */
import { PyDateTime, Timezone } from "@effect-prefect/pickle"

const form = new RegExp(
  "^(\\d{4})(?:-(\\d\\d)-(\\d\\d)|(\\d\\d)(\\d\\d))" +
    "(?:[T ](\\d\\d)(?::?(\\d\\d)(?::?(\\d\\d)(?:[.,](\\d{1,9}))?)?)?" +
    "\\s?(Z|[+-]\\d\\d(?::?\\d\\d(?::?\\d\\d(?:\\.\\d{1,6})?)?)?)?)?$",
  "i"
)

const daysInMonth = (year: number, month: number): number =>
  month === 2
    ? (year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28)
    : month % 2 === Number(month > 7)
    ? 30
    : 31

/** The longest text that can be a datetime. */
export const maxDateTimeLength = 64

const utc = new Timezone(0)

const zoneOf = (text: string | undefined): Timezone | null => {
  if (text === undefined || text.toUpperCase() === "Z") return utc
  const [, sign, hours, minutes, seconds, fraction] = /^([+-])(\d\d):?(\d\d)?:?(\d\d)?(?:\.(\d+))?$/.exec(text) ?? []
  const offset = (Number(hours) * 3600 + Number(minutes ?? 0) * 60 + Number(seconds ?? 0)) * 1e6 +
    Number((fraction ?? "").padEnd(6, "0"))
  if (offset >= 86_400e6) return null
  return offset === 0 ? utc : new Timezone(sign === "-" ? -offset : offset)
}

/**
 * The datetime of a text; `undefined` when it is not a datetime. A text without an offset is in UTC, as in Prefect, and
 * digits beyond microseconds are truncated.
 */
export const parseDateTime = (text: string): PyDateTime | undefined => {
  if (text.length > maxDateTimeLength) return undefined
  const match = form.exec(text.trim())
  if (match === null) return undefined
  const [, year, month, day, basicMonth, basicDay, hour, minute, second, fraction, zone] = match
  const at = {
    year: Number(year),
    month: Number(month ?? basicMonth),
    day: Number(day ?? basicDay),
    hour: Number(hour ?? 0),
    minute: Number(minute ?? 0),
    second: Number(second ?? 0)
  }
  const tzinfo = zoneOf(zone)
  if (
    tzinfo === null || at.year < 1 || at.month < 1 || at.month > 12 || at.day < 1 ||
    at.day > daysInMonth(at.year, at.month) || at.hour > 23 || at.minute > 59 || at.second > 59
  ) return undefined
  const microsecond = Number((fraction ?? "").slice(0, 6).padEnd(6, "0"))
  return new PyDateTime(at.year, at.month, at.day, at.hour, at.minute, at.second, microsecond, 0, tzinfo)
}
