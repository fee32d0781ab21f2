/** Queries of an archive's index are made in steps, however many tasks a flow run has. */
import * as ArchiveApi from "@effect-prefect/api/ArchiveApi"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { StatementSync } from "node:sqlite"
import { vi } from "vitest"

const archiveOf = (tasks: number) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const directory = fs.mkdtempSync(join(tmpdir(), "index-steps-"))
      const write = (table: string, rowOf: (at: number) => object, count: number) =>
        fs.writeFileSync(
          join(directory, "tables", `${table}.jsonl`),
          Array.from({ length: count }, (_, at) => `${JSON.stringify(rowOf(at))}\n`).join("")
        )
      fs.mkdirSync(join(directory, "tables"))
      write("flow_run", () => ({ id: "f" }), 1)
      write("task", (at) => ({ id: `t${at}`, slug: `slug ${at}` }), tasks)
      write("task_run", (at) => ({ id: `r${at}`, flow_run_id: "f", task_id: `t${at}` }), tasks)
      return directory
    }),
    (directory) => Effect.sync(() => fs.rmSync(directory, { recursive: true, force: true }))
  )

/** The most statements that are run before the clock is looked at, as who shares a turn does. */
const mostStatements = Effect.fnUntraced(function*(tasks: number) {
  const directory = yield* archiveOf(tasks)
  const { api } = yield* ArchiveApi.make(directory, { index: "always", cache: join(directory, "cache") })
  let most = 0
  let count = 0
  const { all } = StatementSync.prototype
  const statements = vi.spyOn(StatementSync.prototype, "all").mockImplementation(
    function(this: StatementSync, ...given) {
      most = Math.max(most, ++count)
      return all.apply(this, given)
    }
  )
  const now = performance.now.bind(performance)
  const clock = vi.spyOn(performance, "now").mockImplementation(() => {
    count = 0
    return now()
  })
  const restore = Effect.sync(() => {
    statements.mockRestore()
    clock.mockRestore()
  })
  const first = yield* Effect.ensuring(api.firstTaskRunOfEachTask("f"), restore)
  assert.isAbove(most, 0)
  assert.strictEqual(first.length, tasks)
  assert.strictEqual(first.at(-1)!.taskSlug, "slug 999")
  return most
})

it.live("the first task run of each task is found in steps, however many tasks there are", () =>
  Effect.gen(function*() {
    // Two statements for each of 128 tasks; who has waited takes a step without a look at the clock.
    assert.isAtMost(yield* mostStatements(1_200), 512)
  }).pipe(Effect.provide(Logger.layer([]))))
