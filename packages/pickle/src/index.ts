/**
 * A reader of Python pickles that does not need Python.
 *
 * **Example** (A pickled list)
 *
 * ```ts
 * import { loads } from "@effect-prefect/pickle"
 *
 * export const value = loads(new Uint8Array([0x80, 2, 0x5d, 0x4b, 1, 0x61, 0x2e])) // [1]
 * ```
 *
 * @since 0.1.0
 */
export { pendulumOf } from "./classes/datetime.ts"
export { exceptionOf } from "./classes/exceptions.ts"
export { PickleError, type PickleErrorDetails, type PickleErrorReason } from "./errors.ts"
export { loads, loadsAll, loadsAt, loadsAtSteps, loadsSteps } from "./machine/unpickle.ts"
export { deletedKey, KeyList, keysOf, knownKeys, manyKeys, valuesOf } from "./objectKeys.ts"
export type { ClassDecoder, Limits, LoadsOptions } from "./options.ts"
export { largePlainOf, mayBePlain, plainOf } from "./plain.ts"
export { type JsonContainer, jsonForm, toJson } from "./projection.ts"
export { pythonRepr, pythonStr } from "./pythonText.ts"
export { enumDecoder, namedTupleDecoder, stateOf } from "./registry.ts"
export {
  ByteArray,
  Counter,
  DefaultDict,
  Deque,
  FrozenSet,
  NamedTuple,
  OrderedDict,
  PyDict,
  PySet,
  Tuple
} from "./values/containers.ts"
export {
  Categorical,
  Column,
  type ColumnKind,
  type ColumnParts,
  DataFrame,
  Index,
  isMissing,
  NA,
  NaT,
  type NaTType,
  type NAType,
  Series,
  Timedelta,
  Timestamp,
  type TimeUnit
} from "./values/dataframe.ts"
export {
  offsetText,
  PyDate,
  PyDateTime,
  PyTime,
  PyTimedelta,
  Timezone,
  type Zone,
  zoneFromName,
  ZoneInfo,
  zoneOf
} from "./values/datetime.ts"
export { DType, type DTypeField, NdArray, NpScalar, NpTime, type TypedArray } from "./values/ndarray.ts"
export { Complex, Decimal, floatText, Fraction, PyFloat, type PyInt, Range, Slice } from "./values/numbers.ts"
export { isDict, Opaque, Path, PyArray, PyEnum, PyGlobal, PyObject, UUID } from "./values/objects.ts"
export { Interval, Period } from "./values/period.ts"
export { SparseMatrix } from "./values/sparse.ts"
