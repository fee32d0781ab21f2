/**
 * The location of an archive's index: beside its tables when an export or `archive index` built it, otherwise in a
 * cache folder.
 *
 * An index is used only for the tables that it was built from. Its record contains the size and SHA-256 of each of them
 * and of the index itself. A file whose size, inode and times have not changed since it was hashed is not hashed again;
 * the cache folder remembers them.
 */
import * as ArchiveFormat from "@effect-prefect/core/ArchiveFormat"
import { createHash, randomUUID } from "node:crypto"
import type { BigIntStats } from "node:fs"
import { lstat, mkdir, open, readdir, readFile, realpath, rename, rm, stat, writeFile } from "node:fs/promises"
import { homedir } from "node:os"
import { join } from "node:path"
import { isObject } from "../isObject.ts"
import { chunksOf } from "./chunks.ts"
import { causeOf, codeOf } from "./failure.ts"
import { buildApart } from "./indexBuild.ts"
import { type Digest, formatVersion, type Source } from "./indexFile.ts"

/** A file that is derived from an archive's tables, and the record beside it. */
export interface Kind {
  readonly file: string
  readonly record: string
  /** Changes with every change of the file's content. */
  readonly format: number | string
}

const indexKind: Kind = {
  file: ArchiveFormat.indexFile,
  record: ArchiveFormat.indexRecordFile,
  format: formatVersion
}

/** The record of such a file: `index` is the digest of the file itself. */
interface DerivedRecord {
  readonly format: number | string
  readonly tables: Readonly<Record<string, Digest>>
  readonly index: Digest
  readonly notes?: unknown
}

/** A table that a file is derived from. */
export interface TableFile {
  readonly name: string
  readonly path: string
}

/** The user's folder for data that can be regenerated. */
export const defaultCache = (): string => {
  const { LOCALAPPDATA, XDG_CACHE_HOME } = process.env
  const base = XDG_CACHE_HOME !== undefined && XDG_CACHE_HOME !== ""
    ? XDG_CACHE_HOME
    : process.platform === "win32" && LOCALAPPDATA !== undefined
    ? LOCALAPPDATA
    : process.platform === "darwin"
    ? join(homedir(), "Library", "Caches")
    : join(homedir(), ".cache")
  return join(base, "effect-prefect", "archives")
}

/** The folder of one archive in a cache. */
const cacheFolder = async (cache: string, directory: string): Promise<string> =>
  join(cache, createHash("sha256").update(await realpath(directory)).digest("hex").slice(0, 32))

/** A folder of the cache that others could have written to. */
export class UntrustedCache extends Error {
  override readonly name = "UntrustedCache"
}

/**
 * The folder of one archive in a cache. Fails with UntrustedCache when it is a link, or others own it or may write to
 * it: what it has is believed, and would be answered in place of the archive.
 */
export const ownFolder = async (cache: string, directory: string): Promise<string> => {
  const folder = await cacheFolder(cache, directory)
  const stats = await lstat(folder).catch(() => undefined)
  if (stats === undefined) return folder
  const problem = !stats.isDirectory()
    ? "it is a link or no folder"
    : process.getuid !== undefined && stats.uid !== process.getuid()
    ? "it belongs to another user"
    : process.platform !== "win32" && (stats.mode & 0o022) !== 0
    ? "others may write to it"
    : undefined
  if (problem === undefined) return folder
  throw new UntrustedCache(`the cache ${folder} is not used, because ${problem}: remove it`)
}

const stampOf = ({ ctimeNs, dev, ino, mtimeNs, size }: BigIntStats): string =>
  [dev, ino, size, mtimeNs, ctimeNs].join(":")

const stampsOf = async (paths: ReadonlyArray<string>): Promise<string> =>
  (await Promise.all(paths.map(async (path) => `${path}\n${stampOf(await lstat(path, { bigint: true }))}`))).join("\n")

const hashFile = async (path: string, signal: AbortSignal): Promise<Digest> => {
  const hash = createHash("sha256")
  let bytes = 0
  for await (const chunk of chunksOf(path, signal)) {
    hash.update(chunk)
    bytes += chunk.length
  }
  return { bytes, sha256: hash.digest("hex") }
}

const isDigest = (value: unknown): value is Digest =>
  isObject(value) && typeof value["bytes"] === "number" && typeof value["sha256"] === "string"

/** The most bytes of the record of an index: none that is written here comes near it. */
const maxRecordBytes = 2 ** 24

const readJson = async (path: string): Promise<unknown> => {
  try {
    const stats = await lstat(path)
    if (!stats.isFile() || stats.size > maxRecordBytes) return undefined
    return JSON.parse(await readFile(path, "utf8"))
  } catch {
    return undefined
  }
}

const readRecord = async (path: string, format: Kind["format"]): Promise<DerivedRecord | undefined> => {
  const json = await readJson(path)
  return isObject(json) && json["format"] === format && isDigest(json["index"]) && isObject(json["tables"]) &&
      Object.values(json["tables"]).every(isDigest)
    ? json as unknown as DerivedRecord
    : undefined
}

const same = (left: Digest | undefined, right: Digest | undefined) =>
  left !== undefined && right !== undefined && left.bytes === right.bytes && left.sha256 === right.sha256

const writeWhole = async (path: string, text: string): Promise<void> => {
  const temporary = `${path}.${randomUUID()}`
  try {
    await writeFile(temporary, text, { flag: "wx" })
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

const stampsFile = ({ record }: Kind) => `checked-${record}`

/** The record of the file of a kind in a folder, if it was derived from these tables and nothing has changed since. */
export const findFresh = async (
  kind: Kind,
  folder: string,
  sources: ReadonlyArray<TableFile>,
  memory: string | undefined,
  signal: AbortSignal
): Promise<{ readonly path: string; readonly notes: unknown } | undefined> => {
  const path = join(folder, kind.file)
  const recordPath = join(folder, kind.record)
  const record = await readRecord(recordPath, kind.format)
  if (record === undefined) return undefined
  const names = Object.keys(record.tables)
  if (names.length !== sources.length || sources.some(({ name }) => record.tables[name] === undefined)) return undefined
  for (const { name, path } of sources) if ((await stat(path)).size !== record.tables[name]!.bytes) return undefined
  const stats = await lstat(path).catch(() => undefined)
  if (stats?.isFile() !== true || stats.size !== record.index.bytes) return undefined
  const found = { path, notes: record.notes }
  const stamps = await stampsOf([...sources.map(({ path }) => path), path, recordPath])
  const known = memory === undefined ? undefined : await readJson(join(memory, stampsFile(kind)))
  if (isObject(known) && known["stamps"] === stamps) return found
  for (const { name, path } of sources) if (!same(await hashFile(path, signal), record.tables[name])) return undefined
  if (!same(await hashFile(path, signal), record.index)) return undefined
  await remember(kind, memory, stamps)
  return found
}

/** Files that were just hashed need not be hashed again. Failing to write this down only costs time. */
const remember = async (kind: Kind, memory: string | undefined, stamps: string): Promise<void> => {
  if (memory === undefined) return
  try {
    await mkdir(memory, { recursive: true, mode: 0o700 })
    await writeWhole(join(memory, stampsFile(kind)), JSON.stringify({ stamps }))
  } catch {
    // The next reader hashes again.
  }
}

/** Removes cached files of archives that no longer exist. */
const prune = async (cache: string): Promise<void> => {
  for (const name of await readdir(cache).catch(() => [])) {
    const place = await readJson(join(cache, name, "archive.json"))
    if (!isObject(place) || typeof place["directory"] !== "string") continue
    const isThere = await stat(place["directory"]).then(
      () => true,
      (error: NodeJS.ErrnoException) => error.code !== "ENOENT"
    )
    if (!isThere) await rm(join(cache, name), { recursive: true, force: true })
  }
}

/** Milliseconds after which a partial file is considered that of a killed process. */
const abandonedAfter = 24 * 60 * 60_000

/** Removes the partial files of killed processes. */
const removeAbandoned = async (folder: string, file: string): Promise<void> => {
  for (const name of await readdir(folder).catch(() => [])) {
    if (!name.startsWith(`${file}.`) || !/^[0-9a-f-]{36}$/.test(name.slice(file.length + 1))) continue
    const stats = await lstat(join(folder, name)).catch(() => undefined)
    if (stats !== undefined && stats.mtimeMs < Date.now() - abandonedAfter) {
      await rm(join(folder, name), { force: true })
    }
  }
}

/**
 * Makes the file of a kind in a folder, under a temporary name, and then replaces the old one. `write` returns the
 * digests of the tables when it has them.
 */
export const makeFile = async (
  kind: Kind,
  folder: string,
  sources: ReadonlyArray<TableFile>,
  memory: string | undefined,
  signal: AbortSignal,
  write: (path: string) => Promise<Readonly<Record<string, Digest>> | undefined>,
  notes?: unknown
): Promise<void> => {
  const path = join(folder, kind.file)
  const recordPath = join(folder, kind.record)
  const temporary = `${path}.${randomUUID()}`
  await removeAbandoned(folder, kind.file)
  try {
    // It cannot be created through a link or over an existing file.
    await (await open(temporary, "wx", 0o644)).close()
    const before = await stampsOf(sources.map(({ path }) => path))
    let tables = await write(temporary)
    if (tables === undefined) {
      const digests: Record<string, Digest> = {}
      for (const { name, path } of sources) digests[name] = await hashFile(path, signal)
      tables = digests
    }
    const file = await open(temporary, "r+")
    await file.datasync()
    await file.close()
    if (before !== (await stampsOf(sources.map(({ path }) => path)))) {
      throw Object.assign(new Error(), { code: "its tables changed while they were read" })
    }
    const index = await hashFile(temporary, signal)
    // Between the two renames the record does not match the file, so the file is not used.
    await rename(temporary, path)
    const record: DerivedRecord = { format: kind.format, tables, index, notes }
    await writeWhole(recordPath, `${JSON.stringify(record, null, 2)}\n`)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  await remember(kind, memory, await stampsOf([...sources.map(({ path }) => path), path, recordPath]))
}

/** Makes the index in a folder. */
export const make = (
  folder: string,
  sources: ReadonlyArray<Source>,
  memory: string | undefined,
  signal: AbortSignal,
  onProgress?: (bytes: number) => void
): Promise<void> =>
  makeFile(indexKind, folder, sources, memory, signal, (path) => buildApart(sources, path, signal, onProgress))

/** The cache folder of an archive, created with a note of its owner. */
export const openCache = async (cache: string, directory: string): Promise<string> => {
  const own = await ownFolder(cache, directory)
  await mkdir(own, { recursive: true, mode: 0o700 })
  await prune(cache)
  await writeWhole(join(own, "archive.json"), JSON.stringify({ directory: await realpath(directory) }))
  return own
}

/** The errors of a disk that has no room for an index, or fails. */
const withoutRoom = new Set(["ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EIO"])

/**
 * The path of a usable index: one beside the tables, one in the cache, or a new one in the cache; undefined when there
 * is none and none can be written, or the cache cannot be trusted.
 */
export const find = async (
  directory: string,
  sources: ReadonlyArray<Source>,
  cache: string,
  signal: AbortSignal,
  onMake: (bytes: number) => Promise<void>,
  onProblem: (message: string) => Promise<void>
): Promise<string | undefined> => {
  const own = await ownFolder(cache, directory).catch((error: unknown) => {
    if (error instanceof UntrustedCache) return error
    throw error
  })
  const beside = await findFresh(indexKind, directory, sources, typeof own === "string" ? own : undefined, signal)
  if (beside !== undefined) return beside.path
  if (typeof own !== "string") {
    await onProblem(own.message)
    return undefined
  }
  const cached = join(own, "index")
  const found = await findFresh(indexKind, cached, sources, own, signal)
  if (found !== undefined) return found.path
  try {
    await openCache(cache, directory)
    await mkdir(cached, { recursive: true, mode: 0o700 })
  } catch {
    return undefined
  }
  let bytes = 0
  for (const { path } of sources) bytes += (await stat(path)).size
  await onMake(bytes)
  try {
    await make(cached, sources, own, signal)
  } catch (error) {
    if (!withoutRoom.has(codeOf(error))) throw error
    await onProblem(
      `the index of ${directory} cannot be made in ${cache} (${causeOf(error)}): its tables are read into memory`
    )
    return undefined
  }
  return join(cached, ArchiveFormat.indexFile)
}
