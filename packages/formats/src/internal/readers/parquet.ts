// Measured: bench/formats.bench.ts
/**
 * Reads Parquet with parquet-wasm in worker threads (docs/decisions/parquet.md).
 *
 * A thread is kept for some time for the next file, is terminated when the read is interrupted, and is replaced when it
 * fails.
 */
import { Timestamp, type TimeUnit } from "@effect-prefect/pickle"
import * as Effect from "effect/Effect"
import type { Worker } from "node:worker_threads"
import { FormatError, ReaderUnavailable, TooLarge, undecodable } from "../../FormatError.ts"
import type { ColumnParts, Table } from "../../Table.ts"
import { readStreams } from "../arrow/feather.ts"
import { mostReadings } from "../arrow/vector.ts"
import { fromBase64 } from "../bytes.ts"
import { timedeltaCell, zoneFromName } from "../cells.ts"
import { FlatTable } from "../flatbuffer.ts"
import { workerThreads } from "../node.ts"
import { type PandasMetadata, timedeltaUnit } from "../pandasMetadata.ts"
import { dictionaryBudgetOf, dictionarySizes, expectedMemory } from "../parquet/dictionary.ts"
import { type Footer, footerSpan, groupOf, magic, readFooter, repaired, tailLength } from "../parquet/footer.ts"
import { formatError } from "../refusal.ts"
import { giveWay, type Grow, type Steps } from "../steps.ts"
import type { Answer, Answered, Compiled, Request, Started } from "./parquetWorker.ts"

/** Files that are read concurrently; others wait for a thread. */
const maxThreads = 2

/**
 * How long an idle thread is kept: ten seconds, and the shorter the more memory of WebAssembly it holds, which never
 * shrinks. Another thread takes a part of the time that a file takes which needs so much.
 */
const idleMilliseconds = 10_000
const idleMemory = 32 * 1024 * 1024

/** The JavaScript heap of a thread. A file's columns are in the memory of WebAssembly, which `maxBytes` limits. */
const heapMegabytes = 256

const damaged = "the Parquet file is damaged: it breaks off or contradicts itself"

/** The file of a thread, in a form that no bundler takes for a file to copy without what that imports. */
const workerFile = (): URL => {
  const here = import.meta.url
  return new URL(here.endsWith(".ts") ? "./parquetWorker.ts" : "./parquetWorker.js", here)
}

/** What the first thread compiled, for those after it; 7 MB that are kept as long as the program runs. */
let compiled: Compiled | undefined

class Thread {
  readonly worker: Worker
  #timer: NodeJS.Timeout | undefined
  #memory = 0
  #isStarted = false

  constructor(threads: NonNullable<typeof workerThreads>) {
    this.worker = new threads.Worker(
      workerFile(),
      {
        resourceLimits: { maxOldGenerationSizeMb: heapMegabytes },
        stdout: true,
        stderr: true,
        workerData: compiled
      }
    )
    this.worker.unref()
  }

  /** Reads one file. Returns a way to end it, including its thread. */
  read(request: Request, settle: (answer: Answer | undefined) => void): () => void {
    const { worker } = this
    clearTimeout(this.#timer)
    worker.ref()
    const answered = (message: Answered | Compiled | Started) => {
      if (message._tag === "Started") {
        this.#isStarted = true
        return
      }
      if (message._tag === "Compiled") {
        compiled = message
        return
      }
      this.#memory = message.memory
      done(message.answer)
    }
    const done = (answer: Answer | undefined) => {
      worker.off("message", answered)
      worker.off("error", failed)
      worker.off("exit", failed)
      worker.unref()
      settle(answer)
    }
    const failed = (error: unknown) =>
      done(isMissing(error) ? { _tag: "NoReader" } : this.#isStarted ? undefined : notStarted(error))
    worker.on("message", answered)
    worker.on("error", failed)
    worker.on("exit", failed)
    worker.postMessage(request, request.parts.map(({ buffer }) => buffer as ArrayBuffer))
    return () => {
      worker.off("message", answered)
      worker.off("error", failed)
      worker.off("exit", failed)
      this.end()
    }
  }

  /** Keeps the thread for some time. */
  rest(expired: () => void): void {
    this.#timer = setTimeout(expired, idleMilliseconds * Math.min(1, idleMemory / this.#memory))
    this.#timer.unref()
  }

  end(): void {
    // An unobserved failure must not end the process.
    this.worker.on("error", () => {})
    void this.worker.terminate()
  }
}

const isMissing = (error: unknown): boolean =>
  /^(?:ERR_)?MODULE_NOT_FOUND$/.test(String((error as { readonly code?: unknown } | null)?.code))

const notStarted = (error: unknown): Answer => ({
  _tag: "NotStarted",
  code: String((error as { readonly code?: unknown } | null)?.code ?? "it ended")
})

const idle: Array<Thread> = []
const waiting: Array<() => void> = []
let running = 0

const release = (thread: Thread | undefined): void => {
  running--
  if (thread !== undefined) {
    idle.push(thread)
    thread.rest(() => {
      const at = idle.indexOf(thread)
      if (at >= 0) idle.splice(at, 1)
      thread.end()
    })
  }
  waiting.shift()?.()
}

const ask = (threads: NonNullable<typeof workerThreads>, request: Request): Effect.Effect<Answer | undefined> =>
  Effect.callback((resume) => {
    let end: () => void
    const start = () => {
      running++
      let thread: Thread
      try {
        thread = idle.pop() ?? new Thread(threads)
      } catch (error) {
        end = () => {}
        release(undefined)
        return resume(Effect.succeed(notStarted(error)))
      }
      const stop = thread.read(request, (answer) => {
        // A failed thread is gone.
        const isGone = answer === undefined || answer._tag === "NoReader" || answer._tag === "NotStarted"
        if (answer?._tag === "NotStarted") thread.end()
        release(isGone ? undefined : thread)
        resume(Effect.succeed(answer))
      })
      end = () => {
        stop()
        release(undefined)
      }
    }
    if (running < maxThreads) start()
    else {
      waiting.push(start)
      end = () => {
        const at = waiting.indexOf(start)
        if (at >= 0) waiting.splice(at, 1)
      }
    }
    return Effect.sync(() => end())
  })

/** The waits until the reader is started again, in milliseconds: others may close files meanwhile. */
const waits = [50, 200, 800, 3_200]

/** Asks, and asks again as long as the reader cannot be started. */
const askAgain = (
  threads: NonNullable<typeof workerThreads>,
  request: () => Effect.Effect<Request, FormatError>,
  attempt = 0
): Effect.Effect<Answer | undefined, FormatError> =>
  Effect.flatMap(Effect.flatMap(request(), (request) => ask(threads, request)), (answer) => {
    const wait = waits[attempt]
    return answer?._tag !== "NotStarted" || wait === undefined
      ? Effect.succeed(answer)
      : Effect.delay(askAgain(threads, request, attempt + 1), wait)
  })

interface ArrowField {
  readonly timezone: string | null
  readonly duration: TimeUnit | null
}

const arrowUnits = ["s", "ms", "us", "ns"] as const

/** The time zones and durations of the Arrow schema that a file stores beside its own. */
function* readArrowSchema(base64: string | null): Steps<ReadonlyMap<string, ArrowField>> {
  const out = new Map<string, ArrowField>()
  if (base64 === null) return out
  try {
    const bytes = fromBase64(base64)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    const schema = FlatTable.root(bytes.subarray(view.getInt32(0, true) === -1 ? 8 : 4)).table(2)
    // Its names may be one, which stands for many.
    let left = bytes.length * mostReadings
    for (const field of schema?.tables(1) ?? []) {
      const tag = field.uint8(2)
      const type = field.table(3)
      left -= field.stringLength(0) + (tag === 10 ? type?.stringLength(1) ?? 0 : 0)
      if (left < 0) break
      out.set(field.string(0) ?? "", {
        timezone: tag === 10 ? type?.string(1) ?? null : null,
        duration: tag === 18 ? arrowUnits[type?.int16(0, 1) ?? 1] ?? null : null
      })
      yield
    }
  } catch {
    // It only supplements the file's own schema.
  }
  return out
}

/**
 * The description of a column in addition to Parquet's own types, which have neither durations nor time zones: from an
 * Arrow schema, otherwise from pandas. parquet-wasm ignores an Arrow schema whose units differ from those of the file.
 */
const adjusted =
  (arrow: ReadonlyMap<string, ArrowField>) => (part: ColumnParts, pandas: PandasMetadata): ColumnParts => {
    const column = pandas.columns.get(part.name)
    const field = arrow.get(part.name)
    const unit = part.kind === "int" ? field?.duration ?? timedeltaUnit(column?.numpyType) : null
    if (unit !== null) {
      return {
        ...part,
        kind: "timedelta",
        unit,
        at: (row) => {
          const value = part.at(row)
          return value === null ? null : timedeltaCell(BigInt(value as number | bigint), unit)
        }
      }
    }
    if (part.kind !== "datetime" || part.timezone !== "UTC") return part
    const timezone = field?.timezone ?? column?.timezone
    // A column to which pandas gives no zone has none: fastparquet writes every time as UTC.
    return timezone === undefined || (timezone === null && field !== undefined) ? part : inZone(part, timezone)
  }

const inZone = (part: ColumnParts, timezone: string | null): ColumnParts => {
  const zone = zoneFromName(timezone)
  return {
    ...part,
    timezone,
    at: (row) => {
      const value = part.at(row)
      return value instanceof Timestamp ? new Timestamp(value.ns, value.unit, zone) : value
    }
  }
}

function* tableOf(answer: Answer | undefined, maxBytes: number, { firstRow, uuids }: Known): Steps<Table> {
  if (answer === undefined) throw undecodable(damaged)
  switch (answer._tag) {
    case "Streams":
      // An Arrow stream expands what Parquet packs, so its own limit is larger.
      return yield* readStreams(answer.streams, 8 * maxBytes, {
        pandas: answer.pandas,
        adjust: adjusted(yield* readArrowSchema(answer.arrowSchema)),
        firstRow,
        uuids
      })
    case "NoRoom":
    case "TooLarge":
      throw new FormatError({ reason: new TooLarge({ limit: maxBytes }) })
    case "Missing":
      throw undecodable("it is Parquet: install parquet-wasm to read it (npm install parquet-wasm)")
    case "NoReader":
      throw undecodable(
        "it is Parquet, and this bundle lacks the file of its reader: leave @effect-prefect/formats out of the bundle"
      )
    case "NotStarted":
      throw new FormatError({
        reason: new ReaderUnavailable({
          detail:
            `it is Parquet, whose reader could not be started (${answer.code}): the process may have too many open ` +
            "files or threads, or too little memory"
        })
      })
    case "Damaged":
      throw undecodable(answer.detail === "" ? damaged : answer.detail)
  }
}

/** The bytes of a file, as parts that are not joined here. The reader copies no part that it asks for as it is. */
type Parts = ReadonlyArray<Uint8Array>

/** The most bytes that are copied in one turn. */
const copyLength = 8 * 1024 * 1024

/** Copies for another thread, to which they are transferred. */
function* copiesOf(parts: Parts): Steps<Array<Uint8Array>> {
  const out: Array<Uint8Array> = []
  for (const part of parts) {
    // Not slice, which shares the memory of a Buffer.
    const copy = new Uint8Array(part.length)
    for (let at = 0; at < part.length; at += copyLength) {
      copy.set(part.subarray(at, at + copyLength), at)
      yield
    }
    out.push(copy)
  }
  return out
}

/** What is known of a file that is put together of parts. */
export interface Known {
  /** The row of a larger file that its first one is. */
  readonly firstRow: number
  /** Of the Arrow fields that have no fields below them, in order, those of UUIDs; undefined where it is not known. */
  readonly uuids: ReadonlyArray<boolean> | undefined
  /** The memory that the values are expected to take, in bytes. */
  readonly cost: number
  /** No value that rows may repeat is larger. */
  readonly maxValue: number
}

/** Which of the values that are read are UUIDs. */
export const uuidsOf = ({ values }: Footer, columns: ReadonlyArray<string> | undefined): ReadonlyArray<boolean> =>
  values.filter(({ name }) => columns === undefined || columns.includes(name)).map(({ isUuid }) => isUuid)

/** Less memory than this is not requested. */
const smallRoom = 0x400000

/** The reader makes room for more texts than come, so that what is expected is not enough. To read again costs more. */
const memoryFactor = 1.5

/** The memory of rows that are read at once, which their columns' dictionaries may make larger than all of their bytes. */
const batchMemory = 0x8000000

/** The most rows and the fewest that are read at once. */
const maxBatch = 65_536
const minBatch = 16

/**
 * The table of a Parquet file in parts. The memory of its values is at first what its footer says, for which `grow` waits;
 * when they take more, they are read again with room for more.
 */
export const readParts = (
  parts: Parts,
  maxBytes: number,
  columns: ReadonlyArray<string> | undefined,
  known: Known,
  grow?: Grow
): Effect.Effect<Table, FormatError> => {
  if (workerThreads === undefined) return Effect.fail(undecodable("it is Parquet, which is read only by Node.js"))
  const threads = workerThreads
  const batchSize = Math.min(maxBatch, Math.max(minBatch, Math.floor(batchMemory / Math.max(1, known.maxValue))))
  const read = (room: number): Effect.Effect<Table, FormatError> =>
    askAgain(
      threads,
      () =>
        Effect.map(
          giveWay(() => copiesOf(parts), formatError),
          (parts) => ({ parts, maxBytes, columns, room, batchSize })
        )
    ).pipe(
      Effect.flatMap((answer) =>
        answer?._tag === "NoRoom" && grow !== undefined
          ? Effect.andThen(grow(Math.max(2 * room, answer.size)), read(Math.max(2 * room, answer.size)))
          : giveWay(() => tableOf(answer, maxBytes, known), formatError)
      )
    )
  if (grow === undefined) return read(4 * maxBytes)
  const room = Math.max(smallRoom, Math.ceil(memoryFactor * known.cost))
  return room === smallRoom
    ? read(room)
    : Effect.flatMap(grow(room, true), (granted) => read(Math.max(smallRoom, Math.min(room, granted))))
}

interface Sound extends Known {
  readonly parts: Parts
}

/** A file with a footer that is right; as it is where its footer cannot be read, which the reader will tell. */
function* sound(bytes: Uint8Array, maxBytes: number, columns: ReadonlyArray<string> | undefined): Steps<Sound> {
  try {
    const { end, start } = footerSpan(bytes.subarray(-tailLength), bytes.length)
    if (end - start <= maxBytes) {
      const footer = yield* readFooter(bytes.subarray(start, end), start)
      const ending = yield* repaired(footer, bytes)
      const dictionaries = dictionaryBudgetOf(bytes.length)
      let cost = 0
      let maxValue = 0
      for (const span of footer.groups) {
        for (const chunk of (yield* groupOf(footer, span)).chunks) {
          if (columns !== undefined && !columns.includes(chunk.name)) continue
          const sizes = dictionarySizes(chunk, bytes, dictionaries)
          cost += expectedMemory(chunk, sizes)
          maxValue = Math.max(maxValue, sizes.largest)
          yield
        }
        yield
      }
      return {
        cost,
        maxValue,
        // The reader asks for a row group, which is often all between the magic and the footer.
        parts: [bytes.subarray(0, magic.length), bytes.subarray(magic.length, start), ending ?? bytes.subarray(start)],
        firstRow: 0,
        uuids: uuidsOf(footer, columns)
      }
    }
  } catch (error) {
    if (!(error instanceof FormatError || error instanceof RangeError)) throw error
  }
  return { parts: [bytes], firstRow: 0, uuids: undefined, cost: bytes.length, maxValue: 0 }
}

/** The table of a Parquet file. */
export const readParquet = (
  bytes: Uint8Array,
  maxBytes: number,
  columns?: ReadonlyArray<string>,
  grow?: Grow
): Effect.Effect<Table, FormatError> =>
  Effect.flatMap(
    giveWay(() => sound(bytes, maxBytes, columns), formatError, grow),
    (file) => readParts(file.parts, maxBytes, columns, file, grow)
  )
