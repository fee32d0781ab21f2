/** Paths of other machines in their normal form, by the rules of `node:path`, which browsers do not have. */

/** Segments without empty ones, `.` and what `..` takes back; a relative path keeps those `..` that lead out of it. */
const normalSegments = (segments: ReadonlyArray<string>, isAbsolute: boolean): ReadonlyArray<string> => {
  const out: Array<string> = []
  for (const segment of segments) {
    if (segment === "" || segment === ".") continue
    if (segment !== "..") out.push(segment)
    else if (out.length > 0 && out[out.length - 1] !== "..") out.pop()
    else if (!isAbsolute) out.push(segment)
  }
  return out
}

/** What is changed in a path: an empty segment, `.` or `..`. */
const changes = /\/\/|(?:^|\/)\.\.?(?:\/|$)/

/** What `posix.normalize` of `node:path` gives. */
export const normalizePosix = (path: string): string => {
  if (path === "") return "."
  if (!changes.test(path)) return path
  const isAbsolute = path.startsWith("/")
  const normal = normalSegments(path.split("/"), isAbsolute).join("/")
  if (normal === "") return isAbsolute ? "/" : path.endsWith("/") ? "./" : "."
  return `${isAbsolute ? "/" : ""}${normal}${path.endsWith("/") ? "/" : ""}`
}

/**
 * A path of Windows that begins with a drive and a slash, or with two backslashes, in its normal form with slashes. A host
 * without a share is no root of its own: it loses one of its slashes.
 */
export const normalizeWindows = (path: string): string => {
  const slashed = path.replaceAll("\\", "/")
  const root = windowsRoot(slashed)
  const normal = normalSegments(slashed.slice(root.length).split("/"), true).join("/")
  const name = root.replace(/(?<=[^/])\/+/g, "/")
  return `${name}${name.endsWith("/") || normal === "" ? "" : "/"}${normal}${
    normal !== "" && slashed.endsWith("/") ? "/" : ""
  }`
}

/** A drive, a host with its share, a namespace of devices (`//./`, `//?/`), or the root of the current drive. */
const windowsRoot = (slashed: string): string =>
  /^(?:[A-Za-z]:\/|\/\/[.?](?=\/)|\/\/[^/]+\/+[^/]+|\/)/.exec(slashed)?.[0] ?? ""
