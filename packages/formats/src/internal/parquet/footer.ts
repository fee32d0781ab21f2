/**
 * The footer of a Parquet file, as specified by parquet.thrift of Apache Parquet: the positions of each row group's
 * columns, and their statistics. A footer can be rewritten for a single row group, which makes the row group a file of
 * its own.
 */
import { FormatError, undecodable } from "../../FormatError.ts"
import { concatBytes, latin1Of } from "../bytes.ts"
import type { Steps } from "../steps.ts"
import { integer, list, type Replacement, type Span, struct, ThriftStruct } from "./thrift.ts"

const damaged = (): FormatError =>
  undecodable("the Parquet file is damaged: its footer breaks off or contradicts itself")

/** The bytes after a footer: its length and `PAR1`. */
export const tailLength = 8

/** The magic at both ends of a file. */
export const magic = new TextEncoder().encode("PAR1")

const encryptedMagic = "PARE"

/** The position of the footer of a file of `size` bytes, from its last eight bytes. */
export const footerSpan = (tail: Uint8Array, size: number): Span => {
  const text = latin1Of(tail, 4, 8)
  if (text === encryptedMagic) throw undecodable("the Parquet file is encrypted")
  const length = new DataView(tail.buffer, tail.byteOffset, 4).getUint32(0, true)
  if (text !== "PAR1" || length + tailLength + magic.length > size) throw damaged()
  return { start: size - tailLength - length, end: size - tailLength }
}

/** A leaf of the schema: a column of values. */
export interface Leaf {
  /** Parquet's physical type. */
  readonly type: number
  readonly element: ThriftStruct
}

/** The bytes of one column of a row group. */
export interface Chunk extends Span {
  /** The name of the top-level column that it belongs to. */
  readonly name: string
  /** Whether the column consists of only this chunk, rather than being a list or a struct of several. */
  readonly isFlat: boolean
  /** Its size when it is read: bytes, or values, which may occupy no bytes at all. */
  readonly cost: number
  readonly numValues: number
  /** The number of its type in parquet.thrift. */
  readonly type: number
  /** The size of each value, where the type is one of a fixed size. */
  readonly valueSize: number | undefined
  readonly statistics: ThriftStruct | undefined
  readonly metadata: ThriftStruct
  readonly struct: ThriftStruct
}

/** A row group. */
export interface Group {
  readonly numRows: number
  readonly chunks: ReadonlyArray<Chunk>
  readonly struct: ThriftStruct
}

/** A footer whose row groups are read on demand. */
export interface Footer {
  readonly struct: ThriftStruct
  /** The end of the columns' bytes. */
  readonly end: number
  readonly groups: ReadonlyArray<Span>
  /** The names of the top-level columns, in order. */
  readonly names: ReadonlyArray<string>
  /** The top-level columns with values of their own, by name. */
  readonly leaves: ReadonlyMap<string, Leaf>
  /** All columns of values, in order. */
  readonly values: ReadonlyArray<Values>
  /** Whether there are durations in months. */
  readonly hasIntervals: boolean
}

/** A column of values. */
interface Values {
  /** The name of the top-level column that it belongs to. */
  readonly name: string
  readonly isUuid: boolean
  /** The size of each, where the type is one of a fixed size. */
  readonly size: number | undefined
}

/** The fields of FileMetaData that are used here. */
export const fileFields = { schema: 2, numRows: 3, rowGroups: 4, createdBy: 6, columnOrders: 7 } as const
export const groupFields = { columns: 1, size: 2, numRows: 3, fileOffset: 5, compressed: 6 } as const
const chunkFields = { filePath: 1, fileOffset: 2, metadata: 3, first: 4, last: 7 } as const
const columnFields = {
  type: 1,
  path: 3,
  codec: 4,
  numValues: 5,
  uncompressed: 6,
  compressed: 7,
  dataPage: 9,
  indexPage: 10,
  dictionaryPage: 11,
  statistics: 12,
  bloomFilter: 14,
  bloomFilterLength: 15
} as const
export const schemaFields = { type: 1, length: 2, name: 4, children: 5, convertedType: 6, logicalType: 10 } as const
/** The ConvertedType of spans of months, days and milliseconds, which Arrow's reader takes for days and milliseconds. */
const intervalType = 21
/** The member of the union LogicalType. */
const uuidType = 14

/** The types of values of any size, and of a fixed one. */
const byteArrayType = 6
const fixedType = 7

/** Row groups that are read between two turns. */
const groupsAtOnce = 256
/** Columns that are described between two turns. */
const columnsAtOnce = 256

function* readTop(struct: ThriftStruct): Steps<Pick<Footer, "names" | "leaves" | "values" | "hasIntervals">> {
  const elements = yield* struct.structsSteps(fileFields.schema)
  const names: Array<string> = []
  const leaves = new Map<string, Leaf>()
  const values: Array<Values> = []
  // A list of the tree in depth-first order: `below` elements still belong to the last child of the root.
  let below = 0
  let hasIntervals = elements[0] !== undefined && isInterval(elements[0])
  for (const [at, element] of elements.entries()) {
    if (at === 0) continue
    if (at % columnsAtOnce === 0) yield
    hasIntervals ||= isInterval(element)
    const children = element.integer(schemaFields.children) ?? 0
    if (below === 0) {
      const name = element.text(schemaFields.name) ?? ""
      names.push(name)
      if (children === 0) leaves.set(name, { type: element.integer(schemaFields.type) ?? -1, element })
    } else below--
    below += children
    if (children > 0) continue
    const isUuid = element.struct(schemaFields.logicalType)?.has(uuidType) ?? false
    const size = element.integer(schemaFields.type) === fixedType ? element.integer(schemaFields.length) : undefined
    values.push({ name: names.at(-1) ?? "", isUuid, size })
  }
  return { names, leaves, values, hasIntervals }
}

/** Reads a footer, which begins at `end` of its file, in small steps. */
export function* readFooter(bytes: Uint8Array, end: number): Steps<Footer> {
  try {
    const struct = yield* ThriftStruct.steps(bytes, 0)
    yield
    const groups: Array<Span> = []
    for (const span of struct.spans(fileFields.rowGroups)) {
      groups.push(span)
      if (groups.length % groupsAtOnce === 0) yield
    }
    return { struct, end, groups, ...(yield* readTop(struct)) }
  } catch (error) {
    if (error instanceof RangeError) throw damaged()
    throw error
  }
}

/** Whether the sizes of columns may be too small: parquet-mr before 1.2.9 did not count the header of a dictionary. */
export const countsTooFew = ({ struct }: Footer): boolean => {
  const match = /^parquet-mr\b(?: version (\d{1,4})\.(\d{1,4})\.(\d{1,4}))?/.exec(
    struct.text(fileFields.createdBy) ?? ""
  )
  if (match === null) return false
  const [major, minor, patch] = match.slice(1).map((part) => Number(part ?? 0))
  return major! * 1e8 + minor! * 1e4 + patch! < 1e8 + 2e4 + 9
}

/** The position of a chunk, which begins with its dictionary if it has one; old writers record invalid positions. */
const spanOf = (metadata: ThriftStruct): Span => {
  const data = metadata.integer(columnFields.dataPage) ?? 0
  const dictionary = metadata.integer(columnFields.dictionaryPage) ?? 0
  const start = dictionary >= magic.length && dictionary < data ? dictionary : data
  const length = metadata.integer(columnFields.compressed) ?? -1
  const end = start + length
  if (!(start >= magic.length && length >= 0 && Number.isSafeInteger(end))) throw damaged()
  return { start, end }
}

const chunkOf = (struct: ThriftStruct, valueSize: number | undefined): Chunk => {
  if (struct.has(chunkFields.filePath)) throw undecodable("the Parquet file keeps its columns in other files")
  const metadata = struct.struct(chunkFields.metadata)
  if (metadata === undefined) throw damaged()
  const path = metadata.texts(columnFields.path)
  const numValues = metadata.integer(columnFields.numValues) ?? 0
  return {
    ...spanOf(metadata),
    name: path[0] ?? "",
    isFlat: path.length === 1,
    cost: Math.max(metadata.integer(columnFields.uncompressed) ?? 0, numValues),
    numValues,
    type: metadata.integer(columnFields.type) ?? -1,
    valueSize,
    statistics: metadata.struct(columnFields.statistics),
    metadata,
    struct
  }
}

/** One row group of a footer, in steps. */
export function* groupOf(footer: Footer, { start }: Span): Steps<Group> {
  try {
    const struct = yield* ThriftStruct.steps(footer.struct.bytes, start)
    const numRows = struct.integer(groupFields.numRows) ?? -1
    if (!(numRows >= 0)) throw damaged()
    const structs = yield* struct.structsSteps(groupFields.columns)
    const chunks: Array<Chunk> = []
    for (const [at, chunk] of structs.entries()) {
      const size = structs.length === footer.values.length ? footer.values[at]?.size : undefined
      if (chunks.push(chunkOf(chunk, size)) % columnsAtOnce === 0) yield
    }
    return { numRows, chunks, struct }
  } catch (error) {
    if (error instanceof RangeError) throw damaged()
    throw error
  }
}

/** The fields of PageHeader, and the first of the headers of data in it. */
const pageFields = { uncompressed: 2, compressed: 3, dataPage: 5, dataPageV2: 8 } as const

/** The page of a dictionary, as it is stored. */
export interface Dictionary {
  readonly bytes: Uint8Array
  /** Its size when it is decompressed. */
  readonly size: number
  /** As parquet.thrift numbers it. */
  readonly codec: number | undefined
}

/**
 * The dictionary that a column begins with in some bytes of the file, from an offset on; undefined when it has none, or its
 * type has only small values.
 */
export const dictionaryOf = ({ metadata, start }: Chunk, bytes: Uint8Array, offset = 0): Dictionary | undefined => {
  const type = metadata.integer(columnFields.type)
  if (type !== byteArrayType && type !== fixedType) return undefined
  try {
    const page = new ThriftStruct(bytes, start - offset)
    if (page.struct(pageFields.dataPage) !== undefined || page.struct(pageFields.dataPageV2) !== undefined) {
      return undefined
    }
    const length = Math.max(0, page.integer(pageFields.compressed) ?? 0)
    return {
      bytes: bytes.subarray(page.end, page.end + length),
      size: Math.max(0, page.integer(pageFields.uncompressed) ?? 0),
      codec: metadata.integer(columnFields.codec)
    }
  } catch (error) {
    // The reader tells what is wrong with it.
    if (error instanceof RangeError || error instanceof FormatError) return undefined
    throw error
  }
}

/** The actual end of a column's pages, which contain the counted values. */
const pagesEnd = ({ end, metadata, start }: Chunk, file: Uint8Array, limit: number): number => {
  let left = metadata.integer(columnFields.numValues) ?? 0
  let at = start
  while (left > 0 && at < end) {
    const page = new ThriftStruct(file, at)
    const data = page.struct(pageFields.dataPage) ?? page.struct(pageFields.dataPageV2)
    left -= data?.integer(1) ?? 0
    at = page.end + Math.max(0, page.integer(pageFields.compressed) ?? 0)
  }
  return Math.max(end, Math.min(at, limit))
}

const hasOddDictionary = ({ metadata, start }: Chunk): boolean => {
  const dictionary = metadata.integer(columnFields.dictionaryPage)
  return dictionary !== undefined && dictionary !== start
}

/**
 * The end of a whole file whose footer contains an error that other readers tolerate: that it has no rows, or a
 * dictionary where there is none. Undefined for a correct footer.
 */
export function* repaired(footer: Footer, file: Uint8Array): Steps<Uint8Array | undefined> {
  const isOld = countsTooFew(footer)
  let numRows = 0
  let isOdd = isOld || footer.hasIntervals
  for (const span of footer.groups) {
    const group = yield* groupOf(footer, span)
    numRows += group.numRows
    isOdd ||= group.chunks.some(hasOddDictionary)
    yield
  }
  if (!isOdd && footer.struct.integer(fileFields.numRows) === numRows) return undefined
  const groups: Array<Uint8Array> = []
  for (const span of footer.groups) {
    const found = yield* groupOf(footer, span)
    const group = isOld
      ? { ...found, chunks: found.chunks.map((chunk) => ({ ...chunk, end: pagesEnd(chunk, file, footer.end) })) }
      : found
    groups.push(yield* encodeGroup(group, new Map()))
    yield
  }
  return yield* ending(footer, groups, numRows)
}

const moved = (chunk: Chunk, by: number): Uint8Array => {
  const dataPage = chunk.metadata.integer(columnFields.dataPage) ?? 0
  const dictionaryPage = chunk.metadata.integer(columnFields.dictionaryPage) ?? 0
  const hasDictionary = chunk.start === dictionaryPage && dictionaryPage !== dataPage
  const metadata = chunk.metadata.encode(
    new Map<number, Replacement | null>([
      [columnFields.compressed, integer(chunk.end - chunk.start)],
      [columnFields.dataPage, integer(dataPage + by)],
      [columnFields.dictionaryPage, hasDictionary ? integer(dictionaryPage + by) : null],
      [columnFields.indexPage, null],
      [columnFields.bloomFilter, null],
      [columnFields.bloomFilterLength, null]
    ])
  )
  const replaced = new Map<number, Replacement | null>([
    [chunkFields.fileOffset, integer(chunk.start + by)],
    [chunkFields.metadata, struct(metadata)]
  ])
  // The offsets of page indexes, which are not in the new file.
  for (let id = chunkFields.first; id <= chunkFields.last; id++) replaced.set(id, null)
  return chunk.struct.encode(replaced)
}

/**
 * The end of a file with some row groups: a footer, its length and the magic. `moves` contains the shift of each
 * chunk; chunks that are not in the file keep their position.
 */
export function* footerOf(
  footer: Footer,
  groups: ReadonlyArray<Group>,
  moves: ReadonlyMap<Chunk, number>
): Steps<Uint8Array> {
  const encoded: Array<Uint8Array> = []
  for (const group of groups) {
    encoded.push(yield* encodeGroup(group, moves))
    yield
  }
  return yield* ending(footer, encoded, groups.reduce((sum, { numRows }) => sum + numRows, 0))
}

const isInterval = (element: ThriftStruct): boolean => element.integer(schemaFields.convertedType) === intervalType

/** The schema, in which durations in months are bytes, as in pyarrow. */
function* schemaOf(footer: Footer): Steps<Replacement | undefined> {
  if (!footer.hasIntervals) return undefined
  const out: Array<Uint8Array> = []
  for (const element of yield* footer.struct.structsSteps(fileFields.schema)) {
    const replaced = isInterval(element) ? new Map([[schemaFields.convertedType, null]]) : new Map()
    if (out.push(element.encode(replaced)) % columnsAtOnce === 0) yield
  }
  return list(out)
}

function* encodeGroup(group: Group, moves: ReadonlyMap<Chunk, number>): Steps<Uint8Array> {
  const chunks: Array<Uint8Array> = []
  for (const chunk of group.chunks) {
    if (chunks.push(moved(chunk, moves.get(chunk) ?? 0)) % columnsAtOnce === 0) yield
  }
  return group.struct.encode(
    new Map<number, Replacement | null>([[groupFields.columns, list(chunks)], [groupFields.fileOffset, null]])
  )
}

function* ending(footer: Footer, groups: ReadonlyArray<Uint8Array>, numRows: number): Steps<Uint8Array> {
  const schema = yield* schemaOf(footer)
  const encoded = footer.struct.encode(
    new Map([
      ...(schema === undefined ? [] : [[fileFields.schema, schema] as const]),
      [fileFields.numRows, integer(numRows)] as const,
      [fileFields.rowGroups, list(groups)] as const
    ])
  )
  const length = new Uint8Array(4)
  new DataView(length.buffer).setUint32(0, encoded.length, true)
  return concatBytes([encoded, length, magic])
}
