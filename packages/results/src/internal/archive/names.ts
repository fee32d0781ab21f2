/**
 * File names for keys: injective, so no two keys share a file, even on a file system that folds case, normalizes
 * Unicode, limits the length of names or reserves some of them.
 *
 * A name consists of lower case ASCII letters, digits and a few signs. Every other byte of a key's UTF-8 is written as
 * `%` and two digits, an empty segment as `%`. Folders end in `+`, so that the file of `a` and the folder of `a/b`
 * differ.
 */
import { createHash } from "node:crypto"

const plain = /^[a-z0-9_.=,@~-]$/
/** Windows gives these names to devices, whatever their ending. */
const device = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|$)/i

const longestSegment = 200
const longestName = 1000

const escapeByte = (byte: number): string => `%${byte.toString(16).padStart(2, "0")}`

const escape = (character: string): string => {
  const code = character.codePointAt(0)!
  // Half of a surrogate pair has no UTF-8 form.
  if (code >= 0xd800 && code <= 0xdfff) return `%u${code.toString(16)}`
  let text = ""
  for (const byte of Buffer.from(character)) text += escapeByte(byte)
  return text
}

/** A segment of a key, for a folder or a file. `isPlain` selects the characters that stay unchanged. */
const encodeSegment = (segment: string, isPlain: RegExp): string => {
  if (segment === "") return "%"
  let name = ""
  for (const character of segment) name += isPlain.test(character) ? character : escape(character)
  // Windows drops a trailing dot; `.` and `..` are folders of every system.
  if (name.endsWith(".")) name = `${name.slice(0, -1)}%2e`
  return device.test(name) ? escapeByte(name.charCodeAt(0)) + name.slice(1) : name
}

const hashOf = (text: string): string => createHash("sha256").update(Buffer.from(text, "utf16le")).digest("hex")

/**
 * The file of an object, relative to the folder of its bucket, with `/` as the separator.
 *
 * A key whose name would be too long for a file system is named by its SHA-256; the manifest has its key.
 */
export const encodeKey = (key: string, version?: string): string => {
  const segments = key.split("/")
  const last = segments.pop()!
  const folders = segments.map((segment) => `${encodeSegment(segment, plain)}+`)
  const suffix = version === undefined ? "" : `%v${encodeSegment(version, plain)}`
  const name = [...folders, encodeSegment(last, plain) + suffix].join("/")
  return name.length <= longestName && name.split("/").every((part) => part.length <= longestSegment)
    ? name
    : `%sha256-${hashOf(JSON.stringify([key, version ?? null]))}`
}

/** The folder of a bucket: one segment, whatever its name. */
export const encodeBucket = (bucket: string): string => {
  const name = encodeSegment(bucket, plain)
  return name.length <= longestSegment ? name : `%sha256-${hashOf(bucket)}`
}

const plainInRoot = /^[A-Za-z0-9_.=,@~-]$/

/**
 * The folder of a directory that the caller named. Its case is preserved, so two of these must not differ in case
 * alone. Undefined when it is too long.
 */
export const encodeRoot = (path: string): string | undefined => {
  const name = path.split("/").filter((segment) => segment !== "").map((segment) => encodeSegment(segment, plainInRoot))
  return name.every((part) => part.length <= longestSegment) && name.join("/").length <= longestName
    ? name.join("/")
    : undefined
}
