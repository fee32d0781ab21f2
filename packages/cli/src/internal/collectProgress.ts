import type * as Collect from "@effect-prefect/collect/Collect"
import * as Effect from "effect/Effect"
import { Output } from "./output.ts"
import { progressLine } from "./progress.ts"
import { stripControls } from "./table.ts"

/** The progress of a collection. */
export interface Counts {
  parts: number
  partsDone: number
  rows: number
  expectedRows: number | null
  failures: Record<string, number>
  workers: number | undefined
}

const left = (seconds: number): string =>
  seconds < 90
    ? `${Math.ceil(seconds)} s`
    : seconds < 5400
    ? `${Math.ceil(seconds / 60)} min`
    : `${(seconds / 3600).toFixed(1)} h`

/**
 * Shows the progress of a collection: as a bar on a terminal, otherwise a line every 10 seconds, and with `--json` one
 * object per line.
 */
export const collectProgress = Effect.fnUntraced(function*(json: boolean) {
  const { stderr, stdout } = yield* Output
  const line = progressLine(stderr)
  const counts: Counts = { parts: 0, partsDone: 0, rows: 0, expectedRows: null, failures: {}, workers: undefined }
  const startedAt = Date.now()
  let firstRows = 0
  /** Messages to print before the next drawing. */
  const said: Array<string> = []

  const rate = () => (counts.rows - firstRows) / Math.max(0.001, (Date.now() - startedAt) / 1000)
  const details = () => {
    const perSecond = rate()
    const missing = counts.expectedRows === null ? undefined : counts.expectedRows - counts.rows
    return [
      `${counts.partsDone} of ${counts.parts} parts`,
      ...Object.entries(counts.failures).map(([reason, count]) => `${count} ${reason}`),
      ...(perSecond > 0 ? [`${Math.round(perSecond)}/s`] : []),
      ...(counts.workers === undefined ? [] : [`${counts.workers} workers`]),
      ...(missing !== undefined && missing > 0 && perSecond > 0 ? [`${left(missing / perSecond)} left`] : [])
    ].join(", ")
  }
  const say = Effect.suspend(() => {
    if (said.length === 0) return Effect.void
    const lines = said.splice(0).map((text) => `effect-prefect: warning: ${text}\n`).join("")
    return Effect.andThen(line.clear, Effect.ignore(stderr.write(lines)))
  })
  const draw = Effect.andThen(
    say,
    Effect.suspend(() => line.draw("rows", counts.rows, counts.expectedRows ?? undefined, details()))
  )
  const report = Effect.suspend(() =>
    Effect.ignore(
      json
        ? stdout.write(`${
          JSON.stringify({
            type: "progress",
            parts: counts.parts,
            parts_done: counts.partsDone,
            rows: counts.rows,
            expected_rows: counts.expectedRows,
            rows_per_second: Math.round(rate()),
            failures: counts.failures,
            ...(counts.workers === undefined ? {} : { workers: counts.workers })
          })
        }\n`)
        : stderr.write(
          `effect-prefect: ${counts.rows}${
            counts.expectedRows === null ? "" : ` of ${counts.expectedRows}`
          } rows, ${details()}\n`
        )
    )
  )
  const observer: Collect.Observer = {
    onStart: (plan, done) => {
      counts.parts = plan.parts.length
      counts.partsDone = done.parts
      counts.expectedRows = plan.expected
      counts.rows = firstRows = done.rows
    },
    onRows: (rows) => {
      counts.rows += rows
    },
    onPart: ({ failures }) => {
      counts.partsDone++
      for (const [reason, count] of Object.entries(failures)) {
        counts.failures[reason] = (counts.failures[reason] ?? 0) + count
      }
    },
    onFailure: (part, error, attempts, isLast) => {
      said.push(
        stripControls(`part ${part.part}, attempt ${attempts}: ${error.message}${isLast ? "" : "; trying again"}`)
      )
    }
  }
  const every = (effect: Effect.Effect<void>, milliseconds: number) =>
    Effect.forever(Effect.andThen(Effect.sleep(milliseconds), effect))
  const loop = stderr.isTerminal && !json
    ? every(draw, 200)
    : Effect.all([every(say, 200), every(report, 10_000)], { concurrency: "unbounded", discard: true })
  return {
    counts,
    observer,
    say: (text: string) => said.push(stripControls(text)),
    /** Shows the progress while an effect runs. */
    shown: <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
      Effect.ensuring(
        Effect.raceFirst(self, loop as Effect.Effect<never>),
        Effect.andThen(say, line.clear)
      )
  }
})
