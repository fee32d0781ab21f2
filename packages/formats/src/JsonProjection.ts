/**
 * The JSON projection: one way to show any Python value as JSON, the same wherever the value was stored.
 *
 * | Python | JSON |
 * |---|---|
 * | None, bool, str | null, boolean, string |
 * | int | number within ±(2^53-1), else string |
 * | float | number; NaN and the infinities are null |
 * | Decimal, UUID, Fraction, complex, Path | string |
 * | bytes, bytearray | string, base64 with padding |
 * | date, time, datetime, Timestamp | string, ISO 8601 with the offset |
 * | timedelta, Timedelta | number of seconds |
 * | tuple, list, deque, range, set, array, Series, Index | array |
 * | NumPy array | nested arrays |
 * | dict | object, keys as Python's `str(key)`, of equal keys the last |
 * | DataFrame and every other table | array of row objects; NaN, NaT and NA are null |
 * | Enum, named tuple | its value, an array, where its class is known |
 * | an object of another class | `{"__class__": "module.Name", "__args__": […] when it has any, …its attributes}` |
 * | a class or function | string, `module.name` |
 *
 * @since 0.1.0
 */
import {
  Categorical,
  Column as PyColumn,
  Complex,
  DataFrame,
  Decimal,
  type DType,
  exceptionOf,
  Fraction,
  Index,
  NA,
  NaT,
  NdArray,
  NpScalar,
  NpTime,
  Opaque,
  Path,
  pendulumOf,
  PyArray,
  PyDate,
  PyDateTime,
  PyEnum,
  PyFloat,
  PyGlobal,
  PyObject,
  PyTime,
  PyTimedelta,
  Range,
  Series,
  Slice,
  Timedelta,
  Timestamp,
  Timezone,
  UUID,
  ZoneInfo
} from "@effect-prefect/pickle"
import * as Effect from "effect/Effect"
import { FormatError, undecodable } from "./FormatError.ts"
import { setKey } from "./internal/json.ts"
import { fromDataFrame } from "./internal/python/frames.ts"
import { pythonStr } from "./internal/python/text.ts"
import { Refusal, refuse } from "./internal/refusal.ts"
import { Table } from "./Table.ts"

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
  /** How deep the projection may be nested. Default 1 000. */
  readonly maxDepth?: number | undefined
  /**
   * How much it may hold: one for each number, boolean, null and 16 characters of text, eight for each array and object.
   * A few bytes of a pickle can stand for any number of equal lists. Default 2^26.
   */
  readonly maxValues?: number | undefined
}

/** Where a projection goes: to a JavaScript value or to text. */
interface Sink {
  scalar(value: null | boolean | number | string): void
  key(key: string): void
  openArray(): void
  openObject(): void
  close(): void
}

/** A container that is being walked. `next` is where it goes on. */
interface Frame {
  readonly keys: ReadonlyArray<string> | null
  readonly items: ReadonlyArray<unknown> | null
  readonly iterator: Iterator<unknown> | null
  next: number
}

const isPlainObject = (value: object): value is Record<string, unknown> => {
  const prototype: unknown = Object.getPrototypeOf(value)
  // A null prototype, one above such (how pickled dicts are made), or an ordinary object.
  return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null
}

const entriesOf = (entries: Iterable<readonly [unknown, unknown]>): Frame => {
  const last = new Map<string, unknown>()
  for (const [key, value] of entries) last.set(pythonStr(key), value)
  return { keys: [...last.keys()], items: [...last.values()], iterator: null, next: 0 }
}

const itemsOf = (items: ReadonlyArray<unknown>): Frame => ({ keys: null, items, iterator: null, next: 0 })

const iterate = (values: Iterable<unknown>): Frame => ({
  keys: null,
  items: null,
  iterator: values[Symbol.iterator](),
  next: 0
})

/** One dimension of a NumPy array: `start` counts items in row-major order. */
class Slab implements Iterable<unknown> {
  readonly array: NdArray
  readonly axis: number
  readonly start: number
  readonly size: number
  constructor(array: NdArray, axis: number, start: number, size: number) {
    this.array = array
    this.axis = axis
    this.start = start
    this.size = size
  }
  *[Symbol.iterator](): IterableIterator<unknown> {
    const { array, axis, size, start } = this
    const count = array.shape[axis]!
    const isLast = axis === array.shape.length - 1
    const step = count === 0 ? 0 : size / count
    for (let i = 0; i < count; i++) {
      yield isLast ? itemAt(array, start + i) : new Slab(array, axis + 1, start + i * step, step)
    }
  }
}

/** The item of an array at a position in row-major order. */
const itemAt = (array: NdArray, position: number): unknown => {
  if (array.mask !== null && array.mask[position] === 1) return null
  if (array.order === "C" || array.objects !== null || array.shape.length < 2) {
    return record(array.dtype, array.itemAt(position))
  }
  let rest = position
  let memory = 0
  let stride = array.size
  for (let axis = array.shape.length - 1; axis >= 0; axis--) {
    const length = array.shape[axis]!
    stride /= length
    memory += (rest % length) * stride
    rest = Math.floor(rest / length)
  }
  return record(array.dtype, array.itemAt(memory))
}

/** A record of a structured array is a tuple in Python. */
const record = (dtype: DType, value: unknown): unknown => {
  if (dtype.fields === null || typeof value !== "object" || value === null) return value
  const fields = value as Readonly<Record<string, unknown>>
  return dtype.fields.map((field) => record(field.dtype, fields[field.name]))
}

const arrayFrame = (array: NdArray): Frame => iterate(new Slab(array, 0, 0, array.size))

const objectFrame = (value: PyObject): Frame => {
  const out = new Map<string, unknown>([["__class__", value.className]])
  // Byte code and what goes with it says nothing to anybody.
  if (value instanceof Opaque) return { keys: [...out.keys()], items: [...out.values()], iterator: null, next: 0 }
  if (value.args.length > 0) out.set("__args__", value.args)
  if (value.kwargs !== null && value.kwargs !== undefined) out.set("__kwargs__", value.kwargs)
  if (value.items.length > 0) out.set("__items__", value.items)
  if (value.pairs.length > 0) out.set("__pairs__", value.pairs)
  const attributes = value.attributes()
  for (const [name, attribute] of attributes) if (name !== "__class__") out.set(name, attribute)
  if (attributes.size === 0 && value.state !== undefined && !isEmptyState(value.state)) {
    out.set("__state__", value.state)
  }
  return { keys: [...out.keys()], items: [...out.values()], iterator: null, next: 0 }
}

const isEmptyState = (state: unknown): boolean =>
  state === null || (Array.isArray(state) && state.every(isEmptyState)) ||
  (typeof state === "object" && isPlainObject(state) && Object.keys(state).length === 0) ||
  (state instanceof Map && state.size === 0)

const base64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64")

/** What a time of NumPy shows as: ISO 8601 or seconds. */
const numpyTime = (value: NpTime): null | string | number => {
  const { nanoseconds } = value
  if (nanoseconds === null) return value.count === null ? null : value.toString()
  return value.kind === "datetime64" ? value.toString() : Number(nanoseconds) / 1e9
}

/** A value that is not a container as JSON, or the frame of one that is. */
const project = (value: unknown): null | boolean | number | string | Frame => {
  switch (typeof value) {
    case "string":
    case "boolean":
      return value
    case "number":
      return Number.isFinite(value) ? value : null
    case "bigint":
      return value >= -9007199254740991n && value <= 9007199254740991n ? Number(value) : `${value}`
    case "object":
      break
    default:
      return null
  }
  if (value === null) return null
  if (Array.isArray(value)) return itemsOf(value)
  if (isPlainObject(value)) return { keys: Object.keys(value), items: Object.values(value), iterator: null, next: 0 }
  if (value instanceof Map) return entriesOf(value)
  if (value instanceof Set) return iterate(value)
  if (value instanceof Uint8Array) return base64(value)
  if (value instanceof PyFloat) return Number.isFinite(value.value) ? value.value : null
  if (value instanceof PyTimedelta || value instanceof Timedelta) return value.totalSeconds
  if (
    value instanceof Decimal || value instanceof UUID || value instanceof Fraction || value instanceof Complex ||
    value instanceof Path || value instanceof PyDateTime || value instanceof PyDate || value instanceof PyTime ||
    value instanceof Timestamp || value instanceof Timezone || value instanceof ZoneInfo || value instanceof PyGlobal
  ) return value.toString()
  if (value instanceof Table) return iterate(value.rows())
  if (value instanceof DataFrame) return iterate(fromDataFrame(value).rows())
  if (value instanceof Slab) return iterate(value)
  if (value instanceof NdArray) return value.shape.length === 0 ? project(itemAt(value, 0)) : arrayFrame(value)
  if (value instanceof NpScalar) return project(record(value.dtype, value.value))
  if (value instanceof NpTime) return numpyTime(value)
  if (value === NaT || value === NA) return null
  if (value instanceof PyEnum) return project(value.value)
  if (
    value instanceof Series || value instanceof Index || value instanceof PyColumn || value instanceof Categorical ||
    value instanceof Range || value instanceof PyArray
  ) return iterate(value)
  if (value instanceof PyObject) {
    const temporal = pendulumOf(value)
    return temporal === null ? objectFrame(exceptionOf(value)) : project(temporal)
  }
  if (value instanceof Slice) {
    return entriesOf([["__class__", "builtins.slice"], ["__args__", [value.start, value.stop, value.step]]])
  }
  return foreign(value)
}

/** A value that is no Python value: what a class registry made of one. */
const foreign = (value: object): null | boolean | number | string | Frame => {
  const { toJSON } = value as { readonly toJSON?: unknown }
  if (typeof toJSON === "function") {
    const json: unknown = toJSON.call(value)
    return json === value ? null : project(json)
  }
  if (ArrayBuffer.isView(value) && Symbol.iterator in value) return iterate(value as unknown as Iterable<unknown>)
  return { keys: Object.keys(value), items: Object.values(value), iterator: null, next: 0 }
}

/** Walks a value without recursion. Yields now and then, which is when text may be taken and others may work. */
function* walk(root: unknown, sink: Sink, options: Options | undefined): Generator<void, void> {
  const maxDepth = options?.maxDepth ?? 1_000
  const maxValues = options?.maxValues ?? 2 ** 26
  const stack: Array<Frame> = []
  let left = maxValues
  let steps = 0
  let value = root
  for (;;) {
    const projected = project(value)
    if (typeof projected !== "object" || projected === null) {
      sink.scalar(projected)
      left -= typeof projected === "string" ? 1 + (projected.length >> 4) : 1
    } else {
      if (stack.length >= maxDepth) refuse(`it is nested more than ${maxDepth} deep, or contains itself`)
      stack.push(projected)
      if (projected.keys === null) sink.openArray()
      else sink.openObject()
      left -= 8
    }
    if (left < 0) refuse(`it holds too much to show: more than ${maxValues} values`)
    if (++steps % 8_192 === 0) yield
    for (;;) {
      const frame = stack[stack.length - 1]
      if (frame === undefined) return
      if (frame.items !== null) {
        if (frame.next < frame.items.length) {
          if (frame.keys !== null) sink.key(frame.keys[frame.next]!)
          value = frame.items[frame.next++]
          break
        }
      } else {
        const next = frame.iterator!.next()
        if (next.done !== true) {
          value = next.value
          break
        }
      }
      stack.pop()
      sink.close()
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
  openArray(): void {
    this.#open([])
  }
  openObject(): void {
    this.#open({})
  }
  close(): void {
    this.#stack.pop()
    this.#key = this.#keys.pop() ?? ""
  }
}

/**
 * A number past 2^53 - 1 is a float, as an int is a string there. Its shortest digits with zeros after them would be read
 * as another integer by who knows integers of any length; with an exponent they are read as the float.
 */
const numberText = (value: number): string =>
  Math.abs(value) > Number.MAX_SAFE_INTEGER ? value.toExponential() : JSON.stringify(value)

class TextSink implements Sink {
  text = ""
  /** What comes before the next value. */
  #separator = ""
  readonly #ends: Array<string> = []
  scalar(value: null | boolean | number | string): void {
    this.text += this.#separator +
      (typeof value === "string" ? JSON.stringify(value) : typeof value === "number" ? numberText(value) : `${value}`)
    this.#separator = ","
  }
  key(key: string): void {
    this.text += `${this.#separator}${JSON.stringify(key)}:`
    this.#separator = ""
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
    // A value made by a registry may throw when its own toJSON is called.
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
    try {
      for (const _ of walk(value, sink, options)) { /* to the end */ }
      return Effect.succeed(sink.root)
    } catch (error) {
      return Effect.fail(failure(error))
    }
  })

/**
 * The projection of a value as JSON text, in one line. The text of a large value is better taken from `toChunks`.
 *
 * @category projecting
 * @since 0.1.0
 */
export const toText = (value: unknown, options?: Options): Effect.Effect<string, FormatError> =>
  Effect.suspend(() => {
    const sink = new TextSink()
    try {
      for (const _ of walk(value, sink, options)) { /* to the end */ }
      return Effect.succeed(sink.text)
    } catch (error) {
      return Effect.fail(failure(error))
    }
  })

/**
 * The projection of a value as pieces of JSON text, made as they are asked for, so that a large table never is in memory
 * twice. Throws a `FormatError` where `toText` fails with one: give it to `Stream.fromIterable` behind
 * `Effect.try`, or use `validate` first when nothing may be written of a value that cannot be shown.
 *
 * @category projecting
 * @since 0.1.0
 */
export function* toChunks(value: unknown, options?: Options): Generator<string, void> {
  const sink = new TextSink()
  try {
    for (const _ of walk(value, sink, options)) {
      if (sink.text.length < 65_536) continue
      yield sink.text
      sink.text = ""
    }
  } catch (error) {
    throw failure(error)
  }
  yield sink.text
}

const nowhere: Sink = { scalar: () => {}, key: () => {}, openArray: () => {}, openObject: () => {}, close: () => {} }

/**
 * Whether a value has a projection: fails as `toJson` does, and makes nothing.
 *
 * @category projecting
 * @since 0.1.0
 */
export const validate = (value: unknown, options?: Options): Effect.Effect<void, FormatError> =>
  Effect.suspend(() => {
    try {
      for (const _ of walk(value, nowhere, options)) { /* to the end */ }
      return Effect.void
    } catch (error) {
      return Effect.fail(failure(error))
    }
  })
