/** Converts objects of Python libraries in a pickle to tables, arrays and plain values. */
import {
  type Column,
  DataFrame,
  largePlainOf,
  mayBePlain,
  PickleError,
  plainOf,
  type PyGlobal,
  PyObject
} from "@effect-prefect/pickle"
import { Refusal } from "../refusal.ts"
import type { Steps } from "../steps.ts"
import { fromDataFrame } from "./frames.ts"
import { pillowImage } from "./image.ts"
import { polarsValue } from "./polars.ts"
import { largeTensor, torchTensor } from "./torch.ts"

/** The value of an object whose library takes steps only for many values. */
const fromLibrary = (object: PyObject): unknown =>
  object.className.startsWith("torch.") ? torchTensor(object) : undefined

/** The steps of the value of an object of a library. */
const largeOf = (object: PyObject, maxBytes: number): Steps<unknown> | undefined => {
  const { className } = object
  if (className.startsWith("polars.")) return polarsValue(object, maxBytes)
  return className.startsWith("PIL.") ? pillowImage(object) : largeTensor(object)
}

/** Whether `nativeOf` may convert objects of a class, or calls of a function. */
export const mayBeNative = (global: PyGlobal): boolean =>
  mayBePlain(global) || /^(?:polars|torch|PIL)\./.test(`${global.module}.`)

function* nativeSteps(value: PyObject, steps: Steps<unknown>): Steps<unknown> {
  let native: unknown
  try {
    native = yield* steps
  } catch (error) {
    // A value that cannot be read does not affect the others.
    if (!(error instanceof Refusal) && !(error instanceof PickleError)) throw error
  }
  return native ?? plainValue(value)
}

/** Categories that are made at once. */
const fewCategories = 8_192

/** Lists the categories of a table in steps. */
function* frameSteps(frame: DataFrame): Steps<unknown> {
  const listed = new Map<Column, ReadonlyArray<unknown>>()
  for (const column of frame.data) {
    const { categories } = column
    if (categories === null) continue
    const list: Array<unknown> = []
    for (let at = 0; at < categories.length; at++) {
      list.push(categories.at(at))
      if (at % fewCategories === 0) yield
    }
    listed.set(column, list)
  }
  return fromDataFrame(frame, listed)
}

/** The steps of `nativeOf` for what takes long; `undefined` for any other value. */
export const largeNativeOf = (value: object, maxBytes: number): Steps<unknown> | undefined => {
  if (value instanceof DataFrame) {
    return value.data.some(({ categories }) => categories !== null && categories.length > fewCategories)
      ? frameSteps(value)
      : undefined
  }
  if (!(value instanceof PyObject)) return undefined
  const library = largeOf(value, maxBytes)
  if (library !== undefined) return nativeSteps(value, library)
  return largePlainOf(value)
}

const plainValue = (value: PyObject): unknown => {
  const plain = plainOf(value)
  return plain instanceof DataFrame ? fromDataFrame(plain) : plain
}

/** The value of an object of a known library; any other value, and an object that cannot be read, unchanged. */
export const nativeOf = (value: object): unknown => {
  if (value instanceof DataFrame) return fromDataFrame(value)
  if (!(value instanceof PyObject)) return value
  let native: unknown
  try {
    native = fromLibrary(value)
  } catch (error) {
    // A value that cannot be read does not affect the others.
    if (!(error instanceof Refusal) && !(error instanceof PickleError)) throw error
  }
  return native ?? plainValue(value)
}
