/** A buffer of more bytes is copied into the next one little by little, because the copy is a long step. */
const largeBuffer = 0x800000

/** Bytes that are copied in a moment. */
const copiedAtOnce = 0x400000

/** A byte buffer that grows as a decoder writes to it, up to a limit that is checked before every growth. */
export class Output {
  bytes: Uint8Array
  length = 0
  /** Bytes of other memory that the decoder has. */
  beside = 0
  readonly limit: number
  readonly #exceeded: () => never
  /** The buffer after this one, which exists from the second half of a large one on, and what is copied into it. */
  #next: Uint8Array | undefined
  #copied = 0

  constructor(expected: number, limit: number, exceeded: () => never) {
    this.limit = limit
    this.#exceeded = exceeded
    this.bytes = new Uint8Array(Math.min(Math.max(expected, 1_024), limit, 1 << 20))
  }

  /**
   * Makes room for `count` more bytes and returns the buffer, which may be a new one. Copies twice the bytes that were
   * written since the last call, so that the second half of a buffer is full when all of it is copied.
   */
  reserve(count: number): Uint8Array {
    const needed = this.length + count
    if (needed > this.limit) return this.#exceeded()
    const { bytes, length } = this
    const half = bytes.length / 2
    if (needed > bytes.length) {
      const next = this.#next !== undefined && needed <= this.#next.length ? this.#next : this.#larger(needed)
      const copied = next === this.#next ? this.#copied : 0
      next.set(bytes.subarray(copied, length), copied)
      this.bytes = next
      this.#next = undefined
      this.#copied = 0
    } else if (length > half && bytes.length >= largeBuffer && bytes.length < this.limit) {
      // What is not written to takes no memory.
      this.#next ??= this.#larger(needed)
      const to = Math.min(2 * Math.ceil(length - half), length)
      if (to > this.#copied) this.#copy(this.#copied, this.#copied = to)
    }
    return this.bytes
  }

  append(bytes: Uint8Array): void {
    this.reserve(bytes.length).set(bytes, this.length)
    this.length += bytes.length
  }

  /** Copies again, in steps, what was written over from an offset on. */
  *rewritten(from: number): Generator<void, void> {
    for (let at = from; at < this.#copied; at += copiedAtOnce) {
      this.#copy(at, Math.min(at + copiedAtOnce, this.#copied))
      yield
    }
  }

  result(): Uint8Array {
    return this.bytes.subarray(0, this.length)
  }

  #larger(needed: number): Uint8Array {
    return new Uint8Array(Math.min(Math.max(needed, this.bytes.length * 2), this.limit))
  }

  #copy(from: number, to: number): void {
    this.#next?.set(this.bytes.subarray(from, to), from)
  }
}
