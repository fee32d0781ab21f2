/** The estimate of a decoded value is within a factor of two of the heap that it really takes. */
import { assert, describe, it } from "@effect/vitest"
import { fileURLToPath } from "node:url"
import { measure } from "../../core/test/heap.ts"

const pathOf = (file: string) => fileURLToPath(new URL(file, import.meta.url))

describe("the estimate of a value's memory", () => {
  const measured = measure(
    [pathOf("support/heapOf.ts"), pathOf("../src/internal/readers/parquetWorker.ts")],
    ["parquet-wasm"]
  )

  it.each(Object.keys(measured))("%s: within a factor of two of the heap", (kind) => {
    const { estimate, used } = measured[kind]!
    assert.isAbove(used, 500_000)
    assert.isBelow(estimate / used, 2)
    assert.isAbove(estimate / used, 0.5)
  })
})
