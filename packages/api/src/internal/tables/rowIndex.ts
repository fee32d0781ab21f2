import * as State from "@effect-prefect/core/State"
import * as TaskRunView from "@effect-prefect/core/TaskRunView"
import * as Effect from "effect/Effect"
import type { Edge } from "../../Backend.ts"
import type { PrefectApiError } from "../../PrefectApiError.ts"
import { withColumns } from "../depth.ts"
import * as Sorting from "../sorting.ts"
import { microseconds } from "../timestamps.ts"
import type { Extent } from "./jsonLines.ts"

export type TableName =
  | "task"
  | "task_run"
  | "flow"
  | "flow_run"
  | "task_run_state"
  | "flow_run_state"
  | "log"
  | "task_run_artifact"
  | "edge"

export type Row = { readonly [column: string]: unknown }

/** The source of the rows of tables. A row is identified by its position in its table, counted from 0. */
export interface Rows {
  /** The backend's name in messages. */
  readonly name: string
  /** Calls `use` with every row of a table, in order. `use` returns the problem with a row that it rejects. */
  readonly scan: (
    table: TableName,
    use: (row: Row, place: number) => string | undefined
  ) => Effect.Effect<void, PrefectApiError>
  /** The rows at these positions, in that order. */
  readonly read: (
    table: TableName,
    places: ReadonlyArray<number>
  ) => Effect.Effect<ReadonlyArray<Row>, PrefectApiError>
}

/**
 * Reads the rows at these positions in the file of a table. `use` is called for each row as it is read, in the order of
 * the file, so that no row has to be kept; what it returns is given in the order of the positions.
 */
export type ReadRows<Name extends string> = <A>(
  table: Name,
  extents: ReadonlyArray<Extent>,
  use: (row: Row, at: number) => A
) => Effect.Effect<ReadonlyArray<A>, PrefectApiError>

/** The part of a row that is kept: its lookup and sort keys, and its position. */
export interface Entry {
  readonly place: number
  readonly id: string
}
export interface TaskRunEntry extends Entry {
  readonly taskId: string | null
  readonly mapIndex: number
  readonly flowRunId: string | null
  readonly state: string
  /** Microseconds since 1970, or NaN. A number needs a third of the memory of a text. */
  readonly startTime: number
  readonly endTime: number
}
export interface FlowRunEntry extends Entry {
  readonly created: number
  readonly flowId: string | null
  readonly name: string | null
  readonly state: string
}
export interface FlowEntry extends Entry {
  readonly created: number
  readonly name: string | null
}
export interface StateEntry extends Entry {
  readonly time: number
  readonly version: number
}
export interface LogEntry extends Entry {
  readonly time: number
  readonly level: string | null
  readonly flowRunId: string | null
  readonly taskRunId: string | null
}
export interface ArtifactEntry extends Entry {
  readonly created: number
  readonly taskRunId: string
}

const compare = <A extends string | number>(left: A, right: A): number => left < right ? -1 : left > right ? 1 : 0
const compareNullsLast = (left: string | null, right: string | null) =>
  left === right ? 0 : left === null ? 1 : right === null ? -1 : compare(left, right)

/** The position makes every order total: all rows with a repeated id are kept. */
const byIdAndPlace = (left: Entry, right: Entry) => compare(left.id, right.id) || compare(left.place, right.place)
export const byTaskAndMapIndex = (left: TaskRunEntry, right: TaskRunEntry) =>
  compareNullsLast(left.taskId, right.taskId) || compare(left.mapIndex, right.mapIndex) || byIdAndPlace(left, right)
export const newestFirst = (
  left: Entry & { readonly created: number },
  right: Entry & { readonly created: number }
) => compare(right.created, left.created) || -byIdAndPlace(left, right)
export const oldestFirst = (
  left: Entry & { readonly created: number },
  right: Entry & { readonly created: number }
) => compare(left.created, right.created) || byIdAndPlace(left, right)
export const byTime = (left: Entry & { readonly time: number }, right: Entry & { readonly time: number }) =>
  compare(left.time, right.time) || byIdAndPlace(left, right)
const byTimeAndVersion = (left: StateEntry, right: StateEntry) =>
  compare(left.time, right.time) || compare(left.version, right.version) || byIdAndPlace(left, right)

/** Lists by a key. A list is sorted when it is first needed, and a long one when all its entries are there. */
export class Groups<E> {
  readonly lists = new Map<string, Array<E>>()
  readonly sorted = new Set<string>()
  readonly long: Array<string> = []
  readonly order: (left: E, right: E) => number
  constructor(order: (left: E, right: E) => number) {
    this.order = order
  }
  add(key: string, entry: E): void {
    const list = this.lists.get(key)
    if (list === undefined) this.lists.set(key, [entry])
    else if (list.push(entry) === Sorting.atOnce + 1) this.long.push(key)
  }
  /** Sorts the lists that are too long to be sorted at once. */
  readonly sortLong: Effect.Effect<void> = Effect.suspend(() =>
    Effect.forEach(this.long, (key) =>
      Effect.map(Sorting.sorted(this.lists.get(key)!, this.order), (sorted) => {
        this.lists.set(key, sorted)
        this.sorted.add(key)
      }), { discard: true })
  )
  get(key: string): ReadonlyArray<E> {
    const list = this.lists.get(key)
    if (list === undefined) return []
    if (!this.sorted.has(key)) {
      list.sort(this.order)
      this.sorted.add(key)
    }
    return list
  }
}

/**
 * The first position in a sorted list whose entry is after `key`.
 */
export const positionAfter = <E>(sorted: ReadonlyArray<E>, key: E, order: (left: E, right: E) => number): number => {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (order(sorted[middle]!, key) <= 0) low = middle + 1
    else high = middle
  }
  return low
}

const defaults: Readonly<Record<TableName, Row>> = {
  task: { slug: null },
  task_run: { map_index: -1 },
  flow: { name: null },
  flow_run: { flow_id: null, name: null, serialized_state: null },
  task_run_state: { timestamp: null, serialized_state: null },
  flow_run_state: { timestamp: null, serialized_state: null },
  log: { flow_run_id: null, message: null },
  task_run_artifact: { kind: null, data: null },
  edge: { key: null, mapped: false }
}

const defaultsOf = new Map(Object.entries(defaults).map(([table, row]) => [table, Object.entries(row)]))

/** A row with the defaults of Prefect's database for missing columns. */
export const complete = (table: TableName, row: Row): Row => {
  const missing = defaultsOf.get(table)!.filter(([column]) => row[column] === undefined)
  return missing.length === 0 ? row : withColumns(row, Object.fromEntries(missing))
}

const isId = (value: unknown): value is string => typeof value === "string" && value !== ""
const isOptionalId = (value: unknown) => value === undefined || value === null || isId(value)
const idOrNull = (value: unknown) => isId(value) ? value : null
const orElse = (value: number, other: number) => Number.isNaN(value) ? other : value
const stateName = (row: Row) => State.typeNameFromJson((row["serialized_state"] ?? null) as never)

/**
 * The problem with the ids of a row; undefined when they are valid.
 */
const problemOfIds = (row: Row, ...others: ReadonlyArray<string>): string | undefined => {
  if (!isId(row["id"])) return "id is not a non-empty string"
  const wrong = others.find((column) => !isOptionalId(row[column]))
  return wrong === undefined ? undefined : `${wrong} is not a non-empty string`
}

export interface TaskEntry {
  readonly id: string
  readonly slug: string | null
  readonly flowId: string | null
}

/** The keys that are kept of a row of each table, or the problem with the row. */
export const taskEntry = (row: Row): TaskEntry | string => {
  const detail = problemOfIds(row)
  if (detail !== undefined) return detail
  const slug = row["slug"] ?? null
  if (slug !== null && typeof slug !== "string") return "slug is not a string"
  return { id: row["id"] as string, slug, flowId: idOrNull(row["flow_id"]) }
}

export const taskRunEntry = (
  row: Row,
  place: number
): { readonly entry: TaskRunEntry; readonly taskSlug: string | null } | string => {
  // Only the name of the state is kept, so the rest of it is not decoded.
  const view = TaskRunView.fromRow({
    id: row["id"],
    name: row["name"],
    task_id: row["task_id"],
    task: row["task"],
    map_index: row["map_index"] === undefined ? -1 : row["map_index"],
    flow_run_id: row["flow_run_id"],
    serialized_state: null
  })
  if (!(view instanceof TaskRunView.TaskRunView)) return view.detail
  const { flowRunId, mapIndex, taskId, taskRunId: id, taskSlug } = view
  const entry: TaskRunEntry = {
    place,
    id,
    taskId,
    mapIndex,
    flowRunId,
    state: stateName(row),
    startTime: microseconds(row["start_time"]),
    endTime: microseconds(row["end_time"])
  }
  return { entry, taskSlug }
}

export const flowRunEntry = (row: Row, place: number): FlowRunEntry | string =>
  problemOfIds(row, "flow_id") ?? {
    place,
    id: row["id"] as string,
    created: orElse(microseconds(row["created"]), -Infinity),
    flowId: idOrNull(row["flow_id"]),
    name: typeof row["name"] === "string" ? row["name"] : null,
    state: stateName(row)
  }

export const flowEntry = (row: Row, place: number): FlowEntry | string =>
  problemOfIds(row) ?? {
    place,
    id: row["id"] as string,
    created: orElse(microseconds(row["created"]), -Infinity),
    name: typeof row["name"] === "string" ? row["name"] : null
  }

export const stateEntry = (
  row: Row,
  place: number,
  column: string
): { readonly run: string; readonly entry: StateEntry } | string => {
  const run = row[column]
  if (!isId(run)) return `${column} is not a non-empty string`
  const version = row["version"]
  return {
    run,
    entry: {
      place,
      id: idOrNull(row["id"]) ?? "",
      time: orElse(microseconds(row["timestamp"]), Infinity),
      version: typeof version === "number" ? version : Infinity
    }
  }
}

export const logEntry = (row: Row, place: number): LogEntry | string => {
  const detail = problemOfIds(row, "flow_run_id", "task_run_id")
  if (detail !== undefined) return detail
  const time = microseconds(row["timestamp"])
  if (Number.isNaN(time)) return "timestamp is not a time"
  return {
    place,
    id: row["id"] as string,
    time,
    level: typeof row["level"] === "string" ? row["level"] : null,
    flowRunId: idOrNull(row["flow_run_id"]),
    taskRunId: idOrNull(row["task_run_id"])
  }
}

export const artifactEntry = (row: Row, place: number): ArtifactEntry | string => {
  const detail = problemOfIds(row)
  if (detail !== undefined) return detail
  const taskRunId = row["task_run_id"]
  if (!isId(taskRunId)) return "task_run_id is not a non-empty string"
  return { place, id: row["id"] as string, created: orElse(microseconds(row["created"]), Infinity), taskRunId }
}

export const edgeEntry = (row: Row): { readonly flowId: string; readonly edge: Edge } | string => {
  for (const column of ["flow_id", "upstream_task_id", "downstream_task_id"]) {
    if (!isId(row[column])) return `${column} is not a non-empty string`
  }
  return {
    flowId: row["flow_id"] as string,
    edge: {
      upstreamTaskId: row["upstream_task_id"] as string,
      downstreamTaskId: row["downstream_task_id"] as string,
      key: typeof row["key"] === "string" ? row["key"] : null,
      mapped: row["mapped"] === true
    }
  }
}

export interface TaskRunIndex {
  readonly slugs: ReadonlyMap<string, string | null>
  /** In the order of the table. */
  readonly all: ReadonlyArray<TaskRunEntry>
  readonly byId: Groups<TaskRunEntry>
  readonly byFlowRun: Groups<TaskRunEntry>
}
export interface FlowRunIndex {
  readonly byId: Groups<FlowRunEntry>
  readonly sorted: ReadonlyArray<FlowRunEntry>
}
export interface FlowIndex {
  readonly byId: Groups<FlowEntry>
  readonly sorted: ReadonlyArray<FlowEntry>
}
export interface LogIndex {
  readonly byFlowRun: Groups<LogEntry>
  readonly byTaskRun: Groups<LogEntry>
  readonly sorted: ReadonlyArray<LogEntry>
}
export interface ArtifactIndex {
  readonly byTaskRun: Groups<ArtifactEntry>
  readonly sorted: ReadonlyArray<ArtifactEntry>
}

export const indexTaskRuns = Effect.fnUntraced(function*(rows: Rows) {
  const slugs = new Map<string, string | null>()
  yield* rows.scan("task", (row) => {
    const task = taskEntry(row)
    if (typeof task === "string") return task
    if (!slugs.has(task.id)) slugs.set(task.id, task.slug)
    return undefined
  })
  // Thousands of rows repeat the id of a task or flow run, so they share one string.
  const known = new Map<string, string>()
  const intern = (id: string | null) => {
    if (id === null) return null
    const same = known.get(id)
    if (same === undefined) known.set(id, id)
    return same ?? id
  }
  const all: Array<TaskRunEntry> = []
  const byId = new Groups<TaskRunEntry>(byIdAndPlace)
  const byFlowRun = new Groups<TaskRunEntry>(byTaskAndMapIndex)
  yield* rows.scan("task_run", (row, place) => {
    const found = taskRunEntry(row, place)
    if (typeof found === "string") return found
    const { taskSlug } = found
    const entry = { ...found.entry, taskId: intern(found.entry.taskId), flowRunId: intern(found.entry.flowRunId) }
    if (entry.taskId !== null && taskSlug !== null && !slugs.has(entry.taskId)) slugs.set(entry.taskId, taskSlug)
    all.push(entry)
    byId.add(entry.id, entry)
    if (entry.flowRunId !== null) byFlowRun.add(entry.flowRunId, entry)
    return undefined
  })
  yield* byId.sortLong
  yield* byFlowRun.sortLong
  const index: TaskRunIndex = { slugs, all, byId, byFlowRun }
  return index
})

/** Indexes the rows of a table by id, and lists them newest first. */
const indexNewestFirst = <A extends FlowEntry>(
  table: TableName,
  entryOf: (row: Row, place: number) => A | string
) =>
  Effect.fnUntraced(function*(rows: Rows) {
    const byId = new Groups<A>(byIdAndPlace)
    const sorted: Array<A> = []
    yield* rows.scan(table, (row, place) => {
      const entry = entryOf(row, place)
      if (typeof entry === "string") return entry
      byId.add(entry.id, entry)
      sorted.push(entry)
      return undefined
    })
    yield* byId.sortLong
    return { byId, sorted: yield* Sorting.sorted(sorted, newestFirst) }
  })

export const indexFlowRuns: (rows: Rows) => Effect.Effect<FlowRunIndex, PrefectApiError> = indexNewestFirst(
  "flow_run",
  flowRunEntry
)

export const indexFlows: (rows: Rows) => Effect.Effect<FlowIndex, PrefectApiError> = indexNewestFirst(
  "flow",
  flowEntry
)

export const indexStates = Effect.fnUntraced(function*(
  rows: Rows,
  table: "task_run_state" | "flow_run_state",
  column: string
) {
  const byRun = new Groups<StateEntry>(byTimeAndVersion)
  yield* rows.scan(table, (row, place) => {
    const found = stateEntry(row, place, column)
    if (typeof found === "string") return found
    byRun.add(found.run, found.entry)
    return undefined
  })
  yield* byRun.sortLong
  return byRun
})

export const indexLogs = Effect.fnUntraced(function*(rows: Rows) {
  const byFlowRun = new Groups<LogEntry>(byTime)
  const byTaskRun = new Groups<LogEntry>(byTime)
  const sorted: Array<LogEntry> = []
  yield* rows.scan("log", (row, place) => {
    const entry = logEntry(row, place)
    if (typeof entry === "string") return entry
    if (entry.flowRunId !== null) byFlowRun.add(entry.flowRunId, entry)
    if (entry.taskRunId !== null) byTaskRun.add(entry.taskRunId, entry)
    sorted.push(entry)
    return undefined
  })
  yield* byFlowRun.sortLong
  yield* byTaskRun.sortLong
  const index: LogIndex = { byFlowRun, byTaskRun, sorted: yield* Sorting.sorted(sorted, byTime) }
  return index
})

export const indexArtifacts = Effect.fnUntraced(function*(rows: Rows) {
  const byTaskRun = new Groups<ArtifactEntry>(oldestFirst)
  const sorted: Array<ArtifactEntry> = []
  yield* rows.scan("task_run_artifact", (row, place) => {
    const entry = artifactEntry(row, place)
    if (typeof entry === "string") return entry
    byTaskRun.add(entry.taskRunId, entry)
    sorted.push(entry)
    return undefined
  })
  yield* byTaskRun.sortLong
  const index: ArtifactIndex = { byTaskRun, sorted: yield* Sorting.sorted(sorted, oldestFirst) }
  return index
})

/** The edges of each flow. */
export const indexEdges = Effect.fnUntraced(function*(rows: Rows) {
  const byFlow = new Map<string, Array<Edge>>()
  yield* rows.scan("edge", (row) => {
    const found = edgeEntry(row)
    if (typeof found === "string") return found
    const edges = byFlow.get(found.flowId) ?? []
    byFlow.set(found.flowId, edges)
    edges.push(found.edge)
    return undefined
  })
  return byFlow
})

/** The ids of a flow's tasks by slug. */
export const taskIdsOf = Effect.fnUntraced(function*(rows: Rows, flowId: string) {
  const bySlug = new Map<string, string>()
  yield* rows.scan("task", (row) => {
    if (row["flow_id"] === flowId && isId(row["id"]) && typeof row["slug"] === "string") {
      bySlug.set(row["slug"], row["id"])
    }
    return undefined
  })
  return bySlug
})
