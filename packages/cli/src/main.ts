import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { constants } from "node:os"
import * as Output from "./internal/output.ts"
import { exitCode, program } from "./program.ts"

const fiber = Effect.runFork(
  Effect.provide(program(process.argv.slice(2)), Layer.mergeAll(NodeServices.layer, Output.layer))
)

/** The exit code of a process that was ended by a signal, as in shells. */
let signalled: number | undefined

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    const code = 128 + constants.signals[signal]
    // A second signal ends the process at once.
    if (signalled !== undefined) process.exit(code)
    signalled = code
    fiber.interruptUnsafe()
  })
}

// A fiber that only waits for an interruption does not keep the process alive.
const alive = setInterval(() => {}, 2 ** 31 - 1)
fiber.addObserver((exit) => {
  clearInterval(alive)
  const code = signalled ?? exitCode(exit)
  if (code !== 0) process.exit(code)
})
