import type { Prefect3State } from "@effect-prefect/core/Prefect3State"
import * as State from "@effect-prefect/core/State"
import { NotPersisted } from "../../ResultError.ts"

/** The most characters of a state's message that an error repeats. */
const maxMessage = 500

/** A state's message on one line; empty when it has none. */
const oneLine = (message: string | null | undefined): string => {
  const text = (message ?? "").slice(0, 4 * maxMessage).replace(/\s+/g, " ").trim()
  return text.length > maxMessage ? `${text.slice(0, maxMessage)}…` : text
}

const ended = (how: string, message: string | null | undefined): string => {
  const text = oneLine(message)
  return text === "" ? `the run ${how}` : `the run ${how}: ${text}`
}

const ofPrefect3 = (state: Prefect3State): string => {
  switch (state.type) {
    case "FAILED":
      return ended(state.name === "TimedOut" ? "timed out" : "failed", state.message)
    case "CRASHED":
      return ended("crashed", state.message)
    case "CANCELLED":
      return ended("was cancelled", state.message)
    default:
      return state.name === "RolledBack"
        ? ended("was rolled back, so Prefect discarded its result", state.message)
        : "result persistence was off when it ran; turn it on with persist_result=True on the task or flow, or with " +
          "PREFECT_RESULTS_PERSIST_BY_DEFAULT=true"
  }
}

const ofPrefect1 = (state: State.State, isFlowRun: boolean): string => {
  const message = state._tag === "UnknownState" ? null : state.message
  if (state._tag === "TriggerFailed") return ended("never started", message)
  if (state._tag === "TimedOut") return ended("timed out", message)
  if (State.isFailed(state)) return ended("failed", message)
  if (State.isSkipped(state)) return ended("was skipped", message)
  if (State.isCancelled(state)) return ended("was cancelled", message)
  return isFlowRun
    ? "a flow of Prefect 1 has no result of its own; read the results of its tasks"
    : "Prefect 1 stores a value other than None, and only with checkpointing on (PREFECT__FLOWS__CHECKPOINTING=true) and " +
      "a result for the task or flow"
}

/** The reason why a finished run has no stored result, in the terms of the Prefect that ran it. */
export const notPersisted = (state: State.State, isFlowRun: boolean): NotPersisted =>
  new NotPersisted({
    state: State.typeName(state),
    detail: state._tag !== "UnknownState" && state.prefect3 !== undefined
      ? ofPrefect3(state.prefect3)
      : ofPrefect1(state, isFlowRun)
  })
