/** Copies the results of an archive's runs, and lists them in its manifest and mounts. */
import * as ArchiveApi from "@effect-prefect/api/ArchiveApi"
import type { StorageBlock } from "@effect-prefect/api/Backend"
import * as ArchiveFormat from "@effect-prefect/core/ArchiveFormat"
import { FlowRunView } from "@effect-prefect/core/FlowRunView"
import { isPersisted, type ResultDescriptor } from "@effect-prefect/core/ResultDescriptor"
import * as State from "@effect-prefect/core/State"
import { TaskRunView } from "@effect-prefect/core/TaskRunView"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { hash } from "node:crypto"
import { rename } from "node:fs/promises"
import { join, posix, relative, sep } from "node:path"
import { ResultNotFound } from "../../ResultError.ts"
import { resultOptions, ResultStorage } from "../../ResultStorage.ts"
import * as Journal from "../archive/copied.ts"
import * as Digest from "../archive/digest.ts"
import * as Files from "../archive/files.ts"
import { type ArchiveLocation, archiveLocation, resultFolders, rootsOf } from "../archive/location.ts"
import { type Unnamed, writer } from "../archive/wholeFiles.ts"
import { countOf } from "../countOf.ts"
import { shown } from "../location.ts"
import * as Prefect3Location from "../prefect3/location.ts"
import { budgetOf, CurrentLoad, type Lease } from "../run/memory.ts"
import { ArchiveExportError, attempt, type Failure, type Options, type ResultsOptions } from "./model.ts"

/** A full disk cannot take any other result either. */
const isFatal = (code: string) => /^(ENOSPC|EDQUOT|EROFS|EIO|EMFILE|ENFILE)$/.test(code)

/**
 * The number of results that are written and then synced together. An export that is cut off by a crash reads up to twice
 * as many again, because others are named meanwhile. They take no memory.
 */
const waitingAtOnce = 256

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

/** A result that was read and written, and is named with others. Task runs that share a result share it. */
interface Waiting {
  readonly file: Unnamed
  /** Undefined until it was tried. */
  named?: Result.Result<void, string>
}

type Copied =
  | {
    readonly _tag: "Copied"
    readonly view: Run
    readonly entry: Files.ManifestEntry
    readonly location: ArchiveLocation
    /** Undefined when it was there already. */
    readonly waiting?: Waiting
  }
  | { readonly _tag: "Kept"; readonly entry: Files.ManifestEntry; readonly location: ArchiveLocation }
  | { readonly _tag: "Failed"; readonly failure: Failure }
  | undefined

export const copyResults = Effect.fnUntraced(function*(
  directory: string,
  total: number,
  options: Options & ResultsOptions,
  onFailure: (failure: Failure) => Effect.Effect<void, ArchiveExportError>
) {
  const storage = yield* ResultStorage
  const { maxBytes, maxMemory } = yield* resultOptions
  const memory = budgetOf(storage, maxMemory)
  const onProgress = options.onProgress ?? (() => Effect.void)
  const roots = rootsOf(options.directories ?? [])
  const makeFolder = Files.folderMaker(directory)
  const files = writer(directory)
  const blocks = yield* ArchiveApi.readStorageBlocks(directory)
  // Without such a reader, the file or object that the block names is read.
  const isPrefect3Read = storage.readers.some(({ type }) => type === "Prefect3Result")
  const mounts = new Map<string, string>()
  const underWay = new Map<string, Deferred.Deferred<Copied, ArchiveExportError>>()
  const unnamed = new Map<Waiting, Files.ManifestEntry>()
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
        return { _tag: "Copied", view, entry: known.entry, location }
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
          return await files.write(bytes)
        },
        catch: Files.codeOf
      }))
      if (Result.isFailure(written)) return yield* notWritten(file, view, written.failure)
      const entry = { file, bytes: bytes.length, sha256: hash("sha256", bytes) }
      const waiting = { file: written.success }
      unnamed.set(waiting, entry)
      return { _tag: "Copied", view, entry, location, waiting }
    }
  )

  /** A failure of this result, or of the export if no other could be written either. */
  const notWritten = (file: string, view: Run, code: string) =>
    isFatal(code)
      ? Effect.fail(new ArchiveExportError({ directory, detail: Files.unwritable(file, code) }))
      : Effect.succeed({
        _tag: "Failed" as const,
        failure: failureOf("Unwritable", view, `${file} cannot be written (${code})`)
      })

  /** Names results that have been written, and records them. */
  const name = Effect.fnUntraced(function*(all: Iterable<Waiting>) {
    const waiting = new Map<Waiting, Files.ManifestEntry>()
    for (const one of all) {
      const entry = unnamed.get(one)
      if (entry !== undefined) waiting.set(one, entry)
    }
    if (waiting.size === 0) return
    const written = Array.from(waiting, ([{ file }, entry]) => ({ file, path: join(directory, entry.file) }))
    const problems = yield* attempt(directory, "results", (signal) => files.name(written, signal))
    yield* attempt(directory, Files.journalFile, async () => {
      const named: Array<Files.ManifestEntry> = []
      let at = 0
      for (const [one, entry] of waiting) {
        const problem = problems[at++]
        one.named = problem === undefined ? Result.void : Result.fail(Files.codeOf(problem))
        if (problem === undefined) named.push(entry)
        underWay.delete(entry.file)
        unnamed.delete(one)
      }
      journal.add(...named)
    })
  })

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
      if (copied?._tag === "Copied") return { ...copied, view }
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
    const isWaiting = Exit.isSuccess(exit) && exit.value?._tag === "Copied" && exit.value.waiting !== undefined
    if (!isWaiting) underWay.delete(file)
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
    Stream.mapEffect(copy, { concurrency: countOf("concurrency", options.concurrency ?? 16) }),
    // Others are read and written while those before them are synced.
    Stream.buffer({ capacity: waitingAtOnce }),
    Stream.runForEachArray(Effect.fnUntraced(function*(array) {
      yield* name(array.flatMap((one) => one?._tag === "Copied" && one.waiting !== undefined ? [one.waiting] : []))
      const entries: Array<Files.ManifestEntry> = []
      for (const one of array) {
        counts.done = Math.min(counts.done + 1, total)
        if (one === undefined) continue
        const named = one._tag === "Copied" ? one.waiting?.named : undefined
        const copied = one._tag === "Copied" && named !== undefined && Result.isFailure(named)
          ? yield* notWritten(one.entry.file, one.view, named.failure)
          : one
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
    })),
    // What has been written before a failure is not read again. An interruption does not wait for the disk.
    Effect.onError((cause) => Cause.hasInterrupts(cause) ? Effect.void : Effect.ignore(name([...unnamed.keys()])))
  )

  // Other files: results of an earlier export, which are kept, and files that no export wrote.
  yield* Stream.fromAsyncIterable(
    Files.walk(directory, resultFolders),
    (error) =>
      new ArchiveExportError({
        directory,
        detail: `its results cannot be listed (${Files.causeOf(Files.codeOf(error))})`
      })
  ).pipe(Stream.runForEach(Effect.fnUntraced(function*({ entries, folder, isFirst }) {
    if (isFirst) yield* attempt(directory, folder, () => Files.syncFolder(join(directory, folder)))
    for (const { file, isFile } of entries) {
      if (isFile && journal.isListed(file)) continue
      const entry = isFile ? (journal.get(file) ?? previous.get(file))?.entry : undefined
      if (entry === undefined || !(yield* isIntact(entry))) counts.foreign++
      else yield* list([entry])
    }
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
