/**
 * The footer of a Parquet file, as specified by parquet.thrift of Apache Parquet: the positions of each row group's
 * columns, and their statistics. A footer can be rewritten for a single row group, which makes the row group a file of
 * its own.
 */
import { type FormatError, undecodable } from "../../FormatError.ts"
import { concatBytes, latin1Of } from "../bytes.ts"
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
  readonly groups: ReadonlyArray<Span>
  /** The names of the top-level columns, in order. */
  readonly names: ReadonlyArray<string>
  /** The top-level columns with values of their own, by name. */
  readonly leaves: ReadonlyMap<string, Leaf>
}

/** The fields of FileMetaData that are used here. */
const fileFields = { schema: 2, numRows: 3, rowGroups: 4 } as const
const groupFields = { columns: 1, numRows: 3, fileOffset: 5 } as const
const chunkFields = { filePath: 1, fileOffset: 2, metadata: 3, first: 4, last: 7 } as const
const columnFields = {
  path: 3,
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
const schemaFields = { type: 1, name: 4, children: 5 } as const

/** Row groups that are read between two turns. */
const groupsAtOnce = 256

const readTop = (struct: ThriftStruct) => {
  const elements = struct.structs(fileFields.schema)
  const names: Array<string> = []
  const leaves = new Map<string, Leaf>()
  // A list of the tree in depth-first order: nodes below a child of the root are skipped.
  let below = 0
  for (const element of elements.slice(1)) {
    const children = element.integer(schemaFields.children) ?? 0
    if (below === 0) {
      const name = element.text(schemaFields.name) ?? ""
      names.push(name)
      if (children === 0) leaves.set(name, { type: element.integer(schemaFields.type) ?? -1, element })
    } else below--
    below += children
  }
  return { names, leaves }
}

/** Reads a footer in small steps. */
export function* readFooter(bytes: Uint8Array): Generator<undefined, Footer> {
  try {
    const struct = new ThriftStruct(bytes, 0)
    yield
    const groups: Array<Span> = []
    for (const span of struct.spans(fileFields.rowGroups)) {
      groups.push(span)
      if (groups.length % groupsAtOnce === 0) yield
    }
    return { struct, groups, ...readTop(struct) }
  } catch (error) {
    if (error instanceof RangeError) throw damaged()
    throw error
  }
}

/** The position of a chunk, which begins with its dictionary if it has one; old writers record invalid positions. */
const spanOf = (metadata: ThriftStruct): Span => {
  const data = metadata.integer(columnFields.dataPage) ?? 0
  const dictionary = metadata.integer(columnFields.dictionaryPage) ?? 0
  const start = dictionary >= magic.length && dictionary < data ? dictionary : data
  const length = metadata.integer(columnFields.compressed) ?? -1
  if (!(start >= magic.length && length >= 0 && Number.isSafeInteger(start + length))) throw damaged()
  return { start, end: start + length }
}

const chunkOf = (struct: ThriftStruct): Chunk => {
  if (struct.has(chunkFields.filePath)) throw undecodable("the Parquet file keeps its columns in other files")
  const metadata = struct.struct(chunkFields.metadata)
  if (metadata === undefined) throw damaged()
  const path = metadata.texts(columnFields.path)
  return {
    ...spanOf(metadata),
    name: path[0] ?? "",
    isFlat: path.length === 1,
    cost: Math.max(metadata.integer(columnFields.uncompressed) ?? 0, metadata.integer(columnFields.numValues) ?? 0),
    statistics: metadata.struct(columnFields.statistics),
    metadata,
    struct
  }
}

/** One row group of a footer. */
export const groupOf = ({ struct: { bytes } }: Footer, { start }: Span): Group => {
  try {
    const struct = new ThriftStruct(bytes, start)
    const numRows = struct.integer(groupFields.numRows) ?? -1
    if (!(numRows >= 0)) throw damaged()
    return { numRows, chunks: struct.structs(groupFields.columns).map(chunkOf), struct }
  } catch (error) {
    if (error instanceof RangeError) throw damaged()
    throw error
  }
}

const moved = (chunk: Chunk, by: number): Uint8Array => {
  const dataPage = chunk.metadata.integer(columnFields.dataPage) ?? 0
  const dictionaryPage = chunk.metadata.integer(columnFields.dictionaryPage) ?? 0
  const hasDictionary = chunk.start === dictionaryPage && dictionaryPage !== dataPage
  const metadata = chunk.metadata.encode(
    new Map<number, Replacement | null>([
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
 * The end of a file with one row group, or none: a footer, its length and the magic. `moves` contains the shift of each
 * chunk; chunks that are not in the file keep their position.
 */
export const footerOf = (footer: Footer, group: Group | undefined, moves: ReadonlyMap<Chunk, number>): Uint8Array => {
  const groups = group === undefined ? [] : [
    group.struct.encode(
      new Map<number, Replacement | null>([
        [groupFields.columns, list(group.chunks.map((chunk) => moved(chunk, moves.get(chunk) ?? 0)))],
        [groupFields.fileOffset, null]
      ])
    )
  ]
  const encoded = footer.struct.encode(
    new Map([
      [fileFields.numRows, integer(group?.numRows ?? 0)],
      [fileFields.rowGroups, list(groups)]
    ])
  )
  const length = new Uint8Array(4)
  new DataView(length.buffer).setUint32(0, encoded.length, true)
  return concatBytes([encoded, length, magic])
}
