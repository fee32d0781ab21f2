/** Replaces values inside a value, in place. */
import { DefaultDict, isDict, keysOf, NdArray, PyDict, PyFloat, PyObject, PySet } from "@effect-prefect/pickle"
import type { Steps } from "../steps.ts"

const isContainer = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !ArrayBuffer.isView(value)

/** Values inside one container between two steps. */
const every = 8_192

/** The memory to ask for after a value, in bytes; `undefined` when there is no need. */
type Ask = () => number | undefined

const askNothing: Ask = () => undefined

function* mapArray(array: ReadonlyArray<unknown>, each: (value: unknown) => unknown, ask: Ask): Steps<void> {
  for (let i = 0; i < array.length; i++) {
    const now = each(array[i])
    if (now !== array[i]) (array as Array<unknown>)[i] = now
    const asked = ask()
    if (asked !== undefined || i % every === every - 1) yield asked
  }
}

/** Replaces every value directly inside a container by the result of `each`. Keys of dicts stay. */
function* mapChildren(
  container: object,
  each: (value: unknown) => unknown,
  ask = askNothing
): Steps<void> {
  let looked = 0
  if (Array.isArray(container)) yield* mapArray(container, each, ask)
  else if (container instanceof Map) {
    for (const [key, value] of container) {
      const now = each(value)
      if (now !== value) Map.prototype.set.call(container, key, now)
      const asked = ask()
      if (asked !== undefined || ++looked % every === 0) yield asked
    }
    if (container instanceof DefaultDict) container.factory = each(container.factory)
  } else if (container instanceof Set) {
    const now: Array<unknown> = []
    let isChanged = false
    for (const member of container) {
      const replaced = each(member)
      if (replaced !== member) isChanged = true
      const count = now.push(replaced)
      const asked = ask()
      if (asked !== undefined || count % every === 0) yield asked
    }
    if (isChanged) {
      container.clear()
      // The replacement of a member may not be hashable in Python.
      for (const member of now) {
        Set.prototype.add.call(container, member)
        if (++looked % every === 0) yield
      }
    }
  } else if (container instanceof PyObject) {
    yield* mapArray(container.args, each, ask)
    container.kwargs = each(container.kwargs)
    if (container.states.length > 0) yield* mapArray(container.states, each, ask)
    if (container.items.length > 0) yield* mapArray(container.items, each, ask)
    for (const pair of container.pairs) {
      yield* mapArray(pair, each, ask)
      if (++looked % every === 0) yield
    }
  } else if (container instanceof NdArray) {
    if (container.objects !== null) yield* mapArray(container.objects, each, ask)
  } else if (isDict(container) || Object.getPrototypeOf(container) === Object.prototype) {
    // An object of JSON, or the dict of a pickle.
    const dict = container as Record<string, unknown>
    for (const key of keysOf(dict)) {
      const now = each(dict[key])
      if (now !== dict[key]) dict[key] = now
      const asked = ask()
      if (asked !== undefined || ++looked % every === 0) yield asked
    }
  }
}

interface How {
  /** The steps of replacements that take long. */
  readonly large?: (value: object) => Steps<unknown> | undefined
  /** Replaces what has nothing inside it as soon as it is seen; itself for all else. */
  readonly leaf?: (value: object) => unknown
  /**
   * Whether each value has one place, so that those that were visited need not be remembered: V8 copies the Set of them that
   * grows as a whole, in one step of 300 ms for three million.
   */
  readonly isTree?: boolean
}

/**
 * Substitutes `replace(value)` for every value inside `root` and for `root` itself, innermost first, so that `replace`
 * sees values whose content is already replaced. When a value contains itself, it is visited before the reference back
 * to it is replaced.
 */
export function* rewrite(
  root: unknown,
  replace: (value: object) => unknown,
  { isTree, large, leaf }: How = {}
): Steps<unknown> {
  if (!isContainer(root)) return typeof root === "object" && root !== null ? replace(root) : root
  const order: Array<object> = []
  const seen = isTree === true ? undefined : new Set<object>([root])
  // A value is pushed once to look inside it and, below its content, once more to mark that as done.
  const stack: Array<object | null> = [root]
  const open: Array<object> = []
  let looked = 0
  while (stack.length > 0) {
    const value = stack.pop()!
    if (++looked % 1_024 === 0) yield
    if (value === null) {
      order.push(open.pop()!)
      continue
    }
    stack.push(null)
    open.push(value)
    yield* mapChildren(value, (child) => {
      if (!isContainer(child)) return child
      const now = leaf === undefined ? child : leaf(child)
      if (now === child && seen?.has(child) !== true) {
        seen?.add(child)
        stack.push(child)
      }
      return now
    })
  }
  const replaced = new Map<object, unknown>()
  const current = (value: unknown) => isContainer(value) && replaced.has(value) ? replaced.get(value) : value
  for (const value of order) {
    yield* mapChildren(value, current)
    const steps = large?.(value)
    const now = steps === undefined ? replace(value) : yield* steps
    if (now !== value) replaced.set(value, now)
    if (++looked % 1_024 === 0) yield
  }
  if (replaced.size > 0) {
    for (const value of order) {
      if (!replaced.has(value)) yield* mapChildren(value, current)
      if (++looked % 1_024 === 0) yield
    }
  }
  return current(root)
}

/** The memory of a container without its values in bytes, estimated. */
const sizeOf = (value: object): number =>
  Array.isArray(value)
    ? 8 * value.length
    : value instanceof Map || value instanceof Set
    ? 48 * value.size
    : isDict(value)
    ? 64 * keysOf(value).length
    : value instanceof NdArray
    ? ownSize(value.bytes)
    : Object.getPrototypeOf(value) === Object.prototype
    ? Object.values(value).reduce<number>((sum, item) => sum + ownSize(item), 64)
    : 0

/** The bytes of a buffer that was made for a value; others are views of what was read. */
const ownSize = (value: unknown): number =>
  value instanceof Uint8Array && value.byteLength === value.buffer.byteLength ? value.byteLength : 0

/** Fewer bytes of memory are not requested. */
const askedAtOnce = 0x40000

/**
 * Substitutes `replace(value)` for every value inside `root` and for `root` itself, outermost first: the replacement of
 * a value is traversed, not its former content. `large` returns the steps of replacements that take long; numbers among
 * them are the memory that the replacement takes.
 */
export function* rewriteDown(
  root: unknown,
  replace: (value: object) => unknown,
  large: (value: object) => Steps<unknown> | undefined
): Steps<unknown> {
  const replaced = new Map<object, unknown>()
  const stack: Array<object> = []
  /** Values whose replacement takes long, with its steps, and what they became. */
  const later = new Map<object, Steps<unknown>>()
  const changed = new Map<object, unknown>()
  /** The memory of what was put in the place of other values: each may be a copy of what many of them share. */
  let made = 0
  let asked = 0
  const ask: Ask = () => made > asked + askedAtOnce ? asked = made : undefined
  const enter = (value: object, now: unknown, isCounted = false): void => {
    replaced.set(value, now)
    if (isContainer(now) && (now === value || !replaced.has(now))) {
      if (now !== value && !isCounted) made += sizeOf(now)
      replaced.set(now, now)
      stack.push(now)
    }
  }
  const visit = (value: unknown): unknown => {
    if (!isContainer(value)) return value
    const known = replaced.get(value)
    if (known !== undefined) return known
    const steps = large(value)
    if (steps !== undefined) {
      later.set(value, steps)
      replaced.set(value, value)
      return value
    }
    const now = replace(value)
    enter(value, now)
    return now
  }
  const out = visit(root)
  let looked = 0
  for (;;) {
    while (stack.length > 0) {
      const container = stack.pop()!
      yield* mapChildren(container, visit, ask)
      if (++looked % 1_024 === 0) yield
    }
    const [next] = later
    if (next === undefined) break
    later.delete(next[0])
    const before = made
    let step = next[1].next()
    while (step.done !== true) {
      // The memory of this value alone.
      if (typeof step.value === "number") made = Math.max(made, before + step.value)
      step = next[1].next(yield typeof step.value === "number" ? ask() : step.value)
    }
    const now = step.value
    changed.set(next[0], now)
    enter(next[0], now, made > before)
  }
  if (made > asked) yield made
  if (changed.size === 0) return out
  const current = (value: unknown): unknown => isContainer(value) && changed.has(value) ? changed.get(value) : value
  for (const [container, now] of replaced) {
    if (container === now) yield* mapChildren(container, current)
    if (++looked % 1_024 === 0) yield
  }
  return current(out)
}

/** Converts floats back to numbers, except keys without a fraction, whose text differs from that of integers. */
export const plainFloats = (root: unknown, isTree = false): Steps<unknown> =>
  rewrite(root, plain, {
    isTree,
    large: (value) =>
      value instanceof PyDict ? plainKeys(value) : value instanceof PySet ? plainMembers(value) : undefined,
    leaf: plain
  })

const plain = (value: unknown): unknown => value instanceof PyFloat ? value.value : value

function* plainKeys(dict: PyDict): Steps<PyDict> {
  let looked = 0
  let isAny = false
  for (const key of dict.keys()) {
    isAny = isFraction(key)
    if (isAny) break
    if (++looked % every === 0) yield
  }
  if (!isAny) return dict
  const keys: Array<unknown> = []
  const values: Array<unknown> = []
  for (const [key, value] of dict) {
    keys.push(isFraction(key) ? plain(key) : key)
    if (values.push(value) % every === 0) yield
  }
  dict.clear()
  for (let at = 0; at < keys.length; at++) {
    dict.set(keys[at], values[at])
    if (at % every === every - 1) yield
  }
  return dict
}

function* plainMembers(set: PySet): Steps<PySet> {
  const members: Array<unknown> = []
  for (const member of set) {
    if (members.push(plain(member)) % every === 0) yield
  }
  // Numbers were added as to any Set, not as Python compares them.
  set.clear()
  for (let at = 0; at < members.length; at++) {
    set.add(members[at])
    if (at % every === every - 1) yield
  }
  return set
}

const isFraction = (key: unknown): boolean => key instanceof PyFloat && !Number.isInteger(key.value)
