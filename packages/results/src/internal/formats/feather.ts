/**
 * Arrow: IPC files (Feather 2), IPC streams, and the Feather 1 files of pyarrow before 0.17. flechette reads the types;
 * the compression that pyarrow writes by default, which it does not know, is taken off before.
 */
import type * as Flechette from "@uwdata/flechette"
import * as zlib from "node:zlib"
import { type ColumnParts, type Table, type TimeUnit } from "../../Table.ts"
import { dateCell, decimalCell, integerCell, timeCell, timedeltaCell, timestampCell, zoneFromName } from "./cells.ts"
import { readFeather1 } from "./feather1.ts"
import { FlatTable } from "./flatbuffer.ts"
import { unlz4Frame } from "./lz4.ts"
import { arrange, readPandasMetadata } from "./pandasMetadata.ts"
import { Refusal, refuse, tooLarge } from "./refusal.ts"

const damaged = (what: string): never => refuse(`the Arrow data is damaged: ${what}`)

const loadFlechette = async (): Promise<typeof Flechette> => {
  try {
    return await import("@uwdata/flechette")
  } catch {
    return refuse("it is Feather or Arrow: install @uwdata/flechette to read it (npm install @uwdata/flechette)")
  }
}

const isFile = (bytes: Uint8Array): boolean => Buffer.from(bytes.subarray(0, 6)).toString("latin1") === "ARROW1"

interface Message {
  /** The flatbuffer that describes the body. */
  readonly head: Uint8Array
  readonly body: Uint8Array
}

/** The messages of a stream. A file is one too, after its magic and before its footer. */
const readMessages = (bytes: Uint8Array): Array<Message> => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const out: Array<Message> = []
  let at = isFile(bytes) ? 8 : 0
  while (at + 4 <= bytes.length) {
    let length = view.getInt32(at, true)
    at += 4
    if (length === -1) {
      if (at + 4 > bytes.length) damaged("a message breaks off")
      length = view.getInt32(at, true)
      at += 4
    }
    if (length === 0) break
    if (length < 0 || at + length > bytes.length) damaged("a message breaks off")
    const head = bytes.subarray(at, at + length)
    at += length
    const bodyLength = FlatTable.root(head).int64(3)
    if (bodyLength < 0 || at + bodyLength > bytes.length) damaged("a body breaks off")
    out.push({ head, body: bytes.subarray(at, at + bodyLength) })
    at += bodyLength
  }
  return out
}

/** The record batch of a message, directly or as a dictionary. */
const recordBatchOf = (root: FlatTable): FlatTable | null => {
  const kind = root.uint8(1)
  return kind === 3 ? root.table(2) : kind === 2 ? root.table(2)?.table(1) ?? null : null
}

/** Before the format had a place for it, pyarrow 0.17 named the compression in the metadata of each message. */
const earlyCodecs: Readonly<Record<string, number>> = { lz4: 0, lz4_frame: 0, zstd: 1 }

/** How the buffers of a batch are compressed (0 is LZ4, 1 is zstd), `undefined` when they are not. */
const codecOf = (root: FlatTable, batch: FlatTable): number | undefined => {
  const compression = batch.table(3)
  if (compression !== null) return compression.uint8(0)
  for (const entry of root.tables(4)) {
    if (entry.string(0) !== "ARROW:experimental_compression") continue
    return earlyCodecs[(entry.string(1) ?? "").toLowerCase()] ??
      refuse("the Arrow data uses a compression that is not LZ4 or zstd")
  }
  return undefined
}

const decompressBuffer = (codec: number, bytes: Uint8Array, left: number, maxBytes: number): Uint8Array => {
  if (bytes.length === 0) return bytes
  if (bytes.length < 8) damaged("a compressed buffer breaks off")
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigInt64(0, true))
  const content = bytes.subarray(8)
  if (length === -1) return content
  if (length < 0) damaged("a compressed buffer has no length")
  if (length > left) tooLarge(maxBytes)
  if (length === 0) return new Uint8Array(0)
  if (codec === 0) return unlz4Frame(content, length)
  if (codec !== 1) refuse("the Arrow data uses a compression that is not LZ4 or zstd")
  if (zlib.zstdDecompressSync === undefined) {
    refuse("the Arrow data uses zstd, which this Node.js cannot read: use Node.js 22.15 or later")
  }
  const out = zlib.zstdDecompressSync(content, { maxOutputLength: length })
  return out.length === length ? out : damaged("a compressed buffer is shorter than it says")
}

/** A message with its buffers as they are; the flatbuffer is patched to say so. */
const plainMessage = ({ body, head }: Message, budget: { left: number }, maxBytes: number): Message => {
  const root = FlatTable.root(head)
  const batch = recordBatchOf(root)
  const codec = batch === null ? undefined : codecOf(root, batch)
  if (batch === null || codec === undefined) return { head, body }
  const { length: count, start } = batch.vector(2)
  const patched = new Uint8Array(head)
  const view = new DataView(patched.buffer)
  const buffers: Array<Uint8Array> = []
  let offset = 0
  for (let i = 0; i < count; i++) {
    const at = start + i * 16
    const [from, length] = [Number(view.getBigInt64(at, true)), Number(view.getBigInt64(at + 8, true))]
    if (from < 0 || length < 0 || from + length > body.length) damaged("a buffer lies outside of its body")
    const buffer = decompressBuffer(codec, body.subarray(from, from + length), budget.left, maxBytes)
    budget.left -= buffer.length
    view.setBigInt64(at, BigInt(offset), true)
    view.setBigInt64(at + 8, BigInt(buffer.length), true)
    buffers.push(buffer)
    offset += Math.ceil(buffer.length / 8) * 8
  }
  const plain = new Uint8Array(offset)
  let at = 0
  for (const buffer of buffers) {
    plain.set(buffer, at)
    at += Math.ceil(buffer.length / 8) * 8
  }
  if (batch.slot(3) !== 0) view.setUint16(batch.slot(3), 0, true)
  const bodyLength = root.field(3)
  if (bodyLength === 0) damaged("a body has no length")
  view.setBigInt64(bodyLength, BigInt(offset), true)
  return { head: patched, body: plain }
}

const isCompressed = ({ head }: Message): boolean => {
  const root = FlatTable.root(head)
  const batch = recordBatchOf(root)
  return batch !== null && codecOf(root, batch) !== undefined
}

/** The bytes as a stream without compression, at an address that typed arrays take. */
const plainStream = (bytes: Uint8Array, maxBytes: number): Uint8Array => {
  const messages = readMessages(bytes)
  if (!messages.some(isCompressed)) return bytes.byteOffset % 8 === 0 ? bytes : new Uint8Array(bytes)
  const budget = { left: maxBytes }
  const plain = messages.map((message) => plainMessage(message, budget, maxBytes))
  const padded = (length: number) => Math.ceil(length / 8) * 8
  const out = new Uint8Array(plain.reduce((sum, { body, head }) => sum + 8 + padded(head.length) + body.length, 8))
  const view = new DataView(out.buffer)
  let at = 0
  for (const { body, head } of plain) {
    view.setInt32(at, -1, true)
    view.setInt32(at + 4, padded(head.length), true)
    out.set(head, at + 8)
    at += 8 + padded(head.length)
    out.set(body, at)
    at += body.length
  }
  view.setInt32(at, -1, true)
  return out
}

const units: ReadonlyArray<TimeUnit> = ["s", "ms", "us", "ns"]

/** What is used of flechette's types; see Arrow's Schema.fbs. */
interface ArrowType {
  readonly typeId: number
  readonly unit?: number
  readonly timezone?: string | null
  readonly bitWidth?: number
  readonly scale?: number
  readonly stride?: number
  readonly ordered?: boolean
  readonly dictionary?: ArrowType
  readonly children?: ReadonlyArray<{ readonly name: string; readonly type: ArrowType }>
}

interface ArrowBatch {
  readonly type: ArrowType
  readonly length: number
  readonly nullCount: number
  readonly validity: Uint8Array | undefined
  readonly values: ArrayLike<number | bigint>
  readonly offsets: ArrayLike<number | bigint>
  readonly children: ReadonlyArray<ArrowBatch>
  readonly dictionary?: ArrowColumn
  isValid(index: number): boolean
  at(index: number): unknown
}

interface ArrowColumn {
  readonly type: ArrowType
  readonly length: number
  readonly data: ReadonlyArray<ArrowBatch>
  readonly offsets: ArrayLike<number>
}

const decimalWords = (batch: ArrowBatch, index: number): bigint => {
  const { bitWidth } = batch.type
  if (bitWidth === 32) return BigInt(batch.values[index] ?? 0)
  const words = (bitWidth ?? 128) / 64
  let value = 0n
  for (let word = words - 1; word >= 0; word--) {
    value = (value << 64n) | BigInt.asUintN(64, BigInt(batch.values[index * words + word] ?? 0))
  }
  return BigInt.asIntN(words * 64, value)
}

const range = (batch: ArrowBatch, start: number, end: number): Array<unknown> => {
  const out: Array<unknown> = []
  if (!(start >= 0 && end >= start && end <= batch.length)) damaged("a list lies outside of its items")
  for (let i = start; i < end; i++) out.push(cellOf(batch, i))
  return out
}

const big = (value: number | bigint | undefined): bigint => BigInt(value ?? 0)

/** A cell of a batch, with nothing of times and decimals lost. */
const cellOf = (batch: ArrowBatch, index: number): unknown => {
  const { type } = batch
  if (batch.nullCount > 0 && batch.validity !== undefined && batch.validity.length > 0 && !batch.isValid(index)) {
    return null
  }
  switch (type.typeId) {
    case -1: // Dictionary
      return batch.dictionary === undefined ? null : columnCell(batch.dictionary, Number(batch.values[index]))
    case 2: { // Int
      const value = batch.values[index]
      return typeof value === "bigint" ? integerCell(value) : value
    }
    case 7: // Decimal
      return decimalCell(decimalWords(batch, index), type.scale ?? 0)
    case 8: // Date
      return dateCell(
        type.unit === 0 ? Number(batch.values[index]) : Math.floor(Number(batch.values[index]) / 86_400_000)
      )
    case 9: // Time
      return timeCell(big(batch.values[index]), units[type.unit ?? 0]!)
    case 10: // Timestamp
      return timestampCell(big(batch.values[index]), units[type.unit ?? 0]!, zoneFromName(type.timezone ?? null))
    case 12: // List
    case 21: // LargeList
      return range(batch.children[0]!, Number(batch.offsets[index]), Number(batch.offsets[index + 1]))
    case 13: { // Struct
      const out: Record<string, unknown> = {}
      type.children?.forEach(({ name }, i) =>
        Object.defineProperty(out, name, {
          value: cellOf(batch.children[i]!, index),
          enumerable: true,
          configurable: true,
          writable: true
        })
      )
      return out
    }
    case 16: { // FixedSizeList
      const stride = type.stride ?? 0
      return range(batch.children[0]!, index * stride, (index + 1) * stride)
    }
    case 17: { // Map
      const [keys, values] = batch.children[0]!.children
      if (keys === undefined || values === undefined) return damaged("a map has no keys or no values")
      const [start, end] = [Number(batch.offsets[index]), Number(batch.offsets[index + 1])]
      return range(keys, start, end).map((key, i) => [key, cellOf(values, start + i)])
    }
    case 18: // Duration
      return timedeltaCell(big(batch.values[index]), units[type.unit ?? 0]!)
    default:
      return batch.at(index)
  }
}

const columnCell = (column: ArrowColumn, row: number): unknown => {
  const { data, offsets } = column
  if (data.length === 1) return row >= 0 && row < data[0]!.length ? cellOf(data[0]!, row) : null
  let low = 0
  let high = data.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (offsets[middle]! <= row) low = middle
    else high = middle - 1
  }
  const batch = data[low]
  return batch === undefined ? null : cellOf(batch, row - offsets[low]!)
}

const kinds: Readonly<Record<number, ColumnParts["kind"]>> = {
  2: "int",
  3: "float",
  4: "bytes",
  5: "string",
  6: "bool",
  7: "decimal",
  8: "date",
  9: "time",
  10: "datetime",
  15: "bytes",
  18: "timedelta",
  19: "bytes",
  20: "string",
  23: "bytes",
  24: "string"
}

const partsOf = (name: string, column: ArrowColumn): ColumnParts => {
  const type = column.type.dictionary ?? column.type
  const dictionary = column.data[0]?.dictionary
  const hasUnit = type.typeId === 9 || type.typeId === 10 || type.typeId === 18
  return {
    name,
    kind: kinds[type.typeId] ?? "object",
    length: column.length,
    at: (row) => columnCell(column, row),
    unit: hasUnit ? units[type.unit ?? 0] : null,
    timezone: type.typeId === 10 ? type.timezone : null,
    categories: dictionary === undefined
      ? null
      : Array.from({ length: dictionary.length }, (_, i) => columnCell(dictionary, i)),
    isOrdered: column.type.ordered
  }
}

/** The table of Arrow bytes of any of the three kinds. */
export const readFeather = async (bytes: Uint8Array, maxBytes: number): Promise<Table> => {
  try {
    if (Buffer.from(bytes.subarray(0, 4)).toString("latin1") === "FEA1") return readFeather1(bytes, maxBytes)
    const flechette = await loadFlechette()
    const arrow = flechette.tableFromIPC(plainStream(bytes, maxBytes), { useBigInt: true, useDecimalInt: true })
    const columns = arrow.children as unknown as ReadonlyArray<ArrowColumn>
    const numRows = columns.length === 0 ? 0 : Math.max(...columns.map(({ length }) => length))
    if (!(numRows * Math.max(columns.length, 1) <= maxBytes)) return tooLarge(maxBytes)
    if (columns.some(({ length }) => length !== numRows)) return damaged("its columns differ in length")
    const parts = columns.map((column, i) => partsOf(arrow.names[i]!, column))
    return arrange(parts, numRows, readPandasMetadata(arrow.schema.metadata?.get("pandas")))
  } catch (error) {
    if (error instanceof Refusal) throw error
    return damaged("it breaks off or contradicts itself")
  }
}
