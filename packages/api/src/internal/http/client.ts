import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Pull from "effect/Pull"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import type { TlsOptions } from "../../Network.ts"
import type { Reason } from "../../PrefectApiError.ts"
import { PrefectConfigError } from "../../PrefectConfigError.ts"
import { type Address, addressText } from "../address.ts"
import type { LongText } from "../longText.ts"
import { durationOf, positiveInt } from "../settings.ts"
import { Body } from "./body.ts"
import {
  type Answer,
  emptyBody,
  HttpFailure,
  isLogin,
  malformed,
  networkFailure,
  oversized,
  parsePrecisely,
  unavailable,
  withDetail
} from "./failure.ts"
import { fetchFor } from "./network.ts"
import { parseLong, textOf } from "./pieces.ts"
import { secretsOf, withoutSecrets } from "./secrets.ts"

export * from "./failure.ts"

/**
 * Options for requests to a backend over HTTP.
 *
 * @category options
 * @since 0.1.0
 */
export interface HttpOptions {
  /** Time for one attempt, from the request to the end of the response body. Default 30 seconds. */
  readonly requestTimeout?: Duration.Input | undefined
  /** The largest response in bytes after decompression; a longer one is not read to its end. Default 64 MiB. */
  readonly maxResponseBytes?: number | undefined
  /** Attempts after the first one. Default 5. */
  readonly retries?: number | undefined
  /**
   * The delay before each retry, and their number, in place of `retries`, `retryDelay` and
   * `maxRetryDelay`. It is applied only to transient failures and
   * receives their reason. A longer `Retry-After` of the response takes precedence.
   */
  readonly retrySchedule?: Schedule.Schedule<unknown, Reason> | undefined
  /** Wait before the first retry; it doubles with each retry and is jittered by a half. Default 200 milliseconds. */
  readonly retryDelay?: Duration.Input | undefined
  /** The longest wait between retries that the backend did not request. Default 10 seconds. */
  readonly maxRetryDelay?: Duration.Input | undefined
  /** The longest wait that a backend's `Retry-After` can request. Default 60 seconds. */
  readonly maxRetryAfter?: Duration.Input | undefined
  /** Concurrent requests. Default 16. */
  readonly maxConcurrentRequests?: number | undefined
  /**
   * Whether to retry when the first connection fails, or the first answer is empty or cut off. Default true; later ones
   * are always retried.
   */
  readonly retryFirstConnection?: boolean | undefined
  /** Headers for every request, e.g. those of a proxy in front of the backend. Redacted when they are secret. */
  readonly headers?: Readonly<Record<string, string | Redacted.Redacted>> | undefined
  /**
   * Certificate authorities and client certificates, on Node.js. Proxies are those of `HTTP_PROXY`, `HTTPS_PROXY`,
   * `ALL_PROXY` and `NO_PROXY`, in either case. Neither applies to a custom `Fetch` or `HttpClient`.
   */
  readonly tls?: TlsOptions | undefined
}

/** What a request is sent for. */
export interface Operation {
  readonly name: string
  readonly attributes?: Readonly<Record<string, string>> | undefined
  /** The largest response in bytes, where it is known to be less than `maxResponseBytes`. */
  readonly maxBytes?: number | undefined
  /** Whether the response is one row, and not a list or an object of lists. */
  readonly isRow?: boolean | undefined
}

/**
 * A backend over HTTP.
 */
export interface HttpBackend {
  /** Shown in messages instead of the URL, which may carry a secret in its query. */
  readonly origin: string
  /** The base URL, without user, password and fragment. */
  readonly url: URL
  /** The usual address of the API, for messages. */
  readonly addressHint: string
  /** A text of a response, without the credentials that were sent with the request. */
  readonly withoutSecrets: (text: string) => string
  /**
   * Sends a request to the backend's own origin until `read` accepts a response.
   *
   * `read` judges responses of any status: `statusFailure` covers those that mean the same for every backend. The
   * request must be safe to repeat.
   */
  readonly send: <A>(
    operation: Operation,
    request: HttpClientRequest.HttpClientRequest,
    read: (answer: Answer) => Result.Result<A, HttpFailure>
  ) => Effect.Effect<A, HttpFailure>
}

/** An answer whose text was not looked at yet. */
interface Received extends Omit<Answer, "text" | "length" | "json"> {
  readonly body: LongText
}

/** Answers of more characters are parsed in steps. */
const longAnswer = 0x80000

/** The most memory that the values of a response may take, as a multiple of the bytes that it may have. */
const memoryPerByte = 4

const attempts = Metric.counter("http.client.request.attempts", {
  description: "Requests sent to Prefect backends, retries included",
  incremental: true
})

const durations = Metric.histogram("http.client.request.duration", {
  description: "Seconds from a request to the end of its answer, retries included",
  boundaries: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
})

const maxRedirects = 5

/** The longest maintenance that a backend can announce. */
const maxMaintenance = 10 * 60_000

const isRedirect = (status: number) => status >= 300 && status < 400 && status !== 304

/** The base URL, and HTTP basic authentication from its user and password, as in browsers and Python's requests. */
export const parseUrl = (
  input: Address
): Effect.Effect<{ readonly url: URL; readonly basic: Redacted.Redacted | undefined }, PrefectConfigError> =>
  Effect.suspend(() => {
    const text = addressText(input)
    const url = URL.canParse(text) ? new URL(text) : undefined
    if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:")) {
      return Effect.fail(
        new PrefectConfigError({ source: "url", detail: "it is not an http or https URL, e.g. http://localhost:4200" })
      )
    }
    const credentials = url.username === "" && url.password === ""
      ? undefined
      : `${percentDecode(url.username)}:${percentDecode(url.password)}`
    url.username = ""
    url.password = ""
    url.hash = ""
    return Effect.succeed({
      url,
      basic: credentials === undefined
        ? undefined
        : Redacted.make(`Basic ${btoa(String.fromCharCode(...new TextEncoder().encode(credentials)))}`)
    })
  })

const percentDecode = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

const validHeaders = (
  headers: Readonly<Record<string, string | Redacted.Redacted>>
): Effect.Effect<Readonly<Record<string, string>>, PrefectConfigError> =>
  Effect.suspend(() => {
    const out: Record<string, string> = {}
    for (const [name, value] of Object.entries(headers)) {
      const text = Redacted.isRedacted(value) ? Redacted.value(value) : value
      if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name) || typeof text !== "string" || !/^[\t\x20-\x7e\x80-\xff]*$/.test(text)) {
        return Effect.fail(
          new PrefectConfigError({
            source: name.toLowerCase() === "authorization" ? "apiKey" : "headers",
            detail: "it has characters that an HTTP header cannot carry, perhaps a line break at its end"
          })
        )
      }
      out[name.toLowerCase()] = text
    }
    return Effect.succeed(out)
  })

/** A client for one origin. Uses the `HttpClient` of its context, or `fetch` when there is none. */
export const make = Effect.fnUntraced(function*(options: {
  readonly url: URL
  readonly headers: Readonly<Record<string, string | Redacted.Redacted>>
  readonly policy: HttpOptions
  /** The usual address of the API, for messages: `the API's address usually ends in /api`. */
  readonly addressHint: string
}) {
  const { policy, url } = options
  const context = yield* Effect.context<never>()
  const provided = Context.getOption(context as Context.Context<HttpClient.HttpClient>, HttpClient.HttpClient)
  const client = Option.isSome(provided)
    ? provided.value
    : yield* Effect.provide(HttpClient.HttpClient, FetchHttpClient.layer)
  const fetch = Option.isSome(provided) ? undefined : yield* fetchFor(policy.tls)
  const requestInit = Context.getOption(
    context as Context.Context<FetchHttpClient.RequestInit>,
    FetchHttpClient.RequestInit
  )
  const headers = yield* validHeaders({ ...policy.headers, ...options.headers })
  const maxBytes = yield* positiveInt("maxResponseBytes", policy.maxResponseBytes ?? 64 * 1024 * 1024)
  const permits = yield* positiveInt("maxConcurrentRequests", policy.maxConcurrentRequests ?? 16)
  const semaphore = yield* Semaphore.make(permits)
  const timeout = yield* durationOf("requestTimeout", policy.requestTimeout ?? "30 seconds")
  const retries = policy.retries ?? 5
  if (!Number.isSafeInteger(retries) || retries < 0) {
    return yield* new PrefectConfigError({ source: "retries", detail: "it is not 0 or a positive integer" })
  }
  const retryDelay = Duration.toMillis(yield* durationOf("retryDelay", policy.retryDelay ?? "200 millis"))
  const maxRetryDelay = Duration.toMillis(yield* durationOf("maxRetryDelay", policy.maxRetryDelay ?? "10 seconds"))
  const maxRetryAfter = Duration.toMillis(yield* durationOf("maxRetryAfter", policy.maxRetryAfter ?? "60 seconds"))
  const serverAttributes = {
    "server.address": url.hostname.replace(/^\[|\]$/g, ""),
    "server.port": url.port === "" ? (url.protocol === "https:" ? "443" : "80") : url.port
  }

  const { retryFirstConnection = true } = policy
  let hasConnected = retryFirstConnection
  /** Whether a response was usable: then the URL is right, and a body that is not JSON is a temporary problem. */
  let hasAnswered = false

  const foreign = ({ origin }: URL) =>
    malformed(
      `it redirects from ${url.origin} to ${origin}, where the credentials are not sent; ` +
        "if that is the right backend, use its URL"
    )

  /** A login page instead of an API. */
  const login = (target: URL) =>
    malformed(
      `${url.origin} redirects to a page to log in at (${target.origin}); ` +
        `${options.addressHint}, and credentials for programs`
    )

  const once = (
    request: HttpClientRequest.HttpClientRequest,
    redirects: number,
    most: number
  ): Effect.Effect<Received, HttpFailure> =>
    Effect.flatMap(
      Effect.flatMap(
        Effect.mapError(client.execute(request), (error) => networkFailure(error, url.origin, "sent", hasConnected)),
        (response) => {
          hasConnected = true
          // A custom client may follow redirects itself.
          const final = URL.canParse(response.url) ? new URL(response.url) : url
          if (final.origin !== url.origin) return Effect.fail(isLogin(final) ? login(final) : foreign(final))
          return Effect.zipWith(
            readBody(response, most, most < maxBytes, url.origin),
            Clock.currentTimeMillis,
            (body, receivedAt) => ({
              status: response.status,
              headers: response.headers,
              body,
              receivedAt
            })
          )
        }
      ),
      (answer) => {
        // A browser's fetch hides the target of a redirect and reports status 0.
        if (answer.status === 0) return Effect.fail(malformed("it redirects; use the URL that it redirects to"))
        const location = answer.headers["location"]
        if (!isRedirect(answer.status) || location === undefined) return Effect.succeed(answer)
        const target = URL.canParse(location, request.url) ? new URL(location, request.url) : undefined
        if (target === undefined) return Effect.fail(malformed("it redirects to something that is not a URL"))
        if (isLogin(target) && !isLogin(new URL(request.url))) return Effect.fail(login(target))
        if (target.origin !== url.origin) return Effect.fail(foreign(target))
        if (redirects >= maxRedirects) return Effect.fail(malformed(`it redirects more than ${maxRedirects} times`))
        if (answer.status === 303 && request.method !== "GET") {
          return Effect.fail(malformed("it redirects a query to a page (HTTP status 303)"))
        }
        target.username = ""
        target.password = ""
        target.hash = ""
        return once(HttpClientRequest.setUrl(request, target.href), redirects + 1, most)
      }
    )

  const settings = Context.make(HttpClient.TracerDisabledWhen, () => true).pipe(
    Context.add(FetchHttpClient.RequestInit, { ...Option.getOrUndefined(requestInit), redirect: "manual" }),
    (context) => fetch === undefined ? context : Context.add(context, FetchHttpClient.Fetch, fetch)
  )
  const secrets = secretsOf(headers, url)
  const clean = (text: string) => withoutSecrets(text, secrets)

  const attempt = (request: HttpClientRequest.HttpClientRequest, most: number): Effect.Effect<Received, HttpFailure> =>
    once(request, 0, most).pipe(
      Effect.timeoutOrElse({
        duration: timeout,
        orElse: () =>
          Effect.fail(unavailable(`no complete answer from ${url.origin} within ${Duration.format(timeout)}`, true))
      }),
      Effect.provideContext(settings),
      semaphore.withPermit
    )

  const send: HttpBackend["send"] = Effect.fnUntraced(function*<A>(
    operation: Operation,
    unsent: HttpClientRequest.HttpClientRequest,
    read: (answer: Answer) => Result.Result<A, HttpFailure>
  ) {
    const request = HttpClientRequest.setHeaders(unsent, headers)
    if (new URL(request.url).origin !== url.origin) {
      return yield* Effect.die(new Error(`${operation.name} asks another origin than ${url.origin}`))
    }
    const clock = yield* Clock.Clock
    const start = clock.currentTimeMillisUnsafe()
    let resent = 0
    let counted = 0
    let maintained = 0
    let value: Result.Success<A, HttpFailure> | undefined
    const step = policy.retrySchedule === undefined ? undefined : yield* Schedule.toStep(policy.retrySchedule)
    const run = Effect.useSpan(
      `PrefectApi.${operation.name}`,
      {
        kind: "client",
        attributes: {
          "http.request.method": request.method,
          ...serverAttributes,
          "server.port": Number(serverAttributes["server.port"]),
          ...operation.attributes
        }
      },
      // A span records the value of its effect, which is stored data here: so it is kept outside.
      Effect.fnUntraced(function*(span): Effect.fn.Return<void, HttpFailure> {
        while (true) {
          yield* Metric.update(
            Metric.withAttributes(attempts, { "http.request.method": request.method, ...serverAttributes }),
            1
          )
          const outcome = yield* Effect.result(attempt(request, Math.min(maxBytes, operation.maxBytes ?? maxBytes)))
          let failure: HttpFailure
          if (Result.isSuccess(outcome)) {
            span.attribute("http.response.status_code", outcome.success.status)
            const { body, ...received } = outcome.success
            const { length } = body
            const json = length > longAnswer
              ? yield* parseLong(body, parsePrecisely, maxBytes * memoryPerByte, operation.isRow)
              : undefined
            const text = body.slice(0, Math.min(length, longAnswer))
            const answer = read({ ...received, text, length, json })
            if (Result.isSuccess(answer)) {
              hasAnswered = true
              value = answer
              return
            }
            failure = answer.failure
          } else failure = outcome.failure
          failure = withDetail(failure, clean)
          const isUncounted = failure.isMaintenance === true && maintained < maxMaintenance
          const isRetryable = failure.retryable || failure.unreadable !== undefined && hasAnswered ||
            failure.unreadable === "cut" && retryFirstConnection
          const chance = yield* Random.next
          const backOff = !isRetryable
            ? undefined
            : step !== undefined && !isUncounted
            ? yield* scheduled(step, clock.currentTimeMillisUnsafe(), failure.reason)
            : counted < retries || isUncounted
            ? Math.min(maxRetryDelay, retryDelay * 2 ** counted) * (0.5 + chance / 2)
            : undefined
          if (backOff === undefined) {
            span.attribute("error.type", failure.reason._tag)
            return yield* failure
          }
          const asked = failure.retryAfter === undefined
            ? 0
            : Math.min(Duration.toMillis(failure.retryAfter), maxRetryAfter)
          const wait = failure.honourRetryAfter === true ? asked * (1 + chance / 5) : Math.max(backOff, asked)
          if (isUncounted) maintained += wait
          else counted++
          resent++
          span.attribute("http.request.resend_count", resent)
          yield* Effect.logDebug("retrying a request", {
            operation: operation.name,
            reason: failure.reason._tag,
            resent,
            waitMillis: Math.round(wait)
          })
          yield* Effect.sleep(wait)
        }
      })
    )
    yield* Effect.ensuring(
      run,
      Effect.suspend(() =>
        Metric.update(
          Metric.withAttributes(durations, { "http.request.method": request.method, ...serverAttributes }),
          (clock.currentTimeMillisUnsafe() - start) / 1000
        )
      )
    )
    return value!.success
  })

  return {
    origin: url.origin,
    url,
    addressHint: options.addressHint,
    withoutSecrets: clean,
    send
  } satisfies HttpBackend
})

/** Milliseconds until the next attempt; undefined once the schedule has ended. */
const scheduled = (
  step: Effect.Success<ReturnType<typeof Schedule.toStep<unknown, Reason, never, never>>>,
  now: number,
  reason: Reason
): Effect.Effect<number | undefined> =>
  Pull.catchDone(
    Effect.map(step(now, reason), ([, delay]): number | undefined => Duration.toMillis(delay)),
    () => Effect.undefined
  )

/** The bytes of a response without success that are read: its beginning says what is wrong. */
const maxErrorBytes = 0x100000

const readBody = (
  response: HttpClientResponse.HttpClientResponse,
  maxBytes: number,
  isKind: boolean,
  origin: string
): Effect.Effect<LongText, HttpFailure> =>
  Effect.suspend(() => {
    const body = new Body()
    const tooLarge = oversized(
      isKind
        ? `it is longer than ${maxBytes} bytes, the most that an answer of its kind may have`
        : `it is longer than ${maxBytes} bytes; ask for smaller pages, or raise maxResponseBytes`
    )
    const isError = response.status >= 300
    const declaredTooLarge = !isError && Number(response.headers["content-length"] ?? 0) > maxBytes
    return response.stream.pipe(
      Stream.runForEachWhile((chunk) => {
        if (declaredTooLarge || body.size + chunk.byteLength > maxBytes && !isError) return Effect.fail(tooLarge)
        body.add(chunk)
        return Effect.succeed(!isError || body.size < Math.min(maxBytes, maxErrorBytes))
      }),
      Effect.mapError((error) => error._tag === "HttpFailure" ? error : networkFailure(error, origin, "answered")),
      Effect.catchIf((failure) => failure === emptyBody, () => Effect.void),
      Effect.andThen(Effect.suspend(() => textOf(body)))
    )
  })
