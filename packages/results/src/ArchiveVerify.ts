/**
 * `ArchiveVerify`: checks that an archive is complete and unchanged since its export.
 *
 * **Example** (The first problem of an archive)
 *
 * ```ts
 * import { ArchiveVerify } from "@effect-prefect/results"
 * import { Stream } from "effect"
 *
 * export const problem = Stream.runHead(ArchiveVerify.verify("./archive"))
 * ```
 *
 * @since 0.1.0
 */
import * as ArchiveApi from "@effect-prefect/api/ArchiveApi"
import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import { PrefectApiError, Unavailable } from "@effect-prefect/api/PrefectApiError"
import * as ArchiveFormat from "@effect-prefect/core/ArchiveFormat"
import * as State from "@effect-prefect/core/State"
import { TaskRunView } from "@effect-prefect/core/TaskRunView"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { readdir } from "node:fs/promises"
import { join, resolve } from "node:path"
import * as InlineStorage from "./InlineStorage.ts"
import * as Journal from "./internal/archive/copied.ts"
import * as Digest from "./internal/archive/digest.ts"
import * as Files from "./internal/archive/files.ts"
import { resultFolders } from "./internal/archive/location.ts"
import { countOf } from "./internal/countOf.ts"
import * as LocalStorage from "./LocalStorage.ts"
import type { MountError } from "./Mount.ts"
import * as Prefect3Storage from "./Prefect3Storage.ts"
import type { Reason } from "./ResultError.ts"
import * as ResultStorage from "./ResultStorage.ts"
import * as TaskRun from "./TaskRun.ts"

/**
 * A problem with an archive, or at the end a summary.
 *
 * @category models
 * @since 0.1.0
 */
export type VerificationIssue =
  /** The export did not finish, or one of its own files is not what it wrote. */
  | { readonly _tag: "Export"; readonly file: string; readonly detail: string }
  /** A line of a table that is not a row. */
  | { readonly _tag: "Line"; readonly file: string; readonly line: number; readonly detail: string }
  /** A result file that was changed, removed or added since the export. */
  | { readonly _tag: "File"; readonly file: string; readonly detail: string }
  /** A stored result that is missing from the archive, or that cannot be read. */
  | {
    readonly _tag: "Result"
    readonly taskRunId: string
    readonly taskSlug: string | null
    readonly mapIndex: number
    readonly reason: string
    readonly message: string
  }
  | Summary

/**
 * The totals; always the last issue.
 *
 * @category models
 * @since 0.1.0
 */
export interface Summary {
  readonly _tag: "Summary"
  readonly taskRuns: number
  /** Results that were stored. */
  readonly results: number
  /** Of those, the ones that are missing, changed or unreadable. */
  readonly failures: number
  /** All problems, including the failures. */
  readonly problems: number
  /** Bytes of tables and results that were compared with the recorded SHA-256. */
  readonly bytes: number
  /** The checks that were impossible because the archive has no record for them, one sentence each. */
  readonly unchecked: ReadonlyArray<string>
}

/**
 * The progress of a verification.
 *
 * @category models
 * @since 0.1.0
 */
export interface VerificationProgress {
  readonly unit: "bytes" | "task runs"
  readonly done: number
  /** undefined when unknown. */
  readonly total: number | undefined
}

/**
 * Options for reading an archive.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** The number of results that are decoded concurrently, in an archive without hashes. Default 16. */
  readonly concurrency?: number | undefined
  readonly onProgress?: ((progress: VerificationProgress) => Effect.Effect<void>) | undefined
}

type Issues = Stream.Stream<VerificationIssue, PrefectApiError | MountError, Scope.Scope>

const unreadable = (directory: string) => (error: unknown) =>
  new PrefectApiError({
    operation: "verify",
    reason: new Unavailable({ detail: `a file of ${directory} cannot be read (${Files.causeOf(Files.codeOf(error))})` })
  })

const changed = "it was changed since it was exported (its SHA-256 differs)"
const reasonOf = (error: NodeJS.ErrnoException) =>
  error.code === "ELOOP" ? "it is a link" : Files.causeOf(Files.codeOf(error))
const isMissing = (error: NodeJS.ErrnoException) => error.code === "ENOENT" || error.code === "ENOTDIR"

/** The problem with a file, compared with its record. */
const problemOf = (
  now: Digest.Digest | NodeJS.ErrnoException,
  expected: { readonly bytes?: number; readonly sha256: string }
): string | undefined => {
  if (now instanceof Error) return isMissing(now) ? "it is missing" : `it cannot be read (${reasonOf(now)})`
  if (now.sha256 === expected.sha256) return undefined
  return expected.bytes === undefined || expected.bytes === now.bytes
    ? changed
    : `it was changed since it was exported (it has ${now.bytes} bytes instead of ${expected.bytes})`
}

const issue = (file: string, detail: string): VerificationIssue => ({ _tag: "Export", file, detail })

interface Counts {
  taskRuns: number
  results: number
  failures: number
  problems: number
  bytes: number
}

/** No file has this digest: nothing is known about an index whose record is missing. */
const notThere = { sha256: "" }

/** The files besides the results: the tables, and the export's records about itself. */
const checkOwnFiles = async (
  root: string,
  record: Files.ArchiveRecord | Files.EarlierRecord,
  counts: Counts
): Promise<ReadonlyArray<VerificationIssue>> => {
  const found: Array<VerificationIssue> = []
  const expected = new Map<string, { readonly bytes?: number; readonly sha256: string }>(
    Object.entries(record.tables).map(([name, table]) => [ArchiveFormat.tableFile(name), table])
  )
  const absent: Array<string> = []
  if (record.format === 2) {
    for (
      const [file, digest] of [
        [ArchiveFormat.manifestFile, record.manifest],
        [ArchiveFormat.mountsFile, record.mounts],
        [ArchiveFormat.incompleteFile, record.incomplete],
        [ArchiveFormat.indexRecordFile, record.index],
        [ArchiveFormat.indexFile, record.index === null ? null : await Files.readIndexDigest(root) ?? notThere]
      ] as const
    ) {
      if (digest === null) absent.push(file)
      else expected.set(file, digest)
    }
    const tables = await readdir(join(root, ArchiveFormat.tablesFolder)).catch(() => [])
    for (const name of tables) {
      const file = `${ArchiveFormat.tablesFolder}/${name}`
      if (!expected.has(file)) found.push(issue(file, "it was added since the export"))
    }
  }
  for (const file of absent) {
    if (await Files.exists(join(root, file))) found.push(issue(file, "it was added since the export"))
  }
  const files = [...expected]
  const digests = await Digest.digestsOf(files.map(([file]) => join(root, file)))
  for (const [index, [file, digest]] of files.entries()) {
    const now = digests[index]!
    if (!(now instanceof Error)) counts.bytes += now.bytes
    const problem = problemOf(now, digest)
    if (problem !== undefined) found.push(issue(file, problem))
  }
  return found
}

const isResult = (file: string) => resultFolders.some((folder) => file.startsWith(`${folder}/`))

/** Whether there are `count` result files and nothing else: a link in the place of a folder would hide some of them. */
const hasFiles = async (root: string, count: number): Promise<boolean> => {
  let left = count
  for await (const { entries } of Files.walk(root, resultFolders)) {
    if (!entries.every(({ isFile }) => isFile)) return false
    left -= entries.length
  }
  return left === 0
}

/** The results, compared with the manifest; then the files that are not in it. */
const checkResults = async function*(
  root: string,
  counts: Counts
): AsyncGenerator<ReadonlyArray<VerificationIssue>> {
  const path = join(root, ArchiveFormat.manifestFile)
  if (!(await Files.exists(path))) return
  if (!(await Files.isRegular(path))) {
    yield [issue(ArchiveFormat.manifestFile, "it is not a regular file, so the results were not compared with it")]
    return
  }
  const names = Journal.namesOf()
  let areAllThere = true
  for await (const lines of Files.readManifest(path)) {
    const found: Array<VerificationIssue> = []
    const digests = await Digest.digestsOf(
      lines.flatMap(({ entry }) => entry === undefined ? [] : [join(root, entry.file)])
    )
    let at = 0
    for (const { entry, line } of lines) {
      if (entry === undefined) {
        found.push({
          _tag: "Line",
          file: ArchiveFormat.manifestFile,
          line,
          detail: "it is not an entry of a manifest"
        })
        continue
      }
      names.add(entry.file)
      counts.results++
      const now = digests[at++]!
      if (!(now instanceof Error)) counts.bytes += now.bytes
      if (now instanceof Error || !isResult(entry.file)) areAllThere = false
      const problem = problemOf(now, entry)
      if (problem === undefined) continue
      counts.failures++
      found.push({ _tag: "File", file: entry.file, detail: problem })
    }
    yield found
  }
  let found: Array<VerificationIssue> = []
  for (const folder of resultFolders) {
    if (await Files.isLink(join(root, folder))) {
      found.push({ _tag: "File", file: folder, detail: "it is a link; results outside of the archive are not read" })
    }
  }
  // As many files as there are names of files that were read: none was added. That takes no look at each name.
  if (areAllThere && found.length === 0 && await hasFiles(root, names.size())) return
  for await (const { entries } of Files.walk(root, resultFolders)) {
    for (const { file } of entries) {
      if (!names.has(file)) found.push({ _tag: "File", file, detail: "it was added since the export" })
    }
    if (found.length === 0) continue
    yield found
    found = []
  }
  yield found
}

/** A text of a record; an object that was written in its place has none. */
const textOf = (value: unknown): string => typeof value === "object" && value !== null ? "unknown" : String(value)

/** The results that are missing from the archive according to the export itself. */
const readIncomplete = async function*(
  root: string,
  counts: Counts
): AsyncGenerator<ReadonlyArray<VerificationIssue>> {
  const file = ArchiveFormat.incompleteFile
  if (!(await Files.isRegular(join(root, file)))) {
    yield [issue(file, "it is not a regular file, so what it lists is unknown")]
    return
  }
  let found: Array<VerificationIssue> = []
  const lines = ArchiveFormat.splitLines(({ bytes, number: line }) => {
    const parsed = bytes === undefined || bytes.length > Files.longestRecord
      ? "it is longer than any that an export writes"
      : ArchiveFormat.parseLine(bytes)
    if (typeof parsed === "string") return void found.push({ _tag: "Line", file, line, detail: parsed })
    const { flow_run_id, map_index, message, reason, task_run_id, task_slug } = parsed.row
    if (typeof task_run_id !== "string") {
      if (typeof flow_run_id === "string") {
        counts.results++
        counts.failures++
      }
      return void found.push(issue(file, textOf(message)))
    }
    counts.results++
    counts.failures++
    found.push({
      _tag: "Result",
      taskRunId: task_run_id,
      taskSlug: typeof task_slug === "string" ? task_slug : null,
      mapIndex: typeof map_index === "number" ? map_index : -1,
      reason: textOf(reason),
      message: textOf(message)
    })
  })
  for await (const chunk of Files.chunksOf(join(root, file))) {
    lines.push(chunk)
    yield found
    found = []
  }
  lines.end()
  yield found
}

const fromGenerator = (
  root: string,
  issues: AsyncIterable<ReadonlyArray<VerificationIssue>>,
  progress: Effect.Effect<void>
): Issues =>
  Stream.fromAsyncIterable(issues, unreadable(root)).pipe(
    Stream.tap(() => progress),
    Stream.flattenIterable
  )

/** Nothing was stored, so nothing is missing. */
const nothingStored = new Set<string>(["NotFinished", "NotPersisted"] satisfies ReadonlyArray<Reason["_tag"]>)
/** Prefect itself never stores these. */
const neverStored = new Set(["ConstantResult", "SecretResult"])

/** Reads and decodes every result, which is the only check for an archive without hashes. */
const decodeResults = (root: string, options: Options, counts: Counts): Issues =>
  Stream.unwrap(Effect.gen(function*() {
    const { api, archive } = yield* ArchiveApi.make(root)
    const mounts = yield* ArchiveApi.readMounts(root)
    const storage = yield* Layer.build(
      Layer.provide(
        Prefect3Storage.layer(ResultStorage.layerMerge([InlineStorage.layer, LocalStorage.layer({ mounts })])),
        Layer.succeed(PrefectApi, api)
      )
    )
    const services = Context.add(storage, PrefectApi, api)
    const lines = (yield* archive.problems).map((problem): VerificationIssue => ({ _tag: "Line", ...problem }))

    const check = Effect.fnUntraced(
      function*(view: TaskRunView | ArchiveApi.Problem): Effect.fn.Return<ReadonlyArray<VerificationIssue>> {
        // Problems with the lines of the task runs are reported with those of all tables.
        if (!(view instanceof TaskRunView)) return []
        counts.taskRuns++
        const descriptor = State.resultDescriptor(view.state)
        if (State.isMapped(view.state) || neverStored.has(descriptor?._tag ?? "")) return []
        const taskRun = yield* Effect.provideContext(TaskRun.fromView(view), services)
        const outcome = yield* Effect.result(taskRun.getResult)
        if (Result.isFailure(outcome) && nothingStored.has(outcome.failure.reason._tag)) return []
        counts.results++
        if (Result.isSuccess(outcome)) return []
        counts.failures++
        const { message, reason } = outcome.failure
        const { mapIndex, taskRunId, taskSlug } = view
        return [{ _tag: "Result", taskRunId, taskSlug, mapIndex, reason: reason._tag, message }]
      }
    )
    return Stream.fromIterable(lines).pipe(
      Stream.concat(
        ArchiveApi.scanTaskRuns(root).pipe(
          Stream.mapEffect(check, { concurrency: countOf("concurrency", options.concurrency ?? 16) }),
          Stream.tap(() =>
            options.onProgress?.({ unit: "task runs", done: counts.taskRuns, total: undefined }) ?? Effect.void
          ),
          Stream.flattenIterable
        )
      )
    )
  }))

/** Whether it was exported in this format, even if its record is missing. */
const isOfManifest = Effect.fnUntraced(function*(root: string) {
  if (yield* Effect.promise(() => Files.exists(join(root, ArchiveFormat.manifestFile)))) return true
  const mounts = yield* Effect.orElseSucceed(ArchiveApi.readMounts(root), () => [])
  return mounts.some(({ names }) => names === "encoded")
})

const withoutHashes = (record: Files.EarlierRecord | undefined): string =>
  record === undefined
    ? "it has no record of an export: changes of tables and results cannot be detected, " +
      "only that each result is there and can be decoded"
    : "its export recorded no hashes of results: changes cannot be detected, " +
      "only that it is there and can be decoded"

const verifyIn = Effect.fnUntraced(function*(root: string, options: Options) {
  const counts: Counts = { taskRuns: 0, results: 0, failures: 0, problems: 0, bytes: 0 }
  const isWithManifest = yield* isOfManifest(root)
  const { record, started } = yield* Effect.tryPromise({
    try: async () => ({ record: await Files.readFinished(root), started: await Files.readStarted(root) }),
    catch: unreadable(root)
  })
  // Fails when there is no archive. Where an export left its record, a table that cannot be opened is one problem of it.
  if (record?.format !== 2) yield* Effect.scoped(ArchiveApi.make(root))
  const first: Array<VerificationIssue> = []
  const unchecked: Array<string> = []
  if (started !== undefined) {
    first.push(issue(ArchiveFormat.startedFile, "the export did not finish: run it again"))
  }
  if (record === null) first.push(issue(ArchiveFormat.finishedFile, "it was changed, or is not what an export writes"))
  if (record === undefined && isWithManifest && started === undefined) {
    first.push(issue(ArchiveFormat.finishedFile, "it is missing: changes of the tables cannot be detected"))
  }
  if (record?.format === 2 && record.results === null) {
    unchecked.push("the results were not exported, only the tables")
  }
  const isCurrent = record?.format === 2 || isWithManifest
  if (isCurrent && !(yield* Effect.promise(() => Files.exists(join(root, ArchiveFormat.manifestFile))))) {
    if (record?.format !== 2) first.push(issue(ArchiveFormat.manifestFile, "it is missing"))
  }
  const total = record?.format === 2
    ? Object.values(record.tables).reduce((sum, table) => sum + table.bytes, record.results?.bytes ?? 0)
    : undefined
  const progress = Effect.suspend(() =>
    options.onProgress?.({ unit: "bytes", done: counts.bytes, total }) ?? Effect.void
  )
  const own: Issues = record === undefined || record === null
    ? Stream.empty
    : Stream.fromIterableEffect(
      Effect.tryPromise({ try: () => checkOwnFiles(root, record, counts), catch: unreadable(root) })
    )
  let results: Issues
  if (isCurrent) {
    counts.taskRuns = record?.format === 2
      ? (record.tables["task_run"] ?? record.tables["prefect3_task_run"])?.rows ?? 0
      : 0
    const isIncomplete = yield* Effect.promise(() => Files.exists(join(root, ArchiveFormat.incompleteFile)))
    results = Stream.concat(
      isIncomplete ? fromGenerator(root, readIncomplete(root, counts), Effect.void) : Stream.empty,
      fromGenerator(root, checkResults(root, counts), progress)
    )
  } else {
    if (record !== null) unchecked.push(withoutHashes(record))
    results = decodeResults(root, options, counts)
  }
  return Stream.fromIterable(first).pipe(
    Stream.concat(own),
    Stream.concat(results),
    Stream.tap(() => Effect.sync(() => counts.problems++)),
    Stream.concat(Stream.fromEffect(Effect.sync((): VerificationIssue => ({ _tag: "Summary", ...counts, unchecked }))))
  )
})

/**
 * Compares an archive with the records of its export: the size and SHA-256 of each table and result, and that nothing
 * is missing or was added. Results that the export could not copy are among the issues.
 *
 * For an archive without such records, every result is read and decoded; the Summary lists the checks that were
 * impossible. Only the archive's own mounts are used.
 *
 * Issues are emitted as they are found; the last one is the Summary. Fails when there is no archive.
 *
 * @category constructors
 * @since 0.1.0
 */
export const verify = (
  directory: string,
  options: Options = {}
): Stream.Stream<VerificationIssue, PrefectApiError | MountError> =>
  Stream.scoped(Stream.unwrap(verifyIn(resolve(directory), options)))
