// A plugin for vitest: one worker thread runs the tests of all mutants. Vitest starts a thread for each run, in which
// Effect, vitest and the sources are loaded anew: most of the time of a mutant, whose tests take milliseconds.
import { ThreadsPoolWorker } from "vitest/node"

/** Open handles that failed tests left behind do not pile up for ever. */
const runsOfThread = 200

/** @type {ThreadsPoolWorker | undefined} */
let kept
let runs = 0

/** @typedef {import("vitest/node").PoolWorker} PoolWorker */

/** @implements {PoolWorker} */
class KeptThread {
  name = "kept"
  isNew = false
  /** @type {unknown} */
  config
  /** @type {Array<[event: string, callback: (arg: any) => void]>} */
  listeners = []

  /** @param {import("vitest/node").PoolOptions} options */
  constructor(options) {
    this.options = options
  }

  async start() {
    if (kept !== undefined) return
    this.isNew = true
    runs = 0
    kept = new ThreadsPoolWorker(this.options)
    await kept.start()
    kept.on("exit", () => kept = undefined)
  }

  /** @type {PoolWorker["on"]} */
  on(event, callback) {
    kept?.on(event, callback)
    this.listeners.push([event, callback])
  }

  /** @type {PoolWorker["off"]} */
  off(event, callback) {
    kept?.off(event, callback)
    this.listeners = this.listeners.filter(([name, one]) => name !== event || one !== callback)
  }

  /** @type {PoolWorker["send"]} */
  send(message) {
    if (message.type === "stop") return this.answer("stopped")
    if (message.type === "start") {
      this.config = message.context.config
      if (!this.isNew) return this.answer("started")
    }
    // A thread takes its settings, such as which tests run, from its start.
    if (message.type === "run") Object.assign(message.context, { config: this.config })
    kept?.send(message)
  }

  /** @param {"started" | "stopped"} type */
  answer(type) {
    queueMicrotask(() => {
      for (const [event, callback] of this.listeners) {
        if (event === "message") callback({ type, __vitest_worker_response__: true })
      }
    })
  }

  async stop() {
    for (const [event, callback] of this.listeners) kept?.off(event, callback)
    this.listeners = []
    runs++
    if (runs < runsOfThread) return
    const worker = kept
    kept = undefined
    await worker?.stop()
  }

  /** @type {PoolWorker["deserialize"]} */
  deserialize(data) {
    return data
  }
}

/** @type {import("vitest/config").Plugin} */
export const keptThread = {
  name: "kept-thread",
  configureVitest({ project }) {
    project.config.pool = "kept"
    project.config.poolRunner = { name: "kept", createPoolWorker: (options) => new KeptThread(options) }
  }
}
