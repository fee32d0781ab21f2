import type { PrefectApi } from "@effect-prefect/api/PrefectApi"
import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import type { LogEntry } from "@effect-prefect/core/LogEntry"
import * as State from "@effect-prefect/core/State"
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import * as FlowRun from "@effect-prefect/results/FlowRun"
import { UiApi } from "@effect-prefect/ui-api/Api"
import type * as Models from "@effect-prefect/ui-api/Models"
import { BadRequest } from "@effect-prefect/ui-api/Problem"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Stream from "effect/Stream"
import { attachment } from "../attachment.ts"
import { makeChanges } from "../changes.ts"
import * as Json from "../json.ts"
import * as Long from "../long.ts"
import { fromError, orProblem } from "../problem.ts"
import { inTurns, started } from "../streams.ts"
import * as Summaries from "../summaries.ts"
import { allOfExisting, defaultLimit, isParent, nonEmpty, ofExisting, pageOf, skipOf, take } from "./services.ts"

const concurrency = 8

/** How many log lines or tasks are written as JSON before other requests have a turn. */
const rowsAtOnce = 128

type Api = PrefectApi["Service"]

/** The tasks of a flow run, each with the counts of its mapped children. */
const countedTasks = Effect.fnUntraced(function*(api: Api, flowRunId: string) {
  const views = yield* api.firstTaskRunOfEachTask(flowRunId)
  const mappedIds = yield* Effect.orElseSucceed(api.mappedTaskIds(flowRunId), () => new Set<string>())
  return yield* Effect.forEach(
    views,
    (view) => Effect.map(mappedOf(api, view, mappedIds), (mapped) => ({ view, mapped })),
    { concurrency }
  )
})

/** The counts of the children of a mapped task; null for a task that is not mapped. */
const mappedOf = (
  api: Api,
  view: TaskRunView,
  mappedIds: ReadonlySet<string>
): Effect.Effect<Models.MappedCounts | null, PrefectApiError> => {
  const { flowRunId, taskId } = view
  if (taskId === null || flowRunId === null || !(isParent(view) || mappedIds.has(taskId))) return Effect.succeed(null)
  return Effect.map(api.countMappedChildren({ flowRunId, taskId }), (states) => ({
    expected: State.isMapped(view.state) ? view.state.nMapStates ?? null : null,
    found: Object.values(states).reduce((sum, count) => sum + count, 0),
    states
  }))
}

export const FlowRunHandlers = (
  options: { readonly isStatic: boolean; readonly pollMillis: number; readonly rename: (text: string) => string }
) =>
  HttpApiBuilder.group(
    UiApi,
    "flowRuns",
    Effect.fnUntraced(function*(handlers) {
      const { api, provide } = yield* take
      const changesOf = yield* makeChanges(api, options)
      const flowNames = new Map<string, string | null>()

      const nameOf = (flowId: string) =>
        flowNames.has(flowId)
          ? Effect.succeed(flowNames.get(flowId) ?? null)
          : api.flow(flowId).pipe(
            Effect.map(({ name }) => name),
            Effect.orElseSucceed(() => null),
            Effect.tap((name) =>
              Effect.sync(() => {
                if (flowNames.size >= 10_000) flowNames.clear()
                flowNames.set(flowId, name)
              })
            )
          )

      const tasksOf = Effect.fnUntraced(function*(flowRunId: string) {
        const tasks = yield* countedTasks(api, flowRunId)
        const children = new Map(tasks.map(({ mapped, view }) => [view.taskRunId, mapped?.found ?? 0]))
        const times = yield* Summaries.ofTasks(api, flowRunId, tasks.map(({ view }) => view), children)
        return tasks.map(({ mapped, view }): Models.Task => ({
          task_run_id: view.taskRunId,
          task_id: view.taskId,
          task_slug: view.taskSlug,
          name: view.name,
          state: State.typeName(view.state),
          ...(times.get(view.taskRunId) ?? Summaries.noTimes),
          message: Json.messageOf(view.state),
          mapped
        }))
      })

      const logs = (query: { readonly flowRunId: string }, filter: {
        readonly level?: "DEBUG" | "INFO" | "WARNING" | "ERROR" | "CRITICAL" | undefined
        readonly q?: string | undefined
        readonly after?: string | undefined
        readonly limit?: number | undefined
      }) => logLines(api, query, filter)

      return handlers.handleAll({
        list: Effect.fnUntraced(function*({ query }) {
          const skip = yield* skipOf(query.cursor)
          const limit = query.limit ?? defaultLimit
          const states = query.state?.filter((state) => state !== "") ?? []
          const runs = api.flowRuns({
            flowName: nonEmpty(query.flow),
            flowId: nonEmpty(query.flow_id),
            nameContains: nonEmpty(query.q),
            states: states.length === 0 ? undefined : states
          }, { pageSize: Math.min(500, skip + limit + 1) })
          const page = yield* orProblem(pageOf(runs, skip, limit))
          const flowIds = [...new Set(page.items.flatMap(({ flowId }) => flowId === null ? [] : [flowId]))]
          const names = yield* Effect.forEach(
            flowIds,
            (id) => Effect.map(nameOf(id), (name) => [id, name] as const),
            { concurrency }
          )
          return Long.answer({
            items: page.items.map(Json.flowRun),
            next: page.next,
            flow_names: Object.fromEntries(names)
          })
        }),
        show: ({ params }) => Effect.map(orProblem(api.flowRun(params.id)), (view) => Long.answer(Json.flowRun(view))),
        counts: ({ params }) =>
          orProblem(Effect.gen(function*() {
            const tasks = yield* allOfExisting(api.flowRun(params.id), countedTasks(api, params.id))
            const states: Record<string, number> = {}
            let total = 0
            for (const { mapped, view } of tasks) {
              const entries = mapped === null || mapped.found === 0
                ? [[State.typeName(view.state), 1] as const]
                : Object.entries(mapped.states)
              for (const [name, count] of entries) {
                states[name] = (Object.hasOwn(states, name) ? states[name]! : 0) + count
                total += count
              }
            }
            return { states, total, tasks: tasks.length }
          })),
        tasks: ({ params }) =>
          orProblem(Effect.gen(function*() {
            yield* api.flowRun(params.id)
            return Long.lines(inTurns(Stream.fromIterable(yield* tasksOf(params.id)), rowsAtOnce))
          })),
        graph: ({ params }) =>
          orProblem(Effect.gen(function*() {
            const views = yield* api.firstTaskRunOfEachTask(params.id)
            const edges = yield* api.edges(params.id)
            const mappedIds = yield* Effect.orElseSucceed(api.mappedTaskIds(params.id), () => new Set<string>())
            const places = new Map<string, number>()
            for (const [place, view] of views.entries()) {
              // On Prefect 3, which has no tasks, an edge leads from task run to task run.
              places.set(view.taskRunId, place)
              if (view.taskId !== null) places.set(view.taskId, place)
            }
            return Long.answer({
              tasks: views.map((view) => ({
                task_id: view.taskId,
                task_slug: view.taskSlug,
                mapped: isParent(view) || (view.taskId !== null && mappedIds.has(view.taskId))
              })),
              edges: edges.flatMap(({ downstreamTaskId, key, mapped, upstreamTaskId }) => {
                const up = places.get(upstreamTaskId)
                const down = places.get(downstreamTaskId)
                return up === undefined || down === undefined ? [] : [[up, down, key, mapped] as const]
              })
            })
          })),
        states: ({ params }) =>
          Effect.map(
            orProblem(allOfExisting(api.flowRun(params.id), api.flowRunStates(params.id))),
            (records) => Long.answer(records.map(Json.stateRecord))
          ),
        logs: ({ params, query }) =>
          Effect.gen(function*() {
            const lines = yield* logs({ flowRunId: params.id }, query)
            return Long.lines(Stream.mapError(yield* orProblem(started(lines)), fromError))
          }),
        logsText: ({ params, query }) =>
          orProblem(Effect.gen(function*() {
            const view = yield* api.flowRun(params.id)
            const lines = yield* started(api.logs({ flowRunId: params.id, level: query.level }))
            const text = Stream.mapArray(
              inTurns(lines, rowsAtOnce),
              (entries) => [entries.map(logText).join("")] as [string]
            )
            return attachment(Stream.encodeText(text), `${view.name ?? params.id}.log`, "application/octet-stream")
          })),
        artifacts: Effect.fnUntraced(function*({ params, query }) {
          const skip = yield* skipOf(query.cursor)
          const page = yield* orProblem(
            pageOf(
              ofExisting(api.flowRun(params.id), api.artifacts({ flowRunId: params.id })),
              skip,
              query.limit ?? defaultLimit
            )
          )
          return Long.answer({ items: page.items.map(Json.artifact), next: page.next })
        }),
        outcomes: ({ params, query }) =>
          orProblem(Effect.gen(function*() {
            const run = yield* provide(FlowRun.fromFlowRunId(params.id))
            const after = nonEmpty(query.after)
            let passed = after === undefined
            const wanted = after === undefined ? run.results : Stream.filter(run.results, ({ taskRun }) => {
              if (passed) return true
              passed = taskRun.view.taskRunId === after
              return false
            })
            const lines = Stream.mapEffect(wanted, Json.outcome(options.rename))
            return Stream.mapError(yield* started(lines), fromError)
          })),
        changes: ({ params }) =>
          orProblem(Effect.gen(function*() {
            const changes = yield* changesOf(yield* api.flowRun(params.id))
            return HttpServerResponse.stream(Stream.encodeText(changes), { contentType: "text/event-stream" })
          })) as never
      })
    })
  )

/** `2020-01-01T00:00:00.5+00:00 INFO prefect.Flow: message`, without control sequences of terminals. */
const logText = ({ level, message, name, timestamp }: LogEntry): string => {
  const logger = name === null || name === undefined ? "" : `${name}: `
  const line = `${timestamp} ${(level ?? "").padEnd(8)}${logger}${message ?? ""}`
  return `${line.replace(/\p{Cc}\[[0-9;?]{0,32}[ -/]{0,8}[@-~]/gu, "").replace(/(?![\n\t])\p{Cc}/gu, "\ufffd")}\n`
}

const parseAfter = (after: string | undefined) => {
  if (after === undefined || after === "") return Effect.succeed(undefined)
  const split = after.indexOf(",")
  return split <= 0 || split === after.length - 1
    ? Effect.fail(
      new BadRequest({ reason: "after", message: "after is the timestamp of a line, a comma and the line's id" })
    )
    : Effect.succeed({ timestamp: after.slice(0, split), id: after.slice(split + 1) })
}

/** The matching lines of a log: at a level and above, containing a text, after a line, and up to a limit. */
export const logLines = (
  api: Api,
  which: { readonly flowRunId?: string | undefined; readonly taskRunId?: string | undefined },
  query: {
    readonly level?: "DEBUG" | "INFO" | "WARNING" | "ERROR" | "CRITICAL" | undefined
    readonly q?: string | undefined
    readonly after?: string | undefined
    readonly limit?: number | undefined
  }
): Effect.Effect<Stream.Stream<Models.LogLine, PrefectApiError>, BadRequest> =>
  Effect.map(parseAfter(query.after), (after) => {
    const logs = api.logs({ ...which, level: query.level, after })
    const run = which.taskRunId === undefined ? api.flowRun(which.flowRunId ?? "") : api.taskRun(which.taskRunId)
    // Whoever asks for the lines after one knows the run.
    const all = inTurns(after === undefined ? ofExisting(run, logs) : logs, rowsAtOnce)
    const wanted = nonEmpty(query.q)?.toLowerCase()
    const fitting = wanted === undefined
      ? all
      : Stream.filter(all, ({ message }) => message?.toLowerCase().includes(wanted) === true)
    const lines = Stream.map(fitting, Json.logLine)
    return query.limit === undefined ? lines : Stream.take(lines, query.limit)
  })
