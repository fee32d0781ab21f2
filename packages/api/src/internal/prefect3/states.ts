/** Names of states in a query: Prefect 1's types, Prefect 3's types, or the free-text names of Prefect 3. */
import * as Prefect3State from "@effect-prefect/core/Prefect3State"
import type { State } from "@effect-prefect/core/State"

const ofPrefect1: Readonly<Record<string, ReadonlyArray<Prefect3State.Prefect3StateType>>> = {
  Pending: ["PENDING"],
  Scheduled: ["SCHEDULED"],
  Paused: ["PAUSED"],
  Retrying: ["RUNNING", "SCHEDULED"],
  Running: ["RUNNING"],
  Cancelling: ["CANCELLING"],
  Finished: ["COMPLETED"],
  Success: ["COMPLETED"],
  Cached: ["COMPLETED"],
  Cancelled: ["CANCELLED"],
  Failed: ["FAILED", "CRASHED"],
  TimedOut: ["FAILED"],
  // Prefect 3 never produces these.
  Resume: [],
  ClientFailed: [],
  Submitted: [],
  Queued: [],
  Looped: [],
  Mapped: [],
  Skipped: [],
  TriggerFailed: [],
  ValidationFailed: []
}

const isType = (name: string): name is Prefect3State.Prefect3StateType =>
  (Prefect3State.types as ReadonlyArray<string>).includes(name)

const isPrefect1 = (name: string): boolean => Object.hasOwn(ofPrefect1, name)

/** The filter for the server, which matches a superset; undefined when no run can have such a state. */
export const filter = (names: ReadonlyArray<string>): object | undefined => {
  const types = new Set(names.flatMap((name) => isType(name) ? [name] : isPrefect1(name) ? ofPrefect1[name]! : []))
  const free = names.filter((name) => !isType(name) && !isPrefect1(name))
  const byType = types.size === 0 ? {} : { type: { any_: [...types] } }
  const byName = free.length === 0 ? {} : { name: { any_: free } }
  if (types.size === 0 && free.length === 0) return undefined
  return types.size > 0 && free.length > 0 ? { operator: "or_", ...byType, ...byName } : { ...byType, ...byName }
}

/** Whether a state is one of those. */
export const matches = (names: ReadonlyArray<string>, state: State): boolean =>
  names.some((name) => {
    if (isPrefect1(name)) return state._tag === name
    if (state._tag === "UnknownState" || state.prefect3 === undefined) return false
    return isType(name) ? state.prefect3.type === name : state.prefect3.name === name
  })
