const pattern =
  /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)? ?(?:Z|([+-])(\d\d):?(\d\d)?)?$/i

const parse = (text: string): number => {
  const parts = pattern.exec(text)
  if (parts === null) return Number.NaN
  const [, year, month, day, hour = "0", minute = "0", second = "0", fraction = "", sign, hours = "0", minutes = "0"] =
    parts
  // Date.UTC maps the years 0 to 99 to the 20th century.
  const milliseconds = new Date(0).setUTCFullYear(Number(year), Number(month) - 1, Number(day)) +
    ((Number(hour) * 60 + Number(minute)) * 60 + Number(second)) * 1000
  const offset = (Number(hours) * 60 + Number(minutes)) * (sign === "-" ? -60_000 : 60_000)
  return (milliseconds - offset) * 1000 + Number(fraction.padEnd(6, "0").slice(0, 6))
}

/** The digit at a position; NaN when there is none. */
const digit = (text: string, at: number): number => {
  const value = text.charCodeAt(at) - 48
  return value >= 0 && value <= 9 ? value : Number.NaN
}
const twoDigits = (text: string, at: number): number => digit(text, at) * 10 + digit(text, at + 1)

let day = ""
let midnight = Number.NaN

/** The instant of a text as Postgres and Prefect write it in UTC, which most are; NaN for other forms. */
const parseUsual = (text: string): number => {
  const zone = text.endsWith("+00:00") ? text.length - 6 : text.endsWith("Z") ? text.length - 1 : -1
  if (text[10] !== "T" || text[13] !== ":" || text[16] !== ":" || zone < 19) return Number.NaN
  // Neighbouring rows are of the same day.
  if (!text.startsWith(day) || day === "") {
    day = text.slice(0, 10)
    midnight = parse(day)
  }
  let microseconds = 0
  if (zone > 19) {
    if (text[19] !== "." || zone === 20 || zone > 26) return Number.NaN
    for (let at = 20; at < 26; at++) microseconds = microseconds * 10 + (at < zone ? digit(text, at) : 0)
  }
  const seconds = (twoDigits(text, 11) * 60 + twoDigits(text, 14)) * 60 + twoDigits(text, 17)
  return midnight + seconds * 1_000_000 + microseconds
}

/**
 * The instant of an ISO 8601 text in microseconds since 1970, the precision of Postgres; UTC when it has no offset. NaN
 * for any other text, and for null.
 */
export const microseconds = (text: unknown): number => {
  if (typeof text !== "string") return Number.NaN
  const usual = parseUsual(text)
  return Number.isNaN(usual) ? parse(text) : usual
}

const shown = new Uint8Array(64)
let shownDay = Number.NaN
let dateLength = 0

/** Writes a number with leading zeros and returns the offset behind it. */
const writeDigits = (value: number, digits: number, at: number): number => {
  let rest = value
  for (let place = at + digits - 1; place >= at; place--) {
    shown[place] = 0x30 + rest % 10
    rest = Math.floor(rest / 10)
  }
  return at + digits
}
const write = (text: string, at: number): number => {
  for (let i = 0; i < text.length; i++) shown[at + i] = text.charCodeAt(i)
  return at + text.length
}

/**
 * The text of an instant in microseconds since 1970 as Postgres writes it in JSON: `2022-03-01T12:00:02.75+00:00`; null
 * for NaN.
 */
export const isoText = (instant: number): string | null => {
  const fraction = ((instant % 1_000_000) + 1_000_000) % 1_000_000
  const seconds = (instant - fraction) / 1_000_000
  const day = Math.floor(seconds / 86_400)
  // Neighbouring rows are of the same day; a Date for each, and strings of its parts, were half the cost of a summary.
  if (day !== shownDay) {
    const date = new Date(day * 86_400_000)
    if (Number.isNaN(date.getTime())) return null
    dateLength = write(date.toISOString().slice(0, -13), 0)
    shownDay = day
  }
  const second = seconds - day * 86_400
  let end = writeDigits(Math.floor(second / 3600), 2, dateLength)
  shown[end] = 0x3a
  end = writeDigits(Math.floor(second / 60) % 60, 2, end + 1)
  shown[end] = 0x3a
  end = writeDigits(second % 60, 2, end + 1)
  if (fraction !== 0) {
    shown[end] = 0x2e
    end = writeDigits(fraction, 6, end + 1)
    while (shown[end - 1] === 0x30) end--
  }
  // In one call: a text that is joined from parts is a tree of them in V8, which costs more to keep and to collect.
  return String.fromCharCode.apply(null, shown.subarray(0, write("+00:00", end)) as unknown as Array<number>)
}
