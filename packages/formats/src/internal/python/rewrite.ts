/** Replaces values inside a value, in place. */
import { DefaultDict, isDict, NdArray, PyDict, PyFloat, PyObject, PySet } from "@effect-prefect/pickle"
import type { Steps } from "../steps.ts"

const isContainer = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !ArrayBuffer.isView(value)

/** Replaces every value directly inside a container by the result of `each`. Keys of dicts stay. */
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
      // The replacement of a member may not be hashable in Python.
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
 * Substitutes `replace(value)` for every value inside `root` and for `root` itself, innermost first, so that `replace`
 * sees values whose content is already replaced. When a value contains itself, it is visited before the reference back
 * to it is replaced.
 */
export const rewrite = (root: unknown, replace: (value: object) => unknown): unknown => {
  if (!isContainer(root)) return typeof root === "object" && root !== null ? replace(root) : root
  const order: Array<object> = []
  const seen = new Set<object>([root])
  // A value is pushed once to look inside it and, below its content, once more to mark that as done.
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
 * Substitutes `replace(value)` for every value inside `root` and for `root` itself, outermost first: the replacement of
 * a value is traversed, not its former content.
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

/** Converts floats back to numbers, except keys without a fraction, whose text differs from that of integers. */
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
