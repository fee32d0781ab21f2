import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as Progress from "../../Progress.ts"
import * as Children from "./children.ts"
import { resultError, type Services } from "./load.ts"
import { Hold } from "./memory.ts"
import type { Outcome, TaskRunError } from "./model.ts"
import { outcome, TaskRunImpl } from "./taskRun.ts"
import * as Window from "./window.ts"

/**
 * The outcome of every task run of a flow run: by slug in Unicode code point order, each parent before its children.
 *
 * Each object is read once: a parent's result is assembled from the outcomes of its children, which are held back until
 * it is known, and follow it. A parent with more children than one result may have fails with ResultTooLarge, and its
 * children then follow page by page.
 */
export const flowRunOutcomes = (services: Services, flowRunId: string): Stream.Stream<Outcome, PrefectApiError> =>
  Stream.unwrap(Effect.map(
    Effect.all([services.api.firstTaskRunOfEachTask(flowRunId), services.api.mappedTaskIds(flowRunId)], {
      concurrency: 2
    }),
    ([first, mapped]) => {
      const isAlone = (view: TaskRunView) => !Children.isParent(view) && !mapped.has(view.taskId ?? "")
      const outcomes = Stream.flatMap(Stream.fromIterable(groups(first, isAlone)), (group) => {
        const [view] = group
        if (isAlone(view)) return load(services, Stream.fromArray(group))
        return Children.isParent(view) && view.taskId !== null ? ofParent(services, view) : ofTask(services, view)
      })
      return Stream.unwrap(Effect.map(Progress.Current, (callbacks) => {
        callbacks?.onStart(expected(first, isAlone))
        return outcomes
      }))
    }
  ))

/** The number of results to load: those of parents are assembled. */
const expected = (views: ReadonlyArray<TaskRunView>, isAlone: (view: TaskRunView) => boolean): number | null => {
  let sum = 0
  for (const view of views) {
    const own = isAlone(view) ? 1 : Children.isParent(view) ? Children.expectedOf(view) : null
    if (own === null) return null
    sum += own
  }
  return sum
}

/** The number of task runs without children that are loaded together before the next ones are looked at. */
const maxGroup = 64

/** Adjacent task runs without children, which are loaded together, and each of the others by itself. */
function* groups(
  views: ReadonlyArray<TaskRunView>,
  isAlone: (view: TaskRunView) => boolean
): Generator<readonly [TaskRunView, ...Array<TaskRunView>]> {
  for (let at = 0; at < views.length;) {
    const start = at++
    while (isAlone(views[start]!) && at < views.length && at - start < maxGroup && isAlone(views[at]!)) at++
    yield views.slice(start, at) as [TaskRunView, ...Array<TaskRunView>]
  }
}

const ofTask = (services: Services, first: TaskRunView): Stream.Stream<Outcome, PrefectApiError> => {
  const own = Stream.fromEffect(outcome(services, first))
  if (first.taskId === null || first.flowRunId === null) return own
  return Stream.concat(own, load(services, Children.rows(services, first, first.mapIndex)))
}

const load = <E>(
  services: Services,
  rows: Stream.Stream<TaskRunView, E>,
  onTaken?: (bytes: number) => void
): Stream.Stream<Outcome, E> =>
  Window.load(services, rows, (view, prepared) => outcome(services, view, prepared), onTaken)

const failed = (services: Services, view: TaskRunView, failure: TaskRunError): Outcome => ({
  taskRun: new TaskRunImpl(services, view),
  result: Result.fail(failure)
})

const ofParent = (services: Services, parent: TaskRunView): Stream.Stream<Outcome, PrefectApiError> =>
  Stream.suspend(() => {
    const tooMany = Children.expectedTooMany(services, parent)
    if (tooMany !== undefined) {
      return Stream.concat(
        Stream.succeed(failed(services, parent, tooMany)),
        load(services, Children.rows(services, parent, -1))
      )
    }
    const completeness = new Children.Completeness(parent, -1)
    let held: Array<Outcome> | undefined = []
    const hold = new Hold(services.memory)
    const rows = Stream.mapArray(Children.rows(services, parent, -1), (views) => {
      for (const view of views) completeness.see(view)
      return views
    })
    const children = Stream.mapEffect(
      Stream.chunks(load(services, rows, (bytes) => held === undefined ? undefined : hold.add(bytes))),
      (outcomes): Effect.Effect<ReadonlyArray<Outcome>> => {
        if (held === undefined) {
          hold.release()
          return Effect.succeed(outcomes)
        }
        for (const outcome of outcomes) held.push(outcome)
        const { refusal } = hold
        const tooMany = Children.tooMany(services, parent, held.length) ??
          (refusal === undefined ? undefined : resultError(parent, refusal))
        if (tooMany === undefined) return Effect.succeed([])
        const all = [failed(services, parent, tooMany), ...held]
        held = undefined
        return Effect.succeed(all)
      }
    )
    return Stream.concat(
      Stream.flattenIterable(children),
      Stream.suspend(() => {
        if (held === undefined) return Stream.empty
        // The memory is held until the consumer is done with them.
        return Stream.fromArray([parentOutcome(services, parent, completeness, held), ...held])
      })
    ).pipe(Stream.ensuring(Effect.sync(() => hold.release())))
  })

const parentOutcome = (
  services: Services,
  parent: TaskRunView,
  completeness: Children.Completeness,
  children: ReadonlyArray<Outcome>
): Outcome => {
  const incomplete = completeness.finish()
  if (incomplete !== undefined) return failed(services, parent, incomplete)
  const values: Array<unknown> = []
  for (const { result } of children) {
    if (Result.isFailure(result)) return failed(services, parent, result.failure)
    values.push(result.success)
  }
  return {
    taskRun: new TaskRunImpl(services, parent, { result: Effect.succeed(values) }),
    result: Result.succeed(values)
  }
}
