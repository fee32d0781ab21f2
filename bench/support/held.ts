/** How long work blocks other work of its thread. */
import { PerformanceObserver } from "node:perf_hooks"

/** Milliseconds of processor time of this thread. */
const spent = (): number => {
  const { system, user } = process.threadCpuUsage()
  return (system + user) / 1000
}

/** The longest processor time in milliseconds during which a timer did not fire. */
export interface Held {
  readonly longest: number
  /** The same without collections of garbage, each of which is one step that no program can divide. */
  readonly withoutCollections: number
}

interface Collection {
  readonly startTime: number
  readonly duration: number
}

/** A turn of the event loop: by the clock that collections are told by, and in processor time. */
interface Turn {
  readonly from: number
  readonly to: number
  readonly used: number
}

/** Shorter turns need not be looked at again. */
const shortTurn = 5

/** The longest processor time during which a 5 ms timer did not fire while some work was done. */
export const heldBy = async (work: () => Promise<unknown>): Promise<Held> => {
  const collections: Array<Collection> = []
  const observer = new PerformanceObserver((list) => void collections.push(...list.getEntries()))
  observer.observe({ entryTypes: ["gc"] })
  const turns: Array<Turn> = []
  let last = spent()
  let from = performance.now()
  let short = 0
  const fire = () => {
    const now = spent()
    const to = performance.now()
    const used = now - last
    if (used > shortTurn) turns.push({ from, to, used })
    else short = Math.max(short, used)
    last = now
    from = to
  }
  const timer = setInterval(fire, 5)
  try {
    await work()
  } finally {
    fire()
    clearInterval(timer)
  }
  // Collections are told some turns later.
  await new Promise((resolve) => setTimeout(resolve, 20))
  observer.disconnect()
  return {
    longest: turns.reduce((longest, { used }) => Math.max(longest, used), short),
    withoutCollections: turns.reduce((longest, turn) => Math.max(longest, withoutCollections(turn, collections)), short)
  }
}

/** Collections are measured by the clock: of a busy machine, they have the part of the processor that the whole turn had. */
const withoutCollections = ({ from, to, used }: Turn, collections: ReadonlyArray<Collection>): number => {
  let collecting = 0
  for (const { duration, startTime } of collections) {
    collecting += Math.max(0, Math.min(to, startTime + duration) - Math.max(from, startTime))
  }
  return used * Math.max(0, 1 - collecting / (to - from))
}
