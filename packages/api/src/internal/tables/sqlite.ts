import type { DatabaseSync, DatabaseSyncOptions } from "node:sqlite"

/**
 * Opens a SQLite database with Node's own module. Node 22 warns that the module is experimental; users need not see
 * that.
 */
export const openDatabase = async (path: string, options: DatabaseSyncOptions = {}): Promise<DatabaseSync> => {
  const { emitWarning } = process
  process.emitWarning = (warning: string | Error, ...rest: Array<unknown>) => {
    if (String(warning instanceof Error ? warning.message : warning).includes("SQLite")) return
    Reflect.apply(emitWarning, process, [warning, ...rest])
  }
  try {
    const { DatabaseSync } = await import("node:sqlite")
    return new DatabaseSync(path, options)
  } finally {
    process.emitWarning = emitWarning
  }
}
