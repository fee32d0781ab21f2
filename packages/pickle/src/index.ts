/**
 * Python pickles read without Python.
 *
 * @since 0.1.0
 */
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
} from "./containers.ts"
export {
  offsetText,
  PyDate,
  PyDateTime,
  PyTime,
  PyTimedelta,
  Timezone,
  type Zone,
  ZoneInfo,
  zoneOf
} from "./datetime.ts"
export { describe, type DescribeOptions } from "./describe.ts"
export { PickleError, type PickleErrorDetails, type PickleErrorReason } from "./errors.ts"
export { exceptionOf } from "./exceptions.ts"
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
} from "./frame.ts"
export { DType, type DTypeField, NdArray, NpScalar, NpTime, type TypedArray } from "./ndarray.ts"
export { Complex, Decimal, floatText, Fraction, PyFloat, type PyInt, Range, Slice } from "./numbers.ts"
export { isDict, Opaque, Path, PyArray, PyEnum, PyGlobal, PyObject, UUID } from "./objects.ts"
export type { ClassDecoder, Limits, LoadsOptions } from "./options.ts"
export { enumDecoder, namedTupleDecoder, stateOf } from "./registry.ts"
export { pendulumOf } from "./temporal.ts"
export { loads, loadsAll, loadsAt } from "./unpickle.ts"
