import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import type * as HttpClientError from "effect/http/HttpClientError"
import * as Result from "effect/Result"
import {
  MalformedResponse,
  type PrefectApiError,
  RateLimited,
  type Reason,
  Unauthorized,
  Unavailable
} from "../../PrefectApiError.ts"

/**
 * An answer that came to its end within the limits.
 */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly text: string
  /** Milliseconds since the epoch, which a `Retry-After` date is compared with. */
  readonly receivedAt: number
}

/**
 * An attempt that gave no usable answer.
 */
export class Fault extends Data.TaggedError("Fault")<{
  readonly reason: Reason
  readonly retryable: boolean
  readonly retryAfter?: Duration.Duration | undefined
  /** Wait as long as `retryAfter` says and no longer, where a backend's own client does so. Default: back off too. */
  readonly exactly?: boolean | undefined
  /** An attempt that does not count: a backend in maintenance. Such waits end after ten minutes. Default: it counts. */
  readonly uncounted?: boolean | undefined
}> {
  override get message() {
    return this.reason.message
  }
}

export const malformed = (problem: string) =>
  new Fault({ reason: new MalformedResponse({ problem }), retryable: false })

const tooLarge = new WeakSet<Reason>()

/** An answer that asking for less would make smaller. */
export const oversized = (problem: string): Fault => {
  const fault = malformed(problem)
  tooLarge.add(fault.reason)
  return fault
}

export const isOversized = (error: PrefectApiError): boolean => tooLarge.has(error.reason)

export const unauthorized = (problem: string) => new Fault({ reason: new Unauthorized({ problem }), retryable: false })

export const unavailable = (problem: string, retryable: boolean) =>
  new Fault({ reason: new Unavailable({ problem }), retryable })

const retryableStatuses = new Set([408, 429, 500, 502, 503, 504])

/**
 * What a status means by itself; undefined for 2xx.
 */
export const statusFault = (answer: Answer): Fault | undefined => {
  const { status } = answer
  if (status >= 200 && status < 300) return undefined
  const retryAfter = parseRetryAfter(answer.headers["retry-after"], answer.receivedAt)
  if (status === 429) {
    return new Fault({
      reason: new RateLimited(retryAfter === undefined ? {} : { retryAfter }),
      retryable: true,
      retryAfter
    })
  }
  if (status === 401 || status === 403) return unauthorized(`HTTP status ${status}; check the API key and the tenant`)
  if (status === 407) return unauthorized("a proxy asks for credentials (HTTP status 407)")
  if (status === 408 || status >= 500) {
    return new Fault({
      reason: new Unavailable({ problem: `HTTP status ${status}${page(answer)}` }),
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
 * Whether an answer is a web page: what proxies, load balancers and login forms answer in place of an API.
 */
export const isHtml = (answer: Answer): boolean =>
  answer.headers["content-type"]?.toLowerCase().includes("html") === true ||
  /^\s*<(!doctype|html|\?xml)/i.test(answer.text.slice(0, 200))

const page = (answer: Answer) => isHtml(answer) ? " with a web page, perhaps from a proxy" : ""

/**
 * `Retry-After` as RFC 9110 has it: seconds, or a date.
 */
export const parseRetryAfter = (header: string | undefined, now: number): Duration.Duration | undefined => {
  const value = header?.trim() ?? ""
  if (/^\d{1,9}(\.\d{1,9})?$/.test(value)) return Duration.seconds(Number(value))
  if (!/^[A-Za-z]{3,9},? /.test(value)) return undefined
  const date = Date.parse(value)
  return Number.isNaN(date) ? undefined : Duration.millis(Math.max(0, date - now))
}

/**
 * An answer's body as JSON. Nothing of the text goes into the fault.
 */
export const parseJson = (answer: Answer): Result.Result<unknown, Fault> => {
  if (answer.text === "") return Result.fail(malformed("it is empty"))
  try {
    return Result.succeed(JSON.parse(answer.text))
  } catch {
    return Result.fail(malformed(
      isHtml(answer)
        ? "it is a web page and not JSON, perhaps from a proxy or a login form"
        : `it is not JSON, or was cut off after ${answer.text.length} characters`
    ))
  }
}

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

const isCertificateCode = (code: string) => /CERT|SELF_SIGNED|UNABLE_TO|ERR_TLS|ERR_SSL/.test(code)

/**
 * The code of a system error somewhere below. Nothing else of a foreign error is kept: its message may hold a header or
 * a URL.
 */
const codeOf = (error: unknown): string | undefined => {
  let current: unknown = error
  for (let depth = 0; depth < 8 && typeof current === "object" && current !== null; depth++) {
    const code = Reflect.get(current, "code")
    if (typeof code === "string" && /^[A-Z][A-Z0-9_]{2,60}$/.test(code)) return code
    const errors = Reflect.get(current, "errors")
    current = Array.isArray(errors) && errors.length > 0 ? errors[0] : Reflect.get(current, "cause")
  }
  return undefined
}

export const networkFault = (
  error: HttpClientError.HttpClientError,
  origin: string,
  stage: "sent" | "answered",
  retryConnection = true
): Fault => {
  const tag = error.reason._tag
  if (tag === "EmptyBodyError") return emptyBody
  if (tag === "InvalidUrlError" || tag === "EncodeError") {
    return unavailable(`the request to ${origin} could not be made (${tag})`, false)
  }
  const code = codeOf(error.reason)
  if (code !== undefined && isCertificateCode(code)) {
    return unavailable(`the certificate of ${origin} is not trusted (${code})`, false)
  }
  const what = (code === undefined ? undefined : knownCodes[code]) ??
    (stage === "sent" ? "the request failed" : "the connection broke in the middle of the answer")
  const retryable = retryConnection || code === undefined || !unconnected.test(code)
  return unavailable(`${origin}: ${what}${code === undefined ? "" : ` (${code})`}`, retryable)
}
