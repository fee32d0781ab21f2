import * as Flag from "effect/cli/Flag"
import * as Flags from "./flags.ts"

export const serve = {
  archive: Flags.backend.archive,
  database: Flags.backend.database,
  host: Flag.String("host").pipe(
    Flag.withDescription(
      "The address to bind (default 127.0.0.1); addresses other than this machine's own are reachable from outside"
    ),
    Flag.withMetavar("HOST"),
    Flag.withDefault("127.0.0.1")
  ),
  port: Flag.Int("port").pipe(
    Flag.withDescription("The port (default 4200); 0 chooses a free one"),
    Flag.withMetavar("PORT"),
    Flag.withDefault(4200)
  ),
  apiKey: Flag.Redacted("api-key").pipe(
    Flag.withDescription(
      "Require this key from every client; other users of this machine can see arguments, so prefer EFFECT_PREFECT_SERVE_API_KEY or --api-key-file"
    ),
    Flag.withMetavar("KEY"),
    Flag.optional
  ),
  apiKeyFile: Flag.String("api-key-file").pipe(
    Flag.withDescription("Require the key in this file from every client (also EFFECT_PREFECT_SERVE_API_KEY_FILE)"),
    Flag.withMetavar("FILE"),
    Flag.optional
  )
}
