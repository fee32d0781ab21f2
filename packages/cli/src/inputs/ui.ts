import * as Flag from "effect/cli/Flag"
import * as Flags from "./flags.ts"

export const ui = {
  ...Flags.backend,
  ...Flags.storage,
  host: Flag.String("host").pipe(
    Flag.withDescription(
      "The address to bind (default 127.0.0.1); addresses other than this machine's own are reachable from outside"
    ),
    Flag.withMetavar("HOST"),
    Flag.withDefault("127.0.0.1")
  ),
  port: Flag.Int("port").pipe(
    Flag.withDescription("The port (default 4280); 0 chooses a free one"),
    Flag.withMetavar("PORT"),
    Flag.withDefault(4280)
  ),
  allowHost: Flag.String("allow-host").pipe(
    Flag.withDescription("Also respond to this host name, e.g. that of a proxy in front (repeatable)"),
    Flag.withMetavar("NAME"),
    Flag.atLeast(0)
  ),
  open: Flag.Boolean("open").pipe(
    Flag.withDescription("Open the page in this system's browser"),
    Flag.withDefault(false)
  ),
  logRequests: Flag.Boolean("log-requests").pipe(
    Flag.withDescription("Log each request on standard error: method, route, status and milliseconds"),
    Flag.withDefault(false)
  )
}
