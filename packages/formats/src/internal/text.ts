/** Decodes stored bytes to text like Python's `json.loads` and `open`. */
import { utf16Of, utf8Of } from "./bytes.ts"
import type { Steps } from "./steps.ts"

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** UTF-8 text in which a byte order mark is a character; throws for other bytes. */
export const strictUtf8 = (bytes: Uint8Array): string => utf8.decode(bytes)

/** UTF-8 that may encode lone surrogates, as Python's `surrogatepass` writes them; `undefined` for other bytes. */
const surrogatePass = (bytes: Uint8Array): string | undefined => {
  const parts: Array<string> = []
  let start = 0
  const flush = (end: number) => {
    if (end > start) parts.push(utf8.decode(bytes.subarray(start, end)))
  }
  try {
    for (let i = 0; i + 2 < bytes.length; i++) {
      if (bytes[i] !== 0xed || bytes[i + 1]! < 0xa0 || bytes[i + 1]! > 0xbf || (bytes[i + 2]! & 0xc0) !== 0x80) continue
      flush(i)
      parts.push(String.fromCharCode(0xd000 | ((bytes[i + 1]! & 0x3f) << 6) | (bytes[i + 2]! & 0x3f)))
      start = i + 3
      i += 2
    }
    flush(bytes.length)
  } catch {
    return undefined
  }
  return parts.join("")
}

/** Bytes without the byte order mark of UTF-8 that they may start with. */
export const withoutMark = (bytes: Uint8Array): Uint8Array =>
  bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes

/** UTF-8 text without a byte order mark; `undefined` for other bytes. */
export const decodeUtf8 = (bytes: Uint8Array): string | undefined => utf8Text(withoutMark(bytes))

/** UTF-8 text in which a byte order mark is a character; `undefined` for other bytes. */
export const utf8Text = (content: Uint8Array): string | undefined => {
  const text = utf8Of(content)
  if (!text.includes("\ufffd")) return text
  try {
    return utf8.decode(content)
  } catch {
    return surrogatePass(content)
  }
}

/** Bytes that become text in a moment. */
const pieceBytes = 0x100000

/** As `decodeUtf8`, in steps. */
export const utf8Steps = (bytes: Uint8Array): Steps<string | undefined> => utf8TextSteps(withoutMark(bytes))

/** As `utf8Text`, in steps. */
export function* utf8TextSteps(content: Uint8Array): Steps<string | undefined> {
  const pieces = yield* utf8PiecesSteps(content)
  if (pieces === undefined) return undefined
  let text = ""
  // The engine copies the pieces when the text is first looked into.
  for (const piece of pieces) text += piece
  return text
}

/** As `utf8Text` in pieces, in steps: none ends inside a character. */
export function* utf8PiecesSteps(content: Uint8Array): Steps<ReadonlyArray<string> | undefined> {
  const pieces: Array<string> = []
  for (let start = 0; start < content.length;) {
    let end = Math.min(content.length, start + pieceBytes)
    // The bytes after the first of a character; more than three of them are no character at all.
    for (let back = 0; back < 3 && end < content.length && (content[end]! & 0xc0) === 0x80; back++) end--
    const piece = utf8Text(content.subarray(start, end))
    if (piece === undefined) return undefined
    pieces.push(piece)
    start = end
    if (start < content.length) yield
  }
  return pieces
}

/** Whether a byte is white space of JSON. */
export const isSpace = (code: number | undefined): boolean =>
  code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09

/** The offset after white space of any length, in steps. */
export function* afterSpace(bytes: Uint8Array, from: number): Steps<number> {
  let at = from
  for (let next = at + pieceBytes; isSpace(bytes[at]); at++) {
    if (at < next) continue
    next += pieceBytes
    yield
  }
  return at
}

const utf32 = (bytes: Uint8Array, littleEndian: boolean, start: number): string | undefined => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if ((bytes.length - start) % 4 !== 0) return undefined
  const parts: Array<string> = []
  for (let at = start; at < bytes.length; at += 4) {
    const code = view.getUint32(at, littleEndian)
    if (code > 0x10ffff) return undefined
    parts.push(String.fromCodePoint(code))
  }
  return parts.join("")
}

const utf16 = (bytes: Uint8Array, littleEndian: boolean, start: number): string | undefined => {
  return (bytes.length - start) % 2 === 0 ? utf16Of(bytes, littleEndian, start) : undefined
}

/** An encoding of JSON: the bytes of a unit, their order, and the offset of the text. */
interface Encoding {
  readonly unit: 1 | 2 | 4
  readonly littleEndian: boolean
  readonly start: number
}

const encoding = (unit: 1 | 2 | 4, littleEndian: boolean, start: number): Encoding => ({ unit, littleEndian, start })

/** The encoding that Python's `json.loads(bytes)` detects from the first bytes. */
const encodingOf = (bytes: Uint8Array): Encoding => {
  const [a, b, c, d] = bytes
  if (a === 0 && b === 0 && c === 0xfe && d === 0xff) return encoding(4, false, 4)
  if (a === 0xff && b === 0xfe && c === 0 && d === 0) return encoding(4, true, 4)
  if (a === 0xfe && b === 0xff) return encoding(2, false, 2)
  if (a === 0xff && b === 0xfe) return encoding(2, true, 2)
  if (a === 0) return encoding(b === 0 ? 4 : 2, false, 0)
  if (b === 0) return encoding(bytes.length === 2 || c !== 0 || d !== 0 ? 2 : 4, true, 0)
  return encoding(1, true, bytes.length - withoutMark(bytes).length)
}

/**
 * JSON text in any encoding that Python's `json.loads(bytes)` detects from the first bytes: UTF-8, UTF-16 or UTF-32,
 * with or without a byte order mark. `undefined` for other bytes.
 */
export const decodeJsonText = (bytes: Uint8Array): string | undefined => {
  const { littleEndian, start, unit } = encodingOf(bytes)
  if (unit === 1) return decodeUtf8(bytes)
  return unit === 2 ? utf16(bytes, littleEndian, start) : utf32(bytes, littleEndian, start)
}

/** Writes a character, or a lone surrogate, in UTF-8; returns the offset behind it. */
const putUtf8 = (out: Uint8Array, at: number, code: number): number => {
  if (code < 0x80) {
    out[at] = code
    return at + 1
  }
  let next = at
  if (code < 0x800) out[next++] = 0xc0 | code >> 6
  else {
    if (code < 0x10000) out[next++] = 0xe0 | code >> 12
    else {
      out[next++] = 0xf0 | code >> 18
      out[next++] = 0x80 | code >> 12 & 0x3f
    }
    out[next++] = 0x80 | code >> 6 & 0x3f
  }
  out[next++] = 0x80 | code & 0x3f
  return next
}

/** As `decodeJsonText`, as UTF-8 without a mark, in steps. Lone surrogates are encoded as `utf8Text` reads them. */
export function* jsonUtf8Steps(bytes: Uint8Array): Steps<Uint8Array | undefined> {
  const { littleEndian, start, unit } = encodingOf(bytes)
  if (unit === 1) return bytes.subarray(start)
  if ((bytes.length - start) % unit !== 0) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  // Two bytes become three at most, and four become four. What is not written to takes no memory.
  const out = new Uint8Array((bytes.length - start) / unit * (unit === 2 ? 3 : 4))
  let end = 0
  for (let from = start; from < bytes.length;) {
    const to = Math.min(bytes.length, from + pieceBytes)
    if (unit === 4) {
      for (; from < to; from += 4) {
        const code = view.getUint32(from, littleEndian)
        if (code > 0x10ffff) return undefined
        end = putUtf8(out, end, code)
      }
    } else {
      for (; from < to; from += 2) {
        let code = view.getUint16(from, littleEndian)
        if ((code & 0xfc00) === 0xd800 && from + 2 < bytes.length) {
          const low = view.getUint16(from + 2, littleEndian)
          if ((low & 0xfc00) === 0xdc00) {
            code = 0x10000 + ((code & 0x3ff) << 10 | low & 0x3ff)
            from += 2
          }
        }
        end = putUtf8(out, end, code)
      }
    }
    yield
  }
  return out.subarray(0, end)
}
