/** The folder of an export: whether it may be written to, its lock, and what an interrupted export left in it. */
import * as ArchiveFormat from "@effect-prefect/core/ArchiveFormat"
import * as Effect from "effect/Effect"
import { randomUUID } from "node:crypto"
import { stat } from "node:fs/promises"
import { join } from "node:path"
import * as Files from "../archive/files.ts"
import * as Lock from "../archive/lock.ts"
import { ArchiveExportError, attempt } from "./model.ts"

/** Whether the folder may be written to. Fails when it contains something that this command did not write. */
export const inspect = Effect.fnUntraced(function*(directory: string) {
  const problem = yield* attempt(directory, "the folder", async () => {
    if (!(await stat(directory).then((stats) => stats.isDirectory(), () => true))) {
      throw Object.assign(new Error(), { code: "it is not a folder" })
    }
    const [finished, started, tables, mounts] = await Promise.all([
      Files.readFinished(directory),
      Files.readStarted(directory),
      Files.exists(join(directory, ArchiveFormat.tablesFolder)),
      Files.exists(join(directory, ArchiveFormat.mountsFile))
    ])
    if (finished?.format === 1) return "it holds an archive of an earlier format; export to an empty folder"
    return (tables || mounts) && finished === undefined && started === undefined
      ? "it holds an archive that was not exported by this command; export to an empty folder"
      : undefined
  })
  if (problem !== undefined) return yield* new ArchiveExportError({ directory, detail: problem })
})

/** The folder, created and locked for the lifetime of the scope. */
export const lock = Effect.fnUntraced(function*(directory: string) {
  const taken = yield* Effect.acquireRelease(
    attempt(directory, "the folder", async () => {
      await Files.makeRoot(directory)
      return Lock.take(join(directory, ArchiveFormat.lockFile))
    }),
    (taken) => Effect.sync(() => taken._tag === "Held" && taken.release())
  )
  if (taken._tag === "Taken") {
    return yield* new ArchiveExportError({
      directory,
      detail: "another export is writing to it: wait until it has ended"
    })
  }
  if (taken._tag === "Unsupported") {
    yield* Effect.logWarning(
      `${directory} is on a file system without locks: make sure that no other export writes to it`
    )
  }
})

/**
 * Empties the folder for incomplete files and records that an export has started. Returns whether an earlier export was
 * interrupted.
 */
export const prepare = (directory: string) =>
  attempt(directory, "the folder", async () => {
    await Files.prepareOwnFiles(directory)
    const cutOff = await Files.readStarted(directory)
    const journal = cutOff === undefined || cutOff === "" ? [] : [Files.journalFile, Files.previousManifestFile]
    await Files.preparePartial(directory, journal)
    if (cutOff === undefined || cutOff === "") {
      const started = { started: new Date().toISOString(), id: randomUUID() }
      await Files.writeWhole(
        directory,
        join(directory, ArchiveFormat.startedFile),
        `${JSON.stringify(started)}\n`
      )
    }
  })
