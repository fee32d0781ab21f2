/**
 * Objects of very many keys, of pandas JSON: V8 copies a Map that grows as a whole, in one step of 70 ms for a million
 * keys.
 */
import { Blocks, type Values } from "./blocks.ts"
import { every, type Steps } from "./steps.ts"

const shardCount = 64
const hashBits = 12

/**
 * Which of the Maps has the keys of a hash. One has up to twice as many as another: Maps of the same size would grow at the
 * same time.
 */
const shards = Uint8Array.from(
  { length: 1 << hashBits },
  (_, hash) => Math.floor(shardCount * Math.log2(1 + hash / (1 << hashBits)))
)

/** By its last characters, in which the labels of rows differ. */
const shardOf = (key: string): number => {
  let hash = key.length
  for (let at = Math.max(0, key.length - 6); at < key.length; at++) hash = Math.imul(hash, 31) + key.charCodeAt(at) | 0
  return shards[Math.imul(hash, 0x9e3779b1) >>> 32 - hashBits]!
}

/** Different texts in their order, and where each of them is: in many Maps, of which one grows at a time. */
export class Labels {
  readonly keys = new Blocks()
  private readonly shards = Array.from({ length: shardCount }, () => new Map<string, number>())

  get length(): number {
    return this.keys.length
  }

  /** Where a text is; undefined when it is not there. */
  find(key: string): number | undefined {
    return this.shards[shardOf(key)]!.get(key)
  }

  /** Where a text is, which is the end if it was not there. */
  place(key: string): number {
    const shard = this.shards[shardOf(key)]!
    let at = shard.get(key)
    if (at === undefined) {
      at = this.keys.length
      shard.set(key, at)
      this.keys.push(key)
    }
    return at
  }
}

/** An object of very many keys, in their order. It shares them with the object before it as long as they are the same. */
export class LargeDict {
  /** The keys, of which it has as many as items: others may add to them. */
  labels: Labels
  readonly items = new Blocks()
  private isShared: boolean

  constructor(before: LargeDict | undefined) {
    this.labels = before === undefined ? new Labels() : before.labels
    this.isShared = before !== undefined
  }

  get size(): number {
    return this.items.length
  }

  /** Sets a key, unless this one is not the next key of the object before it: then `part` comes first. */
  set(key: string, value: unknown): boolean {
    const { items, labels } = this
    if (this.isShared) {
      if (labels.keys.at(items.length) !== key) return false
      items.push(value)
      return true
    }
    const at = labels.place(key)
    if (at < items.length) items.set(at, value)
    else items.push(value)
    return true
  }

  /** Makes the keys its own. */
  *part(): Steps<void> {
    const { keys } = this.labels
    this.labels = new Labels()
    this.isShared = false
    for (let at = 0; at < this.items.length; at++) {
      this.labels.place(keys.at(at) as string)
      if (at % every === every - 1) yield
    }
  }

  get(key: string): unknown {
    const at = this.labels.find(key)
    return at === undefined || at >= this.items.length ? undefined : this.items.at(at)
  }

  *keys(): IterableIterator<string> {
    for (let at = 0; at < this.items.length; at++) yield this.labels.keys.at(at) as string
  }

  *values(): IterableIterator<unknown> {
    yield* this.items
  }

  *[Symbol.iterator](): IterableIterator<[string, unknown]> {
    for (let at = 0; at < this.items.length; at++) yield [this.labels.keys.at(at) as string, this.items.at(at)]
  }
}

/** The pairs of a Map as a large object, when it has as many as a block. */
export function* largeDictOf(map: ReadonlyMap<string, unknown>, before: LargeDict | undefined): Steps<LargeDict> {
  const dict = new LargeDict(before)
  for (const [key, value] of map) yield* setIn(dict, key, value)
  return dict
}

/** Sets a key of a large object. */
export function* setIn(dict: LargeDict, key: string, value: unknown): Steps<void> {
  if (dict.set(key, value)) return
  yield* dict.part()
  dict.set(key, value)
}

/** An object of pandas JSON. */
export type Dict = ReadonlyMap<string, unknown> | LargeDict

/** Whether a value is an object of pandas JSON. */
export const isDict = (value: unknown): value is Dict => value instanceof Map || value instanceof LargeDict

/** The keys of an object by their position. */
export const labelsOf = (dict: Dict): Values =>
  dict instanceof LargeDict && dict.size === dict.labels.length ? dict.labels.keys : [...dict.keys()]
