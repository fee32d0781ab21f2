/**
 * JSON of any length in pieces of some hundred kilobytes, each of which `JSON.parse` reads in a moment. The end of a piece
 * is found in the bytes, so that the whole text is never in memory.
 */
import { KeyList } from "@effect-prefect/pickle"
import { shortAsciiOf } from "./bytes.ts"
import {
  checkKeys,
  exactJsonSteps,
  isPlain,
  type JsonResult,
  listWeight,
  maxJsonDepth,
  maxJsonKeys,
  objectWeight,
  textWeight,
  word
} from "./json.ts"
import { Guess, type Steps, toEnd } from "./steps.ts"
import { afterSpace, decodeJsonText, isSpace, jsonUtf8Steps, strictUtf8, utf8PiecesSteps, utf8Text } from "./text.ts"

/**
 * The value of a JSON text: integers that a number does not hold exactly are bigints. Returns what is wrong when it is not
 * JSON; throws a `Refusal` when it is JSON that passes a limit.
 */
export const parseJson = (text: string): JsonResult => toEnd(jsonSteps(text))

/** As `parseJson`, in steps. */
export function* jsonSteps(text: string): Steps<JsonResult> {
  if (text.length > largeText && !/\p{Surrogate}/u.test(text)) {
    const pieces = yield* parsePieces(new TextEncoder().encode(text), maxJsonKeys)
    if (pieces !== undefined) return pieces
  } else if (isPlain(text)) {
    try {
      return { value: JSON.parse(text) as unknown }
    } catch {
      // The parser below says where.
    }
  }
  return yield* exactJsonSteps([text])
}

/** As `jsonSteps`, for bytes in any of the encodings of JSON; undefined for bytes that are not text. */
export function* jsonBytesSteps(bytes: Uint8Array, maxKeys = maxJsonKeys): Steps<JsonResult | undefined> {
  if (bytes.length <= largeText) {
    const text = decodeJsonText(bytes)
    return text === undefined ? undefined : yield* jsonSteps(text)
  }
  const utf8 = yield* jsonUtf8Steps(bytes)
  if (utf8 === undefined) return undefined
  const pieces = yield* parsePieces(utf8, maxKeys)
  if (pieces !== undefined) return pieces
  const texts = yield* utf8PiecesSteps(utf8)
  return texts === undefined ? undefined : yield* exactJsonSteps(texts, maxKeys)
}

/** No text of this length is nested deeper than `maxJsonDepth`: each container has an opening and a closing bracket. */
const shallowText = 2 * maxJsonDepth

/** Returned by `smallJson` for bytes that it leaves to `jsonBytesSteps`. */
export const notSmallJson = Symbol("not small JSON")

/**
 * The value of short JSON in UTF-8 that begins with a bracket or a quote, by `JSON.parse` alone. Returns `notSmallJson`
 * for everything that `JSON.parse` may read differently from Python, and for what it rejects.
 */
export const smallJson = (bytes: Uint8Array): unknown => {
  const first = bytes[0]
  if (first !== openObject && first !== openArray && first !== quote) return notSmallJson
  if (bytes.length > shallowText || hasLongInteger(bytes)) return notSmallJson
  try {
    const text = shortAsciiOf(bytes) ?? strictUtf8(bytes)
    // JSON.parse refuses NaN and the infinities, and the zeros in UTF-16 and UTF-32.
    return hasNegativeZero(text) ? notSmallJson : JSON.parse(text) as unknown
  } catch {
    return notSmallJson
  }
}

const isDigit = (code: number | undefined): boolean => code !== undefined && code >= 0x30 && code <= 0x39

/** Whether there may be an integer of more than 15 digits, in a string or not. Looks only at each 16th byte first. */
const hasLongInteger = (bytes: Uint8Array): boolean => {
  for (let i = 15; i < bytes.length; i += 16) {
    const code = bytes[i]!
    if (code < 0x30 || code > 0x39) continue
    let start = i
    while (isDigit(bytes[start - 1])) start--
    let end = i + 1
    while (isDigit(bytes[end])) end++
    if (end - start > 15 && isLongInteger(bytes, start, end)) return true
    // The next byte to look at that is not among these digits.
    i += end - i >> 4 << 4
  }
  return false
}

/** Whether there may be the integer -0, which is 0 in Python. In dates a digit precedes it. */
const hasNegativeZero = (text: string): boolean => {
  for (let at = text.indexOf("-0"); at >= 0; at = text.indexOf("-0", at + 2)) {
    if (!isDigit(text.charCodeAt(at - 1))) return true
  }
  return false
}

/** Bytes that `JSON.parse` reads in a moment. */
const largeText = 0x40000

/** A string of more bytes is read in pieces too. */
const longString = 0x400000

/** Bytes of a string in which its end is searched one by one, before `indexOf` is called. */
const nearQuote = 32

const quote = 0x22
const backslash = 0x5c
const openArray = 0x5b
const closeArray = 0x5d
const openObject = 0x7b
const closeObject = 0x7d

/** A container that is longer than a piece, into which its elements are put. */
type Open = OpenList | OpenObject

interface OpenList {
  readonly container: Array<unknown>
  /** Its key in the container around it. */
  readonly key: string
  readonly keys: undefined
}

interface OpenObject {
  container: Record<string, unknown>
  readonly key: string
  /** Its keys so far, and how many were set, equal ones counted again. */
  readonly keys: KeyList
  count: number
}

const opened = (isList: boolean, key: string): Open =>
  isList ? { container: [], key, keys: undefined } : { container: {}, key, keys: new KeyList(), count: 0 }

/** Thrown within a piece that is not JSON. */
const notJson = Symbol("not JSON")

/** The meanings of bytes of JSON outside strings; other bytes have none. */
const aQuote = 1
const aComma = 2
const aColon = 3
const anOpening = 4
const aClosing = 5
const aPoint = 6
const aDigit = 7
const aMinus = 8
/** The first letter of NaN or Infinity. */
const aConstant = 9

const meanings = new Uint8Array(256)
for (
  const [characters, meaning] of [
    ["\"", aQuote],
    [",", aComma],
    [":", aColon],
    ["[{", anOpening],
    ["]}", aClosing],
    [".", aPoint],
    ["0123456789", aDigit],
    ["-", aMinus],
    ["NI", aConstant]
  ] as const
) {
  for (let i = 0; i < characters.length; i++) meanings[characters.charCodeAt(i)] = meaning
}

/** Scans a JSON text: where its containers and elements begin, and how much memory its values take. */
class Scanner {
  /** An instance that keeps the compiled code of `scan` through garbage collections between two texts. */
  static readonly shapes: Array<object> = []
  readonly bytes: Uint8Array
  /** The place of the next byte to look at. */
  at: number
  /** The containers around this place. */
  depth = 0
  /** Where each of them begins, and the last comma in it, or -1. */
  readonly starts = new Float64Array(maxJsonDepth + 1)
  readonly commas = new Float64Array(maxJsonDepth + 1)
  /** The last place of something that `JSON.parse` does not read as Python does. */
  otherwise = -1
  /** The estimated memory of the values up to here, in bytes. */
  weight = 0
  #digits = 0
  #isInString = false
  #textStart = 0
  /** The bytes to look at now. */
  #window: Uint8Array = new Uint8Array(0)
  /** The memory of the text before this position, which is subtracted when it turns out to be a key. */
  #lastText = 0
  /** Marks of short texts: V8 keeps each of them once. */
  readonly #seen = new Uint32Array(4_096)

  constructor(bytes: Uint8Array, start: number) {
    this.bytes = bytes
    this.at = start
  }

  /** The memory of a text between two offsets. */
  #weigh(start: number, end: number): number {
    const { bytes } = this
    const length = end - start
    if (length <= 10) {
      const mark = (Math.imul(bytes[start]! | bytes[start + 1]! << 8 | bytes[start + 2]! << 16, 0x9e3779b1) ^
        Math.imul(bytes[end - 1]! | bytes[end - 2]! << 8 | bytes[end - 3]! << 16 | length << 24, 0x85ebca6b)) >>> 0
      const slot = (mark ^ mark >>> 12) & 4_095
      if (this.#seen[slot] === mark) return 0
      this.#seen[slot] = mark
    }
    return textWeight + length
  }

  /** After the string that begins before a place, if it ends before another one. */
  #string(from: number, to: number): number {
    const { bytes } = this
    let end = from
    // Most strings end soon, and a search costs as much as many bytes.
    for (const near = Math.min(from + nearQuote, to); end < near; end++) {
      const code = bytes[end]
      if (code === backslash) break
      if (code === quote) {
        this.#lastText = this.#weigh(this.#textStart, end)
        this.weight += this.#lastText
        return end + 1
      }
    }
    for (; end < to; end++) {
      // Not beyond the current window, because the end of a text may be far away.
      if (this.#window.length !== to) this.#window = bytes.subarray(0, to)
      end = this.#window.indexOf(quote, end)
      if (end < 0) break
      if (isEscaped(bytes, end)) continue
      this.#lastText = this.#weigh(this.#textStart, end)
      this.weight += this.#lastText
      return end + 1
    }
    this.#isInString = true
    return to
  }

  /** Scans the bytes up to a position, or to the end of the container at a depth. Returns whether that was reached. */
  scan(to: number, depth: number): boolean {
    const { bytes, commas, starts } = this
    let { at } = this
    let digits = this.#digits
    if (this.#isInString) {
      this.#isInString = false
      at = this.#string(at, to)
    }
    let isClosed = false
    for (; at < to; at++) {
      const code = bytes[at]!
      const meaning = meanings[code]!
      if (meaning === aDigit) {
        digits++
        continue
      }
      if (digits > 15 && isLongInteger(bytes, at - digits, at)) this.otherwise = at
      digits = 0
      switch (meaning) {
        case aQuote:
          this.#textStart = at + 1
          at = this.#string(at + 1, to) - 1
          break
        case aComma:
          this.weight += word
          commas[this.depth] = at
          break
        case aColon: // What was before it is a key, which all objects share.
          this.weight += word - this.#lastText
          this.#lastText = 0
          break
        case anOpening:
          this.weight += code === openArray ? listWeight : objectWeight
          if (this.depth++ >= maxJsonDepth) throw notJson
          starts[this.depth] = at
          commas[this.depth] = -1
          break
        case aClosing:
          isClosed = this.depth === depth
          this.depth--
          break
        case aPoint: // Floats in objects have boxes.
          if (bytes[starts[this.depth]!] === openObject) this.weight += 2 * word
          break
        case aConstant:
          this.otherwise = at
          break
        case aMinus:
          if (bytes[at + 1] === 0x30) this.otherwise = at
      }
      if (isClosed) break
    }
    this.at = at
    this.#digits = digits
    return isClosed
  }
}

Scanner.shapes.push(new Scanner(new Uint8Array(0), 0))

/** The memory that values are expected to take, from which on it is guessed before they are made. */
const guessedMemory = 0x2000000

/**
 * Requests the memory of all values, of which none is made. A text whose values are too many for it is refused in a tenth
 * of the time, and without taking as much as there is.
 */
function* weigh(bytes: Uint8Array, start: number): Steps<void> {
  const scanner = new Scanner(bytes, start)
  while (scanner.at < bytes.length && !scanner.scan(Math.min(scanner.at + largeText, bytes.length), 0)) {
    yield scanner.weight
  }
}

/**
 * The value of a long text: a piece is a run of whole elements of one array or object. A container that is longer than a
 * piece is opened, and its elements are read in pieces in turn. Undefined when the text is not JSON.
 */
function* parsePieces(bytes: Uint8Array, maxKeys: number): Steps<{ readonly value: unknown } | undefined> {
  const start = yield* afterSpace(bytes, 0)
  const first = bytes[start]
  if (first === quote) {
    const only = yield* longElement(bytes, start, bytes.length, true)
    return only === undefined ? undefined : { value: only.text }
  }
  if (first !== openArray && first !== openObject) return undefined
  /** The outermost of the containers at this place. */
  const open: Array<Open> = [opened(first === openArray, "")]
  const scanner = new Scanner(bytes, start)
  /** Where the piece begins. */
  let piece = start + 1
  /** Whether an element must follow: after a comma. */
  let isOwed = false

  /** Reads the elements from the beginning of the piece to a place. */
  function* take(end: number): Steps<void> {
    const frame = open[open.length - 1]!
    const begin = isSpace(bytes[piece]) ? yield* afterSpace(bytes, piece) : piece
    if (begin >= end) {
      if (isOwed) throw notJson
      return
    }
    isOwed = false
    const isList = frame.keys === undefined
    if (end - begin > longString) {
      const value = yield* longElement(bytes, begin, end, isList)
      if (value !== undefined) {
        if (isList) frame.container.push(value.text)
        else frame.keys.set(frame.container, value.key, value.text)
        return
      }
    }
    const content = end - begin > longString ? yield* withoutSpace(bytes, begin, end) : bytes.subarray(begin, end)
    const text = utf8Text(content) ?? notText()
    const part = parsePiece(isList ? `[${text}]` : `{${text}}`, scanner.otherwise < begin)
    if (isList) { for (const value of part as Array<unknown>) frame.container.push(value) }
    else {
      const keys = Object.keys(part)
      checkKeys(frame.count += keys.length, maxKeys)
      for (const key of keys) frame.keys.set(frame.container, key, (part as Record<string, unknown>)[key])
      frame.container = yield* frame.keys.settled(frame.container)
    }
  }

  let next = piece + largeText
  try {
    while (scanner.at < bytes.length) {
      if (scanner.scan(Math.min(next, bytes.length), open.length)) {
        const i = scanner.at
        const { key, keys } = open[open.length - 1]!
        if ((bytes[i] === closeArray) !== (keys === undefined)) return undefined
        // The memory of the last piece is requested before it is read, like that of the others.
        if (i - piece > largeText >> 4) yield scanner.weight
        yield* take(i)
        const { container } = open.pop()!
        if (keys !== undefined) yield* keys.close(container)
        const around = open[open.length - 1]
        const after = yield* afterSpace(bytes, i + 1)
        if (around === undefined) return after === bytes.length ? { value: container } : undefined
        if (around.keys === undefined) around.container.push(container)
        else around.keys.set(around.container, key, container)
        const follows = bytes[after]
        isOwed = follows === 0x2c
        if (!isOwed && follows !== closeArray && follows !== closeObject) return undefined
        piece = isOwed ? after + 1 : after
        scanner.at = piece
      } else {
        const i = scanner.at
        if (piece === start + 1 && open.length === 1) {
          const growth = scanner.weight / (i - start)
          const expected = growth * (bytes.length - start)
          const granted = expected > guessedMemory ? yield new Guess(expected) : undefined
          if (typeof granted === "number" && granted < expected) yield* weigh(bytes, start)
        }
        next = i + largeText
        yield scanner.weight
        // The outermost open container comes first, then those inside it, until little is left.
        while (i - piece > largeText >> 1) {
          const at = open.length
          const cut = scanner.commas[at]!
          if (cut >= piece) {
            yield* take(cut)
            isOwed = true
            piece = cut + 1
            scanner.commas[at] = -1
          } else if (scanner.depth > at) {
            const inner = scanner.starts[at + 1]!
            const isList = open[at - 1]!.keys === undefined
            const key = isList ? onlySpace(bytes, piece, inner) : keyOf(bytes, piece, inner)
            open.push(opened(bytes[inner] === openArray, key))
            isOwed = false
            piece = inner + 1
          } else break
        }
      }
    }
  } catch (error) {
    if (error === notJson) return undefined
    throw error
  }
  return undefined
}

const notText = (): never => {
  throw notJson
}

const parsePiece = (text: string, isPlainPiece: boolean): object => {
  if (isPlainPiece) {
    try {
      return JSON.parse(text) as object
    } catch {
      return notText()
    }
  }
  const result = toEnd(exactJsonSteps([text]))
  return "value" in result ? result.value as object : notText()
}

const skipSpace = (bytes: Uint8Array, from: number): number => {
  let at = from
  while (isSpace(bytes[at])) at++
  return at
}

/** The bytes of elements with one space instead of each run of white space between their parts. */
function* withoutSpace(bytes: Uint8Array, start: number, end: number): Steps<Uint8Array> {
  const out = new Uint8Array(end - start)
  let length = 0
  let isInString = false
  for (let at = start, next = at + largeText; at < end; at++) {
    if (at >= next) {
      next = at + largeText
      yield
    }
    const code = bytes[at]!
    if (isInString) {
      if (code === backslash) out[length++] = bytes[at++]!
      else if (code === quote) isInString = false
      out[length++] = bytes[at]!
      continue
    }
    if (code === quote) isInString = true
    if (!isSpace(code) || !isSpace(out[length - 1])) out[length++] = code
  }
  return out.subarray(0, length)
}

/** Whether digits are all of an integer, rather than the fraction or the exponent of a float or what comes before them. */
const isLongInteger = (bytes: Uint8Array, start: number, end: number): boolean => {
  const [before, after] = [bytes[start - 1], bytes[end]]
  return before !== 0x2e && after !== 0x2e && after !== 0x65 && after !== 0x45
}

/** Whether an odd number of backslashes precedes a place. Does not look beyond a place that is not within an escape. */
const isEscaped = (bytes: Uint8Array, at: number, from = 0): boolean => {
  let before = at - 1
  while (before >= from && bytes[before] === backslash) before--
  return (at - before) % 2 === 0
}

const onlySpace = (bytes: Uint8Array, start: number, end: number): string =>
  skipSpace(bytes, start) === end ? "" : notText()

/** The key before a container: `"key":` and white space. */
const keyOf = (bytes: Uint8Array, start: number, end: number): string => {
  const begin = skipSpace(bytes, start)
  let close = begin
  if (bytes[begin] !== quote) return notText()
  do {
    close = bytes.indexOf(quote, close + 1)
    if (close < 0 || close >= end) return notText()
  } while (isEscaped(bytes, close))
  const colon = skipSpace(bytes, close + 1)
  if (bytes[colon] !== 0x3a || skipSpace(bytes, colon + 1) !== end) return notText()
  try {
    return JSON.parse(utf8Text(bytes.subarray(begin, close + 1)) ?? "") as string
  } catch {
    return notText()
  }
}

/** An element that is one long string; undefined for any other. */
function* longElement(
  bytes: Uint8Array,
  begin: number,
  end: number,
  isList: boolean
): Steps<{ readonly key: string; readonly text: string } | undefined> {
  let at = begin
  let key = ""
  if (!isList) {
    const colon = bytes.subarray(at, at + largeText).indexOf(0x3a)
    if (colon < 0) return undefined
    let value = at + colon + 1
    value = skipSpace(bytes, value)
    if (bytes[value] !== quote) return undefined
    key = keyOf(bytes, at, value)
    at = value
  }
  let last = end - 1
  for (let next = last - largeText; isSpace(bytes[last]); last--) {
    if (last > next) continue
    next = last - largeText
    yield
  }
  if (bytes[at] !== quote || bytes[last] !== quote || last - at < longString) return undefined
  let text = ""
  const to = last
  for (let from = at + 1; from < to;) {
    const cut = from + largeText >= to ? to : cutOf(bytes, from + largeText, from)
    const part = utf8Text(bytes.subarray(from, cut)) ?? notText()
    try {
      text += JSON.parse(`"${part}"`) as string
    } catch {
      // Several strings, or none.
      return undefined
    }
    from = cut
    yield
  }
  return { key, text }
}

/** The last position up to another at which a string may be cut, as it may at `from`: not within a character or an escape. */
const cutOf = (bytes: Uint8Array, before: number, from: number): number => {
  let at = before
  while ((bytes[at]! & 0xc0) === 0x80) at--
  if (isEscaped(bytes, at, from)) return at - 1
  for (let back = 1; back <= 5; back++) {
    if (bytes[at - back] === 0x75 && isEscaped(bytes, at - back, from)) return at - back - 1
  }
  return at
}
