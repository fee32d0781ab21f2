/** The layers for a command's flags. Each backend and each heavy storage is loaded on demand. */
import type { PrefectApi } from "@effect-prefect/api/PrefectApi"
import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import type { PrefectConfigError } from "@effect-prefect/api/PrefectConfigError"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { existsSync } from "node:fs"
import { homedir } from "node:os"
import { join } from "node:path"
import { CommandFailed, UsageError } from "./internal/errors.ts"
import { archiveFolder, load, positive, type StorageFlags } from "./internal/flagValues.ts"
import * as Settings from "./internal/settings.ts"

export { positive, type StorageFlags } from "./internal/flagValues.ts"

/** A URL as users type it: one without a scheme is treated as http, e.g. `localhost:4200`. */
const httpUrl = ({ source, value }: Settings.Backend): Effect.Effect<string, UsageError> => {
  const text = Redacted.value(value)
  if (/^https?:\/\//i.test(text)) return Effect.succeed(text)
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(text)
    ? Effect.fail(new UsageError({ message: `${source} takes an http or https URL, e.g. http://localhost:4200` }))
    : Effect.succeed(`http://${text}`)
}

/** Refuses values of storage flags that no command takes, also where a command has no use for the flag. */
const checkStorageFlags = Effect.fnUntraced(function*(flags: Partial<StorageFlags>) {
  for (
    const [name, value] of [
      ["max-bytes", flags.maxBytes],
      ["max-memory", flags.maxMemory],
      ["max-children", flags.maxChildren],
      ["concurrency", flags.concurrency]
    ] as const
  ) {
    if (value !== undefined) yield* positive(name, value)
  }
  const { mount = [] } = flags
  if (mount.length === 0) return
  const Mount = yield* load(() => import("@effect-prefect/results/Mount"))
  for (const value of mount) {
    const parsed = Mount.parse(value)
    if (Result.isFailure(parsed)) return yield* new UsageError({ message: `--mount: ${parsed.failure.message}` })
  }
})

/**
 * The configured backend: from a flag, a variable or a profile; otherwise the one that Prefect's own client would use.
 */
export const backend = (flags: Settings.BackendFlags & Partial<StorageFlags>) =>
  Layer.unwrap(Effect.gen(function*(): Effect.fn.Return<
    Layer.Layer<PrefectApi, PrefectApiError | PrefectConfigError | Config.ConfigError>,
    UsageError | CommandFailed | PrefectConfigError | Config.ConfigError
  > {
    yield* checkStorageFlags(flags)
    const { backend } = yield* Settings.resolve(flags)
    switch (backend?.kind) {
      case "archive": {
        const ArchiveApi = yield* load(() => import("@effect-prefect/api/ArchiveApi"))
        return ArchiveApi.layer(yield* archiveFolder(backend))
      }
      case "api": {
        const GraphQLApi = yield* load(() => import("@effect-prefect/api/GraphQLApi"))
        const url = yield* httpUrl(backend)
        const tls = yield* (yield* load(() => import("@effect-prefect/api/Prefect3Config"))).loadTls
        return GraphQLApi.layer({ url, tls, retryFirstConnection: false, ...(yield* prefect1Credentials) })
      }
      case "database": {
        const PostgresApi = yield* load(() => import("@effect-prefect/api/PostgresApi"))
        return PostgresApi.layer({ url: backend.value })
      }
      case "prefect3": {
        const Prefect3Api = yield* load(() => import("@effect-prefect/api/Prefect3Api"))
        return Prefect3Api.layer(yield* prefect3Options(backend))
      }
    }
    switch ((yield* prefectConfiguration)?.prefect) {
      case 3:
        return (yield* load(() => import("@effect-prefect/api/Prefect3Api"))).layerPrefectConfig()
      case 1:
        return (yield* load(() => import("@effect-prefect/api/GraphQLApi"))).layerPrefectConfig
    }
    return yield* new UsageError({
      message: "say which backend to ask: --archive DIR, --api URL, --database URL or --prefect3 URL; " +
        "effect-prefect profile set keeps one, so that it is typed once"
    })
  }))

/** Whether a variable is set to something: an empty one counts as not set. */
const isSet = (name: string): boolean => (process.env[name] ?? "").trim() !== ""

/** The first variable with one of Prefect 1's own names. */
const prefect1Variable = (): string | undefined =>
  Object.keys(process.env).find((name) => name.startsWith("PREFECT__") && isSet(name))

/**
 * The version of Prefect whose client is configured on this machine, and by which variable or file. A variable of
 * Prefect 1 takes precedence over Prefect 3's profiles.
 */
export const prefectConfiguration = Effect.sync(
  (): { readonly prefect: 1 | 3; readonly source: string } | undefined => {
    const variable3 = ["PREFECT_API_URL", "PREFECT_PROFILE", "PREFECT_PROFILES_PATH"].find(isSet)
    if (variable3 !== undefined) return { prefect: 3, source: variable3 }
    const variable1 = prefect1Variable()
    if (variable1 !== undefined) return { prefect: 1, source: variable1 }
    if (isSet("PREFECT_HOME")) return { prefect: 3, source: "PREFECT_HOME" }
    const file = (name: string): string | undefined => {
      const path = join(homedir(), ".prefect", name)
      return existsSync(path) ? path : undefined
    }
    const profiles = file("profiles.toml")
    if (profiles !== undefined) return { prefect: 3, source: profiles }
    const file1 = file("auth.toml") ?? file("config.toml")
    return file1 === undefined ? undefined : { prefect: 1, source: file1 }
  }
)

/**
 * The key and tenant for an API that was given explicitly. They come from the environment only: those in Prefect's
 * files belong to the API in these files.
 */
const prefect1Credentials = Config.all({
  apiKey: Config.Redacted("PREFECT__CLOUD__API_KEY").pipe(Config.withDefault(undefined)),
  tenantId: Config.String("PREFECT__CLOUD__TENANT_ID").pipe(Config.withDefault(undefined))
})

const prefect3Credentials = Config.all({
  apiKey: Config.Redacted("PREFECT_API_KEY").pipe(Config.withDefault(undefined)),
  authString: Config.Redacted("PREFECT_API_AUTH_STRING").pipe(Config.withDefault(undefined))
})

/** A given Prefect 2 or 3 API, with its settings from the environment. */
export const prefect3Options = Effect.fnUntraced(function*(backend: Settings.Backend) {
  const { loadConnection } = yield* load(() => import("@effect-prefect/api/Prefect3Config"))
  return { url: yield* httpUrl(backend), ...(yield* loadConnection), ...(yield* prefect3Credentials) }
})

const storages = Effect.promise(() => import("./storages.ts"))

/** The allowed storages: those of `--mount`, an archive's own mounts, and those that need no permission. */
export const storage = (flags: StorageFlags & Settings.BackendFlags) =>
  Layer.unwrap(Effect.map(storages, ({ storage }) => storage(flags)))

/** Both. Results of Prefect 3 are read through the allowed storages. */
export const services = (flags: Settings.BackendFlags & StorageFlags) =>
  Layer.provideMerge(
    Layer.unwrap(Effect.map(storages, ({ Prefect3Storage }) => Prefect3Storage.layer(storage(flags)))),
    backend(flags)
  )
