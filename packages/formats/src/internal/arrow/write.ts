/**
 * Writes an Arrow file, in steps: flechette, which makes the buffers of its columns, would describe all of them in one
 * call. See Schema.fbs, Message.fbs and File.fbs of Apache Arrow.
 */
import { concatSteps } from "../bytes.ts"
import { FlatbufferWriter, type Layout } from "../flatbufferWriter.ts"
import { tooLarge } from "../refusal.ts"
import type { Steps } from "../steps.ts"

/** A type, of those that tables are written with. */
export type ArrowType =
  | { readonly name: "bool" | "float64" | "int64" | "utf8" | "binary" | "date" | "duration" }
  | { readonly name: "decimal"; readonly precision: number; readonly scale: number }
  | { readonly name: "timestamp"; readonly timezone: string | null }

/** The buffers of a column in a record batch, in the order of the format. */
export interface Buffers {
  readonly length: number
  readonly nullCount: number
  readonly buffers: ReadonlyArray<ArrayBufferView>
}

/** A column, whose buffers are made for each record batch. */
export interface WrittenColumn {
  readonly name: string
  readonly type: ArrowType
  readonly build: (start: number, end: number) => Buffers
  /** As `build`, in steps, for long texts or bytes. `grew` is called with the length of the values so far. */
  readonly buildLong: (start: number, end: number, grew: (length: number) => void) => Steps<Buffers>
}

/** The members of the union Type. */
const typeNumbers = {
  int64: 2,
  float64: 3,
  binary: 4,
  utf8: 5,
  bool: 6,
  decimal: 7,
  date: 8,
  timestamp: 10,
  duration: 18
} as const satisfies Record<ArrowType["name"], number>

const schemaHeader = 1
const batchHeader = 3

const version5 = 4
const double = 2
const nanosecond = 3

/** Message: version, header type, header, length of the body. Footer: version, schema, dictionaries, record batches. */
const messageLayout: Layout = [2, 1, 4, 8]
const footerLayout: Layout = [2, 4, 0, 4]
/** Schema: endianness, fields. Field: name, nullable, the type's member, type. RecordBatch: length, nodes, buffers. */
const schemaLayout: Layout = [0, 4]
const fieldLayout: Layout = [4, 1, 1, 4]
const batchLayout: Layout = [8, 4, 4]
/** FieldNode: length, number of nulls. Buffer: offset, length. */
const pairSize = 16
/** Block: offset, length of the message, padding, length of the body. */
const blockSize = 24

const noLayout: Layout = []
const unitLayout: Layout = [2]
const timestampLayout: Layout = [2, 4]
const intLayout: Layout = [4, 1]
const decimalLayout: Layout = [4, 4]

const writeType = (out: FlatbufferWriter, type: ArrowType, reference: number): void => {
  switch (type.name) {
    case "bool":
    case "utf8":
    case "binary":
      return void out.table(noLayout, reference)
    case "float64":
      return out.int16(out.table(unitLayout, reference)[0]!, double)
    case "int64": {
      const [bits, isSigned] = out.table(intLayout, reference)
      out.int32(bits!, 64)
      return out.uint8(isSigned!, 1)
    }
    case "decimal": {
      const [precision, scale] = out.table(decimalLayout, reference)
      out.int32(precision!, type.precision)
      return out.int32(scale!, type.scale)
    }
    case "date":
      // A zero: days.
      return void out.table(unitLayout, reference)
    case "duration":
      return out.int16(out.table(unitLayout, reference)[0]!, nanosecond)
    case "timestamp": {
      const [unit, zone] = out.table(type.timezone === null ? unitLayout : timestampLayout, reference)
      out.int16(unit!, nanosecond)
      if (type.timezone !== null) out.string(type.timezone, zone!)
    }
  }
}

/** Fields that are described in one step, and columns of few cells whose buffers are made in one. */
const fieldsAtOnce = 256
const columnsAtOnce = 256

function* writeSchema(
  out: FlatbufferWriter,
  columns: ReadonlyArray<WrittenColumn>,
  reference: number
): Steps<void> {
  const [, fields] = out.table(schemaLayout, reference)
  const first = out.vector(columns.length, 4, 4, fields!)
  for (let at = 0; at < columns.length; at++) {
    const { name, type } = columns[at]!
    const [nameAt, isNullable, member, typeAt] = out.table(fieldLayout, first + 4 * at)
    out.uint8(isNullable!, 1)
    out.uint8(member!, typeNumbers[type.name])
    out.string(name, nameAt!)
    writeType(out, type, typeAt!)
    if (at % fieldsAtOnce === fieldsAtOnce - 1) yield
  }
}

const padded = (length: number): number => Math.ceil(length / 8) * 8

/** A message without its body: a mark, the length of what follows, and its description. */
const framed = (out: FlatbufferWriter): Uint8Array => {
  const description = out.bytes()
  const bytes = new Uint8Array(8 + padded(description.length))
  const view = new DataView(bytes.buffer)
  view.setInt32(0, -1, true)
  view.setInt32(4, bytes.length - 8, true)
  bytes.set(description, 8)
  return bytes
}

const message = (header: number, bodyLength: number) => {
  const out = new FlatbufferWriter()
  const [version, type, reference, length] = out.table(messageLayout, out.root())
  out.int16(version!, version5)
  out.uint8(type!, header)
  out.int64(length!, bodyLength)
  return { out, reference: reference! }
}

const magic = new TextEncoder().encode("ARROW1")

/** Cells that are encoded in one step, at least a column of a record batch. */
const cellsAtOnce = 20_000

/** Rows that are a record batch. */
interface Part {
  readonly start: number
  readonly end: number
  /** The columns, by their number, that have long texts or bytes there. */
  readonly long: ReadonlySet<number>
}

/** The bytes of a file with a record batch for each part, which has at least one row. */
export function* arrowFile(
  columns: ReadonlyArray<WrittenColumn>,
  parts: ReadonlyArray<Part>,
  maxBytes = Infinity
): Steps<Uint8Array> {
  const pieces: Array<Uint8Array> = []
  let length = 0
  const put = (piece: Uint8Array) => {
    if (piece.length > 0) pieces.push(piece)
    length += piece.length
    if (length % 8 !== 0) pieces.push(new Uint8Array(8 - length % 8))
    length = padded(length)
  }
  put(magic)
  const schema = message(schemaHeader, 0)
  yield* writeSchema(schema.out, columns, schema.reference)
  put(framed(schema.out))
  const blocks: Array<{ readonly offset: number; readonly headLength: number; readonly bodyLength: number }> = []
  for (const { end, long, start } of parts) {
    const nodes: Array<Buffers> = []
    const body: Array<Uint8Array> = []
    let bodyLength = 0
    let cells = 0
    for (const [at, { build, buildLong }] of columns.entries()) {
      const before = length + bodyLength
      const built = long.has(at)
        ? yield* buildLong(start, end, (length) => {
          if (before + length > maxBytes) tooLarge(maxBytes)
        })
        : build(start, end)
      nodes.push(built)
      for (const { buffer, byteLength, byteOffset } of built.buffers) {
        body.push(new Uint8Array(buffer, byteOffset, byteLength))
        bodyLength += padded(byteLength)
        if (length + bodyLength > maxBytes) tooLarge(maxBytes)
      }
      cells += end - start
      if (cells < cellsAtOnce && nodes.length % columnsAtOnce > 0) continue
      cells = 0
      yield
    }
    const { out, reference } = message(batchHeader, bodyLength)
    const [rows, nodesAt, buffersAt] = out.table(batchLayout, reference)
    out.int64(rows!, end - start)
    let at = out.vector(nodes.length, pairSize, 8, nodesAt!)
    for (const { length, nullCount } of nodes) {
      out.int64(at, length)
      out.int64(at + 8, nullCount)
      at += pairSize
    }
    at = out.vector(body.length, pairSize, 8, buffersAt!)
    let offset = 0
    for (const { length } of body) {
      out.int64(at, offset)
      out.int64(at + 8, padded(length))
      offset += padded(length)
      at += pairSize
    }
    yield
    const head = framed(out)
    blocks.push({ offset: length, headLength: head.length, bodyLength })
    put(head)
    for (const buffer of body) put(buffer)
    yield
  }
  // The end of the messages.
  put(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0))
  const footer = new FlatbufferWriter()
  const [version, schemaAt, , blocksAt] = footer.table(footerLayout, footer.root())
  footer.int16(version!, version5)
  let at = footer.vector(blocks.length, blockSize, 8, blocksAt!)
  for (const { bodyLength, headLength, offset } of blocks) {
    footer.int64(at, offset)
    footer.int32(at + 8, headLength)
    footer.int64(at + 16, bodyLength)
    at += blockSize
  }
  yield* writeSchema(footer, columns, schemaAt!)
  const footerBytes = footer.bytes()
  const footerLength = new Uint8Array(4)
  new DataView(footerLength.buffer).setInt32(0, footerBytes.length, true)
  pieces.push(footerBytes, footerLength, magic)
  return yield* concatSteps(pieces)
}
