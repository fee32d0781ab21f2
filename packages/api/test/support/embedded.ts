/**
 * The embedded server over rows, or over an archive folder.
 */
import * as Server from "@effect-prefect/server/Server"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { layerArchive, layerFixture } from "../../../server/test/support/pglite.ts"

export type Tables = { readonly [table: string]: ReadonlyArray<object> }

/** An archive folder with these rows, gone when the scope closes. */
const archive = (tables: Tables) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const directory = await mkdtemp(join(tmpdir(), "effect-prefect-"))
      await mkdir(join(directory, "tables"))
      for (const [table, rows] of Object.entries(tables)) {
        const lines = rows.map((row) => `${JSON.stringify(row)}\n`).join("")
        await writeFile(join(directory, "tables", `${table}.jsonl`), lines)
      }
      return directory
    }),
    (directory) => Effect.promise(() => rm(directory, { recursive: true, force: true }))
  )

/** One of the archives of the fixtures. */
export const serveArchive = (directory: string) =>
  Server.layer({ port: 0, logRequests: false }).pipe(Layer.provide(layerFixture(directory)))

export const serve = (tables: Tables) =>
  Layer.unwrap(
    Effect.map(
      archive(tables),
      (directory) => Server.layer({ port: 0, logRequests: false }).pipe(Layer.provide(layerArchive(directory)))
    )
  )
