/**
 * Converts rows of the REST API of Prefect 2 and 3 to the views of this library. A field that the server does not have
 * is absent or null, never invented.
 */
import { Artifact } from "@effect-prefect/core/Artifact"
import { FlowRunView } from "@effect-prefect/core/FlowRunView"
import { FlowView } from "@effect-prefect/core/FlowView"
import type { FlowId, FlowRunId, TaskRunId } from "@effect-prefect/core/Ids"
import { levels, LogEntry, type LogLevel } from "@effect-prefect/core/LogEntry"
import * as ObjectKeys from "@effect-prefect/core/ObjectKeys"
import * as State from "@effect-prefect/core/State"
import { StateRecord } from "@effect-prefect/core/StateRecord"
import { TaskRunView } from "@effect-prefect/core/TaskRunView"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import type { Edge, TaskRunSummary } from "../../Backend.ts"
import { isRowTooWide, isStateTooWide, isTooDeep, rowTooWide, tooDeep, tooWide } from "../depth.ts"
import { isObject } from "../isObject.ts"
import type { Decoder } from "../rows.ts"

export type Row = { readonly [key: string]: Schema.Json }

/** The problem with a row, naming the field and never its value. */
export class Malformed {
  readonly detail: string

  constructor(detail: string) {
    this.detail = detail
  }
}

const text = (value: unknown): string | null => typeof value === "string" ? value : null
const object = (value: unknown): Row | null => isObject(value) ? value as Row : null

const withId = <A>(what: string, make: (row: Row, id: string) => A) => (row: unknown): A | Malformed => {
  const id = isObject(row) ? row["id"] : undefined
  return typeof id === "string" && id !== ""
    ? make(row as Row, id)
    : new Malformed(`${what} without an id`)
}

export const isMalformed = <A>(value: A | Malformed): value is Malformed => value instanceof Malformed

/** The same as a decoder, for which a row that is nested too deep is malformed as well. */
export const resultOf = <A>(make: (row: unknown) => A | Malformed): Decoder<A> => (row) => {
  if (isTooDeep(row)) return Result.fail(tooDeep)
  if (isRowTooWide(row)) return Result.fail(rowTooWide)
  if (isStateTooWide(row)) return Result.fail(tooWide)
  const value = make(row)
  return isMalformed(value) ? Result.fail(value.detail) : Result.succeed(value)
}

/** A view of fields that are known to be right. Its constructor would look through all of their JSON at once. */
const view = <A extends object>(prototype: A, fields: { readonly [Key in keyof A]?: A[Key] }): A =>
  Object.assign(Object.create(prototype) as A, fields)

/** A row as it is. */
export const identified = withId("a row", (row) => row)

/**
 * The view of a task run. The slug is the task key. Prefect 3 has no task ids, and its server does not record `.map()`,
 * so the map index is always -1.
 */
export const taskRun = (row: unknown): TaskRunView | Malformed => {
  const detail = problemOfTaskRun(row)
  if (detail !== undefined) return new Malformed(detail)
  const valid = row as Row
  // Not through the constructor, which would check every field again.
  return {
    __proto__: TaskRunView.prototype,
    taskRunId: valid["id"],
    taskId: null,
    taskSlug: valid["task_key"] ?? null,
    name: valid["name"] ?? null,
    state: State.fromJson(valid["state"] ?? null),
    mapIndex: -1,
    flowRunId: valid["flow_run_id"] ?? null
  } as unknown as TaskRunView
}

/** The summary of a task run. */
export const taskRunSummary = withId("a task run", (row, id): TaskRunSummary => ({
  taskRunId: id,
  taskId: null,
  mapIndex: -1,
  state: State.typeName(State.fromJson(row["state"] ?? null)),
  startTime: text(row["start_time"]),
  endTime: text(row["end_time"])
}))

/**
 * The edges between some task runs, without duplicates. `task_inputs` names, for each parameter, the task runs that its
 * argument came from, and under `wait_for` those that were only waited for. Names that begin with two underscores are
 * Prefect's own.
 */
export const edges = (rows: ReadonlyArray<Row>): ReadonlyArray<Edge> => {
  const known = new Set(rows.map((row) => row["id"]))
  const found = new Map<string, Edge>()
  for (const row of rows) {
    const downstreamTaskId = row["id"]
    const taskInputs = object(row["task_inputs"]) ?? {}
    for (const key of ObjectKeys.of(taskInputs)) {
      if (key.startsWith("__")) continue
      const inputs = taskInputs[key]
      for (const input of Array.isArray(inputs) ? inputs : []) {
        const upstreamTaskId = isObject(input) && input["input_type"] === "task_run" ? input["id"] : undefined
        if (typeof upstreamTaskId !== "string" || typeof downstreamTaskId !== "string" || !known.has(upstreamTaskId)) {
          continue
        }
        found.set(JSON.stringify([upstreamTaskId, downstreamTaskId, key]), {
          upstreamTaskId,
          downstreamTaskId,
          key: key === "wait_for" ? null : key,
          mapped: false
        })
      }
    }
  }
  return [...found.values()]
}

const problemOfTaskRun = (row: unknown): string | undefined => {
  if (!isObject(row)) return "the task run is not an object"
  if (typeof row["id"] !== "string" || row["id"] === "") return "id is not a non-empty string"
  for (const key of ["task_key", "name", "flow_run_id"]) {
    const value = row[key] ?? null
    if (value !== null && typeof value !== "string") return `${key} is not a string`
  }
  return undefined
}

export const flowRun = withId("a flow run", (row, id) =>
  view(FlowRunView.prototype, {
    flowRunId: id as FlowRunId,
    flowId: text(row["flow_id"]) as FlowId | null,
    name: text(row["name"]),
    state: State.fromJson(row["state"] ?? null),
    labels: Array.isArray(row["tags"]) ? row["tags"].filter((tag) => typeof tag === "string") : null,
    parameters: object(row["parameters"]),
    context: object(row["context"]),
    scheduledStartTime: text(row["expected_start_time"]) ?? text(row["next_scheduled_start_time"]),
    startTime: text(row["start_time"]),
    endTime: text(row["end_time"]),
    created: text(row["created"]),
    updated: text(row["updated"])
  }))

export const flow = withId("a flow", (row, id) =>
  view(FlowView.prototype, {
    flowId: id as FlowId,
    name: text(row["name"]),
    created: text(row["created"]),
    updated: text(row["updated"])
  }))

const levelNames = new Map<unknown, string>(Object.entries(levels).map(([name, level]) => [level, name]))

/** Python's name of a log level; a custom level has the name that Python's logging gives it. */
const levelName = (level: unknown): string | null =>
  levelNames.get(level) ?? (typeof level === "number" ? `Level ${level}` : null)

export const levelNumber = (level: LogLevel): number => levels[level]

export const logEntry = withId("a log line", (row, id) =>
  view(LogEntry.prototype, {
    id,
    flowRunId: text(row["flow_run_id"]) as FlowRunId | null,
    taskRunId: text(row["task_run_id"]) as TaskRunId | null,
    timestamp: text(row["timestamp"]) ?? "",
    name: text(row["name"]),
    level: levelName(row["level"]),
    message: text(row["message"])
  }))

/** A log line, and the time at which the server received it; empty when it does not say. */
export interface ReceivedLog {
  readonly entry: LogEntry
  readonly received: string
}

export const receivedLog = (row: unknown): ReceivedLog | Malformed => {
  const entry = logEntry(row)
  return isMalformed(entry) ? entry : { entry, received: text((row as Row)["created"]) ?? "" }
}

export const artifact = withId("an artifact", (row, id) =>
  view(Artifact.prototype, {
    id,
    taskRunId: text(row["task_run_id"]) as TaskRunId | null,
    kind: text(row["type"]),
    data: row["data"] ?? null
  }))

export const stateRecord = withId(
  "a state",
  (row, id) => view(StateRecord.prototype, { id, timestamp: text(row["timestamp"]), state: State.fromJson(row) })
)

/**
 * The name of the task's function, with which a task key starts: `extract` of `extract-741b216c`. The end is a hash of
 * the code, so it changes with the code. Up to Prefect 2.10 a key has no hash and begins with the module:
 * `__main__.extract`.
 */
export const qualifiedName = (taskKey: string): string => taskKey.replace(/-(?:[0-9a-f]{8}|unknown)$/, "")

/**
 * The number of a task run among the calls of its task in the flow run, which Prefect 2 counts from 0; undefined when
 * the server generated a UUID instead.
 */
export const callNumber = (row: Row): number | undefined => {
  const key = row["dynamic_key"]
  return typeof key === "string" && /^\d{1,15}$/.test(key) ? Number(key) : undefined
}
