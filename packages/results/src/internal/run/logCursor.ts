import type { LogsQuery } from "@effect-prefect/api/Backend"
import type { PrefectApi } from "@effect-prefect/api/PrefectApi"
import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import type { LogEntry } from "@effect-prefect/core/LogEntry"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

/** Below every UUID, so a cursor at it includes all lines with its timestamp. */
const lowestId = "00000000-0000-0000-0000-000000000000"

/**
 * Reads a growing log. A line may reach the server after later ones, so each poll looks back over an interval whose ids
 * are remembered: none is lost, none is repeated, and memory does not grow with the log.
 */
export class LogCursor {
  private readonly api: PrefectApi["Service"]
  private readonly query: LogsQuery
  private readonly lookBack: number
  /** Epoch milliseconds by id, of the lines that a later poll may see again. */
  private readonly seen = new Map<string, number>()
  private latest: number | undefined

  constructor(api: PrefectApi["Service"], query: LogsQuery, lookBackMillis: number) {
    this.api = api
    this.query = query
    this.lookBack = lookBackMillis
  }

  /**
   * The new lines in the order of (timestamp, id), up to a limit. They count as emitted when all of them have arrived:
   * an interrupted listing is read again.
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
