/**
 * Python's `str` and `repr` of values that can be keys of a dict.
 *
 * @since 0.1.0
 */
import { exceeded } from "./errors.ts"
import { plainOf } from "./plain.ts"
import { FrozenSet, NamedTuple, Tuple } from "./values/containers.ts"
import { NA, NaT, Timedelta, Timestamp } from "./values/dataframe.ts"
import { offsetText, PyDate, PyDateTime, PyTime, PyTimedelta, Timezone, ZoneInfo, zoneOf } from "./values/datetime.ts"
import { NpScalar, NpTime } from "./values/ndarray.ts"
import { Complex, Decimal, floatText, Fraction, PyFloat, Range, Slice } from "./values/numbers.ts"
import { Path, PyEnum, PyGlobal, PyObject, UUID } from "./values/objects.ts"
import { Interval, Period } from "./values/period.ts"

/** The longest text of one key: a tuple of a few bytes can expand without end. */
const maxLength = 1_000_000

const two = (n: number): string => n < 10 ? `0${n}` : `${n}`

const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{Zs}]/u

const escapes: Readonly<Record<string, string>> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" }

const quoteOf = (text: string): string => text.includes("'") && !text.includes("\"") ? "\"" : "'"

const stringRepr = (text: string): string => {
  const quote = quoteOf(text)
  let out = quote
  for (const char of text) {
    const escape = escapes[char]
    if (escape !== undefined) out += escape
    else if (char === quote) out += `\\${quote}`
    else if (char !== " " && unprintable.test(char)) {
      const code = char.codePointAt(0)!
      const hex = code.toString(16)
      out += code < 0x100
        ? `\\x${hex.padStart(2, "0")}`
        : code < 0x10000
        ? `\\u${hex.padStart(4, "0")}`
        : `\\U${hex.padStart(8, "0")}`
    } else out += char
  }
  return out + quote
}

const bytesRepr = (bytes: Uint8Array): string => {
  const quote = bytes.includes(0x27) && !bytes.includes(0x22) ? "\"" : "'"
  let out = `b${quote}`
  for (const byte of bytes) {
    const char = String.fromCharCode(byte)
    out += escapes[char] ??
      (char === quote ? `\\${quote}` : byte < 0x20 || byte > 0x7e ? `\\x${byte.toString(16).padStart(2, "0")}` : char)
  }
  return out + quote
}

/** The arguments that `repr` shows for a time: trailing zero seconds and microseconds are omitted. */
const clockArgs = (value: PyTime | PyDateTime): string => {
  const { hour, microsecond, minute, second } = value
  const args = [
    hour,
    minute,
    ...(second === 0 && microsecond === 0 ? [] : [second]),
    ...(microsecond === 0 ? [] : [microsecond])
  ]
  return args.join(", ") + (value.fold === 0 ? "" : `, fold=${value.fold}`) +
    (value.tzinfo === null || value.tzinfo === undefined ? "" : `, tzinfo=${zoneRepr(value.tzinfo)}`)
}

const timedeltaRepr = (days: number, seconds: number, microseconds: number): string => {
  const parts = [
    ...(days === 0 ? [] : [`days=${days}`]),
    ...(seconds === 0 ? [] : [`seconds=${seconds}`]),
    ...(microseconds === 0 ? [] : [`microseconds=${microseconds}`])
  ]
  return `datetime.timedelta(${parts.length === 0 ? "0" : parts.join(", ")})`
}

const zoneRepr = (tzinfo: unknown): string => {
  if (tzinfo instanceof ZoneInfo) return `zoneinfo.ZoneInfo(key='${tzinfo.key}')`
  if (tzinfo instanceof Timezone) {
    if (tzinfo.offset === 0 && tzinfo.name === null) return "datetime.timezone.utc"
    const micros = ((tzinfo.offset % 86_400e6) + 86_400e6) % 86_400e6
    const days = Math.floor(tzinfo.offset / 86_400e6)
    const offset = timedeltaRepr(days, Math.floor(micros / 1e6), micros % 1e6)
    return `datetime.timezone(${offset}${tzinfo.name === null ? "" : `, ${stringRepr(tzinfo.name)}`})`
  }
  const zone = zoneOf(tzinfo)
  if (zone === null) return "<tzinfo>"
  return zone.key === null ? `<UTC${offsetText(zone.offset ?? 0)}>` : zone.key === "UTC" ? "<UTC>" : `<${zone.key}>`
}

const day = 86_400_000_000_000n

const timedeltaText = (value: Timedelta): string => {
  const days = value.ns / day - (value.ns % day < 0n ? 1n : 0n)
  const rest = value.ns - days * day
  const seconds = Number(rest / 1_000_000_000n)
  const nanos = Number(rest % 1_000_000_000n)
  const fraction = nanos === 0
    ? ""
    : `.${nanos % 1_000 === 0 ? `${nanos / 1_000}`.padStart(6, "0") : `${nanos}`.padStart(9, "0")}`
  return `${days} days ${days < 0n ? "+" : ""}${two(Math.floor(seconds / 3600))}:${
    two(Math.floor(seconds / 60) % 60)
  }:${two(seconds % 60)}${fraction}`
}

const timestampText = (value: Timestamp): string => value.toString().replace("T", " ")

/** Python's own names for the classes of its built-in types. */
const classText = (value: PyGlobal): string =>
  `<class '${value.module === "builtins" ? "" : `${value.module}.`}${value.name}'>`

const leafRepr = (value: unknown): string | undefined => {
  switch (typeof value) {
    case "string":
      return stringRepr(value)
    case "number":
      return Number.isInteger(value) && !Object.is(value, -0) && Math.abs(value) <= Number.MAX_SAFE_INTEGER
        ? `${value}`
        : floatText(value)
    case "bigint":
      return `${value}`
    case "boolean":
      return value ? "True" : "False"
  }
  if (value === null || value === undefined) return "None"
  if (value instanceof Uint8Array) return bytesRepr(value)
  if (value instanceof PyFloat || value instanceof Complex || value instanceof Range) return value.toString()
  if (value instanceof Decimal) return `Decimal('${value.value}')`
  if (value instanceof UUID) return `UUID('${value.value}')`
  if (value instanceof Fraction) return `Fraction(${value.numerator}, ${value.denominator})`
  if (value instanceof Path) {
    return `${value.className.slice(value.className.lastIndexOf(".") + 1)}(${stringRepr(value.value)})`
  }
  if (value instanceof PyDate) return `datetime.date(${value.year}, ${value.month}, ${value.day})`
  if (value instanceof PyTime) return `datetime.time(${clockArgs(value)})`
  if (value instanceof PyTimedelta) return timedeltaRepr(value.days, value.seconds, value.microseconds)
  if (value instanceof PyDateTime) {
    const isPendulum = value.className.startsWith("pendulum")
    return `${isPendulum ? "DateTime" : "datetime.datetime"}(${value.year}, ${value.month}, ${value.day}, ${
      clockArgs(value)
    })`
  }
  if (value instanceof Timezone || value instanceof ZoneInfo) return zoneRepr(value)
  if (value instanceof Timestamp) {
    const text = timestampText(value)
    return value.tz === null
      ? `Timestamp('${text}')`
      : `Timestamp('${text.replace(/([+-]\d\d):(\d\d)$/, "$1$2")}', tz='${value.tz}')`
  }
  if (value instanceof Timedelta) return `Timedelta('${timedeltaText(value)}')`
  if (value === NaT) return "NaT"
  if (value === NA) return "<NA>"
  if (value instanceof PyGlobal) return classText(value)
  if (value instanceof NpTime) return `np.${value.kind}('${value.toString()}')`
  if (value instanceof Period) return `Period('${value.toString()}', '${value.freq}')`
  if (value instanceof PyObject) return `<${value.className} object>`
  return undefined
}

interface Pieces {
  readonly open: string
  readonly items: ReadonlyArray<unknown>
  readonly prefixes: ReadonlyArray<string> | null
  readonly close: string
}

const compound = (value: unknown): Pieces | undefined => {
  if (value instanceof NamedTuple) {
    const name = value.className.slice(value.className.lastIndexOf(".") + 1)
    return { open: `${name}(`, items: value, prefixes: value.fields.map((field) => `${field}=`), close: ")" }
  }
  if (value instanceof Tuple) return { open: "(", items: value, prefixes: null, close: value.length === 1 ? ",)" : ")" }
  if (value instanceof FrozenSet) {
    return value.size === 0
      ? { open: "frozenset()", items: [], prefixes: null, close: "" }
      : { open: "frozenset({", items: [...value], prefixes: null, close: "})" }
  }
  if (value instanceof Slice) {
    return { open: "slice(", items: [value.start, value.stop, value.step], prefixes: null, close: ")" }
  }
  if (value instanceof Interval) {
    return {
      open: "Interval(",
      items: [value.left, value.right, value.closed],
      prefixes: ["", "", "closed="],
      close: ")"
    }
  }
  if (value instanceof PyEnum) {
    const name = value.className.slice(value.className.lastIndexOf(".") + 1)
    return { open: `<${name}.${value.name ?? "None"}: `, items: [value.value], prefixes: null, close: ">" }
  }
  if (value instanceof NpScalar) {
    const type = value.dtype.name === "bool" ? "bool" : value.dtype.name
    return typeof value.value === "string" || value.value instanceof NpTime
      ? { open: "", items: [value.value], prefixes: null, close: "" }
      : { open: `np.${type}(`, items: [numpyValue(value)], prefixes: null, close: ")" }
  }
  return undefined
}

const numpyValue = (value: NpScalar): unknown =>
  value.dtype.kind === "f" && typeof value.value === "number" ? new PyFloat(value.value) : value.value

/**
 * Python's `repr` of a value that can be a key of a dict.
 *
 * @throws PickleError of reason LimitExceeded when the text is longer than a million characters
 * @category projecting
 * @since 0.1.0
 */
export const pythonRepr = (root: unknown): string => {
  const parts: Array<string> = []
  let length = 0
  const add = (text: string) => {
    length += text.length
    if (length > maxLength) exceeded("characters", "a key of a dict that is too long as text", maxLength)
    parts.push(text)
  }
  const stack: Array<{ readonly pieces: Pieces; next: number }> = []
  let current = root
  for (;;) {
    const leaf = leafRepr(current)
    if (leaf !== undefined) add(leaf)
    else {
      const pieces = compound(current)
      if (pieces === undefined) add("<object>")
      else {
        if (stack.length > 1_000) exceeded("depth", "a key of a dict that is nested too deep", 1_000)
        add(pieces.open)
        stack.push({ pieces, next: 0 })
      }
    }
    for (;;) {
      const top = stack[stack.length - 1]
      if (top === undefined) return parts.join("")
      const { items, prefixes, close } = top.pieces
      if (top.next < items.length) {
        add(`${top.next > 0 ? ", " : ""}${prefixes?.[top.next] ?? ""}`)
        current = items[top.next++]
        break
      }
      add(close)
      stack.pop()
    }
  }
}

/**
 * Python's `str` of a value that can be a key of a dict, which becomes the key in JSON.
 *
 * @throws PickleError of reason LimitExceeded when the text is longer than a million characters
 * @category projecting
 * @since 0.1.0
 */
export const pythonStr = (value: unknown): string => {
  if (typeof value === "string") return value
  if (typeof value !== "object" || value === null) return pythonRepr(value)
  if (
    value instanceof Decimal || value instanceof UUID || value instanceof Fraction || value instanceof Path ||
    value instanceof PyDate || value instanceof PyTime || value instanceof PyTimedelta || value instanceof Timezone ||
    value instanceof ZoneInfo || value instanceof PyEnum || value instanceof Period || value instanceof Interval
  ) return value.toString()
  if (value instanceof PyDateTime) {
    // pendulum's own class shows the T, Python's does not.
    return value.className.startsWith("pendulum") ? value.toString() : value.toString().replace("T", " ")
  }
  if (value instanceof Timestamp) return timestampText(value)
  if (value instanceof Timedelta) return timedeltaText(value)
  if (value instanceof NpScalar) return pythonStr(numpyValue(value))
  if (value instanceof NpTime) return value.toString()
  if (value instanceof PyObject) {
    const plain = plainOf(value)
    return plain === value ? pythonRepr(value) : pythonStr(plain)
  }
  return pythonRepr(value)
}
