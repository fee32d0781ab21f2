/**
 * The subset of FlatBuffers that the metadata of Arrow and Feather files needs: tables, vectors and strings, read only.
 */
import { utf8Of } from "./bytes.ts"

/** A table. Missing fields have their default; references outside the bytes throw a RangeError. */
export class FlatTable {
  readonly view: DataView
  readonly at: number
  readonly #vtable: number
  readonly #vtableSize: number

  constructor(view: DataView, at: number) {
    this.view = view
    this.at = at
    this.#vtable = at - view.getInt32(at, true)
    this.#vtableSize = view.getUint16(this.#vtable, true)
  }

  /** The table at the start of a buffer. */
  static root(bytes: Uint8Array): FlatTable {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    return new FlatTable(view, view.getUint32(0, true))
  }

  /** The position of a field, from the vtable. */
  slot(field: number): number {
    return 4 + field * 2 + 2 <= this.#vtableSize ? this.#vtable + 4 + field * 2 : 0
  }
  /** The position of a field; 0 when it is missing. */
  field(field: number): number {
    const slot = this.slot(field)
    const offset = slot === 0 ? 0 : this.view.getUint16(slot, true)
    return offset === 0 ? 0 : this.at + offset
  }
  uint8(field: number): number {
    const at = this.field(field)
    return at === 0 ? 0 : this.view.getUint8(at)
  }
  int16(field: number, missing = 0): number {
    const at = this.field(field)
    return at === 0 ? missing : this.view.getInt16(at, true)
  }
  int32(field: number, missing = 0): number {
    const at = this.field(field)
    return at === 0 ? missing : this.view.getInt32(at, true)
  }
  int64(field: number): number {
    const at = this.field(field)
    return at === 0 ? 0 : Number(this.view.getBigInt64(at, true))
  }
  table(field: number): FlatTable | null {
    const at = this.field(field)
    return at === 0 ? null : new FlatTable(this.view, at + this.view.getUint32(at, true))
  }
  string(field: number): string | null {
    const at = this.field(field)
    if (at === 0) return null
    const start = at + this.view.getUint32(at, true)
    return textAt(this.view, start)
  }
  /** The position of a vector's items of `width` bytes, and their number. */
  vector(field: number, width: number): { readonly start: number; readonly length: number } {
    const at = this.field(field)
    if (at === 0) return { start: 0, length: 0 }
    const start = at + this.view.getUint32(at, true)
    const length = this.view.getUint32(start, true)
    if (start + 4 + length * width > this.view.byteLength) throw new RangeError("a vector is longer than its buffer")
    return { start: start + 4, length }
  }
  /** The tables of a vector, each made when it comes. */
  *tables(field: number): IterableIterator<FlatTable> {
    const { length, start } = this.vector(field, 4)
    for (let at = start; at < start + length * 4; at += 4) {
      yield new FlatTable(this.view, at + this.view.getUint32(at, true))
    }
  }
  /** The bytes of a string; 0 when it is missing. */
  stringLength(field: number): number {
    const at = this.field(field)
    return at === 0 ? 0 : this.view.getUint32(at + this.view.getUint32(at, true), true)
  }
  /** Whether a field is such a string. */
  hasString(field: number, text: string): boolean {
    return this.stringLength(field) === text.length && this.string(field) === text
  }
}

const textAt = (view: DataView, start: number): string => {
  const length = view.getUint32(start, true)
  if (start + 4 + length > view.byteLength) throw new RangeError("a string is longer than its buffer")
  return utf8Of(new Uint8Array(view.buffer, view.byteOffset, view.byteLength), start + 4, start + 4 + length)
}
