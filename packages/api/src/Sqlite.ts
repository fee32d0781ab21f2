/**
 * `Sqlite`: databases of Node's own SQLite, for the indexes and the locks of archives.
 *
 * @since 0.1.0
 */
import type { DatabaseSync, DatabaseSyncOptions } from "node:sqlite"

type Module = typeof import("node:sqlite")

let loading: Promise<Module> | undefined

/** Node 22 warns that the module is experimental; users need not see that. */
const load = async (): Promise<Module> => {
  const { emitWarning } = process
  process.emitWarning = (warning: string | Error, ...rest: Array<unknown>) => {
    if (String(warning instanceof Error ? warning.message : warning).includes("SQLite")) return
    Reflect.apply(emitWarning, process, [warning, ...rest])
  }
  try {
    return await import("node:sqlite")
  } finally {
    process.emitWarning = emitWarning
  }
}

/**
 * Opens a database, without the warning of Node 22 that its module is experimental.
 *
 * @internal
 */
export const openDatabase = async (path: string, options: DatabaseSyncOptions = {}): Promise<DatabaseSync> => {
  const { DatabaseSync } = await (loading ??= load())
  return new DatabaseSync(path, options)
}
