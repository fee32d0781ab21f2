/** Decoding: many small results, large ones, and the decompressors compared with those on npm. */
import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import { Table } from "@effect-prefect/formats/Table"
import { loads } from "@effect-prefect/pickle"
import * as Flechette from "@uwdata/flechette"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { fileURLToPath } from "node:url"
import { readParquet, Table as ArrowTable, writeParquet } from "parquet-wasm"
import { inferSchema, initParser } from "udsv"
import { bunzip2 } from "../packages/formats/src/internal/compression/bzip2.ts"
import { unlz4Frame } from "../packages/formats/src/internal/compression/lz4.ts"
import { Output } from "../packages/formats/src/internal/compression/output.ts"
import { unxz } from "../packages/formats/src/internal/compression/xz.ts"
import type { Measured, Row } from "./support/row.ts"

const require = createRequire(import.meta.url)
const fixture = (path: string) => readFileSync(fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url)))

const decode = (bytes: Uint8Array, name = "result") =>
  Effect.runPromise(ResultFormat.decode(bytes, { name, maxBytes: 1 << 28 }))

const pickle = new Uint8Array(fixture("prefect-1/results/orders-etl/transform-1/0.prefect"))
const json = new Uint8Array(fixture("prefect-1/results/orders-etl/score-1/0.json"))
const small = 10_000
/** A run of fewer would mostly be the compiler's, which starts anew after each forced collection. */
const many = 100_000

const traverse = <E>(count: number, body: () => Effect.Effect<unknown, E>) =>
  Effect.runSync(Effect.forEach(Array.from({ length: count }), body, { discard: true }))

/** As results are read: what is small is decoded without an Effect. */
const eachAtOnce = (bytes: Uint8Array, count: number) => {
  for (let i = 0; i < count; i++) {
    const decoded = ResultFormat.decodeAtOnce(bytes, { name: "result", maxBytes: 1 << 28 })
    if (decoded === undefined || Result.isFailure(decoded)) throw new Error("it is not decoded at once")
  }
}

const each = (bytes: Uint8Array, count: number) =>
  traverse(count, () => ResultFormat.decode(bytes, { name: "result", maxBytes: 1 << 28 }))

const records = Array.from({ length: 100_000 }, (_, id) => ({
  id,
  customer: `customer-${id % 500}`,
  total: id / 7,
  items: [{ sku: `SKU-${id % 10_000}`, quantity: id % 5 }]
}))
const eachByParse = (count: number) => {
  const decoder = new TextDecoder()
  for (let i = 0; i < count; i++) JSON.parse(decoder.decode(json))
}

const recordsJson = new TextEncoder().encode(JSON.stringify(records))

const bz2 = new Uint8Array(fixture("formats/orders.csv.bz2"))
const xz = new Uint8Array(fixture("formats/orders.csv.xz"))
const csvBytes = 717_064

/** As many streams one after the other, which decompress to 5.7 MB. */
const xzStreams = 8
const xzLong = new Uint8Array(Buffer.concat(Array.from({ length: xzStreams }, () => xz)))

const toEnd = (steps: Generator<void, Uint8Array>) => {
  while (steps.next().done !== true) { /* the next block */ }
}
const output = () =>
  new Output(1 << 20, 1 << 28, () => {
    throw new Error("it is too large")
  })

const unbzip = (require("seek-bzip") as { readonly decode: (bytes: Uint8Array) => Uint8Array }).decode
const { XzReadableStream } = require("xz-decompress") as {
  readonly XzReadableStream: new(stream: ReadableStream<Uint8Array>) => ReadableStream<Uint8Array>
}
const unxzByWasm = async (bytes: Uint8Array) => {
  const stream = new ReadableStream<Uint8Array>({
    start: (controller) => {
      controller.enqueue(bytes)
      controller.close()
    }
  })
  let length = 0
  for await (const chunk of new XzReadableStream(stream)) length += chunk.length
  return length
}

const lz4js = require("lz4js") as {
  readonly compress: (bytes: Uint8Array) => Uint8Array
  readonly decompress: (bytes: Uint8Array, maxSize: number) => Uint8Array
}
/** Doubles with two decimals, as in Arrow's LZ4 buffers of amounts. */
const amounts = new Uint8Array(Float64Array.from({ length: 1_000_000 }, (_, i) => (i * 7_919 % 100_003) / 100).buffer)
let lz4: Uint8Array = new Uint8Array(0)

// An engine does not read unused values.
let sum = 0
const use = (value: unknown) => {
  if (typeof value === "number") sum += value
  else if (typeof value === "string") sum += value.length
}

const arrowRows = 200_000

/** An Arrow stream of numbers and one text per row, which flechette makes a dictionary by default. */
const arrowStream = (texts: "a dictionary" | "UTF-8"): Row => {
  let stream: Uint8Array = new Uint8Array(0)
  return {
    work: `read an Arrow stream and every cell of it, texts as ${texts} (rows)`,
    count: arrowRows,
    ours: {
      name: "Table",
      open: () => {
        const ids = Int32Array.from({ length: arrowRows }, (_, i) => i)
        const totals = Float64Array.from({ length: arrowRows }, (_, i) => i / 7)
        const names = Array.from({ length: arrowRows }, (_, i) => `customer-${i % 500}`)
        const types = texts === "UTF-8" ? { names: Flechette.utf8() } : {}
        stream = Flechette.tableToIPC(Flechette.tableFromArrays({ ids, totals, names }, { types }), {
          format: "stream"
        })!
      },
      run: async () => {
        const table = await decode(stream)
        if (!(table instanceof Table)) throw new Error("it is a table")
        for (const column of table.columns) for (let row = 0; row < table.numRows; row++) use(column.at(row))
      }
    },
    peers: [{
      name: "flechette",
      run: () => {
        const table = Flechette.tableFromIPC(stream)
        for (const column of table.children) for (let row = 0; row < arrowRows; row++) use(column.at(row))
      }
    }],
    target: { peer: 1 }
  }
}

/** 20 columns as pandas writes them: integers, floats of 17 and of few digits, texts, a time, booleans, some missing. */
const csvRows = 200_000
const makeCsv = (): Uint8Array => {
  let seed = 1
  const random = () => (seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32
  const below = (limit: number) => Math.floor(random() * limit)
  const lines = [Array.from({ length: 20 }, (_, i) => `c${i}`).join(",")]
  for (let row = 0; row < csvRows; row++) {
    lines.push([
      row,
      below(1e6),
      random() * 100,
      Math.exp(random() * 10),
      (random() * 1_000).toFixed(2),
      `customer-${row % 500}`,
      `2020-01-${String(1 + row % 28).padStart(2, "0")} 10:00:00`,
      random() < 0.5 ? "True" : "False",
      below(10),
      random() / 1_000,
      row * 7,
      random(),
      random() * 1e6,
      `item ${below(1e6)}`,
      below(1e9),
      random(),
      random(),
      random() < 0.1 ? "" : below(100),
      random().toFixed(4),
      "EUR"
    ].join(","))
  }
  return new TextEncoder().encode(lines.join("\n"))
}
let csv: Uint8Array = new Uint8Array(0)

/** The processor time of all threads, in milliseconds. */
const processorTime = async (work: () => unknown): Promise<Measured> => {
  const before = process.cpuUsage()
  await work()
  const { system, user } = process.cpuUsage(before)
  return { measured: (system + user) / 1_000 }
}

const parquetRows = 200_000
let parquet: Uint8Array = new Uint8Array(0)
/** 20 columns: floats, integers and texts. */
const makeParquet = (): Uint8Array => {
  const column = (at: number) =>
    at < 10
      ? Float64Array.from({ length: parquetRows }, (_, i) => (i * 7_919 + at) % 100_003 / 7)
      : at < 16
      ? Int32Array.from({ length: parquetRows }, (_, i) => (i * 7_919 + at) % 1_000_003)
      : Array.from({ length: parquetRows }, (_, i) => `item ${(i * 7_919 + at) % 50_021}`)
  const indexes = Array.from({ length: 20 }, (_, at) => at)
  const table = Flechette.tableFromArrays(Object.fromEntries(indexes.map((at) => [`c${at}`, column(at)])), {
    types: Object.fromEntries(indexes.slice(16).map((at) => [`c${at}`, Flechette.utf8()]))
  })
  return writeParquet(ArrowTable.fromIPCStream(Flechette.tableToIPC(table, { format: "stream" })!))
}

const everyCell = async (file: Uint8Array) => {
  const table = await decode(file, "orders.parquet")
  if (!(table instanceof Table)) throw new Error("it is a table")
  for (const column of table.columns) for (let row = 0; row < table.numRows; row++) use(column.at(row))
}

const everyCellByFlechette = (file: Uint8Array) => {
  const table = Flechette.tableFromIPC(readParquet(file, { batchSize: 65_536 }).intoIPCStream())
  for (const column of table.children) for (let row = 0; row < table.numRows; row++) use(column.at(row))
}

export const rows: ReadonlyArray<Row> = [
  {
    work: "decode small pickles (a dict of a datetime, a set and text)",
    count: small,
    ours: { name: "ResultFormat.decode", run: () => each(pickle, small) },
    limit: {
      name: "the pickle decoder alone",
      run: () => {
        for (let i = 0; i < small; i++) loads(pickle)
      }
    },
    target: { limit: 0.5 }
  },
  {
    work: "decode small JSON",
    count: many,
    ours: { name: "ResultFormat.decodeAtOnce, as results are read", run: () => eachAtOnce(json, many) },
    limit: { name: "JSON.parse of the text", run: () => eachByParse(many) },
    target: { limit: 0.7 }
  },
  {
    work: "decode small JSON, an Effect for each",
    count: many,
    // An Effect that does nothing takes three times as long when its code was discarded.
    keepsCode: true,
    ours: { name: "ResultFormat.decode", run: () => each(json, many) },
    peers: [{
      name: "JSON.parse in the same traversal",
      run: () => {
        const decoder = new TextDecoder()
        traverse(many, () => Effect.suspend(() => Effect.succeed(JSON.parse(decoder.decode(json)))))
      }
    }, {
      name: "JSON.parse in the same traversal, by Effect.sync",
      run: () => {
        const decoder = new TextDecoder()
        traverse(many, () => Effect.sync(() => JSON.parse(decoder.decode(json))))
      }
    }, {
      name: "Effect.void in the same traversal",
      run: () => traverse(many, () => Effect.void)
    }],
    limit: { name: "JSON.parse of the text", run: () => eachByParse(many) },
    target: { limit: 0.7 }
  },
  {
    work: "decode a JSON text of 100 000 records",
    count: records.length,
    ours: { name: "ResultFormat.decode", run: async () => void await decode(recordsJson) },
    limit: {
      name: "JSON.parse of the text",
      run: () => void JSON.parse(new TextDecoder().decode(recordsJson))
    },
    target: { limit: 0.4 }
  },
  {
    work: `read CSV of ${csvRows} rows and 20 columns with pandas' types (rows)`,
    count: csvRows,
    ours: {
      name: "ResultFormat.decode",
      open: () => {
        csv = makeCsv()
      },
      run: async () => void await decode(csv, "orders.csv")
    },
    peers: [{
      name: "uDSV, typed arrays",
      run: () => {
        const text = new TextDecoder().decode(csv)
        initParser(inferSchema(text)).typedArrs(text)
      }
    }],
    target: { peer: 1 }
  },
  {
    work: `read Parquet of ${parquetRows} rows and 20 columns and every cell, processor time of all threads`,
    count: parquetRows,
    show: "ms",
    ours: {
      name: "ResultFormat.decode, in a thread",
      open: async () => {
        parquet = makeParquet()
        // The thread starts, and V8 compiles what runs often: this measures a program that has been reading for a while.
        for (let i = 0; i < 6; i++) await everyCell(parquet)
      },
      run: () => processorTime(() => everyCell(parquet))
    },
    peers: [{
      name: "parquet-wasm and flechette, on this thread",
      open: () => {
        for (let i = 0; i < 6; i++) everyCellByFlechette(parquet)
      },
      run: () => processorTime(() => everyCellByFlechette(parquet))
    }, {
      name: "parquet-wasm to an Arrow stream, without its cells",
      run: () => processorTime(() => readParquet(parquet, { batchSize: 65_536 }).intoIPCStream())
    }],
    target: { peer: 1 }
  },
  {
    work: "show 100 000 records as JSON text",
    count: records.length,
    ours: {
      name: "JsonProjection.toText",
      run: async () => void await Effect.runPromise(JsonProjection.toText(records))
    },
    limit: { name: "JSON.stringify", run: () => void JSON.stringify(records) },
    target: { limit: 0.5 }
  },
  {
    work: "decompress bz2 (bytes)",
    count: csvBytes,
    ours: { name: "ours", run: () => toEnd(bunzip2(bz2, output())) },
    peers: [{ name: "seek-bzip", run: () => void unbzip(bz2) }]
  },
  {
    work: "decompress xz (bytes)",
    count: csvBytes,
    ours: {
      name: "ours",
      open: () => {
        // V8 compiles code that runs often: this measures a program that has been reading for a while.
        for (let i = 0; i < 6; i++) toEnd(unxz(xz, output()))
      },
      run: () => toEnd(unxz(xz, output()))
    },
    peers: [{ name: "xz-decompress (WebAssembly)", run: async () => void await unxzByWasm(xz) }],
    target: { peer: 1 }
  },
  {
    work: `decompress xz of ${xzStreams} streams (bytes)`,
    count: xzStreams * csvBytes,
    ours: { name: "ours", run: () => toEnd(unxz(xzLong, output())) },
    peers: [{
      name: "xz-decompress (WebAssembly)",
      run: async () => {
        if (await unxzByWasm(xzLong) !== xzStreams * csvBytes) throw new Error("it ends early")
      }
    }],
    target: { peer: 1 }
  },
  {
    work: "decompress LZ4 (bytes)",
    count: amounts.length,
    ours: {
      name: "ours",
      open: () => {
        lz4 = lz4js.compress(amounts)
      },
      run: () => void unlz4Frame(lz4, amounts.length)
    },
    peers: [{ name: "lz4js", run: () => void lz4js.decompress(lz4, amounts.length) }],
    target: { peer: 1 }
  },
  arrowStream("a dictionary"),
  arrowStream("UTF-8")
]
