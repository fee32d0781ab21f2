/** Pickles, in the forms in which Prefect stored them: as they are, or as base64 text. */
import { DataFrame, loads, type LoadsOptions, PickleError, Tuple } from "@effect-prefect/pickle"
import { type ClassRegistry, resolve } from "../../ClassRegistry.ts"
import { fromDataFrame } from "../python/frames.ts"
import { plainFloats, rewrite } from "../python/rewrite.ts"
import { refuse } from "../refusal.ts"

const protoOpcode = 0x80
const stopOpcode = 0x2e

/** Whether bytes begin as a pickle of protocol 2 or later does. Nothing else that a result can be begins so. */
export const isBinaryPickle = (bytes: Uint8Array): boolean =>
  bytes.length >= 3 && bytes[0] === protoOpcode && bytes[1]! >= 2 && bytes[1]! <= 5

/** The first bytes of the pickles of protocols 0 and 1, which have no header. */
const oldOpcodes = new Set(Buffer.from("(]}).NIJKMLFGSTUVXcilstdp\x88\x89\x8a"))

/** Whether bytes may be a pickle of protocol 0 or 1: only reading it tells. */
export const mayBeOldPickle = (bytes: Uint8Array): boolean =>
  bytes.length >= 2 && oldOpcodes.has(bytes[0]!) && bytes.lastIndexOf(stopOpcode) > 0

const base64Form = /^[A-Za-z0-9+/\s]+={0,2}\s*$/

/**
 * The pickle in a base64 text, as very old Prefects stored it; `undefined` when the bytes are not base64 of something
 * that may be a pickle.
 */
export const fromBase64 = (bytes: Uint8Array): Uint8Array | undefined => {
  if (bytes.length < 4) return undefined
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  // The first characters already say no for nearly everything.
  if (!base64Form.test(buffer.toString("latin1", 0, Math.min(buffer.length, 64)))) {
    if (buffer.length <= 64 || !/^[A-Za-z0-9+/\s]+$/.test(buffer.toString("latin1", 0, 64))) return undefined
  }
  const text = buffer.toString("latin1")
  if (!base64Form.test(text)) return undefined
  const decoded = Buffer.from(text, "base64")
  return isBinaryPickle(decoded) || mayBeOldPickle(decoded) ? decoded : undefined
}

/** Whether the bytes hold, or by chance seem to hold, a float without a fraction. */
const mayHoldIntegralFloat = (bytes: Uint8Array): boolean => {
  let view: DataView | undefined
  for (let at = bytes.indexOf(0x47); at >= 0 && at + 9 <= bytes.length; at = bytes.indexOf(0x47, at + 1)) {
    view ??= new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    if (Number.isInteger(view.getFloat64(at + 1))) return true
  }
  return !isBinaryPickle(bytes) && /(?:^|[^A-Za-z])F-?\d+(?:\.0*)?\n/.test(Buffer.from(bytes).toString("latin1"))
}

const isAmbiguous = (key: unknown): boolean => Number.isInteger(key) || (key instanceof Tuple && key.some(isAmbiguous))

/** Whether the bytes hold the name of pandas: only then can a DataFrame be inside. */
const namesPandas = (bytes: Uint8Array): boolean => {
  for (let at = bytes.indexOf(0x70); at >= 0; at = bytes.indexOf(0x70, at + 1)) {
    if (
      bytes[at + 1] === 0x61 && bytes[at + 2] === 0x6e && bytes[at + 3] === 0x64 && bytes[at + 4] === 0x61 &&
      bytes[at + 5] === 0x73
    ) return true
  }
  return false
}

/** Whether a dict has a key that may have been a float: `1.0` is the number 1 as well, but as text it is not. */
const hasAmbiguousKey = (root: unknown): boolean => {
  const seen = new Set<object>()
  const stack: Array<unknown> = [root]
  while (stack.length > 0) {
    const value = stack.pop()
    if (typeof value !== "object" || value === null) continue
    if (Array.isArray(value)) {
      if (seen.has(value)) continue
      seen.add(value)
      for (const item of value) if (typeof item === "object" && item !== null) stack.push(item)
    } else if (value instanceof Map) {
      if (seen.has(value)) continue
      seen.add(value)
      for (const [key, item] of value) {
        if (isAmbiguous(key)) return true
        if (typeof item === "object" && item !== null) stack.push(item)
      }
    } else if (!ArrayBuffer.isView(value) && Object.getPrototypeOf(Object.getPrototypeOf(value) ?? null) === null) {
      if (seen.has(value)) continue
      seen.add(value)
      for (const item of Object.values(value)) if (typeof item === "object" && item !== null) stack.push(item)
    }
  }
  return false
}

/**
 * The value of a pickle. Nothing in it is executed: what is no plain value is inert, tables are `Table`s, and objects of
 * the registry's classes are what it makes of them. Throws a `Refusal`.
 */
export const readPickle = (bytes: Uint8Array, registry: ClassRegistry): unknown => {
  let value = load(bytes, {})
  if (mayHoldIntegralFloat(bytes) && hasAmbiguousKey(value)) value = plainFloats(load(bytes, { floats: "typed" }))
  if (value instanceof DataFrame) return fromDataFrame(value)
  if (typeof value !== "object" || value === null) return value
  if (namesPandas(bytes)) {
    value = rewrite(value, (inner) => inner instanceof DataFrame ? fromDataFrame(inner) : inner)
  }
  return registry.decoders.size === 0 ? value : resolve(value, registry)
}

const load = (bytes: Uint8Array, options: LoadsOptions): unknown => {
  try {
    return loads(bytes, options)
  } catch (error) {
    if (error instanceof PickleError) return refuse(`the pickle was refused: ${error.message}`)
    throw error
  }
}
