/**
 * Converts values for schemas of plain data: objects to their attributes, tables to their rows, Enums and scalars to
 * their value.
 */
import { isDict, NamedTuple, NpScalar, PyEnum, PyFloat, PyObject } from "@effect-prefect/pickle"
import { Table } from "../../Table.ts"
import { setKey } from "../json.ts"

const originals = new WeakMap<object, PyObject | NamedTuple>()

/** The Python object that a plain object was made from; any other value unchanged. */
export const originalOf = (value: unknown): unknown =>
  typeof value === "object" && value !== null ? originals.get(value) ?? value : value

/**
 * A copy of a value in which objects are plain objects of their attributes, tables their rows, members of Enums and
 * NumPy scalars their value, and, with `namedTuples`, named tuples objects of their fields; `undefined` when there is
 * nothing to convert.
 */
export const plainer = (root: unknown, namedTuples: boolean): { readonly value: unknown } | undefined => {
  let changed = false
  const copies = new Map<object, unknown>()
  const pending: Array<() => void> = []
  const entries = (source: object, all: Iterable<readonly [string, unknown]>): Record<string, unknown> => {
    const out: Record<string, unknown> = {}
    copies.set(source, out)
    pending.push(() => {
      for (const [key, value] of all) setKey(out, key, visit(value))
    })
    return out
  }
  const visit = (value: unknown): unknown => {
    if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value
    const known = copies.get(value)
    if (known !== undefined) return known
    if (value instanceof PyEnum || value instanceof NpScalar || value instanceof PyFloat) {
      changed = true
      return visit(value.value)
    }
    const attributes = value instanceof PyObject ? value.attributes() : undefined
    if (attributes !== undefined && attributes.size > 0) {
      changed = true
      const out = entries(value, attributes)
      originals.set(out, value as PyObject)
      return out
    }
    if (namedTuples && value instanceof NamedTuple && value.fields.length > 0) {
      changed = true
      const out = entries(value, value.fields.map((field, i) => [field, value[i]] as const))
      originals.set(out, value)
      return out
    }
    if (Array.isArray(value)) {
      const out = value.slice()
      copies.set(value, out)
      pending.push(() => out.forEach((item, i) => out[i] = visit(item)))
      return out
    }
    if (value instanceof Table) {
      changed = true
      const out = value.toRows().map((row) => entries(row, Object.entries(row)))
      copies.set(value, out)
      return out
    }
    if (value instanceof Map) {
      const out = new Map<unknown, unknown>()
      copies.set(value, out)
      pending.push(() => value.forEach((item, key) => out.set(visit(key), visit(item))))
      return out
    }
    if (value instanceof Set) {
      const out = new Set<unknown>()
      copies.set(value, out)
      pending.push(() => value.forEach((item) => out.add(visit(item))))
      return out
    }
    const isPlain = isDict(value) || Object.getPrototypeOf(value) === Object.prototype
    return isPlain ? entries(value, Object.entries(value)) : value
  }
  const value = visit(root)
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) next()
  return changed ? { value } : undefined
}
