/**
 * The places where Prefect 3's own client looks for its server: the environment, then the active profile.
 *
 * | setting | read from |
 * |---|---|
 * | URL, key, auth string | `PREFECT_API_URL`, `PREFECT_API_KEY`, `PREFECT_API_AUTH_STRING`, in the environment or the profile |
 * | time limit in seconds, retries | `PREFECT_API_REQUEST_TIMEOUT`, `PREFECT_CLIENT_MAX_RETRIES`, likewise |
 * | headers, a JSON object | `PREFECT_CLIENT_CUSTOM_HEADERS`, likewise |
 * | certificate authorities | `PREFECT_API_SSL_CERT_FILE`, likewise, else `SSL_CERT_FILE`; they are trusted beside Node's own |
 * | no check of certificates | `PREFECT_API_TLS_INSECURE_SKIP_VERIFY`, likewise; it warns |
 * | the profile's name | `PREFECT_PROFILE`, else `active` of the profiles file |
 * | the profiles file | `PREFECT_PROFILES_PATH`, else `$PREFECT_HOME/profiles.toml`, else `~/.prefect/profiles.toml` |
 *
 * An empty variable counts as not set. Unlike Prefect's client, this module does not read `.env`, `prefect.toml` and
 * `pyproject.toml` of the working directory: a folder from elsewhere could name the server that receives your key.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Schedule from "effect/Schedule"
import { parse } from "smol-toml"
import { type Address, addressText } from "./internal/address.ts"
import { errorCode } from "./internal/errorCode.ts"
import { isObject } from "./internal/isObject.ts"
import { readText, withoutHome } from "./internal/node.ts"
import { loadTls as loadAuthorities, readAuthorities, type TlsOptions } from "./Network.ts"
import type { Reason } from "./PrefectApiError.ts"
import { PrefectConfigError } from "./PrefectConfigError.ts"

/**
 * The server and the options for requests: the options of `Prefect3Api.layer`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * The value of `PREFECT_API_URL`: `http://127.0.0.1:4200/api`, or a workspace's address on Prefect Cloud. A user and a
   * password in it are sent as HTTP basic authentication; a `Redacted` keeps them out of logs.
   */
  readonly url: string | URL | Redacted.Redacted
  /** A key of Prefect Cloud, sent as `Authorization: Bearer`. */
  readonly apiKey?: Redacted.Redacted | undefined
  /** `user:password` of a self-hosted server, sent as `Authorization: Basic`; takes precedence over `apiKey`. */
  readonly authString?: Redacted.Redacted | undefined
  /** Headers for every request, e.g. those of a proxy in front of the server. Redacted when they are secret. */
  readonly headers?: Readonly<Record<string, string | Redacted.Redacted>> | undefined
  /**
   * Whether to request storage blocks with their secrets, which are then Redacted. Default false: the server masks
   * them, and readers use their own credentials.
   */
  readonly includeSecrets?: boolean | undefined
  /**
   * Whether `Watch` also subscribes to the server's events over a WebSocket. Falls back to polling when the server
   * rejects that, or when there is no global `WebSocket`. Credentials are sent; custom `headers` cannot be. Default
   * true.
   */
  readonly events?: boolean | undefined
  /** Time for one attempt, from the request to the end of the response body. Default 60 seconds. */
  readonly requestTimeout?: Duration.Input | undefined
  /** Attempts after the first one. Default 5. */
  readonly retries?: number | undefined
  /**
   * The delay before each retry, and their number, in place of `retries`. It is applied only to transient failures and
   * receives their reason. A longer `Retry-After` of the response takes precedence.
   */
  readonly retrySchedule?: Schedule.Schedule<unknown, Reason> | undefined
  /** The largest response in bytes; a longer one is not read to its end. Default 64 MiB. */
  readonly maxResponseBytes?: number | undefined
  /**
   * Certificate authorities and client certificates. Proxies are those of `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and
   * `NO_PROXY`, in either case.
   */
  readonly tls?: TlsOptions | undefined
}

type Table = { readonly [key: string]: unknown }

/** The server of the profile `local` in Prefect's own template. */
const localUrl = "http://127.0.0.1:4200/api"

const variable = (name: string): Config.Config<string | undefined> =>
  Config.map(
    Config.option(Config.String(name)),
    (value) => Option.getOrUndefined(Option.filter(value, (text) => text.trim() !== ""))
  )

/**
 * The settings of the active profile, by the names of their environment variables. Empty without a profiles file.
 *
 * @category loading
 * @since 0.1.0
 */
export const loadProfile: Effect.Effect<
  { readonly [key: string]: unknown },
  PrefectConfigError | Config.ConfigError
> = Effect.gen(function*() {
  const given = yield* variable("PREFECT_PROFILES_PATH")
  const home = (yield* variable("PREFECT_HOME")) ?? "~/.prefect"
  const path = withoutHome(given ?? `${home.replace(/[\\/]$/, "")}/profiles.toml`)
  const chosen = yield* variable("PREFECT_PROFILE")
  const detail = (text: string) => new PrefectConfigError({ source: path, detail: text })

  const text = yield* Effect.tryPromise({
    try: (signal) => readText(path, { signal }),
    catch: (error) => ({ code: errorCode(error) ?? "unknown error" })
  }).pipe(
    Effect.catchIf(({ code }) => code === "ENOENT" || code === "ENOTDIR", () => Effect.undefined),
    Effect.mapError(({ code }) => detail(`it cannot be read (${code})`))
  )
  if (text === undefined) {
    if (chosen === "local") return { PREFECT_API_URL: localUrl }
    // Prefect's own client says so, and goes on with its defaults.
    if (given !== undefined) yield* Effect.logWarning(`PREFECT_PROFILES_PATH names no file: ${path}`)
    else if (chosen !== undefined) {
      yield* Effect.logWarning(`there is no profile of the name that PREFECT_PROFILE gives: ${path} does not exist`)
    }
    return {}
  }

  // The parser's message quotes the file, which contains keys.
  const file = yield* Effect.try({ try: () => parse(text) as Table, catch: () => detail("it is not valid TOML") })
  const profiles = isObject(file["profiles"]) ? file["profiles"] : {}
  const name = chosen ?? file["active"]
  if (typeof name !== "string" || !Object.hasOwn(profiles, name)) {
    return chosen === undefined ? {} : yield* detail("it has no profile of the name that PREFECT_PROFILE gives")
  }
  const profile = profiles[name]
  return isObject(profile) ? profile : {}
})

const number = (name: string, text: string | undefined): Effect.Effect<number | undefined, PrefectConfigError> => {
  if (text === undefined) return Effect.undefined
  const value = /^\s*\+?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?\s*$/i.test(text) ? Number(text) : Number.NaN
  return Number.isFinite(value) && value >= 0
    ? Effect.succeed(value)
    : Effect.fail(new PrefectConfigError({ source: name, detail: "it is not a number" }))
}

const headersOf = (
  name: string,
  text: string | undefined
): Effect.Effect<Readonly<Record<string, Redacted.Redacted>> | undefined, PrefectConfigError> => {
  if (text === undefined) return Effect.undefined
  const detail = () => new PrefectConfigError({ source: name, detail: "it is not a JSON object of strings" })
  return Effect.flatMap(
    Effect.try({ try: () => JSON.parse(text) as unknown, catch: detail }),
    (value) =>
      isObject(value) && Object.values(value).every((header) => typeof header === "string")
        ? Effect.succeed(
          Object.fromEntries(Object.entries(value).map(([key, header]) => [key, Redacted.make(header as string)]))
        )
        : Effect.fail(detail())
  )
}

/** A boolean in the syntax of Prefect's settings. */
const flag = (name: string, text: string | undefined): Effect.Effect<boolean, PrefectConfigError> => {
  const value = text?.trim().toLowerCase() ?? ""
  if (["", "0", "false", "f", "no", "n", "off"].includes(value)) return Effect.succeed(false)
  return ["1", "true", "t", "yes", "y", "on"].includes(value)
    ? Effect.succeed(true)
    : Effect.fail(new PrefectConfigError({ source: name, detail: "it is not true or false" }))
}

/** Reads the settings of TLS by the names of their variables. */
const tlsFrom = Effect.fnUntraced(function*<E>(
  setting: (name: string) => Effect.Effect<string | undefined, E>
): Effect.fn.Return<TlsOptions | undefined, PrefectConfigError | Config.ConfigError | E> {
  const [file, skip] = ["PREFECT_API_SSL_CERT_FILE", "PREFECT_API_TLS_INSECURE_SKIP_VERIFY"] as const
  const path = yield* setting(file)
  const tls = path === undefined
    ? yield* loadAuthorities("SSL_CERT_FILE")
    : { ca: yield* readAuthorities(file, path) }
  return (yield* flag(skip, yield* setting(skip))) ? { ...tls, rejectUnauthorized: false } : tls
})

/**
 * The TLS settings of the environment: `PREFECT_API_SSL_CERT_FILE`, otherwise `SSL_CERT_FILE`, and
 * `PREFECT_API_TLS_INSECURE_SKIP_VERIFY`.
 *
 * @category loading
 * @since 0.1.0
 */
export const loadTls: Effect.Effect<Options["tls"], PrefectConfigError | Config.ConfigError> = tlsFrom(variable)

const names = {
  url: "PREFECT_API_URL",
  apiKey: "PREFECT_API_KEY",
  authString: "PREFECT_API_AUTH_STRING",
  timeout: "PREFECT_API_REQUEST_TIMEOUT",
  retries: "PREFECT_CLIENT_MAX_RETRIES",
  headers: "PREFECT_CLIENT_CUSTOM_HEADERS"
} as const

/** Reads the time limit of a request and the number of retries by the names of their variables. */
const patienceFrom = Effect.fnUntraced(function*<E>(setting: (name: string) => Effect.Effect<string | undefined, E>) {
  const seconds = yield* number(names.timeout, yield* setting(names.timeout))
  return {
    requestTimeout: seconds === undefined ? undefined : Duration.seconds(seconds),
    retries: yield* number(names.retries, yield* setting(names.retries))
  }
})

/**
 * The connection settings of the environment, for a server that is given in another way: TLS, custom headers, the time
 * limit of a request and the number of retries.
 *
 * @category loading
 * @since 0.1.0
 */
export const loadConnection: Effect.Effect<
  Pick<Options, "headers" | "requestTimeout" | "retries" | "tls">,
  PrefectConfigError | Config.ConfigError
> = Effect.gen(function*() {
  return {
    tls: yield* loadTls,
    headers: yield* headersOf(names.headers, yield* variable(names.headers)),
    ...(yield* patienceFrom(variable))
  }
})

/**
 * The options of `Prefect3Api.layer` that Prefect's own client would use. Given options come first, then the
 * environment, then the profile.
 *
 * @category loading
 * @since 0.1.0
 */
export const load = Effect.fnUntraced(function*(
  given: Partial<Options> = {}
): Effect.fn.Return<Options, PrefectConfigError | Config.ConfigError> {
  const profile = yield* loadProfile
  const setting = Effect.fnUntraced(function*(name: string) {
    const value = (yield* variable(name)) ?? profile[name]
    const text = isObject(value) ? JSON.stringify(value) : value === undefined ? undefined : String(value)
    return text === "" ? undefined : text
  })
  const secret = (text: string | undefined) => text === undefined ? undefined : Redacted.make(text)

  const url = given.url ?? (yield* setting(names.url))
  if (url === undefined) {
    return yield* new PrefectConfigError({
      source: names.url,
      detail: "it is not set, and the active profile has none: set it to the server's URL, which usually ends in /api"
    })
  }
  // Credentials in the environment belong to the server in the environment, and are not sent to another.
  const sameServer = given.url === undefined || sameOrigin(given.url, yield* setting(names.url))
  const patience = yield* patienceFrom(setting)
  return {
    ...given,
    url,
    apiKey: given.apiKey ?? (sameServer ? secret(yield* setting(names.apiKey)) : undefined),
    authString: given.authString ?? (sameServer ? secret(yield* setting(names.authString)) : undefined),
    requestTimeout: given.requestTimeout ?? patience.requestTimeout,
    retries: given.retries ?? patience.retries,
    tls: given.tls ?? (yield* tlsFrom(setting)),
    headers: given.headers ?? (sameServer ? yield* headersOf(names.headers, yield* setting(names.headers)) : undefined)
  }
})

const sameOrigin = (left: Address, right: string | undefined): boolean => {
  // When the environment names no server, its credentials can only belong to the given one.
  if (right === undefined) return true
  const text = addressText(left)
  return URL.canParse(text) && URL.canParse(right) && new URL(text).origin === new URL(right).origin
}
