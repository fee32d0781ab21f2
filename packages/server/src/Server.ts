/**
 * The embedded, read-only Prefect 1 backend: a GraphQL server over HTTP that Prefect's own clients, and this project's,
 * can read like a Prefect server.
 *
 * **Example** (Serving an archive folder)
 *
 * ```ts
 * import * as Database from "@effect-prefect/server/Database"
 * import * as Server from "@effect-prefect/server/Server"
 * import * as Layer from "effect/Layer"
 *
 * export const main = Layer.launch(Server.layer({ port: 4200 }).pipe(Layer.provide(Database.layerArchive("./archive"))))
 * ```
 *
 * @since 0.1.0
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { createHash, timingSafeEqual } from "node:crypto"
import { Database, type DatabaseError } from "./Database.ts"
import * as Body from "./internal/body.ts"
import type * as QueryEngine from "./internal/engine.ts"
import { missingPackage } from "./internal/missingPackage.ts"
import { QueryError, toJson } from "./internal/queryError.ts"
import * as Listener from "./Listener.ts"

export type { Limits } from "./internal/engine.ts"

/**
 * The server could not listen, its options are invalid, or graphql is not installed.
 *
 * @category errors
 * @since 0.1.0
 */
export class ServerError extends Schema.TaggedError<ServerError>("@effect-prefect/server/ServerError")("ServerError", {
  detail: Schema.String
}) {
  override get message(): string {
    return this.detail
  }
}

/**
 * Options of the server.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** The address to bind. Default `127.0.0.1`: only this machine can connect. */
  readonly host?: string | undefined
  /** The port; 0 chooses a free one. Default 4200, Prefect's. */
  readonly port?: number | undefined
  /** When given, requests must send it as `Authorization: Bearer KEY`; the health endpoint does not require it. */
  readonly apiKey?: Redacted.Redacted | string | undefined
  /** The limits of a request. */
  readonly limits?: QueryEngine.Limits | undefined
  /** The largest request body in bytes. Default 5 MiB, the limit of Prefect's own gateway. */
  readonly maxBodyBytes?: number | undefined
  /** Whether each request is logged: its root fields, rows and time, never a value. Default true. */
  readonly logRequests?: boolean | undefined
  /** How long pending requests may take to complete at shutdown. Default 10 seconds. */
  readonly shutdownTimeout?: Duration.Input | undefined
}

/**
 * A listening server.
 *
 * @category services
 * @since 0.1.0
 */
export class Server extends Context.Service<Server, {
  /** Its URL, e.g. `http://127.0.0.1:4200`, with the address and port that were actually bound. */
  readonly url: string
  readonly port: number
}>()("@effect-prefect/server/Server") {}

const loopback = /^(localhost|.*\.localhost|127(\.\d+){3}|\[::1\])$/i
const isLoopbackHost = (host: string) => loopback.test(host.includes(":") && !host.startsWith("[") ? `[${host}]` : host)

const digest = (text: string) => createHash("sha256").update(text).digest()

/** Compares digests, so that the time reveals nothing about the key, not even its length. */
const keyCheck = (key: string) => {
  const expected = digest(key)
  return (given: string) => timingSafeEqual(digest(given), expected)
}

const failure = (status: number, error: QueryError, headers: Record<string, string> = {}) =>
  HttpServerResponse.jsonUnsafe({ errors: [toJson(error)] }, { status, headers })

const unauthenticated = (message: string) => failure(200, new QueryError({ code: "UNAUTHENTICATED", message }))

const loading = failure(
  503,
  new QueryError({ code: "API_ERROR", message: "the server is still loading its database: ask again later" }),
  { "retry-after": "1" }
)

const badRequest = (message: string) => failure(400, new QueryError({ code: "BAD_REQUEST", message }))

const overloaded = failure(
  503,
  new QueryError({ code: "API_ERROR", message: "the server is busy with other large requests: ask again later" }),
  { "retry-after": "5" }
)

/** Characters that are encoded at a time, and only when the client has received those before. */
const pieceLength = 256 * 1024

/** The parts of a body in pieces, no text of which ends within a surrogate pair. */
function* pieces(parts: ReadonlyArray<string | Uint8Array>): Generator<Uint8Array, void> {
  for (const part of parts) {
    for (let start = 0; start < part.length;) {
      let end = Math.min(part.length, start + pieceLength)
      if (typeof part === "string") {
        if (end < part.length && (part.charCodeAt(end) & 0xfc00) === 0xdc00) end++
        yield Buffer.from(part.slice(start, end))
      } else yield part.subarray(start, end)
      start = end
    }
  }
}

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/**
 * Handles HTTP requests: `POST /` and `POST /graphql` accept GraphQL, `GET /health` reports whether the database
 * responds or is still being loaded. The engine exists once it is loaded.
 */
const makeHandler = (
  engine: Deferred.Deferred<QueryEngine.QueryEngine>,
  database: Database["Service"],
  /** Whether the database responds. */
  responds: Effect.Effect<boolean>,
  options: Options,
  isLocal: boolean
) => {
  const apiKey = options.apiKey === undefined
    ? undefined
    : keyCheck(typeof options.apiKey === "string" ? options.apiKey : Redacted.value(options.apiKey))
  const maxBodyBytes = options.maxBodyBytes ?? 5 * 1024 * 1024
  const logRequests = options.logRequests ?? true
  const readBody = Body.makeReader(maxBodyBytes)

  const authenticate = (header: string | undefined): HttpServerResponse.HttpServerResponse | undefined => {
    if (apiKey === undefined) return undefined
    if (header === undefined) return unauthenticated("an API key is needed: Authorization: Bearer KEY")
    const match = /^Bearer +(\S+) *$/i.exec(header)
    if (match === null) return unauthenticated("Malformed Authorization header")
    return apiKey(match[1] ?? "") ? undefined : unauthenticated("the API key is not valid")
  }

  /**
   * Without a key, a web page could resolve its own name to this machine and read the data, so only local names are
   * accepted.
   */
  const refuseForeignHost = (host: string | undefined): HttpServerResponse.HttpServerResponse | undefined => {
    if (!isLocal || apiKey !== undefined || host === undefined) return undefined
    const name = host.replace(/:\d*$/, "")
    return isLoopbackHost(name)
      ? undefined
      : failure(
        403,
        new QueryError({
          code: "FORBIDDEN",
          message: "this server listens on loopback and answers to localhost: bind another address, or set an API key"
        })
      )
  }

  const graphql = Effect.fnUntraced(function*(request: HttpServerRequest.HttpServerRequest) {
    const refused = authenticate(request.headers["authorization"])
    if (refused !== undefined) return refused
    if (!/^application\/([\w.-]+\+)?json\s*(;|$)/i.test(request.headers["content-type"] ?? "")) {
      return failure(415, new QueryError({ code: "BAD_REQUEST", message: "send the request as application/json" }))
    }
    const found = yield* Deferred.poll(engine)
    if (Option.isNone(found)) return loading
    const end = () => void NodeHttpServerRequest.toServerResponse(request).destroy()
    const { release, text } = yield* readBody(request, end)
    const body = parseJson(text)
    if (body === undefined) return badRequest("the body is not JSON")
    if (typeof body !== "object" || body === null || Array.isArray(body)) {
      return badRequest("the body must be one JSON object: {\"query\": \"…\", \"variables\": {…}}")
    }
    const start = performance.now()
    const { execute } = yield* found.value
    const answer = yield* execute(body, { end, held: text.length })
    // From here on the body takes the room of responses, from which clients that do not read are disconnected.
    yield* release
    if (logRequests) {
      yield* Effect.logInfo("request").pipe(Effect.annotateLogs({
        operation: answer.operation,
        fields: answer.fields.join(","),
        rows: answer.rows,
        status: answer.status,
        ...(answer.codes.length > 0 ? { errors: answer.codes.join(",") } : {}),
        millis: Math.round(performance.now() - start)
      }))
    }
    const type = { status: answer.status, contentType: "application/json; charset=utf-8" }
    const [only] = answer.body
    return answer.body.length === 1 && typeof only === "string" && only.length <= pieceLength
      ? HttpServerResponse.text(only, type)
      : HttpServerResponse.stream(Stream.fromIteratorSucceed(pieces(answer.body), 1), type)
  }, (effect) =>
    effect.pipe(
      Effect.catchTags({
        BodyRefused: ({ reason }) =>
          Effect.succeed(
            reason === "Busy"
              ? overloaded
              : failure(
                413,
                new QueryError({ code: "BAD_REQUEST", message: `the body is larger than ${maxBodyBytes} bytes` })
              )
          ),
        HttpServerError: () => Effect.succeed(badRequest("the body could not be read"))
      })
    ))

  const unhealthy = (status: string, headers: Record<string, string> = {}) =>
    HttpServerResponse.jsonUnsafe({ status }, { status: 503, headers })
  const isLoading = Effect.gen(function*() {
    if (database.isLoading !== undefined && (yield* database.isLoading)) return true
    return !(yield* Deferred.isDone(engine))
  })
  const health = Effect.flatMap(
    isLoading,
    (isLoading) =>
      isLoading ?
        Effect.succeed(unhealthy("loading", { "retry-after": "1" })) :
        Effect.map(responds, (responds) =>
          responds ? HttpServerResponse.jsonUnsafe({ status: "pass" }) : unhealthy("fail"))
  )

  // Handlers are uninterruptible by default; this one is interruptible, because a client that has disconnected needs no
  // response.
  return Effect.interruptible(Effect.gen(function*() {
    const request = yield* HttpServerRequest.HttpServerRequest
    const refused = refuseForeignHost(request.headers["host"])
    if (refused !== undefined) return refused
    const query = request.url.indexOf("?")
    const path = query === -1 ? request.url : request.url.slice(0, query)
    switch (path) {
      case "/":
      case "/graphql":
        return request.method === "POST"
          ? yield* graphql(request)
          : failure(405, new QueryError({ code: "BAD_REQUEST", message: "send GraphQL queries by POST" }), {
            allow: "POST"
          })
      case "/health":
      case "/.well-known/apollo/server-health":
        return request.method === "GET" || request.method === "HEAD"
          ? yield* health
          : failure(405, new QueryError({ code: "BAD_REQUEST", message: "ask for health by GET" }), {
            allow: "GET, HEAD"
          })
    }
    return failure(404, new QueryError({ code: "NOT_FOUND", message: "GraphQL is at / and at /graphql" }))
  }))
}

/**
 * Listens until its scope closes; then it accepts no more connections and lets pending requests complete. The engine is
 * made once the database responds; until then requests are answered with status 503.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(options: Options = {}) {
  const host = options.host ?? "127.0.0.1"
  const key = typeof options.apiKey === "string" || options.apiKey === undefined
    ? options.apiKey
    : Redacted.value(options.apiKey)
  if (key === "") return yield* new ServerError({ detail: "the API key is empty: give one, or none" })
  const port = options.port ?? 4200
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    return yield* new ServerError({ detail: `the port is ${port}: give one from 1 to 65535, or 0 for a free one` })
  }
  const limits = Object.entries({ ...options.limits, maxBodyBytes: options.maxBodyBytes })
  for (const [name, value] of limits) {
    if (name !== "timeout" && value !== undefined && !(Number.isSafeInteger(value) && Number(value) > 0)) {
      return yield* new ServerError({ detail: `${name} must be a whole number above 0` })
    }
  }
  const isLocal = isLoopbackHost(host)
  if (!isLocal && key === undefined) {
    yield* Effect.logWarning("the server is open to other machines and asks for no API key")
  }
  // Its import of graphql fails where graphql is not installed.
  const { make: makeEngine } = yield* Effect.tryPromise({
    try: () => import("./internal/engine.ts"),
    catch: (error) => new ServerError({ detail: missingPackage(error, "graphql", "the server").message })
  })
  const database = yield* Database
  const engine = yield* Deferred.make<QueryEngine.QueryEngine>()
  const node = Listener.make()
  const http = yield* NodeHttpServer.make(() => node, {
    host,
    port,
    gracefulShutdownTimeout: options.shutdownTimeout ?? "10 seconds"
  }).pipe(
    Effect.mapError((error) => {
      const code = typeof error.cause === "object" && error.cause !== null && "code" in error.cause
        ? String(error.cause.code)
        : "unknown error"
      return new ServerError({ detail: `cannot listen on ${host}:${port} (${code})` })
    })
  )
  let sweeping: NodeJS.Timeout | undefined
  // Runs after requests have had their time, before the wait for connections to close, so that none delays it.
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      clearInterval(sweeping)
      node.closeAllConnections()
    })
  )
  // Asked once for all who ask meanwhile: whoever asks for health needs no key, and must not keep queries waiting.
  const responds = yield* Effect.cachedWithTTL(
    Effect.suspend(() => database.query("SELECT 1::text AS one", [])).pipe(
      Effect.timeout("5 seconds"),
      Effect.as(true),
      Effect.orElseSucceed(() => false)
    ),
    0
  )
  yield* http.serve(makeHandler(engine, database, responds, options, isLocal))
  // Runs first: Node keeps the connection of a completed request alive, and would wait for it.
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      sweeping = setInterval(() => node.closeIdleConnections(), 50)
    })
  )
  // The health endpoint responds meanwhile.
  yield* Deferred.succeed(engine, yield* makeEngine(options.limits))
  const url = HttpServer.formatAddress(http.address)
  return Server.of({ url, port: Number(new URL(url).port || 80) })
})

/**
 * A server on a database: bound when the layer is built, closed with its scope.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<Server, ServerError | DatabaseError, Database> =>
  Layer.effect(Server, make(options))
