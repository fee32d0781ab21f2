/**
 * The location of a key in a storage block of Prefect 3, as the descriptor of Prefect 1 for the same location, so that
 * the same readers, roots, buckets and mounts serve both. Paths are joined as in the blocks of Prefect 3.8.0,
 * prefect-aws 0.7, prefect-gcp 0.6 and prefect-azure 0.4.
 */
import type { StorageBlock } from "@effect-prefect/api/Backend"
import {
  AzureResult,
  GCSResult,
  LocalResult,
  type ResultDescriptor,
  S3Result
} from "@effect-prefect/core/ResultDescriptor"
import { ResultAccessDenied, UnsupportedResultType } from "../../ResultError.ts"
import * as Location from "../location.ts"
import { normalizePosix } from "../path.ts"

export type Resolved = ResultDescriptor | ResultAccessDenied | UnsupportedResultType

const unsupported = (type: string, detail: string) => new UnsupportedResultType({ type, detail })

const text = (block: StorageBlock, ...keys: ReadonlyArray<string>): string => {
  for (const key of keys) {
    const value = block.data[key]
    if (typeof value === "string" && value !== "") return value
  }
  return ""
}

/** As in Python, an absolute path replaces the folder. */
const join = (folder: string, key: string): string => {
  const path = folder === "" || key.startsWith("/") ? key : `${Location.withoutEndSlashes(folder)}/${key}`
  return normalizePosix(path).replace(/^\.\//, "")
}

/** A key that already begins with its folder is not joined again. */
const joinOnce = (folder: string, key: string): string => {
  const bare = Location.withoutEndSlashes(folder)
  return bare !== "" && (key === bare || key.startsWith(`${bare}/`)) ? key : join(folder, key)
}

const escapes = (place: string, base: string) =>
  new ResultAccessDenied({
    location: place,
    detail: `its block keeps results in ${base}, and its key leads out of there`
  })

// Not by the constructors, which check the types of the fields: that takes longer for each result than to read its file.
const local = (location: string) =>
  ({ __proto__: LocalResult.prototype, _tag: "LocalResult", location }) as unknown as LocalResult
const s3 = (bucket: string, location: string) =>
  ({ __proto__: S3Result.prototype, _tag: "S3Result", bucket, location }) as unknown as S3Result
const gcs = (bucket: string, location: string) =>
  ({ __proto__: GCSResult.prototype, _tag: "GCSResult", bucket, location }) as unknown as GCSResult
const azure = (container: string, location: string) =>
  ({ __proto__: AzureResult.prototype, _tag: "AzureResult", container, location }) as unknown as AzureResult

const inFolder = (basepath: string, key: string): Resolved => {
  const base = Location.file(basepath)
  const place = Location.file(key, basepath)
  return Location.below(place, base.key) === undefined ? escapes(place.name, base.name) : local(place.name)
}

/** `s3://bucket/key` and the like, which Prefect passes to fsspec; undefined for other texts. */
const inBucket = (url: string): Resolved | undefined => {
  const match = /^([a-z][a-z0-9+.-]*):\/\/([^/]*)\/*(.*)$/is.exec(url)
  if (match === null) return undefined
  const scheme = match[1]!.toLowerCase()
  // abfs://container@account.dfs.core.windows.net/key
  const bucket = match[2]!.split("@")[0]!
  const location = match[3]!
  switch (scheme) {
    case "s3":
    case "s3a":
      return s3(bucket, location)
    case "gs":
    case "gcs":
      return gcs(bucket, location)
    case "az":
    case "azure":
    case "abfs":
    case "abfss":
    case "adl":
      return azure(bucket, location)
    case "file":
    case "local":
      return bucket === ""
        ? local(`/${location}`)
        : new ResultAccessDenied({ location: url, detail: "it is relative to the folder that the worker ran in" })
    default:
      return unsupported(`on ${scheme}://`, "s3, gs, az, abfs and file can be read")
  }
}

const inRemote = (basepath: string, key: string): Resolved => {
  const full = /^[a-z][a-z0-9+.-]*:\/\//i.test(key)
    ? key
    : `${Location.withoutEndSlashes(basepath)}/${key.replace(/^\/+/, "")}`
  const found = inBucket(full)
  if (found === undefined) return inFolder(basepath, key)
  const base = `${Location.withoutEndSlashes(basepath)}/`
  const path = normalizePosix(full.replace(/^[a-z][a-z0-9+.-]*:\/\//i, "/"))
  const inside = normalizePosix(base.replace(/^[a-z][a-z0-9+.-]*:\/\//i, "/"))
  return path.startsWith(inside) ? found : escapes(full, basepath)
}

/** `bucket/folder`, the form in blocks of Prefect 2. */
const inBucketPath = (scheme: string, bucketPath: string, key: string): Resolved =>
  inRemote(`${scheme}://${bucketPath.replace(/^[a-z0-9]+:\/\//i, "")}`, key)

/** The location of a key in a block. */
export const inBlock = (block: StorageBlock, key: string): Resolved => {
  switch (block.type) {
    case "local-file-system": {
      // Without a folder, it is the folder that the worker ran in.
      return inFolder(text(block, "basepath") || ".", key)
    }
    case "remote-file-system":
      return inRemote(text(block, "basepath"), key)
    case "s3-bucket":
      return s3(text(block, "bucket_name"), joinOnce(text(block, "bucket_folder"), key))
    case "gcs-bucket":
      return gcs(text(block, "bucket"), joinOnce(text(block, "bucket_folder"), key))
    case "azure-blob-storage-container":
      return azure(text(block, "container_name"), join(text(block, "base_folder"), key))
    case "s3":
      return inBucketPath("s3", text(block, "bucket_path"), key)
    case "gcs":
      return inBucketPath("gs", text(block, "bucket_path"), key)
    case "azure":
      return inBucketPath("azure", text(block, "bucket_path"), key)
    case "github":
    case "github-repository":
    case "gitlab-repository":
    case "bitbucket-repository":
      return unsupported(
        `in a storage block of the type ${block.type}`,
        "such a block only reads from a repository, so Prefect cannot have stored a result there"
      )
    default:
      return unsupported(
        `in a storage block of the type ${block.type}`,
        "local-file-system, remote-file-system, s3-bucket, gcs-bucket and azure-blob-storage-container can be read"
      )
  }
}

/**
 * The location of a key without a block: an absolute path on the worker, the URL of an object, or a key of a storage
 * that the server does not know.
 */
export const ofKey = (key: string): Resolved => {
  const url = /^[a-z]:[\\/]/i.test(key) ? undefined : inBucket(key)
  return url ?? local(key)
}

/** Whether a key without a block belongs to a storage that was never saved. */
export const isWithoutStorage = (key: string): boolean =>
  !/^(?:\/|~|[A-Za-z]:[\\/]|\\\\|[a-z][a-z0-9+.-]*:\/\/)/i.test(key)
