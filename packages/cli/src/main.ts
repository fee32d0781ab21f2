import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Cause from "effect/Cause"
import * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Runtime from "effect/Runtime"
import { createRequire } from "node:module"
import { cli } from "./Cli.ts"
import { OutputClosed } from "./internal/errors.ts"
import * as Output from "./internal/output.ts"

const { version } = createRequire(import.meta.url)("../package.json") as { readonly version: string }

/** Wrong usage is told in a line and where to read more, not in a page of help that scrolls it away. */
const presenter = CliOutput.layerPresenter({
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? Effect.sync(() => {
        for (const error of event.errors) console.error(`effect-prefect: ${error.message}`)
        console.error(`${event.commandPath.join(" ")} --help shows how it is used`)
      })
      : CliOutput.defaultPresenter.present(event)
})

/** Warnings are for people: standard output is the answer. */
const logger = Logger.layer([
  Logger.make(({ logLevel, message }) => {
    const text = (Array.isArray(message) ? message : [message]).map(String).join(" ")
    console.error(`effect-prefect: ${logLevel === "Warn" ? "warning" : logLevel.toLowerCase()}: ${text}`)
  })
])

const exitCode = (error: unknown): number =>
  CliError.isCliError(error)
    ? error._tag === "ShowHelp" && error.errors.length === 0 ? 0 : 2
    : Runtime.getErrorExitCode(error)

const report = (cause: Cause.Cause<unknown>) =>
  Effect.gen(function*() {
    if (Cause.hasInterruptsOnly(cause)) return
    const error = Cause.squash(cause)
    if (CliError.isCliError(error) || error instanceof OutputClosed) return
    const { messageOf } = yield* Effect.promise(() => import("./internal/hints.ts"))
    console.error(`effect-prefect: ${messageOf(error)}`)
  })

Command.runWith(cli, { version })(process.argv.slice(2)).pipe(
  Effect.tapCause(report),
  Effect.provide(Layer.mergeAll(NodeServices.layer, Output.layer, presenter, logger)),
  NodeRuntime.runMain({
    disableErrorReporting: true,
    teardown: (exit, onExit) => {
      if (Exit.isSuccess(exit)) return onExit(0)
      onExit(Cause.hasInterruptsOnly(exit.cause) ? 130 : exitCode(Cause.squash(exit.cause)))
    }
  })
)
