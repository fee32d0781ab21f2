import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { Output, type Sink } from "./output.ts"
import { own, visible } from "./terminal.ts"

const safeSink = (sink: Sink): Sink =>
  Object.create(sink, {
    write: { value: (text: string) => sink.write(visible(text)) },
    writeData: {
      value: (data: string | Uint8Array) =>
        sink.isTerminal
          ? sink.write(visible(typeof data === "string" ? data : new TextDecoder().decode(data)))
          : sink.writeData(data)
    }
  }) as Sink

const safeConsole = (console: Console.Console): Console.Console => {
  const text = (words: ReadonlyArray<unknown>) => words.map(String).join(" ")
  const error = (...words: ReadonlyArray<unknown>) => console.error(visible(text(words)))
  return Object.assign(Object.create(console) as Console.Console, {
    error,
    warn: error,
    // Help is written here, in colours.
    // oxlint-disable-next-line no-control-regex -- these are its colours
    log: (...words: ReadonlyArray<unknown>) => console.log(visible(text(words).replace(/\u001b\[[0-9;]*m/g, own)))
  })
}

/** Runs a command and passes all of its text through `visible`, wherever it is written. */
export const withVisibleText = <A, E, R>(command: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | Output> =>
  Effect.gen(function*() {
    const { stderr, stdout } = yield* Output
    const console = yield* Console.Console
    return yield* command.pipe(
      Effect.provideService(Output, Output.of({ stdout: safeSink(stdout), stderr: safeSink(stderr) })),
      Effect.provideService(Console.Console, safeConsole(console))
    )
  }) as Effect.Effect<A, E, R | Output>
