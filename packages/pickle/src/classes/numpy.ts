/**
 * Decoders for NumPy's pickles, of numpy.core (1.x) and numpy._core (2.x).
 *
 * @since 0.1.0
 */
import { type Context, type Create, inert } from "../context.ts"
import { fail } from "../errors.ts"
import { isDictObject } from "../values/dict.ts"
import { numberOf } from "../values/integers.ts"
import {
  DType,
  type DTypeField,
  itemAt,
  littleEndianBytes,
  NdArray,
  NpScalar,
  recordOf,
  rowMajorPositions
} from "../values/ndarray.ts"
import { PyGlobal } from "../values/objects.ts"

const bytesOf = (value: unknown): Uint8Array | null => {
  if (value instanceof Uint8Array) return value
  if (typeof value !== "string") return null
  const out = new Uint8Array(value.length)
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i)
    if (code > 255) return null
    out[i] = code
  }
  return out
}

const textOf = (value: unknown): string | null =>
  typeof value === "string"
    ? value
    : value instanceof Uint8Array
    ? String.fromCharCode(...value.subarray(0, 1_000))
    : null

const shapeOf = (value: unknown): ReadonlyArray<number> => {
  const list: ReadonlyArray<unknown> = Array.isArray(value) ? value : [value]
  const shape = list.map((n) => typeof n === "bigint" ? Number(n) : n)
  if (shape.length > 64 || !shape.every((n) => Number.isSafeInteger(n) && (n as number) >= 0)) {
    return fail("BadValue", "an invalid array shape", "at most 64 sizes from 0")
  }
  return shape as ReadonlyArray<number>
}

const sizeOf = (shape: ReadonlyArray<number>): number => shape.reduce((product, n) => product * n, 1)

const codes: Readonly<Record<string, string>> = {
  "?": "b1",
  b: "i1",
  B: "u1",
  h: "i2",
  H: "u2",
  i: "i4",
  I: "u4",
  l: "i8",
  L: "u8",
  q: "i8",
  Q: "u8",
  e: "f2",
  f: "f4",
  d: "f8",
  g: "f16",
  F: "c8",
  D: "c16",
  G: "c32",
  O: "O8",
  U: "U0",
  S: "S0",
  a: "S0",
  V: "V0",
  M: "M8",
  m: "m8",
  T: "T16"
}

const named: Readonly<Record<string, string>> = {
  bool: "b1",
  bool_: "b1",
  int8: "i1",
  uint8: "u1",
  int16: "i2",
  uint16: "u2",
  int32: "i4",
  uint32: "u4",
  int64: "i8",
  int_: "i8",
  int: "i8",
  intp: "i8",
  longlong: "i8",
  uint64: "u8",
  uint: "u8",
  uintp: "u8",
  float16: "f2",
  float32: "f4",
  float64: "f8",
  float: "f8",
  float_: "f8",
  longdouble: "f16",
  float128: "f16",
  complex64: "c8",
  complex128: "c16",
  complex: "c16",
  complex256: "c32",
  object: "O8",
  object_: "O8",
  str: "U0",
  str_: "U0",
  unicode_: "U0",
  bytes: "S0",
  bytes_: "S0",
  string_: "S0",
  void: "V0",
  record: "V0",
  datetime64: "M8",
  timedelta64: "m8"
}

/** A dtype from its text: `f8`, `<i4`, `float64`, `M8[ns]`. */
const parseDType = (text: string): DType | null => {
  const match = /^([<>|=]?)([a-zA-Z?])(\d*)(?:\[(\w+)\])?$/.exec(text)
  if (match === null || (match[3] === "" && match[2]!.length === 1 && !Object.hasOwn(codes, match[2]!))) {
    const name = /^(\w+?)(?:\[(\w+)\])?$/.exec(text)
    if (name === null || !Object.hasOwn(named, name[1]!)) return null
    return parseDType(`${named[name[1]!]}${name[2] === undefined ? "" : `[${name[2]}]`}`)
  }
  const [, order, letter, digits, unit] = match
  if (digits === "" && codes[letter!]![1] !== "") {
    const full = codes[letter!]!
    return makeDType(full[0]!, Number(full.slice(1)), order!, unit ?? null)
  }
  const kind = letter === "a" ? "S" : letter === "?" ? "b" : letter!
  return "biufcOUSVMmT".includes(kind) ? makeDType(kind, Number(digits), order!, unit ?? null) : null
}

/** NumPy has no larger items. */
const maxItemSize = 0x7fffffff

const makeDType = (kind: string, size: number, order: string, unit: string | null): DType | null => {
  const itemsize = kind === "U" ? size * 4 : kind === "O" && size === 0 ? 8 : size
  if (itemsize > maxItemSize) return null
  const swappable = itemsize > 1 && kind !== "S" && kind !== "V" && kind !== "O" && kind !== "b" && kind !== "T"
  return new DType(kind, itemsize, swappable || kind === "U" ? (order === ">" ? ">" : "<") : "|", { unit })
}

/** The number of values, and the depth, of an item whose dtype has fields or a sub-array. */
interface Extent {
  readonly values: number
  readonly depth: number
}

const extents = new WeakMap<DType, Extent>()
const extentOf = (dtype: DType): Extent => extents.get(dtype) ?? { values: 1, depth: 0 }

/** Fields may overlap, and items of no bytes may be any number: a few bytes would become gigabytes. */
const maxValues = 0x10000
const maxDepth = 64

const setExtent = (dtype: DType, extent: Extent): void => {
  if (extent.values > Math.max(maxValues, dtype.itemsize) || extent.depth > maxDepth) {
    fail("BadValue", "a dtype whose items become many more values than they have bytes", "fields that do not overlap")
  }
  extents.set(dtype, extent)
}

/** A dtype that no later instruction changes, so that none contains itself. */
const copyOf = (dtype: DType): DType => {
  const { base, byteOrder, fields, itemsize, kind, shape, unit } = dtype
  const copy = new DType(kind, itemsize, byteOrder, { base, fields, shape, unit })
  extents.set(copy, extentOf(dtype))
  return copy
}

const dtypeFrom = (value: unknown): DType | null => {
  if (value instanceof DType) return value
  if (value instanceof PyGlobal) {
    return value.module === "builtins" || value.module.startsWith("numpy") ? parseDType(value.name) : null
  }
  const text = textOf(value)
  return text === null ? null : parseDType(text)
}

const dtype: Create = (_context, args) => {
  const parsed = args.length >= 1 && args.length <= 3 ? dtypeFrom(args[0]) : null
  if (parsed === null) return inert
  // A new object, because BUILD fills it in and a shared DType must not change.
  return copyOf(parsed)
}

type Steps = Generator<undefined, void>

/** Fields of a dtype that are read in one step. */
const fieldsAtOnce = 4_096

function* extentOfParts({ base, fields, shape }: DType): Generator<undefined, Extent> {
  if (base === null && (fields === null || fields.length === 0)) return { values: 1, depth: 0 }
  const ofBase = base === null ? undefined : extentOf(base)
  let values = ofBase?.values ?? 0
  let deepest = ofBase?.depth ?? 0
  let count = 0
  for (const { dtype } of fields ?? []) {
    const extent = extentOf(dtype)
    values += extent.values
    deepest = Math.max(deepest, extent.depth)
    if (++count % fieldsAtOnce === 0) yield
  }
  // Of a size of zero the sizes before it remain.
  return {
    values: (shape ?? []).reduce((product, n) => product * Math.max(1, n), values),
    depth: deepest + Math.max(1, shape?.length ?? 0)
  }
}

/** The state of a dtype: (version, byte order, subdtype, names, fields, size, alignment, flags, metadata). */
function* dtypeState(value: DType, state: unknown): Steps {
  if (!Array.isArray(state) || state.length < 5) return fail("BadValue", "a dtype without its state", "a tuple")
  // States before version 1 had no version field.
  const parts: ReadonlyArray<unknown> = typeof state[0] === "number" || typeof state[0] === "bigint"
    ? state.slice(1)
    : state
  const [order, subdtype, names, fields, size] = parts
  const target = value as { -readonly [K in keyof DType]: DType[K] }
  const byteOrder = textOf(order)
  if (byteOrder === ">" || byteOrder === "<") {
    if (value.byteOrder !== "|" || value.kind === "U") target.byteOrder = byteOrder
  }
  if (Array.isArray(subdtype)) {
    const base = dtypeFrom(subdtype[0])
    if (base === null) return fail("BadValue", "a sub-array without a dtype", "a dtype")
    target.base = copyOf(base)
    target.shape = shapeOf(subdtype[1])
  }
  const bytes = numberOf(size)
  if (Number.isSafeInteger(bytes) && bytes >= 0 && bytes <= maxItemSize) target.itemsize = bytes
  if (Array.isArray(names)) {
    const out: Array<DTypeField> = []
    const copies = new Map<DType, DType>()
    for (const name of names) {
      const key = textOf(name)
      const field: unknown = fields instanceof Map
        ? fields.get(name)
        : isDictObject(fields) && key !== null
        ? fields[key]
        : undefined
      const [fieldType, offset] = Array.isArray(field) ? field as ReadonlyArray<unknown> : []
      const type = dtypeFrom(fieldType)
      const at = numberOf(offset)
      if (
        key === null || type === null || !Number.isSafeInteger(at) || at < 0 || at + type.itemsize > target.itemsize
      ) {
        return fail("BadValue", "a field of a dtype without its place", "a dtype and an offset inside the item")
      }
      let copy = copies.get(type)
      if (copy === undefined) copies.set(type, copy = copyOf(type))
      if (out.push({ name: key, dtype: copy, offset: at }) % fieldsAtOnce === 0) yield
    }
    target.fields = out
  }
  setExtent(value, yield* extentOfParts(value))
  const metadata: unknown = parts[parts.length - 1]
  if ((value.kind === "M" || value.kind === "m") && Array.isArray(metadata)) {
    const [, unit] = metadata as ReadonlyArray<unknown>
    if (Array.isArray(unit)) {
      const name = textOf(unit[0])
      const count = numberOf(unit[1])
      target.unit = name === null || name === "generic" ? null : count === 1 ? name : `${count}${name}`
    }
  }
}

export const setDTypeState = (_context: Context, value: DType, state: unknown): void => {
  for (const steps = dtypeState(value, state); steps.next().done !== true;);
}

/** The steps in which a dtype of very many fields gets its state; `undefined` for all others. */
export const largeDTypeState = (value: unknown, state: unknown): Steps | undefined =>
  value instanceof DType && Array.isArray(state) &&
    state.some((part) => Array.isArray(part) && part.length > fieldsAtOnce)
    ? dtypeState(value, state)
    : undefined

const emptyBytes = new Uint8Array(0)

/** `_reconstruct(subtype, (0,), b"b")`: an array that BUILD fills in. */
const reconstruct: Create = (_context, args) => {
  const [cls] = args
  const name = cls instanceof PyGlobal ? cls.qualifiedName : "numpy.ndarray"
  return new NdArray(new DType("i", 1, "|"), [0], "C", emptyBytes, null, name)
}

/** Sizes that no bytes stand for: those beside a size of zero, and those of items without bytes. */
const chargeEmpty = (context: Context, shape: ReadonlyArray<number>, bytes: number): void => {
  if (bytes === 0) context.charge(shape.reduce((product, n) => product * Math.max(1, n), 1))
}

const checkedBytes = (context: Context, dtype: DType, shape: ReadonlyArray<number>, bytes: Uint8Array): Uint8Array => {
  const size = sizeOf(shape) * dtype.itemsize
  if (bytes.length !== size) {
    return fail("BadValue", `an array of ${bytes.length} bytes`, `${size} bytes, as its shape and dtype say`)
  }
  chargeEmpty(context, shape, size)
  return bytes
}

/** The mask of a masked array in row-major order: one byte for each item, or for each field of each item. */
const rowMajorMask = (array: NdArray, mask: Uint8Array): Uint8Array | null => {
  const { size } = array
  const width = Math.max(1, array.dtype.fields?.length ?? 1)
  if (mask.length !== size * width) return null
  if (array.order === "C") return mask
  const out = new Uint8Array(mask.length)
  let at = 0
  for (const position of rowMajorPositions(array.shape)) {
    out.set(mask.subarray(position * width, (position + 1) * width), at)
    at += width
  }
  return out
}

/** The state of an array: (version, shape, dtype, is Fortran, data). */
export const setArrayState = (context: Context, value: NdArray, state: unknown): void => {
  if (!Array.isArray(state)) return fail("BadValue", "an array without its state", "a tuple")
  if (state.length === 2 && Array.isArray(state[0])) {
    // Subclasses that add their own state: (ndarray's state, the subclass's state).
    return setArrayState(context, value, state[0])
  }
  const parts: ReadonlyArray<unknown> = state.length === 4 ? [1, ...state as ReadonlyArray<unknown>] : state
  const [, shape, type, fortran, data, mask] = parts
  const dtype = dtypeFrom(type)
  if (dtype === null) return fail("BadValue", "an array without its dtype", "a dtype")
  const dims = shapeOf(shape)
  value.dtype = dtype
  value.shape = dims
  value.order = (fortran === true || fortran === 1) && dims.length > 1 ? "F" : "C"
  value.reset()
  if (Array.isArray(data)) {
    if (data.length !== sizeOf(dims)) {
      return fail("BadValue", `an array of ${data.length} objects`, `${sizeOf(dims)} objects`)
    }
    chargeEmpty(context, dims, data.length)
    // NumPy lists objects in row-major order, even for an array whose flag says Fortran.
    value.objects = data
    value.bytes = emptyBytes
  } else {
    const bytes = bytesOf(data)
    if (bytes === null || dtype.kind === "O") {
      return fail("BadValue", "an array without its data", "bytes, or a list of objects")
    }
    value.objects = null
    value.bytes = checkedBytes(context, dtype, dims, bytes)
    if (dtype.byteOrder === ">" && dtype.fields === null && dtype.base === null) {
      // NumPy also swaps the bytes here, and changes the array's dtype accordingly.
      context.charge(bytes.length)
      value.bytes = littleEndianBytes(dtype, bytes)
      value.dtype = new DType(dtype.kind, dtype.itemsize, "<", { unit: dtype.unit })
    }
  }
  const maskBytes = mask === undefined ? null : bytesOf(mask)
  if (maskBytes !== null) value.mask = rowMajorMask(value, maskBytes)
}

/** `_frombuffer(buffer, dtype, shape, order)` of protocol 5. */
const fromBuffer: Create = (context, args) => {
  const [buffer, type, shape, order] = args
  const dtype = dtypeFrom(type)
  const bytes = buffer instanceof NdArray ? buffer.bytes : bytesOf(buffer)
  if (dtype === null || bytes === null || args.length < 3) return inert
  const dims = shapeOf(shape)
  return new NdArray(
    dtype,
    dims,
    order === "F" && dims.length > 1 ? "F" : "C",
    checkedBytes(context, dtype, dims, bytes),
    null
  )
}

const scalar: Create = (context, args) => {
  const dtype = dtypeFrom(args[0])
  if (dtype === null || args.length > 2) return inert
  if (dtype.kind === "O") return args[1]
  if (Array.isArray(args[1])) return new NpScalar(dtype, emptyBytes, recordOf(dtype, args[1]))
  // Zeros, of which a dtype may claim any number.
  if (args.length === 1) context.charge(dtype.itemsize)
  const bytes = args.length === 1 ? new Uint8Array(dtype.itemsize) : bytesOf(args[1])
  if (bytes === null || bytes.length < dtype.itemsize) {
    return fail("BadValue", "a scalar without its bytes", `${dtype.itemsize} bytes`)
  }
  const item = bytes.subarray(0, dtype.itemsize)
  return new NpScalar(dtype, item, itemAt(dtype, item, 0))
}

/** `_mareconstruct(cls, base, (0,), "b")` of masked arrays. */
const maskedReconstruct: Create = (_context, args) => {
  const [cls] = args
  return new NdArray(
    new DType("i", 1, "|"),
    [0],
    "C",
    emptyBytes,
    null,
    cls instanceof PyGlobal ? cls.qualifiedName : "numpy.ma.core.MaskedArray"
  )
}

/** `_convert_to_stringdtype_kwargs(coerce, na_object)`: NumPy 2's dtype of text of any length. */
const stringDType: Create = (_context, args) => args.length > 2 ? inert : new DType("T", 16, "|")

/** `numpy.ma.masked`, the item that represents a masked value. */
const maskedConstant: Create = (_context, args) => args.length === 0 ? null : inert

/** Both names of each module: numpy.core until 1.26, numpy._core since 2.0. */
const both = (module: string, name: string, create: Create): ReadonlyArray<readonly [string, Create]> => [
  [`numpy.core.${module}.${name}`, create],
  [`numpy._core.${module}.${name}`, create]
]

/** @internal */
export const numpy: Readonly<Record<string, Create>> = {
  "numpy.dtype": dtype,
  "numpy.ma.core._mareconstruct": maskedReconstruct,
  "numpy.core.multiarray.dtype": dtype,
  "numpy.dtypes.StringDType": stringDType,
  "numpy._core._internal._convert_to_stringdtype_kwargs": stringDType,
  "numpy.ma.core.MaskedConstant": maskedConstant,
  "numpy.ma.MaskedConstant": maskedConstant,
  ...Object.fromEntries([
    ...both("multiarray", "_reconstruct", reconstruct),
    ...both("multiarray", "scalar", scalar),
    ...both("numeric", "_frombuffer", fromBuffer)
  ])
}
