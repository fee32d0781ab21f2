import * as ArchiveFormat from "@effect-prefect/core/ArchiveFormat"
import { createHash, randomUUID } from "node:crypto"
import { createReadStream } from "node:fs"
import { mkdir, open, readFile, realpath, rename, rm, stat } from "node:fs/promises"
import { dirname, join, sep } from "node:path"

/**
 * What is written about one table, for whoever checks it later.
 */
export interface TableRecord {
  readonly rows: number
  readonly bytes: number
  readonly sha256: string
}

/**
 * `archive.json`: written last, so that its presence says that the export came to its end.
 */
export interface ArchiveRecord {
  readonly format: 1
  /** ISO 8601. */
  readonly exported: string
  readonly tables: Readonly<Record<string, TableRecord>>
  /** null: the results were not asked for. */
  readonly results: { readonly files: number; readonly failures: number } | null
}

export const exists = (path: string): Promise<boolean> => stat(path).then(() => true, () => false)

/** Writes a file so that it is there as a whole or not at all. */
export const writeWhole = async (root: string, path: string, bytes: Uint8Array | string): Promise<void> => {
  const temporary = join(root, "partial", randomUUID())
  const file = await open(temporary, "wx")
  try {
    await file.writeFile(bytes)
  } finally {
    await file.close()
  }
  await rename(temporary, path)
}

/** A folder of the archive. One that a link leads out of is refused. */
export const makeFolder = async (root: string, folder: string): Promise<string> => {
  const path = join(root, folder)
  await mkdir(path, { recursive: true })
  const [realRoot, real] = await Promise.all([realpath(root), realpath(path)])
  if (real !== realRoot && !real.startsWith(realRoot + sep)) {
    throw Object.assign(new Error(), { code: "a link leads out of the archive" })
  }
  return path
}

const readJson = async (path: string): Promise<unknown> => {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined
    throw error
  })
  if (text === undefined) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** When the export that is under way began, in milliseconds since 1970; undefined when none is. */
export const readStarted = async (root: string): Promise<number | undefined> => {
  const json = await readJson(join(root, ArchiveFormat.startedFile))
  if (json === undefined) return undefined
  const started = isRecord(json) && typeof json["started"] === "string" ? Date.parse(json["started"]) : Number.NaN
  return Number.isNaN(started) ? Date.now() : started
}

/** The record of a finished export; undefined when there is none, null when it is not one. */
export const readFinished = async (root: string): Promise<ArchiveRecord | undefined | null> => {
  const json = await readJson(join(root, ArchiveFormat.finishedFile))
  if (json === undefined) return undefined
  return isRecord(json) && json["format"] === 1 && isRecord(json["tables"]) &&
      Object.values(json["tables"]).every((table) =>
        isRecord(table) && typeof table["rows"] === "number" && typeof table["sha256"] === "string"
      )
    ? json as unknown as ArchiveRecord
    : null
}

/** The SHA-256 of a file, in hexadecimal. */
export const hashOf = async (path: string, signal: AbortSignal): Promise<string> => {
  const hash = createHash("sha256")
  for await (const chunk of createReadStream(path, { signal, highWaterMark: 1 << 20 })) hash.update(chunk as Buffer)
  return hash.digest("hex")
}

/** Puts the new tables in the place of those that an earlier export left. */
export const replaceFolder = async (from: string, to: string): Promise<void> => {
  const old = join(dirname(from), "old")
  if (await exists(to)) await rename(to, old)
  await rename(from, to)
  await rm(old, { recursive: true, force: true })
}
