/** The plan, the records and the manifests of an output. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { CollectError, NotACollection, OtherCollection, Unsupported } from "../CollectError.ts"
import { columnsOf } from "../CollectFormat.ts"
import * as Plan from "../CollectPlan.ts"
import type { Output } from "./output.ts"
import { createText, readRecord } from "./publish.ts"

const PlanJson = Schema.fromJsonString(Plan.Plan)
const ManifestJson = Schema.fromJsonString(Plan.Manifest)
const encodePlan = Schema.encodeSync(PlanJson)
const encodeManifest = Schema.encodeSync(ManifestJson)

const notACollection = (output: Output, detail: string) =>
  new CollectError({ reason: new NotACollection({ output: output.name, detail }) })

const read = <A>(output: Output, name: string, schema: Schema.Codec<A, string>) =>
  Effect.flatMap(output.read(name), (bytes) => {
    if (bytes === undefined) return Effect.undefined
    if (bytes.length > Plan.maxPlanBytes) return Effect.fail(notACollection(output, `${name} is too large`))
    return Effect.mapError(
      Schema.decodeUnknownEffect(schema)(Buffer.from(bytes).toString("utf8")),
      () =>
        notACollection(
          output,
          `${name} is not what this version writes` +
            (name === Plan.planName ? "" : "; remove it, and run the same command again to write it anew")
        )
    )
  })

/** The existing plan; undefined when there is none. */
export const readPlan = (output: Output): Effect.Effect<Plan.Plan | undefined, CollectError> =>
  Effect.flatMap(read(output, Plan.planName, PlanJson), (plan) => {
    if (plan === undefined) return Effect.undefined
    return plan.job === Plan.jobOf(plan) && plan.parts.every((part, at) => part.part === at)
      ? Effect.succeed(plan)
      : Effect.fail(notACollection(output, `${Plan.planName} was changed`))
  })

/** Checks that a plan has this selection and output; otherwise returns how it differs. */
export const checkPlan = (
  output: Output,
  plan: Plan.Plan,
  wanted: {
    readonly selection: Plan.Selection
    /** When none are given, any typed columns and any part size match. */
    readonly output: Omit<Plan.OutputFormat, "columns" | "partRows"> & {
      readonly columns: ReadonlyArray<Plan.Column> | undefined
      readonly partRows: number | undefined
    }
  }
): Effect.Effect<void, CollectError> => {
  const other = (detail: string) =>
    Effect.fail(new CollectError({ reason: new OtherCollection({ output: output.name, detail }) }))
  if (Plan.canonicalJson(plan.selection) !== Plan.canonicalJson(wanted.selection)) {
    return other(Plan.describeSelection(plan.selection))
  }
  const { columns, compression, format, partRows } = plan.output
  if (
    wanted.output.columns !== undefined && Plan.canonicalJson(columns) !== Plan.canonicalJson(wanted.output.columns)
  ) {
    return other(`the same results with other typed columns (${columns.map(({ name }) => name).join(", ") || "none"})`)
  }
  return format === wanted.output.format && compression === wanted.output.compression &&
      (wanted.output.partRows ?? partRows) === partRows
    ? Effect.void
    : other(`the same results as ${format}, compression ${compression}, parts of ${partRows} rows`)
}

/** Creates the plan; an existing one takes precedence. */
export const createPlan = Effect.fnUntraced(function*(output: Output, plan: Plan.Plan) {
  const text = encodePlan(plan)
  if (Buffer.byteLength(text) > Plan.maxPlanBytes) {
    return yield* new CollectError({
      reason: new Unsupported({ detail: "the plan is larger than 256 MiB: choose larger parts (--part-rows)" })
    })
  }
  const { isNew } = yield* createText(output, Plan.planName, text)
  return isNew ? plan : (yield* readPlan(output)) ?? plan
})

/** The numbers of the parts that have records. */
export const recordedParts = (output: Output): Effect.Effect<Set<number>, CollectError> =>
  Effect.map(
    Stream.runCollect(output.list("_records/")),
    (names) => new Set(names.flatMap((name) => Plan.partOfRecord(name) ?? []))
  )

/** The records of all parts that have one, in order. */
export const readRecords = (output: Output, parts: Iterable<number>) =>
  Effect.map(
    Effect.forEach([...parts].sort((left, right) => left - right), (part) => readRecord(output, part), {
      concurrency: 32
    }),
    (records) => records.filter((record) => record !== undefined)
  )

/** The number of the newest manifest; 0 when there is none. */
const newestNumber = (output: Output) =>
  Stream.runFold(output.list(""), () => 0, (newest, name) => Math.max(newest, Plan.numberOfManifest(name) ?? 0))

/** The newest manifest and its number; undefined when there is none. */
export const readManifest = Effect.fnUntraced(function*(output: Output) {
  const number = yield* newestNumber(output)
  if (number === 0) return undefined
  const manifest = yield* read(output, Plan.manifestName(number), ManifestJson)
  return manifest === undefined ? undefined : { number, manifest }
})

/** The content of a manifest, derived from the plan, the records and the failed parts. */
export const manifestOf = (
  plan: Plan.Plan,
  records: ReadonlyArray<Plan.PartRecord>,
  failed: ReadonlyArray<Plan.FailedPart>
): { readonly manifest: Plan.Manifest; readonly parts: ReadonlyArray<Plan.ManifestPart> } => {
  const failures: Record<string, number> = {}
  let rows = 0
  let results = 0
  for (const record of records) {
    rows += record.rows
    results += record.results
    for (const [reason, count] of Object.entries(record.failures)) failures[reason] = (failures[reason] ?? 0) + count
  }
  const parts = records.map(({ bytes, failures, name, rows, sha256 }) => ({ name, rows, bytes, sha256, failures }))
  return {
    parts,
    manifest: {
      format: 1,
      job: plan.job,
      complete: failed.length === 0 && records.length === plan.parts.length,
      rows,
      results,
      failures: Object.fromEntries(Object.entries(failures).sort(([left], [right]) => left < right ? -1 : 1)),
      incomplete: plan.incomplete,
      columns: columnsOf(plan.output),
      parts: parts.length > Plan.maxManifestParts ? null : parts,
      failed
    }
  }
}

/**
 * Writes the manifest under the next free number. A race is harmless, because the content depends on the plan and the
 * records alone.
 */
export const createManifest = Effect.fnUntraced(function*(
  output: Output,
  plan: Plan.Plan,
  failed: ReadonlyArray<Plan.FailedPart>
) {
  const records = yield* readRecords(output, yield* recordedParts(output))
  const { manifest, parts } = manifestOf(plan, records, failed)
  const text = encodeManifest(manifest)
  const newest = yield* readManifest(output)
  if (newest !== undefined && (newest.manifest.complete || encodeManifest(newest.manifest) === text)) {
    if (newest.manifest.complete) yield* output.finish
    return newest.manifest
  }
  for (let number = (newest?.number ?? 0) + 1;; number++) {
    if (manifest.parts === null) {
      yield* createText(
        output,
        Plan.manifestPartsName(number),
        parts.map((part) => `${JSON.stringify(part)}\n`).join("")
      )
    }
    const name = Plan.manifestName(number)
    const { isNew } = yield* createText(output, name, text)
    if (isNew) break
    const there = yield* read(output, name, ManifestJson)
    if (there !== undefined && (there.complete || encodeManifest(there) === text)) {
      if (there.complete) yield* output.finish
      return there
    }
  }
  if (manifest.complete) yield* output.finish
  return manifest
})

const maxIssues = 1000

/** Compares the content of the output with the plan, the records and the manifest. */
export const verify = Effect.fnUntraced(function*(output: Output, plan: Plan.Plan) {
  const issues: Array<{ readonly name: string; readonly detail: string }> = []
  let issueCount = 0
  const issue = (name: string, detail: string) => {
    if (issueCount++ < maxIssues) issues.push({ name, detail })
  }
  /** A file that is damaged is one issue among others. */
  const orDamaged = <A>(
    name: string,
    effect: Effect.Effect<A | undefined, CollectError>,
    detail = "it is damaged, or another version wrote it"
  ) =>
    Effect.catchReason(effect, "CollectError", "NotACollection", () =>
      Effect.sync(() => {
        issue(name, detail)
        return undefined
      }))
  const newestNow = yield* newestNumber(output)
  const number = Math.max(1, newestNow)
  const manifestFile = Plan.manifestName(number)
  const manifest = yield* orDamaged(manifestFile, read(output, manifestFile, ManifestJson))
  const newest = manifest === undefined ? undefined : { number, manifest }
  const records = (yield* Effect.forEach(
    [...yield* recordedParts(output)].sort((left, right) => left - right),
    (part) => orDamaged(Plan.recordName(part), readRecord(output, part)),
    { concurrency: 32 }
  )).filter((record) => record !== undefined)
  if (newest === undefined) {
    if (newestNow === 0) issue(manifestFile, "there is no manifest: the collection is not complete")
  } else {
    if (newest.manifest.job !== plan.job) issue(manifestFile, "it is of another plan")
    if (!newest.manifest.complete) {
      issue(manifestFile, `the collection is not complete: ${newest.manifest.failed.length} parts failed`)
    }
    const expected = manifestOf(plan, records, newest.manifest.failed)
    if (encodeManifest(expected.manifest) !== encodeManifest(newest.manifest)) {
      issue(manifestFile, "it does not agree with the plan and the records")
    }
    if (newest.manifest.parts === null) {
      const name = Plan.manifestPartsName(newest.number)
      const bytes = yield* orDamaged(name, output.read(name))
      const text = expected.parts.map((part) => `${JSON.stringify(part)}\n`).join("")
      if (bytes === undefined) issue(name, "it is missing")
      else if (Buffer.from(bytes).toString("utf8") !== text) issue(name, "it does not agree with the records")
    }
  }
  const byPart = new Map(records.map((record) => [record.part, record]))
  for (const { part } of plan.parts) {
    if (!byPart.has(part)) issue(Plan.recordName(part), "there is no record: the part is not published")
  }
  let rows = 0
  let bytes = 0
  yield* Effect.forEach(
    records,
    Effect.fnUntraced(function*(record) {
      rows += record.rows
      bytes += record.bytes
      if (plan.parts[record.part] === undefined) return issue(Plan.recordName(record.part), "the plan has no such part")
      if (record.name !== Plan.partName(record.part, plan.output)) {
        return issue(Plan.recordName(record.part), `it names ${record.name}`)
      }
      const digest = yield* orDamaged(
        record.name,
        Effect.map(output.digest(record.name), (digest) => {
          if (digest === undefined) issue(record.name, "it is missing")
          return digest
        }),
        "it is no regular file"
      )
      if (digest === undefined) return
      if (digest.sha256 !== record.sha256 || digest.bytes !== record.bytes) {
        issue(
          record.name,
          `it was changed: ${digest.bytes} bytes, and its record says ${record.bytes} of another digest`
        )
      }
    }),
    { concurrency: 4, discard: true }
  )
  const known = new Set(plan.parts.map(({ part }) => Plan.partName(part, plan.output)))
  yield* Stream.runForEach(output.list(""), (name) =>
    Effect.sync(() => {
      if (!name.startsWith("_") && !known.has(name)) issue(name, "it is not a part of this collection")
    }))
  issues.sort((left, right) => left.name < right.name ? -1 : left.name > right.name ? 1 : 0)
  return { parts: plan.parts.length, rows, bytes, issues, issueCount }
})
