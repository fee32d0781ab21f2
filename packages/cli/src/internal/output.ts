import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as tty from "node:tty"
import type { Colors } from "./colors.ts"
import { CommandFailed, OutputClosed } from "./errors.ts"

/** One of the two output streams of the process. */
export interface Sink {
  /** Waits until the text is accepted, so a slow reader slows the command down instead of filling memory. */
  readonly write: (text: string) => Effect.Effect<void, OutputClosed | CommandFailed>
  /** The same for formatted data: a pipe or a file receives it unchanged. */
  readonly writeData: (data: string | Uint8Array) => Effect.Effect<void, OutputClosed | CommandFailed>
  /** Waits until everything is accepted that was written past `write`, as the console writes help. */
  readonly flush: Effect.Effect<void, OutputClosed | CommandFailed>
  readonly isTerminal: boolean
  readonly colors: Colors
  /**
   * The current number of columns of the terminal; undefined in a pipe or a file, and when the terminal does not report
   * it.
   */
  readonly columns: number | undefined
}

/**
 * Standard output and standard error.
 */
export class Output extends Context.Service<Output, {
  readonly stdout: Sink
  readonly stderr: Sink
}>()("effect-prefect/Output") {}

/** As most programs decide it: by NO_COLOR, FORCE_COLOR and the terminal's own description. Empty ones are not set. */
export const colorsOf = (isTerminal: boolean, env: NodeJS.ProcessEnv): Colors => {
  const force = env["FORCE_COLOR"] ?? ""
  if ((env["NO_COLOR"] ?? "") !== "" || force === "0" || force === "false") return "none"
  if (force === "" && (!isTerminal || env["TERM"] === "dumb")) return "none"
  return force === "3" || /^(?:truecolor|24bit)$/i.test(env["COLORTERM"] ?? "") ? "full" : "basic"
}

const sink = (stream: tty.WriteStream, name: string): Sink => {
  let failed: NodeJS.ErrnoException | undefined
  // Without a listener, a closed pipe would be an uncaught error; each write reports it to its own caller.
  stream.on("error", (error: NodeJS.ErrnoException) => failed ??= error)
  const failure = (own: NodeJS.ErrnoException) => {
    // Whatever is written afterwards fails because the stream was destroyed.
    const { code } = failed ?? own
    return code === "EPIPE" || code === "ERR_STREAM_DESTROYED"
      ? new OutputClosed()
      : new CommandFailed({
        message: `cannot write ${name} (${code === "ENOSPC" ? "the disk is full" : code ?? "unknown error"})`
      })
  }
  const accepted = (text: string | Uint8Array) =>
    Effect.callback<void, OutputClosed | CommandFailed>((resume) => {
      stream.write(text, (error?: NodeJS.ErrnoException | null) => {
        resume(error === undefined || error === null ? Effect.void : Effect.fail(failure(error)))
      })
    })
  const write = (text: string | Uint8Array) => text.length === 0 ? Effect.void : accepted(text)
  return {
    isTerminal: stream.isTTY === true,
    colors: colorsOf(stream.isTTY === true, process.env),
    get columns() {
      // A terminal of unknown size reports 0.
      return stream.isTTY === true && stream.columns > 0 ? stream.columns : undefined
    },
    flush: Effect.suspend(() => failed === undefined ? accepted("") : Effect.fail(failure(failed))),
    write,
    writeData: write
  }
}

export const layer = Layer.sync(Output, () => ({
  stdout: sink(process.stdout, "standard output"),
  stderr: sink(process.stderr, "standard error")
}))
