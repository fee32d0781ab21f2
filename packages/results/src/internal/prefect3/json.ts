/**
 * JSON as Prefect's JSONSerializer writes it: Python's JSON, and `{"__class__": "module.Name", "data": …}` or
 * `{"__exc_type__": "module.Name", "message": "…"}` for values without a JSON form.
 *
 * Prefect imports the class and passes it the data. Here the classes of Python's own library become the values that
 * their pickles would, and other classes the same inert object; nothing is imported or called.
 */
import * as ClassRegistry from "@effect-prefect/formats/ClassRegistry"
import { type FormatError, undecodable } from "@effect-prefect/formats/FormatError"
import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import {
  Complex,
  Decimal,
  Deque,
  Fraction,
  FrozenSet,
  KeyList,
  keysOf,
  knownKeys,
  Path,
  PickleError,
  PyDate,
  PyDateTime,
  PyDict,
  PyGlobal,
  PyObject,
  PySet,
  PyTime,
  PyTimedelta,
  Timezone,
  Tuple,
  UUID,
  ZoneInfo
} from "@effect-prefect/pickle"
import * as Effect from "effect/Effect"
import { includes } from "../base64.ts"

type Dict = { readonly [key: string]: unknown }

const isDict = (value: unknown): value is Dict =>
  typeof value === "object" && value !== null && !Array.isArray(value) &&
  Object.getPrototypeOf(value) === Object.prototype

/** Whether a JSON text may have objects that represent instances of classes. */
export const mayHaveInstances = (bytes: Uint8Array): boolean =>
  includes(bytes, "__class__") || includes(bytes, "__exc_type__")

/**
 * The value of a JSON text; with `revive`, objects in it that represent instances of classes are converted too, from the
 * inside out, like Python's `object_hook`.
 */
export const decodeJson = (
  bytes: Uint8Array,
  revive: boolean,
  options: ResultFormat.DecodeOptions
): Effect.Effect<unknown, FormatError> => {
  const { registry: _, ...rest } = options
  const parsed = ResultFormat.decode(bytes, { ...rest, format: "json" })
  return revive && mayHaveInstances(bytes)
    ? Effect.flatMap(parsed, (value) => ClassRegistry.replaceAll(value, instanceOrRefusal, largeInstanceOf))
    : parsed
}

const instanceOrRefusal = (value: object): unknown => {
  if (!isDict(value)) return value
  try {
    return instanceOf(value)
  } catch (error) {
    if (error instanceof PickleError) throw undecodable(`an object in it cannot be: ${error.message}`)
    throw error
  }
}

const dotted = /^[A-Za-z_]\w*(?:\.(?:[A-Za-z_]\w*|<locals>))+$/

/** The longest class name that is considered. */
const maxNameLength = 4_096

/** The name of a class without the type parameters of a generic pydantic class: `pkg.Api` of `pkg.Api[str]`. */
const bareName = (name: string): string => {
  const bracket = name.indexOf("[")
  return bracket > 0 && name.endsWith("]") ? name.slice(0, bracket) : name
}

const isClassName = (name: string): boolean => name.length <= maxNameLength && dotted.test(bareName(name))

const instanceOf = (dict: Dict): unknown => {
  const keys = keysOf(dict)
  if (keys.length !== 2) return dict
  const { __class__: cls, __exc_type__: exception, data, message } = dict
  if (typeof exception === "string" && "message" in dict && isClassName(exception)) {
    return new PyObject(globalOf(exception), [message])
  }
  if (typeof cls !== "string" || !("data" in dict) || !isClassName(cls)) return dict
  const known = decoders[cls]
  if (known !== undefined) return known(data, cls) ?? dict
  // A user's own dict may have such keys: a value that cannot be the name of a class stays unchanged.
  if (!isDict(data) && !/(?:^|\.)[A-Z_][^.]*$/.test(bareName(cls))) return dict
  if (typeof data === "string" && /\bDateTime$/.test(cls)) return dateTimeOf(data, cls) ?? inert(cls, data)
  return inert(cls, data)
}

/** Attributes between two steps. */
const every = 8_192

/** The steps of `instanceOf` for an object of very many attributes; undefined for any other. */
const largeInstanceOf = (value: object): Generator<undefined, unknown> | undefined => {
  if (!isDict(value)) return undefined
  const { __class__: cls, data } = value
  if (typeof cls !== "string" || !isDict(data) || !isClassName(cls) || decoders[cls] !== undefined) return undefined
  const names = knownKeys(data)
  return names === undefined || keysOf(value).length !== 2 ? undefined : largeInert(cls, data, names)
}

function* largeInert(cls: string, data: Dict, names: ReadonlyArray<string>): Generator<undefined, PyObject> {
  // Of a Map of them, others are made.
  const state = Object.create(null) as Record<string, unknown>
  const keys = new KeyList()
  for (let at = 0; at < names.length; at++) {
    keys.set(state, names[at]!, data[names[at]!])
    if (at % every === every - 1) yield
  }
  yield* keys.close(state)
  const object = new PyObject(globalOf(cls), [])
  object.states = [state]
  return object
}

/** An object of an unknown class: its attributes, or the data that it is made from. */
const inert = (cls: string, data: unknown): PyObject => {
  if (!isDict(data)) return new PyObject(globalOf(cls), [data])
  const object = new PyObject(globalOf(cls), [])
  object.states = [new PyDict(Object.entries(data))]
  return object
}

const globalOf = (name: string): PyGlobal => {
  // The module is the part before the first capital letter; the rest is a class and nested classes.
  const bare = bareName(name)
  const parts = bare.split(".")
  const first = parts.findIndex((part, index) => index > 0 && /^[A-Z_]/.test(part))
  const cut = first < 0 ? parts.length - 1 : first
  return new PyGlobal(parts.slice(0, cut).join("."), parts.slice(cut).join(".") + name.slice(bare.length))
}

/** Returns undefined for data that it cannot decode, which then stays unchanged. */
type Decode = (data: unknown, cls: string) => unknown

const fromText = (decode: (text: string, cls: string) => unknown): Decode => (data, cls) =>
  typeof data === "string" ? decode(data, cls) : undefined
const fromList = (decode: (items: ReadonlyArray<unknown>) => unknown): Decode => (data) =>
  Array.isArray(data) ? decode(data) : undefined

const clock = "(\\d\\d):(\\d\\d)(?::(\\d\\d)(?:[.,](\\d{1,9}))?)?(Z|[+-]\\d\\d(?::?\\d\\d(?::?\\d\\d)?)?)?"
const dateForm = /^(\d{4})-(\d\d)-(\d\d)$/
const timeForm = new RegExp(`^${clock}$`, "i")
const dateTimeForm = new RegExp(`^(\\d{4})-(\\d\\d)-(\\d\\d)[T ]${clock}$`, "i")

const zoneOf = (text: string | undefined): Timezone | null => {
  if (text === undefined) return null
  const [, sign, hours, minutes, seconds] = /^([+-])(\d\d):?(\d\d)?:?(\d\d)?$/.exec(text) ?? []
  const offset = (Number(hours ?? 0) * 3600 + Number(minutes ?? 0) * 60 + Number(seconds ?? 0)) * 1_000_000
  return new Timezone(offset === 0 ? 0 : sign === "-" ? -offset : offset)
}

const micros = (fraction: string | undefined): number => Number((fraction ?? "").slice(0, 6).padEnd(6, "0"))

const isDate = (year: number, month: number, day: number): boolean =>
  year > 0 && month >= 1 && month <= 12 && day >= 1 &&
  day <= new Date(Date.UTC(year < 100 ? year + 400 : year, month, 0)).getUTCDate()

const dateOf = (text: string): PyDate | undefined => {
  const match = dateForm.exec(text)
  if (match === null) return undefined
  const [year, month, day] = match.slice(1).map(Number) as [number, number, number]
  return isDate(year, month, day) ? new PyDate(year, month, day) : undefined
}

const timeOf = (text: string): PyTime | undefined => {
  const match = timeForm.exec(text)
  if (match === null) return undefined
  const [, hour, minute, second, fraction, zone] = match
  const parts = [Number(hour), Number(minute), Number(second ?? 0)] as const
  if (parts[0] > 23 || parts[1] > 59 || parts[2] > 59) return undefined
  return new PyTime(...parts, micros(fraction), 0, zoneOf(zone))
}

const dateTimeOf = (text: string, cls: string): PyDateTime | undefined => {
  const match = dateTimeForm.exec(text)
  if (match === null) return undefined
  const [year, month, day] = match.slice(1, 4).map(Number) as [number, number, number]
  const time = timeOf(text.slice(11))
  if (time === undefined || !isDate(year, month, day)) return undefined
  const { hour, microsecond, minute, second, tzinfo } = time
  return new PyDateTime(year, month, day, hour, minute, second, microsecond, 0, tzinfo, cls)
}

const durationForm =
  /^([+-])?P(?:(\d{1,15})Y)?(?:(\d{1,15})M)?(?:(\d{1,15})W)?(?:(\d{1,15})D)?(?:T(?:(\d{1,15})H)?(?:(\d{1,15})M)?(?:(\d{1,15})(?:[.,](\d{1,9}))?S)?)?$/

/** ISO 8601 in pydantic's form: a year is 365 days, a month 30. */
const timedeltaOf = (text: string): PyTimedelta | undefined => {
  const match = durationForm.exec(text)
  if (match === null || match[0].length < 3) return undefined
  const [years, months, weeks, days, hours, minutes, seconds] = match.slice(2, 9).map((part) => BigInt(part ?? 0))
  const wholeDays = years! * 365n + months! * 30n + weeks! * 7n + days!
  const total = ((wholeDays * 24n + hours!) * 60n + minutes!) * 60n + seconds!
  const micro = total * 1_000_000n + BigInt(micros(match[9]))
  return timedelta(match[1] === "-" ? -micro : micro)
}

/** Python's longest, in days. */
const maxDays = 999_999_999n

const timedelta = (micro: bigint): PyTimedelta | undefined => {
  const perDay = 86_400_000_000n
  const days = micro / perDay - (micro % perDay < 0n ? 1n : 0n)
  if (days > maxDays || days < -maxDays) return undefined
  const rest = Number(micro - days * perDay)
  return new PyTimedelta(Number(days), Math.floor(rest / 1_000_000), rest % 1_000_000)
}

const complexForm =
  /^\(?(?:([+-]?(?:\d[\d_]*(?:\.\d*)?|\.\d+|inf|nan)(?:e[+-]?\d+)?)(?=[+-]|\)?$))?(?:([+-]?(?:\d[\d_]*(?:\.\d*)?|\.\d+|inf|nan)?(?:e[+-]?\d+)?)j)?\)?$/i

const floatOf = (text: string): number => {
  const bare = text.replace(/^\+|_/g, "").toLowerCase()
  if (/inf/.test(bare)) return bare.startsWith("-") ? -Infinity : Infinity
  return /nan/.test(bare) ? NaN : bare === "" ? 1 : bare === "-" ? -1 : Number(bare)
}

const complexOf = (text: string): Complex | undefined => {
  const match = complexForm.exec(text)
  if (match === null || match[1] === undefined && match[2] === undefined) return undefined
  return new Complex(match[1] === undefined ? 0 : floatOf(match[1]), match[2] === undefined ? 0 : floatOf(match[2]))
}

const decimalForm = /^[+-]?(?:(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?|inf(?:inity)?|s?nan\d*)$/i
const uuidForm = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

const fractionForm = /^\s*([+-]?\d{1,1000})(?:\/(\d{1,1000}))?\s*$/

/** `Fraction("-3/7")`, in lowest terms. */
const fractionOf = (text: string): Fraction | undefined => {
  const match = fractionForm.exec(text)
  if (match === null) return undefined
  const [numerator, denominator] = [BigInt(match[1]!.replace(/^\+/, "")), BigInt(match[2] ?? "1")]
  if (denominator === 0n) return undefined
  let [x, y] = [numerator < 0n ? -numerator : numerator, denominator]
  while (y !== 0n) [x, y] = [y, x % y]
  return new Fraction(numerator / x, denominator / x)
}

const path: Decode = fromText((text, cls) => new Path(cls.replace("pathlib._local", "pathlib"), text))
const textBytes: Decode = fromText((text) => new TextEncoder().encode(text))

const decoders: { readonly [cls: string]: Decode } = Object.assign(Object.create(null) as object, {
  "datetime.datetime": fromText(dateTimeOf),
  "datetime.date": fromText(dateOf),
  "datetime.time": fromText(timeOf),
  "datetime.timedelta": (data: unknown) =>
    typeof data === "number" && Math.abs(data) < 1e15
      ? timedelta(BigInt(Math.round(data * 1_000_000)))
      : typeof data === "string"
      ? timedeltaOf(data)
      : undefined,
  "pandas.Timestamp": fromText(dateTimeOf),
  "pandas._libs.tslibs.timestamps.Timestamp": fromText(dateTimeOf),
  "decimal.Decimal": (data: unknown) => {
    const text = typeof data === "string" ? data.trim() : String(data)
    return decimalForm.test(text) ? new Decimal(text) : undefined
  },
  "fractions.Fraction": (data: unknown) =>
    typeof data === "string"
      ? fractionOf(data)
      : Number.isSafeInteger(data)
      ? new Fraction(BigInt(data as number), 1n)
      : undefined,
  ...Object.fromEntries(
    ["IPv4Address", "IPv6Address", "IPv4Network", "IPv6Network", "IPv4Interface", "IPv6Interface"].map((name) => [
      `ipaddress.${name}`,
      fromText((text) => text)
    ])
  ),
  "zoneinfo.ZoneInfo": fromText((text) => new ZoneInfo(text)),
  "uuid.UUID": fromText((text) => uuidForm.test(text) ? new UUID(text.toLowerCase()) : undefined),
  "builtins.complex": fromText(complexOf),
  "builtins.set": fromList((items) => new PySet(items)),
  "builtins.frozenset": fromList((items) => new FrozenSet(items)),
  "builtins.tuple": fromList((items) => Tuple.from(items)),
  "collections.deque": fromList((items) => Deque.from(items)),
  "builtins.bytes": textBytes,
  "builtins.bytearray": textBytes,
  "pathlib.Path": path,
  "pathlib.PosixPath": path,
  "pathlib.WindowsPath": path,
  "pathlib.PurePath": path,
  "pathlib.PurePosixPath": path,
  "pathlib.PureWindowsPath": path,
  "pathlib._local.Path": path,
  "pathlib._local.PosixPath": path
})
