/** The client derived from the API, and the token that it sends. */
import { UiApi } from "@effect-prefect/ui-api/Api"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HttpApiClient from "effect/http-api/HttpApiClient"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import { base } from "./router.ts"

const storageKey = `effect-prefect token ${base}`

const stored = (): string => {
  try {
    return localStorage.getItem(storageKey) ?? ""
  } catch {
    return ""
  }
}

/** Removes the token from the address, so that it is in no history, and stores it for other tabs and reloads. */
export const takeToken = (): void => {
  const match = /^#token=([\w.~+/=-]+)$/.exec(location.hash)
  if (match === null) return
  token = match[1] ?? ""
  try {
    localStorage.setItem(storageKey, token)
  } catch {
    // The token lasts as long as this page.
  }
  history.replaceState(null, "", `${location.pathname}${location.search}`)
}

let token = stored()
addEventListener("storage", () => token = stored())

const headers = (): Record<string, string> => ({
  ...(token === "" ? {} : { authorization: `Bearer ${token}` }),
  "x-effect-prefect-quiet": "1"
})

interface Early {
  readonly response: Promise<Response>
  readonly controller: AbortController
}
const early = new Map<string, Early>()
/** Milliseconds after which a request that nobody wanted is cancelled. */
const earlyMillis = 5000

/**
 * Starts requests before the page that makes them is rendered, so that they do not wait for it and for each other: what
 * is mapped is walked while its task run is read. Each response goes to the first request of that path.
 */
export const startEarly = (paths: ReadonlyArray<string>): void => {
  for (const path of paths) {
    const url = `${location.origin}${base}/api${path}`
    const controller = new AbortController()
    const response = fetch(url, { headers: headers(), signal: controller.signal })
    // It is reported to the request that takes it, if there is one.
    response.catch(() => {})
    early.set(url, { response, controller })
    setTimeout(() => {
      if (early.delete(url)) controller.abort()
    }, earlyMillis)
  }
}

const takeEarly = (url: string, signal: AbortSignal | null | undefined): Promise<Response> | undefined => {
  const begun = early.get(url)
  early.delete(url)
  signal?.addEventListener("abort", () => begun?.controller.abort())
  return begun?.response
}

/**
 * Failures are requested as successful responses with their status in a header, because the browser would log them to
 * its console.
 */
const fetchQuietly: typeof globalThis.fetch = async (input, init) => {
  const response = await (takeEarly(String(input), init?.signal) ?? fetch(input, init))
  const status = response.headers.get("x-effect-prefect-status")
  if (status === null) return response
  return new Response(response.body, { status: Number(status), headers: response.headers })
}

const withToken = HttpClient.mapRequest((request: HttpClientRequest.HttpClientRequest) =>
  HttpClientRequest.setHeaders(request, headers())
)

const make = HttpApiClient.make(UiApi, { baseUrl: `${location.origin}${base}`, transformClient: withToken })

export const client = Effect.runSync(
  make.pipe(Effect.provide(FetchHttpClient.layer), Effect.provideService(FetchHttpClient.Fetch, fetchQuietly))
)

/** A failure as shown on the page. */
export interface Failure {
  readonly tag: string
  readonly reason: string
  readonly message: string
}

const gone: Failure = {
  tag: "Unreachable",
  reason: "Unreachable",
  message: "The server does not respond: start effect-prefect ui again, then open the address that it prints."
}

const failureOf = (error: unknown): Failure => {
  if (typeof error === "object" && error !== null && "_tag" in error && "message" in error) {
    const { _tag, message } = error as { readonly _tag: string; readonly message: unknown }
    if ("reason" in error && typeof error.reason === "string") {
      return { tag: _tag, reason: error.reason, message: String(message) }
    }
    if (_tag === "HttpClientError") return gone
    if (_tag === "SchemaError") {
      return {
        tag: _tag,
        reason: "Mismatch",
        message: "The server's response has an unknown format: reload the page."
      }
    }
  }
  return { tag: "Unknown", reason: "Unknown", message: "This part of the page failed: reload it." }
}

/** Runs a request. The promise never rejects; an aborted request never settles. */
export const run = <A, E>(
  effect: Effect.Effect<A, E>,
  signal: AbortSignal,
  onSuccess: (value: A) => void,
  onFailure: (failure: Failure) => void
): void => {
  void Effect.runPromiseExit(effect, { signal }).then((exit) => {
    if (signal.aborted) return
    if (Exit.isSuccess(exit)) onSuccess(exit.value)
    else if (!Cause.hasInterruptsOnly(exit.cause)) onFailure(failureOf(Cause.squash(exit.cause)))
  })
}

/** Fetches a file with the token and saves it. Returns the failure, if any. */
export const download = async (path: string, name: string): Promise<Failure | undefined> => {
  try {
    const response = await fetchQuietly(`${base}/api${path}`, { headers: headers() })
    if (!response.ok) return failureOf(await response.json())
    const match = /filename="([^"]+)"/.exec(response.headers.get("content-disposition") ?? "")
    const url = URL.createObjectURL(await response.blob())
    const link = document.createElement("a")
    link.href = url
    link.download = match?.[1] ?? name
    link.click()
    setTimeout(() => URL.revokeObjectURL(url), 60_000)
    return undefined
  } catch {
    return gone
  }
}
