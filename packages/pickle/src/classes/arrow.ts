/**
 * Arrow arrays inside pickles (`pyarrow.lib._restore_array`), as columns: the memory layout is that of the Arrow
 * columnar format specification.
 *
 * @since 0.1.0
 */
import { fail } from "../errors.ts"
import { type ColumnKind, NaT, Timedelta, Timestamp, type TimeUnit } from "../values/dataframe.ts"
import { PyDate, PyTime } from "../values/datetime.ts"
import { bigFromBytes, shrink } from "../values/integers.ts"
import { DType, type TypedArray, typedArray } from "../values/ndarray.ts"
import { Decimal } from "../values/numbers.ts"
import { PyGlobal, PyObject } from "../values/objects.ts"
import { readUtf8, textReader } from "../values/text.ts"

/**
 * An Arrow array, or all chunks of one, as a column needs it.
 *
 * @internal
 */
export interface ArrowColumn {
  /** Arrow's name of the type: `large_string`, `int64`, `timestamp[ns, tz=UTC]`. */
  readonly type: string
  readonly kind: ColumnKind
  readonly length: number
  /** 1 where a value is missing; `null` when none is. */
  readonly nulls: Uint8Array | null
  readonly values: () => ArrayLike<unknown>
  readonly unit: TimeUnit | null
  readonly tz: string | null
  readonly get: ((values: ArrayLike<unknown>, i: number) => unknown) | null
}

interface Chunk {
  readonly type: string
  readonly length: number
  readonly offset: number
  readonly buffers: ReadonlyArray<Uint8Array | null>
  readonly dictionary: Chunk | null
}

const isCall = (value: unknown, name: string): value is PyObject =>
  value instanceof PyObject && value.class instanceof PyGlobal && value.class.name === name

/** The name of a type, from `type_for_alias("int64")`, `timestamp("ns", "UTC")` and the like. */
const typeName = (value: unknown): string | null => {
  if (typeof value === "string") return value
  if (!(value instanceof PyObject) || !(value.class instanceof PyGlobal)) return null
  const { name } = value.class
  const { args } = value
  if (name === "type_for_alias") return typeof args[0] === "string" ? aliases[args[0]] ?? args[0] : null
  if (name === "timestamp" || name === "duration" || name === "time32" || name === "time64") {
    const [unit, tz] = args
    if (typeof unit !== "string") return null
    return `${name}[${unit}${typeof tz === "string" ? `, tz=${tz}` : ""}]`
  }
  if (name.startsWith("decimal")) return `${name}(${args.map(String).join(", ")})`
  if (name === "dictionary") {
    const [index, values] = [typeName(args[0]), typeName(args[1])]
    return index === null || values === null ? null : `dictionary<values=${values}, indices=${index}>`
  }
  return args.length === 0 ? aliases[name] ?? name : null
}

const aliases: Readonly<Record<string, string>> = {
  utf8: "string",
  large_utf8: "large_string",
  bool_: "bool",
  float16: "halffloat",
  float32: "float",
  float64: "double",
  f8: "double",
  f4: "float"
}

const bufferOf = (value: unknown): Uint8Array | null => {
  if (value === null) return null
  if (value instanceof Uint8Array) return value
  if (isCall(value, "py_buffer") && value.args[0] instanceof Uint8Array) return value.args[0]
  return fail("BadValue", "an Arrow buffer without its bytes", "bytes")
}

const chunkOf = (value: unknown): Chunk | null => {
  if (!isCall(value, "_restore_array")) return null
  const data = value.args.length === 1 ? value.args[0] : value.args
  if (!Array.isArray(data) || data.length < 6) return null
  const [type, length, , offset, buffers, , dictionary] = data as ReadonlyArray<unknown>
  const name = typeName(type)
  if (name === null || typeof length !== "number" || typeof offset !== "number" || !Array.isArray(buffers)) return null
  if (!(length >= 0 && offset >= 0)) return fail("BadValue", "an Arrow array of negative length", "a length")
  return {
    type: name,
    length,
    offset,
    buffers: buffers.map(bufferOf),
    dictionary: dictionary === undefined || dictionary === null ? null : chunkOf(dictionary)
  }
}

const chunksOf = (value: unknown): ReadonlyArray<Chunk> | null => {
  if (isCall(value, "chunked_array")) {
    const list = value.args[0]
    if (!Array.isArray(list)) return null
    const chunks = list.map(chunkOf)
    if (chunks.includes(null)) return null
    if (chunks.length > 0) return chunks as ReadonlyArray<Chunk>
    const type = typeName(value.args[1])
    return type === null ? null : [{ type, length: 0, offset: 0, buffers: [], dictionary: null }]
  }
  const chunk = chunkOf(value)
  return chunk === null ? null : [chunk]
}

const bit = (bytes: Uint8Array, at: number): number => (bytes[at >> 3]! >> (at & 7)) & 1

const need = (bytes: Uint8Array | null | undefined, size: number): Uint8Array => {
  if (bytes == null) {
    return size === 0 ? new Uint8Array(0) : fail("BadValue", "an Arrow array without its data", "a buffer")
  }
  return bytes.length < size ? fail("BadValue", "an Arrow buffer that is too short", `${size} bytes`) : bytes
}

const nullsOf = (chunks: ReadonlyArray<Chunk>, length: number): Uint8Array | null => {
  if (chunks.every((chunk) => chunk.type !== "null" && (chunk.buffers[0] ?? null) === null)) return null
  const out = new Uint8Array(length)
  let at = 0
  for (const chunk of chunks) {
    const validity = chunk.buffers[0] ?? null
    if (chunk.type === "null") out.fill(1, at, at + chunk.length)
    else if (validity !== null) {
      need(validity, Math.ceil((chunk.offset + chunk.length) / 8))
      for (let i = 0; i < chunk.length; i++) out[at + i] = 1 - bit(validity, chunk.offset + i)
    }
    at += chunk.length
  }
  return out
}

/** The start of every text or binary value, and the end of the last. */
const offsetsOf = (chunk: Chunk, large: boolean): ArrayLike<number> => {
  const width = large ? 8 : 4
  if (chunk.length === 0) return [0]
  const end = (chunk.offset + chunk.length + 1) * width
  const bytes = need(chunk.buffers[1], end).subarray(chunk.offset * width, end)
  const raw = typedArray(new DType("i", width, "<"), bytes)!
  const size = chunk.buffers[2]?.length ?? 0
  const out = large ? Array.from(raw as BigInt64Array, Number) : raw as Int32Array
  let last = 0
  for (let i = 0; i < out.length; i++) {
    if (!(out[i]! >= last && out[i]! <= size)) {
      return fail("BadValue", "Arrow offsets beyond their data", "rising offsets")
    }
    last = out[i]!
  }
  return out
}

const texts = (chunk: Chunk, large: boolean): Array<string | null> => {
  const offsets = offsetsOf(chunk, large)
  const data = chunk.buffers[2] ?? new Uint8Array(0)
  const validity = chunk.buffers[0] ?? null
  const reader = textReader(data, true)
  const out: Array<string | null> = []
  for (let i = 0; i < chunk.length; i++) {
    const valid = validity === null || bit(validity, chunk.offset + i) === 1
    out.push(valid ? readUtf8(reader, offsets[i]!, offsets[i + 1]!) : null)
  }
  return out
}

const binaries = (chunk: Chunk, large: boolean): Array<Uint8Array | null> => {
  const offsets = offsetsOf(chunk, large)
  const data = chunk.buffers[2] ?? new Uint8Array(0)
  return Array.from({ length: chunk.length }, (_, i) => data.subarray(offsets[i], offsets[i + 1]))
}

const numbers = (chunk: Chunk, dtype: DType): TypedArray => {
  const start = chunk.offset * dtype.itemsize
  const end = start + chunk.length * dtype.itemsize
  return typedArray(dtype, need(chunk.buffers[1], end).subarray(start, end))!
}

const booleans = (chunk: Chunk): Uint8Array => {
  const bytes = need(chunk.buffers[1], Math.ceil((chunk.offset + chunk.length) / 8))
  return Uint8Array.from({ length: chunk.length }, (_, i) => bit(bytes, chunk.offset + i))
}

const decimals = (chunk: Chunk, width: number, scale: number): Array<Decimal> => {
  const bytes = need(chunk.buffers[1], (chunk.offset + chunk.length) * width)
  return Array.from({ length: chunk.length }, (_, i) => {
    const value = bigFromBytes(bytes, (chunk.offset + i) * width, width)
    const digits = (value < 0n ? -value : value).toString().padStart(scale + 1, "0")
    const text = scale > 0 ? `${digits.slice(0, -scale)}.${digits.slice(-scale)}` : digits
    return new Decimal(value < 0n ? `-${text}` : text)
  })
}

const joined = (parts: ReadonlyArray<ArrayLike<unknown>>): ArrayLike<unknown> => {
  const [first] = parts
  if (parts.length === 1 && first !== undefined) return first
  if (first !== undefined && ArrayBuffer.isView(first)) {
    const make = first.constructor as new(
      length: number
    ) => { set(from: ArrayLike<unknown>, at: number): void } & ArrayLike<unknown>
    const out = new make(parts.reduce((sum, part) => sum + part.length, 0))
    let at = 0
    for (const part of parts) {
      out.set(part, at)
      at += part.length
    }
    return out
  }
  const out: Array<unknown> = []
  for (const part of parts) for (let i = 0; i < part.length; i++) out.push(part[i])
  return out
}

const numeric: Readonly<Record<string, readonly [string, number, ColumnKind]>> = {
  int8: ["i", 1, "int"],
  int16: ["i", 2, "int"],
  int32: ["i", 4, "int"],
  int64: ["i", 8, "int"],
  uint8: ["u", 1, "uint"],
  uint16: ["u", 2, "uint"],
  uint32: ["u", 4, "uint"],
  uint64: ["u", 8, "uint"],
  halffloat: ["f", 2, "float"],
  float: ["f", 4, "float"],
  double: ["f", 8, "float"]
}

interface Layout {
  readonly kind: ColumnKind
  readonly read: (chunk: Chunk) => ArrayLike<unknown>
  readonly get?: (values: ArrayLike<unknown>, i: number) => unknown
  readonly unit?: TimeUnit
  readonly tz?: string | null
}

const perSecond: Readonly<Record<TimeUnit, bigint>> = { s: 1n, ms: 1_000n, us: 1_000_000n, ns: 1_000_000_000n }

/**
 * Nanoseconds in one of a unit.
 *
 * @internal
 */
export const nanosecondsIn = (unit: TimeUnit): bigint => 1_000_000_000n / perSecond[unit]

const layoutOf = (type: string): Layout | null => {
  if (Object.hasOwn(numeric, type)) {
    const [letter, size, kind] = numeric[type]!
    const dtype = new DType(letter, size, size > 1 ? "<" : "|")
    return {
      kind,
      read: (chunk) => numbers(chunk, dtype),
      get: (values, i) => typeof values[i] === "bigint" ? shrink(values[i]) : values[i]
    }
  }
  if (type === "string" || type === "large_string") {
    return {
      kind: "string",
      read: (chunk) => texts(chunk, type !== "string")
    }
  }
  if (type === "binary" || type === "large_binary") {
    return {
      kind: "bytes",
      read: (chunk) => binaries(chunk, type !== "binary")
    }
  }
  if (type === "bool") return { kind: "bool", read: booleans, get: (values, i) => values[i] !== 0 }
  if (type === "null") return { kind: "object", read: (chunk) => Array.from({ length: chunk.length }, () => null) }
  const time = /^(timestamp|duration)\[(s|ms|us|ns)(?:, tz=(.+))?\]$/.exec(type)
  if (time !== null) {
    const unit = time[2] as TimeUnit
    const scale = nanosecondsIn(unit)
    const tz = time[3] ?? null
    const dtype = new DType("i", 8, "<")
    const instant = time[1] === "timestamp"
    return {
      kind: instant ? "datetime" : "timedelta",
      read: (chunk) => numbers(chunk, dtype),
      unit,
      tz,
      get: (values, i) => {
        const count = values[i] as bigint
        if (count === -9223372036854775808n) return NaT
        return instant ? new Timestamp(count * scale, unit, tz) : new Timedelta(count * scale, unit)
      }
    }
  }
  if (type === "date32" || type === "date32[day]" || type === "date64" || type === "date64[ms]") {
    const days = type.startsWith("date32")
    const dtype = new DType("i", days ? 4 : 8, "<")
    return {
      kind: "date",
      read: (chunk) => numbers(chunk, dtype),
      get: (values, i) => {
        const date = new Date(days ? (values[i] as number) * 86_400_000 : Number(values[i] as bigint))
        return new PyDate(date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate())
      }
    }
  }
  const clock = /^time(32|64)\[(s|ms|us|ns)\]$/.exec(type)
  if (clock !== null) {
    const dtype = new DType("i", clock[1] === "32" ? 4 : 8, "<")
    const scale = 1_000_000n
    const unit = perSecond[clock[2] as TimeUnit]
    return {
      kind: "time",
      read: (chunk) => numbers(chunk, dtype),
      get: (values, i) => {
        const micros = Number(BigInt(values[i] as number | bigint) * scale / unit)
        const seconds = Math.floor(micros / 1e6)
        return new PyTime(
          Math.floor(seconds / 3_600),
          Math.floor(seconds / 60) % 60,
          seconds % 60,
          micros % 1e6,
          0,
          null
        )
      }
    }
  }
  const decimal = /^decimal(32|64|128|256)?\((\d+), (-?\d+)\)$/.exec(type)
  if (decimal !== null) {
    const width = Number(decimal[1] ?? "128") / 8
    const scale = Number(decimal[3])
    return scale < 0 || scale > 100 ? null : { kind: "decimal", read: (chunk) => decimals(chunk, width, scale) }
  }
  const dictionary = /^dictionary<values=(\w+), indices=(\w+)/.exec(type)
  if (dictionary !== null) {
    const values = layoutOf(dictionary[1]!)
    const indices = layoutOf(dictionary[2]!)
    if (values === null || indices === null) return null
    return {
      kind: values.kind,
      read: (chunk) => {
        const codes = indices.read(chunk)
        if (chunk.dictionary === null) {
          return fail("BadValue", "an Arrow dictionary array without its dictionary", "one")
        }
        const words = values.read(chunk.dictionary)
        return Array.from({ length: codes.length }, (_, i) => words[Number(codes[i])] ?? null)
      },
      ...(values.get === undefined ? {} : { get: values.get })
    }
  }
  return null
}

/**
 * The column that a pickled `pyarrow` array or chunked array is; `null` for a type that is not read.
 *
 * @internal
 */
export const arrowColumn = (value: unknown): ArrowColumn | null => {
  const chunks = chunksOf(value)
  const type = chunks?.[0]?.type
  if (chunks === null || type === undefined) return null
  const layout = layoutOf(type)
  if (layout === null) return null
  let length = 0
  for (const chunk of chunks) {
    if (chunk.type !== "null") {
      // What the data cannot hold is refused before anything of that length is made.
      const bytes = chunk.buffers[1]?.length ?? 0
      if (chunk.length > 0 && chunk.length > bytes * 8) {
        return fail("BadValue", "an Arrow array longer than its data", "its length")
      }
    } else if (chunk.length > 0x1000000) {
      return fail("LimitExceeded", "an Arrow array of too many nulls", "at most 16777216")
    }
    length += chunk.length
  }
  return {
    type,
    kind: layout.kind,
    length,
    nulls: nullsOf(chunks, length),
    values: () => joined(chunks.map(layout.read)),
    unit: layout.unit ?? null,
    tz: layout.tz ?? null,
    get: layout.get ?? null
  }
}
