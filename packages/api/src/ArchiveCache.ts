/**
 * `ArchiveCache`: files derived from an archive's tables, kept in the user's cache folder for later runs.
 *
 * A cached file is used only for the tables that it was derived from, identified by size and SHA-256, and only while it
 * is unchanged itself. Files whose size, inode and times have not changed since they were last hashed are not hashed
 * again.
 *
 * @since 0.1.0
 */
import * as ArchiveFormat from "@effect-prefect/core/ArchiveFormat"
import * as Tables from "@effect-prefect/core/Tables"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { stat } from "node:fs/promises"
import { join, resolve } from "node:path"
import * as IndexStore from "./internal/tables/indexStore.ts"

/**
 * The kind of a cached file, and the version of its format: other versions are ignored.
 *
 * @category models
 * @since 0.1.0
 */
export interface Kind {
  /** A file name: letters, digits and dashes. */
  readonly name: string
  readonly version: string
}

/**
 * A cached file, and the JSON that was stored with it.
 *
 * @category models
 * @since 0.1.0
 */
export interface CachedFile {
  readonly path: string
  readonly notes: unknown
}

const kindOf = ({ name, version }: Kind): IndexStore.Kind => ({
  file: `${name}.data`,
  record: `${name}.json`,
  format: version
})

const sourcesOf = async (root: string): Promise<ReadonlyArray<IndexStore.TableFile>> => {
  const found: Array<IndexStore.TableFile> = []
  for (const { name } of Tables.tables) {
    const path = join(root, ArchiveFormat.tableFile(name))
    if (await stat(path).then((stats) => stats.isFile(), () => false)) found.push({ name, path })
  }
  return found
}

/**
 * The cached file of an archive, when there is one for its tables in their current state. `cache` is the cache folder;
 * default: `effect-prefect/archives` in the user's cache folder. A cache to which others may have written is not used: a
 * warning is logged.
 *
 * @category constructors
 * @since 0.1.0
 */
export const find = (
  directory: string,
  kind: Kind,
  cache: string = IndexStore.defaultCache()
): Effect.Effect<Option.Option<CachedFile>> =>
  Effect.tryPromise(async (signal) => {
    const root = resolve(directory)
    const folder = await IndexStore.ownFolder(cache, root)
    return IndexStore.findFresh(kindOf(kind), folder, await sourcesOf(root), folder, signal)
  }).pipe(
    Effect.map(Option.fromUndefinedOr),
    Effect.catch(({ cause }) =>
      Effect.as(
        cause instanceof IndexStore.UntrustedCache ? Effect.logWarning(cause.message) : Effect.void,
        Option.none<CachedFile>()
      )
    )
  )

/**
 * Stores a file for an archive: `write` writes it to a path. The tables must not have changed since the file was
 * derived from them; `since` is the time in milliseconds since 1970 at which that began. Returns whether it was stored:
 * a cache that is not writable only costs time.
 *
 * @category constructors
 * @since 0.1.0
 */
export const keep = (
  directory: string,
  kind: Kind,
  write: (path: string) => Promise<void>,
  options: { readonly since: number; readonly notes?: unknown; readonly cache?: string | undefined }
): Effect.Effect<boolean> =>
  Effect.tryPromise(async (signal) => {
    const root = resolve(directory)
    const sources = await sourcesOf(root)
    for (const { path } of sources) if ((await stat(path)).ctimeMs >= options.since) return false
    const folder = await IndexStore.openCache(options.cache ?? IndexStore.defaultCache(), root)
    const writeOnly = async (path: string) => {
      await write(path)
      return undefined
    }
    await IndexStore.makeFile(kindOf(kind), folder, sources, folder, signal, writeOnly, options.notes)
    return true
  }).pipe(Effect.orElseSucceed(() => false))
