import * as GraphQLApi from "@effect-prefect/api/GraphQLApi"
import * as PrefectApi from "@effect-prefect/api/PrefectApi"
import * as Database from "@effect-prefect/server/Database"
import * as Server from "@effect-prefect/server/Server"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { suite, type Tables } from "./contract.ts"

/** An archive folder with these rows, gone when the scope closes. */
const archive = (tables: Tables) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const directory = await mkdtemp(join(tmpdir(), "effect-prefect-contract-"))
      await mkdir(join(directory, "tables"))
      for (const [table, rows] of Object.entries(tables)) {
        const lines = rows.map((row) => `${JSON.stringify(row)}\n`).join("")
        await writeFile(join(directory, "tables", `${table}.jsonl`), lines)
      }
      return directory
    }),
    (directory) => Effect.promise(() => rm(directory, { recursive: true, force: true }))
  )

const serve = (tables: Tables) =>
  Layer.unwrap(Effect.map(
    archive(tables),
    (directory) => Server.layer({ port: 0, logRequests: false }).pipe(Layer.provide(Database.layerArchive(directory)))
  ))

suite("GraphQLApi over the embedded server", (tables) =>
  Layer.effect(
    PrefectApi.PrefectApi,
    Effect.flatMap(Server.Server, ({ url }) => GraphQLApi.make({ url }))
  ).pipe(Layer.provide(serve(tables))))
