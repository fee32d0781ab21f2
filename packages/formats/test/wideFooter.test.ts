/** The footer of a Parquet file with many columns is read and rewritten in steps. */
import { Column, Table } from "@effect-prefect/formats/Table"
import * as TableEncoder from "@effect-prefect/formats/TableEncoder"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { footerOf, footerSpan, groupOf, readFooter, repaired, tailLength } from "../src/internal/parquet/footer.ts"
import type { Steps } from "../src/internal/steps.ts"

const count = 512
/** Columns that may be looked at between two steps. */
const most = 256

const table = new Table(
  Array.from({ length: count }, (_, at) => new Column({ name: `c${at}`, kind: "int", length: 1, at: () => at })),
  1
)

const counted = <A>(steps: Steps<A>): readonly [steps: number, value: A] => {
  for (let count = 0;; count++) {
    const step = steps.next()
    if (step.done === true) return [count, step.value]
  }
}

describe("the footer of a file of many columns", () => {
  it.effect("is looked at in steps", () =>
    Effect.gen(function*() {
      const file = yield* TableEncoder.parquet(table)
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
      const [writing, made] = counted(footerOf(footer, group, new Map()))
      assert.isAtLeast(writing, count / most)
      const again = counted(readFooter(made.subarray(0, made.length - tailLength), start))[1]
      assert.deepStrictEqual(
        counted(groupOf(again, again.groups[0]!))[1].chunks.map(({ name, start }) => [name, start]),
        group.chunks.map(({ name, start }) => [name, start])
      )
    }))
})
