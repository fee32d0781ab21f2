/**
 * `LocalStorage`: results in files of this machine, and in folders with copies of the files of workers and buckets.
 *
 * **Example** (Folders of workers)
 *
 * ```ts
 * import { LocalStorage } from "@effect-prefect/results"
 *
 * // What the workers stored in one folder, and in another that is copied to this machine.
 * export const Storage = LocalStorage.layer({
 *   roots: ["/srv/prefect/results"],
 *   mounts: [{ from: "/home/worker/.prefect/results", to: "./copied" }]
 * })
 *
 * // What `effect-prefect archive export` copied.
 * export const Archive = LocalStorage.layerArchive("./archive")
 * ```
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
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { homedir } from "node:os"
import { isAbsolute, join, resolve } from "node:path"
import { parseEncodedBucket } from "./internal/archive/location.ts"
import { encodeKey } from "./internal/archive/names.ts"
import { countOf } from "./internal/countOf.ts"
import { findFolder, type Folder, openFileParts, readFile, readFileAtOnce } from "./internal/local/readFile.ts"
import * as Location from "./internal/location.ts"
import { objectVersion } from "./internal/objectVersion.ts"
import { type Mount, MountError } from "./Mount.ts"
import * as ResultStorage from "./ResultStorage.ts"

/**
 * The locations that may be read. No other location can be read.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Directories whose files may be read, under the path in the descriptors. */
  readonly roots?: ReadonlyArray<string> | undefined
  /** Locations on workers or in buckets, and the folders to read in their place. */
  readonly mounts?: ReadonlyArray<Mount> | undefined
  /** The number of files that are read concurrently. Default 64. */
  readonly concurrency?: number | undefined
}

/** An object with exactly these bytes in its names. */
interface ObjectName {
  readonly bucket: string
  readonly key: string
  readonly version?: string | undefined
}

interface Allowed {
  readonly prefix: string
  readonly folder: Folder
  readonly missing: string
  readonly names: "plain" | "encoded"
  /** The bucket of objects with encoded names. */
  readonly bucket?: string | undefined
}

interface Target {
  readonly folder: Folder
  /** The path in the folder. */
  readonly name: string
  readonly missing: string
  readonly specificity: number
}

/**
 * The names under which workers may have recorded a directory of the reader's machine: its path, one below `~`, and the
 * given relative path. A shell has already expanded `~`.
 */
const prefixesOf = (given: string, path: string): ReadonlyArray<string> => {
  const below = Location.below(Location.file(path), Location.file(homedir()).key)
  const names = [path, ...(below === undefined ? [] : [below === "" ? "~" : `~/${below}`])]
  if (!isAbsolute(given) && !given.startsWith("~")) names.push(given)
  return [...new Set(names.map((name) => Location.file(name).key))]
}

const allowRoot = (root: string): ReadonlyArray<Allowed> => {
  const path = resolve(/^~(?:\/|$)/.test(root) ? join(homedir(), root.slice(1)) : root)
  return prefixesOf(root, path).map((prefix) => ({
    prefix,
    folder: { path },
    missing: "there is no such file on this machine; " +
      "if a worker on another one wrote it, mount a copy of the folder that holds its files",
    names: "plain" as const
  }))
}

const allowMount = (mount: Mount, location: Location.Location): ReadonlyArray<Allowed> => {
  const prefixes = isAbsolute(mount.from) ? [location.key, ...prefixesOf(mount.from, mount.from)] : [location.key]
  return [...new Set(prefixes)].map((prefix) => allowPrefix(mount, prefix))
}

const allowPrefix = (mount: Mount, prefix: string, bucket?: string): Allowed => {
  const path = resolve(mount.to)
  const names = mount.names ?? "plain"
  return {
    prefix,
    folder: {
      path,
      within: mount.within === undefined ? undefined : resolve(mount.within),
      // Windows itself ignores case.
      isExact: names === "plain" && !/^(?:[a-z]:|\/\/)/.test(prefix)
    },
    missing: `${path}, which ${mount.from} is mounted from, does not have it`,
    names,
    bucket
  }
}

/** Whether a file in a plain folder belongs to this object only: another key or version could have the same file. */
const isPlain = ({ bucket, key, version }: ObjectName, { name }: Location.Location): boolean =>
  version === undefined && name.endsWith(`://${bucket}/${key}`) && !key.endsWith("/") &&
  !(process.platform === "win32" && /[\\:*?"<>|]|[. ](?:\/|$)/.test(key))

/** The file of a candidate for a location; a hint when it is ambiguous; undefined when the location is elsewhere. */
const targetIn = (
  candidate: Allowed,
  location: Location.Location,
  object: ObjectName | undefined
): Target | string | undefined => {
  const { folder, missing } = candidate
  const specificity = candidate.prefix.length
  if (candidate.bucket !== undefined) {
    return object?.bucket === candidate.bucket
      ? { folder, name: encodeKey(object.key, object.version), missing, specificity }
      : undefined
  }
  if (candidate.names === "encoded") {
    // A Windows path is compared, and therefore named, in lower case.
    const key = Location.below({ key: location.key, name: location.key }, candidate.prefix)
    return key === undefined ? undefined : { folder, name: encodeKey(key), missing, specificity }
  }
  const name = Location.below(location, candidate.prefix)
  if (name === undefined) return undefined
  if (location.name.includes("\0")) return "no file has a NUL in its name"
  return object === undefined || isPlain(object, location)
    ? { folder, name, missing, specificity }
    : `a plain folder has one file for several such ${object.version === undefined ? "keys" : "versions"}: ` +
      "copy the results with archive export, or read the bucket itself"
}

/** From this number on, only those are tried whose prefix a location has: an archive may have ten thousands. */
const manyAllowed = 16

type Candidates = (location: Location.Location, object: ObjectName | undefined) => ReadonlyArray<Allowed>

/** Those of `allowed` that may have a location, in their order. */
const candidatesOf = (allowed: ReadonlyArray<Allowed>): Candidates => {
  if (allowed.length < manyAllowed) return () => allowed
  const byName = new Map<string, Array<number>>()
  const lengths = new Set<number>()
  for (const [index, { bucket, names, prefix }] of allowed.entries()) {
    const name = bucket === undefined ? prefix : `\0${bucket}`
    if (bucket === undefined) lengths.add(prefix.length)
    const others = byName.get(name)
    if (others === undefined) byName.set(name, [index])
    // Of those that have the same locations, the first has them.
    else if (others.every((other) => allowed[other]!.names !== names)) others.push(index)
  }
  const longest = Math.max(0, ...lengths)
  return ({ key }, object) => {
    const found = [...byName.get(".") ?? []]
    if (object !== undefined) found.push(...byName.get(`\0${object.bucket}`) ?? [])
    const add = (length: number) => {
      if (lengths.has(length)) found.push(...byName.get(key.slice(0, length)) ?? [])
    }
    for (let cut = key.indexOf("/"); cut >= 0 && cut <= longest; cut = key.indexOf("/", cut + 1)) {
      add(cut)
      // The root of a file system or of a share keeps its slash.
      if (cut + 1 < key.length) add(cut + 1)
    }
    add(key.length)
    return found.sort((left, right) => left - right).map((index) => allowed[index]!)
  }
}

const findTarget = (
  allowed: ReadonlyArray<Allowed>,
  location: Location.Location,
  object: ObjectName | undefined
): Target | string | undefined => {
  let hint: string | undefined
  for (const candidate of allowed) {
    const found = targetIn(candidate, location, object)
    if (typeof found === "object") return found
    hint ??= found
  }
  return hint
}

/** The naming of files for a type of descriptor, and the hint for locations that are not allowed. */
interface Kind<D> {
  readonly type: string
  readonly locationOf: (descriptor: D) => Location.Location
  readonly objectOf: (descriptor: D) => ObjectName | undefined
  readonly deniedOf: (descriptor: D) => { readonly detail?: string; readonly hint?: string }
  readonly emptyIsNone: boolean
}

const makeReader = <D extends ResultDescriptor>(
  kind: Kind<D>,
  allowed: ReadonlyArray<Allowed>,
  concurrency: number,
  candidates = candidatesOf(allowed)
): ResultStorage.StorageReader<D> => ({
  type: kind.type,
  concurrency,
  resolve: (descriptor) => {
    const found = kind.locationOf(descriptor)
    const object = kind.objectOf(descriptor)
    const target = findTarget(candidates(found, object), found, object)
    const location = Location.shown(found.name)
    if (typeof target === "string") return { _tag: "Denied", location, detail: target }
    if (target === undefined) return { _tag: "Denied", location, ...kind.deniedOf(descriptor) }
    const { name } = found
    const stored = kind.emptyIsNone
      ? (bytes: Uint8Array): ResultStorage.StoredResult => ({ _tag: "Bytes", bytes, name, emptyIsNone: true })
      : (bytes: Uint8Array): ResultStorage.StoredResult => ({ _tag: "Bytes", bytes, name })
    return {
      _tag: "Allowed",
      location,
      specificity: target.specificity,
      read: (options) => Effect.map(readFile(target.folder, target.name, location, options, target.missing), stored),
      readAtOnce: ({ maxBytes }) => {
        const found = readFileAtOnce(target.folder, target.name, location, maxBytes, target.missing)
        return found instanceof Uint8Array ? stored(found) : found
      },
      beforeReadAtOnce: () => findFolder(target.folder),
      open: () => openFileParts(target.folder, target.name, location, target.missing)
    }
  }
})

const localResult: Kind<LocalResult> = {
  type: "LocalResult",
  locationOf: ({ dir, location }) => Location.file(location ?? "", dir),
  objectOf: () => undefined,
  deniedOf: ({ dir, location }) => {
    const path = Location.file(location ?? "", dir).name
    const isBelow = typeof dir === "string" && path.startsWith(dir.endsWith("/") ? dir : `${dir}/`)
    const cut = path.lastIndexOf("/")
    if (cut < 0) {
      return {
        detail: "it is relative, and its folder was not recorded",
        hint: "mount the folder that the worker ran in, from \".\""
      }
    }
    const folder = isBelow ? dir : path.slice(0, Math.max(cut, 1))
    return {
      hint: `add ${JSON.stringify(Location.shown(folder))} to LocalStorage.layer({ roots }), or its copy to { mounts }`
    }
  },
  emptyIsNone: false
}

const objectKind = <D extends S3Result | GCSResult | AzureResult>(
  type: D["_tag"],
  scheme: Location.Scheme,
  bucketOf: (descriptor: D) => string | null | undefined
): Kind<D> => ({
  type,
  locationOf: (descriptor) => Location.object(scheme, bucketOf(descriptor) ?? "", descriptor.location ?? ""),
  objectOf: (descriptor) => ({
    bucket: bucketOf(descriptor) ?? "",
    key: descriptor.location ?? "",
    version: objectVersion(descriptor)
  }),
  deniedOf: (descriptor) => {
    const bucket = JSON.stringify(Location.shown(`${scheme}://${bucketOf(descriptor) ?? ""}`))
    return { hint: `allow ${bucket}, or add its copy to LocalStorage.layer({ mounts })` }
  },
  emptyIsNone: true
})

const s3Result = objectKind<S3Result>("S3Result", "s3", (descriptor) => descriptor.bucket)
const gcsResult = objectKind<GCSResult>("GCSResult", "gs", (descriptor) => descriptor.bucket)
const azureResult = objectKind<AzureResult>("AzureResult", "azure", (descriptor) => descriptor.container)

/**
 * The readers of `layer`, for a storage with the same file layout.
 *
 * @category constructors
 * @since 0.1.0
 */
export const readers = (options: Options): Result.Result<ReadonlyArray<ResultStorage.AnyReader>, MountError> => {
  const concurrency = countOf("concurrency", options.concurrency ?? 64)
  const nul = (options.roots ?? []).find((root) => root.includes("\0")) ??
    (options.mounts ?? []).find(({ to, within }) => `${to}${within ?? ""}`.includes("\0"))
  if (nul !== undefined) {
    return typeof nul === "string"
      ? Result.fail(new MountError({ mount: nul, detail: "it holds a NUL" }))
      : Result.fail(new MountError({ mount: nul.from, detail: "its folder holds a NUL" }))
  }
  const lists: Record<Location.Scheme | "file", Array<ReadonlyArray<Allowed>>> = {
    file: [(options.roots ?? []).flatMap(allowRoot)],
    s3: [],
    gs: [],
    azure: []
  }
  for (const mount of options.mounts ?? []) {
    const encoded = mount.names === "encoded" ? parseEncodedBucket(mount.from) : undefined
    if (encoded !== undefined) {
      lists[encoded.scheme].push([allowPrefix(mount, mount.from, encoded.bucket)])
      continue
    }
    const written = Location.parse(mount.from)
    if (written._tag === "Invalid") {
      return Result.fail(new MountError({ mount: mount.from, detail: written.detail }))
    }
    lists[written._tag === "Directory" ? "file" : written.scheme].push(allowMount(mount, written.location))
  }
  // A mount takes precedence over a root with the same name, and a later mount over an earlier one.
  const inOrder = (lists: Array<ReadonlyArray<Allowed>>) =>
    lists.reverse().flat().sort((left, right) => right.prefix.length - left.prefix.length)
  const [files, s3, gs, azure] = [inOrder(lists.file), inOrder(lists.s3), inOrder(lists.gs), inOrder(lists.azure)]
  return Result.succeed([
    makeReader(localResult, files, concurrency),
    ...(s3.length === 0 ? [] : [makeReader(s3Result, s3, concurrency)]),
    ...(gs.length === 0 ? [] : [makeReader(gcsResult, gs, concurrency)]),
    ...(azure.length === 0 ? [] : [makeReader(azureResult, azure, concurrency)])
  ])
}

/**
 * Reads `LocalResult`s from files below the roots and mounts, and `S3Result`s, `GCSResult`s and `AzureResult`s of
 * mounted buckets. Only regular files that really are in these folders, with links followed, are opened.
 *
 * A location is absolute, or relative to the descriptor's `dir`. It may be a path of another operating system: a mount
 * of `C:\results` works on every system.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<ResultStorage.ResultStorage, MountError> =>
  ResultStorage.layer(Effect.suspend(() => Effect.fromResult(readers(options))))

/**
 * Like `layer`, with options from the configuration.
 *
 * **Example** (Folders from the environment)
 *
 * ```ts
 * import { LocalStorage } from "@effect-prefect/results"
 * import * as Config from "effect/Config"
 *
 * const folder = Config.String("RESULTS")
 * export const Storage = LocalStorage.layerConfig({
 *   mounts: Config.map(folder, (to) => [{ from: "/srv/prefect/results", to }])
 * })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<ResultStorage.ResultStorage, MountError | Config.ConfigError> =>
  ResultStorage.layer(
    Effect.flatMap(Config.unwrap(options), (options) => Effect.fromResult(readers(options)))
  )

/**
 * Reads the locations in an archive's own `mounts.json`, from folders of the archive: the storage for
 * `ArchiveApi.layer(directory)`. Results that Prefect kept in its database also need `InlineStorage.layer`.
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
