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
import type { Counter, Row } from "./rows.ts"
import { typedValues } from "./typed.ts"

// Bundlers treat a caught import as one whose package may be missing, except for webpack, which needs a hint.
const { ByteWriter, ParquetWriter } = await import(/* webpackIgnore: true */ "hyparquet-writer").catch(
  (error: unknown) => {
    throw error
  }
)

/** A row group holds at most this number of rows, */
const groupRows = 50_000
/** and at most this amount of text in values. */
const groupText = 64 * 1024 * 1024

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

class Encoder {
  private readonly bytes = new ByteWriter(1024 * 1024)
  private readonly writer: InstanceType<typeof ParquetWriter>
  private readonly names: ReadonlyArray<string>
  private readonly columns: ReadonlyArray<Column>
  private data: Array<Array<unknown>>
  private rows = 0
  private textLength = 0

  constructor({ columns, compression }: OutputFormat) {
    const schema = schemaOf(columns)
    this.columns = columns
    this.names = schema.slice(1).map(({ name }) => name)
    this.data = this.names.map(() => [])
    this.writer = new ParquetWriter({
      writer: this.bytes,
      schema,
      codec: codecs[compression],
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
    return this.rows === groupRows || this.textLength >= groupText
  }

  private take(): Uint8Array {
    const bytes = this.bytes.getBytes().slice()
    this.bytes.index = 0
    return bytes
  }

  /** Ends the row group. */
  flush(): Uint8Array {
    if (this.rows > 0) {
      void this.writer.write({
        columnData: this.names.map((name, at) =>
          plain.has(name) ? { name, data: this.data[at]!, encoding: "PLAIN" as const } : { name, data: this.data[at]! }
        ),
        rowGroupSize: this.rows
      })
      this.data = this.names.map(() => [])
      this.rows = 0
      this.textLength = 0
    }
    return this.take()
  }

  finish(): Uint8Array {
    const last = this.flush()
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
      Effect.sync(() => {
        const out: Array<Uint8Array> = []
        for (const row of rows) if (encoder.add(row)) out.push(encoder.flush())
        return [out] as [Array<Uint8Array>]
      }))
    return Stream.flattenIterable(Stream.concat(groups, Stream.sync(() => [encoder.finish()])))
  })

const counted = ["map_index", "mapped_children", "error_reason"]

/** Counts the rows of a part. */
export const count = (bytes: Uint8Array, counter: Counter): Effect.Effect<void, FormatError> =>
  Effect.map(
    ResultFormat.decode(bytes, { name: "part.parquet", format: "parquet", maxBytes: maxPartBytes, columns: counted }),
    (value) => {
      const table = value as Table
      const [index, children, reason] = counted.map((name) => table.column(name))
      for (let row = 0; row < table.numRows; row++) {
        const failure = reason?.at(row) as string | null
        counter.add(index?.at(row) as number, failure ?? undefined, failure === null && children?.at(row) === null)
      }
    }
  )

/** Larger than a part of the most rows and the largest values. */
const maxPartBytes = 4 * 1024 * 1024 * 1024
