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
import { beginning } from "./table.ts"
import * as Times from "./times.ts"
import { roomBeside, wrap } from "./wrap.ts"

/** Wide enough to align levels and the usual states. */
export const labelWidth = "Scheduled".length

/** The width of a time. */
const timeWidth = 19

const titleOfTime = (times: Times.Times): string => `TIME (${times.zone})`

/** A time as wide as the title of its column. */
export const time = (iso: string | null | undefined, times: Times.Times): string =>
  times.time(iso).padEnd(Math.max(timeWidth, titleOfTime(times).length))

/**
 * An entry of the log. On a terminal its message keeps its lines, as tracebacks have them, below each other; in a pipe an
 * entry is one line.
 */
export const text = (entry: LogEntry, times: Times.Times, paint: Style, columns: number | undefined): string => {
  const level = (entry.level ?? "").padEnd(labelWidth)
  const isBad = entry.level === "ERROR" || entry.level === "CRITICAL"
  const at = time(entry.timestamp, times)
  const indent = at.length + 2 + level.length + 2
  const shown = columns === undefined ? entry.message ?? "" : beginning(entry.message ?? "")
  const message = columns === undefined
    ? Render.stripControls(shown, Infinity)
    : shown.trimEnd().split(/\r?\n/)
      .flatMap((line) => wrap(Render.stripControls(line, Infinity), roomBeside(indent, columns)))
      .join(`\n${" ".repeat(indent)}`)
  return `${paint.dim(at)}  ${isBad ? paint.red(level) : level}  ${message}\n`
}

/** The titles of the columns, once, before the first line. */
export const header = (times: Times.Times, paint: Style): () => string => {
  let isPrinted = false
  return () => {
    if (isPrinted) return ""
    isPrinted = true
    return `${paint.bold(titleOfTime(times).padEnd(timeWidth))}  ${paint.bold("LEVEL".padEnd(labelWidth))}  ${
      paint.bold("MESSAGE")
    }\n`
  }
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
  flags: { readonly json: boolean; readonly utc: boolean; readonly follow?: boolean }
) {
  const { stdout } = yield* Output
  const paint = style(stdout.colors)
  const times = Times.make(flags)
  const title = header(times, paint)
  yield* flags.json
    ? Render.jsonLines(entries, Json.logEntry)
    : Render.lines(entries, (entry) => title() + text(entry, times, paint, stdout.columns))
  // The titles are printed before the first line, so they are still due when there was none.
  if (!flags.json && flags.follow !== true && title() !== "") yield* stdout.write("no log lines\n")
})
