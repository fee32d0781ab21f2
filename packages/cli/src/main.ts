import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { constants } from "node:os"
import * as Output from "./internal/output.ts"
import { exitCode, program } from "./program.ts"

const fiber = Effect.runFork(
  Effect.provide(program(process.argv.slice(2)), Layer.mergeAll(NodeServices.layer, Output.layer))
)

/** The exit code of a process that a signal ended, as shells count it. */
let signalled: number | undefined

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    const code = 128 + constants.signals[signal]
    // Ending takes too long for whoever signals twice.
    if (signalled !== undefined) process.exit(code)
    signalled = code
    fiber.interruptUnsafe()
  })
}

// A fiber that waits for nothing but an interruption keeps no process alive.
const alive = setInterval(() => {}, 2 ** 31 - 1)
fiber.addObserver((exit) => {
  clearInterval(alive)
  const code = signalled ?? exitCode(exit)
  if (code !== 0) process.exit(code)
})
