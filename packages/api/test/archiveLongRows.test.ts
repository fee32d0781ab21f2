/** A long row of an archive is read and parsed in steps, when its table is scanned as well. */
import * as ArchiveApi from "@effect-prefect/api/ArchiveApi"
import { assert, describe, it, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const id = "00000000-0000-4000-8000-000000000001"
const value = { text: "é€🦊\\\"".repeat(100_000), rows: Array.from({ length: 15_000 }, (_, n) => ({ n, id })) }

const last = "00000000-0000-4000-8000-000000000002"
/** So long that it is parsed in steps; the tables are so small that their index is made in this process. */
const long = "x".repeat(1_200_000)

const open = Effect.gen(function*() {
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "long-rows-"))),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
  )
  mkdirSync(join(folder, "tables"))
  const write = (table: string, ...lines: ReadonlyArray<object | string>) =>
    writeFileSync(
      join(folder, "tables", `${table}.jsonl`),
      lines.map((line) => `${typeof line === "string" ? line : JSON.stringify(line)}\n`).join("")
    )
  write("flow", { id, name: "f", serialized_flow: value })
  write("flow_run", { id, flow_id: id, parameters: value })
  write("task", { id, slug: "s", settings: value })
  write(
    "task_run",
    { id, flow_run_id: id, task_id: id, map_index: -1, serialized_state: { type: "Success", context: value } },
    `{"id": "${long}`,
    `["${long}"]`,
    { id: last, flow_run_id: id, task_id: id, map_index: 0, serialized_state: null }
  )
  return folder
})

/** The longest text that is parsed at once while an effect runs. */
const longestOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    let longest = 0
    const { parse } = JSON
    const spy = vi.spyOn(JSON, "parse").mockImplementation((text, reviver) => {
      longest = Math.max(longest, text.length)
      return parse(text, reviver) as unknown
    })
    return Effect.map(Effect.ensuring(effect, Effect.sync(() => spy.mockRestore())), (found) => ({ found, longest }))
  })

describe("a long row of an archive is the row that was stored, and no step parses all of it", () => {
  for (const index of ["never", "always"] as const) {
    it.live(index === "never" ? "without an index" : "with one", () =>
      Effect.gen(function*() {
        const folder = yield* open
        const cache = join(folder, "cache")
        const { found, longest } = yield* longestOf(Effect.gen(function*() {
          if (index === "always") yield* ArchiveApi.makeIndex(folder, { cache })
          const { api, archive } = yield* ArchiveApi.make(folder, { index, cache })
          const views = yield* Effect.all([api.flow(id), api.flowRun(id), api.taskRun(id), api.taskRun(last)])
          return { views, problems: yield* archive.problems, all: yield* Stream.runCollect(archive.taskRuns) }
        }))
        assert.isBelow(longest, 0x110000)
        const [flow, flowRun, taskRun, other] = found.views
        const text = JSON.stringify(value)
        assert.isTrue(JSON.stringify(flow.serializedFlow) === text)
        assert.isTrue(JSON.stringify(flowRun.parameters) === text)
        for (const view of [taskRun, found.all[0]!]) {
          assert.isTrue(view.state._tag === "Success" && JSON.stringify(view.state.context) === text)
          assert.strictEqual(view.taskSlug, "s")
        }
        assert.deepStrictEqual(found.all.map(({ taskRunId }) => taskRunId) as ReadonlyArray<string>, [id, last])
        assert.strictEqual(other.state._tag, "Scheduled")
        const file = "tables/task_run.jsonl"
        assert.deepStrictEqual(found.problems.map((problem) => ({ ...problem })), [
          { file, line: 2, detail: "it is not JSON in UTF-8" },
          { file, line: 3, detail: "it is not a JSON object" }
        ])
      }).pipe(Effect.scoped))
  }
  it.live("and parsing it ends when it is interrupted", () =>
    Effect.gen(function*() {
      const folder = yield* open
      let now = performance.now() + 5_000_000
      const clock = vi.spyOn(performance, "now").mockImplementation(() => now += 20)
      yield* Effect.addFinalizer(() => Effect.sync(() => clock.mockRestore()))
      let parsed = 0
      const { parse } = JSON
      const spy = vi.spyOn(JSON, "parse").mockImplementation((text, reviver) => {
        parsed += text.length
        return parse(text, reviver) as unknown
      })
      yield* Effect.addFinalizer(() => Effect.sync(() => spy.mockRestore()))
      const fiber = yield* Effect.forkChild(ArchiveApi.makeIndex(folder, { cache: join(folder, "cache") }))
      const turn = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))
      while (parsed < 300_000) yield* turn
      yield* Fiber.interrupt(fiber)
      const before = parsed
      for (let turns = 0; turns < 20; turns++) yield* turn
      assert.strictEqual(parsed, before)
      assert.isBelow(parsed, 3_000_000)
    }).pipe(Effect.scoped))
})
