/** The flow runs, flows, logs and artifacts of an archive's index, in the order in which they are listed. */
import * as LogEntry from "@effect-prefect/core/LogEntry"
import * as Turn from "@effect-prefect/core/Turn"
import * as Effect from "effect/Effect"
import type { SQLInputValue } from "node:sqlite"
import type * as Backend from "../../Backend.ts"
import type { PrefectApiError } from "../../PrefectApiError.ts"
import { nameContains } from "../nameContains.ts"
import { microseconds } from "../timestamps.ts"
import { type Found, type FoundPage, type IndexReader, listOf, pageOf } from "./indexReader.ts"
import { compareKeys, idOf, type Key, keyOf, textOf } from "./keys.ts"

/** A row that is listed by the time at which it was created. */
export interface Created extends Found {
  readonly created: number
  readonly name: Key | null
}
type CreatedCursor = { readonly created: number; readonly id: string; readonly place: number }

export const createdCursor = (entry: Created | undefined): CreatedCursor | undefined =>
  entry === undefined ? undefined : { created: entry.created, id: idOf(entry.id), place: entry.place }

/** A line of a log, which are listed by their time. */
export interface FoundLine extends Found {
  readonly time: number
}
type LineCursor = { readonly time: number; readonly id: string; readonly place: number }

export const lineCursor = (entry: FoundLine | undefined): LineCursor | undefined =>
  entry === undefined ? undefined : { time: entry.time, id: idOf(entry.id), place: entry.place }

/** SQLite limits the number of parameters; a longer list of flows is handled by scanning. */
const mostFlows = 100

/** Newest first: one page of each list, and then the newest of all. */
const newest = <A extends { readonly created: number; readonly id: Key; readonly place: number }>(
  lists: ReadonlyArray<ReadonlyArray<A>>,
  limit: number
): ReadonlyArray<A> =>
  lists.length === 1 ?
    lists[0]! :
    lists.flat().toSorted((left, right) =>
      right.created - left.created || compareKeys(right.id, left.id) || right.place - left.place
    ).slice(0, limit)

/** How many names are searched before others have a turn. */
const namesAtOnce = 1000

/** The known levels below a level. */
const lowerThan = (level: LogEntry.LogLevel): ReadonlyArray<string> =>
  Object.entries(LogEntry.levels).filter(([, value]) => value < LogEntry.levels[level]).map(([name]) => name)

export const flowRuns = (
  reader: IndexReader,
  { flowId, flowName, nameContains: part, states }: Backend.FlowRunsQuery,
  { cursor, limit }: Backend.PageRequest
): Effect.Effect<FoundPage<Created>, PrefectApiError> => {
  const operation = "flowRuns"
  const codes = states === undefined ? undefined : reader.codesOf(states)
  const named = flowName === undefined
    ? undefined
    : reader.all<{ readonly id: Key }>("SELECT DISTINCT id FROM flow WHERE name = ?", keyOf(flowName)).map(({ id }) =>
      id
    )
  const flows = flowId === undefined
    ? named
    : named === undefined || named.some((id) => idOf(id) === flowId)
    ? [keyOf(flowId)]
    : []
  let after = cursor as CreatedCursor | undefined
  const list = (where: string, parameters: ReadonlyArray<SQLInputValue>, count: number) =>
    reader.all<Created>(
      `SELECT place, offset, length, id, created, name FROM flow_run WHERE true ${where}
        ${after === undefined ? "" : "AND (created, id, place) < (?, ?, ?)"}
        ORDER BY created DESC, id DESC, place DESC LIMIT ?`,
      ...parameters,
      ...after === undefined ? [] : [after.created, keyOf(after.id), after.place],
      count
    )
  const byState = codes === undefined ? "" : `AND state IN (${listOf(codes.length)})`
  const next = (count: number): ReadonlyArray<Created> => {
    if (flows !== undefined && flows.length <= mostFlows) {
      return newest(flows.map((flow) => list(`AND flow = ? ${byState}`, [flow, ...codes ?? []], count)), count)
    }
    if (flows !== undefined) {
      return list(
        `${byState} AND flow IN (SELECT id FROM flow WHERE name = ?)`,
        [...codes ?? [], keyOf(flowName!)],
        count
      )
    }
    return codes === undefined
      ? list("", [], count)
      : newest(codes.map((code) => list("AND state = ?", [code], count)), count)
  }
  if (part === undefined) return reader.page(operation, limit, () => pageOf(next(limit + 1), limit))
  const found: Array<Created> = []
  const search: Effect.Effect<FoundPage<Created>, PrefectApiError> = Effect.flatMap(
    Effect.andThen(Turn.share, reader.query(operation, () => next(namesAtOnce))),
    (some) => {
      found.push(...some.filter(({ name }) => nameContains(textOf(name), part)))
      if (found.length > limit || some.length < namesAtOnce) return Effect.succeed(pageOf(found, limit))
      after = createdCursor(some.at(-1))
      return search
    }
  )
  return search
}

export const flows = (reader: IndexReader, { cursor, limit }: Backend.PageRequest): FoundPage<Created> => {
  const after = cursor as CreatedCursor | undefined
  return pageOf(
    reader.all<Created>(
      `SELECT place, offset, length, id, created, name FROM flow
        ${after === undefined ? "" : "WHERE (created, id, place) < (?, ?, ?)"}
        ORDER BY created DESC, id DESC, place DESC LIMIT ?`,
      ...after === undefined ? [] : [after.created, keyOf(after.id), after.place],
      limit + 1
    ),
    limit
  )
}

export const logs = (
  reader: IndexReader,
  { after, flowRunId, level, taskRunId }: Backend.LogsQuery,
  { cursor, limit }: Backend.PageRequest
): FoundPage<FoundLine> => {
  const known = cursor as LineCursor | undefined ??
    (after === undefined
      ? undefined
      : { time: microseconds(after.timestamp), id: after.id, place: Infinity })
  const lower = level === undefined ? [] : lowerThan(level)
  const conditions = [
    ...(taskRunId === undefined ? [] : ["task_run = ?"]),
    ...(flowRunId === undefined ? [] : [taskRunId === undefined ? "flow_run = ?" : "+flow_run = ?"]),
    ...(known === undefined ? [] : ["(time, id, place) > (?, ?, ?)"]),
    ...(level === undefined ? [] : [`(level IS NULL OR level NOT IN (${listOf(lower.length)}))`])
  ]
  return pageOf(
    reader.all<FoundLine>(
      `SELECT place, offset, length, id, time FROM log
        ${conditions.length === 0 ? "" : `WHERE ${conditions.join(" AND ")}`} ORDER BY time, id, place LIMIT ?`,
      ...taskRunId === undefined ? [] : [keyOf(taskRunId)],
      ...flowRunId === undefined ? [] : [keyOf(flowRunId)],
      ...known === undefined ? [] : [known.time, keyOf(known.id), known.place],
      ...lower,
      limit + 1
    ),
    limit
  )
}

export const artifacts = (
  reader: IndexReader,
  { flowRunId, taskRunId }: Backend.ArtifactsQuery,
  { cursor, limit }: Backend.PageRequest
): FoundPage<Created> => {
  const after = cursor as CreatedCursor | undefined
  const byRun = flowRunId !== undefined && taskRunId === undefined
  const key = byRun ? "artifact_run" : "artifact"
  const conditions = [
    ...(taskRunId === undefined ? [] : ["artifact.task_run = ?"]),
    ...(byRun ? ["artifact_run.run = ?"] : []),
    ...(!byRun && flowRunId !== undefined
      ? ["EXISTS (SELECT 1 FROM task_run WHERE task_run.id = artifact.task_run AND task_run.run = ?)"]
      : []),
    ...(after === undefined ? [] : [`(${key}.created, ${key}.id, ${key}.place) > (?, ?, ?)`])
  ]
  return pageOf(
    reader.all<Created>(
      `SELECT artifact.place, offset, length, artifact.id, artifact.created FROM ${
        byRun ? "artifact_run CROSS JOIN artifact ON artifact.place = artifact_run.place" : "artifact"
      } ${conditions.length === 0 ? "" : `WHERE ${conditions.join(" AND ")}`}
        ORDER BY ${key}.created, ${key}.id, ${key}.place LIMIT ?`,
      ...taskRunId === undefined ? [] : [keyOf(taskRunId)],
      ...flowRunId === undefined ? [] : [keyOf(flowRunId)],
      ...after === undefined ? [] : [after.created, keyOf(after.id), after.place],
      limit + 1
    ),
    limit
  )
}
