/** The footer of a Parquet file with many columns is read and rewritten in steps. */
import { assert, describe, it } from "@effect/vitest"
import * as HyparquetWriter from "hyparquet-writer"
import { footerOf, footerSpan, groupOf, readFooter, repaired, tailLength } from "../src/internal/parquet/footer.ts"
import { parquetFile } from "../src/internal/parquet/write.ts"
import { type Steps, toEnd } from "../src/internal/steps.ts"

const count = 512
/** Columns that may be looked at between two steps. */
const most = 256

const columns = Array.from({ length: count }, (_, at) => ({
  element: { name: `c${at}`, type: "INT32", repetition_type: "OPTIONAL" },
  values: [at]
}))

const counted = <A>(steps: Steps<A>): readonly [steps: number, value: A] => {
  for (let count = 0;; count++) {
    const step = steps.next()
    if (step.done === true) return [count, step.value]
  }
}

describe("the footer of a file of many columns", () => {
  it("is looked at in steps", () => {
    const file = toEnd(parquetFile(HyparquetWriter, columns, [{ start: 0, end: 1 }]))
    const { end, start } = footerSpan(file.subarray(-tailLength), file.length)
    const [reading, footer] = counted(readFooter(file.subarray(start, end), start))
    // The fields of all columns, those of the schema, and its names.
    assert.isAtLeast(reading, 4 * count / most)
    assert.strictEqual(footer.names.length, count)
    const [grouping, group] = counted(groupOf(footer, footer.groups[0]!))
    assert.isAtLeast(grouping, 3 * count / most)
    assert.strictEqual(group.chunks[499]!.name, "c499")
    const [checking, ending] = counted(repaired(footer, file))
    assert.isAtLeast(checking, 3 * count / most)
    assert.isUndefined(ending)
    const [writing, made] = counted(footerOf(footer, [group], new Map()))
    assert.isAtLeast(writing, count / most)
    const again = counted(readFooter(made.subarray(0, made.length - tailLength), start))[1]
    assert.deepStrictEqual(
      counted(groupOf(again, again.groups[0]!))[1].chunks.map(({ name, start }) => [name, start]),
      group.chunks.map(({ name, start }) => [name, start])
    )
  })
})
