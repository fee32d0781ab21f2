/** The minimum and maximum of a column in a row group, in the form of its cells, if the writer recorded them. */
import { Timestamp, type TimeUnit } from "@effect-prefect/pickle"
import { bigEndianInteger, dateCell, decimalCell, integerCell } from "../cells.ts"
import type { Chunk, Leaf } from "./footer.ts"
import type { ThriftStruct } from "./thrift.ts"

/** Parquet's physical types. */
const types = { boolean: 0, int32: 1, int64: 2, float: 4, double: 5, byteArray: 6, fixed: 7 } as const

const schemaFields = { convertedType: 6, scale: 7, logicalType: 10 } as const
const statisticsFields = { oldMost: 1, oldLeast: 2, most: 5, least: 6 } as const

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)

/** The supported members of the union LogicalType. */
const logicalTypes = { string: 1, enum: 4, decimal: 5, date: 6, time: 7, timestamp: 8, integer: 10, json: 12 } as const

const logicalNames = new Map<number, string>(Object.entries(logicalTypes).map(([name, id]) => [id, name]))

/** Converted types by number, as the logical types that replaced them. */
const convertedNames = new Map<number, string>([
  [0, "string"],
  [4, "enum"],
  [5, "decimal"],
  [6, "date"],
  [7, "time"],
  [8, "time"],
  [9, "timestamp"],
  [10, "timestamp"],
  [11, "unsigned"],
  [12, "unsigned"],
  [13, "unsigned"],
  [14, "unsigned"],
  [19, "json"]
])

const timeUnits: Readonly<Record<number, TimeUnit>> = { 1: "ms", 2: "us", 3: "ns" }
const nanoseconds = { s: 1_000_000_000n, ms: 1_000_000n, us: 1_000n, ns: 1n } as const

const unsignedOf = (logical: ThriftStruct | undefined): boolean => logical?.isFalse(2) ?? false

/** The kind of a column's values. `other` has no order here. */
const kindOf = ({ element, type }: Leaf): { readonly name: string; readonly unit: TimeUnit } => {
  const union = element.struct(schemaFields.logicalType)
  const converted = element.integer(schemaFields.convertedType)
  const id = union?.ids()[0]
  const logical = id === undefined ? undefined : union?.struct(id)
  let name = id === undefined
    ? converted === undefined ? "plain" : convertedNames.get(converted) ?? "plain"
    : logicalNames.get(id) ?? "other"
  if (name === "integer") name = unsignedOf(logical) ? "unsigned" : "plain"
  const unit = timeUnits[logical?.struct(2)?.ids()[0] ?? (converted === 10 ? 2 : 1)] ?? "ms"
  return { name: (type === types.byteArray || type === types.fixed) && name === "plain" ? "other" : name, unit }
}

const integerOf = (bytes: Uint8Array, type: number): bigint | undefined =>
  type === types.int32 && bytes.length === 4
    ? BigInt(viewOf(bytes).getInt32(0, true))
    : type === types.int64 && bytes.length === 8
    ? viewOf(bytes).getBigInt64(0, true)
    : undefined

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** Text; undefined when a writer cut it within a character. */
const textOf = (bytes: Uint8Array): string | undefined => {
  try {
    return utf8.decode(bytes)
  } catch {
    return undefined
  }
}

const valueOf = (bytes: Uint8Array | undefined, leaf: Leaf): unknown => {
  if (bytes === undefined) return undefined
  const { element, type } = leaf
  const { name, unit } = kindOf(leaf)
  switch (type) {
    case types.boolean:
      return bytes.length === 1 ? bytes[0] === 1 : undefined
    case types.float:
      return name === "plain" && bytes.length === 4 ? viewOf(bytes).getFloat32(0, true) : undefined
    case types.double:
      return name === "plain" && bytes.length === 8 ? viewOf(bytes).getFloat64(0, true) : undefined
    case types.byteArray:
    case types.fixed:
      if (name === "decimal") return decimalCell(bigEndianInteger(bytes), element.integer(schemaFields.scale) ?? 0)
      return name === "string" || name === "enum" || name === "json" ? textOf(bytes) : undefined
    case types.int32:
    case types.int64: {
      const value = integerOf(bytes, type)
      if (value === undefined) return undefined
      if (name === "plain") return integerCell(value)
      if (name === "unsigned") return integerCell(BigInt.asUintN(type === types.int32 ? 32 : 64, value))
      if (name === "decimal") return decimalCell(value, element.integer(schemaFields.scale) ?? 0)
      if (name === "date") return dateCell(Number(value)) ?? undefined
      return name === "timestamp" ? new Timestamp(value * nanoseconds[unit], unit, null) : undefined
    }
    default:
      return undefined
  }
}

/** Types whose order has never changed: for others, old statistics use the order of signed bytes. */
const hasOldOrder = (leaf: Leaf): boolean => leaf.type < types.byteArray && kindOf(leaf).name !== "unsigned"

/** The bounds of a column's values; undefined when the statistics do not contain them. */
export const endsOf = ({ statistics }: Chunk, leaf: Leaf): { readonly least: unknown; readonly most: unknown } => {
  if (statistics === undefined) return { least: undefined, most: undefined }
  const old = hasOldOrder(leaf)
  return {
    least: valueOf(
      statistics.binary(statisticsFields.least) ?? (old ? statistics.binary(statisticsFields.oldLeast) : undefined),
      leaf
    ),
    most: valueOf(
      statistics.binary(statisticsFields.most) ?? (old ? statistics.binary(statisticsFields.oldMost) : undefined),
      leaf
    )
  }
}
