/** A byte buffer that grows as a decoder writes to it, up to a limit that is checked before every growth. */
export class Output {
  bytes: Uint8Array
  length = 0
  readonly limit: number
  readonly #exceeded: () => never

  constructor(expected: number, limit: number, exceeded: () => never) {
    this.limit = limit
    this.#exceeded = exceeded
    this.bytes = new Uint8Array(Math.min(Math.max(expected, 1_024), limit, 1 << 20))
  }

  /** Makes room for `count` more bytes and returns the buffer, which may be a new one. */
  reserve(count: number): Uint8Array {
    const needed = this.length + count
    if (needed > this.limit) return this.#exceeded()
    if (needed > this.bytes.length) {
      const grown = new Uint8Array(Math.min(Math.max(needed, this.bytes.length * 2), this.limit))
      grown.set(this.bytes.subarray(0, this.length))
      this.bytes = grown
    }
    return this.bytes
  }

  append(bytes: Uint8Array): void {
    this.reserve(bytes.length).set(bytes, this.length)
    this.length += bytes.length
  }

  result(): Uint8Array {
    return this.bytes.subarray(0, this.length)
  }
}
