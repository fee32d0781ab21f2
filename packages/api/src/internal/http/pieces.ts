/** JSON text of many megabytes in pieces of some hundred kilobytes, so that other work can run between them. */
import * as Effect from "effect/Effect"

type Parse = (text: string) => unknown

/** Characters that are looked at or parsed between two steps. */
const pieceLength = 0x40000

/** The containers around the rows of an answer: `{"data": {"task_run": [` at most. */
const maxAround = 3

/** An array whose elements are parsed in pieces. */
interface Rows {
  readonly depth: number
  readonly values: Array<unknown>
  /** Where the next piece begins. */
  from: number
}

/** Stands for the elements of an array in the text around it. */
const placeOf = (token: string, index: number): string => `"${token}${index}"`

/**
 * The value of a JSON text, in steps: the elements of an array are parsed some at a time, and the text around them at the
 * end. Throws for a text that is no JSON.
 */
export function* parseInPieces(text: string, parse: Parse): Generator<undefined, unknown> {
  const token = `rows ${Math.random()} `
  const found: Array<Rows> = []
  let around = ""
  /** Where the text begins that is not in `around` yet. */
  let kept = 0
  let rows: Rows | undefined
  let depth = 0
  let next = pieceLength
  const take = function*(end: number): Generator<undefined, void> {
    for (const value of parse(`[${text.slice(rows!.from, end)}]`) as ReadonlyArray<unknown>) rows!.values.push(value)
    rows!.from = end + 1
    kept = end
    yield
  }
  for (let at = 0; at < text.length; at++) {
    if (at >= next) {
      next = at + pieceLength
      yield
    }
    switch (text.charCodeAt(at)) {
      case 0x22: { // a string
        do {
          at = text.indexOf("\"", at + 1)
          if (at < 0) throw new SyntaxError("a string does not end")
        } while (isEscaped(text, at))
        break
      }
      case 0x5b: // [
        depth++
        if (rows === undefined && depth <= maxAround) rows = { depth, values: [], from: at + 1 }
        break
      case 0x7b: // {
        depth++
        break
      case 0x2c: // ,
        if (rows === undefined || depth !== rows.depth || at - rows.from < pieceLength) break
        if (rows.values.length === 0) {
          around += `${text.slice(kept, rows.from)}${placeOf(token, found.length)}`
          found.push(rows)
        }
        yield* take(at)
        break
      case 0x5d: // ]
      case 0x7d: // }
        if (rows !== undefined && depth === rows.depth) {
          if (rows.values.length > 0) yield* take(at)
          rows = undefined
        }
        depth--
    }
  }
  const root = parse(around + text.slice(kept))
  return found.length === 0 ? root : withRows(root, token, found)
}

/** Whether an odd number of backslashes precedes a place. */
const isEscaped = (text: string, at: number): boolean => {
  let before = at - 1
  while (text.charCodeAt(before) === 0x5c) before--
  return (at - before) % 2 === 0
}

/** Puts the elements into the arrays that they belong to. */
const withRows = (root: unknown, token: string, found: ReadonlyArray<Rows>): unknown => {
  const put = (value: unknown, left: number): unknown => {
    if (typeof value !== "object" || value === null || left === 0) return value
    if (Array.isArray(value)) {
      const [first] = value as ReadonlyArray<unknown>
      return typeof first === "string" && first.startsWith(token)
        ? found[Number(first.slice(token.length))]!.values
        : value
    }
    const object = value as Record<string, unknown>
    for (const key of Object.keys(object)) object[key] = put(object[key], left - 1)
    return object
  }
  return put(root, maxAround)
}

/** Gives timers and other requests a turn. Browsers have no `setImmediate`. */
const otherTurn = (): Promise<void> =>
  new Promise((resolve) => void (typeof setImmediate === "function" ? setImmediate(resolve) : setTimeout(resolve)))

/** The time between yields in milliseconds. */
const slice = 10

/** The value of a long JSON text; other work runs meanwhile. `undefined` for a text that is no JSON. */
export const parseLong = (text: string, parse: Parse): Effect.Effect<{ readonly value: unknown } | undefined> =>
  Effect.promise(async (signal) => {
    const steps = parseInPieces(text, parse)
    let start = performance.now()
    try {
      for (;;) {
        const step = steps.next()
        if (step.done === true) return { value: step.value }
        if (signal.aborted) return undefined
        if (performance.now() - start <= slice) continue
        await otherTurn()
        start = performance.now()
      }
    } catch {
      return undefined
    }
  })
