/** The estimate of a decoded value is within a factor of two of the heap that it really takes. */
import { assert, describe, it } from "@effect/vitest"
import { buildSync } from "esbuild"
import { execFileSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const pathOf = (file: string) => fileURLToPath(new URL(file, import.meta.url))

/** Where the packages that are no part of a bundle are found. */
const cache = pathOf("../../../node_modules/.cache")

/** What the measuring process prints. Without all the modules that it does not use, each collection takes half the time. */
const measure = (): string => {
  mkdirSync(cache, { recursive: true })
  const folder = mkdtempSync(join(cache, "heapOf-"))
  try {
    writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }))
    buildSync({
      entryPoints: [pathOf("support/heapOf.ts"), pathOf("../src/internal/readers/parquetWorker.ts")],
      outdir: folder,
      entryNames: "[name]",
      bundle: true,
      platform: "node",
      format: "esm",
      conditions: ["@effect-prefect/source"],
      external: ["parquet-wasm"]
    })
    return execFileSync(
      process.execPath,
      // Without helper threads, a collection has freed all memory when it returns, and no compiler that is late because the
      // machine is busy keeps the value before this one alive.
      ["--expose-gc", "--single-threaded", "--no-warnings", join(folder, "heapOf.js")],
      { encoding: "utf8", env: { ...process.env, NODE_DISABLE_COMPILE_CACHE: "1" } }
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
}

describe("the estimate of a value's memory", () => {
  const measured = JSON.parse(measure()) as Record<string, { readonly estimate: number; readonly used: number }>

  it.each(Object.keys(measured))("%s: within a factor of two of the heap", (kind) => {
    const { estimate, used } = measured[kind]!
    assert.isAbove(used, 500_000)
    assert.isBelow(estimate / used, 2)
    assert.isAbove(estimate / used, 0.5)
  })
})
