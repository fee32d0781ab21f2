/**
 * `TaskRun`: a view of a task run, its lazily loaded and cached result, and its mapped children.
 *
 * **Example** (Results, and the outcomes of mapped children)
 *
 * ```ts
 * import { ArchiveApi } from "@effect-prefect/api"
 * import { LocalStorage, TaskRun } from "@effect-prefect/results"
 * import * as Sample from "@effect-prefect/results/sample"
 * import { Effect, Layer, Stream } from "effect"
 *
 * export const program = Effect.gen(function*() {
 *   const summary = yield* TaskRun.fromTaskRunId(Sample.taskRunId)
 *   const score = yield* TaskRun.fromTaskSlug({ taskSlug: "score-1", flowRunId: Sample.flowRunId })
 *   const again = yield* TaskRun.fromView(summary.view) // without a request
 *   return {
 *     summary: yield* again.getResult,
 *     failed: yield* Stream.runCount(Stream.filter(score.outcomes, ({ result }) => result._tag === "Failure"))
 *   }
 * }).pipe(Effect.provide(Layer.merge(
 *   ArchiveApi.layer(Sample.directory),
 *   LocalStorage.layerArchive(Sample.directory)
 * )))
 * ```
 *
 * @since 0.1.0
 */
import type { PrefectApi } from "@effect-prefect/api/PrefectApi"
import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { services } from "./internal/run/load.ts"
import type { Outcome, TaskRun } from "./internal/run/model.ts"
import { outcome, TaskRunImpl } from "./internal/run/taskRun.ts"
import * as Window from "./internal/run/window.ts"
import type { ResultStorage } from "./ResultStorage.ts"

export type { MappedStateCounts, Outcome, TableOptions, TaskRun, TaskRunError } from "./internal/run/model.ts"
/**
 * Fetches a task run by its id, without its result.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromTaskRunId = Effect.fn("TaskRun.fromTaskRunId")(function*(
  taskRunId: string
): Effect.fn.Return<TaskRun, PrefectApiError, PrefectApi | ResultStorage> {
  yield* Effect.annotateCurrentSpan({ "prefect.task_run.id": taskRunId })
  const captured = yield* services
  return new TaskRunImpl(captured, yield* captured.api.taskRun(taskRunId))
})

/**
 * Fetches the run of a task in a flow run by its slug (e.g. `extract-1`), and optionally a mapped child by its map
 * index.
 *
 * On Prefect 2 and 3 the slug is a task key, or the name of the task's function. On Prefect 2, a map index is the
 * number of the call, which counts all calls of the task in the flow run; on Prefect 3 it fails with
 * UnsupportedByBackend.
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
  const captured = yield* services
  const { flowRunId, mapIndex = -1, taskSlug } = options
  yield* Effect.annotateCurrentSpan({
    "prefect.flow_run.id": flowRunId,
    "prefect.task.slug": taskSlug,
    "prefect.map_index": mapIndex
  })
  return new TaskRunImpl(captured, yield* captured.api.taskRunBySlug({ taskSlug, flowRunId, mapIndex }))
})

/**
 * Wraps a view that you already have. Makes no request.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromView = (view: TaskRunView): Effect.Effect<TaskRun, never, PrefectApi | ResultStorage> =>
  Effect.map(services, (captured) => new TaskRunImpl(captured, view))

/**
 * The own result of each view in the order of the views, with failures as data; loaded concurrently on demand.
 *
 * A mapped parent has no result of its own here: its children are loaded only if their views are given too.
 *
 * @category combinators
 * @since 0.1.0
 */
export const outcomesOf = <E, R>(
  views: Stream.Stream<TaskRunView, E, R>
): Stream.Stream<Outcome, E, R | PrefectApi | ResultStorage> =>
  Stream.unwrap(
    Effect.map(services, (captured) =>
      Window.load(captured, views, (view, prepared) => outcome(captured, view, prepared)))
  )
