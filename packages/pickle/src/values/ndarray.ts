/**
 * NumPy's dtypes, arrays and scalars over the bytes that the pickle holds.
 *
 * @since 0.1.0
 */
import { fail } from "../errors.ts"
import { canonicalKey, type EqualityBudget, equalityKey, equalText } from "./equality.ts"
import { type Inspect, inspected, projected } from "./json.ts"
import { Complex, type PyInt } from "./numbers.ts"

/**
 * A field of a structured dtype.
 *
 * @category numpy
 * @since 0.1.0
 */
export interface DTypeField {
  readonly name: string
  readonly dtype: DType
  /** Offset in bytes inside an item. */
  readonly offset: number
}

/**
 * A `numpy.dtype`.
 *
 * @category numpy
 * @since 0.1.0
 */
export class DType {
  /** `b` bool, `i` `u` integers, `f` float, `c` complex, `M` datetime64, `m` timedelta64, `U` `S` text, `V` void, `O` objects, `T` StringDType. */
  readonly kind: string
  /** Bytes of one item, 0 for `U0` and the like. */
  readonly itemsize: number
  /** `<` little endian, `>` big endian, `|` not applicable. */
  readonly byteOrder: "<" | ">" | "|"
  /** The unit of `M` and `m` as NumPy writes it (`ns`, `D`, `25s`); `null` for a generic one and for other kinds. */
  readonly unit: string | null
  /** The fields of a structured dtype, in order; `null` for other dtypes. */
  readonly fields: ReadonlyArray<DTypeField> | null
  /** The dtype and shape of a sub-array dtype; `null` for other dtypes. */
  readonly base: DType | null
  readonly shape: ReadonlyArray<number>

  constructor(
    kind: string,
    itemsize: number,
    byteOrder: "<" | ">" | "|",
    options: {
      readonly unit?: string | null
      readonly fields?: ReadonlyArray<DTypeField> | null
      readonly base?: DType | null
      readonly shape?: ReadonlyArray<number>
    } = {}
  ) {
    this.kind = kind
    this.itemsize = itemsize
    this.byteOrder = byteOrder
    this.unit = options.unit ?? null
    this.fields = options.fields ?? null
    this.base = options.base ?? null
    this.shape = options.shape ?? []
  }
  /** NumPy's `dtype.str`: `<f8`, `|b1`, `<M8[ns]`, `<U4`, `|V12`. */
  get str(): string {
    if (this.kind === "O") return "|O"
    if (this.kind === "T") return "|T16"
    const size = this.kind === "U" ? this.itemsize / 4 : this.itemsize
    return `${this.byteOrder}${this.kind}${size}${this.unit === null ? "" : `[${this.unit}]`}`
  }
  /** NumPy's `dtype.name`: `float64`, `bool`, `datetime64[ns]`, `str128`, `object`. */
  get name(): string {
    const bits = this.itemsize * 8
    switch (this.kind) {
      case "b":
        return "bool"
      case "i":
        return `int${bits}`
      case "u":
        return `uint${bits}`
      case "f":
        return `float${bits}`
      case "c":
        return `complex${bits}`
      case "M":
      case "m":
        return `${this.kind === "M" ? "datetime64" : "timedelta64"}${this.unit === null ? "" : `[${this.unit}]`}`
      case "U":
        return `str${bits}`
      case "S":
        return `bytes${bits}`
      case "O":
        return "object"
      case "T":
        return `StringDType${bits}`
      default:
        return `void${bits}`
    }
  }
  toString(): string {
    return this.fields === null
      ? this.name
      : `[${this.fields.map(({ dtype, name }) => `${name}: ${dtype}`).join(", ")}]`
  }
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `DType(${this.toString()})`
  }
  toJSON(): string {
    return this.toString()
  }
  [equalityKey](): unknown {
    return `T${this.str}`
  }
}

/**
 * The typed arrays that an array's numbers may be returned in.
 *
 * @category numpy
 * @since 0.1.0
 */
export type TypedArray =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array

const littleEndianMachine = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1

/** Bytes of one primitive of a dtype: half of a complex number, one character of 4 bytes in a `U`. */
const wordSize = (dtype: DType): number =>
  dtype.kind === "c" ? dtype.itemsize / 2 : dtype.kind === "U" ? 4 : dtype.itemsize

const swap = (bytes: Uint8Array, word: number): Uint8Array => {
  const out = new Uint8Array(bytes.length)
  for (let at = 0; at + word <= bytes.length; at += word) {
    for (let i = 0; i < word; i++) out[at + i] = bytes[at + word - 1 - i]!
  }
  return out
}

/** The bytes in this machine's order, at an offset that is aligned for typed arrays with `word` bytes per element. */
const aligned = (dtype: DType, bytes: Uint8Array, word: number): Uint8Array => {
  const foreign = dtype.byteOrder !== "|" && word > 1 && (dtype.byteOrder === "<") !== littleEndianMachine
  if (foreign) return swap(bytes, word)
  return bytes.byteOffset % word === 0 ? bytes : bytes.slice()
}

const half = (bits: number): number => {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

/**
 * x87 extended (`f16`, `f12`) as x86 stores it: 64 bits of mantissa, then 15 of exponent and the sign. The rest is
 * padding with undefined content.
 */
const extended = (view: DataView, at: number): number => {
  const low = view.getUint32(at, true)
  const middle = view.getUint32(at + 4, true)
  const high = view.getUint16(at + 8, true)
  const sign = high & 0x8000 ? -1 : 1
  const exponent = high & 0x7fff
  if (exponent === 0x7fff) return low === 0 && (middle & 0x7fffffff) === 0 ? sign * Infinity : NaN
  // In two steps, because a single power of two may be too small for a double. The sum is rounded once.
  return sign * ((middle * 2 ** 32 + low) * 2 ** -63) * 2 ** (exponent - 16383)
}

/** Whether a long double is the number that it is read as, and not one that is only near it. */
const isExact = (view: DataView, at: number): boolean => {
  const low = view.getBigUint64(at, true)
  const exponent = view.getUint16(at + 8, true) & 0x7fff
  const isInRange = exponent === 0x7fff || (exponent > 16383 - 1023 && exponent < 16383 + 1024)
  return low === 0n || (isInRange && (low & 0x7ffn) === 0n)
}

/** The canonical key of a long double, or a complex number of two, that equals no double; `null` for any other item. */
const longDoubleKey = (dtype: DType, bytes: Uint8Array): string | null => {
  const word = wordSize(dtype)
  if ((dtype.kind !== "f" && dtype.kind !== "c") || word < 12 || bytes.length < dtype.itemsize) return null
  const little = dtype.byteOrder === ">" ? swap(bytes, word) : bytes
  const view = new DataView(little.buffer, little.byteOffset, little.length)
  let isDouble = true
  let key = "x"
  for (let at = 0; at < dtype.itemsize; at += word) {
    isDouble &&= isExact(view, at)
    key += `${view.getUint16(at + 8, true)},${view.getBigUint64(at, true)};`
  }
  return isDouble ? null : key
}

/**
 * The numbers in `bytes` as a typed array: a view when they are aligned and in this machine's order, otherwise a copy.
 * bool gives 0 and 1, datetime64 and timedelta64 counts of their unit (`NaT` is -2^63), complex numbers pairs, float16
 * and long double their nearest Float32 and Float64. `null` for dtypes that are not numeric.
 *
 * @internal
 */
export const typedArray = (dtype: DType, bytes: Uint8Array): TypedArray | null => {
  const word = wordSize(dtype)
  const view = <A>(make: new(buffer: ArrayBuffer, offset: number, length: number) => A): A => {
    const source = aligned(dtype, bytes, word)
    return new make(source.buffer as ArrayBuffer, source.byteOffset, Math.floor(source.length / word))
  }
  switch (`${dtype.kind}${dtype.itemsize}`) {
    case "b1":
    case "u1":
      return view(Uint8Array)
    case "i1":
      return view(Int8Array)
    case "i2":
      return view(Int16Array)
    case "u2":
      return view(Uint16Array)
    case "i4":
      return view(Int32Array)
    case "u4":
      return view(Uint32Array)
    case "i8":
    case "M8":
    case "m8":
      return view(BigInt64Array)
    case "u8":
      return view(BigUint64Array)
    case "f4":
    case "c8":
      return view(Float32Array)
    case "f8":
    case "c16":
      return view(Float64Array)
    case "f2":
      return Float32Array.from(view(Uint16Array), half)
    case "f12":
    case "f16":
    case "c24":
    case "c32": {
      const little = dtype.byteOrder === ">" ? swap(bytes, word) : bytes
      const source = new DataView(little.buffer, little.byteOffset, little.length)
      const out = new Float64Array(Math.floor(little.length / word))
      for (let i = 0; i < out.length; i++) out[i] = extended(source, i * word)
      return out
    }
    default:
      return null
  }
}

/** The items of an array that are converted together when one of them is read. */
const blockItems = 4_096

/** Whether `typedArray` converts or copies the bytes. */
const isConverted = (dtype: DType, bytes: Uint8Array): boolean => {
  const word = wordSize(dtype)
  return (dtype.kind === "f" && word === 2) || ((dtype.kind === "f" || dtype.kind === "c") && word > 8) ||
    aligned(dtype, bytes.subarray(0, word), word).buffer !== bytes.buffer
}

/** The numbers of a large array, converted block by block when they are asked for. */
class Blocks {
  readonly dtype: DType
  readonly bytes: Uint8Array
  readonly values: TypedArray
  readonly #isDone: Uint8Array
  /** The elements of `values` that are an item: two of a complex number. */
  readonly #width: number

  constructor(dtype: DType, bytes: Uint8Array, values: TypedArray) {
    this.dtype = dtype
    this.bytes = bytes
    this.values = values
    this.#width = dtype.kind === "c" ? 2 : 1
    this.#isDone = new Uint8Array(Math.ceil(values.length / this.#width / blockItems))
  }

  /** Blocks for numbers that are many and must be converted. */
  static of(dtype: DType, bytes: Uint8Array): Blocks | null {
    if (bytes.length <= blockItems * dtype.itemsize || !isConverted(dtype, bytes)) return null
    const sample = typedArray(dtype, bytes.subarray(0, dtype.itemsize))
    if (sample === null) return null
    const make = sample.constructor as new(length: number) => TypedArray
    return new Blocks(dtype, bytes, new make(Math.floor(bytes.length / wordSize(dtype))))
  }

  /** Converts the block in which an item is. */
  convert(position: number): void {
    const block = Math.floor(position / blockItems)
    if (this.#isDone[block] !== 0) return
    this.#isDone[block] = 1
    const size = blockItems * this.dtype.itemsize
    const values = typedArray(this.dtype, this.bytes.subarray(block * size, (block + 1) * size))!
    this.values.set(values as never, block * blockItems * this.#width)
  }

  all(): TypedArray {
    for (let block = 0; block < this.#isDone.length; block++) this.convert(block * blockItems)
    return this.values
  }
}

/**
 * The bytes in little endian order, whatever their order; each word of a structured dtype is converted too.
 *
 * @internal
 */
export const littleEndianBytes = (dtype: DType, bytes: Uint8Array): Uint8Array => {
  if (dtype.fields === null && dtype.base === null) {
    return dtype.byteOrder === ">" ? swap(bytes, wordSize(dtype)) : bytes
  }
  if (!hasBigEndian(dtype)) return bytes
  const out = bytes.slice()
  for (let at = 0; dtype.itemsize > 0 && at + dtype.itemsize <= bytes.length; at += dtype.itemsize) {
    if (dtype.base !== null) {
      out.set(littleEndianBytes(dtype.base, bytes.subarray(at, at + dtype.itemsize)), at)
    }
    for (const field of dtype.fields ?? []) {
      const start = at + field.offset
      out.set(littleEndianBytes(field.dtype, bytes.subarray(start, start + field.dtype.itemsize)), start)
    }
  }
  return out
}

const hasBigEndian = (dtype: DType): boolean =>
  dtype.byteOrder === ">" || (dtype.base !== null && hasBigEndian(dtype.base)) ||
  (dtype.fields?.some((field) => hasBigEndian(field.dtype)) ?? false)

/**
 * A `datetime64` or `timedelta64` item: a count of units, or `null` for NaT. `unit` is that of the dtype.
 *
 * @category numpy
 * @since 0.1.0
 */
export class NpTime {
  readonly kind: "datetime64" | "timedelta64"
  /** The count since 1970, or of the length; `null` for NaT. */
  readonly count: bigint | null
  readonly unit: string | null
  constructor(kind: "datetime64" | "timedelta64", count: bigint | null, unit: string | null) {
    this.kind = kind
    this.count = count
    this.unit = unit
  }
  /** Nanoseconds; `null` for NaT and for units without a fixed length (months, years of a timedelta). */
  get nanoseconds(): bigint | null {
    return this.count === null ? null : unitToNanoseconds(this.count, this.unit, this.kind === "datetime64")
  }
  /** ISO 8601 for a datetime64, nanoseconds for a timedelta64, `NaT`. */
  toString(): string {
    if (this.count === null) return "NaT"
    const ns = this.nanoseconds
    if (this.kind === "timedelta64" || ns === null) return `${this.count}${this.unit === null ? "" : ` ${this.unit}`}`
    return nanosecondsText(ns)
  }
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `NpTime(${this.kind}, ${this.toString()})`
  }
  toJSON(): unknown {
    return projected(this)
  }
  [equalityKey](): unknown {
    // Versions of NumPy differ in which other units, and which times of Python, have the same hash.
    return this.count === null ? this : `N${this.kind},${this.count},${this.unit}`
  }
}

const unitNanoseconds: Readonly<Record<string, bigint>> = {
  W: 604_800_000_000_000n,
  D: 86_400_000_000_000n,
  h: 3_600_000_000_000n,
  m: 60_000_000_000n,
  s: 1_000_000_000n,
  ms: 1_000_000n,
  us: 1_000n,
  ns: 1n
}

/**
 * A count of a NumPy unit (`ns`, `25s`, `D`, …) in nanoseconds; finer units are rounded down.
 *
 * @internal
 */
export const unitToNanoseconds = (count: bigint, unit: string | null, isInstant: boolean): bigint | null => {
  const match = /^(\d*)([A-Za-z]+)$/.exec(unit ?? "")
  if (match === null) return null
  const total = count * BigInt(match[1] === "" ? "1" : match[1]!)
  const scale = unitNanoseconds[match[2]!]
  if (scale !== undefined) return total * scale
  const finer = { ps: 1_000n, fs: 1_000_000n, as: 1_000_000_000n }[match[2]!]
  if (finer !== undefined) {
    const quotient = total / finer
    return total < 0n && quotient * finer !== total ? quotient - 1n : quotient
  }
  if (isInstant && (match[2] === "Y" || match[2] === "M")) {
    const months = match[2] === "Y" ? total * 12n : total
    if (months < -3_000_000n || months > 3_000_000n) return null
    const date = new Date(0)
    date.setUTCFullYear(1970, Number(months), 1)
    return Number.isNaN(date.getTime()) ? null : BigInt(date.getTime()) * 1_000_000n
  }
  return null
}

/**
 * Nanoseconds since 1970 as ISO 8601, with as many digits as they need.
 *
 * @internal
 */
export const nanosecondsText = (ns: bigint): string => {
  const second = ns / 1_000_000_000n - (ns % 1_000_000_000n < 0n ? 1n : 0n)
  const rest = ns - second * 1_000_000_000n
  const millis = Number(second) * 1_000
  if (Math.abs(millis) > 8.64e15) return `${ns} ns`
  const text = new Date(millis).toISOString().slice(0, -5)
  if (rest === 0n) return text
  const digits = rest.toString().padStart(9, "0")
  return `${text}.${digits.endsWith("000") ? digits.slice(0, 6) : digits}`
}

const maxShown = 100

const safe = (value: bigint): PyInt =>
  BigInt.asIntN(54, value) === value && value !== -9007199254740992n ? Number(value) : value

const notATime = -9223372036854775808n

const utf32 = (bytes: Uint8Array, bigEndian: boolean): string => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let out = ""
  let zeros = 0
  for (let at = 0; at + 4 <= bytes.length; at += 4) {
    const code = view.getUint32(at, !bigEndian)
    if (code === 0) {
      zeros++
      continue
    }
    // NumPy strips only trailing zeros.
    for (; zeros > 0; zeros--) out += "\0"
    if (code > 0x10ffff) return fail("BadText", "a character beyond U+10FFFF in an array of text", "Unicode")
    out += String.fromCodePoint(code)
  }
  return out
}

const withoutTrailingZeros = (bytes: Uint8Array): Uint8Array => {
  let end = bytes.length
  while (end > 0 && bytes[end - 1] === 0) end--
  return bytes.subarray(0, end)
}

/**
 * One item of an array as the value that NumPy's `item()` returns: number or bigint, boolean, string, Uint8Array,
 * `Complex`, `NpTime`, an object of its fields for a structured dtype, an array for a sub-array.
 *
 * @internal
 */
export const itemAt = (dtype: DType, bytes: Uint8Array, at: number): unknown => {
  const item = bytes.subarray(at, at + dtype.itemsize)
  if (dtype.fields !== null) {
    const out: Record<string, unknown> = Object.create(null) as Record<string, unknown>
    for (const field of dtype.fields) out[field.name] = itemAt(field.dtype, item, field.offset)
    return out
  }
  if (dtype.base !== null) {
    const { base } = dtype
    return nest(dtype.shape, 0, (i) => itemAt(base, item, i * base.itemsize), { at: 0 })
  }
  switch (dtype.kind) {
    case "U":
      return utf32(item, dtype.byteOrder === ">")
    case "S":
      return withoutTrailingZeros(item)
    case "V":
      return item
  }
  const values = typedArray(dtype, item)
  return values === null ? item : valueAt(dtype, values, 0)
}

const valueAt = (dtype: DType, values: TypedArray, i: number): unknown => {
  if (dtype.kind === "c") return new Complex(values[2 * i] as number, values[2 * i + 1] as number)
  const value = values[i]
  if (value === undefined) return fail("BadValue", "an item outside its array", "an index within the shape")
  if (dtype.kind === "b") return value !== 0
  if (dtype.kind === "M" || dtype.kind === "m") {
    const count = value as bigint
    return new NpTime(dtype.kind === "M" ? "datetime64" : "timedelta64", count === notATime ? null : count, dtype.unit)
  }
  return typeof value === "bigint" ? safe(value) : value
}

/**
 * The fields of a record of a structured dtype with objects among its fields, which NumPy lists as a tuple.
 *
 * @internal
 */
export const recordOf = (dtype: DType, item: unknown): unknown => {
  if (dtype.fields === null || !Array.isArray(item)) return item
  const out: Record<string, unknown> = Object.create(null) as Record<string, unknown>
  dtype.fields.forEach((field, i) => out[field.name] = recordOf(field.dtype, item[i]))
  return out
}

const nest = (
  shape: ReadonlyArray<number>,
  depth: number,
  item: (i: number) => unknown,
  cursor: { at: number }
): unknown => {
  if (depth === shape.length) return item(cursor.at++)
  const out: Array<unknown> = []
  for (let i = 0; i < shape[depth]!; i++) out.push(nest(shape, depth + 1, item, cursor))
  return out
}

/**
 * A `numpy.ndarray`.
 *
 * `bytes` are those of the pickle (a view when the pickle holds them as bytes), in the array's own order and byte
 * order; `values` returns them as a typed array. An array of objects has `objects` instead.
 *
 * @category numpy
 * @since 0.1.0
 */
export class NdArray {
  dtype: DType
  shape: ReadonlyArray<number>
  /** `F` for Fortran (column-major) order of `bytes`, otherwise `C`. */
  order: "C" | "F"
  /** The items' bytes; empty for an array of objects. */
  bytes: Uint8Array
  /** The items of an array of objects, row by row whatever `order` is; `null` for other arrays. */
  objects: ReadonlyArray<unknown> | null
  /** `numpy.ndarray`, or the name of the subclass (`numpy.matrix`, `numpy.ma.core.MaskedArray`, …). */
  className: string
  /** True where a masked array has no value, in C order; `null` for other arrays. */
  mask: Uint8Array | null = null
  #values: TypedArray | null | undefined
  /** Where not all numbers are converted yet. */
  #blocks: Blocks | null | undefined

  constructor(
    dtype: DType,
    shape: ReadonlyArray<number>,
    order: "C" | "F",
    bytes: Uint8Array,
    objects: ReadonlyArray<unknown> | null,
    className = "numpy.ndarray"
  ) {
    this.dtype = dtype
    this.shape = shape
    this.order = order
    this.bytes = bytes
    this.objects = objects
    this.className = className
  }
  /** The number of items: the product of `shape`. */
  get size(): number {
    return this.shape.reduce((product, n) => product * n, 1)
  }
  /**
   * The numbers as a typed array, in `order`, made once: a view of the pickle's bytes when they are aligned and in this
   * machine's byte order. bool is 0 and 1, datetime64 and timedelta64 are counts of their unit with -2^63 for NaT,
   * complex numbers are pairs. `null` for text, structured items and objects.
   */
  get values(): TypedArray | null {
    if (this.#values === undefined) {
      this.#values = this.#blocks?.all() ??
        (this.objects === null && this.dtype.fields === null && this.dtype.base === null
          ? typedArray(this.dtype, this.bytes)
          : null)
      this.#blocks = undefined
    }
    return this.#values
  }
  /** As `values`, of which only those around an item need to be there. */
  #valuesAt(position: number): TypedArray | null {
    if (this.#values !== undefined) return this.#values
    if (this.#blocks === undefined) {
      this.#blocks = this.dtype.fields === null && this.dtype.base === null ? Blocks.of(this.dtype, this.bytes) : null
    }
    if (this.#blocks === null) return this.values
    this.#blocks.convert(position)
    return this.#blocks.values
  }
  /** Discards cached conversions of the bytes, for a state that is set again. */
  reset(): void {
    this.#values = undefined
    this.#blocks = undefined
  }
  /**
   * The item at a position in `bytes`, or in `objects`, as NumPy's `item()` returns it; of a structured dtype, its
   * fields.
   */
  itemAt(position: number): unknown {
    if (this.objects !== null) return recordOf(this.dtype, this.objects[position])
    const values = this.#valuesAt(position)
    return values === null
      ? itemAt(this.dtype, this.bytes, position * this.dtype.itemsize)
      : valueAt(this.dtype, values, position)
  }
  /** The item at an index of each dimension. */
  get(...index: ReadonlyArray<number>): unknown {
    let position = 0
    const axes = this.order === "F" && this.objects === null
      ? this.shape.map((_, i) => this.shape.length - 1 - i)
      : this.shape.map((_, i) => i)
    for (const axis of axes) {
      const at = index[axis] ?? 0
      if (!(at >= 0 && at < this.shape[axis]!)) return undefined
      position = position * this.shape[axis]! + at
    }
    return this.itemAt(position)
  }
  /** All items in C (row-major) order, whatever the order in memory. */
  items(): Array<unknown> {
    const out: Array<unknown> = []
    const { size } = this
    if (this.order === "C" || this.objects !== null || this.shape.length < 2) {
      for (let i = 0; i < size; i++) out.push(this.itemAt(i))
    } else {
      for (const position of rowMajorPositions(this.shape)) out.push(this.itemAt(position))
    }
    return out
  }
  /** Like NumPy's `tolist()`: nested arrays, or the bare item for an array without dimensions. */
  toList(): unknown {
    const items = this.items()
    return nest(this.shape, 0, (i) => items[i], { at: 0 })
  }
  toString(): string {
    return `NdArray(${this.dtype.toString()}, ${this.shape.length === 0 ? "()" : this.shape.join("x")})`
  }
  toJSON(): unknown {
    return projected(this)
  }
  [Symbol.for("nodejs.util.inspect.custom")](depth: number, options: object, inspect?: Inspect): string {
    return inspected(this.toString(), this.size <= maxShown ? this.toList() : this.#first(), depth, options, inspect)
  }
  /** The first items in a flat list, for a printer that shows no more. */
  #first(): ReadonlyArray<unknown> {
    const out: Array<unknown> = Array.from({ length: maxShown }, (_, i) => this.itemAt(i))
    if (this.size < 0xffffffff) out.length = this.size
    return out
  }
  [equalityKey](): unknown {
    return fail("Unhashable", "a NumPy array as a key", "a hashable key")
  }
}

/**
 * For each item in row-major order, its position in column-major memory.
 *
 * @internal
 */
export function* rowMajorPositions(shape: ReadonlyArray<number>): IterableIterator<number> {
  const size = shape.reduce((product, n) => product * n, 1)
  const index = shape.map(() => 0)
  const strides: Array<number> = []
  let stride = 1
  for (const n of shape) {
    strides.push(stride)
    stride *= n
  }
  let position = 0
  for (let i = 0; i < size; i++) {
    yield position
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      position += strides[axis]!
      if (++index[axis]! < shape[axis]!) break
      position -= strides[axis]! * shape[axis]!
      index[axis] = 0
    }
  }
}

/**
 * A NumPy scalar (`numpy.float64(1.5)`): its dtype and the value that `item()` returns.
 *
 * @category numpy
 * @since 0.1.0
 */
export class NpScalar {
  readonly dtype: DType
  /** The item's bytes; empty for an object. */
  readonly bytes: Uint8Array
  readonly value: unknown
  constructor(dtype: DType, bytes: Uint8Array, value: unknown) {
    this.dtype = dtype
    this.bytes = bytes
    this.value = value
  }
  valueOf(): unknown {
    return this.value
  }
  toString(): string {
    return String(this.value)
  }
  [Symbol.for("nodejs.util.inspect.custom")](depth: number, options: object, inspect?: Inspect): string {
    return inspected(`NpScalar(${this.dtype.toString()})`, this.value, depth, options, inspect)
  }
  toJSON(): unknown {
    return projected(this)
  }
  /** A `numpy.str_` is a `str`. */
  get [equalText](): string | null {
    return typeof this.value === "string" ? this.value : null
  }
  [equalityKey](budget: EqualityBudget): unknown {
    const { dtype, value } = this
    if (dtype.kind === "V" || Number.isNaN(value)) return this
    return longDoubleKey(dtype, this.bytes) ?? canonicalKey(value, budget)
  }
}
