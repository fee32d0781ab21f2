/**
 * The results that an export has copied, by file: a journal on disk, and 24 bytes in memory for each.
 *
 * The entries of the journal were written by this export. Other files in the folder are not trusted as results.
 */
import * as ArchiveFormat from "@effect-prefect/core/ArchiveFormat"
import { hash, randomBytes } from "node:crypto"
import { closeSync, constants, openSync, readSync, writeFileSync } from "node:fs"
import { setImmediate } from "node:timers/promises"
import { type ManifestEntry, turnBytes } from "./files.ts"

const { O_APPEND, O_CREAT, O_NOFOLLOW = 0, O_RDWR } = constants

/** Random, so that names cannot be chosen to collide in the table. */
const seed = randomBytes(9).toString("base64")

/**
 * Two times 48 bits of a hash, each of which a number represents exactly: enough that no two names have the same, so that
 * a name need not be compared.
 */
const keyOf = (file: string): readonly [number, number] => {
  const bytes = hash("sha256", seed + file, "buffer")
  return [bytes.readUIntBE(0, 6), bytes.readUIntBE(6, 6)]
}

/** A hash table of numbers by the keys of names, with open addressing and without objects. */
class Table {
  size = 0
  private keys = new Float64Array(2 * 1024).fill(-1)
  private values = new Float64Array(1024)

  /** The slot of a name, or the free one for it. */
  private slotOf(key: number, more: number): number {
    const { keys } = this
    const mask = this.values.length - 1
    let slot = key & mask
    while (keys[2 * slot] !== -1 && (keys[2 * slot] !== key || keys[2 * slot + 1] !== more)) slot = (slot + 1) & mask
    return slot
  }

  private put(slot: number, key: number, more: number, value: number): void {
    this.keys[2 * slot] = key
    this.keys[2 * slot + 1] = more
    this.values[slot] = value
  }

  /** The value of a name; undefined when there is none. */
  get(name: string): number | undefined {
    const [key, more] = keyOf(name)
    const slot = this.slotOf(key, more)
    return this.keys[2 * slot] === -1 ? undefined : this.values[slot]
  }

  set(name: string, value: number): void {
    const [key, more] = keyOf(name)
    const found = this.slotOf(key, more)
    if (this.keys[2 * found] !== -1) {
      this.values[found] = value
      return
    }
    if (++this.size * 2 > this.values.length) {
      const { keys, values } = this
      this.keys = new Float64Array(keys.length * 2).fill(-1)
      this.values = new Float64Array(values.length * 2)
      for (let slot = 0; slot < values.length; slot++) {
        const [key, more] = [keys[2 * slot]!, keys[2 * slot + 1]!]
        if (key !== -1) this.put(this.slotOf(key, more), key, more, values[slot]!)
      }
    }
    this.put(this.slotOf(key, more), key, more, value)
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

/** The files of a manifest that is read at the same time: 24 bytes in memory for each. */
export const namesOf = () => {
  const table = new Table()
  return {
    /** The number of different ones. */
    size: (): number => table.size,
    add: (name: string): void => table.set(name, 0),
    has: (name: string): boolean => table.get(name) !== undefined
  }
}

/** Opens a journal, which is created when it does not exist, and reads its entries. A truncated line is not an entry. */
export const openJournal = async (path: string) => {
  const file = openSync(path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW, 0o644)
  const table = new Table()
  const read = entryReader(file)
  let end = 0

  const lines = ArchiveFormat.splitLines(({ bytes, offset }) => {
    const entry = bytes === undefined || bytes.length >= longestEntry ? undefined : parse(bytes)
    if (entry !== undefined) table.set(entry.file, offset * bits)
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
    writeFileSync(file, "\n")
    end++
  }

  return {
    /** The entry of a file, and whether this process wrote or checked it. */
    get: (name: string): { readonly entry: ManifestEntry; readonly isChecked: boolean } | undefined => {
      const value = table.get(name)
      const entry = value === undefined ? undefined : read(Math.floor(value / bits))
      return entry?.file === name ? { entry, isChecked: (value! & checkedBit) !== 0 } : undefined
    },
    /** Records that a file has been checked. */
    check: (name: string): void => {
      const value = table.get(name)
      if (value !== undefined && (value & checkedBit) === 0) table.set(name, value + checkedBit)
    },
    /** Whether the file is listed for the first time. */
    list: (name: string): boolean => {
      const value = table.get(name)
      if (value === undefined || (value & listedBit) !== 0) return false
      table.set(name, value + listedBit)
      return true
    },
    isListed: (name: string): boolean => ((table.get(name) ?? 0) & listedBit) !== 0,
    /** Adds entries in one write. */
    add: (...entries: ReadonlyArray<ManifestEntry>): void => {
      if (entries.length === 0) return
      const lines = entries.map((entry) => Buffer.from(`${JSON.stringify(entry)}\n`))
      writeFileSync(file, Buffer.concat(lines))
      for (const [index, { length }] of lines.entries()) {
        if (length <= longestEntry) table.set(entries[index]!.file, end * bits + checkedBit)
        end += length
      }
    },
    close: (): void => closeSync(file)
  }
}

export type Journal = Awaited<ReturnType<typeof openJournal>>
