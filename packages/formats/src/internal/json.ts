/**
 * JSON as Python's `json` module writes and reads it: NaN and the infinities are numbers, integers have any size, and
 * the last of duplicate keys wins.
 */
import { KeyList, manyKeys } from "@effect-prefect/pickle"
import { blockLength, Blocks, isList } from "./blocks.ts"
import { LargeDict, largeDictOf, setIn } from "./largeDict.ts"
import { refuse } from "./refusal.ts"
import type { Steps } from "./steps.ts"

/** The maximum nesting of arrays and objects. */
export const maxJsonDepth = 10_000

/**
 * The most keys of one object. V8 numbers the keys of an object with 23 bits: from then on it numbers all of them anew
 * for each further key.
 */
export const maxJsonKeys = 8_000_000

/** Refuses an object of very many keys. */
export const checkKeys = (count: number, maxKeys: number): void => {
  if (count > maxKeys) refuse(`an object in the JSON has more than ${maxKeys} keys`)
}

const quote = 0x22
const backslash = 0x5c

/**
 * Whether JavaScript's `JSON.parse` reads a text as Python does. It does not when an integer may exceed a double, when
 * there are NaN and infinities, or when the nesting is too deep.
 */
export const isPlain = (text: string): boolean => {
  let digits = 0
  let depth = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code >= 0x30 && code <= 0x39) {
      digits++
      continue
    }
    if (digits > 15 && isLongInteger(text, i - digits, i)) return false
    digits = 0
    if (code === quote) {
      // To the quote that is not preceded by a backslash.
      for (;;) {
        i = text.indexOf("\"", i + 1)
        if (i < 0) return false
        let before = i - 1
        while (text.charCodeAt(before) === backslash) before--
        if ((i - before) % 2 === 1) break
      }
    } else if (code === 0x5b || code === 0x7b) {
      if (++depth > maxJsonDepth) return false
    } else if (code === 0x5d || code === 0x7d) depth--
    else if (code === 0x4e || code === 0x49) return false
    else if (code === 0x2d && text.charCodeAt(i + 1) === 0x30) return false
  }
  return digits <= 15
}

/** Whether digits are a whole integer rather than the fraction, the exponent or the start of a float. */
const isLongInteger = (text: string, start: number, end: number): boolean => {
  const before = text[start - 1]
  const after = text[end]
  return before !== "." && after !== "." && after !== "e" && after !== "E"
}

const number = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y
const constants: ReadonlyArray<readonly [string, unknown]> = [
  ["null", null],
  ["true", true],
  ["false", false],
  ["NaN", NaN],
  ["Infinity", Infinity],
  ["-Infinity", -Infinity]
]

/** More digits than any result has, but few enough to parse in no noticeable time. Python's limit is 4300. */
const maxDigits = 100_000

/** V8 makes room for 17 values where the first is appended. */
const roomOfFew = 17

/** A list of few values without that room: of the rows of a table there are very many. */
const trimmed = (list: Container): Container => Array.isArray(list) && list.length < roomOfFew ? list.slice() : list

class NotJson {
  readonly problem: string
  constructor(problem: string) {
    this.problem = problem
  }
}

/** Bytes of memory, estimated: a list, an object, a Map, a string beside its characters, a place in a container. */
export const listWeight = 56
export const objectWeight = 56
const mapWeight = 256
export const textWeight = 32
export const word = 8

type Container = Array<unknown> | Blocks | Record<string, unknown> | Map<string, unknown> | LargeDict

/** A container that is open. */
interface Frame {
  container: Container
  key: string
  count: number
  /** The keys of an object of very many. */
  keys: KeyList | undefined
}

/** Characters that are looked into at once. */
const window = 0x40000

/** No constant of JSON or Python has more characters. */
const longestConstant = 16

/** A text that is cut out of another is a copy if it has at most this many. */
const fewCharacters = 12

class Parser {
  /** What is left of the pieces that were begun. */
  text = ""
  readonly #pieces: ReadonlyArray<string>
  /** The piece of which some is not in `text` yet, and where that begins. */
  #piece = 0
  #from = 0
  /** The characters before `text`. */
  #before = 0
  /** The last object of very many keys: the next one often has the same. */
  #large: LargeDict | undefined
  /**
   * Objects as Maps, which preserve the order of keys that look like numbers, and as LargeDicts; long arrays as Blocks.
   */
  readonly maps: boolean
  readonly maxKeys: number
  at = 0
  /** The estimated memory of the values so far. */
  weight = 0
  constructor(pieces: ReadonlyArray<string>, maps: boolean, maxKeys: number) {
    this.#pieces = pieces
    this.maps = maps
    this.maxKeys = maxKeys
  }
  fail(expected: string): never {
    throw new NotJson(`at character ${this.#before + this.at} ${expected} was expected`)
  }
  /**
   * Drops the text before `at` and appends more of the pieces to the rest. The rest at least doubles, so that a long
   * string is not copied for each window. False after the last piece.
   */
  more(): boolean {
    const rest = this.text.slice(this.at)
    let text = rest
    const length = 2 * rest.length + window
    while (text.length < length) {
      const piece = this.#pieces[this.#piece]
      if (piece === undefined) break
      const part = piece.slice(this.#from, this.#from + length - text.length)
      text += part
      this.#from += part.length
      if (this.#from < piece.length) continue
      this.#piece++
      this.#from = 0
    }
    if (text.length === rest.length) return false
    this.#before += this.at
    this.text = text
    this.at = 0
    return true
  }
  skip(): number {
    for (;;) {
      const code = this.text.charCodeAt(this.at)
      if (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) this.at++
      // At the end there is no code.
      else if (!Number.isNaN(code) || !this.more()) return code
    }
  }
  string(): string {
    let end = this.at
    for (;;) {
      end = this.text.indexOf("\"", end + 1)
      if (end < 0) {
        // The quote that the next piece begins with may be escaped by the end of this one.
        const looked = this.text.length - this.at
        if (!this.more()) this.fail("the end of a string")
        end = looked - 1
        continue
      }
      let before = end - 1
      while (this.text.charCodeAt(before) === backslash) before--
      if ((end - before) % 2 === 1) break
    }
    const start = this.at
    this.at = end + 1
    try {
      return JSON.parse(this.text.slice(start, end + 1)) as string
    } catch {
      this.at = start
      return this.fail("a string")
    }
  }
  scalar(): unknown {
    if (this.text.charCodeAt(this.at) === quote) return this.string()
    while (this.text.length - this.at < longestConstant && this.more());
    const { at, text } = this
    for (const [word, value] of constants) {
      if (text.startsWith(word, at)) {
        this.at += word.length
        return value
      }
    }
    number.lastIndex = at
    const match = number.exec(text)
    if (match === null) return this.fail("a value")
    // It may go on in the next piece.
    if (number.lastIndex + longestConstant > text.length && this.more()) return this.scalar()
    this.at = number.lastIndex
    const [digits, fraction, exponent] = match
    if (fraction !== undefined || exponent !== undefined) return Number(digits)
    const value = Number(digits)
    if (Number.isSafeInteger(value)) return value === 0 ? 0 : value
    return digits.length > maxDigits ? this.fail(`an integer of at most ${maxDigits} digits`) : BigInt(digits)
  }
  /** Without recursion, so that the depth of the text does not use the stack. */
  *value(): Steps<unknown> {
    let looked = 0
    const open: Array<Frame> = []
    for (;;) {
      let value: unknown
      if (++looked % 4_096 === 0) yield this.weight
      let code = this.skip()
      if (code === 0x5b || code === 0x7b) {
        if (open.length >= maxJsonDepth) refuse(`the JSON is nested more than ${maxJsonDepth} deep`)
        this.at++
        this.weight += code === 0x5b ? listWeight : this.maps ? mapWeight : objectWeight
        const container: Container = code === 0x5b ? [] : this.maps ? new Map<string, unknown>() : {}
        const frame: Frame = { container, key: "", count: 0, keys: undefined }
        const first = this.skip()
        if (first !== (code === 0x5b ? 0x5d : 0x7d)) {
          if (code === 0x7b) frame.key = this.key()
          open.push(frame)
          continue
        }
        this.at++
        value = frame.container
      } else {
        value = this.scalar()
        this.weight += typeof value === "string" ? textWeight + value.length : word
      }
      for (;;) {
        const frame = open[open.length - 1]
        if (frame === undefined) return value
        const { container } = frame
        const isArray = isList(container)
        if (Array.isArray(container)) {
          if (container.push(value) === blockLength && this.maps) frame.container = new Blocks(container)
        } else if (container instanceof Map) {
          if (container.set(frame.key, value).size === blockLength) {
            frame.container = yield* largeDictOf(container, this.#large)
          }
        } else if (container instanceof LargeDict) {
          if (!container.set(frame.key, value)) yield* setIn(container, frame.key, value)
        } else if (container instanceof Blocks) container.push(value)
        else {
          checkKeys(++frame.count, this.maxKeys)
          if (frame.keys !== undefined) {
            frame.keys.set(container, frame.key, value)
            if (frame.count % 4_096 === 0) frame.container = yield* frame.keys.settled(container)
          } else {
            setKey(container, frame.key, value)
            if (frame.count === manyKeys) frame.keys = new KeyList(Object.keys(container))
          }
        }
        code = this.skip()
        if (code === 0x2c) {
          this.at++
          if (!isArray) {
            this.skip()
            frame.key = container instanceof LargeDict ? this.label() : this.key()
          }
          break
        }
        if (code !== (isArray ? 0x5d : 0x7d)) this.fail(isArray ? "a comma or ]" : "a comma or }")
        this.at++
        open.pop()
        if (frame.keys !== undefined) yield* frame.keys.close(frame.container)
        if (frame.container instanceof LargeDict) this.#large = frame.container
        value = this.maps ? trimmed(frame.container) : frame.container
      }
    }
  }
  /**
   * As `key`, of an object of very many: `JSON.parse` makes short texts the only ones of their kind, for which V8 has one
   * table that it copies as a whole. A text of few characters is none that keeps the text around it in memory.
   */
  label(): string {
    const { at, text } = this
    let end = at + 1
    if (text.charCodeAt(at) === quote) {
      for (; end < at + fewCharacters; end++) {
        const code = text.charCodeAt(end)
        if (code === quote) {
          this.at = end + 1
          this.colon()
          return text.slice(at + 1, end)
        }
        // Nor is the code at the end of the text above it.
        if (!(code >= 0x20) || code === backslash) break
      }
    }
    return this.key()
  }
  key(): string {
    if (this.text.charCodeAt(this.at) !== quote) this.fail("a key in double quotes")
    const key = this.string()
    this.colon()
    return key
  }
  colon(): void {
    if (this.skip() !== 0x3a) this.fail("a colon")
    this.at++
  }
}

/** Sets a key of an object as data, whatever its name. */
export const setKey = (object: Record<string, unknown>, key: string, value: unknown): void => {
  if (key === "__proto__") {
    Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
  } else object[key] = value
}

/** The problem with a text that is not JSON. */
export interface JsonProblem {
  readonly problem: string
}

export type JsonResult = { readonly value: unknown } | JsonProblem

/** Like `jsonSteps`, with Maps for objects, in the order of the text, which is in pieces, and Blocks for long arrays. */
export const orderedJsonSteps = (pieces: ReadonlyArray<string>): Steps<JsonResult> =>
  parseSteps(new Parser(pieces, true, maxJsonKeys))

/** As `jsonSteps` of a text in pieces, without `JSON.parse`: a text that was joined is copied when it is looked into. */
export const exactJsonSteps = (pieces: ReadonlyArray<string>, maxKeys = maxJsonKeys): Steps<JsonResult> =>
  parseSteps(new Parser(pieces, false, maxKeys))

function* parseSteps(parser: Parser): Steps<JsonResult> {
  try {
    const value = yield* parser.value()
    if (!Number.isNaN(parser.skip())) parser.fail("the end")
    return { value }
  } catch (error) {
    if (error instanceof NotJson) return { problem: error.problem }
    throw error
  }
}
