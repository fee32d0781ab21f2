/**
 * Feather 1, which pandas wrote with feather-format and with pyarrow before 0.17: bare arrays, followed by a flatbuffer
 * (Feather's metadata.fbs) with the position of each column's array.
 */
import type { TimeUnit } from "@effect-prefect/pickle"
import { type ColumnParts, type Table } from "../../Table.ts"
import { utf8Of } from "../bytes.ts"
import { dateCell, integerCell, timeCell, timestampCell, zoneFromName } from "../cells.ts"
import { FlatTable } from "../flatbuffer.ts"
import { arrange, readPandasMetadata } from "../pandasMetadata.ts"
import { refuse, tooLarge } from "../refusal.ts"
import { every, type Steps } from "../steps.ts"

const damaged = (what: string): never => refuse(`the Feather file is damaged: ${what}`)

// The types in Feather's metadata.fbs, by number.
const [bool, int8, int16, int32, int64, uint8, uint16, uint32, uint64, float, double, utf8, binary] = Array.from(
  { length: 13 },
  (_, i) => i
)

/** Bits per value. */
const widths: Readonly<Record<number, number>> = {
  [bool!]: 1,
  [int8!]: 8,
  [int16!]: 16,
  [int32!]: 32,
  [int64!]: 64,
  [uint8!]: 8,
  [uint16!]: 16,
  [uint32!]: 32,
  [uint64!]: 64,
  [float!]: 32,
  [double!]: 64
}

const units: ReadonlyArray<TimeUnit> = ["s", "ms", "us", "ns"]

const align = (n: number): number => Math.ceil(n / 8) * 8

interface Values {
  readonly type: number
  readonly length: number
  readonly at: (row: number) => unknown
}

const readArray = (file: DataView, array: FlatTable): Values => {
  const type = array.uint8(0)
  const [start, length, nulls, size] = [array.int64(2), array.int64(3), array.int64(4), array.int64(5)]
  if (start < 0 || size < 0 || length < 0 || start + size > file.byteLength) damaged("a column lies outside of it")
  const view = new DataView(file.buffer, file.byteOffset + start, size)
  const bitmap = nulls > 0 ? align(Math.ceil(length / 8)) : 0
  const isNull = (row: number) => nulls > 0 && ((view.getUint8(row >> 3) >> (row & 7)) & 1) === 0
  if (type === utf8 || type === binary || type === 17 || type === 18) {
    const isLarge = type === 17 || type === 18
    const isText = type === utf8 || type === 17
    const width = isLarge ? 8 : 4
    const offset = (row: number) =>
      isLarge
        ? Number(view.getBigInt64(bitmap + row * width, true))
        : view.getInt32(bitmap + row * width, true)
    const data = bitmap + align((length + 1) * width)
    if (length > 0 && data + offset(length) > size) damaged("a column breaks off")
    return {
      type: isText ? utf8! : binary!,
      length,
      at: (row) => {
        if (isNull(row)) return null
        const [from, to] = [offset(row), offset(row + 1)]
        if (!(from >= 0 && to >= from && data + to <= size)) return damaged("a value lies outside of its column")
        const bytes = new Uint8Array(view.buffer, view.byteOffset + data + from, to - from)
        return isText ? utf8Of(bytes) : bytes.slice()
      }
    }
  }
  const width = widths[type]
  if (width === undefined) return refuse("the Feather file has a column of a type that is not known")
  if (bitmap + Math.ceil(length * width / 8) > size) damaged("a column breaks off")
  const read = (row: number): unknown => {
    const at = bitmap + row * width / 8
    switch (type) {
      case bool:
        return ((view.getUint8(bitmap + (row >> 3)) >> (row & 7)) & 1) === 1
      case int8:
        return view.getInt8(at)
      case int16:
        return view.getInt16(at, true)
      case int32:
        return view.getInt32(at, true)
      case int64:
        return view.getBigInt64(at, true)
      case uint8:
        return view.getUint8(at)
      case uint16:
        return view.getUint16(at, true)
      case uint32:
        return view.getUint32(at, true)
      case uint64:
        return view.getBigUint64(at, true)
      case float:
        return view.getFloat32(at, true)
      default:
        return view.getFloat64(at, true)
    }
  }
  return { type, length, at: (row) => isNull(row) ? null : read(row) }
}

const kindOf = (type: number): ColumnParts["kind"] =>
  type === bool
    ? "bool"
    : type === utf8
    ? "string"
    : type === binary
    ? "bytes"
    : type === float || type === double
    ? "float"
    : "int"

const plain = (value: unknown): unknown => typeof value === "bigint" ? integerCell(value) : value

function* columnOf(file: DataView, column: FlatTable, numRows: number): Steps<ColumnParts> {
  const values = readArray(file, column.table(1) ?? damaged("a column has no values"))
  if (values.length !== numRows) damaged("its columns differ in length")
  const name = column.string(0) ?? ""
  const meta = column.table(3)
  const base = { name, length: numRows }
  const count = (row: number): bigint | null => {
    const value = values.at(row)
    return value === null ? null : BigInt(value as number)
  }
  switch (column.uint8(2)) {
    case 1: { // CategoryMetadata
      const levels = readArray(file, meta?.table(0) ?? damaged("a category has no levels"))
      const categories: Array<unknown> = []
      for (let i = 0; i < levels.length; i++) {
        if (categories.push(plain(levels.at(i))) % every === 0) yield
      }
      const at = (row: number) => {
        const code = values.at(row)
        return code === null ? null : categories[Number(code)] ?? null
      }
      return { ...base, kind: kindOf(levels.type), at, categories, isOrdered: meta?.uint8(1) === 1 }
    }
    case 2: { // TimestampMetadata
      const unit = units[meta?.uint8(0) ?? 0] ?? "ns"
      const timezone = meta?.string(1) ?? null
      const zone = zoneFromName(timezone)
      const at = (row: number) => {
        const value = count(row)
        return value === null ? null : timestampCell(value, unit, zone)
      }
      return { ...base, kind: "datetime", at, unit, timezone }
    }
    case 3: { // DateMetadata
      const at = (row: number) => {
        const value = count(row)
        return value === null ? null : dateCell(Number(value))
      }
      return { ...base, kind: "date", at }
    }
    case 4: { // TimeMetadata
      const unit = units[meta?.uint8(0) ?? 0] ?? "ns"
      const at = (row: number) => {
        const value = count(row)
        return value === null ? null : timeCell(value, unit)
      }
      return { ...base, kind: "time", at, unit }
    }
  }
  return { ...base, kind: kindOf(values.type), at: (row) => plain(values.at(row)) }
}

/** The table of a Feather 1 file. */
export function* readFeather1(bytes: Uint8Array, maxBytes: number): Steps<Table> {
  if (bytes.length < 16) damaged("it breaks off")
  const file = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const size = file.getUint32(bytes.length - 8, true)
  if (size > bytes.length - 12) damaged("its metadata breaks off")
  const table = FlatTable.root(bytes.subarray(bytes.length - 8 - size, bytes.length - 8))
  const numRows = table.int64(1)
  const { length } = table.vector(2, 4)
  if (!(numRows >= 0 && numRows * Math.max(length, 1) <= maxBytes)) tooLarge(maxBytes)
  const parts: Array<ColumnParts> = []
  for (const column of table.tables(2)) {
    parts.push(yield* columnOf(file, column, numRows))
    yield
  }
  return yield* arrange(parts, numRows, yield* readPandasMetadata(table.string(4)))
}
