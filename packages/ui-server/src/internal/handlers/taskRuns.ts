import type { TaskRunSummary } from "@effect-prefect/api/Backend"
import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import * as State from "@effect-prefect/core/State"
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import { ResultError } from "@effect-prefect/results/ResultError"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import { UiApi } from "@effect-prefect/ui-api/Api"
import type * as Models from "@effect-prefect/ui-api/Models"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Stream from "effect/Stream"
import { childStates, childTimes } from "../childStates.ts"
import * as Json from "../json.ts"
import * as Long from "../long.ts"
import { fromError, orProblem } from "../problem.ts"
import { started } from "../streams.ts"
import * as Summaries from "../summaries.ts"
import { logLines } from "./flowRuns.ts"
import { allOfExisting, defaultLimit, isParent, take } from "./services.ts"

const child = (view: TaskRunView, times: Summaries.Times): Models.Child => ({
  task_run_id: view.taskRunId,
  map_index: view.mapIndex,
  name: view.name,
  state: State.typeName(view.state),
  message: Json.messageOf(view.state),
  ...times
})

/** None instead of a task run that cannot be decoded, which must not hide the others. */
const orLeftOut = (
  taskRun: Effect.Effect<TaskRunView, PrefectApiError>
): Effect.Effect<ReadonlyArray<TaskRunView>, PrefectApiError> =>
  Effect.catchReason(
    Effect.map(taskRun, (view) => [view]),
    "PrefectApiError",
    "MalformedResponse",
    ({ detail }) => Effect.as(Effect.logWarning(`left out a child: ${detail}`), [])
  )

export const TaskRunHandlers = (rename: (text: string) => string) =>
  HttpApiBuilder.group(
    UiApi,
    "taskRuns",
    Effect.fnUntraced(function*(handlers) {
      const { api, provide } = yield* take

      const show = (view: TaskRunView) =>
        Effect.map(Summaries.ofTaskRun(api, view), (times) =>
          Long.answer<Models.TaskRun>({
            ...Json.taskRun(view),
            state_name: State.typeName(view.state),
            ...times
          }))

      /** The task whose children belong to a view, or the reason why it has none. */
      const parentOf = Effect.fnUntraced(function*(
        id: string
      ): Effect.fn.Return<
        { readonly view: TaskRunView; readonly task: { readonly flowRunId: string; readonly taskId: string } },
        PrefectApiError | ResultError
      > {
        const run = yield* provide(TaskRun.fromTaskRunId(id))
        const { view } = run
        // The library's error explains why a run has no children, or why they cannot be determined.
        if (!isParent(view) || view.taskId === null || view.flowRunId === null) yield* run.mappedStateCounts
        return { view, task: { flowRunId: view.flowRunId ?? "", taskId: view.taskId ?? "" } }
      })

      return handlers.handleAll({
        bySlug: ({ query }) =>
          orProblem(Effect.flatMap(
            api.taskRunBySlug({ flowRunId: query.flow_run, taskSlug: query.slug, mapIndex: query.map_index ?? -1 }),
            show
          )),
        show: ({ params }) => orProblem(Effect.flatMap(api.taskRun(params.id), show)),
        states: ({ params }) =>
          Effect.map(
            orProblem(allOfExisting(api.taskRun(params.id), api.taskRunStates(params.id))),
            (records) => Long.answer(records.map(Json.stateRecord))
          ),
        logs: ({ params, query }) =>
          Effect.gen(function*() {
            const lines = yield* logLines(api, { taskRunId: params.id }, query)
            return Long.lines(Stream.mapError(yield* orProblem(started(lines)), fromError))
          }),
        mapped: ({ params }) =>
          orProblem(Effect.gen(function*() {
            const { task, view } = yield* parentOf(params.id)
            const states = yield* api.countMappedChildren(task)
            return {
              expected: State.isMapped(view.state) ? view.state.nMapStates ?? null : null,
              found: Object.values(states).reduce((sum, count) => sum + count, 0),
              states
            }
          })),
        children: ({ params, query }) =>
          orProblem(Effect.gen(function*() {
            const { task } = yield* parentOf(params.id)
            const limit = query.limit ?? defaultLimit
            const states = new Set(query.state?.filter((state) => state !== "") ?? [])
            const after = query.after ?? -1
            const all = Summaries.ofChildren(api, task, after)
            const fitting = states.size === 0 ? all : Stream.filter(all, ({ state }) => states.has(state))
            const shown: Array<TaskRunSummary> = []
            let hasMore = false
            // A damaged archive has several children of one index. They are on one page, because the next one starts
            // after their index.
            yield* Stream.runDrain(Stream.takeWhile(fitting, (row) => {
              hasMore = shown.length >= limit && row.mapIndex !== shown.at(-1)?.mapIndex
              if (!hasMore) shown.push(row)
              return !hasMore
            }))
            const last = shown.at(-1)
            const views = last === undefined
              ? []
              : states.size === 0
              ? yield* Stream.runCollect(
                api.mappedChildren(task, { after, until: last.mapIndex + 1, pageSize: limit + 1 })
              )
              : (yield* Effect.forEach(shown, ({ taskRunId }) => orLeftOut(api.taskRun(taskRunId)), {
                concurrency: 16
              })).flat()
            const times = new Map(shown.map((row) => [
              row.taskRunId,
              { start_time: row.startTime, end_time: row.endTime }
            ]))
            const items = views.map((view) => child(view, times.get(view.taskRunId) ?? Summaries.noTimes))
            return { items, next: hasMore && last !== undefined ? last.mapIndex : null }
          })),
        childStates: ({ params, query }) =>
          orProblem(Effect.gen(function*() {
            const { task, view } = yield* parentOf(params.id)
            const after = query.after ?? -1
            return Stream.mapError(
              yield* started(childStates(Summaries.ofChildren(api, task, after), view, after)),
              fromError
            )
          })),
        childTimes: ({ params }) =>
          orProblem(Effect.gen(function*() {
            const { task } = yield* parentOf(params.id)
            return Stream.mapError(yield* started(childTimes(Summaries.ofChildren(api, task, -1))), fromError)
          })),
        childOutcomes: ({ params, query }) =>
          orProblem(Effect.gen(function*() {
            const run = yield* provide(TaskRun.fromTaskRunId(params.id))
            const outcomes = Stream.mapEffect(run.outcomesAfter(query.after ?? -1), Json.outcome(rename)).pipe(
              // The states of the children already report that they are incomplete; here the existing ones are loaded.
              Stream.catchIf(
                (error) => error instanceof ResultError && error.reason._tag === "ChildrenIncomplete",
                () => Stream.empty
              )
            )
            return Stream.mapError(yield* started(outcomes), fromError)
          }))
      })
    })
  )
