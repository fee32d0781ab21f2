/**
 * `LocalStorage`: results in files of this machine, and in folders that hold what workers and buckets once held.
 *
 * @since 0.1.0
 */
import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import type {
  AzureResult,
  GCSResult,
  LocalResult,
  ResultDescriptor,
  S3Result
} from "@effect-prefect/core/ResultDescriptor"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { resolve } from "node:path"
import { atLeastOne } from "./internal/atLeastOne.ts"
import { type Folder, readFile } from "./internal/local/readFile.ts"
import * as Place from "./internal/location.ts"
import { type Mount, MountError } from "./Mount.ts"
import { ResultAccessDenied } from "./ResultError.ts"
import * as ResultStorage from "./ResultStorage.ts"

/**
 * What may be read. Nothing else is.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Directories whose files may be read, under the path by which the descriptors name them. */
  readonly roots?: ReadonlyArray<string> | undefined
  /** Places on workers or in buckets, and the folders to read instead. */
  readonly mounts?: ReadonlyArray<Mount> | undefined
  /** How many files are read at once. Default 64. */
  readonly concurrency?: number | undefined
}

interface Allowed {
  readonly prefix: string
  readonly folder: Folder
  readonly missing: string
}

interface Target {
  readonly folder: Folder
  /** The path in the folder. */
  readonly name: string
  readonly missing: string
}

const allowRoot = (root: string): Allowed => {
  const path = resolve(root)
  return {
    prefix: Place.file(path).key,
    folder: { path },
    missing: "there is no such file on this machine; " +
      "if a worker on another one wrote it, mount the folder that holds its files (--mount FROM=DIR)"
  }
}

const allowMount = (mount: Mount, place: Place.Place): Allowed => {
  const path = resolve(mount.to)
  return {
    prefix: place.key,
    folder: { path, within: mount.within === undefined ? undefined : resolve(mount.within) },
    missing: `${path}, which ${mount.from} is mounted from, does not have it`
  }
}

const findTarget = (allowed: ReadonlyArray<Allowed>, place: Place.Place): Target | undefined => {
  for (const candidate of allowed) {
    const name = Place.below(place, candidate.prefix)
    if (name !== undefined) return { folder: candidate.folder, name, missing: candidate.missing }
  }
  return undefined
}

/** What a reader of files needs to know of a type of descriptor. */
interface Kind<D> {
  readonly type: string
  readonly place: (descriptor: D) => Place.Place
  readonly allowHint: (descriptor: D) => string
  readonly emptyIsNone: boolean
}

const makeReader = <D extends ResultDescriptor>(
  kind: Kind<D>,
  allowed: ReadonlyArray<Allowed>,
  concurrency: number
): ResultStorage.ResultReader<D> => {
  // A descriptor is asked about twice in a row: whether it is allowed, and for its bytes.
  let asked: { readonly descriptor: D; readonly place: Place.Place; readonly target: Target | undefined } | undefined
  const find = (descriptor: D) => {
    if (asked?.descriptor === descriptor) return asked
    const place = kind.place(descriptor)
    asked = { descriptor, place, target: findTarget(allowed, place) }
    return asked
  }
  return {
    type: kind.type,
    concurrency,
    place: (descriptor) => Place.shown(find(descriptor).place.name),
    allows: (descriptor) => find(descriptor).target !== undefined,
    allowHint: kind.allowHint,
    read: (descriptor, options) => {
      const { place, target } = find(descriptor)
      if (target === undefined) {
        return Effect.fail(
          new ResultAccessDenied({ place: Place.shown(place.name), problem: kind.allowHint(descriptor) })
        )
      }
      if (place.name.includes("\0")) {
        return Effect.fail(
          new ResultAccessDenied({ place: Place.shown(place.name), problem: "no file has a NUL in its name" })
        )
      }
      const { name } = place
      return Effect.map(
        readFile(target.folder, target.name, name, options.maxBytes, target.missing),
        kind.emptyIsNone
          ? (bytes): ResultStorage.Stored => ({ _tag: "Bytes", bytes, name, emptyIsNone: true })
          : (bytes): ResultStorage.Stored => ({ _tag: "Bytes", bytes, name })
      )
    }
  }
}

const localResult: Kind<LocalResult> = {
  type: "LocalResult",
  place: ({ dir, location }) => Place.file(location ?? "", dir),
  allowHint: ({ dir, location }) => {
    const path = Place.file(location ?? "", dir).name
    const isBelow = typeof dir === "string" && path.startsWith(dir.endsWith("/") ? dir : `${dir}/`)
    const cut = path.lastIndexOf("/")
    if (cut < 0) return "it is relative, and its folder was not recorded"
    const folder = isBelow ? dir : path.slice(0, Math.max(cut, 1))
    return "it is not below an allowed root or mount: " +
      `add ${Place.shown(folder)} to LocalStorage.layer({ roots }), or mount its copy (--mount ${
        Place.shown(folder)
      }=DIR)`
  },
  emptyIsNone: false
}

const objectKind = <D extends S3Result | GCSResult | AzureResult>(
  type: D["_tag"],
  scheme: Place.Scheme,
  bucketOf: (descriptor: D) => string | null | undefined
): Kind<D> => ({
  type,
  place: (descriptor) => Place.object(scheme, bucketOf(descriptor) ?? "", descriptor.location ?? ""),
  allowHint: (descriptor) => {
    const bucket = Place.shown(`${scheme}://${bucketOf(descriptor) ?? ""}`)
    return `it is not in an allowed bucket or mount: allow ${bucket} (--mount ${bucket}), or mount its copy ` +
      `(--mount ${bucket}=DIR)`
  },
  emptyIsNone: true
})

const s3Result = objectKind<S3Result>("S3Result", "s3", (descriptor) => descriptor.bucket)
const gcsResult = objectKind<GCSResult>("GCSResult", "gs", (descriptor) => descriptor.bucket)
const azureResult = objectKind<AzureResult>("AzureResult", "azure", (descriptor) => descriptor.container)

/**
 * The readers of `layer`, for a storage that keeps its files in the same way.
 *
 * @category constructors
 * @since 0.1.0
 */
export const readers = (options: Options): Result.Result<ReadonlyArray<ResultStorage.AnyReader>, MountError> => {
  const concurrency = atLeastOne(options.concurrency ?? 64)
  const files = (options.roots ?? []).map(allowRoot)
  const objects: Record<Place.Scheme, Array<Allowed>> = { s3: [], gs: [], azure: [] }
  for (const mount of options.mounts ?? []) {
    const written = Place.parse(mount.from)
    if (written._tag === "Invalid") {
      return Result.fail(new MountError({ mount: mount.from, problem: written.problem }))
    }
    const list = written._tag === "Directory" ? files : objects[written.scheme]
    // A mount goes before a root of the same name, and a later mount before an earlier one.
    list.unshift(allowMount(mount, written.place))
  }
  for (const list of [files, ...Object.values(objects)]) {
    list.sort((left, right) => right.prefix.length - left.prefix.length)
  }
  return Result.succeed([
    makeReader(localResult, files, concurrency),
    ...(objects.s3.length === 0 ? [] : [makeReader(s3Result, objects.s3, concurrency)]),
    ...(objects.gs.length === 0 ? [] : [makeReader(gcsResult, objects.gs, concurrency)]),
    ...(objects.azure.length === 0 ? [] : [makeReader(azureResult, objects.azure, concurrency)])
  ])
}

/**
 * Reads `LocalResult`s from files below the roots and mounts, and `S3Result`s, `GCSResult`s and `AzureResult`s of
 * mounted buckets. Only regular files that are really there, links followed, are opened.
 *
 * A location is absolute, or else relative to the descriptor's `dir`. It may be one of another system: a mount of
 * `C:\results` works anywhere.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<ResultStorage.ResultStorage, MountError> =>
  ResultStorage.layer(Effect.suspend(() => Effect.fromResult(readers(options))))

/**
 * Reads what an archive's own `mounts.json` names, in folders of the archive: the storage that goes with
 * `ArchiveApi.layer(directory)`. Results that Prefect kept in its database need `InlineStorage.layer` beside it.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerArchive = (
  directory: string
): Layer.Layer<ResultStorage.ResultStorage, MountError | PrefectApiError> =>
  ResultStorage.layer(Effect.gen(function*() {
    const { readMounts } = yield* Effect.promise(() => import("@effect-prefect/api/ArchiveApi"))
    const mounts = yield* readMounts(directory)
    return yield* Effect.fromResult(readers({ mounts }))
  }))
