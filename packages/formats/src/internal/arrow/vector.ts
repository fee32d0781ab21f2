// Measured: bench/formats.bench.ts
/** The columns of an Arrow record batch: the layouts of the Arrow columnar format, one per type. */
import { type TimeUnit, UUID } from "@effect-prefect/pickle"
import { hexOf, utf8Of } from "../bytes.ts"
import { dateCell, decimalCell, integerCell, timeCell, timedeltaCell, timestampCell, zoneFromName } from "../cells.ts"
import type { FlatTable } from "../flatbuffer.ts"
import { refuse } from "../refusal.ts"
import type { Steps } from "../steps.ts"

const damaged = (what: string): never => refuse(`the Arrow data is damaged: ${what}`)

/** The values of one column in one batch. */
export interface Vector {
  readonly length: number
  readonly at: (row: number) => unknown
  /** The bytes of its buffers, when they are counted. */
  readonly byteSize?: number
}

export interface Field {
  readonly name: string
  /** The number of the type in Schema.fbs; of the values, for a dictionary. */
  readonly type: number
  readonly unit: TimeUnit | null
  readonly timezone: string | null
  /** Bits of an integer, a time or a decimal; bytes of a fixed size binary; items of a fixed size list. */
  readonly size: number
  readonly isSigned: boolean
  /** Digits after the point of a decimal; precision of a float; mode of a union; unit of a date or an interval. */
  readonly scale: number
  readonly typeIds: ReadonlyArray<number>
  readonly children: ReadonlyArray<Field>
  readonly dictionary: { readonly id: number; readonly index: Field; readonly isOrdered: boolean } | null
  /** The name of an extension type, e.g. `arrow.uuid`. */
  readonly extension: string | null
}

const units: ReadonlyArray<TimeUnit> = ["s", "ms", "us", "ns"]

const maxDepth = 64

const plainField = (name: string, type: number): Field => ({
  name,
  type,
  unit: null,
  timezone: null,
  size: 0,
  isSigned: true,
  scale: 0,
  typeIds: [],
  children: [],
  dictionary: null,
  extension: null
})

const integerField = (table: FlatTable | null): Field => ({
  ...plainField("", 2),
  size: table?.int32(0) ?? 32,
  isSigned: table === null ? true : table.uint8(1) === 1
})

const unitOf = (table: FlatTable, missing: number): TimeUnit =>
  units[table.int16(0, missing)] ?? damaged("a time has no unit")

const typed = (field: Field, table: FlatTable): Field => {
  switch (field.type) {
    case 2:
      return { ...integerField(table), name: field.name }
    case 3:
      return { ...field, scale: table.int16(0) }
    case 7:
      return { ...field, scale: table.int32(1), size: table.int32(2, 128) }
    case 8:
      return { ...field, scale: table.int16(0, 1) }
    case 9:
      return { ...field, unit: unitOf(table, 1), size: table.int32(1, 32) }
    case 10:
      return { ...field, unit: unitOf(table, 0), timezone: table.string(1) }
    case 11:
      return { ...field, scale: table.int16(0) }
    case 14: {
      const ids = table.vector(1, 4)
      const typeIds = Array.from({ length: ids.length }, (_, i) => table.view.getInt32(ids.start + i * 4, true))
      return { ...field, scale: table.int16(0), typeIds }
    }
    case 15:
    case 16:
      return { ...field, size: table.int32(0) }
    case 18:
      return { ...field, unit: unitOf(table, 1) }
    default:
      return field
  }
}

/** How much of a schema may still be read. */
export interface SchemaBudget {
  bytes: number
}

/** How many times the bytes of a schema are read at most: several of its tables may refer to the same ones. */
export const mostReadings = 16

export const schemaBudgetOf = (table: FlatTable): SchemaBudget => ({ bytes: table.view.byteLength * mostReadings })

/** A field, and an entry of its metadata, have no fewer bytes. */
const leastTable = 8

const spend = (budget: SchemaBudget, bytes: number): void => {
  if ((budget.bytes -= bytes) < 0) damaged("its schema refers to the same bytes too often")
}

/** A field of the schema. */
export function* readField(table: FlatTable, budget: SchemaBudget, depth = 0): Steps<Field> {
  if (depth > maxDepth) return damaged("its types are nested too deep")
  yield
  const type = table.table(3)
  const typeIds = table.uint8(2) === 14 ? type?.vector(1, 4).length ?? 0 : 0
  const timezone = table.uint8(2) === 10 ? type?.stringLength(1) ?? 0 : 0
  spend(budget, leastTable + table.stringLength(0) + typeIds * 4 + timezone)
  const plain = plainField(table.string(0) ?? "", table.uint8(2))
  const children: Array<Field> = []
  for (const child of table.tables(5)) children.push(yield* readField(child, budget, depth + 1))
  const encoding = table.table(4)
  let extension: string | null | undefined
  for (const entry of table.tables(6)) {
    spend(budget, leastTable)
    if (!entry.hasString(0, "ARROW:extension:name")) continue
    spend(budget, entry.stringLength(1))
    extension ??= entry.string(1)
  }
  return {
    ...(type === null ? plain : typed(plain, type)),
    children,
    extension: extension ?? null,
    dictionary: encoding === null
      ? null
      : { id: encoding.int64(0), index: integerField(encoding.table(1)), isOrdered: encoding.uint8(2) === 1 }
  }
}

/** The source of the nodes and buffers of a batch, in order. */
export interface Cursor {
  /** Before version 5 of the format, a union had a validity bitmap of its own. */
  readonly unionsHaveBitmaps: boolean
  readonly dictionaries: ReadonlyMap<number, Vector>
  readonly node: () => { readonly length: number; readonly nullCount: number }
  readonly buffer: () => Uint8Array
  readonly variadic: () => number
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)

/** Whether a row has a value, according to the bitmap. */
const validityOf = (bitmap: Uint8Array, length: number, nullCount: number): (row: number) => boolean => {
  if (nullCount === 0 || bitmap.length === 0) return () => true
  if (bitmap.length * 8 < length) damaged("a bitmap is too short")
  return (row) => (bitmap[row >> 3]! >> (row & 7) & 1) === 1
}

const need = (bytes: Uint8Array, size: number): void => {
  if (!(size >= 0 && size <= bytes.length)) damaged("a column is too short")
}

const half = (bits: number): number => {
  const sign = (bits & 0x8000) === 0 ? 1 : -1
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1_023
  if (exponent === 31) return fraction === 0 ? sign * Infinity : Number.NaN
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1_024) * 2 ** (exponent - 15)
}

/** Bytes per value for types of fixed size; 0 for others. */
const widthOf = (field: Field): number => {
  switch (field.type) {
    case 2:
    case 7:
    case 9:
      return field.size / 8
    case 3:
      return 2 ** (field.scale + 1)
    case 8:
      return field.scale === 0 ? 4 : 8
    case 10:
    case 18:
      return 8
    case 11:
      return [4, 8, 16][field.scale] ?? 0
    case 15:
      return field.size
    default:
      return 0
  }
}

const integers = (view: DataView, width: number, isSigned: boolean): (row: number) => number | bigint => {
  switch (width) {
    case 1:
      return isSigned ? (row) => view.getInt8(row) : (row) => view.getUint8(row)
    case 2:
      return isSigned ? (row) => view.getInt16(row * 2, true) : (row) => view.getUint16(row * 2, true)
    case 4:
      return isSigned ? (row) => view.getInt32(row * 4, true) : (row) => view.getUint32(row * 4, true)
    case 8:
      return isSigned ? (row) => view.getBigInt64(row * 8, true) : (row) => view.getBigUint64(row * 8, true)
    case 16: // A type of polars; Arrow itself ends at 64 bits.
      return (row) => {
        const value = (view.getBigUint64(row * 16 + 8, true) << 64n) | view.getBigUint64(row * 16, true)
        return isSigned ? BigInt.asIntN(128, value) : value
      }
    default:
      return damaged("an integer has an unknown size")
  }
}

const decimals = (view: DataView, width: number, scale: number) => (row: number) => {
  if (width === 4) return decimalCell(BigInt(view.getInt32(row * 4, true)), scale)
  let value = 0n
  for (let at = width - 8; at >= 0; at -= 8) value = (value << 64n) | view.getBigUint64(row * width + at, true)
  return decimalCell(BigInt.asIntN(width * 8, value), scale)
}

const uuidOf = (bytes: Uint8Array, at: number): UUID => {
  const digits = hexOf(bytes, at, at + 16)
  return new UUID(digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5"))
}

/** The value of a row, for types of fixed size. */
const fixedReader = (field: Field, values: Uint8Array, width: number): (row: number) => unknown => {
  const view = viewOf(values)
  const unit = field.unit ?? "ns"
  switch (field.type) {
    case 2: {
      const read = integers(view, width, field.isSigned)
      return width < 8 ? read : (row) => integerCell(read(row) as bigint)
    }
    case 3:
      return width === 2
        ? (row) => half(view.getUint16(row * 2, true))
        : width === 4
        ? (row) => view.getFloat32(row * 4, true)
        : (row) => view.getFloat64(row * 8, true)
    case 7:
      return decimals(view, width, field.scale)
    case 8:
      return width === 4
        ? (row) => dateCell(view.getInt32(row * 4, true))
        : (row) => dateCell(Math.floor(Number(view.getBigInt64(row * 8, true)) / 86_400_000))
    case 9: {
      const read = integers(view, width, true)
      return (row) => timeCell(BigInt(read(row)), unit)
    }
    case 10: {
      const zone = zoneFromName(field.timezone)
      return (row) => timestampCell(view.getBigInt64(row * 8, true), unit, zone)
    }
    case 18:
      return (row) => timedeltaCell(view.getBigInt64(row * 8, true), unit)
    case 11: // A calendar interval: months, or days and milliseconds, or months, days and nanoseconds.
      return width === 4
        ? (row) => view.getInt32(row * 4, true)
        : width === 8
        ? (row) => [view.getInt32(row * 8, true), view.getInt32(row * 8 + 4, true)]
        : (row) => [
          view.getInt32(row * 16, true),
          view.getInt32(row * 16 + 4, true),
          integerCell(view.getBigInt64(row * 16 + 8, true))
        ]
    default:
      return field.extension === "arrow.uuid" && width === 16
        ? (row) => uuidOf(values, row * 16)
        : (row) => values.slice(row * width, (row + 1) * width)
  }
}

/** Where a variable-size row starts, and the one before ends. */
const offsetsOf = (offsets: Uint8Array, length: number, isLarge: boolean): (row: number) => number => {
  const view = viewOf(offsets)
  const width = isLarge ? 8 : 4
  if (length > 0) need(offsets, (length + 1) * width)
  return isLarge
    ? (row) => Number(view.getBigInt64(row * 8, true))
    : (row) => view.getInt32(row * 4, true)
}

/** The start and end of a variable-size row; checked on access. */
const rangesOf = (offsets: Uint8Array, length: number, isLarge: boolean, limit: number) => {
  const read = offsetsOf(offsets, length, isLarge)
  return (row: number): readonly [start: number, end: number] => {
    const [start, end] = [read(row), read(row + 1)]
    return start >= 0 && end >= start && end <= limit ? [start, end] : damaged("a value lies outside of its column")
  }
}

/** Texts of fewer bytes are parts of one text of some rows: parts of it that are longer would hold all of it. */
const shortText = 13
/** How many rows that is. */
const rowsAtOnce = 64
/** The most bytes of that text, which is kept. */
const textsAtOnce = rowsAtOnce * shortText

/** The text of a row. Rows that are read in order are decoded together, while they are short and ASCII. */
const texts = (offsets: Uint8Array, data: Uint8Array, length: number, isLarge: boolean): (row: number) => string => {
  const offset = offsetsOf(offsets, length, isLarge)
  /** The text of the bytes between two places, and the row to decode more at. */
  let together = ""
  let from = 0
  let to = 0
  let next = -1
  return (row) => {
    const start = offset(row)
    const end = offset(row + 1)
    if (!(start >= 0 && end >= start && end <= data.length)) return damaged("a value lies outside of its column")
    if (end - start >= shortText) return utf8Of(data, start, end)
    if (start >= from && end <= to) return together.slice(start - from, end - from)
    if (row !== next) {
      next = row + 1
      return utf8Of(data, start, end)
    }
    next = Math.min(length, row + rowsAtOnce)
    const stop = offset(next)
    if (!(stop >= end && stop <= data.length && stop - start <= textsAtOnce)) return utf8Of(data, start, end)
    const text = utf8Of(data, start, stop)
    // As many characters as bytes: no character has more than one.
    if (text.length !== stop - start) return utf8Of(data, start, end)
    together = text
    from = start
    to = stop
    return text.slice(0, end - start)
  }
}

const itemsOf = (child: Vector, start: number, end: number): Array<unknown> => {
  const out: Array<unknown> = []
  if (!(start >= 0 && end <= child.length)) damaged("a list lies outside of its items")
  for (let i = start; i < end; i++) out.push(child.at(i))
  return out
}

const struct = (children: ReadonlyArray<Field>, vectors: ReadonlyArray<Vector>) => (row: number) => {
  const out: Record<string, unknown> = {}
  children.forEach(({ name }, i) =>
    Object.defineProperty(out, name, {
      value: vectors[i]!.at(row),
      enumerable: true,
      configurable: true,
      writable: true
    })
  )
  return out
}

/** The most values without bytes that may be items: a list of a few bytes would become an array of gigabytes. */
const mostWithoutData = 0x1000000

/** Whether values take no bytes, or one run of them, however many they are. */
const isWithoutData = ({ children, dictionary, size, type }: Field): boolean =>
  dictionary === null && (
    type === 1 || type === 22 || (type === 13 && children.every(isWithoutData)) ||
    (type === 15 && size === 0) || (type === 16 && (size === 0 || children.every(isWithoutData)))
  )

/** The values that lists are made of. */
function* itemsIn(field: Field, cursor: Cursor): Steps<Vector> {
  const items = yield* buildVector(field, cursor)
  return items.length > mostWithoutData && isWithoutData(field)
    ? refuse("the Arrow data has lists of too many values that take no bytes")
    : items
}

/** The value of a non-null row of a type of variable size. */
function* variableReader(field: Field, length: number, cursor: Cursor): Steps<(row: number) => unknown> {
  const child = () => itemsIn(field.children[0] ?? damaged("a list has no type of items"), cursor)
  switch (field.type) {
    case 4:
    case 5:
    case 19:
    case 20: {
      const offsets = cursor.buffer()
      const data = cursor.buffer()
      if (field.type === 5 || field.type === 20) return texts(offsets, data, length, field.type === 20)
      const range = rangesOf(offsets, length, field.type === 19, data.length)
      return (row) => data.slice(...range(row))
    }
    case 6: {
      const bits = cursor.buffer()
      need(bits, Math.ceil(length / 8))
      return (row) => (bits[row >> 3]! >> (row & 7) & 1) === 1
    }
    case 12:
    case 21: {
      const offsets = cursor.buffer()
      const items = yield* child()
      const range = rangesOf(offsets, length, field.type === 21, items.length)
      return (row) => itemsOf(items, ...range(row))
    }
    case 13: {
      const vectors = yield* buildVectors(field.children, cursor)
      if (vectors.some((vector) => vector.length < length)) damaged("a struct is longer than its fields")
      return struct(field.children, vectors)
    }
    case 16: {
      const items = yield* child()
      return (row) => itemsOf(items, row * field.size, (row + 1) * field.size)
    }
    case 17: {
      const offsets = cursor.buffer()
      const entries = field.children[0] ?? damaged("a map has no entries")
      cursor.node()
      cursor.buffer()
      const [key, item] = entries.children
      if (key === undefined || item === undefined) return damaged("a map has no keys or no values")
      const keys = yield* itemsIn(key, cursor)
      const values = yield* itemsIn(item, cursor)
      const range = rangesOf(offsets, length, false, Math.min(keys.length, values.length))
      return (row) => {
        const [start, end] = range(row)
        return itemsOf(keys, start, end).map((key, i) => [key, values.at(start + i)])
      }
    }
    case 23:
    case 24: {
      const views = cursor.buffer()
      const count = cursor.variadic()
      need(views, length * 16)
      const data: Array<Uint8Array> = []
      for (let i = 0; i < count; i++) data.push(cursor.buffer())
      const view = viewOf(views)
      return (row) => {
        const size = view.getInt32(row * 16, true)
        const isInline = size <= 12
        const at = isInline ? 0 : view.getInt32(row * 16 + 8, true)
        const source = isInline ? views : data[at] ?? damaged("a text has no data")
        const start = isInline ? row * 16 + 4 : view.getInt32(row * 16 + 12, true)
        if (!(size >= 0 && start >= 0 && start + size <= source.length)) damaged("a value lies outside of its column")
        if (field.type !== 24) return source.slice(start, start + size)
        return utf8Of(source, start, start + size)
      }
    }
    case 25:
    case 26: {
      const isLarge = field.type === 26
      const [offsets, sizes] = [cursor.buffer(), cursor.buffer()]
      const width = isLarge ? 8 : 4
      need(offsets, length * width)
      need(sizes, length * width)
      const items = yield* child()
      const [start, size] = [integers(viewOf(offsets), width, true), integers(viewOf(sizes), width, true)]
      return (row) => itemsOf(items, Number(start(row)), Number(start(row)) + Number(size(row)))
    }
    default:
      return refuse("the Arrow data has a column of a type that is not read")
  }
}

function* buildVectors(fields: ReadonlyArray<Field>, cursor: Cursor): Steps<Array<Vector>> {
  const vectors: Array<Vector> = []
  for (const field of fields) {
    vectors.push(yield* buildVector(field, cursor))
    yield
  }
  return vectors
}

function* union(
  field: Field,
  length: number,
  nullCount: number,
  cursor: Cursor
): Steps<(row: number) => unknown> {
  const isValid = cursor.unionsHaveBitmaps ? validityOf(cursor.buffer(), length, nullCount) : () => true
  const ids = cursor.buffer()
  need(ids, length)
  const isDense = field.scale === 1
  const offsets = isDense ? cursor.buffer() : new Uint8Array(0)
  if (isDense) need(offsets, length * 4)
  const view = viewOf(offsets)
  const vectors = yield* buildVectors(field.children, cursor)
  const positions = new Map(vectors.map((vector, i) => [field.typeIds[i] ?? i, vector]))
  return (row) => {
    if (!isValid(row)) return null
    const vector = positions.get(ids[row]!) ?? damaged("a union has no such type")
    const at = isDense ? view.getInt32(row * 4, true) : row
    return at >= 0 && at < vector.length ? vector.at(at) : damaged("a value lies outside of its column")
  }
}

function* runEnds(field: Field, cursor: Cursor): Steps<(row: number) => unknown> {
  const [ends, values] = yield* buildVectors(field.children, cursor)
  if (ends === undefined || values === undefined) return damaged("a run has no end or no value")
  return (row) => {
    let low = 0
    let high = ends.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (Number(ends.at(middle)) <= row) low = middle + 1
      else high = middle
    }
    return low < values.length ? values.at(low) : damaged("a value lies outside of its column")
  }
}

/** Several vectors as one. */
export const concat = (vectors: ReadonlyArray<Vector>): Vector => {
  const [only] = vectors
  return only !== undefined && vectors.length === 1 ? only : new Concatenated(vectors)
}

class Concatenated implements Vector {
  length = 0
  byteSize = 0
  private readonly vectors: Array<Vector> = []
  private readonly ends: Array<number> = []
  /** The vector of the last row, and its rows. */
  private vector: Vector | undefined
  private start = 0
  private end = 0

  constructor(vectors: ReadonlyArray<Vector>) {
    for (const vector of vectors) this.append(vector)
  }

  append(vector: Vector): void {
    this.vectors.push(vector)
    this.byteSize += vector.byteSize ?? 0
    this.ends.push(this.length += vector.length)
  }

  readonly at = (row: number): unknown => {
    if (!(row >= this.start && row < this.end)) this.find(row)
    return this.vector === undefined ? null : this.vector.at(row - this.start)
  }

  /** Rows are mostly read in order, so that the next one is in the same vector. */
  private find(row: number): void {
    let low = 0
    let high = this.ends.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.ends[middle]! <= row) low = middle + 1
      else high = middle
    }
    this.vector = this.vectors[low]
    this.start = this.ends[low - 1] ?? 0
    this.end = this.ends[low] ?? this.start
  }
}

/** The most texts of a dictionary that are cached: rows repeat the same ones. */
const maxKept = 65_536

/** The values of a dictionary, to which later batches of the stream may append. */
export class Dictionary implements Vector {
  private readonly values: Concatenated
  private readonly kept: Array<string | undefined> = []

  constructor(values: Vector) {
    this.values = new Concatenated([values])
  }

  get length(): number {
    return this.values.length
  }

  get byteSize(): number {
    return this.values.byteSize
  }

  append(values: Vector): void {
    this.values.append(values)
  }

  readonly at = (row: number): unknown => {
    const kept = this.kept[row]
    if (kept !== undefined) return kept
    const value = this.values.at(row)
    if (typeof value === "string" && row < maxKept) {
      while (this.kept.length < row) this.kept.push(undefined)
      this.kept[row] = value
    }
    return value
  }
}

/** Takes the nodes and buffers of a field from a batch. */
export function* buildVector(field: Field, cursor: Cursor): Steps<Vector> {
  const { length, nullCount } = cursor.node()
  if (field.dictionary !== null) {
    const { id, index } = field.dictionary
    const isValid = validityOf(cursor.buffer(), length, nullCount)
    const indices = cursor.buffer()
    const width = index.size / 8
    need(indices, length * width)
    const read = integers(viewOf(indices), width, index.isSigned)
    const { dictionaries } = cursor
    // A later batch may replace it; in a file it may also come after the batch.
    const known = dictionaries.get(id)
    return {
      length,
      at: (row) => {
        if (!isValid(row)) return null
        const dictionary = known ?? dictionaries.get(id)
        const at = Number(read(row))
        return dictionary !== undefined && at >= 0 && at < dictionary.length ? dictionary.at(at) : null
      }
    }
  }
  if (field.type === 1) return { length, at: () => null }
  if (field.type === 14) return { length, at: yield* union(field, length, nullCount, cursor) }
  if (field.type === 22) return { length, at: yield* runEnds(field, cursor) }
  const isValid = validityOf(cursor.buffer(), length, nullCount)
  const width = widthOf(field)
  let read: (row: number) => unknown
  if (width > 0) {
    const values = cursor.buffer()
    need(values, length * width)
    read = fixedReader(field, values, width)
  } else read = yield* variableReader(field, length, cursor)
  return { length, at: nullCount === 0 ? read : (row) => isValid(row) ? read(row) : null }
}
