import * as Command from "effect/cli/Command"
import * as Inputs from "../inputs/archive.ts"
import { lazyHandler } from "../internal/lazyHandler.ts"

const exportArchive = Command.make(
  "export",
  Inputs.exportArchive,
  lazyHandler(() => import("../handlers/archive.ts").then((_) => _.exportArchive))
).pipe(
  Command.withDescription("Copy a Prefect 1 database, and the results that its workers stored, into an archive folder"),
  Command.withExamples([
    {
      command: "effect-prefect archive export --database postgresql://reader@db/prefect_server ./archive",
      description: "The tables, from one snapshot"
    },
    {
      command: "effect-prefect archive export --database postgresql://reader@db/prefect_server ./archive --results " +
        "--mount /srv/prefect/results --mount s3://prefect-results",
      description: "The results too: this machine sees the workers' directory, and has credentials for the bucket"
    }
  ])
)

const verify = Command.make(
  "verify",
  Inputs.verify,
  lazyHandler(() => import("../handlers/archive.ts").then((_) => _.verify))
).pipe(
  Command.withDescription(
    "Read all of an archive and say which results are missing or unreadable, and why; exit code 1 when some are"
  ),
  Command.withExamples([{
    command: "effect-prefect archive verify ./archive",
    description: "Whether the archive is complete on its own"
  }])
)

export const archive = Command.make("archive").pipe(
  Command.withDescription("Archives: a Prefect 1 server's tables and results as a folder"),
  Command.withSubcommands([exportArchive, verify])
)
