/** One level of a value's JSON projection at a time, with previews that distinguish integers, bytes and classes. */
import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
import { Table } from "@effect-prefect/formats/Table"
import { PyObject } from "@effect-prefect/pickle"
import { PathNotFound, QueryError } from "./queryError.ts"

const maxPreview = 300
const maxDepth = 1_000

const cut = (text: string): string => text.length > maxPreview ? `${text.slice(0, maxPreview - 1)}…` : text

const bytesPreview = (bytes: Uint8Array): string => {
  const first = [...bytes.subarray(0, 16)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ")
  return `bytes of length ${bytes.length}${bytes.length === 0 ? "" : `: ${first}${bytes.length > 16 ? " …" : ""}`}`
}

/** Describes a value without its contents. */
export interface Glance {
  readonly preview: string
  readonly kind: string
  /** Entries of a container; 0 for other values. */
  readonly size: number
}

const lengthOf = (items: ReadonlyArray<unknown> | Iterable<unknown>, value: unknown): number => {
  if (Array.isArray(items)) return items.length
  if (value instanceof Table) return value.numRows
  if (typeof value === "object" && value !== null) {
    if ("shape" in value && Array.isArray(value.shape)) return Number(value.shape[0] ?? 0)
    if ("length" in value && typeof value.length === "number") return value.length
    if ("size" in value && typeof value.size === "number") return value.size
  }
  let count = 0
  for (const _ of items) count++
  return count
}

/** Ints beyond ±(2^53-1) are strings in JSON; here they are shown as digits. */
const scalarPreview = (value: unknown, json: null | boolean | number | string): string =>
  typeof value === "bigint" ? String(value) : typeof json === "string" ? cut(JSON.stringify(cut(json))) : String(json)

const plural = (count: number, one: string): string => `${count} ${one}${count === 1 ? "" : "s"}`

export const glance = (value: unknown): Glance => {
  if (value instanceof Uint8Array) return { preview: bytesPreview(value), kind: "bytes", size: 0 }
  const level = JsonProjection.level(value)
  if (level._tag === "Scalar") {
    return {
      preview: scalarPreview(value, level.value),
      kind: level.value === null ? "null" : typeof value === "bigint" ? "number" : typeof level.value,
      size: 0
    }
  }
  if (level._tag === "Object") {
    const size = level.keys.length
    return value instanceof PyObject
      ? { preview: cut(`${value.className} {${plural(size, "key")}}`), kind: "object", size }
      : { preview: size === 0 ? "{}" : `{${plural(size, "key")}}`, kind: "object", size }
  }
  const size = lengthOf(level.items, value)
  return value instanceof Table
    ? { preview: `table of ${plural(size, "row")}`, kind: "table", size }
    : { preview: size === 0 ? "[]" : `[${plural(size, "item")}]`, kind: "array", size }
}

const at = (
  items: ReadonlyArray<unknown> | Iterable<unknown>,
  index: number
): { readonly value: unknown } | undefined => {
  if (Array.isArray(items)) return index < items.length ? { value: items[index] } : undefined
  let i = 0
  for (const value of items) if (i++ === index) return { value }
  return undefined
}

/** Follows a path. A value that contains itself has its levels any number of times: each key is searched for once. */
const follow = (root: unknown, path: string): unknown => {
  let value = root
  const levels = new Map<unknown, { readonly level: JsonProjection.Level; readonly found: Map<string, unknown> }>()
  for (const key of parsePointer(path)) {
    if (value instanceof Uint8Array) throw nothingThere()
    let known = levels.get(value)
    if (known === undefined) {
      known = { level: JsonProjection.level(value), found: new Map() }
      levels.set(value, known)
    }
    if (!known.found.has(key)) known.found.set(key, step(known.level, key))
    value = known.found.get(key)
  }
  return value
}

const step = (level: JsonProjection.Level, key: string): unknown => {
  let found: { readonly value: unknown } | undefined
  if (level._tag === "Object") {
    const index = level.keys.indexOf(key)
    if (index >= 0) found = { value: level.items.at(index) }
  } else if (level._tag === "Array" && /^(?:0|[1-9]\d{0,14})$/.test(key)) found = at(level.items, Number(key))
  if (found === undefined) throw nothingThere()
  return found.value
}

const nothingThere = () => new PathNotFound("the value has nothing at that path")

/** The keys of a JSON pointer: `/items/3/a~1b`. */
export const parsePointer = (path: string): ReadonlyArray<string> => {
  if (path === "") return []
  if (!path.startsWith("/")) throw new QueryError("path", "path is a JSON pointer: it is empty, or begins with /")
  const keys = path.slice(1).split("/").map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"))
  if (keys.length > maxDepth) throw new PathNotFound(`path leads more than ${maxDepth} levels deep`)
  return keys
}

/** The entries of the container at a path, starting at `offset`. */
export const levelAt = (root: unknown, path: string, offset: number, limit: number) => {
  const value = follow(root, path)
  const { kind, size } = glance(value)
  // Many entries may refer to one large container.
  const known = new Map<object, Glance>()
  const glanceOnce = (item: unknown): Glance => {
    if (typeof item !== "object" || item === null) return glance(item)
    const before = known.get(item)
    if (before !== undefined) return before
    const seen = glance(item)
    known.set(item, seen)
    return seen
  }
  const level = JsonProjection.level(value)
  const items: Array<Glance & { readonly key: string }> = []
  if (value instanceof Uint8Array || level._tag === "Scalar") return { kind, size: 0, items }
  if (level._tag === "Object") {
    for (let i = offset; i < Math.min(level.keys.length, offset + limit); i++) {
      items.push({ key: level.keys[i]!, ...glanceOnce(level.items.at(i)) })
    }
    return { kind, size, items }
  }
  if (Array.isArray(level.items)) {
    for (let i = offset; i < Math.min(level.items.length, offset + limit); i++) {
      items.push({ key: String(i), ...glanceOnce(level.items[i]) })
    }
    return { kind, size, items }
  }
  let i = 0
  for (const item of level.items) {
    if (i >= offset + limit) break
    if (i >= offset) items.push({ key: String(i), ...glanceOnce(item) })
    i++
  }
  return { kind, size, items }
}
