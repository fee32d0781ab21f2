/** What objects of Python libraries in a pickle become: tables, arrays and plain values. */
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

/** Whether objects of a class, or calls of a function, may be another value for `nativeOf`. */
export const mayBeNative = (global: PyGlobal): boolean =>
  mayBePlain(global) || /^(?:polars|torch|PIL)\./.test(`${global.module}.`)

/** The value of an object of a library that is known; any other value, and an object that cannot be read, as it is. */
export const nativeOf = (value: object, maxBytes: number): unknown => {
  if (value instanceof DataFrame) return fromDataFrame(value)
  if (!(value instanceof PyObject)) return value
  let native: unknown
  try {
    native = fromLibrary(value, maxBytes)
  } catch (error) {
    // One value that cannot be read leaves the others as they are.
    if (!(error instanceof Refusal) && !(error instanceof PickleError)) throw error
  }
  const plain = native ?? plainOf(value)
  return plain instanceof DataFrame ? fromDataFrame(plain) : plain
}
