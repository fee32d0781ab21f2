/** The places of texts in a list, or other numbers for each. In several Maps, because V8 copies large ones as a whole. */
export class Places {
  readonly #maps = Array.from({ length: 64 }, () => new Map<string, number>())

  /** The Map for a text. */
  of(key: string): Map<string, number> {
    return this.#maps[
      (key.length * 31 + key.charCodeAt(key.length - 1) * 7 + key.charCodeAt(key.length >> 1)) & 63
    ]!
  }
}
