// Measured: bench/formats.bench.ts
/**
 * Arrow IPC, as specified by Columnar.rst, Schema.fbs and Message.fbs of Apache Arrow: files (Feather 2), streams, and
 * the Feather 1 files of pyarrow before 0.17. Buffers may be compressed with LZ4 or zstd, as pyarrow does.
 *
 * Every length in a file is checked against the available bytes before anything is read or allocated.
 */
import type { TimeUnit } from "@effect-prefect/pickle"
import { type ColumnParts, type Table } from "../../Table.ts"
import { latin1Of } from "../bytes.ts"
import { unlz4FrameSteps } from "../compression/lz4.ts"
import { FlatTable } from "../flatbuffer.ts"
import { zlib } from "../node.ts"
import { arrange, type PandasMetadata, readPandasMetadata } from "../pandasMetadata.ts"
import { Refusal, refuse, tooLarge } from "../refusal.ts"
import type { Steps } from "../steps.ts"
import { readFeather1 } from "./feather1.ts"
import { type Block, distinct, type FileFooter, footerSpan, isFile, readFileFooter, tailLength } from "./file.ts"
import { buildVector, concat, Dictionary, type Field, readField, schemaBudgetOf, type Vector } from "./vector.ts"

const damaged = (what: string): never => refuse(`the Arrow data is damaged: ${what}`)

export interface Message {
  /** The flatbuffer that describes the body. */
  readonly head: Uint8Array
  readonly body: Uint8Array
}

/**
 * Whether bytes begin as a stream does: with the marker of a message and its length, which is a multiple of eight, or, as
 * before version 0.15 of Arrow, with the length alone, which has no size that any other format would begin with; then with
 * a message that is a schema.
 */
export const isArrowStream = (bytes: Uint8Array): boolean => {
  if (bytes.length < 16) return false
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const isMarked = view.getInt32(0, true) === -1
  const length = view.getInt32(isMarked ? 4 : 0, true)
  const start = isMarked ? 8 : 4
  if (isMarked) return length % 8 === 0 && length < 2 ** 24
  if (length <= 0 || length % 4 !== 0 || start + length > bytes.length) return false
  try {
    const root = FlatTable.root(bytes.subarray(start, start + length))
    return root.uint8(1) === 1 && root.table(2) !== null && root.int64(3) === 0
  } catch {
    return false
  }
}

/** The messages of a stream, each read when it comes. */
export function* readMessages(bytes: Uint8Array): IterableIterator<Message> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let at = 0
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
    yield { head, body: bytes.subarray(at, at + bodyLength) }
    at += bodyLength
  }
}

/** The record batch of a message, directly or as a dictionary. */
const recordBatchOf = (root: FlatTable): FlatTable | null => {
  const kind = root.uint8(1)
  return kind === 3 ? root.table(2) : kind === 2 ? root.table(2)?.table(1) ?? null : null
}

/** Before the format had a place for it, pyarrow 0.17 stored the compression in the metadata of each message. */
const earlyCodecs: Readonly<Record<string, number>> = { lz4: 0, lz4_frame: 0, zstd: 1 }

/** The compression of the buffers of a batch (0 is LZ4, 1 is zstd); `undefined` when they are not compressed. */
const codecOf = (root: FlatTable, batch: FlatTable): number | undefined => {
  const compression = batch.table(3)
  if (compression !== null) return compression.uint8(0)
  for (const entry of root.tables(4)) {
    if (!entry.hasString(0, "ARROW:experimental_compression")) continue
    return earlyCodecs[(entry.string(1) ?? "").toLowerCase()] ??
      refuse("the Arrow data uses a compression that is not LZ4 or zstd")
  }
  return undefined
}

function* decompressBuffer(codec: number, bytes: Uint8Array, budget: Budget): Steps<Uint8Array> {
  if (bytes.length === 0) return bytes
  if (bytes.length < 8) damaged("a compressed buffer breaks off")
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigInt64(0, true))
  const content = bytes.subarray(8)
  if (length === -1) return content
  if (length < 0) damaged("a compressed buffer has no length")
  if (length > budget.bytes) tooLarge(budget.max)
  if (length === 0) return new Uint8Array(0)
  yield budget.taken += length
  if (codec === 0) return yield* unlz4FrameSteps(content, length)
  if (codec !== 1) refuse("the Arrow data uses a compression that is not LZ4 or zstd")
  if (zlib?.zstdDecompressSync === undefined) {
    return refuse("the Arrow data uses zstd, which is not read here: use Node.js 22.15 or later")
  }
  const options = { maxOutputLength: length }
  const out = Math.max(length, content.length) <= smallBuffer || !budget.canWait
    ? zlib.zstdDecompressSync(content, options)
    : (yield zstdAside(zlib, content, options)) as Uint8Array
  return out.length === length ? out : damaged("a compressed buffer is shorter than it says")
}

/** Decompresses in one of zlib's threads. */
const zstdAside = (
  { zstdDecompress }: NonNullable<typeof zlib>,
  content: Uint8Array,
  options: { readonly maxOutputLength: number }
): Promise<Uint8Array> =>
  new Promise((resolve, reject) =>
    zstdDecompress(content, options, (error, out) => error === null ? resolve(out) : reject(error))
  )

/** Sizes that are decompressed in a moment. */
const smallBuffer = 0x100000

interface Batch {
  readonly batch: FlatTable
  readonly codec: number | undefined
  readonly body: Uint8Array
  /** The version of the format, as Schema.fbs numbers it: 3 is version 4, 4 is version 5. */
  readonly version: number
}

/** The remaining limits: bytes of decompressed buffers, and values, which may occupy no bytes at all. */
export interface Budget {
  bytes: number
  values: number
  /** The memory of buffers' views, of decompressed buffers and of dictionaries' values so far, in bytes. */
  taken: number
  readonly max: number
  /** Whether waiting for another thread is allowed. */
  readonly canWait: boolean
}

/** Assigns the nodes and buffers of a batch to the vectors of some fields, in order. */
function* readVectors(
  { batch, body, codec, version }: Batch,
  fields: ReadonlyArray<Field>,
  dictionaries: ReadonlyMap<number, Vector>,
  budget: Budget
): Steps<Array<Vector>> {
  const { view } = batch
  const nodes = batch.vector(1, 16)
  const buffers = batch.vector(2, 16)
  const variadic = batch.vector(4, 8)
  const next = { node: 0, buffer: 0, variadic: 0 }
  const plain: Array<Uint8Array> = []
  let stores = 0
  for (let index = 0; index < buffers.length; index++) {
    const at = buffers.start + index * 16
    const [from, length] = [Number(view.getBigInt64(at, true)), Number(view.getBigInt64(at + 8, true))]
    if (!(from >= 0 && length >= 0 && from + length <= body.length)) damaged("a buffer lies outside of its body")
    const stored = body.subarray(from, from + length)
    if (codec === undefined) plain.push(stored)
    else {
      // Each takes as long as it has bytes.
      if ((stores += length) > body.length) damaged("its buffers lie in each other")
      const content = yield* decompressBuffer(codec, stored, budget)
      budget.bytes -= content.length
      plain.push(content)
    }
    yield budget.taken += bufferHeader
  }
  let taken = 0
  const cursor = {
    dictionaries,
    unionsHaveBitmaps: version < 4,
    node: () => {
      if (next.node >= nodes.length) damaged("a batch has too few nodes")
      const at = nodes.start + next.node++ * 16
      const node = { length: Number(view.getBigInt64(at, true)), nullCount: Number(view.getBigInt64(at + 8, true)) }
      if (!(node.length >= 0)) damaged("a column has no length")
      if ((budget.values -= node.length) < 0) tooLarge(budget.max)
      return node
    },
    buffer: () => {
      if (next.buffer >= buffers.length) damaged("a batch has too few buffers")
      const content = plain[next.buffer++]!
      taken += content.length + bufferHeader
      return content
    },
    variadic: () => {
      if (next.variadic >= variadic.length) damaged("a batch has too few buffers")
      return Number(view.getBigInt64(variadic.start + next.variadic++ * 8, true))
    }
  }
  const vectors: Array<Vector> = []
  for (const field of fields) {
    taken = 0
    const { at, length } = yield* buildVector(field, cursor)
    if (textTypes.has(field.type)) taken += textsHeader
    vectors.push({ length, at, byteSize: taken })
    yield
  }
  return vectors
}

/** Memory in bytes, measured, of the view of a buffer and of what reads it: it is most of a column of few rows. */
const bufferHeader = 280
/** The same of what reads texts or bytes of variable length. */
const textsHeader = 400
const textTypes: ReadonlySet<number> = new Set([4, 5, 19, 20, 23, 24])

/** The dictionary-encoded fields below some fields, by the id of the dictionary. */
function* dictionaryFields(
  fields: ReadonlyArray<Field>,
  out = new Map<number, Field>()
): Steps<ReadonlyMap<number, Field>> {
  for (const field of fields) {
    if (field.dictionary !== null) out.set(field.dictionary.id, { ...field, dictionary: null })
    if (field.children.length > 0) yield* dictionaryFields(field.children, out)
    yield
  }
  return out
}

function* metadataOf(table: FlatTable, field: number, key: string): Steps<string | null> {
  for (const entry of table.tables(field)) {
    if (entry.hasString(0, key)) return entry.string(1)
    yield
  }
  return null
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

/** Memory of a text and its place, in bytes, estimated. */
const textWeight = 40

function* partsOf(
  field: Field,
  column: Vector,
  dictionaries: ReadonlyMap<number, Vector>,
  budget: Budget
): Steps<ColumnParts> {
  const dictionary = field.dictionary === null ? undefined : dictionaries.get(field.dictionary.id)
  const categories: Array<unknown> = []
  if (dictionary !== undefined) yield budget.taken += textWeight * dictionary.length + dictionary.byteSize!
  for (let at = 0; at < (dictionary?.length ?? 0); at++) {
    categories.push(dictionary!.at(at))
    if (at % 4_096 === 4_095) yield
  }
  return {
    name: field.name,
    kind: field.extension === "arrow.uuid" ? "object" : kinds[field.type] ?? "object",
    length: column.length,
    at: column.at,
    unit: field.unit as TimeUnit | null,
    timezone: field.timezone,
    categories: dictionary === undefined ? null : categories,
    isOrdered: field.dictionary?.isOrdered,
    byteSize: (column.byteSize ?? 0) + (dictionary?.byteSize ?? 0)
  }
}

/** Metadata of a file that is read through Arrow, besides the schema of the stream. */
export interface Beside {
  /** The value of its key `pandas`. */
  readonly pandas: string | null
  /** Adapts a column to its description there. */
  readonly adjust: ((part: ColumnParts, pandas: PandasMetadata) => ColumnParts) | undefined
  /** The row number of its first row in the file. */
  readonly firstRow: number
  /** Of the fields that have none below them, in order, those whose bytes are UUIDs; undefined where it is not said. */
  readonly uuids: ReadonlyArray<boolean> | undefined
}

/** The schema of Arrow data, and the dictionaries read so far. */
export interface Schema {
  readonly table: FlatTable
  readonly fields: ReadonlyArray<Field>
  readonly dictionaryTypes: ReadonlyMap<number, Field>
  readonly dictionaries: Map<number, Dictionary>
}

/** Fields of which some are UUIDs, although the schema does not say so. */
function* withUuids(fields: ReadonlyArray<Field>, uuids: ReadonlyArray<boolean>): Steps<ReadonlyArray<Field>> {
  let leaf = 0
  function* mark(fields: ReadonlyArray<Field>): Steps<Array<Field>> {
    const marked: Array<Field> = []
    for (const field of fields) {
      yield
      if (field.children.length > 0) marked.push({ ...field, children: yield* mark(field.children) })
      else if (uuids[leaf++] === true && field.type === 15 && field.size === 16) {
        marked.push({ ...field, extension: "arrow.uuid" })
      } else marked.push(field)
    }
    return marked
  }
  const marked = yield* mark(fields)
  return leaf === uuids.length ? marked : fields
}

export function* schemaOf(table: FlatTable, uuids?: ReadonlyArray<boolean>): Steps<Schema> {
  if (table.int16(0) !== 0) refuse("the Arrow data is big endian, which is not read")
  const budget = schemaBudgetOf(table)
  const read: Array<Field> = []
  for (const field of table.tables(1)) read.push(yield* readField(field, budget))
  const fields = uuids?.includes(true) === true ? yield* withUuids(read, uuids) : read
  return { table, fields, dictionaryTypes: yield* dictionaryFields(fields), dictionaries: new Map() }
}

/** A limit of bytes of decompressed buffers, and of values. */
export const budgetOf = (maxBytes: number, canWait: boolean): Budget => ({
  bytes: maxBytes,
  values: maxBytes,
  taken: 0,
  max: maxBytes,
  canWait
})

/** The columns of a record batch; undefined for a dictionary, which is added to the schema. */
export function* readBatch(schema: Schema, { body, head }: Message, budget: Budget): Steps<Rows | undefined> {
  const root = FlatTable.root(head)
  const batch = recordBatchOf(root)
  if (batch === null) return undefined
  const of: Batch = { batch, codec: codecOf(root, batch), body, version: root.int16(0, 0) }
  const { dictionaries, dictionaryTypes, fields } = schema
  if (root.uint8(1) === 3) {
    const vectors = yield* readVectors(of, fields, dictionaries, budget)
    const length = batch.int64(0)
    if (vectors.some((vector) => vector.length !== length)) damaged("its columns differ in length")
    if (!(length >= 0)) damaged("a batch has no length")
    return { vectors, length }
  }
  const dictionary = root.table(2)!
  const id = dictionary.int64(0)
  const field = dictionaryTypes.get(id) ?? damaged("a dictionary is of no column")
  const values = (yield* readVectors(of, [field], dictionaries, budget))[0]!
  const before = dictionary.uint8(2) === 1 ? dictionaries.get(id) : undefined
  if (before === undefined) dictionaries.set(id, new Dictionary(values))
  else before.append(values)
  return undefined
}

/** The columns of one record batch. */
export interface Rows {
  readonly vectors: ReadonlyArray<Vector>
  readonly length: number
}

/** The table of some batches. */
export function* tableOf(
  { dictionaries, fields, table }: Schema,
  batches: ReadonlyArray<Rows>,
  budget: Budget,
  beside: Beside | undefined,
  firstRow = beside?.firstRow ?? 0
): Steps<Table> {
  const numRows = batches.reduce((sum, { length }) => sum + length, 0)
  const parts: Array<ColumnParts> = []
  for (const [i, field] of fields.entries()) {
    const column = concat(batches.map(({ vectors }) => vectors[i] ?? damaged("a column is missing")))
    parts.push(yield* partsOf(field, column, dictionaries, budget))
  }
  const pandas = yield* readPandasMetadata(
    beside === undefined ? yield* metadataOf(table, 2, "pandas") : beside.pandas
  )
  const { adjust } = beside ?? {}
  if (adjust !== undefined) {
    for (const [i, part] of parts.entries()) {
      parts[i] = adjust(part, pandas)
      yield
    }
  }
  return yield* arrange(parts, numRows, pandas, firstRow)
}

function* blocksOf({ batches, dictionaries }: FileFooter): IterableIterator<Block> {
  yield* dictionaries
  yield* batches
}

function* readFile(bytes: Uint8Array, maxBytes: number, canWait: boolean): Steps<Table> {
  const budget = budgetOf(maxBytes, canWait)
  const { end, start } = footerSpan(bytes.subarray(-tailLength), bytes.length)
  const footer = readFileFooter(bytes.subarray(start, end))
  const schema = yield* schemaOf(footer.schema)
  const batches: Array<Rows> = []
  let numRows = 0
  for (const { length, offset } of distinct(blocksOf(footer), bytes.length)) {
    yield
    if (offset + length > start) damaged("a message lies outside of it")
    const [message] = readMessages(bytes.subarray(offset, offset + length))
    const rows = yield* readBatch(schema, message ?? damaged("a message is missing"), budget)
    if (rows === undefined) continue
    if ((numRows += rows.length) > maxBytes) tooLarge(maxBytes)
    batches.push(rows)
  }
  return yield* tableOf(schema, batches, budget, undefined)
}

/** The messages of several streams of the same columns. */
function* messagesOf(streams: ReadonlyArray<Uint8Array>): Generator<Message> {
  for (const bytes of streams) yield* readMessages(bytes)
}

function* readStream(
  streams: ReadonlyArray<Uint8Array>,
  maxBytes: number,
  canWait: boolean,
  beside?: Beside
): Steps<Table> {
  const budget = budgetOf(maxBytes, canWait)
  const batches: Array<Rows> = []
  let schema: Schema | undefined
  let numRows = 0
  for (const message of messagesOf(streams)) {
    yield
    const root = FlatTable.root(message.head)
    if (root.uint8(1) === 1) {
      schema ??= yield* schemaOf(root.table(2) ?? damaged("it has no schema"), beside?.uuids)
      continue
    }
    if (schema === undefined) {
      if (recordBatchOf(root) !== null) damaged("a batch comes before the schema")
      continue
    }
    const rows = yield* readBatch(schema, message, budget)
    if (rows === undefined) continue
    if ((numRows += rows.length) > maxBytes) tooLarge(maxBytes)
    batches.push(rows)
  }
  return schema === undefined ? damaged("it has no schema") : yield* tableOf(schema, batches, budget, beside)
}

/** The table of Arrow bytes of any of the three kinds; without `canWait`, no step is a promise. */
export function* readFeather(bytes: Uint8Array, maxBytes: number, canWait = true): Steps<Table> {
  try {
    if (latin1Of(bytes.subarray(0, 4)) === "FEA1") return yield* readFeather1(bytes, maxBytes)
    return isFile(bytes)
      ? yield* readFile(bytes, maxBytes, canWait)
      : yield* readStream([bytes], maxBytes, canWait)
  } catch (error) {
    return rejected(error)
  }
}

/** References outside the bytes cause a RangeError in DataView. */
const rejected = (error: unknown): never => {
  if (error instanceof Refusal) throw error
  return damaged("it breaks off or contradicts itself")
}

/** The table of the rows of several Arrow streams, one after the other. */
export function* readStreams(
  streams: ReadonlyArray<Uint8Array>,
  maxBytes: number,
  beside: Beside
): Steps<Table> {
  try {
    return yield* readStream(streams, maxBytes, true, beside)
  } catch (error) {
    return rejected(error)
  }
}
