import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import * as Turn from "@effect-prefect/core/Turn"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as Progress from "../../Progress.ts"
import type { ResultTooLarge } from "../../ResultError.ts"
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
      return Stream.unwrap(Effect.flatMap(Progress.Current, (callbacks) =>
        callbacks === undefined
          ? Effect.succeed(outcomes)
          : Effect.map(expected(first, isAlone), (count) => {
            callbacks.onStart(count)
            return outcomes
          })))
    }
  ))

/** The number of task runs that are counted without giving way. */
const countedAtOnce = 4_096

/** The number of results to load: those of parents are assembled. */
const expected = Effect.fnUntraced(function*(
  views: ReadonlyArray<TaskRunView>,
  isAlone: (view: TaskRunView) => boolean
): Effect.fn.Return<number | null> {
  let sum = 0
  for (const [at, view] of views.entries()) {
    if (at % countedAtOnce === countedAtOnce - 1) yield* Turn.share
    const own = isAlone(view) ? 1 : Children.isParent(view) ? Children.expectedOf(view) : null
    if (own === null) return null
    sum += own
  }
  return sum
})

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
    const held = new HeldChildren(services)
    const rows = Stream.mapArray(Children.rows(services, parent, -1, completeness), (views) => {
      for (const view of views) completeness.see(view)
      return views
    })
    return Stream.transformPull(
      load(services, rows, (bytes) => held.take(bytes)),
      (pull) => Effect.succeed(parentFirst(services, parent, completeness, held, pull))
    ).pipe(Stream.ensuring(Effect.sync(() => held.release())))
  })

/**
 * The children that are held back until their parent is known, in the arrays in which they were loaded. Once it is, they
 * are given array by array, and each array is let go of before more is loaded into the memory that it took.
 */
class HeldChildren {
  readonly #hold: Hold
  #arrays: Array<{ readonly outcomes: ReadonlyArray<Outcome>; readonly bytes: number }> = []
  #given = 0
  #taken = 0
  /** The bytes of the array that the consumer is at work on. */
  #atWork = 0
  /** The number of children that were held back. */
  size = 0

  constructor(services: Services) {
    this.#hold = new Hold(services.memory)
  }

  get refusal(): ResultTooLarge | undefined {
    return this.#hold.refusal
  }

  /** Receives the memory of a child of the next array. */
  take(bytes: number): void {
    this.#hold.add(bytes)
    this.#taken += bytes
  }

  push(outcomes: ReadonlyArray<Outcome>): void {
    this.#arrays.push({ outcomes, bytes: this.#taken })
    this.#taken = 0
    this.size += outcomes.length
  }

  *[Symbol.iterator](): Generator<Outcome> {
    for (const { outcomes } of this.#arrays) yield* outcomes
  }

  /** The consumer pulls again: it is done with the array before. */
  private done(): void {
    this.#hold.remove(this.#atWork)
    this.#atWork = 0
  }

  /** The next array; undefined after the last one. */
  next(): NonEmptyReadonlyArray<Outcome> | undefined {
    this.done()
    if (this.#given === this.#arrays.length) return undefined
    const { bytes, outcomes } = this.#arrays[this.#given]!
    this.#arrays[this.#given++] = nothing
    this.#atWork = bytes
    return outcomes as NonEmptyReadonlyArray<Outcome>
  }

  /** An array that is not held back, but given at once. */
  pass(): void {
    this.#atWork = this.#taken
    this.#taken = 0
  }

  release(): void {
    this.#arrays = []
    this.#hold.release()
  }
}

const nothing = { outcomes: [], bytes: 0 }

type Loaded = Pull.Pull<NonEmptyReadonlyArray<Outcome>, PrefectApiError>

const parentFirst = (
  services: Services,
  parent: TaskRunView,
  completeness: Children.Completeness,
  held: HeldChildren,
  pull: Loaded
): Loaded => {
  let isKnown = false
  let end: Cause.Cause<PrefectApiError | Cause.Done> | undefined
  const known = (outcome: Outcome): NonEmptyReadonlyArray<Outcome> => {
    isKnown = true
    return [outcome]
  }
  const collect: Loaded = Effect.suspend(() =>
    Effect.matchCauseEffect(pull, {
      onFailure: (cause): Loaded => {
        if (!Pull.isDoneCause(cause)) return Effect.failCause(cause)
        end = cause
        return Effect.succeed(known(parentOutcome(services, parent, completeness, held)))
      },
      onSuccess: (outcomes): Loaded => {
        held.push(outcomes)
        const { refusal } = held
        const tooMany = Children.tooMany(services, parent, held.size) ??
          (refusal === undefined ? undefined : resultError(parent, refusal))
        return tooMany === undefined ? collect : Effect.succeed(known(failed(services, parent, tooMany)))
      }
    })
  )
  return Effect.suspend((): Loaded => {
    if (!isKnown) return collect
    const next = held.next()
    if (next !== undefined) return Effect.succeed(next)
    return end === undefined ? Effect.tap(pull, () => Effect.sync(() => held.pass())) : Effect.failCause(end)
  })
}

const parentOutcome = (
  services: Services,
  parent: TaskRunView,
  completeness: Children.Completeness,
  children: Iterable<Outcome>
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
