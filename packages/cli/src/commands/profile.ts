import * as Command from "effect/cli/Command"
import * as Inputs from "../inputs/profile.ts"
import { descriptions } from "../internal/descriptions.ts"
import { lazyHandler } from "../internal/lazyHandler.ts"

const set = Command.make(
  "set",
  Inputs.set,
  lazyHandler(() => import("../handlers/profile.ts").then((_) => _.set))
).pipe(
  Command.withDescription("Make or replace a profile; the first one becomes the active profile"),
  Command.withExamples([{
    command: "effect-prefect profile set old --archive ./archive --mount /srv/prefect/results=./results",
    description: "An archive whose results are in ./results"
  }])
)

const list = Command.make(
  "list",
  Inputs.list,
  lazyHandler(() => import("../handlers/profile.ts").then((_) => _.list))
).pipe(
  Command.withDescription("List the profiles and mark the active one"),
  Command.withExamples([{ command: "effect-prefect profile list", description: "Every profile" }])
)

const use = Command.make(
  "use",
  Inputs.use,
  lazyHandler(() => import("../handlers/profile.ts").then((_) => _.use))
).pipe(
  Command.withDescription("Use a profile whenever no backend is given"),
  Command.withExamples([{ command: "effect-prefect profile use old", description: "From now on" }])
)

const remove = Command.make(
  "remove",
  Inputs.remove,
  lazyHandler(() => import("../handlers/profile.ts").then((_) => _.remove))
).pipe(
  Command.withDescription("Remove a profile"),
  Command.withExamples([{ command: "effect-prefect profile remove old", description: "Forget it" }])
)

export const profile = Command.make("profile").pipe(
  Command.withDescription(descriptions.profile),
  Command.withSubcommands([set, list, use, remove])
)
