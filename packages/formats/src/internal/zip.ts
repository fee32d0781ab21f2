/**
 * The files of a ZIP archive, in the variants that libraries write for results: stored or deflated, without encryption.
 */
import { utf8Of } from "./bytes.ts"
import { crc32 } from "./checksum.ts"
import { zlib } from "./node.ts"
import { refuse, tooLarge } from "./refusal.ts"
import type { Steps } from "./steps.ts"

const damaged = (): never => refuse("the ZIP archive is damaged")

/** Whether bytes begin like a ZIP archive. */
export const isZip = (bytes: Uint8Array): boolean =>
  bytes.length >= 22 && bytes[0] === 0x50 && bytes[1] === 0x4b && bytes[2] === 0x03 && bytes[3] === 0x04

const maxEntries = 1_000_000

interface Entry {
  readonly method: number
  readonly checksum: number
  readonly stored: number
  readonly size: number
  readonly offset: number
}

const endSignature = 0x06054b50
const directorySignature = 0x02014b50
const end64Signature = 0x06064b50

const number = (view: DataView, at: number): number => Number(view.getBigUint64(at, true))

/** Reads the directory; references outside the bytes throw a RangeError. */
function* entriesOf(bytes: Uint8Array): Steps<Map<string, Entry>> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  // The end record is followed by a comment of at most 65 535 bytes.
  const least = Math.max(0, bytes.length - 22 - 0xffff)
  let end = bytes.length - 22
  while (end >= least && view.getUint32(end, true) !== endSignature) end--
  if (end < least) damaged()
  let [count, at] = [view.getUint16(end + 10, true), view.getUint32(end + 16, true)]
  if (at === 0xffffffff || count === 0xffff) {
    const end64 = number(view, end - 20 + 8)
    if (view.getUint32(end64, true) !== end64Signature) damaged()
    ;[count, at] = [number(view, end64 + 32), number(view, end64 + 48)]
  }
  if (count > maxEntries) damaged()
  const out = new Map<string, Entry>()
  let looked = 0
  for (let i = 0; i < count; i++) {
    if (view.getUint32(at, true) !== directorySignature) damaged()
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((field) => view.getUint16(at + field, true)) as [
      number,
      number,
      number
    ]
    let [stored, size] = [view.getUint32(at + 20, true), view.getUint32(at + 24, true)]
    let offset = view.getUint32(at + 42, true)
    const name = utf8Of(bytes, at + 46, at + 46 + nameLength)
    const extraEnd = at + 46 + nameLength + extraLength
    for (let extra = at + 46 + nameLength; extra + 4 <= extraEnd;) {
      const [id, length] = [view.getUint16(extra, true), view.getUint16(extra + 2, true)]
      if (id === 1) {
        let field = extra + 4
        const next = () => {
          field += 8
          return number(view, field - 8)
        }
        if (size === 0xffffffff) size = next()
        if (stored === 0xffffffff) stored = next()
        if (offset === 0xffffffff) offset = next()
      }
      extra += 4 + length
    }
    out.set(name, {
      method: view.getUint16(at + 10, true),
      checksum: view.getUint32(at + 16, true),
      stored,
      size,
      offset
    })
    at = extraEnd + commentLength
    // An entry may have 16 000 fields.
    looked += 1 + (extraLength >> 4)
    if (looked < 1_024) continue
    looked = 0
    yield
  }
  return out
}

/** Decompresses in a thread of zlib's. */
const inflateRaw = (bytes: Uint8Array, options: { readonly maxOutputLength: number }): Promise<Uint8Array> =>
  new Promise((resolve, reject) =>
    zlib!.inflateRaw(bytes, options, (error, out) => error === null ? resolve(out) : reject(error))
  )

/** What is decompressed and checked in a moment. */
const smallEntry = 0x100000

function* content(bytes: Uint8Array, entry: Entry): Steps<Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (entry.offset + 30 > bytes.length) damaged()
  const start = entry.offset + 30 + view.getUint16(entry.offset + 26, true) + view.getUint16(entry.offset + 28, true)
  if (start + entry.stored > bytes.length) damaged()
  const stored = bytes.subarray(start, start + entry.stored)
  let out = stored
  if (entry.method === 8) {
    if (zlib === undefined) return refuse("the ZIP archive is compressed, which is read only by Node.js")
    const options = { maxOutputLength: Math.max(1, entry.size) }
    try {
      out = entry.size <= smallEntry
        ? zlib.inflateRawSync(stored, options)
        : (yield inflateRaw(stored, options)) as Uint8Array
    } catch {
      damaged()
    }
  } else if (entry.method !== 0) refuse("the ZIP archive uses a compression that is not read")
  if (out.length !== entry.size) damaged()
  let checksum = 0
  for (let at = 0; at < out.length; at += smallEntry) {
    if (at > 0) yield
    checksum = crc32(out.subarray(at, at + smallEntry), checksum)
  }
  return checksum === entry.checksum ? out : damaged()
}

/** A ZIP archive whose files are read on demand. */
export interface Zip {
  readonly names: ReadonlyArray<string>
  /**
   * The content of a file; `undefined` when there is none with that name. All files together are as large as one may
   * be.
   */
  readonly read: (name: string) => Steps<Uint8Array | undefined>
}

/** Opens an archive. Throws a `Refusal` when it is damaged. */
export function* openZip(bytes: Uint8Array, maxBytes: number): Steps<Zip> {
  let entries: Map<string, Entry>
  try {
    entries = yield* entriesOf(bytes)
  } catch (error) {
    if (error instanceof RangeError) return damaged()
    throw error
  }
  let left = maxBytes
  return {
    names: [...entries.keys()],
    *read(name) {
      const entry = entries.get(name)
      if (entry === undefined) return undefined
      if (entry.size > left) tooLarge(maxBytes)
      left -= entry.size
      // What is stored as it is takes no memory of its own.
      if (entry.method === 8) yield maxBytes - left
      return yield* content(bytes, entry)
    }
  }
}
