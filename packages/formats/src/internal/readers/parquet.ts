/** Parquet, by hyparquet: what it converts with loss (times, decimals) is taken from it raw and converted here. */
import { type TimeUnit, UUID } from "@effect-prefect/pickle"
import type * as Hyparquet from "hyparquet"
import * as zlib from "node:zlib"
import { type ColumnParts, type Table } from "../../Table.ts"
import {
  bigEndianInteger,
  dateCell,
  decimalCell,
  integerCell,
  timeCell,
  timedeltaCell,
  timestampCell,
  zoneFromName
} from "../cells.ts"
import { unlz4Parquet, unlz4Raw } from "../compression/lz4.ts"
import { FlatTable } from "../flatbuffer.ts"
import { arrange, readPandasMetadata, timedeltaUnit } from "../pandasMetadata.ts"
import { Refusal, refuse, tooLarge } from "../refusal.ts"

type Element = Hyparquet.SchemaElement

/** What a leaf of the schema holds, told before hyparquet is kept from converting it. */
type Leaf =
  | { readonly _tag: "bool" | "int" | "float" | "string" | "bytes" | "date" | "uuid" }
  | { readonly _tag: "decimal"; readonly scale: number }
  | { readonly _tag: "time" | "timedelta"; readonly unit: TimeUnit }
  | { readonly _tag: "timestamp"; readonly unit: TimeUnit; readonly isUtc: boolean }

const units = { MILLIS: "ms", MICROS: "us", NANOS: "ns" } as const

const leafOf = (element: Element): Leaf => {
  const { converted_type: converted, logical_type: logical, type } = element
  switch (logical?.type) {
    case "DECIMAL":
      return { _tag: "decimal", scale: element.scale ?? logical.scale }
    case "DATE":
      return { _tag: "date" }
    case "TIME":
      return { _tag: "time", unit: units[logical.unit] }
    case "TIMESTAMP":
      return { _tag: "timestamp", unit: units[logical.unit], isUtc: logical.isAdjustedToUTC }
    case "UUID":
      return { _tag: "uuid" }
    case "FLOAT16":
      return { _tag: "float" }
    case "STRING":
    case "ENUM":
    case "JSON":
      return { _tag: "string" }
    case "INTEGER":
      return { _tag: "int" }
  }
  switch (converted) {
    case "DECIMAL":
      return { _tag: "decimal", scale: element.scale ?? 0 }
    case "DATE":
      return { _tag: "date" }
    case "TIME_MILLIS":
    case "TIME_MICROS":
      return { _tag: "time", unit: converted === "TIME_MILLIS" ? "ms" : "us" }
    case "TIMESTAMP_MILLIS":
    case "TIMESTAMP_MICROS":
      return { _tag: "timestamp", unit: converted === "TIMESTAMP_MILLIS" ? "ms" : "us", isUtc: true }
    case "UTF8":
    case "ENUM":
    case "JSON":
      return { _tag: "string" }
  }
  switch (type) {
    case "BOOLEAN":
      return { _tag: "bool" }
    case "INT32":
    case "INT64":
      return { _tag: "int" }
    case "INT96":
      return { _tag: "timestamp", unit: "ns", isUtc: false }
    case "FLOAT":
    case "DOUBLE":
      return { _tag: "float" }
    default:
      return { _tag: "bytes" }
  }
}

const isRaw = (leaf: Leaf, element: Element): boolean =>
  leaf._tag === "decimal" || leaf._tag === "date" || leaf._tag === "time" || leaf._tag === "timestamp" ||
  element.converted_type === "BSON" || element.converted_type === "INTERVAL"

interface ArrowField {
  readonly timezone: string | null
  readonly duration: TimeUnit | null
}

const arrowUnits = ["s", "ms", "us", "ns"] as const

/** What the Arrow schema that pyarrow adds says beyond Parquet's own: time zones and durations. */
const readArrowSchema = (base64: string | undefined): ReadonlyMap<string, ArrowField> => {
  const out = new Map<string, ArrowField>()
  if (base64 === undefined) return out
  try {
    const bytes = Buffer.from(base64, "base64")
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    const schema = FlatTable.root(bytes.subarray(view.getInt32(0, true) === -1 ? 8 : 4)).table(2)
    for (const field of schema?.tables(1) ?? []) {
      const tag = field.uint8(2)
      const type = field.table(3)
      out.set(field.string(0) ?? "", {
        timezone: tag === 10 ? type?.string(1) ?? null : null,
        duration: tag === 18 ? arrowUnits[type?.int16(0, 1) ?? 1] ?? null : null
      })
    }
  } catch {
    // It only adds to what the file says itself.
  }
  return out
}

const convertLeaf = (value: unknown, leaf: Leaf, zone: ReturnType<typeof zoneFromName>): unknown => {
  if (value === null || value === undefined) return null
  switch (leaf._tag) {
    case "int":
      return typeof value === "bigint" ? integerCell(value) : value
    case "decimal":
      return decimalCell(value instanceof Uint8Array ? bigEndianInteger(value) : BigInt(value as number), leaf.scale)
    case "date":
      return dateCell(Number(value))
    case "time":
      return timeCell(BigInt(value as number), leaf.unit)
    case "timestamp":
      return timestampCell(value instanceof Uint8Array ? int96(value) : BigInt(value as number), leaf.unit, zone)
    case "timedelta":
      return timedeltaCell(BigInt(value as number), leaf.unit)
    case "uuid":
      return new UUID(value as string)
    case "string":
      return value instanceof Uint8Array ? utf8(value) : value
    default:
      return value
  }
}

/** Nanoseconds since 1970 of an INT96: those of the day, which may be negative, and the Julian day. */
const int96 = (bytes: Uint8Array): bigint => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  return BigInt(view.getInt32(8, true) - 2_440_588) * 86_400_000_000_000n + view.getBigInt64(0, true)
}

const utf8 = (bytes: Uint8Array): string => {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  return buffer.toString("utf8")
}

const convertNested = (value: unknown, tree: Hyparquet.SchemaTree, leaves: ReadonlyMap<Element, Leaf>): unknown => {
  if (value === null || value === undefined) return null
  const { children, element } = tree
  if (children.length === 0) {
    const leaf = leaves.get(element)!
    const one = (item: unknown) =>
      convertLeaf(item, leaf, leaf._tag === "timestamp" && leaf.isUtc ? zoneFromName("UTC") : null)
    return element.repetition_type === "REPEATED" && Array.isArray(value) ? value.map(one) : one(value)
  }
  const isList = element.converted_type === "LIST" || element.logical_type?.type === "LIST"
  if (isList && Array.isArray(value)) {
    // The list holds a repeated group, and that one child, or is itself the child in files of old writers.
    const inner = children[0]!
    const item = inner.children.length === 1 ? inner.children[0]! : { ...inner, element: { ...inner.element } }
    if (inner.children.length === 0) leaves = new Map([...leaves, [item.element, leaves.get(inner.element)!]])
    return value.map((each) => convertNested(each, item, leaves))
  }
  const isMap = element.converted_type === "MAP" || element.converted_type === "MAP_KEY_VALUE" ||
    element.logical_type?.type === "MAP"
  if (isMap) {
    const item = children[0]?.children[1]
    const entries = Array.isArray(value) ? value.map((each) => [each?.key, each?.value]) : Object.entries(value)
    // pandas reads a map as a list of pairs.
    return entries.map(([key, each]) => [key ?? null, item === undefined ? null : convertNested(each, item, leaves)])
  }
  if (Array.isArray(value)) return value.map((each) => convertNested(each, tree, leaves))
  if (typeof value !== "object") return value
  const source = value as Readonly<Record<string, unknown>>
  const out: Record<string, unknown> = {}
  for (const child of children) {
    Object.defineProperty(out, child.element.name, {
      value: convertNested(source[child.element.name], child, leaves),
      enumerable: true,
      configurable: true,
      writable: true
    })
  }
  return out
}

/** Decompressors that never make more than what is left of the limit. */
const makeCompressors = (snappy: typeof Hyparquet.snappyUncompress, maxBytes: number): Hyparquet.Compressors => {
  let left = maxBytes
  const bounded =
    (decompress: (input: Uint8Array, length: number) => Uint8Array) => (input: Uint8Array, length: number) => {
      if (!(length >= 0)) refuse("the Parquet file is damaged: a page has no length")
      left -= length
      if (left < 0) tooLarge(maxBytes)
      return length === 0 ? new Uint8Array(0) : decompress(input, length)
    }
  return {
    SNAPPY: bounded((input, length) => {
      const output = new Uint8Array(length)
      snappy(input, output)
      return output
    }),
    GZIP: bounded((input, length) => zlib.unzipSync(input, { maxOutputLength: length })),
    BROTLI: bounded((input, length) => zlib.brotliDecompressSync(input, { maxOutputLength: length })),
    ZSTD: bounded((input, length) =>
      zlib.zstdDecompressSync === undefined
        ? refuse("it is Parquet with zstd, which this Node.js cannot read: use Node.js 22.15 or later")
        : zlib.zstdDecompressSync(input, { maxOutputLength: length })
    ),
    LZ4: bounded(unlz4Parquet),
    LZ4_RAW: bounded(unlz4Raw)
  }
}

const loadHyparquet = async (): Promise<typeof Hyparquet> => {
  try {
    return await import("hyparquet")
  } catch {
    return refuse("it is Parquet: install hyparquet to read it (npm install hyparquet)")
  }
}

const kindOf = (leaf: Leaf): ColumnParts["kind"] =>
  leaf._tag === "timestamp" ? "datetime" : leaf._tag === "uuid" ? "object" : leaf._tag

/** The chunks of a column as one array. */
const join = (chunks: ReadonlyArray<ArrayLike<unknown>>): ArrayLike<unknown> => {
  if (chunks.length === 1) return chunks[0]!
  const out: Array<unknown> = []
  for (const chunk of chunks) for (let i = 0; i < chunk.length; i++) out.push(chunk[i])
  return out
}

/**
 * Runs a read whose slices come only when it waits for all of them. When hyparquet finds at once that a schema
 * contradicts itself it leaves the columns that it began to read alone, and the failure of one would end the process.
 */
const gated = async (read: (slice: <A>(take: () => A) => Promise<A>) => Promise<void>): Promise<void> => {
  let open = () => {}
  const gate = new Promise<void>((resolve) => open = resolve)
  let failed = false
  const reading = read((take) => gate.then(take)).catch((error: unknown) => {
    failed = true
    throw error
  })
  reading.catch(() => {})
  await new Promise((resolve) => setImmediate(resolve))
  if (!failed) open()
  await reading
}

const damaged = (error: unknown): never => {
  if (error instanceof Refusal) throw error
  return refuse("the Parquet file is damaged: it breaks off or contradicts itself")
}

/** The table of a Parquet file. */
export const readParquet = async (bytes: Uint8Array, maxBytes: number): Promise<Table> => {
  const hyparquet = await loadHyparquet()
  try {
    return await read(hyparquet, bytes, maxBytes)
  } catch (error) {
    return damaged(error)
  }
}

const read = async (hyparquet: typeof Hyparquet, bytes: Uint8Array, maxBytes: number): Promise<Table> => {
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer
  const metadata = hyparquet.parquetMetadata(buffer, { geoparquet: false })
  const numRows = Number(metadata.num_rows)
  const tree = hyparquet.parquetSchema(metadata)
  let size = 0n
  for (const group of metadata.row_groups) {
    for (const { meta_data: column } of group.columns) {
      if (column === undefined) return refuse("the Parquet file is encrypted, or keeps its columns in other files")
      // A page of equal values takes no bytes at all, so the values count as well.
      size += column.total_uncompressed_size > column.num_values ? column.total_uncompressed_size : column.num_values
    }
  }
  if (size > BigInt(maxBytes) || numRows * tree.children.length > maxBytes) return tooLarge(maxBytes)
  const leaves = new Map<Element, Leaf>()
  for (const element of metadata.schema) {
    if (element.type === undefined) continue
    const leaf = leafOf(element)
    leaves.set(element, leaf)
    if (isRaw(leaf, element)) {
      delete element.converted_type
      delete element.logical_type
    }
    if (element.type === "INT96") {
      element.type = "FIXED_LEN_BYTE_ARRAY"
      element.type_length = 12
    }
  }
  for (const group of metadata.row_groups) {
    for (const { meta_data: column } of group.columns) {
      if (column?.type === "INT96") column.type = "FIXED_LEN_BYTE_ARRAY"
    }
  }
  const chunks = new Map<string, Array<{ readonly start: number; readonly data: ArrayLike<unknown> }>>()
  const raw = (value: unknown) => value
  if (numRows > 0 && tree.children.length > 0) {
    await gated((slice) =>
      hyparquet.parquetRead({
        file: { byteLength: buffer.byteLength, slice: (start, end) => slice(() => buffer.slice(start, end)) },
        metadata,
        utf8: false,
        compressors: makeCompressors(hyparquet.snappyUncompress, maxBytes),
        parsers: {
          stringFromBytes: (value: Uint8Array | undefined) => value === undefined ? value : utf8(value),
          jsonFromBytes: (value: Uint8Array | undefined) => value === undefined ? value : utf8(value),
          geometryFromBytes: raw,
          geographyFromBytes: raw
        },
        onChunk: ({ columnData, columnName, rowStart }) => {
          const list = chunks.get(columnName)
          if (list === undefined) chunks.set(columnName, [{ start: rowStart, data: columnData }])
          else list.push({ start: rowStart, data: columnData })
        }
      })
    )
  }
  const values = new Map((metadata.key_value_metadata ?? []).map(({ key, value }) => [key, value]))
  const pandas = readPandasMetadata(values.get("pandas"))
  const arrow = readArrowSchema(values.get("ARROW:schema"))
  const parts = tree.children.map((child): ColumnParts => {
    const { name } = child.element
    const data = join((chunks.get(name) ?? []).toSorted((a, b) => a.start - b.start).map((chunk) => chunk.data))
    if (data.length !== undefined && data.length < numRows) refuse("the Parquet file is damaged: a column is too short")
    if (child.children.length > 0 || child.element.repetition_type === "REPEATED") {
      return { name, kind: "object", length: numRows, at: (row) => convertNested(data[row], child, leaves) }
    }
    const stored = leaves.get(child.element)!
    const duration = stored._tag === "int"
      ? arrow.get(name)?.duration ?? timedeltaUnit(pandas.columns.get(name)?.numpyType)
      : null
    const leaf: Leaf = duration === null ? stored : { _tag: "timedelta", unit: duration }
    const timezone = leaf._tag !== "timestamp"
      ? null
      : arrow.get(name)?.timezone ?? pandas.columns.get(name)?.timezone ??
        (leaf.isUtc && arrow.size === 0 && pandas.columns.size === 0 ? "UTC" : null)
    const zone = zoneFromName(timezone)
    return {
      name,
      kind: kindOf(leaf),
      length: numRows,
      at: (row) => convertLeaf(data[row], leaf, zone),
      unit: "unit" in leaf ? leaf.unit : null,
      timezone
    }
  })
  return arrange(parts, numRows, pandas)
}
