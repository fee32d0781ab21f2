import * as ResultDescriptor from "@effect-prefect/core/ResultDescriptor"
import * as State from "@effect-prefect/core/State"
import * as JsonProjection from "@effect-prefect/results/JsonProjection"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Flags from "../Flags.ts"
import { style } from "../internal/colors.ts"
import { CommandFailed, WrongUsage } from "../internal/errors.ts"
import { writeFileAtomic } from "../internal/files.ts"
import * as Json from "../internal/json.ts"
import { Output } from "../internal/output.ts"
import { withProgress } from "../internal/progress.ts"
import * as Render from "../internal/render.ts"
import * as Services from "../Services.ts"

const which = {
  id: Argument.String("id").pipe(Argument.withDescription("The task run's id"), Argument.optional),
  slug: Flag.String("slug").pipe(
    Flag.withDescription("Instead of an id: the task's slug, e.g. extract-1 (Prefect 3: its task key)"),
    Flag.optional
  ),
  flowRun: Flag.String("flow-run").pipe(
    Flag.withDescription("With --slug: the id of the flow run"),
    Flag.withAlias("F"),
    Flag.optional
  ),
  mapIndex: Flag.Int("map-index").pipe(
    Flag.withDescription("With --slug: the index of a mapped child (default -1: none)"),
    Flag.optional
  )
}

type Which = {
  readonly id: Option.Option<string>
  readonly slug: Option.Option<string>
  readonly flowRun: Option.Option<string>
  readonly mapIndex: Option.Option<number>
}

const find = Effect.fnUntraced(function*(flags: Which) {
  const bySlug = Option.isSome(flags.slug) || Option.isSome(flags.flowRun) || Option.isSome(flags.mapIndex)
  if (Option.isSome(flags.id)) {
    if (bySlug) return yield* new WrongUsage({ message: "give an id, or --slug and --flow-run, not both" })
    return yield* TaskRun.fromTaskRunId(flags.id.value)
  }
  if (Option.isNone(flags.slug) || Option.isNone(flags.flowRun)) {
    return yield* new WrongUsage({ message: "say which task run: its id, or --slug S and --flow-run F" })
  }
  return yield* TaskRun.fromTaskSlug({
    taskSlug: flags.slug.value,
    flowRunId: flags.flowRun.value,
    mapIndex: Option.getOrUndefined(flags.mapIndex)
  })
})

/** Indented where that helps a reader; a large value is left as it is. */
const pretty = (text: string): string => text.length > 1_000_000 ? text : JSON.stringify(JSON.parse(text), null, 2)

const show = Command.make(
  "show",
  { ...which, ...Flags.backend, ...Flags.storage, json: Flags.json },
  Effect.fnUntraced(function*(flags) {
    const { view } = yield* find(flags)
    const { stdout } = yield* Output
    if (flags.json) return yield* stdout.write(`${JSON.stringify(Json.taskRun(view))}\n`)
    const paint = style(stdout.hasColors)
    const descriptor = State.resultDescriptor(view.state)
    const message = view.state._tag === "UnknownState" ? null : view.state.message
    yield* stdout.write(
      [
        ["task run", view.taskRunId],
        ["name", view.name ?? ""],
        ["task", Render.slug(view)],
        ["task id", view.taskId ?? ""],
        ["flow run", view.flowRunId ?? ""],
        ["state", paint.state(view.state, State.typeName(view.state)) + (message ? paint.dim(`  ${message}`) : "")],
        [
          "result",
          State.isMapped(view.state)
            ? `those of ${view.state.nMapStates ?? "its"} mapped children`
            : ResultDescriptor.isPersisted(descriptor)
            ? `${descriptor._tag} at ${descriptor.location}`
            : "none stored"
        ]
      ].map(([key, value]) => `${paint.dim(key!.padEnd(10))}${value}\n`).join("")
    )
  })
).pipe(
  Command.provide((flags) => Services.services(flags)),
  Command.withDescription("Show one task run, without loading its result"),
  Command.withExamples([{
    command: "effect-prefect task-run show --slug extract-1 --flow-run 6cdaa6fd-… --archive ./archive",
    description: "A task run by its slug"
  }])
)

const result = Command.make(
  "result",
  {
    ...which,
    ...Flags.backend,
    ...Flags.storage,
    json: Flags.json,
    raw: Flag.Boolean("raw").pipe(
      Flag.withDescription("Print the bytes as they were stored"),
      Flag.withDefault(false)
    ),
    output: Flag.Path("output").pipe(
      Flag.withDescription("Write to this file instead; it is there whole or not at all"),
      Flag.withAlias("o"),
      Flag.optional
    )
  },
  Effect.fnUntraced(function*(flags) {
    if (flags.raw && flags.json) return yield* new WrongUsage({ message: "--raw and --json do not go together" })
    const taskRun = yield* find(flags)
    const { stdout } = yield* Output
    let content: string | Uint8Array
    if (flags.raw) content = yield* taskRun.getResultBytes
    else {
      const value = yield* taskRun.getResult
      const text = yield* Effect.mapError(
        JsonProjection.toText(value),
        (reason) => new CommandFailed({ message: `${taskRun.view.taskRunId}: ${reason.message}` })
      )
      content = flags.json ? `${text}\n` : `${pretty(text)}\n`
    }
    if (Option.isSome(flags.output)) yield* writeFileAtomic(flags.output.value, content)
    else yield* stdout.write(content)
  })
).pipe(
  Command.provide((flags) => Services.services(flags)),
  Command.withDescription("Load and print a task run's result"),
  Command.withExamples([
    {
      command: "effect-prefect task-run result 3e1c0b0e-… --archive ./archive --json",
      description: "The value as JSON"
    },
    {
      command: "effect-prefect task-run result 3e1c0b0e-… --archive ./archive --raw --output frame.parquet",
      description: "The stored file itself"
    }
  ])
)

const mapped = Command.make(
  "mapped",
  { ...which, ...Flags.backend, ...Flags.storage, json: Flags.json },
  Effect.fnUntraced(function*(flags) {
    const taskRun = yield* find(flags)
    const state = taskRun.view.state
    const outcomes = taskRun.outcomes.pipe(
      withProgress({
        label: Render.slug(taskRun.view),
        total: State.isMapped(state) ? state.nMapStates ?? undefined : undefined
      })
    )
    if (flags.json) return yield* Render.lines(outcomes, Json.outcomeLine)
    yield* Render.table(outcomes, Render.outcomeHeader, Render.outcomeCells, "no mapped children")
  })
).pipe(
  Command.provide((flags) => Services.services(flags)),
  Command.withDescription("Load the results of a mapped task's children, one by one"),
  Command.withExamples([{
    command: "effect-prefect task-run mapped --slug score-1 --flow-run 6cdaa6fd-… --archive ./archive --json",
    description: "One JSON object a child; a child that failed is data"
  }])
)

export const taskRun = Command.make("task-run").pipe(
  Command.withDescription("Task runs, their results and mapped children"),
  Command.withSubcommands([show, result, mapped])
)
