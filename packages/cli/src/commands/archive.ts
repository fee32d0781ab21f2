import * as Command from "effect/cli/Command"
import * as Inputs from "../inputs/archive.ts"
import { descriptions } from "../internal/descriptions.ts"
import { lazyHandler } from "../internal/lazyHandler.ts"

const exportArchive = Command.make(
  "export",
  Inputs.exportArchive,
  lazyHandler(() => import("../handlers/archive.ts").then((_) => _.exportArchive))
).pipe(
  Command.withDescription(
    "Copy a Prefect server's rows, and the results that its workers stored, into an archive folder"
  ),
  Command.withExamples([
    {
      command: "effect-prefect archive export --database postgresql://reader@db/prefect_server ./archive",
      description: "The tables, from one snapshot"
    },
    {
      command: "effect-prefect archive export --database postgresql://reader@db/prefect_server ./archive --results " +
        "--mount /srv/prefect/results --mount s3://prefect-results",
      description: "The results too, when this machine has the workers' directory and credentials for the bucket"
    },
    {
      command: "effect-prefect archive export --api http://localhost:4200 ./archive --flow nightly --since 2022-03-01",
      description: "The recent runs of one flow, from a server whose database is out of reach"
    },
    {
      command: "effect-prefect archive export --prefect3 http://localhost:4200/api ./archive --results " +
        "--mount ~/.prefect/storage",
      description: "All that a Prefect 2 or 3 server has, and its results"
    }
  ])
)

const verify = Command.make(
  "verify",
  Inputs.verify,
  lazyHandler(() => import("../handlers/archive.ts").then((_) => _.verify))
).pipe(
  Command.withDescription(
    "Compare an archive with the records of its export, and list what is missing, changed or added; exit code 1 if anything is"
  ),
  Command.withExamples([{
    command: "effect-prefect archive verify ./archive",
    description: "Whether the archive is complete on its own"
  }])
)

const index = Command.make(
  "index",
  Inputs.index,
  lazyHandler(() => import("../handlers/archive.ts").then((_) => _.index))
).pipe(
  Command.withDescription(
    "Build the index of an archive beside its tables, so that every command on it starts quickly"
  ),
  Command.withExamples([{
    command: "effect-prefect archive index ./archive",
    description: "An archive of many rows that has no index, or whose tables have changed"
  }])
)

export const archive = Command.make("archive").pipe(
  Command.withDescription(descriptions.archive),
  Command.withSubcommands([exportArchive, verify, index])
)
