/**
 * The keys of objects of very many, which were listed while the objects were decoded: `Object.keys` of a million keys takes
 * 300 to 500 ms, in which nothing else runs. The same as `ObjectKeys` of core, which this package does not import.
 *
 * @since 0.1.0
 */

const shared: unique symbol = Symbol.for("effect-prefect/ObjectKeys") as never

/**
 * The keys from which on they are remembered: to list fewer takes some milliseconds.
 *
 * @category options
 * @since 0.1.0
 */
export const manyKeys = 0x8000

/** Keys between two steps. */
const every = 8_192

/** Text keys beside which V8 keeps the values of indices in an array, as long as there are no more. */
const fewTexts = 8

/** The largest index. V8 keeps the values of an object's indices in a hash table for good once it had one this large. */
const lastIndex = 0xfffffffe

/** One for all modules of this kind in a process: one package shows what another decodes. */
const lists = ((globalThis as { [shared]?: WeakMap<object, ReadonlyArray<string>> })[shared] ??= new WeakMap())

/** The index that a key is, which an object has before its other keys, or -1. */
const indexOf = (key: string): number => {
  const { length } = key
  const first = key.charCodeAt(0)
  if (!(first >= 0x30 && first <= 0x39) || length > 10 || (first === 0x30 && length > 1)) return -1
  for (let at = 1; at < length; at++) {
    const code = key.charCodeAt(at)
    if (code < 0x30 || code > 0x39) return -1
  }
  const index = Number(key)
  return index <= lastIndex ? index : -1
}

/** The digits of indices in ascending order: sorted by each of their four bytes, in steps. */
function* sorted(indices: ReadonlyArray<string>): Generator<undefined, Array<string>> {
  const { length } = indices
  let from = new Uint32Array(length)
  let to = new Uint32Array(length)
  for (let at = 0; at < length; at++) {
    from[at] = Number(indices[at])
    if (at % every === every - 1) yield
  }
  for (let shift = 0; shift < 32; shift += 8) {
    const places = new Uint32Array(257)
    for (let at = 0; at < length; at++) {
      places[(from[at]! >>> shift & 0xff) + 1]!++
      if (at % every === every - 1) yield
    }
    for (let byte = 1; byte < 256; byte++) places[byte]! += places[byte - 1]!
    for (let at = 0; at < length; at++) {
      const index = from[at]!
      to[places[index >>> shift & 0xff]!++] = index
      if (at % every === every - 1) yield
    }
    ;[from, to] = [to, from]
  }
  const out: Array<string> = []
  for (let at = 0; at < length; at++) {
    out.push(String(from[at]))
    if (at % every === every - 1) yield
  }
  return out
}

/** Keeps the values of an object's indices in a hash table: otherwise V8 makes one when the object is closed. */
const hashIndices = (object: Record<string, unknown>): void => {
  if (Object.hasOwn(object, lastIndex)) return
  object[lastIndex] = null
  delete object[lastIndex]
}

const setKey = (object: Record<string, unknown>, key: string, value: unknown): void => {
  if (key === "__proto__") {
    Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
  } else object[key] = value
}

/**
 * Lists the keys of an object of very many while they are set.
 *
 * @category objects
 * @since 0.1.0
 */
export class KeyList {
  private readonly texts: Array<string> = []
  private readonly indices: Array<string> = []
  private isAscending = true
  private last = -1
  private isHashed = false

  /** Begins with the keys that an object has. */
  constructor(keys: ReadonlyArray<string> = []) {
    for (const key of keys) this.push(key)
  }

  /** The number of keys so far. */
  get length(): number {
    return this.indices.length + this.texts.length
  }

  private push(key: string): void {
    const index = indexOf(key)
    if (index < 0) this.texts.push(key)
    else {
      this.indices.push(key)
      this.isAscending &&= index > this.last
      this.last = index
    }
  }

  /** Sets a key of the object. */
  set(object: Record<string, unknown>, key: string, value: unknown): void {
    if (!Object.hasOwn(object, key)) this.push(key)
    setKey(object, key, value)
  }

  /**
   * The object on which more keys are to be set, to be called after each few thousand: a copy, once it has other keys
   * than indices beside very many indices.
   */
  *settled(object: Record<string, unknown>): Generator<undefined, Record<string, unknown>> {
    const { indices, texts } = this
    if (this.isHashed || texts.length <= fewTexts) return object
    this.isHashed = true
    const isCopied = indices.length > 2 * manyKeys
    const out = isCopied ? {} : object
    hashIndices(out)
    if (!isCopied) return out
    for (const keys of [indices, texts]) {
      for (let at = 0; at < keys.length; at++) {
        setKey(out, keys[at]!, object[keys[at]!])
        if (at % every === every - 1) yield
      }
    }
    return out
  }

  /**
   * Remembers the keys for as long as the object exists, if they are many. No others can be added to it any more.
   */
  *close(object: object): Generator<undefined, void> {
    const { indices, isAscending, texts } = this
    if (this.length <= manyKeys) return
    if (indices.length === 0) return rememberKeys(object, texts)
    const keys = isAscending ? indices : yield* sorted(indices)
    for (let at = 0; at < texts.length; at++) {
      keys.push(texts[at]!)
      if (at % every === every - 1) yield
    }
    rememberKeys(object, keys)
  }
}

/**
 * Remembers the keys of an object, in the order of `Object.keys`, and prevents that others are added.
 *
 * @category objects
 * @since 0.1.0
 */
export const rememberKeys = (object: object, keys: ReadonlyArray<string>): void => {
  Object.preventExtensions(object)
  lists.set(object, keys)
}

/**
 * The keys of an object as its decoder remembered them, in the order of `Object.keys`; undefined for most objects. Of a key
 * that was deleted since then, the value is undefined.
 *
 * @category objects
 * @since 0.1.0
 */
export const knownKeys = (object: object): ReadonlyArray<string> | undefined => {
  const keys = lists.get(object)
  return keys === undefined || Object.isExtensible(object) ? undefined : keys
}

/**
 * The keys of an object, as its decoder remembered them or else as `Object.keys` lists them.
 *
 * @category objects
 * @since 0.1.0
 */
export const keysOf = (object: object): ReadonlyArray<string> => knownKeys(object) ?? Object.keys(object)

/**
 * Stands for the value of a key that was deleted after the keys were listed.
 *
 * @category objects
 * @since 0.1.0
 */
export const deletedKey: unique symbol = Symbol("deleted")

/**
 * The values of an object's listed keys, one by one, and `deletedKey` for those that it has no more.
 *
 * @category objects
 * @since 0.1.0
 */
export function* valuesOf(object: object, keys: ReadonlyArray<string>): IterableIterator<unknown> {
  for (let at = 0; at < keys.length; at++) {
    const value = (object as Readonly<Record<string, unknown>>)[keys[at]!]
    yield value === undefined && !Object.hasOwn(object, keys[at]!) ? deletedKey : value
  }
}
