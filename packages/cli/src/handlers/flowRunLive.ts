import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import type { LogEntry } from "@effect-prefect/core/LogEntry"
import * as LogEntries from "@effect-prefect/core/LogEntry"
import * as State from "@effect-prefect/core/State"
import * as Watch from "@effect-prefect/results/Watch"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type * as Commands from "../commands/flowRunLive.ts"
import { type Style, style } from "../internal/colors.ts"
import { CommandFailed, WrongUsage } from "../internal/errors.ts"
import type { Infer } from "../internal/lazy.ts"
import { Output } from "../internal/output.ts"
import * as Render from "../internal/render.ts"
import * as Services from "../Services.ts"

const encodeLog = Schema.encodeSync(LogEntries.FromRow)

/** So wide that levels and the usual states end alike. */
const labelWidth = "Scheduled".length

const logText = (entry: LogEntry, paint: Style): string => {
  const level = (entry.level ?? "").padEnd(labelWidth)
  const isBad = entry.level === "ERROR" || entry.level === "CRITICAL"
  return `${paint.dim(Render.time(entry.timestamp))}  ${isBad ? paint.red(level) : level}  ` +
    `${Render.clean(entry.message ?? "")}\n`
}

const watchOptions = Effect.fnUntraced(function*(flags: {
  readonly level: Option.Option<LogEntries.LogLevel>
  readonly timeout: Option.Option<number>
}) {
  const seconds = yield* Services.positive("timeout", flags.timeout)
  return {
    level: Option.getOrUndefined(flags.level),
    ...(seconds === undefined ? {} : { timeout: `${seconds} seconds` as const })
  } satisfies Watch.WatchOptions
})

export const logs = Effect.fnUntraced(function*(flags: Infer<typeof Commands.logsConfig>) {
  if (Option.isSome(flags.timeout) && !flags.follow) {
    return yield* new WrongUsage({ message: "--timeout goes with --follow" })
  }
  const api = yield* PrefectApi
  yield* api.flowRun(flags.id)
  const { stdout } = yield* Output
  const paint = style(stdout.hasColors)
  const options = yield* watchOptions(flags)
  const entries = flags.follow
    ? Watch.watch(api, flags.id, options).pipe(
      Stream.filter((event) => event._tag === "Log"),
      Stream.map((event) => event.entry)
    )
    : api.logs({ flowRunId: flags.id, level: options.level })
  const line = (entry: LogEntry) => flags.json ? `${JSON.stringify(encodeLog(entry))}\n` : logText(entry, paint)
  yield* Render.lines(entries, line)
}, (effect, flags) => Effect.provide(effect, Services.backend(flags)))

export const watch = Effect.fnUntraced(function*(flags: Infer<typeof Commands.watchConfig>) {
  const api = yield* PrefectApi
  const { stdout } = yield* Output
  const paint = style(stdout.hasColors)
  const options = yield* watchOptions(flags)
  const text = (event: Watch.WatchEvent): string => {
    if (event._tag === "Log") return logText(event.entry, paint)
    const { state, timestamp } = event.record
    const message = state._tag === "UnknownState" ? null : state.message
    return `${paint.dim(Render.time(timestamp))}  ${paint.state(state, State.typeName(state).padEnd(labelWidth))}  ` +
      `${Render.clean(message ?? "")}\n`
  }
  const json = (event: Watch.WatchEvent): string =>
    `${
      JSON.stringify(
        event._tag === "Log"
          ? { log: encodeLog(event.entry) }
          : { timestamp: event.record.timestamp, state: State.toJson(event.record.state) }
      )
    }\n`
  yield* Render.lines(Watch.watch(api, flags.id, options), flags.json ? json : text)
  const { state } = yield* api.flowRun(flags.id)
  if (!State.isSuccessful(state)) {
    return yield* new CommandFailed({ message: `flow run ${flags.id} ended ${State.typeName(state)}` })
  }
}, (effect, flags) => Effect.provide(effect, Services.backend(flags)))
