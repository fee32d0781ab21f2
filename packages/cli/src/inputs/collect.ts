import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import * as Flags from "./flags.ts"

const selection = {
  flowRun: Flag.String("flow-run").pipe(
    Flag.withDescription("Collect this flow run (repeatable)"),
    Flag.withMetavar("RUN"),
    Flag.atLeast(0)
  ),
  slug: Flag.String("slug").pipe(
    Flag.withDescription(
      "Of the flow runs only the task with this slug (Prefect 2 and 3: its task key, or the name of its function)"
    ),
    Flag.withMetavar("S"),
    Flag.optional
  ),
  flow: Flag.String("flow").pipe(
    Flag.withDescription("Collect all runs of the flow with this name"),
    Flag.withMetavar("NAME"),
    Flag.optional
  ),
  all: Flag.Boolean("all").pipe(Flag.withDescription("Collect all flow runs"), Flag.withDefault(false))
}

const cluster = Flag.Redacted("cluster").pipe(
  Flag.withDescription(
    "The Postgres that distributes parts to workers, e.g. postgresql://user@host/database (else EFFECT_PREFECT_CLUSTER)"
  ),
  Flag.withMetavar("URL"),
  Flag.optional
)

const slots = Flag.Int("slots").pipe(
  Flag.withDescription("Parts that a process works on concurrently (default 2)"),
  Flag.withMetavar("N"),
  Flag.optional
)

export const collect = {
  ...selection,
  output: Flag.String("output").pipe(
    Flag.withDescription(
      "Where the parts go: a folder, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, azure://CONTAINER/PREFIX or " +
        "postgresql://user@host/database?table=NAME"
    ),
    Flag.withMetavar("PLACE"),
    Flag.optional
  ),
  format: Flag.Literals("format", ["parquet", "jsonl"]).pipe(
    Flag.withDescription("The format of the parts (default parquet)"),
    Flag.withDefault("parquet" as const)
  ),
  compression: Flag.Literals("compression", ["zstd", "gzip", "none"]).pipe(
    Flag.withDescription("The compression of the parts (default zstd for Parquet, none for JSON Lines)"),
    Flag.optional
  ),
  partRows: Flag.Int("part-rows").pipe(
    Flag.withDescription("Rows of a part, 1 to 1000000 (default 20000; 50000 over 10 million results)"),
    Flag.withMetavar("N"),
    Flag.optional
  ),
  schema: Flag.String("schema").pipe(
    Flag.withDescription(
      "Typed columns for members of the values, from a JSON file: {\"customer\": \"string\", \"total\": \"double\"}; " +
        "types are int64, double, bool, string and timestamp"
    ),
    Flag.withMetavar("FILE"),
    Flag.optional
  ),
  infer: Flag.Int("infer").pipe(
    Flag.withDescription("Typed columns for the members that the first N results of each mapped task share"),
    Flag.withMetavar("N"),
    Flag.optional
  ),
  cluster,
  processes: Flag.Int("processes").pipe(
    Flag.withDescription(
      "Work in this many child processes, each on its own core; 0: one per core (default: in this one)"
    ),
    Flag.withMetavar("N"),
    Flag.optional
  ),
  slots,
  maxAttempts: Flag.Int("max-attempts").pipe(
    Flag.withDescription("Attempts per part before it fails (default 10)"),
    Flag.withMetavar("N"),
    Flag.optional
  ),
  allowFailed: Flag.Boolean("allow-failed").pipe(
    Flag.withDescription("End with a manifest that lists the parts that failed, and exit code 0"),
    Flag.withDefault(false)
  ),
  allowUnfinished: Flag.Boolean("allow-unfinished").pipe(
    Flag.withDescription("Collect flow runs that have not finished, in their current state"),
    Flag.withDefault(false)
  ),
  ...Flags.backend,
  ...Flags.eachResult,
  json: Flags.json
}

const place = Argument.String("place").pipe(
  Argument.withDescription(
    "Where the parts are: a folder, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or azure://CONTAINER/PREFIX"
  )
)

export const worker = {
  cluster,
  slots,
  apiRate: Flag.Int("api-rate").pipe(
    Flag.withDescription("Requests per second to the backend, by all workers of the cluster together"),
    Flag.withMetavar("N"),
    Flag.optional
  ),
  storeRate: Flag.Int("store-rate").pipe(
    Flag.withDescription("Results per second from the storages, by all workers of the cluster together"),
    Flag.withMetavar("N"),
    Flag.optional
  ),
  untilDone: Flag.Boolean("until-done").pipe(
    Flag.withDescription("End when no job is open; otherwise the worker waits for the next"),
    Flag.withDefault(false)
  ),
  // So the same flags work for the starter and for the workers.
  flowRun: Flag.withHidden(selection.flowRun),
  slug: Flag.withHidden(selection.slug),
  flow: Flag.withHidden(selection.flow),
  all: Flag.withHidden(selection.all),
  ...Flags.backend,
  ...Flags.eachResult
}

const s3Endpoint = Flag.withDescription(Flags.storage.s3Endpoint, "Reach S3 buckets by this server, e.g. MinIO's")

export const status = { place: Argument.optional(place), cluster, s3Endpoint, json: Flags.json }

export const verify = { place, s3Endpoint, json: Flags.json }
