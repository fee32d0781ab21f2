/** Prints the lines of a log, for `logs` and `watch`. */
import type { LogEntry } from "@effect-prefect/core/LogEntry"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { type Style, style } from "./colors.ts"
import { UsageError } from "./errors.ts"
import * as Json from "./json.ts"
import { Output } from "./output.ts"
import * as Render from "./render.ts"
import * as Times from "./times.ts"

/** Wide enough to align levels and the usual states. */
export const labelWidth = "Scheduled".length

export const text = (entry: LogEntry, times: Times.Times, paint: Style): string => {
  const level = (entry.level ?? "").padEnd(labelWidth)
  const isBad = entry.level === "ERROR" || entry.level === "CRITICAL"
  return `${paint.dim(times.time(entry.timestamp))}  ${isBad ? paint.red(level) : level}  ` +
    `${Render.stripControls(entry.message ?? "")}\n`
}

const maxReversed = 1_000_000

/** Only the last lines, or the newest first. Only the lines to be printed are held in memory. */
export const arranged = Effect.fnUntraced(function*<E, R>(
  entries: Stream.Stream<LogEntry, E, R>,
  flags: { readonly tail: Option.Option<number>; readonly reverse: boolean }
) {
  if (Option.isSome(flags.tail) && flags.tail.value < 1) {
    return yield* new UsageError({ message: "--tail takes a number above 0" })
  }
  const tail = Option.getOrUndefined(flags.tail)
  if (tail === undefined && !flags.reverse) return entries
  const held = yield* Stream.runCollect(Stream.takeRight(entries, Math.min(tail ?? maxReversed, maxReversed)))
  return Stream.fromIterable(flags.reverse ? [...held].reverse() : held)
})

export const print = Effect.fnUntraced(function*<E, R>(
  entries: Stream.Stream<LogEntry, E, R>,
  flags: { readonly json: boolean; readonly utc: boolean }
) {
  const { stdout } = yield* Output
  const paint = style(stdout.colors)
  const times = Times.make(flags)
  yield* Render.lines(
    entries,
    (entry) => flags.json ? `${JSON.stringify(Json.logEntry(entry))}\n` : text(entry, times, paint)
  )
})
