/** Converts objects of Python libraries in a pickle to tables, arrays and plain values. */
import {
  DataFrame,
  largePlainOf,
  mayBePlain,
  PickleError,
  plainOf,
  type PyGlobal,
  PyObject
} from "@effect-prefect/pickle"
import { rememberLarge } from "../largeObjects.ts"
import { Refusal } from "../refusal.ts"
import { fromDataFrame } from "./frames.ts"
import { pillowImage } from "./image.ts"
import { largePolars, polarsValue } from "./polars.ts"
import { largeTensor, torchTensor } from "./torch.ts"

const fromLibrary = (object: PyObject, maxBytes: number): unknown => {
  const { className } = object
  if (className.startsWith("polars.")) return polarsValue(object, maxBytes)
  if (className.startsWith("torch.")) return torchTensor(object)
  return className.startsWith("PIL.") ? pillowImage(object) : undefined
}

/** Whether `nativeOf` may convert objects of a class, or calls of a function. */
export const mayBeNative = (global: PyGlobal): boolean =>
  mayBePlain(global) || /^(?:polars|torch|PIL)\./.test(`${global.module}.`)

/** Keys of a large dict between two that are kept as a sample. */
const apart = 4_096

function* dictSteps(object: PyObject, steps: Generator<undefined, unknown>): Generator<undefined, unknown> {
  const dict = yield* steps
  if (typeof dict === "object" && dict !== null && !(dict instanceof Map)) {
    const sample: Array<string> = []
    for (let at = 0; at < object.pairs.length; at += apart) sample.push(object.pairs[at]![0] as string)
    rememberLarge(dict, { count: object.pairs.length, sample })
  }
  return dict
}

function* nativeSteps(value: PyObject, steps: Generator<undefined, unknown>, maxBytes: number) {
  let native: unknown
  try {
    native = yield* steps
  } catch (error) {
    if (!(error instanceof Refusal) && !(error instanceof PickleError)) throw error
  }
  return native ?? nativeOf(value, maxBytes)
}

/** The steps of `nativeOf` for what takes long; `undefined` for any other value. */
export const largeNativeOf = (value: object, maxBytes: number): Generator<undefined, unknown> | undefined => {
  if (!(value instanceof PyObject)) return undefined
  const tensor = largeTensor(value)
  if (tensor !== undefined) return nativeSteps(value, tensor, maxBytes)
  const polars = largePolars(value, maxBytes)
  if (polars !== undefined) return nativeSteps(value, polars, maxBytes)
  const dict = largePlainOf(value)
  return dict === undefined ? undefined : dictSteps(value, dict)
}

/** The value of an object of a known library; any other value, and an object that cannot be read, unchanged. */
export const nativeOf = (value: object, maxBytes: number): unknown => {
  if (value instanceof DataFrame) return fromDataFrame(value)
  if (!(value instanceof PyObject)) return value
  let native: unknown
  try {
    native = fromLibrary(value, maxBytes)
  } catch (error) {
    // A value that cannot be read does not affect the others.
    if (!(error instanceof Refusal) && !(error instanceof PickleError)) throw error
  }
  const plain = native ?? plainOf(value)
  return plain instanceof DataFrame ? fromDataFrame(plain) : plain
}
