/** Rows of an archive that nobody waits for any more are not read. */
import * as Turn from "@effect-prefect/core/Turn"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { open } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { readRowsOf } from "../src/internal/tables/tableFiles.ts"

it.live("a list of rows is read no further when it is interrupted", () =>
  Effect.gen(function*() {
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "rows-"))),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
    )
    const path = join(folder, "flow.jsonl")
    const line = "{\"id\":\"x\"}\n"
    const places = Array.from({ length: 500 }, (_, at) => ({ offset: at * line.length, length: line.length - 1 }))
    writeFileSync(path, line.repeat(places.length))
    const handle = yield* Effect.acquireRelease(
      Effect.promise(() => open(path, "r")),
      (handle) => Effect.promise(() => handle.close())
    )
    const read = readRowsOf(new Map([["flow", { file: "flow.jsonl", handle, path, places, problems: [] }]]))
    let used = 0
    const all = Effect.suspend(() => {
      // Long work has had its part of this turn.
      Turn.isLong()
      for (const end = performance.now() + 15; performance.now() < end;);
      return read("flow", places, () => used++)
    })
    const fiber = yield* Effect.forkChild(all, { startImmediately: true })
    yield* Fiber.interrupt(fiber)
    for (let turn = 0; turn < 300; turn++) {
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
    }
    assert.strictEqual(used, 0)
    yield* all
    assert.strictEqual(used, places.length)
  }))
