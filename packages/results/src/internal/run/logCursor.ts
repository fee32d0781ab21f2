import type { LogsQuery } from "@effect-prefect/api/Backend"
import type { PrefectApi } from "@effect-prefect/api/PrefectApi"
import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import type { LogEntry } from "@effect-prefect/core/LogEntry"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

/** Below every UUID, so that a cursor at it takes all lines of its timestamp. */
const lowestId = "00000000-0000-0000-0000-000000000000"

/**
 * Reads a log that grows. A line may reach the server after later ones, so each poll looks back over a while, and the
 * ids that were seen in that while are remembered: none is lost, none is given twice, and memory does not grow with the
 * log.
 */
export class LogCursor {
  private readonly api: PrefectApi["Service"]
  private readonly query: LogsQuery
  private readonly lookBack: number
  /** Epoch milliseconds by id, of the lines that a look back may meet again. */
  private readonly seen = new Map<string, number>()
  private latest: number | undefined

  constructor(api: PrefectApi["Service"], query: LogsQuery, lookBackMillis: number) {
    this.api = api
    this.query = query
    this.lookBack = lookBackMillis
  }

  /**
   * The lines that were not given before, in the order of (timestamp, id), at most so many of them. They count as given
   * when all of them are there: a listing that breaks off is read again.
   */
  next(limit: number): Effect.Effect<ReadonlyArray<LogEntry>, PrefectApiError> {
    return Effect.suspend(() => {
      const from = this.latest === undefined ? undefined : this.latest - this.lookBack
      const after = from === undefined ? this.query.after : { timestamp: new Date(from).toISOString(), id: lowestId }
      return this.api.logs({ ...this.query, after }).pipe(
        Stream.filter((line) => !this.seen.has(line.id)),
        Stream.take(limit),
        Stream.runCollect,
        Effect.tap((lines) => Effect.sync(() => this.remember(lines)))
      )
    })
  }

  private remember(lines: ReadonlyArray<LogEntry>): void {
    for (const line of lines) {
      const time = Date.parse(line.timestamp)
      const at = Number.isNaN(time) ? this.latest ?? 0 : time
      this.seen.set(line.id, at)
      if (this.latest === undefined || at > this.latest) this.latest = at
    }
    if (this.latest === undefined) return
    const horizon = this.latest - this.lookBack
    for (const [id, at] of this.seen) if (at < horizon) this.seen.delete(id)
  }
}
