/**
 * Decodes Arrow arrays inside pickles (`pyarrow.lib._restore_array`) into columns; the memory layout is that of the
 * Arrow columnar format specification.
 *
 * @since 0.1.0
 */
import { fail } from "../errors.ts"
import { Tuple } from "../values/containers.ts"
import { type ColumnKind, NaT, Timedelta, Timestamp, type TimeUnit } from "../values/dataframe.ts"
import { PyDate, PyTime, zoneFromName } from "../values/datetime.ts"
import { Dict } from "../values/dict.ts"
import { bigFromBytes, shrink } from "../values/integers.ts"
import { DType, type TypedArray, typedArray } from "../values/ndarray.ts"
import { Decimal } from "../values/numbers.ts"
import { UUID } from "../values/objects.ts"
import { readUtf8, textReader } from "../values/text.ts"
import { isCall, maxDepth, type Type, typeOf } from "./arrowTypes.ts"

/**
 * An Arrow array, or all chunks of one, in the form that a column needs.
 *
 * @internal
 */
export interface ArrowColumn {
  /** Arrow's name of the type: `large_string`, `int64`, `timestamp[ns, tz=UTC]`. */
  readonly type: string
  readonly kind: ColumnKind
  readonly length: number
  /** 1 where a value is missing; `null` when no value is missing. */
  readonly nulls: Uint8Array | null
  readonly values: () => ArrayLike<unknown>
  readonly unit: TimeUnit | null
  /** The zone of timestamps, or `null`. */
  readonly tz: unknown
  readonly get: ((values: ArrayLike<unknown>, i: number) => unknown) | null
  readonly at: ((i: number) => unknown) | null
}

interface Chunk {
  readonly type: Type
  readonly length: number
  readonly offset: number
  readonly buffers: ReadonlyArray<Uint8Array | null>
  readonly children: ReadonlyArray<Chunk>
  readonly dictionary: Chunk | null
}

const bufferOf = (value: unknown): Uint8Array | null => {
  if (value === null) return null
  if (value instanceof Uint8Array) return value
  if (isCall(value, "py_buffer") && value.args[0] instanceof Uint8Array) return value.args[0]
  return fail("BadValue", "an Arrow buffer without its bytes", "bytes")
}

/** `_restore_array((type, length, null count, offset, buffers, children, dictionary))`, or that tuple. */
const chunkOf = (value: unknown, depth = 0): Chunk | null => {
  if (depth > maxDepth) return null
  const data = isCall(value, "_restore_array") ? (value.args.length === 1 ? value.args[0] : value.args) : value
  if (!Array.isArray(data) || data.length < 6) return null
  const [kind, length, , offset, buffers, children, dictionary] = data as ReadonlyArray<unknown>
  const own = typeOf(kind)
  if (own === null || typeof length !== "number" || typeof offset !== "number" || !Array.isArray(buffers)) return null
  if (!(length >= 0 && offset >= 0)) return fail("BadValue", "an Arrow array of negative length", "a length")
  const inner = Array.isArray(children) ? children.map((child) => chunkOf(child, depth + 1)) : []
  if (inner.includes(null)) return null
  const chunk = {
    type: own,
    length,
    offset,
    buffers: buffers.map(bufferOf),
    children: inner as ReadonlyArray<Chunk>,
    dictionary: dictionary === undefined || dictionary === null ? null : chunkOf(dictionary, depth + 1)
  }
  checkLength(chunk)
  return chunk
}

/** Lengths that the data cannot hold are rejected before anything of that length is allocated. */
const checkLength = ({ buffers, length, type: { id, size } }: Chunk): void => {
  const isWithoutData = id === "null" || id === "struct" || id === "run_end_encoded" || id === "fixed_size_list" ||
    (id === "fixed_size_binary" && size === 0)
  if (isWithoutData) {
    if (length > 0x1000000) fail("LimitExceeded", "an Arrow array of too many values without data", "at most 16777216")
  } else if (length > 0 && length > (buffers[1]?.length ?? 0) * 8) {
    fail("BadValue", "an Arrow array longer than its data", "its length")
  }
}

const chunksOf = (value: unknown): ReadonlyArray<Chunk> | null => {
  if (isCall(value, "chunked_array")) {
    const list = value.args[0]
    if (!Array.isArray(list)) return null
    const chunks = list.map((chunk) => chunkOf(chunk))
    if (chunks.includes(null)) return null
    if (chunks.length > 0) return chunks as ReadonlyArray<Chunk>
    const own = typeOf(value.args[1])
    return own === null ? null : [{ type: own, length: 0, offset: 0, buffers: [], children: [], dictionary: null }]
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

/** The validity bitmap; unions and run-end-encoded arrays have none. */
const validityOf = ({ buffers, type: { id } }: Chunk): Uint8Array | null =>
  id === "run_end_encoded" || id.endsWith("_union") ? null : buffers[0] ?? null

const nullsOf = (chunks: ReadonlyArray<Chunk>, length: number): Uint8Array | null => {
  if (chunks.every((chunk) => chunk.type.id !== "null" && validityOf(chunk) === null)) return null
  const out = new Uint8Array(length)
  let at = 0
  for (const chunk of chunks) {
    const validity = validityOf(chunk)
    if (chunk.type.id === "null") out.fill(1, at, at + chunk.length)
    else if (validity !== null) {
      need(validity, Math.ceil((chunk.offset + chunk.length) / 8))
      for (let i = 0; i < chunk.length; i++) out[at + i] = 1 - bit(validity, chunk.offset + i)
    }
    at += chunk.length
  }
  return out
}

/** The start of every text, binary value or list, and the end of the last, each at most `size`. */
const offsetsOf = (chunk: Chunk, large: boolean, size: number): ArrayLike<number> => {
  const width = large ? 8 : 4
  if (chunk.length === 0) return [0]
  const end = (chunk.offset + chunk.length + 1) * width
  const bytes = need(chunk.buffers[1], end).subarray(chunk.offset * width, end)
  const raw = typedArray(new DType("i", width, "<"), bytes)!
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

/** The start and the end of a text, binary value or list of `size` bytes or items in all. */
const rangesOf = (chunk: Chunk, large: boolean, size: number): (i: number) => readonly [start: number, end: number] => {
  const width = large ? 8 : 4
  const bytes = chunk.length === 0 ? new Uint8Array(0) : need(
    chunk.buffers[1],
    (chunk.offset + chunk.length + 1) * width
  )
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const offset = (i: number): number => {
    const at = (chunk.offset + i) * width
    return large ? Number(view.getBigInt64(at, true)) : view.getInt32(at, true)
  }
  return (i) => {
    const [start, end] = [offset(i), offset(i + 1)]
    return start >= 0 && end >= start && end <= size
      ? [start, end]
      : fail("BadValue", "Arrow offsets beyond their data", "rising offsets")
  }
}

const textGetter = (chunk: Chunk, large: boolean): (i: number) => string | null => {
  const data = chunk.buffers[2] ?? new Uint8Array(0)
  const rangeOf = rangesOf(chunk, large, data.length)
  const validity = chunk.buffers[0] ?? null
  const reader = textReader(data, true)
  return (i) => validity === null || bit(validity, chunk.offset + i) === 1 ? readUtf8(reader, ...rangeOf(i)) : null
}

const texts = (chunk: Chunk, large: boolean): Array<string | null> => {
  const get = textGetter(chunk, large)
  const out: Array<string | null> = []
  for (let i = 0; i < chunk.length; i++) out.push(get(i))
  return out
}

const binaryGetter = (chunk: Chunk, large: boolean): (i: number) => Uint8Array => {
  const data = chunk.buffers[2] ?? new Uint8Array(0)
  const rangeOf = rangesOf(chunk, large, data.length)
  return (i) => data.subarray(...rangeOf(i))
}

const binaries = (chunk: Chunk, large: boolean): Array<Uint8Array | null> => {
  const get = binaryGetter(chunk, large)
  return Array.from({ length: chunk.length }, (_, i) => get(i))
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

/** A decimal with `scale` digits after the point, as Python's `str` prints it. */
const decimalText = (unscaled: bigint, scale: number): string => {
  const sign = unscaled < 0n ? "-" : ""
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString()
  if (scale === 0) return `${sign}${digits}`
  const exponent = digits.length - 1 - scale
  if (scale < 0 || exponent < -6) {
    const fraction = digits.length > 1 ? `.${digits.slice(1)}` : ""
    return `${sign}${digits[0]}${fraction}E${exponent < 0 ? "-" : "+"}${Math.abs(exponent)}`
  }
  const padded = digits.padStart(scale + 1, "0")
  return `${sign}${padded.slice(0, -scale)}.${padded.slice(-scale)}`
}

const decimals = (chunk: Chunk, width: number, scale: number): Array<Decimal> => {
  const bytes = need(chunk.buffers[1], (chunk.offset + chunk.length) * width)
  return Array.from({ length: chunk.length }, (_, i) => {
    const value = bigFromBytes(bytes, (chunk.offset + i) * width, width)
    return new Decimal(decimalText(value, scale))
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
  /** One of these values, where to read all of them takes long. */
  readonly at?: (chunk: Chunk) => Getter
  readonly get?: (values: ArrayLike<unknown>, i: number) => unknown
  readonly unit?: TimeUnit
  readonly tz?: unknown
  /** Whether what it reads is the memory of the array. */
  readonly isMemory?: true
}

const perSecond: Readonly<Record<TimeUnit, bigint>> = { s: 1n, ms: 1_000n, us: 1_000_000n, ns: 1_000_000_000n }

/**
 * Nanoseconds per unit.
 *
 * @internal
 */
export const nanosecondsIn = (unit: TimeUnit): bigint => 1_000_000_000n / perSecond[unit]

const dateOf = (value: number, perDay: number): PyDate => {
  const date = new Date(Math.floor(value / perDay) * 86_400_000)
  return new PyDate(date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate())
}

const timeOf = (value: number | bigint, unit: TimeUnit): PyTime => {
  const micros = Number(BigInt(value) * 1_000_000n / perSecond[unit])
  const seconds = Math.floor(micros / 1e6)
  return new PyTime(Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, seconds % 60, micros % 1e6, 0, null)
}

/** The layout of a type that is not nested; `null` for an unsupported type. */
const leafLayout = ({ id, scale, size, tz, unit }: Type): Layout | null => {
  if (Object.hasOwn(numeric, id)) {
    const [letter, width, kind] = numeric[id]!
    const dtype = new DType(letter, width, width > 1 ? "<" : "|")
    return {
      kind,
      isMemory: true,
      read: (chunk) => numbers(chunk, dtype),
      get: (values, i) => typeof values[i] === "bigint" ? shrink(values[i]) : values[i]
    }
  }
  switch (id) {
    case "string":
    case "large_string":
      return {
        kind: "string",
        read: (chunk) => texts(chunk, id !== "string"),
        at: (chunk) => textGetter(chunk, id !== "string")
      }
    case "binary":
    case "large_binary":
      return {
        kind: "bytes",
        read: (chunk) => binaries(chunk, id !== "binary"),
        at: (chunk) => binaryGetter(chunk, id !== "binary")
      }
    case "string_view":
      return {
        kind: "string",
        read: (chunk) => views(chunk, (bytes) => readUtf8(textReader(bytes, false), 0, bytes.length))
      }
    case "binary_view":
      return { kind: "bytes", read: (chunk) => views(chunk, (bytes) => bytes) }
    case "fixed_size_binary":
      return { kind: "bytes", read: (chunk) => slices(chunk, size) }
    case "uuid":
      return { kind: "object", read: (chunk) => slices(chunk, 16).map(uuidOf) }
    case "bool":
      return { kind: "bool", read: booleans, get: (values, i) => values[i] !== 0 }
    case "bool8": {
      const dtype = new DType("i", 1, "|")
      return {
        kind: "bool",
        isMemory: true,
        read: (chunk) => numbers(chunk, dtype),
        get: (values, i) => values[i] !== 0
      }
    }
    case "null":
      return { kind: "object", read: (chunk) => Array.from({ length: chunk.length }, () => null) }
    case "timestamp":
    case "duration": {
      if (unit === null) return null
      const scaleOf = nanosecondsIn(unit)
      const tzinfo = tz === null ? null : zoneFromName(tz)
      const dtype = new DType("i", 8, "<")
      const instant = id === "timestamp"
      return {
        kind: instant ? "datetime" : "timedelta",
        isMemory: true,
        read: (chunk) => numbers(chunk, dtype),
        unit,
        tz: tzinfo,
        get: (values, i) => {
          const count = values[i] as bigint
          if (count === -9223372036854775808n) return NaT
          return instant ? new Timestamp(count * scaleOf, unit, tzinfo) : new Timedelta(count * scaleOf, unit)
        }
      }
    }
    case "date32[day]":
    case "date64[ms]": {
      const days = id === "date32[day]"
      const dtype = new DType("i", days ? 4 : 8, "<")
      return {
        kind: "date",
        isMemory: true,
        read: (chunk) => numbers(chunk, dtype),
        get: (values, i) => dateOf(Number(values[i]), days ? 1 : 86_400_000)
      }
    }
    case "time32":
    case "time64": {
      if (unit === null) return null
      const dtype = new DType("i", id === "time32" ? 4 : 8, "<")
      return {
        kind: "time",
        isMemory: true,
        read: (chunk) => numbers(chunk, dtype),
        get: (values, i) => timeOf(values[i] as number | bigint, unit)
      }
    }
    case "month_day_nano_interval":
      return {
        kind: "object",
        read: (chunk) =>
          slices(chunk, 16).map((bytes) => {
            const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
            return new Tuple(view.getInt32(0, true), view.getInt32(4, true), shrink(view.getBigInt64(8, true)))
          })
      }
    case "decimal":
      return scale >= -100 && scale <= 100 ? { kind: "decimal", read: (chunk) => decimals(chunk, size, scale) } : null
    default:
      return null
  }
}

const slices = (chunk: Chunk, width: number): Array<Uint8Array> => {
  const bytes = need(chunk.buffers[1], (chunk.offset + chunk.length) * width)
  return Array.from(
    { length: chunk.length },
    (_, i) => bytes.subarray((chunk.offset + i) * width, (chunk.offset + i + 1) * width)
  )
}

const uuidOf = (bytes: Uint8Array): UUID => {
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")
  return new UUID(digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5"))
}

/** Text and binary views: up to 12 bytes are in the view itself, longer values in one of the buffers that follow. */
const views = <A>(chunk: Chunk, make: (bytes: Uint8Array) => A): Array<A | null> => {
  const bytes = need(chunk.buffers[1], (chunk.offset + chunk.length) * 16)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const validity = chunk.buffers[0] ?? null
  return Array.from({ length: chunk.length }, (_, i) => {
    const at = (chunk.offset + i) * 16
    if (validity !== null && bit(validity, chunk.offset + i) === 0) return null
    const size = view.getInt32(at, true)
    if (size <= 12) return make(bytes.subarray(at + 4, at + 4 + Math.max(0, size)))
    const data = chunk.buffers[2 + view.getInt32(at + 8, true)]
    const start = view.getInt32(at + 12, true)
    if (data == null || start < 0 || start + size > data.length) {
      return fail("BadValue", "an Arrow view beyond its data", "a buffer that holds it")
    }
    return make(data.subarray(start, start + size))
  })
}

const childOf = (chunk: Chunk, i: number): Chunk =>
  chunk.children[i] ?? fail("BadValue", "a nested Arrow array without its children", "one for each field")

const itemsOf = (at: Getter, start: number, end: number): Array<unknown> => {
  const out: Array<unknown> = []
  for (let i = start; i < end; i++) out.push(at(i))
  return out
}

type Getter = (i: number) => unknown

/** The values of a nested chunk by position, without regard to nulls. */
const nestedGetter = (chunk: Chunk): Getter => {
  const { length, offset, type: { children, codes, id, size } } = chunk
  switch (id) {
    case "list":
    case "large_list":
    case "map": {
      const child = childOf(chunk, 0)
      const offsets = offsetsOf(chunk, id === "large_list", child.length)
      if (id !== "map") {
        const at = getterOf(child)
        return (i) => itemsOf(at, offsets[i]!, offsets[i + 1]!)
      }
      const [keys, items] = [getterOf(childOf(child, 0)), getterOf(childOf(child, 1))]
      const shift = child.offset
      return (i) => itemsOf((j) => new Tuple(keys(shift + j), items(shift + j)), offsets[i]!, offsets[i + 1]!)
    }
    case "list_view":
    case "large_list_view": {
      const child = childOf(chunk, 0)
      const at = getterOf(child)
      const dtype = new DType("i", id === "list_view" ? 4 : 8, "<")
      const starts = numbers(chunk, dtype)
      const sizes = numbers({ ...chunk, buffers: [null, chunk.buffers[2] ?? null] }, dtype)
      return (i) => {
        const [start, count] = [Number(starts[i]), Number(sizes[i])]
        return start >= 0 && count >= 0 && start + count <= child.length
          ? itemsOf(at, start, start + count)
          : fail("BadValue", "an Arrow list beyond its items", "offsets within them")
      }
    }
    case "fixed_size_list": {
      const child = childOf(chunk, 0)
      if ((offset + length) * size > child.length) fail("BadValue", "an Arrow list beyond its items", "enough items")
      const at = getterOf(child)
      return (i) => itemsOf(at, (offset + i) * size, (offset + i + 1) * size)
    }
    case "struct": {
      const getters = children.map((_, i) => {
        const child = childOf(chunk, i)
        if (offset + length > child.length) fail("BadValue", "an Arrow struct beyond its fields", "enough items")
        return getterOf(child)
      })
      return (i) => {
        const out = new Dict()
        children.forEach(({ name }, j) => out[name] = getters[j]!(offset + i))
        return out
      }
    }
    case "dictionary": {
      const codesOf = layoutOf(children[0]!.type).read({ ...chunk, type: children[0]!.type })
      if (chunk.dictionary === null) return fail("BadValue", "an Arrow dictionary array without its dictionary", "one")
      // Each dictionary entry is decoded once, however often it is referenced.
      const wordAt = getterOf(chunk.dictionary)
      const count = chunk.dictionary.length
      const words: Array<unknown> = []
      return (i) => {
        const code = Number(codesOf[i])
        return code >= 0 && code < count ? words[code] ??= wordAt(code) : null
      }
    }
    case "run_end_encoded": {
      const [ends, values] = [childOf(chunk, 0), childOf(chunk, 1)]
      const [endAt, valueAt] = [getterOf(ends), getterOf(values)]
      return (i) => {
        let low = 0
        let high = ends.length
        while (low < high) {
          const middle = (low + high) >> 1
          if (Number(endAt(middle)) <= offset + i) low = middle + 1
          else high = middle
        }
        return low < values.length ? valueAt(low) : fail("BadValue", "an Arrow run beyond its values", "a value")
      }
    }
    case "sparse_union":
    case "dense_union": {
      const isDense = id === "dense_union"
      const ids = need(chunk.buffers[1], offset + length)
      const places = isDense
        ? numbers({ ...chunk, buffers: [null, chunk.buffers[2] ?? null] }, new DType("i", 4, "<"))
        : null
      const getters = new Map(codes.map((code, i) => [code, [getterOf(childOf(chunk, i)), childOf(chunk, i).length]]))
      return (i) => {
        const [at, count] = (getters.get(ids[offset + i]!) ?? []) as [Getter?, number?]
        const place = places === null ? offset + i : Number(places[i])
        return at !== undefined && place >= 0 && place < count!
          ? at(place)
          : fail("BadValue", "an Arrow union beyond its types or values", "a value of one of its types")
      }
    }
    default:
      return fail("BadValue", `an Arrow array of type ${id}, which is not read`, "a type of Arrow 21 or before")
  }
}

const isNested = ({ id }: Type): boolean =>
  id === "struct" || id === "map" || id === "dictionary" || id === "run_end_encoded" || id.includes("list") ||
  id.endsWith("_union")

/** The values of a chunk that are made at once. */
const blockLength = 1_024

/** The values of a chunk that are no memory of its own, block by block: making all of them takes seconds. */
const blockGetter = (chunk: Chunk, { get, read }: Layout): Getter => {
  const blocks: Array<ArrayLike<unknown>> = []
  return (i) => {
    const block = Math.floor(i / blockLength)
    const start = block * blockLength
    const length = Math.min(blockLength, chunk.length - start)
    const values = blocks[block] ??= read({ ...chunk, offset: chunk.offset + start, length })
    return get === undefined ? values[i - start] : get(values, i - start)
  }
}

/** One of the values of a chunk, where to read all of them takes long. */
const leafGetter = (layout: Layout): ((chunk: Chunk) => Getter) | null =>
  layout.at ?? (layout.isMemory === true ? null : (chunk) => blockGetter(chunk, layout))

/** The values of a chunk by position, `null` where one is missing. */
const getterOf = (chunk: Chunk): Getter => {
  const { length, offset } = chunk
  const validity = chunk.type.id === "null" ? null : validityOf(chunk)
  if (validity !== null) need(validity, Math.ceil((offset + length) / 8))
  let at: Getter
  if (isNested(chunk.type)) at = nestedGetter(chunk)
  else {
    const layout = layoutOf(chunk.type)
    const { get, read } = layout
    const open = leafGetter(layout)
    if (open === null) {
      const values = read(chunk)
      at = get === undefined ? (i) => values[i] : (i) => get(values, i)
    } else at = open(chunk)
  }
  const within: Getter = (i) =>
    i >= 0 && i < length ? at(i) : fail("BadValue", "a place beyond an Arrow array", "a place within it")
  return validity === null ? within : (i) => i < length && bit(validity, offset + i) === 0 ? null : within(i)
}

/** Whether a type and all types nested in it are supported. */
const isRead = (own: Type): boolean =>
  isNested(own) ? own.children.every((field) => isRead(field.type)) : leafLayout(own) !== null

const layoutOf = (own: Type): Layout => {
  if (!isNested(own)) {
    return leafLayout(own) ?? fail("BadValue", `an Arrow array of type ${own.id}, which is not read`, "another type")
  }
  if (own.id === "dictionary") {
    const { kind, tz, unit } = layoutOf(own.children[1]!.type)
    return { kind, tz, ...(unit === undefined ? {} : { unit }), read: nestedValues, at: getterOf }
  }
  return { kind: "object", read: nestedValues, at: getterOf }
}

/** The value at a position of several chunks. The next one that is read is mostly in the same chunk. */
const chunkedGetter = (chunks: ReadonlyArray<Chunk>, open: (chunk: Chunk) => Getter): Getter => {
  const ends: Array<number> = []
  for (const { length } of chunks) ends.push((ends.at(-1) ?? 0) + length)
  const opened: Array<Getter | undefined> = []
  let start = 0
  let end = 0
  let get: Getter | undefined
  return (i) => {
    if (get === undefined || i < start || i >= end) {
      let low = 0
      let high = ends.length - 1
      while (low < high) {
        const middle = (low + high) >>> 1
        if (ends[middle]! <= i) low = middle + 1
        else high = middle
      }
      start = ends[low - 1] ?? 0
      end = ends[low]!
      get = opened[low] ??= open(chunks[low]!)
    }
    return get(i - start)
  }
}

const nestedValues = (chunk: Chunk): ReadonlyArray<unknown> => itemsOf(getterOf(chunk), 0, chunk.length)

/**
 * The column of a pickled `pyarrow` array or chunked array; `null` for an unsupported type.
 *
 * @internal
 */
export const arrowColumn = (value: unknown): ArrowColumn | null => {
  const chunks = chunksOf(value)
  const own = chunks?.[0]?.type
  if (chunks === null || own === undefined || !isRead(own)) return null
  const layout = layoutOf(own)
  const open = leafGetter(layout)
  const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
  return {
    type: own.name,
    kind: layout.kind,
    length,
    at: open === null ? null : chunkedGetter(chunks, open),
    nulls: nullsOf(chunks, length),
    values: () => joined(chunks.map(layout.read)),
    unit: layout.unit ?? null,
    tz: layout.tz ?? null,
    get: layout.get ?? null
  }
}
