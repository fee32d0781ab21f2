import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import * as Flags from "./flags.ts"

export const exportArchive = {
  directory: Argument.String("dir").pipe(
    Argument.withDescription("The archive's folder; created if it does not exist")
  ),
  database: Flag.Redacted("database").pipe(
    Flag.withDescription("The Prefect 1 server's Postgres, e.g. postgresql://user@host/prefect_server"),
    Flag.withMetavar("URL"),
    Flag.optional
  ),
  api: Flag.String("api").pipe(
    Flag.withDescription("A Prefect 1 GraphQL API instead of its database, e.g. http://localhost:4200"),
    Flag.withMetavar("URL"),
    Flag.optional
  ),
  prefect3: Flag.String("prefect3").pipe(
    Flag.withDescription("A Prefect 2 or 3 API, e.g. http://localhost:4200/api"),
    Flag.withMetavar("URL"),
    Flag.optional
  ),
  flow: Flag.String("flow").pipe(
    Flag.withDescription("Only the runs of the flow with this name (repeatable)"),
    Flag.withMetavar("NAME"),
    Flag.atLeast(0)
  ),
  since: Flag.String("since").pipe(
    Flag.withDescription("Only flow runs that were created at or after this time: 2022-03-01, 2022-03-01T12:00Z, 7d"),
    Flag.withMetavar("TIME"),
    Flag.optional
  ),
  until: Flag.String("until").pipe(
    Flag.withDescription("Only flow runs that were created before this time"),
    Flag.withMetavar("TIME"),
    Flag.optional
  ),
  results: Flag.Boolean("results").pipe(
    Flag.withDescription("Copy the stored results too: those that --mount allows"),
    Flag.withDefault(false)
  ),
  allowIncomplete: Flag.Boolean("allow-incomplete").pipe(
    Flag.withDescription("Exit with 0 even if some results could not be copied"),
    Flag.withDefault(false)
  ),
  mount: Flags.storage.mount,
  s3Endpoint: Flags.storage.s3Endpoint,
  maxBytes: Flags.storage.maxBytes,
  maxMemory: Flags.storage.maxMemory,
  concurrency: Flags.storage.concurrency
}

export const verify = {
  directory: Argument.String("dir").pipe(Argument.withDescription("The archive's folder")),
  concurrency: Flags.storage.concurrency,
  json: Flags.json
}

export const index = {
  directory: Argument.String("dir").pipe(Argument.withDescription("The archive's folder"))
}
