// The thread of the embedded database: loads an archive folder, then answers statements, one at a time.
import type { Table } from "@effect-prefect/core/Tables"
import { parentPort, workerData } from "node:worker_threads"
import type { LoadReport } from "./archive.ts"
import { findTables, loadArchive } from "./archive.ts"

export interface WorkerInput {
  readonly directory: string
  readonly tables: ReadonlyArray<Table>
  readonly createTables: ReadonlyArray<string>
  readonly createIndexes: ReadonlyArray<string>
}

export type WorkerRequest = { readonly sql: string; readonly parameters: ReadonlyArray<string> }

export type WorkerMessage =
  | { readonly type: "ready"; readonly reports: ReadonlyArray<LoadReport> }
  | { readonly type: "failed"; readonly message: string }
  | { readonly type: "rows"; readonly rows: ReadonlyArray<Record<string, string | null>> }
  | { readonly type: "refused"; readonly message: string; readonly sqlState: string | undefined }

const port = parentPort
if (port === null) throw new Error("pgliteWorker is the entry point of a worker thread")
const post = (message: WorkerMessage) => port.postMessage(message)

const input = workerData as WorkerInput
try {
  // First what is quick to fail: starting the database takes seconds.
  const files = await findTables(input.tables, input.directory)
  const { PGlite } = await import("@electric-sql/pglite")
  const database = await PGlite.create()
  await database.exec(input.createTables.join(";"))
  const reports: Array<LoadReport> = []
  await database.exec("BEGIN")
  const loader = {
    query: async (sql: string, parameters: Array<string>) => {
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
  await database.exec("ANALYZE; SET default_transaction_read_only = on; SET timezone = 'UTC'")
  port.on("message", (request: WorkerRequest) => {
    database.query<Record<string, string | null>>(request.sql, [...request.parameters]).then(
      ({ rows }) => post({ type: "rows", rows }),
      (error: unknown) => {
        const sqlState = typeof error === "object" && error !== null && "code" in error ? String(error.code) : undefined
        post({ type: "refused", message: error instanceof Error ? error.message : "refused", sqlState })
      }
    )
  })
  post({ type: "ready", reports })
} catch (error) {
  post({ type: "failed", message: error instanceof Error ? error.message : "the embedded database did not start" })
}
