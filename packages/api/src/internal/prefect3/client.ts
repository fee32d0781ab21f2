/**
 * Requests to a Prefect 2 or 3 server: its base URL, credentials, a CSRF token when it requires one, and the retry
 * rules of its own client (observed on 3.8.0: 408, 429, 502 and 503 are retried five times, 500 is not, `Retry-After`
 * is the minimum wait, and `Prefect-Maintenance: true` does not count).
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Semaphore from "effect/Semaphore"
import {
  MalformedResponse,
  PrefectApiError,
  RateLimited,
  type Reason,
  Unauthorized,
  Unavailable,
  UnsupportedByBackend
} from "../../PrefectApiError.ts"
import { PrefectConfigError } from "../../PrefectConfigError.ts"
import type { Address } from "../address.ts"
import { cachedSuccess } from "../cachedSuccess.ts"
import * as Http from "../http/client.ts"
import { plainWords, withoutSecrets } from "../http/words.ts"

export interface Settings extends Http.HttpOptions {
  readonly url: Address
  readonly apiKey?: Redacted.Redacted | undefined
  readonly authString?: Redacted.Redacted | undefined
}

export interface Client {
  /** The server's base URL, without a trailing slash, once its version is known. */
  readonly base: Effect.Effect<string, PrefectApiError>
  /** The server's version, e.g. `2.20.27`; undefined on Prefect Cloud, which has none. */
  readonly version: Effect.Effect<string | undefined, PrefectApiError>
  /** Its name in messages: `Prefect 2.20.27` or `Prefect Cloud` once its version is known, `Prefect 3` before. */
  readonly name: () => string
  /** The credential of a request, before it becomes a header. */
  readonly credential: Redacted.Redacted | undefined
  /** The JSON of a 200, of no more than some bytes where they are given; undefined for a 404. */
  readonly get: (operation: string, path: string, maxBytes?: number) => Effect.Effect<unknown, PrefectApiError>
  readonly post: (operation: string, path: string, body: object) => Effect.Effect<Posted, PrefectApiError>
}

export type Posted = { readonly _tag: "Json"; readonly json: unknown } | Refused | { readonly _tag: "NoSuchPath" }

/** The server understood the request but rejected it (422). */
export interface Refused {
  readonly _tag: "Refused"
  readonly detail: string
}

/** The major versions whose API is supported. */
const majors = [2, 3]

interface Server {
  readonly base: string
  readonly version: string | undefined
}

interface Token {
  readonly value: string
  readonly expires: number
}

export const make = Effect.fnUntraced(function*(settings: Settings) {
  const { basic, url } = yield* Http.parseUrl(settings.url)
  const page = pageHint(url)
  if (page !== undefined) return yield* new PrefectConfigError({ source: "url", detail: page })
  const authorized = authorization(settings, basic)
  const backend = yield* Http.make({
    url,
    addressHint: "the API's address usually ends in /api",
    headers: { accept: "application/json", ...identity(url), ...authorized },
    policy: {
      ...settings,
      requestTimeout: settings.requestTimeout ?? "60 seconds",
      retryDelay: "2 seconds",
      maxRetryDelay: "32 seconds",
      retryFirstConnection: false
    }
  })
  const { origin } = backend
  const send = <A>(
    operation: Http.Operation,
    request: HttpClientRequest.HttpClientRequest,
    read: (answer: Http.Answer) => Result.Result<A, Http.HttpFailure>
  ) => Effect.mapError(backend.send(operation, request, read), Http.toApiError(operation.name))
  const credential = credentialOf(authorized["authorization"])
  const failureOf = failureAt(origin, credential === undefined ? [] : secretsOf(credential))
  const clientId = globalThis.crypto.randomUUID()
  const oneAtATime = Semaphore.makeUnsafe(1)
  let token: Token | undefined

  const request = (base: string, method: "GET" | "POST", path: string, body?: object) => {
    const bare = HttpClientRequest.make(method)(`${base}${path}`)
    if (body === undefined) return bare
    const csrf = token === undefined
      ? bare
      : HttpClientRequest.setHeaders(bare, { "prefect-csrf-token": token.value, "prefect-csrf-client": clientId })
    return HttpClientRequest.bodyText(csrf, JSON.stringify(body), "application/json")
  }

  /** Requests a new token in place of the one that was used, unless another fiber already has. */
  const refresh = (base: string, used: Token | undefined) =>
    oneAtATime.withPermit(Effect.suspend(() =>
      token !== used ? Effect.void : Effect.map(
        send(
          { name: "Prefect3Api.csrfToken" },
          request(base, "GET", `/csrf-token?client=${clientId}`),
          (answer) => Result.fromNullishOr(readToken(answer), () => failureOf(answer) ?? noToken(origin))
        ),
        (fresh) => {
          token = fresh
        }
      )
    ))

  /** The version that a server reports, and whether it responded with a web page instead. */
  const probe = (base: string) =>
    send(
      { name: "Prefect3Api.version" },
      request(base, "GET", "/admin/version"),
      (answer): Result.Result<{ readonly version: string | undefined; readonly isPage: boolean }, Http.HttpFailure> => {
        const isPage = Http.isHtml(answer)
        // Another kind of server responds with a page, or does not know the path.
        if (answer.status === 404 || answer.status === 405) return Result.succeed({ version: undefined, isPage })
        const failure = failureOf(answer)
        if (failure !== undefined) return Result.fail(failure)
        const value = jsonOf(answer)
        // It is part of messages.
        const version = typeof value === "string" ? /^\d{1,4}\.\d[\w.+-]{0,60}/.exec(value)?.[0] : undefined
        return Result.succeed({ version: version === undefined ? undefined : backend.withoutSecrets(version), isPage })
      }
    )

  let name = "Prefect 3"

  /** The base URL at which the server reports its version, and that version; requested once. */
  const server = yield* cachedSuccess(Effect.gen(function*(): Effect.fn.Return<Server, PrefectApiError> {
    const path = url.pathname.replace(/(?<!\/)\/+$/, "")
    const given = `${url.origin}${path}`
    // Prefect Cloud has no version and is always current.
    if (/\/accounts\/[^/]+\/workspaces\/[^/]+$/.test(path)) {
      name = "Prefect Cloud"
      return { base: given, version: undefined }
    }
    let isPage = false
    for (const candidate of path.endsWith("/api") ? [given] : [given, `${given}/api`]) {
      const answer = yield* probe(candidate)
      isPage ||= answer.isPage
      const found = answer.version
      if (found === undefined) continue
      name = `Prefect ${found}`
      const major = Number.parseInt(found, 10)
      if (major < majors[0]!) {
        return yield* new PrefectApiError({
          operation: "Prefect3Api.version",
          reason: new UnsupportedByBackend({
            feature: "API of Prefect 2 or 3",
            backend: `the Prefect ${found} server at ${origin}`,
            hint: "read Prefect 1 through its GraphQL API or its database"
          })
        })
      }
      if (!majors.includes(major)) {
        yield* Effect.logWarning(
          `${origin} runs Prefect ${found}, which is newer than this library knows; it is read as Prefect 3`
        )
      }
      return { base: candidate, version: found }
    }
    // An address of one of the server's own pages.
    const api = `${url.origin}/api`
    const beside = path === "" || path === "/api"
      ? undefined
      : yield* Effect.orElseSucceed(probe(api), () => undefined)
    return yield* new PrefectApiError({
      operation: "Prefect3Api.version",
      reason: new MalformedResponse({
        detail: `there is ${isPage ? "a web page and " : ""}no API of Prefect 2 or 3 at ${origin}${path}: ${
          beside?.version === undefined ? "its URL usually ends in /api" : `it is at ${api}`
        }`
      })
    })
  }))

  const base = Effect.map(server, ({ base }) => base)

  const get: Client["get"] = (operation, path, maxBytes) =>
    Effect.flatMap(
      base,
      (base) =>
        send({ name: operation, maxBytes, isRow: true }, request(base, "GET", path), (answer) => {
          if (answer.status === 404) return Result.succeed(undefined)
          const failure = failureOf(answer)
          return failure === undefined
            ? Http.parseJson(answer)
            : Result.fail(failure)
        })
    )

  const postOnce = (base: string, operation: string, path: string, body: object) =>
    send(
      { name: operation },
      request(base, "POST", path, body),
      (answer): Result.Result<Posted | { readonly _tag: "TokenWanted"; readonly detail: string }, Http.HttpFailure> => {
        if (answer.status === 422) {
          return Result.succeed({ _tag: "Refused", detail: backend.withoutSecrets(detailOf(answer)) })
        }
        if (answer.status === 404) return Result.succeed({ _tag: "NoSuchPath" })
        if (answer.status === 403 && /csrf token|client identifier/i.test(detailOf(answer))) {
          return Result.succeed({ _tag: "TokenWanted", detail: backend.withoutSecrets(detailOf(answer)) })
        }
        const failure = failureOf(answer)
        return failure === undefined
          ? Result.map(Http.parseJson(answer), (json) => ({ _tag: "Json", json }))
          : Result.fail(failure)
      }
    )

  const post: Client["post"] = Effect.fnUntraced(function*(operation: string, path: string, body: object) {
    const url = yield* base
    const known = token
    if (known !== undefined && known.expires <= (yield* Clock.currentTimeMillis)) yield* refresh(url, known)
    const used = token
    const first = yield* postOnce(url, operation, path, body)
    if (first._tag !== "TokenWanted") return first
    yield* refresh(url, used)
    const second = yield* postOnce(url, operation, path, body)
    if (second._tag !== "TokenWanted") return second
    return yield* new PrefectApiError({
      operation,
      reason: new Unauthorized({ detail: `${origin}: ${second.detail}` })
    })
  })

  return {
    base,
    version: Effect.map(server, ({ version }) => version),
    name: () => name,
    credential: credentialOf(authorized["authorization"]),
    get,
    post
  } satisfies Client
})

/** Compression costs a server on the same machine more than the transfer. */
const identity = (url: URL): Record<string, string> =>
  /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname) ? { "accept-encoding": "identity" } : {}

/** As in Prefect's client, the auth string takes precedence over the key. */
const authorization = (
  { apiKey, authString }: Settings,
  inUrl: Redacted.Redacted | undefined
): Record<string, Redacted.Redacted> => {
  if (authString !== undefined && Redacted.value(authString) !== "") {
    const encoded = Base64.encode(Redacted.value(authString))
    return { authorization: Redacted.make(`Basic ${encoded}`) }
  }
  if (apiKey !== undefined && Redacted.value(apiKey) !== "") {
    return { authorization: Redacted.make(`Bearer ${Redacted.value(apiKey)}`) }
  }
  return inUrl === undefined ? {} : { authorization: inUrl }
}

const credentialOf = (header: Redacted.Redacted | undefined): Redacted.Redacted | undefined => {
  if (header === undefined) return undefined
  const [, scheme, value = ""] = /^(\S+) (.*)$/s.exec(Redacted.value(header)) ?? []
  return Redacted.make(scheme === "Basic" ? Result.getOrElse(Base64.decodeString(value), () => value) : value)
}

/** A credential, and the password in it. */
const secretsOf = (credential: Redacted.Redacted): ReadonlyArray<string> => {
  const value = Redacted.value(credential)
  const colon = value.indexOf(":")
  return colon < 0 ? [value] : [value, value.slice(colon + 1), Base64.encode(value)]
}

/** The hint for an address of Prefect Cloud that is not its API's; undefined for any other address. */
const pageHint = ({ hostname, pathname }: URL): string | undefined => {
  const isApi = /\/accounts\/[^/]+\/workspaces\/[^/]+\/?$/.test(pathname)
  if (hostname !== "app.prefect.cloud" && !(hostname === "api.prefect.cloud" && !isApi)) return undefined
  const [, account, workspace] = /\/accounts?\/([0-9a-f-]{36})(?:\/workspaces?\/([0-9a-f-]{36}))?/i.exec(pathname) ?? []
  return `it is ${hostname === "app.prefect.cloud" ? "a page" : "not the address of a workspace"} of Prefect Cloud: ` +
    `the API's address is https://api.prefect.cloud/api/accounts/${account ?? "ACCOUNT"}/workspaces/${
      workspace ?? "WORKSPACE"
    }`
}

/** The JSON of a response of any status; undefined when it has none. A long one has been parsed in steps. */
const jsonOf = (answer: Http.Answer): unknown => Result.getOrUndefined(Http.parseJson(answer))

/** A token that a header can carry. */
const isToken = (value: unknown): value is string => typeof value === "string" && /^[\x21-\x7e]{1,4096}$/.test(value)

const readToken = (answer: Http.Answer): Token | undefined => {
  const json = answer.status === 200 ? jsonOf(answer) : undefined
  const { expiration, token } = (json ?? {}) as { readonly [key: string]: unknown }
  if (!isToken(token)) return undefined
  const expires = typeof expiration === "string" ? Date.parse(expiration) : Number.NaN
  return { value: token, expires: Number.isNaN(expires) ? Number.POSITIVE_INFINITY : expires }
}

const noToken = (origin: string) => Http.unauthorized(`${origin} wants a CSRF token and gives none`)

/** The characters that are looked at in each part of a description, which may be as long as a response. */
const maxDetail = 2000

/** The server's description of a problem, on one line. Quotations of the request are omitted. */
const detailOf = (answer: Http.Answer): string => {
  const value = jsonOf(answer)
  if (typeof value !== "object" || value === null) {
    const body = answer.text.slice(0, maxDetail)
    return /^\s*</.test(body) ? "" : plainWords(body)
  }
  const { detail, exception_detail: list, exception_message: message } = value as { readonly [key: string]: unknown }
  const first: unknown = Array.isArray(list) ? list[0] : undefined
  const more = typeof first === "object" && first !== null && "msg" in first ? first.msg : undefined
  return [detail, message, more].flatMap((part) => typeof part === "string" ? [part.slice(0, maxDetail)] : [])
    .join(" ").replace(/\s+/g, " ").slice(0, 200)
}

/** The failure for a status other than 2xx. */
const failureAt =
  (origin: string, secrets: ReadonlyArray<string>) => (answer: Http.Answer): Http.HttpFailure | undefined => {
    const { status } = answer
    if (status >= 200 && status < 300) return undefined
    const detail = withoutSecrets(detailOf(answer), secrets)
    const said = `${origin} answers ${status}${detail === "" ? "" : `, ${detail}`}`
    const asked = Http.parseRetryAfter(answer.headers["retry-after"], answer.receivedAt)
    const isMaintenance = answer.headers["prefect-maintenance"] === "true"
    const retried = (reason: Reason) =>
      new Http.HttpFailure({
        reason,
        retryable: true,
        retryAfter: asked ?? (isMaintenance ? Duration.seconds(1) : undefined),
        honourRetryAfter: asked !== undefined || isMaintenance,
        isMaintenance
      })
    switch (status) {
      case 401:
        return Http.unauthorized(`${said}: set PREFECT_API_KEY, or PREFECT_API_AUTH_STRING for a server of your own`)
      case 403:
        return Http.unauthorized(said)
      case 429:
        return retried(new RateLimited(asked === undefined ? {} : { retryAfter: asked }))
      case 408:
      case 502:
      case 503:
        return retried(new Unavailable({ detail: isMaintenance ? `${said}: it is in maintenance` : said }))
      default:
        return status >= 500 ? Http.unavailable(said, false) : Http.malformed(said)
    }
  }
