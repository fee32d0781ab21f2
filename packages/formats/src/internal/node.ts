/**
 * Modules of Node.js, each undefined in a browser. They are loaded by a call: an import of `node:…` would break a
 * bundle for browsers, and a bundler condition would split one package in two.
 */

/** What a bundle for a browser takes for the value where there is no `process`. */
const builtin = globalThis.process?.getBuiltinModule

export const zlib = builtin?.("node:zlib")

export const crypto = builtin?.("node:crypto")

/** Other runtimes with a `process` may lack the module, or know no limit. */
const v8: { readonly getHeapStatistics?: () => { readonly heap_size_limit: number } } | undefined = builtin?.("node:v8")

/** The bytes that V8 may use for its heap; unknown in a browser. */
export const heapLimit: number = v8?.getHeapStatistics?.().heap_size_limit || Infinity

export const workerThreads = builtin?.("node:worker_threads")
