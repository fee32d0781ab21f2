import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import * as Flags from "./flags.ts"

const which = {
  id: Argument.String("id").pipe(
    Argument.withDescription("The task run: its id, or the first 6 or more digits of its id"),
    Argument.optional
  ),
  slug: Flag.String("slug").pipe(
    Flag.withDescription(
      "Instead of an id: the task's slug, e.g. extract-1 (Prefect 2 and 3: its task key, or the name of its function)"
    ),
    Flag.withMetavar("SLUG"),
    Flag.optional
  ),
  flowRun: Flag.String("flow-run").pipe(
    Flag.withDescription("With --slug: the flow run, as flow-run commands take it"),
    Flag.withMetavar("RUN"),
    Flag.withAlias("F"),
    Flag.optional
  ),
  mapIndex: Flag.Int("map-index").pipe(
    Flag.withDescription(
      "With --slug: the index of a mapped child (default -1: none); on Prefect 2 the number of the call"
    ),
    Flag.withMetavar("N"),
    Flag.optional
  )
}

export const show = { ...which, ...Flags.backend, ...Flags.unusedStorage, json: Flags.json }

export const result = {
  ...which,
  raw: Flags.raw,
  ...Flags.result,
  ...Flags.backend,
  ...Flags.storage,
  json: Flags.json
}

export const mapped = { ...which, ...Flags.result, ...Flags.backend, ...Flags.eachResult, json: Flags.json }

export const list = {
  flowRun: Flag.String("flow-run").pipe(
    Flag.withDescription("The flow run, as flow-run commands take it"),
    Flag.withMetavar("RUN"),
    Flag.withAlias("F"),
    Flag.optional
  ),
  flow: Flag.String("flow").pipe(
    Flag.withDescription("Without --flow-run: only runs of the flow with this name"),
    Flag.withMetavar("NAME"),
    Flag.optional
  ),
  slug: Flag.String("slug").pipe(
    Flag.withDescription("Only runs of the task with this slug"),
    Flag.withMetavar("SLUG"),
    Flag.optional
  ),
  state: Flags.states,
  limit: Flags.limit,
  ...Flags.backend,
  ...Flags.unusedStorage,
  json: Flags.json
}

export const logs = {
  ...which,
  level: Flags.level,
  tail: Flag.Int("tail").pipe(
    Flag.withDescription("Only the last lines"),
    Flag.withMetavar("N"),
    Flag.optional
  ),
  reverse: Flag.Boolean("reverse").pipe(
    Flag.withDescription("Newest line first"),
    Flag.withDefault(false)
  ),
  ...Flags.backend,
  ...Flags.unusedStorage,
  utc: Flags.utc,
  json: Flags.json
}

export const states = { ...which, ...Flags.backend, ...Flags.unusedStorage, utc: Flags.utc, json: Flags.json }
