/**
 * Decodes the text in a pickle: UTF-8 as Python writes it (lone surrogates included), the escapes of protocol 0, Python
 * 2's encodings.
 *
 * @since 0.1.0
 */
import { fail } from "../errors.ts"

interface Slicer {
  latin1Slice(this: Uint8Array, start: number, end: number): string
  utf8Slice(this: Uint8Array, start: number, end: number): string
}

// Slices of Node's Buffer are the fastest way to a string; other runtimes use TextDecoder.
const slicer = (globalThis as { readonly Buffer?: { readonly prototype: Partial<Slicer> } }).Buffer?.prototype
const latin1Slice = typeof slicer?.latin1Slice === "function" ? slicer.latin1Slice : null
const utf8Slice = typeof slicer?.utf8Slice === "function" ? slicer.utf8Slice : null

interface Decoder {
  decode(bytes: Uint8Array): string
}
const decoderOf = (label: string): Decoder | null => {
  const make = (globalThis as { readonly TextDecoder?: new(label: string, options: object) => Decoder }).TextDecoder
  // ignoreBOM keeps a leading U+FEFF, which is ordinary text.
  return make === undefined ? null : new make(label, { ignoreBOM: true })
}
let utf8Decoder: Decoder | null | undefined
let byteDecoder: Decoder | null | undefined

const chunk = 8_192

const fromUnits = (units: ArrayLike<number>, length: number): string => {
  if (length <= chunk) return String.fromCharCode.apply(null, takeUnits(units, 0, length))
  let out = ""
  for (let at = 0; at < length; at += chunk) {
    out += String.fromCharCode.apply(null, takeUnits(units, at, Math.min(length, at + chunk)))
  }
  return out
}

const takeUnits = (units: ArrayLike<number>, start: number, end: number): Array<number> =>
  (units as Uint16Array).subarray(start, end) as unknown as Array<number>

/**
 * Bytes as text, one character per byte (latin-1).
 *
 * @internal
 */
export const latin1Text = (bytes: Uint8Array, start: number, end: number): string =>
  latin1Slice !== null && end - start > 16
    ? latin1Slice.call(bytes, start, end)
    : fromUnits(bytes.subarray(start, end), end - start)

/** One byte to one UTF-16 unit, exact only for ASCII: the decoders' latin-1 is windows-1252. */
const asciiWindow = (bytes: Uint8Array, start: number, end: number): string => {
  if (latin1Slice !== null) return latin1Slice.call(bytes, start, end)
  if (byteDecoder === undefined) byteDecoder = decoderOf("latin1")
  return byteDecoder === null
    ? fromUnits(bytes.subarray(start, end), end - start)
    : byteDecoder.decode(bytes.subarray(start, end))
}

/** UTF-8 decoded by hand, like Python's `surrogatepass`: lone surrogates are kept, any other invalid sequence fails. */
const decodeExactly = (bytes: Uint8Array, start: number, end: number, from = start): string => {
  const units = new Uint16Array(end - start)
  let length = 0
  let at = start
  const invalid = () => fail("BadText", `invalid UTF-8 in byte ${at - from} of a string`, "UTF-8")
  while (at < end) {
    const first = bytes[at]!
    if (first < 0x80) {
      units[length++] = first
      at++
      continue
    }
    const size = first >= 0xc2 && first < 0xe0
      ? 2
      : first >= 0xe0 && first < 0xf0
      ? 3
      : first >= 0xf0 && first < 0xf5
      ? 4
      : 0
    if (size === 0 || at + size > end) return invalid()
    let code = first & (0xff >> (size + 1))
    for (let i = 1; i < size; i++) {
      const next = bytes[at + i]!
      if ((next & 0xc0) !== 0x80) return invalid()
      code = (code << 6) | (next & 0x3f)
    }
    if ((size === 3 && code < 0x800) || (size === 4 && (code < 0x10000 || code > 0x10ffff))) return invalid()
    if (code > 0xffff) {
      units[length++] = 0xd800 + ((code - 0x10000) >> 10)
      units[length++] = 0xdc00 + ((code - 0x10000) & 0x3ff)
    } else {
      units[length++] = code
    }
    at += size
  }
  return fromUnits(units, length)
}

/**
 * UTF-8 between two offsets of a string that begins `from` some offset.
 *
 * @internal
 */
export const decodeUtf8 = (bytes: Uint8Array, start: number, end: number, from = start): string => {
  let text: string
  if (utf8Slice !== null) text = utf8Slice.call(bytes, start, end)
  else {
    if (utf8Decoder === undefined) utf8Decoder = decoderOf("utf-8")
    if (utf8Decoder === null) return decodeExactly(bytes, start, end, from)
    text = utf8Decoder.decode(bytes.subarray(start, end))
  }
  // A replacement character was either in the input or shows that the text is not plain UTF-8.
  return text.includes("\ufffd") ? decodeExactly(bytes, start, end, from) : text
}

/**
 * A reader of the strings of one pickle. Short ASCII strings are cut from a window of text that is decoded once for
 * many, because one call into the runtime per string is what makes a reader slow.
 *
 * @internal
 */
export interface TextReader {
  readonly bytes: Uint8Array
  /** The largest window in bytes; 0 disables it. */
  readonly maxWindow: number
  window: string
  start: number
  end: number
  /** The number of bytes of the window that became strings. */
  used: number
  size: number
}

/** @internal */
export const textReader = (bytes: Uint8Array, shared: boolean): TextReader => ({
  bytes,
  maxWindow: shared ? 65_536 : 0,
  window: "",
  start: 0,
  end: 0,
  used: 0,
  size: 1_024
})

const moveWindow = (reader: TextReader, start: number): void => {
  // A window that was mostly strings is followed by a larger one, others by a smaller one, so text that is retained
  // never keeps much else in memory.
  const whole = reader.end - reader.start
  if (reader.used * 2 > whole) reader.size = Math.min(reader.maxWindow, reader.size * 2)
  else if (reader.used * 8 < whole) reader.size = Math.max(512, reader.size >> 1)
  reader.start = start
  reader.end = Math.min(reader.bytes.length, start + reader.size)
  reader.window = asciiWindow(reader.bytes, reader.start, reader.end)
  reader.used = 0
}

/**
 * The UTF-8 text between two offsets.
 *
 * @internal
 */
export const readUtf8 = (reader: TextReader, start: number, end: number): string => {
  const { bytes } = reader
  const length = end - start
  if (length <= 8) return readShort(bytes, start, length)
  if (length <= 200 && reader.maxWindow !== 0) {
    let high = 0
    for (let at = start; at < end; at++) high |= bytes[at]!
    if (high < 0x80) {
      if (start < reader.start || end > reader.end) moveWindow(reader, start)
      reader.used += length
      return reader.window.substring(start - reader.start, end - reader.start)
    }
  }
  return decodeUtf8(bytes, start, end)
}

const readShort = (bytes: Uint8Array, at: number, length: number): string => {
  switch (length) {
    case 0:
      return ""
    case 1: {
      const a = bytes[at]!
      if (a < 0x80) return String.fromCharCode(a)
      break
    }
    case 2: {
      const a = bytes[at]!, b = bytes[at + 1]!
      if ((a | b) < 0x80) return String.fromCharCode(a, b)
      break
    }
    case 3: {
      const a = bytes[at]!, b = bytes[at + 1]!, c = bytes[at + 2]!
      if ((a | b | c) < 0x80) return String.fromCharCode(a, b, c)
      break
    }
    case 4: {
      const a = bytes[at]!, b = bytes[at + 1]!, c = bytes[at + 2]!, d = bytes[at + 3]!
      if ((a | b | c | d) < 0x80) return String.fromCharCode(a, b, c, d)
      break
    }
    case 5: {
      const a = bytes[at]!, b = bytes[at + 1]!, c = bytes[at + 2]!, d = bytes[at + 3]!, e = bytes[at + 4]!
      if ((a | b | c | d | e) < 0x80) return String.fromCharCode(a, b, c, d, e)
      break
    }
    case 6: {
      const a = bytes[at]!, b = bytes[at + 1]!, c = bytes[at + 2]!, d = bytes[at + 3]!, e = bytes[at + 4]!
      const f = bytes[at + 5]!
      if ((a | b | c | d | e | f) < 0x80) return String.fromCharCode(a, b, c, d, e, f)
      break
    }
    case 7: {
      const a = bytes[at]!, b = bytes[at + 1]!, c = bytes[at + 2]!, d = bytes[at + 3]!, e = bytes[at + 4]!
      const f = bytes[at + 5]!, g = bytes[at + 6]!
      if ((a | b | c | d | e | f | g) < 0x80) return String.fromCharCode(a, b, c, d, e, f, g)
      break
    }
    case 8: {
      const a = bytes[at]!, b = bytes[at + 1]!, c = bytes[at + 2]!, d = bytes[at + 3]!, e = bytes[at + 4]!
      const f = bytes[at + 5]!, g = bytes[at + 6]!, h = bytes[at + 7]!
      if ((a | b | c | d | e | f | g | h) < 0x80) return String.fromCharCode(a, b, c, d, e, f, g, h)
      break
    }
  }
  return decodeExactly(bytes, at, at + length)
}

const hexDigits = /^[0-9a-fA-F]+$/

/** The characters of the longest escape. */
const longestEscape = 10

/**
 * Python's `raw-unicode-escape`, the text of UNICODE in protocol 0: latin-1 with `\uXXXX` and `\UXXXXXXXX`.
 *
 * @internal
 */
export const rawUnicodeEscape = (text: string): string =>
  text.includes("\\") ? rawUnicodeEscapeTo(text, text.length).text : text

/** Reads the characters and escapes that begin before a position. Returns the position after them. */
const rawUnicodeEscapeTo = (text: string, limit: number): { readonly text: string; readonly end: number } => {
  const parts: Array<string> = []
  let from = 0
  let last = 0
  let at = text.indexOf("\\")
  for (; at >= 0 && at < limit; at = text.indexOf("\\", at)) {
    const kind = text[at + 1]
    const width = kind === "u" ? 4 : kind === "U" ? 8 : 0
    if (width === 0) {
      // The backslash and the character after it are literal, even a second backslash.
      at += 2
      last = at
      continue
    }
    const digits = text.slice(at + 2, at + 2 + width)
    const code = digits.length === width && hexDigits.test(digits) ? Number.parseInt(digits, 16) : -1
    if (code < 0 || code > 0x10ffff) {
      return fail("BadText", "a broken \\u escape", `${width} hexadecimal digits of a character`)
    }
    parts.push(text.slice(from, at), code > 0xffff ? String.fromCodePoint(code) : String.fromCharCode(code))
    at += 2 + width
    from = at
    last = at
  }
  const end = Math.max(limit, last)
  parts.push(text.slice(from, end))
  return { text: parts.join(""), end }
}

/**
 * As `rawUnicodeEscape` of bytes, in steps.
 *
 * @internal
 */
export function* rawUnicodeEscapeSteps(bytes: Uint8Array): Generator<undefined, string> {
  let text = ""
  for (let at = 0; at < bytes.length;) {
    const length = Math.min(bytes.length - at, pieceBytes)
    const piece = latin1Text(bytes, at, Math.min(bytes.length, at + length + longestEscape))
    const read = rawUnicodeEscapeTo(piece, length)
    text += read.text
    at += read.end
    yield
  }
  return text
}

const simpleEscapes: Readonly<Record<string, number>> = {
  "\\": 0x5c,
  "'": 0x27,
  "\"": 0x22,
  a: 7,
  b: 8,
  f: 12,
  n: 10,
  r: 13,
  t: 9,
  v: 11
}

/**
 * The bytes of a quoted Python 2 string literal without its quotes (STRING of protocol 0).
 *
 * @internal
 */
export const stringEscape = (text: string): Uint8Array => {
  const out = new Uint8Array(text.length)
  return out.subarray(0, stringEscapeTo(text, text.length, out, 0).length)
}

/**
 * As `stringEscape` of bytes, in steps.
 *
 * @internal
 */
export function* stringEscapeSteps(bytes: Uint8Array): Generator<undefined, Uint8Array> {
  const out = new Uint8Array(bytes.length)
  let length = 0
  for (let at = 0; at < bytes.length;) {
    const size = Math.min(bytes.length - at, pieceBytes)
    const piece = latin1Text(bytes, at, Math.min(bytes.length, at + size + longestEscape))
    const read = stringEscapeTo(piece, size, out, length)
    length = read.length
    at += read.end
    yield
  }
  return out.subarray(0, length)
}

/** Reads what begins before a position into `out`. Returns its length there, and the position after it. */
const stringEscapeTo = (
  text: string,
  limit: number,
  out: Uint8Array,
  start: number
): { readonly length: number; readonly end: number } => {
  let length = start
  let at = 0
  for (; at < limit; at++) {
    const code = text.charCodeAt(at)
    if (code !== 0x5c) {
      out[length++] = code
      continue
    }
    at++
    if (at >= text.length) return fail("BadText", "a string that ends in a backslash", "an escape")
    const kind = text[at]!
    const simple = Object.hasOwn(simpleEscapes, kind) ? simpleEscapes[kind] : undefined
    if (simple !== undefined) {
      out[length++] = simple
    } else if (kind === "x") {
      const digits = text.slice(at + 1, at + 3)
      if (digits.length !== 2 || !hexDigits.test(digits)) {
        return fail("BadText", "a broken \\x escape", "two hexadecimal digits")
      }
      out[length++] = Number.parseInt(digits, 16)
      at += 2
    } else if (kind >= "0" && kind <= "7") {
      let value = 0
      let digits = 0
      for (; digits < 3 && at + digits < text.length; digits++) {
        const digit = text.charCodeAt(at + digits) - 48
        if (digit < 0 || digit > 7) break
        value = value * 8 + digit
      }
      out[length++] = value & 0xff
      at += digits - 1
    } else if (kind !== "\n") {
      out[length++] = 0x5c
      out[length++] = text.charCodeAt(at)
    }
  }
  return { length, end: at }
}

/**
 * The text of a Python 2 string under an encoding and error handling of Python.
 *
 * @internal
 */
export const decodeBytes = (
  bytes: Uint8Array,
  encoding: string,
  errors: "strict" | "ignore" | "replace" | "surrogateescape"
): string => {
  const name = encoding.toLowerCase().replace(/[^a-z0-9]+/g, "")
  if (name === "latin1" || name === "iso88591") return latin1Text(bytes, 0, bytes.length)
  if (name !== "ascii" && name !== "usascii" && name !== "utf8") {
    return foreignText(bytes, encoding, errors !== "strict")
  }
  if (isAscii(bytes, 0, bytes.length)) return latin1Text(bytes, 0, bytes.length)
  if (errors === "strict") {
    if (name !== "utf8") {
      return fail(
        "BadText",
        "a byte above 127 in a Python 2 string",
        "ASCII; pass encoding \"latin1\" or \"bytes\" for others"
      )
    }
    const text = decodeUtf8(bytes, 0, bytes.length)
    // Python's strict UTF-8 refuses the surrogates that its pickles may hold.
    return text.isWellFormed() ? text : fail("BadText", "a surrogate in a Python 2 string", "UTF-8")
  }
  const parts: Array<string> = []
  let at = 0
  while (at < bytes.length) {
    const size = name === "utf8" ? sequenceLength(bytes, at) : bytes[at]! < 0x80 ? 1 : 0
    if (size > 0) {
      parts.push(decodeExactly(bytes, at, at + size))
      at += size
    } else {
      if (errors === "replace") parts.push("\ufffd")
      if (errors === "surrogateescape") parts.push(String.fromCharCode(0xdc00 + bytes[at]!))
      at++
    }
  }
  return parts.join("")
}

const isAscii = (bytes: Uint8Array, start: number, end: number): boolean => {
  for (let at = start; at < end; at++) if (bytes[at]! >= 0x80) return false
  return true
}

/** Bytes that are decoded between two steps. */
const pieceBytes = 0x40000

/**
 * As `decodeBytes`, in steps as long as the text is ASCII or latin-1.
 *
 * @internal
 */
export function* decodeBytesSteps(
  bytes: Uint8Array,
  encoding: string,
  errors: "strict" | "ignore" | "replace" | "surrogateescape"
): Generator<undefined, string> {
  const name = encoding.toLowerCase().replace(/[^a-z0-9]+/g, "")
  const isLatin1 = name === "latin1" || name === "iso88591"
  if (!isLatin1 && name !== "ascii" && name !== "usascii" && name !== "utf8") {
    return decodeBytes(bytes, encoding, errors)
  }
  let text = ""
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    const end = Math.min(bytes.length, at + pieceBytes)
    if (!isLatin1 && !isAscii(bytes, at, end)) return decodeBytes(bytes, encoding, errors)
    text += latin1Text(bytes, at, end)
    yield
  }
  return text
}

const foreignText = (bytes: Uint8Array, encoding: string, lenient: boolean): string => {
  let decoder: Decoder
  try {
    decoder = new TextDecoder(encoding, { fatal: !lenient, ignoreBOM: true })
  } catch {
    return fail(
      "BadText",
      "a Python 2 string in an encoding that this runtime does not know",
      "an encoding of TextDecoder"
    )
  }
  try {
    return decoder.decode(bytes)
  } catch {
    return fail("BadText", "a Python 2 string that is not in the encoding given", "another encoding, or \"bytes\"")
  }
}

/** The length of the UTF-8 sequence at an offset, 0 when it is invalid. */
const sequenceLength = (bytes: Uint8Array, at: number): number => {
  const first = bytes[at]!
  if (first < 0x80) return 1
  const size = first >= 0xc2 && first < 0xe0
    ? 2
    : first >= 0xe0 && first < 0xf0
    ? 3
    : first >= 0xf0 && first < 0xf5
    ? 4
    : 0
  if (size === 0 || at + size > bytes.length) return 0
  for (let i = 1; i < size; i++) if ((bytes[at + i]! & 0xc0) !== 0x80) return 0
  const second = bytes[at + 1]!
  if ((first === 0xe0 && second < 0xa0) || (first === 0xed && second > 0x9f)) return 0
  if ((first === 0xf0 && second < 0x90) || (first === 0xf4 && second > 0x8f)) return 0
  return size
}
