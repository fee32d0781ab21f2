/**
 * Keeps the compiled code of parquet-wasm, which V8 shares between threads for as long as one of them has it: a thread
 * that takes the place of one which damaged bytes have ended compiles nothing.
 */
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"

// The types know the global of Node as a namespace of types alone.
const { compile } = Reflect.get(globalThis, "WebAssembly") as {
  readonly compile: (bytes: Uint8Array) => Promise<unknown>
}
const require = createRequire(import.meta.url)

let compiled: Promise<unknown> | undefined

export const compileParquet = (): Promise<unknown> =>
  compiled ??= compile(
    readFileSync(require.resolve("parquet-wasm").replace(/[^/\\]*$/, "parquet_wasm_bg.wasm"))
  )
