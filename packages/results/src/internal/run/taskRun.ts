import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import type { LogEntry, LogLevel } from "@effect-prefect/core/LogEntry"
import * as State from "@effect-prefect/core/State"
import type { StateRecord } from "@effect-prefect/core/StateRecord"
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import type { Table } from "@effect-prefect/formats/Table"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { ResultError } from "../../ResultError.ts"
import { WaitTimeout } from "../../Watch.ts"
import * as Children from "./children.ts"
import { inAnotherTurn, Later } from "./later.ts"
import {
  decodeAs,
  type Known,
  load,
  loadAtOnce,
  loadBytes,
  loadPrepared,
  type Prepared,
  resultError,
  type Services,
  type Waiting
} from "./load.ts"
import { memoize } from "./memoize.ts"
import { Hold } from "./memory.ts"
import type { MappedStateCounts, Outcome, TableOptions, TaskRun, TaskRunError } from "./model.ts"
import { awaitSettled, type PollOptions } from "./polling.ts"
import { tables } from "./table.ts"
import * as Telemetry from "./telemetry.ts"
import * as Window from "./window.ts"

export class TaskRunImpl implements TaskRun {
  readonly view: TaskRunView
  readonly #services: Services
  readonly #memo: { result: Effect.Effect<unknown, TaskRunError> }
  #loaded: boolean

  constructor(
    services: Services,
    view: TaskRunView,
    memo?: { result: Effect.Effect<unknown, TaskRunError> },
    onLoaded?: (value: unknown) => void
  ) {
    this.#services = services
    this.view = view
    this.#loaded = memo !== undefined
    if (memo !== undefined) {
      this.#memo = memo
      return
    }
    const loaded = (value: unknown) => {
      this.#loaded = true
      onLoaded?.(value)
    }
    /** Of the first load only: whoever tries again reads again. */
    let known: Known | undefined
    const waiting: Waiting = { resolution: undefined }
    this.#memo = {
      result: memoize(
        () =>
          Effect.tap(
            Effect.suspend((): Effect.Effect<unknown, TaskRunError> => {
              const first = known
              known = undefined
              return Telemetry.spanned(
                "TaskRun.getResult",
                attributesOf(view),
                Children.isParent(view) ? loadChildren(services, view) : load(services, view, first)
              )
            }),
            (value) => Effect.sync(() => loaded(value))
          ),
        (fiber, isReady) => {
          if (Children.isParent(view)) return undefined
          const found = loadAtOnce(services, view, fiber, isReady, waiting)
          if (found === undefined) return undefined
          if (found === inAnotherTurn) return inAnotherTurn
          if (found instanceof Later) {
            return new Later(Effect.catch(found.wait, (reason) => Effect.asVoid(load(services, view, reason))))
          }
          if (Exit.isExit(found)) {
            loaded(found.value)
            return found
          }
          known = found
          return undefined
        }
      )
    }
  }

  get getResult(): Effect.Effect<unknown, TaskRunError> {
    return this.#memo.result
  }
  getResultAs<A, E, RD, RE>(schema: Schema.Codec<A, E, RD, RE>): Effect.Effect<A, TaskRunError, RD> {
    return decodeAs(this.view, this.getResult, schema)
  }
  get getResultBytes(): Effect.Effect<Uint8Array, ResultError> {
    return Effect.suspend(() => loadBytes(this.#services, this.view))
  }
  getTable(options: TableOptions = {}): Stream.Stream<Table, TaskRunError> {
    const services = this.#services
    const { view } = this
    const walk = Children.isParent(view)
      ? Stream.flatMap(Children.childViews(services, view, -1), (child) => tables(services, child, options))
      : tables(services, view, options)
    return Telemetry.spannedStream("TaskRun.getTable", attributesOf(view), () => walk)
  }
  get iterMapped(): Stream.Stream<TaskRun, TaskRunError> {
    return this.iterMappedAfter(-1)
  }
  iterMappedAfter(mapIndex: number): Stream.Stream<TaskRun, TaskRunError> {
    return Stream.mapArray(
      Children.childViews(this.#services, this.view, mapIndex),
      (views) => mapNonEmpty(views, (view) => new TaskRunImpl(this.#services, view))
    )
  }
  get outcomes(): Stream.Stream<Outcome, TaskRunError> {
    return this.outcomesAfter(-1)
  }
  outcomesAfter(mapIndex: number): Stream.Stream<Outcome, TaskRunError> {
    return this.#outcomesOf(Children.childViews(this.#services, this.view, mapIndex))
  }
  outcomesBetween(after: number, until: number | null): Stream.Stream<Outcome, TaskRunError> {
    return this.#outcomesOf(Children.viewsBetween(this.#services, this.view, after, until))
  }
  #outcomesOf(views: Stream.Stream<TaskRunView, TaskRunError>): Stream.Stream<Outcome, TaskRunError> {
    const services = this.#services
    return Telemetry.walk(
      "TaskRun.outcomes",
      attributesOf(this.view),
      Window.load(services, views, (view, prepared) => outcome(services, view, prepared))
    )
  }
  get mappedStateCounts(): Effect.Effect<MappedStateCounts, TaskRunError> {
    return Effect.suspend(() => {
      const problem = Children.notAParent(this.#services, this.view)
      return problem === undefined ? progress(this.#services, this.view) : Effect.fail(problem)
    })
  }
  awaitResult(options?: PollOptions): Effect.Effect<unknown, TaskRunError | WaitTimeout> {
    return Effect.flatMap(awaitFinished(this.#services, this, options), (taskRun) => taskRun.getResult)
  }
  get states(): Effect.Effect<ReadonlyArray<StateRecord>, PrefectApiError> {
    return this.#services.api.taskRunStates(this.view.taskRunId)
  }
  logs(options?: { readonly level?: LogLevel | undefined }): Stream.Stream<LogEntry, PrefectApiError> {
    return this.#services.api.logs({ taskRunId: this.view.taskRunId, level: options?.level })
  }
  get getLatest(): Effect.Effect<TaskRun, PrefectApiError> {
    return Effect.map(this.#services.api.taskRun(this.view.taskRunId), (view) => {
      const same = Equal.equals(view.state, this.view.state)
      const latest = new TaskRunImpl(this.#services, view, same ? this.#memo : undefined)
      latest.#loaded = same && this.#loaded
      return latest
    })
  }
  toString(): string {
    return this.view.toString().replace("TaskRunView(", "TaskRun(").replace(
      "<not loaded>",
      this.#loaded ? "<loaded>" : "<not loaded>"
    )
  }
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString()
  }
}

const progress = (services: Services, parent: TaskRunView): Effect.Effect<MappedStateCounts, PrefectApiError> =>
  Effect.map(
    services.api.countMappedChildren({ flowRunId: parent.flowRunId ?? "", taskId: parent.taskId ?? "" }),
    (states) => ({
      expected: State.isMapped(parent.state) ? parent.state.nMapStates ?? null : null,
      found: Object.values(states).reduce((sum, count) => sum + count, 0),
      states
    })
  )

/** Whether a view is final, and so are the children whose results are its own. */
const isSettled = (services: Services, view: TaskRunView): Effect.Effect<boolean, PrefectApiError> => {
  if (!State.isFinished(view.state)) return Effect.succeed(false)
  if (Children.notAParent(services, view) !== undefined) return Effect.succeed(true)
  return Effect.map(progress(services, view), ({ expected, found, states }) =>
    found >= (expected ?? 0) &&
    Object.keys(states).every((name) => State.isFinished(State.fromJson({ type: name }))))
}

const awaitFinished = (
  services: Services,
  taskRun: TaskRun,
  options: PollOptions | undefined
): Effect.Effect<TaskRun, TaskRunError | WaitTimeout> =>
  awaitSettled<TaskRun, WaitTimeout>(taskRun, {
    getLatest: (latest) => latest.getLatest,
    isSettled: ({ view }) => isSettled(services, view),
    timedOut: ({ view }, timeout) =>
      new WaitTimeout({ runId: view.taskRunId, state: State.typeName(view.state), timeout })
  }, options)

const attributesOf = (view: TaskRunView) => ({
  "prefect.task_run.id": view.taskRunId,
  "prefect.task.slug": view.taskSlug ?? "",
  "prefect.map_index": view.mapIndex,
  ...(view.flowRunId === null ? {} : { "prefect.flow_run.id": view.flowRunId })
})

const mapNonEmpty = <A, B>(array: ReadonlyArray<A>, f: (a: A) => B) => array.map(f) as [B, ...Array<B>]

/** A view's own result, as data. */
export const outcome = (
  services: Services,
  view: TaskRunView,
  prepared?: Prepared | undefined
): Effect.Effect<Outcome> =>
  Effect.map(
    prepared === undefined ? Effect.result(load(services, view)) : loadPrepared(services, view, prepared),
    (result) => ({
      taskRun: new TaskRunImpl(
        services,
        view,
        Result.isSuccess(result) ? { result: Effect.succeed(result.success) } : undefined
      ),
      result
    })
  )

/**
 * The results of all children. Their completeness is checked before any child's own failure, so after a failure the
 * rows are still read to the end, but no more results are.
 */
const loadChildren = (services: Services, parent: TaskRunView): Effect.Effect<Array<unknown>, TaskRunError> =>
  Effect.suspend(() => {
    const problem = Children.notAParent(services, parent) ?? Children.expectedTooMany(services, parent)
    if (problem !== undefined) return Effect.fail(problem)
    const completeness = new Children.Completeness(parent, -1)
    const rows = (after: number) =>
      Stream.mapArrayEffect(Children.rows(services, parent, after, completeness), (views) => {
        for (const view of views) completeness.see(view)
        const problem = Children.tooMany(services, parent, completeness.seen)
        return problem === undefined ? Effect.succeed(views) : Effect.fail(problem)
      })
    const values: Array<unknown> = []
    let failure: ResultError | undefined
    const hold = new Hold(services.memory)
    const results = Window.load(
      services,
      rows(-1),
      (view, prepared) => loadPrepared(services, view, prepared),
      hold.add
    )
    const walk = Stream.runForEachArray(results, (results) => {
      for (const result of results) {
        if (Result.isSuccess(result)) values.push(result.success)
        else return Effect.fail(failure = result.failure)
      }
      const { refusal } = hold
      return refusal === undefined ? Effect.void : Effect.fail(resultError(parent, refusal))
    })
    return Effect.andThen(Children.tell(parent, -1), walk).pipe(
      Effect.catchIf((error) => error === failure, () => Stream.runDrain(rows(completeness.last))),
      Effect.flatMap(() => {
        const problem = completeness.finish() ?? failure
        return problem === undefined ? Effect.succeed(values) : Effect.fail(problem)
      }),
      Effect.ensuring(Effect.sync(() => hold.release()))
    )
  })
