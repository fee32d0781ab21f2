// Measured: bench/formats.bench.ts
/**
 * LZMA: the range-coded Lempel–Ziv of the LZMA SDK's specification, inside the legacy `.lzma` container and the LZMA2
 * chunks of xz.
 */
import { refuse } from "../refusal.ts"
import type { Output } from "./output.ts"

const damaged = (what: string): never => refuse(`the LZMA stream is damaged: ${what}`)

const half = 1_024
const states = 12
const positionStates = 16

// The offset of each kind of probability in the single array that holds them all.
const isMatch = 0
const isRep = isMatch + states * positionStates
const isRepG0 = isRep + states
const isRepG1 = isRepG0 + states
const isRepG2 = isRepG1 + states
const isRep0Long = isRepG2 + states
const posSlot = isRep0Long + states * positionStates
const posSpecial = posSlot + 4 * 64
const align = posSpecial + 128
const lengthSize = 2 + positionStates * 8 * 2 + 256
const matchLength = align + 16
const repLength = matchLength + lengthSize
const literal = repLength + lengthSize

/** An LZMA decoder, whose state persists across the chunks of LZMA2, and whose dictionary is `output`. */
export class LzmaDecoder {
  readonly #output: Output
  #dictionarySize: number
  /** The start of the dictionary in the output: nothing before it may be copied. */
  #dictionaryStart = 0
  #probabilities = new Uint16Array(literal)
  #lc = 0
  #lpMask = 0
  #pbMask = 0
  #state = 0
  #rep0 = 0
  #rep1 = 0
  #rep2 = 0
  #rep3 = 0
  // The range coder. `range` and `code` are the bits of unsigned integers as signed ones, which engines keep unboxed.
  #bytes: Uint8Array = new Uint8Array(0)
  #position = 0
  #end = 0
  #range = 0
  #code = 0

  constructor(output: Output, dictionarySize: number) {
    this.#output = output
    this.#dictionarySize = dictionarySize
  }

  resetDictionary(): void {
    this.#dictionaryStart = this.#output.length
  }

  /** Sets the properties byte (`(pb * 5 + lp) * 9 + lc`). */
  setProperties(byte: number): void {
    if (byte >= 225) damaged("its properties are out of range")
    this.#lc = byte % 9
    const rest = Math.floor(byte / 9)
    const lp = rest % 5
    this.#lpMask = (1 << lp) - 1
    this.#pbMask = (1 << Math.floor(rest / 5)) - 1
    this.#probabilities = new Uint16Array(literal + (0x300 << (this.#lc + lp)))
    this.resetState()
  }

  resetState(): void {
    this.#probabilities.fill(half)
    this.#state = 0
    this.#rep0 =
      this.#rep1 =
      this.#rep2 =
      this.#rep3 =
        0
  }

  /** Starts the range coder on the bytes from `start` to `end`. */
  startRange(bytes: Uint8Array, start: number, end: number): void {
    if (end - start < 5) damaged("it ends early")
    if (bytes[start] !== 0) damaged("it starts with the wrong byte")
    this.#bytes = bytes
    this.#code = (bytes[start + 1]! << 24) | (bytes[start + 2]! << 16) | (bytes[start + 3]! << 8) | bytes[start + 4]!
    this.#range = -1
    this.#position = start + 5
    this.#end = end
  }

  /** The position of the range coder. */
  get position(): number {
    return this.#position
  }

  /** Whether all coded data has been decoded. */
  get isFinished(): boolean {
    return this.#code === 0
  }

  #normalize(): void {
    if (this.#position >= this.#end) damaged("it ends early")
    this.#range <<= 8
    this.#code = (this.#code << 8) | this.#bytes[this.#position++]!
  }

  #bit(at: number): number {
    const probabilities = this.#probabilities
    const probability = probabilities[at]!
    const range = this.#range
    const code = this.#code
    const bound = Math.imul(range >>> 11, probability)
    let bit: number
    if (code >>> 0 < bound >>> 0) {
      this.#range = bound
      probabilities[at] = probability + ((2_048 - probability) >>> 5)
      bit = 0
    } else {
      this.#range = (range - bound) | 0
      this.#code = (code - bound) | 0
      probabilities[at] = probability - (probability >>> 5)
      bit = 1
    }
    if ((this.#range & 0xff000000) === 0) this.#normalize()
    return bit
  }

  #tree(at: number, bits: number): number {
    let symbol = 1
    for (let i = 0; i < bits; i++) symbol = (symbol << 1) | this.#bit(at + symbol)
    return symbol - (1 << bits)
  }

  #reverseTree(at: number, bits: number): number {
    let node = 1
    let symbol = 0
    for (let i = 0; i < bits; i++) {
      const bit = this.#bit(at + node)
      node = (node << 1) | bit
      symbol |= bit << i
    }
    return symbol
  }

  #direct(bits: number): number {
    let value = 0
    for (let i = 0; i < bits; i++) {
      this.#range = (this.#range >>> 1) | 0
      let bit = 0
      if (this.#code >>> 0 >= this.#range >>> 0) {
        this.#code = (this.#code - this.#range) | 0
        bit = 1
      }
      value = (value << 1) | bit
      if ((this.#range & 0xff000000) === 0) this.#normalize()
    }
    return value >>> 0
  }

  #length(at: number, positionState: number): number {
    if (this.#bit(at) === 0) return this.#tree(at + 2 + positionState * 8, 3)
    if (this.#bit(at + 1) === 0) return 8 + this.#tree(at + 2 + positionStates * 8 + positionState * 8, 3)
    return 16 + this.#tree(at + 2 + positionStates * 16, 8)
  }

  #distance(length: number): number {
    const slot = this.#tree(posSlot + Math.min(length, 3) * 64, 6)
    if (slot < 4) return slot
    const bits = (slot >>> 1) - 1
    const base = ((2 | (slot & 1)) << bits) >>> 0
    if (slot < 14) return base + this.#reverseTree(posSpecial + base - slot, bits)
    return base + this.#direct(bits - 4) * 16 + this.#reverseTree(align, 4)
  }

  /** Decodes `count` more bytes, or up to one match more when `isStep`. Returns whether the end marker was found. */
  decode(count: number, isStep: boolean): boolean {
    const output = this.#output
    const target = output.length + count
    while (output.length < target) {
      const at = output.length
      const positionState = (at - this.#dictionaryStart) & this.#pbMask
      if (this.#bit(isMatch + this.#state * positionStates + positionState) === 0) {
        this.#literal()
        continue
      }
      let length: number
      if (this.#bit(isRep + this.#state) === 0) {
        this.#rep3 = this.#rep2
        this.#rep2 = this.#rep1
        this.#rep1 = this.#rep0
        length = this.#length(matchLength, positionState)
        this.#state = this.#state < 7 ? 7 : 10
        this.#rep0 = this.#distance(length)
        if (this.#rep0 === 0xffffffff) return true
      } else if (this.#bit(isRepG0 + this.#state) === 0) {
        if (this.#bit(isRep0Long + this.#state * positionStates + positionState) === 0) {
          this.#state = this.#state < 7 ? 9 : 11
          this.#copy(1)
          continue
        }
        length = this.#length(repLength, positionState)
        this.#state = this.#state < 7 ? 8 : 11
      } else {
        let distance = this.#rep1
        if (this.#bit(isRepG1 + this.#state) === 1) {
          distance = this.#rep2
          if (this.#bit(isRepG2 + this.#state) === 1) {
            distance = this.#rep3
            this.#rep3 = this.#rep2
          }
          this.#rep2 = this.#rep1
        }
        this.#rep1 = this.#rep0
        this.#rep0 = distance
        length = this.#length(repLength, positionState)
        this.#state = this.#state < 7 ? 8 : 11
      }
      length += 2
      if (!isStep && length > target - output.length) damaged("a match is longer than what is left")
      this.#copy(length)
    }
    return false
  }

  #literal(): void {
    const output = this.#output
    const buffer = output.reserve(1)
    const at = output.length
    const start = this.#dictionaryStart
    const previous = at > start ? buffer[at - 1]! : 0
    const context = (((at - start) & this.#lpMask) << this.#lc) + (previous >>> (8 - this.#lc))
    const offset = literal + 0x300 * context
    let symbol = 1
    if (this.#state >= 7) {
      if (this.#rep0 >= at - start) damaged("a distance goes back too far")
      let match = buffer[at - this.#rep0 - 1]!
      do {
        const matchBit = (match >>> 7) & 1
        match <<= 1
        const bit = this.#bit(offset + ((1 + matchBit) << 8) + symbol)
        symbol = (symbol << 1) | bit
        if (bit !== matchBit) break
      } while (symbol < 0x100)
    }
    while (symbol < 0x100) symbol = (symbol << 1) | this.#bit(offset + symbol)
    buffer[at] = symbol
    output.length = at + 1
    this.#state = this.#state < 4 ? 0 : this.#state < 10 ? this.#state - 3 : this.#state - 6
  }

  #copy(length: number): void {
    const output = this.#output
    const distance = this.#rep0 + 1
    const at = output.length
    if (distance > at - this.#dictionaryStart || distance > this.#dictionarySize) {
      damaged("a distance goes back too far")
    }
    const buffer = output.reserve(length)
    for (let from = at - distance, to = at, end = at + length; to < end;) buffer[to++] = buffer[from++]!
    output.length = at + length
  }
}

/**
 * Whether `bytes` are a legacy `.lzma` file (Python's `FORMAT_ALONE`). It has no magic number, so the properties, the
 * size of the dictionary and the size of the data must all be values that encoders write.
 */
export const isLzmaAlone = (bytes: Uint8Array): boolean => {
  if (bytes.length < 18 || bytes[0]! >= 225 || bytes[13] !== 0) return false
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const dictionary = view.getUint32(1, true)
  // Python's reader takes no more context than this, and neither do writers.
  if (bytes[0]! % 9 + Math.floor(bytes[0]! / 9) % 5 > 4) return false
  const isPowerOfTwo = (n: number) => n > 0 && (n & (n - 1)) === 0
  if (dictionary !== 0xffffffff && !isPowerOfTwo(dictionary) && !isPowerOfTwo(dictionary / 3 * 2)) return false
  return (view.getUint32(5, true) === 0xffffffff && view.getUint32(9, true) === 0xffffffff) ||
    view.getUint32(9, true) < 64
}

/** Decompresses a legacy `.lzma` file into `output`. Yields after each MiB. */
export function* unlzmaAlone(bytes: Uint8Array, output: Output): Generator<void, Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  // The SDK allocates 4 KiB even for a smaller dictionary.
  const decoder = new LzmaDecoder(output, Math.max(view.getUint32(1, true), 4_096))
  decoder.setProperties(bytes[0]!)
  decoder.startRange(bytes, 13, bytes.length)
  const low = view.getUint32(5, true)
  const high = view.getUint32(9, true)
  const isSizeKnown = low !== 0xffffffff || high !== 0xffffffff
  const size = isSizeKnown ? high * 0x100000000 + low : Infinity
  while (output.length < size) {
    if (decoder.decode(Math.min(1 << 20, size - output.length), size - output.length > 1 << 20)) {
      if (isSizeKnown) damaged("it is shorter than it says")
      if (!decoder.isFinished) damaged("its end is not where it says")
      break
    }
    yield
  }
  // After a size that is known there is nothing, or an end marker.
  if (isSizeKnown && !decoder.isFinished) {
    if (!decoder.decode(1, true) || !decoder.isFinished) damaged("it is longer than it says")
  }
  return output.result()
}
