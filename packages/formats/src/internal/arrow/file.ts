/**
 * The footer of an Arrow file, which contains the positions of its messages: the bytes between them need not be a
 * stream.
 */
import { latin1Of } from "../bytes.ts"
import { FlatTable } from "../flatbuffer.ts"
import { refuse } from "../refusal.ts"

const damaged = (what: string): never => refuse(`the Arrow data is damaged: ${what}`)

const magic = "ARROW1"

const textOf = (bytes: Uint8Array, start: number): string => latin1Of(bytes.subarray(start, start + magic.length))

/** Whether bytes begin like a file. */
export const isFile = (bytes: Uint8Array): boolean => textOf(bytes, 0) === magic

/** The bytes after a footer: its length and the magic. */
export const tailLength = 4 + magic.length

/** The position of the footer of a file of `size` bytes, from its last bytes. */
export const footerSpan = (tail: Uint8Array, size: number): { readonly start: number; readonly end: number } => {
  const end = size - tailLength
  if (tail.length < tailLength || textOf(tail, 4) !== magic) return damaged("it has no footer")
  const length = new DataView(tail.buffer, tail.byteOffset, 4).getInt32(0, true)
  return length > 0 && length <= end - magic.length ? { start: end - length, end } : damaged("it has no footer")
}

/** The position of a message: a struct `Block` of File.fbs. */
export interface Block {
  readonly offset: number
  readonly length: number
}

/** The positions of messages, each read when it comes. */
class Blocks implements Iterable<Block> {
  readonly #view: DataView
  readonly #start: number
  readonly #length: number

  constructor(footer: FlatTable, field: number) {
    const { length, start } = footer.vector(field, 24)
    this.#view = footer.view
    this.#start = start
    this.#length = length
  }

  *[Symbol.iterator](): IterableIterator<Block> {
    for (let i = 0; i < this.#length; i++) {
      const at = this.#start + i * 24
      const offset = Number(this.#view.getBigInt64(at, true))
      const head = this.#view.getInt32(at + 8, true)
      const body = Number(this.#view.getBigInt64(at + 16, true))
      if (!(offset >= 0 && head >= 0 && body >= 0)) damaged("its footer names places that are not")
      yield { offset, length: head + body }
    }
  }
}

export interface FileFooter {
  readonly schema: FlatTable
  readonly dictionaries: Iterable<Block>
  readonly batches: Iterable<Block>
}

export const readFileFooter = (bytes: Uint8Array): FileFooter => {
  const footer = FlatTable.root(bytes)
  return {
    schema: footer.table(1) ?? damaged("it has no schema"),
    dictionaries: new Blocks(footer, 2),
    batches: new Blocks(footer, 3)
  }
}

/** Blocks of which no bytes are those of another one, so that a file takes no longer than its size says. */
export function* distinct(blocks: Iterable<Block>, size: number): IterableIterator<Block> {
  let left = size
  for (const block of blocks) {
    if ((left -= block.length) < 0) damaged("its messages lie in each other")
    yield block
  }
}
