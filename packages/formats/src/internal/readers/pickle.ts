/** Pickles in the forms in which Prefect stored them: raw, or as base64 text. */
import {
  Interval,
  keysOf,
  loads,
  type LoadsOptions,
  loadsSteps,
  PickleError,
  type PyGlobal,
  PyObject,
  Tuple
} from "@effect-prefect/pickle"
import { type ClassRegistry, resolveSteps } from "../../ClassRegistry.ts"
import { latin1Of } from "../bytes.ts"
import { largeNativeOf, mayBeNative, nativeOf } from "../python/libraries.ts"
import { plainFloats, rewriteDown } from "../python/rewrite.ts"
import { isLegacyTorch, readLegacyTorch, readTorchArchive, torchArchive } from "../python/torch.ts"
import { refuse } from "../refusal.ts"
import { every, type Steps, toEnd } from "../steps.ts"
import { openZip } from "../zip.ts"

const protoOpcode = 0x80
const stopOpcode = 0x2e

/** Whether bytes begin like a pickle of protocol 2 or later. No other format of a result begins like that. */
export const isBinaryPickle = (bytes: Uint8Array): boolean =>
  bytes.length >= 3 && bytes[0] === protoOpcode && bytes[1]! >= 2 && bytes[1]! <= 5

/** The first bytes of the pickles of protocols 0 and 1, which have no header. */
const oldOpcodes = new Set(new TextEncoder().encode("(]}).NIJKMLFGSTUVXcilstdp\x88\x89\x8a"))

/** Whether bytes may be a pickle of protocol 0 or 1, which only reading them can confirm. */
export const mayBeOldPickle = (bytes: Uint8Array): boolean =>
  bytes.length >= 2 && oldOpcodes.has(bytes[0]!) && bytes.lastIndexOf(stopOpcode) > 0

/** The six bits of each digit of base64; larger numbers for other bytes, by their meaning. */
const digits = new Uint8Array(256).fill(0x80)
for (const [at, digit] of [..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"].entries()) {
  digits[digit.charCodeAt(0)] = at
}
const white = 0x40
for (const code of [0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x20, 0xa0]) digits[code] = white
const padding = 0x3d
/** Digits that are decoded between two steps. */
const digitsAtOnce = 0x80000

/**
 * The pickle in a base64 text, as very old versions of Prefect stored it; `undefined` when the bytes are not base64 of
 * a possible pickle.
 */
export function* fromBase64(bytes: Uint8Array): Steps<Uint8Array | undefined> {
  if (bytes.length < 4) return undefined
  const out = new Uint8Array(Math.ceil(bytes.length / 4) * 3)
  let length = 0
  let bits = 0
  let count = 0
  let at = 0
  for (let next = digitsAtOnce; at < bytes.length; at++) {
    const digit = digits[bytes[at]!]!
    if (digit < white) {
      bits = bits << 6 | digit
      if ((++count & 3) === 0) {
        out[length] = bits >> 16
        out[length + 1] = bits >> 8
        out[length + 2] = bits
        length += 3
      }
    } else if (digit !== white) break
    if (at < next) continue
    next = at + digitsAtOnce
    yield
  }
  if (count === 0) return undefined
  // At most two signs of padding, which white space may follow.
  let signs = 0
  for (let next = at + digitsAtOnce; at < bytes.length; at++) {
    if (at === next) {
      next = at + digitsAtOnce
      yield
    }
    if (bytes[at] === padding && bytes[at - 1] !== padding && signs > 0) return undefined
    if (bytes[at] === padding) signs++
    else if (digits[bytes[at]!] !== white) return undefined
    if (signs > 2) return undefined
  }
  const rest = count & 3
  if (rest > 1) out[length++] = bits << 6 * (4 - rest) >> 16
  if (rest > 2) out[length++] = bits << 6 >> 8
  const decoded = out.subarray(0, length)
  return isBinaryPickle(decoded) || mayBeOldPickle(decoded) ? decoded : undefined
}

/** Bytes that are searched between two steps. */
const span = 0x400000

const textFloat = /(?:^|[^A-Za-z])F-?\d+(?:\.0*)?\n/

/** Whether the bytes contain a float without a fraction, or other bytes that look like one. */
function* mayHoldIntegralFloat(bytes: Uint8Array): Steps<boolean> {
  let view: DataView | undefined
  let looked = 0
  for (let at = bytes.indexOf(float); at >= 0 && at + 9 <= bytes.length; at = bytes.indexOf(float, at + 1)) {
    view ??= new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    if (Number.isInteger(view.getFloat64(at + 1))) return true
    if (++looked % every === 0) yield
  }
  if (isBinaryPickle(bytes)) return false
  for (let at = 0; at < bytes.length; at += span) {
    // A float that is cut in two by this is longer than any that Python writes.
    if (textFloat.test(latin1Of(bytes, Math.max(0, at - 64), Math.min(bytes.length, at + span)))) return true
    yield
  }
  return false
}

const isAmbiguous = (key: unknown): boolean => Number.isInteger(key) || (key instanceof Tuple && key.some(isAmbiguous))

/** Whether an object is a dict: one without a prototype, or whose prototype has none. */
const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

/** Whether a value can have such a key or end at all, which one text or array, however large, has not. */
const mayHaveKeys = (value: unknown): boolean =>
  typeof value === "object" && value !== null &&
  (value instanceof Interval || Array.isArray(value) || value instanceof Map ||
    (!ArrayBuffer.isView(value) && isPlain(value)))

/**
 * Whether a dict has a key, or an interval an end, that may have been a float: `1.0` equals the number 1, but its text
 * differs. `most` is what a value can be looked at whose parts are in one place each.
 */
function* hasAmbiguousKey(root: unknown, most: number): Steps<boolean> {
  return (yield* findAmbiguousKey(root, most)) ?? (yield* findAmbiguousKey(root, undefined)) ?? false
}

/**
 * The same. With a number, undefined if more values are found: then some are in more than one place, which must be
 * remembered. V8 copies the Set of them that grows as a whole, in one step of 300 ms for four million.
 */
function* findAmbiguousKey(root: unknown, most: number | undefined): Steps<boolean | undefined> {
  const seen = most === undefined ? new Set<object>() : undefined
  const stack: Array<unknown> = [root]
  let looked = 0
  while (stack.length > 0) {
    const value = stack.pop()
    if (++looked % every === 0) yield
    if (most !== undefined && looked > most) return undefined
    if (typeof value !== "object" || value === null) continue
    if (value instanceof Interval) {
      if (Number.isInteger(value.left) || Number.isInteger(value.right)) return true
    } else if (Array.isArray(value)) {
      if (seen?.has(value) === true) continue
      seen?.add(value)
      for (const item of value) {
        if (++looked % every === 0) yield
        if (typeof item === "object" && item !== null) stack.push(item)
      }
    } else if (value instanceof Map) {
      if (seen?.has(value) === true) continue
      seen?.add(value)
      for (const [key, item] of value) {
        if (++looked % every === 0) yield
        if (isAmbiguous(key)) return true
        if (typeof item === "object" && item !== null) stack.push(item)
      }
    } else if (!ArrayBuffer.isView(value) && isPlain(value)) {
      if (seen?.has(value) === true) continue
      seen?.add(value)
      const dict = value as Readonly<Record<string, unknown>>
      for (const key of keysOf(dict)) {
        if (++looked % every === 0) yield
        const item = dict[key]
        if (typeof item === "object" && item !== null) stack.push(item)
      }
    }
  }
  return false
}

/** Modules whose classes and functions are all converted to values while they are read. */
const plainModules = new Set(["datetime", "decimal", "_decimal", "uuid", "fractions", "_codecs", "codecs", "pathlib"])

/** Classes and functions of other modules that are converted too. */
const plainNames = new Set([
  ...["set", "frozenset", "bytes", "bytearray", "complex", "range", "slice", "int", "str", "list", "tuple", "dict"].map(
    (name) => `builtins.${name}`
  ),
  ...["OrderedDict", "Counter", "defaultdict", "deque"].map((name) => `collections.${name}`),
  ...["numpy.core", "numpy._core"].flatMap((module) => [
    `${module}.multiarray._reconstruct`,
    `${module}.multiarray.scalar`,
    `${module}.numeric._frombuffer`
  ]),
  "numpy.dtype",
  "numpy.ndarray"
])

/**
 * The value of a pickle. Nothing in it is executed: tables become `Table`s, objects of known libraries the values that
 * they represent, objects of the registry's classes its values, and all others stay inert. Throws a `Refusal`. Returns
 * `beyond` for a value that takes more than the given memory.
 */
export const readPickle = (
  bytes: Uint8Array,
  registry: ClassRegistry,
  maxBytes: number,
  memory?: number
): unknown => {
  if (isLegacyTorch(bytes)) return toEnd(pickleSteps(bytes, registry, maxBytes))
  const { found, globals, onGlobal, onMap } = foreign()
  let value: unknown
  try {
    value = loads(bytes, memory === undefined ? { onGlobal, onMap } : { onGlobal, onMap, limits: { memory } })
  } catch (error) {
    if (memory !== undefined && error instanceof PickleError && error.limit === "memory") return beyond
    return refused(error)
  }
  if (
    found.otherKeys && mayHaveKeys(value) && (bytes.includes(float) || !isBinaryPickle(bytes)) &&
    toEnd(isAmbiguousPickle(bytes, value))
  ) {
    value = toEnd(withPlainFloats(bytes))
  }
  if (registry.decoders.size === 0 && globals.length === 0) return value
  const steps = finish(value, globals.some(mayBeNative), registry, maxBytes)
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
    // What is done in another thread cannot be waited for here.
    if (step.value instanceof Promise || (typeof step.value === "number" && step.value > maxCopies)) return beyond
  }
}

/** The memory of values put in the place of others, in bytes, that takes a moment. */
const maxCopies = 0x100000

/** Stands for a value that takes more memory than is allowed at once. */
export const beyond = Symbol("beyond")

/** The instruction BINFLOAT. */
const float = 0x47

/**
 * Collects the classes and functions that a pickle names and that may be more than values, and whether it can have a dict
 * with other keys than texts, or an interval.
 */
const foreign = () => {
  const globals: Array<PyGlobal> = []
  const found = { otherKeys: false }
  const onMap = () => {
    found.otherKeys = true
  }
  return {
    found,
    globals,
    onMap,
    onGlobal: (global: PyGlobal) => {
      if (!plainModules.has(global.module)) onMap()
      if (!plainModules.has(global.module) && !plainNames.has(global.qualifiedName)) globals.push(global)
    }
  }
}

/** Whether a float may have become an integer where that makes a difference. */
function* isAmbiguousPickle(bytes: Uint8Array, value: unknown): Steps<boolean> {
  if (!mayHaveKeys(value)) return false
  // Listing the keys of one large dict takes long, and most pickles without a float do not have this byte.
  if (isBinaryPickle(bytes) && !bytes.includes(float)) return false
  const keys = hasAmbiguousKey(value, 2 * bytes.length)
  if (bytes.length >= manyBytes) {
    // A large array is one object: its bytes need not be searched.
    const first = keys.next()
    if (first.done === true) return first.value && (yield* mayHoldIntegralFloat(bytes))
  }
  return (yield* mayHoldIntegralFloat(bytes)) && (yield* keys)
}

/** From this size on a few values are inspected before the bytes are searched. */
const manyBytes = 0x8000

function* withPlainFloats(bytes: Uint8Array): Steps<unknown> {
  let isTree = true
  const onShared = () => {
    isTree = false
  }
  const value = yield* load(bytes, { floats: "typed", onShared })
  return yield* plainFloats(value, isTree)
}

/** Like `readPickle`, in steps. */
export function* pickleSteps(bytes: Uint8Array, registry: ClassRegistry, maxBytes: number): Steps<unknown> {
  return isLegacyTorch(bytes)
    ? yield* finish(yield* guarded(readLegacyTorch(bytes, {})), true, registry, maxBytes)
    : yield* readPlain(bytes, registry, maxBytes)
}

/** The content of a ZIP archive of `torch.save`; `undefined` for any other archive. */
export function* readTorch(bytes: Uint8Array, registry: ClassRegistry, maxBytes: number): Steps<unknown> {
  const zip = yield* openZip(bytes, maxBytes)
  const name = torchArchive(zip)
  return name === undefined
    ? undefined
    : yield* finish(yield* guarded(readTorchArchive(zip, name, {})), true, registry, maxBytes)
}

function* readPlain(bytes: Uint8Array, registry: ClassRegistry, maxBytes: number): Steps<unknown> {
  const { found, globals, onGlobal, onMap } = foreign()
  let value = yield* load(bytes, { onGlobal, onMap })
  // Listing the keys of one large dict takes long.
  if (found.otherKeys && (yield* isAmbiguousPickle(bytes, value))) value = yield* withPlainFloats(bytes)
  return yield* finish(value, globals.some(mayBeNative), registry, maxBytes)
}

const load = (bytes: Uint8Array, options: LoadsOptions): Steps<unknown> => guarded(loadsSteps(bytes, options))

/** Columns are read when they are asked for, so that damage may show only here. */
const finish = (root: unknown, hasNative: boolean, registry: ClassRegistry, maxBytes: number): Steps<unknown> =>
  guarded(finishSteps(root, hasNative, registry, maxBytes))

function* finishSteps(root: unknown, hasNative: boolean, registry: ClassRegistry, maxBytes: number): Steps<unknown> {
  if (typeof root !== "object" || root === null) return root
  const { decoders } = registry
  const value = hasNative
    ? yield* rewriteDown(
      root,
      (inner) => inner instanceof PyObject && decoders.has(inner.className) ? inner : nativeOf(inner),
      (inner) => inner instanceof PyObject && decoders.has(inner.className) ? undefined : largeNativeOf(inner, maxBytes)
    )
    : root
  return decoders.size === 0 ? value : yield* resolveSteps(value, registry)
}

function* guarded(steps: Steps<unknown>): Steps<unknown> {
  try {
    return yield* steps
  } catch (error) {
    return refused(error)
  }
}

const refused = (error: unknown): never => {
  if (error instanceof PickleError) return refuse(`the pickle was rejected: ${error.message}`)
  throw error
}
