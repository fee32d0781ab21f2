import * as ArchiveCache from "@effect-prefect/api/ArchiveCache"
import * as Database from "@effect-prefect/server/Database"
import type { LoadReport } from "@effect-prefect/server/Database"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { readFile, writeFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { folderOf, versionOf } from "./serverPackages.ts"

/**
 * The data of an embedded database must be read by the version that wrote it, and loaded by this version of the server.
 */
const version = (): string => {
  const { version } = createRequire(import.meta.url)("@effect-prefect/server/package.json") as {
    readonly version: string
  }
  return `${version} ${versionOf("@electric-sql/pglite") ?? ""}`
}

/** The cached data of an archive for `serve`. */
export const kind = (): ArchiveCache.Kind => ({ name: "serve", version: version() })

/** The data of an empty database, cached for the package that makes it: it goes when that is removed. */
export const emptyKind = (): ArchiveCache.Kind => ({ name: "empty", version: version() })

/** An archive, loaded into an embedded database once and cached for the next start. */
export const serveArchive = (directory: string): ReturnType<typeof Database.layerArchive> =>
  Layer.unwrap(Effect.gen(function*() {
    const since = yield* Clock.currentTimeMillis
    const services = yield* Effect.context<never>()
    const runPromise = Effect.runPromiseWith(services)
    const own = kind()
    const [emptyOwner, ownEmpty] = [folderOf("@electric-sql/pglite"), emptyKind()]
    return Database.layerArchive(directory, {
      cache: {
        read: async () => {
          const kept = Option.getOrUndefined(await runPromise(ArchiveCache.find(directory, own)))
          return kept === undefined
            ? undefined
            : { snapshot: new Blob([await readFile(kept.path)]), reports: kept.notes as ReadonlyArray<LoadReport> }
        },
        write: async (snapshot, reports) => {
          const bytes = new Uint8Array(await snapshot.arrayBuffer())
          await runPromise(
            ArchiveCache.keep(directory, own, (path) => writeFile(path, bytes), { since, notes: reports })
          )
        },
        readEmpty: async () => {
          const kept = Option.getOrUndefined(await runPromise(ArchiveCache.find(emptyOwner, ownEmpty)))
          return kept === undefined ? undefined : new Blob([await readFile(kept.path)])
        },
        writeEmpty: async (empty) => {
          const bytes = new Uint8Array(await empty.arrayBuffer())
          await runPromise(
            ArchiveCache.keep(emptyOwner, ownEmpty, (path) => writeFile(path, bytes), { since })
          )
        }
      }
    })
  }))
