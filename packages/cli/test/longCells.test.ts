/** Values of millions of characters in rows: they are written in pieces. */
import * as TaskRunView from "@effect-prefect/core/TaskRunView"
import type { Outcome, TaskRun } from "@effect-prefect/results/TaskRun"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { outcomeRows } from "../src/internal/outcomeRows.ts"

const view = TaskRunView.fromRow({ id: "r1", task: { id: "t1", slug: "extract" }, map_index: -1 })

const outcome = (value: unknown): Outcome => {
  assert.instanceOf(view, TaskRunView.TaskRunView)
  return { taskRun: { view } as TaskRun, result: Result.succeed(value) }
}

it.effect("a long value of a result is written as CSV in pieces, in its place among short ones", () =>
  Effect.gen(function*() {
    const long = "\"".repeat(1_000_000)
    const rows = Stream.fromIterable(["a", long, "b", "c"].map(outcome))
    const pieces = yield* Stream.runCollect(yield* outcomeRows(rows, "csv", ["task_slug", "value"]))
    const json = `"""${"\\\"\"".repeat(1_000_000)}"""`
    assert.isTrue(
      pieces.join("") ===
        `task_slug,value\r\n${
          ["\"\"\"a\"\"\"", json, "\"\"\"b\"\"\"", "\"\"\"c\"\"\""].map((value) => `extract,${value}\r\n`).join("")
        }`
    )
    assert.isAtMost(Math.max(...pieces.map(({ length }) => length)), 131_072)
  }))
