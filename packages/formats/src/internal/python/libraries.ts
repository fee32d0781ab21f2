/** Converts objects of Python libraries in a pickle to tables, arrays and plain values. */
import { DataFrame, mayBePlain, PickleError, plainOf, type PyGlobal, PyObject } from "@effect-prefect/pickle"
import { Refusal } from "../refusal.ts"
import { fromDataFrame } from "./frames.ts"
import { pillowImage } from "./image.ts"
import { polarsFrame, polarsSeries } from "./polars.ts"
import { torchTensor } from "./torch.ts"

const fromLibrary = (object: PyObject, maxBytes: number): unknown => {
  const { className } = object
  if (className.startsWith("polars.")) {
    if (className.endsWith(".DataFrame")) return polarsFrame(object, maxBytes)
    return className.endsWith(".Series") ? polarsSeries(object, maxBytes) : undefined
  }
  if (className.startsWith("torch.")) return torchTensor(object)
  return className.startsWith("PIL.") ? pillowImage(object) : undefined
}

/** Whether `nativeOf` may convert objects of a class, or calls of a function. */
export const mayBeNative = (global: PyGlobal): boolean =>
  mayBePlain(global) || /^(?:polars|torch|PIL)\./.test(`${global.module}.`)

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
