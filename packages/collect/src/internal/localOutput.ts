import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { createHash, randomUUID } from "node:crypto"
import { constants } from "node:fs"
import * as fs from "node:fs/promises"
import { dirname, join } from "node:path"
import { CollectError, NotACollection, OutputUnavailable } from "../CollectError.ts"
import type { Output } from "./output.ts"
import { limitOf, tooLarge } from "./planLimits.ts"

const codeOf = (cause: unknown): string | undefined =>
  typeof cause === "object" && cause !== null && "code" in cause && typeof cause.code === "string"
    ? cause.code
    : undefined

const day = 24 * 60 * 60 * 1000

/** System errors that a user can act on, in words. */
const sentences: Record<string, string> = {
  EACCES: "permission denied",
  EROFS: "the file system is read-only",
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
  EPERM: "the file system does not allow it (a collection needs hard links)",
  ENOTSUP: "the file system has no hard links, which a collection needs",
  ENOTDIR: "it is not a folder",
  ELOOP: "its symbolic links form a loop",
  ENAMETOOLONG: "its name is too long"
}

export const make = (directory: string): Output => {
  const partial = join(directory, "_partial")
  const fail = (detail: string) => new CollectError({ reason: new OutputUnavailable({ output: directory, detail }) })
  const failed = (verb: string) => (cause: unknown): CollectError => {
    if (cause instanceof CollectError) return cause
    const code = codeOf(cause) ?? "unknown error"
    return fail(`cannot ${verb} (${code}${sentences[code] === undefined ? "" : `: ${sentences[code]}`})`)
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

  const openPartial = async () => {
    await fs.mkdir(partial, { recursive: true })
    const path = join(partial, randomUUID())
    return { path, file: await fs.open(path, "wx") }
  }

  /** Links the file to the name: false when the name is taken. */
  const publish = async (path: string, name: string): Promise<boolean> => {
    const final = join(directory, name)
    const folder = dirname(final)
    await fs.mkdir(folder, { recursive: true })
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

  const noFile = (name: string) =>
    new CollectError({
      reason: new NotACollection({
        output: directory,
        detail: `${name} is no regular file; remove it, and run the same command again`
      })
    })

  /** Reads a regular file of the collection: a pipe or a device may have no end, and opening a pipe waits for a writer. */
  const reading = <A>(
    name: string,
    use: (file: fs.FileHandle) => Promise<A>
  ): Effect.Effect<A | undefined, CollectError> =>
    attempt(`read ${name}`, async () => {
      const path = join(directory, name)
      let file: fs.FileHandle
      try {
        file = await fs.open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
      } catch (cause) {
        const code = codeOf(cause)
        const isLink = (code === "ENOENT" || code === "ELOOP") &&
          await fs.lstat(path).then((stats) => stats.isSymbolicLink(), () => false)
        // A socket, or a device that is not there.
        if (isLink || code === "ENXIO" || code === "ENODEV" || code === "EISDIR") throw noFile(name)
        if (code === "ENOENT") return undefined
        throw cause
      }
      try {
        if (!(await file.stat()).isFile()) throw noFile(name)
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
        await fs.mkdir(directory, { recursive: true }).catch((cause: unknown) => {
          // Folders that are missing are made: only a link can lead to one that cannot be.
          throw codeOf(cause) === "ENOENT"
            ? fail("cannot use this folder (a symbolic link in it leads nowhere)")
            : cause
        })
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
          fs.readdir(join(directory, folder), { withFileTypes: true }).catch((cause: unknown) => {
            if (codeOf(cause) === "ENOENT") {
              return []
            }
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
