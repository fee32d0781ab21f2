/**
 * An encoder of LZMA that compresses nothing by itself: the test says which literals and matches there are, so that it
 * reaches what real encoders rarely write.
 */

interface Properties {
  readonly lc: number
  readonly lp: number
  readonly pb: number
}

export class LzmaEncoder {
  /** Everything that was written, which a decoder must give. */
  readonly data: Uint8Array
  length = 0
  #properties: Properties = { lc: 3, lp: 0, pb: 2 }
  #probabilities = new Map<string, Uint16Array>()
  #state = 0
  #reps: [number, number, number, number] = [0, 0, 0, 0]
  /** The start of the dictionary. */
  #start = 0
  #low = 0
  #range = 0xffffffff
  #cache = 0
  #cacheSize = 1
  #out: Array<number> = []

  constructor(size: number) {
    this.data = new Uint8Array(size)
  }

  get dictionaryLength(): number {
    return this.length - this.#start
  }

  get reps(): ReadonlyArray<number> {
    return this.#reps
  }

  resetDictionary(): void {
    this.#start = this.length
  }

  /** Sets the properties and returns their byte. */
  setProperties(properties: Properties): number {
    this.#properties = properties
    this.resetState()
    return (properties.pb * 5 + properties.lp) * 9 + properties.lc
  }

  resetState(): void {
    this.#probabilities.clear()
    this.#state = 0
    this.#reps = [0, 0, 0, 0]
  }

  append(bytes: Uint8Array): void {
    this.data.set(bytes, this.length)
    this.length += bytes.length
  }

  /** The bytes of the range coder since the last call. */
  take(): Uint8Array {
    for (let i = 0; i < 5; i++) this.#shift()
    const bytes = Uint8Array.from(this.#out)
    this.#out = []
    this.#low = 0
    this.#range = 0xffffffff
    this.#cache = 0
    this.#cacheSize = 1
    return bytes
  }

  #shift(): void {
    if (this.#low < 0xff000000 || this.#low > 0xffffffff) {
      const carry = this.#low > 0xffffffff ? 1 : 0
      for (let byte = this.#cache; this.#cacheSize > 0; this.#cacheSize--, byte = 0xff) {
        this.#out.push((byte + carry) & 0xff)
      }
      this.#cache = Math.floor(this.#low / 0x1000000) & 0xff
    }
    this.#cacheSize++
    this.#low = (this.#low % 0x1000000) * 0x100
  }

  #normalize(): void {
    if (this.#range >= 0x1000000) return
    this.#range *= 0x100
    this.#shift()
  }

  #bit(name: string, index: number, bit: number): void {
    let array = this.#probabilities.get(name)
    if (array === undefined) this.#probabilities.set(name, array = new Uint16Array(0x300).fill(1024))
    const probability = array[index]!
    const bound = Math.floor(this.#range / 2048) * probability
    if (bit === 0) {
      this.#range = bound
      array[index] = probability + ((2048 - probability) >> 5)
    } else {
      this.#low += bound
      this.#range -= bound
      array[index] = probability - (probability >> 5)
    }
    this.#normalize()
  }

  #tree(name: string, bits: number, value: number): void {
    let node = 1
    for (let i = bits - 1; i >= 0; i--) {
      const bit = (value >> i) & 1
      this.#bit(name, node, bit)
      node = node * 2 + bit
    }
  }

  #reversed(name: string, bits: number, value: number): void {
    let node = 1
    for (let i = 0; i < bits; i++) {
      const bit = (value >> i) & 1
      this.#bit(name, node, bit)
      node = node * 2 + bit
    }
  }

  get #positionState(): number {
    return this.dictionaryLength & ((1 << this.#properties.pb) - 1)
  }

  literal(byte: number): void {
    const { lc, lp } = this.#properties
    this.#bit(`match ${this.#state}`, this.#positionState, 0)
    const previous = this.dictionaryLength === 0 ? 0 : this.data[this.length - 1]!
    const name = `literal ${this.dictionaryLength & ((1 << lp) - 1)} ${previous >> (8 - lc)}`
    let isMatched = this.#state >= 7
    const match = isMatched ? this.data[this.length - this.#reps[0] - 1]! : 0
    let node = 1
    for (let i = 7; i >= 0; i--) {
      const bit = (byte >> i) & 1
      const matchBit = (match >> i) & 1
      this.#bit(name, isMatched ? ((1 + matchBit) << 8) + node : node, bit)
      node = node * 2 + bit
      isMatched &&= bit === matchBit
    }
    this.data[this.length++] = byte
    this.#state = this.#state < 4 ? 0 : this.#state < 10 ? this.#state - 3 : this.#state - 6
  }

  #copy(length: number): void {
    for (let i = 0; i < length; i++, this.length++) this.data[this.length] = this.data[this.length - this.#reps[0] - 1]!
  }

  #length(name: string, length: number): void {
    const value = length - 2
    const state = this.#positionState
    this.#bit(`${name} choice`, 0, value < 8 ? 0 : 1)
    if (value < 8) return this.#tree(`${name} short ${state}`, 3, value)
    this.#bit(`${name} choice`, 1, value < 16 ? 0 : 1)
    if (value < 16) this.#tree(`${name} middle ${state}`, 3, value - 8)
    else this.#tree(`${name} long`, 8, value - 16)
  }

  /** A match of 2 to 273 bytes; the distance of the byte before is 0. */
  match(distance: number, length: number): void {
    this.#bit(`match ${this.#state}`, this.#positionState, 1)
    this.#bit("rep", this.#state, 0)
    this.#length("length", length)
    this.#distance(distance, length)
    this.#copy(length)
  }

  #distance(distance: number, length: number): void {
    const [a, b, c] = this.#reps
    this.#reps = [distance, a, b, c]
    this.#state = this.#state < 7 ? 7 : 10
    const log = 31 - Math.clz32(distance)
    const slot = distance < 4 ? distance : 2 * log + ((distance >>> (log - 1)) & 1)
    this.#tree(`slot ${Math.min(length - 2, 3)}`, 6, slot)
    if (slot < 4) return
    const bits = (slot >> 1) - 1
    if (slot < 14) return this.#reversed(`special ${slot}`, bits, distance & ((1 << bits) - 1))
    for (let i = bits - 1; i >= 4; i--) {
      this.#range = Math.floor(this.#range / 2)
      if (((distance >>> i) & 1) === 1) this.#low += this.#range
      this.#normalize()
    }
    this.#reversed("align", 4, distance & 15)
  }

  end(): void {
    this.#bit(`match ${this.#state}`, this.#positionState, 1)
    this.#bit("rep", this.#state, 0)
    this.#length("length", 2)
    this.#distance(0xffffffff, 2)
  }

  /** A match at one of the last four distances; of one byte at the last. */
  repeat(which: number, length: number): void {
    const state = this.#state
    const positionState = this.#positionState
    this.#bit(`match ${state}`, positionState, 1)
    this.#bit("rep", state, 1)
    this.#bit("rep 0", state, which === 0 ? 0 : 1)
    if (which === 0) this.#bit(`rep 0 long ${state}`, positionState, length === 1 ? 0 : 1)
    else {
      this.#bit("rep 1", state, which === 1 ? 0 : 1)
      if (which > 1) this.#bit("rep 2", state, which === 2 ? 0 : 1)
    }
    const [distance] = this.#reps.splice(which, 1)
    this.#reps.unshift(distance!)
    if (length > 1) this.#length("rep length", length)
    this.#state = length === 1 ? (state < 7 ? 9 : 11) : state < 7 ? 8 : 11
    this.#copy(length)
  }
}
