import type { DatabaseSync, DatabaseSyncOptions } from "node:sqlite"

/** Opens a SQLite database by Node itself. Node 22 warns that its module is experimental; that is no news to users. */
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
