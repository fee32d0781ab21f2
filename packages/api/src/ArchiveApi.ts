/**
 * `PrefectApi` over an archive: a folder with the tables of a Prefect 1 server as JSON Lines, and the results that its
 * workers stored.
 *
 * ```
 * DIR/tables/task_run.jsonl   a row a line; so task, flow, flow_run, log, task_run_state, flow_run_state, …
 * DIR/mounts.json             { "/srv/prefect/results": "results", "s3://bucket": "s3/bucket" }
 * DIR/results/…               what the workers stored there
 * ```
 *
 * Tables are streamed once, when they are first needed; of a row only its lookup keys and its position in the file are
 * kept.
 *
 * @since 0.1.0
 */
import * as ArchiveFormat from "@effect-prefect/core/ArchiveFormat"
import type * as FlowRunView from "@effect-prefect/core/FlowRunView"
import type * as TaskRunView from "@effect-prefect/core/TaskRunView"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { FileHandle } from "node:fs/promises"
import { open, readFile, realpath, stat } from "node:fs/promises"
import { isAbsolute, join, relative, resolve, sep } from "node:path"
import type * as Backend from "./Backend.ts"
import { abortable } from "./internal/abortable.ts"
import { errorCode } from "./internal/errorCode.ts"
import * as Pages from "./internal/pages.ts"
import * as RowsBackend from "./internal/tables/backend.ts"
import * as JsonLines from "./internal/tables/jsonLines.ts"
import * as Prefect3Names from "./internal/tables/prefect3Names.ts"
import { type ReadRows, type Row, type Rows, type TableName } from "./internal/tables/rowIndex.ts"
import * as PrefectApi from "./PrefectApi.ts"
import { MalformedResponse, PrefectApiError, Unavailable } from "./PrefectApiError.ts"

/**
 * A line that was skipped, and why. Never contains the line itself.
 *
 * @category models
 * @since 0.1.0
 */
export interface Problem {
  /** The file, relative to the archive's folder: `tables/task_run.jsonl`. */
  readonly file: string
  /** Counted from 1. */
  readonly line: number
  readonly detail: string
}

/**
 * The archive behind the service.
 *
 * @category services
 * @since 0.1.0
 */
export class Archive extends Context.Service<Archive, {
  /** The archive's folder, as an absolute path. */
  readonly directory: string
  /** Every line that was skipped, at most 1 000 per table. Reads the tables that have not been read yet. */
  readonly problems: Effect.Effect<ReadonlyArray<Problem>, PrefectApiError>
  /** Every task run of the archive, of any flow run, in the order of its file. */
  readonly taskRuns: Stream.Stream<TaskRunView.TaskRunView, PrefectApiError>
}>()("@effect-prefect/api/Archive") {}

/**
 * Every line of the archive that was skipped, at most 1 000 per table.
 *
 * @category accessors
 * @since 0.1.0
 */
export const problems: Effect.Effect<ReadonlyArray<Problem>, PrefectApiError, Archive> = Effect.flatMap(
  Archive,
  (archive) => archive.problems
)

const tableNames: ReadonlyArray<TableName> = [
  "task",
  "task_run",
  "flow",
  "flow_run",
  "task_run_state",
  "flow_run_state",
  "log",
  "task_run_artifact",
  "edge"
]
type AnyTableName = TableName | Prefect3Names.TableName
const maxProblems = 1000
const maxWarnings = 10

const unavailable = (detail: string) =>
  new PrefectApiError({ operation: "archive", reason: new Unavailable({ detail }) })
const malformed = (detail: string) =>
  new PrefectApiError({ operation: "archive", reason: new MalformedResponse({ detail }) })

const codeOf = (error: unknown): string => errorCode(error) ?? "an unknown failure"

const notAnArchive = (directory: string, detail: string) =>
  unavailable(
    `${directory} is not an archive: ${detail}. An archive is a folder with tables/task_run.jsonl, ` +
      "tables/flow_run.jsonl and the other tables of a Prefect 1 server beside them, one row per line"
  )

/**
 * A location on a worker or a bucket, and the folder of the archive that holds its files.
 *
 * @category models
 * @since 0.1.0
 */
export interface Mount {
  /** A directory of the worker, `s3://BUCKET`, `gs://BUCKET` or `azure://CONTAINER`. */
  readonly from: string
  /** An absolute path inside the archive's folder. It may not exist. */
  readonly to: string
  /** The archive's folder, which must contain `to` when it is read, too. */
  readonly within: string
  /** How the files in `to` are named: by their keys, or with one encoded name per key. */
  readonly names: "plain" | "encoded"
}

const decodeMounts = Schema.decodeUnknownOption(ArchiveFormat.Mounts)
const isInside = (parent: string, path: string) => {
  const way = relative(parent, path)
  return way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way)
}

/**
 * The mounts in an archive's `mounts.json`; empty when it has no such file.
 *
 * A folder outside the archive, by its path or through a link, is rejected, because an archive may come from anywhere.
 *
 * @category mounts
 * @since 0.1.0
 */
export const readMounts = Effect.fnUntraced(function*(
  directory: string
): Effect.fn.Return<ReadonlyArray<Mount>, PrefectApiError> {
  const root = resolve(directory)
  const path = join(root, ArchiveFormat.mountsFile)
  const text = yield* Effect.tryPromise({
    try: async () => {
      const stats = await stat(path).catch((error: unknown) => {
        if (codeOf(error) === "ENOENT") return undefined
        throw error
      })
      if (stats === undefined) return undefined
      if (!stats.isFile()) throw Object.assign(new Error(), { code: "not a regular file" })
      if (stats.size > ArchiveFormat.maxMountsBytes) throw Object.assign(new Error(), { code: "larger than 1 MiB" })
      return readFile(path)
    },
    catch: (error) => unavailable(`${path} cannot be read (${codeOf(error)})`)
  })
  if (text === undefined) return []
  const parsed = ArchiveFormat.parseLine(text)
  const json = typeof parsed === "string" || Object.hasOwn(parsed.row, "") ? Option.none() : decodeMounts(parsed.row)
  if (Option.isNone(json)) {
    return yield* unavailable(
      `${path} is not a JSON object of locations and folders, each a non-empty string`
    )
  }
  const realRoot = yield* Effect.promise(() => realpath(root))
  const mounts: Array<Mount> = []
  for (const [from, value] of Object.entries(json.value)) {
    const folder = typeof value === "string" ? value : value.folder
    if (folder.includes("\0")) return yield* unavailable(`${path}: the folder of ${from} holds a NUL`)
    const to = resolve(root, folder)
    const real = yield* Effect.promise(() => realpath(to).catch(() => undefined))
    if (isAbsolute(folder) || !isInside(root, to) || (real !== undefined && !isInside(realRoot, real))) {
      return yield* unavailable(`${path}: the folder of ${from} is outside the archive; it must be inside it`)
    }
    mounts.push({ from, to, within: root, names: typeof value === "string" ? "plain" : value.names })
  }
  return mounts
})

/** Whether a folder holds tables of Prefect 2 or 3. */
const isPrefect3 = async (root: string): Promise<boolean> => {
  for (const name of Prefect3Names.tableNames) {
    const isThere = await stat(join(root, ArchiveFormat.tableFile(name))).then(() => true, () => false)
    if (isThere) return true
  }
  return false
}

/** A table of an archive: its file and the positions of its rows. */
interface Table {
  readonly file: string
  readonly handle: FileHandle
  readonly path: string
  places: ReadonlyArray<JsonLines.Extent>
  problems: ReadonlyArray<Problem>
}

const openTable = (directory: string, name: AnyTableName) =>
  Effect.acquireRelease(
    Effect.tryPromise({
      try: async (): Promise<Table | undefined> => {
        const file = ArchiveFormat.tableFile(name)
        const path = join(directory, file)
        const stats = await stat(path).catch((error: unknown) => {
          if (codeOf(error) === "ENOENT") return undefined
          throw error
        })
        if (stats === undefined) return undefined
        // Opening a pipe would block until a writer opens it.
        if (!stats.isFile()) throw Object.assign(new Error(), { code: "not a regular file" })
        return {
          file,
          path,
          handle: await open(path, "r"),
          places: [],
          problems: []
        }
      },
      catch: (error) =>
        unavailable(`${join(directory, ArchiveFormat.tableFile(name))} cannot be read (${codeOf(error)})`)
    }),
    (table) => table === undefined ? Effect.void : Effect.promise(() => table.handle.close().catch(() => {}))
  )

const readRowsOf = (tables: ReadonlyMap<AnyTableName, Table>): ReadRows<AnyTableName> =>
<A>(
  name: AnyTableName,
  extents: ReadonlyArray<JsonLines.Extent>,
  use: (row: Row, at: number) => A
): Effect.Effect<ReadonlyArray<A>, PrefectApiError> => {
  const table = tables.get(name)
  if (table === undefined || extents.length === 0) return Effect.succeed([])
  return Effect.suspend(() => {
    const out = Array.from<A>({ length: extents.length })
    let isChanged = false
    return Effect.flatMap(
      Effect.tryPromise({
        try: () =>
          JsonLines.readExtents(table.handle, extents, (bytes, at) => {
            const parsed = ArchiveFormat.parseLine(bytes)
            if (typeof parsed === "string") isChanged = true
            else out[at] = use(parsed.row, at)
          }),
        catch: (error) =>
          unavailable(
            codeOf(error) === "EBADF"
              ? "the archive was closed: use it inside the scope of its layer"
              : `${table.path} cannot be read (${codeOf(error)})`
          )
      }),
      () =>
        isChanged
          ? Effect.fail(malformed(`${table.path} changed while it was read`))
          : Effect.succeed(out)
    )
  })
}

const rowsOf = (tables: ReadonlyMap<AnyTableName, Table>): Rows => {
  const scan: Rows["scan"] = Effect.fnUntraced(function*(name, use) {
    const table = tables.get(name)
    if (table === undefined) return
    const places: Array<JsonLines.Extent> = []
    const found: Array<Problem> = []
    let dropped = 0
    yield* Effect.tryPromise({
      try: (signal) =>
        JsonLines.scan(table.path, signal, (line) => {
          const parsed = line.bytes === undefined ? ArchiveFormat.tooLong : ArchiveFormat.parseLine(line.bytes)
          const problem = typeof parsed === "string" ? parsed : use(parsed.row, places.length)
          if (problem === undefined) places.push({ offset: line.offset, length: line.bytes!.length })
          else if (found.length < maxProblems) found.push({ file: table.file, line: line.number, detail: problem })
          else dropped++
        }),
      catch: (error) => unavailable(`${table.path} cannot be read (${codeOf(error)})`)
    })
    table.places = places
    table.problems = found
    for (const { detail, file, line } of found.slice(0, maxWarnings)) {
      yield* Effect.logWarning(`${file}, line ${line} is left out: ${detail}`)
    }
    const more = found.length + dropped - maxWarnings
    if (more > 0) yield* Effect.logWarning(`${table.file}: ${more} more lines are left out`)
  })
  const readRows = readRowsOf(tables)
  return {
    name: "the archive",
    scan,
    read: (name, places) => readRows(name, places.map((place) => tables.get(name)!.places[place]!), (row) => row)
  }
}

/** Loaded when an archive is read completely, which few commands do. */
const loadScan = () => import("./internal/tables/scan.ts")

const lazily = async function*<A>(
  rows: (scan: Awaited<ReturnType<typeof loadScan>>) => AsyncGenerator<A>
): AsyncGenerator<A> {
  yield* rows(await loadScan())
}

/**
 * Every task run of an archive in the order of its file, and the skipped lines between them. The file is streamed, so
 * neither the rows nor an index of them are held in memory.
 *
 * @category constructors
 * @since 0.1.0
 */
export const scanTaskRuns = (
  directory: string
): Stream.Stream<TaskRunView.TaskRunView | Problem, PrefectApiError> => {
  const root = resolve(directory)
  return Stream.fromAsyncIterable(
    lazily((Scan) => Scan.taskRuns(root)),
    (error) => unavailable(`the task runs of ${root} cannot be read (${codeOf(error)})`)
  ).pipe(Stream.flattenIterable)
}

/**
 * Every flow run of an archive in the order of its file, and the skipped lines between them, like `scanTaskRuns` for
 * task runs.
 *
 * @category constructors
 * @since 0.1.0
 */
export const scanFlowRuns = (
  directory: string
): Stream.Stream<FlowRunView.FlowRunView | Problem, PrefectApiError> => {
  const root = resolve(directory)
  return Stream.fromAsyncIterable(
    lazily((Scan) => Scan.flowRuns(root)),
    (error) => unavailable(`the flow runs of ${root} cannot be read (${codeOf(error)})`)
  ).pipe(Stream.flattenIterable)
}

/**
 * The storage blocks of an archive of Prefect 2 or 3, by id.
 *
 * @category accessors
 * @since 0.1.0
 */
export const readStorageBlocks = (
  directory: string
): Effect.Effect<ReadonlyMap<string, Backend.StorageBlock>, PrefectApiError> => {
  const root = resolve(directory)
  return Effect.tryPromise({
    try: async () => (await loadScan()).storageBlocks(root),
    catch: (error) => unavailable(`the storage blocks of ${root} cannot be read (${codeOf(error)})`)
  })
}

/**
 * Options for opening an archive.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /**
   * Whether to use an index: a file that finds rows without reading the tables. `auto` (default) uses one for tables of
   * 8 MiB or more, and builds it in the cache when the archive has none. `never` reads the tables into memory.
   */
  readonly index?: "auto" | "always" | "never" | undefined
  /**
   * The folder for indexes of archives that have none of their own. Default: `effect-prefect/archives` in the user's
   * cache folder (`XDG_CACHE_HOME`, `~/.cache`). When it is not writable, the tables are read into memory.
   */
  readonly cache?: string | undefined
}

const leastIndexedBytes = 8 * 1024 * 1024

/** Loaded only for archives with an index, so that small ones open sooner. */
const loadIndexStore = () => import("./internal/tables/indexStore.ts")

const sourcesOf = (tables: ReadonlyMap<AnyTableName, Table>) => [...tables].map(([name, { path }]) => ({ name, path }))

const sizeOf = (tables: ReadonlyMap<AnyTableName, Table>) =>
  Effect.promise(async () => {
    let bytes = 0
    for (const { handle } of tables.values()) bytes += (await handle.stat()).size
    return bytes
  })

/** The open index of an archive; undefined when the tables are read into memory instead. */
const openIndex = Effect.fnUntraced(function*(
  root: string,
  tables: ReadonlyMap<AnyTableName, Table>,
  options: Options
) {
  const { index = "auto" } = options
  if (index === "never" || index === "auto" && (yield* sizeOf(tables)) < leastIndexedBytes) return undefined
  const IndexStore = yield* Effect.promise(loadIndexStore)
  const { cache = IndexStore.defaultCache() } = options
  const services = yield* Effect.context<never>()
  const path = yield* abortable({
    try: (signal) =>
      IndexStore.find(root, sourcesOf(tables), cache, signal, (bytes) =>
        Effect.runPromiseWith(services)(
          Effect.logInfo(
            `making an index of ${root} (${
              Math.round(bytes / 1e6)
            } MB) in ${cache}; archive index makes it beside the tables`
          )
        ), (message) => Effect.runPromiseWith(services)(Effect.logWarning(message))),
    catch: (error) => unavailable(`the index of ${root} cannot be made (${codeOf(error)})`)
  })
  if (path === undefined) return undefined
  return { path, database: yield* openScoped(path, { readOnly: true }) }
})

const openScoped = (path: string, options: { readonly readOnly?: boolean } = {}) =>
  Effect.acquireRelease(
    Effect.tryPromise({
      try: async () => (await import("./internal/tables/sqlite.ts")).openDatabase(path, options),
      catch: () => unavailable(`the index ${path} cannot be opened`)
    }),
    (opened) => Effect.sync(() => opened.close())
  )

/** An archive of Prefect 1 by its index; undefined when the tables are read into memory instead. */
const openIndexed = Effect.fnUntraced(function*(
  root: string,
  tables: ReadonlyMap<AnyTableName, Table>,
  options: Options
) {
  const index = yield* openIndex(root, tables, options)
  if (index === undefined) return undefined
  const IndexedBackend = yield* Effect.promise(() => import("./internal/tables/indexedBackend.ts"))
  return yield* Effect.try({
    try: () => IndexedBackend.make(index.database, readRowsOf(tables)),
    catch: () => unavailable(`the index ${index.path} is damaged; make it anew with archive index`)
  })
})

/** An archive of Prefect 2 or 3, whose index is in memory when no file has it. */
const openPrefect3 = Effect.fnUntraced(function*(
  root: string,
  tables: ReadonlyMap<AnyTableName, Table>,
  options: Options
) {
  const [{ makeBackend }, Prefect3Rows, Prefect3, { fill }] = yield* Effect.promise(() =>
    Promise.all([
      import("./internal/prefect3/backend.ts"),
      import("./internal/tables/prefect3Rows.ts"),
      import("./internal/prefect3/rows.ts"),
      import("./internal/tables/indexFile.ts")
    ])
  )
  const index = yield* openIndex(root, tables, options)
  const database = index?.database ?? (yield* openScoped(":memory:"))
  if (index === undefined) {
    yield* Effect.tryPromise({
      try: (signal) => fill(database, sourcesOf(tables), signal),
      catch: (error) => unavailable(`the tables of ${root} cannot be read (${codeOf(error)})`)
    })
  }
  const rows = yield* Prefect3Rows.make(database, readRowsOf(tables), new Set(tables.keys()))
  return {
    backend: yield* makeBackend(rows.server, rows.pages),
    problems: rows.problems,
    allTaskRuns: (page: Backend.PageRequest) => rows.allTaskRuns(Prefect3.taskRun, page)
  }
})

const openTables = Effect.fnUntraced(function*(root: string) {
  const isFolder = (path: string) => Effect.promise(() => stat(path).then((stats) => stats.isDirectory(), () => false))
  if (!(yield* isFolder(root))) return yield* notAnArchive(root, "there is no such folder")
  if (!(yield* isFolder(join(root, ArchiveFormat.tablesFolder)))) {
    return yield* notAnArchive(root, "it has no folder tables")
  }
  const tables = new Map<AnyTableName, Table>()
  for (const name of (yield* Effect.promise(() => isPrefect3(root))) ? Prefect3Names.tableNames : tableNames) {
    const table = yield* openTable(root, name)
    if (table !== undefined) tables.set(name, table)
  }
  if (tables.size === 0) return yield* notAnArchive(root, "its folder tables holds none of Prefect's tables")
  return tables
})

/**
 * Builds the index of an archive beside its tables, replacing an older one. With it, the cost of a lookup, a page of
 * children, a listing or a count does not grow with the number of rows.
 *
 * The tables are read once; neither they nor the index are held in memory.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeIndex = (
  directory: string,
  options: {
    readonly cache?: string | undefined
    /** Called with the number of bytes read so far, and the total. */
    readonly onProgress?: ((done: number, total: number) => void) | undefined
  } = {}
): Effect.Effect<void, PrefectApiError> =>
  Effect.scoped(Effect.gen(function*() {
    const root = resolve(directory)
    const tables = yield* openTables(root)
    const total = yield* sizeOf(tables)
    let done = 0
    yield* abortable({
      try: async (signal) => {
        const IndexStore = await loadIndexStore()
        const memory = await IndexStore.ownFolder(options.cache ?? IndexStore.defaultCache(), root).catch(
          () => undefined
        )
        await IndexStore.make(root, sourcesOf(tables), memory, signal, (bytes) => {
          done += bytes
          options.onProgress?.(done, total)
        })
      },
      catch: (error) => unavailable(`the index of ${root} cannot be made (${codeOf(error)})`)
    })
  }))

/**
 * Opens an archive for the lifetime of the scope.
 *
 * Fails with Unavailable when `directory` does not hold one. A missing table is empty; a line that is not a row is
 * skipped, logged as a warning, and listed in `problems`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(
  directory: string,
  options: Options = {}
): Effect.fn.Return<
  { readonly api: PrefectApi.PrefectApi["Service"]; readonly archive: Archive["Service"] },
  PrefectApiError,
  Scope.Scope
> {
  const root = resolve(directory)
  const tables = yield* openTables(root)
  const indexed = Prefect3Names.tableNames.some((name) => tables.has(name))
    ? yield* openPrefect3(root, tables, options)
    : yield* openIndexed(root, tables, options)
  if (indexed !== undefined) {
    const problems = Effect.map(indexed.problems, (found) =>
      found.map(({ detail, line, table }): Problem => ({
        file: ArchiveFormat.tableFile(table),
        line,
        detail
      })))
    for (const { detail, file, line } of (yield* problems).slice(0, maxWarnings)) {
      yield* Effect.logWarning(`${file}, line ${line} is left out: ${detail}`)
    }
    return {
      api: PrefectApi.make(indexed.backend),
      archive: Archive.of({
        directory: root,
        taskRuns: Pages.stream(indexed.allTaskRuns, PrefectApi.defaultPageSizes),
        problems
      })
    }
  }
  const { allTaskRuns, backend, readAll } = yield* RowsBackend.make(rowsOf(tables))
  return {
    api: PrefectApi.make(backend),
    archive: Archive.of({
      directory: root,
      taskRuns: Pages.stream(allTaskRuns, PrefectApi.defaultPageSizes),
      problems: Effect.map(readAll, () => [...tables.values()].flatMap((table) => table.problems))
    })
  }
})

const services = (directory: string, options: Options) =>
  Effect.map(
    make(directory, options),
    ({ api, archive }) => Context.make(PrefectApi.PrefectApi, api).pipe(Context.add(Archive, archive))
  )

/**
 * The service over an archive, and the archive.
 *
 * **Example** (An archive in a folder)
 *
 * ```ts
 * import { ArchiveApi } from "@effect-prefect/api"
 *
 * export const Api = ArchiveApi.layer("fixtures/prefect-1")
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  directory: string,
  options: Options = {}
): Layer.Layer<PrefectApi.PrefectApi | Archive, PrefectApiError> => Layer.effectContext(services(directory, options))

/**
 * The service over an archive from the configuration, and the archive.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options & { readonly directory: string }>
): Layer.Layer<PrefectApi.PrefectApi | Archive, PrefectApiError | Config.ConfigError> =>
  Layer.effectContext(
    Effect.flatMap(Config.unwrap(options), ({ directory, ...rest }) => services(directory, rest))
  )
