/**
 * `GCSStorage`: results in Google Cloud Storage, through `@google-cloud/storage`.
 *
 * **Example** (A bucket, and a part of another)
 *
 * ```ts
 * import * as GCSStorage from "@effect-prefect/results/GCSStorage"
 *
 * export const Storage = GCSStorage.layer({ buckets: ["results", { bucket: "shared", prefix: "prefect" }] })
 * ```
 *
 * @since 0.1.0
 */
import { agentFor, checkFiles, shownCode } from "@effect-prefect/api/Network"
import type { GCSResult } from "@effect-prefect/core/ResultDescriptor"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as http from "node:http"
import * as https from "node:https"
import { addressText, checkEndpoint } from "./internal/remote/address.ts"
import type { Checksum } from "./internal/remote/checksum.ts"
import { denied, errorText, field, general, notFound, retryAfter, unavailable } from "./internal/remote/failure.ts"
import * as Network from "./internal/remote/network.ts"
import type { RemoteOptions } from "./internal/remote/options.ts"
import * as Reader from "./internal/remote/reader.ts"
import { load, rethrow } from "./internal/remote/sdk.ts"
import {
  type Client,
  contentRange,
  type Failure,
  isObjectStatus,
  type ObjectName,
  openedAs,
  type Part,
  rangeOf
} from "./internal/remote/store.ts"
import * as ResultStorage from "./ResultStorage.ts"

export type { RemoteOptions } from "./internal/remote/options.ts"

/**
 * The buckets that may be read, and how to reach the store.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends RemoteOptions {
  /** The buckets that may be read, each completely or below a prefix. */
  readonly buckets: ReadonlyArray<string | { readonly bucket: string; readonly prefix?: string | undefined }>
  /** Another address of the store, such as an emulator. Default `STORAGE_EMULATOR_HOST`, otherwise Google. */
  readonly endpoint?: string | URL | Redacted.Redacted | undefined
  /**
   * Whether to send the application default credentials to `endpoint`. Default: only when it is an address of Google.
   */
  readonly authenticate?: boolean | undefined
  /** The project that is billed, for requester-pays buckets. */
  readonly userProject?: string | undefined
}

const objectOf = ({ bucket, extra, location }: GCSResult): ObjectName => ({
  bucket: bucket ?? "",
  key: location ?? "",
  version: typeof extra?.["generation"] === "string" ? extra["generation"] : undefined
})

/** The service's response in place of the object: the error of a download is text, not JSON. */
class Refused extends Error {
  readonly status: number
  readonly text: string
  readonly headers: http.IncomingHttpHeaders
  readonly anonymous: boolean
  constructor(status: number, text: string, headers: http.IncomingHttpHeaders, anonymous: boolean) {
    super(`HTTP ${status}`)
    this.status = status
    this.text = text
    this.headers = headers
    this.anonymous = anonymous
  }
}

/** The credentials could not be obtained. */
class NoCredentials extends Error {
  constructor(cause: unknown) {
    super("no credentials", { cause })
  }
}

/** By https://cloud.google.com/storage/docs/json_api/v1/status-codes. */
const failure = (error: unknown, object: ObjectName, location: string): Failure => {
  if (error instanceof NoCredentials) {
    const refused = shownCode(field(error.cause, "response", "data", "error"))
    if (refused !== undefined) return denied(location, `Google did not accept the credentials (${refused})`)
    const network = general(location, error.cause, undefined)
    return /the request failed/.test(network.reason.message)
      ? denied(location, "the Google credentials could not be used")
      : network
  }
  if (!(error instanceof Refused)) return general(location, error, undefined)
  const { anonymous, headers, status, text } = error
  const after = retryAfter(headers["retry-after"])
  if (status === 401 && anonymous) return denied(location, "no Google credentials were found, and it is not public")
  if (status === 403 && /rateLimitExceeded/i.test(text)) {
    return unavailable(location, "the store gets too many requests (rateLimitExceeded)", "slower", after)
  }
  if (status === 403) return denied(location, "the credentials may not read it (storage.objects.get)")
  if (status === 404) {
    return /bucket does not exist/i.test(text)
      ? notFound(location, `there is no bucket ${JSON.stringify(object.bucket)}`)
      : notFound(location, "the bucket has no such object")
  }
  return general(location, error, status, after)
}

/** `crc32c=…,md5=…`; composed objects have no MD5. */
const checksumOf = (headers: http.IncomingHttpHeaders): Checksum | undefined => {
  const stored = headers["x-goog-stored-content-encoding"]
  // Google can decompress objects before sending them; the checksum is that of the stored bytes.
  if (stored !== undefined && stored !== "identity" && stored !== headers["content-encoding"]) return undefined
  const base64 = /(?:^|,)\s*crc32c=([A-Za-z0-9+/=]+)/.exec(String(headers["x-goog-hash"] ?? ""))?.[1]
  return base64 === undefined ? undefined : { algorithm: "crc32c", base64 }
}

const numberOf = (header: string | undefined): number | undefined => header === undefined ? undefined : Number(header)

const isGoogle = (url: URL): boolean => url.protocol === "https:" && url.hostname.endsWith(".googleapis.com")

const connect = (options: Options) => (concurrency: number) =>
  Effect.gen(function*() {
    const { Storage } = yield* load(
      "GCSResult",
      "@google-cloud/storage",
      () => import("@google-cloud/storage").catch(rethrow)
    )
    const { userProject } = options
    const endpoint = options.endpoint === undefined ? undefined : addressText(options.endpoint)
    yield* Network.configured("GCSResult", checkFiles("GOOGLE_APPLICATION_CREDENTIALS"))
    const agents = yield* Network.agents("GCSResult", options.tls, concurrency)
    const storage = new Storage({
      ...(endpoint === undefined ? {} : { apiEndpoint: endpoint }),
      // Reading needs no project: without one, the SDK looks for it, by gcloud among others, which takes seconds.
      projectId: "none",
      // The requests for credentials use the same agents.
      clientOptions: {
        transporterOptions: { agent: (url: URL) => agentFor(agents, url.href) }
      }
    })
    yield* checkEndpoint("GCSResult", storage.apiEndpoint)
    const base = new URL(storage.apiEndpoint)
    const authenticate = options.authenticate ?? (!storage.customEndpoint || isGoogle(base))
    const secure = base.protocol === "https:"
    const agent = agentFor(agents, base.href)

    const authorization = async (url: string): Promise<string | undefined> => {
      if (!authenticate) return undefined
      try {
        // Headers, or the plain object of older versions.
        return new Headers(await storage.authClient.getRequestHeaders(url)).get("authorization") ?? undefined
      } catch (error) {
        // As in the SDK: public objects can be read without any credentials.
        if (/could not load the default credentials/i.test(String(field(error, "message")))) return undefined
        throw new NoCredentials(error)
      }
    }

    // The address and the credentials come from the SDK. The request does not: the SDK's read stream passes through six
    // others, cannot be cancelled before it responds, and warns about leaked listeners.
    const get = (url: URL, headers: http.OutgoingHttpHeaders, signal: AbortSignal) =>
      new Promise<http.IncomingMessage>((resolve, reject) => {
        const request = (secure ? https : http).get(url, { agent, headers, signal }, resolve)
        request.on("error", reject)
      })

    const open = async ({ bucket, key, version }: ObjectName, part: Part | undefined, signal: AbortSignal) => {
      const path = `/storage/v1/b/${encodeURIComponent(bucket)}/o/${encodeURIComponent(key)}`
      const url = new URL(`${storage.apiEndpoint}${path}?alt=media`)
      const generation = part?.tag ?? version
      if (generation !== undefined) url.searchParams.set("generation", generation)
      if (userProject !== undefined) url.searchParams.set("userProject", userProject)
      const token = await authorization(url.href)
      const response = await get(url, {
        "accept-encoding": "gzip",
        ...(token === undefined ? {} : { authorization: token }),
        ...(part === undefined ? {} : { range: rangeOf(part) })
      }, signal)
      const { headers, statusCode = 0 } = response
      if (!isObjectStatus(statusCode)) {
        // The generation of the first request may be gone, which means that the object has changed.
        const status = part?.tag !== undefined && statusCode === 404 ? 412 : statusCode
        throw new Refused(status, await errorText(response), headers, token === undefined)
      }
      return openedAs(response, () => {
        const range = contentRange(headers["content-range"], statusCode)
        const tag = headers["x-goog-generation"]
        return {
          offset: range?.[0] ?? 0,
          isPart: range !== undefined,
          size: range === undefined ? numberOf(headers["content-length"]) : range[1],
          tag: typeof tag === "string" ? tag : undefined,
          checksum: range === undefined ? checksumOf(headers) : undefined
        }
      })
    }
    return {
      open,
      failure,
      close: () => {
        agents.http.destroy()
        agents.https.destroy()
      }
    } satisfies Client
  })

const readers = (options: Options) =>
  Reader.make({
    type: "GCSResult",
    scheme: "gs",
    object: objectOf,
    buckets: options.buckets,
    optionName: "GCSStorage.layer({ buckets })",
    emptyIsNone: true,
    connect: connect(options)
  }, options)

/**
 * Reads `GCSResult`s from the given buckets only. An empty object is None, as in Prefect.
 *
 * Requires the package `@google-cloud/storage`, which is loaded when the first object is read.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<ResultStorage.ResultStorage> =>
  ResultStorage.layer(readers(options))

/**
 * Like `layer`, with options from the configuration.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<ResultStorage.ResultStorage, Config.ConfigError> =>
  ResultStorage.layer(Effect.flatMap(Config.unwrap(options), readers))
