/**
 * The plan of a collection, the record of each part and the manifest: pure data, stored as JSON in the output.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { createHash } from "node:crypto"

/**
 * The flow runs to collect.
 *
 * @category models
 * @since 0.1.0
 */
export const Selection = Schema.Union([
  Schema.Struct({
    flowRunIds: Schema.NonEmptyArray(Schema.String),
    /** Only the task with this slug; omitted for all tasks. */
    taskSlug: Schema.optionalKey(Schema.String)
  }),
  Schema.Struct({ flowName: Schema.String }),
  Schema.Struct({ all: Schema.Literal(true) })
])
/**
 * @category models
 * @since 0.1.0
 */
export type Selection = typeof Selection.Type

/**
 * A typed column: `v.NAME`, taken from the member `NAME` of each value.
 *
 * @category models
 * @since 0.1.0
 */
export const Column = Schema.Struct({
  name: Schema.NonEmptyString,
  type: Schema.Literals(["int64", "double", "bool", "string", "timestamp"])
})
/**
 * @category models
 * @since 0.1.0
 */
export type Column = typeof Column.Type

/**
 * The format of the parts.
 *
 * @category models
 * @since 0.1.0
 */
export const OutputFormat = Schema.Struct({
  format: Schema.Literals(["parquet", "jsonl"]),
  compression: Schema.Literals(["zstd", "gzip", "none"]),
  /** Rows per part. The last part of a task may have more or fewer. */
  partRows: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000 })),
  /** The typed columns besides those that every collection has. */
  columns: Schema.Array(Column)
})
/**
 * @category models
 * @since 0.1.0
 */
export type OutputFormat = typeof OutputFormat.Type

/**
 * A position in the order of the task runs of a flow run: the first task run of a task. A null slug comes last.
 *
 * @category models
 * @since 0.1.0
 */
export const Cursor = Schema.Struct({ taskSlug: Schema.NullOr(Schema.String), taskRunId: Schema.String })
/**
 * @category models
 * @since 0.1.0
 */
export type Cursor = typeof Cursor.Type

const number = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/**
 * A range of one mapped task's children: those with a map index above `after` and below `until` (null: no end).
 *
 * @category models
 * @since 0.1.0
 */
export const Children = Schema.TaggedStruct("Children", {
  part: number,
  flowRunId: Schema.String,
  taskId: Schema.String,
  /** The parent, or the first child when there is none. */
  taskRunId: Schema.String,
  taskSlug: Schema.NullOr(Schema.String),
  after: Schema.Int,
  until: Schema.NullOr(Schema.Int),
  rows: Schema.NullOr(number)
})

/**
 * Tasks of one flow run from one position in their order to before another, each with its mapped children unless these
 * have parts of their own.
 *
 * @category models
 * @since 0.1.0
 */
export const TaskRuns = Schema.TaggedStruct("TaskRuns", {
  part: number,
  flowRunId: Schema.String,
  from: Schema.NullOr(Cursor),
  until: Schema.NullOr(Cursor),
  rows: Schema.NullOr(number)
})

/**
 * Whole flow runs in the order of their ids here.
 *
 * @category models
 * @since 0.1.0
 */
export const FlowRuns = Schema.TaggedStruct("FlowRuns", {
  part: number,
  flowRunIds: Schema.NonEmptyArray(Schema.String),
  rows: Schema.NullOr(number)
})

/**
 * A part: a fixed range of results with a fixed number.
 *
 * @category models
 * @since 0.1.0
 */
export const Part = Schema.Union([Children, TaskRuns, FlowRuns])
/**
 * @category models
 * @since 0.1.0
 */
export type Part = typeof Part.Type

/**
 * A mapped task whose children were incomplete when the plan was made.
 *
 * @category models
 * @since 0.1.0
 */
export const Incomplete = Schema.Struct({
  flowRunId: Schema.String,
  taskRunId: Schema.String,
  taskSlug: Schema.NullOr(Schema.String),
  expected: number,
  found: number,
  problem: Schema.String
})
/**
 * @category models
 * @since 0.1.0
 */
export type Incomplete = typeof Incomplete.Type

/**
 * The plan of a collection. `job` names it; see `jobOf`.
 *
 * @category models
 * @since 0.1.0
 */
export const Plan = Schema.Struct({
  format: Schema.Literal(1),
  job: Schema.String,
  createdBy: Schema.String,
  /** ISO 8601, UTC. */
  created: Schema.String,
  selection: Selection,
  output: OutputFormat,
  /** Prefixes of the locations of a sample of the results. */
  needs: Schema.Array(Schema.String),
  limits: Schema.Struct({ maxBytes: number }),
  /** Rows over all parts; null when a task's children are incomplete. */
  expected: Schema.NullOr(number),
  incomplete: Schema.Array(Incomplete),
  parts: Schema.Array(Part)
})
/**
 * @category models
 * @since 0.1.0
 */
export type Plan = typeof Plan.Type

/**
 * The number of failed results, by reason.
 *
 * @category models
 * @since 0.1.0
 */
export const Failures = Schema.Record(Schema.String, number)

/**
 * The record of a published part.
 *
 * @category models
 * @since 0.1.0
 */
export const PartRecord = Schema.Struct({
  part: number,
  name: Schema.String,
  rows: number,
  /** Rows with a value. */
  results: number,
  bytes: number,
  /** Of the part's bytes, in hexadecimal. */
  sha256: Schema.String,
  failures: Failures,
  firstMapIndex: Schema.NullOr(Schema.Int),
  lastMapIndex: Schema.NullOr(Schema.Int),
  seconds: Schema.Number,
  /** Whether another writer had already published the part with other bytes. That part is the valid one. */
  differed: Schema.Boolean
})
/**
 * @category models
 * @since 0.1.0
 */
export type PartRecord = typeof PartRecord.Type

/**
 * A part in a manifest.
 *
 * @category models
 * @since 0.1.0
 */
export const ManifestPart = Schema.Struct({
  name: Schema.String,
  rows: number,
  bytes: number,
  sha256: Schema.String,
  failures: Failures
})
/**
 * @category models
 * @since 0.1.0
 */
export type ManifestPart = typeof ManifestPart.Type

/**
 * A part that failed after all of its attempts.
 *
 * @category models
 * @since 0.1.0
 */
export const FailedPart = Schema.Struct({
  part: number,
  range: Schema.String,
  error: Schema.String,
  attempts: number
})
/**
 * @category models
 * @since 0.1.0
 */
export type FailedPart = typeof FailedPart.Type

/**
 * The content of a collection. A complete manifest means that every part is published.
 *
 * @category models
 * @since 0.1.0
 */
export const Manifest = Schema.Struct({
  format: Schema.Literal(1),
  job: Schema.String,
  complete: Schema.Boolean,
  rows: number,
  results: number,
  failures: Failures,
  incomplete: Schema.Array(Incomplete),
  /** The columns of every part, in order. */
  columns: Schema.Array(Schema.Struct({ name: Schema.String, type: Schema.String })),
  /** The parts in order; null when there are so many that they are listed in `_manifest-parts.jsonl`. */
  parts: Schema.NullOr(Schema.Array(ManifestPart)),
  failed: Schema.Array(FailedPart)
})
/**
 * @category models
 * @since 0.1.0
 */
export type Manifest = typeof Manifest.Type

/**
 * The most parts that a manifest lists itself; more are listed in `_manifest-parts.jsonl`.
 *
 * @category limits
 * @since 0.1.0
 */
export const maxManifestParts = 100_000

/**
 * The most parts of a plan.
 *
 * @category limits
 * @since 0.1.0
 */
export const maxParts = 1_000_000

/**
 * The largest stored plan: 256 MiB.
 *
 * @category limits
 * @since 0.1.0
 */
export const maxPlanBytes = 256 * 1024 * 1024

/**
 * The name of the plan in the output.
 *
 * @category names
 * @since 0.1.0
 */
export const planName = "_plan.json"

const digits = (part: number): string => String(part).padStart(6, "0")

const compressionSuffix = { zstd: ".zst", gzip: ".gz", none: "" } as const

/**
 * The name of a part: `part-000000.parquet`, `part-000000.jsonl`, `part-000000.jsonl.zst`.
 *
 * @category names
 * @since 0.1.0
 */
export const partName = (part: number, { compression, format }: OutputFormat): string =>
  `part-${digits(part)}.${format}${format === "jsonl" ? compressionSuffix[compression] : ""}`

/**
 * The name of a part's record.
 *
 * @category names
 * @since 0.1.0
 */
export const recordName = (part: number): string => `_records/part-${digits(part)}.json`

/**
 * The part number in a record's name; undefined for any other name.
 *
 * @category names
 * @since 0.1.0
 */
export const partOfRecord = (name: string): number | undefined => {
  const found = /^_records\/part-(\d{6,7})\.json$/.exec(name)
  return found === null ? undefined : Number(found[1])
}

/**
 * The name of the manifest: `_manifest.json`, then `_manifest-2.json`, …
 *
 * @category names
 * @since 0.1.0
 */
export const manifestName = (number: number): string => number === 1 ? "_manifest.json" : `_manifest-${number}.json`

/**
 * The number of a manifest in its name; undefined for any other name.
 *
 * @category names
 * @since 0.1.0
 */
export const numberOfManifest = (name: string): number | undefined => {
  const found = /^_manifest(?:-(\d{1,6}))?\.json$/.exec(name)
  return found === null ? undefined : Number(found[1] ?? 1)
}

/**
 * The list of the parts of a manifest that has too many of them.
 *
 * @category names
 * @since 0.1.0
 */
export const manifestPartsName = (number: number): string =>
  number === 1 ? "_manifest-parts.jsonl" : `_manifest-parts-${number}.jsonl`

/**
 * JSON with the keys of every object in code point order and no white space: equal data gives equal text.
 *
 * @category encoding
 * @since 0.1.0
 */
export const canonicalJson = (value: unknown): string =>
  JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([left], [right]) => left < right ? -1 : left > right ? 1 : 0))
      : inner)

/**
 * The name of a job: the first 32 hexadecimal digits of the SHA-256 of its selection, output and parts.
 *
 * @category encoding
 * @since 0.1.0
 */
export const jobOf = (plan: Pick<Plan, "selection" | "output" | "parts">): string =>
  createHash("sha256").update(canonicalJson({
    selection: plan.selection,
    output: plan.output,
    parts: plan.parts
  })).digest("hex").slice(0, 32)

/**
 * A selection in words, for messages.
 *
 * @category encoding
 * @since 0.1.0
 */
export const describeSelection = (selection: Selection): string => {
  if ("all" in selection) return "all flow runs"
  if ("flowName" in selection) return `the runs of flow ${JSON.stringify(selection.flowName)}`
  const [first, ...rest] = selection.flowRunIds
  const runs = rest.length === 0 ? `flow run ${first}` : `${rest.length + 1} flow runs from ${first} on`
  return selection.taskSlug === undefined ? runs : `task ${selection.taskSlug} of ${runs}`
}

/**
 * A part's range in words, for messages.
 *
 * @category encoding
 * @since 0.1.0
 */
export const describePart = (part: Part): string => {
  switch (part._tag) {
    case "Children":
      return `${part.taskSlug ?? part.taskId}[${part.after + 1}…${part.until === null ? "" : part.until - 1}] ` +
        `of flow run ${part.flowRunId}`
    case "TaskRuns":
      return `${part.from === null ? "the first task" : part.from.taskSlug ?? "task runs without a task"} to ` +
        `${part.until === null ? "the last" : `before ${part.until.taskSlug ?? "task runs without a task"}`} ` +
        `of flow run ${part.flowRunId}`
    case "FlowRuns":
      return `${part.flowRunIds.length} flow runs from ${part.flowRunIds[0]} on`
  }
}
