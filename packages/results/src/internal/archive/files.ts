import * as ArchiveFormat from "@effect-prefect/core/ArchiveFormat"
import { createHash, randomUUID } from "node:crypto"
import { constants } from "node:fs"
import { lstat, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises"
import { dirname, join } from "node:path"
import { setImmediate } from "node:timers/promises"
import type { Digest } from "./digest.ts"

/** A table, for later verification. */
export interface TableRecord extends Digest {
  readonly rows: number
}

/**
 * `archive.json`: written last, so its presence means that the export finished. Its last field is the SHA-256 of the
 * rest.
 */
export interface ArchiveRecord {
  readonly format: 2
  /** ISO 8601. */
  readonly exported: string
  /** Whether the archive contains everything that was requested. */
  readonly complete: boolean
  readonly tables: Readonly<Record<string, TableRecord>>
  /** null when the results were not requested. */
  readonly results: {
    /** Result files in the archive. */
    readonly files: number
    readonly bytes: number
    /** Results that are missing from it. */
    readonly failures: number
  } | null
  readonly manifest: Digest
  readonly mounts: Digest | null
  readonly incomplete: Digest & { readonly lines: number } | null
  /** The record of the index, which contains the digest of the index; null when there is none. */
  readonly index: Digest | null
}

/** The record of an export before format 2, which only covers its tables. */
export interface EarlierRecord {
  readonly format: 1
  readonly tables: Readonly<Record<string, Pick<TableRecord, "sha256">>>
}

/** A line of the manifest. */
export interface ManifestEntry extends Digest {
  /** Relative to the archive's folder, with `/` as the separator. */
  readonly file: string
}

/** A line of `incomplete.jsonl`: a result or a row that is missing from the archive. */
export interface IncompleteEntry {
  /** Of a result of a flow run itself. */
  readonly flow_run_id?: string | undefined
  readonly task_run_id: string | null
  readonly task_slug: string | null
  readonly map_index: number | null
  readonly reason: string
  readonly message: string
}

export const partialFolder = "partial"
export const journalFile = `${partialFolder}/copied.jsonl`
export const previousManifestFile = `${partialFolder}/previous.jsonl`

const { O_CREAT, O_EXCL, O_NOFOLLOW = 0, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants

const fail = (code: string) => Object.assign(new Error(), { code })

export const codeOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "code" in error && typeof error.code === "string"
    ? error.code
    : "an unknown failure"

/** System errors that a user can act on, in words. */
const sentences: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EDQUOT: "the disk quota is used up",
  EFBIG: "the file would be larger than is allowed",
  EMFILE: "this process has too many open files: allow it more with ulimit -n",
  ENFILE: "this machine has too many open files",
  ENOSPC: "the disk is full",
  EROFS: "the file system is read-only"
}

/** The system's code of an error, for messages, and what it means where a user can act on it. */
export const causeOf = (code: string): string => Object.hasOwn(sentences, code) ? `${code}: ${sentences[code]!}` : code

/** Why a file cannot be written, and what to do: an export that is run again keeps what it has copied. */
export const unwritable = (what: string, code: string): string => {
  const text = `${what} cannot be written (${causeOf(code)})`
  return Object.hasOwn(sentences, code) ? `${text}; once that is corrected, run the same command again` : text
}

const isMissing = (error: unknown) => codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR"

/** Whether something has that name, including a broken link. */
export const exists = (path: string): Promise<boolean> => lstat(path).then(() => true, () => false)

/** Whether it is a regular file, and not a link or anything else. */
export const isRegular = (path: string): Promise<boolean> => lstat(path).then((stats) => stats.isFile(), () => false)

export const isLink = (path: string): Promise<boolean> =>
  lstat(path).then((stats) => stats.isSymbolicLink(), () => false)

/** Opens a file for reading that is not a link or anything but a regular file. */
const openFile = async (path: string) => {
  // Without O_NONBLOCK, opening a FIFO would wait for a writer forever.
  const file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  if ((await file.stat()).isFile()) return file
  await file.close()
  throw fail("it is not a regular file")
}

/** The bytes whose lines are handled in one turn of the event loop, however short these are. */
export const turnBytes = 1 << 12

/** The bytes after which others have their turn, and those that a line counts for beyond its own. */
const turnWork = 1 << 16
const lineWork = 1 << 7

const linesOf = (chunk: Buffer): number => {
  let lines = 0
  for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, at + 1)) lines++
  return lines
}

/**
 * Reads the bytes of a regular file in chunks that are small, because one may hold half as many lines as bytes. Timers
 * and other requests run between two reads, and between chunks of many lines.
 */
export const chunksOf = async function*(path: string): AsyncGenerator<Buffer> {
  const file = await openFile(path)
  let work = 0
  for await (const read of file.createReadStream({ highWaterMark: 1 << 18 }) as AsyncIterable<Buffer>) {
    for (let at = 0; at < read.length; at += turnBytes) {
      const chunk = read.subarray(at, at + turnBytes)
      yield chunk
      work += chunk.length + lineWork * linesOf(chunk)
      if (work < turnWork) continue
      await setImmediate()
      work = 0
    }
  }
}

/** Creates a new file. */
export const createFile = (path: string) => open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW)

/** Writes a file atomically: it is completely on disk, or not at all. */
export const writeWhole = async (root: string, path: string, bytes: Uint8Array | string): Promise<void> => {
  const temporary = join(root, partialFolder, randomUUID())
  const file = await createFile(temporary)
  try {
    await file.writeFile(bytes)
    await file.datasync()
  } catch (error) {
    await file.close()
    await rm(temporary, { force: true })
    throw error
  }
  await file.close()
  await rename(temporary, path)
}

/** Syncs the names in a folder to disk, if the system supports it. */
export const syncFolder = async (path: string): Promise<void> => {
  if (process.platform === "win32") return
  const folder = await open(path, O_RDONLY)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

const isFolder = async (path: string): Promise<boolean> => {
  try {
    return (await lstat(path)).isDirectory()
  } catch (error) {
    if (isMissing(error)) return false
    throw error
  }
}

/** Creates the folder of an archive, and those above it. Node's `recursive` hides that a disk is read-only. */
export const makeRoot = async (path: string): Promise<void> => {
  for (let isSecond = false;; isSecond = true) {
    try {
      await mkdir(path)
      return
    } catch (error) {
      if (await stat(path).then((stats) => stats.isDirectory(), () => false)) return
      if (codeOf(error) === "EEXIST") throw fail("it is not a folder")
      if (codeOf(error) !== "ENOENT" || isSecond || dirname(path) === path) throw error
      await makeRoot(dirname(path))
    }
  }
}

/** Creates the folders of an archive, one part after the other, and never through a link. */
export const folderMaker = (root: string) => {
  const made = new Map<string, Promise<void>>()
  const make = async (folder: string): Promise<void> => {
    const parent = dirname(folder)
    if (parent !== ".") await known(parent)
    const path = join(root, folder)
    try {
      await mkdir(path)
    } catch (error) {
      if (codeOf(error) !== "EEXIST") throw error
      if (!(await isFolder(path))) throw fail(`${folder} exists already and is not a folder of its own`)
    }
  }
  const known = (folder: string): Promise<void> => {
    let promise = made.get(folder)
    if (promise === undefined) {
      if (made.size > 10_000) made.clear()
      promise = make(folder)
      made.set(folder, promise)
      promise.catch(() => made.delete(folder))
    }
    return promise
  }
  return known
}

const ownFiles = [
  ArchiveFormat.finishedFile,
  ArchiveFormat.startedFile,
  ArchiveFormat.manifestFile,
  ArchiveFormat.mountsFile,
  ArchiveFormat.incompleteFile,
  ArchiveFormat.indexFile,
  ArchiveFormat.indexRecordFile
]

/**
 * Makes room for the files that an export writes: removes a link, a FIFO or a device in the place of one. Fails when
 * there is a folder, because it may contain anything.
 */
export const prepareOwnFiles = async (root: string): Promise<void> => {
  const found = await Promise.all(
    ownFiles.map((file) =>
      lstat(join(root, file)).then((stats) => ({ file, stats }), (error: unknown) => {
        if (isMissing(error)) return undefined
        throw error
      })
    )
  )
  const folder = found.find((one) => one?.stats.isDirectory() === true)
  if (folder !== undefined) throw fail(`${folder.file} is a folder`)
  for (const one of found) if (one !== undefined && !one.stats.isFile()) await rm(join(root, one.file))
}

/** Empties the folder of incomplete files, except for `keep`. A link in its place is replaced. */
export const preparePartial = async (root: string, keep: ReadonlyArray<string>): Promise<void> => {
  const path = join(root, partialFolder)
  if (!(await isFolder(path))) await rm(path, { force: true })
  await mkdir(path, { recursive: true })
  const old = join(path, "old")
  // An export was interrupted between the two renames that replace old tables.
  if (await isFolder(old) && !(await exists(join(root, ArchiveFormat.tablesFolder)))) {
    await rename(old, join(root, ArchiveFormat.tablesFolder))
  }
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (entry.isFile() && keep.includes(`${partialFolder}/${entry.name}`)) continue
    await rm(join(path, entry.name), { recursive: true, force: true })
  }
  await mkdir(join(path, ArchiveFormat.tablesFolder))
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The most bytes of a record: none that an export writes comes near it. */
const maxRecordBytes = 2 ** 24

const readText = async (path: string): Promise<string | undefined> => {
  try {
    const file = await openFile(path)
    try {
      if ((await file.stat()).size > maxRecordBytes) throw Object.assign(new Error(), { code: "EFBIG" })
      return await file.readFile("utf8")
    } finally {
      await file.close()
    }
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The id of the running or interrupted export; undefined when there is none. */
export const readStarted = async (root: string): Promise<string | undefined> => {
  const text = await readText(join(root, ArchiveFormat.startedFile)).catch(() => "")
  if (text === undefined) return undefined
  const json = parse(text)
  return isRecord(json) && typeof json["id"] === "string" ? json["id"] : ""
}

/** The text of a record, which ends in the SHA-256 of the text before it. */
export const writeRecord = (record: ArchiveRecord): string => {
  const sha256 = createHash("sha256").update(JSON.stringify(record)).digest("hex")
  return `${JSON.stringify({ ...record, sha256 }, null, 2)}\n`
}

const isDigest = (value: unknown): value is Digest =>
  isRecord(value) && typeof value["bytes"] === "number" && typeof value["sha256"] === "string"

const isTables = (value: unknown): boolean =>
  isRecord(value) && Object.values(value).every((table) => isRecord(table) && typeof table["sha256"] === "string")

const isAsWritten = (record: ArchiveRecord, text: string): boolean => {
  try {
    return writeRecord(record) === text
  } catch {
    // It is nested deeper than can be written.
    return false
  }
}

/** The record of a finished export; undefined when there is none, null when it is not what an export wrote. */
export const readFinished = async (root: string): Promise<ArchiveRecord | EarlierRecord | undefined | null> => {
  const text = await readText(join(root, ArchiveFormat.finishedFile)).catch(() => "")
  if (text === undefined) return undefined
  const json = parse(text)
  if (!isRecord(json) || !isTables(json["tables"])) return null
  if (json["format"] === 1) return json as unknown as EarlierRecord
  const { sha256: _, ...rest } = json
  const record = rest as unknown as ArchiveRecord
  return json["format"] === 2 && isDigest(record.manifest) && isAsWritten(record, text) ? record : null
}

/** The digest of the index in its record. */
export const readIndexDigest = async (root: string): Promise<Digest | undefined> => {
  const text = await readText(join(root, ArchiveFormat.indexRecordFile)).catch(() => undefined)
  const json = text === undefined ? undefined : parse(text)
  return isRecord(json) && isDigest(json["index"]) ? json["index"] : undefined
}

/** Writes a file of JSON Lines and hashes it in the same pass. */
export const lineWriter = async (path: string) => {
  const file = await createFile(path)
  const hash = createHash("sha256")
  let bytes = 0
  let lines = 0
  return {
    write: async (values: ReadonlyArray<object>): Promise<void> => {
      if (values.length === 0) return
      const text = Buffer.from(values.map((value) => `${JSON.stringify(value)}\n`).join(""))
      await file.writeFile(text)
      hash.update(text)
      bytes += text.length
      lines += values.length
    },
    end: async (): Promise<Digest & { readonly lines: number }> => {
      await file.datasync()
      await file.close()
      return { bytes, sha256: hash.digest("hex"), lines }
    },
    close: () => file.close().catch(() => {})
  }
}

/** A line of a manifest; `entry` is undefined when it is invalid. */
export interface ManifestLine {
  readonly line: number
  readonly offset: number
  /** In bytes. */
  readonly length: number
  readonly entry: ManifestEntry | undefined
}

/** The lines after which a batch of a manifest ends: enough for all files to be read that may be read at once. */
const batchLines = 1_024

/**
 * The most bytes of a line that an export writes beside the tables: a name or a message, whose characters may be escapes. A
 * longer one is none of its lines, and is not looked at, which takes long.
 */
export const longestRecord = 0x400000

/** The lines of a manifest, in batches. */
export const readManifest = async function*(path: string): AsyncGenerator<ReadonlyArray<ManifestLine>> {
  let found: Array<ManifestLine> = []
  const lines = ArchiveFormat.splitLines(({ bytes, number, offset }) => {
    const parsed = bytes === undefined || bytes.length > longestRecord
      ? ArchiveFormat.tooLong
      : ArchiveFormat.parseLine(bytes)
    const row = typeof parsed === "string" ? undefined : parsed.row
    const isEntry = isDigest(row) && "file" in row && typeof row.file === "string" && isInside(row.file)
    found.push({
      line: number,
      offset,
      length: bytes?.length ?? Infinity,
      entry: isEntry ? row as unknown as ManifestEntry : undefined
    })
  })
  for await (const chunk of chunksOf(path)) {
    lines.push(chunk)
    if (found.length < batchLines) continue
    yield found
    found = []
  }
  lines.end()
  if (found.length > 0) yield found
}

/** Whether a name in a manifest stays inside the archive's folder. */
const isInside = (file: string): boolean => !/\0|\\|(?:^|\/)\.{0,2}(?:\/|$)/.test(file)

/** Replaces the tables of an earlier export with the new ones. */
export const replaceFolder = async (from: string, to: string): Promise<void> => {
  const old = join(dirname(from), "old")
  if (await exists(to)) await rename(to, old)
  await rename(from, to)
  await rm(old, { recursive: true, force: true })
}

/** The entries of a folder that come at once. */
const entriesAtOnce = 1_024

/** Entries of a folder of an archive, relative to the archive's folder. */
export interface Found {
  readonly folder: string
  /** Whether these are the first of the folder. */
  readonly isFirst: boolean
  /** Files, links and everything else that is not a folder. */
  readonly entries: ReadonlyArray<{ readonly file: string; readonly isFile: boolean }>
}

/** Every file in the given folders of an archive, including links and other entries. */
export const walk = async function*(root: string, folders: ReadonlyArray<string>): AsyncGenerator<Found> {
  const waiting = [...folders]
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    const found = await readdir(join(root, folder), { withFileTypes: true }).catch((error: unknown) => {
      if (isMissing(error)) return undefined
      throw error
    })
    if (found === undefined) continue
    for (let at = 0; at === 0 || at < found.length; at += entriesAtOnce) {
      const entries: Array<Found["entries"][number]> = []
      for (const entry of found.slice(at, at + entriesAtOnce)) {
        const name = `${folder}/${entry.name}`
        if (entry.isDirectory()) waiting.push(name)
        else entries.push({ file: name, isFile: entry.isFile() })
      }
      yield { folder, isFirst: at === 0, entries }
      if (at > 0) await setImmediate()
    }
  }
}
