/** Checks that apply to every request before it is handled, and the headers of every response. */
import * as Effect from "effect/Effect"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Redacted from "effect/Redacted"
import { createHash, timingSafeEqual } from "node:crypto"
import type { Authorize } from "./options.ts"

const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "worker-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types ep-worker"
].join("; ")

const common = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "x-frame-options": "DENY"
}

/** The headers of every response; those of the API must not be cached. An existing policy is kept. */
export const secured = (
  response: HttpServerResponse.HttpServerResponse,
  isApi: boolean
): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.setHeaders(response, {
    ...common,
    "content-security-policy": response.headers["content-security-policy"] ?? policy,
    ...(isApi ? { "cache-control": "no-store" } : {})
  })

export const problemResponse = (
  status: number,
  tag: string,
  reason: string,
  message: string,
  headers: Readonly<Record<string, string>> = {}
): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.jsonUnsafe({ _tag: tag, reason, message }, { status, headers })

const digest = (text: string) => createHash("sha256").update(text).digest()

/** Whether a request has a token as `Authorization: Bearer TOKEN`. Digests are compared, in constant time. */
export const bearer = (token: Redacted.Redacted | string): Authorize => {
  const expected = digest(typeof token === "string" ? token : Redacted.value(token))
  const authorize: Authorize = (request) =>
    Effect.sync(() => {
      const match = /^Bearer +([\w.~+/=-]{1,1000}) *$/i.exec(request.headers["authorization"] ?? "")
      return match !== null && timingSafeEqual(digest(match[1] ?? ""), expected)
    })
  return Object.assign(authorize, { [asksForToken]: true })
}

/** Marks a check that the token in the page's address passes: of others, only their owner knows what they ask for. */
const asksForToken = Symbol("asksForToken")

const loopbackNames: ReadonlyArray<string> = ["localhost", "127.0.0.1", "[::1]"]

/** A host with its port, or without one, which then matches every port. */
const hostTest = (hosts: ReadonlyArray<string> | undefined): (host: string) => boolean => {
  const names = new Set((hosts ?? loopbackNames).map((host) => host.toLowerCase()))
  return (host) => {
    const lower = host.toLowerCase()
    return names.has(lower) || names.has(lower.replace(/:\d{1,5}$/, ""))
  }
}

/** Makes the check that rejects a request or lets it pass. `path` is the part below the prefix. */
export const makeGuard = (
  options: { readonly hosts: ReadonlyArray<string> | undefined; readonly authorize: Authorize }
) => {
  const isOwn = hostTest(options.hosts)
  return (
    request: HttpServerRequest.HttpServerRequest,
    isApi: boolean
  ): Effect.Effect<HttpServerResponse.HttpServerResponse | undefined> => {
    const refuse = (status: number, tag: string, reason: string, message: string, headers?: Record<string, string>) =>
      Effect.succeed(problemResponse(status, tag, reason, message, headers))
    const host = request.headers["host"]
    if (host === undefined || !isOwn(host)) {
      return refuse(421, "Misdirected", "Host", "this server does not answer to that name: use --allow-host NAME")
    }
    if (request.method !== "GET" && request.method !== "HEAD") {
      return refuse(405, "MethodNotAllowed", "Method", "everything here is read by GET", { allow: "GET, HEAD" })
    }
    const origin = request.headers["origin"]
    if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`) {
      return refuse(403, "Forbidden", "Origin", "another page may not ask this server")
    }
    if (!isApi) return Effect.succeed(undefined)
    const site = request.headers["sec-fetch-site"]
    if (site !== undefined && site !== "same-origin" && site !== "none") {
      return refuse(403, "Forbidden", "Sec-Fetch-Site", "another page may not ask this server")
    }
    return Effect.map(options.authorize(request), (isAuthorized) =>
      isAuthorized
        ? undefined
        : problemResponse(
          401,
          "Unauthenticated",
          "Unauthenticated",
          asksForToken in options.authorize
            ? "Open the address that effect-prefect ui printed: it carries the token that this server asks for"
            : "This server does not let you in: sign in to it, or ask those who run it",
          asksForToken in options.authorize ? { "www-authenticate": "Bearer" } : {}
        ))
  }
}
