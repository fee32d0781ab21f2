/** A collection as the rows of a Postgres table: here PGlite, over its socket. */
import * as Collect from "@effect-prefect/collect/Collect"
import { CollectOutput } from "@effect-prefect/collect/CollectOutput"
import * as PostgresOutput from "@effect-prefect/collect/PostgresOutput"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { startDatabase } from "./support/database.ts"
import { json, mapped, notFound, type Options, places, queue, single, storage, tables } from "./support/world.ts"

const data = tables({
  first: [single("first", "a-1"), mapped("first", "b-1", 7)],
  second: [single("second", "a-1", { type: "Failed" })]
})

const options: Options = {
  selection: { all: true },
  output: {
    format: "jsonl",
    partRows: 3,
    columns: [{ name: "at", type: "string" }, { name: "n", type: "int64" }, { name: "ok", type: "bool" }]
  }
}

/** Values that hold what lines end with, large integers, NUL and quotes. */
const valueOf = (location: string) => ({
  at: location.includes("/6.") ? `\ud800\0${location}` : location,
  n: location.includes("/5.") ? "-9007199254740993" : Number(/\d+/.exec(location)?.[0] ?? 0),
  ok: location.includes("1"),
  odd: `},"v.at":"x"}\u0000\u2028"\\`,
  deep: { "v.n": [1, { outcome: { value: null } }] }
})

const read = storage((location) => json(valueOf(location))).layer

const collect = (url: Redacted.Redacted, given = read) =>
  Collect.run(options).pipe(
    Effect.provide(PostgresOutput.layer({ url, table: "results" })),
    Effect.provide(Layer.merge(places(data, new Map(), { storage: given }), queue))
  )

const withPassword = Effect.acquireRelease(
  Effect.sync(() => {
    const before = process.env["PGPASSWORD"]
    process.env["PGPASSWORD"] = "secret"
    return before
  }),
  (before) =>
    Effect.sync(() => {
      if (before === undefined) delete process.env["PGPASSWORD"]
      else process.env["PGPASSWORD"] = before
    })
)

describe("a table", () => {
  for (const address of ["no address", "results", "https://localhost/results", ""]) {
    it.live(`is unavailable at "${address}", with PGPASSWORD or without`, () =>
      Effect.gen(function*() {
        const opened = Effect.flip(Layer.build(
          PostgresOutput.layer({ url: Redacted.make(address), table: "results" })
        ))
        const without = yield* opened
        assert.strictEqual(without._tag, "CollectError")
        assert.strictEqual(without.reason._tag, "OutputUnavailable")
        assert.include(without.message, "postgresql://")
        yield* withPassword
        assert.strictEqual((yield* opened).message, without.message)
      }))
  }

  it.live("has each row once, with typed columns, however often it is collected", () =>
    Effect.gen(function*() {
      const { database, url } = yield* startDatabase
      const query = (sql: string) => Effect.promise(() => database.query(sql)).pipe(Effect.map(({ rows }) => rows))
      const { manifest } = yield* collect(url)
      assert.isTrue(manifest.complete)
      const all = `select * from results order by part, row`
      const rows = yield* query(all)
      assert.strictEqual(rows.length, 10)
      const child = rows.find((row) => (row as { map_index: number }).map_index === 3) as Record<string, unknown>
      assert.deepInclude(child, {
        flow_run_id: "first",
        task_slug: "b-1",
        state: "Success",
        mapped_children: null,
        error_reason: null,
        "v.at": "/srv/3.json",
        "v.ok": false
      })
      assert.deepStrictEqual(JSON.parse(child["value"] as string), valueOf("/srv/3.json"))
      assert.strictEqual(Number(child["v.n"]), 3)
      assert.deepStrictEqual(yield* query(`select "v.n"::text as n from results where map_index = 5`), [
        { n: "-9007199254740993" }
      ])
      assert.deepStrictEqual(yield* query(`select "v.at" as at from results where map_index = 6`), [
        { at: "\ufffd/srv/6.json" }
      ])
      assert.deepInclude(rows[1], { task_run_id: "first-b-1", mapped_children: 7, value: null })
      assert.deepInclude(rows.at(-1), { error_reason: "NotPersisted", value: null, "v.at": null })

      // Everything but the rows is lost: they are there already, and count, though the source is another by now.
      yield* query(`delete from results_files where name like '\\_records/%' or name like '\\_manifest%'`)
      const again = yield* collect(url, storage(notFound).layer)
      assert.deepStrictEqual(yield* query(all), rows)
      assert.deepStrictEqual(again.manifest, manifest)
      const found = yield* Effect.provide(Collect.verify, PostgresOutput.layer({ url, table: "results" }))
      assert.deepStrictEqual(found.issues, [])
    }).pipe(Effect.scoped))

  it.live("whose rows were changed, removed or added is found out", () =>
    Effect.gen(function*() {
      const { database, url } = yield* startDatabase
      yield* collect(url)
      const verify = Effect.provide(Collect.verify, PostgresOutput.layer({ url, table: "results" }))
      const others = "flow_run_id, task_run_id, map_index, state"
      const columns = `part, row, ${others}`
      for (
        const [change, undo, names] of [
          [`update results set "v.n" = 4 where map_index = 3`, `update results set "v.n" = 3 where map_index = 3`],
          [
            `update results set value = ' ' || value where map_index = 3`,
            `update results set value = substr(value, 2) where map_index = 3`
          ],
          [
            `create table kept as select * from results where map_index = 3; delete from results where map_index = 3`,
            `insert into results select * from kept`
          ],
          [
            `insert into results (${columns}) select part, 100, ${others} from results where map_index = 3`,
            `delete from results where row = 100`
          ],
          [
            `insert into results (${columns}) select 'other', row, ${others} from results where map_index = 3`,
            `delete from results where part = 'other'`,
            ["other"]
          ]
        ] as const
      ) {
        yield* Effect.promise(() => database.exec(change))
        assert.deepStrictEqual(
          (yield* verify).issues.map(({ name }) => name),
          [...names ?? ["part-000002.jsonl"]],
          change
        )
        yield* Effect.promise(() => database.exec(undo))
        assert.deepStrictEqual((yield* verify).issues, [])
      }
    }).pipe(Effect.scoped))

  it.live("is told apart from what is none, and takes lines alone", () =>
    Effect.gen(function*() {
      const { url } = yield* startDatabase
      const injected = PostgresOutput.layer({ url, table: `x"; drop table y` })
      const error = yield* Effect.flip(Effect.provide(Collect.status, injected))
      assert.strictEqual(error.reason._tag, "Unsupported")
      for (const name of ["x".repeat(62), "a\0b", "ü".repeat(31)]) {
        const named = { ...options, output: { ...options.output, columns: [{ name, type: "string" as const }] } }
        const unsuitable = yield* Effect.flip(
          Collect.run(named).pipe(
            Effect.provide(PostgresOutput.layer({ url, table: "named" })),
            Effect.provide(Layer.merge(places(data, new Map(), { storage: read }), queue))
          )
        )
        assert.match(unsuitable.message, /^a column of Postgres cannot be named "v\./)
      }
      const empty = PostgresOutput.layer({ url, table: "nothing" })
      assert.strictEqual((yield* Effect.flip(Effect.provide(Collect.status, empty))).reason._tag, "NotACollection")
      const refused = yield* Effect.flip(
        Effect.provide(
          Effect.flatMap(
            CollectOutput,
            (output) => output.create("part-000000.parquet", Stream.make(new Uint8Array(1)))
          ),
          empty
        )
      )
      assert.strictEqual(refused.reason._tag, "Unsupported")
    }).pipe(Effect.scoped))
})
