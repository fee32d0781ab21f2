/**
 * Programs that an SDK starts to get credentials, such as `credential_process` of AWS and the command line of Azure. An
 * SDK waits for them for ever, and a program that goes on keeps the process alive.
 */
import type { ChildProcess } from "node:child_process"

const builtin = globalThis.process?.getBuiltinModule
const fs = builtin?.("node:fs")
const hooks = builtin?.("node:async_hooks")
const diagnostics = builtin?.("node:diagnostics_channel")

/** Milliseconds that a program may take: less than a request may wait, after which it would be started again. */
const usualLimit = 25_000

/** A program did not end in time. */
export class ProgramTimeout extends Error {
  override readonly name = "ProgramTimeout"
}

class Programs extends Set<ChildProcess> {
  /** Whether nobody waits for them any more. An SDK may start another program when one was ended. */
  isOver = false
}

const current = hooks === undefined ? undefined : new hooks.AsyncLocalStorage<Programs>()

/** All that run now, which are ended with the process. */
const running = new Programs()

/**
 * The processes that a process started, and those that they started. Linux tells of them. All are stopped, so that none starts
 * another meanwhile.
 */
const descendants = (pid: number): ReadonlyArray<number> => {
  const found: Array<number> = []
  try {
    process.kill(pid, "SIGSTOP")
    for (const thread of fs!.readdirSync(`/proc/${pid}/task`)) {
      for (const word of fs!.readFileSync(`/proc/${pid}/task/${thread}/children`, "latin1").split(" ")) {
        const child = Number(word)
        if (child > 0) found.push(child, ...descendants(child))
      }
    }
  } catch {
    // It has ended, or this is not Linux.
  }
  return found
}

const end = (programs: Programs): void => {
  for (const { pid } of programs) {
    if (pid === undefined) continue
    for (const each of [...descendants(pid), pid]) {
      try {
        process.kill(each, "SIGKILL")
      } catch {
        // It has ended meanwhile.
      }
    }
  }
  programs.clear()
}

let isWatching = false

/** Learns of each program that is started within `withPrograms`. */
const watch = (): void => {
  if (isWatching) return
  isWatching = true
  diagnostics!.subscribe("child_process", (message) => {
    const programs = current!.getStore()
    const child = (message as { readonly process?: ChildProcess }).process
    if (programs === undefined || child === undefined) return
    programs.add(child)
    running.add(child)
    if (programs.isOver) child.once("spawn", () => end(programs))
    child.once("exit", () => {
      programs.delete(child)
      running.delete(child)
    })
  })
  process.once("exit", () => end(running))
}

/**
 * The promise of `use`. The programs that it starts are ended, with all that they started, when the signal is aborted or
 * the limit is over, and then it is rejected.
 */
export const withPrograms = async <A>(
  use: () => Promise<A>,
  { millis = usualLimit, signal }: { readonly millis?: number; readonly signal?: AbortSignal | undefined } = {}
): Promise<A> => {
  if (current === undefined || diagnostics === undefined) return use()
  signal?.throwIfAborted()
  watch()
  const programs = new Programs()
  let timer: ReturnType<typeof setTimeout> | undefined
  let onAbort = () => {}
  const ended = new Promise<never>((_, reject) => {
    const over = (reason: unknown) => {
      programs.isOver = true
      reject(reason)
    }
    timer = setTimeout(() => {
      if (programs.size > 0) over(new ProgramTimeout(`it did not end within ${millis / 1000} seconds`))
    }, millis)
    timer.unref()
    onAbort = () => over(signal!.reason)
    signal?.addEventListener("abort", onAbort, { once: true })
  })
  try {
    return await Promise.race([current.run(programs, use), ended])
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener("abort", onAbort)
    end(programs)
  }
}

/**
 * One run of `use` at a time, for all that wait for it, which is aborted when none of them waits any longer.
 */
export const sharedPrograms = <A>(use: () => Promise<A>): (signal: AbortSignal) => Promise<A> => {
  let last: { readonly promise: Promise<A>; readonly controller: AbortController; waiting: number } | undefined
  return (signal) =>
    new Promise<A>((resolve, reject) => {
      signal.throwIfAborted()
      if (last === undefined) {
        const controller = new AbortController()
        const promise = withPrograms(use, { signal: controller.signal })
        const made = last = { promise, controller, waiting: 0 }
        const over = () => {
          if (last === made) last = undefined
        }
        promise.then(over, over)
      }
      const run = last
      run.waiting++
      const onAbort = () => {
        reject(signal.reason)
        if (--run.waiting > 0) return
        if (last === run) last = undefined
        run.controller.abort()
      }
      signal.addEventListener("abort", onAbort, { once: true })
      const over = () => signal.removeEventListener("abort", onAbort)
      run.promise.then((value) => (over(), resolve(value)), (error: unknown) => (over(), reject(error)))
    })
}
