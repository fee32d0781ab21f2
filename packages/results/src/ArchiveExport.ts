/**
 * `ArchiveExport`: makes an archive folder of a Prefect 1 server's database and of the results that its workers stored.
 *
 * ```
 * DIR/tables/*.jsonl   every row, from one snapshot
 * DIR/mounts.json      where the workers saw the results, and where they are in DIR
 * DIR/results/…        files of workers; s3/…, gs/…, azure/…: objects of buckets
 * DIR/archive.json     written last: what was exported, when, and the SHA-256 of each table
 * ```
 *
 * It can be cut off at any moment and run again: nothing half-written ever has its final name.
 *
 * @since 0.1.0
 */
import * as ArchiveApi from "@effect-prefect/api/ArchiveApi"
import type * as PostgresApi from "@effect-prefect/api/PostgresApi"
import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import type { PrefectConfigError } from "@effect-prefect/api/PrefectConfigError"
import * as ArchiveFormat from "@effect-prefect/core/ArchiveFormat"
import { isPersisted, type ResultDescriptor } from "@effect-prefect/core/ResultDescriptor"
import * as State from "@effect-prefect/core/State"
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { createHash } from "node:crypto"
import { mkdir, open, rm, stat } from "node:fs/promises"
import { dirname, join, resolve } from "node:path"
import * as Files from "./internal/archive/files.ts"
import { archiveLocation } from "./internal/archive/location.ts"
import { optionsOf } from "./internal/run/load.ts"
import type { StorageReason } from "./ResultError.ts"
import { ResultOptions } from "./ResultOptions.ts"
import { ResultStorage } from "./ResultStorage.ts"

/**
 * The folder cannot be written, or must not be.
 *
 * @category errors
 * @since 0.1.0
 */
export class ArchiveExportError
  extends Schema.TaggedError<ArchiveExportError>("@effect-prefect/results/ArchiveExportError")("ArchiveExportError", {
    directory: Schema.String,
    detail: Schema.String
  })
{
  override get message() {
    return `${this.directory}: ${this.detail}`
  }
}

/**
 * How far an export has come.
 *
 * @category models
 * @since 0.1.0
 */
export type Progress =
  | {
    readonly _tag: "Table"
    readonly table: string
    /** Rows written so far. */
    readonly done: number
    /** What the database thinks of their number. */
    readonly estimate: number | undefined
  }
  | {
    readonly _tag: "Results"
    /** Task runs looked at so far. */
    readonly done: number
    readonly total: number
  }

/**
 * A result that could not be copied.
 *
 * @category models
 * @since 0.1.0
 */
export interface Failure {
  readonly view: TaskRunView
  readonly reason: "Unwritable" | StorageReason["_tag"] | "StorageNotProvided"
  readonly message: string
}

/**
 * What is exported, and where to.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** The folder of the archive; made when it is not there. */
  readonly directory: string
  readonly database: PostgresApi.Options
  readonly onProgress?: ((progress: Progress) => Effect.Effect<void>) | undefined
}

/**
 * How the results are copied.
 *
 * @category options
 * @since 0.1.0
 */
export interface ResultsOptions {
  /** How many results are copied at once. Default 16. */
  readonly concurrency?: number | undefined
  readonly onFailure?: ((failure: Failure) => Effect.Effect<void>) | undefined
}

/**
 * What an export wrote.
 *
 * @category models
 * @since 0.1.0
 */
export interface Report {
  readonly directory: string
  /** Rows by table. */
  readonly tables: Readonly<Record<string, number>>
  /** undefined: they were not asked for. */
  readonly results: {
    /** Files that the archive holds for its task runs. */
    readonly files: number
    readonly failures: number
  } | undefined
}

const codeOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "code" in error && typeof error.code === "string"
    ? error.code
    : "an unknown failure"

const attempt = <A>(directory: string, what: string, body: (signal: AbortSignal) => Promise<A>) =>
  Effect.tryPromise({
    try: body,
    catch: (error) => new ArchiveExportError({ directory, detail: `${what} cannot be written (${codeOf(error)})` })
  })

/**
 * Whether the folder may be written to; when an export of it began that was cut off, if one was.
 */
const inspect = Effect.fnUntraced(function*(directory: string) {
  const found = yield* attempt(directory, "the folder", async () => {
    if (!(await stat(directory).then((stats) => stats.isDirectory(), () => true))) {
      throw Object.assign(new Error(), { code: "it is not a folder" })
    }
    const [finished, started, tables, mounts] = await Promise.all([
      Files.exists(join(directory, ArchiveFormat.finishedFile)),
      Files.readStarted(directory),
      Files.exists(join(directory, ArchiveFormat.tablesFolder)),
      Files.exists(join(directory, ArchiveFormat.mountsFile))
    ])
    return { isForeign: (tables || mounts) && !finished && started === undefined, started }
  })
  if (!found.isForeign) return found.started
  return yield* new ArchiveExportError({
    directory,
    detail: "it holds an archive that was not exported by this command; export to an empty folder"
  })
})

/** Makes the folder, with an empty place for what is not whole yet and a note of when the export began. */
const prepare = (directory: string, cutOff: number | undefined) =>
  attempt(directory, "the folder", async () => {
    await mkdir(directory, { recursive: true })
    await rm(join(directory, "partial"), { recursive: true, force: true })
    await mkdir(join(directory, "partial", "tables"), { recursive: true })
    const started = cutOff ?? Date.now()
    const text = `${JSON.stringify({ started: new Date(started).toISOString() })}\n`
    await Files.writeWhole(directory, join(directory, ArchiveFormat.startedFile), text)
    return started
  })

const writeTables = Effect.fnUntraced(function*(directory: string, cutOff: number | undefined, options: Options) {
  const onProgress = options.onProgress ?? (() => Effect.void)
  const folder = join(directory, "partial", "tables")
  const PostgresSnapshot = yield* Effect.promise(() => import("@effect-prefect/api/PostgresSnapshot"))
  return yield* PostgresSnapshot.withSnapshot(
    options.database,
    Effect.fnUntraced(function*(tables) {
      // Only now: a database that cannot be reached leaves no trace.
      const started = yield* prepare(directory, cutOff)
      const records: Record<string, Files.TableRecord> = {}
      for (const { estimatedRows, name, rows } of tables) {
        const what = ArchiveFormat.tableFile(name)
        records[name] = yield* Effect.acquireUseRelease(
          attempt(directory, what, () => open(join(folder, `${name}.jsonl`), "wx")),
          Effect.fnUntraced(function*(file) {
            const hash = createHash("sha256")
            let count = 0
            let bytes = 0
            yield* Stream.runForEachArray(
              rows,
              Effect.fnUntraced(function*(lines) {
                const text = Buffer.from(`${lines.join("\n")}\n`)
                yield* attempt(directory, what, () => file.writeFile(text))
                hash.update(text)
                bytes += text.length
                count += lines.length
                yield* onProgress({ _tag: "Table", table: name, done: count, estimate: estimatedRows })
              })
            )
            yield* attempt(directory, what, () => file.sync())
            return { rows: count, bytes, sha256: hash.digest("hex") }
          }),
          (file) => Effect.promise(() => file.close())
        )
      }
      return { started, records }
    })
  )
})

/** The descriptor of a result that is in a store of its own, and that an archive can hold. */
const storedDescriptor = (view: TaskRunView): ResultDescriptor | undefined => {
  const descriptor = State.isFinished(view.state) ? State.resultDescriptor(view.state) : undefined
  return isPersisted(descriptor) && archiveLocation(descriptor) !== undefined ? descriptor : undefined
}

const copyResults = Effect.fnUntraced(function*(
  directory: string,
  started: number,
  total: number,
  options: Options & ResultsOptions
) {
  const storage = yield* ResultStorage
  const { maxBytes } = optionsOf(storage, yield* ResultOptions)
  const onProgress = options.onProgress ?? (() => Effect.void)
  const mounts = new Map<string, string>()
  const folders = new Map<string, Promise<string>>()
  let files = 0
  let failures = 0
  let done = 0

  const failed = (view: TaskRunView, reason: Failure["reason"], message: string) => {
    failures++
    return options.onFailure?.({ view, reason, message }) ?? Effect.void
  }

  const copy = Effect.fnUntraced(function*(view: TaskRunView) {
    const descriptor = storedDescriptor(view)
    const place = descriptor === undefined ? undefined : archiveLocation(descriptor)
    if (descriptor === undefined || place === undefined) return
    const path = join(directory, place.folder, place.name)
    const isThere = yield* Effect.promise(() =>
      stat(path).then((stats) => stats.isFile() && stats.mtimeMs >= started, () => false)
    )
    if (!isThere) {
      const stored = yield* Effect.result(storage.read(descriptor, { maxBytes }))
      if (Result.isFailure(stored)) return yield* failed(view, stored.failure._tag, stored.failure.message)
      if (stored.success._tag === "Value") return
      const { bytes } = stored.success
      const written = yield* Effect.result(attempt(directory, `${place.folder}/${place.name}`, async () => {
        const parent = dirname(join(place.folder, place.name))
        let folder = folders.get(parent)
        if (folder === undefined) folders.set(parent, folder = Files.makeFolder(directory, parent))
        await folder
        await Files.writeWhole(directory, path, bytes)
      }))
      if (Result.isFailure(written)) return yield* failed(view, "Unwritable", written.failure.detail)
    }
    files++
    mounts.set(place.from, place.folder)
  })

  yield* Effect.scoped(Effect.gen(function*() {
    const { archive } = yield* ArchiveApi.make(directory)
    yield* archive.taskRuns.pipe(
      Stream.mapEffect(copy, { concurrency: Math.max(1, options.concurrency ?? 16), unordered: true }),
      Stream.runForEachArray((array) => {
        done += array.length
        return onProgress({ _tag: "Results", done, total })
      })
    )
  }))
  const text = `${JSON.stringify(Object.fromEntries([...mounts].toSorted()), null, 2)}\n`
  yield* attempt(
    directory,
    ArchiveFormat.mountsFile,
    () => Files.writeWhole(directory, join(directory, ArchiveFormat.mountsFile), text)
  )
  return { files, failures }
})

const exportWith = Effect.fnUntraced(function*<E, R>(
  options: Options,
  results: (
    directory: string,
    started: number,
    taskRuns: number
  ) => Effect.Effect<Files.ArchiveRecord["results"], E, R>
): Effect.fn.Return<Report, E | ArchiveExportError | PrefectApiError | PrefectConfigError, R> {
  const directory = resolve(options.directory)
  const { records: tables, started } = yield* writeTables(directory, yield* inspect(directory), options)
  yield* attempt(directory, "tables", async () => {
    // From here on until the end it is an export that was cut off.
    await rm(join(directory, ArchiveFormat.finishedFile), { force: true })
    await Files.replaceFolder(join(directory, "partial", "tables"), join(directory, ArchiveFormat.tablesFolder))
  })
  const copied = yield* results(directory, started, tables["task_run"]?.rows ?? 0)
  yield* attempt(directory, ArchiveFormat.finishedFile, async () => {
    const record: Files.ArchiveRecord = { format: 1, exported: new Date().toISOString(), tables, results: copied }
    await Files.writeWhole(
      directory,
      join(directory, ArchiveFormat.finishedFile),
      `${JSON.stringify(record, null, 2)}\n`
    )
    await rm(join(directory, ArchiveFormat.startedFile), { force: true })
    await rm(join(directory, "partial"), { recursive: true, force: true })
  })
  return {
    directory,
    tables: Object.fromEntries(Object.entries(tables).map(([name, { rows }]) => [name, rows])),
    results: copied ?? undefined
  }
})

/**
 * Exports the tables of a database.
 *
 * @category constructors
 * @since 0.1.0
 */
export const exportTables = (
  options: Options
): Effect.Effect<Report, ArchiveExportError | PrefectApiError | PrefectConfigError> =>
  exportWith(options, () => Effect.succeed(null))

/**
 * Exports the tables of a database, and copies the results that its finished task runs stored: those that the
 * `ResultStorage` may read. A result that cannot be copied is told to `onFailure` and does not end the export.
 *
 * Results that an export which was cut off has copied are not copied again.
 *
 * @category constructors
 * @since 0.1.0
 */
export const exportAll = (
  options: Options & ResultsOptions
): Effect.Effect<Report, ArchiveExportError | PrefectApiError | PrefectConfigError, ResultStorage> =>
  exportWith(options, (directory, started, taskRuns) => copyResults(directory, started, taskRuns, options))
