/** Long lists in blocks: V8 copies an array that grows as a whole, in one step of 50 ms or more for ten million items. */

/** Items of all blocks but the last. */
export const blockLength = 0x1000

const blockBits = Math.log2(blockLength)

/** Values that are read by position: of a list or a typed array. */
export interface Values {
  readonly length: number
  at(index: number): unknown
}

/** The value at a position, undefined before the first too. */
export const valueAt = (values: Values, at: number): unknown => at < 0 ? undefined : values.at(at)

/** A list of values that only decoders see: its owner reads them one by one. */
export class Blocks implements Iterable<unknown> {
  private readonly blocks: Array<Array<unknown>>
  private last: Array<unknown>

  /** The first block is not copied, and has at most `blockLength` items. */
  constructor(first: Array<unknown> = []) {
    this.blocks = [first]
    this.last = first
  }

  get length(): number {
    return (this.blocks.length - 1) * blockLength + this.last.length
  }

  at(index: number): unknown {
    return this.blocks[index >>> blockBits]?.[index & (blockLength - 1)]
  }

  /** Replaces an item. */
  set(index: number, value: unknown): void {
    this.blocks[index >>> blockBits]![index & (blockLength - 1)] = value
  }

  /** The block that the next item is appended to. */
  open(): Array<unknown> {
    if (this.last.length === blockLength) this.blocks.push(this.last = [])
    return this.last
  }

  push(value: unknown): void {
    this.open().push(value)
  }

  *[Symbol.iterator](): IterableIterator<unknown> {
    for (const block of this.blocks) yield* block
  }

  /** One array of them, which is the only block where there is one. */
  toArray(): Array<unknown> {
    return this.blocks.length === 1 ? this.last : this.blocks.flat(1)
  }
}

/** A list, in either form. */
export type List = Array<unknown> | Blocks

/** Whether a value is a list. */
export const isList = (value: unknown): value is List => Array.isArray(value) || value instanceof Blocks

/** The items in one array, without a copy where there is one. */
export const arrayOf = (list: List): Array<unknown> => Array.isArray(list) ? list : list.toArray()
