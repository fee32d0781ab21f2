import type { ResultDescriptor } from "@effect-prefect/core/ResultDescriptor"
import * as Location from "../location.ts"
import { objectVersion } from "../objectVersion.ts"
import { encodeBucket, encodeKey, encodeRoot } from "./names.ts"

/** The location in an archive for a descriptor; the mount `from` → `folder` finds it again. */
export interface ArchiveLocation {
  /** A directory of the worker, or a bucket, as in `mounts.json`. */
  readonly from: string
  /** The folder of the archive, with `/` as the separator. */
  readonly folder: string
  /** The file below it, with `/` as the separator. */
  readonly name: string
}

/** The top-level folders of an archive that contain results. */
export const resultFolders = ["results", "files", "windows", "home", "relative", "s3", "gs", "azure"] as const

const encodedBucket = /^(s3|gs|azure):\/\/([^/]*)$/

/** The bucket of a mount with encoded names; undefined for a mount of files. */
export const parseEncodedBucket = (
  from: string
): { readonly scheme: Location.Scheme; readonly bucket: string } | undefined => {
  const match = encodedBucket.exec(from)
  if (match === null) return undefined
  try {
    return { scheme: match[1] as Location.Scheme, bucket: decodeURIComponent(match[2]!) }
  } catch {
    return undefined
  }
}

const inBucket = (
  scheme: Location.Scheme,
  bucket: string | null | undefined,
  key: string,
  version: string | undefined
): ArchiveLocation | string => {
  if (bucket === null || bucket === undefined || bucket === "") {
    return `its descriptor has no ${scheme === "azure" ? "container" : "bucket"}`
  }
  if (key === "") return "its descriptor has no object name"
  if (/\p{Surrogate}/u.test(bucket)) return "its bucket's name is not Unicode"
  return {
    from: `${scheme}://${encodeURIComponent(bucket)}`,
    folder: `${scheme}/${encodeBucket(bucket)}`,
    name: encodeKey(key, version)
  }
}

/** A directory that the caller named, and a folder that is as readable as its path. */
export interface Root {
  readonly key: string
  readonly from: string
  readonly folder: string
}

const segmentsBelow = (path: string, prefix: string): boolean =>
  prefix === "" || path === prefix || path.startsWith(`${prefix}/`)

/**
 * The directories of this kind of system that keep their path as the name of their folder. Of nested ones, and of those
 * that some file system treats as equal, only the first does.
 */
export const rootsOf = (paths: ReadonlyArray<string>): ReadonlyArray<Root> => {
  const found: Array<Root & { readonly folded: string }> = []
  const places = paths.flatMap((path) => {
    const written = path === "" ? undefined : Location.parse(path)
    return written?._tag === "Directory" && /^\/(?!\/)/.test(written.location.key) ? [written.location.key] : []
  })
  for (const key of places.toSorted((left, right) => left.length - right.length || (left < right ? -1 : 1))) {
    const name = encodeRoot(key)
    if (name === undefined) continue
    const folded = name.toLowerCase()
    if (found.some((other) => segmentsBelow(folded, other.folded) || segmentsBelow(other.folded, folded))) continue
    found.push({ key, from: key, folder: name === "" ? "results" : `results/${name}`, folded })
  }
  return found
}

const windowsOf = (
  key: string
): { readonly from: string; readonly folder: string; readonly rest: string } | undefined => {
  const drive = /^([a-z]):\/(.*)$/s.exec(key)
  if (drive !== null) return { from: `${drive[1]}:/`, folder: `windows/${drive[1]}`, rest: drive[2]! }
  const share = /^\/\/([^/]+)\/([^/]+)\/(.*)$/s.exec(key)
  if (share === null) return undefined
  const [, server = "", name = "", rest = ""] = share
  // With slashes a share would be read as a path of this system.
  return {
    from: `\\\\${server}\\${name}`,
    folder: `windows/unc/${encodeBucket(server)}/${encodeBucket(name)}`,
    rest
  }
}

const file = (
  location: string,
  dir: string | null | undefined,
  roots: ReadonlyArray<Root>
): ArchiveLocation | string => {
  const { key } = Location.file(location, dir)
  if (key.includes("\0")) return "no file has a NUL in its name"
  const windows = windowsOf(key)
  if (windows !== undefined) {
    return windows.rest === ""
      ? "it names a folder"
      : { from: windows.from, folder: windows.folder, name: encodeKey(windows.rest) }
  }
  // In the home folder of a worker, and in the folder that one ran in: where neither was recorded.
  for (const [from, folder] of [["~", "home"], [".", "relative"]] as const) {
    const name = Location.below({ key, name: key }, from)
    if (name !== undefined && name !== "" && name !== ".") return { from, folder, name: encodeKey(name) }
  }
  if (!/^\/(?!\/)/.test(key)) return "it is relative, and its folder was not recorded"
  for (const root of roots) {
    const name = Location.below({ key, name: key }, root.key)
    if (name === "") return "it names a folder"
    if (name !== undefined) return { from: root.from, folder: root.folder, name: encodeKey(name) }
  }
  const rest = key.slice(1)
  if (rest === "") return "it names a folder"
  return { from: "/", folder: roots.length === 0 ? "results" : "files", name: encodeKey(rest) }
}

/**
 * The location for a descriptor; as a string, the reason why no file of an archive can hold it; undefined when it is
 * kept in the tables, or was not stored by Prefect.
 */
export const archiveLocation = (
  descriptor: ResultDescriptor,
  roots: ReadonlyArray<Root> = []
): ArchiveLocation | string | undefined => {
  const location = descriptor.location ?? ""
  switch (descriptor._tag) {
    case "LocalResult":
      return file(location, descriptor.dir, roots)
    case "S3Result":
      return inBucket("s3", descriptor.bucket, location, objectVersion(descriptor))
    case "GCSResult":
      return inBucket("gs", descriptor.bucket, location, undefined)
    case "AzureResult":
      return inBucket("azure", descriptor.container, location, undefined)
    case "CustomResult":
      return `results of the class ${descriptor.type} cannot be read`
    default:
      return undefined
  }
}
