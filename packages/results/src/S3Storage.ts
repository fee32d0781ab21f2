/**
 * `S3Storage`: results in S3 and in compatible stores, through `@aws-sdk/client-s3`.
 *
 * **Example** (A bucket of AWS, and one of a compatible store)
 *
 * ```ts
 * import * as S3Storage from "@effect-prefect/results/S3Storage"
 * import { Config } from "effect"
 *
 * export const Aws = S3Storage.layer({ buckets: ["results", { bucket: "shared", prefix: "prefect" }] })
 *
 * export const Configured = S3Storage.layerConfig({
 *   buckets: Config.succeed(["results"]),
 *   endpoint: Config.String("S3_ENDPOINT"),
 *   credentials: {
 *     accessKeyId: Config.String("S3_KEY_ID"),
 *     secretAccessKey: Config.Redacted("S3_SECRET")
 *   }
 * })
 * ```
 *
 * @since 0.1.0
 */
import type { S3Client } from "@aws-sdk/client-s3"
import { checkFiles, isProgramTimeout, loadTls, sharedPrograms, withPrograms } from "@effect-prefect/api/Network"
import type { S3Result } from "@effect-prefect/core/ResultDescriptor"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type { IncomingMessage } from "node:http"
import { Readable } from "node:stream"
import type { ReadableStream } from "node:stream/web"
import { objectVersion } from "./internal/objectVersion.ts"
import { addressText, checkEndpoint } from "./internal/remote/address.ts"
import type { Checksum } from "./internal/remote/checksum.ts"
import {
  denied,
  errorCode,
  field,
  general,
  notFound,
  retryAfter,
  unavailable,
  word
} from "./internal/remote/failure.ts"
import * as Network from "./internal/remote/network.ts"
import type { RemoteOptions } from "./internal/remote/options.ts"
import * as Reader from "./internal/remote/reader.ts"
import { load, rethrow } from "./internal/remote/sdk.ts"
import * as SignedGet from "./internal/remote/signedGet.ts"
import {
  type Client,
  contentRange,
  discard,
  type Failure,
  isObjectStatus,
  type Marks,
  type ObjectName,
  type Opened,
  openedAs,
  type Part,
  rangeOf
} from "./internal/remote/store.ts"
import { StorageUnavailable } from "./ResultError.ts"
import * as ResultStorage from "./ResultStorage.ts"

export type { RemoteOptions } from "./internal/remote/options.ts"

/**
 * An `S3Client` of `@aws-sdk/client-s3`, in a form whose types do not need that package.
 *
 * @category models
 * @since 0.1.0
 */
export interface ClientLike {
  readonly config: object
  readonly middlewareStack: object
  readonly send: (command: never, options?: never) => Promise<unknown>
}

/**
 * An access key.
 *
 * @category models
 * @since 0.1.0
 */
export interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: Redacted.Redacted
  readonly sessionToken?: Redacted.Redacted | undefined
}

/**
 * The buckets that may be read, and how to reach the store. Without `tls`, the authorities of `AWS_CA_BUNDLE` are
 * trusted in addition to Node's own.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends RemoteOptions {
  /** The buckets that may be read, each completely or below a prefix. */
  readonly buckets: ReadonlyArray<string | { readonly bucket: string; readonly prefix?: string | undefined }>
  /** The store, when it is not AWS: `http://localhost:9000`. Default `AWS_ENDPOINT_URL_S3`, otherwise AWS. */
  readonly endpoint?: string | URL | Redacted.Redacted | undefined
  /** `http://host/bucket/key` instead of `http://bucket.host/key`. Default true with `endpoint`, otherwise false. */
  readonly forcePathStyle?: boolean | undefined
  /**
   * Default: the region of the AWS configuration, otherwise `us-east-1`. The region of each bucket is detected
   * automatically.
   */
  readonly region?: string | undefined
  /** Default: the credential chain of the AWS SDK, from the environment through the profiles to the machine's role. */
  readonly credentials?: Credentials | undefined
  /**
   * Your own client, or an effect that makes one when the first object is read. Its address, credentials, request handler
   * and retries are used; `endpoint`, `forcePathStyle`, `region`, `credentials` and `tls` are not. It is not destroyed with
   * the layer. `maxAttempts: 1` leaves retries to this storage, which reduces its concurrency when the store throttles.
   */
  readonly client?: ClientLike | Effect.Effect<ClientLike, unknown> | undefined
  /**
   * Whether objects are requested directly once the SDK has found a bucket's address, which is about twice as fast
   * (docs/decisions/s3-signing.md). Such requests do not use a client's request handler and middleware. Default: true
   * without `client`.
   */
  readonly signedGet?: boolean | undefined
}

const objectOf = (descriptor: S3Result): ObjectName => ({
  bucket: descriptor.bucket ?? "",
  key: descriptor.location ?? "",
  version: objectVersion(descriptor)
})

/** Codes of https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html and of the SDK's credential providers. */
const credentialCodes: Record<string, string> = {
  InvalidAccessKeyId: "the store does not know the access key",
  SignatureDoesNotMatch: "the secret access key is wrong",
  ExpiredToken: "the session token has expired",
  InvalidToken: "the session token is not valid",
  TokenRefreshRequired: "the session token has to be renewed",
  InvalidSecurity: "the credentials are not valid",
  AuthorizationHeaderMalformed: "the store did not accept the signature; the region may be wrong",
  CredentialsProviderError: "no AWS credentials were found"
}

const accessCodes: Record<string, string> = {
  AccessDenied: "the credentials may not read it, or it does not exist and they may not list the bucket",
  Forbidden: "the credentials may not read it",
  AllAccessDisabled: "the bucket is disabled",
  AccountProblem: "there is a problem with the account"
}

const slowCodes = new Set([
  "SlowDown",
  "ServiceUnavailable",
  "RequestLimitExceeded",
  "Throttling",
  "ThrottlingException",
  "ThrottledException",
  "TooManyRequests",
  "TooManyRequestsException",
  "BandwidthLimitExceeded"
])

const failure = (error: unknown, object: ObjectName, location: string): Failure => {
  if (isProgramTimeout(error)) {
    return denied(location, "the program that gives its credentials did not end within 25 seconds")
  }
  const code = word(field(error, "Code")) ?? word(field(error, "name")) ?? ""
  const status = field(error, "$metadata", "httpStatusCode")
  const after = retryAfter(field(error, "$response", "headers", "retry-after"))
  if (code === "NoSuchKey") return notFound(location, "the bucket has no such object (NoSuchKey)")
  if (code === "NoSuchVersion") return notFound(location, "the object has no such version (NoSuchVersion)")
  if (code === "NoSuchBucket") {
    return notFound(location, `there is no bucket ${JSON.stringify(object.bucket)} (NoSuchBucket)`)
  }
  if (Object.hasOwn(credentialCodes, code)) return denied(location, `${credentialCodes[code]} (${code})`)
  if (Object.hasOwn(accessCodes, code)) return denied(location, `${accessCodes[code]} (${code})`)
  if (slowCodes.has(code)) return unavailable(location, `the store gets too many requests (${code})`, "slower", after)
  // The SDK corrects its clock from the response, so the next request has the right time.
  if (code === "RequestTimeTooSkewed") return unavailable(location, `the clock of this machine is wrong (${code})`)
  if (code === "InvalidObjectState") {
    return unavailable(location, `it is archived and has to be restored first (${code})`, "never")
  }
  return general(location, error, typeof status === "number" ? status : undefined, after)
}

/** The common part of a response for both ways to request an object. */
interface Headers {
  readonly contentLength: number | undefined
  readonly contentRange: string | undefined
  readonly etag: string | undefined
  /** The version and the time of the last change. */
  readonly marks: Marks
  readonly checksumType: string | undefined
  readonly checksums: ReadonlyArray<readonly [Checksum["algorithm"], string | undefined]>
}

const algorithms = ["crc64nvme", "crc32", "crc32c", "sha256", "sha1"] as const

const plainHeaders = (headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>): Headers => {
  const one = (name: string) => {
    const value = headers[name]
    return typeof value === "string" ? value : undefined
  }
  const length = one("content-length")
  return {
    contentLength: length === undefined ? undefined : Number(length),
    contentRange: one("content-range"),
    etag: one("etag"),
    marks: [one("x-amz-version-id"), one("last-modified")],
    checksumType: one("x-amz-checksum-type"),
    checksums: algorithms.map((algorithm) => [algorithm, one(`x-amz-checksum-${algorithm}`)])
  }
}

const checksumOf = ({ checksumType, checksums }: Headers): Checksum | undefined => {
  for (const [algorithm, base64] of checksums) {
    // The composite checksum of a multipart upload ends in "-" and the number of parts.
    if (base64 !== undefined && checksumType !== "COMPOSITE" && !base64.includes("-")) return { algorithm, base64 }
  }
  return undefined
}

const opened = (body: Readable, headers: Headers, status: number | undefined): Opened =>
  openedAs(body, () => {
    const range = contentRange(headers.contentRange, status)
    const [offset, size] = range ?? [0, headers.contentLength]
    return {
      offset,
      isPart: range !== undefined,
      size,
      // A weak ETag cannot be used in a condition.
      tag: headers.etag?.startsWith("W/") === true ? undefined : headers.etag,
      marks: headers.marks,
      checksum: range === undefined ? checksumOf(headers) : undefined
    }
  })

/** The error that the SDK makes from a response. */
const refused = async (response: IncomingMessage) => ({
  name: await errorCode(response) ?? "",
  $metadata: { httpStatusCode: response.statusCode },
  $response: { headers: response.headers }
})

/** Errors that the SDK can correct: another region, a wrong clock, an expired token. */
const isForSdk = (code: string, status: number): boolean =>
  status === 301 || status === 307 || code === "AuthorizationHeaderMalformed" || code === "RequestTimeTooSkewed" ||
  code === "ExpiredToken" || code === "InvalidToken"

/** What a store says of temporary credentials whose time is over. */
const isExpired: ReadonlySet<string> = new Set(["ExpiredToken", "InvalidToken", "TokenRefreshRequired"])

/** The body from a request handler: of Node's own clients, or of `fetch`. */
const readable = (body: unknown): Readable =>
  body instanceof Readable ? body : Readable.fromWeb(body as ReadableStream<Uint8Array>)

const isRegion = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/

const clientOf = (
  given: NonNullable<Options["client"]>
): Effect.Effect<S3Client, StorageUnavailable> =>
  Effect.isEffect(given)
    ? Effect.mapError(
      given as Effect.Effect<S3Client, unknown>,
      () => new StorageUnavailable({ location: "S3Result", detail: "its client could not be made" })
    )
    : Effect.succeed(given as S3Client)

const checksumMode = "x-amz-checksum-mode"

const connect = (options: Options, tls: ReturnType<typeof loadTls>) => (concurrency: number) =>
  Effect.gen(function*() {
    const { GetObjectCommand, S3Client } = yield* load(
      "S3Result",
      "@aws-sdk/client-s3",
      () => import("@aws-sdk/client-s3").catch(rethrow)
    )
    const { credentials, forcePathStyle, region } = options
    const endpoint = options.endpoint === undefined ? undefined : addressText(options.endpoint)
    yield* checkEndpoint("S3Result", endpoint)
    if (region !== undefined && !isRegion.test(region)) {
      return yield* new StorageUnavailable({
        location: "S3Result",
        detail: "its region is not the name of one, e.g. us-east-1"
      })
    }
    if (options.client === undefined) {
      yield* Network.configured(
        "S3Result",
        checkFiles("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE")
      )
    }
    const agents = yield* Network.agents("S3Result", yield* Network.configured("S3Result", tls), concurrency)
    const useSignedGet = options.signedGet ?? options.client === undefined
    const make = (region: string | undefined): S3Client =>
      new S3Client({
        ...(endpoint === undefined ? {} : { endpoint }),
        ...(region === undefined ? {} : { region }),
        ...(credentials === undefined ? {} : {
          credentials: {
            accessKeyId: credentials.accessKeyId,
            secretAccessKey: Redacted.value(credentials.secretAccessKey),
            ...(credentials.sessionToken === undefined
              ? {}
              : { sessionToken: Redacted.value(credentials.sessionToken) })
          }
        }),
        forcePathStyle: forcePathStyle ?? endpoint !== undefined,
        followRegionRedirects: true,
        // Retries, limits and verification are implemented once for all stores, where throttling is detected.
        maxAttempts: 1,
        responseChecksumValidation: "WHEN_REQUIRED",
        requestHandler: { httpAgent: agents.http, httpsAgent: agents.https, connectionTimeout: 10_000 }
      })
    const given = options.client
    const client = yield* given !== undefined ? clientOf(given) : Effect.promise(async () => {
      const configured = make(region)
      if (region !== undefined) return configured
      try {
        await configured.config.region()
        return configured
      } catch {
        configured.destroy()
        return make("us-east-1")
      }
    })
    // The first object of a bucket is requested through the SDK, which finds the region, the address and the
    // credentials; later ones by the same route without its middleware, until a request is rejected.
    const routes = new Map<string, SignedGet.Route>()

    // A client of the caller's own gets its credentials in its own way.
    const credentialsOf = given !== undefined || credentials !== undefined
      ? () => client.config.credentials()
      : sharedPrograms(() => client.config.credentials())

    const openBySdk = async (
      { bucket, key, version }: ObjectName,
      part: Part | undefined,
      abortSignal: AbortSignal
    ) => {
      const command = new GetObjectCommand({
        Bucket: bucket,
        Key: key,
        ...(version === undefined ? {} : { VersionId: version }),
        ...(part === undefined ? {} : { Range: rangeOf(part) }),
        ...(part?.tag === undefined ? {} : { IfMatch: part.tag })
      })
      let headers: Readonly<Record<string, string | undefined>> = {}
      // On the command, so that a client of the caller's own stays as it is.
      // ChecksumMode of the command would also make the SDK verify, with a slower stream and only some algorithms.
      command.middlewareStack.add(
        (next) => (args) => {
          const { headers } = args.request as { readonly headers: Record<string, string> }
          if (part === undefined) headers[checksumMode] = "ENABLED"
          return next(args)
        },
        { step: "build", name: "askForChecksum" }
      )
      command.middlewareStack.add(
        (next) => async (args) => {
          const result = await next(args)
          const route = useSignedGet ? SignedGet.routeOf(args.request, key) : undefined
          if (route !== undefined) routes.set(bucket, route)
          // Older SDKs omit checksums that they do not know.
          headers = (result.response as { readonly headers: typeof headers }).headers
          return result
        },
        { step: "finalizeRequest", priority: "low", name: "learnRoute" }
      )
      // The SDK collects an error of any length and parses it as XML. Only its code is needed.
      command.middlewareStack.add(
        (next) => async (args) => {
          const result = await next(args)
          const response = result.response as { readonly statusCode: number; body?: unknown }
          if (response.statusCode >= 300 && response.body !== undefined) {
            const code = await errorCode(readable(response.body))
            response.body = Buffer.from(code === undefined ? "" : `<Error><Code>${code}</Code></Error>`)
          }
          return result
        },
        { step: "deserialize", priority: "low", name: "shortenError" }
      )
      // The SDK gives up no program that it has started for its credentials, and keeps those that it has.
      if (given === undefined) await credentialsOf(abortSignal)
      const output = await client.send(command, { abortSignal })
      const status = output.$metadata.httpStatusCode ?? 0
      if (!isObjectStatus(status)) {
        if (output.Body !== undefined) discard(readable(output.Body))
        throw { $metadata: output.$metadata }
      }
      return opened(readable(output.Body), plainHeaders(headers), status)
    }

    const openOnce = async (object: ObjectName, part: Part | undefined, signal: AbortSignal): Promise<Opened> => {
      const route = routes.get(object.bucket)
      if (route === undefined || object.version !== undefined) return openBySdk(object, part, signal)
      const headers: Record<string, string> = part === undefined
        ? { [checksumMode]: "ENABLED" }
        : { range: rangeOf(part), ...(part.tag === undefined ? {} : { "if-match": part.tag }) }
      const now = Date.now() + client.config.systemClockOffset
      const response = await SignedGet.get(
        route,
        object.key,
        headers,
        await credentialsOf(signal),
        now,
        agents,
        signal
      )
      const status = response.statusCode ?? 0
      if (isObjectStatus(status)) return opened(response, plainHeaders(response.headers), status)
      const error = await refused(response)
      if (!isForSdk(error.name, status)) throw error
      routes.delete(object.bucket)
      return openBySdk(object, part, signal)
    }

    /** How often the credentials became newer ones, and whether they do so at the moment. */
    let renewals = 0
    let renewing: Promise<boolean> | undefined
    const renew = async (): Promise<boolean> => {
      const before = await client.config.credentials()
      const renewed = await withPrograms(() => client.config.credentials({ forceRefresh: true })).catch(() => before)
      const isNew = renewed.sessionToken !== before.sessionToken || renewed.accessKeyId !== before.accessKeyId
      if (isNew) renewals++
      return isNew
    }

    /** The SDK keeps a token until the time at which it expires by this machine's clock, if it knows that time. */
    const open = async (object: ObjectName, part: Part | undefined, signal: AbortSignal): Promise<Opened> => {
      const before = renewals
      try {
        return await openOnce(object, part, signal)
      } catch (error) {
        const code = field(error, "Code") ?? field(error, "name")
        if (given !== undefined || credentials !== undefined || !(typeof code === "string" && isExpired.has(code))) {
          throw error
        }
        // Of many reads at once, those whose answers come late find that another has renewed the credentials.
        if (renewals === before) {
          renewing ??= renew().finally(() => {
            renewing = undefined
          })
          if (!(await renewing)) throw error
        }
        return openOnce(object, part, signal)
      }
    }

    const close = () => {
      // A client of the caller's own is closed by the caller.
      if (given === undefined) client.destroy()
      agents.http.destroy()
      agents.https.destroy()
    }
    return { open, failure, close } satisfies Client
  })

const readers = (options: Options) =>
  Effect.gen(function*() {
    // The current settings of the environment; a mistake in them is an error of the results that need the store.
    const tls = options.tls === undefined ? yield* Effect.exit(loadTls("AWS_CA_BUNDLE")) : Effect.succeed(options.tls)
    return yield* Reader.make({
      type: "S3Result",
      scheme: "s3",
      object: objectOf,
      buckets: options.buckets,
      optionName: "S3Storage.layer({ buckets })",
      emptyIsNone: true,
      connect: connect(options, tls)
    }, options)
  })

/**
 * Reads `S3Result`s from the given buckets only. An empty object is None, as in Prefect.
 *
 * Requires the package `@aws-sdk/client-s3`, which is loaded when the first object is read.
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
