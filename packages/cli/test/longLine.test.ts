import * as ArchiveApi from "@effect-prefect/api/ArchiveApi"
import * as PrefectApi from "@effect-prefect/api/PrefectApi"
import * as Database from "@effect-prefect/server/Database"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { layerArchive } from "../../server/test/support/pglite.ts"

const MiB = 1024 * 1024

const archiveWith = (length: number) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const directory = mkdtempSync(join(tmpdir(), "long-line-"))
      mkdirSync(join(directory, "tables"))
      const row = { id: "00000000-0000-4000-8000-000000000001", name: "f", description: "" }
      const [before, after] = JSON.stringify(row).split(`"description":"`)
      const path = join(directory, "tables/flow.jsonl")
      writeFileSync(path, `${before}"description":"`)
      writeFileSync(path, Buffer.alloc(length, "x"), { flag: "a" })
      writeFileSync(path, `${after}\n`, { flag: "a" })
      return directory
    }),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
  )

it.live("a row of 70 MiB is read from an archive, and one of 20 MiB is served from it", () =>
  Effect.gen(function*() {
    const large = yield* archiveWith(70 * MiB)
    const flow = yield* Effect.provide(
      Effect.flatMap(PrefectApi.PrefectApi, (api) => api.flow("00000000-0000-4000-8000-000000000001")),
      ArchiveApi.layer(large, { cache: join(large, "cache") })
    )
    assert.strictEqual(flow.description?.length, 70 * MiB)
    // Both split lines in the same way; what Postgres does with them takes a tenth of a second for each MiB.
    const served = yield* archiveWith(20 * MiB)
    const rows = yield* Effect.provide(
      Effect.flatMap(
        Database.Database,
        (database) => database.query(`select length(description)::text as length from public.flow`, [])
      ),
      // Fails on anything that is not served.
      layerArchive(served)
    )
    assert.deepStrictEqual(rows, [{ length: String(20 * MiB) }])
  }))
