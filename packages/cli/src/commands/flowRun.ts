import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import * as State from "@effect-prefect/core/State"
import * as FlowRun from "@effect-prefect/results/FlowRun"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Flags from "../Flags.ts"
import { style } from "../internal/colors.ts"
import * as Json from "../internal/json.ts"
import { Output } from "../internal/output.ts"
import { withProgress } from "../internal/progress.ts"
import * as Render from "../internal/render.ts"
import * as Services from "../Services.ts"
import { logs, watch } from "./flowRunLive.ts"

const id = Argument.String("id").pipe(Argument.withDescription("The flow run's id"))

const list = Command.make(
  "list",
  {
    ...Flags.backend,
    json: Flags.json,
    flow: Flag.String("flow").pipe(Flag.withDescription("Only runs of the flow of this name"), Flag.optional),
    state: Flag.String("state").pipe(
      Flag.withDescription("Only runs in this state, e.g. Failed"),
      Flag.optional
    ),
    limit: Flag.Int("limit").pipe(Flag.withDescription("At most this many, newest first"), Flag.optional)
  },
  Effect.fnUntraced(function*(flags) {
    const limit = yield* Services.positive("limit", flags.limit)
    const all = (yield* PrefectApi).flowRuns({
      flowName: Option.getOrUndefined(flags.flow),
      states: Option.match(flags.state, { onNone: () => undefined, onSome: (state) => [state] })
    }, { pageSize: limit === undefined ? undefined : Math.min(limit, 200) })
    const flowRuns = limit === undefined ? all : Stream.take(all, limit)
    if (flags.json) return yield* Render.lines(flowRuns, (run) => `${JSON.stringify(Json.flowRun(run))}\n`)
    yield* Render.table(flowRuns, ["FLOW RUN", "STATE", "NAME", "STARTED", "ENDED"], (run, paint) => [
      { text: run.flowRunId },
      Render.state(run.state, paint),
      { text: run.name ?? "" },
      { text: Render.time(run.startTime), paint: paint.dim },
      { text: Render.time(run.endTime), paint: paint.dim }
    ], "no flow runs")
  })
).pipe(
  Command.provide((flags) => Services.backend(flags)),
  Command.withDescription("List flow runs, newest first"),
  Command.withExamples([{
    command: "effect-prefect flow-run list --archive ./archive --flow nightly --state Failed --limit 20",
    description: "The last 20 failed runs of a flow"
  }])
)

const show = Command.make(
  "show",
  { id, ...Flags.backend, json: Flags.json },
  Effect.fnUntraced(function*(flags) {
    const view = yield* (yield* PrefectApi).flowRun(flags.id)
    const { stdout } = yield* Output
    if (flags.json) return yield* stdout.write(`${JSON.stringify(Json.flowRun(view))}\n`)
    const paint = style(stdout.hasColors)
    const message = view.state._tag === "UnknownState" ? null : view.state.message
    yield* stdout.write(
      [
        ["flow run", view.flowRunId],
        ["name", view.name ?? ""],
        ["flow", view.flowId ?? ""],
        ["state", paint.state(view.state, State.typeName(view.state)) + (message ? paint.dim(`  ${message}`) : "")],
        ["started", Render.time(view.startTime)],
        ["ended", Render.time(view.endTime)],
        ["parameters", JSON.stringify(view.parameters ?? {})]
      ].map(([key, value]) => `${paint.dim(key!.padEnd(12))}${value}\n`).join("")
    )
  })
).pipe(
  Command.provide((flags) => Services.backend(flags)),
  Command.withDescription("Show one flow run"),
  Command.withExamples([{
    command: "effect-prefect flow-run show 6cdaa6fd-f2a5-5ffe-bdc4-8a5c3feb73d3 --archive ./archive",
    description: "A flow run of an archive"
  }])
)

const taskRuns = Command.make(
  "task-runs",
  { id, ...Flags.backend, json: Flags.json },
  Effect.fnUntraced(function*(flags) {
    const api = yield* PrefectApi
    yield* api.flowRun(flags.id)
    const views = api.taskRuns({ flowRunId: flags.id })
    if (flags.json) return yield* Render.lines(views, (view) => `${JSON.stringify(Json.taskRun(view))}\n`)
    yield* Render.table(views, Render.taskRunHeader, Render.taskRunCells, "no task runs")
  })
).pipe(
  Command.provide((flags) => Services.backend(flags)),
  Command.withDescription("List the task runs of a flow run"),
  Command.withExamples([{
    command: "effect-prefect flow-run task-runs 6cdaa6fd-f2a5-5ffe-bdc4-8a5c3feb73d3 --archive ./archive",
    description: "Its task runs and their states"
  }])
)

const results = Command.make(
  "results",
  { id, ...Flags.backend, ...Flags.storage, json: Flags.json },
  Effect.fnUntraced(function*(flags) {
    const outcomes = (yield* FlowRun.fromFlowRunId(flags.id)).results.pipe(
      withProgress({ label: "results", total: undefined })
    )
    if (flags.json) return yield* Render.lines(outcomes, Json.outcomeLine)
    yield* Render.table(outcomes, Render.outcomeHeader, Render.outcomeCells, "no task runs")
  })
).pipe(
  Command.provide((flags) => Services.services(flags)),
  Command.withDescription("Load the result of every task run of a flow run"),
  Command.withExamples([
    {
      command: "effect-prefect flow-run results 6cdaa6fd-f2a5-5ffe-bdc4-8a5c3feb73d3 --archive ./archive --json",
      description: "One JSON object a line, with each value or the reason why there is none"
    },
    {
      command: "effect-prefect flow-run results ID --api http://localhost:4200 --mount /srv/prefect/results=./results",
      description: "Results that a worker stored under /srv/prefect/results, from a local copy"
    }
  ])
)

export const flowRun = Command.make("flow-run").pipe(
  Command.withDescription("Flow runs, their task runs and results"),
  Command.withSubcommands([list, show, taskRuns, results, logs, watch])
)
