import * as Tables from "@effect-prefect/core/Tables"
import * as Database from "@effect-prefect/server/Database"
import { assert, describe, it, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { findTables, loadArchive } from "../src/internal/archive.ts"
import { emptyData, layerThreads, scopedTables } from "./support/pglite.ts"
import { layerServer, read } from "./support/server.ts"

const id = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`
const time = "2022-03-01T12:00:00.123456+00:00"
const run = (n: number, rest: object = {}) =>
  JSON.stringify({ id: id(n), created: time, flow_run_id: id(1), task_id: id(2), map_index: n, ...rest })

/** A folder with these files below `tables`, gone with the scope. */
const folder = (files: Readonly<Record<string, string | Uint8Array>>) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const directory = await mkdtemp(join(tmpdir(), "effect-prefect-server-"))
      await mkdir(join(directory, "tables"))
      for (const [name, content] of Object.entries(files)) await writeFile(join(directory, "tables", name), content)
      return directory
    }),
    (directory) => Effect.promise(() => rm(directory, { recursive: true }))
  )

/** What could not be loaded. */
class Reports extends Context.Service<Reports, ReadonlyArray<Database.LoadReport>>()("test/Reports") {}

const reportsOf = (table: string) =>
  Effect.map(Reports, (reports) => reports.filter(({ file }) => file === `tables/${table}.jsonl`))

const serve = (files: Readonly<Record<string, string>>) =>
  Layer.unwrap(
    Effect.map(folder(files), (directory) => {
      const reports: Array<Database.LoadReport> = []
      const onReport = (report: Database.LoadReport) => Effect.sync(() => void reports.push(report))
      return Layer.merge(Layer.succeed(Reports, reports), layerServer(layerThreads(directory, { onReport })))
    })
  )

const lines = [
  run(1),
  "",
  "{\"id\": ",
  run(2, { serialized_state: null, name: "a\u2028b\u0085c 🚀" }),
  "[1, 2]",
  run(3, { id: "no uuid" }),
  run(4, { map_index: "x" }),
  run(5, { serialized_state: { message: "\u0000" } }),
  run(6, { task_id: id(99), extra: 1 }),
  run(7, { id: id(6), extra: 2 }),
  run(8, { serialized_state: "odd", state: 7 }),
  "null",
  JSON.stringify({ id: id(9) })
]
const many = Array.from({ length: 3_000 }, (_, n) => JSON.stringify({ id: n === 1_234 ? "bad" : id(n), version: n }))

const served = serve({
  "task_run.jsonl": `\uFEFF${lines.join("\r\n")}`,
  "flow_run.jsonl": many.map((line) => `${line}\n`).join("")
})

layer(served, { excludeTestServices: true })("an archive", (it) => {
  it.effect("is served but for the lines that are no rows, which are reported with their numbers", () =>
    Effect.gen(function*() {
      const found = yield* read(
        "{ task_run(order_by: [{map_index: asc}]) { id map_index name state serialized_state created task { id } } }"
      )
      const row = (n: number, rest: object = {}) => ({
        id: id(n),
        map_index: n,
        name: null,
        state: null,
        serialized_state: null,
        created: time,
        task: null,
        ...rest
      })
      assert.deepStrictEqual(found, [
        row(1),
        row(2, { name: "a\u2028b\u0085c 🚀" }),
        row(6),
        row(7, { id: id(6) }),
        row(8, { serialized_state: "odd", state: "7" }),
        row(9, { map_index: null, created: null })
      ])
      assert.deepStrictEqual(yield* read("{ flow { id } }"), [])
      const reports = yield* reportsOf("task_run")
      assert.deepStrictEqual(
        reports.map(({ file, line }) => [file, line]).toSorted((a, b) => Number(a[1]) - Number(b[1])),
        [3, 5, 6, 7, 8, 9, 12].map((line) => ["tables/task_run.jsonl", line])
      )
      assert.include(reports.find(({ line }) => line === 3)?.message, "not JSON")
      assert.include(reports.find(({ line }) => line === 9)?.message, "\"extra\"")
      assert.notInclude(reports.map(({ message }) => message).join(" "), "no uuid")
    }))

  it.effect("may be large: rows are loaded in batches, a bad one among them costs only itself", () =>
    Effect.gen(function*() {
      const found = yield* read("{ flow_run_aggregate { aggregate { count max { version } } } }")
      assert.deepStrictEqual(found, { aggregate: { count: 2_999, max: { version: 2_999 } } })
      assert.deepStrictEqual((yield* reportsOf("flow_run")).map(({ line }) => line), [1_235])
      assert.lengthOf(yield* Reports, 8)
    }))
})

describe("an archive", () => {
  // What becomes of one that no database starts from, and of one that was made: cli/test/serve.
  it.live("is loaded once, into an empty database that was kept, and kept with what was said of it", () =>
    Effect.gen(function*() {
      const directory = yield* folder({ "task_run.jsonl": [run(1), "[]", run(2)].join("\n") })
      let kept: { readonly snapshot: Blob; readonly reports: ReadonlyArray<Database.LoadReport> } | undefined
      let emptiesWritten = 0
      let wrote = () => {}
      const written = new Promise<void>((resolve) => {
        wrote = resolve
      })
      const cache: Database.ArchiveCache = {
        read: async () => kept,
        write: async (snapshot, reports) => {
          kept = { snapshot, reports }
          wrote()
        },
        readEmpty: emptyData,
        writeEmpty: async () => {
          emptiesWritten++
        }
      }
      const query = (then: Effect.Effect<void>) => {
        const reports: Array<number | undefined> = []
        const onReport = ({ line }: Database.LoadReport) => Effect.sync(() => void reports.push(line))
        return Effect.flatMap(Database.Database, (database) =>
          database.query(
            "select map_index::text as n, (select count(*) > 0 from pg_stats where tablename = 'task_run')::text as known " +
              "from public.task_run order by map_index",
            []
          )).pipe(
            Effect.tap(then),
            Effect.map((rows) => ({
              rows: rows.map(({ n }) => n),
              // The statistics by which the costs of queries are estimated.
              isKnown: rows.every(({ known }) => known === "true"),
              reports
            })),
            Effect.provide(Database.layerArchive(directory, { onReport, cache }))
          )
      }
      const first = yield* query(Effect.promise(() => written))
      assert.deepStrictEqual(first, { rows: ["1", "2"], isKnown: true, reports: [2] })
      // The cache alone says whether what it has is of the folder as it is.
      yield* Effect.promise(() => writeFile(join(directory, "tables/task_run.jsonl"), run(3)))
      assert.deepStrictEqual((yield* query(Effect.void)).rows, ["1", "2"])
      const whole = kept!.snapshot
      kept = undefined
      assert.deepStrictEqual((yield* query(Effect.void)).rows, ["3"])
      // One that no database starts from, or that is not the data of a database, is replaced.
      for (const bad of [new Blob([Buffer.alloc(5_000, 65)]), whole.slice(0, 2 ** 20)]) {
        kept = { snapshot: bad, reports: [] }
        const again = new Promise<void>((resolve) => {
          wrote = resolve
        })
        assert.deepStrictEqual((yield* query(Effect.promise(() => again))).rows, ["3"])
        assert.isAbove(kept.snapshot.size, 2 ** 20)
      }
      assert.strictEqual(emptiesWritten, 0)
    }))

  it.live("must have tables", () =>
    Effect.gen(function*() {
      const directory = yield* folder({ "notes.txt": "nothing" })
      const error = yield* Effect.flip(Effect.scoped(Layer.build(Database.layerArchive(directory))))
      assert.strictEqual(error.message, `${directory} is no archive: it has no tables/*.jsonl of Prefect's tables`)
    }))

  it.live("has the same values in a long line as in a short one, and sends a long one that is rejected once", () =>
    Effect.gen(function*() {
      const texts = [
        run(1, { serialized_state: null, state: "Success", start_time: time }),
        run(2, { serialized_state: { a: [1, "]}\\\"", { b: null }], "": "\ud83d\ude80\u2028" }, name: "a,\"b\\" }),
        run(3, { serialized_state: "text", state_result: [], state: 7, name: { a: 1 }, cache_key: false }),
        `{ "i\\u0064" : "${id(4)}" , "version":1 , "version": 12 ,\t"serialized_state": 12345678901234567890.10 }`,
        `{"name": "twice", "id": null, "name": null, "__proto__": {"id": 1}, "extra": [{"id": 2}], "id": "${id(5)}"}`,
        "{}",
        run(6, { map_index: "7" }),
        run(7, { id: "no uuid" }),
        run(8, { map_index: {} }),
        run(9, { serialized_state: { message: "\u0000" } }),
        run(10, { start_time: [time] })
      ]
      const blanks = " ".repeat(300_000)
      const directory = yield* folder({
        "task_run.jsonl": texts.map((text) => `${text}\n`).join("")
      })
      const database = yield* scopedTables
      const load = (files: ReadonlyArray<string>) =>
        Effect.promise(async () => {
          await writeFile(join(directory, "tables/task_run.jsonl"), files.join("\n"))
          const messages: Array<string> = []
          let sent = 0
          await database.exec(`DELETE FROM "public"."task_run"`)
          const query = (sql: string, parameters: Array<string | null>) => {
            sent += parameters.reduce((total, value) => total + (value?.length ?? 0), 0)
            return database.query(sql, parameters)
          }
          await loadArchive({ query }, await findTables(Tables.tables, directory), ({ message }) => {
            messages.push(message)
          })
          const { rows } = await database.query(`SELECT r::text AS row FROM "public"."task_run" AS r ORDER BY ctid`)
          return { rows, messages: messages.toSorted(), sent }
        })
      const short = yield* load(texts)
      const long = yield* load(texts.map((text) => text.replace(/\}$/, `${blanks}}`)))
      assert.deepStrictEqual(long.rows, short.rows)
      assert.deepStrictEqual(long.messages, short.messages)
      assert.isAtLeast(long.rows.length, 6)
      assert.isAtLeast(long.messages.length, 4)
      const rejected = run(0, { id: "no uuid", serialized_state: "x".repeat(300_000) })
      const among = yield* load([...texts, ...many.slice(0, 50), rejected, ...many.slice(0, 50)])
      assert.isBelow(among.sent, 2 * rejected.length)
      assert.include(among.messages.join("\n"), `line ${texts.length + 51}: not loaded`)
    }))
})
