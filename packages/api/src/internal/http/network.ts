/**
 * The way to a backend through a company's network: proxies that the environment names, and certificate authorities of one's
 * own. Browsers have their own settings for both.
 */
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Redacted from "effect/Redacted"
import { PrefectConfigError } from "../../PrefectConfigError.ts"

/**
 * TLS of the connections to an https URL. Node.js only.
 */
export interface TlsOptions {
  /** Certificates in PEM of authorities that are trusted beside Node's own. */
  readonly ca?: string | ReadonlyArray<string> | undefined
  /** The client's certificate in PEM, for servers that ask for one. */
  readonly cert?: string | undefined
  /** The key of `cert` in PEM. */
  readonly key?: Redacted.Redacted | undefined
  /** Whether certificates are checked. Default true. Without the check anybody on the way can read and change answers. */
  readonly rejectUnauthorized?: boolean | undefined
}

const variable = (...names: ReadonlyArray<string>): string | undefined => {
  for (const name of names) {
    // Prefect's own client and curl take the lower case first.
    for (const spelled of [name.toLowerCase(), name]) {
      const value = globalThis.process?.env?.[spelled]
      if (value !== undefined && value.trim() !== "") return value
    }
  }
  return undefined
}

const isProxyUrl = (text: string | undefined): boolean =>
  text === undefined || URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)

const pem = /-----BEGIN (?:TRUSTED )?CERTIFICATE-----/

/**
 * A `fetch` that goes through the proxies of `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` and trusts what `tls`
 * says; undefined where neither says anything, or the caller has a `fetch` of their own.
 */
export const fetchFor = Effect.fnUntraced(function*(
  tls: TlsOptions | undefined
): Effect.fn.Return<typeof globalThis.fetch | undefined, PrefectConfigError> {
  if ((yield* FetchHttpClient.Fetch) !== globalThis.fetch) return undefined
  if (globalThis.process?.versions?.node === undefined) return undefined
  const all = variable("ALL_PROXY")
  const httpProxy = variable("HTTP_PROXY") ?? all
  const httpsProxy = variable("HTTPS_PROXY") ?? all
  if (tls === undefined && httpProxy === undefined && httpsProxy === undefined) return undefined
  if (!isProxyUrl(httpProxy) || !isProxyUrl(httpsProxy)) {
    return yield* new PrefectConfigError({
      source: "HTTP_PROXY, HTTPS_PROXY or ALL_PROXY",
      detail: "it is not an http or https URL, e.g. http://proxy.example:3128"
    })
  }
  const authorities = tls?.ca === undefined ? [] : typeof tls.ca === "string" ? [tls.ca] : tls.ca
  if (!authorities.every((text) => pem.test(text))) {
    return yield* new PrefectConfigError({ source: "tls.ca", detail: "it has no certificate in PEM" })
  }
  if (tls?.rejectUnauthorized === false) {
    yield* Effect.logWarning("certificates are not checked: anybody on the way can read and change what is sent")
  }
  // Bundlers for browsers must not follow these.
  const modules = ["undici", "node:tls"] as const
  const [undici, nodeTls] = yield* Effect.promise(() =>
    Promise.all([
      import(modules[0]) as Promise<typeof import("undici")>,
      import(modules[1]) as Promise<typeof import("node:tls")>
    ])
  )
  const connect = {
    ...(authorities.length === 0 ? {} : { ca: [...nodeTls.getCACertificates("default"), ...authorities] }),
    ...(tls?.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls?.key === undefined ? {} : { key: Redacted.value(tls.key) }),
    ...(tls?.rejectUnauthorized === undefined ? {} : { rejectUnauthorized: tls.rejectUnauthorized })
  }
  return yield* Effect.try({
    try: () => {
      const dispatcher = new undici.EnvHttpProxyAgent({
        ...(httpProxy === undefined ? {} : { httpProxy }),
        ...(httpsProxy === undefined ? {} : { httpsProxy }),
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
