/** Resolves what a user types to flow runs and task runs: an id, a prefix of one, a name, `FLOW/latest`. */
import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import type { FlowRunView } from "@effect-prefect/core/FlowRunView"
import * as State from "@effect-prefect/core/State"
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import * as Prompt from "effect/cli/Prompt"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { style } from "./colors.ts"
import { CommandFailed, UsageError } from "./errors.ts"
import { Output } from "./output.ts"
import * as Render from "./render.ts"
import { stateName } from "./stateName.ts"
import { nearest } from "./suggest.ts"
import * as Times from "./times.ts"

const uuid = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i

/** At least six digits of an id, with or without dashes. */
const prefix = /^(?=(?:-?[0-9a-f]){6,}$)[0-9a-f-]+$/i

const shown = 5

const times = Times.make({ utc: false })

const plain = (text: string): string => Render.stripControls(text)

const failure = (message: string) => new CommandFailed({ message })

/** `a, b, c and 4 more` */
const some = (names: ReadonlyArray<string>): string =>
  names.length <= shown
    ? names.map(plain).join(", ")
    : `${names.slice(0, shown).map(plain).join(", ")} and ${names.length - shown} more`

/** The result of a lookup; none when nothing matches. */
const unlessMissing = <A, R>(lookup: Effect.Effect<A, PrefectApiError, R>) =>
  lookup.pipe(
    Effect.asSome,
    Effect.catchIf((error) => error.reason._tag.endsWith("NotFound"), () => Effect.succeedNone)
  )

const isTaskRun = (id: string, view: TaskRunView) =>
  failure(`${id} is a task run (${plain(Render.slug(view))}), not a flow run: effect-prefect task-run show ${id}`)

const isFlowRun = (id: string, { name }: FlowRunView) =>
  failure(
    `${id} is a flow run (${plain(name ?? "unnamed")}), not a task run: ` +
      `effect-prefect flow-run task-runs ${id} lists its task runs`
  )

/** Fails with a description of a whole id when nothing of the requested kind has it. */
const otherKind = Effect.fnUntraced(function*(id: string, asked: "flow run" | "task run") {
  const api = yield* PrefectApi
  if (asked === "flow run") {
    const taskRun = yield* Effect.option(api.taskRun(id))
    if (Option.isSome(taskRun)) return yield* isTaskRun(id, taskRun.value)
  } else {
    const flowRun = yield* Effect.option(api.flowRun(id))
    if (Option.isSome(flowRun)) return yield* isFlowRun(id, flowRun.value)
  }
  const flow = yield* Effect.option(api.flow(id))
  if (Option.isNone(flow)) return yield* failure(`there is no ${asked} ${id}`)
  return yield* failure(
    `${id} is a flow (${plain(flow.value.name ?? "unnamed")}), not a ${asked}: ` +
      `effect-prefect flow-run list --flow ${JSON.stringify(plain(flow.value.name ?? ""))}`
  )
})

const ambiguous = (text: string, what: string, lines: ReadonlyArray<string>) =>
  failure(
    `${plain(text)} matches ${
      lines.length > shown ? `more than ${shown}` : lines.length
    } ${what}s; give more of the id:\n` +
      lines.slice(0, shown).map((line) => `  ${line}`).join("\n")
  )

const flowRunLine = (view: FlowRunView): string =>
  [view.flowRunId, State.typeName(view.state), view.name ?? "", times.time(view.startTime ?? view.created)]
    .map(plain).join("  ")

const noFlow = Effect.fnUntraced(function*(name: string) {
  const api = yield* PrefectApi
  const names = yield* Stream.runCollect(Stream.take(api.flows(), 1000))
  const there = nearest(name, names.flatMap((flow) => flow.name === null ? [] : [flow.name]))
  return there.length === 0
    ? failure(`there is no flow ${JSON.stringify(plain(name))}, and no other flow either`)
    : failure(`there is no flow ${JSON.stringify(plain(name))}; there are ${some(there)}`)
})

/** Fails when no flow has a name, and lists the existing names, the nearest first. */
export const requireFlow = Effect.fnUntraced(function*(name: string) {
  const api = yield* PrefectApi
  const found = yield* api.flows().pipe(Stream.filter((flow) => flow.name === name), Stream.runHead)
  if (Option.isNone(found)) return yield* yield* noFlow(name)
})

/** `FLOW/latest`, `FLOW/latest:STATE` */
const latestForm = /^(.+)\/latest(?::([^:/]+))?$/s

const latest = Effect.fnUntraced(function*(flowName: string, state: string | undefined) {
  const api = yield* PrefectApi
  const states = state === undefined ? undefined : [yield* stateName(state)]
  const found = yield* Stream.runHead(api.flowRuns({ flowName, states }, { pageSize: 1 }))
  if (Option.isSome(found)) return found.value
  yield* requireFlow(flowName)
  return yield* failure(
    `the flow ${JSON.stringify(plain(flowName))} has no run${states === undefined ? "" : ` in the state ${states[0]}`}`
  )
})

const digits = (id: string): string => id.replaceAll("-", "").toLowerCase()

/** A UUID as every backend writes it. */
const canonical = (text: string): string =>
  uuid.test(text) ? digits(text).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5") : text

/** The flow run that a text refers to. */
export const flowRun = Effect.fnUntraced(function*(given: string) {
  const api = yield* PrefectApi
  const text = canonical(given)
  if (uuid.test(text)) {
    const found = yield* unlessMissing(api.flowRun(text))
    return Option.isSome(found) ? found.value : yield* otherKind(text, "flow run")
  }
  const [, flowName, state] = latestForm.exec(text) ?? []
  if (flowName !== undefined) return yield* latest(flowName, state)
  const named = text === "" ? [] : yield* api.flowRuns({ nameContains: text }).pipe(
    Stream.filter((view) => view.name === text),
    Stream.take(shown + 1),
    Stream.runCollect
  )
  const byId = prefix.test(text)
    ? yield* api.flowRunsByIdPrefix({ prefix: text, limit: shown + 1 })
    : Option.toArray(yield* unlessMissing(api.flowRun(text)))
  const found = [...new Map([...named, ...byId].map((view) => [view.flowRunId, view])).values()]
  if (found.length === 1) return found[0]!
  if (found.length > 1) return yield* ambiguous(text, "flow run", found.map(flowRunLine))
  if (prefix.test(text)) {
    const [taskRun] = yield* api.taskRunsByIdPrefix({ prefix: text, limit: 1 })
    if (taskRun !== undefined) return yield* isTaskRun(taskRun.taskRunId, taskRun)
  }
  return yield* failure(
    `there is no flow run ${
      JSON.stringify(plain(text))
    }: give an id, the first 6 or more digits of one, a flow run's ` +
      "name, or FLOW/latest; effect-prefect flow-run list shows what there is"
  )
})

/** The flow run that the command names; when it names none, one chosen among the newest on a terminal. */
export const flowRunOrChoice = Effect.fnUntraced(function*(text: Option.Option<string>) {
  if (Option.isSome(text)) return yield* flowRun(text.value)
  const { stderr, stdout } = yield* Output
  if (!process.stdin.isTTY || !stdout.isTerminal) {
    return yield* new UsageError({
      message: "say which flow run: its id, the first digits of it, its name, or FLOW/latest"
    })
  }
  const api = yield* PrefectApi
  const newest = yield* Stream.runCollect(Stream.take(api.flowRuns({}, { pageSize: 20 }), 20))
  if (newest.length === 0) return yield* failure("there are no flow runs")
  const paint = style(stderr.colors)
  return yield* Prompt.run(Prompt.Select({
    message: "Which flow run?",
    choices: newest.map((view) => ({
      title: `${paint.state(view.state, State.typeName(view.state).padEnd(10))} ${plain(view.name ?? view.flowRunId)}` +
        `  ${times.time(view.startTime ?? view.created)}`,
      value: view
    }))
  }))
})

export interface TaskRunFlags {
  readonly id: Option.Option<string>
  readonly slug: Option.Option<string>
  readonly flowRun: Option.Option<string>
  readonly mapIndex: Option.Option<number>
}

/** Whether a slug is the given task, or a task key of Prefect 2 or 3 belongs to it. */
const isTaskOf = (slug: string, name: string): boolean =>
  slug === name || slug.replace(/-[0-9a-f]{8}$/, "") === name || slug.endsWith(`.${name}`)

const noSlug = Effect.fnUntraced(function*(slug: string, flowRunId: string, mapIndex: number, error: PrefectApiError) {
  if (error.reason._tag !== "TaskRunNotFound") return yield* error
  const api = yield* PrefectApi
  const views = yield* api.firstTaskRunOfEachTask(flowRunId)
  const slugs = views.flatMap((view) => view.taskSlug === null ? [] : [view.taskSlug])
  if (slugs.some((known) => isTaskOf(known, slug))) {
    return yield* failure(
      mapIndex < 0
        ? `${plain(slug)} has no run of its own in that flow run, only mapped children: give --map-index`
        : `${plain(slug)} has no mapped child ${mapIndex} in that flow run`
    )
  }
  return yield* slugs.length === 0 ? error : failure(
    `there is no task ${JSON.stringify(plain(slug))} in that flow run; there are ${some(nearest(slug, slugs))}`
  )
})

const bySlug = Effect.fnUntraced(function*(taskSlug: string, run: string, mapIndex: number) {
  const api = yield* PrefectApi
  const { flowRunId } = yield* flowRun(run)
  return yield* Effect.catch(
    api.taskRunBySlug({ taskSlug, flowRunId, mapIndex }),
    (error) => noSlug(taskSlug, flowRunId, mapIndex, error)
  )
})

const byPrefix = Effect.fnUntraced(function*(text: string) {
  const api = yield* PrefectApi
  const found = yield* api.taskRunsByIdPrefix({ prefix: text, limit: shown + 1 })
  if (found.length === 1) return found[0]!
  if (found.length > 1) {
    const lines = found.map((view) =>
      [view.taskRunId, State.typeName(view.state), Render.slug(view)].map(plain).join("  ")
    )
    return yield* ambiguous(text, "task run", lines)
  }
  const [flowRun] = yield* api.flowRunsByIdPrefix({ prefix: text, limit: 1 })
  if (flowRun !== undefined) return yield* isFlowRun(flowRun.flowRunId, flowRun)
  return yield* failure(
    `no task run has an id that begins with ${plain(text)}: effect-prefect task-run list shows what there is; ` +
      "--slug SLUG --flow-run RUN names one without its id"
  )
})

/** The task run that a text refers to. */
export const taskRun = Effect.fnUntraced(function*(given: string) {
  const api = yield* PrefectApi
  const text = canonical(given)
  const found = yield* unlessMissing(api.taskRun(text))
  if (Option.isSome(found)) return found.value
  if (uuid.test(text)) return yield* otherKind(text, "task run")
  if (prefix.test(text)) return yield* byPrefix(text)
  return yield* failure(
    `there is no task run ${JSON.stringify(plain(text))}: give its id, the first 6 or more digits of it, or ` +
      "--slug SLUG --flow-run RUN"
  )
})

/** The task run that the command's flags select. */
export const taskRunOfFlags = Effect.fnUntraced(function*(flags: TaskRunFlags): Effect.fn.Return<
  TaskRunView,
  PrefectApiError | CommandFailed | UsageError,
  PrefectApi
> {
  const hasSlug = Option.isSome(flags.slug) || Option.isSome(flags.flowRun) || Option.isSome(flags.mapIndex)
  if (Option.isSome(flags.id)) {
    if (hasSlug) return yield* new UsageError({ message: "give an id, or --slug and --flow-run, not both" })
    return yield* taskRun(flags.id.value)
  }
  if (Option.isNone(flags.slug) || Option.isNone(flags.flowRun)) {
    return yield* new UsageError({ message: "say which task run: its id, or --slug SLUG and --flow-run RUN" })
  }
  return yield* bySlug(flags.slug.value, flags.flowRun.value, Option.getOrElse(flags.mapIndex, () => -1))
})
