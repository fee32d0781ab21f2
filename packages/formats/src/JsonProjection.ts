/**
 * The JSON projection: any Python value as JSON, the same for every format in which the value was stored.
 *
 * | Python | JSON |
 * |---|---|
 * | None, bool, str | null, boolean, string |
 * | int | number within ±(2^53-1), else string |
 * | float | number; NaN and the infinities are null |
 * | Decimal, UUID, Fraction, complex, Path, IP address, Period, Interval | string |
 * | bytes, bytearray | string, base64 with padding |
 * | date, time, datetime, Timestamp | string, ISO 8601 with the offset |
 * | datetime in a zone that is not known | `{"__class__": "datetime.datetime", "value": …, "tzinfo": …}` |
 * | time zone | string, its name |
 * | timedelta, Timedelta | number of seconds |
 * | tuple, list, deque, range, set, array, Series, Index | array |
 * | NumPy array | nested arrays |
 * | dict, mappingproxy, UserDict, a subclass of dict that holds nothing else | object, keys as Python's `str(key)`, of equal keys the last |
 * | DataFrame and every other table | array of row objects; NaN, NaT and NA are null |
 * | geometry | object, GeoJSON |
 * | Enum, named tuple | its value, an array, where its class is known |
 * | an object of another class | `{"__class__": "module.Name", "__args__": […] when it has any, …its attributes}` |
 * | a class or function | string, `module.name` |
 *
 * **Example** (A value as data and as text)
 *
 * ```ts
 * import { JsonProjection } from "@effect-prefect/formats"
 * import { Effect } from "effect"
 *
 * export const json = JsonProjection.toJson({ answer: 42n, ratio: Infinity }) // {"answer":42,"ratio":null}
 * export const text = Effect.runPromise(JsonProjection.toText([1n, 2n]))
 * ```
 *
 * @since 0.1.0
 */
import {
  Column as PandasColumn,
  DataFrame,
  Index,
  type JsonContainer,
  jsonForm,
  PickleError,
  pythonStr,
  Series
} from "@effect-prefect/pickle"
import * as Effect from "effect/Effect"
import { FormatError, undecodable } from "./FormatError.ts"
import { setKey } from "./internal/json.ts"
import { Places } from "./internal/places.ts"
import { Refusal, refuse } from "./internal/refusal.ts"
import { pathText } from "./internal/schemaIssue.ts"
import { every, giveWay, type Steps, toEnd } from "./internal/steps.ts"
import { type Column, Table } from "./Table.ts"

/**
 * A JSON value.
 *
 * @category models
 * @since 0.1.0
 */
export type Json = null | boolean | number | string | ReadonlyArray<Json> | { readonly [key: string]: Json }

/**
 * The limits of a projection.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The maximum nesting of the projection. Default 1 000. */
  readonly maxDepth?: number | undefined
  /**
   * The maximum size: one for each number, boolean, null and 16 characters of text, eight for each array and object. A
   * pickle of a few bytes can contain any number of references to the same list. Default 2^26.
   */
  readonly maxValues?: number | undefined
}

/** The target of a projection: a JavaScript value or text. */
interface Sink {
  scalar(value: null | boolean | number | string): void
  key(key: string): void
  openArray(): void
  openObject(): void
  /** Ends a container and returns what was made of it. */
  close(): unknown
  /** A container of which `made` was made before. Without it, the container is made anew. */
  readonly again?: (made: unknown) => void
  /** Values that are already JSON, as text, one after the other. */
  readonly values?: (text: string) => void
  /** A long text, or key, in parts. */
  long(parts: Iterable<string>, isKey: boolean): Steps<void>
}

/** The maximum depth of a value that `JSON.stringify`, which is recursive, converts as a whole. */
const plainDepth = 32
/** The amount of a value that is converted at once: about 30 µs of work. */
const plainLimit = 4_096

/**
 * The size of a value that is already JSON, counted like `walk` does. `cost` is the number of values visited in any
 * case.
 */
class Plain {
  cost = 0

  /** Whether a value consists only of JSON, and is neither so deep nor so large that it must be traversed. */
  is(value: unknown, depth: number): boolean {
    switch (typeof value) {
      case "string":
        return (this.cost += 1 + (value.length >> 4)) <= plainLimit
      case "number":
        // Larger numbers have their own text; NaN is null in both.
        return !(Math.abs(value) > Number.MAX_SAFE_INTEGER) && ++this.cost <= plainLimit
      case "boolean":
        return ++this.cost <= plainLimit
      case "object":
        if (value === null) return ++this.cost <= plainLimit
        this.cost += 8
        return depth > 0 && this.cost <= plainLimit && this.isContainer(value, depth - 1)
      default:
        return false
    }
  }

  private isContainer(value: object, depth: number): boolean {
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype === Array.prototype) {
      const items = value as ReadonlyArray<unknown>
      // A hole is undefined, which is not JSON.
      for (let at = 0; at < items.length; at++) if (!this.is(items[at], depth)) return false
      return true
    }
    if (prototype !== Object.prototype && prototype !== null && Object.getPrototypeOf(prototype) !== null) return false
    const fields = value as Readonly<Record<string, unknown>>
    if (typeof fields["toJSON"] === "function") return false
    const keys = Object.keys(fields)
    for (let at = 0; at < keys.length; at++) if (!this.is(fields[keys[at]!], depth)) return false
    return true
  }
}

/** One level of a value: its JSON when it is not a container, otherwise the values inside it. */
const project = (value: unknown): null | boolean | number | string | JsonContainer =>
  typeof value === "object" && value !== null && !Array.isArray(value) && value instanceof Table
    ? { keys: null, items: null, iterator: value.rows(), next: 0 }
    : jsonForm(value)

/** The columns of a table whose rows are not made as objects: V8 sets and lists the keys of large objects slowly. */
const wideTable = 1_024

/** The cells of a row of a wide table. */
class WideRow {
  readonly keys: ReadonlyArray<string>
  readonly columns: ReadonlyArray<Column>
  readonly row: number

  constructor(keys: ReadonlyArray<string>, columns: ReadonlyArray<Column>, row: number) {
    this.keys = keys
    this.columns = columns
    this.row = row
  }

  *cells(): IterableIterator<unknown> {
    for (let at = 0; at < this.columns.length; at++) yield this.columns[at]!.at(this.row)
  }
}

function* wideRowsOf(
  keys: ReadonlyArray<string>,
  columns: ReadonlyArray<Column>,
  numRows: number
): IterableIterator<WideRow> {
  for (let row = 0; row < numRows; row++) yield new WideRow(keys, columns, row)
}

/** The rows of a wide table; among columns with the same name, the last one in the place of the first. */
function* wideRows(table: Table): Steps<JsonContainer> {
  const places = new Places()
  const keys: Array<string> = []
  const columns: Array<Column> = []
  let looked = 0
  for (const column of table.columns) {
    if (++looked % every === 0) yield
    const { name } = column
    const known = places.of(name)
    const at = known.get(name)
    if (at === undefined) {
      known.set(name, keys.length)
      keys.push(name)
      columns.push(column)
    } else columns[at] = column
  }
  return { keys: null, items: null, iterator: wideRowsOf(keys, columns, table.numRows), next: 0 }
}

/** The characters of a text, or bytes in base64, that are converted at once. A multiple of three. */
const partLength = 0x30000

/** A Map of more entries is listed in steps. */
const manyEntries = 8_192

/** A long text in parts, none of which ends within a surrogate pair. */
function* textParts(text: string): Iterable<string> {
  for (let at = 0; at < text.length;) {
    let end = Math.min(text.length, at + partLength)
    if (end < text.length && (text.charCodeAt(end - 1) & 0xfc00) === 0xd800) end--
    yield text.slice(at, end)
    at = end
  }
}

/** The base64 of bytes in parts. */
function* base64Parts(bytes: Uint8Array): Iterable<string> {
  for (let at = 0; at < bytes.length; at += partLength) {
    yield jsonForm(bytes.subarray(at, Math.min(bytes.length, at + partLength))) as string
  }
}

/** As `jsonForm` of a Map, in steps. */
function* mapEntries(map: ReadonlyMap<unknown, unknown>): Steps<JsonContainer> {
  const keys: Array<string> = []
  const items: Array<unknown> = []
  /** The places of the keys, once two of them may have the same text. */
  let places: Places | undefined
  let first: string | undefined
  let looked = 0
  for (const [key, value] of map) {
    if (++looked % every === 0) yield
    const text = pythonStr(key)
    const kind = typeof key
    first ??= kind
    if (places === undefined && (kind !== first || (kind !== "string" && kind !== "number"))) {
      places = new Places()
      for (let at = 0; at < keys.length; at++) {
        places.of(keys[at]!).set(keys[at]!, at)
        if (at % every === 0) yield
      }
    }
    if (places !== undefined) {
      const known = places.of(text)
      const at = known.get(text)
      if (at !== undefined) {
        items[at] = value
        continue
      }
      known.set(text, keys.length)
    }
    keys.push(text)
    items.push(value)
  }
  return { keys, items, iterator: null, next: 0 }
}

/** The most steps of a path that a message shows. */
const maxSteps = 12

/** The path to a value through the containers above it: `[3].parent.children`. */
const pathOf = (frames: ReadonlyArray<JsonContainer>): string => {
  const steps = frames.map(({ keys, next }) => keys === null ? next - 1 : keys[next - 1] ?? "")
  const text = pathText(steps.slice(0, maxSteps))
  return steps.length > maxSteps ? `${text}…` : text
}

/** Describes where a value contains itself or is nested too deep. */
const refuseDepth = (values: ReadonlyArray<unknown>, frames: ReadonlyArray<JsonContainer>, maxDepth: number): never => {
  const places = new Map<unknown, number>()
  for (const [at, value] of values.entries()) {
    const first = places.get(value)
    if (first !== undefined) {
      const outer = first === 0 ? "the whole value" : pathOf(frames.slice(0, first))
      return refuse(`it contains itself: ${pathOf(frames.slice(0, at))} is ${outer} again`)
    }
    places.set(value, at)
  }
  return refuse(`it is nested more than ${maxDepth} deep, at ${pathOf(frames)}`)
}

/** Containers of at least this size are remembered, because they may occur again. */
const largeSize = 1_024

/** Whether the values in a container are made while it is iterated: not two of them are the same object. */
const makesItems = (value: unknown): boolean =>
  value instanceof Table || value instanceof WideRow || value instanceof DataFrame || value instanceof Series ||
  value instanceof Index || value instanceof PandasColumn

/** A container of which all values were projected. */
interface Projected {
  readonly made: unknown
  readonly size: number
  /** The number of containers in one another, itself included. */
  readonly height: number
}

/**
 * Traverses a value without recursion, a large container once however often it comes. Yields regularly, so that text can
 * be taken and other work can run.
 */
function* walk(root: unknown, sink: Sink, options: Options | undefined): Steps<void> {
  const maxDepth = options?.maxDepth ?? 1_000
  const maxValues = options?.maxValues ?? 2 ** 26
  const stack: Array<JsonContainer> = []
  const parents: Array<unknown> = []
  /** Of each container that is open, the size of what came before it, and its height so far. */
  const sizes: Array<number> = []
  const heights: Array<number> = []
  /** The number of open containers that are there for as long as the root is. */
  let kept = 0
  const large = new Map<unknown, Projected>()
  let isMeasured = false
  let used = 0
  let steps = 0
  let value = root
  const plain = new Plain()
  // Checking values that must be traversed after all costs no more than the traversal.
  let credit = plainLimit
  const isPlain = (value: unknown): boolean => {
    if (credit <= 0) return false
    const before = plain.cost
    if (plain.is(value, Math.min(plainDepth, maxDepth - stack.length))) return true
    credit -= plain.cost - before
    plain.cost = before
    return false
  }
  /** Counts the values that were found to be plain. */
  const count = () => {
    used += plain.cost
    steps += plain.cost
    credit = Math.min(credit + plain.cost, plainLimit)
    plain.cost = 0
    if (used > maxValues) refuse(`it holds too much to show: more than ${maxValues} values`)
  }
  for (;;) {
    const isObject = typeof value === "object" && value !== null
    let again = isObject && large.size > 0 ? large.get(value) : undefined
    if (again !== undefined && sink.again === undefined) {
      // Text is made of a container as often as it comes, which may be far too often.
      if (!isMeasured) yield* walk(root, nowhere, options)
      isMeasured = true
      again = undefined
    }
    // What is too deep is traversed, in order to say where.
    if (again !== undefined && stack.length + again.height > maxDepth) again = undefined
    const before = used
    const bytes = isObject && value instanceof Uint8Array && value.length > partLength ? value : undefined
    const projected = bytes !== undefined || again !== undefined
      ? null
      : isObject && value instanceof Map && value.size > manyEntries
      ? yield* mapEntries(value)
      : isObject && value instanceof Table && value.columns.length > wideTable
      ? yield* wideRows(value)
      : value instanceof WideRow
      ? { keys: value.keys, items: null, iterator: value.cells(), next: 0 }
      : project(value)
    if (again !== undefined) {
      used += again.size
      const above = heights.length - 1
      if (above >= 0 && again.height >= heights[above]!) heights[above] = again.height + 1
      if (used <= maxValues) sink.again!(again.made)
    } else if (bytes !== undefined) {
      used += 1 + Math.floor(bytes.length / 12)
      if (used <= maxValues) yield* sink.long(base64Parts(bytes), false)
    } else if (typeof projected !== "object" || projected === null) {
      used += typeof projected === "string" ? 1 + (projected.length >> 4) : 1
      if (typeof projected !== "string" || projected.length <= partLength) sink.scalar(projected)
      else if (used <= maxValues) yield* sink.long(textParts(projected), false)
    } else {
      if (stack.length >= maxDepth) refuseDepth([...parents, value], [...stack], maxDepth)
      stack.push(projected)
      if (kept === parents.length && (kept === 0 || !makesItems(parents[kept - 1]))) kept++
      parents.push(value)
      sizes.push(before)
      heights.push(1)
      if (projected.keys === null) sink.openArray()
      else sink.openObject()
      used += 8
    }
    if (used > maxValues) refuse(`it holds too much to show: more than ${maxValues} values`)
    if (credit < plainLimit) credit += 2
    steps++
    for (;;) {
      if (steps >= 2_048) {
        steps = 0
        yield
      }
      const frame = stack[stack.length - 1]
      if (frame === undefined) return
      if (frame.items !== null) {
        const { items, keys, next } = frame
        if (next < items.length) {
          let end = next
          if (sink.values !== undefined) {
            if (keys === null) { while (end < items.length && isPlain(items[end])) end++ }
            else if (isPlain(items[next])) end++
          }
          if (keys !== null) {
            const key = keys[next]!
            if (key.length <= partLength) sink.key(key)
            else yield* sink.long(textParts(key), true)
          }
          if (end === next) {
            value = items[frame.next++]
            break
          }
          count()
          frame.next = end
          sink.values!(
            end - next === 1 ? JSON.stringify(items[next]) : JSON.stringify(items.slice(next, end)).slice(1, -1)
          )
          continue
        }
      } else {
        const next = frame.iterator!.next()
        frame.next++
        if (next.done !== true) {
          value = next.value
          if (frame.keys !== null) {
            const key = frame.keys[frame.next - 1]!
            if (key.length <= partLength) sink.key(key)
            else yield* sink.long(textParts(key), true)
          }
          if (sink.values === undefined || !isPlain(value)) break
          count()
          sink.values(JSON.stringify(value))
          continue
        }
      }
      stack.pop()
      const container = parents.pop()
      const height = heights.pop()!
      const size = used - sizes.pop()!
      const made = sink.close()
      if (kept > parents.length) {
        kept = parents.length
        if (size >= largeSize) large.set(container, { made, size, height })
      }
      const above = heights.length - 1
      if (above >= 0 && height >= heights[above]!) heights[above] = height + 1
    }
  }
}

class ValueSink implements Sink {
  root: Json = null
  readonly #stack: Array<Array<unknown> | Record<string, unknown>> = []
  readonly #keys: Array<string> = []
  #key = ""
  #put(value: unknown): void {
    const top = this.#stack[this.#stack.length - 1]
    if (top === undefined) this.root = value as Json
    else if (Array.isArray(top)) top.push(value)
    else setKey(top, this.#key, value)
  }
  scalar(value: null | boolean | number | string): void {
    this.#put(value)
  }
  key(key: string): void {
    this.#key = key
  }
  #open(container: Array<unknown> | Record<string, unknown>): void {
    this.#put(container)
    this.#stack.push(container)
    this.#keys.push(this.#key)
  }
  *long(parts: Iterable<string>, isKey: boolean): Steps<void> {
    let text = ""
    for (const part of parts) {
      text += part
      yield
    }
    if (isKey) this.key(text)
    else this.scalar(text)
  }
  openArray(): void {
    this.#open([])
  }
  openObject(): void {
    this.#open({})
  }
  close(): unknown {
    this.#key = this.#keys.pop() ?? ""
    return this.#stack.pop()
  }
  again(made: unknown): void {
    this.#put(made)
  }
}

/**
 * A number past 2^53 - 1 is a float, because such an int is a string. A reader with arbitrary-precision integers would
 * read its shortest digits followed by zeros as another integer; with an exponent they are read as the float.
 */
const numberText = (value: number): string =>
  Math.abs(value) > Number.MAX_SAFE_INTEGER ? value.toExponential() : JSON.stringify(value)

class TextSink implements Sink {
  text = ""
  /** The text before the next value. */
  #separator = ""
  readonly #ends: Array<string> = []
  scalar(value: null | boolean | number | string): void {
    this.text += this.#separator +
      (typeof value === "string" ? JSON.stringify(value) : typeof value === "number" ? numberText(value) : `${value}`)
    this.#separator = ","
  }
  readonly values = (text: string): void => {
    this.text += this.#separator + text
    this.#separator = ","
  }
  key(key: string): void {
    this.text += `${this.#separator}${JSON.stringify(key)}:`
    this.#separator = ""
  }
  *long(parts: Iterable<string>, isKey: boolean): Steps<void> {
    this.text += `${this.#separator}"`
    for (const part of parts) {
      this.text += JSON.stringify(part).slice(1, -1)
      yield
    }
    this.text += isKey ? "\":" : "\""
    this.#separator = isKey ? "" : ","
  }
  openArray(): void {
    this.text += `${this.#separator}[`
    this.#separator = ""
    this.#ends.push("]")
  }
  openObject(): void {
    this.text += `${this.#separator}{`
    this.#separator = ""
    this.#ends.push("}")
  }
  close(): void {
    this.text += this.#ends.pop() ?? ""
    this.#separator = ","
  }
}

const failure = (error: unknown): FormatError =>
  error instanceof Refusal
    ? new FormatError({ reason: error.reason })
    : error instanceof PickleError
    ? undecodable(`it cannot be shown as JSON: ${error.message}`)
    : error instanceof RangeError
    ? undecodable("its JSON is longer than a string can be: take it in pieces with JsonProjection.toChunks")
    // The toJSON of a value that a registry made may throw.
    : undecodable("it cannot be shown as JSON: a value of it failed when it was asked for its own")

/**
 * The projection of a value, as plain JavaScript data.
 *
 * @category projecting
 * @since 0.1.0
 */
export const toJson = (value: unknown, options?: Options): Effect.Effect<Json, FormatError> =>
  Effect.suspend(() => {
    const sink = new ValueSink()
    return Effect.map(giveWay(() => walk(value, sink, options), failure), () => sink.root)
  })

/**
 * The projection of a value, made without giving way to other work: for cells of tables and other small values. Throws a
 * `FormatError` where `toJson` fails with one.
 *
 * **Example** (Projecting a small value)
 *
 * ```ts
 * import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
 *
 * JsonProjection.toJsonSync(new Map([["x", 9007199254740993n]])) // { x: "9007199254740993" }
 * ```
 *
 * @category projecting
 * @since 0.1.0
 */
export const toJsonSync = (value: unknown, options?: Options): Json => {
  const sink = new ValueSink()
  try {
    toEnd(walk(value, sink, options))
  } catch (error) {
    throw failure(error)
  }
  return sink.root
}

/** The least characters of a piece of text but the last. */
const pieceLength = 65_536

/**
 * The projection of a value as JSON text on one line. For a large value, use `toChunks`: the engine copies a text of 100 MB
 * into one piece when it is first looked into or encoded, which takes 60 ms.
 *
 * @category projecting
 * @since 0.1.0
 */
export const toText = (value: unknown, options?: Options): Effect.Effect<string, FormatError> =>
  Effect.suspend(() => giveWay(() => text(value, options), failure))

/** Text that was appended to takes several times its length, until it is read. */
const flat = (text: string): string => {
  text.charCodeAt(text.length - 1)
  return text
}

function* text(value: unknown, options: Options | undefined): Steps<string> {
  const sink = new TextSink()
  // To join the pieces in an array would copy all of them in one step, even for whoever never looks into the text.
  let whole = ""
  for (const step of walk(value, sink, options)) {
    if (sink.text.length >= pieceLength) {
      whole += flat(sink.text)
      sink.text = ""
    }
    yield step
  }
  return whole + sink.text
}

/**
 * The projection of a value as pieces of JSON text, made on demand, so that a large table is never in memory twice.
 * Throws a `FormatError` where `toText` fails with one: pass it to `Stream.fromIterable` behind `Effect.try`, or call
 * `validate` first if nothing may be written of a value that has no projection.
 *
 * @category projecting
 * @since 0.1.0
 */
export function* toChunks(value: unknown, options?: Options): Generator<string, void> {
  const sink = new TextSink()
  try {
    for (const _ of walk(value, sink, options)) {
      if (sink.text.length < pieceLength) continue
      yield sink.text
      sink.text = ""
    }
  } catch (error) {
    throw failure(error)
  }
  yield sink.text
}

/**
 * One level of a projection: a value that is not a container, or the items or entries of one, which are not projected
 * yet.
 *
 * @category models
 * @since 0.1.0
 */
export type Level =
  | { readonly _tag: "Scalar"; readonly value: null | boolean | number | string }
  | { readonly _tag: "Array"; readonly items: ReadonlyArray<unknown> | Iterable<unknown> }
  | { readonly _tag: "Object"; readonly keys: ReadonlyArray<string>; readonly items: ReadonlyArray<unknown> }

/**
 * The first level of a value's projection, for showing a large value level by level. Its items can be passed to `level`
 * in turn. Throws a `FormatError` when the `toJSON` of a value fails.
 *
 * @category projecting
 * @since 0.1.0
 */
export const level = (value: unknown): Level => {
  try {
    const projected = project(value)
    if (typeof projected !== "object" || projected === null) return { _tag: "Scalar", value: projected }
    const { items, iterator, keys } = projected
    if (keys !== null) {
      return {
        _tag: "Object",
        keys,
        items: items ?? Array.from({ [Symbol.iterator]: () => iterator! })
      }
    }
    return { _tag: "Array", items: items ?? { [Symbol.iterator]: () => iterator! } }
  } catch (error) {
    throw failure(error)
  }
}

const nowhere: Sink = {
  scalar: () => {},
  key: () => {},
  openArray: () => {},
  openObject: () => {},
  close: () => {},
  again: () => {},
  *long() {}
}

/**
 * Checks that a value has a projection. Fails like `toJson`, and creates nothing.
 *
 * @category projecting
 * @since 0.1.0
 */
export const validate = (value: unknown, options?: Options): Effect.Effect<void, FormatError> =>
  giveWay(() => walk(value, nowhere, options), failure)
