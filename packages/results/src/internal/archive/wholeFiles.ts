// Measured: bench/archive-verify.bench.ts
/**
 * Writes many files, each of which is on disk completely or not at all, and waits for the disk once for many.
 *
 * A file gets its name after its bytes have been synced. A file system with a journal syncs what it has begun to write
 * all at once, so small files are written first, and synced and named together.
 */
import { randomUUID } from "node:crypto"
import * as fs from "node:fs"
import { open, rename, rm } from "node:fs/promises"
import { join } from "node:path"
import { Pace } from "../local/pace.ts"
import { createFile, partialFolder } from "./files.ts"

/** A file that is written, but has no name yet. */
export interface Unnamed {
  readonly temporary: string
  readonly isSynced: boolean
}

const { O_CREAT, O_EXCL, O_NOFOLLOW = 0, O_RDWR, O_WRONLY } = fs.constants

/** Larger files are synced by themselves: so those that wait for the others are few bytes. */
const small = 1 << 16

/**
 * Ext4 and others allocate the blocks of a file seconds after it was written, unless it is closed after it was emptied.
 * Without blocks it is not in the transaction of the others, and its sync needs one of its own.
 */
const emptied = (fd: number): void => fs.ftruncateSync(fd, 0)

/** Calls that take longer are made by other threads for a while, because the disk does not keep pace. */
const calls = new Pace(1, 64)

/** Does something on this thread, or gives undefined when it is to be done by another. */
const atOnce = (body: () => void): true | undefined => {
  if (!calls.isFast) {
    calls.skip()
    return undefined
  }
  const start = performance.now()
  body()
  calls.took(performance.now() - start)
  return true
}

const syncsAtOnce = 16

const synced = (fd: number): Promise<void> =>
  new Promise((resolve, reject) => fs.fdatasync(fd, (error) => error === null ? resolve() : reject(error)))

const sync = async (path: string): Promise<void> => {
  let fd: number | undefined
  if (atOnce(() => fd = fs.openSync(path, O_RDWR | O_NOFOLLOW)) === true) {
    try {
      await synced(fd!)
    } finally {
      fs.closeSync(fd!)
    }
    return
  }
  const file = await open(path, O_RDWR | O_NOFOLLOW)
  try {
    await file.datasync()
  } finally {
    await file.close()
  }
}

/** Writes files into an archive's folder for incomplete files, and names them. */
export const writer = (root: string) => {
  const prefix = join(root, partialFolder, randomUUID())
  let count = 0

  const writeAtOnce = (path: string, bytes: Uint8Array) => {
    const fd = fs.openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW)
    try {
      emptied(fd)
      fs.writeFileSync(fd, bytes)
    } finally {
      fs.closeSync(fd)
    }
  }

  const writeLater = async (path: string, bytes: Uint8Array, isSynced: boolean) => {
    const file = await createFile(path)
    try {
      if (!isSynced) await file.truncate(0)
      await file.writeFile(bytes)
      if (isSynced) await file.datasync()
    } finally {
      await file.close()
    }
  }

  return {
    /** Writes a file without a name. Rejects with a system error, after which nothing is left of it. */
    write: async (bytes: Uint8Array): Promise<Unnamed> => {
      const temporary = `${prefix}-${count++}`
      const isSynced = bytes.length > small
      try {
        if (isSynced || atOnce(() => writeAtOnce(temporary, bytes)) === undefined) {
          await writeLater(temporary, bytes, isSynced)
        }
      } catch (error) {
        await rm(temporary, { force: true })
        throw error
      }
      return { temporary, isSynced }
    },
    /** Syncs files and names them; the system errors of those that could not be, in their order. None once aborted. */
    name: async (
      files: ReadonlyArray<{ readonly file: Unnamed; readonly path: string }>,
      signal?: AbortSignal
    ): Promise<ReadonlyArray<unknown>> => {
      const problems: Array<unknown> = files.map(() => undefined)
      let next = 0
      const one = async () => {
        while (next < files.length && signal?.aborted !== true) {
          const index = next++
          const { file: { isSynced, temporary }, path } = files[index]!
          try {
            if (!isSynced) await sync(temporary)
            if (atOnce(() => fs.renameSync(temporary, path)) === undefined) await rename(temporary, path)
          } catch (error) {
            problems[index] = error
            await rm(temporary, { force: true })
          }
        }
      }
      await Promise.all(Array.from({ length: syncsAtOnce }, one))
      return problems
    }
  }
}
