import * as Command from "effect/cli/Command"
import * as Inputs from "../inputs/flow.ts"
import { descriptions } from "../internal/descriptions.ts"
import { lazyHandler } from "../internal/lazyHandler.ts"

const list = Command.make(
  "list",
  Inputs.list,
  lazyHandler(() => import("../handlers/flow.ts").then((_) => _.list))
).pipe(
  Command.withDescription("List the flows of the backend"),
  Command.withExamples([{
    command: "effect-prefect flow list --archive ./archive",
    description: "The flows of an archive"
  }])
)

export const flow = Command.make("flow").pipe(
  Command.withDescription(descriptions.flow),
  Command.withSubcommands([list])
)
