import * as Equal from "effect/Equal"
import * as Hash from "effect/Hash"

const isEmpty = (extra: unknown): boolean => Object.keys(extra as object).length === 0

/**
 * Equality of the values of one class by their fields, without those that Prefect does not compare. An empty `extra`
 * equals an absent one.
 */
export const equalityWithout = (notCompared: ReadonlySet<string>) => {
  const comparedKeys = (value: object): Array<string> =>
    Object.keys(value).filter((key) => {
      const field: unknown = Reflect.get(value, key)
      return !notCompared.has(key) && field !== undefined && !(key === "extra" && isEmpty(field))
    })
  return {
    [Equal.symbol](this: object, that: Equal.Equal): boolean {
      if (Object.getPrototypeOf(this) !== Object.getPrototypeOf(that)) return false
      const keys = comparedKeys(this)
      return keys.length === comparedKeys(that).length &&
        keys.every((key) => Equal.equals(Reflect.get(this, key), Reflect.get(that, key)))
    },
    [Hash.symbol](this: object): number {
      return Hash.structureKeys(this, comparedKeys(this))
    }
  }
}
