import * as Tables from "@effect-prefect/core/Tables"
import * as Context from "effect/Context"
import { Worker } from "node:worker_threads"
import type { LoadReport } from "./archive.ts"
import type { WorkerInput, WorkerMessage, WorkerRequest } from "./pgliteWorker.ts"

/** A statement that the embedded database did not answer. */
export class PgliteFailure extends Error {
  readonly kind: "Refused" | "TimedOut" | "Unavailable"
  readonly sqlState: string | undefined

  constructor(kind: PgliteFailure["kind"], message: string, sqlState?: string) {
    super(message)
    this.kind = kind
    this.sqlState = sqlState
  }
}

const unavailable = (message: string) => new PgliteFailure("Unavailable", message)

type Rows = ReadonlyArray<Record<string, string | Uint8Array | null>>

/** The data that a thread starts from: the folder, or a copy of the data of a thread that has loaded it. */
type Source = Pick<WorkerInput, "directory" | "empty" | "givesEmpty"> | Required<Pick<WorkerInput, "snapshot">>

/** The data of an empty database, for programs that load many archives: without it, each one takes seconds to make. */
export const EmptyData = Context.Reference<(() => Promise<Blob>) | undefined>(
  "@effect-prefect/server/internal/pglite/EmptyData",
  { defaultValue: () => undefined }
)

/**
 * Milliseconds that an abandoned statement may run. It must also have run a multiple of the time that its thread takes to
 * restart, so that ending threads costs others only a fraction of their time.
 */
export const AbandonedAfter = Context.Reference<(startMillis: number) => number>(
  "@effect-prefect/server/internal/pglite/AbandonedAfter",
  { defaultValue: () => (startMillis) => Math.max(2000, 5 * startMillis) }
)

interface Call {
  readonly request: WorkerRequest
  readonly timeoutMillis: number
  readonly resolve: (message: WorkerMessage) => void
  readonly reject: (failure: PgliteFailure) => void
}

/** Milliseconds after which the loaded data is cached. */
const keepAfter = 1000

/** The most statements that wait for one thread; further ones are rejected and can be retried. */
const maxWaiting = 200

const isSource = import.meta.url.endsWith(".ts")
const entry = new URL(`./pgliteWorker.${isSource ? "ts" : "js"}`, import.meta.url)
/**
 * A thread does not always inherit the condition that resolves this workspace's packages to their sources. The
 * process's other flags do not apply to threads.
 */
const execArgv = isSource ? ["--conditions=@effect-prefect/source"] : undefined

interface Running {
  readonly call: Call
  readonly since: number
  readonly timer: NodeJS.Timeout | undefined
  /** Ends an abandoned statement. */
  abandoned: NodeJS.Timeout | undefined
}

/**
 * An embedded database in a thread of its own, which runs one statement at a time. WebAssembly cannot be interrupted,
 * so a statement that exceeds its time limit terminates the thread, and `source` returns the data that the next one
 * starts from. Nothing is started before the first call.
 */
class Lane {
  readonly source: () => Promise<Source>
  readonly abandonedAfter: (startMillis: number) => number
  readonly reports: (reports: ReadonlyArray<LoadReport>, empty: Blob | undefined) => void
  #queue: Array<Call> = []
  #worker: Worker | undefined
  #starting: Worker | "asking" | undefined
  #running: Running | undefined
  #startMillis = 0
  #closed: PgliteFailure | undefined

  /** Whether to start once more from another source after a start that failed. */
  readonly startsAgain: () => boolean

  constructor(
    source: Lane["source"],
    abandonedAfter: Lane["abandonedAfter"],
    reports: Lane["reports"] = () => {},
    startsAgain: Lane["startsAgain"] = () => false
  ) {
    this.source = source
    this.abandonedAfter = abandonedAfter
    this.reports = reports
    this.startsAgain = startsAgain
  }

  get isReady(): boolean {
    return this.#worker !== undefined
  }

  /** `cancel` removes a statement from the queue, and ends one that keeps running. */
  call(
    request: WorkerRequest,
    timeoutMillis: number
  ): { readonly answer: Promise<WorkerMessage>; readonly cancel: () => void } {
    let call: Call | undefined
    const answer = new Promise<WorkerMessage>((resolve, reject) => {
      if (this.#closed !== undefined) return reject(this.#closed)
      if (this.#queue.length >= maxWaiting) {
        return reject(unavailable(`the server is busy: ${maxWaiting} statements are waiting already, try again later`))
      }
      call = { request, timeoutMillis, resolve, reject }
      this.#queue.push(call)
      this.start()
      this.#next()
    })
    return {
      answer,
      cancel: () => {
        const index = call === undefined ? -1 : this.#queue.indexOf(call)
        if (index !== -1) this.#queue.splice(index, 1)
        else if (this.#running !== undefined && this.#running.call === call) this.#abandon(this.#running)
      }
    }
  }

  #abandon(running: Running): void {
    const worker = this.#worker
    if (worker === undefined) return
    const limit = this.abandonedAfter(this.#startMillis)
    running.abandoned = setTimeout(() => {
      this.#finish((call) => call.reject(unavailable("the statement was abandoned")))
      this.#restart(worker)
    }, Math.max(0, limit - (performance.now() - running.since)))
  }

  /** Starts the thread, unless it is running. */
  start(): void {
    if (this.#worker !== undefined || this.#starting !== undefined || this.#closed !== undefined) return
    this.#starting = "asking"
    const since = performance.now()
    this.source().then(
      (source) => this.#closed === undefined ? this.#startWorker(source, since) : undefined,
      () => {
        this.#starting = undefined
        this.#refuseWaiting(unavailable("the embedded database could not be started again"))
      }
    )
  }

  #startWorker(source: Source, since: number): void {
    const tables = Tables.tables
    const workerData: WorkerInput = {
      ...source,
      tables,
      createTables: Tables.createTables,
      createIndexes: Tables.createIndexes
    }
    const worker = new Worker(entry, { workerData, ...(execArgv === undefined ? {} : { execArgv }) })
    this.#starting = worker
    const failed = (message: string) => {
      if (this.#starting !== worker) return
      this.#starting = undefined
      void worker.terminate()
      if (this.startsAgain()) return this.start()
      this.#refuseWaiting(unavailable(message))
    }
    const ended = (message: string) => {
      failed(message)
      if (this.#worker !== worker) return
      this.#finish((call) => call.reject(unavailable("the embedded database ended")))
      this.#restart(worker)
    }
    worker.once("error", (error) => ended(error.message))
    worker.once("exit", () => ended("the embedded database ended while it started"))
    worker.on("message", (message: WorkerMessage) => {
      if (message.type === "failed") return failed(message.message)
      if (message.type === "ready") {
        this.#starting = undefined
        this.#worker = worker
        this.#startMillis = performance.now() - since
        this.reports(message.reports, message.empty)
      } else if (this.#worker === worker) this.#finish((call) => call.resolve(message))
      this.#next()
    })
  }

  /** The next call tries to start the thread again. */
  #refuseWaiting(failure: PgliteFailure): void {
    for (const call of this.#queue.splice(0)) call.reject(failure)
  }

  #next(): void {
    const worker = this.#worker
    if (worker === undefined || this.#running !== undefined) return
    const call = this.#queue.shift()
    if (call === undefined) return
    // A timer counts to 2³¹ ms; a longer limit is no limit.
    const timer = call.timeoutMillis < 2 ** 31
      ? setTimeout(() => {
        this.#finish((call) =>
          call.reject(new PgliteFailure("TimedOut", "the statement took longer than the server allows"))
        )
        this.#restart(worker)
      }, call.timeoutMillis)
      : undefined
    this.#running = { call, since: performance.now(), timer, abandoned: undefined }
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
    worker.postMessage(call.request)
  }

  #finish(end: (call: Call) => void): void {
    if (this.#running === undefined) return
    const { abandoned, call, timer } = this.#running
    this.#running = undefined
    clearTimeout(timer)
    clearTimeout(abandoned)
    end(call)
  }

  #restart(old: Worker): void {
    if (this.#worker !== old) return
    this.#worker = undefined
    void old.terminate()
    this.start()
  }

  /** Terminates the thread; pending and later statements fail. */
  close(failure: PgliteFailure): Promise<unknown> {
    this.#closed ??= failure
    this.#finish((call) => call.reject(failure))
    this.#refuseWaiting(failure)
    const workers = [this.#worker, this.#starting]
    this.#worker = undefined
    this.#starting = undefined
    return Promise.all(workers.map((worker) => worker instanceof Worker ? worker.terminate() : undefined))
  }
}

/** Caches the data of a database that has loaded the folder. */
export interface PgliteCache {
  /** The cached data for the folder in its current state. */
  readonly read: () => Promise<{ readonly snapshot: Blob; readonly reports: ReadonlyArray<LoadReport> } | undefined>
  readonly write: (snapshot: Blob, reports: ReadonlyArray<LoadReport>) => Promise<void>
  readonly readEmpty?: (() => Promise<Blob | undefined>) | undefined
  readonly writeEmpty?: ((empty: Blob) => Promise<void>) | undefined
}

/** An archive folder in embedded databases. */
export interface PgliteHost {
  /** The parts that were not loaded; fails when nothing could be loaded. */
  readonly loaded: Promise<ReadonlyArray<LoadReport>>
  readonly isLoading: () => boolean
  /** `cancel` removes a statement from the queue, and ends one that keeps running. */
  readonly query: (
    request: { readonly sql: string; readonly parameters: ReadonlyArray<string>; readonly asBytes: boolean },
    isHeavy: boolean
  ) => { readonly rows: Promise<Rows>; readonly cancel: () => void }
  readonly close: () => Promise<void>
}

/**
 * Starts to load a folder. Two threads run statements: one the small ones; the other, which starts with the first of
 * them from a copy of the first thread's data, the heavy ones. So a heavy statement only delays other heavy ones, even
 * if it runs longer than `timeoutMillis` and terminates its thread.
 */
export const startPglite = (
  directory: string,
  timeoutMillis: number,
  abandonedAfter: (startMillis: number) => number,
  cache?: PgliteCache,
  emptyData?: () => Promise<Blob>
): PgliteHost => {
  let settle: { readonly resolve: (reports: ReadonlyArray<LoadReport>) => void; readonly reject: (e: Error) => void }
  const loaded = new Promise<ReadonlyArray<LoadReport>>((resolve, reject) => {
    settle = { resolve, reject }
  })
  // The host may be closed before its caller waits for it.
  loaded.catch(() => {})
  const copyOf = async (lane: Lane): Promise<Source> => {
    const message = await lane.call({ type: "snapshot" }, Infinity).answer
    if (message.type !== "snapshot") throw unavailable("the embedded database could not be copied")
    return { snapshot: message.snapshot }
  }
  const folder = async (): Promise<Source> => {
    const empty = await (emptyData ?? cache?.readEmpty)?.().catch(() => undefined)
    // Data that no database starts from is replaced.
    const givesEmpty = isFirst && cache?.writeEmpty !== undefined
    return { directory, givesEmpty, ...empty === undefined ? {} : { empty } }
  }
  let isFirst = true
  let isKeptBad = false
  let kept: Awaited<ReturnType<PgliteCache["read"]>>
  const light: Lane = new Lane(
    async () => {
      if (isFirst && cache !== undefined && !isKeptBad) {
        kept = await cache.read().catch(() => undefined)
        if (kept !== undefined) return { snapshot: kept.snapshot }
      }
      // The folder may have changed since; the served data is what was loaded.
      if (isFirst || !heavy.isReady) return folder()
      return copyOf(heavy).catch(folder)
    },
    abandonedAfter,
    (found, empty) => {
      const reports = kept?.reports ?? found
      if (isFirst && kept === undefined && cache !== undefined) {
        // Statements that have waited for the folder come first.
        setTimeout(() => {
          if (empty !== undefined) cache.writeEmpty?.(empty).catch(() => {})
          light.call({ type: "snapshot" }, Infinity).answer.then((message) =>
            message.type === "snapshot" ? cache.write(message.snapshot, reports) : undefined
          ).catch(() => {})
        }, keepAfter).unref()
      }
      isFirst = false
      settle.resolve(reports)
    },
    () => {
      // Cached data may be damaged in ways that its checksum does not show: it is made again.
      if (!isFirst || kept === undefined) return false
      kept = undefined
      isKeptBad = true
      return true
    }
  )
  const heavy: Lane = new Lane(() => copyOf(light), abandonedAfter)
  light.start()
  const first = light.call({ type: "query", sql: "SELECT 1", parameters: [] }, Infinity).answer
  first.catch((error: unknown) => settle.reject(error instanceof Error ? error : unavailable("it did not start")))

  return {
    loaded,
    isLoading: () => !light.isReady,
    query: (request, isHeavy) => {
      const { answer, cancel } = (isHeavy ? heavy : light).call({ type: "query", ...request }, timeoutMillis)
      const rows = answer.then((message) => {
        if (message.type === "rows") return message.rows
        throw message.type === "refused"
          ? new PgliteFailure("Refused", message.message, message.sqlState)
          : unavailable("the embedded database answered out of turn")
      })
      return { rows, cancel }
    },
    close: async () => {
      const failure = unavailable("the server is shutting down")
      await Promise.all([light.close(failure), heavy.close(failure)])
    }
  }
}
