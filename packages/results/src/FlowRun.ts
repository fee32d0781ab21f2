/**
 * `FlowRun`: a view of a flow run, and the task runs, logs and results in it.
 *
 * **Example** (The results of a flow run)
 *
 * ```ts
 * import { PrefectApi } from "@effect-prefect/api"
 * import { FlowRun } from "@effect-prefect/results"
 * import { Effect, Stream } from "effect"
 *
 * export const failures = (flowRunId: string) =>
 *   Effect.gen(function*() {
 *     const flowRun = yield* FlowRun.fromFlowRunId(flowRunId)
 *     return yield* flowRun.results.pipe(
 *       Stream.filter(({ result }) => result._tag === "Failure"),
 *       Stream.map(({ taskRun }) => `${taskRun.view.taskSlug} ${taskRun.view.mapIndex}`),
 *       Stream.runCollect
 *     )
 *   })
 *
 * export const latest = (flowName: string) =>
 *   Effect.gen(function*() {
 *     const api = yield* PrefectApi.PrefectApi
 *     const [view] = yield* Stream.runCollect(Stream.take(api.flowRuns({ flowName }), 1))
 *     return view === undefined ? undefined : yield* FlowRun.fromView(view)
 *   })
 * ```
 *
 * @since 0.1.0
 */
import type { TaskRunsQuery } from "@effect-prefect/api/Backend"
import type { PrefectApi } from "@effect-prefect/api/PrefectApi"
import { PrefectApiError, TaskRunNotFound } from "@effect-prefect/api/PrefectApiError"
import type { Artifact } from "@effect-prefect/core/Artifact"
import type { FlowRunView } from "@effect-prefect/core/FlowRunView"
import type { FlowView } from "@effect-prefect/core/FlowView"
import type { LogEntry, LogLevel } from "@effect-prefect/core/LogEntry"
import * as State from "@effect-prefect/core/State"
import type { StateRecord } from "@effect-prefect/core/StateRecord"
import { estimate } from "@effect-prefect/formats/ValueSize"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { flowRunOutcomes } from "./internal/run/flowRunOutcomes.ts"
import { decodeAs, load, loadBytes, type Services, services } from "./internal/run/load.ts"
import { memoize } from "./internal/run/memoize.ts"
import { awaitSettled, type PollOptions } from "./internal/run/polling.ts"
import { TaskRunImpl } from "./internal/run/taskRun.ts"
import * as Telemetry from "./internal/run/telemetry.ts"
import type { ResultError } from "./ResultError.ts"
import type { ResultStorage } from "./ResultStorage.ts"
import type { Outcome, TaskRun } from "./TaskRun.ts"
import * as Watch from "./Watch.ts"

/**
 * Selects a task run by its slug, its id, or both, which must then agree. `mapIndex` applies to either; -1, the default
 * with a slug, means that it is not a mapped child.
 *
 * @category models
 * @since 0.1.0
 */
export type TaskRunSelector =
  | { readonly taskSlug: string; readonly taskRunId?: string | undefined; readonly mapIndex?: number | undefined }
  | { readonly taskSlug?: undefined; readonly taskRunId: string; readonly mapIndex?: number | undefined }

/**
 * A flow run. Every member is lazy and requires no services: they were captured when it was made.
 *
 * @category models
 * @since 0.1.0
 */
export interface FlowRun {
  /** The view that the backend returned when this was made. */
  readonly view: FlowRunView
  /** The parameters; empty when there are none. */
  readonly parameters: NonNullable<FlowRunView["parameters"]>
  /** The states that it went through, oldest first. */
  readonly states: Effect.Effect<ReadonlyArray<StateRecord>, PrefectApiError>
  /** The flow. */
  readonly flow: Effect.Effect<FlowView, PrefectApiError>
  /** The task runs, page by page on demand. */
  readonly taskRuns: (filter?: Omit<TaskRunsQuery, "flowRunId">) => Stream.Stream<TaskRun, PrefectApiError>
  /**
   * One of its task runs. A finished one is cached, together with its result once it is loaded. The results take no more
   * than a quarter of `maxMemory`: the oldest task runs are then requested and loaded again.
   */
  readonly getTaskRun: (selector: TaskRunSelector) => Effect.Effect<TaskRun, PrefectApiError>
  /** The log in the order of (timestamp, id), at a level and above. */
  readonly logs: (options?: { readonly level?: LogLevel | undefined }) => Stream.Stream<LogEntry, PrefectApiError>
  /** The artifacts that its tasks created. */
  readonly artifacts: Stream.Stream<Artifact, PrefectApiError>
  /**
   * The flow run's own result: the return value of its function, which Prefect 2 and 3 store. Cached like a task run's:
   * loaded once for any number of callers, and a failure is not kept. On Prefect 1 it is the result of the final state,
   * which hardly any flow has; otherwise the error is NotPersisted.
   */
  readonly getResult: Effect.Effect<unknown, ResultError>
  /** `getResult`, decoded by a schema. */
  readonly getResultAs: <A, E, RD, RE>(
    schema: Schema.Codec<A, E, RD, RE>
  ) => Effect.Effect<A, ResultError, RD>
  /** The flow run's own result as it was stored. */
  readonly getResultBytes: Effect.Effect<Uint8Array, ResultError>
  /** `getResult`, once the flow run has finished. Polls until then, and survives outages of the backend. */
  readonly awaitResult: (
    options?: PollOptions
  ) => Effect.Effect<unknown, ResultError | PrefectApiError | Watch.WaitTimeout>
  /**
   * The outcome of each task run: by slug in Unicode code point order, each mapped parent before its children, and task
   * runs without a task last. Each stored result is read once.
   */
  readonly results: Stream.Stream<Outcome, PrefectApiError>
  /**
   * State changes and log lines as they happen. Ends when the run has finished and its late lines have arrived, survives
   * outages of the backend, and neither loses nor repeats an event.
   */
  readonly watch: (
    options?: Watch.WatchOptions
  ) => Stream.Stream<Watch.WatchEvent, PrefectApiError | Watch.WaitTimeout>
  /** Requests the flow run again. */
  readonly getLatest: Effect.Effect<FlowRun, PrefectApiError>
}

/** The number of finished task runs in the cache; the oldest one is evicted. */
const maxCached = 10_000

/** The part of the memory, as a divisor, that cached results may take. */
const cachedResults = 4

/** The finished task runs that were requested: they do not change any more. */
class TaskRunCache {
  private readonly byId = new Map<string, TaskRun>()
  private readonly byPlace = new Map<string, string>()
  /** The estimated bytes of the results that are loaded, in the order in which they were. */
  private readonly sizes = new Map<string, number>()
  private size = 0
  private readonly maxSize: number

  constructor({ options: { maxMemory } }: Services) {
    this.maxSize = maxMemory / cachedResults
  }

  private place(taskSlug: string | null, mapIndex: number): string {
    return `${mapIndex}/${taskSlug}`
  }
  get(selector: TaskRunSelector): TaskRun | undefined {
    const id = selector.taskRunId ?? this.byPlace.get(this.place(selector.taskSlug ?? null, selector.mapIndex ?? -1))
    return id === undefined ? undefined : this.byId.get(id)
  }
  keep(taskRun: TaskRun): void {
    const { view } = taskRun
    if (!State.isFinished(view.state)) return
    this.byId.set(view.taskRunId, taskRun)
    // Many task runs of Prefect 2 and 3 have the same slug and no map index.
    if (isPrefect3(view.state)) return
    this.byPlace.set(this.place(view.taskSlug, view.mapIndex), view.taskRunId)
    if (this.byId.size <= maxCached) return
    const [oldest] = this.byId.values()
    this.evict(oldest!)
  }
  /** The result of a task run has been loaded. */
  loaded(taskRun: TaskRun, value: unknown): void {
    const { taskRunId } = taskRun.view
    if (this.byId.get(taskRunId) !== taskRun) return
    const size = estimate(value)
    if (size > this.maxSize) return this.evict(taskRun)
    this.size += size - (this.sizes.get(taskRunId) ?? 0)
    this.sizes.set(taskRunId, size)
    for (const id of this.sizes.keys()) {
      if (this.size <= this.maxSize) return
      this.evict(this.byId.get(id)!)
    }
  }
  private evict({ view }: TaskRun): void {
    this.byId.delete(view.taskRunId)
    const place = this.place(view.taskSlug, view.mapIndex)
    if (this.byPlace.get(place) === view.taskRunId) this.byPlace.delete(place)
    this.size -= this.sizes.get(view.taskRunId) ?? 0
    this.sizes.delete(view.taskRunId)
  }
}

const isPrefect3 = (state: State.State): boolean => state._tag !== "UnknownState" && state.prefect3 !== undefined

/** The part of the request that a task run does not match; undefined when it matches all of it. */
const disagreement = (taskRun: TaskRun, selector: TaskRunSelector, flowRunId: string): string | undefined => {
  const { view } = taskRun
  if (view.flowRunId !== flowRunId) return `it belongs to flow run ${view.flowRunId}`
  if (selector.taskSlug !== undefined && view.taskSlug !== selector.taskSlug) return `its slug is ${view.taskSlug}`
  if (selector.mapIndex !== undefined && view.mapIndex !== selector.mapIndex) return `its map index is ${view.mapIndex}`
  return undefined
}

/** The text for `console.log` and templates. Parameters may contain any data, so they are not shown. */
const printed = (view: FlowRunView) => {
  const toString = () =>
    `FlowRun(flowRunId=${view.flowRunId}, name=${view.name}, flowId=${view.flowId}, state=${
      State.typeName(view.state)
    })`
  return { toString, [Symbol.for("nodejs.util.inspect.custom")]: toString }
}

type Loading = Effect.Effect<unknown, ResultError>

/** `loading` is the cached result of an earlier view in the same state. */
const make = (captured: Services, view: FlowRunView, cache: TaskRunCache, loading?: Loading): FlowRun => {
  const { api } = captured
  const flowRunId = view.flowRunId

  const getTaskRun = Effect.fn("FlowRun.getTaskRun")(function*(
    selector: TaskRunSelector
  ): Effect.fn.Return<TaskRun, PrefectApiError> {
    const known = cache.get(selector)
    const taskRun: TaskRun = known ?? new TaskRunImpl(
      captured,
      selector.taskRunId === undefined
        ? yield* api.taskRunBySlug({ taskSlug: selector.taskSlug ?? "", flowRunId, mapIndex: selector.mapIndex ?? -1 })
        : yield* api.taskRun(selector.taskRunId),
      undefined,
      (value) => cache.loaded(taskRun, value)
    )
    // Prefect 3 also finds a task by its qualified name, so the slug of the found task run may differ.
    const problem = selector.taskRunId === undefined ? undefined : disagreement(taskRun, selector, flowRunId)
    if (problem !== undefined) {
      return yield* new PrefectApiError({
        operation: "getTaskRun",
        reason: new TaskRunNotFound({ query: `${selector.taskRunId} as requested (${problem})` })
      })
    }
    if (known === undefined) cache.keep(taskRun)
    return taskRun
  })

  const getResult = loading ?? memoize(
    () => Telemetry.spanned("FlowRun.getResult", { "prefect.flow_run.id": view.flowRunId }, load(captured, view))
  )
  const getLatest = Effect.map(
    api.flowRun(flowRunId),
    (latest) => make(captured, latest, cache, Equal.equals(latest.state, view.state) ? getResult : undefined)
  )

  const flowRun: FlowRun = {
    ...printed(view),
    view,
    parameters: view.parameters ?? {},
    states: api.flowRunStates(flowRunId),
    flow: Effect.suspend(() => api.flow(view.flowId ?? "")),
    taskRuns: (filter) =>
      Stream.map(
        api.taskRuns({ ...filter, flowRunId }, { pageSize: captured.options.pageSize }),
        (taskRun) => new TaskRunImpl(captured, taskRun)
      ),
    getTaskRun,
    logs: (options) => api.logs({ flowRunId, level: options?.level }),
    artifacts: api.artifacts({ flowRunId }),
    getResult,
    getResultAs: (schema) => decodeAs(view, getResult, schema),
    getResultBytes: Effect.suspend(() => loadBytes(captured, view)),
    awaitResult: (options) =>
      Effect.flatMap(
        awaitSettled<FlowRun, Watch.WaitTimeout>(flowRun, {
          getLatest: (latest) => latest.getLatest,
          isSettled: ({ view }) => Effect.succeed(State.isFinished(view.state)),
          timedOut: ({ view }, timeout) =>
            new Watch.WaitTimeout({ runId: view.flowRunId, state: State.typeName(view.state), timeout })
        }, options),
        (finished) => finished.getResult
      ),
    results: Telemetry.walk(
      "FlowRun.results",
      { "prefect.flow_run.id": flowRunId },
      flowRunOutcomes(captured, flowRunId)
    ),
    watch: (options) => Watch.watch(api, flowRunId, options),
    getLatest
  }
  return flowRun
}

/**
 * Fetches a flow run by its id.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromFlowRunId = Effect.fn("FlowRun.fromFlowRunId")(function*(
  flowRunId: string
): Effect.fn.Return<FlowRun, PrefectApiError, PrefectApi | ResultStorage> {
  yield* Effect.annotateCurrentSpan({ "prefect.flow_run.id": flowRunId })
  const captured = yield* services
  return make(captured, yield* captured.api.flowRun(flowRunId), new TaskRunCache(captured))
})

/**
 * Wraps a view that you already have. Makes no request.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromView = (view: FlowRunView): Effect.Effect<FlowRun, never, PrefectApi | ResultStorage> =>
  Effect.map(services, (captured) => make(captured, view, new TaskRunCache(captured)))
