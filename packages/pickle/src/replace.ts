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

/** The keys of dict objects of very many, which V8 takes long to list. */
type KeysOf = (dict: object) => ReadonlyArray<string> | undefined

function* valuesOf(dict: Readonly<Record<string, unknown>>, keys: ReadonlyArray<string>): Iterable<unknown> {
  for (let at = 0; at < keys.length; at++) yield dict[keys[at]!]
}

function* entriesOf(map: ReadonlyMap<unknown, unknown>): Iterable<unknown> {
  for (const [key, item] of map) {
    yield key
    yield item
  }
  if (map instanceof DefaultDict) yield map.factory
}

function* partsOf({ args, class: name, items, kwargs, pairs, states }: PyObject): Iterable<unknown> {
  yield name
  yield* args
  yield kwargs
  yield* states
  yield* items
  for (const pair of pairs) yield* pair
}

/** The values directly inside a value that a pickle can nest without limit, without a copy of many. */
const childrenOf = (value: object, keysOf: KeysOf): Iterable<unknown> => {
  if (Array.isArray(value)) return value
  if (isDictObject(value)) {
    const keys = keysOf(value)
    return keys === undefined ? Object.values(value) : valuesOf(value, keys)
  }
  if (value instanceof Map) return entriesOf(value)
  if (value instanceof Set) return value
  if (value instanceof PyObject) return partsOf(value)
  if (value instanceof NdArray) return value.objects ?? []
  if (ArrayBuffer.isView(value)) return []
  return Object.values(value)
}

const isContainer = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !ArrayBuffer.isView(value)

/** A list of no more values, none of which is a container, is visited as often as it occurs. */
const fewValues = 16

const isLeaf = (value: object): boolean => {
  if (!Array.isArray(value) || value.length > fewValues) return false
  for (let at = 0; at < value.length; at++) if (isContainer(value[at])) return false
  return true
}

/**
 * Fails when a value is nested deeper than `max`, in steps; what leads back to where it came from does not count. Of a
 * value in which nothing comes twice (`isTree`), nothing is remembered.
 *
 * @internal
 */
export function* checkDepth(
  root: unknown,
  max: number,
  isTree: boolean,
  keysOf: KeysOf
): Generator<undefined, void> {
  if (!isContainer(root)) return
  let looked = 0
  /** 0 while a value is being visited, then its height. */
  const heights = new Map<object, number>([[root, 0]])
  const stack: Array<{ readonly value: object; readonly children: Iterator<unknown>; height: number }> = []
  const open = (value: object): void => {
    if (!isTree) heights.set(value, 0)
    stack.push({ value, children: childrenOf(value, keysOf)[Symbol.iterator](), height: 1 })
    if (stack.length > max) exceeded("depth", "values nested too deep", max)
  }
  open(root)
  while (stack.length > 0) {
    if (++looked % every === 0) yield
    const top = stack[stack.length - 1]!
    const next = top.children.next()
    if (next.done !== true) {
      const child = next.value
      if (!isContainer(child)) continue
      const known = isLeaf(child) ? 1 : isTree ? undefined : heights.get(child)
      if (known === undefined) open(child)
      else if (known >= top.height) top.height = known + 1
      continue
    }
    stack.pop()
    if (!isTree) heights.set(top.value, top.height)
    if (top.height > max) exceeded("depth", "values nested too deep", max)
    const parent = stack[stack.length - 1]
    if (parent !== undefined && top.height >= parent.height) parent.height = top.height + 1
  }
}

/** Values that are visited between two steps. */
const every = 8_192

/**
 * Puts the new object for every one that was replaced after something else had taken hold of it, in steps.
 *
 * @internal
 */
export function* substitute(
  root: unknown,
  forward: ReadonlyMap<unknown, unknown>,
  keysOf: KeysOf
): Generator<undefined, unknown> {
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
    if (isContainer(now) && !isLeaf(now) && !seen.has(now)) {
      seen.add(now)
      todo.push(now)
    }
    return now
  }
  let looked = 0
  const visitArray = function*(array: ReadonlyArray<unknown>): Generator<undefined, void> {
    for (let i = 0; i < array.length; i++) {
      const now = visit(array[i])
      if (now !== array[i]) (array as Array<unknown>)[i] = now
      if (++looked % every === 0) yield
    }
  }
  while (todo.length > 0) {
    if (++looked % every === 0) yield
    const value = todo.pop()!
    if (Array.isArray(value)) yield* visitArray(value)
    else if (isDictObject(value)) {
      for (const key of keysOf(value) ?? Object.keys(value)) {
        const now = visit(value[key])
        if (now !== value[key]) value[key] = now
        if (++looked % every === 0) yield
      }
    } else if (value instanceof Map) {
      for (const [key, item] of value) {
        visit(key)
        const now = visit(item)
        // A key cannot be a dict, and only dicts are replaced while values are added to them.
        if (now !== item) Map.prototype.set.call(value, key, now)
        if (++looked % every === 0) yield
      }
      if (value instanceof DefaultDict) value.factory = visit(value.factory)
    } else if (value instanceof PyObject) {
      visit(value.class)
      yield* visitArray(value.args)
      value.kwargs = visit(value.kwargs)
      yield* visitArray(value.states)
      yield* visitArray(value.items)
      for (const pair of value.pairs) yield* visitArray(pair)
    } else if (value instanceof NdArray) { if (value.objects !== null) yield* visitArray(value.objects) }
    else {
      for (const child of childrenOf(value, keysOf)) {
        visit(child)
        if (++looked % every === 0) yield
      }
    }
  }
  return start
}
