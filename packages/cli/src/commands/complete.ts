import * as Command from "effect/cli/Command"
import * as Inputs from "../inputs/complete.ts"
import { descriptions } from "../internal/descriptions.ts"
import { lazyHandler } from "../internal/lazyHandler.ts"

export const complete = Command.make(
  "complete",
  Inputs.complete,
  lazyHandler(() => import("../handlers/complete.ts").then((_) => _.complete))
).pipe(
  Command.withDescription(descriptions.complete),
  Command.unlisted
)
