// Measured: bench/storage-local.bench.ts
/** Reads one regular file that is really inside a folder. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as fs from "node:fs"
import { join, sep } from "node:path"
import {
  ResultAccessDenied,
  ResultNotFound,
  ResultTooLarge,
  type StorageReason,
  StorageUnavailable
} from "../../ResultError.ts"
import type { ReadOptions, StoredParts } from "../../ResultStorage.ts"
import { shown } from "../location.ts"
import { Pace } from "./pace.ts"

/** A folder that may be read from, with links followed. Its real path is looked up on first use. */
export interface Folder {
  readonly path: string
  /** The folder that it must really be inside. */
  readonly within?: string | undefined
  /** Whether a file must have exactly the requested name, if the file system folds case. */
  readonly isExact?: boolean | undefined
  /** Its real path with a trailing separator. */
  real?: string | undefined
  /** Those that wait for its real path, once it is looked up. */
  waiting?: Array<() => void> | undefined
}

const { O_NOFOLLOW = 0, O_NONBLOCK = 0, O_RDONLY } = fs.constants
// Without O_NONBLOCK, opening a FIFO would wait for a writer forever.
const flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK
const linux = process.platform === "linux"
const largestRead = 2 ** 30

/**
 * Handing a read to another thread costs several times the read of a small file in the page cache, where recently
 * opened files often are. So small files are read synchronously until a read takes longer than memory does: then reads
 * go to other threads for a while.
 */
const smallFile = 32_768
const reads = new Pace(1, 100)

/**
 * The same holds for opening, which costs a tenth when synchronous. Opening only accesses the file system's metadata,
 * so it counts as slow much earlier: over a network each one is a round trip, and threads can do several at once.
 */
const opens = new Pace(0.2, 64)

const openFile = (path: string, then: (error: NodeJS.ErrnoException | null, fd: number) => void): void => {
  if (!opens.isFast) {
    opens.skip()
    return fs.open(path, flags, then)
  }
  const start = performance.now()
  let fd = -1
  let failure: NodeJS.ErrnoException | null = null
  try {
    fd = fs.openSync(path, flags)
  } catch (error) {
    failure = error as NodeJS.ErrnoException
  }
  opens.took(performance.now() - start)
  then(failure, fd)
}

const withSeparator = (path: string): string => path.endsWith(sep) ? path : path + sep

const isInside = (real: string, folder: string): boolean => real.startsWith(folder) || real + sep === folder

/** The real path of an open file; undefined when the system does not report it. */
const realPathOf = (fd: number): string | undefined => {
  if (!linux) return undefined
  try {
    return fs.readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    return undefined
  }
}

const fold = (path: string): string => path.normalize("NFC").toLowerCase()

/** Whether the file system considers two different names equal: they differ only in case or in Unicode composition. */
const isOtherName = (opened: string, asked: string): boolean => opened !== asked && fold(opened) === fold(asked)

const notThere = (error: NodeJS.ErrnoException): boolean =>
  error.code === "ENOENT" || error.code === "ENOTDIR" || error.code === "ENAMETOOLONG"

/** Looks the real path of a folder up, and keeps it. */
const findReal = (
  folder: Folder,
  then: (real: string) => void,
  refuse: (problem: "missing" | "outside" | NodeJS.ErrnoException) => void
): void =>
  fs.realpath.native(folder.path, (error, found) => {
    if (error !== null) return refuse(notThere(error) ? "missing" : error)
    const real = withSeparator(found)
    if (folder.within === undefined) {
      folder.real = real
      return then(real)
    }
    fs.realpath.native(folder.within, (error, within) => {
      if (error !== null) return refuse(error)
      if (!isInside(found, withSeparator(within))) return refuse("outside")
      folder.real = real
      then(real)
    })
  })

/** Lets others wait while the real path of a folder is looked up, until the returned function is called. */
const letWait = (folder: Folder): () => void => {
  const waiting: Array<() => void> = []
  folder.waiting = waiting
  return () => {
    folder.waiting = undefined
    for (const go of waiting) go()
  }
}

/** Options for opening a file, and the callbacks for its outcome. */
interface Opening {
  readonly folder: Folder
  readonly name: string
  /** Its name in messages. */
  readonly location: string
  /** The remedy when it does not exist. */
  readonly missing: string
  readonly fail: (reason: StorageReason) => void
  /** Called with the open file, which is a regular file inside the folder, and its status. */
  readonly opened: (fd: number, stat: fs.Stats) => void
}

const reasonOf = (error: NodeJS.ErrnoException, path: string, location: string, missing: string): StorageReason => {
  if (notThere(error)) return new ResultNotFound({ location, detail: missing })
  if (error.code === "EACCES" || error.code === "EPERM") {
    return new ResultAccessDenied({ location, detail: `this process may not open ${shown(path)} (${error.code})` })
  }
  if (error.code === "ENXIO") return new ResultAccessDenied({ location, detail: "it is not a regular file" })
  if (error.code === "ELOOP") {
    return new ResultAccessDenied({
      location,
      detail: "its symbolic links form a loop, or changed while it was opened"
    })
  }
  const remedy = hasTooManyOpen(error)
    ? ": too many files are open; raise the limit (ulimit -n), or read fewer at once"
    : ""
  return new StorageUnavailable({
    location,
    detail: `${shown(path)} failed with ${error.code ?? "an unknown error"}${remedy}`
  })
}

const hasTooManyOpen = (error: NodeJS.ErrnoException): boolean => error.code === "EMFILE" || error.code === "ENFILE"

/** How often, and after how many milliseconds at first, a file is opened again while too many others are open. */
const openAgain = { times: 7, after: 10 }

/**
 * Opens a regular file that is really inside a folder.
 *
 * The type and real location are queried from the open file (fstat, /proc/self/fd), which neither waits nor leaves time
 * to replace it.
 */
const openInside = (opening: Opening, attempt = 0): void => {
  const { fail, folder, location, missing, name, opened } = opening
  const path = join(folder.path, name)
  const at = (detail: string) => ({ location, detail })
  const denied = (detail: string) => fail(new ResultAccessDenied(at(detail)))
  const failed = (error: NodeJS.ErrnoException) => {
    if (!hasTooManyOpen(error) || attempt === openAgain.times) return fail(reasonOf(error, path, location, missing))
    // Others that are read at the same time are closed soon.
    setTimeout(() => openInside(opening, attempt + 1), openAgain.after * 2 ** attempt)
  }
  const otherName = (real: string) =>
    denied(`its file system does not distinguish it from ${shown(real)}: copy the results with archive export`)
  const outside = () => denied(`a symbolic link leads out of ${folder.path}`)

  const check = (fd: number) => {
    const stat = fs.fstatSync(fd)
    if (stat.isFile()) return opened(fd, stat)
    fs.closeSync(fd)
    denied(stat.isDirectory() ? "it is a directory" : "it is not a regular file")
  }

  /** Opens a path whose links have been followed, and verifies that it was not changed since. */
  const openReal = (real: string) => {
    fs.open(real, flags, (error, fd) => {
      if (error !== null) return failed(error)
      const opened = realPathOf(fd)
      if (opened !== undefined && !isInside(opened, folder.real!)) {
        fs.closeSync(fd)
        return outside()
      }
      check(fd)
    })
  }

  /** The path that follows links first: for links, for systems without /proc, and for a folder that has moved. */
  const follow = () =>
    realFolder((real) => {
      fs.realpath.native(path, (error, target) => {
        if (error !== null) return failed(error)
        if (!isInside(target, real)) return outside()
        if (folder.isExact === true && isOtherName(target, join(real, name))) return otherName(target)
        openReal(target)
      })
    })

  const realFolder = (then: (real: string) => void, refused: () => void = () => {}) =>
    findReal(folder, then, (problem) => {
      if (problem === "missing") fail(new ResultNotFound(at(`the folder ${folder.path} does not exist`)))
      else if (problem === "outside") {
        denied(`${folder.path} is outside of ${folder.within}: a symbolic link leads out of it`)
      } else failed(problem)
      refused()
    })

  const openNow = () =>
    openFile(path, (error, fd) => {
      if (error !== null) return error.code === "ELOOP" ? follow() : failed(error)
      const opened = realPathOf(fd)
      if (opened === undefined || !isInside(opened, folder.real!)) {
        fs.closeSync(fd)
        return follow()
      }
      if (folder.isExact === true && isOtherName(opened, join(folder.real!, name))) {
        fs.closeSync(fd)
        return otherName(opened)
      }
      check(fd)
    })

  /** The first file of a folder looks its real path up, for which those that are opened meanwhile wait. */
  const openFirst = () => {
    const letGo = letWait(folder)
    realFolder(() => {
      openNow()
      letGo()
    }, letGo)
  }

  if (!linux) follow()
  else if (folder.real !== undefined) openNow()
  else if (folder.waiting === undefined) openFirst()
  else folder.waiting.push(() => folder.real === undefined ? follow() : openNow())
}

/**
 * The bytes of the file `name` in `folder`, at most `maxBytes`. `location` is its name in messages, `missing` the
 * remedy when it does not exist.
 *
 * This is the hot path of mapped results, so it is one callback and not a generator. Only calls that may wait for a
 * disk leave the thread: the first open in a folder, and later opens and reads of slow or large files. The type and
 * real location are queried from the open file (fstat, /proc/self/fd), which neither waits nor leaves time to replace
 * it.
 */
export const readFile = (
  folder: Folder,
  name: string,
  location: string,
  { maxBytes, reserve }: ReadOptions,
  missing: string
): Effect.Effect<Uint8Array, StorageReason> =>
  Effect.callback<Uint8Array, StorageReason>((resume) => {
    let interrupted = false
    let stopWaiting = () => {}

    const fail = (reason: StorageReason) => resume(Effect.fail(reason))
    const at = (detail: string) => ({ location, detail })
    const failed = (error: NodeJS.ErrnoException) => fail(reasonOf(error, join(folder.path, name), location, missing))

    const read = (fd: number, size: number) => {
      // One byte more than its size shows, in the same call, whether it has grown.
      let buffer = new Uint8Array(size + 1)
      let filled = 0
      const end = () => {
        fs.closeSync(fd)
        if (filled < size) {
          fail(
            new StorageUnavailable(at(`it was truncated from ${size} to ${filled} bytes while being read`))
          )
        } else resume(Effect.succeed(buffer.subarray(0, filled)))
      }
      const onRead = (error: NodeJS.ErrnoException | null, count: number) => {
        if (error !== null) {
          fs.closeSync(fd)
          return failed(error)
        }
        filled += count
        if (count === 0 || (filled === size && size > 0)) return end()
        if (filled > maxBytes) {
          fs.closeSync(fd)
          return fail(new ResultTooLarge({ limit: maxBytes, unit: "bytes" }))
        }
        if (interrupted) return fs.closeSync(fd)
        if (filled === buffer.length) {
          const larger = new Uint8Array(Math.min(Math.max(filled * 2, 65_536), maxBytes + 1))
          larger.set(buffer)
          buffer = larger
        }
        next()
      }
      const next = () => fs.read(fd, buffer, filled, Math.min(buffer.length - filled, largestRead), null, onRead)
      const atOnce = () => {
        const start = performance.now()
        let count: number
        try {
          count = fs.readSync(fd, buffer, 0, buffer.length, null)
        } catch (error) {
          return onRead(error as NodeJS.ErrnoException, 0)
        }
        reads.took(performance.now() - start)
        onRead(null, count)
      }
      if (size <= smallFile && reads.isFast) return atOnce()
      reads.skip()
      next()
    }

    const opened = (fd: number, stat: fs.Stats) => {
      if (stat.size > maxBytes || interrupted) {
        fs.closeSync(fd)
        return fail(new ResultTooLarge({ limit: maxBytes, unit: "bytes", size: stat.size }))
      }
      if (reserve === undefined) return read(fd, stat.size)
      let isAnswered = false
      const cancel = reserve(stat.size, (refusal) => {
        isAnswered = true
        stopWaiting = () => {}
        if (refusal === undefined) return read(fd, stat.size)
        fs.closeSync(fd)
        fail(refusal)
      })
      if (isAnswered) return
      stopWaiting = () => {
        cancel()
        fs.closeSync(fd)
      }
    }

    openInside({ folder, name, location, missing, fail, opened })

    return Effect.sync(() => {
      interrupted = true
      stopWaiting()
    })
  })

/** Waits until the real path of a folder is known, or cannot be; undefined when it need not be looked up. */
export const findFolder = (folder: Folder): Effect.Effect<void> | undefined =>
  !linux || folder.real !== undefined ? undefined : Effect.callback((resume) => {
    const known = () => resume(Effect.void)
    if (folder.waiting !== undefined) {
      folder.waiting.push(known)
      return
    }
    const letGo = letWait(folder)
    folder.waiting!.push(known)
    findReal(folder, letGo, letGo)
  })

/**
 * The bytes of a small file of a folder whose real path is known, without an Effect, or the reason why there is no such
 * file. Undefined when it would wait, is larger, or is not simply there: `readFile` then reads it, or tells why it cannot.
 */
export const readFileAtOnce = (
  folder: Folder,
  name: string,
  location: string,
  maxBytes: number,
  missing: string
): Uint8Array | ResultNotFound | undefined => {
  const { real } = folder
  // What is mounted may itself be a file, which has no name in it.
  if (!linux || real === undefined || name === "" || !opens.isFast || !reads.isFast) return undefined
  const start = performance.now()
  let fd: number
  try {
    fd = fs.openSync(`${folder.path}/${name}`, flags)
  } catch (error) {
    if (!notThere(error as NodeJS.ErrnoException)) return undefined
    opens.took(performance.now() - start)
    return new ResultNotFound({ location, detail: missing })
  }
  try {
    opens.took(performance.now() - start)
    const opened = realPathOf(fd)
    if (opened === undefined || !opened.startsWith(real)) return undefined
    // Nearly all names need not be normalized to tell.
    if (folder.isExact === true && opened !== real + name && isOtherName(opened, join(real, name))) return undefined
    const stat = fs.fstatSync(fd)
    const { size } = stat
    if (!stat.isFile() || size > smallFile || size > maxBytes) return undefined
    // One byte more than its size shows, in the same call, whether it has grown.
    const buffer = new Uint8Array(size + 1)
    const begin = performance.now()
    const count = fs.readSync(fd, buffer, 0, size + 1, null)
    reads.took(performance.now() - begin)
    // A file of /proc has no size before it is read.
    return count === size && size > 0 ? buffer.subarray(0, size) : undefined
  } catch {
    return undefined
  } finally {
    fs.closeSync(fd)
  }
}

/** The file `name` in `folder`, to be read in parts during the scope: always the same file, unchanged. */
export const openFileParts = (
  folder: Folder,
  name: string,
  location: string,
  missing: string
): Effect.Effect<StoredParts, StorageReason, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<{ readonly fd: number; readonly stat: fs.Stats }, StorageReason>((resume) => {
        openInside({
          folder,
          name,
          location,
          missing,
          fail: (reason) => resume(Effect.fail(reason)),
          opened: (fd, stat) => resume(Effect.succeed({ fd, stat }))
        })
      }),
      ({ fd }) => Effect.sync(() => fs.close(fd, () => {}))
    ),
    ({ fd, stat }): StoredParts => ({
      size: stat.size,
      read: (offset, length) =>
        Effect.callback((resume) => {
          const fail = (detail: string) => resume(Effect.fail(new StorageUnavailable({ location, detail })))
          const bytes = new Uint8Array(length)
          let filled = 0
          let interrupted = false
          const next = () => {
            fs.read(fd, bytes, filled, Math.min(length - filled, largestRead), offset + filled, (error, count) => {
              if (interrupted) return
              if (error !== null) return fail(`it failed with ${error.code ?? "an unknown error"}`)
              filled += count
              if (count > 0 && filled < length) return next()
              const now = fs.fstatSync(fd)
              if (filled < length || now.size !== stat.size || now.mtimeMs !== stat.mtimeMs) {
                return fail("it was changed while it was read")
              }
              resume(Effect.succeed(bytes))
            })
          }
          next()
          return Effect.sync(() => {
            interrupted = true
          })
        })
    })
  )
