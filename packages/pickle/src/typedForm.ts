/**
 * A JSON form of a value that keeps Python types and object identity.
 *
 * @since 0.1.0
 */
import { base64 } from "./base64.ts"
import { exceeded } from "./errors.ts"
import {
  ByteArray,
  Counter,
  DefaultDict,
  Deque,
  FrozenSet,
  NamedTuple,
  OrderedDict,
  PyDict,
  PySet,
  Tuple
} from "./values/containers.ts"
import { Column, DataFrame, Index, NA, NaT, Series, Timedelta, Timestamp } from "./values/dataframe.ts"
import { PyDate, PyDateTime, PyTime, PyTimedelta, Timezone, ZoneInfo } from "./values/datetime.ts"
import { isDictObject } from "./values/dict.ts"
import { DType, NdArray, NpScalar, NpTime, rowMajorPositions } from "./values/ndarray.ts"
import { Complex, Decimal, floatText, Fraction, PyFloat, Range, Slice } from "./values/numbers.ts"
import { Opaque, Path, PyArray, PyEnum, PyGlobal, PyObject, UUID } from "./values/objects.ts"
import { Interval, Period } from "./values/period.ts"

/**
 * Options of `describe`.
 *
 * @category describing
 * @since 0.1.0
 */
export interface DescribeOptions {
  /** The most values to describe. Default 10 000 000. */
  readonly maxValues?: number
}

type Json = Record<string, unknown>

const dtypeForm = (dtype: DType): unknown => {
  if (dtype.fields !== null) {
    return dtype.fields.map((field) => {
      const { base, shape } = field.dtype
      return base === null ? [field.name, dtypeForm(field.dtype)] : [field.name, dtypeForm(base), [...shape]]
    })
  }
  return dtype.str
}

/** The bytes in row-major order. */
const plainBytes = (array: NdArray): Uint8Array => {
  const { bytes } = array
  if (array.order === "C" || array.shape.length < 2) return bytes
  const size = array.dtype.itemsize
  const out = new Uint8Array(bytes.length)
  let at = 0
  for (const position of rowMajorPositions(array.shape)) {
    out.set(bytes.subarray(position * size, (position + 1) * size), at)
    at += size
  }
  return out
}

const timeText = (value: PyTime): string =>
  new PyTime(value.hour, value.minute, value.second, value.microsecond, 0, null).toString()

const dateTimeText = (value: PyDateTime): string =>
  new PyDateTime(value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond, 0, null)
    .toString()

const float = (value: number): Json => ({ t: "float", v: floatText(value) })
const text = (value: string | null): Json => value === null ? { t: "none" } : { t: "str", v: value }
const integer = (value: number | bigint): Json => {
  const digits = `${value}`
  return digits.length > 4_300 ? { t: "int", hex: bigHex(BigInt(value)) } : { t: "int", v: digits }
}
const bigHex = (value: bigint): string => value < 0n ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`

/** A placeholder in the output for the form of a value. */
interface Task {
  readonly value: unknown
  readonly put: (form: unknown) => void
}

/**
 * The typed form of a value that `loads` returned: `{ t: type, v: value, … }` in plain JSON, in which the fixtures of
 * this package state their expectations. An object that occurs again is `{ t: "ref", id }`, so identity is part of the
 * form.
 *
 * **Gotchas**
 *
 * A JavaScript number does not record whether it was a float: whole numbers are described as ints unless the value was
 * loaded under `floats: "typed"`.
 *
 * @throws PickleError of reason LimitExceeded when there are more values than `maxValues`
 * @category describing
 * @since 0.1.0
 */
export const describe = (value: unknown, options: DescribeOptions = {}): unknown => {
  const { maxValues = 10_000_000 } = options
  const forms = new Map<object, Json>()
  let left = maxValues
  let ids = 0
  let result: unknown
  const todo: Array<Task> = [{ value, put: (form) => result = form }]

  /** Describes values into an array, in order. */
  const list = (values: Iterable<unknown>): Array<unknown> => {
    const out: Array<unknown> = []
    let i = 0
    for (const item of values) {
      const at = i++
      out.push(null)
      waiting.push({ value: item, put: (form) => out[at] = form })
    }
    return out
  }
  const pairs = (entries: Iterable<readonly [unknown, unknown]>): Array<unknown> => {
    const out: Array<unknown> = []
    for (const [key, item] of entries) out.push(list([key, item]))
    return out
  }
  const into = (form: Json, key: string, item: unknown): void => {
    form[key] = null
    waiting.push({ value: item, put: (inner) => form[key] = inner })
  }
  let waiting: Array<Task> = []

  const columnForm = (column: Column): Json => {
    const form: Json = { dtype: column.dtype }
    form["v"] = list(columnValues(column))
    return form
  }

  const fill = (form: Json, item: object): void => {
    if (item instanceof NamedTuple) {
      form["t"] = "object"
      form["class"] = item.className
      form["args"] = [{ t: "tuple", v: list(item) }]
    } else if (item instanceof Tuple) {
      form["t"] = "tuple"
      form["v"] = list(item)
    } else if (item instanceof Deque) {
      form["t"] = "deque"
      form["maxlen"] = item.maxlen
      form["v"] = list(item)
    } else if (Array.isArray(item)) {
      form["t"] = "list"
      form["v"] = list(item)
    } else if (isDictObject(item)) {
      form["t"] = "dict"
      form["v"] = pairs(Object.entries(item))
    } else if (item instanceof Map) {
      form["t"] = item instanceof OrderedDict
        ? "odict"
        : item instanceof Counter
        ? "counter"
        : item instanceof DefaultDict
        ? "defaultdict"
        : "dict"
      if (item instanceof DefaultDict) into(form, "factory", item.factory)
      form["v"] = pairs(item as PyDict)
    } else if (item instanceof PySet) {
      form["t"] = item instanceof FrozenSet ? "frozenset" : "set"
      form["v"] = list(item)
    } else if (item instanceof Uint8Array) {
      form["t"] = item instanceof ByteArray ? "bytearray" : "bytes"
      form["v"] = base64(item)
    } else if (item instanceof PyFloat) {
      form["t"] = "float"
      form["v"] = floatText(item.value)
    } else if (item instanceof PyDateTime) {
      if (item.className === "datetime.datetime") {
        form["t"] = "datetime"
        form["v"] = dateTimeText(item)
        into(form, "tz", item.tzinfo)
        form["fold"] = item.fold
      } else {
        const { day, hour, microsecond, minute, month, second, tzinfo, year } = item
        form["t"] = "object"
        form["class"] = item.className
        form["args"] = list([year, month, day, hour, minute, second, microsecond, tzinfo])
      }
    } else if (item instanceof PyDate) {
      form["t"] = "date"
      form["v"] = item.toString()
    } else if (item instanceof PyTime) {
      form["t"] = "time"
      form["v"] = timeText(item)
      into(form, "tz", item.tzinfo)
      form["fold"] = item.fold
    } else if (item instanceof PyTimedelta) {
      form["t"] = "timedelta"
      form["v"] = [item.days, item.seconds, item.microseconds]
    } else if (item instanceof Timezone) {
      form["t"] = "timezone"
      form["us"] = `${item.offset}`
      form["name"] = item.name
    } else if (item instanceof ZoneInfo) {
      form["t"] = "zoneinfo"
      form["key"] = item.key
    } else if (item instanceof Decimal) {
      form["t"] = "decimal"
      form["v"] = item.value
    } else if (item instanceof Fraction) {
      form["t"] = "fraction"
      form["v"] = [`${item.numerator}`, `${item.denominator}`]
    } else if (item instanceof UUID) {
      form["t"] = "uuid"
      form["v"] = item.value
    } else if (item instanceof Complex) {
      form["t"] = "complex"
      form["re"] = floatText(item.re)
      form["im"] = floatText(item.im)
    } else if (item instanceof Range) {
      form["t"] = "range"
      form["v"] = [`${item.start}`, `${item.stop}`, `${item.step}`]
    } else if (item instanceof Slice) {
      form["t"] = "slice"
      form["v"] = list([item.start, item.stop, item.step])
    } else if (item instanceof Path) {
      form["t"] = "path"
      form["class"] = item.className
      form["v"] = item.value
    } else if (item instanceof PyGlobal) {
      form["t"] = "global"
      form["m"] = item.module
      form["n"] = item.name
    } else if (item instanceof PyObject) {
      fillObject(form, item)
    } else if (item instanceof PyEnum) {
      form["t"] = "object"
      form["class"] = item.className
      form["args"] = list([item.value])
    } else if (item instanceof PyArray) {
      form["t"] = "object"
      if (item.stored !== null) {
        form["class"] = "array._array_reconstructor"
        form["args"] = [
          { t: "global", m: "array", n: "array" },
          text(item.typecode),
          integer(item.stored.format),
          { t: "bytes", v: base64(item.stored.bytes) }
        ]
        return
      }
      form["class"] = "array.array"
      const wrap = item.typecode === "f" || item.typecode === "d"
      const items: Iterable<unknown> = wrap ? Array.from(item as Iterable<number>, (x) => new PyFloat(x)) : item
      form["args"] = [text(item.typecode), { t: "list", v: list(items) }]
    } else if (item instanceof NdArray) {
      form["t"] = "ndarray"
      form["dtype"] = dtypeForm(item.dtype)
      form["shape"] = [...item.shape]
      form["order"] = item.order
      if (item.objects === null) form["data"] = base64(plainBytes(item))
      else form["items"] = list(item.objects)
    } else if (item instanceof NpScalar) {
      form["t"] = "npscalar"
      form["dtype"] = dtypeForm(item.dtype)
      form["data"] = base64(item.bytes)
    } else if (item instanceof NpTime) {
      form["t"] = "npscalar"
      form["dtype"] = `<${item.kind === "datetime64" ? "M" : "m"}8${item.unit === null ? "" : `[${item.unit}]`}`
      const bytes = new Uint8Array(8)
      new DataView(bytes.buffer).setBigInt64(0, item.count ?? -9223372036854775808n, true)
      form["data"] = base64(bytes)
    } else if (item instanceof DType) {
      form["t"] = "dtype"
      form["v"] = dtypeForm(item)
    } else if (item instanceof DataFrame) {
      form["t"] = "dataframe"
      into(form, "columns", item.columns)
      into(form, "index", item.index)
      form["cols"] = item.data.map(columnForm)
    } else if (item instanceof Series) {
      form["t"] = "series"
      into(form, "name", item.name)
      form["dtype"] = item.dtype
      into(form, "index", item.index)
      form["v"] = list(columnValues(item.column))
    } else if (item instanceof Index) {
      form["t"] = "index"
      form["kind"] = item.kind
      if (item.levels === null) {
        into(form, "name", item.name)
        form["dtype"] = item.dtype
      } else form["names"] = list(item.names)
      form["v"] = list(columnValues(item.column))
    } else if (item instanceof Column) {
      form["t"] = "array"
      Object.assign(form, columnForm(item))
    } else if (item instanceof Timestamp) {
      form["t"] = "pdtimestamp"
      form["ns"] = `${item.ns}`
      form["tz"] = item.tz
    } else if (item instanceof Timedelta) {
      form["t"] = "pdtimedelta"
      form["ns"] = `${item.ns}`
    } else if (item instanceof Period) {
      form["t"] = "object"
      form["class"] = "pandas.Period"
      form["args"] = list([null, item.offset, item.ordinal])
    } else if (item instanceof Interval) {
      form["t"] = "object"
      form["class"] = "pandas.Interval"
      form["args"] = list([item.left, item.right, item.closed])
    } else {
      form["t"] = "opaque"
    }
  }

  const fillObject = (form: Json, item: PyObject): void => {
    form["t"] = "object"
    if (item.class instanceof PyGlobal) form["class"] = item.class.qualifiedName
    else into(form, "class", item.class)
    form["args"] = list(item.args)
    if (item.kwargs !== null) {
      form["kwargs"] = pairs(
        item.kwargs instanceof Map ? item.kwargs : Object.entries(item.kwargs as Record<string, unknown>)
      )
    }
    if (item.states.length > 0) form["state"] = list(item.states)
    if (item.items.length > 0) form["items"] = list(item.items)
    if (item.pairs.length > 0) form["pairs"] = pairs(item.pairs)
    if (item instanceof Opaque) form["opaque"] = item.kind
  }

  while (todo.length > 0) {
    const { put, value: item } = todo.pop()!
    if (--left < 0) exceeded("maxValues", "too many values to describe", maxValues)
    switch (typeof item) {
      case "undefined":
      case "symbol":
      case "function":
        put({ t: "opaque" })
        continue
      case "boolean":
        put({ t: "bool", v: item })
        continue
      case "number":
        put(Number.isInteger(item) && !Object.is(item, -0) ? integer(item) : float(item))
        continue
      case "bigint":
        put(integer(item))
        continue
      case "string":
        put({ t: "str", v: item })
        continue
      case "object":
        break
    }
    if (item === null) put({ t: "none" })
    else if (item === NaT) put({ t: "pdnat" })
    else if (item === NA) put({ t: "pdna" })
    else if (sharedTypes(item)) {
      const known = forms.get(item)
      if (known === undefined) {
        const form: Json = { t: "" }
        forms.set(item, form)
        put(form)
        waiting = []
        fill(form, item)
        // The first value is described first, so that ids follow the order of reading.
        for (let i = waiting.length - 1; i >= 0; i--) todo.push(waiting[i]!)
      } else {
        if (known["id"] === undefined) known["id"] = ++ids
        put({ t: "ref", id: known["id"] })
      }
    } else {
      const form: Json = { t: "" }
      put(form)
      waiting = []
      fill(form, item)
      for (let i = waiting.length - 1; i >= 0; i--) todo.push(waiting[i]!)
    }
  }
  return result
}

/** The values of a column as in Python, with floats distinguished from ints. */
function* columnValues(column: Column): IterableIterator<unknown> {
  for (let i = 0; i < column.length; i++) {
    const value = column.at(i)
    yield typeof value === "number" && (column.kind === "float" || !Number.isInteger(value))
      ? new PyFloat(value)
      : value
  }
}

/** The types whose identity Python programs can observe: those that are mutable or can contain themselves. */
const sharedTypes = (value: object): boolean =>
  // Python has only one empty tuple and one empty frozenset.
  !(value instanceof Tuple && value.length === 0) && !(value instanceof FrozenSet && value.size === 0) && (
    Array.isArray(value) || isDictObject(value) || value instanceof Map || value instanceof PySet ||
    value instanceof PyObject ||
    value instanceof NdArray || value instanceof ByteArray || value instanceof DataFrame || value instanceof Series
  )
