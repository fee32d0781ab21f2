/**
 * Traverses a whole value without recursion, to measure its depth and to replace objects in it.
 *
 * @since 0.1.0
 */
import { exceeded } from "./errors.ts"
import { DefaultDict } from "./values/containers.ts"
import { isDictObject } from "./values/dict.ts"
import { NdArray } from "./values/ndarray.ts"
import { PyObject } from "./values/objects.ts"

/** The values directly inside a value that a pickle can nest without limit. */
const childrenOf = (value: object): ReadonlyArray<unknown> => {
  if (Array.isArray(value)) return value
  if (isDictObject(value)) return Object.values(value)
  if (value instanceof Map) {
    const out: Array<unknown> = []
    for (const [key, item] of value) out.push(key, item)
    if (value instanceof DefaultDict) out.push(value.factory)
    return out
  }
  if (value instanceof Set) return [...value]
  if (value instanceof PyObject) {
    return [value.class, value.args, value.kwargs, ...value.states, ...value.items, ...value.pairs.flat()]
  }
  if (value instanceof NdArray) return value.objects ?? []
  if (ArrayBuffer.isView(value)) return []
  return Object.values(value)
}

const isContainer = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !ArrayBuffer.isView(value)

/**
 * Fails when a value is nested deeper than `max`, in steps; what leads back to where it came from does not count.
 *
 * @internal
 */
export function* checkDepth(root: unknown, max: number): Generator<undefined, void> {
  if (!isContainer(root)) return
  let looked = 0
  /** 0 while a value is being visited, then its height. */
  const heights = new Map<object, number>([[root, 0]])
  const stack: Array<
    { readonly value: object; readonly children: ReadonlyArray<unknown>; next: number; height: number }
  > = [
    { value: root, children: childrenOf(root), next: 0, height: 1 }
  ]
  while (stack.length > 0) {
    if (++looked % every === 0) yield
    const top = stack[stack.length - 1]!
    if (top.next < top.children.length) {
      const child = top.children[top.next++]
      if (!isContainer(child)) continue
      const known = heights.get(child)
      if (known === undefined) {
        heights.set(child, 0)
        stack.push({ value: child, children: childrenOf(child), next: 0, height: 1 })
        if (stack.length > max) exceeded("depth", "values nested too deep", max)
      } else if (known >= top.height) top.height = known + 1
      continue
    }
    stack.pop()
    heights.set(top.value, top.height)
    if (top.height > max) exceeded("depth", "values nested too deep", max)
    const parent = stack[stack.length - 1]
    if (parent !== undefined && top.height >= parent.height) parent.height = top.height + 1
  }
}

/** Values that are looked at between two steps. */
const every = 8_192

/**
 * Puts the new object for every one that was replaced after something else had taken hold of it, in steps.
 *
 * @internal
 */
export function* substitute(root: unknown, forward: ReadonlyMap<unknown, unknown>): Generator<undefined, unknown> {
  const current = (value: unknown): unknown => {
    let at = value
    while (forward.has(at)) at = forward.get(at)
    return at
  }
  const start = current(root)
  if (!isContainer(start)) return start
  const seen = new Set<object>([start])
  const todo: Array<object> = [start]
  const visit = (value: unknown): unknown => {
    const now = current(value)
    if (isContainer(now) && !seen.has(now)) {
      seen.add(now)
      todo.push(now)
    }
    return now
  }
  const visitArray = (array: ReadonlyArray<unknown>): void => {
    for (let i = 0; i < array.length; i++) {
      const now = visit(array[i])
      if (now !== array[i]) (array as Array<unknown>)[i] = now
    }
  }
  let looked = 0
  while (todo.length > 0) {
    if (++looked % every === 0) yield
    const value = todo.pop()!
    if (Array.isArray(value)) visitArray(value)
    else if (isDictObject(value)) {
      for (const key of Object.keys(value)) {
        const now = visit(value[key])
        if (now !== value[key]) value[key] = now
      }
    } else if (value instanceof Map) {
      for (const [key, item] of value) {
        visit(key)
        const now = visit(item)
        // A key cannot be a dict, and only dicts are replaced while values are added to them.
        if (now !== item) Map.prototype.set.call(value, key, now)
      }
      if (value instanceof DefaultDict) value.factory = visit(value.factory)
    } else if (value instanceof Set) { for (const member of value) visit(member) }
    else if (value instanceof PyObject) {
      visit(value.class)
      visitArray(value.args)
      value.kwargs = visit(value.kwargs)
      if (value.states.length > 0) visitArray(value.states)
      if (value.items.length > 0) visitArray(value.items)
      for (const pair of value.pairs) visitArray(pair)
    } else if (value instanceof NdArray) { if (value.objects !== null) visitArray(value.objects) }
    else for (const child of childrenOf(value)) visit(child)
  }
  return start
}
