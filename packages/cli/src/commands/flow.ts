import * as Command from "effect/cli/Command"
import * as Flags from "../Flags.ts"
import { lazy } from "../internal/lazy.ts"

export const listConfig = { ...Flags.backend, ...Flags.unusedStorage, json: Flags.json }

const list = Command.make(
  "list",
  listConfig,
  lazy(() => import("../handlers/flow.ts").then((_) => _.list))
).pipe(
  Command.withDescription("List the flows that the backend has"),
  Command.withExamples([{
    command: "effect-prefect flow list --archive ./archive",
    description: "The flows of an archive"
  }])
)

export const flow = Command.make("flow").pipe(
  Command.withDescription("Flows"),
  Command.withSubcommands([list])
)
