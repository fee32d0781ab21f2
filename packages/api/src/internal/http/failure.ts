import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import type * as HttpClientError from "effect/http/HttpClientError"
import * as Result from "effect/Result"
import {
  MalformedResponse,
  PrefectApiError,
  RateLimited,
  type Reason,
  Unauthorized,
  Unavailable
} from "../../PrefectApiError.ts"
import { errorCode } from "../errorCode.ts"
import { type Parsed, parseInPieces } from "./pieces.ts"
import { plainWords } from "./words.ts"

/**
 * A response that was received in full within the limits.
 */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  /** Its beginning where it is long. */
  readonly text: string
  /** The characters of the whole. */
  readonly length: number
  /** The value of a long text. */
  readonly json?: Parsed | undefined
  /** Milliseconds since the epoch, for comparing with a `Retry-After` date. */
  readonly receivedAt: number
}

/**
 * An attempt without a usable response.
 */
export class HttpFailure extends Data.TaggedError("HttpFailure")<{
  readonly reason: Reason
  readonly retryable: boolean
  readonly retryAfter?: Duration.Duration | undefined
  /**
   * Whether to wait exactly as long as `retryAfter` says, as the backend's own client does. Default: exponential
   * backoff too.
   */
  readonly honourRetryAfter?: boolean | undefined
  /** Whether the backend is in maintenance: such attempts do not count, and end after ten minutes. */
  readonly isMaintenance?: boolean | undefined
  /** Whether a smaller request would have a small enough response. */
  readonly isTooLarge?: boolean | undefined
  /**
   * A successful response had a body that is not JSON: it was `"cut"` off, or empty, or is `"other"` text, such as a page
   * of a proxy.
   */
  readonly unreadable?: "cut" | "other" | undefined
}> {
  override get message() {
    return this.reason.message
  }
}

export const malformed = (detail: string) =>
  new HttpFailure({ reason: new MalformedResponse({ detail }), retryable: false })

const unreadable = (detail: string, unreadable: HttpFailure["unreadable"]) =>
  new HttpFailure({ reason: new MalformedResponse({ detail }), retryable: false, unreadable })

/** A response that a smaller request would make small enough. */
export const oversized = (detail: string): HttpFailure =>
  new HttpFailure({ reason: new MalformedResponse({ detail }), retryable: false, isTooLarge: true })

/** The failure as callers of `PrefectApi` see it. */
export const toApiError = (operation: string) => ({ reason }: HttpFailure): PrefectApiError =>
  new PrefectApiError({ operation, reason })

/** The same failure with the server's own words for it. */
export const withWords = (failure: HttpFailure, words: string): HttpFailure => {
  const { reason } = failure
  if (words === "" || reason._tag !== "Unavailable" && reason._tag !== "MalformedResponse") return failure
  const detail = `${reason.detail}${words}`
  return new HttpFailure({
    ...failure,
    reason: reason._tag === "Unavailable" ? new Unavailable({ detail }) : new MalformedResponse({ detail })
  })
}

/** The same failure with another message. */
export const withDetail = (failure: HttpFailure, change: (detail: string) => string): HttpFailure => {
  const { reason } = failure
  if (reason._tag !== "Unavailable" && reason._tag !== "MalformedResponse" && reason._tag !== "Unauthorized") {
    return failure
  }
  const detail = change(reason.detail)
  if (detail === reason.detail) return failure
  const Changed = reason._tag === "Unavailable"
    ? Unavailable
    : reason._tag === "Unauthorized"
    ? Unauthorized
    : MalformedResponse
  return new HttpFailure({ ...failure, reason: new Changed({ detail }) })
}

export const unauthorized = (detail: string) =>
  new HttpFailure({ reason: new Unauthorized({ detail }), retryable: false })

export const unavailable = (detail: string, retryable: boolean) =>
  new HttpFailure({ reason: new Unavailable({ detail }), retryable })

const retryableStatuses = new Set([408, 429, 500, 502, 503, 504])

/** The failure for a status; undefined for 2xx. */
export const statusFailure = (answer: Answer): HttpFailure | undefined => {
  const { status } = answer
  if (status >= 200 && status < 300) return undefined
  const retryAfter = parseRetryAfter(answer.headers["retry-after"], answer.receivedAt)
  if (status === 429) {
    return new HttpFailure({
      reason: new RateLimited(retryAfter === undefined ? {} : { retryAfter }),
      retryable: true,
      retryAfter
    })
  }
  if (status === 401 || status === 403) return unauthorized(`HTTP status ${status}; check the API key and the tenant`)
  if (status === 407) return unauthorized("the proxy requires credentials (HTTP status 407); put them into its URL")
  if (status === 408 || status >= 500) {
    return new HttpFailure({
      reason: new Unavailable({ detail: `HTTP status ${status}${page(answer)}` }),
      retryable: retryableStatuses.has(status),
      retryAfter
    })
  }
  if (status === 404 || status === 405) {
    return malformed(`HTTP status ${status}${page(answer)}; check that the URL is the one of Prefect's API`)
  }
  if (status === 413) return malformed("the request is too large for the backend (HTTP status 413)")
  return malformed(`HTTP status ${status}${page(answer)}`)
}

/**
 * Whether a response is a web page, which proxies, load balancers and login forms return in place of an API's response.
 */
export const isHtml = (answer: Answer): boolean =>
  answer.headers["content-type"]?.toLowerCase().includes("html") === true ||
  /^\s*<(!doctype|html|\?xml)/i.test(answer.text.slice(0, 200))

/** Describes a body that is not an API's: as a page, or by its own text. */
const page = (answer: Answer) => {
  if (isHtml(answer)) return " with a web page, perhaps from a proxy"
  const words = answer.headers["content-type"]?.toLowerCase().startsWith("text/plain") === true
    ? plainWords(answer.text)
    : ""
  return words === "" ? "" : `: ${words}`
}

/** Whether an address is that of a login page. */
export const isLogin = (url: URL): boolean =>
  /(?:^|[/._-])(?:log-?in|sign-?in|sso|saml2?|oauth2?|authorize|auth|cas|accounts)(?:$|[/._-])/i.test(
    `${url.hostname}${url.pathname}`
  )

/** `Retry-After` as defined by RFC 9110: seconds, or a date. */
export const parseRetryAfter = (header: string | undefined, now: number): Duration.Duration | undefined => {
  const value = header?.trim() ?? ""
  if (/^\d{1,9}(\.\d{1,9})?$/.test(value)) return Duration.seconds(Number(value))
  if (!/^[A-Za-z]{3,9},? /.test(value)) return undefined
  const date = Date.parse(value)
  return Number.isNaN(date) ? undefined : Duration.millis(Math.max(0, date - now))
}

/** The body of a response as JSON. The failure quotes none of it. */
export const parseJson = (answer: Answer): Result.Result<unknown, HttpFailure> => {
  if (answer.text === "") return Result.fail(unreadable("it is empty", "cut"))
  const parsed = answer.json ?? parseShort(answer.text)
  if (parsed === "too large") {
    return Result.fail(oversized(
      "its values would take several times the memory of a response of maxResponseBytes; ask for smaller pages, or " +
        "raise it"
    ))
  }
  if (parsed === "too deep") return Result.fail(malformed("its values are nested too deep"))
  if (parsed !== "no JSON") return Result.succeed(parsed.value)
  return Result.fail(unreadable(
    isHtml(answer)
      ? "it is a web page and not JSON, perhaps from a proxy or a login form"
      : `it is not JSON, or was cut off after ${answer.length} characters`,
    !isHtml(answer) && /^\s*[{[]/.test(answer.text.slice(0, 200)) ? "cut" : "other"
  ))
}

const parseShort = (text: string): Parsed => {
  try {
    return { value: parsePrecisely(text) }
  } catch {
    return "no JSON"
  }
}

/** Integers in JSON text that a double cannot represent. */
const longInteger = /[:[,\s]-?\d{16}/

/** `JSON.rawJSON` and a reviver's source text are part of ECMAScript 2027; Node has had them since version 21. */
interface RawJson {
  readonly rawJSON: (text: string) => unknown
}

/**
 * JSON text whose large integers keep their digits, because a state may contain a value of the user's. Such an integer
 * is a raw JSON object, which `JSON.stringify` writes unchanged.
 */
export const parsePrecisely = (text: string): unknown => {
  if (!longInteger.test(text)) return JSON.parse(text)
  const reviver = (_key: string, value: unknown, context?: { readonly source?: string }): unknown =>
    typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? "")
      ? (JSON as unknown as RawJson).rawJSON(context!.source!)
      : value
  const parse = (part: string): unknown => JSON.parse(part, reviver as (key: string, value: unknown) => unknown)
  try {
    return parse(text)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
  }
  // A reviver is called recursively: a row that is nested deep would take the others with it.
  const steps = parseInPieces(text, parse, shallowLength)
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

/** Characters whose nesting a reviver can follow. */
const shallowLength = 512

export const emptyBody = malformed("it is empty")

const knownCodes: Readonly<Record<string, string>> = {
  ECONNREFUSED: "the connection was refused",
  ECONNRESET: "the connection was reset",
  EPIPE: "the connection was closed",
  ENOTFOUND: "the host name is not known",
  EAI_AGAIN: "the host name could not be looked up",
  EHOSTUNREACH: "the host cannot be reached",
  ENETUNREACH: "the network cannot be reached",
  ETIMEDOUT: "the connection timed out",
  UND_ERR_CONNECT_TIMEOUT: "the connection timed out",
  UND_ERR_SOCKET: "the connection was closed"
}

const unconnected = /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH)$/

const isCertificateCode = (code: string) => /CERT|SELF_SIGNED|UNABLE_TO|ERR_TLS/.test(code)

/** Codes of two sides that do not speak the same TLS: one of them often none at all. */
const isTlsCode = (code: string) => /^(?:ERR_SSL_|EPROTO$)/.test(code)

/** The status with which a proxy rejected a tunnel; undici reports it only in the text of an error. */
const proxyStatus = (error: unknown): string | undefined => {
  let current = error
  for (let depth = 0; depth < 6 && typeof current === "object" && current !== null; depth++) {
    const found = "message" in current
      ? /^Proxy (?:response|Authentication Required) \((\d{3})\)/.exec(String(current.message))
      : null
    if (found !== null) return found[1]
    current = "cause" in current ? current.cause : undefined
  }
  return undefined
}

const isCode = /^[A-Z][A-Z0-9_]{2,60}$/

export const networkFailure = (
  error: HttpClientError.HttpClientError,
  origin: string,
  stage: "sent" | "answered",
  retryConnection = true
): HttpFailure => {
  const tag = error.reason._tag
  if (tag === "EmptyBodyError") return emptyBody
  if (tag === "InvalidUrlError" || tag === "EncodeError") {
    return unavailable(`the request to ${origin} could not be made (${tag})`, false)
  }
  const code = errorCode(error.reason, isCode)
  if (code !== undefined && isCertificateCode(code)) {
    return unavailable(
      `the certificate of ${origin} is not trusted (${code}); for a private authority set NODE_EXTRA_CA_CERTS, ` +
        "or PREFECT_API_SSL_CERT_FILE for a Prefect 3 server, to its certificate in PEM",
      false
    )
  }
  if (code !== undefined && isTlsCode(code)) {
    return unavailable(
      `no TLS could be agreed with ${origin} (${code}); check whether its URL begins with http or https`,
      false
    )
  }
  // A proxy rejects a tunnel with a status of its own.
  const proxied = proxyStatus(error.reason)
  if (proxied === "407") return unauthorized("the proxy requires credentials (HTTP status 407); put them into its URL")
  if (proxied !== undefined) {
    return unavailable(`${origin}: the proxy does not connect to it (HTTP status ${proxied})`, retryConnection)
  }
  const hint = code === "ENOTFOUND" || code === "EAI_AGAIN"
    ? "; check the URL, and set HTTPS_PROXY or HTTP_PROXY where a proxy is the only way out"
    : ""
  const what = (code === undefined ? undefined : knownCodes[code]) ??
    (stage === "sent" ? "the request failed" : "the connection broke in the middle of the answer")
  const retryable = retryConnection || code === undefined || !unconnected.test(code)
  return unavailable(`${origin}: ${what}${code === undefined ? "" : ` (${code})`}${hint}`, retryable)
}
