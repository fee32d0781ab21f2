/**
 * The object that represents a Python dict whose keys are all strings.
 *
 * @since 0.1.0
 */

interface DictConstructor {
  new(): Record<string, unknown>
  readonly prototype: object
}

/**
 * Makes empty dict objects. Their prototype is a frozen object that has no properties and no prototype, so `__proto__`,
 * `constructor` and `toString` are ordinary keys, and nothing is inherited. (`Object.create(null)` would look the same,
 * but V8 keeps such objects as hash tables, several times slower and larger.)
 *
 * @internal
 */
export const Dict: DictConstructor = (() => {
  const make = function() {} as unknown as { prototype: object }
  const prototype = Object.create(null) as object
  // Node prints an object with its prototype's name, which is not worth showing here.
  Object.defineProperty(prototype, Symbol.for("nodejs.util.inspect.custom"), {
    value(this: object) {
      return Object.assign(Object.create(null) as object, this)
    }
  })
  make.prototype = Object.freeze(prototype)
  return make as unknown as DictConstructor
})()

/**
 * Whether a value is a dict object of this package.
 *
 * @internal
 */
export const isDictObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && isDictPrototype(Object.getPrototypeOf(value))

const isDictPrototype = (prototype: unknown): boolean => prototype === Dict.prototype || prototype === null

/**
 * Whether a key is one that an object would move to its front: an array index.
 *
 * @internal
 */
export const isIndexKey = (key: string): boolean => {
  const { length } = key
  if (length === 0 || length > 10) return false
  const first = key.charCodeAt(0)
  if (first < 48 || first > 57 || (first === 48 && length > 1)) return false
  for (let i = 1; i < length; i++) {
    const code = key.charCodeAt(i)
    if (code < 48 || code > 57) return false
  }
  return true
}
