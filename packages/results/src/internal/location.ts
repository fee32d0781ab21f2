/** Places as workers name them, in one normal form, so that a prefix can be compared by whole segments. */
import { posix, win32 } from "node:path"

/** Where a result was stored. `key` compares; `name` has the same length and is what people read. */
export interface Place {
  readonly key: string
  readonly name: string
}

const windowsPath = /^(?:[A-Za-z]:[\\/]|\\\\)/

/** Windows does not tell capitals from small letters. Only ASCII is folded: other letters may change their length. */
const foldCase = (path: string): string => path.replace(/[A-Z]/g, (letter) => letter.toLowerCase())

const withoutEndSlash = (path: string): string => path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path

const posixPlace = (path: string): Place => {
  const normal = withoutEndSlash(posix.normalize(path))
  return { key: normal, name: normal }
}

const windowsPlace = (path: string): Place => {
  const normal = withoutEndSlash(win32.normalize(path).replaceAll("\\", "/"))
  return { key: foldCase(normal), name: normal }
}

/** The path of a `file:` URL. A text that is not properly encoded is taken as it is. */
const fromFileUrl = (url: string): string => {
  const path = url.slice("file://".length)
  const local = /^\/[A-Za-z]:[\\/]/.test(path) ? path.slice(1) : path
  try {
    return decodeURIComponent(local)
  } catch {
    return local
  }
}

const withoutScheme = (path: string): string => path.startsWith("file://") ? fromFileUrl(path) : path

/** The file `location` of a worker, whose system may not be ours; a relative one is in `dir`. */
export const file = (location: string, dir?: string | null): Place => {
  const path = withoutScheme(location)
  if (windowsPath.test(path)) return windowsPlace(path)
  if (path.startsWith("/") || dir === undefined || dir === null || dir === "") return posixPlace(path)
  const folder = withoutScheme(dir)
  return windowsPath.test(folder) ? windowsPlace(`${folder}\\${path}`) : posixPlace(`${folder}/${path}`)
}

/** How a bucket or container is written before its keys. */
export type Scheme = "s3" | "gs" | "azure"

/** The object `key` of a bucket. A key that climbs out of its bucket has a place that no prefix matches. */
export const object = (scheme: Scheme, bucket: string, key: string): Place => {
  const normal = posix.normalize(`/${key}`)
  // posix.normalize drops the climbing segments at the root, so they are looked for before.
  const climbs = /^\.\.(\/|$)/.test(posix.normalize(`./${key}`))
  const name = climbs || /[/\\]/.test(bucket) ? `${scheme}:${bucket}/${key}` : `${scheme}://${bucket}${normal}`
  return { key: name, name }
}

const bucketUrl = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([^/]*)(?:\/(.*))?$/s

/** A place that a person wrote: a directory, or `s3://bucket/prefix`, `gs://…`, `azure://…`. */
export type Written =
  | { readonly _tag: "Directory"; readonly place: Place }
  | {
    readonly _tag: "Bucket"
    readonly scheme: Scheme
    readonly bucket: string
    readonly prefix: string
    readonly place: Place
  }
  | { readonly _tag: "Invalid"; readonly problem: string }

const invalid = (problem: string): Written => ({ _tag: "Invalid", problem })

/** Reads a place as people write it. */
export const parse = (text: string): Written => {
  if (text === "") return invalid("it is empty")
  if (text.includes("\0")) return invalid("it holds a NUL")
  const url = text.startsWith("file://") ? null : bucketUrl.exec(text)
  if (url === null) return { _tag: "Directory", place: file(text) }
  const [, scheme, bucket = "", prefix = ""] = url
  if (scheme !== "s3" && scheme !== "gs" && scheme !== "azure") {
    return invalid(`${scheme}:// is not a storage; s3://, gs:// and azure:// are`)
  }
  if (bucket === "") return invalid(`it names no ${scheme === "azure" ? "container" : "bucket"}`)
  const place = object(scheme, bucket, prefix)
  if (!place.key.startsWith(`${scheme}://`)) return invalid("its prefix climbs out of the bucket")
  const key = withoutEndSlash(place.key)
  return {
    _tag: "Bucket",
    scheme,
    bucket,
    prefix: prefix.replace(/^\/+|\/+$/g, ""),
    place: { key: key === `${scheme}://${bucket}/` ? key.slice(0, -1) : key, name: text }
  }
}

/** The part of `place` below `prefix`, undefined when it is not below it. */
export const below = (place: Place, prefix: string): string | undefined => {
  const { key, name } = place
  if (!key.startsWith(prefix)) return undefined
  if (key.length === prefix.length) return ""
  if (prefix.endsWith("/")) return name.slice(prefix.length)
  return key.charCodeAt(prefix.length) === 47 ? name.slice(prefix.length + 1) : undefined
}

/**
 * A place as messages show it: without the signature or password of a URL, which some tools store as a location, and
 * without characters that do something to a terminal.
 */
export const shown = (name: string): string =>
  name
    .replace(/\?.*(?:sig|signature|token|credential|key|password)=.*$/is, "?(signed)")
    .replace(/(:\/\/?)[^/@\s]*:[^/@\s]*@/g, "$1")
    // eslint-disable-next-line no-control-regex
    .replace(/[\u0000-\u001f\u007f-\u009f]/g, (character) => `\\x${hex(character)}`)

const hex = (character: string): string => character.charCodeAt(0).toString(16).padStart(2, "0")
