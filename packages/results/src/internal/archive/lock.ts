/** A lock on a folder that ends with its process, however the process ends (docs/decisions/archive-lock.md). */
import { openDatabase } from "@effect-prefect/api/Sqlite"
import { closeSync, lstatSync, openSync, rmSync } from "node:fs"

export type Lock =
  | { readonly _tag: "Held"; readonly release: () => void }
  /** Another process holds it. */
  | { readonly _tag: "Taken" }
  /** The file system has no locks; `code` is its error code. */
  | { readonly _tag: "Unsupported"; readonly code: number }

const busy = 5
const unsupported = new Set([10, 15])

/**
 * The inode of a file, which is created when it does not exist. An existing file is not opened, because closing it
 * would release the locks that this process holds on it.
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

/** Takes the lock of a file, which it creates; never waits. */
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
    // The process that held it before may have removed the file: then this lock is on one that no other process will
    // find.
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
