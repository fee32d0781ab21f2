/** Describes errors of stores by their HTTP status or system code, without any part of the request. */
import { shownCode } from "@effect-prefect/api/Network"
import type { Readable } from "node:stream"
import { ResultAccessDenied, ResultNotFound, StorageUnavailable } from "../../ResultError.ts"
import { type Failure, isObjectStatus } from "./store.ts"

/** A field of an error of any type. */
export const field = (error: unknown, ...path: ReadonlyArray<string>): unknown => {
  let value = error
  for (const name of path) {
    if (typeof value !== "object" || value === null) return undefined
    value = (value as Record<string, unknown>)[name]
  }
  return value
}

/** An error's code, when it is one word, for comparison with known codes: a store can send any text. */
export const word = (value: unknown): string | undefined =>
  typeof value === "string" && /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/.test(value) ? value : undefined

export const denied = (location: string, detail: string): Failure => ({
  reason: new ResultAccessDenied({ location, detail }),
  retry: "never"
})

export const notFound = (location: string, detail: string): Failure => ({
  reason: new ResultNotFound({ location, detail }),
  retry: "never"
})

export const unavailable = (
  location: string,
  detail: string,
  retry: Failure["retry"] = "later",
  after?: number | undefined
): Failure => ({ reason: new StorageUnavailable({ location, detail }), retry, after })

/**
 * The beginning of the text of an error response: enough to see the subject. The rest is not read, because a store could
 * send an error without end.
 */
export const errorText = async (body: Readable): Promise<string> => {
  let text = ""
  try {
    for await (const chunk of body.setEncoding("utf8")) {
      text += chunk
      if (text.length > 4096) break
    }
  } catch {
    // A partial text is enough, because the status is what counts.
  }
  return text
}

/** The code in an error response of XML; undefined when it has none. Its other elements are not parsed. */
export const errorCode = async (body: Readable): Promise<string | undefined> =>
  word(/<Code>([^<]*)<\/Code>/.exec(await errorText(body))?.[1])

/** `Retry-After`, in seconds or as a date, as milliseconds. */
export const retryAfter = (value: unknown): number | undefined => {
  if (typeof value !== "string" && typeof value !== "number") return undefined
  const seconds = Number(value)
  const wait = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(String(value)) - Date.now()
  return Number.isFinite(wait) ? Math.max(0, wait) : undefined
}

const network: Record<string, string> = {
  ECONNREFUSED: "nothing listens there",
  ECONNRESET: "the connection was cut",
  EPIPE: "the connection was cut",
  ERR_STREAM_PREMATURE_CLOSE: "the connection was cut",
  ETIMEDOUT: "it did not respond in time",
  ESOCKETTIMEDOUT: "it did not respond in time",
  TimeoutError: "it did not respond in time",
  ENOTFOUND: "its host name is not known",
  EAI_AGAIN: "its host name could not be looked up",
  EHOSTUNREACH: "its host cannot be reached",
  ENETUNREACH: "its network cannot be reached"
}

/** The codes of an error, including one that the SDK wrapped or that tried several addresses. */
const codesOf = (error: unknown): ReadonlyArray<string> =>
  [
    field(error, "code"),
    field(error, "cause", "code"),
    field(error, "cause", "cause", "code"),
    field(error, "errors", "0", "code"),
    field(error, "name")
  ].flatMap((code) => word(code) ?? [])

/** Codes of Node.js and OpenSSL for certificates that are not trusted, have expired or are for another name. */
const certificate = /^(?:CERT_|ERR_TLS_|UNABLE_TO_|(?:DEPTH_ZERO_)?SELF_SIGNED_)/

/** The status of a proxy that did not connect to the store. Some SDKs keep only its words. */
const proxyStatus = (error: unknown): number => {
  const status = field(error, "statusCode")
  if (typeof status === "number") return status
  return Number(/: HTTP\/1\.\d (\d{3})/.exec(String(field(error, "message")))?.[1] ?? 0)
}

/** Failures on the way to a store, before the request reached it. */
const onTheWay = (location: string, error: unknown, status: number | undefined): Failure | undefined => {
  const codes = codesOf(error)
  const proxied = status === 407 ? status : codes.includes("ERR_PROXY_TUNNEL") ? proxyStatus(error) : undefined
  if (proxied === 407) {
    return denied(location, "the proxy requires credentials (HTTP status 407); put them into its URL")
  }
  if (proxied !== undefined) {
    const named = proxied === 0 ? "" : ` (HTTP status ${proxied})`
    return unavailable(location, `the proxy does not connect to the store${named}`)
  }
  const code = codes.find((code) => certificate.test(code) && shownCode(code) !== undefined)
  if (code !== undefined) {
    return unavailable(
      location,
      `the store's certificate is not trusted (${code}); for a private authority set NODE_EXTRA_CA_CERTS, or the option tls`,
      "never"
    )
  }
  const unspoken = codes.find((code) => /^(?:ERR_SSL_|EPROTO$)/.test(code) && shownCode(code) !== undefined)
  if (unspoken !== undefined) {
    return unavailable(
      location,
      `no TLS could be agreed with the store (${unspoken}): check whether its address begins with http or https`,
      "never"
    )
  }
  return undefined
}

/** Codes of requests that were never sent, and would not be the next time. */
const unmade = /^(?:ERR_INVALID_(?:ARG_TYPE|ARG_VALUE|CHAR|PROTOCOL|URL)|ERR_UNESCAPED_CHARACTERS|EndpointError)$/

/** The remaining cases after a store's own codes: the HTTP status, then the network, then only the error's name. */
export const general = (location: string, error: unknown, status: number | undefined, after?: number): Failure => {
  const code = shownCode(field(error, "code")) ?? shownCode(field(error, "name"))
  // The name that every error has says nothing.
  const named = code === undefined || code === "Error" ? "" : ` (${code})`
  const unreached = onTheWay(location, error, status)
  if (unreached !== undefined) return unreached
  if (status === 429 || status === 503) {
    return unavailable(location, `the store gets too many requests${named}`, "slower", after)
  }
  if (status === 401) return denied(location, `the store did not accept the credentials${named}`)
  if (status === 403) return denied(location, `the credentials may not read it${named}`)
  if (status === 404) return notFound(location, `the store has no such object${named}`)
  if (status === 412 || status === 416) {
    return unavailable(location, `it was changed while it was read${named}`, "restart")
  }
  if (status === 408) return unavailable(location, "it did not respond in time", "later", after)
  if (status !== undefined && status >= 500) {
    return unavailable(location, `the store failed with HTTP ${status}${named}`, "later", after)
  }
  if (status !== undefined && !isObjectStatus(status)) {
    return unavailable(location, `the store answered with HTTP ${status}${named}`, "never")
  }
  const failed = codesOf(error).find((code) => Object.hasOwn(network, code))
  if (failed !== undefined) return unavailable(location, `${network[failed]} (${failed})`)
  if (code !== undefined && unmade.test(code)) {
    return unavailable(
      location,
      `the request could not be made${named}: check the endpoint, the region and the credentials in the options and the environment`,
      "never"
    )
  }
  return unavailable(location, `the request failed${named}`)
}
