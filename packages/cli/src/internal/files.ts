import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { randomUUID } from "node:crypto"
import type { Stats } from "node:fs"
import * as fs from "node:fs/promises"
import { basename, dirname, join, resolve } from "node:path"
import { CommandFailed } from "./errors.ts"

/** The system's code of an error, for messages. */
export const codeOf = (cause: unknown): string => (cause as NodeJS.ErrnoException).code ?? "unknown error"

const explained: { readonly [code: string]: string } = {
  EISDIR: "it is a folder",
  ENOENT: "its folder does not exist",
  EACCES: "no permission",
  EDQUOT: "the disk quota is used up",
  EFBIG: "the file would be larger than is allowed",
  EMFILE: "this process has too many open files: allow it more with ulimit -n",
  ENFILE: "this machine has too many open files",
  ENOSPC: "the disk is full",
  EROFS: "the file system is read-only",
  ELOOP: "its symbolic links form a loop"
}

/** The error of a file that cannot be written. */
export const writeFailed = (path: string) => (cause: unknown) => {
  const code = codeOf(cause)
  return new CommandFailed({ message: `cannot write ${path} (${explained[code] ?? code})` })
}

/** Creates a folder for this user, and those above it. Node's `recursive` reports a read-only disk as ENOENT. */
export const makeFolder = async (path: string): Promise<void> => {
  for (let isSecond = false;; isSecond = true) {
    try {
      await fs.mkdir(path, { mode: 0o700 })
      return
    } catch (cause) {
      if ((await statOf(path).catch(() => undefined))?.isDirectory() === true) return
      if (codeOf(cause) !== "ENOENT" || isSecond || dirname(path) === path) throw cause
      await makeFolder(dirname(path))
    }
  }
}

const attempt = <A>(path: string, body: (signal: AbortSignal) => Promise<A>): Effect.Effect<A, CommandFailed> =>
  Effect.tryPromise({ try: body, catch: writeFailed(path) })

const statOf = async (path: string): Promise<Stats | undefined> => {
  try {
    return await fs.stat(path)
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined
    throw error
  }
}

const maxLinks = 40

/** The target of a path, with links followed, even if it does not exist yet. */
const targetOf = async (path: string): Promise<string> => {
  let target = resolve(path)
  for (let links = 0; links < maxLinks; links++) {
    let next: string
    try {
      next = await fs.readlink(target)
    } catch (error) {
      // EINVAL: it is not a link.
      if (codeOf(error) === "EINVAL" || codeOf(error) === "ENOENT") return target
      throw error
    }
    target = resolve(dirname(target), next)
  }
  throw Object.assign(new Error(), { code: "ELOOP" })
}

const sliceBytes = 512 * 1024

const pour = <E, R>(
  path: string,
  file: fs.FileHandle,
  chunks: Stream.Stream<string | Uint8Array, E, R>
): Effect.Effect<void, E | CommandFailed, R> =>
  Stream.runForEach(chunks, (chunk) =>
    attempt(path, async (signal) => {
      const bytes = typeof chunk === "string" ? Buffer.from(chunk) : chunk
      // In slices, so that an interruption does not wait for a large value; a pipe takes data in parts anyway.
      for (let at = 0; at < bytes.length && !signal.aborted;) {
        at += (await file.write(bytes, at, Math.min(sliceBytes, bytes.length - at))).bytesWritten
      }
    }))

const withFile = <A, E, R>(
  path: string,
  open: () => Promise<fs.FileHandle>,
  use: (file: fs.FileHandle) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | CommandFailed, R> =>
  // Opened and closed uninterruptibly: a file that is still being opened could appear after it was removed.
  Effect.acquireUseRelease(attempt(path, open), use, (file) => attempt(path, () => file.close()))

/** A new file beside the target is renamed to it when it is complete, and is removed otherwise. */
const replace = <E, R>(
  path: string,
  target: string,
  mode: number | undefined,
  chunks: Stream.Stream<string | Uint8Array, E, R>
): Effect.Effect<void, E | CommandFailed, R> => {
  const partial = join(dirname(target), `.${basename(target).slice(0, 100)}.${randomUUID()}.partial`)
  return withFile(path, () => fs.open(partial, "wx", mode ?? 0o666), (file) =>
    Effect.andThen(
      pour(path, file, chunks),
      // The mode of open is reduced by the umask.
      mode === undefined ? Effect.void : attempt(path, () => file.chmod(mode))
    )).pipe(
      Effect.andThen(attempt(path, () => fs.rename(partial, target))),
      Effect.onError(() => Effect.promise(() => fs.rm(partial, { force: true })))
    )
}

/**
 * Writes a file. A regular file, existing or new, is written completely or not at all, and keeps its mode; the target
 * of a symbolic link is replaced, and the link stays. Pipes and devices are written to directly.
 */
export const writeFile = <E, R>(
  path: string,
  chunks: Stream.Stream<string | Uint8Array, E, R>
): Effect.Effect<void, E | CommandFailed, R> =>
  Effect.flatMap(
    attempt(path, async () => {
      const target = await targetOf(path)
      const stats = await statOf(target)
      if (stats?.isDirectory()) throw Object.assign(new Error(), { code: "EISDIR" })
      return { target, stats }
    }),
    ({ stats, target }) =>
      stats === undefined || stats.isFile()
        ? replace(path, target, stats === undefined ? undefined : stats.mode & 0o7777, chunks)
        : withFile(path, () => fs.open(target, "w"), (file) => pour(path, file, chunks))
  )
