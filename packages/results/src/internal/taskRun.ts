import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as SchemaIssue from "effect/SchemaIssue"
import * as Stream from "effect/Stream"
import { ResultDecodeError, type ResultError } from "../ResultError.ts"
import type { Outcome, TaskRun, TaskRunError } from "../TaskRun.ts"
import * as Children from "./children.ts"
import { type Env, load, loadBytes, resultError } from "./load.ts"
import { memoize } from "./memoize.ts"

export class TaskRunImpl implements TaskRun {
  readonly view: TaskRunView
  readonly #env: Env
  readonly #memo: { result: Effect.Effect<unknown, TaskRunError> }
  #loaded: boolean

  constructor(env: Env, view: TaskRunView, memo?: { result: Effect.Effect<unknown, TaskRunError> }) {
    this.#env = env
    this.view = view
    this.#loaded = memo !== undefined
    this.#memo = memo ?? {
      result: memoize(Effect.tap(
        Effect.suspend((): Effect.Effect<unknown, TaskRunError> =>
          Children.isParent(view) ? loadChildren(env, view) : load(env, view)
        ),
        () => Effect.sync(() => this.#loaded = true)
      ))
    }
  }

  get getResult(): Effect.Effect<unknown, TaskRunError> {
    return this.#memo.result
  }
  getResultAs<A, E, RD, RE>(schema: Schema.Codec<A, E, RD, RE>): Effect.Effect<A, TaskRunError, RD> {
    const decode = Schema.decodeUnknownEffect(schema)
    return Effect.flatMap(
      this.getResult,
      (value) =>
        Effect.mapError(
          decode(value),
          (error) => resultError(this.view, new ResultDecodeError({ problem: describeIssue(error.issue) }))
        )
    )
  }
  get getResultBytes(): Effect.Effect<Uint8Array, ResultError> {
    return Effect.suspend(() => loadBytes(this.#env, this.view))
  }
  get iterMapped(): Stream.Stream<TaskRun, TaskRunError> {
    return this.iterMappedAfter(-1)
  }
  iterMappedAfter(mapIndex: number): Stream.Stream<TaskRun, TaskRunError> {
    return Stream.mapArray(
      Children.childViews(this.#env, this.view, mapIndex),
      (views) => mapNonEmpty(views, (view) => new TaskRunImpl(this.#env, view))
    )
  }
  get outcomes(): Stream.Stream<Outcome, TaskRunError> {
    return this.outcomesAfter(-1)
  }
  outcomesAfter(mapIndex: number): Stream.Stream<Outcome, TaskRunError> {
    const env = this.#env
    return Stream.mapArrayEffect(
      Children.childViews(env, this.view, mapIndex),
      (views) => Effect.map(Children.loadAll(env, views, (view) => outcome(env, view)), nonEmpty)
    )
  }
  get getLatest(): Effect.Effect<TaskRun, PrefectApiError> {
    return Effect.map(this.#env.api.taskRun(this.view.taskRunId), (view) => {
      const same = Equal.equals(view.state, this.view.state)
      const latest = new TaskRunImpl(this.#env, view, same ? this.#memo : undefined)
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

export const nonEmpty = <A>(array: Array<A>) => array as [A, ...Array<A>]
const mapNonEmpty = <A, B>(array: ReadonlyArray<A>, f: (a: A) => B) => nonEmpty(array.map(f))

/** A view's own result, as data. */
export const outcome = (env: Env, view: TaskRunView): Effect.Effect<Outcome> =>
  Effect.map(Effect.result(load(env, view)), (result) => ({
    taskRun: new TaskRunImpl(
      env,
      view,
      Result.isSuccess(result) ? { result: Effect.succeed(result.success) } : undefined
    ),
    result
  }))

/**
 * The results of all children. Their completeness is judged before any child's own failure, so after a failure the rows
 * are still walked to the end, but nothing more is read.
 */
const loadChildren = (env: Env, parent: TaskRunView): Effect.Effect<Array<unknown>, TaskRunError> =>
  Effect.suspend(() => {
    const problem = Children.notAParent(env, parent) ?? Children.expectedTooMany(env, parent)
    if (problem !== undefined) return Effect.fail(problem)
    const completeness = new Children.Completeness(parent, -1)
    const values: Array<unknown> = []
    let failure: ResultError | undefined
    return Stream.runForEachArray(Children.rows(env, parent, -1), (views) => {
      for (const view of views) completeness.see(view)
      const problem = Children.tooMany(env, parent, completeness.seen)
      if (problem !== undefined) return Effect.fail(problem)
      if (failure !== undefined) return Effect.void
      return Effect.map(Children.loadAll(env, views, (view) => Effect.result(load(env, view))), (results) => {
        for (const result of results) {
          if (Result.isSuccess(result)) values.push(result.success)
          else {
            failure = result.failure
            break
          }
        }
      })
    }).pipe(Effect.flatMap(() => {
      const problem = completeness.finish() ?? failure
      return problem === undefined ? Effect.succeed(values) : Effect.fail(problem)
    }))
  })

const describeIssue = (issue: SchemaIssue.Issue): string => `the schema refuses it (${issue._tag})`
