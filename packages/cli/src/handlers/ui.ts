import * as Listener from "@effect-prefect/server/Listener"
import * as UiServer from "@effect-prefect/ui-server/UiServer"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { realpathSync } from "node:fs"
import { basename, resolve } from "node:path"
import type * as Inputs from "../inputs/ui.ts"
import { CommandFailed } from "../internal/errors.ts"
import { requirePort } from "../internal/flagValues.ts"
import type { InputsOf } from "../internal/lazyHandler.ts"
import { Output } from "../internal/output.ts"
import * as Settings from "../internal/settings.ts"
import { complain } from "../internal/terminal.ts"
import * as Services from "../services.ts"

const isLoopback = (host: string): boolean => /^(?:localhost|127(?:\.\d{1,3}){3}|::1|\[::1\])$/i.test(host)

const withBrackets = (host: string): string => host.includes(":") && !host.startsWith("[") ? `[${host}]` : host

/** Opens an address in the system's browser. If there is none, the line on standard output must be enough. */
const openBrowser = (url: string): Effect.Effect<void> =>
  Effect.sync(() => {
    const [program, ...words] = process.platform === "darwin"
      ? ["open", url]
      : process.platform === "win32"
      ? ["cmd", "/c", "start", "", url]
      : ["xdg-open", url]
    const child = spawn(program!, words, { stdio: "ignore", detached: true })
    child.on("error", () => complain("warning: no browser could be started: open the address"))
    child.unref()
  })

/** How long finalizers of the backend may take after a signal. */
const goodbyeMillis = 500

const realPath = (path: string): string => {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}

/** The description of the backend and of the readable locations on the page. */
const aboutOf = Effect.fnUntraced(function*(
  flags: InputsOf<typeof Inputs.ui>,
  context: Context.Context<never>
): Effect.fn.Return<UiServer.About, unknown> {
  const { backend, mounts } = yield* Settings.resolve(flags)
  const given = [...flags.mount, ...mounts.map(({ value }) => value)].map((text) => {
    const split = text.indexOf("=")
    return split < 0 ? { from: text, to: null } : { from: text.slice(0, split), to: text.slice(split + 1) }
  })
  // The paths of folders reveal more about this machine than the page needs.
  const named = given.map(({ from, to }) => ({ from, to: to === null ? null : `…/${basename(to)}` }))
  const folders = given.flatMap(({ to }) =>
    to === null ? [] : [...new Set([to, resolve(to), realPath(to)])].map((path) => ({ path, name: "its folder" }))
  )
  if (backend?.kind !== "archive") return { kind: backend?.kind ?? "other", mounts: named, folders }
  const ArchiveApi = yield* Effect.promise(() => import("@effect-prefect/api/ArchiveApi"))
  const archive = Context.getOrUndefined(context as Context.Context<ArchiveApiService>, ArchiveApi.Archive)
  if (archive === undefined) return { kind: "archive", mounts: named, folders }
  const own = yield* ArchiveApi.readMounts(archive.directory)
  return {
    kind: "archive",
    folders: [{ path: archive.directory, name: "the archive" }, ...folders],
    mounts: [...own.map(({ from, to, within }) => ({ from, to: to.slice(within.length + 1) })), ...named],
    problems: archive.problems.pipe(
      Effect.map((problems) =>
        problems.map(({ detail, file, line }) => ({
          place: `${file}, line ${line}`,
          problem: detail
        }))
      ),
      Effect.orElseSucceed(() => [])
    )
  }
})

type ArchiveApiService = typeof import("@effect-prefect/api/ArchiveApi").Archive extends
  { readonly Identifier: infer I } ? I : never

export const ui = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.ui>) {
  const { host, port } = flags
  yield* requirePort(port)
  const { stdout } = yield* Output
  return yield* Effect.scoped(Effect.gen(function*() {
    const backend = yield* Effect.acquireRelease(Scope.make(), (scope, exit) => Scope.close(scope, exit))
    const context = yield* Layer.buildWithScope(Services.services(flags), backend)
    const about = yield* aboutOf(flags, context as Context.Context<never>)
    const node = Listener.make()
    const http = yield* NodeHttpServer.make(() => node, { host, port, gracefulShutdownTimeout: "100 millis" }).pipe(
      Effect.mapError((error) => {
        const code = typeof error.cause === "object" && error.cause !== null && "code" in error.cause
          ? String(error.cause.code)
          : "unknown error"
        return new CommandFailed({
          message: `cannot listen on ${withBrackets(host)}:${port} (${code})${
            code === "EADDRINUSE" ? ": end what listens there, or take another --port" : ""
          }`
        })
      })
    )
    // Open streams do not delay shutdown.
    yield* Effect.addFinalizer(() => Effect.sync(() => node.closeAllConnections()))
    const bound = new URL(HttpServer.formatAddress(http.address))
    const realPort = bound.port === "" ? "80" : bound.port
    const names = isLoopback(host) ? ["localhost", "127.0.0.1", "[::1]"] : [withBrackets(host)]
    if (!isLoopback(host)) {
      yield* Effect.logWarning("the page is open to other machines: anyone who has its address can read the results")
    }
    const token = randomBytes(32).toString("base64url")
    const page = UiServer.layer({
      authorize: UiServer.bearer(token),
      hosts: [
        ...names.map((name) => `${name}:${realPort}`),
        ...(realPort === "80" ? names : []),
        ...flags.allowHost
      ],
      about,
      logRequests: flags.logRequests
    }).pipe(Layer.provide(Layer.succeedContext(context)))
    const app = yield* HttpRouter.toHttpEffect(page)
    yield* http.serve(app)
    // What is being read, walked or sent does not delay the end: the page writes nothing that could be left unfinished,
    // and the system closes its connections. The backend and the storages get to say goodbye, but not to hold it up.
    for (const [signal, exitCode] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
      const listener = () => {
        const end = () => process.exit(exitCode)
        setTimeout(end, goodbyeMillis)
        Effect.runFork(Scope.close(backend, Exit.void)).addObserver(end)
      }
      process.once(signal, listener)
      yield* Effect.addFinalizer(() => Effect.sync(() => process.off(signal, listener)))
    }
    yield* Effect.addFinalizer(() => Effect.sync(() => node.closeAllConnections()))
    const shown = isLoopback(host)
      ? withBrackets(host)
      : withBrackets(host === "0.0.0.0" || host === "::" ? bound.hostname : host)
    const url = `http://${shown}:${realPort}/#token=${token}`
    yield* stdout.write(`The page is at ${url} (Ctrl-C ends it)\n`)
    if (flags.open) yield* openBrowser(url)
    return yield* Effect.never
  }))
}, Effect.provide(Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)])))
