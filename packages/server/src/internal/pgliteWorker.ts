// The thread of the embedded database: loads an archive folder, then runs statements one at a time.
import type { Table } from "@effect-prefect/core/Tables"
import type { PGlite } from "@electric-sql/pglite"
import { parentPort, workerData } from "node:worker_threads"
import type { LoadReport } from "./archive.ts"
import { missingPackage } from "./missingPackage.ts"
import { bufferSettings, dropTemplates, startFrom } from "./pgliteData.ts"

export interface WorkerInput {
  /** The archive folder to load, without `snapshot`. */
  readonly directory?: string
  /** The data of an empty database to load it into; one is made otherwise. */
  readonly empty?: Blob
  /** Whether to return the data of an empty database that was made. */
  readonly givesEmpty?: boolean
  /** The data of a database that has loaded it. */
  readonly snapshot?: Blob
  readonly tables: ReadonlyArray<Table>
  readonly createTables: ReadonlyArray<string>
  readonly createIndexes: ReadonlyArray<string>
}

export type WorkerRequest =
  | {
    readonly type: "query"
    readonly sql: string
    readonly parameters: ReadonlyArray<string>
    /** Whether long texts are returned as their bytes. */
    readonly asBytes?: boolean
  }
  | { readonly type: "snapshot" }

export type WorkerMessage =
  | { readonly type: "ready"; readonly reports: ReadonlyArray<LoadReport>; readonly empty?: Blob | undefined }
  | { readonly type: "failed"; readonly message: string }
  | { readonly type: "rows"; readonly rows: ReadonlyArray<Record<string, string | Uint8Array | null>> }
  | { readonly type: "snapshot"; readonly snapshot: Blob }
  | { readonly type: "refused"; readonly message: string; readonly sqlState: string | undefined }

const port = parentPort
if (port === null) throw new Error("pgliteWorker is the entry point of a worker thread")
const post = (message: WorkerMessage) => {
  const moved = message.type === "rows"
    ? message.rows.flatMap((row) =>
      Object.values(row).flatMap((value) => value instanceof Uint8Array ? [value.buffer as ArrayBuffer] : [])
    )
    : []
  port.postMessage(message, moved)
}

const input = workerData as WorkerInput

/**
 * The rows are written once and never changed, so almost no write-ahead log is kept for them: it would otherwise be
 * half of the data to copy and cache.
 */
const settings = [
  "wal_level=minimal",
  "max_wal_senders=0",
  "min_wal_size=32MB",
  "max_wal_size=32MB",
  "full_page_writes=off"
].flatMap((setting) => ["-c", setting])

const dataOf = async (database: PGlite): Promise<Blob> => {
  // A copy without it would first replay the log.
  await database.exec("CHECKPOINT")
  return database.dumpDataDir("none")
}

interface Opened {
  readonly database: PGlite
  readonly reports: ReadonlyArray<LoadReport>
  readonly empty?: Blob | undefined
}

/** A database with the rows of the folder, or of a snapshot. */
const open = async (): Promise<Opened> => {
  const { directory, empty, givesEmpty, snapshot } = input
  const start = async (data: Blob | undefined, size: number) => {
    const pglite = await import("@electric-sql/pglite").catch((error: unknown) => {
      throw missingPackage(error, "@electric-sql/pglite", "an archive")
    })
    const startParams = [...pglite.PGlite.defaultStartParams, ...settings, ...bufferSettings(size)]
    if (data === undefined) return pglite.PGlite.create({ startParams })
    return startFrom(new Uint8Array(await data.arrayBuffer()), pglite, { startParams })
  }
  if (snapshot !== undefined) {
    const database = await start(snapshot, snapshot.size)
    // Where the data is none of Postgres's, an empty database starts.
    await database.exec(input.tables.map(({ name }) => `SELECT FROM "public"."${name}" LIMIT 0`).join(";"))
    return { database, reports: [] }
  }
  // A snapshot needs none of its modules.
  const { analyze, findTables, loadArchive } = await import("./archive.ts")
  // Quick failures come first: starting the database takes seconds.
  const files = await findTables(input.tables, directory ?? "")
  const size = files.reduce((total, file) => total + file.size, 0)
  // Cached data may be of a version that this one cannot start from.
  const started = empty === undefined ? undefined : await start(empty, size).catch(() => undefined)
  const database = started ?? await start(undefined, size)
  await dropTemplates(database)
  const made = givesEmpty === true && started === undefined ? await dataOf(database) : undefined
  const reports: Array<LoadReport> = []
  // Rows of a table that was made in the same transaction need no log.
  await database.exec("BEGIN")
  await database.exec(input.createTables.join(";"))
  const loader = {
    query: async (sql: string, parameters: Array<string | null>) => {
      await database.exec("SAVEPOINT batch")
      try {
        await database.query(sql, parameters)
      } catch (error) {
        await database.exec("ROLLBACK TO SAVEPOINT batch")
        throw error
      }
      await database.exec("RELEASE SAVEPOINT batch")
    }
  }
  await loadArchive(loader, files, (report) => reports.push(report))
  await database.exec("COMMIT")
  await database.exec(input.createIndexes.join(";"))
  await database.exec(analyze(input.tables))
  return { database, reports, empty: made }
}

/** Characters of a text from which its bytes are moved to the other thread, which would copy the text in one turn. */
const longText = 2 ** 16

const encoder = new TextEncoder()

/** The rows, with their long texts as bytes in UTF-8. */
const withBytes = (
  rows: ReadonlyArray<Record<string, string | null>>
): ReadonlyArray<Record<string, string | Uint8Array | null>> =>
  rows.map((row) =>
    Object.fromEntries(
      Object.entries(row).map(([name, value]) => [
        name,
        value !== null && value.length > longText ? encoder.encode(value) : value
      ])
    )
  )

const answer = async (database: PGlite, request: WorkerRequest): Promise<WorkerMessage> => {
  try {
    if (request.type === "snapshot") return { type: "snapshot", snapshot: await dataOf(database) }
    const { rows } = await database.query<Record<string, string | null>>(request.sql, [...request.parameters])
    return { type: "rows", rows: request.asBytes === true ? withBytes(rows) : rows }
  } catch (error) {
    const sqlState = typeof error === "object" && error !== null && "code" in error ? String(error.code) : undefined
    return { type: "refused", message: error instanceof Error ? error.message : "refused", sqlState }
  }
}

try {
  const { database, empty, reports } = await open()
  await database.exec("SET default_transaction_read_only = on; SET timezone = 'UTC'")
  port.on("message", (request: WorkerRequest) => void answer(database, request).then(post))
  post({ type: "ready", reports, empty })
} catch (error) {
  post({ type: "failed", message: error instanceof Error ? error.message : "the embedded database did not start" })
}
