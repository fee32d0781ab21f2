/** The task runs of a flow run in the order in which they are collected. */
import type { PrefectApi } from "@effect-prefect/api/PrefectApi"
import { MalformedResponse, PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import { Listener, type RowProblem } from "@effect-prefect/api/RowProblem"
import * as State from "@effect-prefect/core/State"
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import * as Cache from "effect/Cache"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import type { Cursor, Part, Plan } from "../CollectPlan.ts"

type Api = PrefectApi["Service"]

/** Whether a view is the parent of mapped children. */
export const isParent = (view: TaskRunView): boolean => State.isMapped(view.state) && view.mapIndex < 0

/** The first task run of each task of a flow run, in order, and the tasks that have mapped children. */
export interface Tasks {
  readonly first: ReadonlyArray<TaskRunView>
  readonly mapped: ReadonlySet<string>
}

/**
 * The tasks of a flow run, or those with one slug. Without an exact match, the backend decides which tasks the slug
 * means: Prefect 2 and 3 accept the name of a task's function, whose task key has a suffix.
 */
export const tasksOf = Effect.fnUntraced(function*(
  api: Api,
  flowRunId: string,
  taskSlug: string | undefined
): Effect.fn.Return<Tasks, PrefectApiError> {
  const [first, mapped] = yield* Effect.all([api.firstTaskRunOfEachTask(flowRunId), api.mappedTaskIds(flowRunId)], {
    concurrency: 2
  })
  if (taskSlug === undefined) return { first, mapped }
  const exact = first.filter((view) => view.taskSlug === taskSlug)
  if (exact.length > 0) return { first: exact, mapped }
  const slugs = new Set<string | null>()
  yield* Stream.runForEach(api.taskRuns({ flowRunId, taskSlug }), (view) =>
    Effect.sync(() => {
      slugs.add(view.taskSlug)
    }))
  return { first: first.filter((view) => slugs.has(view.taskSlug)), mapped }
})

/** The task id of a task whose children are traversed. */
export const childrenOf = (view: TaskRunView, { mapped }: Tasks): string | undefined =>
  view.taskId !== null && (isParent(view) || mapped.has(view.taskId)) ? view.taskId : undefined

export const cursorOf = ({ taskRunId, taskSlug }: TaskRunView): Cursor => ({ taskRunId, taskSlug })

/** Reads the views of parts. The tasks of a flow run are requested once for adjacent parts. */
export const makeReader = Effect.fnUntraced(function*(api: Api, plan: Plan) {
  const taskSlug = "flowRunIds" in plan.selection ? plan.selection.taskSlug : undefined
  const tasks = yield* Cache.makeWith((flowRunId: string) => tasksOf(api, flowRunId, taskSlug), {
    capacity: 4,
    timeToLive: (exit) => Exit.isSuccess(exit) ? "10 minutes" : 0
  })
  /** Tasks whose children have parts of their own. */
  const apart = new Set<string>()
  const taskKey = (flowRunId: string, taskId: string) => `${flowRunId}/${taskId}`
  for (const part of plan.parts) if (part._tag === "Children") apart.add(taskKey(part.flowRunId, part.taskId))

  /** Fails at the end when the row of one cannot be read: a part never lacks a row without saying so. */
  const children = (flowRunId: string, taskId: string, after: number, until?: number) =>
    Stream.suspend(() => {
      let leftOut: RowProblem | undefined
      const complete = Stream.suspend(() =>
        leftOut === undefined
          ? Stream.empty
          : Stream.fail(
            new PrefectApiError({
              operation: "mappedChildren",
              reason: new MalformedResponse({ detail: leftOut.toString() })
            })
          )
      )
      return api.mappedChildren({ flowRunId, taskId }, { after, until }).pipe(
        Stream.provideService(Listener, (problem) => leftOut ??= problem),
        Stream.concat(complete)
      )
    })

  const ofTasks = (
    flowRunId: string,
    all: Tasks,
    views: ReadonlyArray<TaskRunView>
  ): Stream.Stream<TaskRunView, PrefectApiError> => {
    const groups: Array<Stream.Stream<TaskRunView, PrefectApiError>> = []
    let alone: Array<TaskRunView> = []
    for (const view of views) {
      const taskId = childrenOf(view, all)
      const isApart = taskId !== undefined && apart.has(taskKey(flowRunId, taskId))
      // A task without a parent begins with its first child.
      if (isApart && view.mapIndex >= 0) continue
      alone.push(view)
      if (taskId === undefined || isApart) continue
      groups.push(Stream.fromArray(alone), children(flowRunId, taskId, view.mapIndex))
      alone = []
    }
    groups.push(Stream.fromArray(alone))
    return Stream.flatten(Stream.fromArray(groups))
  }

  const slice = (all: Tasks, from: Cursor | null, until: Cursor | null): ReadonlyArray<TaskRunView> => {
    const at = (cursor: Cursor) => all.first.findIndex((view) => view.taskRunId === cursor.taskRunId)
    const start = from === null ? 0 : at(from)
    const end = until === null ? all.first.length : at(until)
    return start < 0 || end < 0 ? [] : all.first.slice(start, end)
  }

  const flowRun = (flowRunId: string, from: Cursor | null, until: Cursor | null) =>
    Stream.unwrap(Effect.map(Cache.get(tasks, flowRunId), (all) => ofTasks(flowRunId, all, slice(all, from, until))))

  const views = (part: Part): Stream.Stream<TaskRunView, PrefectApiError> => {
    switch (part._tag) {
      case "Children":
        return children(part.flowRunId, part.taskId, part.after, part.until ?? undefined)
      case "TaskRuns":
        return flowRun(part.flowRunId, part.from, part.until)
      case "FlowRuns":
        return Stream.flatMap(Stream.fromIterable(part.flowRunIds), (flowRunId) => flowRun(flowRunId, null, null))
    }
  }

  /** The number of children that follow a parent: from its state, otherwise the number of existing ones. */
  const childCount = (parent: TaskRunView): Effect.Effect<number, PrefectApiError> => {
    const expected = State.isMapped(parent.state) ? parent.state.nMapStates ?? undefined : undefined
    if (expected !== undefined) return Effect.succeed(expected)
    if (parent.taskId === null || parent.flowRunId === null) return Effect.succeed(0)
    return Effect.map(
      api.countMappedChildren({ flowRunId: parent.flowRunId, taskId: parent.taskId }),
      (states) => Object.values(states).reduce((sum, count) => sum + count, 0)
    )
  }

  return { views, childCount }
})
