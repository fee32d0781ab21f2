/**
 * How long decoding and showing a large value block other work: the longest processor time between two turns of a 5 ms
 * timer, with and without V8's collections of garbage. The same work without yielding, which blocks for its whole
 * duration, is measured beside it, and for a value that is one container the insertions alone.
 */
import * as ArchiveApi from "@effect-prefect/api/ArchiveApi"
import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import * as ArchiveFormat from "@effect-prefect/core/ArchiveFormat"
import * as TaskRunView from "@effect-prefect/core/TaskRunView"
import { empty } from "@effect-prefect/formats/ClassRegistry"
import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import * as ArchiveExport from "@effect-prefect/results/ArchiveExport"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { createHash } from "node:crypto"
import { closeSync, fsyncSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setImmediate } from "node:timers/promises"
import { parsePrecisely } from "../packages/api/src/internal/http/failure.ts"
import { parseLong } from "../packages/api/src/internal/http/pieces.ts"
import { decodeTaskRun } from "../packages/api/src/internal/rows.ts"
import { undecodable } from "../packages/formats/src/FormatError.ts"
import { readFeather } from "../packages/formats/src/internal/arrow/feather.ts"
import { unlz4FrameSteps } from "../packages/formats/src/internal/compression/lz4.ts"
import { jsonBytesSteps } from "../packages/formats/src/internal/jsonPieces.ts"
import { readCsv } from "../packages/formats/src/internal/readers/csv.ts"
import { readPandasJson } from "../packages/formats/src/internal/readers/pandasJson.ts"
import { fromBase64, pickleSteps, readPickle, readTorch } from "../packages/formats/src/internal/readers/pickle.ts"
import { giveWay, toEnd } from "../packages/formats/src/internal/steps.ts"
import { utf8PiecesSteps, utf8Steps } from "../packages/formats/src/internal/text.ts"
import { type Held, heldBy as held } from "./support/held.ts"
import { type Format, inputs, records } from "./support/heldInputs.ts"
import type { Row } from "./support/row.ts"

const heldBy = (effect: Effect.Effect<unknown, unknown>): Promise<Held> => held(() => Effect.runPromise(effect))

const isCsv = (format: Format): boolean => format.includes("CSV")

const hints: { readonly [name in Format]?: ResultFormat.Format } = { "JSON of pandas": "pandas-json", text: "text" }

/** Whether its own threads do the most of it, so that there is no form at once. */
const inThreads = (format: Format): boolean =>
  format.startsWith("Parquet") || (isCsv(format) && !format.startsWith("CSV"))

/** What a format does at once. */
const atOnce = (format: Format, bytes: Uint8Array): unknown => {
  if (format === "JSON of pandas") return toEnd(readPandasJson(toEnd(utf8PiecesSteps(bytes))!))
  if (format === "text") return toEnd(utf8Steps(bytes))
  if (format === "tensor in a ZIP") return toEnd(readTorch(bytes, empty, 2 ** 30))
  if (format.startsWith("JSON")) return toEnd(jsonBytesSteps(bytes))
  if (isCsv(format)) return toEnd(readCsv(bytes, 2 ** 30))
  if (format.startsWith("Arrow")) return toEnd(readFeather(bytes, 2 ** 30, false))
  return format === "pickle in base64"
    ? toEnd(pickleSteps(toEnd(fromBase64(bytes))!, empty, 2 ** 30))
    : readPickle(bytes, empty, 2 ** 30)
}

/** Inserts one by one, and gives way as the decoders do. */
const insertions = async (count: number, insert: (index: number) => void): Promise<void> => {
  let start = performance.now()
  for (let index = 0; index < count; index++) {
    insert(index)
    if (index % 1_000 !== 999 || performance.now() - start < 10) continue
    await setImmediate()
    start = performance.now()
  }
}

const keyOf = (index: number): string => `k${String(index).padStart(9, "0")}`

const plainList = (count: number): Promise<void> => {
  const list: Array<unknown> = []
  return insertions(count, (index) => list.push(index % 2 === 0 ? 1 : "abcd"))
}

const plainObject = (count: number): Promise<void> => {
  const object: Record<string, number> = {}
  return insertions(count, (index) => object[keyOf(index)] = 1)
}

const plainSet = (count: number): Promise<void> => {
  const set = new Set<string>()
  return insertions(count, (index) => set.add(keyOf(index)))
}

/**
 * The plainest program that makes the one container of a value, item by item: V8 copies the whole of an array, an object
 * or a Set that grows, in one step that nothing divides.
 */
const plainest: { readonly [name in Format]?: (megabytes: number) => Promise<void> } = {
  "pickle of a list": (megabytes) => plainList(megabytes * 180_000),
  "pickle in base64": (megabytes) => plainList(megabytes * 135_000),
  "JSON of one object": (megabytes) => plainObject(megabytes * 66_000),
  "pickle of a dict": (megabytes) => plainObject(megabytes * 58_000),
  "pickle of a dict with a late key": (megabytes) => plainObject(megabytes * 58_000),
  "pickle of a set": (megabytes) => plainSet(megabytes * 66_000),
  "pickle of a set in protocol 2": (megabytes) => plainSet(megabytes * 66_000)
}

/** One work, whose three rows are measured together. */
interface Parts {
  readonly work: string
  readonly runs: number
  readonly open: () => void
  readonly giving: () => Effect.Effect<unknown, unknown>
  /** The same without yielding, where there is such a form; an Effect where a part of it is not what is compared. */
  readonly once?: (() => unknown) | undefined
  readonly plainest?: (() => Promise<void>) | undefined
  readonly close: () => void
}

/** The longest turn, and in rows that follow the same without collections and the processor time of the whole. */
const rowsOf = ({ close, giving, once, open, plainest, runs, work }: Parts): ReadonlyArray<Row> => {
  /** A contender in each of the rows. */
  const contender = (name: string, effect: () => Effect.Effect<unknown, unknown>) => {
    const apart: Array<number> = []
    const totals: Array<number> = []
    const run = async () => {
      const before = process.cpuUsage()
      const { longest, withoutCollections } = await heldBy(effect())
      const { system, user } = process.cpuUsage(before)
      apart.push(withoutCollections)
      totals.push((system + user) / 1000)
      return { measured: longest }
    }
    // The first figure is that of the warm-up, which the other rows have of their own.
    const next = (figures: Array<number>) => ({ name, run: () => ({ measured: figures.shift() ?? Number.NaN }) })
    return [{ name, open, close, run }, next(apart), next(totals)]
  }
  const ours = contender("giving way", giving)
  const peer = once === undefined ? undefined : contender("at once", () =>
    Effect.suspend(() => {
      const made = once()
      return Effect.isEffect(made) ? made as Effect.Effect<unknown, unknown> : Effect.void
    }))
  const limit = plainest === undefined ? undefined : contender("inserting alone", () => Effect.promise(plainest))
  return [`held by ${work}`, `the same, without collections: ${work}`, `in all, ${work}`].map((work, at) => ({
    work,
    count: 1,
    show: "ms",
    runs,
    // What takes seconds is compiled soon enough.
    warmUp: runs > 1,
    ours: ours[at]!,
    ...(peer === undefined ? {} : { peers: [peer[at]!] }),
    ...(limit === undefined ? {} : { limit: limit[at]! })
  }))
}

const decodeRows = (format: Format, megabytes: number): ReadonlyArray<Row> => {
  let bytes = new Uint8Array(0)
  const plain = plainest[format]
  return rowsOf({
    work: `${format} of ${megabytes} MB`,
    runs: megabytes > 1 ? 1 : 3,
    open: () => {
      if (bytes.length > 0) return
      const content = inputs[format](megabytes)
      bytes = typeof content === "string" ? new Uint8Array(Buffer.from(content, "latin1")) : new Uint8Array(content)
    },
    giving: () =>
      ResultFormat.decode(bytes, { name: isCsv(format) ? "x.csv" : "x", maxBytes: 2 ** 30, format: hints[format] }),
    once: inThreads(format) ? undefined : () => atOnce(format, bytes),
    plainest: plain === undefined ? undefined : () => plain(megabytes),
    close: () => {
      bytes = new Uint8Array(0)
    }
  })
}

const projection = (megabytes: number): ReadonlyArray<Row> => {
  let value: unknown
  return rowsOf({
    work: `the projection of ${megabytes} MB`,
    runs: megabytes > 1 ? 1 : 3,
    open: () => {
      value = records(megabytes)
    },
    giving: () => JsonProjection.toText(value),
    once: () => Array.from(JsonProjection.toChunks(value)).join(""),
    close: () => {
      value = undefined
    }
  })
}

const row = (id: number) => ({ id, name: `row ${id}`, state: { type: "Success", message: null }, tags: ["a", "b"] })

/** A page of GraphQL. */
const answer = (megabytes: number): ReadonlyArray<Row> => {
  let text = ""
  return rowsOf({
    work: `an answer of GraphQL of ${megabytes} MB`,
    runs: 3,
    open: () => {
      text = JSON.stringify({ data: { task_run: Array.from({ length: megabytes * 11_500 }, (_, id) => row(id)) } })
    },
    giving: () => parseLong(text, parsePrecisely),
    once: () => parsePrecisely(text),
    close: () => {
      text = ""
    }
  })
}

/** A frame of blocks of 4 MiB, each of literals and of matches of four bytes. */
const lz4 = (megabytes: number): ReadonlyArray<Row> => {
  const blockBytes = 0x400000
  const length = Math.ceil(megabytes * 1e6 / blockBytes) * blockBytes
  let frame = new Uint8Array(0)
  const failed = () => undecodable("it is no LZ4")
  return rowsOf({
    work: `LZ4 of ${megabytes} MB`,
    runs: 3,
    open: () => {
      // Sequences of eight literals and a match of eight bytes; the last has literals alone.
      const block = Buffer.concat([
        ...Array.from(
          { length: blockBytes / 16 - 1 },
          (_, at) => Buffer.from([0x84, at, at >> 8, 3, 4, 5, 6, 7, 8, 8, 0])
        ),
        Buffer.from([0xf0, 1, ...Buffer.alloc(16, 7)])
      ])
      const head = Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x70, 0x73])
      const size = Buffer.from(Uint32Array.of(block.length).buffer)
      const blocks = Array.from({ length: length / blockBytes }, () => [size, block]).flat()
      frame = new Uint8Array(Buffer.concat([head, ...blocks, Buffer.alloc(4)]))
    },
    giving: () => giveWay(() => unlz4FrameSteps(frame, length), failed),
    once: () => toEnd(unlz4FrameSteps(frame, length)),
    close: () => {
      frame = new Uint8Array(0)
    }
  })
}

/** Making the index of an archive, which a first walk does, and the walk; they have no other form. */
const archive = (children: number): ReadonlyArray<Row> => {
  let folder = ""
  let cache = ""
  const uuid = (n: number) => `${n.toString(16).padStart(8, "0")}-0000-4000-8000-000000000000`
  const open = () => {
    if (folder !== "") return
    folder = mkdtempSync(join(tmpdir(), "bench-held-"))
    mkdirSync(join(folder, "tables"))
    const lines = Array.from({ length: children }, (_, n) =>
      JSON.stringify({
        id: uuid(n),
        flow_run_id: uuid(1),
        task_id: uuid(2),
        map_index: n,
        name: "extract",
        start_time: "2022-03-01T12:00:00.123456+00:00",
        end_time: "2022-03-01T12:00:02+00:00",
        serialized_state: { type: "Success", message: "Task run succeeded.", context: { tags: [] } }
      }))
    writeFileSync(join(folder, "tables/task_run.jsonl"), `${lines.join("\n")}\n`)
  }
  const close = () => {
    rmSync(folder, { recursive: true, force: true })
    folder = ""
  }
  const index = () => {
    cache = mkdtempSync(join(folder, "cache-"))
    return ArchiveApi.makeIndex(folder, { cache })
  }
  const walk = () =>
    Effect.scoped(
      Effect.flatMap(
        ArchiveApi.make(folder, { cache }),
        ({ api }) => Stream.runCount(api.mappedChildren({ flowRunId: uuid(1), taskId: uuid(2) }))
      )
    )
  const work = `a walk of an archive's ${children} children`
  return [
    ...rowsOf({ work: `making the index of an archive of ${children} task runs`, runs: 3, open, giving: index, close }),
    ...rowsOf({ work, runs: 3, open, giving: () => Effect.andThen(index(), walk()), close })
  ]
}

const longRowId = "00000000-0000-4000-8000-000000000001"

/** A task run whose context has many values. */
const longTaskRun = (megabytes: number) => ({
  id: longRowId,
  flow_run_id: longRowId,
  task_id: longRowId,
  map_index: -1,
  serialized_state: {
    type: "Success",
    context: { rows: Array.from({ length: megabytes * 11_500 }, (_, id) => row(id)) }
  }
})

/** The view of a row, whose depth is looked at. */
const viewOf = (row: object): TaskRunView.TaskRunView => Result.getOrThrow(decodeTaskRun(row))

/** Scanning a table that has one long row, for the view of it. */
const longRowOfArchive = (megabytes: number): ReadonlyArray<Row> => {
  let folder = ""
  const file = () => join(folder, "tables/task_run.jsonl")
  return rowsOf({
    work: `a row of ${megabytes} MB of an archive`,
    runs: 3,
    open: () => {
      if (folder !== "") return
      folder = mkdtempSync(join(tmpdir(), "bench-held-"))
      mkdirSync(join(folder, "tables"))
      writeFileSync(file(), `${JSON.stringify(longTaskRun(megabytes))}\n`)
    },
    giving: () =>
      Effect.scoped(Effect.flatMap(ArchiveApi.make(folder, { index: "never" }), ({ api }) => api.taskRun(longRowId))),
    once: () => {
      // Scanned, and read again for its view.
      for (let pass = 0; pass < 2; pass++) {
        const parsed = ArchiveFormat.parseLine(readFileSync(file()).subarray(0, -1))
        if (typeof parsed === "string") throw new Error(parsed)
        if (pass === 1) viewOf(parsed.row)
      }
    },
    close: () => {
      rmSync(folder, { recursive: true, force: true })
      folder = ""
    }
  })
}

/** Exporting a long row that an API returned. */
const longRowOfApi = (megabytes: number): ReadonlyArray<Row> => {
  let folder = ""
  let runs = 0
  let rows: ReadonlyArray<ReturnType<typeof longTaskRun>> = []
  const flowRun = { id: longRowId, flow_id: longRowId, name: "long" }
  const exported = (taskRuns: typeof rows) =>
    Effect.scoped(
      Effect.flatMap(
        Layer.build(MemoryApi.layer({ flow_run: [flowRun], task_run: taskRuns })),
        (context) =>
          ArchiveExport.exportTables({ directory: join(folder, String(runs++)), api: Context.get(context, PrefectApi) })
      )
    )
  return rowsOf({
    work: `exporting a row of ${megabytes} MB of an API`,
    runs: 3,
    open: () => {
      if (folder !== "") return
      folder = mkdtempSync(join(tmpdir(), "bench-held-"))
      rows = [longTaskRun(megabytes)]
    },
    giving: () => exported(rows),
    once: () =>
      // An archive has more files, and locks, that no row pays for.
      Effect.andThen(
        exported([longTaskRun(0)]),
        Effect.sync(() => {
          const text = Buffer.from(`${rows.map((row) => JSON.stringify(TaskRunView.toRow(viewOf(row)))).join("\n")}\n`)
          const path = join(folder, String(runs++))
          const file = openSync(path, "w")
          writeFileSync(file, text)
          createHash("sha256").update(text).digest("hex")
          fsyncSync(file)
          closeSync(file)
        })
      ),
    close: () => {
      rmSync(folder, { recursive: true, force: true })
      folder = ""
      rows = []
    }
  })
}

/** Formats that can have 256 MB. */
const large: ReadonlyArray<Format> = [
  "JSON",
  "JSON of one text",
  "JSON of pandas",
  "JSON in UTF-16",
  "JSON in UTF-32",
  "text",
  "CSV",
  "CSV of one cell",
  "pickle of a list",
  "pickle of records",
  "pickle of records in protocol 0",
  "pickle of escapes in protocol 0",
  "pickle of one text",
  "pickle in base64",
  "transposed tensor",
  "tensor in a ZIP",
  "CBOR of a polars Series",
  "Arrow of floats",
  "Arrow of texts",
  "Parquet",
  "Parquet of texts",
  "gzip of CSV",
  "zlib of CSV",
  "zstd of CSV",
  "bz2 of CSV",
  "xz of CSV",
  "lzma of CSV"
]

/**
 * Formats whose 256 MB are refused, because V8 has no object of so many keys and no Set of so many members, or because a
 * table of so many columns takes too much memory; at a size that takes some seconds.
 */
const bounded: ReadonlyArray<Format> = [
  "JSON of one object",
  "CSV of many columns",
  "pickle of a dict",
  "pickle of a dict with a late key",
  "pickle of a set",
  "pickle of a set in protocol 2"
]

export const rows: ReadonlyArray<Row> = [
  ...archive(100_000),
  ...[20, 70].flatMap((megabytes) => [...longRowOfArchive(megabytes), ...longRowOfApi(megabytes)]),
  ...[1, 20].flatMap((megabytes) => bounded.flatMap((format) => decodeRows(format, megabytes))),
  ...[1, 100, 256].flatMap((megabytes) => [
    ...large.flatMap((format) => decodeRows(format, megabytes)),
    ...projection(megabytes)
  ]),
  ...answer(50),
  ...lz4(100)
]
