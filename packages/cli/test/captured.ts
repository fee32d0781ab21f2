/** The output of a command that runs in this process as in a pipe, kept in memory. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { format } from "node:util"
import { Output, type Sink } from "../src/internal/output.ts"

const sink = (chunks: Array<Buffer>): Sink => ({
  isTerminal: false,
  colors: "none",
  columns: undefined,
  flush: Effect.void,
  write: (text) => Effect.sync(() => void chunks.push(Buffer.from(text))),
  writeData: (data) => Effect.sync(() => void chunks.push(Buffer.from(data)))
})

/** What a command writes, and the services by which it writes there. */
export const captured = () => {
  const out: Array<Buffer> = []
  const err: Array<Buffer> = []
  const into = (chunks: Array<Buffer>) => (...words: ReadonlyArray<unknown>) =>
    void chunks.push(Buffer.from(`${format(...words)}\n`))
  const own: Console.Console = Object.assign(Object.create(console) as Console.Console, {
    log: into(out),
    error: into(err)
  })
  const layer = Layer.mergeAll(
    Layer.succeed(Output, Output.of({ stdout: sink(out), stderr: sink(err) })),
    Layer.succeed(Console.Console, own)
  )
  return { out, err, layer }
}
