/** Writes the tables of an archive, from one snapshot of a database or of an API. */
import type { Snapshot } from "@effect-prefect/api/ApiSnapshot"
import type { Table } from "@effect-prefect/api/PostgresSnapshot"
import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import * as ArchiveFormat from "@effect-prefect/core/ArchiveFormat"
import * as Turn from "@effect-prefect/core/Turn"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { createHash } from "node:crypto"
import { rm } from "node:fs/promises"
import { join } from "node:path"
import * as Files from "../archive/files.ts"
import { inspect, lock, prepare } from "./folder.ts"
import { ArchiveExportError, attempt, type Options } from "./model.ts"

export interface Tables {
  changed: number
  readonly records: Record<string, Files.TableRecord>
  /** Rows that are longer than the lines of an archive may be, by table. */
  readonly tooLong: Record<string, number>
  /** Rows that the backend could not return, by table. */
  omitted: Readonly<Record<string, number>>
}

/** The characters of short rows, and the bytes of a long one, that are written at once. */
const writtenAtOnce = 0x100000

/** Whether a row in parts has no more bytes than a line of an archive may have. */
const fits = Effect.fnUntraced(function*(parts: ReadonlyArray<string>) {
  const characters = parts.reduce((length, part) => length + part.length, 0)
  if (characters * 3 <= ArchiveFormat.maxLineBytes) return true
  let size = 0
  for (const part of parts) {
    if (Turn.isLong()) yield* Turn.next
    size += Buffer.byteLength(part)
    if (size > ArchiveFormat.maxLineBytes) return false
  }
  return true
})

export const writeTables = Effect.fnUntraced(function*(directory: string, options: Options) {
  const onProgress = options.onProgress ?? (() => Effect.void)
  const folder = join(directory, Files.partialFolder, ArchiveFormat.tablesFolder)
  const scope = yield* Effect.scope
  /** The bytes of a long row that are not written yet: a new array for each write would be memory that is not there yet. */
  let buffer: Buffer | undefined
  const write = Effect.fnUntraced(
    function*(tables: ReadonlyArray<Table>) {
      // Only now, so that an unreachable database leaves no trace.
      yield* Scope.provide(lock(directory), scope)
      yield* inspect(directory)
      yield* prepare(directory)
      const out: Tables = { changed: 0, records: {}, tooLong: {}, omitted: {} }
      for (const { estimatedRows, name, rows } of tables) {
        const what = ArchiveFormat.tableFile(name)
        out.records[name] = yield* Effect.acquireUseRelease(
          attempt(directory, what, () => Files.createFile(join(folder, `${name}.jsonl`))),
          Effect.fnUntraced(function*(file) {
            const hash = createHash("sha256")
            let count = 0
            let bytes = 0
            const append = Effect.fnUntraced(function*(text: Uint8Array) {
              yield* attempt(directory, what, () => file.writeFile(text))
              hash.update(text)
              bytes += text.length
            })
            yield* Stream.runForEachArray(
              rows,
              Effect.fnUntraced(function*(lines) {
                let short = ""
                const flush = () => {
                  const text = Buffer.from(short)
                  short = ""
                  return text.length === 0 ? Effect.void : append(text)
                }
                for (const line of lines) {
                  if (Turn.isLong()) yield* Turn.next
                  if (typeof line === "string" && line.length * 3 <= ArchiveFormat.maxLineBytes) {
                    short += `${line}\n`
                    count++
                    if (short.length > writtenAtOnce) yield* flush()
                    continue
                  }
                  const parts = typeof line === "string" ? [line] : line
                  if (!(yield* fits(parts))) {
                    out.tooLong[name] = (out.tooLong[name] ?? 0) + 1
                    continue
                  }
                  yield* flush()
                  buffer ??= Buffer.allocUnsafeSlow(writtenAtOnce)
                  let filled = 0
                  for (const part of parts) {
                    if (Turn.isLong()) yield* Turn.next
                    const most = part.length * 3
                    if (filled > 0 && most > buffer.length - filled) {
                      yield* append(buffer.subarray(0, filled))
                      filled = 0
                    }
                    if (most > buffer.length) yield* append(Buffer.from(part))
                    else filled += buffer.write(part, filled)
                  }
                  yield* append(buffer.subarray(0, filled))
                  short = "\n"
                  count++
                }
                yield* flush()
                yield* onProgress({ _tag: "Table", table: name, done: count, estimate: estimatedRows })
              })
            )
            yield* attempt(directory, what, () => file.sync())
            return { rows: count, bytes, sha256: hash.digest("hex") }
          }),
          (file) => Effect.promise(() => file.close())
        )
      }
      return out
    }
  )
  const { api, database, prefect3, selection } = options
  const writeSnapshot = Effect.fnUntraced(function*(snapshot: Snapshot) {
    const out = yield* write(snapshot.tables)
    out.omitted = yield* snapshot.omitted
    out.changed = yield* snapshot.changed
    return out
  })
  let written: Tables
  if (database !== undefined) {
    const PostgresSnapshot = yield* Effect.promise(() => import("@effect-prefect/api/PostgresSnapshot"))
    written = yield* PostgresSnapshot.withSnapshot(database, write, selection)
  } else if (api !== undefined) {
    const ApiSnapshot = yield* Effect.promise(() => import("@effect-prefect/api/ApiSnapshot"))
    const snapshot = yield* Effect.provideService(ApiSnapshot.make(selection), PrefectApi, api)
    written = yield* writeSnapshot(snapshot)
  } else if (prefect3 !== undefined) {
    const Prefect3Snapshot = yield* Effect.promise(() => import("@effect-prefect/api/Prefect3Snapshot"))
    written = yield* writeSnapshot(yield* Prefect3Snapshot.make(prefect3, selection))
  } else {
    return yield* new ArchiveExportError({ directory, detail: "neither a database nor an API to export was given" })
  }
  yield* attempt(directory, ArchiveFormat.tablesFolder, async () => {
    await Files.syncFolder(folder)
    // From here until the end, the folder counts as an interrupted export.
    await rm(join(directory, ArchiveFormat.finishedFile), { force: true })
    await rm(join(directory, ArchiveFormat.incompleteFile), { force: true })
    await Files.replaceFolder(folder, join(directory, ArchiveFormat.tablesFolder))
    await Files.syncFolder(directory)
  })
  return written
})
