/** A long row of an archive is read and parsed in steps. */
import * as ArchiveApi from "@effect-prefect/api/ArchiveApi"
import * as PrefectApi from "@effect-prefect/api/PrefectApi"
import { assert, describe, it, vi } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const id = "00000000-0000-4000-8000-000000000001"
const value = { text: "é€🦊\\\"".repeat(200_000), rows: Array.from({ length: 30_000 }, (_, n) => ({ n, id })) }

describe("a long row of an archive", () => {
  it.live("is the row that was stored, and no step parses all of it once it is found", () =>
    Effect.gen(function*() {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "long-rows-"))),
        (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
      )
      mkdirSync(join(folder, "tables"))
      const write = (table: string, row: object) =>
        writeFileSync(join(folder, "tables", `${table}.jsonl`), `${JSON.stringify(row)}\n`)
      write("flow", { id, name: "f", serialized_flow: value })
      write("flow_run", { id, flow_id: id, parameters: value })
      write("task", { id, slug: "s" })
      write("task_run", { id, flow_run_id: id, task_id: id, serialized_state: { type: "Success", context: value } })
      const api = Context.get(yield* Layer.build(ArchiveApi.layer(folder)), PrefectApi.PrefectApi)
      const read = Effect.all([api.flow(id), api.flowRun(id), api.taskRun(id)])
      yield* read
      let longest = 0
      const { parse } = JSON
      const spy = vi.spyOn(JSON, "parse").mockImplementation((text, reviver) => {
        longest = Math.max(longest, text.length)
        return parse(text, reviver) as unknown
      })
      const [flow, flowRun, taskRun] = yield* Effect.ensuring(read, Effect.sync(() => spy.mockRestore()))
      assert.isBelow(longest, 0x80000)
      const text = JSON.stringify(value)
      assert.isTrue(JSON.stringify(flow.serializedFlow) === text)
      assert.isTrue(JSON.stringify(flowRun.parameters) === text)
      assert.isTrue(taskRun.state._tag === "Success" && JSON.stringify(taskRun.state.context) === text)
      assert.strictEqual(taskRun.taskSlug, "s")
    }).pipe(Effect.scoped))
})
