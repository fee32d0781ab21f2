/**
 * `TaskRun`: a view of a task run, its result loaded lazily and once, and its mapped children.
 *
 * @since 0.1.0
 */
import type { PrefectApi } from "@effect-prefect/api/PrefectApi"
import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import type { LogEntry, LogLevel } from "@effect-prefect/core/LogEntry"
import type { StateRecord } from "@effect-prefect/core/StateRecord"
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import * as Effect from "effect/Effect"
import type * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { env } from "./internal/run/load.ts"
import type { PollOptions } from "./internal/run/polling.ts"
import { outcome, TaskRunImpl } from "./internal/run/taskRun.ts"
import * as Window from "./internal/run/window.ts"
import type { ResultError } from "./ResultError.ts"
import type { ResultStorage } from "./ResultStorage.ts"

/**
 * What loading a result may fail with. The backend is asked only for the children of a mapped parent.
 *
 * @category errors
 * @since 0.1.0
 */
export type TaskRunError = ResultError | PrefectApiError

/**
 * How the loading of one result ended, as data.
 *
 * @category models
 * @since 0.1.0
 */
export interface Outcome {
  readonly taskRun: TaskRun
  readonly result: Result.Result<unknown, TaskRunError>
}

/**
 * How far the children of a mapped task have come.
 *
 * @category models
 * @since 0.1.0
 */
export interface MappedProgress {
  /** `n_map_states`; null where the state does not say. */
  readonly expected: number | null
  /** How many children there are. */
  readonly found: number
  /** How many are in which state, by the state's name. */
  readonly states: Readonly<Record<string, number>>
}

/**
 * A task run. Everything on it is lazy and needs no services: what it needs was taken when it was made.
 *
 * @category models
 * @since 0.1.0
 */
export interface TaskRun {
  /** What the backend said when this was made. */
  readonly view: TaskRunView
  /**
   * The result, as plain data. Loaded at the first call, once for any number of concurrent callers; a success is kept,
   * a failure is not. For a mapped parent: the results of its children in map order, or the first failing child's error.
   */
  readonly getResult: Effect.Effect<unknown, TaskRunError>
  /** The result, decoded by a schema. What it refuses is ResultDecodeError, which never shows the value. */
  readonly getResultAs: <A, E, RD, RE>(
    schema: Schema.Codec<A, E, RD, RE>
  ) => Effect.Effect<A, TaskRunError, RD>
  /** The bytes as they were stored. They are not kept. */
  readonly getResultBytes: Effect.Effect<Uint8Array, ResultError>
  /** The mapped children in map order, page by page as they are pulled. */
  readonly iterMapped: Stream.Stream<TaskRun, TaskRunError>
  /** As `iterMapped`, from the child after this map index on. */
  readonly iterMappedAfter: (mapIndex: number) => Stream.Stream<TaskRun, TaskRunError>
  /** Each mapped child's result in map order, a failure as data; loaded concurrently as they are pulled. */
  readonly outcomes: Stream.Stream<Outcome, TaskRunError>
  /** As `outcomes`, from the child after this map index on. */
  readonly outcomesAfter: (mapIndex: number) => Stream.Stream<Outcome, TaskRunError>
  /**
   * As `outcomes`, of the children with a map index above `after` and below `until` (null: no end). It reads no rows and
   * no results beyond the range, and does not judge whether the children in it are complete.
   */
  readonly outcomesBetween: (after: number, until: number | null) => Stream.Stream<Outcome, TaskRunError>
  /** How far the mapped children have come, counted by the backend in one query. */
  readonly mappedProgress: Effect.Effect<MappedProgress, TaskRunError>
  /**
   * Waits until it has finished, and for a mapped parent until its children have, then loads its result. When that
   * takes longer than `timeout` it fails with NotFinished.
   */
  readonly awaitResult: (options?: PollOptions) => Effect.Effect<unknown, TaskRunError>
  /** Every state that it had, oldest first, with the times. */
  readonly states: Effect.Effect<ReadonlyArray<StateRecord>, PrefectApiError>
  /** Its log in the order of (timestamp, id), from a level up. */
  readonly logs: (options?: { readonly level?: LogLevel | undefined }) => Stream.Stream<LogEntry, PrefectApiError>
  /** Asks the backend again. A loaded result is kept while the state, and with it the descriptor, is unchanged. */
  readonly getLatest: Effect.Effect<TaskRun, PrefectApiError>
}

/**
 * The task run of an id. Its result is not loaded.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromTaskRunId = Effect.fn("TaskRun.fromTaskRunId")(function*(
  taskRunId: string
): Effect.fn.Return<TaskRun, PrefectApiError, PrefectApi | ResultStorage> {
  const services = yield* env
  return new TaskRunImpl(services, yield* services.api.taskRun(taskRunId))
})

/**
 * The run of a task in a flow run, by its slug (e.g. `extract-1`), and by its map index for a mapped child.
 *
 * On Prefect 3 the slug is a task key, or its qualified name, and a map index is UnsupportedByBackend.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromTaskSlug = Effect.fn("TaskRun.fromTaskSlug")(function*(options: {
  readonly taskSlug: string
  readonly flowRunId: string
  /** Default -1: not a mapped child. */
  readonly mapIndex?: number | undefined
}): Effect.fn.Return<TaskRun, PrefectApiError, PrefectApi | ResultStorage> {
  const services = yield* env
  const { flowRunId, mapIndex = -1, taskSlug } = options
  return new TaskRunImpl(services, yield* services.api.taskRunBySlug({ taskSlug, flowRunId, mapIndex }))
})

/**
 * The task run of a view that is already there. Asks nobody.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromView = (view: TaskRunView): Effect.Effect<TaskRun, never, PrefectApi | ResultStorage> =>
  Effect.map(env, (services) => new TaskRunImpl(services, view))

/**
 * Each view's own result in the order of the views, a failure as data; loaded concurrently as they are pulled.
 *
 * A mapped parent has no result of its own here: its children are loaded only where their views are given too.
 *
 * @category combinators
 * @since 0.1.0
 */
export const outcomesOf = <E, R>(
  views: Stream.Stream<TaskRunView, E, R>
): Stream.Stream<Outcome, E, R | PrefectApi | ResultStorage> =>
  Stream.unwrap(Effect.map(env, (services) => Window.load(services, views, (view) => outcome(services, view))))
