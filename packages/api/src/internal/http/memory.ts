/** The memory that the values of JSON text take, which may be twenty times as much as the text. */

/** Thrown when values exceed their limit of memory. */
export class TooMuchMemory extends Error {}

/** The number of characters that are sampled at the beginning of each stretch of text, and the length of a stretch. */
const looked = 128
const stretch = 4_096

/** Text whose sample promises more bytes per character is counted value by value. Most rows stay below this. */
const usual = 3

/** The values of a piece that are looked at for what its text does not tell: keys and texts that none before it had. */
const lookedValues = 4

/** Different keys, sets of keys and short texts that are remembered. */
const maxKnown = 10_000

const word = 8
const objectHeader = 3 * word
/** An object without keys has room for some. */
const emptyObject = objectHeader + 4 * word
/** An array, and the store of its elements. */
const arrayHeader = 4 * word
const elementsHeader = 2 * word
const boxedNumber = 2 * word
const stringHeader = 2 * word
/** Half of what a text is filled up with to whole words. */
const filling = word / 2
/** `JSON.parse` makes one object of equal texts of no more characters, and one for each longer text. */
const internedText = 10
/** V8's description of the objects that have the same keys, and the part of it for each of these. */
const description = 18 * word
const describedKey = 7 * word
/** The number of keys from which on an object is a hash table, and the size of its entries. */
const manyKeys = 128
const entry = 4 * word
/** A key that is a number, among others without many gaps, and one among others that are far from each other. */
const nearIndex = 1.5 * word
const farIndex = 5 * word

const quote = 0x22
const comma = 0x2c
const dot = 0x2e
const colon = 0x3a
const openArray = 0x5b
const backslash = 0x5c
const closeArray = 0x5d
const openObject = 0x7b
const closeObject = 0x7d

/** Digits of a number that may be too large to be kept without a box. */
const manyDigits = 10

const stringBody = (text: string): number => {
  let isWide = false
  // Odd, so that the steps do not align with repetitions in the text.
  for (let at = 0, step = (text.length >> 5) | 1; at < text.length && !isWide; at += step) {
    isWide = text.charCodeAt(at) > 0xff
  }
  return stringHeader + Math.ceil(text.length * (isWide ? 2 : 1) / word) * word
}

/** Whether a text may begin after a character, or one end before it. */
const mayFollow = (code: number): boolean =>
  code === comma || code === colon || code === openArray || code === openObject
const mayPrecede = (code: number): boolean =>
  code === comma || code === colon || code === closeArray || code === closeObject

/**
 * Estimates the memory that the values of a part of a text take, which begins anywhere. Of the short texts in it, a share
 * are those that none before had.
 */
const bytesBetween = (text: string, from: number, to: number, newTexts: number): number => {
  let bytes = 0
  /** The characters of texts, and whether one of them needs two bytes. */
  let characters = 0
  let isWide = false
  /** Where the text around this place begins; undefined outside of texts, or before it is known. */
  let begin: number | undefined
  /** Where the value at this place begins. */
  let value = from
  let hasDot = false
  let quotes = 0
  for (let at = from; at < to; at++) {
    const code = text.charCodeAt(at)
    if (code > 0xff) isWide = true
    if (code === quote) {
      let escapes = at
      while (escapes > from && text.charCodeAt(escapes - 1) === backslash) escapes--
      if ((at - escapes) % 2 === 1) continue
      const next = text.charCodeAt(at + 1)
      if (begin === undefined && (quotes++ > 0 || mayFollow(text.charCodeAt(at - 1)) || !mayPrecede(next))) {
        begin = at + 1
        continue
      }
      if (next !== colon) {
        const length = at - (begin ?? from)
        const share = begin !== undefined && length <= internedText ? newTexts : 1
        // What comes before the first end of a text is a part of that text.
        if (begin === undefined) bytes = 0
        characters += length * share
        bytes += (stringHeader + filling) * share
      } else if (begin === undefined) bytes = 0
      begin = undefined
      value = at + 1
      hasDot = false
      continue
    }
    if (begin !== undefined) continue
    if (code === comma || code === closeArray || code === closeObject) {
      if (code === comma) bytes += word
      if (hasDot || at - value >= manyDigits) bytes += boxedNumber
    } else if (code === openObject) bytes += text.charCodeAt(at + 1) === closeObject ? emptyObject : objectHeader + word
    else if (code === openArray) {
      bytes += text.charCodeAt(at + 1) === closeArray ? arrayHeader : arrayHeader + elementsHeader + word
    } else {
      hasDot ||= code === dot
      if (code !== colon) continue
    }
    value = at + 1
    hasDot = false
  }
  if (begin !== undefined) characters += to - begin
  // A part without the end of any text may be within one.
  else if (quotes === 0) return Math.max(bytes, (to - from) * (isWide ? 2 : 1))
  return bytes + characters * (isWide ? 2 : 1)
}

/**
 * Estimates the memory that the values of a text take, from a sample of its characters.
 *
 * The sample starts at a random position, so that no text can be written to be dense only outside it.
 */
const bytesOfText = (text: string, newTexts: number): number => {
  let bytes = 0
  let count = 0
  for (let from = Math.floor(Math.random() * looked); from < text.length; from += stretch) {
    const to = Math.min(from + looked, text.length)
    count += to - from
    bytes += bytesBetween(text, from, to, newTexts)
  }
  return count === 0 ? 0 : bytes / count * text.length
}

/** Counts the memory of values that were parsed from JSON. */
class Counter {
  bytes = 0
  /** The part of it that only the first of equal texts, keys and sets of keys take. */
  once = 0
  /** Short texts that occurred, and those of them that none before had. */
  texts = 0
  newTexts = 0
  /** Sets of keys that none before had. */
  newShapes = 0
  private readonly known = new Set<string>()
  private readonly keys = new Map<string, number>()
  private readonly shapes = new Set<number>()
  private indices = 0

  /** Adds a value and everything inside it, without recursion. */
  add(value: unknown): void {
    if (typeof value !== "object" || value === null) return this.addLeaf(value)
    const waiting: Array<object> = [value]
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      if (Array.isArray(next)) {
        this.bytes += arrayHeader + (next.length === 0 ? 0 : elementsHeader + next.length * word)
        for (const item of next as ReadonlyArray<unknown>) {
          if (typeof item === "object" && item !== null) waiting.push(item)
          else this.addLeaf(item)
        }
      } else this.addObject(next, waiting)
    }
  }

  private addObject(object: object, waiting: Array<object>): void {
    let count = 0
    let shape = 0
    for (const key in object) {
      const item = (object as { readonly [key: string]: unknown })[key]
      if (typeof item === "object" && item !== null) waiting.push(item)
      else this.addLeaf(item)
      const code = key.charCodeAt(0)
      if (code >= 0x30 && code <= 0x39 && String(Number(key) >>> 0) === key) {
        this.indices++
        this.bytes += Number(key) < 8 * this.indices + maxKnown ? nearIndex : farIndex
        continue
      }
      count++
      let id = this.keys.get(key)
      if (id === undefined) {
        this.once += stringBody(key)
        id = this.keys.size
        if (id < maxKnown) this.keys.set(key, id)
        else id = maxKnown + count + this.newShapes
      }
      shape = Math.imul(shape, 31) + id + 1 | 0
    }
    if (count >= manyKeys) {
      this.bytes += objectHeader + count * entry
      return
    }
    this.bytes += count === 0 ? emptyObject : objectHeader + count * word
    if (this.shapes.has(shape)) return
    if (this.shapes.size < maxKnown) this.shapes.add(shape)
    this.newShapes++
    this.once += description + count * describedKey
  }

  private addLeaf(value: unknown): void {
    if (typeof value === "string") {
      if (value.length > internedText) this.bytes += stringBody(value)
      else if (value.length > 1) {
        this.texts++
        if (this.known.has(value)) return
        this.newTexts++
        if (this.known.size < maxKnown) this.known.add(value)
        this.once += stringBody(value)
      }
    } else if (typeof value === "number" && (value | 0) !== value) this.bytes += boxedNumber
  }
}

/** A parser of JSON that counts the memory of the values of all texts that it has parsed. */
export interface Counted {
  readonly parse: (text: string) => unknown
  readonly bytes: () => number
}

/** Wraps a parser of JSON. Each text must be short, because its values are counted only after they were made. */
export const counted = (parse: (text: string) => unknown): Counted => {
  const counter = new Counter()
  /** The share of short texts that none before them had, and whether objects have keys that none before them had. */
  const look = (values: ReadonlyArray<unknown>): { readonly newTexts: number; readonly hasNewKeys: boolean } => {
    const { bytes, newShapes, newTexts, texts } = counter
    const stride = Math.max(1, values.length / lookedValues)
    for (let at = Math.random() * stride; at < values.length; at += stride) counter.add(values[Math.floor(at)])
    // The values are counted with the others, but what only the first of them take is not counted again.
    counter.bytes = bytes
    return {
      newTexts: counter.texts === texts ? 1 : (counter.newTexts - newTexts) / (counter.texts - texts),
      hasNewKeys: counter.newShapes > newShapes
    }
  }
  return {
    parse: (text) => {
      const value = parse(text)
      // A piece of a long object has many keys, all of which may be different.
      if (!Array.isArray(value)) counter.add(value)
      else {
        const { hasNewKeys, newTexts } = look(value)
        const bytes = bytesOfText(text, newTexts)
        if (hasNewKeys || bytes > text.length * usual) counter.add(value)
        else counter.bytes += bytes
      }
      return value
    },
    bytes: () => counter.bytes + counter.once
  }
}

/**
 * Wraps a parser of JSON so that it throws `TooMuchMemory` once the values of all texts that it has parsed take more than
 * about `maxBytes`.
 */
export const withinMemory = (parse: (text: string) => unknown, maxBytes: number): (text: string) => unknown => {
  const counter = counted(parse)
  return (text) => {
    const value = counter.parse(text)
    if (counter.bytes() > maxBytes) throw new TooMuchMemory()
    return value
  }
}
