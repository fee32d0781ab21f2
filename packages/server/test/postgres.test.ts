import { assert, describe, it } from "@effect/vitest"
import { Cli } from "effect-prefect"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { archive } from "./support/archive.ts"
import { listen, scopedTables } from "./support/pglite.ts"
import { ask, layerServer, read } from "./support/server.ts"

const prefect1 = archive("prefect-1")

/** A database like Prefect's behind Postgres's protocol, for the real driver. */
const listening = Effect.gen(function*() {
  const database = yield* scopedTables
  yield* Effect.promise(async () => {
    for (const row of prefect1.rows("task_run")) {
      await database.query(
        `INSERT INTO task_run (id, map_index, state, serialized_state, start_time) VALUES ($1, $2, $3, $4, $5)`,
        ["id", "map_index", "state", "serialized_state", "start_time"].map((name) => row[name])
      )
    }
    // Its connections share one session, which takes no startup parameters: without these settings each request would be
    // a transaction, as behind a pooler, and those of several connections would run into one another.
    await database.exec("SET default_transaction_read_only = on; SET statement_timeout = 30000; SET timezone = 'UTC'")
  })
  return yield* listen(database)
})

describe("a Postgres", () => {
  it.live("is read through its driver", () =>
    Effect.gen(function*() {
      const url = `postgresql://postgres:postgres@${yield* listening}/postgres?sslmode=disable`
      yield* Effect.gen(function*() {
        const found = yield* read(
          "{ task_run(order_by: {id: asc}) { id map_index state serialized_state start_time } }"
        )
        const expected = prefect1.rows("task_run").map(({ id, map_index, serialized_state, start_time, state }) => ({
          id,
          map_index,
          state,
          serialized_state,
          start_time
        })).toSorted((a, b) => String(a.id) < String(b.id) ? -1 : 1)
        assert.deepStrictEqual(found, expected)
        const refused = yield* ask(`{ task_run_by_pk(id: "x") { id } }`)
        assert.deepStrictEqual(
          [refused.errors[0]?.extensions.code, refused.errors[0]?.message],
          ["data-exception", "invalid input syntax for type uuid"]
        )
        const all = yield* Effect.forEach(
          Array.from({ length: 100 }, (_, index) => index),
          (index) =>
            read("query ($i: Int!) { task_run(where: {map_index: {_eq: $i}}) { map_index } }", { i: index % 3 }),
          { concurrency: "unbounded" }
        )
        assert.isTrue(
          all.every((rows, index) => (rows as ReadonlyArray<{ map_index: number }>)[0]?.map_index === index % 3)
        )
      }).pipe(Effect.provide(layerServer(Cli.serveDatabase({ url: Redacted.make(url), maxConnections: 4 }))))
    }).pipe(Effect.scoped))

  it.live("that cannot be reached is an error without the URL's secrets", () =>
    Effect.gen(function*() {
      const database = Cli.serveDatabase({
        url: Redacted.make("postgresql://user:canary@127.0.0.1:1/db"),
        connectTimeout: "2 seconds"
      })
      const error = yield* Effect.flip(Effect.scoped(Layer.build(layerServer(database))))
      assert.include(error.message, "the database cannot be reached")
      assert.notInclude(JSON.stringify(error), "canary")
    }))
})
