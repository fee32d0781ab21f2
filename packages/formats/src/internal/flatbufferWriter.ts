/**
 * Writes the tables, vectors and strings of FlatBuffers that the metadata of an Arrow file consists of. What a table
 * refers to is written after it, as references only point forward.
 */

/** The sizes of a table's fields in bytes, in order: 0 for a field that is left out. */
export type Layout = ReadonlyArray<0 | 1 | 2 | 4 | 8>

/** The places of a table's fields that `layout` does not leave out, by number. */
export type Places = ReadonlyArray<number>

const encoder = new TextEncoder()

export class FlatbufferWriter {
  /** Little endian, and longer than what is written: made anew as it grows. */
  #view = new DataView(new ArrayBuffer(1_024))
  #length = 0
  readonly #layouts = new Map<Layout, { readonly vtable: number; readonly size: number; readonly offsets: Places }>()

  /** Reserves bytes of zeros whose position is `before` bytes ahead of a multiple of `alignment`. Returns that position. */
  #reserve(size: number, alignment: number, before = 0): number {
    const at = Math.ceil((this.#length + before) / alignment) * alignment - before
    const end = at + size
    if (end > this.#view.byteLength) {
      const bytes = new Uint8Array(Math.max(2 * this.#view.byteLength, end))
      bytes.set(this.bytes())
      this.#view = new DataView(bytes.buffer)
    }
    this.#length = end
    return at
  }

  bytes(): Uint8Array {
    return new Uint8Array(this.#view.buffer, 0, this.#length)
  }

  /** The place of a reference to the root, which comes first. */
  root(): number {
    return this.#reserve(4, 4)
  }

  /** Writes a table, whose fields are zeros, that a place refers to. Tables of the same `Layout` share its description. */
  table(layout: Layout, reference: number): Places {
    let known = this.#layouts.get(layout)
    if (known === undefined) {
      // The offset of the description comes first in a table.
      let size = 4
      const offsets = layout.map((width) => {
        if (width === 0) return 0
        const offset = Math.ceil(size / width) * width
        size = offset + width
        return offset
      })
      const vtableSize = 4 + 2 * layout.length
      const vtable = this.#reserve(vtableSize, 2)
      for (const [index, word] of [vtableSize, size, ...offsets].entries()) {
        this.#view.setUint16(vtable + 2 * index, word, true)
      }
      known = { vtable, size, offsets }
      this.#layouts.set(layout, known)
    }
    const at = this.#reserve(known.size, 8)
    this.#view.setInt32(at, at - known.vtable, true)
    this.#refer(reference, at)
    return known.offsets.map((offset) => at + offset)
  }

  /** Reserves a vector of items of zeros, to which `reference` then refers. Returns the position of the first item. */
  vector(count: number, size: number, alignment: 4 | 8, reference: number): number {
    const at = this.#reserve(4 + count * size, alignment, 4)
    this.#view.setUint32(at, count, true)
    this.#refer(reference, at)
    return at + 4
  }

  string(text: string, reference: number): void {
    const bytes = encoder.encode(text)
    // A zero follows.
    const first = this.vector(bytes.length, 1, 4, reference)
    this.#reserve(1, 1)
    new Uint8Array(this.#view.buffer).set(bytes, first)
  }

  uint8(at: number, value: number): void {
    this.#view.setUint8(at, value)
  }

  int16(at: number, value: number): void {
    this.#view.setInt16(at, value, true)
  }

  int32(at: number, value: number): void {
    this.#view.setInt32(at, value, true)
  }

  /** Writes an integer of 64 bits that a number holds exactly. */
  int64(at: number, value: number): void {
    this.#view.setUint32(at, value % 2 ** 32, true)
    this.#view.setUint32(at + 4, Math.floor(value / 2 ** 32), true)
  }

  #refer(from: number, to: number): void {
    this.#view.setUint32(from, to - from, true)
  }
}
