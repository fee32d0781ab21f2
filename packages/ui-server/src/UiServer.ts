/**
 * `UiServer`: effect-prefect's page as a layer over `PrefectApi` and `ResultStorage`.
 *
 * The layer adds the page, its files and its HTTP API to an `HttpRouter`, below a prefix of your choice. It can read
 * nothing beyond what the given layers allow.
 *
 * **Example** (The page in a backend of your own)
 *
 * ```ts
 * import * as UiServer from "@effect-prefect/ui-server/UiServer"
 * import * as Effect from "effect/Effect"
 *
 * export const Page = UiServer.layer({
 *   prefix: "/prefect",
 *   hosts: ["internal.example.com"],
 *   authorize: (request) => Effect.succeed(request.headers["x-user"] !== undefined)
 * })
 * ```
 *
 * @since 0.1.0
 */
import type { PrefectApi } from "@effect-prefect/api/PrefectApi"
import type { ResultStorage } from "@effect-prefect/results/ResultStorage"
import { UiApi } from "@effect-prefect/ui-api/Api"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { HttpApiSchemaError } from "effect/http-api/HttpApiError"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as SchemaIssue from "effect/SchemaIssue"
import type * as Scope from "effect/Scope"
import * as Assets from "./internal/assets.ts"
import type { AssetsError } from "./internal/assets.ts"
import { makeRename } from "./internal/folders.ts"
import * as Guard from "./internal/guard.ts"
import { BackendHandlers } from "./internal/handlers/backend.ts"
import { FlowRunHandlers } from "./internal/handlers/flowRuns.ts"
import { FlowHandlers } from "./internal/handlers/flows.ts"
import { ResultHandlers } from "./internal/handlers/results.ts"
import { TaskRunHandlers } from "./internal/handlers/taskRuns.ts"
import type { About, Authorize, Limits } from "./internal/options.ts"
import { CurrentHolder, Permits, watched } from "./internal/permits.ts"

export { AssetsError } from "./internal/assets.ts"
export type { Folder } from "./internal/folders.ts"
export type { About, Authorize, Limits } from "./internal/options.ts"

/**
 * Options of the page.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** The path prefix of the page, e.g. `/prefect`. Default: the root. */
  readonly prefix?: `/${string}` | undefined
  /** Whether a request is allowed: `bearer(token)`, or a custom check. */
  readonly authorize: Authorize
  /**
   * The allowed values of the `Host` header, with a port or for every port. Default: `localhost`, `127.0.0.1` and
   * `[::1]`, so that no other page can reach the server through a host name of its own.
   */
  readonly hosts?: ReadonlyArray<string> | undefined
  /** The description of the backend on the page. */
  readonly about?: About | undefined
  /** Limits; each has a default. */
  readonly limits?: Limits | undefined
  /** Whether each request is logged: method, route, status and milliseconds. Default false. */
  readonly logRequests?: boolean | undefined
  /** The interval between polls of a run that has not finished. Default 2 seconds. */
  readonly pollInterval?: Duration.Input | undefined
}

/**
 * Allows requests with a token as `Authorization: Bearer TOKEN`. The page takes the token from the fragment of its
 * address: `#token=TOKEN`.
 *
 * @category authorization
 * @since 0.1.0
 */
export const bearer: (token: Redacted.Redacted | string) => Authorize = Guard.bearer

const formatIssue = SchemaIssue.makeFormatterStandardSchemaV1()

/** A request that the API's schemas reject: the response names the parameter, but not its value. */
const refusedBy = (error: HttpApiSchemaError): HttpServerResponse.HttpServerResponse => {
  const [issue] = formatIssue(error.cause.issue).issues
  const first = issue?.path?.[0]
  const parameter = String(typeof first === "object" && first !== null ? first.key : first ?? "request")
  return Guard.problemResponse(400, "BadRequest", parameter, `${parameter} is not what this route takes`)
}

const fault = Guard.problemResponse(500, "ServerFault", "ServerFault", "this server failed: see its log")

const notFound = Guard.problemResponse(
  404,
  "NotFound",
  "RouteNotFound",
  "there is no such route: see /api/openapi.json"
)

const isRouteNotFound = (error: unknown): boolean =>
  typeof error === "object" && error !== null && "reason" in error && typeof error.reason === "object" &&
  error.reason !== null && "_tag" in error.reason && error.reason._tag === "RouteNotFound"

/** Failures other than the problems of the API. Only the kind of the cause is logged. */
const fromCause = (cause: Cause.Cause<unknown>): Effect.Effect<HttpServerResponse.HttpServerResponse> => {
  const defect = cause.reasons.find((reason) => reason._tag === "Die")?.defect
  if (HttpApiSchemaError.is(defect)) return Effect.succeed(refusedBy(defect))
  if (isRouteNotFound(cause.reasons.find((reason) => reason._tag === "Fail")?.error)) return Effect.succeed(notFound)
  const name = defect instanceof Error ? defect.name : typeof defect
  return Effect.as(Effect.logError("a request of the page failed", { kind: name }), fault)
}

/** Ends the connection of a request. Only Node's requests have one. */
const disconnect = (request: HttpServerRequest.HttpServerRequest): void => {
  const response: { readonly destroy?: () => unknown } | undefined = NodeHttpServerRequest.toServerResponse(request)
  response?.destroy?.()
}

/** Routes whose responses may take minutes to send, however quick the server is. */
const isDownload = /\/(?:logs\.txt|outcomes|result\.json|result\.csv|result\/bytes)$/

/** Pages of a run, at the page's addresses or at Prefect's own, and what they request. */
const isOfRun = /\/(?:flow|task)-runs?\/./

/** Routes that read as many rows as a run has: their work takes long, and their clients need not take it. */
const isWalk = /\/(?:tasks|logs|children\/(?:states|times))$/

/**
 * Whether the router would take long for an address: it copies the whole address for each percent sign in it, before it
 * looks for a route.
 */
const isLongForRouter = (url: string): boolean => {
  const query = url.search(/[?;#]/)
  let signs = 0
  for (let at = -1; (at = url.indexOf("%25", at + 1)) >= 0 && (query < 0 || at < query);) if (++signs > 100) return true
  return false
}

/** The header with which the page requests failures as successful responses: a browser logs others to its console. */
const quietHeader = "x-effect-prefect-quiet"
/** The status that the response would otherwise have. */
const statusHeader = "x-effect-prefect-status"

const quietly = (
  response: HttpServerResponse.HttpServerResponse,
  isQuiet: boolean
): HttpServerResponse.HttpServerResponse =>
  isQuiet && response.status >= 400
    ? HttpServerResponse.setHeader(HttpServerResponse.setStatus(response, 200), statusHeader, String(response.status))
    : response

/**
 * Adds the page to the router: its address, its files, and its API below `/api`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options
): Layer.Layer<never, AssetsError, HttpRouter.HttpRouter | PrefectApi | ResultStorage> => {
  const prefix = (options.prefix ?? "").replace(/(?<!\/)\/+$/, "")
  const limits = options.limits ?? {}
  const wait = Duration.toMillis(limits.wait ?? "10 seconds")
  const about = options.about ?? {}
  const rename = makeRename(about.folders)
  const live = {
    isStatic: about.kind === "archive",
    pollMillis: Duration.toMillis(options.pollInterval ?? "2 seconds"),
    rename
  }
  let startThread: (() => void) | undefined
  const api = HttpApiBuilder.layer(UiApi, { openapiPath: "/api/openapi.json" }).pipe(
    Layer.provide([
      BackendHandlers(about),
      FlowHandlers,
      FlowRunHandlers(live),
      TaskRunHandlers(rename),
      ResultHandlers(limits, wait / 2, (start) => startThread = start)
    ]),
    Layer.provide(NodeHttpServer.layerHttpServices)
  )
  return HttpRouter.use(Effect.fnUntraced(function*(router) {
    const assets = yield* Assets.make(prefix)
    // A router of its own: on the parent router, the API would be reachable without the guard.
    const own = yield* HttpRouter.make
    yield* Layer.build(Layer.fresh(Layer.provide(api, Layer.succeed(HttpRouter.HttpRouter, own))))
    const routes = own.asHttpEffect()
    const guard = Guard.makeGuard({ hosts: options.hosts, authorize: options.authorize })
    const permits = new Permits(limits.requests ?? 64, wait / 2)
    const walks = new Permits(limits.requests ?? 64, wait / 2)
    const downloads = new Permits(limits.downloads ?? 64, wait / 2)
    const followers = new Permits(limits.followers ?? 256, wait / 2)

    const busy = Guard.problemResponse(503, "Unavailable", "Busy", "this server is busy: try again in a moment", {
      "retry-after": "5"
    })
    const permitsOf = (path: string): Permits =>
      path.endsWith("/changes") ? followers : isDownload.test(path) ? downloads : isWalk.test(path) ? walks : permits
    /**
     * Holds a permit while the response is sent. Clients that follow a run, download or walk hold one of their own kind.
     */
    const limited = <E, R>(
      effect: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>,
      request: HttpServerRequest.HttpServerRequest,
      path: string
    ): Effect.Effect<HttpServerResponse.HttpServerResponse, E, R | Scope.Scope> =>
      Effect.gen(function*() {
        const kind = permitsOf(path)
        const holder = yield* Effect.timeoutOption(kind.take(() => disconnect(request)), kind === followers ? 0 : wait)
        if (Option.isNone(holder)) return busy
        const answered = yield* Effect.provideService(effect, CurrentHolder, holder.value)
        return yield* watched(answered, holder.value, kind === permits || kind === walks ? kind : undefined)
      })

    /** Messages of failures contain no folder of this machine. */
    const renamed = (response: HttpServerResponse.HttpServerResponse): HttpServerResponse.HttpServerResponse => {
      const { body, status } = response
      if (status < 400 || body._tag !== "Uint8Array" || about.folders === undefined) return response
      const text = rename(new TextDecoder().decode(body.body))
      return HttpServerResponse.setBody(response, HttpBody.text(text, "application/json"))
    }

    const handle = Effect.fnUntraced(function*(request: HttpServerRequest.HttpServerRequest) {
      const url = request.url.startsWith(prefix) ? request.url.slice(prefix.length) : request.url
      const query = url.indexOf("?")
      const path = query < 0 ? url : url.slice(0, query)
      const isApi = path === "/api" || path.startsWith("/api/")
      const refused = yield* guard(request, isApi)
      const isQuiet = request.headers[quietHeader] === "1"
      if (refused !== undefined) return quietly(Guard.secured(refused, isApi), isApi && isQuiet)
      // Whoever looks at a run looks at a result next, and the browser still has to load the page's script.
      if (isOfRun.test(path)) startThread?.()
      if (!isApi) {
        const acceptsGzip = /\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/.test(request.headers["accept-encoding"] ?? "")
        return Guard.secured(assets(path === "" ? "/" : path, acceptsGzip), false)
      }
      if (isLongForRouter(url)) return quietly(Guard.secured(notFound, true), isQuiet)
      const answered = yield* limited(
        Effect.provideService(routes, HttpServerRequest.HttpServerRequest, request.modify({ url })),
        request,
        path
      ).pipe(
        Effect.catchCause((cause) =>
          Cause.hasInterruptsOnly(cause) ? Effect.failCause(cause as Cause.Cause<never>) : fromCause(cause)
        )
      )
      return quietly(Guard.secured(renamed(answered), true), isQuiet)
    })

    const logged = (request: HttpServerRequest.HttpServerRequest) => {
      if (options.logRequests !== true) return handle(request)
      const startedAt = performance.now()
      return Effect.tap(handle(request), (response) =>
        Effect.logInfo("request").pipe(Effect.annotateLogs({
          method: request.method,
          route: routeOf(request.url.slice(prefix.length)),
          status: response.status,
          millis: Math.round(performance.now() - startedAt)
        })))
    }
    const handler = Effect.flatMap(HttpServerRequest.HttpServerRequest, logged)
    yield* router.add("*", `${prefix}/*` as `/${string}`, handler)
    const isOwn = (request: HttpServerRequest.HttpServerRequest) => request.url.startsWith(`${prefix}/`)
    // The router passes over what it cannot decode, and methods that it does not know: the guard answers those too.
    yield* router.addGlobalMiddleware((routed) =>
      Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
        isOwn(request) && isLongForRouter(request.url)
          ? logged(request)
          : Effect.catchIf(routed, isRouteNotFound, (error) => isOwn(request) ? logged(request) : Effect.fail(error)))
    )
  })) as Layer.Layer<never, AssetsError, HttpRouter.HttpRouter | PrefectApi | ResultStorage>
}

/** The pattern of a path, without possible ids, slugs and indexes. */
const routeOf = (url: string): string => {
  const path = url.split("?")[0] ?? ""
  return path.split("/").map((part) =>
    /^[a-z][a-z-]*(?:\.(?:json|csv|txt))?$/.test(part) && words.has(part) ? part : part === "" ? "" : ":id"
  ).join("/")
}

const words: ReadonlySet<string> = new Set([
  "api",
  "assets",
  "about",
  "artifacts",
  "backend",
  "bytes",
  "changes",
  "children",
  "columns",
  "counts",
  "flow-names",
  "flow-runs",
  "flows",
  "graph",
  "logs",
  "logs.txt",
  "mapped",
  "openapi.json",
  "outcomes",
  "result",
  "result.csv",
  "result.json",
  "results",
  "rows",
  "states",
  "stored",
  "task-runs",
  "tasks",
  "timeline",
  "times",
  "value"
])
