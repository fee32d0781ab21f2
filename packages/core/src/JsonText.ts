// Measured: bench/held.bench.ts
/**
 * `JsonText`: the text that `JSON.stringify` makes of a JSON value, in pieces, so that timers, signals and other requests
 * are served while a long one is made.
 *
 * **Example** (Writing a value of any size)
 *
 * ```ts
 * import * as JsonText from "@effect-prefect/core/JsonText"
 * import * as Effect from "effect/Effect"
 *
 * export const text: Effect.Effect<string> = JsonText.make({ tags: ["a", "b"] }) // {"tags":["a","b"]}
 * ```
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as ObjectKeys from "./ObjectKeys.ts"
import * as Turn from "./Turn.ts"

/** What is written at once: less than a millisecond. One for a value and for 16 characters, eight for a container. */
const most = 16_384
/** The nesting that is written at once: `JSON.stringify` is recursive. */
const deepest = 32
/** The least characters of a piece but the last. */
const pieceLength = 0x10000
/** The most of an object's keys that are looked up at once. */
const manyKeys = 1_024

/** Whether a value is written unchanged: an integer with more digits than a number has. */
const isRaw = (value: object): boolean => {
  const { isRawJSON } = JSON as unknown as { readonly isRawJSON?: (value: unknown) => boolean }
  return isRawJSON?.(value) === true
}

/** How much there is to write. */
class Size {
  cost = 0
  /** The last object that has many keys, and the keys: the engine takes long to list them. */
  listed: object | undefined
  keys: ReadonlyArray<string> = []

  /** Whether a value can be written at once, with what was counted before. */
  isSmall(value: unknown, depth = deepest): boolean {
    if (typeof value === "string") return (this.cost += 1 + (value.length >> 4)) <= most
    if (typeof value !== "object" || value === null) return ++this.cost <= most
    this.cost += 8
    if (depth === 0 || this.cost > most) return false
    if (Array.isArray(value)) {
      for (let at = 0; at < value.length; at++) if (!this.isSmall(value[at], depth - 1)) return false
      return true
    }
    const keys = this.keysOf(value)
    if (keys.length > most) return false
    for (let at = 0; at < keys.length; at++) {
      const key = keys[at]!
      this.cost += key.length >> 4
      if (!this.isSmall((value as Readonly<Record<string, unknown>>)[key], depth - 1)) return false
    }
    return true
  }

  keysOf(value: object): ReadonlyArray<string> {
    if (this.listed === value) return this.keys
    const keys = ObjectKeys.of(value)
    if (keys.length > manyKeys) {
      this.listed = value
      this.keys = keys
    }
    return keys
  }
}

/** A container that is not written at once. */
interface Open {
  readonly value: Readonly<Record<string | number, unknown>>
  /** Those of an object. */
  readonly keys: ReadonlyArray<string> | undefined
  readonly length: number
  next: number
  isEmpty: boolean
}

/** What `JSON.stringify` leaves out of an object. */
const isLeftOut = (value: unknown): boolean => value === undefined || typeof value === "function"

/** A text as JSON in parts, none of which ends within a surrogate pair. */
function* longText(text: string): Generator<string, void> {
  yield "\""
  for (let at = 0; at < text.length;) {
    let end = Math.min(text.length, at + pieceLength)
    if (end < text.length && (text.charCodeAt(end - 1) & 0xfc00) === 0xd800) end--
    yield JSON.stringify(text.slice(at, end)).slice(1, -1)
    at = end
  }
  yield "\""
}

/**
 * The text of a JSON value in pieces of about 64 kB. Some are empty: other work may have a turn after each of them.
 *
 * Of what is no JSON, `undefined` and functions are left out of objects and null in arrays, as `JSON.stringify` does it.
 *
 * **Example** (Writing to a file)
 *
 * ```ts
 * import * as JsonText from "@effect-prefect/core/JsonText"
 *
 * export const pieces = Array.from(JsonText.pieces([1, 2])) // ["[1,2]"]
 * ```
 *
 * @category writing
 * @since 0.1.0
 */
export function* pieces(root: unknown): Generator<string, void> {
  const size = new Size()
  const stack: Array<Open> = []
  let text = ""
  let steps = 0
  // Measuring what must be divided after all costs no more than writing it.
  let credit = most
  let value = root
  const isSmall = (next: unknown): boolean => {
    const before = size.cost
    const isString = typeof next === "string"
    if (isString || credit > 0) {
      if (size.isSmall(next)) {
        credit = Math.min(credit + size.cost - before, most)
        return true
      }
      if (!isString) credit -= size.cost - before
    }
    steps += size.cost - before
    size.cost = before
    return false
  }
  for (;;) {
    // A value that is not written at once, or the root.
    if (isSmall(value)) text += JSON.stringify(value) ?? "null"
    else if (typeof value === "string") {
      for (const part of longText(value)) {
        text += part
        if (text.length < pieceLength) continue
        yield text
        text = ""
      }
    } else if (typeof value !== "object" || value === null || isRaw(value)) text += JSON.stringify(value) ?? "null"
    else {
      const keys = Array.isArray(value) ? undefined : size.keysOf(value)
      text += keys === undefined ? "[" : "{"
      stack.push({
        value: value as Open["value"],
        keys,
        length: keys === undefined ? (value as ReadonlyArray<unknown>).length : keys.length,
        next: 0,
        isEmpty: true
      })
    }
    steps += size.cost
    size.cost = 0
    credit = Math.min(credit + 2, most)
    let isFound = false
    while (!isFound) {
      if (++steps > most || text.length >= pieceLength) {
        steps = 0
        yield text
        text = ""
      }
      const open = stack[stack.length - 1]
      if (open === undefined) {
        if (text !== "") yield text
        return
      }
      if (open.next >= open.length) {
        text += open.keys === undefined ? "]" : "}"
        stack.pop()
        continue
      }
      const { keys } = open
      if (keys === undefined) {
        const items = open.value as unknown as ReadonlyArray<unknown>
        const from = open.next
        let end = from
        while (end < open.length && isSmall(items[end])) end++
        if (!open.isEmpty) text += ","
        open.isEmpty = false
        if (end > from) {
          text += JSON.stringify(items.slice(from, end)).slice(1, -1)
          open.next = end
        } else {
          value = items[open.next++]
          isFound = true
        }
        steps += size.cost
        size.cost = 0
        continue
      }
      const key = keys[open.next++]!
      const item = open.value[key]
      if (isLeftOut(item)) continue
      if (!open.isEmpty) text += ","
      open.isEmpty = false
      if (key.length > pieceLength) {
        for (const part of longText(key)) {
          text += part
          if (text.length < pieceLength) continue
          yield text
          text = ""
        }
        text += ":"
      } else text += `${JSON.stringify(key)}:`
      if (isSmall(item)) text += JSON.stringify(item)
      else {
        value = item
        isFound = true
      }
      steps += size.cost
      size.cost = 0
    }
  }
}

/**
 * Whether a JSON value is written in a moment. Looks at no more than that takes.
 *
 * **Example** (A small value)
 *
 * ```ts
 * import * as JsonText from "@effect-prefect/core/JsonText"
 *
 * export const isShort = JsonText.isShort({ name: "etl" }) // true
 * ```
 *
 * @category writing
 * @since 0.1.0
 */
export const isShort = (value: unknown): boolean => new Size().isSmall(value)

/**
 * The text of a JSON value that is written in a moment, and undefined for any other: `make` or `pieces` then write it.
 *
 * **Example** (A small value)
 *
 * ```ts
 * import * as JsonText from "@effect-prefect/core/JsonText"
 *
 * export const text = JsonText.atOnce({ name: "etl" }) // {"name":"etl"}
 * ```
 *
 * @category writing
 * @since 0.1.0
 */
export const atOnce = (value: unknown): string | undefined =>
  isShort(value) ? JSON.stringify(value) ?? "null" : undefined

/**
 * The text of a JSON value, made while other work has its turns.
 *
 * @category writing
 * @since 0.1.0
 */
export const make = (value: unknown): Effect.Effect<string> =>
  Effect.suspend(() => {
    const text = atOnce(value)
    return text === undefined ? long(value) : Effect.succeed(text)
  })

const long = Effect.fnUntraced(function*(value: unknown) {
  let text = ""
  for (const piece of pieces(value)) {
    if (Turn.isLong()) yield* Turn.next
    text += piece
  }
  return text
})
