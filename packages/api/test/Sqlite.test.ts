import * as Sqlite from "@effect-prefect/api/Sqlite"
import { assert, describe, it } from "@effect/vitest"

describe("databases of SQLite", () => {
  it("leave the warnings of the process as they were, opened one after the other or at the same time", async () => {
    const { emitWarning } = process
    const opened = await Promise.all([Sqlite.openDatabase(":memory:"), Sqlite.openDatabase(":memory:")])
    for (const database of [...opened, await Sqlite.openDatabase(":memory:")]) {
      assert.deepEqual({ ...database.prepare("SELECT 1 AS one").get() }, { one: 1 })
      database.close()
    }
    assert.strictEqual(process.emitWarning, emitWarning)
  })
})
