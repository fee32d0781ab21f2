/**
 * Watches a flow run until it has finished and its late log lines have arrived.
 *
 * **Example** (What happens in a flow run)
 *
 * ```ts
 * import { PrefectApi } from "@effect-prefect/api"
 * import { Watch } from "@effect-prefect/results"
 * import { Effect, Stream } from "effect"
 *
 * export const follow = (flowRunId: string) =>
 *   Effect.gen(function*() {
 *     const api = yield* PrefectApi.PrefectApi
 *     yield* Watch.watch(api, flowRunId, { timeout: "1 hour" }).pipe(
 *       Stream.runForEach((event) => Effect.logInfo(event._tag))
 *     )
 *   })
 * ```
 *
 * @since 0.1.0
 */
import type { PrefectApi } from "@effect-prefect/api/PrefectApi"
import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import type { LogEntry, LogLevel } from "@effect-prefect/core/LogEntry"
import * as State from "@effect-prefect/core/State"
import type { StateRecord } from "@effect-prefect/core/StateRecord"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { LogCursor } from "./internal/run/logCursor.ts"
import { pause, type PollOptions, reconnect } from "./internal/run/polling.ts"

export type { PollOptions } from "./internal/run/polling.ts"

/**
 * An event of a flow run: a new state, or a line of its log.
 *
 * @category models
 * @since 0.1.0
 */
export type WatchEvent =
  | { readonly _tag: "State"; readonly record: StateRecord }
  | { readonly _tag: "Log"; readonly entry: LogEntry }

/**
 * Options for watching a live flow run.
 *
 * @category options
 * @since 0.1.0
 */
export interface WatchOptions extends PollOptions {
  /** Log lines of this level and above. Default: all. */
  readonly level?: LogLevel | undefined
  /** How far back each poll looks for late lines. Default 1 minute. */
  readonly lookBack?: Duration.Input | undefined
  /** How long the log must stay silent after the run has finished before the stream ends. Default 5 seconds. */
  readonly settle?: Duration.Input | undefined
}

/**
 * A run did not finish within the `timeout` of `watch` or `awaitResult`. The run itself continues.
 *
 * @category errors
 * @since 0.1.0
 */
export class WaitTimeout extends Schema.TaggedError<WaitTimeout>("@effect-prefect/results/WaitTimeout")(
  "WaitTimeout",
  {
    /** The id of the flow run or task run. */
    runId: Schema.String,
    /** The name of the last observed state. */
    state: Schema.String,
    timeout: Schema.Duration
  }
) {
  override get message() {
    return `run ${this.runId} has not finished within ${
      Duration.format(this.timeout)
    } (state ${this.state}): wait for it again, or longer`
  }
}

/** The most lines per poll. A longer log is read poll by poll without a pause, so that memory does not grow with it. */
const maxLines = 5000

const keyOf = (record: StateRecord): string => record.id ?? `${record.timestamp}/${State.typeName(record.state)}`

const timeOf = (event: WatchEvent): number => {
  const time = Date.parse((event._tag === "State" ? event.record.timestamp : event.entry.timestamp) ?? "")
  return Number.isNaN(time) ? Number.POSITIVE_INFINITY : time
}

/** The time since which a finished run has been silent. A run that ended long ago is not waited for. */
const endedAt = (events: ReadonlyArray<WatchEvent>, now: number, lookBack: number): number => {
  const last = events.length === 0 ? Number.POSITIVE_INFINITY : timeOf(events[events.length - 1]!)
  return last < now - lookBack ? last : now
}

/**
 * Polls until the run has finished and its log has been silent for a while. The events of a poll are emitted in the
 * order of their times. A backend's signal only triggers the next poll early; events come from polls alone.
 *
 * @category constructors
 * @since 0.1.0
 */
export const watch = (
  api: PrefectApi["Service"],
  flowRunId: string,
  options: WatchOptions | undefined
): Stream.Stream<WatchEvent, PrefectApiError | WaitTimeout> =>
  Stream.unwrap(Effect.gen(function*() {
    const startedAt = yield* Clock.currentTimeMillis
    const scope = yield* Effect.scope
    const settle = Duration.toMillis(options?.settle ?? Duration.seconds(5))
    const deadline = options?.timeout === undefined ? Infinity : startedAt + Duration.toMillis(options.timeout)
    const lookBack = Duration.toMillis(options?.lookBack ?? Duration.minutes(1))
    const logs = new LogCursor(api, { flowRunId, level: options?.level }, lookBack)
    const states = new Set<string>()
    let quiet = 0
    let atOnce = true
    let isFinished = false
    let state = "unknown"
    /** Whether the history was read after the run had finished, so that it contains the last state. */
    let hasHistory = false
    let stillSince = Infinity
    /** Open when a signal arrived after the last poll began. */
    const hinted = Latch.makeUnsafe(false)
    let isListening = false

    const rest = Effect.gen(function*() {
      // A run that is finished at the first poll needs no signals.
      if (!isListening) {
        isListening = true
        yield* Effect.forkIn(Stream.runForEach(api.flowRunSignals(flowRunId), () => hinted.open), scope)
      }
      yield* pause(options, quiet, deadline - (yield* Clock.currentTimeMillis), hinted.await)
      yield* hinted.close
    })

    const step = Effect.gen(function*() {
      if (atOnce) atOnce = false
      else yield* rest
      const now = yield* Clock.currentTimeMillis
      // The view is requested before the history and the log, which are then at least as recent as its state. Each
      // request may fail by itself; the results of the others are kept.
      const view = yield* reconnect(api.flowRun(flowRunId))
      const records = yield* reconnect(api.flowRunStates(flowRunId))
      const lines = yield* reconnect(logs.next(maxLines))
      if (view !== undefined) state = State.typeName(view.state)
      const fresh = (records ?? []).filter((record) => !states.has(keyOf(record)))
      for (const record of fresh) states.add(keyOf(record))
      const events: Array<WatchEvent> = [
        ...fresh.map((record) => ({ _tag: "State" as const, record })),
        ...(lines ?? []).map((entry) => ({ _tag: "Log" as const, entry }))
      ].toSorted((a, b) => timeOf(a) - timeOf(b))

      quiet = events.length > 0 ? 0 : quiet + 1
      const hasMore = lines !== undefined && lines.length === maxLines
      atOnce = hasMore
      if (view !== undefined && isFinished !== State.isFinished(view.state)) {
        isFinished = !isFinished
        hasHistory = false
        stillSince = isFinished ? endedAt(events, now, lookBack) : Infinity
      } else if (events.length > 0) stillSince = now
      if (isFinished && records !== undefined) hasHistory = true
      // A poll that could not read the log has no information about it, so it can never end the watch.
      const ended = isFinished && hasHistory && lines !== undefined && !hasMore && now - stillSince >= settle
      if (!ended && now >= deadline) {
        return yield* new WaitTimeout({ runId: flowRunId, state, timeout: Duration.millis(deadline - startedAt) })
      }
      return [events, ended ? Option.none<void>() : Option.some<void>(undefined)] as const
    })
    return Stream.paginate(undefined as void, () => step)
  }))
