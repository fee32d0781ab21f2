/**
 * `PrefectApi` over the GraphQL API of a Prefect 0.15 or 1.x server, or of a compatible one.
 *
 * Lookups of concurrent fibers are batched into one query; listings use keyset pagination. Transient failures (network
 * errors, 408, 429, 500, 502, 503, 504, `API_ERROR`) are retried; after that the effect fails with a `PrefectApiError`,
 * which never contains the key or stored data.
 *
 * Requests are sent with the `HttpClient` of the layer's context, or with `fetch` when there is none. Redirects are
 * followed only within the URL's own origin.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Backend from "./Backend.ts"
import * as GraphQLBackend from "./internal/graphql/backend.ts"
import * as GraphQLClient from "./internal/graphql/client.ts"
import * as Http from "./internal/http/client.ts"
import { positiveInt } from "./internal/settings.ts"
import { canonicalUuid } from "./internal/uuids.ts"
import * as Prefect1Config from "./Prefect1Config.ts"
import * as Prefect3Config from "./Prefect3Config.ts"
import * as PrefectApi from "./PrefectApi.ts"
import { PrefectConfigError } from "./PrefectConfigError.ts"

export type { HttpOptions } from "./internal/http/client.ts"

/**
 * The API's address and the options for requests.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options extends Http.HttpOptions {
  /**
   * The API's URL, e.g. `http://localhost:4200` or `http://localhost:4200/graphql`. A user and a password in it are
   * sent as HTTP basic authentication, unless there is an `apiKey`; a `Redacted` keeps them out of logs.
   */
  readonly url: string | URL | Redacted.Redacted
  /** Sent as `Authorization: Bearer KEY`, to the URL's own origin only. */
  readonly apiKey?: Redacted.Redacted | undefined
  /** The tenant to read; a UUID. Default: the server's own default. */
  readonly tenantId?: string | undefined
  /** The Prefect version that this client claims to be. Default `1.4.1`. */
  readonly coreVersion?: string | undefined
  /** The most lookups in one query. Default 200. */
  readonly lookupBatchSize?: number | undefined
}

/**
 * The GraphQL API as a `Backend`, for building your own service on it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeBackend = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<Backend.Backend, PrefectConfigError> {
  const { basic, url } = yield* Http.parseUrl(options.url)
  const page = pageHint(url)
  if (page !== undefined) return yield* new PrefectConfigError({ source: "url", detail: page })
  const tenantId = options.tenantId === undefined ? undefined : canonicalUuid(options.tenantId)
  if (options.tenantId !== undefined && tenantId === undefined) {
    return yield* new PrefectConfigError({ source: "tenantId", detail: "it is not a UUID" })
  }
  const lookupBatchSize = yield* positiveInt("lookupBatchSize", options.lookupBatchSize ?? 200)
  const authorization = options.apiKey === undefined
    ? basic
    : Redacted.make(`Bearer ${Redacted.value(options.apiKey)}`)
  const http = yield* Http.make({
    url,
    policy: options,
    addressHint: "the API of a Prefect 1 server is usually http://HOST:4200/graphql, beside the page at port 8080",
    headers: {
      "user-agent": "effect-prefect",
      "x-prefect-core-version": options.coreVersion ?? "1.4.1",
      ...(tenantId === undefined ? {} : { "x-prefect-tenant-id": tenantId }),
      ...(authorization === undefined ? {} : { authorization })
    }
  })
  return GraphQLBackend.make(GraphQLClient.make(http), { lookupBatchSize })
})

/** The hint for an address of Prefect's web pages; undefined for any other address. */
const pageHint = ({ hostname }: URL): string | undefined => {
  switch (hostname) {
    case "cloud.prefect.io":
      return "it is the address of Prefect 1's web page; its API was https://api.prefect.io/graphql"
    case "app.prefect.cloud":
    case "api.prefect.cloud":
      return "it is an address of Prefect Cloud, which runs Prefect 3: read it with Prefect3Api (--prefect3)"
    default:
      return undefined
  }
}

/**
 * Makes the service. Sends nothing before the first call.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options): Effect.Effect<PrefectApi.PrefectApi["Service"], PrefectConfigError> =>
  Effect.map(makeBackend(options), PrefectApi.make)

/**
 * `PrefectApi` from options.
 *
 * **Example** (Reading a task run of a local server)
 *
 * ```ts
 * import { GraphQLApi, PrefectApi } from "@effect-prefect/api"
 * import * as Effect from "effect/Effect"
 *
 * export const state = Effect.gen(function*() {
 *   const api = yield* PrefectApi.PrefectApi
 *   const view = yield* api.taskRun("ea15130c-778a-5c99-bcbe-48be6b89c0e6")
 *   return view.state
 * }).pipe(Effect.provide(GraphQLApi.layer({ url: "http://localhost:4200" })))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<PrefectApi.PrefectApi, PrefectConfigError> =>
  Layer.effect(PrefectApi.PrefectApi, make(options))

/**
 * `PrefectApi` from options in the configuration.
 *
 * **Example** (The address and the key from the environment)
 *
 * ```ts
 * import { GraphQLApi } from "@effect-prefect/api"
 * import * as Config from "effect/Config"
 *
 * export const Api = GraphQLApi.layerConfig({
 *   url: Config.String("PREFECT_1_URL"),
 *   apiKey: Config.Redacted("PREFECT_1_KEY")
 * })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<PrefectApi.PrefectApi, PrefectConfigError | Config.ConfigError> =>
  Layer.effect(PrefectApi.PrefectApi, Effect.flatMap(Config.unwrap(options), make))

/**
 * `PrefectApi` configured by the environment and Prefect's own configuration files, see {@link Prefect1Config.load}.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerPrefectConfig: Layer.Layer<PrefectApi.PrefectApi, PrefectConfigError> = Layer.effect(
  PrefectApi.PrefectApi,
  Effect.gen(function*() {
    const { apiKey, tenantId, url } = yield* Prefect1Config.load
    const tls = yield* Effect.mapError(
      Prefect3Config.loadTls,
      (error) =>
        error._tag === "ConfigError"
          ? new PrefectConfigError({ source: "SSL_CERT_FILE", detail: "it cannot be read" })
          : error
    )
    return yield* make({ url, apiKey, tenantId, tls })
  })
)
