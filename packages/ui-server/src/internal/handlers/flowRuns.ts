import type { PrefectApi } from "@effect-prefect/api/PrefectApi"
import { PrefectApiError, UnsupportedByBackend } from "@effect-prefect/api/PrefectApiError"
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
import { changesOf } from "../changes.ts"
import * as Json from "../json.ts"
import { fromError, orProblem } from "../problem.ts"
import { started } from "../streams.ts"
import * as Summaries from "../summaries.ts"
import { defaultLimit, isParent, nonEmpty, pageOf, skipOf, take } from "./services.ts"

/** Up to how many tasks have their times taken from their states. */
const maxTimed = 500
const concurrency = 8

type Api = PrefectApi["Service"]

/** The children of a mapped task, counted; null for a task that is not mapped. */
const mappedOf = (
  api: Api,
  view: TaskRunView,
  mappedIds: ReadonlySet<string>
): Effect.Effect<Models.MappedCounts | null, PrefectApiError> => {
  if (!isParent(view) && !(view.taskId !== null && view.mapIndex < 0 && mappedIds.has(view.taskId))) {
    return Effect.succeed(null)
  }
  if (view.taskId === null || view.flowRunId === null) return Effect.succeed(null)
  return Effect.map(
    api.countMappedChildren({ flowRunId: view.flowRunId, taskId: view.taskId }),
    (states) => ({
      expected: State.isMapped(view.state) ? view.state.nMapStates ?? null : null,
      found: Object.values(states).reduce((sum, count) => sum + count, 0),
      states
    })
  )
}

export const FlowRunHandlers = (options: { readonly isStatic: boolean; readonly pollMillis: number }) =>
  HttpApiBuilder.group(
    UiApi,
    "flowRuns",
    Effect.fnUntraced(function*(handlers) {
      const { api, provide } = yield* take
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

      const tasksOf = (flowRunId: string) =>
        Stream.unwrap(Effect.gen(function*() {
          const views = yield* api.firstTaskRunOfEachTask(flowRunId)
          const mappedIds = yield* Effect.orElseSucceed(api.mappedTaskIds(flowRunId), () => new Set<string>())
          return Stream.fromIterable(views).pipe(
            Stream.mapEffect(
              Effect.fnUntraced(function*(view) {
                const mapped = yield* mappedOf(api, view, mappedIds)
                const times = views.length > maxTimed
                  ? { start_time: null, end_time: null }
                  : yield* Summaries.timesOf(api, view)
                return {
                  task_run_id: view.taskRunId,
                  task_id: view.taskId,
                  task_slug: view.taskSlug,
                  name: view.name,
                  state: State.typeName(view.state),
                  ...times,
                  message: Json.messageOf(view.state),
                  mapped
                } satisfies Models.Task
              }),
              { concurrency }
            )
          )
        }))

      const logs = (query: { readonly flowRunId: string }, options: {
        readonly level?: "DEBUG" | "INFO" | "WARNING" | "ERROR" | "CRITICAL" | undefined
        readonly q?: string | undefined
        readonly after?: string | undefined
        readonly limit?: number | undefined
      }) => logLines(api, query, options)

      return handlers.handleAll({
        list: Effect.fnUntraced(function*({ query }) {
          const skip = yield* skipOf(query.cursor)
          const limit = query.limit ?? defaultLimit
          const states = query.state?.filter((state) => state !== "") ?? []
          const wanted = nonEmpty(query.q)?.toLowerCase()
          const all = api.flowRuns({
            flowName: nonEmpty(query.flow),
            flowId: nonEmpty(query.flow_id),
            states: states.length === 0 ? undefined : states
          }, { pageSize: wanted === undefined ? Math.min(500, skip + limit + 1) : undefined })
          const runs = wanted === undefined
            ? all
            : Stream.filter(all, ({ name }) => name?.toLowerCase().includes(wanted) === true)
          const page = yield* orProblem(pageOf(runs, skip, limit))
          const flowIds = [...new Set(page.items.flatMap(({ flowId }) => flowId === null ? [] : [flowId]))]
          const names = yield* Effect.forEach(
            flowIds,
            (id) => Effect.map(nameOf(id), (name) => [id, name] as const),
            { concurrency }
          )
          return { items: page.items.map(Json.flowRun), next: page.next, flow_names: Object.fromEntries(names) }
        }),
        show: ({ params }) => Effect.map(orProblem(api.flowRun(params.id)), Json.flowRun),
        counts: ({ params }) =>
          orProblem(Effect.gen(function*() {
            const tasks = yield* Stream.runCollect(tasksOf(params.id))
            const states: Record<string, number> = {}
            let total = 0
            for (const { mapped, state } of tasks) {
              const entries = mapped === null || mapped.found === 0
                ? [[state, 1] as const]
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
            return Stream.mapError(yield* started(tasksOf(params.id)), fromError)
          })),
        graph: () =>
          orProblem(Effect.fail(
            new PrefectApiError({
              operation: "edges",
              reason: new UnsupportedByBackend({ feature: "edges between tasks", backend: api.backendName })
            })
          )),
        states: ({ params }) =>
          Effect.map(orProblem(api.flowRunStates(params.id)), (records) => records.map(Json.stateRecord)),
        logs: ({ params, query }) =>
          Effect.gen(function*() {
            const lines = yield* logs({ flowRunId: params.id }, query)
            return Stream.mapError(yield* orProblem(started(lines)), fromError)
          }),
        logsText: ({ params, query }) =>
          orProblem(Effect.gen(function*() {
            const view = yield* api.flowRun(params.id)
            const lines = yield* started(api.logs({ flowRunId: params.id, level: query.level }))
            const text = Stream.mapArray(
              lines,
              (entries) => [entries.map(logText).join("")] as [string]
            )
            return attachment(Stream.encodeText(text), `${view.name ?? params.id}.log`, "application/octet-stream")
          })),
        artifacts: Effect.fnUntraced(function*({ params, query }) {
          const skip = yield* skipOf(query.cursor)
          const page = yield* orProblem(
            pageOf(api.artifacts({ flowRunId: params.id }), skip, query.limit ?? defaultLimit)
          )
          return { items: page.items.map(Json.artifact), next: page.next }
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
            const lines = Stream.mapEffect(wanted, Json.outcome)
            return Stream.mapError(yield* started(lines), fromError)
          })),
        changes: ({ params }) =>
          orProblem(Effect.map(api.flowRun(params.id), (view) =>
            HttpServerResponse.stream(
              Stream.encodeText(changesOf(api, view, options)),
              { contentType: "text/event-stream" }
            ))) as never
      })
    })
  )

/** `2020-01-01T00:00:00.5+00:00 INFO    prefect.Flow: message`, without what a terminal would take for commands. */
const logText = ({ level, message, name, timestamp }: LogEntry): string =>
  `${timestamp} ${(level ?? "").padEnd(8)}${name === null || name === undefined ? "" : `${name}: `}${message ?? ""}\n`
    // oxlint-disable-next-line no-control-regex -- these are what is taken out
    .replace(/\u001b\[[0-9;?]{0,32}[ -/]{0,8}[@-~]/g, "").replace(
      /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g,
      "\ufffd"
    )

const parseAfter = (after: string | undefined) => {
  if (after === undefined || after === "") return Effect.succeed(undefined)
  const split = after.indexOf(",")
  return split <= 0 || split === after.length - 1
    ? Effect.fail(
      new BadRequest({ reason: "after", message: "after is the timestamp of a line, a comma and the line's id" })
    )
    : Effect.succeed({ timestamp: after.slice(0, split), id: after.slice(split + 1) })
}

/** The lines of a log that fit: of a level up, with a text, after a line, and not more than so many. */
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
    const all = api.logs({ ...which, level: query.level, after })
    const wanted = nonEmpty(query.q)?.toLowerCase()
    const fitting = wanted === undefined
      ? all
      : Stream.filter(all, ({ message }) => message?.toLowerCase().includes(wanted) === true)
    const lines = Stream.map(fitting, Json.logLine)
    return query.limit === undefined ? lines : Stream.take(lines, query.limit)
  })
