/** Opens an archive by its index. */
import * as Effect from "effect/Effect"
import type * as Backend from "../../Backend.ts"
import { abortable } from "../abortable.ts"
import { causeOf, unavailable } from "./failure.ts"
import { type AnyTableName, readRowsOf, sizeOf, sourcesOf, type Table } from "./tableFiles.ts"

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
export const loadIndexStore = () => import("./indexStore.ts")

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
    catch: (error) => unavailable(`the index of ${root} cannot be made (${causeOf(error)})`)
  })
  if (path === undefined) return undefined
  return { path, database: yield* openScoped(path, { readOnly: true }) }
})

const openScoped = (path: string, options: { readonly readOnly?: boolean } = {}) =>
  Effect.acquireRelease(
    Effect.tryPromise({
      try: async () => (await import("../../Sqlite.ts")).openDatabase(path, options),
      catch: () => unavailable(`the index ${path} cannot be opened`)
    }),
    (opened) => Effect.sync(() => opened.close())
  )

/** An archive of Prefect 1 by its index; undefined when the tables are read into memory instead. */
export const openIndexed = Effect.fnUntraced(function*(
  root: string,
  tables: ReadonlyMap<AnyTableName, Table>,
  options: Options
) {
  const index = yield* openIndex(root, tables, options)
  if (index === undefined) return undefined
  const IndexedBackend = yield* Effect.promise(() => import("./indexedBackend.ts"))
  return yield* Effect.try({
    try: () => IndexedBackend.make(index.database, readRowsOf(tables)),
    catch: () => unavailable(`the index ${index.path} is damaged; make it anew with archive index`)
  })
})

/** An archive of Prefect 2 or 3, whose index is in memory when no file has it. */
export const openPrefect3 = Effect.fnUntraced(function*(
  root: string,
  tables: ReadonlyMap<AnyTableName, Table>,
  options: Options
) {
  const [{ makeBackend }, Prefect3Rows, Prefect3, { fill }] = yield* Effect.promise(() =>
    Promise.all([
      import("../prefect3/backend.ts"),
      import("./prefect3Rows.ts"),
      import("../prefect3/rows.ts"),
      import("./indexFile.ts")
    ])
  )
  const index = yield* openIndex(root, tables, options)
  const database = index?.database ?? (yield* openScoped(":memory:"))
  if (index === undefined) {
    yield* Effect.tryPromise({
      try: (signal) => fill(database, sourcesOf(tables), signal),
      catch: (error) => unavailable(`the tables of ${root} cannot be read (${causeOf(error)})`)
    })
  }
  const rows = yield* Prefect3Rows.make(database, readRowsOf(tables), new Set(tables.keys()))
  return {
    backend: yield* makeBackend(rows.server, rows.pages),
    problems: rows.problems,
    allTaskRuns: (page: Backend.PageRequest) => rows.allTaskRuns(Prefect3.taskRun, page)
  }
})
