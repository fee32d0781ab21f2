import * as Progress from "@effect-prefect/results/Progress"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Output, type Sink } from "./output.ts"
import { cut } from "./table.ts"
import { own } from "./terminal.ts"

const eraseLine = own("\r\u001b[2K")

const bar = (part: number, columns: number): string => {
  const filled = Math.round(part * columns)
  return "█".repeat(filled) + "░".repeat(columns - filled)
}

const units = ["B", "kB", "MB", "GB", "TB"]

const size = (bytes: number): string => {
  let unit = 0
  for (; bytes >= 999.5 && unit < units.length - 1; unit++) bytes /= 1000
  return `${unit === 0 || bytes >= 99.95 ? Math.round(bytes) : bytes.toFixed(1)} ${units[unit]}`
}

/** The details of a snapshot besides the count: `3 failed, 1.2 MB, 840/s`. */
export const details = ({ bytes, failed, rate }: Progress.Snapshot): string =>
  [
    ...(failed === 0 ? [] : [`${failed} failed`]),
    ...(bytes === 0 ? [] : [size(bytes)]),
    ...(rate === 0 ? [] : [`${rate < 9.5 ? rate.toFixed(1) : Math.round(rate)}/s`])
  ].join(", ")

/** A progress line on a terminal; nothing in a pipe. */
export const progressLine = (sink: Sink) => {
  let drawn = 0
  return {
    /** Drawn at most twenty times a second. */
    draw: (label: string, done: number, total: number | undefined, detail = ""): Effect.Effect<void> =>
      Effect.suspend(() => {
        const now = Date.now()
        if (!sink.isTerminal || now - drawn < 50) return Effect.void
        drawn = now
        const count = total === undefined ? `${done}` : `${done}/${Math.max(done, total)}`
        const part = total === undefined || total === 0 ? "" : `${bar(Math.min(1, done / total), 24)} `
        // A line that wraps could not be erased completely.
        const text = cut(`${label} ${part}${count}${detail === "" ? "" : ` (${detail})`}`, (sink.columns ?? 80) - 1)
        return Effect.ignore(sink.write(eraseLine + text))
      }),
    /** Erases the line. */
    clear: Effect.suspend(() => {
      if (drawn === 0) return Effect.void
      drawn = 0
      return Effect.ignore(sink.write(eraseLine))
    })
  }
}

/**
 * Shows on a terminal how many results a stream has loaded; in a pipe it leaves the stream unchanged. The line is
 * erased at the end, however it ends.
 */
export const drawProgress =
  (sink: Sink, label: string) => <A, E, R>(self: Stream.Stream<A, E, R>): Stream.Stream<A, E, R> =>
    !sink.isTerminal ? self : Stream.unwrap(Effect.map(Progress.make, (progress) => {
      const line = progressLine(sink)
      const draw = Effect.flatMap(
        progress.snapshot,
        (now) => line.draw(label, now.done, now.expected ?? undefined, details(now))
      )
      return self.pipe(
        Stream.mapArrayEffect((array) => Effect.as(draw, array)),
        Stream.provideService(Progress.Current, progress),
        Stream.ensuring(line.clear)
      )
    }))

/** Progress on standard error, unless the rows go to the same terminal: a bar between them would flicker. */
export const withProgress =
  (label: string) => <A, E, R>(self: Stream.Stream<A, E, R>): Stream.Stream<A, E, R | Output> =>
    Stream.unwrap(
      Effect.map(Output, ({ stderr, stdout }) => stdout.isTerminal ? self : drawProgress(stderr, label)(self))
    )
