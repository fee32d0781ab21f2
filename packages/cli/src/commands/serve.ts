import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Flags from "../Flags.ts"
import { lazy } from "../internal/lazy.ts"

export const serveConfig = {
  archive: Flags.backend.archive,
  database: Flags.backend.database,
  host: Flag.String("host").pipe(
    Flag.withDescription(
      "The address to bind (default 127.0.0.1); others than this machine's own make it reachable from outside"
    ),
    Flag.withMetavar("HOST"),
    Flag.withDefault("127.0.0.1")
  ),
  port: Flag.Int("port").pipe(
    Flag.withDescription("The port (default 4200); 0 takes a free one"),
    Flag.withMetavar("PORT"),
    Flag.withDefault(4200)
  ),
  apiKey: Flag.Redacted("api-key").pipe(
    Flag.withDescription("Ask every client for this key"),
    Flag.withMetavar("KEY"),
    Flag.optional
  )
}

export const serve = Command.make(
  "serve",
  serveConfig,
  lazy(() => import("../handlers/serve.ts").then((_) => _.serve))
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
