import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Flags from "../Flags.ts"
import { lazy } from "../internal/lazy.ts"

export const exportArchiveConfig = {
  directory: Argument.String("dir").pipe(Argument.withDescription("The archive's folder; made when it is not there")),
  database: Flag.Redacted("database").pipe(
    Flag.withDescription("The Prefect 1 server's Postgres, e.g. postgresql://user@host/prefect_server"),
    Flag.withMetavar("URL")
  ),
  results: Flag.Boolean("results").pipe(
    Flag.withDescription("Copy the stored results too: those that --mount allows"),
    Flag.withDefault(false)
  ),
  mount: Flags.storage.mount,
  s3Endpoint: Flags.storage.s3Endpoint,
  maxBytes: Flags.storage.maxBytes,
  concurrency: Flags.storage.concurrency
}

const exportArchive = Command.make(
  "export",
  exportArchiveConfig,
  lazy(() => import("../handlers/archive.ts").then((_) => _.exportArchive))
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

export const verifyConfig = {
  directory: Argument.String("dir").pipe(Argument.withDescription("The archive's folder")),
  concurrency: Flags.storage.concurrency,
  json: Flags.json
}

const verify = Command.make(
  "verify",
  verifyConfig,
  lazy(() => import("../handlers/archive.ts").then((_) => _.verify))
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
