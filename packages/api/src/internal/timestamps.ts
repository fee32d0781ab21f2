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

/**
 * The text of an instant in microseconds since 1970 as Postgres writes it in JSON: `2022-03-01T12:00:02.75+00:00`; null
 * for NaN.
 */
export const isoText = (instant: number): string | null => {
  const date = new Date(Math.floor(instant / 1000))
  if (Number.isNaN(date.getTime())) return null
  const [seconds, milliseconds] = date.toISOString().slice(0, -1).split(".")
  const fraction = `${milliseconds}${String(((instant % 1000) + 1000) % 1000).padStart(3, "0")}`.replace(
    /(?<!0)0+$/,
    ""
  )
  return `${seconds}${fraction === "" ? "" : `.${fraction}`}+00:00`
}
