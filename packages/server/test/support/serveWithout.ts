/** Serves an archive without one package after the other, and prints the errors. */
import * as Database from "@effect-prefect/server/Database"
import * as Server from "@effect-prefect/server/Server"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import process from "node:process"

const server = Server.layer({ port: 0 }).pipe(Layer.provide(Database.layerArchive(process.argv[2] ?? "")))
for (const name of process.argv.slice(3)) {
  process.env["WITHOUT"] = name
  const error = await Effect.runPromise(Effect.flip(Effect.scoped(Layer.build(server))))
  process.stdout.write(`${error._tag}: ${error.message}\n`)
}
