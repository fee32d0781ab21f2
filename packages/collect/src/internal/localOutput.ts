import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { createHash, randomUUID } from "node:crypto"
import { constants } from "node:fs"
import * as fs from "node:fs/promises"
import { dirname, join, resolve } from "node:path"
import { CollectError, NotACollection, OutputUnavailable } from "../CollectError.ts"
import type { Output } from "./output.ts"
import { limitOf, tooLarge } from "./planLimits.ts"

const codeOf = (cause: unknown): string | undefined =>
  typeof cause === "object" && cause !== null && "code" in cause && typeof cause.code === "string"
    ? cause.code
    : undefined

const day = 24 * 60 * 60 * 1000

interface Sentence {
  readonly text: string
  /** Whether another attempt may succeed without a change by the user. */
  readonly isTemporary?: boolean
}

/** System errors that a user can act on, in words. */
const sentences: Record<string, Sentence> = {
  EACCES: { text: "permission denied" },
  EROFS: { text: "the file system is read-only" },
  ENOSPC: { text: "the disk is full" },
  EDQUOT: { text: "the disk quota is used up" },
  EFBIG: { text: "the file would be larger than is allowed" },
  EPERM: { text: "the file system does not allow it (a collection needs hard links)" },
  ENOTSUP: { text: "the file system has no hard links, which a collection needs" },
  ENOENT: { text: "a folder above it was removed", isTemporary: true },
  ENOTDIR: { text: "it is not a folder" },
  ELOOP: { text: "its symbolic links form a loop" },
  ENAMETOOLONG: { text: "its name is too long" },
  EMFILE: { text: "this process has too many open files: allow it more with ulimit -n", isTemporary: true },
  ENFILE: { text: "this machine has too many open files", isTemporary: true }
}

/** The attempts to create an unfinished file whose folder others remove meanwhile. */
const openAttempts = 5

/** `join` takes time by the square of the number of `..` that a relative path begins with; in an absolute one they end. */
const absolute = (directory: string): string => {
  try {
    return resolve(directory)
  } catch {
    // The current folder was removed: nothing can be made there, which the first attempt tells.
    return directory
  }
}

export const make = (directory: string): Output => {
  const root = absolute(directory)
  const partial = join(root, "_partial")
  const fail = (detail: string, isPermanent = false) =>
    new CollectError({
      reason: new OutputUnavailable({ output: directory, detail, ...(isPermanent ? { isPermanent } : {}) })
    })
  const failed = (verb: string) => (cause: unknown): CollectError => {
    if (cause instanceof CollectError) return cause
    const code = codeOf(cause) ?? "unknown error"
    const sentence = Object.hasOwn(sentences, code) ? sentences[code] : undefined
    if (sentence === undefined) return fail(`cannot ${verb} (${code})`)
    const what = `cannot ${verb} (${code}: ${sentence.text})`
    return sentence.isTemporary === true
      ? fail(what)
      : fail(`${what}; once that is corrected, run the same command again`, true)
  }
  const attempt = <A>(verb: string, run: () => Promise<A>) => Effect.tryPromise({ try: run, catch: failed(verb) })

  /** Syncs a folder's entries to disk. Not every system supports it. */
  const syncFolder = async (path: string) => {
    try {
      const folder = await fs.open(path, "r")
      try {
        await folder.sync()
      } finally {
        await folder.close()
      }
    } catch {
      // Windows cannot open folders.
    }
  }

  const isFolder = (path: string) => fs.stat(path).then((_) => _.isDirectory(), () => false)

  const notOurs = (name: string, what: string) =>
    new CollectError({
      reason: new NotACollection({
        output: directory,
        detail: `${name} is no ${what}; remove it, and run the same command again`
      })
    })

  /**
   * Creates a folder, and those above it; `name` is its name in the output. Node's `recursive` hides what is wrong with a
   * link or a read-only disk.
   */
  const makeFolder = async (path: string, name?: string): Promise<void> => {
    for (let isSecond = false;; isSecond = true) {
      try {
        await fs.mkdir(path)
        return
      } catch (cause) {
        if (await isFolder(path)) return
        if (codeOf(cause) === "EEXIST") {
          throw name !== undefined
            ? notOurs(name, "folder")
            : fail(`cannot use this folder (${path} is no folder; remove it, or choose another output)`, true)
        }
        if (codeOf(cause) !== "ENOENT" || isSecond || dirname(path) === path) throw cause
        await makeFolder(dirname(path))
      }
    }
  }

  const openPartial = async () => {
    for (let attempt = 1;; attempt++) {
      await makeFolder(partial, "_partial")
      const path = join(partial, randomUUID())
      try {
        return { path, file: await fs.open(path, "wx") }
      } catch (cause) {
        // A process that finished the collection meanwhile has removed the folder.
        if (codeOf(cause) !== "ENOENT" || attempt === openAttempts) throw cause
      }
    }
  }

  /** Links the file to the name: false when the name is taken. */
  const publish = async (path: string, name: string): Promise<boolean> => {
    const final = join(root, name)
    const folder = dirname(final)
    await makeFolder(folder, dirname(name) === "." ? undefined : dirname(name))
    try {
      await fs.link(path, final)
    } catch (cause) {
      if (codeOf(cause) === "EEXIST") return false
      // A process that finished the collection meanwhile has removed the partial file.
      if (codeOf(cause) === "ENOENT" && await isFile(final)) return false
      throw cause
    }
    await syncFolder(folder)
    return true
  }

  const isFile = (path: string) => fs.stat(path).then((_) => _.isFile(), () => false)

  const create: Output["create"] = (name, body) =>
    Effect.acquireUseRelease(
      attempt(`write ${name}`, openPartial),
      ({ file, path }) =>
        Effect.gen(function*() {
          const hash = createHash("sha256")
          let bytes = 0
          yield* Stream.runForEach(body, (chunk) =>
            attempt(`write ${name}`, async () => {
              hash.update(chunk)
              bytes += chunk.length
              await file.writeFile(chunk)
            }))
          yield* attempt(`write ${name}`, () => file.sync())
          const isNew = yield* attempt(`publish ${name}`, () => publish(path, name))
          return { isNew, bytes, sha256: hash.digest("hex") }
        }),
      ({ file, path }) =>
        Effect.promise(async () => {
          await file.close().catch(() => {})
          await fs.rm(path, { force: true }).catch(() => {})
        })
    )

  /** Reads a regular file of the collection: a pipe or a device may have no end, and opening a pipe waits for a writer. */
  const reading = <A>(
    name: string,
    use: (file: fs.FileHandle) => Promise<A>
  ): Effect.Effect<A | undefined, CollectError> =>
    attempt(`read ${name}`, async () => {
      const path = join(root, name)
      let file: fs.FileHandle
      try {
        file = await fs.open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
      } catch (cause) {
        const code = codeOf(cause)
        const isLink = (code === "ENOENT" || code === "ELOOP") &&
          await fs.lstat(path).then((stats) => stats.isSymbolicLink(), () => false)
        // A socket, or a device that is not there.
        if (isLink || code === "ENXIO" || code === "ENODEV" || code === "EISDIR") throw notOurs(name, "regular file")
        if (code === "ENOENT") return undefined
        throw cause
      }
      try {
        if (!(await file.stat()).isFile()) throw notOurs(name, "regular file")
        return await use(file)
      } finally {
        await file.close()
      }
    })

  const partials = () => fs.readdir(partial).catch((): Array<string> => [])

  return {
    name: directory,
    prepare: () =>
      attempt("use this folder", async () => {
        await makeFolder(root)
        const probe = await openPartial()
        await probe.file.close()
        await fs.rm(probe.path, { force: true })
        for (const name of await partials()) {
          const path = join(partial, name)
          const stat = await fs.stat(path).catch(() => undefined)
          if (stat !== undefined && Date.now() - stat.mtimeMs > day) await fs.rm(path, { force: true })
        }
      }),
    create,
    read: (name) =>
      reading(name, async (file) => {
        const limit = limitOf(name)
        if (limit !== undefined && (await file.stat()).size > limit) throw fail(tooLarge(name, limit))
        return file.readFile()
      }),
    digest: (name) =>
      reading(name, async (file) => {
        const hash = createHash("sha256")
        let bytes = 0
        for await (const chunk of file.createReadStream({ autoClose: false, highWaterMark: 1024 * 1024 })) {
          hash.update(chunk as Buffer)
          bytes += (chunk as Buffer).length
        }
        return { bytes, sha256: hash.digest("hex") }
      }),
    list: (folder) =>
      Stream.unwrap(Effect.map(
        attempt("list this folder", () =>
          fs.readdir(join(root, folder), { withFileTypes: true }).catch(async (cause: unknown) => {
            const isThere = folder !== "" && await fs.lstat(join(root, folder.slice(0, -1))).then(
              (stats) =>
                !stats.isDirectory(),
              () => false
            )
            if (isThere) throw notOurs(folder.slice(0, -1), "folder")
            if (codeOf(cause) === "ENOENT") return []
            throw cause
          })),
        (entries) =>
          Stream.fromIterable(
            entries.filter((_) =>
              _.isFile()
            ).map((entry) => folder + entry.name)
          )
      )),
    finish: attempt("remove _partial", async () => {
      for (const name of await partials()) await fs.rm(join(partial, name), { force: true })
      await fs.rmdir(partial).catch(() => {})
    })
  }
}
