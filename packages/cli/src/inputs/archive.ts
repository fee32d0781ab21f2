import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import * as Flags from "./flags.ts"

export const exportArchive = {
  directory: Argument.String("dir").pipe(Argument.withDescription("The archive's folder; made when it is not there")),
  database: Flag.Redacted("database").pipe(
    Flag.withDescription("The Prefect 1 server's Postgres, e.g. postgresql://user@host/prefect_server"),
    Flag.withMetavar("URL")
  ),
  results: Flag.Boolean("results").pipe(
    Flag.withDescription("Copy the stored results too: those that --mount allows"),
    Flag.withDefault(false)
  ),
  allowIncomplete: Flag.Boolean("allow-incomplete").pipe(
    Flag.withDescription("Exit with 0 also when some results could not be copied"),
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
