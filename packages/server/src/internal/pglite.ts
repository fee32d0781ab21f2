import * as Tables from "@effect-prefect/core/Tables"
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

type Rows = ReadonlyArray<Record<string, string | null>>

interface Call {
  readonly request: WorkerRequest
  readonly resolve: (rows: Rows) => void
  readonly reject: (failure: PgliteFailure) => void
}

/** An embedded database in a thread of its own, holding one archive folder. */
export interface PgliteHost {
  readonly reports: ReadonlyArray<LoadReport>
  /** `cancel` takes a statement that still waits out of the queue. */
  readonly query: (request: WorkerRequest) => { readonly rows: Promise<Rows>; readonly cancel: () => void }
  readonly close: () => Promise<void>
}

const isSource = import.meta.url.endsWith(".ts")
const entry = new URL(`./pgliteWorker.${isSource ? "ts" : "js"}`, import.meta.url)
/** A thread does not always inherit the condition that resolves this workspace's packages to their sources. */
const execArgv = isSource ? [...process.execArgv, "--conditions=@effect-prefect/source"] : undefined

const startWorker = (
  directory: string
): Promise<{ readonly worker: Worker; readonly reports: ReadonlyArray<LoadReport> }> =>
  new Promise((resolve, reject) => {
    const workerData: WorkerInput = {
      directory,
      tables: Tables.tables,
      createTables: Tables.createTables,
      createIndexes: Tables.createIndexes
    }
    const worker = new Worker(entry, { workerData, ...(execArgv === undefined ? {} : { execArgv }) })
    const settle = () => {
      worker.off("error", failed)
      worker.off("exit", exited)
      worker.off("message", answered)
    }
    const failed = (error: Error) => {
      settle()
      void worker.terminate()
      reject(error)
    }
    const exited = () => failed(new Error("the embedded database ended while it started"))
    const answered = (message: WorkerMessage) => {
      if (message.type !== "ready") {
        return failed(new Error(message.type === "failed" ? message.message : "the embedded database did not start"))
      }
      settle()
      resolve({ worker, reports: message.reports })
    }
    worker.on("error", failed)
    worker.on("exit", exited)
    worker.on("message", answered)
  })

/**
 * Starts the thread and loads the folder. WebAssembly cannot be interrupted, so a statement that runs longer than
 * `timeoutMillis` ends its thread, and the folder is loaded into a new one while other statements wait.
 */
export const startPglite = async (directory: string, timeoutMillis: number): Promise<PgliteHost> => {
  const first = await startWorker(directory)
  const queue: Array<Call> = []
  let worker: Worker | undefined
  let running: { readonly call: Call; readonly timer: NodeJS.Timeout | undefined } | undefined
  let isClosed = false

  const next = () => {
    if (worker === undefined || running !== undefined) return
    const call = queue.shift()
    if (call === undefined) return
    // A timer counts to 2³¹ ms: beyond that there is no limit.
    running = { call, timer: timeoutMillis < 2 ** 31 ? setTimeout(timedOut, timeoutMillis) : undefined }
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
    worker.postMessage(call.request)
  }
  const finish = (end: (call: Call) => void) => {
    if (running === undefined) return
    const { call, timer } = running
    running = undefined
    clearTimeout(timer)
    end(call)
  }
  const failAll = (message: string) => {
    finish((call) => call.reject(new PgliteFailure("Unavailable", message)))
    for (const call of queue.splice(0)) call.reject(new PgliteFailure("Unavailable", message))
  }
  const restart = (old: Worker) => {
    if (worker !== old) return
    worker = undefined
    void old.terminate()
    if (isClosed) return
    startWorker(directory).then(
      (started) => isClosed ? void started.worker.terminate() : adopt(started.worker),
      () => failAll("the embedded database could not be started again")
    )
  }
  const timedOut = () => {
    const old = worker
    finish((call) => call.reject(new PgliteFailure("TimedOut", "the statement took longer than the server allows")))
    if (old !== undefined) restart(old)
  }
  const adopt = (started: Worker) => {
    worker = started
    started.on("message", (message: WorkerMessage) => {
      if (worker !== started) return
      finish((call) => {
        if (message.type === "rows") call.resolve(message.rows)
        else if (message.type === "refused") {
          call.reject(new PgliteFailure("Refused", message.message, message.sqlState))
        } else call.reject(new PgliteFailure("Unavailable", "the embedded database answered out of turn"))
      })
      next()
    })
    const ended = () => {
      if (worker !== started) return
      finish((call) => call.reject(new PgliteFailure("Unavailable", "the embedded database ended")))
      restart(started)
    }
    started.once("error", ended)
    started.once("exit", ended)
    next()
  }
  adopt(first.worker)

  return {
    reports: first.reports,
    query: (request) => {
      let call: Call | undefined
      const rows = new Promise<Rows>((resolve, reject) => {
        if (isClosed) return reject(new PgliteFailure("Unavailable", "the embedded database is closed"))
        call = { request, resolve, reject }
        queue.push(call)
        next()
      })
      return {
        rows,
        cancel: () => {
          const index = call === undefined ? -1 : queue.indexOf(call)
          if (index !== -1) queue.splice(index, 1)
        }
      }
    },
    close: async () => {
      isClosed = true
      failAll("the server is shutting down")
      const old = worker
      worker = undefined
      await old?.terminate()
    }
  }
}
