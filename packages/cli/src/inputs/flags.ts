/** The flags of every command: the backend to query, and the storages that may be read. */
import * as Flag from "effect/cli/Flag"

export const backend = {
  archive: Flag.String("archive").pipe(
    Flag.withDescription("Read an archive folder: tables/*.jsonl, and mounts.json where results are"),
    Flag.withMetavar("DIR"),
    Flag.optional
  ),
  api: Flag.String("api").pipe(
    Flag.withDescription("Query a Prefect 1 GraphQL API, e.g. http://localhost:4200"),
    Flag.withMetavar("URL"),
    Flag.optional
  ),
  database: Flag.Redacted("database").pipe(
    Flag.withDescription("Read a Prefect 1 server's Postgres, e.g. postgresql://user@host/prefect_server"),
    Flag.withMetavar("URL"),
    Flag.optional
  ),
  prefect3: Flag.String("prefect3").pipe(
    Flag.withDescription("Query a Prefect 2 or 3 API, e.g. http://localhost:4200/api"),
    Flag.withMetavar("URL"),
    Flag.optional
  ),
  profile: Flag.String("profile").pipe(
    Flag.withDescription("Use a profile of the configuration file: effect-prefect profile list shows them"),
    Flag.withMetavar("NAME"),
    Flag.optional
  )
}

export const storage = {
  mount: Flag.String("mount").pipe(
    Flag.withDescription(
      "Allow a location of results: a worker's directory, s3://BUCKET, gs://BUCKET or azure://CONTAINER; " +
        "with =DIR it is read from that local folder (repeatable)"
    ),
    Flag.withMetavar("FROM[=DIR]"),
    Flag.atLeast(0)
  ),
  s3Endpoint: Flag.String("s3-endpoint").pipe(
    Flag.withDescription("Read S3 buckets from this server, e.g. MinIO's"),
    Flag.withMetavar("URL"),
    Flag.optional
  ),
  maxBytes: Flag.Int("max-bytes").pipe(
    Flag.withDescription("Reject results larger than this (default 268435456)"),
    Flag.withMetavar("N"),
    Flag.optional
  ),
  maxMemory: Flag.Int("max-memory").pipe(
    Flag.withDescription(
      "Load no more results concurrently than fit into this many bytes (default 536870912, or half of the heap)"
    ),
    Flag.withMetavar("N"),
    Flag.optional
  ),
  maxChildren: Flag.Int("max-children").pipe(
    Flag.withDescription("Do not collect more mapped children than this into one result (default 100000)"),
    Flag.withMetavar("N"),
    Flag.optional
  ),
  concurrency: Flag.Int("concurrency").pipe(
    Flag.withDescription("Load at most this many results concurrently"),
    Flag.withMetavar("N"),
    Flag.optional
  )
}

export const json = Flag.Boolean("json").pipe(
  Flag.withDescription("Print JSON: one object, or one object per line"),
  Flag.withDefault(false)
)

/** The storage flags on commands that read no result, so that the same flags work for all commands. */
export const unusedStorage = {
  mount: Flag.withHidden(storage.mount),
  s3Endpoint: Flag.withHidden(storage.s3Endpoint),
  maxBytes: Flag.withHidden(storage.maxBytes),
  maxMemory: Flag.withHidden(storage.maxMemory),
  maxChildren: Flag.withHidden(storage.maxChildren),
  concurrency: Flag.withHidden(storage.concurrency)
}

/** The storage flags of commands that join no results of mapped children into one. */
export const eachResult = { ...storage, maxChildren: unusedStorage.maxChildren }

/** The format and the target, for commands that print results. */
export const result = {
  format: Flag.Literals("format", ["json", "jsonl", "csv", "parquet", "arrow"]).pipe(
    Flag.withDescription(
      "json, jsonl, csv, parquet or arrow; else from the suffix of --output (tables in any of them)"
    ),
    Flag.withMetavar("FORMAT"),
    Flag.optional
  ),
  output: Flag.String("output").pipe(
    Flag.withDescription("Write to this file instead; a regular file is written completely or not at all"),
    Flag.withAlias("o"),
    Flag.withMetavar("FILE"),
    Flag.optional
  ),
  fields: Flag.String("fields").pipe(
    Flag.withDescription("Only these columns, in this order"),
    Flag.withMetavar("A,B"),
    Flag.optional
  )
}

/** The stored bytes instead of a format. */
export const raw = Flag.Boolean("raw").pipe(
  Flag.withDescription("Print the bytes as they were stored"),
  Flag.withDefault(false)
)
export const utc = Flag.Boolean("utc").pipe(
  Flag.withDescription("Print times in UTC instead of this machine's zone"),
  Flag.withDefault(false)
)

export const states = Flag.String("state").pipe(
  Flag.withDescription(
    "Only those in this state, e.g. Failed; for Prefect 2 and 3 also by type, e.g. CRASHED (repeatable)"
  ),
  Flag.withMetavar("STATE"),
  Flag.atLeast(0)
)

/** Log levels in any case, including the short names that loggers use. */
export const level = Flag.ChoiceWithValue(
  "level",
  [
    ["debug", "DEBUG"],
    ["info", "INFO"],
    ["warning", "WARNING"],
    ["warn", "WARNING"],
    ["error", "ERROR"],
    ["critical", "CRITICAL"],
    ["DEBUG", "DEBUG"],
    ["INFO", "INFO"],
    ["WARNING", "WARNING"],
    ["WARN", "WARNING"],
    ["ERROR", "ERROR"],
    ["CRITICAL", "CRITICAL"]
  ] as const
).pipe(
  Flag.withDescription("Only lines of this level and above: debug, info, warning, error or critical"),
  Flag.withMetavar("LEVEL"),
  Flag.optional
)

export const limit = Flag.Int("limit").pipe(
  Flag.withDescription("At most this many"),
  Flag.withMetavar("N"),
  Flag.optional
)
