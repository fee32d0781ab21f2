/**
 * The results that an export has copied, by file: a journal on disk, and 16 bytes in memory for each.
 *
 * The entries of the journal were written by this export. Other files in the folder are not trusted as results.
 */
import * as ArchiveFormat from "@effect-prefect/core/ArchiveFormat"
import { hash, randomBytes } from "node:crypto"
import { closeSync, constants, openSync, readSync, writeSync } from "node:fs"
import { setImmediate } from "node:timers/promises"
import { type ManifestEntry, turnBytes } from "./files.ts"

const { O_APPEND, O_CREAT, O_NOFOLLOW = 0, O_NONBLOCK, O_RDONLY, O_RDWR } = constants

/** Random, so that names cannot be chosen to collide in the table. */
const seed = randomBytes(9).toString("base64")

/** 48 bits of a hash, which a number represents exactly, and a slot in a table. */
const keyOf = (file: string): number => hash("sha256", seed + file, "buffer").readUIntBE(0, 6)

/** A hash table of numbers by 48-bit keys, which may repeat, with open addressing and without objects. */
class Table {
  size = 0
  private keys = new Float64Array(1024).fill(-1)
  private values = new Float64Array(1024)

  private put(key: number, value: number): void {
    const mask = this.keys.length - 1
    let slot = key & mask
    while (this.keys[slot] !== -1) slot = (slot + 1) & mask
    this.keys[slot] = key
    this.values[slot] = value
  }

  add(key: number, value: number): void {
    if (++this.size * 2 > this.keys.length) {
      const { keys, values } = this
      this.keys = new Float64Array(keys.length * 2).fill(-1)
      this.values = new Float64Array(keys.length * 2)
      for (let slot = 0; slot < keys.length; slot++) if (keys[slot] !== -1) this.put(keys[slot]!, values[slot]!)
    }
    this.put(key, value)
  }

  *get(key: number): Generator<{ readonly slot: number; readonly value: number }> {
    const mask = this.keys.length - 1
    for (let slot = key & mask; this.keys[slot] !== -1; slot = (slot + 1) & mask) {
      if (this.keys[slot] === key) yield { slot, value: this.values[slot]! }
    }
  }

  set(slot: number, value: number): void {
    this.values[slot] = value
  }
}

/** A value of the table is the offset of the line, and two bits. */
const bits = 4
const checkedBit = 1
const listedBit = 2

const longestEntry = 16 * 1024
/** The length that is read at first; most entries are shorter. */
const usualEntry = 512

const parse = (bytes: Uint8Array): ManifestEntry | undefined => {
  const parsed = ArchiveFormat.parseLine(bytes)
  if (typeof parsed === "string") return undefined
  const { bytes: size, file, sha256 } = parsed.row
  return typeof file === "string" && typeof size === "number" && typeof sha256 === "string"
    ? { file, bytes: size, sha256 }
    : undefined
}

/** Reads the entry at a position of a file. */
const entryReader = (file: number) => {
  const buffer = Buffer.alloc(longestEntry)
  return (offset: number): ManifestEntry | undefined => {
    for (const size of [usualEntry, longestEntry]) {
      const count = readSync(file, buffer, 0, size, offset)
      const length = buffer.subarray(0, count).indexOf(10)
      if (length >= 0) return parse(buffer.subarray(0, length))
    }
    return undefined
  }
}

/** The files of a manifest that is read at the same time: 16 bytes in memory for each. */
export const openNames = (path: string) => {
  const file = openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  const table = new Table()
  const read = entryReader(file)
  let reads = 0
  const hasKey = (key: number, name: string): boolean => {
    for (const { value } of table.get(key)) {
      reads++
      if (read(value)?.file === name) return true
    }
    return false
  }
  return {
    /**
     * Adds a file whose entry has this position and length in the manifest; once, because equal keys would be looked
     * through. An entry that is too long to be read again is left out for the same reason; no file has such a name.
     */
    add: (name: string, offset: number, length: number): void => {
      if (length >= longestEntry) return
      const key = keyOf(name)
      if (!hasKey(key, name)) table.add(key, offset)
    },
    has: (name: string): boolean => hasKey(keyOf(name), name),
    /** The number of entries that were read again. */
    reads: (): number => reads,
    close: (): void => closeSync(file)
  }
}

/** Opens a journal, which is created when it does not exist, and reads its entries. A truncated line is not an entry. */
export const openJournal = async (path: string) => {
  const file = openSync(path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW, 0o644)
  const table = new Table()
  const read = entryReader(file)
  let reads = 0
  let end = 0

  const findByKey = (key: number, name: string) => {
    for (const { slot, value } of table.get(key)) {
      reads++
      const entry = read(Math.floor(value / bits))
      if (entry?.file === name) return { slot, value, entry }
    }
    return undefined
  }
  const find = (name: string) => findByKey(keyOf(name), name)

  /** Only the newest entry of a file is kept, because equal keys would be looked through. */
  const keep = (name: string, value: number): void => {
    const key = keyOf(name)
    const found = findByKey(key, name)
    if (found === undefined) table.add(key, value)
    else table.set(found.slot, value)
  }

  const lines = ArchiveFormat.splitLines(({ bytes, offset }) => {
    const entry = bytes === undefined || bytes.length >= longestEntry ? undefined : parse(bytes)
    if (entry !== undefined) keep(entry.file, offset * bits)
  })
  try {
    const chunk = Buffer.alloc(turnBytes)
    for (let count = readSync(file, chunk, 0, chunk.length, 0); count > 0;) {
      lines.push(chunk.subarray(0, count))
      end += count
      await setImmediate()
      count = readSync(file, chunk, 0, chunk.length, end)
    }
    lines.end()
  } catch (error) {
    closeSync(file)
    throw error
  }
  // After a truncated line, a new one begins.
  if (end > 0) {
    writeSync(file, "\n")
    end++
  }

  return {
    /** The entry of a file, and whether this process wrote or checked it. */
    get: (name: string): { readonly entry: ManifestEntry; readonly isChecked: boolean } | undefined => {
      const found = find(name)
      return found === undefined ? undefined : { entry: found.entry, isChecked: (found.value & checkedBit) !== 0 }
    },
    /** Records that a file has been checked. */
    check: (name: string): void => {
      const found = find(name)
      if (found !== undefined && (found.value & checkedBit) === 0) table.set(found.slot, found.value + checkedBit)
    },
    /** Whether the file is listed for the first time. */
    list: (name: string): boolean => {
      const found = find(name)
      if (found === undefined || (found.value & listedBit) !== 0) return false
      table.set(found.slot, found.value + listedBit)
      return true
    },
    isListed: (name: string): boolean => ((find(name)?.value ?? 0) & listedBit) !== 0,
    add: (entry: ManifestEntry): void => {
      const text = Buffer.from(`${JSON.stringify(entry)}\n`)
      writeSync(file, text)
      if (text.length <= longestEntry) keep(entry.file, end * bits + checkedBit)
      end += text.length
    },
    /** The number of entries that were read again. */
    reads: (): number => reads,
    close: (): void => closeSync(file)
  }
}

export type Journal = Awaited<ReturnType<typeof openJournal>>
