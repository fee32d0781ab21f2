/** Converts bytes to text and back: with Node's `Buffer`, which is fastest, and otherwise with browser APIs. */
import type { Steps } from "./steps.ts"

const hasBuffer = typeof Buffer !== "undefined"

// Not `fatal`, so that what is not UTF-8 becomes U+FFFD, as with a Buffer; a byte order mark stays.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true })

const buffer = (bytes: Uint8Array, start: number, end: number): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start)

/** The code units that are converted at once: each is an argument, whose number is limited. */
const unitsAtOnce = 8192

const ofUnits = (length: number, unitsOf: (start: number, end: number) => ArrayLike<number>): string => {
  let text = ""
  for (let start = 0; start < length; start += unitsAtOnce) {
    text += String.fromCharCode.apply(null, unitsOf(start, Math.min(length, start + unitsAtOnce)) as Array<number>)
  }
  return text
}

interface Slicer {
  latin1Slice(this: Uint8Array, start: number, end: number): string
  utf8Slice(this: Uint8Array, start: number, end: number): string
}
const slicer: Partial<Slicer> = hasBuffer ? Buffer.prototype as unknown as Partial<Slicer> : {}
const { latin1Slice, utf8Slice } = slicer

/** The UTF-8 text of a range of bytes; invalid sequences become U+FFFD. */
export const utf8Of = (bytes: Uint8Array, start = 0, end = bytes.length): string =>
  utf8Slice !== undefined
    // Without what `toString` does besides, for very many short texts.
    ? utf8Slice.call(bytes, start, end)
    : hasBuffer
    ? buffer(bytes, start, end).toString("utf8")
    : decoder.decode(bytes.subarray(start, end))

/** A range of bytes as ISO 8859-1 text, one character per byte. */
export const latin1Of = (bytes: Uint8Array, start = 0, end = bytes.length): string =>
  latin1Slice !== undefined
    ? latin1Slice.call(bytes, start, end)
    : hasBuffer
    ? buffer(bytes, start, end).toString("latin1")
    : ofUnits(end - start, (from, to) => bytes.subarray(start + from, start + to))

/** Bytes of a short text, in which a look at each costs less than a call of a decoder does. */
const shortText = 256

/** A short text of ASCII characters alone; undefined for all others. */
export const shortAsciiOf = (bytes: Uint8Array): string | undefined => {
  if (latin1Slice === undefined || bytes.length > shortText) return undefined
  let all = 0
  for (let at = 0; at < bytes.length; at++) all |= bytes[at]!
  return all < 0x80 ? latin1Slice.call(bytes, 0, bytes.length) : undefined
}

/** A part of bytes as UTF-16 text. Lone surrogates are kept. */
export const utf16Of = (bytes: Uint8Array, littleEndian: boolean, start: number): string => {
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, bytes.length - start)
  return ofUnits(
    view.byteLength >> 1,
    (from, to) =>
      Uint16Array.from({ length: to - from }, (_, index) => view.getUint16((from + index) * 2, littleEndian))
  )
}

/** A part of bytes in hexadecimal digits. */
export const hexOf = (bytes: Uint8Array, start = 0, end = bytes.length): string => {
  if (hasBuffer) return buffer(bytes, start, end).toString("hex")
  let text = ""
  for (let at = start; at < end; at++) text += bytes[at]!.toString(16).padStart(2, "0")
  return text
}

/** The bytes of a base64 text; invalid characters are ignored. */
export const fromBase64 = (text: string): Uint8Array => {
  if (hasBuffer) return Buffer.from(text, "base64")
  const digits = text.replace(/[^A-Za-z0-9+/]/g, "")
  const binary = atob(digits.length % 4 === 1 ? digits.slice(0, -1) : digits)
  return Uint8Array.from(binary, (character) => character.charCodeAt(0))
}

/** The bytes as a plain `Uint8Array`, because a value that shares a Buffer's memory would be a Buffer too. */
export const plainBytes = (bytes: Uint8Array): Uint8Array =>
  hasBuffer && Buffer.isBuffer(bytes) ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length) : bytes

/** Several bytes as one. */
export const concatBytes = (parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const out = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/** Bytes that are copied, and pieces of them, in one step. */
const copiedAtOnce = 0x400000
const piecesAtOnce = 4_096

/** As `concatBytes`, in steps. */
export function* concatSteps(parts: ReadonlyArray<Uint8Array>): Steps<Uint8Array> {
  let length = 0
  for (const part of parts) length += part.length
  const out = new Uint8Array(length)
  let at = 0
  let next = copiedAtOnce
  for (let index = 0; index < parts.length; index++) {
    let part = parts[index]!
    for (; part.length > copiedAtOnce; part = part.subarray(copiedAtOnce)) {
      out.set(part.subarray(0, copiedAtOnce), at)
      at += copiedAtOnce
      yield
    }
    out.set(part, at)
    at += part.length
    if (at < next && index % piecesAtOnce !== piecesAtOnce - 1) continue
    next = at + copiedAtOnce
    yield
  }
  return out
}

const encoder = new TextEncoder()

/** Characters that are encoded in one step. */
const encodedAtOnce = 0x10000

/** The UTF-8 of a text in pieces, none of which ends within a surrogate pair. */
export function* utf8Pieces(text: string): Generator<Uint8Array, void> {
  for (let at = 0; at < text.length;) {
    let end = Math.min(text.length, at + encodedAtOnce)
    if (end < text.length && (text.charCodeAt(end - 1) & 0xfc00) === 0xd800) end--
    yield encoder.encode(text.slice(at, end))
    at = end
  }
}
