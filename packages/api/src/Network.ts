/**
 * `Network`: connections through a company's network, with the proxies of the environment and private certificate
 * authorities. Backends and storages use it themselves.
 *
 * The proxies are those of `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, in either case. For Node.js only:
 * browsers have settings of their own.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as http from "node:http"
import type * as https from "node:https"
import { errorCode } from "./internal/errorCode.ts"
import {
  fs as nodeFs,
  http as nodeHttp,
  https as nodeHttps,
  readText as readTextFile,
  tls as nodeTls,
  withoutHome
} from "./internal/node.ts"
import {
  ProgramTimeout,
  sharedPrograms as sharedProgramsOf,
  withPrograms as withProgramsOf
} from "./internal/programs.ts"
import { PrefectConfigError } from "./PrefectConfigError.ts"

/**
 * TLS options for https URLs.
 *
 * @category models
 * @since 0.1.0
 */
export interface TlsOptions {
  /** Certificates in PEM of authorities to trust in addition to Node's own. */
  readonly ca?: string | ReadonlyArray<string> | undefined
  /** The client's certificate in PEM, for servers that require one. */
  readonly cert?: string | undefined
  /** The key of `cert` in PEM. */
  readonly key?: Redacted.Redacted | undefined
  /**
   * Whether certificates are verified. Default true. Without verification, anyone on the network path can read and
   * change responses.
   */
  readonly rejectUnauthorized?: boolean | undefined
}

/**
 * The same options in the form of `tls.connect`.
 *
 * @category models
 * @since 0.1.0
 */
export interface TlsSettings {
  readonly ca?: Array<string>
  readonly cert?: string
  readonly key?: string
  readonly rejectUnauthorized?: boolean
}

/**
 * The proxies of the environment, in the form of Node's option `proxyEnv`.
 *
 * @category models
 * @since 0.1.0
 */
export type Proxies = {
  readonly HTTP_PROXY?: string
  readonly HTTPS_PROXY?: string
  readonly NO_PROXY?: string
}

/**
 * Agents of Node's own HTTP clients.
 *
 * @category models
 * @since 0.1.0
 */
export interface Agents {
  readonly http: http.Agent
  readonly https: https.Agent
  /** The settings of `https`, for clients that make an agent themselves. */
  readonly tls: TlsSettings
}

const isNode = globalThis.process?.versions?.node !== undefined

const fromEnvironment = (name: string): string | undefined => {
  // The lower case takes precedence, as in Prefect's own client and curl.
  for (const spelled of [name.toLowerCase(), name]) {
    const value = globalThis.process?.env?.[spelled]
    if (value !== undefined && value.trim() !== "") return value
  }
  return undefined
}

const isProxyUrl = (text: string | undefined): boolean =>
  text === undefined || URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)

/**
 * The proxies of the environment; undefined when it sets none.
 *
 * @category loading
 * @since 0.1.0
 */
export const proxies: Effect.Effect<Proxies | undefined, PrefectConfigError> = Effect.suspend(() => {
  const all = fromEnvironment("ALL_PROXY")
  const plain = fromEnvironment("HTTP_PROXY") ?? all
  const secure = fromEnvironment("HTTPS_PROXY") ?? all
  const none = fromEnvironment("NO_PROXY")
  if (!isNode || plain === undefined && secure === undefined) return Effect.undefined
  if (!isProxyUrl(plain) || !isProxyUrl(secure)) {
    return Effect.fail(
      new PrefectConfigError({
        source: "HTTP_PROXY, HTTPS_PROXY or ALL_PROXY",
        detail: "it is not an http or https URL, e.g. http://proxy.example:3128"
      })
    )
  }
  return Effect.succeed({
    ...(plain === undefined ? {} : { HTTP_PROXY: plain }),
    ...(secure === undefined ? {} : { HTTPS_PROXY: secure }),
    ...(none === undefined ? {} : { NO_PROXY: none })
  })
})

const pem = /-----BEGIN (?:TRUSTED )?CERTIFICATE-----/

/**
 * Validates the options and adds the authorities that Node trusts. Warns when certificates are not verified.
 *
 * @category constructors
 * @since 0.1.0
 */
export const tlsSettings = Effect.fnUntraced(function*(
  tls: TlsOptions | undefined
): Effect.fn.Return<TlsSettings, PrefectConfigError> {
  const authorities = tls?.ca === undefined ? [] : typeof tls.ca === "string" ? [tls.ca] : tls.ca
  if (!authorities.every((text) => pem.test(text))) {
    return yield* new PrefectConfigError({ source: "tls.ca", detail: "it has no certificate in PEM" })
  }
  if (tls?.rejectUnauthorized === false) {
    yield* Effect.logWarning(
      "certificates are not verified: anyone on the network path can read and change what is sent"
    )
  }
  if (nodeTls === undefined) return {}
  const settings: TlsSettings = {
    ...(authorities.length === 0 ? {} : { ca: [...nodeTls.getCACertificates("default"), ...authorities] }),
    ...(tls?.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls?.key === undefined ? {} : { key: Redacted.value(tls.key) }),
    ...(tls?.rejectUnauthorized === undefined ? {} : { rejectUnauthorized: tls.rejectUnauthorized })
  }
  // Node's own authorities need no check, and reading them takes longer than a request.
  if (authorities.length === 0 && tls?.cert === undefined && tls?.key === undefined) return settings
  return yield* Effect.try({
    try: () => {
      nodeTls.createSecureContext(authorities.length === 0 ? settings : { ...settings, ca: [...authorities] })
      return settings
    },
    catch: () => new PrefectConfigError({ source: "tls", detail: "a certificate or a key in it cannot be used" })
  })
})

/** Whether Node's agents support `proxyEnv`. */
const hasProxyEnv = (): boolean => {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
  return major > 24 || major === 24 && minor >= 5 || major === 22 && minor >= 21
}

/**
 * Agents that use the proxies of the environment and the trust settings of `tls`, for SDKs and for requests with Node's
 * own `http` and `https`. They keep connections alive; their creator must destroy them. Proxies require Node.js 22.21
 * or 24.5: older versions warn, and connect directly. `tls` is not for the connection to a proxy: one that is asked over
 * https with a private authority requires `NODE_EXTRA_CA_CERTS`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const agents = Effect.fnUntraced(function*(options: {
  readonly tls?: TlsOptions | undefined
  /** Connections to one host. */
  readonly maxSockets: number
}): Effect.fn.Return<Agents, PrefectConfigError> {
  const tls = yield* tlsSettings(options.tls)
  const proxyEnv = yield* proxies
  if (proxyEnv !== undefined && !hasProxyEnv()) {
    yield* Effect.logWarning(
      "object stores are contacted without the environment's proxies: those require Node.js 22.21 or 24.5"
    )
  }
  const [plain, secure] = [nodeHttp, nodeHttps]
  if (plain === undefined || secure === undefined) {
    return yield* new PrefectConfigError({ source: "agents", detail: "only Node.js has them" })
  }
  const settings = {
    keepAlive: true,
    maxSockets: options.maxSockets,
    ...(proxyEnv === undefined ? {} : { proxyEnv })
  }
  return yield* Effect.try({
    try: () => ({ http: new plain.Agent(settings), https: new secure.Agent({ ...settings, ...tls }), tls }),
    catch: () => new PrefectConfigError({ source: "HTTP_PROXY, HTTPS_PROXY or NO_PROXY", detail: "it cannot be used" })
  })
})

/**
 * The agent for a URL.
 *
 * @category accessors
 * @since 0.1.0
 */
export const agentFor = (agents: Agents, url: string): http.Agent | https.Agent =>
  url.startsWith("https:") ? agents.https : agents.http

/** The codes of OAuth, and words in the form of the stores' codes, with capitals, which no key has. */
const answered =
  /^(?:invalid_client|invalid_grant|invalid_request|invalid_scope|unauthorized_client|access_denied|(?=.{5,40}$)(?:[A-Z][a-z]+){2,8})$/

/** Codes of Node.js and OpenSSL, and names of the SDKs' own errors. */
const local =
  /^(?:E[A-Z]{3,20}|ERR_[A-Z0-9_]{3,50}|CERT_[A-Z_]{3,40}|(?:DEPTH_ZERO_)?SELF_SIGNED_[A-Z_]{3,40}|UNABLE_TO_[A-Z_]{3,40}|HPE_[A-Z_]{3,40}|(?:Abort|AggregateAuthentication|Assertion|Credentials?[A-Z][a-z]+|CredentialUnavailable|Network(?:ing)?|Parse|Range|Request|Rest|Syntax|Timeout|Type)?(?:Error|Exception))$/

/**
 * The code of an error when it is safe to repeat. A server, or a proxy before it, can respond with the credentials of a
 * request in place of a code, so only texts that look like a code are repeated.
 *
 * @category accessors
 * @since 0.1.0
 */
export const shownCode = (value: unknown): string | undefined =>
  typeof value === "string" && (answered.test(value) || local.test(value)) ? value : undefined

/** A variable's text; undefined when it is unset or empty. */
const variable = (name: string): Config.Config<string | undefined> =>
  Config.map(
    Config.option(Config.String(name)),
    (value) => Option.getOrUndefined(Option.filter(value, (text) => text.trim() !== ""))
  )

/**
 * The text of a small file, such as a key, a certificate or a configuration: at most `maxBytes`, by default 16 MiB.
 * Pipes are read too, when something is written to them within ten seconds. The promise is rejected with an error that
 * has a `code`: EFBIG and ETIMEDOUT, or that of the system.
 *
 * @category loading
 * @since 0.1.0
 */
export const readText: (
  path: string,
  options?: { readonly maxBytes?: number; readonly signal?: AbortSignal | undefined }
) => Promise<string> = readTextFile

/**
 * Reads the certificate file that a variable names.
 *
 * @category loading
 * @since 0.1.0
 */
export const readAuthorities = (name: string, path: string): Effect.Effect<string, PrefectConfigError> =>
  Effect.tryPromise({
    try: (signal) => readTextFile(withoutHome(path), { signal }),
    catch: (error) =>
      new PrefectConfigError({
        source: name,
        detail: `the file that it names cannot be read (${errorCode(error) ?? "unknown error"})`
      })
  }).pipe(
    Effect.filterOrFail(
      (text) => pem.test(text),
      () => new PrefectConfigError({ source: name, detail: "the file that it names has no certificate in PEM" })
    )
  )

/**
 * TLS with the authorities in the file that the first of these variables names; undefined when none is set.
 * `SSL_CERT_FILE` is used by Python and OpenSSL, `AWS_CA_BUNDLE` by the AWS command line and SDKs.
 *
 * @category loading
 * @since 0.1.0
 */
export const loadTls = Effect.fnUntraced(function*(
  ...names: ReadonlyArray<string>
): Effect.fn.Return<TlsOptions | undefined, PrefectConfigError | Config.ConfigError> {
  for (const name of names) {
    const path = yield* variable(name)
    if (path !== undefined) return { ca: yield* readAuthorities(name, path) }
  }
  return undefined
})

/** The most bytes of a file with credentials. */
const maxCredentialBytes = 2 ** 24

/**
 * Checks the files that an SDK is going to read whole, by the variables that name them: a device has no end, and a pipe
 * without a writer blocks a thread for ever. Files that do not exist and `/dev/null` are left to the SDK.
 *
 * @category loading
 * @since 0.1.0
 */
export const checkFiles = Effect.fnUntraced(function*(
  ...names: ReadonlyArray<string>
): Effect.fn.Return<void, PrefectConfigError | Config.ConfigError> {
  for (const name of names) {
    const path = yield* variable(name)
    if (path === undefined || path === "/dev/null") continue
    const stats = yield* Effect.promise(() => nodeFs?.stat(path).catch(() => undefined) ?? Promise.resolve(undefined))
    if (stats === undefined || stats.isFile() && stats.size <= maxCredentialBytes) continue
    return yield* new PrefectConfigError({
      source: name,
      detail: stats.isFile()
        ? `the file that it names has more than ${maxCredentialBytes} bytes`
        : "it names no regular file: give the path of one"
    })
  }
})

/**
 * Whether an error of `withPrograms` says that a program did not end in time.
 *
 * @category guards
 * @since 0.1.0
 */
export const isProgramTimeout = (error: unknown): boolean => error instanceof ProgramTimeout

/**
 * The promise of `use`, in which an SDK gets credentials. The programs that it starts, such as `credential_process` of
 * AWS, are ended with everything that they started when the signal is aborted, when they have not ended within 25 seconds,
 * and with this process.
 *
 * @category running
 * @since 0.1.0
 */
export const withPrograms: <A>(
  use: () => Promise<A>,
  options?: { readonly millis?: number; readonly signal?: AbortSignal | undefined }
) => Promise<A> = withProgramsOf

/**
 * Like `withPrograms`, with one run at a time for all that wait for it. It is aborted when none of them waits any longer.
 *
 * @category running
 * @since 0.1.0
 */
export const sharedPrograms: <A>(use: () => Promise<A>) => (signal: AbortSignal) => Promise<A> = sharedProgramsOf
