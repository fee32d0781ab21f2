/**
 * A lock on a folder that ends with its process, however the process ends.
 *
 * It is the lock of a SQLite database: the system's own lock on a file, which it gives up when the process is gone, and
 * which a network file system passes on to its server where it has locks at all.
 */
import { closeSync, lstatSync, openSync, rmSync } from "node:fs"
import { openDatabase } from "./sqlite.ts"

export type Lock =
  | { readonly _tag: "Held"; readonly release: () => void }
  /** Another process holds it. */
  | { readonly _tag: "Taken" }
  /** The file system has no locks; `code` is what it said. */
  | { readonly _tag: "Unsupported"; readonly code: number }

const busy = 5
const unsupported = new Set([10, 15])

/**
 * The inode of a file, which is made when it is not there. A file that is there is not opened: closing it would end the
 * locks that this process has on it.
 */
const inodeOf = (path: string): bigint => {
  for (;;) {
    const found = lstatSync(path, { bigint: true, throwIfNoEntry: false })
    if (found?.isFile() === true) return found.ino
    if (found?.isSymbolicLink() === true) rmSync(path)
    else if (found !== undefined) throw Object.assign(new Error(), { code: "it is not a regular file" })
    try {
      closeSync(openSync(path, "wx"))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error
    }
  }
}

/** Takes the lock of a file, which it makes; never waits. */
export const take = async (path: string): Promise<Lock> => {
  for (let attempt = 0; attempt < 10; attempt++) {
    const inode = inodeOf(path)
    const database = await openDatabase(path)
    try {
      database.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE")
    } catch (error) {
      database.close()
      const code = (error as { readonly errcode?: number }).errcode ?? 0
      if ((code & 0xff) === busy) return { _tag: "Taken" }
      if (unsupported.has(code & 0xff)) return { _tag: "Unsupported", code }
      throw Object.assign(new Error(), { code: (error as Error).message })
    }
    // The process that held it before may have removed the file: then this lock is on one that nobody else will find.
    if (lstatSync(path, { bigint: true, throwIfNoEntry: false })?.ino === inode) {
      return {
        _tag: "Held",
        release: () => {
          rmSync(path, { force: true })
          database.close()
        }
      }
    }
    database.close()
  }
  return { _tag: "Taken" }
}
