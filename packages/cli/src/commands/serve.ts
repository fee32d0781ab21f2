import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import type { PrefectConfigError } from "@effect-prefect/api/PrefectConfigError"
import type { Database as DatabaseService, DatabaseError } from "@effect-prefect/server/Database"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Flags from "../Flags.ts"
import { WrongUsage } from "../internal/errors.ts"
import { Output } from "../internal/output.ts"

export const serve = Command.make(
  "serve",
  {
    archive: Flags.backend.archive,
    database: Flags.backend.database,
    host: Flag.String("host").pipe(
      Flag.withDescription("The address to bind; others than this machine's own make it reachable from outside"),
      Flag.withDefault("127.0.0.1")
    ),
    port: Flag.Int("port").pipe(Flag.withDescription("The port; 0 takes a free one"), Flag.withDefault(4200)),
    apiKey: Flag.Redacted("api-key").pipe(
      Flag.withDescription("Ask every client for this key"),
      Flag.withMetavar("KEY"),
      Flag.optional
    )
  },
  Effect.fnUntraced(function*(flags) {
    if (Option.isSome(flags.archive) === Option.isSome(flags.database)) {
      return yield* new WrongUsage({ message: "say what to serve: --archive DIR or --database URL" })
    }
    const [Database, Server] = yield* Effect.promise(() =>
      Promise.all([import("@effect-prefect/server/Database"), import("@effect-prefect/server/Server")])
    )
    const database: Layer.Layer<DatabaseService, DatabaseError | PrefectApiError | PrefectConfigError> =
      Option.isSome(flags.archive)
        ? Database.layerArchive(flags.archive.value)
        : Layer.effect(
          Database.Database,
          Effect.gen(function*() {
            const PostgresSession = yield* Effect.promise(() => import("@effect-prefect/api/PostgresSession"))
            const { query } = yield* PostgresSession.make({ url: Option.getOrThrow(flags.database) })
            return Database.fromQuery(query)
          })
        )
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
).pipe(
  Command.withDescription("Serve an archive or a Prefect 1 database as Prefect's own read-only GraphQL API"),
  Command.withExamples([
    {
      command: "effect-prefect serve --archive ./archive",
      description: "At http://127.0.0.1:4200, Prefect's own port"
    },
    {
      command: "effect-prefect serve --database postgresql://reader@db/prefect_server --host 0.0.0.0 --api-key KEY",
      description: "A database without its server, for other machines"
    }
  ])
)
