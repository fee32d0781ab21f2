/**
 * `GCSOutput`: a collection in a Google Cloud Storage bucket.
 *
 * Requires the package `@google-cloud/storage`.
 *
 * **Example** (A folder of a bucket)
 *
 * ```ts
 * import * as GCSOutput from "@effect-prefect/collect/GCSOutput"
 *
 * export const Output = GCSOutput.layer({ bucket: "collections", prefix: "orders" })
 * ```
 *
 * @since 0.1.0
 */
import { agentFor, type TlsOptions } from "@effect-prefect/api/Network"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import { createHash, getFips, type Hash, randomUUID } from "node:crypto"
import * as http from "node:http"
import * as https from "node:https"
import { setImmediate } from "node:timers/promises"
import { CollectError, OutputUnavailable } from "./CollectError.ts"
import { CollectOutput } from "./CollectOutput.ts"
import {
  addressText,
  collected,
  keyPrefix,
  loadSdk,
  make as makeOutput,
  networkAgents,
  type ObjectStore,
  rethrow
} from "./internal/objectOutput.ts"

/**
 * The destination of the collection, and how to reach the store.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  readonly bucket: string
  /** The folder in the bucket. Default: the root. */
  readonly prefix?: string | undefined
  /** The server, when it is not Google's. It gets no credentials. */
  readonly endpoint?: string | URL | Redacted.Redacted | undefined
  /**
   * Certificate authorities, and a client's certificate. Proxies are those of `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and
   * `NO_PROXY`, in either case, on Node.js 22.21, 24.5 and newer.
   */
  readonly tls?: TlsOptions | undefined
}

/** An answer that says that the store did not do what was asked. */
class Refused extends Error {
  readonly statusCode: number
  constructor(statusCode: number) {
    super(`HTTP ${statusCode}`)
    this.statusCode = statusCode
  }
}

const statusOf = (error: unknown): number | undefined => error instanceof Refused ? error.statusCode : undefined

/** Undefined where OpenSSL may use approved algorithms only. */
const md5 = (): Hash | undefined => getFips() === 0 ? createHash("md5") : undefined

/** Bytes of which the checksum takes a few milliseconds. */
const step = 2 ** 22

const checksumOf = async (bytes: Uint8Array): Promise<string | undefined> => {
  const hash = md5()
  for (let at = 0; at < bytes.length && hash !== undefined; at += step) {
    hash.update(bytes.subarray(at, at + step))
    await setImmediate()
  }
  return hash?.digest("base64")
}

/** The names of a page of a listing, and the token of the next one. */
const pageOf = (text: string): { readonly names: ReadonlyArray<string>; readonly next: string | undefined } => {
  const { items, nextPageToken } = (JSON.parse(text) ?? {}) as {
    readonly items?: unknown
    readonly nextPageToken?: unknown
  }
  return {
    names: Array.isArray(items)
      ? items.flatMap((item: { readonly name?: unknown } | null) => typeof item?.name === "string" ? item.name : [])
      : [],
    next: typeof nextPageToken === "string" && nextPageToken !== "" ? nextPageToken : undefined
  }
}

const storeOf = (
  { Storage }: typeof import("@google-cloud/storage"),
  options: Options,
  name: string,
  agentOf: (url: string) => http.Agent | https.Agent
): ObjectStore => {
  const storage = new Storage({
    ...(options.endpoint === undefined ? {} : { apiEndpoint: addressText(options.endpoint) }),
    // Objects need no project: without one, the SDK looks for it, by gcloud among others, which takes seconds.
    projectId: "none",
    clientOptions: { transporterOptions: { agent: (url: URL) => agentOf(url.href) } }
  })
  const objects = `/storage/v1/b/${encodeURIComponent(options.bucket)}/o`
  const pathOf = (key: string) => `${objects}/${encodeURIComponent(key)}`

  const authorization = async (url: string): Promise<string | undefined> => {
    if (storage.customEndpoint) return undefined
    try {
      // Headers, or the plain object of older versions.
      return new Headers(await storage.authClient.getRequestHeaders(url)).get("authorization") ?? undefined
    } catch (error) {
      // As in the SDK: the store says whether it takes requests without any credentials.
      if (error instanceof Error && /could not load the default credentials/i.test(error.message)) return undefined
      throw error
    }
  }

  // The address and the credentials come from the SDK. The requests do not: the SDK takes no signal, reads error bodies
  // of any length, and its retries of reads leave an unhandled rejection, which ends the process.
  const send = async (
    method: string,
    path: string,
    query: Readonly<Record<string, string>>,
    signal: AbortSignal,
    body?: { readonly type: string; readonly pieces: ReadonlyArray<Uint8Array> }
  ): Promise<http.IncomingMessage> => {
    const url = new URL(`${storage.apiEndpoint}${path}?${new URLSearchParams(query)}`)
    const token = await authorization(url.href)
    const request = (url.protocol === "https:" ? https : http).request(url, {
      method,
      signal,
      agent: agentOf(url.href),
      headers: {
        ...(token === undefined ? {} : { authorization: token }),
        ...(body === undefined ? {} : { "content-type": body.type }),
        ...(method === "GET"
          ? {}
          : { "content-length": body?.pieces.reduce((size, piece) => size + piece.length, 0) ?? 0 })
      }
    })
    const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
      request.on("response", resolve).on("error", reject)
      for (const piece of body?.pieces ?? []) request.write(piece)
      request.end()
    })
    const { statusCode = 0 } = response
    if (statusCode >= 200 && statusCode < 300) return response
    const text = await collected(name, true, response)
    // A store that refuses may not read the rest of a large body.
    if (!request.writableFinished) request.destroy()
    // Also how Google says that there are too many requests.
    throw new Refused(statusCode === 403 && /rateLimitExceeded/i.test(text.toString()) ? 429 : statusCode)
  }

  const textOf = async (response: http.IncomingMessage) => (await collected(name, false, response)).toString()

  return {
    name,
    conditionHint: "choose one that supports ifGenerationMatch, or collect to a folder",
    create: async (key, bytes, signal) => {
      const boundary = randomUUID()
      const metadata = JSON.stringify({ name: key, md5Hash: await checksumOf(bytes) })
      const type = "content-type: application/"
      const head = `--${boundary}\r\n${type}json; charset=utf-8\r\n\r\n${metadata}\r\n` +
        `--${boundary}\r\n${type}octet-stream\r\n\r\n`
      const query = { uploadType: "multipart", name: key, ifGenerationMatch: "0" }
      try {
        await textOf(
          await send("POST", `/upload${objects}`, query, signal, {
            type: `multipart/related; boundary=${boundary}`,
            pieces: [Buffer.from(head), bytes, Buffer.from(`\r\n--${boundary}--`)]
          })
        )
        return true
      } catch (error) {
        // Also the response to our own retry, when the response to the first request was lost.
        if (statusOf(error) === 412) return false
        throw error
      }
    },
    read: async function*(key, signal) {
      const response = await send("GET", pathOf(key), { alt: "media" }, signal)
      const stored = /(?:^|,)\s*md5=([A-Za-z0-9+/=]+)/.exec(String(response.headers["x-goog-hash"] ?? ""))?.[1]
      const hash = stored === undefined ? undefined : md5()
      for await (const chunk of response as AsyncIterable<Buffer>) {
        hash?.update(chunk)
        yield chunk
      }
      if (hash !== undefined && hash.digest("base64") !== stored) {
        const detail = "an object of it does not arrive as it is stored: its checksum is another"
        throw new CollectError({ reason: new OutputUnavailable({ output: name, detail }) })
      }
    },
    isMissing: (error) => statusOf(error) === 404,
    list: async function*(prefix, signal) {
      const query = { prefix, delimiter: "/", maxResults: "1000", fields: "items(name),nextPageToken" }
      let pageToken: string | undefined
      do {
        const { names, next } = pageOf(
          await textOf(
            await send("GET", objects, pageToken === undefined ? query : { ...query, pageToken }, signal)
          )
        )
        yield names
        pageToken = next
      } while (pageToken !== undefined)
    },
    remove: async (key, signal) => {
      try {
        await textOf(await send("DELETE", pathOf(key), {}, signal))
      } catch (error) {
        if (statusOf(error) !== 404) throw error
      }
    }
  }
}

/**
 * A collection in a Google Cloud Storage bucket, with the application's default credentials.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<CollectOutput, CollectError> =>
  Layer.effect(
    CollectOutput,
    Effect.gen(function*() {
      const sdk = yield* loadSdk("@google-cloud/storage", () => import("@google-cloud/storage").catch(rethrow))
      const agents = yield* networkAgents(Effect.succeed(options.tls), ["GOOGLE_APPLICATION_CREDENTIALS"])
      const prefix = keyPrefix(options.prefix)
      const name = `gs://${options.bucket}/${prefix}`.replace(/\/$/, "")
      return CollectOutput.of(makeOutput(storeOf(sdk, options, name, (url) => agentFor(agents, url)), prefix))
    })
  )

/**
 * Like `layer`, with options from the configuration.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<CollectOutput, CollectError | Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap(options), layer))
