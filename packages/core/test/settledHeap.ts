import { setTimeout } from "node:timers/promises"

const collect = globalThis.gc!

/** The bytes of the heap and outside of it once collections free nothing more. Node must run with `--expose-gc`. */
export const settledHeap = async (): Promise<number> => {
  for (let last = Infinity;;) {
    // An engine keeps the text that matched a pattern last.
    ;/a/.exec("a")
    // What waits for a turn of its own to let go of its memory, lets go of it before it is collected.
    await setTimeout(5)
    collect()
    // Long strings and the bytes of arrays are outside of the heap.
    const { external, heapUsed } = process.memoryUsage()
    if (heapUsed + external >= last - 30_000) return heapUsed + external
    last = heapUsed + external
  }
}
