/** What is counted of the values of an answer is within a factor of two of the heap that they really take. */
import { assert, describe, it } from "@effect/vitest"
import { fileURLToPath } from "node:url"
import { measure } from "../../core/test/heap.ts"

describe("the memory that is counted of an answer", () => {
  const measured = measure([fileURLToPath(new URL("support/heapOfAnswers.ts", import.meta.url))])

  it.each(Object.keys(measured))("%s: within a factor of two of the heap", (kind) => {
    const { estimate, used } = measured[kind]!
    assert.isAbove(used, 100_000)
    assert.isBelow(estimate / used, 2)
    assert.isAbove(estimate / used, 0.5)
  })
})
