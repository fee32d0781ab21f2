/** Runs the commands that its parent sends, one after the other, as in a pipe: a process takes a second to start. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { exitCode, program } from "../../packages/cli/src/program.ts"
import { captured } from "../../packages/cli/test/captured.ts"

const run = async (args: ReadonlyArray<string>) => {
  const { err, layer, out } = captured()
  const exit = await Effect.runPromiseExit(Effect.provide(program(args), Layer.merge(NodeServices.layer, layer)))
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
