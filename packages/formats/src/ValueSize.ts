/**
 * `ValueSize`: the estimated memory of a decoded value.
 *
 * @since 0.1.0
 */
import { Column as PyColumn, isDict, knownKeys, PyObject } from "@effect-prefect/pickle"
import { hasSharedTexts } from "./internal/internedTexts.ts"
import { byteSizeOf } from "./internal/python/columnSize.ts"
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
/** For each of its keys, what V8 keeps of an object whose keys others have too, but no other in this order. */
const perOwnKey = 8 * word
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

/** A key that is a number has no text: its place among others without many gaps, and among those that are far apart. */
const nearIndex = 1.5 * word
const farIndex = 6 * word
/** The gaps between the numbers of keys, as a multiple of their count, above which V8 makes a hash table of them. */
const manyGaps = 9
/** What a categorical keeps of a category besides its value. */
const category = 5 * word

/** Whether a key is a number. V8 puts those before all other keys. */
const isIndex = (key: string | undefined): boolean => key !== undefined && String(Number(key) >>> 0) === key

/** The memory of the keys that are numbers, of which one is not far from the highest. */
const indices = (count: number, high: number): number => count * (high < count * manyGaps ? nearIndex : farIndex)

/**
 * An estimate of the number of different texts, from that in a sample: the one that makes the sample most likely if all
 * texts are equally frequent.
 */
const distinctOf = (seen: number, sample: number, all: number): number => {
  if (seen === sample) return all
  let [low, high] = [seen, Math.max(all, seen)]
  for (let step = 0; step < 32; step++) {
    const middle = (low + high) / 2
    if (middle * -Math.expm1(-sample / middle) < seen) low = middle
    else high = middle
  }
  return high
}

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

/** A cell. Some are only checked when they are read, so a damaged one fails for its reader, not for this estimate. */
const cellOf = (column: { readonly at: (row: number) => unknown }, row: number): unknown => {
  try {
    return column.at(row)
  } catch {
    return null
  }
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
  /** The orders of known keys that were found in objects, how many keys these have, and in how many objects. */
  private readonly orders = new Set<string>()
  private orderedKeys = 0
  private ordered = 0
  /** How many objects those stand for. */
  private orderedWeight = 0
  /** Whether texts were taken for one object because they are equal. */
  hasRepeated = false
  /** The most characters of texts that are one object if they are equal. */
  private readonly sharedTexts: number

  constructor(sharedTexts: number) {
    this.sharedTexts = sharedTexts
  }

  /** The memory of a value with all that is in it. */
  whole(value: unknown): number {
    let size = this.of(value)
    for (let next = this.deeper.pop(); next !== undefined; next = this.deeper.pop()) {
      this.weight = next.weight
      size += this.object(next.value) * next.weight
    }
    return size + this.shared + this.ownOrders()
  }

  /** What V8 keeps of the orders of keys, of which most objects have one that others have too. */
  private ownOrders(): number {
    const { size } = this.orders
    if (size < 2) return 0
    return distinctOf(size, this.ordered, this.orderedWeight) * this.orderedKeys / size * perOwnKey
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
      const sharedTexts = hasSharedTexts(value) ? Infinity : this.sharedTexts
      return objectHeader + this.columns(value.columns, sharedTexts) + this.columns(value.index, sharedTexts)
    }
    if (value instanceof Column) return this.column(value, this.sharedTexts)
    if (value instanceof PyColumn) return this.pyColumn(value)
    return (value instanceof PyObject ? inertHeader : objectHeader) + this.fields(value)
  }

  private view({ buffer, byteLength }: ArrayBufferView): number {
    if (buffer.byteLength === byteLength || buffer.byteLength <= smallBuffer) return view + byteLength
    // A part keeps the whole alive, however many parts there are.
    if (this.buffers.add(buffer)) this.shared += buffer.byteLength
    return view
  }

  private fields(value: object): number {
    const known = knownKeys(value)
    if (known !== undefined) {
      const { length } = known
      const texts = this.list(length, (at) => known[at])
      const values = this.list(length, (at) => Reflect.get(value, known[at]!))
      // The list has a word for each key, and the digits of indices are in no other place.
      return isIndex(known[length - 1])
        ? indices(length, Number(known[length - 1])) + texts + values - length * word
        : length * (entry - word) + texts + values
    }
    const keys = Object.keys(value)
    // V8 leaves room for four properties in an object without any.
    if (keys.length === 0) return 4 * word
    const last = keys.at(-1)
    if (isIndex(last)) {
      return indices(keys.length, Number(last)) +
        this.list(keys.length, (at) => Reflect.get(value, keys[at]!)) - keys.length * word
    }
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
    if (last === undefined) return 0
    if (isLike) {
      if (this.ordered > 0) this.addOrder(keys)
      return 0
    }
    const known = this.known ??= new Set(last)
    let size = 0
    let hasKnown = false
    for (const key of keys) {
      if (known.has(key)) {
        hasKnown = true
        continue
      }
      known.add(key)
      size += stringBody(key)
    }
    if (hasKnown) this.addOrder(keys)
    return size === 0 ? 0 : description + size
  }

  private addOrder(keys: ReadonlyArray<string>): void {
    this.ordered++
    this.orderedWeight += this.weight
    const order = keys.join()
    if (this.orders.has(order)) return
    this.orders.add(order)
    this.orderedKeys += keys.length
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
  private columns(columns: ReadonlyArray<Column>, sharedTexts: number): number {
    const count = Math.min(columns.length, sampledColumns)
    if (count === 0) return 0
    return this.weighed(columns.length / count, () => {
      let size = 0
      for (let index = 0; index < count; index++) {
        size += this.column(columns[Math.floor(index * columns.length / count)]!, sharedTexts)
      }
      return size
    })
  }

  /** A column of pandas that is no part of a table: the values of a Series, of an Index, of a frame in other data. */
  private pyColumn(column: PyColumn): number {
    const { categories, length, nulls } = column
    if (categories !== null) return columnHeader + length * 2 + this.of(categories)
    return columnHeader + (nulls?.length ?? 0) +
      (byteSizeOf(column) ?? this.list(length, (row) => cellOf(column, row), column.kind === "object"))
  }

  private column(column: Column, sharedTexts: number): number {
    if (!this.seen.add(column)) return 0
    const own = column.byteSize ?? (column.categories === null
      ? this.list(
        column.length,
        (row) => cellOf(column, row),
        column.kind === "object",
        sharedTexts
      )
      : column.length * 2 + column.categories.length * category)
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
    sharedTexts = this.sharedTexts
  ): number {
    if (length === 0) return 0
    const count = Math.min(length, sampled)
    const stride = length / count
    let texts: Map<string, number> | undefined
    /** The texts that are one object if they are equal. */
    let alike = 0
    let separate = 0
    let doubles = 0
    let integers = 0
    let size = 0
    const { weight } = this
    this.weight = weight * stride
    for (let index = 0; index < count; index++) {
      const value = at(Math.floor(index * stride))
      if (typeof value === "string") {
        if (value.length <= sharedTexts) {
          alike++
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
    this.hasRepeated ||= texts.size < alike
    return length * word + size + bodies / texts.size * distinctOf(texts.size, alike, alike * stride)
  }
}

/**
 * The estimated memory of a value in bytes, from a sample of its elements: within a factor of two for values that
 * consist of many similar ones. For large values it takes no longer than for those with a few thousand elements.
 *
 * Nothing tells whether equal texts are one object or several. With `asked`, the bytes that decoding asked for, they are
 * as many as that allows; without it, short ones are one, as `JSON.parse` makes them.
 *
 * @category accessors
 * @since 0.1.0
 */
export const estimate = (value: unknown, asked?: number): number => {
  const estimator = new Estimator(internedText)
  const usual = Math.ceil(estimator.whole(value))
  if (asked === undefined) return usual
  if (usual > asked) return Math.min(usual, Math.max(asked, estimateWith(value, Infinity)))
  const separate = estimator.hasRepeated ? estimateWith(value, -1) : usual
  return separate <= asked ? separate : usual
}

/** With the most characters of texts that are one object if they are equal. */
const estimateWith = (value: unknown, sharedTexts: number): number => Math.ceil(new Estimator(sharedTexts).whole(value))
