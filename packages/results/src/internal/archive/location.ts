import type { ResultDescriptor } from "@effect-prefect/core/ResultDescriptor"
import * as Location from "../location.ts"
import { objectVersion } from "../objectVersion.ts"
import { encodeBucket, encodeKey, encodeRoot } from "./names.ts"

/**
 * The location in an archive of what a descriptor names: the mount `from` → `folder` finds it again.
 */
export interface ArchiveLocation {
  /** A directory of the worker, or a bucket, as `mounts.json` names it. */
  readonly from: string
  /** The folder of the archive, `/` between its parts. */
  readonly folder: string
  /** The file below it, `/` between its parts. */
  readonly name: string
}

/** The folders at the top of an archive that hold results. */
export const resultFolders = ["results", "files", "windows", "s3", "gs", "azure"] as const

const encodedBucket = /^(s3|gs|azure):\/\/([^/]*)$/

/** The bucket of a mount whose names are encoded; undefined for a mount of files. */
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
    return `its descriptor names no ${scheme === "azure" ? "container" : "bucket"}`
  }
  if (key === "") return "its descriptor names no object"
  if (/\p{Surrogate}/u.test(bucket)) return "its bucket's name is not Unicode"
  return {
    from: `${scheme}://${encodeURIComponent(bucket)}`,
    folder: `${scheme}/${encodeBucket(bucket)}`,
    name: encodeKey(key, version)
  }
}

/** A directory that the caller named, and the folder that is as readable as its path. */
export interface Root {
  readonly key: string
  readonly from: string
  readonly folder: string
}

const segmentsBelow = (path: string, prefix: string): boolean =>
  prefix === "" || path === prefix || path.startsWith(`${prefix}/`)

/**
 * The directories of this kind of system that keep their path as the name of their folder. Of those that are inside of
 * one another, or that some file system takes for one another, only the first does.
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
 * The location of what a descriptor names; as a string the reason why no file of an archive can hold it; undefined when
 * it is kept in the tables, or was not stored by Prefect.
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
      return `nothing here reads a result of the class ${descriptor.type}`
    default:
      return undefined
  }
}
