/** JSON text of many megabytes in pieces of some hundred kilobytes, so that other work can run between them. */
import { KeyList } from "@effect-prefect/core/ObjectKeys"
import * as Turn from "@effect-prefect/core/Turn"
import * as Effect from "effect/Effect"
import { isTooDeep, maxDepth, maxKeys, rememberColumns, rememberDepth, rememberWide } from "../depth.ts"
import { LongText } from "../longText.ts"
import type { Body } from "./body.ts"
import { TooMuchMemory, withinMemory } from "./memory.ts"

type Parse = (text: string) => unknown

/** Characters that are scanned or parsed between two steps. */
const pieceLength = 0x1a000

/** A string of more characters is parsed in pieces too. */
const longString = 0x100000

/** Characters that are scanned at first, to learn soon what is between two rows. */
const firstScan = 0x1000

/** The longest separator of rows in characters. */
const maxSeparator = 256

/** Characters of a string in which its end is searched one by one, before `indexOf` is called. */
const nearQuote = 32

/** Wrong guesses in a row after which an array is scanned without guessing. */
const maxMisses = 3

/** The containers of a row that have keys by which it is found: itself, and what its columns hold. */
const keyLevels = 2

/** The deepest nesting that is parsed: no backend has more, and it would take more memory than the text. */
const maxOpen = 1_000_000

const quote = 0x22
const comma = 0x2c
const backslash = 0x5c
const openArray = 0x5b
const closeArray = 0x5d
const openObject = 0x7b
const closeObject = 0x7d

/** A container that is longer than a piece, into which its elements are put. */
interface Open {
  container: Array<unknown> | Record<string, unknown>
  /** Its key in the container around it. */
  readonly key: string
  /** Its nesting within a row, which is an element of an array: 1 for the row, 0 outside of rows. */
  readonly level: number
  /** Whether it nests too deep for a row. Determined only inside rows. */
  isDeep: boolean
  /** The keys of an object so far, and how many were set, equal ones counted again. */
  readonly keys: KeyList | undefined
  count: number
  /** The text between two elements, from the bracket before the comma to the first key after it. */
  separator: string | undefined
  /** The last position of that text, the number of guesses in a row that were wrong, and of those that it was far from. */
  found: number
  misses: number
  far: number
}

const opened = (isList: boolean, key: string, level: number): Open => ({
  container: isList ? [] : {},
  key,
  level,
  isDeep: level > maxDepth,
  keys: isList ? undefined : new KeyList(),
  count: 0,
  separator: undefined,
  found: -1,
  misses: 0,
  far: 0
})

class TooDeep extends Error {}

const notJson = (): never => {
  throw new SyntaxError("the text is no JSON")
}

/**
 * Whether an object is a row itself, and not an answer that has rows in it. Of a row that is read for its `"keys"`, what
 * is deeper in long containers is parsed, but not kept, and its depth is not determined.
 */
type IsRow = boolean | "keys"

/**
 * The value of a JSON text, in steps. Throws when the text is not JSON.
 *
 * A piece is a run of whole elements of an array or object; a container that is longer than a piece is opened, and its
 * elements are parsed in pieces in turn. The rows of an answer are alike: the text between the first two of them is
 * searched for, and if the text before it parses as an array, the piece ends there. Otherwise each character is scanned.
 */
export function* parseInPieces(
  whole: string | LongText,
  parse: Parse,
  length = pieceLength,
  isRow: IsRow = false
): Generator<undefined, unknown> {
  const text = typeof whole === "string" ? new LongText([whole]) : whole
  const start = yield* afterSpace(text, 0)
  const first = text.charCodeAt(start)
  if (first !== openArray && first !== openObject) return yield* scalar(text, start, parse)
  /** The outermost of the containers at this place. */
  const open: Array<Open> = [opened(first === openArray, "", isRow !== false && first === openObject ? 1 : 0)]
  /** Where the containers around this place begin, and the last comma in each, or -1. */
  const starts = [-1, start]
  const commas = [-1, -1]
  let depth = 1
  let at = start + 1
  let isInString = false
  /** Where that string begins. */
  let stringStart = -1
  let isAfterLong = false
  /** Where the piece begins. */
  let piece = at
  /** Whether an element must follow: after a comma. */
  let isOwed = false
  /** Characters that are scanned before the next cut. */
  let scanned = Math.min(firstScan, length)

  const add = (values: ReadonlyArray<unknown> | Record<string, unknown>) => {
    const frame = open[open.length - 1]!
    const { container, keys, level } = frame
    if (isRow === "keys") { if (level > keyLevels) return }
    else if (level > 0) frame.isDeep ||= isTooDeep(values, maxDepth - level + 1)
    if (Array.isArray(container)) { for (const value of values as ReadonlyArray<unknown>) container.push(value) }
    else {
      const added = Object.keys(values)
      for (const key of added) keys!.set(container, key, (values as Record<string, unknown>)[key])
      frame.count += added.length
    }
  }

  /** Parses the elements from the beginning of the piece to a place. */
  const take = function*(end: number): Generator<undefined, void> {
    if (piece === end && !isOwed) return
    const isList = Array.isArray(open[open.length - 1]!.container)
    if (end - piece > longString) {
      const long = yield* longElement(text, piece, end, isList, parse)
      if (long !== undefined) {
        add(isList ? [long.value] : { [long.key]: long.value })
        isOwed = false
        return
      }
    }
    const content = end - piece > longString ? yield* withoutSpace(text, piece, end) : text.slice(piece, end)
    const values = parse(isList ? `[${content}]` : `{${content}}`) as ReadonlyArray<unknown> | Record<string, unknown>
    if (isOwed && (Array.isArray(values) ? values.length === 0 : content.trim() === "")) notJson()
    isOwed = false
    add(values)
    const frame = open[open.length - 1]!
    if (frame.keys !== undefined) {
      frame.container = yield* frame.keys.settled(frame.container as Record<string, unknown>)
    }
    yield
  }

  /** Begins the next piece after a comma. */
  const goOn = (after: number) => {
    isOwed = true
    piece = after + 1
    at = Math.max(at, piece)
  }

  /** Whether there are two rows of a list at this place. */
  const hasRows = (): boolean => {
    for (let around = open.length; around <= depth; around++) {
      const cut = commas[around]!
      if (cut >= piece && text.charCodeAt(starts[around]!) === openArray) {
        return separatorAt(text, cut, false) !== undefined
      }
    }
    return false
  }

  /** Parses a piece that ends at the next separator. Returns whether there is one. */
  const guess = (frame: Open): boolean => {
    const { separator } = frame
    if (separator === undefined || frame.misses >= maxMisses) return false
    const from = piece + length
    if (frame.found < from) frame.found = text.indexOf(separator, from, from + length + separator.length)
    if (frame.found < 0) {
      if (from + length < text.length && ++frame.far <= maxMisses) return false
      frame.far = 0
      frame.misses++
      frame.separator = undefined
      return false
    }
    frame.far = 0
    const cut = text.indexOf(",", frame.found, frame.found + separator.length)
    let values: ReadonlyArray<unknown>
    try {
      values = parse(`[${text.slice(piece, cut)}]`) as ReadonlyArray<unknown>
    } catch (error) {
      if (error instanceof TooMuchMemory) throw error
      frame.misses++
      frame.separator = undefined
      frame.found = -1
      return false
    }
    frame.misses = 0
    add(values)
    goOn(cut)
    return true
  }

  while (at < text.length) {
    const frame = open[open.length - 1]!
    if (at === piece && guess(frame)) {
      yield
      continue
    }
    // Not a slice, the characters of which take longer to look at.
    const { part, start: base } = text.partAt(at)
    let next = Math.min(at + scanned, base + part.length)
    let isClosed = false
    for (; at < next; at++) {
      const code = part.charCodeAt(at - base)
      if (isInString || code === quote) {
        if (!isInString) stringStart = at++
        isInString = true
        while (isInString && at < next) {
          // Most strings end soon, and a search costs as much as many characters.
          const near = Math.min(at + nearQuote, next)
          for (; at < near && isInString; at++) {
            const within = part.charCodeAt(at - base)
            if (within === backslash) at++
            else if (within === quote) isInString = false
          }
          if (!isInString || at >= next) break
          const found = part.slice(at - base, next - base).indexOf("\"")
          const end = found < 0 ? next : at + found
          isInString = isEscaped(part, end - base, at - base)
          // What is looked at next does not begin within an escape.
          at = end + (found < 0 && !isInString ? 0 : 1)
          if (found < 0) {
            isInString = true
            break
          }
        }
        at--
        if (!isInString && at - stringStart >= longString) isAfterLong = true
      } else if (code === comma) {
        commas[depth] = at
        if (isAfterLong) {
          // A long string is a piece of its own.
          isAfterLong = false
          next = at + 1
        }
      } else if (code === openArray || code === openObject) {
        depth++
        if (depth > maxOpen) throw new TooDeep("the text is nested too deep")
        starts[depth] = at
        commas[depth] = -1
      } else if (code === closeArray || code === closeObject) {
        if (depth === open.length) {
          isClosed = true
          break
        }
        depth--
      }
    }
    if (isClosed) {
      const { key, keys, level } = frame
      if ((text.charCodeAt(at) === closeArray) !== (keys === undefined)) notJson()
      yield* take(at)
      const { container, count } = frame
      if (count > maxKeys) rememberWide(container)
      if (keys !== undefined) yield* keys.close(container)
      if (level === 1 && isRow !== "keys") rememberDepth(container, frame.isDeep)
      if (level === 1 && keys !== undefined) rememberColumns(container, keys.length)
      open.pop()
      depth--
      const after = yield* afterSpace(text, at + 1)
      const around = open[open.length - 1]
      if (around === undefined) return after === text.length ? container : notJson()
      if (level > 1) around.isDeep ||= frame.isDeep
      if (Array.isArray(around.container)) around.container.push(container)
      else around.keys!.set(around.container, key, container)
      const follows = text.charCodeAt(after)
      at = piece = after
      if (follows === comma) goOn(after)
      else if (follows !== closeArray && follows !== closeObject) notJson()
      continue
    }
    yield
    while (piece < at && isSpace(text.charCodeAt(piece))) piece++
    // Nothing is opened that ends soon, unless what is between two rows is known.
    const isEarly = scanned < length && at - piece < length
    const most = isEarly ? scanned : length
    scanned = Math.min(2 * scanned, length)
    if (isEarly && !hasRows()) continue
    // The outermost open container comes first, then those inside it, until little is left.
    while (at - piece > most >> 1) {
      const inner = open.length
      const around = open[inner - 1]!
      const cut = commas[inner]!
      if (cut >= piece) {
        if (Array.isArray(around.container)) around.separator ??= separatorAt(text, cut, around.misses > 0)
        isOwed = true
        yield* take(cut)
        goOn(cut)
        commas[inner] = -1
        if (around.separator !== undefined && around.misses < maxMisses) {
          // The end of the next piece is guessed; after a wrong guess, the piece is scanned from its beginning.
          at = piece
          depth = inner
          isInString = false
          isAfterLong = false
        }
      } else if (depth > inner) {
        const begin = starts[inner + 1]!
        const isList = Array.isArray(around.container)
        const key = isList ? yield* onlySpace(text, piece, begin) : yield* keyOf(text, piece, begin, parse)
        open.push(opened(text.charCodeAt(begin) === openArray, key, isList || around.level > 0 ? around.level + 1 : 0))
        isOwed = false
        piece = begin + 1
      } else break
    }
  }
  return notJson()
}

/** The value of a text that is no array or object. */
const scalar = function*(text: LongText, start: number, parse: Parse): Generator<undefined, unknown> {
  if (text.length - start > longString) {
    const long = yield* longElement(text, start, text.length, true, parse)
    if (long !== undefined) return long.value
  }
  // A page of the web need not be joined to be seen to be none.
  return /[-\dtfn"]/.test(text.slice(start, start + 1)) ? parse(text.slice(0, text.length)) : notJson()
}

/** The position of the quote that ends a string which begins before a position, or -1 when it is not before another. */
const endOfString = (text: LongText, from: number, to: number): number => {
  for (let at = from; at < to; at++) {
    at = text.indexOf("\"", at, to)
    if (at < 0) return -1
    if (!isEscaped(text, at, from)) return at
  }
  return -1
}

/** Whether an odd number of backslashes precedes a place. Does not look beyond a place that is not within an escape. */
const isEscaped = (text: string | LongText, at: number, from: number): boolean => {
  let before = at - 1
  while (before >= from && text.charCodeAt(before) === backslash) before--
  return (at - before) % 2 === 0
}

const isSpace = (code: number): boolean => code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09

/** The next place without white space, in steps. */
const afterSpace = function*(text: LongText, from: number): Generator<undefined, number> {
  let at = from
  for (let next = from + pieceLength; isSpace(text.charCodeAt(at)); at++) {
    if (at < next) continue
    next = at + pieceLength
    yield
  }
  return at
}

/** Elements with one space instead of each run of white space between their parts, in steps. */
const withoutSpace = function*(text: LongText, start: number, end: number): Generator<undefined, string> {
  let made = ""
  let isInString = false
  let isEscape = false
  let isAfterSpace = false
  for (let base = start; base < end; base += pieceLength) {
    const window = text.slice(base, Math.min(base + pieceLength, end))
    /** Where what is kept begins. */
    let from = 0
    for (let at = 0; at < window.length; at++) {
      const code = window.charCodeAt(at)
      if (isEscape) isEscape = false
      else if (code === quote) isInString = !isInString
      else if (isInString) isEscape = code === backslash
      const isBetween = !isInString && isSpace(code)
      if (isBetween && isAfterSpace) {
        if (from < at) made += window.slice(from, at)
        from = at + 1
      }
      isAfterSpace = isBetween
    }
    made += window.slice(from)
    yield
  }
  return made
}

/** The next place without white space, or one that is too far away for a separator. */
const nearSpace = (text: LongText, from: number): number => {
  let at = from
  while (at - from < maxSeparator && isSpace(text.charCodeAt(at))) at++
  return at
}

/** The text from the bracket before a comma, or from all brackets, to the first key; undefined without objects. */
const separatorAt = (text: LongText, cut: number, isWide: boolean): string | undefined => {
  let start = cut - 1
  while (cut - start < maxSeparator && isSpace(text.charCodeAt(start))) start--
  const object = nearSpace(text, cut + 1)
  if (text.charCodeAt(start) !== closeObject || text.charCodeAt(object) !== openObject) return undefined
  const key = nearSpace(text, object + 1)
  if (text.charCodeAt(key) !== quote) return undefined
  const end = text.indexOf("\"", key + 1, key + maxSeparator)
  const isBracket = (code: number) => code === closeObject || code === closeArray || isSpace(code)
  while (isWide && end - start < maxSeparator && isBracket(text.charCodeAt(start - 1))) start--
  return end < 0 || end - start >= maxSeparator ? undefined : text.slice(start, end + 1)
}

const onlySpace = function*(text: LongText, start: number, end: number): Generator<undefined, string> {
  return (yield* afterSpace(text, start)) === end ? "" : notJson()
}

/** The key before a container: `"key":` and white space. */
const keyOf = function*(text: LongText, start: number, end: number, parse: Parse): Generator<undefined, string> {
  const begin = yield* afterSpace(text, start)
  if (text.charCodeAt(begin) !== quote) return notJson()
  const close = endOfString(text, begin + 1, end)
  const colon = close < 0 ? end : yield* afterSpace(text, close + 1)
  if (text.charCodeAt(colon) !== 0x3a || (yield* afterSpace(text, colon + 1)) !== end) return notJson()
  return parse(text.slice(begin, close + 1)) as string
}

/** An element that is one long string, with its key in an object; undefined for any other. */
const longElement = function*(
  text: LongText,
  begin: number,
  end: number,
  isList: boolean,
  parse: Parse
): Generator<undefined, { readonly key: string; readonly value: string } | undefined> {
  let at = yield* afterSpace(text, begin)
  let key = ""
  if (!isList) {
    const close = text.charCodeAt(at) === quote ? endOfString(text, at + 1, Math.min(end, at + pieceLength)) : -1
    if (close < 0) return undefined
    const value = yield* afterSpace(text, (yield* afterSpace(text, close + 1)) + 1)
    if (text.charCodeAt(value) !== quote) return undefined
    key = yield* keyOf(text, at, value, parse)
    at = value
  }
  let last = end - 1
  for (let next = last - pieceLength; isSpace(text.charCodeAt(last)); last--) {
    if (last > next) continue
    next = last - pieceLength
    yield
  }
  if (text.charCodeAt(at) !== quote || text.charCodeAt(last) !== quote || last - at < longString) return undefined
  let value = ""
  for (let from = at + 1; from < last;) {
    const cut = from + pieceLength >= last ? last : cutOf(text, from + pieceLength, from)
    try {
      value += parse(`"${text.slice(from, cut)}"`) as string
    } catch (error) {
      if (error instanceof TooMuchMemory) throw error
      // Several strings, or none.
      return undefined
    }
    from = cut
    yield
  }
  return { key, value }
}

/** The last position up to another at which a string may be cut, as it may at `from`: not within an escape. */
const cutOf = (text: LongText, before: number, from: number): number => {
  if (isEscaped(text, before, from)) return before - 1
  for (let back = 1; back <= 4; back++) {
    if (text.charCodeAt(before - back) === 0x75 && isEscaped(text, before - back, from)) return before - back - 1
  }
  return before
}

/** The value of a text, or why there is none. */
export type Parsed = { readonly value: unknown } | "no JSON" | "too deep" | "too large"

/** Runs steps to their end while other work runs between them; undefined when it is interrupted. */
export const inTurns = async <A>(steps: Generator<undefined, A>, signal: AbortSignal): Promise<A | undefined> => {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
    if (signal.aborted) return undefined
    if (Turn.isLong()) await new Promise<void>(Turn.onNext)
  }
}

/** Decodes the text of a body; other work runs while a long one is decoded. */
export const textOf = (body: Body): Effect.Effect<LongText> =>
  Effect.suspend(() => {
    const steps = body.text()
    const first = steps.next()
    return first.done === true
      ? Effect.succeed(first.value)
      : Effect.promise((signal) => inTurns(steps, signal).then((text) => text ?? new LongText([])))
  })

/**
 * Parses a long JSON text while other work runs, unless its values take more than about `maxBytes` of memory. `isRow`
 * says that an object is a row itself, and not an answer that has rows in it.
 */
export const parseLong = (
  text: string | LongText,
  parse: Parse,
  maxBytes = Infinity,
  isRow = false
): Effect.Effect<Parsed> =>
  Effect.promise(async (signal) => {
    const within = maxBytes === Infinity ? parse : withinMemory(parse, maxBytes)
    const steps = function*(): Generator<undefined, Parsed> {
      return { value: yield* parseInPieces(text, within, pieceLength, isRow) }
    }
    try {
      return await inTurns(steps(), signal) ?? "no JSON"
    } catch (error) {
      return error instanceof TooMuchMemory ? "too large" : error instanceof TooDeep ? "too deep" : "no JSON"
    }
  })
