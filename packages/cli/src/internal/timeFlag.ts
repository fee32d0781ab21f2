import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { UsageError } from "./errors.ts"

const units: { readonly [unit: string]: number } = { s: 1e3, m: 60e3, h: 3_600e3, d: 86_400e3, w: 604_800e3 }

const ago = /^(\d{1,9})\s*([smhdw])$/

/** A date, optionally with a time. Other texts are rejected, because `Date.parse` would only guess at them. */
const absolute = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?$/

/** Whether a month has the day of a date: `Date.parse` takes 2022-02-31 for 2022-03-03. */
const isDay = (date: string): boolean => {
  const time = Date.parse(`${date}T00:00Z`)
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(date)
}

/**
 * The time of a flag in milliseconds since 1970: an ISO 8601 time, local without an offset, or a duration before now.
 */
export const parse = (
  flag: string,
  value: Option.Option<string>,
  now: number
): Effect.Effect<number | undefined, UsageError> => {
  if (Option.isNone(value)) return Effect.succeed(undefined)
  const text = value.value.trim()
  const [, count, unit] = ago.exec(text) ?? []
  if (count !== undefined) return Effect.succeed(now - Number(count) * units[unit!]!)
  // A date alone begins at midnight in this machine's zone, which also applies to a date and time without an offset.
  const local = text.length === 10 ? `${text}T00:00` : text
  const time = absolute.test(text) && isDay(text.slice(0, 10)) ? Date.parse(local) : Number.NaN
  return Number.isNaN(time)
    ? Effect.fail(
      new UsageError({
        message: `--${flag} ${JSON.stringify(text)} is not a time; give 2022-03-01, 2022-03-01T12:00Z, or 30m, 12h, 7d`
      })
    )
    : Effect.succeed(time)
}

/** The times of `--since` and `--until`, which enclose a span. */
export const span = Effect.fnUntraced(function*(
  flags: { readonly since: Option.Option<string>; readonly until: Option.Option<string> },
  now: number
) {
  const since = yield* parse("since", flags.since, now)
  const until = yield* parse("until", flags.until, now)
  if (since !== undefined && until !== undefined && since >= until) {
    return yield* new UsageError({ message: "--since is not before --until: nothing lies between them" })
  }
  return { since, until }
})
