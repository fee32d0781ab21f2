/** The heap in use after a collection, in megabytes. Node must run with `--expose-gc`. */
export const liveHeap = (): number => {
  globalThis.gc?.()
  return process.memoryUsage().heapUsed / 1e6
}
