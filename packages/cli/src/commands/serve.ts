import * as Command from "effect/cli/Command"
import * as Inputs from "../inputs/serve.ts"
import { descriptions } from "../internal/descriptions.ts"
import { lazyHandler } from "../internal/lazyHandler.ts"

export const serve = Command.make(
  "serve",
  Inputs.serve,
  lazyHandler(() => import("../handlers/serve.ts").then((_) => _.serve))
).pipe(
  Command.withDescription(descriptions.serve),
  Command.withExamples([
    {
      command: "effect-prefect serve --archive ./archive",
      description: "At http://127.0.0.1:4200, Prefect's own port"
    },
    {
      command: "effect-prefect serve --database postgresql://reader@db/prefect_server --host 0.0.0.0 --api-key KEY",
      description: "A database without its server, for other machines"
    }
  ])
)
