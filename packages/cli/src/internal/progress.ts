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
 * Draws on a terminal how far a stream has come; in a pipe it leaves the stream as it is. The line is taken away at the
 * end, however it ends.
 */
export const drawProgress =
  (sink: Sink, options: ProgressOptions) => <A, E, R>(self: Stream.Stream<A, E, R>): Stream.Stream<A, E, R> =>
    !sink.isTerminal ? self : Stream.suspend(() => {
      let done = 0
      let drawn = 0
      const draw = Effect.suspend(() => {
        const now = Date.now()
        if (now - drawn < 50) return Effect.void
        drawn = now
        const count = options.total === undefined ? `${done}` : `${done}/${options.total}`
        const part = options.total === undefined || options.total === 0 ? "" : `${bar(done / options.total, 24)} `
        return Effect.ignore(sink.write(`\r\u001b[2K${options.label} ${part}${count}`))
      })
      return self.pipe(
        Stream.mapArrayEffect((array) => {
          done += array.length
          return Effect.as(draw, array)
        }),
        Stream.ensuring(Effect.ignore(Effect.suspend(() => drawn === 0 ? Effect.void : sink.write("\r\u001b[2K"))))
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
