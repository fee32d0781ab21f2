import { PrefectApiError, UnsupportedByBackend } from "@effect-prefect/api/PrefectApiError"
import { Listener } from "@effect-prefect/api/RowProblem"
import type { Mapped } from "@effect-prefect/core/State"
import * as State from "@effect-prefect/core/State"
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Progress from "../../Progress.ts"
import { ChildrenIncomplete, NotMapped, type ResultError, ResultTooLarge } from "../../ResultError.ts"
import { resultError, type Services } from "./load.ts"
import * as Telemetry from "./telemetry.ts"

/** Whether a view is the parent of mapped children. A child whose own state is Mapped is not a parent. */
export const isParent = (view: TaskRunView): view is TaskRunView & { readonly state: Mapped } =>
  State.isMapped(view.state) && view.mapIndex < 0

/** `n_map_states`, if the state has it. */
export const expectedOf = (parent: TaskRunView): number | null =>
  State.isMapped(parent.state) ? parent.state.nMapStates ?? null : null

/**
 * Checks the map indices of a traversal. A gap, a duplicate or a surplus does not stop the traversal: the existing
 * children are emitted first, then the problem.
 */
export class Completeness {
  private next: number
  private found = 0
  private leftOut = 0
  private problem: string | undefined
  private readonly expected: number | null
  private readonly parent: TaskRunView

  constructor(parent: TaskRunView, after: number) {
    this.parent = parent
    this.next = after + 1
    this.expected = expectedOf(parent)
  }

  /** The children seen so far. */
  get seen(): number {
    return this.found
  }

  /** The map index of the last child. */
  get last(): number {
    return this.next - 1
  }

  see(child: TaskRunView): void {
    this.found++
    if (this.problem === undefined && this.expected !== null) {
      if (child.mapIndex >= this.expected) {
        this.problem = `there is a child ${child.mapIndex}, and n_map_states is ${this.expected}`
      } else if (child.mapIndex > this.next) this.problem = `child ${this.next} is missing`
    }
    if (this.problem === undefined && child.mapIndex < this.next) {
      this.problem = `there are two children ${child.mapIndex}`
    }
    this.next = child.mapIndex + 1
  }

  /** A row of a child, or of what should be one, cannot be decoded. */
  leaveOut(): void {
    this.leftOut++
  }

  /** The error that ends the traversal. */
  finish(): ResultError | undefined {
    if (this.leftOut > 0) return leftOutError(this.parent, this.leftOut, this.found)
    if (this.problem === undefined && this.expected !== null && this.next < this.expected) {
      this.problem = `child ${this.next} is missing, and n_map_states is ${this.expected}`
    }
    return this.problem === undefined ? undefined : resultError(
      this.parent,
      new ChildrenIncomplete({ detail: this.problem, found: this.found, expected: this.expected })
    )
  }
}

const leftOutError = (parent: TaskRunView, leftOut: number, found: number): ResultError =>
  resultError(
    parent,
    new ChildrenIncomplete({
      detail: leftOut === 1 ? "the row of one child cannot be read" : `the rows of ${leftOut} children cannot be read`,
      found,
      expected: expectedOf(parent)
    })
  )

/** The rows of the mapped children, and at the end whether they were complete. */
export const childViews = (
  services: Services,
  parent: TaskRunView,
  after: number
): Stream.Stream<TaskRunView, ResultError | PrefectApiError> =>
  Stream.suspend((): Stream.Stream<TaskRunView, ResultError | PrefectApiError> => {
    const problem = notAParent(services, parent)
    if (problem !== undefined) return Stream.fail(problem)
    const completeness = new Completeness(parent, after)
    const views = rows(services, parent, after, completeness).pipe(
      Stream.mapArray((views) => {
        for (const view of views) completeness.see(view)
        return views
      }),
      Stream.concat(ending(completeness))
    )
    return Stream.unwrap(Effect.as(tell(parent, after), views))
  })

/**
 * The rows of the mapped children in a range of map indices. Does not check that they are complete, but fails at the end
 * when the row of one cannot be read.
 */
export const viewsBetween = (
  services: Services,
  parent: TaskRunView,
  after: number,
  until: number | null
): Stream.Stream<TaskRunView, ResultError | PrefectApiError> =>
  Stream.suspend(() => {
    const problem = notAParent(services, parent)
    if (problem !== undefined) return Stream.fail(problem)
    let found = 0
    let leftOut = 0
    const views = Stream.mapArray(
      pages(services, parent, { after, until: until ?? undefined }, () => {
        leftOut++
      }),
      (views) => {
        found += views.length
        return views
      }
    )
    const end = Stream.suspend(() => leftOut === 0 ? Stream.empty : Stream.fail(leftOutError(parent, leftOut, found)))
    return Stream.concat(views, end)
  })

/** Reports the number of remaining children to the callbacks. */
export const tell = (parent: TaskRunView, after: number): Effect.Effect<void> =>
  Effect.map(Progress.Current, (callbacks) => {
    if (callbacks === undefined) return
    const expected = expectedOf(parent)
    callbacks.onStart(expected === null ? null : Math.max(0, expected - after - 1))
  })

/** The end of a traversal: nothing, or ChildrenIncomplete. */
const ending = (completeness: Completeness): Stream.Stream<never, ResultError> =>
  Stream.suspend(() => {
    const problem = completeness.finish()
    return problem === undefined ? Stream.empty : Stream.fail(problem)
  })

/** The rows as the backend returns them, page by page. Tells a `completeness` of those that it leaves out. */
export const rows = (
  services: Services,
  parent: TaskRunView,
  after: number,
  completeness?: Completeness
): Stream.Stream<TaskRunView, PrefectApiError> =>
  pages(services, parent, { after }, completeness === undefined ? undefined : () => completeness.leaveOut())

const pages = (
  services: Services,
  parent: TaskRunView,
  range: { readonly after: number; readonly until?: number | undefined },
  onLeftOut?: () => void
): Stream.Stream<TaskRunView, PrefectApiError> => {
  const children = services.api.mappedChildren(
    { flowRunId: parent.flowRunId ?? "", taskId: parent.taskId ?? "" },
    { ...range, pageSize: services.options.pageSize }
  )
  return Stream.mapArrayEffect(
    onLeftOut === undefined ? children : listening(children, onLeftOut),
    (views) => Effect.as(Telemetry.page(views.length), views)
  )
}

/** Tells of each row that a listing leaves out, and whoever else listens. */
const listening = <A, E>(listing: Stream.Stream<A, E>, onLeftOut: () => void): Stream.Stream<A, E> =>
  Stream.unwrap(Effect.map(Listener, (outer) =>
    Stream.provideService(listing, Listener, (problem) => {
      outer?.(problem)
      onLeftOut()
    })))

/** The reason why a task run has no mapped children to traverse. */
export const notAParent = (services: Services, view: TaskRunView): ResultError | PrefectApiError | undefined => {
  const unsupported = (hint: string) =>
    new PrefectApiError({
      operation: "iterMapped",
      reason: new UnsupportedByBackend({ feature: "mapped children", backend: services.api.backendName, hint })
    })
  if (view.state._tag !== "UnknownState" && view.state.prefect3 !== undefined) {
    return unsupported("it does not record .map(); use siblings for the runs with the same task key")
  }
  if (!isParent(view)) return resultError(view, new NotMapped({ state: State.typeName(view.state) }))
  if (view.taskId === null || view.flowRunId === null) {
    return unsupported("this task run has no task or no flow run, so its children cannot be determined")
  }
  return undefined
}

/** Rejects a parent with more children than fit in one result. */
export const tooMany = (services: Services, parent: TaskRunView, count: number): ResultError | undefined =>
  count <= services.options.maxChildren ? undefined : resultError(
    parent,
    new ResultTooLarge({
      limit: services.options.maxChildren,
      unit: "children",
      ...(expectedOf(parent) === count ? { size: count } : {})
    })
  )

export const expectedTooMany = (services: Services, parent: TaskRunView): ResultError | undefined =>
  tooMany(services, parent, expectedOf(parent) ?? 0)
