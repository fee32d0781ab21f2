/** Locations as workers record them, in one normal form, so that prefixes can be compared by whole segments. */
import { normalizePosix, normalizeWindows } from "./path.ts"

/** The location of a stored result. `key` is for comparison; `name` has the same length and is for display. */
export interface Location {
  readonly key: string
  readonly name: string
}

const windowsPath = /^(?:[A-Za-z]:[\\/]|\\\\)/

/** Windows ignores case. Only ASCII is folded: other letters may change their length. */
const foldCase = (path: string): string => path.replace(/[A-Z]/g, (letter) => letter.toLowerCase())

/** A text without trailing slashes, in linear time: `/\/+$/` starts again at each slash. */
export const withoutEndSlashes = (text: string): string => {
  let end = text.length
  while (end > 0 && text.charCodeAt(end - 1) === 47) end--
  return text.slice(0, end)
}

const withoutEndSlash = (path: string): string => path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path

const posixLocation = (path: string): Location => {
  const normal = withoutEndSlash(normalizePosix(path))
  return { key: normal, name: normal }
}

const windowsLocation = (path: string): Location => {
  const slashed = withoutEndSlash(normalizeWindows(path))
  // A host without a share loses one of its slashes, and would be a path of this machine.
  const normal = path.startsWith("\\\\") && !slashed.startsWith("//") ? `/${slashed}` : slashed
  return { key: foldCase(normal), name: normal }
}

/** The path of a `file:` URL. A text that is not properly encoded is used unchanged. */
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

/** The file `location` of a worker, whose system may differ from ours; a relative one is in `dir`. */
export const file = (location: string, dir?: string | null): Location => {
  const path = withoutScheme(location)
  if (windowsPath.test(path)) return windowsLocation(path)
  if (path.startsWith("/") || dir === undefined || dir === null || dir === "") return posixLocation(path)
  const folder = withoutScheme(dir)
  return windowsPath.test(folder) ? windowsLocation(`${folder}\\${path}`) : posixLocation(`${folder}/${path}`)
}

/** The URL schemes of buckets and containers that a mount may use. */
export type Scheme = "s3" | "gs" | "azure"

/** The object `key` of a bucket. A key that leads out of its bucket has a location that no prefix matches. */
export const object = (scheme: string, bucket: string, key: string): Location => {
  const normal = normalizePosix(`/${key}`)
  // normalizePosix drops leading `..` segments at the root, so they are checked before.
  const climbs = /^\.\.(\/|$)/.test(normalizePosix(`./${key}`))
  const name = climbs || /[/\\]/.test(bucket) ? `${scheme}:${bucket}/${key}` : `${scheme}://${bucket}${normal}`
  return { key: name, name }
}

const bucketUrl = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([^/]*)(?:\/(.*))?$/s

/** A location written by a user: a directory, or `s3://bucket/prefix`, `gs://…`, `azure://…`. */
export type Written =
  | { readonly _tag: "Directory"; readonly location: Location }
  | {
    readonly _tag: "Bucket"
    readonly scheme: Scheme
    readonly bucket: string
    readonly prefix: string
    readonly location: Location
  }
  | { readonly _tag: "Invalid"; readonly detail: string }

const invalid = (detail: string): Written => ({ _tag: "Invalid", detail })

/** Parses a location that a user wrote. */
export const parse = (text: string): Written => {
  if (text === "") return invalid("it is empty")
  if (text.includes("\0")) return invalid("it holds a NUL")
  const url = text.startsWith("file://") ? null : bucketUrl.exec(text)
  if (url === null) return { _tag: "Directory", location: file(text) }
  const [, scheme, bucket = "", prefix = ""] = url
  if (scheme !== "s3" && scheme !== "gs" && scheme !== "azure") {
    return invalid(`${scheme}:// is not a storage; s3://, gs:// and azure:// are`)
  }
  if (bucket === "") return invalid(`it has no ${scheme === "azure" ? "container" : "bucket"}`)
  const location = object(scheme, bucket, prefix)
  if (!location.key.startsWith(`${scheme}://`)) return invalid("its prefix leads out of the bucket")
  const key = withoutEndSlash(location.key)
  return {
    _tag: "Bucket",
    scheme,
    bucket,
    prefix: withoutEndSlashes(prefix).replace(/^\/+/, ""),
    location: { key: key === `${scheme}://${bucket}/` ? key.slice(0, -1) : key, name: text }
  }
}

/** The part of `location` below `prefix`; undefined when it is not below it. */
export const below = (location: Location, prefix: string): string | undefined => {
  const { key, name } = location
  // The folder that a relative path is in, with which no path begins.
  if (prefix === ".") return /^(?:\/|~(?:\/|$)|\.\.(?:\/|$)|[a-z][a-z0-9+.-]*:)/i.test(key) ? undefined : name
  if (!key.startsWith(prefix)) return undefined
  if (key.length === prefix.length) return ""
  if (prefix.endsWith("/")) return name.slice(prefix.length)
  return key.charCodeAt(prefix.length) === 47 ? name.slice(prefix.length + 1) : undefined
}

/**
 * A location for messages: without the signature or password of a URL, which some tools store as a location, and
 * without control characters of terminals.
 */
export const shown = (name: string): string => {
  if (!unusual.test(name)) return name
  const query = name.indexOf("?")
  const isSigned = query >= 0 && signature.test(name.slice(query))
  return (isSigned ? `${name.slice(0, query)}?(signed)` : name)
    .replace(userInfo, (whole: string, start: string, user: string) => user.includes(":") ? start : whole)
    .replace(controls, (character) => `\\x${hex(character)}`)
}

// eslint-disable-next-line no-control-regex
const unusual = /[?@\u0000-\u001f\u007f-\u009f]/
// Each of these must scan the text only once: a location may be any stored text.
const signature = /(?:sig|signature|token|credential|key|password)=/i
const userInfo = /(:\/\/?)([^/@\s]*)@/g
// eslint-disable-next-line no-control-regex
const controls = /[\u0000-\u001f\u007f-\u009f]/g

const hex = (character: string): string => character.charCodeAt(0).toString(16).padStart(2, "0")
