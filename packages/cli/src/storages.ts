/** The layer of the storages that a command's flags allow. Only commands that read results load it. */
import * as InlineStorage from "@effect-prefect/results/InlineStorage"
import * as LocalStorage from "@effect-prefect/results/LocalStorage"
import * as Mount from "@effect-prefect/results/Mount"
import * as ResultOptions from "@effect-prefect/results/ResultOptions"
import * as ResultStorage from "@effect-prefect/results/ResultStorage"
import type * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { existsSync } from "node:fs"
import { UsageError } from "./internal/errors.ts"
import { archiveFolder, load, positive, type StorageFlags } from "./internal/flagValues.ts"
import * as Settings from "./internal/settings.ts"

export * as Prefect3Storage from "@effect-prefect/results/Prefect3Storage"

/** A `--mount` that was given or configured, validated while its source is known. */
const allowed = ({ source, value }: Settings.Setting<string>) =>
  Effect.gen(function*() {
    const location = yield* Effect.mapError(
      Effect.fromResult(Mount.parse(value)),
      (error) => new UsageError({ message: `${source}: ${error.message}` })
    )
    const folder = location._tag === "Mount" ? location.mount.to : location._tag === "Root" ? location.root : undefined
    if (folder !== undefined && !existsSync(folder)) {
      return yield* new UsageError({ message: `${source}: there is no folder ${folder} for ${value}` })
    }
    return location
  })

/** The allowed storages: those of `--mount`, an archive's own mounts, and those that need no permission. */
export const storage = (flags: StorageFlags & Settings.BackendFlags) =>
  Layer.unwrap(Effect.gen(function*() {
    const { attempts } = flags
    const { backend, mounts, profile } = yield* Settings.resolve(flags)
    const flagged = flags.mount.map((value): Settings.Setting<string> => ({ value, source: "--mount" }))
    const locations = yield* Effect.forEach([...flagged, ...mounts], allowed)
    const own = backend?.kind === "archive"
      ? yield* (yield* load(() => import("@effect-prefect/api/ArchiveApi"))).readMounts(yield* archiveFolder(backend))
      : []
    const concurrency = yield* positive("concurrency", flags.concurrency)
    const local = LocalStorage.layer({
      roots: locations.flatMap((_) => _._tag === "Root" ? [_.root] : []),
      mounts: [...own, ...locations.flatMap((_) => _._tag === "Mount" ? [_.mount] : [])],
      concurrency
    })
    const buckets = (scheme: "s3" | "gs" | "azure") =>
      locations.flatMap((_) =>
        _._tag === "Bucket" && _.scheme === scheme ? [{ bucket: _.bucket, prefix: _.prefix }] : []
      )
    const loadTls = (...names: ReadonlyArray<string>) =>
      Effect.flatMap(load(() => import("@effect-prefect/api/Network")), (_) => _.loadTls(...names))
    const s3 = buckets("s3")
    if (Option.isSome(flags.s3Endpoint) && s3.length === 0 && flags.isForOutput !== true) {
      return yield* new UsageError({ message: "--s3-endpoint goes with a bucket to read from it: --mount s3://BUCKET" })
    }
    const remote: Array<Layer.Layer<ResultStorage.ResultStorage, Config.ConfigError>> = []
    if (s3.length > 0) {
      const S3Storage = yield* load(() => import("@effect-prefect/results/S3Storage"))
      const endpoint = Option.getOrUndefined(flags.s3Endpoint) ?? profile?.profile.s3Endpoint
      remote.push(
        S3Storage.layer({
          buckets: s3,
          endpoint,
          concurrency,
          attempts,
          tls: yield* loadTls("AWS_CA_BUNDLE", "SSL_CERT_FILE")
        })
      )
    }
    const gs = buckets("gs")
    if (gs.length > 0) {
      const GCSStorage = yield* load(() => import("@effect-prefect/results/GCSStorage"))
      remote.push(GCSStorage.layer({ buckets: gs, concurrency, attempts, tls: yield* loadTls("SSL_CERT_FILE") }))
    }
    const azure = buckets("azure")
    if (azure.length > 0) {
      const AzureStorage = yield* load(() => import("@effect-prefect/results/AzureStorage"))
      const containers = azure.map(({ bucket, prefix }) => ({ container: bucket, prefix }))
      remote.push(AzureStorage.layer({ containers, concurrency, attempts, tls: yield* loadTls("SSL_CERT_FILE") }))
    }
    return Layer.merge(
      ResultStorage.layerMerge([InlineStorage.layer, local, ...remote]),
      ResultOptions.layer({
        maxBytes: (yield* positive("max-bytes", flags.maxBytes)) ?? ResultOptions.defaults.maxBytes,
        maxMemory: (yield* positive("max-memory", flags.maxMemory)) ?? ResultOptions.defaults.maxMemory,
        maxChildren: (yield* positive("max-children", flags.maxChildren)) ?? ResultOptions.defaults.maxChildren,
        concurrency
      })
    )
  }))
