/**
 * `ArchiveExport`: exports a Prefect 1 server's database, and the results that its workers stored, to an archive
 * folder.
 *
 * ```
 * DIR/tables/*.jsonl    every row, from one snapshot
 * DIR/mounts.json       the folders of DIR by what they hold: a directory of workers, a bucket
 * DIR/results/…         files of workers; s3/…, gs/…, azure/…: objects of buckets, a file for each key
 * DIR/manifest.jsonl    the size and SHA-256 of each result
 * DIR/incomplete.jsonl  what the archive does not have, if anything, by task run
 * DIR/archive.json      written last: what was exported, when, and the SHA-256 of each of the files above
 * ```
 *
 * An export can be interrupted at any time and run again: no file gets its final name before it is complete, and a
 * record of copied results is kept. An export locks its folder.
 *
 * **Example** (The tables of a database)
 *
 * ```ts
 * import * as ArchiveExport from "@effect-prefect/results/ArchiveExport"
 * import { Redacted } from "effect"
 *
 * export const report = ArchiveExport.exportTables({
 *   directory: "./archive",
 *   database: { url: Redacted.make("postgresql://localhost/prefect") }
 * })
 * ```
 *
 * @since 0.1.0
 */
import * as ArchiveApi from "@effect-prefect/api/ArchiveApi"
import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import type { PrefectConfigError } from "@effect-prefect/api/PrefectConfigError"
import * as ArchiveFormat from "@effect-prefect/core/ArchiveFormat"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { mkdir, rename, rm } from "node:fs/promises"
import { join, resolve } from "node:path"
import * as Digest from "./internal/archive/digest.ts"
import * as Files from "./internal/archive/files.ts"
import { inspect, lock } from "./internal/export/folder.ts"
import {
  type ArchiveExportError,
  attempt,
  type Failure,
  type Options,
  type ResultsOptions
} from "./internal/export/model.ts"
import { copyResults } from "./internal/export/results.ts"
import { type Tables, writeTables } from "./internal/export/tables.ts"
import type { ResultStorage } from "./ResultStorage.ts"

export { ArchiveExportError } from "./internal/export/model.ts"
export type { Failure, Options, Progress, ResultsOptions } from "./internal/export/model.ts"

/**
 * The outcome of an export.
 *
 * @category models
 * @since 0.1.0
 */
export interface Report {
  readonly directory: string
  /** Whether the archive contains everything that was requested. */
  readonly complete: boolean
  /** Rows by table. */
  readonly tables: Readonly<Record<string, number>>
  /** undefined when they were not requested. */
  readonly results: {
    /** Result files in the archive. */
    readonly files: number
    /** Results that are missing from the archive, all of them listed in `incomplete.jsonl`. */
    readonly failures: number
    /** Results that only an earlier export of the same folder could copy, and that were kept. */
    readonly kept: number
  } | undefined
  /** Rows in the table of task runs that are not task runs. */
  readonly rows: number
  /** Flow runs that were added or changed while an API was read: their rows in the archive may be inconsistent. */
  readonly changed: number
  /** Files among the results that no export wrote; `archive verify` lists them. */
  readonly foreign: number
}

/** The writer of `incomplete.jsonl`, which exists only when it has a line. */
const incompleteWriter = (directory: string) => {
  const path = join(directory, Files.partialFolder, "incomplete.jsonl")
  let writer: Awaited<ReturnType<typeof Files.lineWriter>> | undefined
  return {
    write: async (entry: Files.IncompleteEntry) => {
      writer ??= await Files.lineWriter(path)
      await writer.write([entry])
    },
    end: async () => {
      if (writer === undefined) return null
      const digest = await writer.end()
      await rename(path, join(directory, ArchiveFormat.incompleteFile))
      return digest
    },
    close: () => writer?.close()
  }
}

/** Task runs and flow runs. */
const runsIn = (tables: Tables["records"]): number =>
  Object.entries(tables).reduce(
    (sum, [name, { rows }]) => /^(prefect3_)?(task|flow)_run$/.test(name) ? sum + rows : sum,
    0
  )

const leastIndexedBytes = 8 * 1024 * 1024

/** The index of large tables. Without it an archive is complete, but slower to read. */
const makeIndex = Effect.fnUntraced(function*(directory: string, tables: Tables["records"]) {
  const bytes = Object.values(tables).reduce((sum, table) => sum + table.bytes, 0)
  const made = bytes < leastIndexedBytes ? undefined : yield* Effect.result(ArchiveApi.makeIndex(directory))
  if (made !== undefined && Result.isSuccess(made)) {
    const record = join(directory, ArchiveFormat.indexRecordFile)
    return yield* attempt(directory, ArchiveFormat.indexRecordFile, () => Digest.digestOf(record))
  }
  if (made !== undefined) yield* Effect.logWarning(`${made.failure.message}; archive index tries again`)
  return yield* attempt(directory, ArchiveFormat.indexFile, async () => {
    await rm(join(directory, ArchiveFormat.indexRecordFile), { force: true })
    await rm(join(directory, ArchiveFormat.indexFile), { force: true })
    return null
  })
})

/** The manifest of an export without results: that of an earlier export, or an empty one. */
const keepManifest = (directory: string) =>
  attempt(directory, ArchiveFormat.manifestFile, async () => {
    const path = join(directory, ArchiveFormat.manifestFile)
    const previous = join(directory, Files.previousManifestFile)
    if (!(await Files.exists(path))) {
      if (await Files.exists(previous)) await rename(previous, path)
      else await Files.writeWhole(directory, path, "")
    }
    return Digest.digestOf(path)
  })

type Copying = Effect.Success<ReturnType<typeof copyResults>>

const exportWith = Effect.fnUntraced(function*<E, R>(
  options: Options,
  results: (
    directory: string,
    taskRuns: number,
    onFailure: (failure: Failure) => Effect.Effect<void, ArchiveExportError>
  ) => Effect.Effect<Copying | undefined, E, R>
): Effect.fn.Return<
  Report,
  E | ArchiveExportError | PrefectApiError | PrefectConfigError,
  Exclude<R, Scope.Scope>
> {
  const directory = resolve(options.directory)
  const body = Effect.gen(function*() {
    yield* inspect(directory)
    const { changed, omitted, records: tables, tooLong } = yield* writeTables(directory, options)
    const incomplete = incompleteWriter(directory)
    yield* Effect.addFinalizer(() => Effect.promise(async () => incomplete.close()))
    const onFailure = Effect.fnUntraced(function*(failure: Failure) {
      const { flowRunId, message, reason, view } = failure
      const entry = {
        ...(flowRunId === undefined ? {} : { flow_run_id: flowRunId }),
        task_run_id: view?.taskRunId ?? null,
        task_slug: view?.taskSlug ?? null,
        map_index: view?.mapIndex ?? null,
        reason,
        message
      }
      yield* attempt(directory, ArchiveFormat.incompleteFile, () => incomplete.write(entry))
      yield* options.onFailure?.(failure) ?? Effect.void
    })
    let rows = 0
    for (const [table, count] of Object.entries(tooLong)) {
      rows += count
      const message = `${count} rows of ${table} are longer than 256 MiB`
      yield* onFailure({ view: undefined, reason: "Row", message })
    }
    for (const [table, count] of Object.entries(omitted)) {
      rows += count
      const message = `${count} rows of ${table} could not be read from the server, or not be written`
      yield* onFailure({ view: undefined, reason: "Row", message })
    }
    const copying = yield* results(directory, runsIn(tables), onFailure)
    const manifest = copying?.manifest ?? (yield* keepManifest(directory))
    const { failures = 0, files = 0, foreign = 0, kept = 0, bytes = 0 } = copying?.counts ?? {}
    rows += copying?.counts.rows ?? 0
    const complete = failures === 0 && rows === 0
    const index = yield* makeIndex(directory, tables)
    yield* attempt(directory, ArchiveFormat.finishedFile, async () => {
      const mounts = join(directory, ArchiveFormat.mountsFile)
      const record: Files.ArchiveRecord = {
        format: 2,
        exported: new Date().toISOString(),
        complete,
        tables,
        results: copying === undefined ? null : { files, bytes, failures },
        manifest,
        mounts: await Files.exists(mounts) ? await Digest.digestOf(mounts) : null,
        incomplete: await incomplete.end(),
        index
      }
      await Files.syncFolder(directory)
      await Files.writeWhole(
        directory,
        join(directory, ArchiveFormat.finishedFile),
        Files.writeRecord(record)
      )
      await rm(join(directory, ArchiveFormat.startedFile), { force: true })
      await rm(join(directory, Files.partialFolder), { recursive: true, force: true })
      await Files.syncFolder(directory)
    })
    return {
      directory,
      complete,
      tables: Object.fromEntries(Object.entries(tables).map(([name, { rows }]) => [name, rows])),
      results: copying === undefined ? undefined : { files, failures, kept },
      rows,
      changed,
      foreign
    }
  })
  return yield* Effect.scoped(body)
})

/**
 * Exports the tables of a database, or of a Prefect 1 API.
 *
 * @category constructors
 * @since 0.1.0
 */
export const exportTables = (
  options: Options
): Effect.Effect<Report, ArchiveExportError | PrefectApiError | PrefectConfigError> =>
  exportWith(options, () => Effect.undefined)

/**
 * Exports the tables of a database or a Prefect 1 API, and copies those results of its finished task runs that the
 * `ResultStorage` may read. A result that cannot be copied does not end the export: it is passed to `onFailure`, and
 * the archive is incomplete.
 *
 * Results that an interrupted export has copied are not copied again.
 *
 * @category constructors
 * @since 0.1.0
 */
export const exportAll = (
  options: Options & ResultsOptions
): Effect.Effect<Report, ArchiveExportError | PrefectApiError | PrefectConfigError, ResultStorage> =>
  exportWith(options, (directory, taskRuns, onFailure) => copyResults(directory, taskRuns, options, onFailure))

/**
 * Builds the index of an archive beside its tables, as an export does, and notes it in the record of the export if
 * there is one. Fails while an export writes to the folder.
 *
 * @category constructors
 * @since 0.1.0
 */
export const index = (
  directory: string,
  options: {
    /** Called with the number of bytes read so far, and the total. */
    readonly onProgress?: ((done: number, total: number) => void) | undefined
  } = {}
): Effect.Effect<void, ArchiveExportError | PrefectApiError> =>
  Effect.scoped(Effect.gen(function*() {
    const root = resolve(directory)
    // First the checks that fail for other folders, so that nothing is created in them.
    yield* Effect.scoped(ArchiveApi.make(root, { index: "never" }))
    yield* lock(root)
    yield* ArchiveApi.makeIndex(root, options)
    yield* attempt(root, ArchiveFormat.finishedFile, async () => {
      const record = await Files.readFinished(root)
      if (record?.format !== 2) return
      const index = await Digest.digestOf(join(root, ArchiveFormat.indexRecordFile))
      const partial = join(root, Files.partialFolder)
      await mkdir(partial, { recursive: true })
      await Files.writeWhole(root, join(root, ArchiveFormat.finishedFile), Files.writeRecord({ ...record, index }))
      await rm(partial, { recursive: true, force: true })
      await Files.syncFolder(root)
    })
  }))
