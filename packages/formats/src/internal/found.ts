/** Describes a value by its type, never by its content. */
import {
  ByteArray,
  Column as PyColumn,
  Complex,
  DataFrame,
  Decimal,
  Deque,
  Fraction,
  FrozenSet,
  Index,
  Interval,
  isDict,
  NA,
  NamedTuple,
  NaT,
  NdArray,
  NpScalar,
  NpTime,
  Path,
  Period,
  PyArray,
  PyDate,
  PyDateTime,
  PyEnum,
  PyFloat,
  PyGlobal,
  PyObject,
  PyTime,
  PyTimedelta,
  Range,
  Series,
  Slice,
  SparseMatrix,
  Timedelta,
  Timestamp,
  Timezone,
  Tuple,
  UUID,
  ZoneInfo
} from "@effect-prefect/pickle"
import { Table } from "../Table.ts"

type Class = abstract new(...args: Array<never>) => unknown

/** The first match wins: subclasses come before their base. */
const names: ReadonlyArray<readonly [Class, string]> = [
  [Deque, "a deque"],
  [Tuple, "a tuple"],
  [Table, "a table"],
  [DataFrame, "a table"],
  [Timedelta, "a Timedelta"],
  [PyDate, "a date"],
  [PyTime, "a time"],
  [PyTimedelta, "a timedelta"],
  [Decimal, "a Decimal"],
  [Fraction, "a Fraction"],
  [Complex, "a complex number"],
  [UUID, "a UUID"],
  [Path, "a path"],
  [Timezone, "a time zone"],
  [ZoneInfo, "a time zone"],
  [FrozenSet, "a frozenset"],
  [Set, "a set"],
  [ByteArray, "a bytearray"],
  [Uint8Array, "bytes"],
  [NdArray, "a NumPy array"],
  [PyArray, "an array"],
  [Series, "a Series"],
  [Index, "an Index"],
  [PyColumn, "an array"],
  [Range, "a range"],
  [Slice, "a slice"],
  [Period, "a Period"],
  [Interval, "an Interval"],
  [SparseMatrix, "a sparse matrix"],
  [PyGlobal, "a class or function"]
]

const numberName = (value: number): string =>
  Number.isNaN(value) ? "NaN" : Number.isFinite(value) ? "a number" : "an infinity"

/** The type of a value: `a string`, `null`, `a Decimal`, `an object of mypkg.Order`. */
export const foundText = (value: unknown): string => {
  switch (typeof value) {
    case "string":
      return "a string"
    case "boolean":
      return "a boolean"
    case "number":
      return numberName(value)
    case "bigint":
      return "an integer beyond ±(2^53-1)"
    case "undefined":
      return "nothing"
    case "object":
      break
    default:
      return `a ${typeof value}`
  }
  if (value === null || value === NaT || value === NA) return value === null ? "null" : String(value)
  if (value instanceof NpScalar || value instanceof PyFloat) return foundText(value.value)
  if (value instanceof PyObject) return `an object of ${value.className}`
  if (value instanceof PyEnum) return `a member of ${value.className}`
  if (value instanceof NamedTuple) return `a ${value.className}`
  if (value instanceof NpTime) return `a ${value.kind}`
  if (value instanceof PyDateTime || value instanceof Timestamp) {
    const name = value instanceof Timestamp ? "a Timestamp" : "a datetime"
    return value.hasUnknownZone ? `${name} whose zone is not known` : name
  }
  for (const [cls, name] of names) if (value instanceof cls) return name
  if (Array.isArray(value)) return "a list"
  return isDict(value) || Object.getPrototypeOf(value) === Object.prototype ? "a dict" : "an object"
}
