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
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { resolve } from "node:path"
import type * as Backend from "./Backend.ts"
import { abortable } from "./internal/abortable.ts"
import * as Pages from "./internal/pages.ts"
import * as RowsBackend from "./internal/tables/backend.ts"
import { causeOf, unavailable } from "./internal/tables/failure.ts"
import { loadIndexStore, openIndexed, openPrefect3, type Options } from "./internal/tables/openIndex.ts"
import * as Prefect3Names from "./internal/tables/prefect3Names.ts"
import { openTables, type Problem, rowsOf, sizeOf, sourcesOf, warnOf } from "./internal/tables/tableFiles.ts"
import * as PrefectApi from "./PrefectApi.ts"
import type { PrefectApiError } from "./PrefectApiError.ts"

export { type Mount, readMounts } from "./internal/tables/mounts.ts"
export type { Options } from "./internal/tables/openIndex.ts"
export type { Problem } from "./internal/tables/tableFiles.ts"

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

/** Loaded when an archive is read completely, which few commands do. */
const loadScan = () => import("./internal/tables/scan.ts")

type Scan = Awaited<ReturnType<typeof loadScan>>

const scanned = <A>(
  directory: string,
  what: string,
  rows: (scan: Scan, root: string) => AsyncGenerator<ReadonlyArray<A>>
): Stream.Stream<A, PrefectApiError> => {
  const root = resolve(directory)
  const load = async function*() {
    yield* rows(await loadScan(), root)
  }
  // Each run of the stream reads the file anew.
  return Stream.suspend(() =>
    Stream.fromAsyncIterable(
      load(),
      (error) => unavailable(`${what} of ${root} cannot be read (${causeOf(error)})`)
    )
  ).pipe(Stream.flattenIterable)
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
): Stream.Stream<TaskRunView.TaskRunView | Problem, PrefectApiError> =>
  scanned(directory, "the task runs", (scan, root) => scan.taskRuns(root))

/**
 * Every flow run of an archive in the order of its file, and the skipped lines between them, like `scanTaskRuns` for
 * task runs.
 *
 * @category constructors
 * @since 0.1.0
 */
export const scanFlowRuns = (
  directory: string
): Stream.Stream<FlowRunView.FlowRunView | Problem, PrefectApiError> =>
  scanned(directory, "the flow runs", (scan, root) => scan.flowRuns(root))

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
    catch: (error) => unavailable(`the storage blocks of ${root} cannot be read (${causeOf(error)})`)
  })
}

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
      catch: (error) => unavailable(`the index of ${root} cannot be made (${causeOf(error)})`)
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
    yield* warnOf(yield* problems)
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
