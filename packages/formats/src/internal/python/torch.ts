/** Converts PyTorch tensors, in plain pickles and in files of `torch.save`, to NumPy arrays. */
import {
  DType,
  isDict,
  loadsAtSteps,
  type LoadsOptions,
  loadsSteps,
  NdArray,
  PyGlobal,
  PyObject,
  Tuple
} from "@effect-prefect/pickle"
import { latin1Of } from "../bytes.ts"
import { refuse } from "../refusal.ts"
import { type Steps, toEnd } from "../steps.ts"
import type { Zip } from "../zip.ts"

/** The memory that tensors are views of. */
export class TorchStorage {
  /** The name of its dtype in PyTorch: `float32`; `null` for untyped memory. */
  readonly dtype: string | null
  bytes: Uint8Array
  constructor(dtype: string | null, bytes: Uint8Array) {
    this.dtype = dtype
    this.bytes = bytes
  }
}

const storages: Readonly<Record<string, string>> = {
  FloatStorage: "float32",
  DoubleStorage: "float64",
  HalfStorage: "float16",
  BFloat16Storage: "bfloat16",
  LongStorage: "int64",
  IntStorage: "int32",
  ShortStorage: "int16",
  CharStorage: "int8",
  ByteStorage: "uint8",
  BoolStorage: "bool",
  ComplexFloatStorage: "complex64",
  ComplexDoubleStorage: "complex128"
}

const dtypes: Readonly<Record<string, readonly [kind: string, size: number]>> = {
  float32: ["f", 4],
  float64: ["f", 8],
  float16: ["f", 2],
  bfloat16: ["f", 2],
  int64: ["i", 8],
  int32: ["i", 4],
  int16: ["i", 2],
  int8: ["i", 1],
  uint8: ["u", 1],
  uint16: ["u", 2],
  uint32: ["u", 4],
  uint64: ["u", 8],
  bool: ["b", 1],
  complex64: ["c", 8],
  complex128: ["c", 16]
}

/** The first pickle in files of `torch.save` before 1.6, which is still written inside pickles. */
const magic = 0x1950a86a20f9469cfc6cn

/** Whether bytes begin like such a file: with that integer, by itself. */
export const isLegacyTorch = (bytes: Uint8Array): boolean =>
  bytes.length > 20 && bytes[0] === 0x80 && bytes[2] === 0x8a && bytes[3] === 0x0a && bytes[4] === 0x6c &&
  bytes[5] === 0xfc && bytes[6] === 0x9c && bytes[7] === 0x46

const storageOf = (id: unknown): { readonly dtype: string | null; readonly key: string } => {
  const [kind, type, key] = Array.isArray(id) ? id as ReadonlyArray<unknown> : []
  if (kind !== "storage" || typeof key !== "string") {
    return refuse("it refers to something that is no storage of PyTorch")
  }
  return { dtype: type instanceof PyGlobal ? storages[type.name] ?? null : null, key }
}

const damaged = (): never => refuse("what PyTorch wrote is damaged")

/** A file of `torch.save` that consists of several pickles and then the memory of the storages. */
export function* readLegacyTorch(bytes: Uint8Array, options: LoadsOptions): Steps<unknown> {
  let at = 0
  const next = function*(given: LoadsOptions = {}): Steps<unknown> {
    const { end, value } = yield* loadsAtSteps(bytes, at, given)
    at = end
    return value
  }
  if ((yield* next()) !== magic) damaged()
  yield* next()
  yield* next()
  const found = new Map<string, TorchStorage>()
  const value = yield* next({
    ...options,
    persistentLoad: (id) => {
      const { dtype, key } = storageOf(id)
      const storage = found.get(key) ?? new TorchStorage(dtype, new Uint8Array(0))
      found.set(key, storage)
      return storage
    }
  })
  const keys = yield* next()
  if (!Array.isArray(keys)) return damaged()
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  for (const key of keys) {
    const storage = found.get(String(key))
    if (storage === undefined || at + 8 > bytes.length) return damaged()
    const size = dtypes[storage.dtype ?? "uint8"]![1]
    const length = Number(view.getBigInt64(at, true)) * size
    at += 8
    if (!(length >= 0 && at + length <= bytes.length)) damaged()
    storage.bytes = bytes.subarray(at, at + length)
    at += length
  }
  return value
}

/** The pickle in an archive of `torch.save`; `undefined` for any other archive. */
export const torchArchive = (zip: Zip): string | undefined =>
  zip.names.find((name) => name === "data.pkl" || name.endsWith("/data.pkl"))

/** An archive of `torch.save` since 1.6: a pickle, and a file for each storage. */
export function* readTorchArchive(zip: Zip, name: string, options: LoadsOptions): Steps<unknown> {
  const folder = name.slice(0, -"data.pkl".length)
  const order = yield* zip.read(`${folder}byteorder`)
  if (order !== undefined && latin1Of(order) === "big") {
    return refuse("what PyTorch wrote is big endian, which is not read")
  }
  const found = new Map<string, TorchStorage>()
  const value = yield* loadsSteps((yield* zip.read(name)) ?? damaged(), {
    ...options,
    persistentLoad: (id) => {
      const { dtype, key } = storageOf(id)
      let storage = found.get(key)
      if (storage === undefined) found.set(key, storage = new TorchStorage(dtype, new Uint8Array(0)))
      return storage
    }
  })
  // Their memory is counted when tensors are made of them.
  for (const [key, storage] of found) storage.bytes = (yield* zip.read(`${folder}data/${key}`)) ?? damaged()
  return value
}

const sizes = (value: unknown): ReadonlyArray<number> | undefined => {
  const list: unknown = value instanceof PyObject && value.className === "torch.Size" ? value.args[0] : value
  return Array.isArray(list) && list.length <= 64 && list.every((n) => Number.isSafeInteger(n) && (n as number) >= 0)
    ? list as ReadonlyArray<number>
    : undefined
}

/** The most items of a tensor that repeats its memory. */
const maxRepeated = 0x1000000

/** Items that are copied between two steps. */
const every = 0x8000

/** The items of a tensor in row-major order: a view of its memory when that has the same order. */
function* gather(
  bytes: Uint8Array,
  offset: number,
  shape: ReadonlyArray<number>,
  strides: ReadonlyArray<number>,
  size: number
): Steps<Uint8Array | undefined> {
  const count = shape.reduce((product, n) => product * n, 1)
  if (count === 0) return new Uint8Array(0)
  const last = shape.reduce((sum, n, axis) => sum + (n - 1) * strides[axis]!, offset)
  if (!((last + 1) * size <= bytes.length) || (count * size > bytes.length && count > maxRepeated)) return undefined
  let expected = 1
  let isContiguous = true
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== expected) isContiguous = false
    expected *= shape[axis]!
  }
  if (isContiguous) return bytes.subarray(offset * size, (offset + count) * size)
  yield count * size
  const out = new Uint8Array(count * size)
  const index = shape.map(() => 0)
  let at = offset
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < size; j++) out[i * size + j] = bytes[at * size + j]!
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += strides[axis]!
      if (++index[axis]! < shape[axis]!) break
      at -= strides[axis]! * shape[axis]!
      index[axis] = 0
    }
    if (i % every === every - 1) yield
  }
  return out
}

function* bfloatToFloat(bytes: Uint8Array): Steps<Uint8Array> {
  // Also where the items were copied before.
  yield bytes.length * 3
  const out = new Uint8Array(bytes.length * 2)
  for (let i = 0; i + 1 < bytes.length; i += 2) {
    out[i * 2 + 2] = bytes[i]!
    out[i * 2 + 3] = bytes[i + 1]!
    if (i % every === 0) yield
  }
  return out
}

/** The storages in bytes, to which any number of tensors may refer. */
const loaded = new WeakMap<Uint8Array, { readonly storage: TorchStorage | undefined }>()

/** The bytes of a storage that was saved by itself, inside a pickle. */
const savedIn = (value: unknown): Uint8Array | undefined => {
  if (!(value instanceof PyObject) || value.className !== "torch.storage._load_from_bytes") return undefined
  const [first] = value.args
  return first instanceof Uint8Array && isLegacyTorch(first) ? first : undefined
}

function* storageIn(value: unknown): Steps<TorchStorage | undefined> {
  if (value instanceof TorchStorage) return value
  if (!(value instanceof PyObject)) return undefined
  const saved = savedIn(value)
  if (saved !== undefined) {
    const known = loaded.get(saved)
    if (known !== undefined) return known.storage
    const inner = yield* readLegacyTorch(saved, {})
    const storage = inner instanceof TorchStorage ? inner : yield* storageIn(inner)
    loaded.set(saved, { storage })
    return storage
  }
  // A typed storage around one of bytes.
  const attributes = value.attributes()
  const inner = attributes.get("_untyped_storage") ?? attributes.get("_storage") ?? value.args[0]
  return inner instanceof TorchStorage ? inner : undefined
}

const dtypeName = (value: unknown): string | null =>
  value instanceof PyGlobal && value.module === "torch" ? value.name : null

/** Tensors of more items are made in steps, and those whose storage has to be read from more bytes. */
const fewItems = 0x10000

/** The steps of `torchTensor` for a tensor of very many items; `undefined` for any other object. */
export const largeTensor = (object: PyObject): Steps<NdArray | Tuple | undefined> | undefined => {
  if (!(object.class instanceof PyGlobal) || !object.class.module.startsWith("torch.")) return undefined
  const { name } = object.class
  const [first, , shape] = object.args
  if (name.startsWith("_rebuild_parameter")) {
    return first instanceof PyObject && largeTensor(first) !== undefined ? tensorSteps(object) : undefined
  }
  if (!name.startsWith("_rebuild_tensor")) return undefined
  const count = sizes(shape)?.reduce((product, n) => product * n, 1) ?? 0
  const saved = savedIn(first)
  return count > fewItems || (saved !== undefined && saved.length > fewItems && !loaded.has(saved))
    ? tensorSteps(object)
    : undefined
}

/**
 * The array of a call that reconstructs a tensor; `undefined` for any other object and for tensors that are not dense.
 */
export const torchTensor = (object: PyObject): NdArray | Tuple | undefined => toEnd(tensorSteps(object))

function* tensorSteps(object: PyObject): Steps<NdArray | Tuple | undefined> {
  const name = object.class instanceof PyGlobal ? object.class.name : ""
  const { args } = object
  switch (name) {
    case "_rebuild_tensor":
    case "_rebuild_tensor_v2":
    case "_rebuild_tensor_v3": {
      const storage = yield* storageIn(args[0])
      const offset = args[1]
      const [shape, strides] = [sizes(args[2]), sizes(args[3])]
      const dtype = dtypeName(args[6]) ?? storage?.dtype ?? null
      const known = dtype === null || !Object.hasOwn(dtypes, dtype) ? undefined : dtypes[dtype]
      if (
        storage === undefined || known === undefined || shape === undefined || strides?.length !== shape.length ||
        !Number.isSafeInteger(offset) || !((offset as number) >= 0)
      ) return undefined
      const [kind, size] = known
      const bytes = yield* gather(storage.bytes, offset as number, shape, strides, size)
      if (bytes === undefined) return undefined
      return dtype === "bfloat16"
        ? new NdArray(new DType("f", 4, "<"), shape, "C", yield* bfloatToFloat(bytes), null, "torch.Tensor")
        : new NdArray(new DType(kind, size, size > 1 ? "<" : "|"), shape, "C", bytes, null, "torch.Tensor")
    }
    case "_rebuild_parameter":
    case "_rebuild_parameter_with_state":
      return args[0] instanceof PyObject ? yield* tensorSteps(args[0]) : undefined
    case "_rebuild_device_tensor_from_numpy":
      return args[0] instanceof NdArray ? args[0] : undefined
    case "_rebuild_from_type_v2": {
      const [call, , inner] = args
      return Array.isArray(inner) ? yield* tensorSteps(new PyObject(call, inner as ReadonlyArray<unknown>)) : undefined
    }
    case "Size":
      return Array.isArray(args[0]) ? Tuple.from(args[0]) as Tuple : undefined
    case "Tensor":
    case "Parameter": {
      // Subclasses and old versions keep the call in their state.
      const state = object.state
      const data = isDict(state) ? object.attributes().get("data") : undefined
      return data instanceof NdArray ? data : undefined
    }
    default:
      return undefined
  }
}
