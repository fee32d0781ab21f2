import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import { proxies, type TlsOptions, tlsSettings } from "../../Network.ts"
import { PrefectConfigError } from "../../PrefectConfigError.ts"

/**
 * A `fetch` that uses the proxies of the environment and the trust settings of `tls`; undefined when neither is set, or
 * when the caller provides a `fetch`.
 */
export const fetchFor = Effect.fnUntraced(function*(
  tls: TlsOptions | undefined
): Effect.fn.Return<typeof globalThis.fetch | undefined, PrefectConfigError> {
  if ((yield* FetchHttpClient.Fetch) !== globalThis.fetch) return undefined
  if (globalThis.process?.versions?.node === undefined) return undefined
  const found = yield* proxies
  if (tls === undefined && found === undefined) return undefined
  const connect = yield* tlsSettings(tls)
  // package.json maps it to an empty module in browsers, which never reach this line.
  const undici = yield* Effect.promise(() => import("#undici"))
  return yield* Effect.try({
    try: () => {
      const dispatcher = new undici.EnvHttpProxyAgent({
        ...(found?.HTTP_PROXY === undefined ? {} : { httpProxy: found.HTTP_PROXY }),
        ...(found?.HTTPS_PROXY === undefined ? {} : { httpsProxy: found.HTTPS_PROXY }),
        connect,
        requestTls: connect,
        proxyTls: connect
      })
      const fetch = (input: string, init: object) => undici.fetch(input, { ...init, dispatcher })
      return fetch as unknown as typeof globalThis.fetch
    },
    catch: () =>
      new PrefectConfigError({
        source: "tls, or a proxy of the environment",
        detail: "a certificate, key or address in it cannot be used"
      })
  })
})
