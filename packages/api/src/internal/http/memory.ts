/** The memory that the values of JSON text take, which may be twenty times as much as the text. */

/** Thrown when values exceed their limit of memory. */
export class TooMuchMemory extends Error {}

/** The number of characters that are sampled at the beginning of each stretch of text, and the length of a stretch. */
const looked = 128
const stretch = 4_096

/** Text whose sample promises more bytes per character is counted value by value. Most rows stay below this. */
const usual = 3

/** Different keys that are remembered. V8 makes a hash table of an object with many other keys. */
const maxKeys = 1_000

const word = 8
const objectHeader = 3 * word
/** The least number of values for which an object has room. */
const fewestValues = 4
const arrayHeader = 4 * word
const elementsHeader = 2 * word
const boxedNumber = 2 * word
const stringHeader = 2 * word
/** A key that occurs for the first time: its text, and V8's description of the objects that have it. */
const newKey = 8 * word
/** An entry of a hash table, for each key beyond those that are remembered. */
const oddKey = 5 * word
/** The smallest hash table. */
const table = 24 * word

const quote = 0x22
const comma = 0x2c
const colon = 0x3a
const openArray = 0x5b
const openObject = 0x7b

/**
 * Estimates from above the memory that the values of a text take, from a sample of its characters.
 *
 * The sample starts at a random position, so that no text can be written to be dense only outside it.
 */
const bytesOfText = (text: string): number => {
  let bytes = 0
  let count = 0
  for (let from = Math.floor(Math.random() * looked); from < text.length; from += stretch) {
    const to = Math.min(from + looked, text.length)
    count += to - from
    for (let at = from; at < to; at++) {
      const code = text.charCodeAt(at)
      if (code > openObject || code < quote) continue
      if (code === comma) bytes += 2 * word
      else if (code === colon) bytes += 2 * word
      else if (code === openObject) bytes += objectHeader + fewestValues * word + word
      else if (code === openArray) bytes += arrayHeader + elementsHeader
    }
  }
  return count === 0 ? 0 : bytes / count * text.length
}

/** Counts the memory of values that were parsed from JSON. */
class Counter {
  bytes = 0
  private readonly keys = new Set<string>()

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
      } else {
        let count = 0
        let odd = 0
        for (const key in next) {
          count++
          if (!this.keys.has(key)) {
            this.bytes += newKey + key.length
            if (this.keys.size < maxKeys) this.keys.add(key)
            else odd++
          }
          const item = (next as { readonly [key: string]: unknown })[key]
          if (typeof item === "object" && item !== null) waiting.push(item)
          else this.addLeaf(item)
        }
        this.bytes += objectHeader + Math.max(count, fewestValues) * word + (odd === 0 ? 0 : table + odd * oddKey)
      }
    }
  }

  private addLeaf(value: unknown): void {
    if (typeof value === "string") this.bytes += value.length > 1 ? stringHeader + value.length : 0
    else if (typeof value === "number" && (value | 0) !== value) this.bytes += boxedNumber
  }
}

/**
 * Wraps a parser of JSON so that it throws `TooMuchMemory` once the values of all texts that it has parsed take more than
 * about `maxBytes`. Each text must be short, because its values are counted only after they were made.
 */
export const withinMemory = (parse: (text: string) => unknown, maxBytes: number): (text: string) => unknown => {
  const counter = new Counter()
  return (text) => {
    const value = parse(text)
    const bytes = bytesOfText(text)
    // A piece of a long object has many keys, all of which may be different.
    if (bytes > text.length * usual || text.startsWith("{")) counter.add(value)
    else counter.bytes += Math.max(text.length, bytes)
    if (counter.bytes > maxBytes) throw new TooMuchMemory()
    return value
  }
}
