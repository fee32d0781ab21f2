/** The estimate of a decoded value is within a factor of two of the heap that it really takes. */
import { assert, describe, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import { fileURLToPath } from "node:url"

const script = fileURLToPath(new URL("support/heapOf.ts", import.meta.url))

describe("the estimate of a value's memory", () => {
  const output = execFileSync(
    process.execPath,
    // Without helper threads, a collection has freed all memory when it returns.
    ["--conditions=@effect-prefect/source", "--expose-gc", "--single-threaded-gc", "--no-warnings", script],
    { encoding: "utf8" }
  )
  const measured = JSON.parse(output) as Record<string, { readonly estimate: number; readonly used: number }>

  it.each(Object.keys(measured))("%s: within a factor of two of the heap", (kind) => {
    const { estimate, used } = measured[kind]!
    assert.isAbove(used, 500_000)
    assert.isBelow(estimate / used, 2)
    assert.isAbove(estimate / used, 0.5)
  })
})
