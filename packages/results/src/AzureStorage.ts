/**
 * `AzureStorage`: results in Azure Blob Storage, through `@azure/storage-blob`.
 *
 * **Example** (A container)
 *
 * ```ts
 * import * as AzureStorage from "@effect-prefect/results/AzureStorage"
 *
 * export const Storage = AzureStorage.layer({ containers: ["results"] })
 * ```
 *
 * @since 0.1.0
 */
import type { DefaultAzureCredentialOptions, TokenCredential } from "@azure/identity"
import type { BlobServiceClient, RequestPolicyFactory } from "@azure/storage-blob"
import { agentFor, checkFiles, isProgramTimeout, withPrograms } from "@effect-prefect/api/Network"
import type { AzureResult } from "@effect-prefect/core/ResultDescriptor"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { Readable } from "node:stream"
import { type Address, addressText, isHttp } from "./internal/remote/address.ts"
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
import type { Bucket, RemoteOptions } from "./internal/remote/options.ts"
import * as Reader from "./internal/remote/reader.ts"
import { load, rethrow } from "./internal/remote/sdk.ts"
import {
  type Client,
  contentRange,
  type Failure,
  type ObjectName,
  openedAs,
  type Part
} from "./internal/remote/store.ts"
import { StorageNotProvided, type StorageReason } from "./ResultError.ts"
import * as ResultStorage from "./ResultStorage.ts"

export type { RemoteOptions } from "./internal/remote/options.ts"

/**
 * The account comes from `connectionString`, else `accountUrl`, else the environment:
 * `AZURE_STORAGE_CONNECTION_STRING`, which Prefect uses too, then `AZURE_STORAGE_ACCOUNT`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends RemoteOptions {
  /** The containers that may be read, each completely or below a prefix. */
  readonly containers: ReadonlyArray<string | { readonly container: string; readonly prefix?: string | undefined }>
  /** `DefaultEndpointsProtocol=https;AccountName=…`, with a key or a shared access signature. */
  readonly connectionString?: Redacted.Redacted | undefined
  /**
   * `https://ACCOUNT.blob.core.windows.net`, accessed with the default credentials of `@azure/identity`, or a URL with
   * a shared access signature, best as a `Redacted`.
   */
  readonly accountUrl?: string | URL | Redacted.Redacted | undefined
  /** A shared access signature for `accountUrl`, instead of `@azure/identity`. */
  readonly sasToken?: Redacted.Redacted | undefined
}

const objectOf = ({ container, extra, location }: AzureResult): ObjectName => ({
  bucket: container ?? "",
  key: location ?? "",
  version: typeof extra?.["version_id"] === "string" ? extra["version_id"] : undefined
})

/** Codes of https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes and of `@azure/identity`. */
const accessCodes: Record<string, string> = {
  AuthenticationFailed: "the account key or signature is wrong, or has expired",
  InvalidAuthenticationInfo: "the credentials are not valid",
  NoAuthenticationInformation: "no credentials were sent",
  AuthorizationFailure: "the credentials may not read it",
  AuthorizationPermissionMismatch: "the credentials may not read it",
  AuthorizationProtocolMismatch: "the signature is for another protocol",
  AuthorizationResourceTypeMismatch: "the signature is for other resources",
  AuthorizationServiceMismatch: "the signature is for another service",
  AuthorizationSourceIPMismatch: "the signature is for other addresses",
  InsufficientAccountPermissions: "the credentials may not read it",
  PublicAccessNotPermitted: "the account permits no public access",
  AccountIsDisabled: "the account is disabled",
  CredentialUnavailableError: "no Azure credentials were found",
  AggregateAuthenticationError: "no Azure credentials were found",
  AuthenticationError: "Azure did not accept the credentials",
  AuthenticationRequiredError: "Azure asks for a login"
}

const failure = (error: unknown, object: ObjectName, location: string): Failure => {
  if (isProgramTimeout(error)) {
    return denied(location, "the program that gives its credentials did not end within 25 seconds")
  }
  const name = word(field(error, "name")) ?? ""
  const code = word(field(error, "code")) ?? name
  const status = field(error, "statusCode")
  const headers = field(error, "response", "headers") as { readonly get?: (name: string) => unknown } | undefined
  const after = retryAfter(headers?.get?.("retry-after"))
  if (code === "BlobNotFound") return notFound(location, "the container has no such blob (BlobNotFound)")
  if (code === "ContainerNotFound") {
    return notFound(location, `there is no container ${JSON.stringify(object.bucket)} (ContainerNotFound)`)
  }
  for (const known of [code, name]) {
    if (Object.hasOwn(accessCodes, known)) return denied(location, `${accessCodes[known]} (${known})`)
  }
  if (code === "ServerBusy") {
    return unavailable(location, "the store gets too many requests (ServerBusy)", "slower", after)
  }
  if (code === "BlobArchived") {
    return unavailable(location, "it is archived and has to be restored first (BlobArchived)", "never")
  }
  // The SDK reads no blob without them.
  if (String(field(error, "message")).startsWith("File download response doesn't contain")) {
    return unavailable(location, "the store does not say its length or its ETag", "never")
  }
  return general(location, error, typeof status === "number" ? status : undefined, after)
}

/** The SDK's error for a response, of whose body only the code has been read. */
const refused = async (error: unknown): Promise<unknown> => {
  const body = field(error, "response", "readableStreamBody")
  if (!(body instanceof Readable)) return error
  const code = await errorCode(body)
  const headers = field(error, "response", "headers") as { readonly get: (name: string) => unknown }
  return {
    name: field(error, "name"),
    code: headers.get("x-ms-error-code") ?? code,
    statusCode: field(error, "statusCode"),
    response: { headers }
  }
}

/** Leaves the bodies of all responses to the caller. The SDK would collect an error of any length and parse it as XML. */
const streaming: RequestPolicyFactory = {
  create: (next) => ({
    sendRequest: (request) => {
      request.streamResponseStatusCodes = new Set([Number.POSITIVE_INFINITY])
      return next.sendRequest(request)
    }
  })
}

/** How to connect to the account. */
interface Account {
  readonly connectionString?: Redacted.Redacted | undefined
  readonly accountUrl?: Address | undefined
  readonly sasToken?: Redacted.Redacted | undefined
}

const fromEnvironment = Config.all({
  connectionString: Config.option(Config.Redacted("AZURE_STORAGE_CONNECTION_STRING")),
  account: Config.option(Config.String("AZURE_STORAGE_ACCOUNT"))
}).pipe(
  Config.map(({ account, connectionString }): Account => ({
    connectionString: Option.getOrUndefined(connectionString),
    accountUrl: Option.isSome(account) ? `https://${account.value}.blob.core.windows.net` : undefined
  }))
)

type Policy = NonNullable<DefaultAzureCredentialOptions["additionalPolicies"]>[number]["policy"]

const notProvided = (hint: string) => new StorageNotProvided({ type: "AzureResult", hint })

const connect =
  (account: Account, tls: Options["tls"]) => (concurrency: number): Effect.Effect<Client, StorageReason> =>
    Effect.gen(function*() {
      const { AnonymousCredential, BlobServiceClient, newPipeline } = yield* load(
        "AzureResult",
        "@azure/storage-blob",
        () => import("@azure/storage-blob").catch(rethrow)
      )
      const { connectionString, sasToken } = account
      const accountUrl = account.accountUrl === undefined ? undefined : addressText(account.accountUrl)
      const agents = yield* Network.agents("AzureResult", tls, concurrency)
      const service = (make: () => BlobServiceClient) =>
        Effect.try({
          try: () => {
            const { credential, url } = make()
            if (!isHttp(url)) throw new TypeError("no URL")
            const options = {
              // Retries, limits and verification are implemented once for all stores, where throttling is detected.
              retryOptions: { maxTries: 1 },
              // Blobs are not moved, and older SDKs send the credentials to another host.
              redirectOptions: { maxRetries: 0 },
              agent: agentFor(agents, url)
            }
            const pipeline = newPipeline(credential, options)
            pipeline.factories.push(streaming)
            return new BlobServiceClient(url, pipeline)
          },
          // The SDK's error may quote its arguments.
          catch: () => notProvided("its connection string or account URL is not a valid one")
        })

      // Requests share a token, so that the end of one of them does not end a program that gives it.
      const closing = new AbortController()
      let client: BlobServiceClient
      if (connectionString !== undefined) {
        client = yield* service(() => BlobServiceClient.fromConnectionString(Redacted.value(connectionString)))
      } else if (accountUrl === undefined) {
        return yield* notProvided("set AZURE_STORAGE_CONNECTION_STRING or AZURE_STORAGE_ACCOUNT, or give accountUrl")
      } else if (sasToken !== undefined || /[?&]sig=/.test(accountUrl)) {
        const url = sasToken === undefined ? accountUrl : `${accountUrl}?${Redacted.value(sasToken).replace(/^\?/, "")}`
        client = yield* service(() => new BlobServiceClient(url, new AnonymousCredential()))
      } else {
        const { DefaultAzureCredential } = yield* load(
          "AzureResult",
          "@azure/identity",
          () => import("@azure/identity").catch(rethrow)
        )
        // Credentials may come from this machine's own service, which has no https.
        const network: Policy = {
          name: "network",
          sendRequest: (request, next) => {
            request.agent = agentFor(agents, request.url)
            return next(request)
          }
        }
        yield* Network.configured(
          "AzureResult",
          checkFiles("AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_FEDERATED_TOKEN_FILE")
        )
        const chain = new DefaultAzureCredential({
          additionalPolicies: [{ policy: network, position: "perCall" }]
        })
        const credential: TokenCredential = {
          getToken: (...args) => withPrograms(() => chain.getToken(...args), { signal: closing.signal })
        }
        client = yield* service(() => new BlobServiceClient(accountUrl, credential))
      }

      const open = async ({ bucket, key, version }: ObjectName, part: Part | undefined, abortSignal: AbortSignal) => {
        const blob = client.getContainerClient(bucket).getBlobClient(key)
        const response = await (version === undefined ? blob : blob.withVersion(version)).download(
          part?.offset ?? 0,
          part?.length,
          {
            abortSignal,
            maxRetryRequests: 0,
            ...(part?.tag === undefined ? {} : { conditions: { ifMatch: part.tag } })
          }
        ).catch(async (error: unknown) => {
          throw await refused(error)
        })
        return openedAs(response.readableStreamBody as Readable, () => {
          const range = contentRange(response.contentRange, response._response.status)
          const md5 = range === undefined ? response.contentMD5 : undefined
          return {
            offset: range?.[0] ?? 0,
            isPart: range !== undefined,
            size: range === undefined ? response.contentLength : range[1],
            tag: response.etag,
            marks: [response.versionId, response.lastModified?.toISOString()],
            checksum: md5 === undefined
              ? undefined
              : { algorithm: "md5" as const, base64: Buffer.from(md5).toString("base64") }
          }
        })
      }
      const close = () => {
        closing.abort()
        agents.http.destroy()
        agents.https.destroy()
      }
      return { open, failure, close }
    })

const bucketOf = (allowed: Options["containers"][number]): Bucket =>
  typeof allowed === "string" ? allowed : { bucket: allowed.container, prefix: allowed.prefix }

const readers = (options: Options) =>
  Effect.gen(function*() {
    const account = options.connectionString === undefined && options.accountUrl === undefined
      ? yield* fromEnvironment
      : options
    return yield* Reader.make({
      type: "AzureResult",
      scheme: "azure",
      object: objectOf,
      buckets: options.containers.map(bucketOf),
      optionName: "AzureStorage.layer({ containers })",
      emptyIsNone: true,
      connect: connect(account, options.tls)
    }, options)
  })

/**
 * Reads `AzureResult`s from the given containers only. An empty blob is None, as in Prefect.
 *
 * Requires the package `@azure/storage-blob`, and `@azure/identity` without a connection string; they are loaded when
 * the first blob is read.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<ResultStorage.ResultStorage, Config.ConfigError> =>
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
