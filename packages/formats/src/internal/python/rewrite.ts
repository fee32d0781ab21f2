/** Replaces values inside of a value, in place. */
import { DefaultDict, isDict, NdArray, PyDict, PyFloat, PyObject, PySet } from "@effect-prefect/pickle"
import type { Steps } from "../steps.ts"

const isContainer = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !ArrayBuffer.isView(value)

/** What `each` says of every value directly inside of a container takes its place. Keys of dicts stay. */
const mapChildren = (container: object, each: (value: unknown) => unknown): void => {
  const mapArray = (array: ReadonlyArray<unknown>) => {
    for (let i = 0; i < array.length; i++) {
      const now = each(array[i])
      if (now !== array[i]) (array as Array<unknown>)[i] = now
    }
  }
  if (Array.isArray(container)) mapArray(container)
  else if (container instanceof Map) {
    for (const [key, value] of container) {
      const now = each(value)
      if (now !== value) Map.prototype.set.call(container, key, now)
    }
    if (container instanceof DefaultDict) container.factory = each(container.factory)
  } else if (container instanceof Set) {
    const members = [...container]
    const now = members.map(each)
    if (now.some((member, i) => member !== members[i])) {
      container.clear()
      // What a member became may be nothing that Python could hash.
      for (const member of now) Set.prototype.add.call(container, member)
    }
  } else if (container instanceof PyObject) {
    mapArray(container.args)
    container.kwargs = each(container.kwargs)
    if (container.states.length > 0) mapArray(container.states)
    if (container.items.length > 0) mapArray(container.items)
    for (const pair of container.pairs) mapArray(pair)
  } else if (container instanceof NdArray) {
    if (container.objects !== null) mapArray(container.objects)
  } else if (isDict(container) && !(container instanceof Map)) {
    const dict = container as Record<string, unknown>
    for (const key of Object.keys(dict)) {
      const now = each(dict[key])
      if (now !== dict[key]) dict[key] = now
    }
  }
}

/**
 * Puts `replace(value)` for every value inside of `root` and for `root` itself, the innermost first, so that `replace`
 * sees what is inside already replaced. A value that contains itself is seen before what leads back to it is replaced.
 */
export const rewrite = (root: unknown, replace: (value: object) => unknown): unknown => {
  if (!isContainer(root)) return typeof root === "object" && root !== null ? replace(root) : root
  const order: Array<object> = []
  const seen = new Set<object>([root])
  // A value is put on the stack once to look into it and, below what is inside, once to note that that is done.
  const stack: Array<object | null> = [root]
  const open: Array<object> = []
  while (stack.length > 0) {
    const value = stack.pop()!
    if (value === null) {
      order.push(open.pop()!)
      continue
    }
    stack.push(null)
    open.push(value)
    mapChildren(value, (child) => {
      if (isContainer(child) && !seen.has(child)) {
        seen.add(child)
        stack.push(child)
      }
      return child
    })
  }
  const replaced = new Map<object, unknown>()
  const current = (value: unknown) => isContainer(value) && replaced.has(value) ? replaced.get(value) : value
  for (const value of order) {
    mapChildren(value, current)
    const now = replace(value)
    if (now !== value) replaced.set(value, now)
  }
  if (replaced.size > 0) { for (const value of order) if (!replaced.has(value)) mapChildren(value, current) }
  return current(root)
}

/**
 * Puts `replace(value)` for every value inside of `root` and for `root` itself, the outermost first: what takes the place
 * of a value is looked into, and not what was inside of the value before.
 */
export function* rewriteDown(root: unknown, replace: (value: object) => unknown): Steps<unknown> {
  const replaced = new Map<object, unknown>()
  const stack: Array<object> = []
  const visit = (value: unknown): unknown => {
    if (!isContainer(value)) return value
    const known = replaced.get(value)
    if (known !== undefined) return known
    const now = replace(value)
    replaced.set(value, now)
    if (isContainer(now) && (now === value || !replaced.has(now))) {
      replaced.set(now, now)
      stack.push(now)
    }
    return now
  }
  const out = visit(root)
  let looked = 0
  while (stack.length > 0) {
    mapChildren(stack.pop()!, visit)
    if (++looked % 1_024 === 0) yield
  }
  return out
}

/** Makes floats numbers again, except those without a fraction that are keys: as text they differ from integers. */
export const plainFloats = (root: unknown): unknown => {
  const plain = (value: unknown): unknown => value instanceof PyFloat ? value.value : value
  return rewrite(root, (value) => {
    if (value instanceof PyFloat) return value.value
    if (value instanceof PyDict && [...value.keys()].some(isFraction)) {
      const entries = [...value]
      value.clear()
      for (const [key, item] of entries) value.set(isFraction(key) ? plain(key) : key, item)
    } else if (value instanceof PySet) {
      const members = [...value]
      value.clear()
      for (const member of members) value.add(plain(member))
    }
    return value
  })
}

const isFraction = (key: unknown): boolean => key instanceof PyFloat && !Number.isInteger(key.value)
