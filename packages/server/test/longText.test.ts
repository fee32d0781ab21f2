/** A long answer of a database comes in pieces, and is what one value would be. */
import * as Database from "@effect-prefect/server/Database"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { scopedPglite } from "./support/pglite.ts"

/** A Postgres, and the longest value that its driver returned. */
const opened = (bytesOf: (bytes: Uint8Array) => string | Uint8Array = (bytes) => bytes) =>
  Effect.map(scopedPglite, (database) => {
    const seen = { longest: 0, rows: 0 }
    const service = Database.fromQuery((sql, parameters) =>
      Effect.map(
        Effect.promise(() => database.query<Database.LongRow>(sql, [...parameters])),
        ({ rows }) => {
          seen.rows = rows.length
          return rows.map((row) =>
            Object.fromEntries(
              Object.entries(row).map(([name, value]) => {
                seen.longest = Math.max(seen.longest, value?.length ?? 0)
                return [name, value instanceof Uint8Array ? bytesOf(value) : value]
              })
            )
          )
        }
      )
    )
    return { queryBytes: service.queryBytes!, seen }
  })

const text = `"é€🦊'${"x".repeat(95)}"`
const statement = "SELECT repeat($1, $2::int) AS root, '7' AS rows"

describe("a long answer of a database", () => {
  it.live("is one text in pieces, wherever they end", () =>
    Effect.gen(function*() {
      const { queryBytes, seen } = yield* opened()
      for (const times of [4_000, 12_345]) {
        const rows = yield* queryBytes(statement, [text, String(times)])
        assert.lengthOf(rows, 1)
        assert.strictEqual(rows[0]!["rows"], "7")
        const root = rows[0]!["root"]
        assert.isTrue((typeof root === "string" ? root : Buffer.from(root!).toString()) === text.repeat(times))
        assert.strictEqual(typeof root, times > 4_000 ? "object" : "string")
      }
      assert.isAtMost(seen.longest, 0x80000)
      assert.isAbove(seen.rows, 4)
    }).pipe(Effect.scoped))

  it.live("may come from a driver that leaves bytes as Postgres writes them", () =>
    Effect.gen(function*() {
      const { queryBytes } = yield* opened((bytes) => `\\x${Buffer.from(bytes).toString("hex")}`)
      const [row] = yield* queryBytes(statement, [text, "12345"])
      assert.isTrue(Buffer.from(row!["root"] as Uint8Array).toString() === text.repeat(12_345))
    }).pipe(Effect.scoped))

  it.live("is null where there is no row, or no value", () =>
    Effect.gen(function*() {
      const { queryBytes } = yield* opened()
      assert.deepStrictEqual(yield* queryBytes("SELECT 'x' AS root, '1' AS rows WHERE $1 = ''", ["x"]), [])
      assert.deepStrictEqual(yield* queryBytes("SELECT null AS root, $1 AS rows", ["1"]), [{ root: null, rows: "1" }])
    }).pipe(Effect.scoped))
})
