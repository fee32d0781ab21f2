/**
 * `ValueSize`: how much memory a decoded value takes, estimated.
 *
 * @since 0.1.0
 */
import { Column, Table } from "./Table.ts"

/** Elements of a list that are looked at; the others are taken to be like them. */
const sampled = 128
/** Values that are looked at in all. */
const maxVisited = 20_000

const word = 8
const objectHeader = 3 * word
const arrayHeader = 4 * word
const stringHeader = 2 * word
/** A double in an object, or in a list that holds other things too, is an object of its own. */
const boxedDouble = 2 * word
/** An entry of a Map or a Set, with its share of the hash table. */
const entry = 5 * word
const view = 14 * word

const stringBody = (text: string): number => {
  let wide = false
  for (let at = 0, step = Math.max(1, text.length >> 5); at < text.length; at += step) {
    if (text.charCodeAt(at) > 255) wide = true
  }
  return stringHeader + Math.ceil(text.length * (wide ? 2 : 1) / word) * word
}

/** Objects that were seen. Most values are made of so few that a list is searched sooner than a set is made. */
class Seen {
  private readonly few: Array<object> = []
  private many: Set<object> | undefined

  /** Adds an object, and tells whether it is new. */
  add(value: object): boolean {
    if (this.many !== undefined) {
      if (this.many.has(value)) return false
      this.many.add(value)
      return true
    }
    if (this.few.includes(value)) return false
    if (this.few.push(value) > 16) this.many = new Set(this.few)
    return true
  }
}

class Estimator {
  private readonly seen = new Seen()
  private readonly buffers = new Seen()
  private visited = 0

  /** Memory of a value beside the word that refers to it. */
  of(value: unknown): number {
    switch (typeof value) {
      case "string":
        return stringBody(value)
      case "number":
        return Number.isInteger(value) && Math.abs(value) < 2 ** 31 ? 0 : boxedDouble
      case "bigint":
        return boxedDouble +
          Math.ceil((value < 2n ** 64n && value > -(2n ** 64n) ? 64 : value.toString(16).length * 4) / 64) * word
      case "object":
        return value === null ? 0 : this.object(value)
      default:
        return 0
    }
  }

  private object(value: object): number {
    if (!this.seen.add(value)) return 0
    if (++this.visited > maxVisited) return objectHeader
    if (ArrayBuffer.isView(value)) {
      // Views of one buffer keep it alive once.
      if (!this.buffers.add(value.buffer)) return view
      return view + value.byteLength
    }
    if (Array.isArray(value)) return arrayHeader + this.list(value.length, (at) => value[at])
    if (value instanceof Map) {
      return arrayHeader + value.size * entry + this.iterable(value.keys(), value.size) +
        this.iterable(value.values(), value.size)
    }
    if (value instanceof Set) return arrayHeader + value.size * entry + this.iterable(value, value.size)
    if (value instanceof Table) {
      return [...value.columns, ...value.index].reduce((sum, column) => sum + this.column(column), objectHeader)
    }
    if (value instanceof Column) return this.column(value)
    return objectHeader + this.fields(value)
  }

  private fields(value: object): number {
    const keys = Object.keys(value)
    // Objects of many keys are hash tables; their keys are shared with nobody.
    const perKey = keys.length > 64 ? entry : word
    let size = keys.length * perKey
    if (keys.length > 64) size += this.list(keys.length, (at) => keys[at]) - keys.length * word
    return size + this.list(keys.length, (at) => Reflect.get(value, keys[at]!)) - keys.length * word
  }

  private iterable(values: Iterable<unknown>, size: number): number {
    const first: Array<unknown> = []
    for (const value of values) if (first.push(value) >= sampled) break
    return first.length === 0 ? 0 : this.list(first.length, (at) => first[at]) * size / first.length - size * word
  }

  private column(column: Column): number {
    if (!this.seen.add(column)) return 0
    const own = column.byteSize ?? (column.categories === null
      ? this.list(column.length, (row) => column.at(row))
      : column.length * 4)
    return view + own + (column.categories === null ? 0 : this.of(column.categories))
  }

  /** Memory of so many values and the words that refer to them, from evenly spread ones. */
  private list(length: number, at: (index: number) => unknown): number {
    if (length === 0) return 0
    const count = Math.min(length, sampled)
    const stride = length / count
    let texts: Map<string, number> | undefined
    let doubles = 0
    let integers = 0
    let size = 0
    for (let index = 0; index < count; index++) {
      const value = at(Math.floor(index * stride))
      if (typeof value === "string") {
        texts ??= new Map()
        texts.set(value, stringBody(value))
      } else {
        if (typeof value === "number") {
          if (Number.isInteger(value)) integers++
          else doubles++
        }
        size += this.of(value)
      }
    }
    // A list of nothing but numbers keeps them without boxes.
    if (integers + doubles === count) size = 0
    size *= stride
    if (texts === undefined) return length * word + size
    let bodies = 0
    for (const body of texts.values()) bodies += body
    // Texts that come again and again are one, whatever refers to them.
    return length * word + size + (texts.size > 1 && texts.size * 2 > count ? bodies * stride : bodies)
  }
}

/**
 * The estimated memory of a value in bytes, from a sample of its elements: within a factor of two for values that are
 * made of many alike. It takes no more time for large values than for those of some thousand elements.
 *
 * @category accessors
 * @since 0.1.0
 */
export const estimate = (value: unknown): number => Math.ceil(new Estimator().of(value))
