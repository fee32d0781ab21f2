import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Output, type Sink } from "./output.ts"

const bar = (part: number, columns: number): string => {
  const filled = Math.round(part * columns)
  return "█".repeat(filled) + "░".repeat(columns - filled)
}

export interface ProgressOptions {
  readonly label: string
  /** How many elements there will be, where that is known. */
  readonly total: number | undefined
}

/**
 * A line on a terminal that says how far something has come; nothing in a pipe.
 */
export const progressLine = (sink: Sink) => {
  let drawn = 0
  return {
    /** Drawn at most twenty times a second. */
    draw: (label: string, done: number, total: number | undefined): Effect.Effect<void> =>
      Effect.suspend(() => {
        const now = Date.now()
        if (!sink.isTerminal || now - drawn < 50) return Effect.void
        drawn = now
        const count = total === undefined ? `${done}` : `${done}/${Math.max(done, total)}`
        const part = total === undefined || total === 0 ? "" : `${bar(Math.min(1, done / total), 24)} `
        return Effect.ignore(sink.write(`\r\u001b[2K${label} ${part}${count}`))
      }),
    /** Takes the line away. */
    clear: Effect.suspend(() => {
      if (drawn === 0) return Effect.void
      drawn = 0
      return Effect.ignore(sink.write("\r\u001b[2K"))
    })
  }
}

/**
 * Draws on a terminal how far a stream has come; in a pipe it leaves the stream as it is. The line is taken away at the
 * end, however it ends.
 */
export const drawProgress =
  (sink: Sink, options: ProgressOptions) => <A, E, R>(self: Stream.Stream<A, E, R>): Stream.Stream<A, E, R> =>
    !sink.isTerminal ? self : Stream.suspend(() => {
      const line = progressLine(sink)
      let done = 0
      return self.pipe(
        Stream.mapArrayEffect((array) => {
          done += array.length
          return Effect.as(line.draw(options.label, done, options.total), array)
        }),
        Stream.ensuring(line.clear)
      )
    })

/**
 * Progress on standard error, unless the rows themselves go to the same terminal: a bar between them would flicker.
 */
export const withProgress =
  (options: ProgressOptions) => <A, E, R>(self: Stream.Stream<A, E, R>): Stream.Stream<A, E, R | Output> =>
    Stream.unwrap(
      Effect.map(Output, ({ stderr, stdout }) => stdout.isTerminal ? self : drawProgress(stderr, options)(self))
    )
