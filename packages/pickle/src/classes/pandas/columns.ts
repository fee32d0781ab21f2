/**
 * Decoders of pandas' pickles, of 0.25 to 3: block managers of all ages, indexes, extension arrays, scalars.
 *
 * @since 0.1.0
 */
import { type Context, type Create, inert } from "../../context.ts"
import { exceeded, fail } from "../../errors.ts"
import { Tuple } from "../../values/containers.ts"
import {
  Categorical,
  Column,
  type ColumnKind,
  type ColumnParts,
  DataFrame,
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
import { shrink } from "../../values/integers.ts"
import { DType, NdArray } from "../../values/ndarray.ts"
import { PyFloat, Range, Slice } from "../../values/numbers.ts"
import { PyGlobal, PyObject } from "../../values/objects.ts"
import { arrowColumn, nanosecondsIn } from "../arrow.ts"

const entry = (dict: unknown, ...keys: ReadonlyArray<string>): unknown => {
  for (const key of keys) {
    if (dict instanceof Map) {
      if (dict.has(key)) return dict.get(key)
    } else if (isDictObject(dict) && Object.hasOwn(dict, key)) return dict[key]
  }
  return undefined
}

/** Everything that the states of an object say by name; what comes later wins. */
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

const nameOf = (value: unknown): string =>
  value instanceof PyGlobal
    ? value.name
    : value instanceof PyObject && value.class instanceof PyGlobal
    ? value.class.name
    : ""

const notATime = -9223372036854775808n
const units: ReadonlyArray<string> = ["s", "ms", "us", "ns"]

const instantGetter = (unit: TimeUnit, tzinfo: unknown): (values: ArrayLike<unknown>, i: number) => unknown => {
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

/** The row of a 2-dimensional array, or the whole of a 1-dimensional one, as an array of one dimension. */
const rowOf = (array: NdArray, row: number | null): NdArray => {
  const { bytes, className, dtype, objects, order, shape } = array
  if (row === null || shape.length < 2) return array
  const length = shape[1]!
  if (row < 0 || row >= shape[0]! || shape.length !== 2) {
    return fail("BadValue", "a block without that row", "a row of the block")
  }
  if (order === "C") {
    const size = length * dtype.itemsize
    return objects === null
      ? new NdArray(dtype, [length], "C", bytes.subarray(row * size, (row + 1) * size), null, className)
      : new NdArray(dtype, [length], "C", bytes, objects.slice(row * length, (row + 1) * length), className)
  }
  const rows = shape[0]!
  if (objects !== null) {
    const out: Array<unknown> = []
    for (let i = 0; i < length; i++) out.push(objects[i * rows + row])
    return new NdArray(dtype, [length], "C", bytes, out, className)
  }
  const width = dtype.itemsize
  const out = new Uint8Array(length * width)
  if (width === 8 && bytes.byteOffset % 8 === 0) {
    const from = new Float64Array(bytes.buffer, bytes.byteOffset, length * rows)
    const to = new Float64Array(out.buffer)
    // Bits are copied as they are: a NaN may lose its payload on no engine that matters.
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
  // Strided memory: the row is gathered when it is first looked at.
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

/** A dtype object of pandas' own: its name as pandas prints it, and what it says. */
const timezoneOf = (dtype: PyObject): unknown => stateEntry(dtype, "tz") ?? dtype.args[1] ?? null

const unitOf = (value: unknown): TimeUnit => units.includes(value as string) ? value as TimeUnit : "ns"

const toLabel = (text: string): string => `${text[0]!.toUpperCase()}${text.slice(1)}`

/** The name of a nullable dtype: `Int64`, `UInt8`, `Float32`, `boolean`. */
const nullableName = (dtype: DType): string =>
  dtype.kind === "b" ? "boolean" : dtype.kind === "u" ? `UInt${dtype.itemsize * 8}` : toLabel(dtype.name)

const ndarrayIn = (object: PyObject): NdArray | null => {
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

const missingOfString = (dtype: unknown): { readonly dtype: string; readonly missing: unknown } => {
  const na = dtype instanceof PyObject ? stateEntry(dtype, "_na_value", "na_value") ?? dtype.args[1] : undefined
  const isNaN = typeof na === "number" || na instanceof PyFloat
  return isNaN ? { dtype: "str", missing: na instanceof PyFloat ? na.value : na } : { dtype: "string", missing: NA }
}

const arrowParts = (value: unknown, dtype: unknown, isString: boolean): ColumnParts | null => {
  const arrow = arrowColumn(value)
  if (arrow === null) return null
  const { get, kind, length, nulls, type, tz, unit, values } = arrow
  const label = isString ? missingOfString(dtype) : { dtype: `${arrowLabels[type] ?? type}[pyarrow]`, missing: NA }
  return { ...label, kind, length, nulls, values, unit, tzinfo: tz, get }
}

const arrowLabels: Readonly<Record<string, string>> = {
  large_string: "large_string",
  date32: "date32[day]",
  date64: "date64[ms]"
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

/** An extension array of pandas: by the name of its class, whatever module it was in that year. */
const extensionColumn = (object: PyObject, row: number | null): Column | null => {
  // `__pyx_unpickle_NDArrayBacked(cls, checksum, state)` and the like make an instance of their first argument.
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
      const freq = dtype instanceof PyObject ? stateEntry(dtype, "freq") ?? dtype.args[0] : dtype
      return new Column({
        dtype: periodName(freq),
        kind: "period",
        length: one.shape[0] ?? 0,
        values: () => one.values!,
        get: (values, i) =>
          values[i] === notATime
            ? NaT
            : new PyObject(new PyGlobal("pandas", "Period"), [null, freq, shrink(values[i] as bigint)])
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
        nulls: Uint8Array.from(objects, (item) => typeof item === "string" ? 0 : 1),
        values: () => objects.map((item) => typeof item === "string" ? item : null)
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
    default:
      return null
  }
}

const frequencies: Readonly<Record<string, string>> = {
  YearEnd: "Y-DEC",
  QuarterEnd: "Q-DEC",
  MonthEnd: "M",
  Week: "W-SUN",
  Day: "D",
  BusinessDay: "B",
  Hour: "h",
  Minute: "min",
  Second: "s",
  Milli: "ms",
  Micro: "us",
  Nano: "ns"
}

/** `period[M]`, of the frequency's text or of pandas' offset object. */
const periodName = (freq: unknown): string => {
  if (typeof freq === "string") return freq.startsWith("period[") ? freq : `period[${freq}]`
  const name = nameOf(freq)
  const count = freq instanceof PyObject ? freq.args[0] : 1
  return `period[${typeof count === "number" && count !== 1 ? count : ""}${frequencies[name] ?? name}]`
}

const intervalColumn = (left: Column, right: Column, closed: unknown): Column => {
  const cls = new PyGlobal("pandas", "Interval")
  return new Column({
    dtype: `interval[${left.dtype}, ${String(closed)}]`,
    kind: "interval",
    length: Math.min(left.length, right.length),
    values: () =>
      Array.from(
        { length: left.length },
        (_, i) => left.isNull(i) ? NaN : new PyObject(cls, [left.at(i), right.at(i), closed])
      )
  })
}

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
    dtype: `Sparse[${values.dtype.name}, ${String(fill)}]`,
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
    }
  })
}

const emptyIndex = (): Index =>
  new Index("Index", null, new Column({ dtype: "object", kind: "object", length: 0, values: () => [] }))

/** The column of whatever pandas keeps values in. */
const anyColumn = (value: unknown, row: number | null): Column | null => {
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

// Indexes

const rangeIndex = (dict: unknown): Index => {
  const number = (key: string, fallback: number): number => {
    const value = entry(dict, key)
    return typeof value === "number" || typeof value === "bigint" ? Number(value) : fallback
  }
  const [start, stop, step] = [number("start", 0), number("stop", 0), number("step", 1)]
  const range = new Range(start, stop, step)
  if (step === 0) return fail("BadValue", "a RangeIndex with step 0", "a step")
  const length = Number(range.length)
  const index = new Index(
    "RangeIndex",
    entry(dict, "name") ?? null,
    new Column({
      dtype: "int64",
      kind: "int",
      length,
      values: () => {
        if (length > 0x10000000) return exceeded("values", "a RangeIndex of too many labels", 0x10000000)
        return Float64Array.from({ length }, (_, i) => start + i * step)
      }
    })
  )
  index.range = { start, stop, step }
  return index
}

const multiIndex = (context: Context, dict: unknown): Index | null => {
  const levels = entry(dict, "levels")
  const codes = entry(dict, "codes", "labels")
  const names = entry(dict, "names")
  if (!Array.isArray(levels) || !Array.isArray(codes) || levels.length !== codes.length) return null
  context.charge(levels.length)
  const realLevels: Array<Index> = []
  const realCodes: Array<ArrayLike<number>> = []
  for (let i = 0; i < levels.length; i++) {
    const level: unknown = levels[i]
    const code: unknown = codes[i]
    const column = anyColumn(level, null)
    if (level instanceof Index) realLevels.push(level)
    else if (column !== null) realLevels.push(new Index("Index", null, column))
    else return null
    if (code instanceof NdArray && code.values !== null) {
      const { values } = code
      realCodes.push(
        values instanceof BigInt64Array || values instanceof BigUint64Array ? Array.from(values, Number) : values
      )
    } else if (Array.isArray(code)) realCodes.push(code as ReadonlyArray<number>)
    else return null
  }
  const length = realCodes[0]?.length ?? 0
  const labels: ReadonlyArray<unknown> = Array.isArray(names) ? names : realLevels.map((level) => level.name)
  const index = new Index(
    "MultiIndex",
    null,
    new Column({
      dtype: "object",
      kind: "object",
      length,
      values: () =>
        Array.from({ length }, (_, i) => {
          const tuple = new Tuple()
          realLevels.forEach((level, j) => {
            const code = realCodes[j]![i]!
            const { kind } = level.column
            tuple.push(
              code >= 0 && code < level.length
                ? level.at(code)
                : kind === "datetime" || kind === "timedelta"
                ? NaT
                : NaN
            )
          })
          return tuple
        })
    })
  )
  index.levels = realLevels
  index.codes = realCodes
  index.names = labels
  return index
}

/** The data of a DatetimeIndex of pandas before 1.0 is an array of instants, its zone is beside it. */
const zoned = (column: Column, tzinfo: unknown): Column => {
  if (tzinfo === null || tzinfo === undefined || column.tzinfo !== null || column.kind !== "datetime") return column
  const unit = column.unit ?? "ns"
  return new Column({
    dtype: `datetime64[${unit}, ${zoneName(tzinfo)}]`,
    kind: "datetime",
    length: column.length,
    values: () => column.values,
    unit,
    tzinfo,
    get: instantGetter(unit, tzinfo)
  })
}

/** `_new_Index(cls, {data, name, …})` and its sisters for the other kinds. */
const newIndex: Create = (context, args) => {
  const [cls, dict] = args
  const kind = nameOf(cls)
  if (!(cls instanceof PyGlobal)) return inert
  if (kind === "RangeIndex" && entry(dict, "data") === undefined) return rangeIndex(dict)
  if (kind === "MultiIndex") return multiIndex(context, dict) ?? inert
  let column = anyColumn(entry(dict, "data", "values", "ordinal"), null)
  if (column === null && kind === "IntervalIndex") {
    const [left, right] = [anyColumn(entry(dict, "left"), null), anyColumn(entry(dict, "right"), null)]
    if (left !== null && right !== null) column = intervalColumn(left, right, entry(dict, "closed") ?? "right")
  }
  if (column === null) return inert
  const name = entry(dict, "name") ?? null
  const index = new Index(kind, name, zoned(column, entry(dict, "tz")))
  return index
}

// Block managers

/** Where the rows of a block stand among the columns. */
const placesOf = (context: Context, placement: unknown, count: number): ReadonlyArray<number> | null => {
  if (placement instanceof Slice) {
    const start = Number(placement.start ?? 0)
    const stop = Number(placement.stop ?? count)
    const step = Number(placement.step ?? 1)
    const out: Array<number> = []
    if (!Number.isSafeInteger(start) || !Number.isSafeInteger(stop) || !Number.isSafeInteger(step) || step === 0) {
      return null
    }
    for (let at = start; step > 0 ? at < stop : at > stop; at += step) {
      if (at < 0 || at >= count) return null
      out.push(at)
    }
    context.charge(out.length)
    return out
  }
  const values: ReadonlyArray<unknown> | null = placement instanceof NdArray
    ? placement.items()
    : Array.isArray(placement)
    ? placement
    : typeof placement === "number"
    ? [placement]
    : null
  if (values === null) return null
  context.charge(values.length)
  const out = values.map(Number)
  return out.every((at) => Number.isSafeInteger(at) && at >= 0 && at < count) ? out : null
}

interface Block {
  readonly values: unknown
  readonly placement: unknown
}

const blockOf = (value: unknown): Block | null => {
  if (value instanceof PyObject) {
    // `_unpickle_block(values, placement, ndim)`, `partial(new_block, ndim=2)(values, placement)`, or a Block class.
    const [values, placement] = value.args
    return value.args.length >= 2 ? { values, placement } : null
  }
  const values = entry(value, "values")
  return values === undefined ? null : { values, placement: entry(value, "mgr_locs") }
}

interface Manager {
  readonly axes: ReadonlyArray<Index>
  readonly blocks: ReadonlyArray<Block>
}

const managerOf = (value: unknown): Manager | null => {
  if (!(value instanceof PyObject)) return null
  let blocks: unknown
  let axes: unknown
  if (value.args.length >= 2) [blocks, axes] = value.args
  const state = value.state
  if (Array.isArray(state)) {
    const extra = entry(state[3], "0.14.1")
    axes = entry(extra, "axes") ?? state[0]
    blocks = entry(extra, "blocks") ?? (Array.isArray(state[1]) ? state[1].map((values) => ({ values })) : undefined)
  }
  const axisList = axes instanceof Index ? [axes] : axes
  const blockList: unknown = Array.isArray(blocks) ? blocks : [blocks]
  if (!Array.isArray(axisList) || !Array.isArray(blockList) || !axisList.every((axis) => axis instanceof Index)) {
    return null
  }
  const out: Array<Block> = []
  for (const block of blockList) {
    const parsed = blockOf(block)
    if (parsed === null) return null
    out.push(parsed)
  }
  return { axes: axisList as ReadonlyArray<Index>, blocks: out }
}

const missingState = () =>
  fail("BadValue", "a DataFrame or Series whose state is none that pandas writes", "a block manager")

const notReadable = (values: unknown): never =>
  fail(
    "BadValue",
    `a column of pandas' ${values instanceof PyObject ? values.className : typeof values}, which is not read`,
    "an array that pandas 0.25 to 3 has"
  )

const fillFrame = (context: Context, frame: DataFrame, state: unknown): boolean => {
  const manager = managerOf(entry(state, "_mgr", "_data"))
  const [columns, index] = manager?.axes ?? []
  if (manager === null || columns === undefined || index === undefined) return false
  const { length } = columns
  context.charge(length)
  if (length > 0x1000000) exceeded("values", "a DataFrame of too many columns", 0x1000000)
  const data: Array<Column | undefined> = []
  let filled = 0
  for (const block of manager.blocks) {
    const places = placesOf(context, block.placement, length)
    if (places === null) return false
    for (let row = 0; row < places.length; row++) {
      const column = anyColumn(block.values, row) ?? notReadable(block.values)
      if (column.length !== index.length) {
        return fail("BadValue", `a column of ${column.length} values`, `${index.length} values, as the index has`)
      }
      const place = places[row]!
      if (data[place] === undefined) filled++
      data[place] = column
    }
  }
  if (filled !== length) {
    return fail("BadValue", `a DataFrame with ${filled} of its ${length} columns`, "every column once")
  }
  frame.columns = columns
  frame.index = index
  frame.data = data as Array<Column>
  frame.attrs = entry(state, "attrs") ?? null
  return true
}

const fillSeries = (context: Context, series: Series, state: unknown): boolean => {
  const manager = managerOf(entry(state, "_mgr", "_data"))
  const index = manager?.axes[0]
  const block = manager?.blocks[0]
  if (index === undefined || block === undefined) return false
  context.charge(1)
  const values = block.values
  // A Series of old pandas may keep a block of one row.
  const row = values instanceof NdArray && values.shape.length === 2 ? 0 : null
  const column = anyColumn(values, row) ?? notReadable(values)
  if (column.length !== index.length) {
    return fail("BadValue", `a Series of ${column.length} values`, `${index.length} values, as the index has`)
  }
  series.index = index
  series.column = column
  series.name = entry(state, "_name", "name") ?? null
  series.attrs = entry(state, "attrs") ?? null
  return true
}

/** @internal */
export const setDataFrameState = (context: Context, frame: DataFrame, state: unknown): void => {
  if (!fillFrame(context, frame, state)) missingState()
}

/** @internal */
export const setSeriesState = (context: Context, series: Series, state: unknown): void => {
  if (!fillSeries(context, series, state)) missingState()
}

/**
 * An instance of a class of one's own below DataFrame or Series.
 *
 * @internal
 */
export const finishFrame = (context: Context, object: PyObject): unknown => {
  const { state } = object
  const type = entry(state, "_typ")
  if (type === "dataframe") {
    const frame = newFrame(object.className)
    return fillFrame(context, frame, state) ? frame : inert
  }
  if (type === "series") {
    const series = newSeries(object.className)
    return fillSeries(context, series, state) ? series : inert
  }
  return inert
}

/**
 * An extension array, as soon as its state has come; those of a block of several rows wait for the block.
 *
 * @internal
 */
export const finishExtensionArray = (context: Context, object: PyObject): unknown => {
  const framed = finishFrame(context, object)
  if (framed !== inert) return framed
  const array = ndarrayIn(object)
  if (array !== null && array.shape.length > 1) return inert
  return extensionColumn(object, null) ?? inert
}

const newFrame = (className: string): DataFrame => {
  const frame = new DataFrame(emptyIndex(), emptyIndex(), [])
  frame.className = className
  return frame
}

const newSeries = (className: string): Series => {
  const index = emptyIndex()
  const series = new Series(null, index, index.column)
  series.className = className
  return series
}

const dataFrame: Create = (_context, args, _kwargs, cls) =>
  args.length > 0 ? inert : newFrame((cls as PyGlobal).qualifiedName)
const series: Create = (_context, args, _kwargs, cls) =>
  args.length > 0 ? inert : newSeries((cls as PyGlobal).qualifiedName)

// Scalars

/** NumPy's numbers of the units (`NPY_DATETIMEUNIT`). */
const resolutions: Readonly<Record<number, TimeUnit>> = { 7: "s", 8: "ms", 9: "us", 10: "ns" }

const integerOf = (value: unknown): bigint | null =>
  typeof value === "bigint" ? value : Number.isSafeInteger(value) ? BigInt(value as number) : null

const timestamp: Create = (_context, args) => {
  const value = integerOf(args[0])
  const [, , tz, resolution] = args
  if (value === null || args.length > 4) return inert
  const unit = resolutions[Number(resolution ?? 10)] ?? "ns"
  return value === notATime ? NaT : new Timestamp(value * nanosecondsIn(unit), unit, tz ?? null)
}

const timedelta: Create = (_context, args) => {
  const value = integerOf(args[0])
  const [, second] = args
  if (value === null || args.length > 2) return inert
  const unit = typeof second === "number" || typeof second === "bigint"
    ? resolutions[Number(second)] ?? "ns"
    : typeof second === "string"
    ? unitOf(second)
    : "ns"
  return value === notATime ? NaT : new Timedelta(value * nanosecondsIn(unit), unit)
}

const notATimeValue: Create = () => NaT

/** `__pyx_unpickle_NDArrayBacked(cls, checksum, state)`: the state comes with BUILD, or at once. */
const backedArray: Create = (_context, args, kwargs, cls) => {
  const object = new PyObject(cls, args, kwargs)
  const state = args[2]
  if (state === null || state === undefined) return object
  object.states = [state]
  const array = ndarrayIn(object)
  return array !== null && array.shape.length === 1 ? extensionColumn(object, null) ?? object : object
}

/** Where a class was, over the years. */
const everywhere = (
  modules: ReadonlyArray<string>,
  name: string,
  create: Create
): ReadonlyArray<readonly [string, Create]> => modules.map((module) => [`${module}.${name}`, create] as const)

/** @internal */
export const pandas: Readonly<Record<string, Create>> = Object.fromEntries([
  ...everywhere(["pandas", "pandas.core.frame"], "DataFrame", dataFrame),
  ...everywhere(["pandas", "pandas.core.series"], "Series", series),
  ...everywhere(["pandas.core.indexes.base", "pandas.indexes.base", "pandas.core.index"], "_new_Index", newIndex),
  ...everywhere(["pandas.core.indexes.datetimes", "pandas.tseries.index"], "_new_DatetimeIndex", newIndex),
  ...everywhere(["pandas.core.indexes.period", "pandas.tseries.period"], "_new_PeriodIndex", newIndex),
  ...everywhere(["pandas.core.indexes.interval"], "_new_IntervalIndex", newIndex),
  ...everywhere(["pandas.core.indexes.timedeltas"], "_new_TimedeltaIndex", newIndex),
  ...everywhere(["pandas._libs.tslibs.timestamps"], "_unpickle_timestamp", timestamp),
  ...everywhere(
    ["pandas._libs.tslibs.timestamps", "pandas._libs.tslib", "pandas.tslib", "pandas"],
    "Timestamp",
    timestamp
  ),
  ...everywhere(["pandas._libs.tslibs.timedeltas"], "_timedelta_unpickle", timedelta),
  ...everywhere(
    ["pandas._libs.tslibs.timedeltas", "pandas._libs.tslib", "pandas.tslib", "pandas"],
    "Timedelta",
    timedelta
  ),
  ...everywhere(["pandas._libs.tslibs.nattype", "pandas._libs.tslib", "pandas.tslib"], "_nat_unpickle", notATimeValue),
  ...everywhere(["pandas._libs.tslibs.nattype", "pandas._libs.tslib", "pandas.tslib"], "__nat_unpickle", notATimeValue),
  ...everywhere(["pandas._libs.arrays"], "__pyx_unpickle_NDArrayBacked", backedArray)
])
