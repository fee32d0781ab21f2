/** Splits a selection into parts. It requests counts, not rows. */
import type { PrefectApi } from "@effect-prefect/api/PrefectApi"
import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import type { FlowRunView } from "@effect-prefect/core/FlowRunView"
import * as State from "@effect-prefect/core/State"
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import { toText } from "@effect-prefect/formats/JsonProjection"
import type { ResultStorage } from "@effect-prefect/results/ResultStorage"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { CollectError, FlowRunUnfinished, NothingToCollect, Unsupported } from "../CollectError.ts"
import * as Plan from "../CollectPlan.ts"
import { childrenOf, cursorOf, isParent, type Tasks, tasksOf } from "./flowRuns.ts"
import { Needs } from "./needs.ts"
import { inferColumns } from "./typed.ts"

/** A task and the number of its mapped children. */
interface Task {
  readonly view: TaskRunView
  readonly taskId: string | undefined
  readonly found: number
  /** The number of children that the range must cover: the expected or the existing ones, whichever is larger. */
  readonly span: number
}

/** A flow run and its tasks, in order. */
interface Counted {
  readonly flowRunId: string
  readonly tasks: ReadonlyArray<Task>
  readonly rows: number
}

/** Distributes over the members of a union, which Omit alone does not. */
type WithoutNumber<A> = A extends unknown ? Omit<A, "part"> : never
type Piece = WithoutNumber<Plan.Part>

/** Tasks without children whose locations are sampled. */
const maxSample = 1000

const rowsOf = ({ found, view }: Task): number => found + (view.mapIndex < 0 || found === 0 ? 1 : 0)

const sum = (tasks: ReadonlyArray<Task>): number => tasks.reduce((rows, task) => rows + rowsOf(task), 0)

/** The most ranges for children that a state announces but that do not exist: the last one is open. */
const maxAnnounced = 10_000

/** The ranges of map indices of one task, each with `size` indices; the last one is open. */
const ranges = (flowRunId: string, task: Task, size: number): Array<Piece> => {
  const out: Array<Piece> = []
  const count = Math.max(
    1,
    Math.ceil(task.found / size),
    Math.min(maxAnnounced, Math.ceil(task.span / size))
  )
  for (let at = 0; at < count; at++) {
    const isLast = at === count - 1
    out.push({
      _tag: "Children",
      flowRunId,
      taskId: task.taskId!,
      taskRunId: task.view.taskRunId,
      taskSlug: task.view.taskSlug,
      after: at * size - 1,
      until: isLast ? null : (at + 1) * size,
      rows: task.found !== task.span ? null : isLast ? task.span - at * size : size
    })
  }
  return out
}

/**
 * Splits one flow run: small adjacent tasks are combined. The children of a large task are split by ranges of map
 * indices, and its parent goes with the tasks before it.
 */
const cut = ({ flowRunId, tasks }: Counted, partRows: number): Array<Piece> => {
  const out: Array<Piece> = []
  let first: Task | undefined
  let packed = 0
  const flush = (next: Task | undefined) => {
    if (first === undefined) return
    out.push({
      _tag: "TaskRuns",
      flowRunId,
      from: cursorOf(first.view),
      until: next === undefined ? null : cursorOf(next.view),
      rows: packed
    })
    first = undefined
    packed = 0
  }
  const pack = (task: Task, rows: number) => {
    if (packed + rows > partRows) flush(task)
    first ??= task
    packed += rows
  }
  for (const [at, task] of tasks.entries()) {
    const rows = rowsOf(task)
    if (task.taskId === undefined || Math.max(rows, task.span) <= partRows) {
      pack(task, rows)
      continue
    }
    if (task.view.mapIndex < 0) {
      pack(task, 1)
      flush(tasks[at + 1])
    } else flush(task)
    for (const piece of ranges(flowRunId, task, partRows)) out.push(piece)
  }
  flush(undefined)
  return out
}

/** Splits flow runs in order; those that are smaller than a part are combined into one. */
const pieces = (flowRuns: ReadonlyArray<Counted>, partRows: number): Array<Piece> => {
  const out: Array<Piece> = []
  let packed: Array<Counted> = []
  let rows = 0
  const flush = () => {
    const [first, ...rest] = packed
    if (first === undefined) return
    out.push(
      rest.length === 0
        ? { _tag: "TaskRuns", flowRunId: first.flowRunId, from: null, until: null, rows }
        : { _tag: "FlowRuns", flowRunIds: [first.flowRunId, ...rest.map(({ flowRunId }) => flowRunId)], rows }
    )
    packed = []
    rows = 0
  }
  for (const flowRun of flowRuns) {
    const isSmall = flowRun.rows <= partRows && flowRun.tasks.every(({ span }) => span <= partRows)
    if (!isSmall || rows + flowRun.rows > partRows) flush()
    if (!isSmall) { for (const piece of cut(flowRun, partRows)) out.push(piece) }
    else if (flowRun.rows > 0) {
      packed.push(flowRun)
      rows += flowRun.rows
    }
  }
  flush()
  return out
}

/** Flow runs in the order of their creation. Times with different offsets are compared as instants. */
const byCreation = (left: FlowRunView, right: FlowRunView): number =>
  timeOf(left) - timeOf(right) || (left.created ?? "").length - (right.created ?? "").length ||
  compare(left.created ?? "", right.created ?? "") || compare(left.flowRunId, right.flowRunId)

const timeOf = ({ created }: FlowRunView): number =>
  Option.match(created === undefined || created === null ? Option.none() : DateTime.make(created), {
    onNone: () => 0,
    onSome: DateTime.toEpochMillis
  })

const compare = (left: string, right: string): number => left < right ? -1 : left > right ? 1 : 0

export interface Options {
  readonly selection: Plan.Selection
  readonly output: Plan.OutputFormat
  /** Whether a large collection may have larger parts than `output` says. */
  readonly largeParts: boolean
  readonly maxBytes: number
  readonly createdBy: string
  readonly allowUnfinished: boolean
  /** The number of results of each mapped task to sample for typed columns. */
  readonly infer: number
}

/** Collections of more rows have larger parts, because fewer parts cost less to distribute. */
const manyRows = 10_000_000
/** The rows of such a part, unless the size of parts is given. */
const manyPartRows = 50_000

/** Mapped tasks whose results are sampled for typed columns. */
const maxInferred = 100

/** The typed columns that the first results of mapped tasks share. */
const infer = Effect.fnUntraced(function*(api: PrefectApi["Service"], flowRuns: ReadonlyArray<Counted>, count: number) {
  const tasks = flowRuns.flatMap(({ flowRunId, tasks }) =>
    tasks.flatMap(({ found, taskId }) => taskId === undefined || found === 0 ? [] : [{ flowRunId, taskId }])
  ).slice(0, maxInferred)
  const views = Stream.flatMap(
    Stream.fromIterable(tasks),
    (task) => Stream.take(api.mappedChildren(task, { pageSize: Math.min(count, 2000) }), count)
  )
  const texts = yield* Stream.runCollect(Stream.mapEffect(
    TaskRun.outcomesOf(views),
    ({ result }) =>
      Result.isFailure(result) ? Effect.undefined : Effect.catch(toText(result.success), () => Effect.undefined)
  ))
  return inferColumns(texts.filter((text) => text !== undefined))
})

export const make = Effect.fnUntraced(function*(
  api: PrefectApi["Service"],
  storage: ResultStorage["Service"],
  { allowUnfinished, createdBy, infer: inferCount, largeParts, maxBytes, output: given, selection }: Options
): Effect.fn.Return<Plan.Plan, CollectError | PrefectApiError, PrefectApi | ResultStorage> {
  const fail = (reason: CollectError["reason"]) => Effect.fail(new CollectError({ reason }))
  const flowRuns = "flowRunIds" in selection
    ? yield* Effect.forEach(new Set(selection.flowRunIds), api.flowRun, { concurrency: 8 })
    : yield* Stream.runCollect(api.flowRuns("flowName" in selection ? { flowName: selection.flowName } : {}))
  const sorted = [...flowRuns].sort(byCreation)
  if (!allowUnfinished) {
    const unfinished = sorted.find(({ state }) => !State.isFinished(state))
    if (unfinished !== undefined) {
      return yield* fail(
        new FlowRunUnfinished({ flowRunId: unfinished.flowRunId, state: State.typeName(unfinished.state) })
      )
    }
  }

  const needs = new Needs(storage)
  let sampled = 0
  const incomplete: Array<Plan.Incomplete> = []
  const taskSlug = "flowRunIds" in selection ? selection.taskSlug : undefined

  const countTask = (flowRunId: string, tasks: Tasks) =>
    Effect.fnUntraced(function*(view: TaskRunView): Effect.fn.Return<Task, PrefectApiError> {
      const taskId = childrenOf(view, tasks)
      if (taskId === undefined) {
        if (sampled++ < maxSample) needs.add(view)
        return { view, taskId, found: 0, span: 0 }
      }
      const states = yield* api.countMappedChildren({ flowRunId, taskId })
      const found = Object.values(states).reduce((all, count) => all + count, 0)
      const expected = isParent(view) && State.isMapped(view.state) ? view.state.nMapStates ?? null : null
      const one = (after: number) =>
        Stream.runForEach(
          Stream.take(api.mappedChildren({ flowRunId, taskId }, { after, pageSize: 1 }), 1),
          (child) => Effect.sync(() => needs.add(child))
        )
      if (found > 0) yield* one(-1)
      if (found > 1) yield* one(found - 2)
      if (!isParent(view)) needs.add(view)
      return { view, taskId, found, span: Math.max(found, expected ?? 0) }
    })

  const countFlowRun = Effect.fnUntraced(function*({ flowRunId }: FlowRunView): Effect.fn.Return<
    Counted,
    PrefectApiError
  > {
    const all = yield* tasksOf(api, flowRunId, taskSlug)
    const tasks = yield* Effect.forEach(all.first, countTask(flowRunId, all), { concurrency: 4 })
    return { flowRunId, tasks, rows: sum(tasks) }
  })

  const counted = yield* Effect.forEach(sorted, countFlowRun, { concurrency: 4 })
  for (const { flowRunId, tasks } of counted) {
    for (const { found, view } of tasks) {
      const expected = isParent(view) && State.isMapped(view.state) ? view.state.nMapStates ?? found : found
      if (expected === found) continue
      incomplete.push({
        flowRunId,
        taskRunId: view.taskRunId,
        taskSlug: view.taskSlug,
        expected,
        found,
        problem: found < expected
          ? `${expected - found} of ${expected} mapped children are missing`
          : `${found - expected} more mapped children than n_map_states says`
      })
    }
  }
  const total = counted.reduce((rows, flowRun) => rows + flowRun.rows, 0)
  const output: Plan.OutputFormat = {
    ...given,
    partRows: largeParts && total > manyRows ? manyPartRows : given.partRows,
    columns: inferCount === 0 ? given.columns : yield* infer(api, counted, inferCount)
  }
  const cutPieces = pieces(counted, output.partRows)
  if (cutPieces.length === 0) {
    return yield* fail(new NothingToCollect({ selection: Plan.describeSelection(selection) }))
  }
  if (cutPieces.length > Plan.maxParts) {
    return yield* fail(
      new Unsupported({
        detail: `${cutPieces.length} parts are more than ${Plan.maxParts}: choose larger parts (--part-rows)`
      })
    )
  }
  const parts = cutPieces.map((piece, part): Plan.Part => ({ ...piece, part }))
  return {
    format: 1,
    job: Plan.jobOf({ selection, output, parts }),
    createdBy,
    created: DateTime.formatIso(yield* DateTime.now),
    selection,
    output,
    needs: needs.list,
    limits: { maxBytes },
    expected: incomplete.length > 0 ? null : total,
    incomplete,
    parts
  }
})
