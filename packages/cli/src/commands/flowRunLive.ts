import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Flags from "../Flags.ts"
import { lazy } from "../internal/lazy.ts"

const id = Argument.String("id").pipe(Argument.withDescription("The flow run's id"))

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

export const logsConfig = {
  id,
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

export const logs = Command.make(
  "logs",
  logsConfig,
  lazy(() => import("../handlers/flowRunLive.ts").then((_) => _.logs))
).pipe(
  Command.withDescription("Print a flow run's log"),
  Command.withExamples([
    { command: "effect-prefect flow-run logs ID --archive ./archive --level WARNING", description: "What went wrong" },
    { command: "effect-prefect flow-run logs ID --api http://localhost:4200 --follow", description: "As it is written" }
  ])
)

export const watchConfig = { id, level, timeout, ...Flags.backend, ...Flags.unusedStorage, json: Flags.json }

export const watch = Command.make(
  "watch",
  watchConfig,
  lazy(() => import("../handlers/flowRunLive.ts").then((_) => _.watch))
).pipe(
  Command.withDescription("Watch a flow run until it has finished; the exit code tells whether it succeeded"),
  Command.withExamples([{
    command: "effect-prefect flow-run watch ID --api http://localhost:4200 --timeout 3600 && deploy",
    description: "Go on when it has succeeded within an hour"
  }])
)
