/**
 * Embedded Postgres for tests, ready in a fraction of the seconds that `PGlite.create()` takes: most of those go into
 * making an empty cluster, which is done once for a version of PGlite and kept in node_modules/.cache.
 */
import * as Tables from "@effect-prefect/core/Tables"
import * as Database from "@effect-prefect/server/Database"
import { MemoryFS, PGlite } from "@electric-sql/pglite"
import { PGLiteSocketServer } from "@electric-sql/pglite-socket"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { createHash } from "node:crypto"
import { mkdir, readFile, rename, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { analyze, findTables, loadArchive } from "../../src/internal/archive.ts"
import { EmptyData } from "../../src/internal/pglite.ts"
import { bufferSettings, dropTemplates, startFrom } from "../../src/internal/pgliteData.ts"

const distribution = dirname(fileURLToPath(import.meta.resolve("@electric-sql/pglite")))
const cache = fileURLToPath(new URL("../../../../node_modules/.cache/effect-prefect", import.meta.url))

// The types know the global of Node as a namespace of types alone.
const { compile } = Reflect.get(globalThis, "WebAssembly") as {
  readonly compile: (bytes: Uint8Array) => Promise<WebAssembly.Module>
}
const compiled = async (name: string) => compile(await readFile(join(distribution, name)))

/** The data of a database, made once and kept: `name` says all that it was made of. */
const kept = async (name: string, make: () => Promise<Uint8Array<ArrayBuffer>>): Promise<Uint8Array<ArrayBuffer>> => {
  const file = join(cache, name)
  const bytes = await readFile(file).catch(() => undefined)
  if (bytes !== undefined) return bytes
  const made = await make()
  // Another process may be making it too: each writes a file of its own, and renames it.
  await mkdir(cache, { recursive: true })
  const part = `${file}.${process.pid}`
  await writeFile(part, made)
  await rename(part, file)
  return made
}

const dataOf = async (database: PGlite): Promise<Uint8Array<ArrayBuffer>> => {
  const data = await database.dumpDataDir("none")
  await database.close()
  return new Uint8Array(await data.arrayBuffer())
}

const prepare = async () => {
  const { version } = JSON.parse(await readFile(join(distribution, "../package.json"), "utf8")) as {
    readonly version: string
  }
  const [pgliteWasmModule, initdbWasmModule] = await Promise.all([compiled("pglite.wasm"), compiled("initdb.wasm")])
  const empty = await kept(`pglite-${version}-no-templates.tar`, async () => {
    const database = await PGlite.create({ pgliteWasmModule, initdbWasmModule })
    await dropTemplates(database)
    return dataOf(database)
  })
  const start = (data: Uint8Array) =>
    startFrom(new Uint8Array(data), { MemoryFS, PGlite }, {
      pgliteWasmModule,
      startParams: [...PGlite.defaultStartParams, ...bufferSettings(data.length)]
    })
  return { version, empty, start }
}

let prepared: ReturnType<typeof prepare> | undefined

/** An empty embedded database, in this thread. */
export const createPglite = async (): Promise<PGlite> => {
  const { empty, start } = await (prepared ??= prepare())
  return start(empty)
}

/** Databases whose scopes have closed, for those who need one next: to empty one takes a tenth of the time of a start. */
const free: Array<PGlite> = []
/** Each takes a hundred megabytes. */
const maxFree = 2

/** Everything that a session can have left behind. */
const empty = async (database: PGlite): Promise<void> => {
  await database.exec("ROLLBACK")
  await database.exec("DISCARD ALL")
  const { rows } = await database.query<{ readonly name: string }>(
    "SELECT quote_ident(nspname) AS name FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"
  )
  for (const { name } of rows) await database.exec(`DROP SCHEMA ${name} CASCADE`)
  // As initdb makes it.
  await database.exec(
    "CREATE SCHEMA public AUTHORIZATION pg_database_owner; GRANT USAGE ON SCHEMA public TO PUBLIC"
  )
}

const release = async (database: PGlite): Promise<void> => {
  if (database.closed) return
  const isEmpty = free.length < maxFree && await empty(database).then(() => true, () => false)
  // Others may have closed meanwhile.
  if (isEmpty && free.length < maxFree) free.push(database)
  else await database.close()
}

/** An embedded database without tables for as long as the scope lives. */
export const scopedPglite = Effect.acquireRelease(
  Effect.promise(async () => free.pop() ?? createPglite()),
  (database) => Effect.promise(() => release(database))
)

/** Listens with a database on a port of 127.0.0.1 for as long as the scope lives. Gives `HOST:PORT`. */
export const listen = (database: PGlite) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(async () => {
        const server = new PGLiteSocketServer({ db: database, host: "127.0.0.1", port: 0, maxConnections: 20 })
        await server.start()
        return server
      }),
      (server) => Effect.promise(() => server.stop())
    ),
    (server) => server.getServerConn()
  )

/** Databases with Prefect's tables, without rows: making the tables takes longer than all else of a small archive. */
const freeTables: Array<PGlite> = []

const shapes = new WeakMap<PGlite, unknown>()

/** What tells tables and functions that were made once from others. */
const shapeOf = async (database: PGlite): Promise<unknown> => {
  const { rows } = await database.query(
    "SELECT string_agg(oid::text, ' ' ORDER BY oid) AS shape FROM (" +
      "SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace " +
      "UNION ALL SELECT oid FROM pg_proc WHERE pronamespace = 'public'::regnamespace) AS made"
  )
  return (rows[0] as { readonly shape: unknown }).shape
}

const createTables = async (database: PGlite): Promise<PGlite> => {
  await database.exec([...Tables.createTables, ...Tables.createIndexes].join(";"))
  shapes.set(database, await shapeOf(database))
  return database
}

/** Whether nothing but the empty tables is left. */
const emptyTables = async (database: PGlite): Promise<boolean> => {
  await database.exec("ROLLBACK")
  await database.exec("DISCARD ALL")
  if (await shapeOf(database) !== shapes.get(database)) return false
  await database.exec(Tables.tables.map(({ name }) => `DELETE FROM "public"."${name}"`).join(";"))
  await database.exec("DELETE FROM pg_statistic WHERE starelid >= 'public.task_run'::regclass::oid")
  return true
}

const releaseTables = async (database: PGlite): Promise<void> => {
  if (database.closed) return
  const isEmpty = freeTables.length === 0 && await emptyTables(database).catch(() => false)
  if (isEmpty && freeTables.length === 0) freeTables.push(database)
  else await release(database)
}

/** An embedded database with Prefect's tables, without rows, for as long as the scope lives. */
export const scopedTables = Effect.acquireRelease(
  Effect.promise(async () => freeTables.pop() ?? createTables(free.pop() ?? await createPglite())),
  (database) => Effect.promise(() => releaseTables(database))
)

/** Loads an archive that has nothing to report. */
const load = async (database: PGlite, directory: string): Promise<void> => {
  await database.exec("BEGIN")
  await loadArchive(database, await findTables(Tables.tables, directory), ({ message }) => {
    throw new Error(message)
  })
  await database.exec("COMMIT")
  await database.exec(analyze(Tables.tables))
}

/** The data of a database that has loaded an archive: of the same files it is made once. */
const loaded = async (directory: string): Promise<Uint8Array<ArrayBuffer>> => {
  const { version } = await (prepared ??= prepare())
  const made = [version, Tables.createTables, Tables.createIndexes, analyze(Tables.tables)]
  const hash = createHash("sha256").update(JSON.stringify(made))
  for (const { file, path } of await findTables(Tables.tables, directory)) {
    hash.update(`\0${file}\0`).update(await readFile(path))
  }
  return kept(`archive-${hash.digest("hex").slice(0, 32)}-no-templates.tar`, async () => {
    const database = await createTables(await createPglite())
    await load(database, directory)
    return dataOf(database)
  })
}

/** A cache for `Database.layerArchive` that holds what the archive loads into: for tests of other things than loading. */
export const cacheOf = (directory: string): Database.ArchiveCache => ({
  read: async () => ({ snapshot: new Blob([await loaded(directory)]), reports: [] }),
  write: async () => {}
})

/** The data of an empty database that was made before. */
export const emptyData = async (): Promise<Blob> => new Blob([(await (prepared ??= prepare())).empty])

/** `Database.layerArchive`, which loads the folder into an empty database that was made before. */
export const layerThreads = (directory: string, options?: Database.ArchiveOptions) =>
  Database.layerArchive(directory, options).pipe(
    Layer.provide(Layer.succeed(EmptyData, emptyData))
  )

const readOnly = async (database: PGlite): Promise<PGlite> => {
  await database.exec("SET default_transaction_read_only = on; SET timezone = 'UTC'")
  return database
}

const service = (database: PGlite): Database.Database["Service"] =>
  Database.fromQuery((sql, parameters) =>
    Effect.map(
      Effect.tryPromise(() => database.query<Database.Row>(sql, [...parameters])),
      ({ rows }) => rows
    )
  )

/**
 * What `Database.layerArchive` gives, without its thread: for tests of what is asked of a database and not of how an
 * archive is loaded.
 */
export const layerArchive = (directory: string): Layer.Layer<Database.Database> =>
  Layer.effect(
    Database.Database,
    Effect.gen(function*() {
      const database = yield* scopedTables
      yield* Effect.promise(() => load(database, directory))
      return service(yield* Effect.promise(() => readOnly(database)))
    })
  )

const fixtures = new Map<string, Promise<PGlite>>()

const openFixture = async (directory: string): Promise<PGlite> => {
  const { start } = await (prepared ??= prepare())
  return readOnly(await start(await loaded(directory)))
}

/** The same of one of the fixtures. They are only read, so that all tests of a process have one database of each. */
export const layerFixture = (directory: string): Layer.Layer<Database.Database> =>
  Layer.effect(
    Database.Database,
    Effect.promise(async () => {
      const database = fixtures.get(directory) ?? openFixture(directory)
      fixtures.set(directory, database)
      return service(await database)
    })
  )
