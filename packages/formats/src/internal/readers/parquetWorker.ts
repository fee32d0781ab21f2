/**
 * The worker thread that reads Parquet: parquet-wasm cannot yield, and the effects of damaged input end with the
 * thread.
 *
 * A file is read into an Arrow stream, which the requesting thread decodes.
 */
import { readFileSync } from "node:fs"
import { type MessagePort, parentPort, workerData } from "node:worker_threads"
import type { ParquetFile, RecordBatch } from "parquet-wasm/esm"

/** A `WebAssembly.Module`, whose type is one of browsers. */
type CompiledModule = object

/** parquet-wasm's code, which a thread sends once when it has compiled it, and gets when another one has. */
export interface Compiled {
  readonly _tag: "Compiled"
  readonly module: CompiledModule
}

/** What a thread sends when it can read: what fails from then on is the file's fault. */
export interface Started {
  readonly _tag: "Started"
}

export interface Request {
  /** The bytes of the file, as consecutive parts. */
  readonly parts: ReadonlyArray<Uint8Array>
  readonly maxBytes: number
  /** Only these columns. */
  readonly columns: ReadonlyArray<string> | undefined
  /** The memory that the values may take. */
  readonly room: number
  /** The rows that are read at once: their texts may take many times the memory of the bytes that they are packed in. */
  readonly batchSize: number
}

export type Answer =
  | {
    readonly _tag: "Streams"
    /** Arrow streams, of one batch or of many small ones. */
    readonly streams: ReadonlyArray<Uint8Array>
    /** The Arrow schema that pyarrow and others store beside Parquet's own, as base64. */
    readonly arrowSchema: string | null
    /** pandas' metadata about its columns. */
    readonly pandas: string | null
  }
  | { readonly _tag: "TooLarge" }
  /** The values take more memory than there is room: at least so many bytes. */
  | { readonly _tag: "NoRoom"; readonly size: number }
  | { readonly _tag: "Damaged"; readonly detail: string }
  /** parquet-wasm is not installed. */
  | { readonly _tag: "Missing" }
  /** This file is not where the thread looks for it. */
  | { readonly _tag: "NoReader" }
  /** The thread ended before it could read, e.g. because the system has no more files to open. */
  | { readonly _tag: "NotStarted"; readonly code: string }

/** What a file says of the columns that are read. */
interface Claim {
  /** Bytes, or values, which may occupy no bytes at all; not a number when columns are in other files. */
  readonly size: number
  /** The rows of its largest row group. */
  readonly rows: number
}

/**
 * What a file claims. Each description is freed at once: memory of WebAssembly with many pieces in use is slow to take more
 * from, and those that the collector frees are freed late.
 */
const claimed = (file: ParquetFile, columns: ReadonlyArray<string> | undefined): Claim => {
  const metadata = file.metadata()
  let size = 0
  let rows = 0
  for (let at = 0; at < metadata.numRowGroups(); at++) {
    const group = metadata.rowGroup(at)
    rows = Math.max(rows, group.numRows())
    for (const column of group.columns()) {
      if (column.filePath() !== undefined) size = Number.NaN
      if (columns === undefined || columns.includes(column.columnPath()[0] ?? "")) {
        size += Math.max(column.uncompressedSize(), column.numValues())
      }
      column.free()
    }
    group.free()
  }
  metadata.free()
  return { size, rows }
}

/** What the file stores beside its columns. */
const valuesOf = (file: ParquetFile): ReadonlyMap<unknown, unknown> => {
  const metadata = file.metadata()
  const about = metadata.fileMetadata()
  const values = about.keyValueMetadata()
  about.free()
  metadata.free()
  return values
}

/** The message of a parquet-wasm error, cut before a possible quotation of the file. */
const detailOf = (error: unknown): string => {
  const text = error instanceof Error ? error.message : String(error)
  if (/row group ordinal/i.test(text)) {
    return "the Parquet file has more than 32 768 row groups: read it part by part (TableParts)"
  }
  return /encrypt/i.test(text) ? "the Parquet file is encrypted" : ""
}

const text = (value: unknown): string | null => typeof value === "string" ? value : null

/** Thrift's compact protocol: `num_rows` 0, then `row_groups`, whose length and item type are the next byte. */
const noRows = Buffer.from([0x16, 0x00, 0x19])
const noStructs = 0x0c

/** The part of `Blob` that parquet-wasm uses, over parts that are not joined. */
class Bytes {
  readonly size: number
  readonly #parts: ReadonlyArray<Uint8Array>

  constructor(parts: ReadonlyArray<Uint8Array>) {
    this.#parts = parts
    this.size = parts.reduce((sum, { length }) => sum + length, 0)
  }

  slice(start: number, end: number): { readonly arrayBuffer: () => Promise<ArrayBuffer> } {
    return {
      arrayBuffer: () => {
        let begin = 0
        for (const { buffer, length } of this.#parts) {
          if (begin === start && begin + length === end && length === buffer.byteLength) {
            return Promise.resolve(buffer as ArrayBuffer)
          }
          begin += length
        }
        const out = new Uint8Array(Math.max(0, Math.min(end, this.size) - start))
        let at = 0
        for (const part of this.#parts) {
          const [from, to] = [Math.max(start - at, 0), Math.min(end - at, part.length)]
          if (from < to) out.set(part.subarray(from, to), at + from - start)
          at += part.length
        }
        return Promise.resolve(out.buffer)
      }
    }
  }
}

/** What a thread sends of each file. */
export interface Answered {
  readonly _tag: "Answered"
  readonly answer: Answer
  /** The memory of WebAssembly that the thread holds, in bytes, which never shrinks. */
  readonly memory: number
}

type Parquet = typeof import("parquet-wasm/esm")

// The types know this global of browsers alone.
const { Module } = Reflect.get(globalThis, "WebAssembly") as {
  readonly Module: new(bytes: Uint8Array) => CompiledModule
}

/** Not by the system, which may have no more files to open. */
const isNotFound = (error: unknown): boolean =>
  !/^(?:E[A-Z0-9]+|ERR_INVALID_PACKAGE_CONFIG)$/.test(String((error as { readonly code?: unknown } | null)?.code))

/** parquet-wasm, of the build that takes compiled code; the others compile it in each thread anew. */
const load = async (port: MessagePort): Promise<Parquet | undefined> => {
  const parquet = await import("parquet-wasm/esm").catch((error: unknown) => {
    if (isNotFound(error)) return undefined
    throw error
  })
  if (parquet === undefined) return undefined
  let module = (workerData as Compiled | null)?.module
  if (module === undefined) {
    module = new Module(readFileSync(new URL(import.meta.resolve("parquet-wasm/esm/parquet_wasm_bg.wasm"))))
    port.postMessage({ _tag: "Compiled", module } satisfies Compiled)
  }
  parquet.initSync({ module })
  return parquet
}

/**
 * Opens a file. For a file without rows, some writers give the empty list of row groups the wrong item type, which
 * other readers ignore.
 */
const open = async (
  parquet: Parquet,
  parts: ReadonlyArray<Uint8Array>
): Promise<ParquetFile> => {
  const openParts = (of: ReadonlyArray<Uint8Array>) => parquet.ParquetFile.fromFile(new Bytes(of) as unknown as Blob)
  try {
    return await openParts(parts)
  } catch (error) {
    if (!/list element type/.test(String(error))) throw error
    const copy = Buffer.concat(parts)
    const at = copy.lastIndexOf(noRows) + noRows.length
    if (at < noRows.length || copy[at]! >> 4 !== 0) throw error
    copy[at] = noStructs
    return openParts([copy])
  }
}

/** The marker of the end of an Arrow stream. */
const streamEnd = Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0])

/** Streams of fewer bytes are joined until they have as many. */
const smallStream = 0x40000

/** The streams of the batches of a file. Small ones are joined: each that is sent is compared with all others. */
class Streams {
  length = 0
  readonly #all: Array<Uint8Array> = []
  #small: Array<Uint8Array> = []
  #smallLength = 0

  push(stream: Uint8Array): void {
    this.length += stream.length
    if (this.#smallLength + stream.length > smallStream) this.#join()
    if (stream.length > smallStream) {
      this.#all.push(stream)
      return
    }
    this.#small.push(stream)
    this.#smallLength += stream.length
  }

  all(): ReadonlyArray<Uint8Array> {
    this.#join()
    return this.#all
  }

  #join(): void {
    const streams = this.#small
    if (streams.length > 1) {
      const joined = new Uint8Array(this.#smallLength)
      let end = 0
      for (const [at, stream] of streams.entries()) {
        const isLast = at === streams.length - 1
        const part = isLast || !streamEnd.equals(stream.subarray(-streamEnd.length)) ? stream : stream.subarray(0, -8)
        joined.set(part, end)
        end += part.length
      }
      this.#all.push(joined.subarray(0, end))
    } else this.#all.push(...streams)
    this.#small = []
    this.#smallLength = 0
  }
}

const read = async (
  parquet: Parquet,
  { batchSize, columns, maxBytes, parts, room }: Request
): Promise<Answer> => {
  let file: ParquetFile | undefined
  try {
    file = await open(parquet, parts)
    const claim = claimed(file, columns)
    if (Number.isNaN(claim.size)) {
      return { _tag: "Damaged", detail: "the Parquet file keeps its columns in other files" }
    }
    if (claim.size > maxBytes) return { _tag: "TooLarge" }
    const values = valuesOf(file)
    const options = {
      // The library takes memory for this many rows, or for all rows of the file, in each row group, even in one of one row.
      batchSize: Math.max(1, Math.min(batchSize, claim.rows)),
      ...(columns === undefined ? {} : { columns: [...columns] })
    }
    const streams = new Streams()
    for await (const batch of await file.stream(options) as AsyncIterable<RecordBatch>) {
      const taken = streams.length + batch.getArrayMemorySize()
      if (taken > room) {
        batch.free()
        return { _tag: "NoRoom", size: taken }
      }
      streams.push(batch.intoIPCStream())
    }
    // Without rows there is no batch, and the columns are needed.
    if (streams.length === 0) streams.push((await file.read(options)).intoIPCStream())
    return {
      _tag: "Streams",
      streams: streams.all(),
      arrowSchema: text(values.get("ARROW:schema")),
      pandas: text(values.get("pandas"))
    }
  } catch (error) {
    // A trap leaves the memory of the module in an undefined state: this thread must not read any more.
    if (error instanceof Error && error.name === "RuntimeError") throw error
    return { _tag: "Damaged", detail: detailOf(error) }
  } finally {
    file?.free()
  }
}

const serve = (port: MessagePort): void => {
  let loaded: Promise<Parquet | undefined> | undefined
  const start = async () => {
    const parquet = await load(port)
    port.postMessage({ _tag: "Started" } satisfies Started)
    return parquet
  }
  const answer = async (request: Request) => {
    const parquet = await (loaded ??= start())
    const answer: Answer = parquet === undefined ? { _tag: "Missing" } : await read(parquet, request)
    const memory = parquet === undefined
      ? 0
      : (parquet.wasmMemory() as { readonly buffer: ArrayBuffer }).buffer.byteLength
    port.postMessage(
      { _tag: "Answered", answer, memory } satisfies Answered,
      answer._tag === "Streams" ? answer.streams.map(({ buffer }) => buffer as ArrayBuffer) : []
    )
  }
  port.on("message", (request: Request) => void answer(request))
}

if (parentPort !== null) serve(parentPort)
