/**
 * Prefect 1's own configuration, as its client reads it: the API, the key and the tenant.
 *
 * Later sources win: Prefect's defaults, `~/.prefect/config.toml` (or `PREFECT__USER_CONFIG_PATH`),
 * `~/.prefect/backend.toml` (or `PREFECT__BACKEND_CONFIG_PATH`), and environment variables named
 * `PREFECT__SECTION__KEY`. A key or a tenant that is in none of them is read from `auth.toml` in `home_dir`, where
 * `prefect auth login` stores them under the host that they belong to. Values may refer to the environment (`$NAME`,
 * `${NAME}`, a leading `~`) and to each other (`${server.host}`).
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { parse, TomlError } from "smol-toml"
import { errorCode } from "./internal/errorCode.ts"
import { os, readText as readTextFile } from "./internal/node.ts"
import { PrefectConfigError } from "./PrefectConfigError.ts"

/**
 * The API that Prefect's own client would connect to.
 *
 * @category models
 * @since 0.1.0
 */
export interface Prefect1Config {
  /** `cloud` or `server`. It selects the URL when `cloud.api` is not set. */
  readonly backend: string
  readonly url: string
  readonly apiKey: Redacted.Redacted | undefined
  readonly tenantId: string | undefined
}

interface Setting {
  readonly value: string
  /** The variable or file that it comes from; undefined for a default. */
  readonly source: string | undefined
}
type Settings = Map<string, Setting>

const defaults: Readonly<Record<string, string>> = {
  home_dir: "~/.prefect",
  backend: "cloud",
  "server.host": "http://localhost",
  "server.port": "4200",
  "server.endpoint": "${server.host}:${server.port}",
  "cloud.api": "${${backend}.endpoint}",
  "cloud.endpoint": "https://api.prefect.io",
  "cloud.api_key": "",
  "cloud.tenant_id": ""
}

const maxFileBytes = 1024 * 1024
const maxInterpolations = 10

const variable = (name: string): Effect.Effect<string | undefined, PrefectConfigError> =>
  Effect.mapBoth(Config.option(Config.String(name)), {
    onFailure: () => new PrefectConfigError({ source: name, detail: "it cannot be read as text" }),
    onSuccess: Option.getOrUndefined
  })

const homeDirectory = Effect.gen(function*() {
  const home = (yield* variable("HOME")) ?? (yield* variable("USERPROFILE"))
  if (home !== undefined && home !== "") return home
  return os?.homedir() ?? "~"
})

/** A text after Python's `expandvars` and `expanduser`, repeated until nothing changes. */
const expand = Effect.fnUntraced(function*(text: string): Effect.fn.Return<string, PrefectConfigError> {
  let current = text
  for (let round = 0; round < maxInterpolations; round++) {
    let next = current
    for (const [reference, braced, bare] of current.matchAll(/\$(?:\{([^${}]*)\}|([A-Za-z0-9_]+))/g)) {
      const value = yield* variable((braced ?? bare) as string)
      if (value !== undefined) next = next.replace(reference, () => value)
    }
    if (next === "~" || next.startsWith("~/") || next.startsWith("~\\")) next = (yield* homeDirectory) + next.slice(1)
    if (next === current) return current
    current = next
  }
  return current
})

/** The text of a file; undefined when there is no such file or no file system. */
const readText = (path: string): Effect.Effect<string | undefined, PrefectConfigError> =>
  Effect.tryPromise({
    try: (signal) => readTextFile(path, { maxBytes: maxFileBytes, signal }),
    catch: (error) => {
      const code = errorCode(error)
      if (code === "ENOENT" || code === "ENOTDIR" || code === "EISDIR") return undefined
      return new PrefectConfigError({
        source: path,
        detail: code === "EFBIG"
          ? `it is over ${maxFileBytes} bytes`
          : `it cannot be read${code === undefined ? "" : ` (${code})`}`
      })
    }
  }).pipe(Effect.catch((error) => error === undefined ? Effect.undefined : Effect.fail(error)))

type Table = { readonly [key: string]: unknown }

const isTable = (value: unknown): value is Table =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date)

/**
 * A TOML file; undefined when there is no such file. A parser's message would quote the line, which may contain the
 * key.
 */
const readToml = Effect.fnUntraced(function*(path: string): Effect.fn.Return<Table | undefined, PrefectConfigError> {
  const text = yield* readText(path)
  if (text === undefined) return undefined
  return yield* Effect.try({
    try: () => parse(text) as Table,
    catch: (error) =>
      new PrefectConfigError({
        source: path,
        detail: `it is not TOML${error instanceof TomlError ? ` (line ${error.line}, column ${error.column})` : ""}`
      })
  })
})

const merge = (settings: Settings, table: Table, source: string, prefix = ""): void => {
  for (const [key, value] of Object.entries(table)) {
    if (isTable(value)) merge(settings, value, source, `${prefix}${key}.`)
    else if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") {
      settings.set(prefix + key, { value: String(value), source })
    }
  }
}

const reference = /\$\{(.[^${}]*)\}/

/** Resolves references to other settings, innermost first; like Prefect, it stops after ten, which also ends loops. */
const resolve = (settings: Settings, key: string): string => {
  let text = settings.get(key)?.value ?? ""
  for (let round = 0; round < maxInterpolations; round++) {
    const match = reference.exec(text)
    if (match === null) break
    const value = settings.get(match[1]!)?.value ?? ""
    text = text.replace(match[0], () => value)
  }
  return text
}

/**
 * The table of `auth.toml` that Prefect keeps for a URL: its host and port, with characters other than `a-z0-9.-`
 * replaced by a dash.
 */
const authSection = (url: string): string => {
  const host = URL.canParse(url) ? new URL(url).host : url
  return host.toLowerCase().replace(/[^-.a-z0-9]+/g, "-").replace(/-{2,}/g, "-").replace(/^-+|-+$/g, "")
}

const textIn = (table: unknown, key: string): string | undefined => {
  const value = isTable(table) ? table[key] : undefined
  return typeof value === "string" && value.trim() !== "" ? value.trim() : undefined
}

/**
 * Reads the configuration. Variables come from the context's `ConfigProvider`; missing files are ignored.
 *
 * **Details**
 *
 * Prefect's default is Prefect Cloud, which no longer serves Prefect 1. When no `backend` is set, it is `cloud` only if
 * `cloud.api`, `cloud.endpoint` or a key for it is set, otherwise `server`.
 *
 * **Gotchas**
 *
 * In `auth.toml`, `api_key` and `tenant_id` outside of any table, which Prefect does not write, apply to every host.
 *
 * @category constructors
 * @since 0.1.0
 */
export const load: Effect.Effect<Prefect1Config, PrefectConfigError> = Effect.gen(function*() {
  const settings: Settings = new Map(
    Object.entries(defaults).map(([key, value]) => [key, { value, source: undefined }])
  )
  for (
    const [name, path] of [
      ["PREFECT__USER_CONFIG_PATH", "~/.prefect/config.toml"],
      ["PREFECT__BACKEND_CONFIG_PATH", "~/.prefect/backend.toml"]
    ] as const
  ) {
    const given = yield* variable(name)
    const file = yield* expand(given ?? path)
    const table = yield* readToml(file)
    if (table !== undefined) merge(settings, table, file)
    // Prefect goes on without it, too.
    else if (given !== undefined && given.trim() !== "") yield* Effect.logWarning(`${name} names no file: ${file}`)
  }
  for (const key of settings.keys()) {
    const name = `PREFECT__${key.replaceAll(".", "__").toUpperCase()}`
    const value = yield* variable(name)
    if (value !== undefined) settings.set(key, { value, source: name })
  }
  for (const [key, { source, value }] of settings) settings.set(key, { value: yield* expand(value), source })

  const auth = yield* readToml(`${resolve(settings, "home_dir").replace(/(?<![\\/])[\\/]+$/, "")}/auth.toml`)
  const credential = (key: "api_key" | "tenant_id", url: string) => {
    const configured = resolve(settings, `cloud.${key}`).trim()
    return configured !== "" ? configured : textIn(auth?.[authSection(url)], key) ?? textIn(auth, key)
  }

  const isSet = (...keys: ReadonlyArray<string>) => keys.some((key) => settings.get(key)?.source !== undefined)
  if (!isSet("backend")) {
    const isCloud = isSet("cloud.api", "cloud.endpoint") ||
      (!isSet("server.endpoint", "server.host", "server.port") &&
        credential("api_key", resolve(settings, "cloud.endpoint")) !== undefined)
    settings.set("backend", { value: isCloud ? "cloud" : "server", source: undefined })
  }

  const backend = resolve(settings, "backend")
  const url = resolve(settings, "cloud.api").trim()
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    const from = settings.get("cloud.api")?.source ?? settings.get(`${backend}.endpoint`)?.source ??
      settings.get("backend")?.source ?? "PREFECT__CLOUD__API"
    return yield* new PrefectConfigError({
      source: from,
      detail: "it gives no http or https URL for Prefect's API; set PREFECT__CLOUD__API, e.g. to http://localhost:4200"
    })
  }
  const apiKey = credential("api_key", url)
  return {
    backend,
    url,
    apiKey: apiKey === undefined ? undefined : Redacted.make(apiKey),
    tenantId: credential("tenant_id", url)
  }
})
