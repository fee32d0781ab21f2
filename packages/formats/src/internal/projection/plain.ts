/** Values that are JSON already, which the engine converts faster than they are traversed. */
import { keysOf } from "@effect-prefect/pickle"

/** The maximum depth of a value that `JSON.stringify`, which is recursive, converts as a whole. */
export const plainDepth = 32
/** The amount of a value that is converted at once: about 30 µs of work. */
export const plainLimit = 4_096

/** The length of keys that do not count: the names of a table's columns are those of each of its rows. */
export const shortKey = 64

/** An object and its keys. */
export interface Listed {
  readonly object: Readonly<Record<string, unknown>>
  readonly keys: ReadonlyArray<string>
}

/**
 * The size of a value that is already JSON, counted like `walk` does. `cost` is the number of values visited in any
 * case.
 */
export class Plain {
  cost = 0
  /** The last object that has too many keys, and the keys: the engine takes a millisecond for 4 000 of them. */
  listed: Listed | undefined

  /** Whether a value consists only of JSON, and is neither so deep nor so large that it must be traversed. */
  is(value: unknown, depth: number): boolean {
    switch (typeof value) {
      case "string":
        return (this.cost += 1 + (value.length >> 4)) <= plainLimit
      case "number":
        // Larger numbers have their own text; NaN is null in both.
        return !(Math.abs(value) > Number.MAX_SAFE_INTEGER) && ++this.cost <= plainLimit
      case "boolean":
        return ++this.cost <= plainLimit
      case "object":
        if (value === null) return ++this.cost <= plainLimit
        this.cost += 8
        return depth > 0 && this.cost <= plainLimit && this.isContainer(value, depth - 1)
      default:
        return false
    }
  }

  private isContainer(value: object, depth: number): boolean {
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype === Array.prototype) {
      const items = value as ReadonlyArray<unknown>
      // A hole is undefined, which is not JSON.
      for (let at = 0; at < items.length; at++) if (!this.is(items[at], depth)) return false
      return true
    }
    if (prototype !== Object.prototype && prototype !== null && Object.getPrototypeOf(prototype) !== null) return false
    const fields = value as Readonly<Record<string, unknown>>
    if (typeof fields["toJSON"] === "function") return false
    const keys = keysOf(fields)
    if (keys.length > plainLimit) {
      this.listed = { object: fields, keys }
      return false
    }
    for (let at = 0; at < keys.length; at++) {
      const key = keys[at]!
      if (key.length > shortKey) this.cost += key.length >> 4
      if (!this.is(fields[key], depth)) return false
    }
    return true
  }
}
