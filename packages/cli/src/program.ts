/** The command as an Effect, which `main.ts` runs in a process, and tests run in theirs. */
import * as Cause from "effect/Cause"
import * as CliConfig from "effect/cli/CliConfig"
import * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import { createRequire } from "node:module"
import { loadAll, loadFor } from "./Cli.ts"
import { NothingToComplete, OutputClosed } from "./internal/errors.ts"
import * as Help from "./internal/help.ts"
import { Output } from "./internal/output.ts"
import { oneLine } from "./internal/terminal.ts"
import { withVisibleText } from "./internal/visibleText.ts"

const { version } = createRequire(import.meta.url)("../package.json") as { readonly version: string }

/** Messages of Effect's parser that speak of the parser, in terms of what was typed. */
const plain = (message: string): string => {
  const [, flag, value, expected = ""] =
    /^Invalid value for flag (--[\w-]+): (".*")\. Expected: ?(.*)$/s.exec(message) ??
      /^Invalid value for flag (--[\w-]+): (".*")\. Expected (.*)$/s.exec(message) ?? []
  if (flag !== undefined && value !== undefined) {
    const [, times] = /^"(\d+) occurrences"$/.exec(value) ?? []
    if (times !== undefined && expected === "at most 1 value") return `${flag} was given ${times} times; give it once`
    if (/finite number|integer/.test(expected)) return `${flag} takes a whole number, not ${value}`
    if (expected.includes(" | ")) return `${flag} takes ${expected.replaceAll(" | ", ", ")}, not ${value}`
  }
  const [, before] = /^Unrecognized flag: (-[\w-]+) in command effect-prefect$/.exec(message) ?? []
  return before === undefined ? message : `${before} stands before the subcommand; flags come after it`
}

/** Effect puts suggestions on lines of their own. */
const withHint = (message: string): string => {
  const lines = message.split("\n").map((line) => line.trim())
  const hint = lines.indexOf("Did you mean this?")
  return hint < 1 ? plain(message) : `${lines[0]}; did you mean ${lines[hint + 1]}?`
}

/** A usage error is reported in one line with a pointer to the help, which would otherwise scroll it away. */
const presenter = CliOutput.layerPresenter({
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? Effect.gen(function*() {
        // Only the first mistake is reported: its consequences would hide it.
        const [error] = event.errors
        if (error !== undefined) yield* Console.error(`effect-prefect: ${oneLine(withHint(error.message))}`)
        yield* Console.error(`${event.commandPath.join(" ")} --help shows how it is used`)
      })
      : CliOutput.defaultPresenter.present(event)
})

/** Warnings go to standard error, because standard output is the result. */
const logger = Logger.layer([
  Logger.withConsoleError(Logger.make(({ logLevel, message }) => {
    const text = (Array.isArray(message) ? message : [message]).map(String).join(" ")
    return `effect-prefect: ${logLevel === "Warn" ? "warning" : logLevel.toLowerCase()}: ${oneLine(text)}`
  }))
])

const exitCodeOf = (error: unknown): number =>
  CliError.isCliError(error)
    ? error._tag === "ShowHelp" && error.errors.length === 0 ? 0 : 2
    : Runtime.getErrorExitCode(error)

/** The exit code of the process; 130 when it was interrupted. */
export const exitCode = (exit: Exit.Exit<unknown, unknown>): number =>
  Exit.isSuccess(exit) ? 0 : Cause.hasInterruptsOnly(exit.cause) ? 130 : exitCodeOf(Cause.squash(exit.cause))

const report = (cause: Cause.Cause<unknown>) =>
  Effect.gen(function*() {
    if (Cause.hasInterruptsOnly(cause)) return
    const error = Cause.squash(cause)
    if (CliError.isCliError(error) || error instanceof OutputClosed || error instanceof NothingToComplete) return
    const { messageOf } = yield* Effect.promise(() => import("./internal/hints.ts"))
    yield* Console.error(`effect-prefect: ${oneLine(messageOf(error))}`)
  })

const help = Layer.unwrap(
  Effect.map(Output, ({ stdout }) => Help.layer({ columns: stdout.columns, colors: stdout.colors !== "none" }))
)

/** Prints the completion script of a shell. */
const completions = GlobalFlag.Action({
  flag: GlobalFlag.Completions.flag,
  run: (shell) =>
    Option.isNone(shell) ? Effect.void : Effect.gen(function*() {
      const { script } = yield* Effect.promise(() => import("./internal/completions.ts"))
      yield* Console.log(script(shell.value, yield* Effect.promise(loadAll)))
    })
})

const config = CliConfig.layer({
  builtIns: CliConfig.defaults.builtIns.map((flag) => flag === GlobalFlag.Completions ? completions : flag)
})

/** Help, versions and completions are written by a console, which reports no failure. */
const accepted = <A, E, R>(command: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Effect.exit(command), (exit) =>
    exitCode(exit) === 0
      ? Effect.flatMap(Output, ({ stdout }) => Effect.andThen(stdout.flush, exit))
      : exit)

/** Runs the command with these arguments, and reports failures on standard error. */
export const program = (args: ReadonlyArray<string>) =>
  Effect.promise(() => args.includes("--wizard") ? loadAll() : loadFor(args)).pipe(
    Effect.flatMap((command) => accepted(Command.runWith(command, { version })(args))),
    Effect.tapCause(report),
    Effect.provide(Layer.mergeAll(presenter, logger, help, config)),
    withVisibleText
  )
