import * as Command from "effect/cli/Command"
import * as Inputs from "../inputs/doctor.ts"
import { descriptions } from "../internal/descriptions.ts"
import { lazyHandler } from "../internal/lazyHandler.ts"

export const doctor = Command.make(
  "doctor",
  Inputs.doctor,
  lazyHandler(() => import("../handlers/doctor.ts").then((_) => _.doctor))
).pipe(
  Command.withDescription(descriptions.doctor),
  Command.withExamples([
    { command: "effect-prefect doctor", description: "The settings of the other commands here" },
    { command: "effect-prefect doctor --api http://localhost:4200", description: "Whether a server responds" }
  ])
)
