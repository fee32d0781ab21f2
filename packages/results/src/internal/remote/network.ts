/** Connections to object stores, through the proxies of the environment and with the trust settings of the options. */
import * as Network from "@effect-prefect/api/Network"
import type * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import { StorageUnavailable } from "../../ResultError.ts"
import type { RemoteOptions } from "./options.ts"
import { reuseBuffers } from "./sockets.ts"

/** Converts an invalid configuration to the failure of the first read of a store. */
export const configured = <A>(
  type: string,
  effect: Effect.Effect<A, { readonly message: string } | Config.ConfigError>
): Effect.Effect<A, StorageUnavailable> =>
  Effect.mapError(effect, (error) => new StorageUnavailable({ location: type, detail: error.message }))

/** Agents for a number of concurrent requests. */
export const agents = (
  type: string,
  tls: RemoteOptions["tls"],
  concurrency: number
): Effect.Effect<Network.Agents, StorageUnavailable> =>
  Effect.gen(function*() {
    const proxies = yield* configured(type, Network.proxies)
    // One socket more than requests, because a request that was just aborted may still hold its own.
    const agents = yield* configured(type, Network.agents({ tls, maxSockets: concurrency + 1 }))
    if (proxies === undefined) {
      reuseBuffers(agents.http)
      reuseBuffers(agents.https)
    }
    return agents
  })
