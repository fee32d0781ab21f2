import * as Command from "effect/cli/Command"
import * as Inputs from "../inputs/doctor.ts"
import { lazyHandler } from "../internal/lazyHandler.ts"

export const doctor = Command.make(
  "doctor",
  Inputs.doctor,
  lazyHandler(() => import("../handlers/doctor.ts").then((_) => _.doctor))
).pipe(
  Command.withDescription("Say which backend and storages would be used, where each was configured, and what answers"),
  Command.withExamples([
    { command: "effect-prefect doctor", description: "What the other commands would use here" },
    { command: "effect-prefect doctor --api http://localhost:4200", description: "Whether a server answers" }
  ])
)
