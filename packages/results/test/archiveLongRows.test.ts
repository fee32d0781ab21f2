/** Long rows are exported in pieces, from a database and from an API, and no step makes or writes all of one. */
import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import * as ArchiveExport from "@effect-prefect/results/ArchiveExport"
import * as ArchiveVerify from "@effect-prefect/results/ArchiveVerify"
import { assert, describe, it, vi } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { createHash } from "node:crypto"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { isDeepStrictEqual } from "node:util"
import { startPglite } from "../../api/test/pglite.ts"
import * as Files from "../src/internal/archive/files.ts"

const ids = Array.from({ length: 5 }, (_, n) => `00000000-0000-4000-8000-00000000000${n}`)
const id = ids[0]!
const longValue = {
  text: `é€🦊\\"`.repeat(200_000),
  rows: Array.from({ length: 40_000 }, (_, n) => ({ n, name: `row ${n}` }))
}
const valueOf = (at: number) => at % 2 === 1 ? longValue : { at }
const timestamp = "2022-03-01T12:00:00+00:00"
const rows = {
  flow: [{ id, name: "f", version: 1, serialized_flow: longValue }],
  flow_run: [{ id, flow_id: id, created: timestamp, parameters: longValue }],
  flow_run_state: [{ id, flow_run_id: id, timestamp, state: "Success", serialized_state: { type: "Success" } }],
  task: [{ id, flow_id: id, slug: "extract-1" }],
  task_run: ids.map((taskRun, at) => ({
    id: taskRun,
    flow_run_id: id,
    task_id: id,
    map_index: at,
    serialized_state: { type: "Success", context: valueOf(at) }
  })),
  task_run_state: ids.map((state, at) => ({
    id: state,
    task_run_id: id,
    timestamp: `2022-03-01T12:00:0${at}+00:00`,
    state: "Success",
    serialized_state: { type: "Success", context: valueOf(at) }
  })),
  log: [{ id, flow_run_id: id, timestamp, level: "INFO", message: longValue.text }],
  task_run_artifact: [{ id, task_run_id: id, kind: "markdown", data: longValue, created: timestamp }]
}

const columns: Readonly<Record<string, string>> = {
  flow: "serialized_flow",
  flow_run: "parameters",
  task_run: "serialized_state",
  task_run_state: "serialized_state",
  log: "message",
  task_run_artifact: "data"
}

const temporary = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "long-rows-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

/** The most that one call made, wrote or hashed while an effect ran, in characters or bytes. */
const longestOf = Effect.fnUntraced(function*<A, E, R>(effect: Effect.Effect<A, E, R>) {
  let longest = 0
  const note = <T>(value: T): T => {
    if (typeof value === "string" || value instanceof Uint8Array) longest = Math.max(longest, value.length)
    return value
  }
  const { stringify } = JSON
  const spies = [
    vi.spyOn(JSON, "stringify").mockImplementation((...parameters) =>
      note((stringify as (...all: Array<unknown>) => string)(...parameters))
    ),
    vi.spyOn(Object.getPrototypeOf(createHash("sha256")) as ReturnType<typeof createHash>, "update")
  ]
  const { from } = Buffer
  spies.push(
    vi.spyOn(Buffer, "from").mockImplementation(
      ((...parameters: Array<unknown>) => note((from as (...all: Array<unknown>) => Buffer)(...parameters))) as never
    ) as never
  )
  const value = yield* Effect.ensuring(
    effect,
    Effect.sync(() => {
      for (const [text] of spies[1]!.mock.calls) note(text)
      for (const spy of spies) spy.mockRestore()
    })
  )
  return { value, longest }
})

const assertKept = (directory: string) => {
  for (const [table, column] of Object.entries(columns)) {
    const lines = readFileSync(join(directory, `tables/${table}.jsonl`), "utf8").trimEnd().split("\n")
    const found = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    const expected = rows[table as keyof typeof rows] as ReadonlyArray<Record<string, unknown>>
    assert.lengthOf(found, expected.length, table)
    for (const [at, row] of expected.entries()) {
      const same = found.find((other) => other["id"] === row["id"])!
      assert.isTrue(isDeepStrictEqual(same[column], row[column]), `${table} ${at}`)
    }
  }
}

describe("long rows are archived as they are, in pieces", () => {
  it.live("of a database", () =>
    Effect.gen(function*() {
      const directory = join(yield* temporary, "database")
      const { url } = yield* startPglite(rows)
      const { longest, value } = yield* longestOf(
        ArchiveExport.exportTables({ directory, database: { url: Redacted.make(url) } })
      )
      assert.strictEqual(value.tables["task_run"], 5)
      assert.isAtMost(longest, 2 ** 21)
      assertKept(directory)
      const issues = yield* Stream.runCollect(ArchiveVerify.verify(directory))
      assert.deepStrictEqual(issues.map(({ _tag }) => _tag), ["Summary"])
    }))
  it.live("of an API", () =>
    Effect.gen(function*() {
      const directory = join(yield* temporary, "api")
      const api = Context.get(yield* Layer.build(MemoryApi.layer(rows)), PrefectApi)
      const { longest, value } = yield* longestOf(ArchiveExport.exportTables({ directory, api }))
      assert.strictEqual(value.tables["task_run"], 5)
      assert.isAtMost(longest, 2 ** 21)
      assertKept(directory)
    }))
})

it.live("a line that no export writes is not looked at, however long it is", () =>
  Effect.gen(function*() {
    const directory = join(yield* temporary, "lines")
    const api = Context.get(yield* Layer.build(MemoryApi.layer({ task_run: rows.task_run })), PrefectApi)
    yield* ArchiveExport.exportTables({ directory, api })
    const entry = { file: "results/a", bytes: 1, sha256: "0".repeat(64) }
    const long = "x".repeat(5_000_000)
    const manifest = join(directory, "manifest.jsonl")
    const lines = [{ ...entry, file: `results/${long}` }, entry]
    writeFileSync(manifest, lines.map((line) => `${JSON.stringify(line)}\n`).join(""))
    writeFileSync(
      join(directory, "incomplete.jsonl"),
      `${JSON.stringify({ task_run_id: id, reason: "ResultNotFound", message: long })}\n`
    )
    let longest = 0
    const { parse } = JSON
    const spy = vi.spyOn(JSON, "parse").mockImplementation((text, reviver) => {
      longest = Math.max(longest, text.length)
      return parse(text, reviver) as unknown
    })
    const [issues, found] = yield* Effect.ensuring(
      Effect.all([
        Stream.runCollect(ArchiveVerify.verify(directory)),
        Stream.runCollect(Stream.fromAsyncIterable(Files.readManifest(manifest), String))
      ]),
      Effect.sync(() => spy.mockRestore())
    )
    assert.isBelow(longest, 4_000_000)
    assert.deepStrictEqual(found.flat().map((line) => line.entry), [undefined, entry])
    const told = issues.flatMap((issue) => issue._tag === "Line" ? [issue.detail] : [])
    assert.include(told, "it is longer than any that an export writes")
  }))
