import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import * as Flags from "./flags.ts"

/** A flow run as a person names it; left out, the command offers the newest on a terminal. */
const run = Argument.String("run").pipe(
  Argument.withDescription(
    "The flow run: its id, the first 6 or more digits of it, its name, FLOW/latest or FLOW/latest:STATE"
  ),
  Argument.optional
)

export const list = {
  flow: Flag.String("flow").pipe(
    Flag.withDescription("Only runs of the flow of this name"),
    Flag.withMetavar("NAME"),
    Flag.optional
  ),
  state: Flag.String("state").pipe(
    Flag.withDescription(
      "Only runs in this state, e.g. Failed; of Prefect 2 and 3 also by their types, e.g. CRASHED (repeatable)"
    ),
    Flag.withMetavar("STATE"),
    Flag.atLeast(0)
  ),
  limit: Flag.Int("limit").pipe(
    Flag.withDescription("At most this many, newest first (default: all)"),
    Flag.withMetavar("N"),
    Flag.optional
  ),
  ...Flags.backend,
  ...Flags.unusedStorage,
  json: Flags.json
}

export const show = { run, ...Flags.backend, ...Flags.unusedStorage, json: Flags.json }

export const taskRuns = { run, ...Flags.backend, ...Flags.unusedStorage, json: Flags.json }

export const result = {
  run,
  raw: Flags.raw,
  ...Flags.result,
  ...Flags.backend,
  ...Flags.storage,
  json: Flags.json
}

export const results = { run, ...Flags.backend, ...Flags.storage, json: Flags.json }

const level = Flag.Literals("level", ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]).pipe(
  Flag.withDescription("Only lines of this level and above"),
  Flag.withMetavar("LEVEL"),
  Flag.optional
)

const timeout = Flag.Int("timeout").pipe(
  Flag.withDescription("Give up after this many seconds; the run itself goes on"),
  Flag.withMetavar("SECONDS"),
  Flag.optional
)

export const logs = {
  run,
  level,
  follow: Flag.Boolean("follow").pipe(
    Flag.withDescription("Go on until the run has finished and its late lines are in"),
    Flag.withAlias("f"),
    Flag.withDefault(false)
  ),
  timeout,
  ...Flags.backend,
  ...Flags.unusedStorage,
  json: Flags.json
}

export const watch = { run, level, timeout, ...Flags.backend, ...Flags.unusedStorage, json: Flags.json }
