/** The task runs of an archive's index, in the order of (task, map index, id, place). */
import * as Turn from "@effect-prefect/core/Turn"
import * as Effect from "effect/Effect"
import type { SQLInputValue } from "node:sqlite"
import type * as Backend from "../../Backend.ts"
import type { PrefectApiError } from "../../PrefectApiError.ts"
import { compareCodePoints } from "../codePoints.ts"
import * as Sorting from "../sorting.ts"
import { type Found, type FoundPage, type IndexReader, listOf, pageOf } from "./indexReader.ts"
import {
  compareKeys,
  idOf,
  idOfTexts,
  idTexts,
  isSameKey,
  type Key,
  keyOf,
  noTask,
  taskIdOf,
  taskKeyOf,
  textOf
} from "./keys.ts"

export interface FoundTaskRun extends Found {
  readonly task: Key
  readonly map_index: number
  readonly state: number
  readonly start: number | null
  readonly end: number | null
}

/** A task, and its slug if there is such a task. */
export interface Task {
  readonly id: string
  readonly slug: string | null | undefined
}

export const taskRunColumns = "place, offset, length, id, task, map_index, state, start, end"
type TaskRunColumns = readonly [
  place: number,
  offset: number,
  length: number,
  id: Key,
  task: Key,
  mapIndex: number,
  state: number,
  start: number | null,
  end: number | null
]

/** What a summary needs: each further column costs as much as these. */
export interface FoundSummary {
  readonly place: number
  readonly id: string
  readonly task: Key
  readonly map_index: number
  readonly state: number
  readonly start: number | null
  readonly end: number | null
}
const summaryColumns = `place, ${idTexts("id")}, map_index, state, start, end`
type SummaryColumns = readonly [
  place: number,
  hex: string | null,
  text: string | null,
  mapIndex: number,
  state: number,
  start: number | null,
  end: number | null,
  task?: Key
]

/** How many rows, tasks and summaries are read before others have a turn: 2 to 10 ms of work. A task is a query or two. */
const rowsAtOnce = 2_048
export const tasksAtOnce = 128
const summariesAtOnce = 512

/** A position in the order of (task, map index, id, place). */
type Position = readonly [task: Key, mapIndex: number, id: Key, place: number]

export const cursorOf = (entry: FoundTaskRun | FoundSummary | undefined) =>
  entry === undefined
    ? undefined
    : {
      taskId: taskIdOf(entry.task),
      mapIndex: entry.map_index,
      id: typeof entry.id === "string" ? entry.id : idOf(entry.id),
      place: entry.place
    }

const positionOf = (cursor: Backend.Cursor | undefined): Position | undefined => {
  if (cursor === undefined) return undefined
  const { id, mapIndex, place, taskId } = cursor as unknown as NonNullable<ReturnType<typeof cursorOf>>
  return [taskKeyOf(taskId), mapIndex, keyOf(id), place]
}

type Select<A> = (sql: string, ...parameters: ReadonlyArray<SQLInputValue>) => ReadonlyArray<A>

/** The runs of one task in a flow run, in map order, after a position. */
const runsOfTask = <A>(
  select: Select<A>,
  run: Key,
  task: Key,
  after: Position | number,
  limit: number
): ReadonlyArray<A> =>
  typeof after === "number"
    ? select(
      `run = ? AND task = ? AND map_index > ?
        ORDER BY map_index, id, place LIMIT ?`,
      run,
      task,
      after,
      limit
    )
    : select(
      `run = ? AND task = ? AND (map_index, id, place) > (?, ?, ?)
        ORDER BY map_index, id, place LIMIT ?`,
      run,
      task,
      ...after.slice(1) as [number, Key, number],
      limit
    )

/** The runs of all tasks in a flow run after a position, restricted by a condition. */
const runsOf = <A>(
  select: Select<A>,
  run: Key,
  after: Position | undefined,
  limit: number,
  where = "",
  ...parameters: ReadonlyArray<SQLInputValue>
): ReadonlyArray<A> =>
  select(
    `run = ?
      ${after === undefined ? "" : "AND (task, map_index, id, place) > (?, ?, ?, ?)"} ${where}
      ORDER BY task, map_index, id, place LIMIT ?`,
    run,
    ...after ?? [],
    ...parameters,
    limit
  )

export const make = (reader: IndexReader) => {
  const select = (sql: string, ...parameters: ReadonlyArray<SQLInputValue>): ReadonlyArray<FoundTaskRun> =>
    reader.arrays<TaskRunColumns>(`SELECT ${taskRunColumns} FROM task_run WHERE ${sql}`, ...parameters).map(
      ([place, offset, length, id, task, map_index, state, start, end]) => ({
        place,
        offset,
        length,
        id,
        task,
        map_index,
        state,
        start,
        end
      })
    )
  /** Selects summaries of a task, or of all of them: a column that is known is not read. */
  const selectSummariesOf =
    (known: Key | undefined) =>
    (sql: string, ...parameters: ReadonlyArray<SQLInputValue>): ReadonlyArray<FoundSummary> =>
      reader.arrays<SummaryColumns>(
        `SELECT ${summaryColumns}${known === undefined ? ", task" : ""} FROM task_run WHERE ${sql}`,
        ...parameters
      ).map(([place, hex, text, map_index, state, start, end, task = known!]) => ({
        place,
        id: idOfTexts(hex, text),
        task,
        map_index,
        state,
        start,
        end
      }))

  /** The slug of a task, from its first row; undefined when there is no such task. */
  const slugOf = (task: Key): string | null | undefined => {
    const [found] = reader.all<{ readonly slug: Key | null }>(
      "SELECT slug FROM task WHERE id = ? ORDER BY place LIMIT 1",
      task
    )
    return found === undefined ? undefined : textOf(found.slug)
  }
  const tasksOf = (slug: string): ReadonlyArray<Key> =>
    reader.all<{ readonly id: Key }>("SELECT DISTINCT id FROM task WHERE slug = ? ORDER BY id", keyOf(slug))
      .map(({ id }) => id)
      .filter((id) => slugOf(id) === slug)

  /** The first run of each task, in the order of the tasks' slugs, and then the runs without a task. */
  const firstOfEachTask = Effect.fnUntraced(function*(
    operation: string,
    flowRunId: string
  ): Effect.fn.Return<ReadonlyArray<FoundTaskRun>, PrefectApiError> {
    const run = keyOf(flowRunId)
    const first: Array<{ readonly entry: FoundTaskRun; readonly slug: string | null }> = []
    const hasTask = (entry: FoundTaskRun | undefined): entry is FoundTaskRun =>
      entry !== undefined && !isSameKey(entry.task, noTask)
    let [entry] = yield* reader.query(operation, () => runsOf(select, run, undefined, 1))
    while (hasTask(entry)) {
      let next: FoundTaskRun | undefined = entry
      entry = yield* reader.query(operation, () => {
        for (let looked = 0; looked < tasksAtOnce && hasTask(next); looked++) {
          first.push({ entry: next, slug: slugOf(next.task) ?? null })
          ;[next] = select(
            `run = ? AND task > ?
              ORDER BY task, map_index, id, place LIMIT 1`,
            run,
            next.task
          )
        }
        return next
      })
      yield* Turn.share
    }
    // Runs without a task are single.
    const others: Array<FoundTaskRun> = []
    for (let isMore = entry !== undefined; isMore;) {
      const last = others.at(-1)
      const after: Position | number = last === undefined
        ? -Infinity
        : [noTask, last.map_index, last.id, last.place]
      const found = yield* reader.query(operation, () => runsOfTask(select, run, noTask, after, rowsAtOnce))
      for (const run of found) others.push(run)
      isMore = found.length === rowsAtOnce
      yield* Turn.share
    }
    const sorted = yield* Sorting.sorted(first, (left, right) =>
      left.slug === null || right.slug === null
        ? Number(left.slug === null) - Number(right.slug === null)
        : compareCodePoints(left.slug, right.slug))
    return [...sorted.map((found) => found.entry), ...others]
  })

  return {
    select,
    firstOfEachTask,

    /** The task of a run by its key. Runs of one task often follow each other. */
    taskFinder: () => {
      const found = new Map<string, Task>()
      let lastKey: Key | undefined
      let last: Task | undefined
      return (key: Key): Task | undefined => {
        if (lastKey !== undefined && isSameKey(lastKey, key)) return last
        lastKey = key
        const id = taskIdOf(key)
        if (id === null) return last = undefined
        last = found.get(id)
        if (last === undefined) found.set(id, last = { id, slug: slugOf(key) })
        return last
      }
    },

    bySlug: ({ flowRunId, mapIndex, taskSlug }: Backend.TaskRunBySlug): ReadonlyArray<FoundTaskRun> =>
      tasksOf(taskSlug).flatMap((task) =>
        select(
          `run = ? AND task = ? AND map_index = ?
            ORDER BY id, place LIMIT 100`,
          keyOf(flowRunId),
          task,
          mapIndex
        )
      ),

    pageOfTask: (
      { after, flowRunId, taskId }: Backend.TaskInFlowRun & { readonly after: number },
      { cursor, limit }: Backend.PageRequest
    ): FoundPage<FoundTaskRun> =>
      pageOf(runsOfTask(select, keyOf(flowRunId), keyOf(taskId), positionOf(cursor) ?? after, limit + 1), limit),

    page: (
      { flowRunId, mapped, states, taskSlug }: Backend.TaskRunsQuery,
      { cursor, limit }: Backend.PageRequest
    ): FoundPage<FoundTaskRun> => {
      const codes = states === undefined ? undefined : reader.codesOf(states)
      const run = keyOf(flowRunId)
      const after = positionOf(cursor)
      const where = (codes === undefined ? "" : `AND state IN (${listOf(codes.length)}) `) +
        (mapped === undefined ? "" : mapped ? "AND map_index >= 0" : "AND map_index < 0")
      if (taskSlug === undefined) {
        return pageOf(runsOf(select, run, after, limit + 1, where, ...codes ?? []), limit)
      }
      const found: Array<FoundTaskRun> = []
      for (const task of tasksOf(taskSlug)) {
        if (after !== undefined && compareKeys(task, after[0]) < 0) continue
        const more = runsOf(
          select,
          run,
          after,
          limit + 1 - found.length,
          `AND task = ? ${where}`,
          task,
          ...codes ?? []
        )
        for (const run of more) found.push(run)
        if (found.length > limit) break
      }
      return pageOf(found, limit)
    },

    summaries: (
      { after, flowRunId, taskId }: Backend.TaskRunSummariesQuery,
      { cursor, limit }: Backend.PageRequest
    ): FoundPage<FoundSummary> => {
      const run = keyOf(flowRunId)
      const task = taskId === undefined ? undefined : keyOf(taskId)
      const selectSummaries = selectSummariesOf(task)
      // Large pages save only requests; here they would be as much as V8 moves when it collects what is new.
      const wanted = Math.min(limit, summariesAtOnce)
      const position = positionOf(cursor)
      return pageOf(
        task === undefined
          ? runsOf(selectSummaries, run, position, wanted + 1)
          : runsOfTask(selectSummaries, run, task, position ?? after ?? -Infinity, wanted + 1),
        wanted
      )
    },

    /** The runs of a task in a flow run but one. */
    siblings: (
      { flowRunId, taskId }: Backend.TaskInFlowRun,
      own: string,
      { cursor, limit }: Backend.PageRequest
    ): FoundPage<FoundTaskRun> => {
      const found = runsOfTask(select, keyOf(flowRunId), keyOf(taskId), positionOf(cursor) ?? -Infinity, limit + 2)
      const others = found.filter((entry) => idOf(entry.id) !== own)
      const entries = others.slice(0, limit)
      return {
        entries,
        last: found.length > entries.length && others.length > limit ? entries.at(-1) : undefined
      }
    }
  }
}
