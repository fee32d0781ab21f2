import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import * as State from "@effect-prefect/core/State"
import * as Watch from "@effect-prefect/results/Watch"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type * as Inputs from "../inputs/flowRun.ts"
import { style } from "../internal/colors.ts"
import { CommandFailed, UsageError } from "../internal/errors.ts"
import * as Json from "../internal/json.ts"
import type { InputsOf } from "../internal/lazyHandler.ts"
import * as Logs from "../internal/logs.ts"
import { Output } from "../internal/output.ts"
import * as References from "../internal/references.ts"
import * as Render from "../internal/render.ts"
import * as Times from "../internal/times.ts"
import * as Services from "../services.ts"

const watchOptions = Effect.fnUntraced(function*(flags: Pick<InputsOf<typeof Inputs.watch>, "level" | "timeout">) {
  const seconds = yield* Services.positive("timeout", flags.timeout)
  return {
    level: Option.getOrUndefined(flags.level),
    ...(seconds === undefined ? {} : { timeout: `${seconds} seconds` as const })
  } satisfies Watch.WatchOptions
})

export const logs = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.logs>) {
  if (Option.isSome(flags.timeout) && !flags.follow) {
    return yield* new UsageError({ message: "--timeout goes with --follow" })
  }
  if (flags.follow && (flags.reverse || Option.isSome(flags.tail))) {
    return yield* new UsageError({ message: "--follow prints as lines are written: it takes no --tail or --reverse" })
  }
  const api = yield* PrefectApi
  const { flowRunId } = yield* References.flowRunOrChoice(flags.run)
  const options = yield* watchOptions(flags)
  const entries = flags.follow
    ? Watch.watch(api, flowRunId, options).pipe(
      Stream.filter((event) => event._tag === "Log"),
      Stream.map((event) => event.entry)
    )
    : yield* Logs.arranged(api.logs({ flowRunId, level: options.level }), flags)
  yield* Logs.print(entries, flags)
}, (effect, flags) => Effect.provide(effect, Services.backend(flags)))

export const watch = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.watch>) {
  const api = yield* PrefectApi
  const { flowRunId } = yield* References.flowRunOrChoice(flags.run)
  const { stdout } = yield* Output
  const paint = style(stdout.colors)
  const times = Times.make(flags)
  const options = yield* watchOptions(flags)
  const title = Logs.header(times, paint)
  const text = (event: Watch.WatchEvent): string => {
    if (event._tag === "Log") return title() + Logs.text(event.entry, times, paint, stdout.columns)
    const { state, timestamp } = event.record
    const message = state._tag === "UnknownState" ? null : state.message
    return `${title()}${paint.dim(Logs.time(timestamp, times))}  ${
      paint.state(state, Render.stripControls(State.typeName(state)).padEnd(Logs.labelWidth))
    }  ${Render.stripControls(message ?? "")}\n`
  }
  const json = (event: Watch.WatchEvent): object =>
    event._tag === "Log"
      ? { log: Json.logEntry(event.entry) }
      : { timestamp: event.record.timestamp, state: State.toJson(event.record.state) }
  const events = Watch.watch(api, flowRunId, options)
  yield* flags.json ? Render.jsonLines(events, json) : Render.lines(events, text)
  const { state } = yield* api.flowRun(flowRunId)
  if (!State.isSuccessful(state)) {
    return yield* new CommandFailed({ message: `flow run ${flowRunId} ended ${State.typeName(state)}` })
  }
}, (effect, flags) => Effect.provide(effect, Services.backend(flags)))
