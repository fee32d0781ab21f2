/**
 * The JSON projection of values, one level at a time: the JSON of a value, or the values directly inside it.
 *
 * @since 0.1.0
 */
import { base64 } from "./base64.ts"
import { PickleError } from "./errors.ts"
import { deletedKey, keysOf, valuesOf } from "./objectKeys.ts"
import { memberOf, plainOf } from "./plain.ts"
import { pythonStr } from "./pythonText.ts"
import { Column, DataFrame, Index, isMissing, NA, NaT, Series, Timedelta, Timestamp } from "./values/dataframe.ts"
import { offsetText, PyDate, PyDateTime, PyTime, PyTimedelta, Timezone, ZoneInfo } from "./values/datetime.ts"
import { isDictObject } from "./values/dict.ts"
import { DType, nanosecondsText, NdArray, NpScalar, NpTime } from "./values/ndarray.ts"
import { Complex, Decimal, Fraction, PyFloat, Range, Slice } from "./values/numbers.ts"
import {
  type ManyAttributes,
  manyAttributesOf,
  Opaque,
  Path,
  PyArray,
  PyEnum,
  PyGlobal,
  PyObject,
  UUID
} from "./values/objects.ts"
import { Interval, Period } from "./values/period.ts"
import { SparseMatrix } from "./values/sparse.ts"

/**
 * A value that is an array or an object in JSON: its `items`, or an iterator of them when they are made one by one, and
 * the `keys` of an object.
 *
 * @category projecting
 * @since 0.1.0
 */
export interface JsonContainer {
  readonly keys: ReadonlyArray<string> | null
  readonly items: ReadonlyArray<unknown> | null
  readonly iterator: Iterator<unknown> | null
  /** The number of items taken so far; for traversals. */
  next: number
  /** The value at a place, when the values of an object are not listed. */
  readonly at?: (index: number) => unknown
}

const entriesOf = (entries: Iterable<readonly [unknown, unknown]>): JsonContainer => {
  const last = new Map<string, unknown>()
  for (const [key, value] of entries) last.set(pythonStr(key), value)
  return { keys: [...last.keys()], items: [...last.values()], iterator: null, next: 0 }
}

/** The entries of a Map. Different texts or numbers are different keys. */
const mapEntries = (map: ReadonlyMap<unknown, unknown>): JsonContainer => {
  const [first] = map.keys()
  const kind = typeof first
  if (kind !== "string" && kind !== "number") return entriesOf(map)
  const keys: Array<string> = []
  for (const key of map.keys()) {
    if (typeof key !== kind) return entriesOf(map)
    keys.push(pythonStr(key))
  }
  return { keys, items: [...map.values()], iterator: null, next: 0 }
}

const itemsOf = (items: ReadonlyArray<unknown>): JsonContainer => ({ keys: null, items, iterator: null, next: 0 })

const iterate = (values: Iterable<unknown>): JsonContainer => ({
  keys: null,
  items: null,
  iterator: values[Symbol.iterator](),
  next: 0
})

/** The most entries of an object whose values are listed at once: V8 lists those of large objects slowly. */
const fewKeys = 1_024

const objectEntries = (value: object): JsonContainer => {
  const keys = keysOf(value)
  return keys.length <= fewKeys
    ? { keys, items: Object.values(value), iterator: null, next: 0 }
    : { keys, items: null, iterator: valuesOf(value, keys), next: 0, at: (index) => Reflect.get(value, keys[index]!) }
}

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
  const { mask } = array
  if (mask === null) return record(array.dtype, array.itemAt(memoryPosition(array, position)))
  const fields = array.dtype.fields?.length ?? 1
  if (mask.length === array.size) {
    return mask[position] === 1 ? null : record(array.dtype, array.itemAt(memoryPosition(array, position)))
  }
  // One byte for each field of each item.
  const values = record(array.dtype, array.itemAt(memoryPosition(array, position)))
  return Array.isArray(values) ? values.map((value, i) => mask[position * fields + i] === 1 ? null : value) : values
}

const memoryPosition = (array: NdArray, position: number): number => {
  if (array.order === "C" || array.objects !== null || array.shape.length < 2) return position
  let rest = position
  let memory = 0
  let stride = array.size
  for (let axis = array.shape.length - 1; axis >= 0; axis--) {
    const length = array.shape[axis]!
    stride /= length
    memory += (rest % length) * stride
    rest = Math.floor(rest / length)
  }
  return memory
}

/** A record of a structured array is a tuple in Python. */
const record = (dtype: DType, value: unknown): unknown => {
  if (dtype.fields === null || typeof value !== "object" || value === null) return value
  const fields = value as Readonly<Record<string, unknown>>
  return dtype.fields.map((field) => record(field.dtype, fields[field.name]))
}

const objectForm = (value: PyObject): JsonContainer => {
  const out = new Map<string, unknown>([["__class__", value.className]])
  // Byte code and its metadata are meaningless outside Python.
  if (value instanceof Opaque) return { keys: [...out.keys()], items: [...out.values()], iterator: null, next: 0 }
  if (value.args.length > 0) out.set("__args__", value.args)
  if (value.kwargs !== null && value.kwargs !== undefined) out.set("__kwargs__", value.kwargs)
  if (value.items.length > 0) out.set("__items__", value.items)
  if (value.pairs.length > 0) out.set("__pairs__", value.pairs)
  const many = manyAttributesOf(value)
  if (many !== undefined) return manyEntries(out, many)
  const attributes = value.attributes()
  if (attributes.size === 0 && value.state !== undefined && !isEmptyState(value.state)) {
    out.set("__state__", value.state)
  }
  const keys = [...out.keys()]
  const items = [...out.values()]
  // Without a Map of all: the attributes have one, and to fill another with very many takes long.
  for (const [name, attribute] of attributes) {
    if (name === "__class__") continue
    if (out.has(name)) items[keys.indexOf(name)] = attribute
    else {
      keys.push(name)
      items.push(attribute)
    }
  }
  return { keys, items, iterator: null, next: 0 }
}

/** What is beside very many attributes, and these, without a copy of them. Attributes of the same name take its place. */
const manyEntries = (beside: ReadonlyMap<string, unknown>, { dict, names }: ManyAttributes): JsonContainer => {
  const first = [...beside.keys()]
  const has = (name: string) => Object.hasOwn(dict, name)
  const rest = first.some(has) ? names.filter((name) => !beside.has(name)) : names
  const items = first.map((name) => name !== "__class__" && has(name) ? dict[name] : beside.get(name))
  function* values(): IterableIterator<unknown> {
    yield* items
    yield* valuesOf(dict, rest)
  }
  return {
    keys: first.concat(rest),
    items: null,
    iterator: values(),
    next: 0,
    at: (index) => index < items.length ? items[index] : dict[rest[index - items.length]!]
  }
}

const isEmptyState = (state: unknown): boolean =>
  state === null || (Array.isArray(state) && state.every(isEmptyState)) ||
  (isDictObject(state) && keysOf(state).length === 0) || (state instanceof Map && state.size === 0)

/** A datetime whose offset is unknown is never shown as if it had no zone. */
const unknownZone = (className: string, value: string, tzinfo: unknown): JsonContainer => ({
  keys: ["__class__", "value", "tzinfo"],
  items: [className, value, tzinfo],
  iterator: null,
  next: 0
})

/** The JSON of a NumPy time: ISO 8601 or seconds. */
const numpyTime = (value: NpTime): null | string | number => {
  const { nanoseconds } = value
  if (nanoseconds === null) return value.count === null ? null : value.toString()
  return value.kind === "datetime64" ? value.toString() : Number(nanoseconds) / 1e9
}

/** The rows of a frame; among columns with the same name, the last one wins. */
function* rowsOf(frame: DataFrame): IterableIterator<Map<string, unknown>> {
  const isFloat = frame.columns.column.kind === "float"
  const names = Array.from({ length: frame.columns.length }, (_, i) => {
    const name = frame.columns.at(i)
    return pythonStr(typeof name === "number" && isFloat ? new PyFloat(name) : name)
  })
  for (let row = 0; row < frame.length; row++) {
    const out = new Map<string, unknown>()
    names.forEach((name, i) => {
      const value = frame.data[i]!.at(row)
      out.set(name, isMissing(value) ? null : value)
    })
    yield out
  }
}

const isPlainObject = (value: object): value is Record<string, unknown> => {
  const prototype: unknown = Object.getPrototypeOf(value)
  // A null prototype, a prototype above which there is none (how pickled dicts are made), or an ordinary object.
  return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null
}

/**
 * One level of the JSON projection of a value: the JSON of a value that is not a container, otherwise the values
 * directly inside it.
 *
 * @throws PickleError when a key of a dict is too long as text
 * @category projecting
 * @since 0.1.0
 */
export const jsonForm = (value: unknown): null | boolean | number | string | JsonContainer => {
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
  if (isPlainObject(value)) return objectEntries(value)
  if (value instanceof Map) return mapEntries(value)
  if (value instanceof Set) return iterate(value)
  if (value instanceof Uint8Array) return base64(value)
  if (value instanceof PyFloat) return Number.isFinite(value.value) ? value.value : null
  if (value instanceof PyTimedelta || value instanceof Timedelta) return value.totalSeconds
  if (value instanceof PyDateTime) {
    const { localText, tzinfo } = value
    if (tzinfo === null) return localText
    const offset = value.utcOffset()
    return offset === null
      ? unknownZone("datetime.datetime", localText, tzinfo)
      : `${localText}${offsetText(offset)}`
  }
  if (value instanceof Timestamp) {
    const { ns, tzinfo, utcText } = value
    if (tzinfo === null) return nanosecondsText(ns)
    const offset = value.utcOffset()
    // The instant of a Timestamp is known, but its local time is not.
    return offset === null
      ? unknownZone("datetime.datetime", utcText, tzinfo)
      : `${nanosecondsText(ns + BigInt(offset) * 1_000n)}${offsetText(offset)}`
  }
  if (value instanceof PyTime) {
    return value.hasUnknownZone ? unknownZone("datetime.time", value.localText, value.tzinfo) : value.toString()
  }
  if (value instanceof PyGlobal) return jsonForm(memberOf(value) ?? value.toString())
  if (
    value instanceof Decimal || value instanceof UUID || value instanceof Fraction || value instanceof Complex ||
    value instanceof Path || value instanceof PyDate || value instanceof Timezone || value instanceof ZoneInfo ||
    value instanceof Period || value instanceof Interval || value instanceof DType
  ) return value.toString()
  if (value instanceof DataFrame) return iterate(rowsOf(value))
  if (value instanceof Slab) return iterate(value)
  if (value instanceof NdArray) {
    return value.shape.length === 0 ? jsonForm(itemAt(value, 0)) : iterate(new Slab(value, 0, 0, value.size))
  }
  if (value instanceof NpScalar) return jsonForm(record(value.dtype, value.value))
  if (value instanceof NpTime) return numpyTime(value)
  if (value === NaT || value === NA) return null
  if (value instanceof PyEnum) return jsonForm(value.value)
  if (value instanceof Range && value.length > maxValues) {
    return tooMuch("values", "a range of more integers than can be shown as JSON", maxValues)
  }
  if (
    value instanceof Series || value instanceof Index || value instanceof Column || value instanceof Range ||
    value instanceof PyArray
  ) return iterate(value)
  if (value instanceof PyObject) {
    const plain = plainOf(value)
    return plain instanceof PyObject ? objectForm(plain) : jsonForm(plain)
  }
  if (value instanceof Slice) {
    return entriesOf([["__class__", "builtins.slice"], ["__args__", [value.start, value.stop, value.step]]])
  }
  if (value instanceof SparseMatrix) {
    return entriesOf([["shape", value.shape], ["format", value.format], ...value.parts])
  }
  return foreign(value)
}

/** A value that is not a Python value but was made by a class registry. */
const foreign = (value: object): null | boolean | number | string | JsonContainer => {
  const { toJSON } = value as { readonly toJSON?: unknown }
  if (typeof toJSON === "function") {
    const json: unknown = toJSON.call(value)
    return json === value ? null : jsonForm(json)
  }
  if (ArrayBuffer.isView(value) && Symbol.iterator in value) return iterate(value as unknown as Iterable<unknown>)
  return objectEntries(value)
}

const maxDepth = 1_000
const maxValues = 2 ** 26
/** More digits take more time than a value does, each time that the integer occurs. */
const fewDigits = 1_024

/** Containers with at least this many values are remembered, because they may occur again. */
const manyValues = 1_024

/** Whether the values in a container are made while it is iterated: not two of them are the same object. */
const makesItems = (value: unknown): boolean =>
  value instanceof DataFrame || value instanceof Series || value instanceof Index || value instanceof Column

/** A container of which all values were projected. */
interface Projected {
  readonly shown: unknown
  readonly size: number
  /** The number of containers in one another, itself included. */
  readonly height: number
}

/** A container whose values are being projected. */
interface OpenContainer {
  readonly value: unknown
  readonly form: JsonContainer
  readonly shown: Array<unknown> | Record<string, unknown>
  /** The number of values that may follow, from this one on. */
  readonly left: number
  /** Whether the value stays the same object for as long as the root is there. */
  readonly isKept: boolean
  height: number
}

/**
 * The JSON projection of a whole value as plain data, which `toJSON` of every class of this package returns. What is one
 * large container in the value may be one in the projection too.
 *
 * @throws PickleError of reason LimitExceeded when the value contains itself, is nested more than 1 000 deep or holds
 * more than 2^26 values
 * @category projecting
 * @since 0.1.0
 */
export const toJson = (value: unknown): unknown => {
  let left = maxValues
  let root: unknown = null
  const stack: Array<OpenContainer> = []
  const projected = new Map<unknown, Projected>()
  let current = value
  let key = ""
  for (;;) {
    const top = stack[stack.length - 1]
    const known = typeof current === "object" ? projected.get(current) : undefined
    const again = known !== undefined && stack.length + known.height <= maxDepth ? known : undefined
    const before = left
    const form = again === undefined ? jsonForm(current) : null
    left -= again !== undefined
      ? again.size
      : typeof current === "bigint" && typeof form === "string" && form.length > fewDigits
      ? form.length
      : 1
    if (left < 0) tooMuch("values", "more values than can be shown as JSON", maxValues)
    const isContainer = typeof form === "object" && form !== null
    const shown = again !== undefined ? again.shown : !isContainer ? form : form.keys === null ? [] : {}
    if (top === undefined) root = shown
    else {
      if (Array.isArray(top.shown)) top.shown.push(shown)
      else setKey(top.shown, key, shown)
      if (again !== undefined) top.height = Math.max(top.height, again.height + 1)
    }
    if (isContainer) {
      if (stack.length >= maxDepth) tooMuch("depth", "a value that is nested too deep, or contains itself", maxDepth)
      stack.push({
        value: current,
        form,
        shown: shown as Array<unknown> | Record<string, unknown>,
        left: before,
        isKept: top === undefined || (top.isKept && !makesItems(top.value)),
        height: 1
      })
    }
    for (;;) {
      const frame = stack[stack.length - 1]
      if (frame === undefined) return root
      const { items, iterator, keys } = frame.form
      if (items !== null) {
        if (frame.form.next < items.length) {
          if (keys !== null) key = keys[frame.form.next]!
          current = items[frame.form.next++]
          break
        }
      } else {
        const next = iterator!.next()
        if (next.done !== true) {
          if (keys !== null) key = keys[frame.form.next++]!
          if (next.value === deletedKey) continue
          current = next.value
          break
        }
      }
      stack.pop()
      const { height, isKept, shown } = frame
      const size = frame.left - left
      if (isKept && size >= manyValues) projected.set(frame.value, { shown, size, height })
      const above = stack[stack.length - 1]
      if (above !== undefined) above.height = Math.max(above.height, height + 1)
    }
  }
}

const tooMuch = (limit: string, found: string, max: number): never => {
  throw new PickleError({ reason: "LimitExceeded", found, expected: `at most ${max}`, limit })
}

const setKey = (object: Record<string, unknown>, key: string, value: unknown): void => {
  if (key === "__proto__") {
    Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
  } else object[key] = value
}
