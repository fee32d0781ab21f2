import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import * as Flags from "./flags.ts"

/** A flow run as a user names it; when omitted, the command offers the newest ones on a terminal. */
const run = Argument.String("run").pipe(
  Argument.withDescription(
    "The flow run: its id, the first 6 or more digits of its id, its name, FLOW/latest or FLOW/latest:STATE"
  ),
  Argument.optional
)

const time = (name: string, description: string) =>
  Flag.String(name).pipe(
    Flag.withDescription(`${description}: 2022-03-01, 2022-03-01T12:00Z, 30m, 12h or 7d ago`),
    Flag.withMetavar("TIME"),
    Flag.optional
  )

export const list = {
  flow: Flag.String("flow").pipe(
    Flag.withDescription("Only runs of the flow with this name"),
    Flag.withMetavar("NAME"),
    Flag.optional
  ),
  state: Flags.states,
  since: time("since", "Only runs that started at or after"),
  until: time("until", "Only runs that started before"),
  label: Flag.String("label").pipe(
    Flag.withDescription("Only runs with this label, a tag of Prefect 2 and 3 (repeatable: with all of them)"),
    Flag.withAlias("tag"),
    Flag.withMetavar("LABEL"),
    Flag.atLeast(0)
  ),
  sort: Flag.Literals("sort", ["newest", "oldest", "longest", "name"]).pipe(
    Flag.withDescription("newest (default), oldest, longest or name"),
    Flag.withMetavar("ORDER"),
    Flag.withDefault("newest")
  ),
  limit: Flags.limit,
  ...Flags.backend,
  ...Flags.unusedStorage,
  utc: Flags.utc,
  json: Flags.json
}

export const show = { run, ...Flags.backend, ...Flags.unusedStorage, utc: Flags.utc, json: Flags.json }

export const taskRuns = {
  run,
  state: Flags.states,
  slug: Flag.String("slug").pipe(
    Flag.withDescription("Only runs of the task with this slug"),
    Flag.withMetavar("SLUG"),
    Flag.optional
  ),
  mapped: Flag.Boolean("mapped").pipe(
    Flag.withDescription("Only mapped children; with --no-mapped only the others"),
    Flag.optional
  ),
  ...Flags.backend,
  ...Flags.unusedStorage,
  utc: Flags.utc,
  json: Flags.json
}

export const results = { run, ...Flags.result, ...Flags.backend, ...Flags.storage, json: Flags.json }

export const states = { run, ...Flags.backend, ...Flags.unusedStorage, utc: Flags.utc, json: Flags.json }

export const result = {
  run,
  raw: Flags.raw,
  ...Flags.result,
  ...Flags.backend,
  ...Flags.eachResult,
  json: Flags.json
}

export const artifacts = { run, ...Flags.backend, ...Flags.unusedStorage, json: Flags.json }

const timeout = Flag.Int("timeout").pipe(
  Flag.withDescription("Stop after this many seconds, with exit code 124; the run itself continues"),
  Flag.withMetavar("SECONDS"),
  Flag.optional
)

export const logs = {
  run,
  level: Flags.level,
  follow: Flag.Boolean("follow").pipe(
    Flag.withDescription("Continue until the run has finished and its late lines have arrived"),
    Flag.withAlias("f"),
    Flag.withDefault(false)
  ),
  tail: Flag.Int("tail").pipe(
    Flag.withDescription("Only the last lines"),
    Flag.withMetavar("N"),
    Flag.optional
  ),
  reverse: Flag.Boolean("reverse").pipe(
    Flag.withDescription("Newest line first"),
    Flag.withDefault(false)
  ),
  timeout,
  ...Flags.backend,
  ...Flags.unusedStorage,
  utc: Flags.utc,
  json: Flags.json
}

export const watch = {
  run,
  level: Flags.level,
  timeout,
  ...Flags.backend,
  ...Flags.unusedStorage,
  utc: Flags.utc,
  json: Flags.json
}
