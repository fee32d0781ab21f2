/**
 * Modules of Node.js, each undefined in a browser. They are asked for by a call: an import of `node:…` would end the bundle
 * of a browser, and a condition of the bundler would split what is one package.
 */

/** What a bundle for a browser takes for the value where there is no `process`. */
const builtin = globalThis.process?.getBuiltinModule

export const zlib = builtin?.("node:zlib")

export const crypto = builtin?.("node:crypto")

export const workerThreads = builtin?.("node:worker_threads")
