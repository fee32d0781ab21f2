/**
 * Python's containers, as close as possible to a JavaScript Array, Map and Set, with Python's equality of keys.
 *
 * @since 0.1.0
 */
import { fail } from "../errors.ts"
import {
  Aliases,
  canonicalKey,
  defaultEqualityBudget,
  type EqualityBudget,
  equalityKey,
  identityKey,
  keyPart,
  spend,
  textOf
} from "./equality.ts"
import { projected } from "./json.ts"
import { PyFloat } from "./numbers.ts"

/**
 * A `tuple`: an Array in every respect, distinguished from a list by its class. Methods such as `map` return plain
 * arrays.
 *
 * @category containers
 * @since 0.1.0
 */
export class Tuple<A = unknown> extends Array<A> {
  static override get [Symbol.species](): ArrayConstructor {
    return Array
  }
  toJSON(): unknown {
    return projected(this)
  }
  [equalityKey](budget: EqualityBudget): unknown {
    return sequenceKey(this, budget)
  }
}

const maxKeyDepth = 1_000

const sequenceKey = (tuple: Tuple, budget: EqualityBudget): string => {
  // Explicit, so that a tuple nested a million deep is an error and not a stack overflow.
  let out = ""
  const stack: Array<{ readonly items: ReadonlyArray<unknown>; next: number }> = [{ items: tuple, next: 0 }]
  spend(budget, 1 + tuple.length)
  out += `t${tuple.length}(`
  while (stack.length > 0) {
    const top = stack[stack.length - 1]!
    if (top.next === top.items.length) {
      stack.pop()
      out += ")"
      continue
    }
    const item = top.items[top.next++]
    if (item instanceof Tuple) {
      if (stack.length >= maxKeyDepth) {
        fail("LimitExceeded", "a tuple key nested too deep", `at most ${maxKeyDepth} tuples in one another`)
      }
      spend(budget, 1 + item.length)
      out += `t${item.length}(`
      stack.push({ items: item, next: 0 })
    } else if (Number.isNaN(item)) {
      // Two NaNs are equal in Python only when they are one object, which JavaScript numbers cannot express.
      out += identityKey(tuple)
    } else out += keyPart(item, budget)
  }
  return out
}

/**
 * An instance of a named tuple whose class the pickle carries or the options declare: a tuple with field names.
 *
 * @category containers
 * @since 0.1.0
 */
export class NamedTuple<A = unknown> extends Tuple<A> {
  /** `module.Name` of the Python class. */
  className = ""
  /** The names of the fields, in order. */
  fields: ReadonlyArray<string> = []
  /** The value of a field; `undefined` when there is no such field. */
  field(name: string): A | undefined {
    const at = this.fields.indexOf(name)
    return at < 0 ? undefined : this[at]
  }
  /** The fields as an object without a prototype. */
  toObject(): Record<string, A> {
    const out: Record<string, A> = Object.create(null) as Record<string, A>
    this.fields.forEach((name, i) => out[name] = this[i]!)
    return out
  }
}

/**
 * A `collections.deque`: an Array with its `maxlen`.
 *
 * @category containers
 * @since 0.1.0
 */
export class Deque<A = unknown> extends Array<A> {
  static override get [Symbol.species](): ArrayConstructor {
    return Array
  }
  /** The bound, or `null`. */
  maxlen: number | null = null
  toJSON(): unknown {
    return projected(this)
  }
}

/**
 * A `bytearray`: a Uint8Array distinguished from `bytes` by its class.
 *
 * @category containers
 * @since 0.1.0
 */
export class ByteArray extends Uint8Array<ArrayBufferLike> {
  static get [Symbol.species](): Uint8ArrayConstructor {
    return Uint8Array
  }
  /** Base64 with padding. */
  toJSON(): unknown {
    return projected(this)
  }
  [equalityKey](): unknown {
    return fail("Unhashable", "a bytearray as a key", "a hashable key")
  }
}

/**
 * The key under which a Map or Set stores `key`, so that keys which are equal in Python are one key.
 *
 * A JavaScript Map compares strings and ordinary numbers correctly. The others go through `aliases`, which is created
 * when the first of them is stored.
 */
const storedKey = (
  collection: { has(key: unknown): boolean },
  aliases: Aliases | null,
  key: unknown,
  budget: EqualityBudget
): unknown => {
  const text = textOf(key)
  if (text !== null) return aliases?.texts?.get(text) ?? (collection.has(text) ? text : absent)
  const canonical = canonicalKey(key, budget)
  if (canonical === key && typeof canonical === "object") return key
  if (aliases?.keys.has(canonical) === true) return aliases.keys.get(canonical)
  return typeof canonical === "number" && collection.has(canonical) ? canonical : absent
}

const absent = Symbol("absent")

const mapSet = Map.prototype.set

const isPlainKey = (key: unknown): boolean =>
  typeof key === "string" || (typeof key === "number" && key === key && (key !== 0 || 1 / key > 0))

/** Whether a JavaScript Map finds a plain key beside keys with these aliases as Python does. */
const isComparedAlike = (aliases: Aliases | null, key: unknown): boolean =>
  aliases === null || (aliases.texts === null && typeof key === "string")

/**
 * A `dict` whose keys are not all strings, or any dict under `dicts: "map"`: a Map in insertion order in which `1`,
 * `True` and `1.0` are one key, equal tuples are one key, and so on. `get`, `has`, `set` and `delete` compare as Python
 * does.
 *
 * @category containers
 * @since 0.1.0
 */
export class PyDict<K = unknown, V = unknown> extends Map<K, V> {
  #aliases: Aliases | null = null

  constructor(entries?: Iterable<readonly [K, V]> | null) {
    super()
    if (entries != null) { for (const [key, value] of entries) this.set(key, value) }
  }

  /**
   * Like `set`, within a budget for comparisons.
   *
   * @internal
   */
  insert(key: K, value: V, budget: EqualityBudget): void {
    if (isComparedAlike(this.#aliases, key) && isPlainKey(key)) {
      mapSet.call(this, key, value)
      return
    }
    if (key !== key) {
      // Every NaN is a key of its own.
      super.set(super.has(key) ? new PyFloat(NaN) as K : key, value)
      return
    }
    const stored = storedKey({ has: (k) => super.has(k as K) }, this.#aliases, key, budget)
    if (stored !== absent) {
      super.set(stored as K, value)
      return
    }
    const kept = (key === 0 && !isPlainKey(key) ? new PyFloat(-0) : key) as K
    if (!isPlainKey(kept)) (this.#aliases ??= new Aliases()).add(key, kept, budget)
    super.set(kept, value)
  }

  override set(key: K, value: V): this {
    // The Map constructor would call this before the fields exist, so it receives no entries.
    this.insert(key, value, defaultEqualityBudget())
    return this
  }
  #find(key: K): unknown {
    if (isComparedAlike(this.#aliases, key) && (typeof key === "string" || typeof key === "number")) return key
    return storedKey({ has: (k) => super.has(k as K) }, this.#aliases, key, defaultEqualityBudget())
  }
  override get(key: K): V | undefined {
    const stored = this.#find(key)
    return stored === absent ? undefined : super.get(stored as K)
  }
  override has(key: K): boolean {
    const stored = this.#find(key)
    return stored !== absent && super.has(stored as K)
  }
  override delete(key: K): boolean {
    const stored = this.#find(key)
    if (stored === absent) return false
    this.#aliases?.delete(key, defaultEqualityBudget())
    return super.delete(stored as K)
  }
  override clear(): void {
    this.#aliases = null
    super.clear()
  }
  /** An object keyed by Python's `str` of the keys; of equal texts the last wins. */
  toJSON(): unknown {
    return projected(this)
  }
  [equalityKey](): unknown {
    return fail("Unhashable", "a dict as a key", "a hashable key")
  }
}

/**
 * A `collections.OrderedDict`.
 *
 * @category containers
 * @since 0.1.0
 */
export class OrderedDict<K = unknown, V = unknown> extends PyDict<K, V> {}

/**
 * A `collections.defaultdict` with a reference to its factory, which is never called.
 *
 * @category containers
 * @since 0.1.0
 */
export class DefaultDict<K = unknown, V = unknown> extends PyDict<K, V> {
  /** The factory that Python calls for a missing key: a `PyGlobal`, `null`, or the inert form of a callable. */
  factory: unknown = null
}

/**
 * A `collections.Counter`.
 *
 * @category containers
 * @since 0.1.0
 */
export class Counter<K = unknown> extends PyDict<K, unknown> {}

/**
 * A `set`: a Set in insertion order, with Python's equality of members.
 *
 * @category containers
 * @since 0.1.0
 */
export class PySet<A = unknown> extends Set<A> {
  #aliases: Aliases | null = null

  constructor(members?: Iterable<A> | null) {
    super()
    if (members != null) { for (const member of members) this.add(member) }
  }

  /**
   * Like `add`, within a budget for comparisons.
   *
   * @internal
   */
  insert(member: A, budget: EqualityBudget): void {
    if (isComparedAlike(this.#aliases, member) && isPlainKey(member)) {
      super.add(member)
      return
    }
    if (member !== member) {
      super.add(super.has(member) ? new PyFloat(NaN) as A : member)
      return
    }
    const stored = storedKey({ has: (k) => super.has(k as A) }, this.#aliases, member, budget)
    if (stored !== absent) {
      super.add(stored as A)
      return
    }
    const kept = (member === 0 && !isPlainKey(member) ? new PyFloat(-0) : member) as A
    if (!isPlainKey(kept)) (this.#aliases ??= new Aliases()).add(member, kept, budget)
    super.add(kept)
  }

  override add(member: A): this {
    this.insert(member, defaultEqualityBudget())
    return this
  }
  #find(member: A): unknown {
    if (isComparedAlike(this.#aliases, member) && (typeof member === "string" || typeof member === "number")) {
      return member
    }
    return storedKey({ has: (k) => super.has(k as A) }, this.#aliases, member, defaultEqualityBudget())
  }
  override has(member: A): boolean {
    const stored = this.#find(member)
    return stored !== absent && super.has(stored as A)
  }
  override delete(member: A): boolean {
    const stored = this.#find(member)
    if (stored === absent) return false
    this.#aliases?.delete(member, defaultEqualityBudget())
    return super.delete(stored as A)
  }
  override clear(): void {
    this.#aliases = null
    super.clear()
  }
  /** An array of the members, in order. */
  toJSON(): unknown {
    return projected(this)
  }
  [equalityKey](_budget: EqualityBudget): unknown {
    return fail("Unhashable", "a set as a key", "a hashable key")
  }
}

/**
 * A `frozenset`.
 *
 * @category containers
 * @since 0.1.0
 */
export class FrozenSet<A = unknown> extends PySet<A> {
  #key: string | null = null

  override [equalityKey](budget: EqualityBudget): unknown {
    if (this.#key !== null) {
      spend(budget, 1 + this.#key.length)
      return this.#key
    }
    spend(budget, 1 + this.size)
    const parts: Array<string> = []
    for (const member of this) parts.push(keyPart(member, budget))
    return this.#key = `f{${parts.sort().join(",")}}`
  }
}
