/** Parquet parts. Loaded when a part is written, because it needs an optional peer. */
import type { FormatError } from "@effect-prefect/formats/FormatError"
import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import type { Table } from "@effect-prefect/formats/Table"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { SchemaElement } from "hyparquet"
import * as zlib from "node:zlib"
import type { Column, OutputFormat } from "../CollectPlan.ts"
import { zstdLevel } from "./blocks.ts"
import { giveWay } from "./giveWay.ts"
import type { Counter, Row } from "./rows.ts"
import { typedValues } from "./typed.ts"

// Bundlers treat a caught import as one whose package may be missing, except for webpack, which needs a hint.
const { ByteWriter, ParquetWriter } = await import(/* webpackIgnore: true */ "hyparquet-writer").catch(
  (error: unknown) => {
    throw error
  }
)

/** A row group holds at most this number of rows, */
const groupRows = 20_000
/** and at most this amount of text, unless one row has more: a column is encoded without giving way to other work. */
const groupText = 1024 * 1024

const codecs = { zstd: "ZSTD", gzip: "GZIP", none: "UNCOMPRESSED" } as const

const compressors = {
  ZSTD: (bytes: Uint8Array): Uint8Array =>
    zlib.zstdCompressSync(bytes, { params: { [zlib.constants.ZSTD_c_compressionLevel]: zstdLevel } }),
  GZIP: (bytes: Uint8Array): Uint8Array => zlib.gzipSync(bytes, { level: 6 })
}

const text = (name: string, repetition_type: "REQUIRED" | "OPTIONAL"): SchemaElement => ({
  name,
  type: "BYTE_ARRAY",
  converted_type: "UTF8",
  logical_type: { type: "STRING" },
  repetition_type
})

const typedElement = ({ name, type }: Column): SchemaElement => {
  const column = `v.${name}`
  switch (type) {
    case "int64":
      return { name: column, type: "INT64", repetition_type: "OPTIONAL" }
    case "double":
      return { name: column, type: "DOUBLE", repetition_type: "OPTIONAL" }
    case "bool":
      return { name: column, type: "BOOLEAN", repetition_type: "OPTIONAL" }
    case "string":
      return text(column, "OPTIONAL")
    case "timestamp":
      return {
        name: column,
        type: "INT64",
        converted_type: "TIMESTAMP_MICROS",
        logical_type: { type: "TIMESTAMP", isAdjustedToUTC: true, unit: "MICROS" },
        repetition_type: "OPTIONAL"
      }
  }
}

const schemaOf = (columns: ReadonlyArray<Column>): Array<SchemaElement> => {
  const elements: Array<SchemaElement> = [
    text("flow_run_id", "REQUIRED"),
    text("task_run_id", "REQUIRED"),
    text("task_slug", "OPTIONAL"),
    { name: "map_index", type: "INT32", repetition_type: "REQUIRED" },
    text("state", "REQUIRED"),
    { name: "mapped_children", type: "INT32", repetition_type: "OPTIONAL" },
    text("value", "OPTIONAL"),
    text("error_reason", "OPTIONAL"),
    text("error_message", "OPTIONAL"),
    ...columns.map(typedElement)
  ]
  return [{ name: "root", num_children: elements.length }, ...elements]
}

/** Row ids and values rarely repeat: a dictionary would be built and then discarded. */
const plain = new Set(["task_run_id", "value"])

/** The bytes `PAR1`, which a writer begins with. */
const magicBytes = 4

/** Longer than what the writer keeps of a least or greatest text when it writes the footer. */
const boundLength = 256

/** The beginning of a least or greatest text, in memory of its own: V8 would keep the whole text for a part of it. */
const shortBound = <A>(value: A): A =>
  // The greatest character cannot be rounded up, so that a text that begins with it is kept whole.
  typeof value === "string" && value.length > boundLength && !value.startsWith("\u{10ffff}")
    ? Buffer.from(value.slice(0, boundLength), "utf16le").toString("utf16le") as A
    : value

class Encoder {
  private readonly bytes = new ByteWriter(1024 * 1024)
  private readonly writer: InstanceType<typeof ParquetWriter>
  private readonly root: SchemaElement
  private readonly elements: ReadonlyArray<SchemaElement>
  private readonly columns: ReadonlyArray<Column>
  private readonly codec: (typeof codecs)[OutputFormat["compression"]]
  private data: Array<Array<unknown>>
  private rows = 0
  private textLength = 0

  constructor({ columns, compression }: OutputFormat) {
    const schema = schemaOf(columns)
    const [root, ...elements] = schema
    this.columns = columns
    this.root = root!
    this.elements = elements
    this.codec = codecs[compression]
    this.data = elements.map(() => [])
    this.writer = this.makeWriter(schema)
  }

  private makeWriter(schema: Array<SchemaElement>) {
    return new ParquetWriter({
      writer: this.bytes,
      schema,
      codec: this.codec,
      compressors,
      // Without a version, parts of one collection are equal whatever version wrote them.
      createdBy: "effect-prefect"
    })
  }

  /** Adds a row; true when the row group is full. */
  add({ flowRunId, mapIndex, outcome, state, taskRunId, taskSlug }: Row): boolean {
    const { data } = this
    data[0]!.push(flowRunId)
    data[1]!.push(taskRunId)
    data[2]!.push(taskSlug)
    data[3]!.push(mapIndex)
    data[4]!.push(state)
    data[5]!.push(outcome._tag === "Mapped" ? outcome.children : null)
    data[6]!.push(outcome._tag === "Value" ? outcome.json : null)
    data[7]!.push(outcome._tag === "Failure" ? outcome.reason : null)
    data[8]!.push(outcome._tag === "Failure" ? outcome.message : null)
    if (this.columns.length > 0) {
      const typed = outcome._tag === "Value" ? typedValues(outcome.json, this.columns) : undefined
      for (let at = 0; at < this.columns.length; at++) data[9 + at]!.push(typed === undefined ? null : typed[at])
    }
    this.rows++
    if (outcome._tag === "Value") this.textLength += outcome.json.length
    else if (outcome._tag === "Failure") this.textLength += outcome.message.length
    return this.rows === groupRows || this.textLength >= groupText
  }

  private take(): Uint8Array {
    const bytes = this.bytes.getBytes().slice()
    this.bytes.index = 0
    return bytes
  }

  /**
   * Writes one column of the row group, by a writer of its own at the same position of the file: the writer of the file
   * writes all columns of a row group without interruption.
   */
  private writeColumn(at: number) {
    const element = this.elements[at]!
    const { name } = element
    const { bytes } = this
    const writer = this.makeWriter([{ ...this.root, num_children: 1 }, element])
    bytes.offset -= magicBytes
    bytes.index -= magicBytes
    const data = this.data[at]!
    void writer.write({
      columnData: [plain.has(name) ? { name, data, encoding: "PLAIN" } : { name, data }],
      rowGroupSize: this.rows
    })
    this.writer.pendingIndexes.push(...writer.pendingIndexes)
    this.data[at] = []
    const group = writer.row_groups[0]!
    for (const { meta_data } of group.columns) {
      const statistics = meta_data?.statistics
      if (statistics?.max_value !== undefined) statistics.max_value = shortBound(statistics.max_value)
      if (statistics?.min_value !== undefined) statistics.min_value = shortBound(statistics.min_value)
    }
    return group
  }

  /** Ends the row group. Yields after each column. */
  *flush(): Generator<void, Uint8Array> {
    if (this.rows === 0) return this.take()
    const chunks: Array<ReturnType<Encoder["writeColumn"]>> = []
    for (const at of this.elements.keys()) {
      chunks.push(this.writeColumn(at))
      yield
    }
    const rows = BigInt(this.rows)
    this.writer.num_rows += rows
    this.writer.row_groups.push({
      columns: chunks.flatMap(({ columns }) => columns),
      total_byte_size: chunks.reduce((sum, chunk) => sum + chunk.total_byte_size, 0n),
      total_compressed_size: chunks.reduce((sum, chunk) => sum + (chunk.total_compressed_size ?? 0n), 0n),
      num_rows: rows
    })
    this.rows = 0
    this.textLength = 0
    return this.take()
  }

  *finish(): Generator<void, Uint8Array> {
    const last = yield* this.flush()
    void this.writer.finish()
    return Buffer.concat([last, this.take()])
  }
}

export const encode = <E, R>(
  rows: Stream.Stream<Row, E, R>,
  output: OutputFormat
): Stream.Stream<Uint8Array, E, R> =>
  Stream.suspend(() => {
    const encoder = new Encoder(output)
    const groups = Stream.mapArrayEffect(rows, (rows) =>
      Effect.gen(function*() {
        const out: Array<Uint8Array> = []
        for (const row of rows) if (encoder.add(row)) out.push(yield* giveWay(() => encoder.flush()))
        return [out] as [Array<Uint8Array>]
      }))
    return Stream.flattenIterable(
      Stream.concat(groups, Stream.fromEffect(Effect.map(giveWay(() => encoder.finish()), (last) => [last])))
    )
  })

const counted = ["map_index", "mapped_children", "error_reason"]

/** Counts the rows of a part. */
export const count = (bytes: Uint8Array, counter: Counter): Effect.Effect<void, FormatError> =>
  Effect.flatMap(
    ResultFormat.decode(bytes, { name: "part.parquet", format: "parquet", maxBytes: maxPartBytes, columns: counted }),
    (value) =>
      giveWay(function*() {
        const table = value as Table
        const [index, children, reason] = counted.map((name) => table.column(name))
        for (let row = 0; row < table.numRows; row++) {
          const failure = reason?.at(row) as string | null
          counter.add(index?.at(row) as number, failure ?? undefined, failure === null && children?.at(row) === null)
          if (row % 1000 === 999) yield
        }
      })
  )

/** Larger than a part of the most rows and the largest values. */
const maxPartBytes = 4 * 1024 * 1024 * 1024
