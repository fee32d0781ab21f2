/**
 * Embedded Postgres for tests, ready in a fraction of the seconds that `PGlite.create()` takes: most of those go into
 * making an empty cluster, which is done once for a version of PGlite and kept in node_modules/.cache.
 */
import * as Tables from "@effect-prefect/core/Tables"
import * as Database from "@effect-prefect/server/Database"
import { PGlite } from "@electric-sql/pglite"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { mkdir, readFile, rename, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { findTables, loadArchive } from "../../src/internal/archive.ts"

const distribution = dirname(fileURLToPath(import.meta.resolve("@electric-sql/pglite")))
const cache = fileURLToPath(new URL("../../../../node_modules/.cache/effect-prefect", import.meta.url))

// The types know the global of Node as a namespace of types alone.
const { compile } = Reflect.get(globalThis, "WebAssembly") as {
  readonly compile: (bytes: Uint8Array) => Promise<WebAssembly.Module>
}
const compiled = async (name: string) => compile(await readFile(join(distribution, name)))

const prepare = async () => {
  const { version } = JSON.parse(await readFile(join(distribution, "../package.json"), "utf8")) as {
    readonly version: string
  }
  const [pgliteWasmModule, initdbWasmModule] = await Promise.all([compiled("pglite.wasm"), compiled("initdb.wasm")])
  const options = { pgliteWasmModule, initdbWasmModule }
  const file = join(cache, `pglite-${version}.tar`)
  const kept = await readFile(file).catch(() => undefined)
  if (kept !== undefined) return { ...options, loadDataDir: new Blob([kept]) }
  const database = await PGlite.create(options)
  const loadDataDir = await database.dumpDataDir("none")
  await database.close()
  // Another process may be making it too: each writes a file of its own, and renames it.
  await mkdir(cache, { recursive: true })
  const part = `${file}.${process.pid}`
  await writeFile(part, new Uint8Array(await loadDataDir.arrayBuffer()))
  await rename(part, file)
  return { ...options, loadDataDir }
}

let prepared: ReturnType<typeof prepare> | undefined

/** An empty embedded database, in this thread. */
export const createPglite = async (): Promise<PGlite> => PGlite.create(await (prepared ??= prepare()))

/** An embedded database for as long as the scope lives. */
export const scopedPglite = Effect.acquireRelease(
  Effect.promise(createPglite),
  (database) => Effect.promise(() => database.close())
)

/**
 * What `Database.layerArchive` gives, without its thread: for tests of what is asked of a database and not of how an
 * archive is loaded.
 */
export const layerArchive = (directory: string): Layer.Layer<Database.Database> =>
  Layer.effect(
    Database.Database,
    Effect.gen(function*() {
      const database = yield* scopedPglite
      yield* Effect.promise(async () => {
        await database.exec(Tables.createTables.join(";"))
        await database.exec("BEGIN")
        await loadArchive(database, await findTables(Tables.tables, directory), ({ message }) => {
          throw new Error(message)
        })
        await database.exec("COMMIT")
        await database.exec(Tables.createIndexes.join(";"))
        await database.exec("ANALYZE; SET default_transaction_read_only = on; SET timezone = 'UTC'")
      })
      return Database.fromQuery((sql, parameters) =>
        Effect.map(
          Effect.tryPromise(() => database.query<Database.Row>(sql, [...parameters])),
          ({ rows }) => rows
        )
      )
    })
  )
