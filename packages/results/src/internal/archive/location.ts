import type { ResultDescriptor } from "@effect-prefect/core/ResultDescriptor"
import * as Location from "../location.ts"

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

const bucketName = /^[A-Za-z0-9][A-Za-z0-9._-]*$/

const object = (
  scheme: Location.Scheme,
  bucket: string | null | undefined,
  key: string
): ArchiveLocation | undefined => {
  if (bucket === null || bucket === undefined || !bucketName.test(bucket)) return undefined
  const from = `${scheme}://${bucket}`
  const name = Location.below(Location.object(scheme, bucket, key), from)
  return name === undefined ? undefined : { from, folder: `${scheme}/${bucket}`, name }
}

/** `/srv/results` → `results/srv/results`; `C:/flows` → `windows/c/flows`; `//server/share` → `windows/unc/server/share`. */
const folderOf = (place: Location.Location): string => {
  const { key } = place
  if (key.startsWith("//")) return `windows/unc/${key.slice(2)}`
  if (/^[a-z]:/.test(key)) return `windows/${key[0]}${key.slice(2)}`
  return key === "/" ? "results" : `results${key}`
}
const isAbsolute = ({ key }: Location.Location) => key.startsWith("/") || /^[a-z]:(\/|$)/.test(key)

/** The root that an absolute place is below in any case: `/`, a drive, or a share. */
const rootOf = ({ key, name }: Location.Location): Location.Location | undefined => {
  if (!key.startsWith("//")) return /^[a-z]:/.test(key) ? { key: key.slice(0, 2), name: `${name.slice(0, 2)}/` } : slash
  const share = /^\/\/[^/]+\/[^/]+/.exec(key)?.[0]
  return share === undefined ? undefined : { key: share, name: name.slice(0, share.length) }
}
const slash: Location.Location = { key: "/", name: "/" }

const file = (location: string, dir: string | null | undefined): ArchiveLocation | undefined => {
  const place = Location.file(location, dir)
  if (!isAbsolute(place)) return undefined
  const own = dir === null || dir === undefined || dir === "" ? undefined : Location.file(dir)
  for (const root of [own, rootOf(place)]) {
    // Of a share `//server/share/x`, the server alone is no folder.
    if (root === undefined || !isAbsolute(root) || root.key.startsWith("//") !== place.key.startsWith("//")) continue
    const name = Location.below(place, root.key)
    if (name === undefined || name === "") continue
    // With slashes a share would be read as a path of this system.
    const from = root.name.startsWith("//") ? root.name.replaceAll("/", "\\") : root.name
    return { from: /^[A-Za-z]:$/.test(from) ? `${from}/` : from, folder: folderOf(root), name }
  }
  return undefined
}

/** Whether every part is a name: none leads elsewhere, or nowhere. */
const isPath = (path: string) =>
  !path.includes("\0") && path.split("/").every((part) => part !== "" && part !== "." && part !== "..")

/**
 * The location of what a descriptor names; undefined when no folder can hold it.
 */
export const archiveLocation = (descriptor: ResultDescriptor): ArchiveLocation | undefined => {
  const location = descriptor.location ?? ""
  const place = descriptor._tag === "LocalResult"
    ? file(location, descriptor.dir)
    : descriptor._tag === "S3Result"
    ? object("s3", descriptor.bucket, location)
    : descriptor._tag === "GCSResult"
    ? object("gs", descriptor.bucket, location)
    : descriptor._tag === "AzureResult"
    ? object("azure", descriptor.container, location)
    : undefined
  return place !== undefined && isPath(`${place.folder}/${place.name}`) ? place : undefined
}
