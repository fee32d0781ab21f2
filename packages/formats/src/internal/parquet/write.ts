/**
 * Writes Parquet with hyparquet-writer, in steps. The library makes a footer in one call, so it writes the columns in
 * slices, each with a footer of its own, of which one footer is made here.
 */
import { concatSteps } from "../bytes.ts"
import { tooLarge } from "../refusal.ts"
import type { Steps } from "../steps.ts"
import { fileFields, groupFields, magic, schemaFields } from "./footer.ts"
import { longColumn } from "./longCells.ts"
import { integer, list, ThriftStruct, thriftTypes } from "./thrift.ts"

/** A column, as the library describes its type, and its values. */
export interface WrittenColumn {
  readonly element: Readonly<Record<string, unknown>> & { readonly name: string }
  readonly values: { readonly slice: (start: number, end: number) => Array<unknown> }
}

/** Rows that are a row group. */
interface Part {
  readonly start: number
  readonly end: number
  /** The columns, by their number, that have long texts or bytes there. */
  readonly long?: ReadonlySet<number> | undefined
}

/** Cells that are encoded in one step, at least a column of a row group. */
const cellsAtOnce = 20_000

/** The most columns of a slice, and the most chunks that its footer describes: 10 µs each. */
const sliceColumns = 256
const sliceChunks = 1_024

const noColumns: ReadonlySet<number> = new Set()

/** Bytes that are kept as a piece. A buffer that grows would be copied as a whole. */
const pieceLength = 0x100000

/** The fields of RowGroup that are counted anew. */
const { columns: groupColumns, compressed: groupCompressed, size: groupSize } = groupFields

/** The bytes of a file. Each part has at least one row. */
export function* parquetFile(
  { ByteWriter, ParquetWriter }: Pick<typeof import("hyparquet-writer"), "ByteWriter" | "ParquetWriter">,
  columns: ReadonlyArray<WrittenColumn>,
  parts: ReadonlyArray<Part>,
  maxBytes = Infinity
): Steps<Uint8Array> {
  // Each chunk of a column says its name again.
  const names = columns.reduce((sum, { element: { name } }) => sum + name.length, 0)
  if (names * parts.length > maxBytes) tooLarge(maxBytes)
  const bytes = new ByteWriter()
  const pieces: Array<Uint8Array> = []
  /** Moves what was written to the pieces; `offset` goes on counting. */
  const flush = () => {
    pieces.push(bytes.getBytes().slice())
    bytes.index = 0
  }
  const width = Math.max(1, Math.min(sliceColumns, Math.floor(sliceChunks / Math.max(1, parts.length))))
  const sliceOf = (start: number) => {
    const ours = columns.slice(start, start + width)
    const schema = [{ name: "root", num_children: ours.length }, ...ours.map(({ element }) => element)]
    return {
      first: start,
      columns: ours,
      writer: new ParquetWriter({ writer: new ByteWriter(), schema: schema as never })
    }
  }
  // A file without columns has a footer too.
  const slices: Array<ReturnType<typeof sliceOf>> = []
  for (let start = 0; start === 0 || start < columns.length; start += width) {
    const slice = sliceOf(start)
    slice.writer.writer = bytes
    slices.push(slice)
    yield
  }
  bytes.appendBytes(magic)
  const sizes: Array<number> = []
  for (const { end, long = noColumns, start } of parts) {
    const before = bytes.offset
    const atOnce = Math.ceil(cellsAtOnce / (end - start))
    for (const { columns, first, writer } of slices) {
      // The library makes a row group of the columns that it is given, of which one is made here.
      const chunks: (typeof writer.row_groups)[number]["columns"] = []
      let size = 0n
      for (let at = 0; at < columns.length;) {
        const from = at++
        if (long.has(first + from)) {
          flush()
          const { element, values } = columns[from]!
          const fileOffset = bytes.offset
          const { pieces: written, uncompressed } = yield* longColumn(
            values.slice(start, end),
            writer.compressors.SNAPPY,
            (length) => {
              if (fileOffset + length > maxBytes) tooLarge(maxBytes)
            }
          )
          for (const piece of written) {
            pieces.push(piece)
            bytes.offset += piece.length
          }
          chunks.push({
            file_offset: BigInt(fileOffset),
            meta_data: {
              type: "BYTE_ARRAY",
              encodings: ["PLAIN"],
              path_in_schema: [element.name],
              codec: "SNAPPY",
              num_values: BigInt(end - start),
              total_compressed_size: BigInt(bytes.offset - fileOffset),
              total_uncompressed_size: BigInt(uncompressed),
              data_page_offset: BigInt(fileOffset)
            }
          })
          size += BigInt(uncompressed)
        } else {
          while (at < columns.length && at < from + atOnce && !long.has(first + at)) at++
          void writer.write({
            columnData: columns.slice(from, at).map(({ element: { name }, values }) => ({
              name,
              data: values.slice(start, end)
            })),
            rowGroupSize: end - start
          })
          const group = writer.row_groups.pop()!
          for (const chunk of group.columns) chunks.push(chunk)
          size += group.total_byte_size
        }
        if (bytes.index >= pieceLength) flush()
        if (bytes.offset > maxBytes) tooLarge(maxBytes)
        yield
      }
      writer.row_groups.push({
        columns: chunks,
        total_byte_size: size,
        num_rows: BigInt(end - start),
        total_compressed_size: BigInt(bytes.offset - before)
      })
    }
    sizes.push(bytes.offset - before)
  }
  const numRows = parts.reduce((sum, { end, start }) => sum + end - start, 0)
  const footers: Array<ThriftStruct> = []
  for (const { writer } of slices) {
    writer.num_rows = BigInt(numRows)
    // The library puts the indexes of the columns before their footer: they belong to the file, the footer does not.
    const ending = new ByteWriter()
    ending.offset = bytes.offset
    writer.writer = ending
    void writer.finish()
    const written = ending.getBytes()
    if (slices.length === 1) {
      bytes.appendBytes(written)
      flush()
      return yield* concatSteps(pieces)
    }
    const footerLength = ending.view.getUint32(written.length - 8, true)
    const footerStart = written.length - 8 - footerLength
    bytes.appendBytes(written.subarray(0, footerStart))
    footers.push(new ThriftStruct(written.subarray(footerStart), 0))
    yield
  }
  const footer = yield* merged(footers, columns.length, sizes)
  bytes.appendBytes(footer)
  bytes.appendUint32(footer.length)
  bytes.appendBytes(magic)
  flush()
  return yield* concatSteps(pieces)
}

/** The footer of all columns. */
function* merged(
  footers: ReadonlyArray<ThriftStruct>,
  numColumns: number,
  sizes: ReadonlyArray<number>
): Steps<Uint8Array> {
  const [first] = footers
  const itemsOf = function*(owner: ThriftStruct, id: number, out: Array<Uint8Array>): Steps<void> {
    for (const { end, start } of owner.spans(id)) out.push(owner.bytes.subarray(start, end))
    yield
  }
  const [root] = first!.structs(fileFields.schema)
  const numChildren = { ...integer(numColumns), type: thriftTypes.i32 }
  const schema: Array<Uint8Array> = []
  const orders: Array<Uint8Array> = []
  const groups: Array<Array<Uint8Array>> = sizes.map(() => [])
  const totals = sizes.map(() => 0)
  for (const footer of footers) {
    // Each has a root of its own.
    const elements: Array<Uint8Array> = []
    yield* itemsOf(footer, fileFields.schema, elements)
    for (const element of elements.slice(1)) schema.push(element)
    yield* itemsOf(footer, fileFields.columnOrders, orders)
    for (const [at, span] of Array.from(footer.spans(fileFields.rowGroups)).entries()) {
      const group = new ThriftStruct(footer.bytes, span.start)
      totals[at]! += group.integer(groupSize) ?? 0
      yield* itemsOf(group, groupColumns, groups[at]!)
    }
  }
  const rowGroups: Array<Uint8Array> = []
  // The groups of all slices have the same rows.
  for (const [at, group] of first!.structs(fileFields.rowGroups).entries()) {
    rowGroups.push(
      group.encode(
        new Map([
          [groupColumns, list(groups[at]!)],
          [groupSize, integer(totals[at]!)],
          [groupCompressed, integer(sizes[at]!)]
        ])
      )
    )
    yield
  }
  return first!.encode(
    new Map([
      [fileFields.schema, list([root!.encode(new Map([[schemaFields.children, numChildren]])), ...schema])],
      [fileFields.rowGroups, list(rowGroups)],
      [fileFields.columnOrders, list(orders)]
    ])
  )
}
