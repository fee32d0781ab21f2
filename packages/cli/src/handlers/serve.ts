import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import type { PrefectConfigError } from "@effect-prefect/api/PrefectConfigError"
import type { Database as DatabaseService, DatabaseError } from "@effect-prefect/server/Database"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import type * as Inputs from "../inputs/serve.ts"
import { UsageError } from "../internal/errors.ts"
import type { InputsOf } from "../internal/lazyHandler.ts"
import { Output } from "../internal/output.ts"
import { serveDatabase } from "../internal/serveDatabase.ts"

export const serve = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.serve>) {
  if (Option.isSome(flags.archive) === Option.isSome(flags.database)) {
    return yield* new UsageError({ message: "say what to serve: --archive DIR or --database URL" })
  }
  const [Database, Server] = yield* Effect.promise(() =>
    Promise.all([import("@effect-prefect/server/Database"), import("@effect-prefect/server/Server")])
  )
  const database: Layer.Layer<DatabaseService, DatabaseError | PrefectApiError | PrefectConfigError> =
    Option.isSome(flags.archive)
      ? Database.layerArchive(flags.archive.value)
      : serveDatabase({ url: Option.getOrThrow(flags.database) })
  const server = Server.layer({
    host: flags.host,
    port: flags.port,
    apiKey: Option.getOrUndefined(flags.apiKey)
  }).pipe(Layer.provide(database))
  const { stdout } = yield* Output
  return yield* Effect.scoped(Effect.gen(function*() {
    const context = yield* Layer.build(server)
    const { url } = yield* Effect.provideContext(Server.Server, context)
    yield* stdout.write(`Prefect's GraphQL API, read-only, at ${url} (Ctrl-C ends it)\n`)
    return yield* Effect.never
  }))
}, Effect.provide(Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)])))
