/**
 * Columns of pandas: NumPy arrays, rows of blocks, and the extension arrays of 0.25 to 3.
 *
 * @since 0.1.0
 */
import { exceeded, fail } from "../../errors.ts"
import { Tuple } from "../../values/containers.ts"
import {
  Categorical,
  Column,
  type ColumnKind,
  type ColumnParts,
  Index,
  NA,
  NaT,
  Series,
  Timedelta,
  Timestamp,
  type TimeUnit,
  zoneName
} from "../../values/dataframe.ts"
import { isDictObject } from "../../values/dict.ts"
import { labelOf, shrink } from "../../values/integers.ts"
import { DType, NdArray } from "../../values/ndarray.ts"
import { PyFloat } from "../../values/numbers.ts"
import { PyGlobal, PyObject } from "../../values/objects.ts"
import { frequencyOf, Interval, Period } from "../../values/period.ts"
import { arrowColumn, nanosecondsIn } from "../arrow.ts"
import { geoJson, geometryOf } from "../wkb.ts"

/** @internal */
export const entry = (dict: unknown, ...keys: ReadonlyArray<string>): unknown => {
  for (const key of keys) {
    if (dict instanceof Map) {
      if (dict.has(key)) return dict.get(key)
    } else if (isDictObject(dict) && Object.hasOwn(dict, key)) return dict[key]
  }
  return undefined
}

/**
 * The named entries of all states of an object; later ones override earlier ones.
 *
 * @internal
 */
const stateEntry = (object: PyObject, ...keys: ReadonlyArray<string>): unknown => {
  for (let i = object.states.length - 1; i >= 0; i--) {
    const state = object.states[i]
    for (const part of Array.isArray(state) ? state : [state]) {
      const value = entry(part, ...keys)
      if (value !== undefined) return value
    }
  }
  return undefined
}

/** @internal */
export const nameOf = (value: unknown): string =>
  value instanceof PyGlobal
    ? value.name
    : value instanceof PyObject && value.class instanceof PyGlobal
    ? value.class.name
    : ""

/** @internal */
export const notATime = -9223372036854775808n
const units: ReadonlyArray<string> = ["s", "ms", "us", "ns"]

/** @internal */
export const instantGetter = (unit: TimeUnit, tzinfo: unknown): (values: ArrayLike<unknown>, i: number) => unknown => {
  const scale = nanosecondsIn(unit)
  return (values, i) => {
    const count = values[i] as bigint
    return count === notATime ? NaT : new Timestamp(count * scale, unit, tzinfo)
  }
}

const lengthGetter = (unit: TimeUnit): (values: ArrayLike<unknown>, i: number) => unknown => {
  const scale = nanosecondsIn(unit)
  return (values, i) => {
    const count = values[i] as bigint
    return count === notATime ? NaT : new Timedelta(count * scale, unit)
  }
}

const integerGetter = (values: ArrayLike<unknown>, i: number): unknown => shrink(values[i] as bigint)
const booleanGetter = (values: ArrayLike<unknown>, i: number): unknown => values[i] !== 0
const arrayGetter = (array: NdArray) => (_values: ArrayLike<unknown>, i: number): unknown => array.itemAt(i)

/** One row of a 2-dimensional array, or a whole 1-dimensional array, as an array of one dimension. */
const rowOf = (array: NdArray, row: number | null): NdArray => {
  const { bytes, className, dtype, objects, order, shape } = array
  if (row === null || shape.length < 2) return array
  const length = shape[1]!
  if (row < 0 || row >= shape[0]! || shape.length !== 2) {
    return fail("BadValue", "a block without that row", "a row of the block")
  }
  // Objects are listed row by row in both orders.
  if (order === "C" || objects !== null) {
    const size = length * dtype.itemsize
    return objects === null
      ? new NdArray(dtype, [length], "C", bytes.subarray(row * size, (row + 1) * size), null, className)
      : new NdArray(dtype, [length], "C", bytes, objects.slice(row * length, (row + 1) * length), className)
  }
  const rows = shape[0]!
  const width = dtype.itemsize
  const out = new Uint8Array(length * width)
  if (width === 8 && bytes.byteOffset % 8 === 0) {
    const from = new Float64Array(bytes.buffer, bytes.byteOffset, length * rows)
    const to = new Float64Array(out.buffer)
    // Bits are copied unchanged; engines of practical interest keep the payload of a NaN.
    for (let i = 0; i < length; i++) to[i] = from[i * rows + row]!
  } else {
    for (let i = 0; i < length; i++) {
      const at = (i * rows + row) * width
      for (let j = 0; j < width; j++) out[i * width + j] = bytes[at + j]!
    }
  }
  return new NdArray(dtype, [length], "C", out, null, className)
}

const kinds: Readonly<Record<string, ColumnKind>> = {
  b: "bool",
  i: "int",
  u: "uint",
  f: "float",
  c: "complex",
  O: "object",
  U: "string",
  T: "string",
  S: "bytes"
}

const arrayParts = (array: NdArray): ColumnParts => {
  const { dtype } = array
  const length = array.shape[0] ?? 0
  if (dtype.kind === "M" || dtype.kind === "m") {
    const unit = units.includes(dtype.unit ?? "") ? dtype.unit as TimeUnit : null
    if (unit !== null) {
      return {
        dtype: dtype.name,
        kind: dtype.kind === "M" ? "datetime" : "timedelta",
        length,
        values: () => array.values!,
        unit,
        get: dtype.kind === "M" ? instantGetter(unit, null) : lengthGetter(unit)
      }
    }
  }
  const kind = kinds[dtype.kind] ?? "object"
  const big = (dtype.kind === "i" || dtype.kind === "u") && dtype.itemsize === 8
  const plain = dtype.kind === "f" || ((dtype.kind === "i" || dtype.kind === "u") && !big)
  return {
    dtype: dtype.name,
    kind,
    length,
    values: () => array.objects ?? array.values ?? array.items(),
    get: array.objects !== null || plain
      ? null
      : big
      ? integerGetter
      : kind === "bool"
      ? booleanGetter
      : arrayGetter(array)
  }
}

/** A column over an array of one dimension, or over one row of a block. */
const columnOfArray = (array: NdArray, row: number | null): Column => {
  if (row === null || array.shape.length < 2) return new Column(arrayParts(array))
  if (array.order === "C" || array.objects !== null) return new Column(arrayParts(rowOf(array, row)))
  // Strided memory: the row is gathered on first access.
  const empty = new NdArray(array.dtype, [array.shape[1]!], "C", array.bytes, null)
  let taken: NdArray | null = null
  const get = (): NdArray => taken ??= rowOf(array, row)
  const parts = arrayParts(empty)
  return new Column({
    ...parts,
    values: () => get().values ?? get().items(),
    get: parts.get === undefined || parts.get === null || parts.unit != null || parts.kind === "int" ||
        parts.kind === "uint" ||
        parts.kind === "bool"
      ? parts.get ?? null
      : (_values, i) => get().itemAt(i)
  })
}

/** A dtype object of pandas: its name as pandas prints it, and its parameters. */
const timezoneOf = (dtype: PyObject): unknown => stateEntry(dtype, "tz") ?? dtype.args[1] ?? null

/** @internal */
export const unitOf = (value: unknown): TimeUnit => units.includes(value as string) ? value as TimeUnit : "ns"

const toLabel = (text: string): string => `${text[0]!.toUpperCase()}${text.slice(1)}`

/** The name of a nullable dtype: `Int64`, `UInt8`, `Float32`, `boolean`. */
const nullableName = (dtype: DType): string =>
  dtype.kind === "b" ? "boolean" : dtype.kind === "u" ? `UInt${dtype.itemsize * 8}` : toLabel(dtype.name)

/** @internal */
export const ndarrayIn = (object: PyObject): NdArray | null => {
  for (const state of object.states) {
    const parts: ReadonlyArray<unknown> = Array.isArray(state) ? state : [state]
    for (const part of parts) {
      if (part instanceof NdArray) return part
      const inner = entry(part, "_ndarray", "_data", "_codes")
      if (inner instanceof NdArray) return inner
    }
  }
  return null
}

const dtypeIn = (object: PyObject): unknown => {
  for (const state of object.states) {
    const parts: ReadonlyArray<unknown> = Array.isArray(state) ? state : [state]
    for (const part of parts) {
      if (
        part instanceof DType || (part instanceof PyObject && nameOf(part).endsWith("Dtype")) ||
        nameOf(part).endsWith("Dtype")
      ) return part
      const inner = entry(part, "_dtype")
      if (inner !== undefined) return inner
    }
  }
  return undefined
}

const textOrNull = (item: unknown): string | null => typeof item === "string" ? item : null

/** Where values are no texts. */
const noTexts = (values: ReadonlyArray<unknown>): Uint8Array => {
  const out = new Uint8Array(values.length)
  for (let i = 0; i < out.length; i++) if (typeof values[i] !== "string") out[i] = 1
  return out
}

const missingOfString = (dtype: unknown): { readonly dtype: string; readonly missing: unknown } => {
  const na = dtype instanceof PyObject ? stateEntry(dtype, "_na_value", "na_value") ?? dtype.args[1] : undefined
  const isNaN = typeof na === "number" || na instanceof PyFloat
  return isNaN ? { dtype: "str", missing: na instanceof PyFloat ? na.value : na } : { dtype: "string", missing: NA }
}

const arrowParts = (value: unknown, dtype: unknown, isString: boolean): ColumnParts | null => {
  const arrow = arrowColumn(value)
  if (arrow === null) return null
  const { at, get, kind, length, nulls, type, tz, unit, values } = arrow
  const label = isString ? missingOfString(dtype) : { dtype: `${type}[pyarrow]`, missing: NA }
  return { ...label, kind, length, nulls, values, unit, tzinfo: tz, get, at }
}

const categoricalOf = (codes: NdArray, categories: Index, ordered: boolean, row: number | null): Categorical => {
  const one = rowOf(codes, row)
  const count = categories.length
  return new Categorical({
    dtype: "category",
    kind: "categorical",
    length: one.shape[0] ?? 0,
    values: () => one.values!,
    categories,
    ordered,
    get: (values, i) => {
      const code = Number(values[i])
      return code >= 0 && code < count ? categories.at(code) : NaN
    }
  })
}

/**
 * An extension array of pandas, identified by the name of its class, whatever module that version of pandas had it in.
 *
 * @internal
 */
export const extensionColumn = (object: PyObject, row: number | null): Column | null => {
  // `__pyx_unpickle_NDArrayBacked(cls, checksum, state)` and similar functions make an instance of their first
  // argument.
  const name = nameOf(object).startsWith("__pyx_unpickle_") ? nameOf(object.args[0]) : nameOf(object)
  const array = ndarrayIn(object)
  const dtype = dtypeIn(object)
  switch (name) {
    case "DatetimeArray": {
      if (array === null) return null
      const tzinfo = dtype instanceof PyObject ? timezoneOf(dtype) : null
      const one = rowOf(array, row)
      const unit = unitOf(one.dtype.unit)
      return new Column({
        dtype: tzinfo === null ? `datetime64[${unit}]` : `datetime64[${unit}, ${zoneName(tzinfo)}]`,
        kind: "datetime",
        length: one.shape[0] ?? 0,
        values: () => one.values!,
        unit,
        tzinfo,
        get: instantGetter(unit, tzinfo)
      })
    }
    case "TimedeltaArray": {
      if (array === null) return null
      const one = rowOf(array, row)
      const unit = unitOf(one.dtype.unit)
      return new Column({
        dtype: `timedelta64[${unit}]`,
        kind: "timedelta",
        length: one.shape[0] ?? 0,
        values: () => one.values!,
        unit,
        get: lengthGetter(unit)
      })
    }
    case "PeriodArray": {
      if (array === null) return null
      const one = rowOf(array, row)
      const given = dtype instanceof PyObject ? stateEntry(dtype, "freq") ?? dtype.args[0] : dtype
      const freq = periodFrequency(given ?? stateEntry(object, "_freq", "freq"))
      return new Column({
        dtype: `period[${freq}]`,
        kind: "period",
        length: one.shape[0] ?? 0,
        values: () => one.values!,
        get: (values, i) =>
          values[i] === notATime
            ? NaT
            : new Period(shrink(values[i] as bigint), freq)
      })
    }
    case "IntegerArray":
    case "FloatingArray":
    case "BooleanArray": {
      const data = stateEntry(object, "_data") ?? object.args[0]
      const mask = stateEntry(object, "_mask") ?? object.args[1]
      if (!(data instanceof NdArray) || !(mask instanceof NdArray)) return null
      const one = rowOf(data, row)
      const parts = arrayParts(one)
      return new Column({ ...parts, dtype: nullableName(data.dtype), nulls: rowOf(mask, row).bytes, missing: NA })
    }
    case "StringArray":
    case "StringArrayNumpySemantics":
    case "ObjectStringArray": {
      if (array === null) return null
      const one = rowOf(array, row)
      const label = missingOfString(dtype)
      const objects = one.objects ?? one.items()
      return new Column({
        ...label,
        kind: "string",
        length: one.shape[0] ?? 0,
        nulls: noTexts(objects),
        values: () => objects.map(textOrNull),
        at: (i) => textOrNull(objects[i])
      })
    }
    case "ArrowStringArray":
    case "ArrowStringArrayNumpySemantics":
    case "ArrowExtensionArray": {
      const parts = arrowParts(stateEntry(object, "_pa_array", "_data"), dtype, name !== "ArrowExtensionArray")
      return parts === null ? null : new Column(parts)
    }
    case "Categorical": {
      const codes = array
      const type = dtype instanceof PyObject ? dtype : null
      const categories = type === null
        ? stateEntry(object, "_categories")
        : stateEntry(type, "categories") ?? type.args[0]
      const ordered = type === null ? stateEntry(object, "_ordered") : stateEntry(type, "ordered") ?? type.args[1]
      if (codes === null) return null
      return categoricalOf(codes, categories instanceof Index ? categories : emptyIndex(), ordered === true, row)
    }
    case "PandasArray":
    case "NumpyExtensionArray":
      return array === null ? null : columnOfArray(array, row)
    case "IntervalArray": {
      const left = anyColumn(stateEntry(object, "_left", "left"), null)
      const right = anyColumn(stateEntry(object, "_right", "right"), null)
      const closed = stateEntry(object, "_closed", "closed") ??
        stateEntry(dtype instanceof PyObject ? dtype : object, "_closed") ?? "right"
      return left === null || right === null ? null : intervalColumn(left, right, closed)
    }
    case "SparseArray":
      return sparseColumn(object)
    case "GeometryArray":
    case "GeometryDtype":
      return geometryColumn(object, array)
    default:
      return null
  }
}

/**
 * pandas' text of a frequency, from the text itself or from a pandas offset object.
 *
 * @internal
 */
export const periodFrequency = (freq: unknown): string => {
  if (typeof freq === "string") return /^period\[(.*)\]$/.exec(freq)?.[1] ?? freq
  if (!(freq instanceof PyObject)) return "unknown"
  const attributes = freq.attributes()
  const [count = attributes.get("n"), , anchor] = freq.args
  const name = nameOf(freq)
  const month = anchor ?? attributes.get("startingMonth") ?? attributes.get("month")
  const weekday = anchor ?? attributes.get("weekday")
  return frequencyOf(name, { month, weekday }, count ?? 1) ?? name
}

/**
 * The intervals between two columns of endpoints.
 *
 * @internal
 */
export const intervalColumn = (left: Column, right: Column, closed: unknown): Column => {
  const isFloat = left.kind === "float"
  const at = (i: number) => left.isNull(i) ? NaN : new Interval(left.at(i), right.at(i), labelOf(closed), isFloat)
  return new Column({
    dtype: `interval[${left.dtype}, ${labelOf(closed)}]`,
    kind: "interval",
    length: Math.min(left.length, right.length),
    values: () => Array.from({ length: left.length }, (_, i) => at(i)),
    at
  })
}

const shapeOfItem = (item: unknown): unknown =>
  item instanceof Uint8Array ? geoJson(item) : item instanceof PyObject ? geometryOf(item) ?? item : null

/** geopandas' array: of well-known binary, or of shapely objects. */
const geometryColumn = (object: PyObject, array: NdArray | null): Column | null => {
  const one = array ?? stateEntry(object, "data")
  if (!(one instanceof NdArray)) return null
  const items = one.objects ?? one.items()
  return new Column({
    dtype: "geometry",
    kind: "object",
    length: items.length,
    values: () => items.map(shapeOfItem),
    at: (i) => shapeOfItem(items[i])
  })
}

/**
 * A column over an array of an unknown class: each cell is an object of the array's class, with the item at its
 * position when the array keeps exactly one list of items.
 *
 * @internal
 */
export const unreadColumn = (array: PyObject, length: number): Column => {
  const cls = array.class instanceof PyGlobal ? array.class : new PyGlobal("builtins", "object")
  const parts = array.states.flatMap((state) => Array.isArray(state) && !hasLength(state, length) ? state : [state])
    .flatMap((part) => hasLength(part, length) ? [part] : entriesOf(part))
  const lists = [...array.args, ...parts].filter((part) => hasLength(part, length))
  const items = lists.length === 1 ? anyColumn(lists[0], null) : null
  const at = (i: number) => new PyObject(cls, items === null || items.length !== length ? [] : [items.at(i)])
  return new Column({
    dtype: array.className,
    kind: "object",
    length,
    values: () => Array.from({ length }, (_, i) => at(i)),
    at
  })
}

/** The length of an array of an unknown class, derived from its contents; `null` when they do not determine it. */
const unreadLength = (array: PyObject): number | null => {
  const parts = array.states.flatMap((state) => [state, ...entriesOf(state), ...(Array.isArray(state) ? state : [])])
  const lengths = new Set<number>()
  for (const part of [...array.args, ...parts]) {
    if (part instanceof NdArray && part.shape.length === 1) lengths.add(part.shape[0]!)
    else if (part instanceof Column || (Array.isArray(part) && !(part instanceof Tuple))) lengths.add(part.length)
  }
  return lengths.size === 1 ? [...lengths][0]! : null
}

/**
 * A column over the storage of an Index whose array class is unknown.
 *
 * @internal
 */
export const unreadLabels = (array: unknown): Column | null => {
  if (!(array instanceof PyObject)) return null
  const length = unreadLength(array)
  const column = unreadColumn(array, length ?? 0)
  if (length === null) unsized.set(column, array)
  return column
}

/** Columns over arrays whose length is unknown. */
const unsized = new WeakMap<Column, PyObject>()

/**
 * Sets the length of an Index whose array has no known one; returns any other unchanged.
 *
 * @internal
 */
export const resize = (index: Index, length: number): void => {
  const array = unsized.get(index.column)
  if (array !== undefined) index.column = unreadColumn(array, length)
}

const entriesOf = (value: unknown): ReadonlyArray<unknown> =>
  value instanceof Map ? [...value.values()] : isDictObject(value) ? Object.values(value) : []

const hasLength = (value: unknown, length: number): boolean =>
  value instanceof NdArray
    ? value.shape.length === 1 && value.shape[0] === length
    : (value instanceof Column || (Array.isArray(value) && !(value instanceof Tuple))) && value.length === length

const sparseColumn = (object: PyObject): Column | null => {
  const values = stateEntry(object, "_sparse_values", "sp_values")
  const index = stateEntry(object, "_sparse_index", "sp_index")
  const dtype = stateEntry(object, "_dtype", "dtype")
  if (!(values instanceof NdArray) || !(index instanceof PyObject)) return null
  const [length, first, second] = index.args
  const fill = dtype instanceof PyObject ? stateEntry(dtype, "_fill_value", "fill_value") ?? dtype.args[1] ?? NaN : NaN
  if (typeof length !== "number" || length < 0 || !(first instanceof NdArray)) return null
  if (length > 0x10000000) return exceeded("values", "a sparse array of too many values", 0x10000000)
  const source = columnOfArray(values, null)
  return new Column({
    dtype: `Sparse[${values.dtype.name}, ${labelOf(fill)}]`,
    kind: "sparse",
    length,
    values: () => {
      const out: Array<unknown> = Array.from({ length }, () => fill)
      let at = 0
      const starts = first.items() as ReadonlyArray<number>
      const sizes = second instanceof NdArray ? second.items() as ReadonlyArray<number> : null
      starts.forEach((start, i) => {
        const size = sizes === null ? 1 : sizes[i] ?? 0
        for (let j = start; j < start + size && j < length && at < source.length; j++) out[j] = source.at(at++)
      })
      return out
    },
    at: sparseGetter(first, second instanceof NdArray ? second : null, source, fill)
  })
}

/**
 * The value at a position of a sparse column, whose values stand at positions that rise, or in runs whose starts do. Where
 * they do not, there is none.
 */
const sparseGetter = (
  first: NdArray,
  second: NdArray | null,
  source: Column,
  fill: unknown
): ((i: number) => unknown) | null => {
  const starts = first.values
  const sizes = second?.values
  if (starts === null || sizes === null || first.shape.length !== 1) return null
  /** The values before each run; without runs there is one at each position. */
  const before = sizes === undefined ? null : new Float64Array(starts.length + 1)
  let last = -1
  for (let i = 0; i < starts.length; i++) {
    const start = Number(starts[i])
    if (!(start > last)) return null
    last = start
    if (before === null || sizes === undefined) continue
    const size = Number(sizes[i] ?? 0)
    if (!(size >= 0)) return null
    before[i + 1] = before[i]! + size
    last = start + Math.max(size, 1) - 1
  }
  return (i) => {
    let low = 0
    let high = starts.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (Number(starts[middle]) <= i) low = middle + 1
      else high = middle
    }
    if (low === 0) return fill
    const into = i - Number(starts[low - 1])
    if (into >= (before === null ? 1 : before[low]! - before[low - 1]!)) return fill
    const at = before === null ? low - 1 : before[low - 1]! + into
    return at < source.length ? source.at(at) : fill
  }
}

/** @internal */
export const emptyIndex = (): Index =>
  new Index("Index", null, new Column({ dtype: "object", kind: "object", length: 0, values: () => [] }))

/**
 * The column for any value in which pandas keeps its data.
 *
 * @internal
 */
export const anyColumn = (value: unknown, row: number | null): Column | null => {
  if (value instanceof Column) return value
  if (value instanceof NdArray) return columnOfArray(value, row)
  if (value instanceof Index) return value.column
  if (value instanceof Series) return value.column
  if (value instanceof PyObject) return extensionColumn(value, row)
  if (Array.isArray(value)) {
    return new Column({
      dtype: "object",
      kind: "object",
      length: value.length,
      values: () => value
    })
  }
  return null
}
