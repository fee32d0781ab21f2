import * as Flag from "effect/cli/Flag"
import * as Flags from "./flags.ts"

export const serve = {
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
    Flag.withDescription(
      "Ask every client for this key; other users of this machine see arguments, so better EFFECT_PREFECT_SERVE_API_KEY or --api-key-file"
    ),
    Flag.withMetavar("KEY"),
    Flag.optional
  ),
  apiKeyFile: Flag.String("api-key-file").pipe(
    Flag.withDescription("Ask every client for the key in this file (also EFFECT_PREFECT_SERVE_API_KEY_FILE)"),
    Flag.withMetavar("FILE"),
    Flag.optional
  )
}
