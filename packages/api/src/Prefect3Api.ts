/**
 * `PrefectApi` over the REST API of a Prefect 2 or Prefect 3 server (2.0 and later), or of a Prefect Cloud workspace.
 *
 * Operations that the server cannot answer fail with `UnsupportedByBackend`, which names its version: Prefect 2 and 3 have
 * no task ids, and `.map()` records no parent and no index.
 *
 * **Details**
 *
 * `siblings` returns the runs that share a task key. On Prefect 2 they are in the order in which the flow called the
 * task, and a map index in `taskRunBySlug` is a position in that order: it counts all calls of the task in the flow
 * run, so where one `.map()` ends and the next begins is unknown. Prefect 3 records no order.
 *
 * A slug is a task key (`extract-741b216c`, up to 2.10 `__main__.extract`), or the name of the task's function.
 *
 * Observed on Prefect 2.4, 2.6, 2.10, 2.20, 3.0, 3.8 and 3.9. A newer major version is accepted, with a warning in the
 * log.
 *
 * **Example** (A server, and Prefect Cloud)
 *
 * ```ts
 * import { Prefect3Api } from "@effect-prefect/api"
 * import { Redacted } from "effect"
 *
 * export const Server = Prefect3Api.layer({ url: "http://localhost:4200/api" })
 *
 * export const Cloud = Prefect3Api.layer({
 *   url: "https://api.prefect.cloud/api/accounts/ACCOUNT/workspaces/WORKSPACE",
 *   apiKey: Redacted.make("pnu_…")
 * })
 * ```
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { makeBackend } from "./internal/prefect3/backend.ts"
import * as Client from "./internal/prefect3/client.ts"
import * as Events from "./internal/prefect3/events.ts"
import * as Pages from "./internal/prefect3/pages.ts"
import * as Prefect3Config from "./Prefect3Config.ts"
import * as PrefectApi from "./PrefectApi.ts"
import type { PrefectConfigError } from "./PrefectConfigError.ts"

/**
 * The server and the options for requests: the options of `layer`.
 *
 * @category models
 * @since 0.1.0
 */
export type Options = Prefect3Config.Options

/**
 * Makes the service. Requests the server's version once, at the first call.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<PrefectApi.PrefectApi["Service"], PrefectConfigError> {
  const client = yield* Client.make(options)
  const { events = true, includeSecrets } = options
  return PrefectApi.make(
    yield* makeBackend(client, Pages.make(client), {
      includeSecrets,
      flowRunSignals: events ? (flowRunId) => Events.flowRunSignals(client, flowRunId) : undefined
    })
  )
})

/**
 * `PrefectApi` of a Prefect 2 or 3 server. Uses the `HttpClient` of its context, or `fetch` where there is none.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<PrefectApi.PrefectApi, PrefectConfigError> =>
  Layer.effect(PrefectApi.PrefectApi, make(options))

/**
 * `PrefectApi` from options in the configuration.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<PrefectApi.PrefectApi, PrefectConfigError | Config.ConfigError> =>
  Layer.effect(PrefectApi.PrefectApi, Effect.flatMap(Config.unwrap(options), make))

/**
 * Like `layer`, for the server that Prefect's own client would use: the one in the environment (`PREFECT_API_URL`,
 * `PREFECT_API_KEY`, `PREFECT_API_AUTH_STRING`), otherwise that of the active profile of `~/.prefect/profiles.toml`.
 * Options given here take precedence.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerPrefectConfig = (
  options: Partial<Options> = {}
): Layer.Layer<PrefectApi.PrefectApi, PrefectConfigError | Config.ConfigError> =>
  Layer.effect(
    PrefectApi.PrefectApi,
    Effect.flatMap(Prefect3Config.load(options), make)
  )
