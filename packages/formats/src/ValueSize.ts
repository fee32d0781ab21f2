/**
 * `ValueSize`: the estimated memory of a decoded value.
 *
 * @since 0.1.0
 */
import { isDict, PyObject } from "@effect-prefect/pickle"
import { hasSharedTexts } from "./internal/internedTexts.ts"
import { largeOf } from "./internal/largeObjects.ts"
import { Column, Table } from "./Table.ts"

/** The most elements of a list that are sampled; the others are assumed to be similar. */
const sampled = 128
/** The most columns of a table that are sampled. */
const sampledColumns = 4_096
/** The most values that are visited in total. */
const maxVisited = 20_000
/** The most levels that are visited by recursion: the stack has no room for those of every value. */
const maxLevels = 64

const word = 8
const objectHeader = 3 * word
/** An object of an unknown class, and the lists in it. */
const inertHeader = 24 * word
/** An array, and the store of its elements. */
const arrayHeader = 6 * word
/**
 * A list of few elements that was appended to has room for 17 of them, and one that was made at once for no more than it
 * has. Nothing tells them apart, so that the mean of both is taken.
 */
const fewElements = 16
const fewHeader = 12 * word
const perFew = 5
const stringHeader = 2 * word
/** A list of more elements grows by half and 16; half of the room that this may have left. */
const spareOf = (length: number): number => {
  if (length === 0) return 0
  let room = fewElements + 1
  while (room < length) room += (room >> 1) + 16
  return (room - length) / 2 * word
}
/** A double in an object, or in a list with values of other types, is an object of its own. */
const boxedDouble = 2 * word
/** The part of their boxes that numbers in a list of nothing else take: a mean, of which both are within a factor of two. */
const maybeBoxed = 0.36
/** An object of many keys is a hash table: a key, a value and details, with free places. */
const entry = 5 * word
/** As many keys as that has an object which was filled key by key, and one that `JSON.parse` made at once. */
const manyFilled = 25
const manyParsed = 128
/** What V8 keeps of an object with a key that none before it has: a description of it, which others do not share. */
const description = 13 * word
/** A Map or a Set, and the head of its hash table, which has room for a power of two of entries. */
const mapHeader = 14 * word
const mapEntry = 3.5 * word
const setEntry = 2.5 * word
/** A key that is an object is found by another Map, of what it is equal to. */
const objectKey = 14 * word
const minEntries = 4
const view = 14 * word
/** A column, its name and the functions that read it. */
const columnHeader = 50 * word
/** `JSON.parse` makes one object of equal texts of no more characters, and one for each longer text. */
const internedText = 10
/** Smaller buffers are parts of one that Node shares between them. */
const smallBuffer = 0x10000

/** The room in a hash table of that many entries, which it has even without any. */
const capacityOf = (size: number): number => 2 ** Math.ceil(Math.log2(Math.max(size, minEntries)))

/**
 * Text takes one byte per character up to U+00FF, and two per character if any is above. Decoders of UTF-8 take two from
 * U+0080 on, but not all of them do: so that the mean is taken for text of such characters.
 */
const stringBody = (text: string): number => {
  let highest = 0
  // Odd, so that the steps do not align with repetitions in the text.
  for (let at = 0, step = (text.length >> 5) | 1; at < text.length; at += step) {
    highest = Math.max(highest, text.charCodeAt(at))
  }
  return stringHeader + Math.ceil(text.length * (highest > 0xff ? 2 : highest > 0x7f ? 1.5 : 1) / word) * word
}

/** The visited objects. Most values contain so few that searching a list is faster than making a set. */
class Seen {
  private readonly few: Array<object> = []
  private many: Set<object> | undefined

  /** Adds an object; returns whether it is new. */
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
  /** The bytes of buffers that are kept as a whole by views of parts of them. */
  private shared = 0
  private readonly seen = new Seen()
  private readonly buffers = new Seen()
  private visited = 0
  private levels = 0
  /** How many values each visited one stands for. */
  private weight = 1
  /** What is below the levels visited so far. */
  private deeper: Array<{ readonly value: object; readonly weight: number }> = []
  /** The keys of the last object without a class, and those of all before it once they differ. */
  private keys: ReadonlyArray<string> | undefined
  private known: Set<string> | undefined
  /** Whether equal texts are one object, as those to which a pickle refers by its memo are. */
  private readonly sharesTexts: boolean

  constructor(sharesTexts: boolean) {
    this.sharesTexts = sharesTexts
  }

  /** The memory of a value with all that is in it. */
  whole(value: unknown): number {
    let size = this.of(value)
    for (let next = this.deeper.pop(); next !== undefined; next = this.deeper.pop()) {
      this.weight = next.weight
      size += this.object(next.value) * next.weight
    }
    return size + this.shared
  }

  /** The memory of a value, without the word that refers to it. */
  private of(value: unknown): number {
    switch (typeof value) {
      case "string":
        return stringBody(value)
      case "number":
        return Number.isInteger(value) && Math.abs(value) < 2 ** 31 ? 0 : boxedDouble
      case "bigint":
        return boxedDouble +
          Math.ceil((value < 2n ** 64n && value > -(2n ** 64n) ? 64 : value.toString(16).length * 4) / 64) * word
      case "object":
        return value === null ? 0 : this.below(value)
      default:
        return 0
    }
  }

  private below(value: object): number {
    if (this.visited > maxVisited) return this.object(value)
    if (this.levels === maxLevels) {
      this.deeper.push({ value, weight: this.weight })
      return 0
    }
    this.levels++
    const size = this.object(value)
    this.levels--
    return size
  }

  /** The memory of values of which each stands for several. */
  private weighed(weight: number, sizeOf: () => number): number {
    const { weight: outer } = this
    this.weight = outer * weight
    const size = sizeOf() * weight
    this.weight = outer
    return size
  }

  private object(value: object): number {
    if (!this.seen.add(value)) return 0
    if (++this.visited > maxVisited) return objectHeader
    if (ArrayBuffer.isView(value)) return this.view(value)
    if (Array.isArray(value)) {
      const { length } = value
      return (length === 0 || length > fewElements
        ? arrayHeader + spareOf(length)
        : fewHeader + length * (perFew - word)) + this.list(length, (at) => value[at])
    }
    if (value instanceof Map) {
      return mapHeader + capacityOf(value.size) * mapEntry + this.iterable(value.keys(), value.size, objectKey) +
        this.iterable(value.values(), value.size, 0)
    }
    if (value instanceof Set) {
      return mapHeader + capacityOf(value.size) * setEntry + this.iterable(value, value.size, objectKey)
    }
    if (value instanceof Table) {
      const sharesTexts = this.sharesTexts || hasSharedTexts(value)
      return objectHeader + this.columns(value.columns, sharesTexts) + this.columns(value.index, sharesTexts)
    }
    if (value instanceof Column) return this.column(value, this.sharesTexts)
    return (value instanceof PyObject ? inertHeader : objectHeader) + this.fields(value)
  }

  private view({ buffer, byteLength }: ArrayBufferView): number {
    if (buffer.byteLength === byteLength || buffer.byteLength <= smallBuffer) return view + byteLength
    // A part keeps the whole alive, however many parts there are.
    if (this.buffers.add(buffer)) this.shared += buffer.byteLength
    return view
  }

  private fields(value: object): number {
    const large = largeOf(value)
    if (large !== undefined) {
      const { count, sample } = large
      const of = (part: (key: string) => unknown) => this.list(sample.length, (at) => part(sample[at]!))
      return count * (entry - 2 * word) +
        this.weighed(count / sample.length, () => of((key) => key) + of((key) => Reflect.get(value, key)))
    }
    const keys = Object.keys(value)
    // V8 leaves room for four properties in an object without any.
    if (keys.length === 0) return 4 * word
    const isHashed = keys.length >= (isDict(value) ? manyFilled : manyParsed)
    let size = keys.length * (isHashed ? entry : word)
    if (!isHashed) size += this.newKeys(keys)
    else if (!this.isLike(keys)) {
      this.keys = keys
      size += this.list(keys.length, (at) => keys[at]) - keys.length * word
    }
    return size + this.list(keys.length, (at) => Reflect.get(value, keys[at]!)) - keys.length * word
  }

  /** Whether the last object had the same keys. */
  private isLike(keys: ReadonlyArray<string>): boolean {
    const { keys: last } = this
    return last?.length === keys.length && last.at(-1) === keys.at(-1) && last[0] === keys[0]
  }

  /** Objects of the same keys share their description, so that most have none of their own. */
  private newKeys(keys: ReadonlyArray<string>): number {
    const { keys: last } = this
    const isLike = this.isLike(keys)
    this.keys = keys
    if (last === undefined || isLike) return 0
    const known = this.known ??= new Set(last)
    let size = 0
    for (const key of keys) {
      if (known.has(key)) continue
      known.add(key)
      size += stringBody(key)
    }
    return size === 0 ? 0 : description + size
  }

  private iterable(values: Iterable<unknown>, size: number, perObject: number): number {
    const first: Array<unknown> = []
    for (const value of values) if (first.push(value) >= sampled) break
    if (first.length === 0) return 0
    const objects = first.filter((value) => typeof value === "object" && value !== null).length
    return this.weighed(size / first.length, () => this.list(first.length, (at) => first[at])) - size * word +
      objects * perObject * size / first.length
  }

  /** The memory of columns, of which very many are assumed to be similar. */
  private columns(columns: ReadonlyArray<Column>, sharesTexts: boolean): number {
    const count = Math.min(columns.length, sampledColumns)
    if (count === 0) return 0
    return this.weighed(columns.length / count, () => {
      let size = 0
      for (let index = 0; index < count; index++) {
        size += this.column(columns[Math.floor(index * columns.length / count)]!, sharesTexts)
      }
      return size
    })
  }

  private column(column: Column, sharesTexts: boolean): number {
    if (!this.seen.add(column)) return 0
    const own = column.byteSize ?? (column.categories === null
      ? this.list(
        column.length,
        (row) => column.at(row),
        column.kind === "object",
        sharesTexts
      )
      : column.length * 4)
    return columnHeader + own + (column.categories === null ? 0 : this.of(column.categories))
  }

  /**
   * The memory of a number of values and the words that refer to them, from an evenly spread sample. They are mixed with
   * others where they are a part of a list of columns.
   */
  private list(
    length: number,
    at: (index: number) => unknown,
    isMixed = false,
    sharesTexts = this.sharesTexts
  ): number {
    if (length === 0) return 0
    const count = Math.min(length, sampled)
    const stride = length / count
    let texts: Map<string, number> | undefined
    let separate = 0
    let doubles = 0
    let integers = 0
    let size = 0
    const { weight } = this
    this.weight = weight * stride
    for (let index = 0; index < count; index++) {
      const value = at(Math.floor(index * stride))
      if (typeof value === "string") {
        if (sharesTexts || value.length <= internedText) {
          texts ??= new Map()
          texts.set(value, stringBody(value))
        } else separate += stringBody(value)
      } else {
        if (typeof value === "number") {
          if (Number.isInteger(value)) integers++
          else doubles++
        }
        size += this.of(value)
      }
    }
    this.weight = weight
    // A list of only numbers stores them unboxed, or boxed if code that reads it has read others before: a mean.
    if (!isMixed && integers + doubles === count) size *= maybeBoxed
    size = (size + separate) * stride
    if (texts === undefined) return length * word + size
    let bodies = 0
    for (const body of texts.values()) bodies += body
    // Where repeated texts are one object, they are however many references there are.
    return length * word + size + (texts.size > 1 && texts.size * 2 > count ? bodies * stride : bodies)
  }
}

/**
 * The estimated memory of a value in bytes, from a sample of its elements: within a factor of two for values that
 * consist of many similar ones. For large values it takes no longer than for those with a few thousand elements.
 *
 * Nothing tells whether equal texts are one object or several. With `asked`, the bytes that decoding asked for, they are
 * as many as that allows; without it several.
 *
 * @category accessors
 * @since 0.1.0
 */
export const estimate = (value: unknown, asked = Infinity): number => {
  const separate = estimateWith(value, false)
  return separate <= asked ? separate : Math.min(separate, Math.max(asked, estimateWith(value, true)))
}

const estimateWith = (value: unknown, sharesTexts: boolean): number =>
  Math.ceil(new Estimator(sharesTexts).whole(value))
