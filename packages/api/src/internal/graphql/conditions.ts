import * as LogEntry from "@effect-prefect/core/LogEntry"
import type * as State from "@effect-prefect/core/State"
import type * as Backend from "../../Backend.ts"
import { compareCodePoints } from "../codePoints.ts"
import type { Condition } from "./keyset.ts"

export const stateTypes = Object.keys(
  {
    Pending: 0,
    Scheduled: 0,
    Paused: 0,
    Resume: 0,
    Retrying: 0,
    ClientFailed: 0,
    Submitted: 0,
    Queued: 0,
    Running: 0,
    Cancelling: 0,
    Finished: 0,
    Looped: 0,
    Success: 0,
    Cached: 0,
    Mapped: 0,
    Skipped: 0,
    Cancelled: 0,
    Failed: 0,
    TimedOut: 0,
    TriggerFailed: 0,
    ValidationFailed: 0
  } satisfies Record<Exclude<State.StateType, "UnknownState">, 0>
)

export const all = (conditions: ReadonlyArray<Condition>): Condition =>
  conditions.length === 1 ? conditions[0]! : { _and: conditions }

/** Filters by the stored state itself, like the views; a run without one counts as Scheduled. */
export const inStates = (states: ReadonlyArray<string>): Condition => ({
  _or: [
    ...states.map((type) => ({ serialized_state: { _contains: { type } } })),
    ...(states.includes("Scheduled") ? [{ serialized_state: { _is_null: true } }] : [])
  ]
})

/** Lines whose level is not one of Python's match every level. */
export const fromLevel = (level: LogEntry.LogLevel): Condition => {
  const names = Object.keys(LogEntry.levels) as Array<LogEntry.LogLevel>
  const below = names.filter((name) => LogEntry.levels[name] < LogEntry.levels[level])
  return { _or: [{ level: { _nin: below } }, { level: { _is_null: true } }] }
}

/**
 * The condition for several slugs, map indexes and flow runs. Map indexes that share the same slugs are one branch, so
 * a thousand children of one task, or the parents of a whole flow run, need only one.
 */
export const slugConditions = (queries: ReadonlyArray<Backend.TaskRunBySlug>): Condition => {
  const flowRuns = new Map<string, Map<number, Set<string>>>()
  for (const { flowRunId, mapIndex, taskSlug } of queries) {
    const byIndex = flowRuns.get(flowRunId) ?? new Map<number, Set<string>>()
    const slugs = byIndex.get(mapIndex) ?? new Set<string>()
    flowRuns.set(flowRunId, byIndex.set(mapIndex, slugs.add(taskSlug)))
  }
  const branches: Array<Condition> = []
  for (const [flowRunId, byIndex] of flowRuns) {
    const bySlugs = new Map<string, { readonly slugs: ReadonlyArray<string>; readonly indexes: Array<number> }>()
    for (const [mapIndex, set] of byIndex) {
      const slugs = [...set].toSorted(compareCodePoints)
      const key = JSON.stringify(slugs)
      const same = bySlugs.get(key)
      if (same === undefined) bySlugs.set(key, { slugs, indexes: [mapIndex] })
      else same.indexes.push(mapIndex)
    }
    for (const { indexes, slugs } of bySlugs.values()) {
      branches.push({
        flow_run_id: { _eq: flowRunId },
        task: { slug: slugs.length === 1 ? { _eq: slugs[0] } : { _in: slugs } },
        map_index: indexes.length === 1 ? { _eq: indexes[0] } : { _in: indexes }
      })
    }
  }
  return branches.length === 1 ? branches[0]! : { _or: branches }
}

export const slugKey = (flowRunId: string | null, taskSlug: string | null, mapIndex: number) =>
  JSON.stringify([flowRunId, taskSlug, mapIndex])
