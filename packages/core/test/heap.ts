/** Runs a module that measures the heap in a process of its own, where nothing else allocates. */
import { buildSync } from "esbuild"
import { execFileSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { basename, join } from "node:path"
import { fileURLToPath } from "node:url"

/** Where the packages that are no part of a bundle are found. */
const cache = fileURLToPath(new URL("../../../node_modules/.cache", import.meta.url))

/** The estimated and the used bytes of each kind of value. */
export type Measured = Readonly<Record<string, { readonly estimate: number; readonly used: number }>>

/** What the first of the modules prints. Without all that it does not use, each collection takes half the time. */
export const measure = (entryPoints: ReadonlyArray<string>, external: ReadonlyArray<string> = []): Measured => {
  mkdirSync(cache, { recursive: true })
  const folder = mkdtempSync(join(cache, "heap-"))
  try {
    writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }))
    buildSync({
      entryPoints: [...entryPoints],
      outdir: folder,
      entryNames: "[name]",
      bundle: true,
      platform: "node",
      format: "esm",
      conditions: ["@effect-prefect/source"],
      external: [...external]
    })
    return JSON.parse(execFileSync(
      process.execPath,
      // Without helper threads, a collection has freed all memory when it returns, and no compiler that is late because the
      // machine is busy keeps the value before this one alive.
      ["--expose-gc", "--single-threaded", "--no-warnings", join(folder, basename(entryPoints[0]!, ".ts") + ".js")],
      { encoding: "utf8", env: { ...process.env, NODE_DISABLE_COMPILE_CACHE: "1" } }
    )) as Measured
  } finally {
    rmSync(folder, { recursive: true })
  }
}
