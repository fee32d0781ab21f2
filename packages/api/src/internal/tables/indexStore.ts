/**
 * Where the index of an archive is: beside its tables when an export or `archive index` made it, else in a cache folder.
 *
 * An index is used only for the tables that it was made of. Its record has the size and SHA-256 of each of them and of
 * the index itself. A file whose size, inode and times are those that it had when it was hashed is not hashed again;
 * the cache folder remembers them.
 */
import * as ArchiveFormat from "@effect-prefect/core/ArchiveFormat"
import { createHash, randomUUID } from "node:crypto"
import { type BigIntStats, createReadStream } from "node:fs"
import { lstat, mkdir, open, readdir, readFile, realpath, rename, rm, stat, writeFile } from "node:fs/promises"
import { homedir } from "node:os"
import { join } from "node:path"
import { isObject } from "../isObject.ts"
import { build, type Digest, formatVersion, type Source } from "./indexFile.ts"

/** The content of `index.json`. */
interface IndexRecord {
  readonly format: number
  readonly tables: Readonly<Record<string, Digest>>
  readonly index: Digest
}

/** The user's folder for what can be made again. */
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
export const cacheFolder = async (cache: string, directory: string): Promise<string> =>
  join(cache, createHash("sha256").update(await realpath(directory)).digest("hex").slice(0, 32))

const stampOf = ({ ctimeNs, dev, ino, mtimeNs, size }: BigIntStats): string =>
  [dev, ino, size, mtimeNs, ctimeNs].join(":")

const stampsOf = async (paths: ReadonlyArray<string>): Promise<string> =>
  (await Promise.all(paths.map(async (path) => `${path}\n${stampOf(await lstat(path, { bigint: true }))}`))).join("\n")

const hashFile = async (path: string, signal: AbortSignal): Promise<Digest> => {
  const hash = createHash("sha256")
  let bytes = 0
  for await (const chunk of createReadStream(path, { signal, highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
    hash.update(chunk)
    bytes += chunk.length
  }
  return { bytes, sha256: hash.digest("hex") }
}

const isDigest = (value: unknown): value is Digest =>
  isObject(value) && typeof value["bytes"] === "number" && typeof value["sha256"] === "string"

const readJson = async (path: string): Promise<unknown> => {
  try {
    if (!(await lstat(path)).isFile()) return undefined
    return JSON.parse(await readFile(path, "utf8"))
  } catch {
    return undefined
  }
}

const readRecord = async (path: string): Promise<IndexRecord | undefined> => {
  const json = await readJson(path)
  return isObject(json) && json["format"] === formatVersion && isDigest(json["index"]) && isObject(json["tables"]) &&
      Object.values(json["tables"]).every(isDigest)
    ? json as unknown as IndexRecord
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

const stampsFile = "checked.json"

/** Whether the index in a folder was made of these tables, and neither has changed since. */
const isFresh = async (
  folder: string,
  sources: ReadonlyArray<Source>,
  memory: string | undefined,
  signal: AbortSignal
): Promise<boolean> => {
  const index = join(folder, ArchiveFormat.indexFile)
  const recordPath = join(folder, ArchiveFormat.indexRecordFile)
  const record = await readRecord(recordPath)
  if (record === undefined) return false
  const names = Object.keys(record.tables)
  if (names.length !== sources.length || sources.some(({ name }) => record.tables[name] === undefined)) return false
  for (const { name, path } of sources) if ((await stat(path)).size !== record.tables[name]!.bytes) return false
  const indexStats = await lstat(index).catch(() => undefined)
  if (indexStats?.isFile() !== true || indexStats.size !== record.index.bytes) return false
  const stamps = await stampsOf([...sources.map(({ path }) => path), index, recordPath])
  const known = memory === undefined ? undefined : await readJson(join(memory, stampsFile))
  if (isObject(known) && known["stamps"] === stamps) return true
  for (const { name, path } of sources) if (!same(await hashFile(path, signal), record.tables[name])) return false
  if (!same(await hashFile(index, signal), record.index)) return false
  await remember(memory, stamps)
  return true
}

/** Files that were just hashed need not be hashed again. That it cannot be written down costs time alone. */
const remember = async (memory: string | undefined, stamps: string): Promise<void> => {
  if (memory === undefined) return
  try {
    await mkdir(memory, { recursive: true, mode: 0o700 })
    await writeWhole(join(memory, stampsFile), JSON.stringify({ stamps }))
  } catch {
    // The next reader hashes again.
  }
}

/** Removes what is cached of archives that are gone. */
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

/** Makes the index in a folder, beside the one that is there, and puts it in its place. */
export const make = async (
  folder: string,
  sources: ReadonlyArray<Source>,
  memory: string | undefined,
  signal: AbortSignal,
  onProgress?: (bytes: number) => void
): Promise<void> => {
  const path = join(folder, ArchiveFormat.indexFile)
  const recordPath = join(folder, ArchiveFormat.indexRecordFile)
  const temporary = `${path}.${randomUUID()}`
  try {
    // It cannot be created through a link, nor over a file.
    await (await open(temporary, "wx", 0o644)).close()
    const before = await stampsOf(sources.map(({ path }) => path))
    const tables = await build(sources, temporary, signal, onProgress)
    const file = await open(temporary, "r+")
    await file.datasync()
    await file.close()
    if (before !== (await stampsOf(sources.map(({ path }) => path)))) {
      throw Object.assign(new Error(), { code: "its tables changed while the index was made" })
    }
    const index = await hashFile(temporary, signal)
    // Between the two renames the record is not of this index, and so it is not used.
    await rename(temporary, path)
    const record: IndexRecord = { format: formatVersion, tables, index }
    await writeWhole(recordPath, `${JSON.stringify(record, null, 2)}\n`)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  await remember(memory, await stampsOf([...sources.map(({ path }) => path), path, recordPath]))
}

/**
 * The path of an index that can be used: one beside the tables, one in the cache, or a new one in the cache. undefined
 * when there is none and none can be written.
 */
export const find = async (
  directory: string,
  sources: ReadonlyArray<Source>,
  cache: string,
  signal: AbortSignal,
  onMake: (bytes: number) => Promise<void>
): Promise<string | undefined> => {
  const own = await cacheFolder(cache, directory)
  if (await isFresh(directory, sources, own, signal)) return join(directory, ArchiveFormat.indexFile)
  const cached = join(own, "index")
  if (await isFresh(cached, sources, own, signal)) return join(cached, ArchiveFormat.indexFile)
  try {
    await mkdir(cached, { recursive: true, mode: 0o700 })
    await prune(cache)
    await writeWhole(join(own, "archive.json"), JSON.stringify({ directory: await realpath(directory) }))
  } catch {
    return undefined
  }
  let bytes = 0
  for (const { path } of sources) bytes += (await stat(path)).size
  await onMake(bytes)
  await make(cached, sources, own, signal)
  return join(cached, ArchiveFormat.indexFile)
}
