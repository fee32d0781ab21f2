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
import type { Snapshot } from "@effect-prefect/api/ApiSnapshot"
import * as ArchiveApi from "@effect-prefect/api/ArchiveApi"
import type { StorageBlock } from "@effect-prefect/api/Backend"
import type * as PostgresApi from "@effect-prefect/api/PostgresApi"
import type { Selection, Table } from "@effect-prefect/api/PostgresSnapshot"
import type * as Prefect3Config from "@effect-prefect/api/Prefect3Config"
import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import type { PrefectConfigError } from "@effect-prefect/api/PrefectConfigError"
import * as ArchiveFormat from "@effect-prefect/core/ArchiveFormat"
import { FlowRunView } from "@effect-prefect/core/FlowRunView"
import { isPersisted, type ResultDescriptor } from "@effect-prefect/core/ResultDescriptor"
import * as State from "@effect-prefect/core/State"
import { TaskRunView } from "@effect-prefect/core/TaskRunView"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { createHash, randomUUID } from "node:crypto"
import { mkdir, rename, rm, stat } from "node:fs/promises"
import { join, posix, relative, resolve, sep } from "node:path"
import * as Journal from "./internal/archive/copied.ts"
import * as Digest from "./internal/archive/digest.ts"
import * as Files from "./internal/archive/files.ts"
import { type ArchiveLocation, archiveLocation, resultFolders, rootsOf } from "./internal/archive/location.ts"
import * as Lock from "./internal/archive/lock.ts"
import { shown } from "./internal/location.ts"
import * as Prefect3Location from "./internal/prefect3/location.ts"
import { optionsOf } from "./internal/run/load.ts"
import { budgetOf, CurrentLoad, type Lease } from "./internal/run/memory.ts"
import { ResultNotFound, type StorageReason } from "./ResultError.ts"
import { ResultOptions } from "./ResultOptions.ts"
import { ResultStorage } from "./ResultStorage.ts"

/**
 * The folder cannot be written to, or must not be.
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
 * The progress of an export.
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
    /** The database's estimate of their number. */
    readonly estimate: number | undefined
  }
  | {
    readonly _tag: "Results"
    /** Task runs processed so far. */
    readonly done: number
    readonly total: number
  }

/**
 * A result or a row that is missing from the archive.
 *
 * @category models
 * @since 0.1.0
 */
export interface Failure {
  /** The task run whose result it is; undefined for a flow run's own result, and for a row that is no run. */
  readonly view: TaskRunView | undefined
  /** The flow run whose own result it is. */
  readonly flowRunId?: string | undefined
  readonly reason: "Unwritable" | "Row" | StorageReason["_tag"] | "StorageNotProvided"
  readonly message: string
}

/**
 * Options of an export.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** The folder of the archive; created when it does not exist. */
  readonly directory: string
  /** The server's database, which the archive records at one instant. Takes precedence over `api`. */
  readonly database?: PostgresApi.Options | undefined
  /** A Prefect 1 server's API, e.g. `GraphQLApi`, for when the database is out of reach. */
  readonly api?: PrefectApi["Service"] | undefined
  /** A Prefect 2 or 3 server, or a workspace of Prefect Cloud. Used when neither `database` nor `api` is given. */
  readonly prefect3?: Prefect3Config.Options | undefined
  /** The flow runs to export, with everything that belongs to them. Default: all. */
  readonly selection?: Selection | undefined
  readonly onProgress?: ((progress: Progress) => Effect.Effect<void>) | undefined
  /** Called for each result and row that is missing from the archive. They are also listed in `incomplete.jsonl`. */
  readonly onFailure?: ((failure: Failure) => Effect.Effect<void>) | undefined
}

/**
 * Options for copying results.
 *
 * @category options
 * @since 0.1.0
 */
export interface ResultsOptions {
  /** The number of results that are copied concurrently. Default 16. */
  readonly concurrency?: number | undefined
  /**
   * Directories of workers, as their results name them, whose files get readable folder names. Does not affect which
   * results are copied.
   */
  readonly directories?: ReadonlyArray<string> | undefined
}

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

const attempt = <A>(directory: string, what: string, body: (signal: AbortSignal) => Promise<A>) =>
  Effect.tryPromise({
    try: body,
    catch: (error) => new ArchiveExportError({ directory, detail: Files.unwritable(what, Files.codeOf(error)) })
  })

/** A full disk cannot take any other result either. */
const isFatal = (code: string) => /^(ENOSPC|EDQUOT|EROFS|EIO|EMFILE|ENFILE)$/.test(code)

/** Whether the folder may be written to. Fails when it contains something that this command did not write. */
const inspect = Effect.fnUntraced(function*(directory: string) {
  const problem = yield* attempt(directory, "the folder", async () => {
    if (!(await stat(directory).then((stats) => stats.isDirectory(), () => true))) {
      throw Object.assign(new Error(), { code: "it is not a folder" })
    }
    const [finished, started, tables, mounts] = await Promise.all([
      Files.readFinished(directory),
      Files.readStarted(directory),
      Files.exists(join(directory, ArchiveFormat.tablesFolder)),
      Files.exists(join(directory, ArchiveFormat.mountsFile))
    ])
    if (finished?.format === 1) return "it holds an archive of an earlier format; export to an empty folder"
    return (tables || mounts) && finished === undefined && started === undefined
      ? "it holds an archive that was not exported by this command; export to an empty folder"
      : undefined
  })
  if (problem !== undefined) return yield* new ArchiveExportError({ directory, detail: problem })
})

/** The folder, created and locked for the lifetime of the scope. */
const lock = Effect.fnUntraced(function*(directory: string) {
  const taken = yield* Effect.acquireRelease(
    attempt(directory, "the folder", async () => {
      await Files.makeRoot(directory)
      return Lock.take(join(directory, ArchiveFormat.lockFile))
    }),
    (taken) => Effect.sync(() => taken._tag === "Held" && taken.release())
  )
  if (taken._tag === "Taken") {
    return yield* new ArchiveExportError({
      directory,
      detail: "another export is writing to it: wait until it has ended"
    })
  }
  if (taken._tag === "Unsupported") {
    yield* Effect.logWarning(
      `${directory} is on a file system without locks: make sure that no other export writes to it`
    )
  }
})

/**
 * Empties the folder for incomplete files and records that an export has started. Returns whether an earlier export was
 * interrupted.
 */
const prepare = (directory: string) =>
  attempt(directory, "the folder", async () => {
    await Files.prepareOwnFiles(directory)
    const cutOff = await Files.readStarted(directory)
    const journal = cutOff === undefined || cutOff === "" ? [] : [Files.journalFile, Files.previousManifestFile]
    await Files.preparePartial(directory, journal)
    if (cutOff === undefined || cutOff === "") {
      const started = { started: new Date().toISOString(), id: randomUUID() }
      await Files.writeWhole(
        directory,
        join(directory, ArchiveFormat.startedFile),
        `${JSON.stringify(started)}\n`
      )
    }
  })

interface Tables {
  changed: number
  readonly records: Record<string, Files.TableRecord>
  /** Rows that are longer than the lines of an archive may be, by table. */
  readonly tooLong: Record<string, number>
  /** Rows that the backend could not return, by table. */
  omitted: Readonly<Record<string, number>>
}

const writeTables = Effect.fnUntraced(function*(directory: string, options: Options) {
  const onProgress = options.onProgress ?? (() => Effect.void)
  const folder = join(directory, Files.partialFolder, ArchiveFormat.tablesFolder)
  const scope = yield* Effect.scope
  const write = Effect.fnUntraced(
    function*(tables: ReadonlyArray<Table>) {
      // Only now, so that an unreachable database leaves no trace.
      yield* Scope.provide(lock(directory), scope)
      yield* inspect(directory)
      yield* prepare(directory)
      const out: Tables = { changed: 0, records: {}, tooLong: {}, omitted: {} }
      for (const { estimatedRows, name, rows } of tables) {
        const what = ArchiveFormat.tableFile(name)
        out.records[name] = yield* Effect.acquireUseRelease(
          attempt(directory, what, () => Files.createFile(join(folder, `${name}.jsonl`))),
          Effect.fnUntraced(function*(file) {
            const hash = createHash("sha256")
            let count = 0
            let bytes = 0
            yield* Stream.runForEachArray(
              rows,
              Effect.fnUntraced(function*(lines) {
                const fitting = lines.filter((line) =>
                  line.length * 3 <= ArchiveFormat.maxLineBytes || Buffer.byteLength(line) <= ArchiveFormat.maxLineBytes
                )
                if (fitting.length < lines.length) {
                  out.tooLong[name] = (out.tooLong[name] ?? 0) + lines.length - fitting.length
                }
                if (fitting.length === 0) return
                const text = Buffer.from(`${fitting.join("\n")}\n`)
                yield* attempt(directory, what, () => file.writeFile(text))
                hash.update(text)
                bytes += text.length
                count += fitting.length
                yield* onProgress({ _tag: "Table", table: name, done: count, estimate: estimatedRows })
              })
            )
            yield* attempt(directory, what, () => file.sync())
            return { rows: count, bytes, sha256: hash.digest("hex") }
          }),
          (file) => Effect.promise(() => file.close())
        )
      }
      return out
    }
  )
  const { api, database, prefect3, selection } = options
  const writeSnapshot = Effect.fnUntraced(function*(snapshot: Snapshot) {
    const out = yield* write(snapshot.tables)
    out.omitted = yield* snapshot.omitted
    out.changed = yield* snapshot.changed
    return out
  })
  let written: Tables
  if (database !== undefined) {
    const PostgresSnapshot = yield* Effect.promise(() => import("@effect-prefect/api/PostgresSnapshot"))
    written = yield* PostgresSnapshot.withSnapshot(database, write, selection)
  } else if (api !== undefined) {
    const ApiSnapshot = yield* Effect.promise(() => import("@effect-prefect/api/ApiSnapshot"))
    const snapshot = yield* Effect.provideService(ApiSnapshot.make(selection), PrefectApi, api)
    written = yield* writeSnapshot(snapshot)
  } else if (prefect3 !== undefined) {
    const Prefect3Snapshot = yield* Effect.promise(() => import("@effect-prefect/api/Prefect3Snapshot"))
    written = yield* writeSnapshot(yield* Prefect3Snapshot.make(prefect3, selection))
  } else {
    return yield* new ArchiveExportError({ directory, detail: "neither a database nor an API to export was given" })
  }
  yield* attempt(directory, ArchiveFormat.tablesFolder, async () => {
    await Files.syncFolder(folder)
    // From here until the end, the folder counts as an interrupted export.
    await rm(join(directory, ArchiveFormat.finishedFile), { force: true })
    await rm(join(directory, ArchiveFormat.incompleteFile), { force: true })
    await Files.replaceFolder(folder, join(directory, ArchiveFormat.tablesFolder))
    await Files.syncFolder(directory)
  })
  return written
})

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

/** A run that may have stored a result. */
type Run = TaskRunView | FlowRunView

const isTaskRun = (view: Run): view is TaskRunView => view instanceof TaskRunView

const idOf = (view: Run) => isTaskRun(view) ? `task run ${view.taskRunId}` : `flow run ${view.flowRunId}`

const failureOf = (reason: Failure["reason"], view: Run, message: string): Failure => ({
  ...(isTaskRun(view) ? { view } : { view: undefined, flowRunId: view.flowRunId }),
  reason,
  message: `${idOf(view)}: ${message}`
})

/** The descriptor of the file or object that holds a result; a reason where a storage block has none. */
const resolvedOf = (
  descriptor: ResultDescriptor,
  blocks: ReadonlyMap<string, StorageBlock>
): Prefect3Location.Resolved | ResultNotFound => {
  if (descriptor._tag !== "Prefect3Result" || descriptor.storageKey === null) return descriptor
  const { storageBlockId, storageKey } = descriptor
  if (storageBlockId === null || storageBlockId === undefined) return Prefect3Location.ofKey(storageKey)
  const block = blocks.get(storageBlockId)
  return block === undefined
    ? new ResultNotFound({ location: `storage block ${storageBlockId}`, detail: "the server does not have it" })
    : Prefect3Location.inBlock(block, storageKey)
}

type Copied =
  | { readonly _tag: "Copied"; readonly entry: Files.ManifestEntry; readonly location: ArchiveLocation }
  | { readonly _tag: "Kept"; readonly entry: Files.ManifestEntry; readonly location: ArchiveLocation }
  | { readonly _tag: "Failed"; readonly failure: Failure }
  | undefined

const copyResults = Effect.fnUntraced(function*(
  directory: string,
  total: number,
  options: Options & ResultsOptions,
  onFailure: (failure: Failure) => Effect.Effect<void, ArchiveExportError>
) {
  const storage = yield* ResultStorage
  const { maxBytes, maxMemory } = optionsOf(storage, yield* ResultOptions)
  const memory = budgetOf(storage, maxMemory)
  const onProgress = options.onProgress ?? (() => Effect.void)
  const roots = rootsOf(options.directories ?? [])
  const makeFolder = Files.folderMaker(directory)
  const blocks = yield* ArchiveApi.readStorageBlocks(directory)
  // Without such a reader, the file or object that the block names is read.
  const isPrefect3Read = storage.readers.some(({ type }) => type === "Prefect3Result")
  const mounts = new Map<string, string>()
  const underWay = new Map<string, Deferred.Deferred<Copied, ArchiveExportError>>()
  const counts = { files: 0, bytes: 0, failures: 0, kept: 0, rows: 0, foreign: 0, done: 0 }

  const openJournal = (name: string) =>
    Effect.acquireRelease(
      attempt(directory, name, async () => Journal.openJournal(join(directory, name))),
      (journal) => Effect.sync(() => journal.close())
    )
  yield* attempt(directory, ArchiveFormat.manifestFile, async () => {
    const manifest = join(directory, ArchiveFormat.manifestFile)
    const previous = join(directory, Files.previousManifestFile)
    if (await Files.exists(manifest) && !(await Files.exists(previous))) await rename(manifest, previous)
  })
  const journal = yield* openJournal(Files.journalFile)
  const previous = yield* openJournal(Files.previousManifestFile)

  /** Whether the file still matches an entry. */
  const isIntact = (entry: Files.ManifestEntry) =>
    Effect.promise(() =>
      Digest.digestOf(join(directory, entry.file)).then((digest) => Digest.sameDigest(digest, entry), () => false)
    )

  const fetch = Effect.fnUntraced(
    function*(
      view: Run,
      descriptor: ResultDescriptor,
      location: ArchiveLocation,
      lease: Lease
    ): Effect.fn.Return<Copied, ArchiveExportError> {
      const file = `${location.folder}/${location.name}`
      const known = journal.get(file)
      if (known !== undefined && (known.isChecked || (yield* isIntact(known.entry)))) {
        journal.check(file)
        return { _tag: "Copied", entry: known.entry, location }
      }
      const stored = yield* Effect.result(
        storage.read(descriptor, { maxBytes, reserve: (bytes, then) => lease.request(bytes, then) })
      )
      if (Result.isFailure(stored)) {
        // Results that an earlier export of this folder copied are kept, even if the store has lost them.
        const earlier = previous.get(file)
        if (earlier !== undefined && (yield* isIntact(earlier.entry))) {
          yield* attempt(directory, Files.journalFile, async () => journal.add(earlier.entry))
          return { _tag: "Kept", entry: earlier.entry, location }
        }
        return { _tag: "Failed", failure: failureOf(stored.failure._tag, view, stored.failure.message) }
      }
      if (stored.success._tag === "Value") return undefined
      const { bytes } = stored.success
      const written = yield* Effect.result(Effect.tryPromise({
        try: async () => {
          await makeFolder(posix.dirname(file))
          await Files.writeWhole(directory, join(directory, file), bytes)
        },
        catch: Files.codeOf
      }))
      if (Result.isFailure(written)) {
        if (isFatal(written.failure)) {
          return yield* new ArchiveExportError({ directory, detail: Files.unwritable(file, written.failure) })
        }
        return {
          _tag: "Failed",
          failure: failureOf("Unwritable", view, `${file} cannot be written (${written.failure})`)
        }
      }
      const entry = { file, bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") }
      yield* attempt(directory, Files.journalFile, async () => journal.add(entry))
      return { _tag: "Copied", entry, location }
    }
  )

  const copy = Effect.fnUntraced(function*(
    view: Run | ArchiveApi.Problem
  ): Effect.fn.Return<Copied, ArchiveExportError> {
    if (!(view instanceof TaskRunView || view instanceof FlowRunView)) {
      return {
        _tag: "Failed",
        failure: { view: undefined, reason: "Row", message: `${view.file}, line ${view.line}: ${view.detail}` }
      }
    }
    if (!State.isFinished(view.state) || State.isMapped(view.state)) return undefined
    const descriptor = State.resultDescriptor(view.state)
    if (!isPersisted(descriptor)) return undefined
    const resolved = resolvedOf(descriptor, blocks)
    if ("message" in resolved) return { _tag: "Failed", failure: failureOf(resolved._tag, view, resolved.message) }
    const location = archiveLocation(resolved, roots)
    // Nothing was stored that an archive could hold outside its tables.
    if (location === undefined) return undefined
    if (typeof location !== "object") {
      const reason = descriptor._tag === "CustomResult" ? "UnsupportedResultType" : "ResultAccessDenied"
      return {
        _tag: "Failed",
        failure: failureOf(reason, view, `${location}: ${JSON.stringify(shown(descriptor.location ?? ""))}`)
      }
    }
    const file = `${location.folder}/${location.name}`
    // Two task runs may share one result: it is copied once.
    const other = underWay.get(file)
    if (other !== undefined) {
      const copied = yield* Deferred.await(other)
      return copied?._tag === "Failed"
        ? {
          _tag: "Failed",
          failure: failureOf(copied.failure.reason, view, copied.failure.message.replace(/^.*?: /, ""))
        }
        : copied
    }
    const deferred = yield* Deferred.make<Copied, ArchiveExportError>()
    underWay.set(file, deferred)
    const exit = yield* Effect.exit(Effect.suspend(() => {
      const lease = memory.open(() => true).begin()
      return Effect.ensuring(
        Effect.provideService(fetch(view, isPrefect3Read ? descriptor : resolved, location, lease), CurrentLoad, {
          lease
        }),
        Effect.sync(() => lease.release())
      )
    }))
    underWay.delete(file)
    yield* Deferred.done(deferred, exit)
    return yield* exit
  })

  const manifestPath = join(directory, Files.partialFolder, "manifest.jsonl")
  const manifest = yield* Effect.acquireRelease(
    attempt(directory, ArchiveFormat.manifestFile, () => Files.lineWriter(manifestPath)),
    (writer) => Effect.promise(() => writer.close())
  )
  const list = (entries: ReadonlyArray<Files.ManifestEntry>) =>
    attempt(directory, ArchiveFormat.manifestFile, () => manifest.write(entries))

  // An invalid line of a flow run is not a result: it is reported with its table.
  const flowRuns = Stream.filter(ArchiveApi.scanFlowRuns(directory), (view) => view instanceof FlowRunView)
  yield* Stream.concat(ArchiveApi.scanTaskRuns(directory), flowRuns).pipe(
    // In order, so that all exports of the same rows have the same manifest.
    Stream.mapEffect(copy, { concurrency: Math.max(1, options.concurrency ?? 16) }),
    Stream.runForEachArray(Effect.fnUntraced(function*(array) {
      const entries: Array<Files.ManifestEntry> = []
      for (const copied of array) {
        counts.done = Math.min(counts.done + 1, total)
        if (copied === undefined) continue
        if (copied._tag === "Failed") {
          if (copied.failure.reason === "Row") counts.rows++
          else counts.failures++
          yield* onFailure(copied.failure)
          continue
        }
        mounts.set(copied.location.from, copied.location.folder)
        if (!journal.list(copied.entry.file)) continue
        entries.push(copied.entry)
        counts.files++
        counts.bytes += copied.entry.bytes
        if (copied._tag === "Kept") counts.kept++
      }
      yield* list(entries)
      return yield* onProgress({ _tag: "Results", done: counts.done, total })
    }))
  )

  // Other files: results of an earlier export, which are kept, and files that no export wrote.
  yield* Stream.fromAsyncIterable(
    Files.walk(directory, resultFolders),
    (error) => new ArchiveExportError({ directory, detail: `its results cannot be listed (${Files.codeOf(error)})` })
  ).pipe(Stream.runForEach(Effect.fnUntraced(function*(found) {
    if ("folder" in found) {
      return yield* attempt(directory, found.folder, () => Files.syncFolder(join(directory, found.folder)))
    }
    if (found.isFile && journal.isListed(found.file)) return
    const entry = found.isFile ? (journal.get(found.file) ?? previous.get(found.file))?.entry : undefined
    if (entry === undefined || !(yield* isIntact(entry))) {
      counts.foreign++
      return
    }
    yield* list([entry])
  })))

  const digest = yield* attempt(directory, ArchiveFormat.manifestFile, async () => {
    const { bytes, sha256 } = await manifest.end()
    await rename(manifestPath, join(directory, ArchiveFormat.manifestFile))
    return { bytes, sha256 }
  })
  // A folder that only an earlier export used is still found.
  for (const mount of yield* Effect.orElseSucceed(ArchiveApi.readMounts(directory), () => [])) {
    const folder = relative(directory, mount.to).split(sep).join("/")
    if (mount.names === "encoded" && !mounts.has(mount.from)) mounts.set(mount.from, folder)
  }
  const content: typeof ArchiveFormat.Mounts.Type = Object.fromEntries(
    [...mounts].toSorted().map(([from, folder]) => [from, { folder, names: "encoded" as const }])
  )
  yield* attempt(
    directory,
    ArchiveFormat.mountsFile,
    () =>
      Files.writeWhole(
        directory,
        join(directory, ArchiveFormat.mountsFile),
        `${JSON.stringify(content, null, 2)}\n`
      )
  )
  return { manifest: digest, counts }
})

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
