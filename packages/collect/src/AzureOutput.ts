/**
 * `AzureOutput`: a collection in an Azure Storage container.
 *
 * Requires the packages `@azure/storage-blob` and, without a connection string, `@azure/identity`.
 *
 * **Example** (A folder of a container)
 *
 * ```ts
 * import * as AzureOutput from "@effect-prefect/collect/AzureOutput"
 *
 * export const Output = AzureOutput.layer({ container: "collections", prefix: "orders" })
 * ```
 *
 * @since 0.1.0
 */
import type { DefaultAzureCredentialOptions, TokenCredential } from "@azure/identity"
import type { BlobServiceClient as ServiceClient, RequestPolicyFactory } from "@azure/storage-blob"
import { agentFor, type TlsOptions, withPrograms } from "@effect-prefect/api/Network"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { Readable } from "node:stream"
import { CollectError, Unsupported } from "./CollectError.ts"
import { CollectOutput } from "./CollectOutput.ts"
import { addressText, keyPrefix, loadSdk, make as makeOutput, networkAgents, rethrow } from "./internal/objectOutput.ts"

/**
 * The destination of the collection, and how to reach the store.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  readonly container: string
  /** The folder in the container. Default: the root. */
  readonly prefix?: string | undefined
  /** Default: `AZURE_STORAGE_CONNECTION_STRING`, when `accountUrl` is not given. */
  readonly connectionString?: Redacted.Redacted | undefined
  /**
   * `https://ACCOUNT.blob.core.windows.net`, accessed with the default Azure credential. Default: from
   * `AZURE_STORAGE_ACCOUNT`.
   */
  readonly accountUrl?: string | URL | Redacted.Redacted | undefined
  /**
   * Certificate authorities, and a client's certificate. Proxies are those of `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and
   * `NO_PROXY`, in either case, on Node.js 22.21, 24.5 and newer.
   */
  readonly tls?: TlsOptions | undefined
}

type Policy = NonNullable<DefaultAzureCredentialOptions["additionalPolicies"]>[number]["policy"]

/** Every status of an error. */
const errors = Array.from({ length: 700 }, (_, index) => index + 300)

/** Does not read the bodies of errors, which the SDK would collect, however long they are: a header has the code. */
const withoutErrors: RequestPolicyFactory = {
  create: (next) => ({
    sendRequest: (request) => {
      request.streamResponseStatusCodes = new Set([...request.streamResponseStatusCodes ?? [], ...errors])
      return next.sendRequest(request).catch((error: unknown) => {
        const { response } = error as { readonly response?: { readonly readableStreamBody?: unknown } }
        const body = response?.readableStreamBody
        if (body instanceof Readable) body.on("error", () => {}).destroy()
        throw error
      })
    }
  })
}

const statusOf = (error: unknown): unknown => (error as { readonly statusCode?: unknown }).statusCode

const codeOf = (error: unknown): unknown =>
  (error as { readonly response?: { readonly headers?: { readonly get: (name: string) => unknown } } })
    .response?.headers?.get("x-ms-error-code")

const exists = (error: unknown): boolean => statusOf(error) === 412 || codeOf(error) === "BlobAlreadyExists"

/**
 * A collection in an Azure Storage container.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<CollectOutput, CollectError> =>
  Layer.effect(
    CollectOutput,
    Effect.gen(function*() {
      const { BlobServiceClient, newPipeline } = yield* loadSdk("@azure/storage-blob", () =>
        import("@azure/storage-blob").catch(rethrow))
      const connectionString = options.connectionString === undefined
        ? process.env["AZURE_STORAGE_CONNECTION_STRING"]
        : Redacted.value(options.connectionString)
      const refuse = (detail: string) =>
        new CollectError({ reason: new Unsupported({ detail }) })
      const account = process.env["AZURE_STORAGE_ACCOUNT"]
      const accountUrl = options.accountUrl !== undefined
        ? addressText(options.accountUrl)
        : connectionString === undefined && account !== undefined
        ? `https://${account}.blob.core.windows.net`
        : undefined
      const agents = yield* networkAgents(Effect.succeed(options.tls), [
        "AZURE_CLIENT_CERTIFICATE_PATH",
        "AZURE_FEDERATED_TOKEN_FILE"
      ])
      const make = ({ credential, url }: ServiceClient) => {
        const settings = { keepAliveOptions: { enable: true }, agent: agentFor(agents, url) }
        const pipeline = newPipeline(credential, settings)
        pipeline.factories.push(withoutErrors)
        return new BlobServiceClient(url, pipeline)
      }
      const closing = yield* Effect.acquireRelease(
        Effect.sync(() => new AbortController()),
        (closing) => Effect.sync(() => closing.abort())
      )
      // Credentials may come from this machine's own service, which has no https.
      const network: Policy = {
        name: "network",
        sendRequest: (request, next) => {
          request.agent = agentFor(agents, request.url)
          return next(request)
        }
      }
      const service = accountUrl !== undefined
        ? yield* Effect.flatMap(
          loadSdk("@azure/identity", () => import("@azure/identity").catch(rethrow)),
          ({ DefaultAzureCredential }) =>
            Effect.try({
              try: () => {
                const chain = new DefaultAzureCredential({
                  additionalPolicies: [{ policy: network, position: "perCall" }]
                })
                // Requests share a token, so that the end of one of them does not end a program that gives it.
                const credential: TokenCredential = {
                  getToken: (...args) => withPrograms(() => chain.getToken(...args), { signal: closing.signal })
                }
                if (!/^https?:$/.test(new URL(accountUrl).protocol)) throw new TypeError("no URL")
                return make(new BlobServiceClient(accountUrl, credential))
              },
              // The SDK's error may quote its arguments.
              catch: () => refuse("the URL of the Azure account is not an http or https URL")
            })
        )
        : connectionString !== undefined
        ? yield* Effect.try({
          try: () => make(BlobServiceClient.fromConnectionString(connectionString)),
          catch: () => refuse("the Azure connection string is not valid")
        })
        : yield* refuse("set AZURE_STORAGE_CONNECTION_STRING or AZURE_STORAGE_ACCOUNT to collect to Azure Storage")
      const container = service.getContainerClient(options.container)
      const prefix = keyPrefix(options.prefix)
      return CollectOutput.of(makeOutput({
        name: `azure://${options.container}/${prefix}`.replace(/\/$/, ""),
        conditionHint: "choose one that supports If-None-Match, or collect to a folder",
        create: async (key, bytes, abortSignal) => {
          try {
            await container.getBlockBlobClient(key).uploadData(bytes, {
              abortSignal,
              conditions: { ifNoneMatch: "*" }
            })
            return true
          } catch (error) {
            if (exists(error)) return false
            throw error
          }
        },
        read: async function*(key, abortSignal) {
          const { readableStreamBody } = await container.getBlobClient(key).download(0, undefined, {
            abortSignal,
            maxRetryRequests: 5
          })
          if (readableStreamBody !== undefined) yield* readableStreamBody as Readable
        },
        isMissing: (error) => statusOf(error) === 404,
        list: async function*(prefix, abortSignal) {
          for await (const { segment } of container.listBlobsByHierarchy("/", { prefix, abortSignal }).byPage()) {
            yield segment.blobItems.map((blob) => blob.name)
          }
        },
        remove: async (key, abortSignal) => {
          await container.getBlobClient(key).deleteIfExists({ abortSignal })
        }
      }, prefix))
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
