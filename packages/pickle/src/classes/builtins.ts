/**
 * Decoders for the classes of Python's builtins and standard library.
 *
 * @since 0.1.0
 */
import { type Context, type Create, inert } from "../context.ts"
import { exceeded, fail } from "../errors.ts"
import {
  ByteArray,
  Counter,
  DefaultDict,
  Deque,
  FrozenSet,
  OrderedDict,
  PyDict,
  PySet,
  Tuple
} from "../values/containers.ts"
import { Dict, isDictObject, isIndexKey } from "../values/dict.ts"
import { bigFromBytes, integerFromText, labelOf, maxIntegerBytes, shrink } from "../values/integers.ts"
import { Complex, Decimal, Fraction, isDecimalText, PyFloat, type PyInt, Range, Slice } from "../values/numbers.ts"
import { isDict, Path, PyArray, PyGlobal, PyObject, UUID } from "../values/objects.ts"
import { decodeBytes, latin1Text } from "../values/text.ts"

const isInt = (value: unknown): value is PyInt => typeof value === "bigint" || Number.isSafeInteger(value)

/** A JavaScript number for any Python number; `null` for other values. */
const numberOf = (value: unknown): number | null =>
  typeof value === "number"
    ? value
    : typeof value === "bigint" || typeof value === "boolean"
    ? Number(value)
    : value instanceof PyFloat
    ? value.value
    : null

const isIterable = (value: unknown): value is Iterable<unknown> =>
  Array.isArray(value) || value instanceof Set || value instanceof Uint8Array

/** The items of an iterable that a pickle passes to a constructor, counted against the limits. */
const itemsOf = (context: Context, value: unknown): ReadonlyArray<unknown> | null => {
  if (isIterable(value)) {
    const items = Array.isArray(value) ? value : [...value]
    context.charge(items.length)
    return items
  }
  if (value instanceof Map || isDictObject(value)) {
    const keys = value instanceof Map ? [...value.keys()] : Object.keys(value)
    context.charge(keys.length)
    return keys
  }
  if (typeof value === "string") {
    context.charge(value.length)
    return [...value]
  }
  return null
}

const fillDict = (context: Context, out: PyDict, source: unknown): PyDict | typeof inert => {
  if (source === undefined) return out
  if (source instanceof Map) {
    context.charge(source.size)
    for (const [key, value] of source) out.insert(key, value, context.equality)
    return out
  }
  if (isDictObject(source)) {
    const keys = Object.keys(source)
    context.charge(keys.length)
    for (const key of keys) out.insert(key, source[key], context.equality)
    return out
  }
  const items = itemsOf(context, source)
  if (items === null) return inert
  for (const item of items) {
    if (!Array.isArray(item) || item.length !== 2) return inert
    out.insert(item[0], item[1], context.equality)
  }
  return out
}

/**
 * Values that Python cannot iterate over are rejected, as Python does; those that only Python can iterate over stay
 * inert.
 */
const notIterable = (args: ReadonlyArray<unknown>): typeof inert => {
  const [source] = args
  const opaque = typeof source === "object" && source !== null && !(source instanceof PyFloat) &&
    !(source instanceof PyGlobal)
  return args.length === 1 && opaque
    ? inert
    : fail("BadValue", "not a valid collection", "one iterable value")
}

const set = (make: () => PySet): Create => (context, args) => {
  const out = make()
  if (args.length === 0) return out
  const items = itemsOf(context, args[0])
  if (items === null || args.length > 1) return notIterable(args)
  for (const item of items) out.insert(item, context.equality)
  return out
}

/** `bytes(...)` and `bytearray(...)` in all the forms that protocols 0 to 4 use. */
const byteString = (make: (length: number) => Uint8Array): Create => (context, args) => {
  const [source, encoding] = args
  if (source === undefined) return make(0)
  if (typeof source === "string") {
    return inertOr(encodeText(context, source, encoding), (bytes) => copyInto(make, bytes))
  }
  if (source instanceof Uint8Array) {
    context.charge(source.length)
    return copyInto(make, source)
  }
  if (Array.isArray(source)) {
    context.charge(source.length)
    const out = make(source.length)
    for (let i = 0; i < source.length; i++) {
      const byte = numberOf(source[i])
      if (byte === null || byte < 0 || byte > 255) return fail("BadValue", "a byte outside 0 to 255", "bytes")
      out[i] = byte
    }
    return out
  }
  return inert
}

const inertOr = <A, B>(value: A | typeof inert, f: (value: A) => B): B | typeof inert =>
  value === inert ? inert : f(value as A)

const copyInto = (make: (length: number) => Uint8Array, bytes: Uint8Array): Uint8Array => {
  const out = make(bytes.length)
  out.set(bytes)
  return out
}

/**
 * Names of latin-1, with underscores.
 *
 * @internal
 */
export const latin1Names = new Set(["latin1", "latin_1", "latin", "l1", "iso_8859_1", "iso8859_1", "8859", "cp819"])

/** `codecs.encode(text, encoding)`, which protocols 0 to 2 use for bytes. */
const encodeText = (context: Context, text: string, encoding: unknown): Uint8Array | typeof inert => {
  context.charge(text.length)
  // Python's own normalization of encoding names: each run of characters other than letters and digits becomes one
  // underscore.
  const name = encoding === undefined
    ? "utf_8"
    : labelOf(encoding).toLowerCase().replace(/[^a-z0-9]+/g, "_").replace(/^_|_$/g, "")
  if (latin1Names.has(name)) {
    const out = new Uint8Array(text.length)
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      if (code > 255) return fail("BadText", "a character above U+00FF in the text of bytes", "latin-1")
      out[i] = code
    }
    return out
  }
  if (name === "utf_8" || name === "utf8") {
    // A lone surrogate cannot be encoded as UTF-8, in Python either.
    return /[\ud800-\udfff]/u.test(text)
      ? fail("BadText", "a surrogate in the text of bytes", "UTF-8")
      : new TextEncoder().encode(text)
  }
  return inert
}

const encode: Create = (context, args) => {
  const [value, encoding] = args
  if (args.length > 3 || !args.slice(1).every((arg) => typeof arg === "string")) {
    return fail("BadValue", "the name of an encoding is not text", "the name of a codec")
  }
  if (typeof value === "string") return encodeText(context, value, encoding)
  // Codecs from bytes to bytes are left to Python; Python rejects any other value.
  return value instanceof Uint8Array ? inert : fail("BadValue", "an encoding of a value that is not text", "text")
}

const decimal: Create = (context, args) => {
  const [value] = args
  if (args.length > 2) return inert
  if (value === undefined) return new Decimal("0")
  if (typeof value === "string") {
    context.charge(value.length)
    const text = value.trim().replaceAll("_", "")
    if (!isDecimalText(text)) return fail("BadNumber", "text that is not a Decimal", "a decimal number")
    return new Decimal(text)
  }
  if (isInt(value)) {
    const text = `${value}`
    context.charge(text.length)
    return new Decimal(text)
  }
  if (value instanceof Tuple || Array.isArray(value)) return decimalOfTuple(context, value)
  return inert
}

/** `Decimal((sign, digits, exponent))`, in the text that Python prints for it. */
const decimalOfTuple = (context: Context, parts: ReadonlyArray<unknown>): Decimal => {
  const [sign, digits, exponent] = parts
  const valid = parts.length === 3 && (sign === 0 || sign === 1) && Array.isArray(digits) &&
    digits.every((digit) => Number.isInteger(digit) && (digit as number) >= 0 && (digit as number) <= 9) &&
    (exponent === "F" || exponent === "n" || exponent === "N" || Number.isSafeInteger(exponent))
  if (!valid) return fail("BadValue", "a Decimal without sign, digits and exponent", "a tuple of three")
  context.charge(digits.length)
  const minus = sign === 1 ? "-" : ""
  const text = digits.join("").replace(/^0+(?=.)/, "") || (typeof exponent === "string" ? "" : "0")
  if (exponent === "F") return new Decimal(`${minus}Infinity`)
  if (typeof exponent === "string") {
    return new Decimal(`${minus}${exponent === "N" ? "s" : ""}NaN${text === "0" ? "" : text}`)
  }
  const power = exponent as number
  const leading = power + text.length - 1
  if (power <= 0 && leading >= -6) {
    const padded = power < 0 ? text.padStart(1 - power, "0") : text
    return new Decimal(power === 0 ? `${minus}${padded}` : `${minus}${padded.slice(0, power)}.${padded.slice(power)}`)
  }
  const mantissa = text.length === 1 ? text : `${text[0]}.${text.slice(1)}`
  return new Decimal(`${minus}${mantissa}E${leading < 0 ? "-" : "+"}${Math.abs(leading)}`)
}

const greatestCommonDivisor = (a: bigint, b: bigint): bigint => {
  let x = a < 0n ? -a : a
  let y = b < 0n ? -b : b
  while (y !== 0n) [x, y] = [y, x % y]
  return x
}

const fraction: Create = (context, args) => {
  let numerator: bigint
  let denominator = 1n
  const [first, second] = args
  if (typeof first === "string" && args.length === 1) {
    context.charge(first.length)
    const match = /^\s*([+-]?\d+(?:_\d+)*)(?:\/(\d+(?:_\d+)*))?\s*$/.exec(first)
    if (match === null) return inert
    numerator = integerFromText(match[1]!, 10, maxIntegerBytes)
    if (match[2] !== undefined) denominator = integerFromText(match[2], 10, maxIntegerBytes)
  } else if (isInt(first) && (second === undefined || isInt(second))) {
    numerator = BigInt(first)
    if (second !== undefined) denominator = BigInt(second)
  } else return args.length === 0 ? new Fraction(0n, 1n) : inert
  if (denominator === 0n) return fail("BadValue", "a fraction with denominator 0", "a denominator")
  if (denominator < 0n) [numerator, denominator] = [-numerator, -denominator]
  // Pickles store lowest terms. Other fractions are reduced as long as that is cheap.
  const divisor = denominator === 1n || denominator > 1n << 4096n ? 1n : greatestCommonDivisor(numerator, denominator)
  return new Fraction(numerator / divisor, denominator / divisor)
}

const complex: Create = (_context, args) => {
  if (args.length > 2) return inert
  const re = args.length > 0 ? numberOf(args[0]) : 0
  const im = args.length > 1 ? numberOf(args[1]) : 0
  return re === null || im === null ? inert : new Complex(re, im)
}

const range: Create = (_context, args) => {
  if (args.length === 0 || args.length > 3 || !args.every(isInt)) return inert
  const ints = args as ReadonlyArray<PyInt>
  const [start, stop, step] = ints.length === 1 ? [0, ints[0]!, 1] : [ints[0]!, ints[1]!, ints[2] ?? 1]
  return BigInt(step) === 0n ? fail("BadValue", "a range with step 0", "a step") : new Range(start, stop, step)
}

const slice: Create = (_context, args) => {
  if (args.length === 0 || args.length > 3) return inert
  return args.length === 1 ? new Slice(null, args[0], null) : new Slice(args[0], args[1], args[2] ?? null)
}

const deque: Create = (context, args) => {
  const items = args.length === 0 ? [] : itemsOf(context, args[0])
  const maxlen = args[1] ?? null
  if (items === null) return notIterable(args.slice(0, 1))
  if (args.length > 2 || (maxlen !== null && !(isInt(maxlen) && maxlen >= 0))) {
    return fail("BadValue", "a deque with an invalid bound", "an integer from 0, or None")
  }
  const out = new Deque()
  out.maxlen = maxlen === null ? null : Number(maxlen)
  const from = out.maxlen === null ? 0 : Math.max(0, items.length - out.maxlen)
  for (let i = from; i < items.length; i++) out.push(items[i])
  return out
}

const defaultDict: Create = (context, args) => {
  const out = new DefaultDict()
  out.factory = args[0] ?? null
  return args.length > 2 ? inert : fillDict(context, out, args[1])
}

const uuid: Create = (_context, args, kwargs) => {
  const text = args[0]
  if (args.length === 0 && kwargs === null) return new UUID("00000000-0000-0000-0000-000000000000")
  if (typeof text !== "string" || args.length > 1) return inert
  const digits = text.replace(/^urn:|uuid:|[{}-]/g, "").toLowerCase()
  return /^[0-9a-f]{32}$/.test(digits) ? new UUID(dashed(digits)) : inert
}

/** By a pattern: V8 keeps the parts of a joined text until it is first read, in several times its memory. */
const dashed = (digits: string): string => digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5")

/**
 * The state of a UUID: its integer.
 *
 * @internal
 */
export const setUuidState = (_context: Context, value: UUID, state: unknown): void => {
  const int = state instanceof Map
    ? state.get("int")
    : isDict(state)
    ? (state as Record<string, unknown>)["int"]
    : undefined
  if (!isInt(int)) return fail("BadValue", "a UUID without its integer", "a dict with the key int")
  const digits = BigInt(int)
  if (digits < 0n || digits >= 1n << 128n) return fail("BadValue", "a UUID of more than 128 bits", "128 bits")
  ;(value as { value: string }).value = dashed(digits.toString(16).padStart(32, "0"))
}

const path: Create = (context, args, _kwargs, cls) => {
  if (!(cls instanceof PyGlobal) || !args.every((part) => typeof part === "string")) return inert
  const parts = args as ReadonlyArray<string>
  for (const part of parts) context.charge(part.length)
  const windows = cls.name.includes("Windows")
  const separator = windows ? "\\" : "/"
  // The end of a text that was appended to can be read only after it was copied: so its parts are kept.
  let joined: Array<string> = []
  let length = 0
  for (const raw of parts) {
    const part = windows ? raw.replaceAll("/", "\\") : raw
    const rooted = windows ? /^(?:[A-Za-z]:)?\\/.test(part) || /^[A-Za-z]:/.test(part) : part.startsWith("/")
    if (rooted) [joined, length] = [[], 0]
    const isDrive = windows && length === 2 && /^[A-Za-z]:$/.test(joined.join(""))
    const added = length === 0 || isDrive || joined.at(-1)!.endsWith(separator) ? part : `${separator}${part}`
    if (added !== "") joined.push(added)
    length += added.length
  }
  return new Path(`pathlib.${cls.name}`, normalizePath(joined.join(""), separator))
}

/** As in pathlib: empty and `.` parts are dropped, `..` is kept, and an empty path is `.`. */
const normalizePath = (text: string, separator: string): string => {
  const windows = separator === "\\"
  const anchor = windows
    ? /^(?:\\\\[^\\]+\\[^\\]+\\?|[A-Za-z]:\\*|\\)?/.exec(text)![0].replace(/^([A-Za-z]:)\\+$/, "$1\\")
    : /^(?:\/\/(?!\/)|\/*)/.exec(text)![0].replace(/^\/{3,}$|^\/$/, "/")
  const rest = text.slice(
    windows ? /^(?:\\\\[^\\]+\\[^\\]+\\?|[A-Za-z]:\\*|\\)?/.exec(text)![0].length : /^\/*/.exec(text)![0].length
  )
  const parts = rest.split(separator).filter((part) => part !== "" && part !== ".")
  const joined = `${anchor}${parts.join(separator)}`
  return joined === "" ? "." : joined
}

type ArrayMaker = new(length: number) => { [i: number]: number | bigint; readonly length: number }

const arrayMakers: Readonly<Record<string, ArrayMaker>> = {
  b: Int8Array as unknown as ArrayMaker,
  B: Uint8Array as unknown as ArrayMaker,
  h: Int16Array as unknown as ArrayMaker,
  H: Uint16Array as unknown as ArrayMaker,
  i: Int32Array as unknown as ArrayMaker,
  I: Uint32Array as unknown as ArrayMaker,
  l: BigInt64Array as unknown as ArrayMaker,
  L: BigUint64Array as unknown as ArrayMaker,
  q: BigInt64Array as unknown as ArrayMaker,
  Q: BigUint64Array as unknown as ArrayMaker,
  f: Float32Array as unknown as ArrayMaker,
  d: Float64Array as unknown as ArrayMaker
}

/** `array.array(typecode, list)`, which protocols 0 to 2 use. */
const array: Create = (context, args) => {
  const [typecode, items] = args
  if (typeof typecode !== "string" || args.length > 2) return inert
  if (typecode === "u" || typecode === "w") {
    if (items === undefined) return new PyArray(typecode, [])
    // As one text, or, by protocols 0 to 2, as a list of characters.
    if (typeof items === "string") return new PyArray(typecode, [...items])
    return Array.isArray(items) && items.every((item) => typeof item === "string")
      ? new PyArray(typecode, items as Array<string>)
      : inert
  }
  const make = Object.hasOwn(arrayMakers, typecode) ? arrayMakers[typecode] : undefined
  if (make === undefined) return inert
  if (items === undefined) return new PyArray(typecode, new make(0))
  if (items instanceof Uint8Array) return arrayFromBytes(context, typecode, nativeFormats[typecode] ?? -1, items)
  if (!Array.isArray(items)) return inert
  context.charge(items.length)
  const out = new make(items.length)
  const big = out instanceof BigInt64Array || out instanceof BigUint64Array
  for (let i = 0; i < items.length; i++) {
    const item: unknown = items[i]
    const value = numberOf(item)
    if (value === null) return fail("BadValue", "an item of an array is not a number", "numbers")
    out[i] = big ? BigInt(isInt(item) ? item : Math.trunc(value)) : value
  }
  return new PyArray(typecode, out)
}

/** The machine formats of `array._array_reconstructor` (CPython's `arraymodule.c`), on the usual 64-bit machines. */
const nativeFormats: Readonly<Record<string, number>> = {
  b: 1,
  B: 0,
  h: 4,
  H: 2,
  i: 8,
  I: 6,
  l: 12,
  L: 10,
  q: 12,
  Q: 10,
  f: 14,
  d: 16
}

const readers: ReadonlyArray<readonly [number, (view: DataView, at: number, little: boolean) => number | bigint]> = [
  [1, (view, at) => view.getUint8(at)],
  [1, (view, at) => view.getInt8(at)],
  [2, (view, at, little) => view.getUint16(at, little)],
  [2, (view, at, little) => view.getInt16(at, little)],
  [4, (view, at, little) => view.getUint32(at, little)],
  [4, (view, at, little) => view.getInt32(at, little)],
  [8, (view, at, little) => view.getBigUint64(at, little)],
  [8, (view, at, little) => view.getBigInt64(at, little)],
  [4, (view, at, little) => view.getFloat32(at, little)],
  [8, (view, at, little) => view.getFloat64(at, little)]
]

const arrayFromBytes = (
  context: Context,
  typecode: string,
  format: number,
  bytes: Uint8Array
): PyArray | typeof inert => {
  context.charge(bytes.length)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (format >= 18 && format <= 21) {
    const width = format < 20 ? 2 : 4
    const little = format % 2 === 0
    const out: Array<string> = []
    for (let at = 0; at + width <= bytes.length; at += width) {
      const code = width === 2 ? view.getUint16(at, little) : view.getUint32(at, little)
      if (code > 0x10ffff) return fail("BadText", "a character beyond U+10FFFF in an array", "Unicode")
      out.push(String.fromCodePoint(code))
    }
    return new PyArray(typecode, out, { format, bytes })
  }
  const make = Object.hasOwn(arrayMakers, typecode) ? arrayMakers[typecode] : undefined
  const index = format < 2 ? format : format < 14 ? 2 + ((format - 2) >> 1) : 8 + ((format - 14) >> 1)
  const reader = readers[index]
  if (make === undefined || reader === undefined || format < 0) return inert
  const [width, read] = reader
  if (bytes.length % width !== 0) {
    return fail("BadValue", "an array whose length is not a whole number of items", `a multiple of ${width}`)
  }
  const little = format < 2 || format % 2 === 0
  const out = new make(bytes.length / width)
  const big = out instanceof BigInt64Array || out instanceof BigUint64Array
  for (let i = 0; i < out.length; i++) {
    const value = read(view, i * width, little)
    out[i] = big ? BigInt(value) : Number(value)
  }
  return new PyArray(typecode, out, { format, bytes })
}

const arrayReconstructor: Create = (context, args) => {
  const [, typecode, format, bytes] = args
  return typeof typecode === "string" && typeof format === "number" && bytes instanceof Uint8Array
    ? arrayFromBytes(context, typecode, format, bytes)
    : inert
}

const bases = new WeakMap<object, "list" | "dict">()

/**
 * The builtin type from which an object of protocol 0 or 1 was made; `undefined` for others.
 *
 * @internal
 */
export const baseOf = (object: object): "list" | "dict" | undefined => bases.get(object)

/**
 * `copyreg._reconstructor(cls, base, state)`, which protocols 0 and 1 use to make an object without calling its
 * constructor.
 */
const reconstructor: Create = (context, args) => {
  const [cls, base, state] = args
  if (args.length !== 3) return fail("BadValue", "an object without its class and base", "three arguments")
  const plain = base instanceof PyGlobal && base.qualifiedName === "builtins.object"
  const value = context.construct(cls, plain ? [] : [state], null)
  if (value instanceof PyObject && base instanceof PyGlobal && base.module === "builtins") {
    if (base.name === "list" || base.name === "dict") {
      bases.set(value, base.name)
      if (value.class instanceof PyGlobal) value.class.isCollection = true
    }
  }
  return value
}

const newObject: Create = (context, args) => {
  if (args.length === 0) return fail("BadValue", "an object without its class", "a class")
  return context.construct(args[0], args.slice(1), null)
}

const newObjectEx: Create = (context, args) => {
  const [cls, positional, kwargs] = args
  return Array.isArray(positional) && isDict(kwargs)
    ? context.construct(cls, positional, kwargs)
    : inert
}

const int: Create = (_context, args) => {
  const [value, base] = args
  if (args.length === 0) return 0
  if (args.length === 1 && isInt(value)) return value
  if (typeof value === "string" && (base === undefined || base === 10 || base === 0)) {
    return shrink(integerFromText(value, base === 0 ? 0 : 10, maxIntegerBytes))
  }
  return inert
}

const text: Create = (_context, args) => {
  const [value, encoding] = args
  if (args.length === 0) return ""
  if (args.length === 1 && typeof value === "string") return value
  if (value instanceof Uint8Array && typeof encoding === "string") {
    const name = encoding.toLowerCase()
    return name === "latin1" || name === "latin-1"
      ? latin1Text(value, 0, value.length)
      : name === "utf-8" || name === "utf8"
      ? decodeBytes(value, "utf-8", "strict")
      : inert
  }
  return inert
}

const list: Create = (context, args) => {
  if (args.length === 0) return []
  const items = args.length === 1 ? itemsOf(context, args[0]) : null
  return items === null ? inert : [...items]
}

const tuple: Create = (context, args) => {
  const items = args.length > 1 ? null : args.length === 0 ? [] : itemsOf(context, args[0])
  if (items === null) return inert
  const out = new Tuple()
  for (const item of items) out.push(item)
  return out
}

const dict: Create = (context, args) => {
  if (args.length > 1) return inert
  const filled = fillDict(context, new PyDict(), args[0])
  if (filled === inert) return inert
  const map = filled as PyDict
  if (![...map.keys()].every((key) => typeof key === "string" && !isIndexKey(key))) return map
  const out = new Dict()
  for (const [key, value] of map) out[key as string] = value
  return out
}

const intFromBytes: Create = (_context, args) => {
  const [bytes, order] = args
  if (!(bytes instanceof Uint8Array) || (order !== "big" && order !== "little")) return inert
  if (bytes.length > maxIntegerBytes) {
    return exceeded("integerBytes", `an integer of ${bytes.length} bytes`, maxIntegerBytes)
  }
  const little = order === "little" ? bytes : bytes.slice().reverse()
  const padded = new Uint8Array(little.length + 1)
  padded.set(little)
  return shrink(bigFromBytes(padded, 0, padded.length))
}

/** @internal */
export const stdlib: Readonly<Record<string, Create>> = {
  "builtins.set": set(() => new PySet()),
  "builtins.frozenset": set(() => new FrozenSet()),
  "builtins.bytes": byteString((length) => new Uint8Array(length)),
  "builtins.bytearray": byteString((length) => new ByteArray(new ArrayBuffer(length))),
  "builtins.complex": complex,
  "builtins.range": range,
  "builtins.slice": slice,
  "builtins.int": int,
  "builtins.str": text,
  "builtins.list": list,
  "builtins.tuple": tuple,
  "builtins.dict": dict,
  "builtins.int.from_bytes": intFromBytes,
  "builtins.bool": (_context, args) => args.length === 1 && typeof args[0] === "boolean" ? args[0] : inert,
  "builtins.float": (_context, args) =>
    args.length === 1 && (typeof args[0] === "number" || args[0] instanceof PyFloat) ? args[0] : inert,
  "_codecs.encode": encode,
  "codecs.encode": encode,
  "copyreg._reconstructor": reconstructor,
  "copyreg.__newobj__": newObject,
  "copyreg.__newobj_ex__": newObjectEx,
  "collections.OrderedDict": (context, args) => args.length > 1 ? inert : fillDict(context, new OrderedDict(), args[0]),
  "collections.Counter": (context, args) => args.length > 1 ? inert : fillDict(context, new Counter(), args[0]),
  "collections.defaultdict": defaultDict,
  "collections.deque": deque,
  "decimal.Decimal": decimal,
  "_decimal.Decimal": decimal,
  "cdecimal.Decimal": decimal,
  "fractions.Fraction": fraction,
  "uuid.UUID": uuid,
  "array.array": array,
  "array._array_reconstructor": arrayReconstructor,
  ...Object.fromEntries(
    ["PosixPath", "PurePosixPath", "WindowsPath", "PureWindowsPath", "Path", "PurePath"].flatMap((name) => [
      [`pathlib.${name}`, path],
      [`pathlib._local.${name}`, path]
    ])
  )
}
