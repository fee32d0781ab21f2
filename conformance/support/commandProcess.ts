/** Runs the commands that its parent sends, one after the other, as in a pipe: a process takes a second to start. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { format } from "node:util"
import { Output, type Sink } from "../../packages/cli/src/internal/output.ts"
import { exitCode, program } from "../../packages/cli/src/program.ts"

const sink = (chunks: Array<Buffer>): Sink => ({
  isTerminal: false,
  colors: "none",
  columns: undefined,
  write: (text) => Effect.sync(() => void chunks.push(Buffer.from(text))),
  writeData: (data) => Effect.sync(() => void chunks.push(Buffer.from(data)))
})

const run = async (args: ReadonlyArray<string>) => {
  const out: Array<Buffer> = []
  const err: Array<Buffer> = []
  const into = (chunks: Array<Buffer>) => (...words: ReadonlyArray<unknown>) =>
    void chunks.push(Buffer.from(`${format(...words)}\n`))
  const own: Console.Console = Object.assign(Object.create(console) as Console.Console, {
    log: into(out),
    error: into(err)
  })
  const exit = await Effect.runPromiseExit(
    Effect.provide(
      program(args),
      Layer.mergeAll(
        NodeServices.layer,
        Layer.succeed(Output, Output.of({ stdout: sink(out), stderr: sink(err) })),
        Layer.succeed(Console.Console, own)
      )
    )
  )
  return {
    code: exitCode(exit),
    stdout: Buffer.concat(out).toString("latin1"),
    stderr: Buffer.concat(err).toString()
  }
}

let before: Promise<unknown> = Promise.resolve()
process.on("message", ({ args, id }: { readonly args: ReadonlyArray<string>; readonly id: number }) => {
  before = before.then(async () => process.send?.({ id, ...(await run(args)) }))
})
process.on("disconnect", () => process.exit())
