/**
 * The layers that a command's flags ask for. Each backend and each heavy storage is loaded when it is used.
 */
import type { PrefectApi } from "@effect-prefect/api/PrefectApi"
import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import type { PrefectConfigError } from "@effect-prefect/api/PrefectConfigError"
import * as InlineStorage from "@effect-prefect/results/InlineStorage"
import * as LocalStorage from "@effect-prefect/results/LocalStorage"
import * as Mount from "@effect-prefect/results/Mount"
import * as Prefect3Storage from "@effect-prefect/results/Prefect3Storage"
import * as ResultOptions from "@effect-prefect/results/ResultOptions"
import * as ResultStorage from "@effect-prefect/results/ResultStorage"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import { existsSync } from "node:fs"
import { homedir } from "node:os"
import { join } from "node:path"
import { UsageError } from "./internal/errors.ts"

export interface BackendFlags {
  readonly archive: Option.Option<string>
  readonly api: Option.Option<string>
  readonly database: Option.Option<Redacted.Redacted>
  readonly prefect3: Option.Option<string>
}

export interface StorageFlags {
  readonly mount: ReadonlyArray<string>
  readonly s3Endpoint: Option.Option<string>
  readonly maxBytes: Option.Option<number>
  readonly maxChildren: Option.Option<number>
  readonly concurrency: Option.Option<number>
}

const load = <A>(module: () => Promise<A>): Effect.Effect<A> => Effect.promise(module)

const backendNames = ["archive", "api", "database", "prefect3"] as const

/**
 * The backend that was named; else the one that the environment and Prefect's own config files name.
 */
export const backend = (flags: BackendFlags) =>
  Layer.unwrap(Effect.gen(function*(): Effect.fn.Return<
    Layer.Layer<PrefectApi, PrefectApiError | PrefectConfigError | Config.ConfigError>,
    UsageError | Config.ConfigError
  > {
    const named = backendNames.filter((name) => Option.isSome(flags[name] as Option.Option<unknown>))
    if (named.length > 1) {
      return yield* new UsageError({
        message: `give one backend, not ${named.map((name) => `--${name}`).join(" and ")}`
      })
    }
    if (Option.isSome(flags.archive)) {
      const ArchiveApi = yield* load(() => import("@effect-prefect/api/ArchiveApi"))
      return ArchiveApi.layer(flags.archive.value)
    }
    if (Option.isSome(flags.api)) {
      const GraphQLApi = yield* load(() => import("@effect-prefect/api/GraphQLApi"))
      return GraphQLApi.layer({ url: flags.api.value, retryFirstConnection: false, ...(yield* prefect1Credentials) })
    }
    if (Option.isSome(flags.database)) {
      const PostgresApi = yield* load(() => import("@effect-prefect/api/PostgresApi"))
      return PostgresApi.layer({ url: flags.database.value })
    }
    if (Option.isSome(flags.prefect3)) {
      const Prefect3Api = yield* load(() => import("@effect-prefect/api/Prefect3Api"))
      return Prefect3Api.layer({ url: flags.prefect3.value, ...(yield* prefect3Credentials) })
    }
    if (yield* hasPrefect3Config) return (yield* load(() => import("@effect-prefect/api/Prefect3Api"))).layerConfig()
    if (yield* hasPrefect1Config) return (yield* load(() => import("@effect-prefect/api/GraphQLApi"))).layerConfig
    return yield* new UsageError({
      message: "say which backend to ask: --archive DIR, --api URL, --database URL or --prefect3 URL"
    })
  }))

const isThere = (file: string): boolean => existsSync(join(homedir(), ".prefect", file))

/** Whether Prefect 3's client is configured: by its variable, or by its profiles where no variable is Prefect 1's. */
const hasPrefect3Config = Effect.sync(() =>
  process.env["PREFECT_API_URL"] !== undefined || process.env["PREFECT_PROFILE"] !== undefined ||
  isThere("profiles.toml") && !hasPrefect1Variables()
)

const hasPrefect1Variables = (): boolean => Object.keys(process.env).some((name) => name.startsWith("PREFECT__"))

/** Whether Prefect 1's client is configured: by a variable of its own, or one of its files. */
const hasPrefect1Config = Effect.sync(() => hasPrefect1Variables() || isThere("auth.toml") || isThere("config.toml"))

/**
 * The key and tenant for an API that was named. They are taken from the environment alone: those in Prefect's files
 * belong to the API that the files name.
 */
const prefect1Credentials = Config.all({
  apiKey: Config.Redacted("PREFECT__CLOUD__API_KEY").pipe(Config.withDefault(undefined)),
  tenantId: Config.String("PREFECT__CLOUD__TENANT_ID").pipe(Config.withDefault(undefined))
})

const prefect3Credentials = Config.all({
  apiKey: Config.Redacted("PREFECT_API_KEY").pipe(Config.withDefault(undefined)),
  authString: Config.Redacted("PREFECT_API_AUTH_STRING").pipe(Config.withDefault(undefined))
})

/**
 * A flag's number, which must be above 0.
 */
export const positive = (
  name: string,
  value: Option.Option<number>
): Effect.Effect<number | undefined, UsageError> => {
  if (Option.isNone(value)) return Effect.succeed(undefined)
  return value.value > 0
    ? Effect.succeed(value.value)
    : Effect.fail(new UsageError({ message: `--${name} takes a number above 0` }))
}

/**
 * The storages that were allowed: what `--mount` names, an archive's own mounts, and what needs no permission.
 */
export const storage = (flags: StorageFlags & Pick<BackendFlags, "archive">) =>
  Layer.unwrap(Effect.gen(function*() {
    const allowed = yield* Effect.forEach(flags.mount, (text) =>
      Effect.mapError(
        Effect.fromResult(Mount.parse(text)),
        (error) => new UsageError({ message: error.message })
      ))
    const own = Option.isSome(flags.archive)
      ? yield* (yield* load(() => import("@effect-prefect/api/ArchiveApi"))).readMounts(flags.archive.value)
      : []
    const concurrency = yield* positive("concurrency", flags.concurrency)
    const local = LocalStorage.layer({
      roots: allowed.flatMap((_) => _._tag === "Root" ? [_.root] : []),
      mounts: [...own, ...allowed.flatMap((_) => _._tag === "Mount" ? [_.mount] : [])],
      concurrency
    })
    const buckets = (scheme: "s3" | "gs" | "azure") =>
      allowed.flatMap((_) => _._tag === "Bucket" && _.scheme === scheme ? [{ bucket: _.bucket, prefix: _.prefix }] : [])
    const s3 = buckets("s3")
    if (Option.isSome(flags.s3Endpoint) && s3.length === 0) {
      return yield* new UsageError({ message: "--s3-endpoint goes with a bucket to read from it: --mount s3://BUCKET" })
    }
    const remote: Array<Layer.Layer<ResultStorage.ResultStorage, Config.ConfigError>> = []
    if (s3.length > 0) {
      const S3Storage = yield* load(() => import("@effect-prefect/results/S3Storage"))
      const endpoint = Option.getOrUndefined(flags.s3Endpoint)
      remote.push(S3Storage.layer({ buckets: s3, endpoint, concurrency }))
    }
    const gs = buckets("gs")
    if (gs.length > 0) {
      const GCSStorage = yield* load(() => import("@effect-prefect/results/GCSStorage"))
      remote.push(GCSStorage.layer({ buckets: gs, concurrency }))
    }
    const azure = buckets("azure")
    if (azure.length > 0) {
      const AzureStorage = yield* load(() => import("@effect-prefect/results/AzureStorage"))
      const containers = azure.map(({ bucket, prefix }) => ({ container: bucket, prefix }))
      remote.push(AzureStorage.layer({ containers, concurrency }))
    }
    return Layer.merge(
      ResultStorage.layerMerge([InlineStorage.layer, local, ...remote]),
      ResultOptions.layer({
        maxBytes: (yield* positive("max-bytes", flags.maxBytes)) ?? ResultOptions.defaults.maxBytes,
        maxChildren: (yield* positive("max-children", flags.maxChildren)) ?? ResultOptions.defaults.maxChildren,
        concurrency
      })
    )
  }))

/**
 * Both. Results of Prefect 3 are read through the storages that were allowed.
 */
export const services = (flags: BackendFlags & StorageFlags) =>
  Layer.provideMerge(Prefect3Storage.layer(storage(flags)), backend(flags))
