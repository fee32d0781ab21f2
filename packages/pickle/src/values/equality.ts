/**
 * Python's equality of dict keys and set members, decided by one canonical key per value.
 *
 * Two hashable Python values are equal exactly when their canonical keys are the same: `1`, `True`, `1.0`,
 * `Decimal("1")` and `Fraction(1)` share one, and so do equal tuples, bytes and frozensets. A value of an unknown class
 * equals only itself.
 *
 * @since 0.1.0
 */
import { exceeded, fail } from "../errors.ts"

/**
 * The method by which a value class returns its canonical key: a number for a value that equals a number, a string that
 * no other class makes, or the value itself for identity.
 *
 * @internal
 */
export const equalityKey: unique symbol = Symbol("@effect-prefect/pickle/equalityKey")

/**
 * The property in which a class that is a subclass of `str` in Python has its text; `null` when it is no text.
 *
 * @internal
 */
export const equalText: unique symbol = Symbol("@effect-prefect/pickle/equalText")

/**
 * The text that a key equals in Python; `null` for a key that equals no `str`.
 *
 * @internal
 */
export const textOf = (value: unknown): string | null => {
  if (typeof value === "string") return value
  if (typeof value !== "object" || value === null) return null
  return (value as { readonly [equalText]?: string | null })[equalText] ?? null
}

/**
 * The budget for comparisons in one `loads`, counted in values and characters.
 *
 * @internal
 */
export interface EqualityBudget {
  left: number
  readonly max: number
}

/** @internal */
export interface HasEquality {
  [equalityKey](budget: EqualityBudget): unknown
}

const identities = new WeakMap<object, string>()
let identityCount = 0

/** @internal */
export const identityKey = (value: object): string => {
  let key = identities.get(value)
  if (key === undefined) identities.set(value, key = `@${++identityCount}`)
  return key
}

/** @internal */
export const spend = (budget: EqualityBudget, cost: number): void => {
  if ((budget.left -= cost) < 0) exceeded("equalityWork", "keys that cost too much to compare", budget.max)
}

/** @internal */
export const defaultEqualityBudget = (): EqualityBudget => ({ left: 10_000_000, max: 10_000_000 })

/**
 * The canonical key of a bigint: the number itself when a number can hold it.
 *
 * @internal
 */
export const integerKey = (value: bigint): number | string => {
  const short = Number(value)
  return Number.isFinite(short) && BigInt(short) === value ? short : `i${value.toString(16)}`
}

/**
 * The canonical key of a rational number in lowest terms with a positive denominator.
 *
 * @internal
 */
export const rationalKey = (numerator: bigint, denominator: bigint): number | string => {
  if (denominator === 1n) return integerKey(numerator)
  if ((denominator & (denominator - 1n)) === 0n) {
    // Only for a power of two as the denominator can a double be exact.
    const value = Number(numerator) / Number(denominator)
    if (Number.isFinite(value) && value !== 0 && BigInt(Number(numerator)) === numerator) return value
  }
  return `q${numerator.toString(16)}/${denominator.toString(16)}`
}

const latin1 = (bytes: Uint8Array): string => {
  let out = ""
  for (let i = 0; i < bytes.length; i++) out += String.fromCharCode(bytes[i]!)
  return out
}

/**
 * The canonical key of any value that is not text (see `textOf`); fails with `Unhashable` where Python's `hash` raises TypeError.
 *
 * @internal
 */
export const canonicalKey = (value: unknown, budget: EqualityBudget): unknown => {
  switch (typeof value) {
    case "number":
      return value
    case "boolean":
      return value ? 1 : 0
    case "bigint":
      spend(budget, 1 + bigintCost(value))
      return integerKey(value)
    case "string":
      return value
    case "object":
      break
    default:
      return value
  }
  if (value === null) return value
  const own = (value as Partial<HasEquality>)[equalityKey]
  if (typeof own === "function") return own.call(value, budget)
  if (value instanceof Uint8Array) {
    spend(budget, 1 + value.length)
    return `b${latin1(value)}`
  }
  if (Array.isArray(value)) return fail("Unhashable", "a list as a key", "a hashable key")
  if (value instanceof Map) return fail("Unhashable", "a dict as a key", "a hashable key")
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === null || Object.getPrototypeOf(prototype) === null) {
    return fail("Unhashable", "a dict as a key", "a hashable key")
  }
  return value
}

const bigintCost = (value: bigint): number =>
  // Only huge integers are worth measuring: below 2^63 the cost is one.
  BigInt.asIntN(64, value) === value ? 0 : value.toString(16).length >> 2

/**
 * A value as part of the canonical key of a larger one, such as a tuple or a frozenset.
 *
 * @internal
 */
export const keyPart = (value: unknown, budget: EqualityBudget): string => {
  const text = textOf(value)
  if (text !== null) {
    spend(budget, text.length)
    return `s${text.length}:${text}`
  }
  const key = canonicalKey(value, budget)
  if (typeof key === "string") {
    spend(budget, key.length)
    return `k${key.length}:${key}`
  }
  if (typeof key === "number") return `n${key}`
  if (key === null) return "z"
  if (typeof key === "object") return identityKey(key)
  return String(key)
}

/** The most keys of one Map, and the number of Maps that more are divided into. */
const firstKeys = 0x8000
const parts = 8

/** The Map that has a key; -1 for keys that stay in the first one, of which there are few. */
const partOf = (key: unknown): number => {
  if (typeof key === "bigint") return Number(BigInt.asUintN(3, key))
  if (typeof key !== "string") return -1
  const { length } = key
  const middle = key.charCodeAt(length >> 1)
  return (length + middle * 7 + key.charCodeAt(length - 2) * 31 + key.charCodeAt(length - 3) * 61) & (parts - 1)
}

/**
 * A Map that grows in small steps once it is large: V8 copies a whole table when it grows, and that of the collection, which
 * has as many keys, grows at the same time.
 */
class KeyMap {
  private readonly first = new Map<unknown, unknown>()
  private rest: Array<Map<unknown, unknown>> | null = null

  private mapOf(key: unknown): Map<unknown, unknown> {
    if (this.rest === null) return this.first
    const part = partOf(key)
    return part < 0 ? this.first : this.rest[part]!
  }
  has(key: unknown): boolean {
    return this.mapOf(key).has(key)
  }
  get(key: unknown): unknown {
    return this.mapOf(key).get(key)
  }
  set(key: unknown, value: unknown): void {
    if (this.rest === null && this.first.size >= firstKeys) {
      const rest = Array.from({ length: parts }, () => new Map<unknown, unknown>())
      for (const [known, stored] of this.first) {
        const part = partOf(known)
        if (part < 0) continue
        rest[part]!.set(known, stored)
        this.first.delete(known)
      }
      this.rest = rest
    }
    this.mapOf(key).set(key, value)
  }
  delete(key: unknown): void {
    this.mapOf(key).delete(key)
  }
}

/**
 * The keys of one dict or set on whose equality a JavaScript Map and Python disagree.
 *
 * @internal
 */
export class Aliases {
  /** From canonical key to stored key. */
  readonly keys = new KeyMap()
  /** From text to the stored key that equals it and is no string; `null` while there is none, as nearly always. */
  texts: Map<string, unknown> | null = null

  add(key: unknown, stored: unknown, budget: EqualityBudget): void {
    const text = textOf(key)
    if (text === null) this.keys.set(canonicalKey(key, budget), stored)
    else (this.texts ??= new Map()).set(text, stored)
  }
  delete(key: unknown, budget: EqualityBudget): void {
    const text = textOf(key)
    if (text === null) this.keys.delete(canonicalKey(key, budget))
    else this.texts?.delete(text)
  }
}
