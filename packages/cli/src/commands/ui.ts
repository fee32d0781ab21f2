import * as Command from "effect/cli/Command"
import * as Inputs from "../inputs/ui.ts"
import { descriptions } from "../internal/descriptions.ts"
import { lazyHandler } from "../internal/lazyHandler.ts"

export const ui = Command.make(
  "ui",
  Inputs.ui,
  lazyHandler(() => import("../handlers/ui.ts").then((_) => _.ui))
).pipe(
  Command.withDescription(descriptions.ui),
  Command.withExamples([
    {
      command: "effect-prefect ui --archive ./archive --open",
      description: "The page of an archive, in this system's browser"
    },
    {
      command: "effect-prefect ui --api http://localhost:4200 --mount /srv/prefect/results=./results",
      description: "The page of a Prefect 1 server, with results from a local copy"
    }
  ])
)
