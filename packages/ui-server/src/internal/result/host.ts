/** The server's side of the thread for large results, which is started on first use, and again after it has ended. */
import { Worker } from "node:worker_threads"
import type { Failure, Question, Reply, Request } from "./protocol.ts"

const isSource = import.meta.url.endsWith(".ts")
const entry = new URL(`./worker.${isSource ? "ts" : "js"}`, import.meta.url)

/** A query that the thread could not answer. */
export class HostFailure extends Error {
  readonly failure: Failure
  constructor(failure: Failure) {
    super(failure._tag)
    this.failure = failure
  }
}

/** The young generation of the thread. V8's default grows to more than the values take, and stays there. */
const youngMb = 24

/** How long a thread that holds no value is kept, in milliseconds. */
const idleMillis = 10_000

interface Call {
  readonly resolve: (answer: unknown) => void
  readonly reject: (failure: HostFailure) => void
}

export interface Host {
  /** Changes when a thread ends: values of an earlier one are lost. */
  readonly generation: () => number
  /** Starts the thread before it is needed. */
  readonly start: () => void
  /** A question whose signal aborts before its turn is not asked, and has no answer. */
  readonly ask: (key: number, question: Question, signal?: AbortSignal) => Promise<unknown>
  readonly close: () => void
}

/**
 * `memoryMb`: the heap limit of the thread. It ends when it has held no value for `idle` milliseconds: V8 keeps the
 * memory of a heap in which nothing is allocated, so that of the values would stay.
 */
export const makeHost = (memoryMb: number, idle = idleMillis): Host => {
  let worker: Worker | undefined
  /** The values that the thread holds, or is asked to load. */
  const held = new Set<number>()
  let ending: NodeJS.Timeout | undefined
  let generation = 0
  let nextId = 0
  const calls = new Map<number, Call>()
  /** What the thread is asked next. It has one question at a time, because it could not be relieved of others. */
  const waiting = new Map<number, Request>()
  let isBusy = false

  const askNext = () => {
    if (isBusy) return
    for (const [id, request] of waiting) {
      waiting.delete(id)
      isBusy = true
      // The bytes are copied: they belong to the storage, which may hand them out again.
      worker?.postMessage(request, [])
      return
    }
  }
  const ended = (old: Worker) => {
    if (worker !== old) return
    worker = undefined
    generation++
    held.clear()
    for (const call of calls.values()) call.reject(new HostFailure({ _tag: "Fault" }))
    calls.clear()
    waiting.clear()
    isBusy = false
  }
  const end = () => {
    const old = worker
    clearTimeout(ending)
    if (old === undefined) return
    ended(old)
    void old.terminate()
  }
  const endLater = () => {
    clearTimeout(ending)
    ending = setTimeout(() => {
      if (held.size > 0) return
      // What was asked before the value was dropped is still answered.
      if (calls.size > 0) endLater()
      else end()
    }, idle).unref()
  }
  const letGo = (key: number) => {
    if (held.delete(key) && held.size === 0) endLater()
  }
  const start = (): Worker => {
    const started = new Worker(entry, {
      // A thread does not inherit the hooks through which the command finds its sources.
      ...(isSource ? { execArgv: ["--conditions=@effect-prefect/source"] } : {}),
      resourceLimits: { maxOldGenerationSizeMb: memoryMb, maxYoungGenerationSizeMb: youngMb }
    })
    started.unref()
    started.on("message", (reply: Reply) => {
      if (worker !== started) return
      isBusy = false
      const call = calls.get(reply.id)
      calls.delete(reply.id)
      if ("failure" in reply) call?.reject(new HostFailure(reply.failure))
      else call?.resolve(reply.answer)
      askNext()
    })
    started.on("error", () => ended(started))
    started.on("exit", () => ended(started))
    return started
  }
  return {
    generation: () => generation,
    start: () => {
      try {
        worker ??= start()
      } catch {
        // Whoever asks it something is told.
      }
    },
    ask: (key, question, signal) =>
      new Promise((resolve, reject) => {
        worker ??= start()
        const id = nextId++
        if (question.op === "load") held.add(key)
        if (question.op === "drop") letGo(key)
        calls.set(id, {
          resolve,
          reject: (failure) => {
            if (question.op === "load") letGo(key)
            reject(failure)
          }
        })
        signal?.addEventListener("abort", () => {
          if (waiting.delete(id)) calls.delete(id)
        }, { once: true })
        waiting.set(id, { ...question, id, key })
        askNext()
      }),
    close: end
  }
}
