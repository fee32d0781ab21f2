/**
 * JSON as Python's `json` module writes and reads it: NaN and the infinities are numbers, integers have any size, and
 * the last of duplicate keys wins.
 */
import { refuse } from "./refusal.ts"
import { type Steps, toEnd } from "./steps.ts"

/** The maximum nesting of arrays and objects. */
export const maxJsonDepth = 10_000

const quote = 0x22
const backslash = 0x5c

/**
 * Whether JavaScript's `JSON.parse` reads a text as Python does. It does not when an integer may exceed a double, when
 * there are NaN and infinities, or when the nesting is too deep.
 */
const isPlain = (text: string): boolean => {
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

const space = /[ \t\n\r]*/y
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

class NotJson {
  readonly problem: string
  constructor(problem: string) {
    this.problem = problem
  }
}

type Container = Array<unknown> | Record<string, unknown> | Map<string, unknown>

class Parser {
  readonly text: string
  /** Objects as Maps, which preserve the order of keys that look like numbers. */
  readonly maps: boolean
  at = 0
  constructor(text: string, maps: boolean) {
    this.text = text
    this.maps = maps
  }
  fail(expected: string): never {
    throw new NotJson(`at character ${this.at} ${expected} was expected`)
  }
  skip(): number {
    space.lastIndex = this.at
    space.exec(this.text)
    this.at = space.lastIndex
    return this.text.charCodeAt(this.at)
  }
  string(): string {
    const start = this.at
    let end = start
    for (;;) {
      end = this.text.indexOf("\"", end + 1)
      if (end < 0) this.fail("the end of a string")
      let before = end - 1
      while (this.text.charCodeAt(before) === backslash) before--
      if ((end - before) % 2 === 1) break
    }
    this.at = end + 1
    try {
      return JSON.parse(this.text.slice(start, end + 1)) as string
    } catch {
      this.at = start
      return this.fail("a string")
    }
  }
  scalar(): unknown {
    const { at, text } = this
    if (text.charCodeAt(at) === quote) return this.string()
    for (const [word, value] of constants) {
      if (text.startsWith(word, at)) {
        this.at += word.length
        return value
      }
    }
    number.lastIndex = at
    const match = number.exec(text)
    if (match === null) return this.fail("a value")
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
    const open: Array<{ readonly container: Container; key: string }> = []
    for (;;) {
      let value: unknown
      if (++looked % 4_096 === 0) yield
      let code = this.skip()
      if (code === 0x5b || code === 0x7b) {
        if (open.length >= maxJsonDepth) refuse(`the JSON is nested more than ${maxJsonDepth} deep`)
        this.at++
        const container: Container = code === 0x5b ? [] : this.maps ? new Map<string, unknown>() : {}
        const frame = { container, key: "" }
        const first = this.skip()
        if (first !== (code === 0x5b ? 0x5d : 0x7d)) {
          if (code === 0x7b) frame.key = this.key()
          open.push(frame)
          continue
        }
        this.at++
        value = frame.container
      } else value = this.scalar()
      for (;;) {
        const frame = open[open.length - 1]
        if (frame === undefined) return value
        const { container } = frame
        const isArray = Array.isArray(container)
        if (isArray) container.push(value)
        else if (container instanceof Map) container.set(frame.key, value)
        else setKey(container, frame.key, value)
        code = this.skip()
        if (code === 0x2c) {
          this.at++
          if (!isArray) {
            this.skip()
            frame.key = this.key()
          }
          break
        }
        if (code !== (isArray ? 0x5d : 0x7d)) this.fail(isArray ? "a comma or ]" : "a comma or }")
        this.at++
        open.pop()
        value = container
      }
    }
  }
  key(): string {
    if (this.text.charCodeAt(this.at) !== quote) this.fail("a key in double quotes")
    const key = this.string()
    if (this.skip() !== 0x3a) this.fail("a colon")
    this.at++
    return key
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

/**
 * The value of a JSON text: integers that a number cannot represent exactly are bigints. Returns the problem when it is
 * not JSON; throws a `Refusal` when it is JSON that exceeds a limit.
 */
export const parseJson = (text: string): { readonly value: unknown } | JsonProblem => toEnd(jsonSteps(text))

/** Like `parseJson`, in steps. */
export function* jsonSteps(text: string): Steps<{ readonly value: unknown } | JsonProblem> {
  if (text.length > largeText) {
    const pieces = yield* parsePieces(text)
    if (pieces !== undefined) return pieces
  } else if (isPlain(text)) {
    try {
      return { value: JSON.parse(text) as unknown }
    } catch {
      // The parser below reports the position.
    }
  }
  return yield* parse(new Parser(text, false))
}

/** Like `jsonSteps`, with Maps for objects, in the order of the text. */
export const orderedJsonSteps = (text: string): Steps<{ readonly value: unknown } | JsonProblem> =>
  parse(new Parser(text, true))

/** Characters that `JSON.parse` reads in a moment. */
const largeText = 0x40000

/** The most nested containers that are read in pieces. */
const maxOpen = 64

interface Open {
  readonly container: Array<unknown> | Record<string, unknown>
  /** Its key in the enclosing container. */
  readonly key: string
}

/**
 * The value of a long text by `JSON.parse`, a piece of a few hundred kilobytes at a time: a piece is a run of complete
 * elements of one array or object. A container that is longer than a piece is opened, and its elements are read in
 * pieces in turn. Returns undefined for JSON that `JSON.parse` does not read as Python does, and for other text.
 */
function* parsePieces(text: string): Steps<{ readonly value: unknown } | undefined> {
  const start = skipSpace(text, 0)
  const isContainer = text[start] === "[" || text[start] === "{"
  if (!isContainer) {
    if (!isPlain(text)) return undefined
    try {
      return { value: JSON.parse(text) as unknown }
    } catch {
      return undefined
    }
  }
  const root: Open = { container: text[start] === "[" ? [] : {}, key: "" }
  const open: Array<Open> = [root]
  /** The start of the piece, and the end of its last complete element. */
  let piece = start + 1
  let cut = -1
  /** The start of the container that the piece contains only in part. */
  let inner = -1
  let depth = 0
  let digits = 0
  /** Whether an element must follow, after a comma. */
  let isOwed = false

  /** Reads the elements from the start of the piece to a position; returns whether they are JSON. */
  const take = (end: number): boolean => {
    const { container } = open[open.length - 1]!
    const slice = text.slice(piece, end)
    if (skipSpace(slice, 0) === slice.length) return !isOwed
    isOwed = false
    try {
      if (Array.isArray(container)) {
        for (const value of JSON.parse(`[${slice}]`) as Array<unknown>) container.push(value)
      } else {
        const part = JSON.parse(`{${slice}}`) as Record<string, unknown>
        for (const key of Object.keys(part)) setKey(container, key, part[key])
      }
      return true
    } catch {
      return false
    }
  }

  let next = piece + largeText
  for (let i = piece; i < text.length; i++) {
    if (i >= next) {
      next = i + largeText
      yield
      if (cut > piece) {
        if (!take(cut)) return undefined
        isOwed = true
        piece = cut + 1
      } else if (inner >= 0 && open.length < maxOpen) {
        // One element is longer than a piece.
        const container = text[inner] === "[" ? [] : {}
        let key = ""
        const before = text.slice(piece, inner)
        if (Array.isArray(open[open.length - 1]!.container)) {
          if (skipSpace(before, 0) !== before.length) return undefined
        } else {
          const name = /^\s*("(?:[^"\\]|\\.)*")\s*:\s*$/s.exec(before)
          if (name === null) return undefined
          try {
            key = JSON.parse(name[1]!) as string
          } catch {
            return undefined
          }
        }
        open.push({ container, key })
        isOwed = false
        piece = inner + 1
        // Again, from its first element on.
        i = inner
        inner = -1
        depth = 0
        digits = 0
        continue
      }
      cut = -1
    }
    const code = text.charCodeAt(i)
    if (code >= 0x30 && code <= 0x39) {
      digits++
      continue
    }
    if (digits > 15 && isLongInteger(text, i - digits, i)) return undefined
    digits = 0
    if (code === quote) {
      i = endOfString(text, i)
      if (i < 0) return undefined
    } else if (code === 0x5b || code === 0x7b) {
      if (depth++ === 0) inner = i
      if (depth + open.length > maxJsonDepth) return undefined
    } else if (code === 0x5d || code === 0x7d) {
      if (depth > 0) {
        if (--depth === 0) inner = -1
        continue
      }
      // The end of the innermost open container.
      const { container, key } = open[open.length - 1]!
      if ((code === 0x5d) !== Array.isArray(container) || !take(i)) return undefined
      open.pop()
      const around = open[open.length - 1]
      if (around === undefined) return skipSpace(text, i + 1) === text.length ? { value: root.container } : undefined
      if (Array.isArray(around.container)) around.container.push(container)
      else setKey(around.container, key, container)
      const after = skipSpace(text, i + 1)
      isOwed = text[after] === ","
      if (!isOwed && text[after] !== "]" && text[after] !== "}") return undefined
      piece = isOwed ? after + 1 : after
      i = piece - 1
      cut = -1
      inner = -1
    } else if (code === 0x2c) {
      if (depth === 0) cut = i
    } else if (code === 0x4e || code === 0x49) return undefined
    else if (code === 0x2d && text.charCodeAt(i + 1) === 0x30) return undefined
  }
  return undefined
}

const skipSpace = (text: string, from: number): number => {
  let at = from
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) break
  }
  return at
}

/**
 * The end of the string that begins at a quote: the next quote that is not preceded by a backslash; -1 when there is
 * none.
 */
const endOfString = (text: string, start: number): number => {
  for (let i = start;;) {
    i = text.indexOf("\"", i + 1)
    if (i < 0) return -1
    let before = i - 1
    while (text.charCodeAt(before) === backslash) before--
    if ((i - before) % 2 === 1) return i
  }
}

function* parse(parser: Parser): Steps<{ readonly value: unknown } | JsonProblem> {
  try {
    const value = yield* parser.value()
    if (!Number.isNaN(parser.skip())) parser.fail("the end")
    return { value }
  } catch (error) {
    if (error instanceof NotJson) return { problem: error.problem }
    throw error
  }
}
