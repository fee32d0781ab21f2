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

/** As `decodeUtf8`, in steps: no piece ends inside a character. */
export function* utf8Steps(bytes: Uint8Array): Steps<string | undefined> {
  const content = withoutMark(bytes)
  let text = ""
  for (let start = 0; start < content.length;) {
    let end = Math.min(content.length, start + pieceBytes)
    // The bytes after the first of a character; more than three of them are no character at all.
    for (let back = 0; back < 3 && end < content.length && (content[end]! & 0xc0) === 0x80; back++) end--
    const piece = utf8Text(content.subarray(start, end))
    if (piece === undefined) return undefined
    text += piece
    start = end
    if (start < content.length) yield
  }
  return text
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

/** Whether Python's `json.loads` takes bytes for UTF-8. */
export const isUtf8 = ([a, b]: Uint8Array): boolean => a !== 0 && b !== 0 && a !== 0xff && a !== 0xfe

/**
 * JSON text in any encoding that Python's `json.loads(bytes)` detects from the first bytes: UTF-8, UTF-16 or UTF-32,
 * with or without a byte order mark. `undefined` for other bytes.
 */
export const decodeJsonText = (bytes: Uint8Array): string | undefined => {
  const [a, b, c, d] = bytes
  if (isUtf8(bytes)) return decodeUtf8(bytes)
  if (a === 0 && b === 0 && c === 0xfe && d === 0xff) return utf32(bytes, false, 4)
  if (a === 0xff && b === 0xfe && c === 0 && d === 0) return utf32(bytes, true, 4)
  if (a === 0xfe && b === 0xff) return utf16(bytes, false, 2)
  if (a === 0xff && b === 0xfe) return utf16(bytes, true, 2)
  if (a === 0) return b === 0 ? utf32(bytes, false, 0) : utf16(bytes, false, 0)
  if (b === 0) return bytes.length === 2 || c !== 0 || d !== 0 ? utf16(bytes, true, 0) : utf32(bytes, true, 0)
  return decodeUtf8(bytes)
}
