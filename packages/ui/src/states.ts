/** The states of Prefect: their families, colours and shapes. */
import * as State from "@effect-prefect/core/State"
import type * as Schema from "effect/Schema"

export type Family = "succeeded" | "failed" | "running" | "waiting" | "skipped"

/** Prefect 1's own colours, which the command uses too. */
const palette: Readonly<Record<string, string>> = {
  Pending: "#7ebdff",
  Scheduled: "#ffab00",
  Resume: "#f58c0c",
  Submitted: "#ffdf5d",
  Queued: "#ffea7f",
  ClientFailed: "#eb0000",
  Running: "#3d67ff",
  Cancelling: "#a8a8a8",
  Finished: "#003ccb",
  Looped: "#003ccb",
  Success: "#28a745",
  Cached: "#34d058",
  Failed: "#eb0000",
  ValidationFailed: "#ff5131",
  TimedOut: "#ff4e33",
  TriggerFailed: "#ff5131",
  Cancelled: "#bdbdbd",
  Skipped: "#62757f",
  Mapped: "#003ccb",
  Retrying: "#f66a0a",
  Paused: "#99a8e8"
}

/** One colour per family, far apart in lightness too. */
const contrastPalette: Readonly<Record<Family, string>> = {
  succeeded: "#5aa9e6",
  failed: "#d1007a",
  running: "#ffd400",
  waiting: "#f2f2f2",
  skipped: "#4a4a4a"
}

const unknownColour = "#8a8f98"

export const colourOf = (name: string, highContrast = false): string =>
  highContrast ? contrastPalette[familyOf(name)] : Object.hasOwn(palette, name) ? palette[name]! : unknownColour

const families = new Map<string, Family>()

export const familyOf = (name: string): Family => {
  const known = families.get(name)
  if (known !== undefined) return known
  const state = State.fromJson({ type: name })
  const family: Family = State.isFailed(state) || name === "ClientFailed" || /^(?:crashed|failed)$/i.test(name)
    ? "failed"
    : State.isSkipped(state) || State.isCancelled(state) || /^cancell?ed$/i.test(name)
    ? "skipped"
    : State.isSuccessful(state) || /^completed$/i.test(name) || State.isFinished(state)
    ? "succeeded"
    : State.isRunning(state)
    ? "running"
    : "waiting"
  if (families.size < 1000) families.set(name, family)
  return family
}

const familyOrder: ReadonlyArray<Family> = ["failed", "running", "waiting", "skipped", "succeeded"]

/** The state names in a fixed order: failures come first. */
export const sortNames = (names: Iterable<string>): Array<string> =>
  [...names].sort((left, right) =>
    familyOrder.indexOf(familyOf(left)) - familyOrder.indexOf(familyOf(right)) || (left < right ? -1 : 1)
  )

export const allNames: ReadonlyArray<string> = State.State.discriminants.filter((name) => name !== "UnknownState")

export const parse = (json: unknown): State.State => State.fromJson((json ?? null) as Schema.Json)
export const nameOf = (json: unknown): string => State.typeName(parse(json))
export const isFinished = (json: unknown): boolean => State.isFinished(parse(json))
export const isFinishedName = (name: string): boolean => State.isFinished(State.fromJson({ type: name }))
export const messageOf = (json: unknown): string | null => {
  const state = parse(json)
  return state._tag === "UnknownState" ? null : state.message ?? null
}
export const mappedCount = (json: unknown): number | null => {
  const state = parse(json)
  return State.isMapped(state) ? state.nMapStates ?? null : null
}
export const isMapped = (json: unknown): boolean => State.isMapped(parse(json))
