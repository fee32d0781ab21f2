// Measured: bench/formats.bench.ts
/**
 * The decoder of LZMA in TypeScript, for where WebAssembly may not be used. scripts/lzma/module.ts is the same algorithm
 * for WebAssembly.
 */
import { damaged, type Decoder, propertiesOf, startCode } from "./lzmaStream.ts"
import { Output } from "./output.ts"

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

/**
 * Bytes that are decoded in one call. V8 compiles a function that is called rarely in the middle of its loop, and discards
 * that code at the next full garbage collection.
 */
const callBytes = 0x2000

/** An LZMA decoder, whose state persists across the chunks of LZMA2, and whose dictionary is `output`. */
export class LzmaDecoder implements Decoder {
  /**
   * An instance whose hidden class is in the compiled code of `decode`. V8 discards such code when a garbage collection
   * finds no living instance, which is usual between two files.
   */
  static readonly shapes: Array<object> = []
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

  setProperties(byte: number): void {
    const { lc, lp, pb } = propertiesOf(byte)
    this.#lc = lc
    this.#lpMask = (1 << lp) - 1
    this.#pbMask = (1 << pb) - 1
    this.#probabilities = new Uint16Array(literal + (0x300 << (lc + lp)))
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

  startRange(bytes: Uint8Array, start: number, end: number): void {
    this.#code = startCode(bytes, start, end)
    this.#bytes = bytes
    this.#range = -1
    this.#position = start + 5
    this.#end = end
  }

  get position(): number {
    return this.#position
  }

  get isFinished(): boolean {
    return this.#code === 0
  }

  #normalize(): void {
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

  /**
   * Decodes which of the last distances a match has, and makes it the first. Returns the length 1 if the match is a byte at
   * the first distance, and otherwise 0.
   */
  #repeated(positionState: number): number {
    if (this.#bit(isRepG0 + this.#state) === 0) {
      if (this.#bit(isRep0Long + this.#state * positionStates + positionState) === 0) {
        this.#state = this.#state < 7 ? 9 : 11
        return 1
      }
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
    }
    this.#state = this.#state < 7 ? 8 : 11
    return 0
  }

  append(bytes: Uint8Array): void {
    this.#output.append(bytes)
  }

  close(): void {}

  decode(count: number, isStep: boolean): boolean {
    const output = this.#output
    const target = output.length + count
    // Each call may write the rest of one match more, so the last one is left enough.
    while (target - output.length > 2 * callBytes) if (this.#decode(callBytes, true)) return true
    return this.#decode(target - output.length, isStep)
  }

  /**
   * The same in one call.
   *
   * The bits of what is frequent are decoded in place, with the range coder in local variables: calls cost three times as
   * much. Whether the data ends early is checked once per literal or match, which cannot write more than 273 bytes.
   */
  #decode(count: number, isStep: boolean): boolean {
    const output = this.#output
    const probabilities = this.#probabilities
    const bytes = this.#bytes
    const end = this.#end
    const start = this.#dictionaryStart
    const lc = this.#lc
    const lpMask = this.#lpMask
    const pbMask = this.#pbMask
    const target = output.length + count
    let buffer = output.reserve(0)
    let at = output.length
    let range = this.#range
    let code = this.#code
    let position = this.#position
    let state = this.#state
    let isEnd = false
    while (at < target) {
      if (position > end) break
      const positionState = (at - start) & pbMask
      let index = isMatch + state * positionStates + positionState
      let probability = probabilities[index]!
      let bound = Math.imul(range >>> 11, probability)
      if (code >>> 0 < bound >>> 0) {
        range = bound
        probabilities[index] = probability + ((2_048 - probability) >>> 5)
        if (range >>> 24 === 0) {
          range <<= 8
          code = (code << 8) | bytes[position++]!
        }
        if (at >= buffer.length) {
          output.length = at
          buffer = output.reserve(1)
        }
        const previous = at > start ? buffer[at - 1]! : 0
        const offset = literal + 0x300 * ((((at - start) & lpMask) << lc) + (previous >>> (8 - lc)))
        let symbol = 1
        if (state >= 7) {
          const rep0 = this.#rep0
          if (rep0 >= at - start) damaged("a distance goes back too far")
          let match = buffer[at - rep0 - 1]!
          do {
            const matchBit = (match >>> 7) & 1
            match <<= 1
            index = offset + ((1 + matchBit) << 8) + symbol
            probability = probabilities[index]!
            bound = Math.imul(range >>> 11, probability)
            let bit = 0
            if (code >>> 0 < bound >>> 0) {
              range = bound
              probabilities[index] = probability + ((2_048 - probability) >>> 5)
            } else {
              range = (range - bound) | 0
              code = (code - bound) | 0
              probabilities[index] = probability - (probability >>> 5)
              bit = 1
            }
            if (range >>> 24 === 0) {
              range <<= 8
              code = (code << 8) | bytes[position++]!
            }
            symbol = (symbol << 1) | bit
            if (bit !== matchBit) break
          } while (symbol < 0x100)
        }
        while (symbol < 0x100) {
          index = offset + symbol
          probability = probabilities[index]!
          bound = Math.imul(range >>> 11, probability)
          if (code >>> 0 < bound >>> 0) {
            range = bound
            probabilities[index] = probability + ((2_048 - probability) >>> 5)
            symbol <<= 1
          } else {
            range = (range - bound) | 0
            code = (code - bound) | 0
            probabilities[index] = probability - (probability >>> 5)
            symbol = (symbol << 1) | 1
          }
          if (range >>> 24 === 0) {
            range <<= 8
            code = (code << 8) | bytes[position++]!
          }
        }
        buffer[at++] = symbol
        state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6
        continue
      }
      range = (range - bound) | 0
      code = (code - bound) | 0
      probabilities[index] = probability - (probability >>> 5)
      if (range >>> 24 === 0) {
        range <<= 8
        code = (code << 8) | bytes[position++]!
      }
      index = isRep + state
      probability = probabilities[index]!
      bound = Math.imul(range >>> 11, probability)
      let lengths = matchLength
      let length = 0
      if (code >>> 0 < bound >>> 0) {
        range = bound
        probabilities[index] = probability + ((2_048 - probability) >>> 5)
        if (range >>> 24 === 0) {
          range <<= 8
          code = (code << 8) | bytes[position++]!
        }
      } else {
        this.#range = (range - bound) | 0
        this.#code = (code - bound) | 0
        probabilities[index] = probability - (probability >>> 5)
        this.#position = position
        this.#state = state
        if (this.#range >>> 24 === 0) this.#normalize()
        length = this.#repeated(positionState)
        range = this.#range
        code = this.#code
        position = this.#position
        state = this.#state
        lengths = repLength
      }
      if (length === 0) {
        // Two bits tell which tree the length is in.
        index = lengths
        let tree = lengths + 2 + positionState * 8
        let treeSize = 8
        length = 2
        for (let choice = 0; choice < 2; choice++) {
          probability = probabilities[index]!
          bound = Math.imul(range >>> 11, probability)
          const isShort = code >>> 0 < bound >>> 0
          if (isShort) {
            range = bound
            probabilities[index] = probability + ((2_048 - probability) >>> 5)
          } else {
            range = (range - bound) | 0
            code = (code - bound) | 0
            probabilities[index] = probability - (probability >>> 5)
          }
          if (range >>> 24 === 0) {
            range <<= 8
            code = (code << 8) | bytes[position++]!
          }
          if (isShort) break
          index++
          length += 8
          if (choice === 0) tree += positionStates * 8
          else {
            tree = lengths + 2 + positionStates * 16
            treeSize = 256
          }
        }
        let symbol = 1
        do {
          index = tree + symbol
          probability = probabilities[index]!
          bound = Math.imul(range >>> 11, probability)
          if (code >>> 0 < bound >>> 0) {
            range = bound
            probabilities[index] = probability + ((2_048 - probability) >>> 5)
            symbol <<= 1
          } else {
            range = (range - bound) | 0
            code = (code - bound) | 0
            probabilities[index] = probability - (probability >>> 5)
            symbol = (symbol << 1) | 1
          }
          if (range >>> 24 === 0) {
            range <<= 8
            code = (code << 8) | bytes[position++]!
          }
        } while (symbol < treeSize)
        length += symbol - treeSize
        if (lengths === matchLength) {
          state = state < 7 ? 7 : 10
          const slots = posSlot + Math.min(length - 2, 3) * 64
          symbol = 1
          do {
            index = slots + symbol
            probability = probabilities[index]!
            bound = Math.imul(range >>> 11, probability)
            if (code >>> 0 < bound >>> 0) {
              range = bound
              probabilities[index] = probability + ((2_048 - probability) >>> 5)
              symbol <<= 1
            } else {
              range = (range - bound) | 0
              code = (code - bound) | 0
              probabilities[index] = probability - (probability >>> 5)
              symbol = (symbol << 1) | 1
            }
            if (range >>> 24 === 0) {
              range <<= 8
              code = (code << 8) | bytes[position++]!
            }
          } while (symbol < 64)
          const slot = symbol - 64
          let distance = slot
          if (slot >= 4) {
            let bits = (slot >>> 1) - 1
            distance = (2 | (slot & 1)) << bits
            let special = posSpecial + distance - slot
            if (slot >= 14) {
              let direct = 0
              for (; bits > 4; bits--) {
                range >>>= 1
                const isOne = code >>> 0 >= range >>> 0
                if (isOne) code = (code - range) | 0
                direct = (direct << 1) | (isOne ? 1 : 0)
                if (range >>> 24 === 0) {
                  range <<= 8
                  code = (code << 8) | bytes[position++]!
                }
              }
              distance = (distance + (direct << 4)) | 0
              special = align
            }
            let node = 1
            for (let i = 0; i < bits; i++) {
              index = special + node
              probability = probabilities[index]!
              bound = Math.imul(range >>> 11, probability)
              if (code >>> 0 < bound >>> 0) {
                range = bound
                probabilities[index] = probability + ((2_048 - probability) >>> 5)
                node <<= 1
              } else {
                range = (range - bound) | 0
                code = (code - bound) | 0
                probabilities[index] = probability - (probability >>> 5)
                node = (node << 1) | 1
                distance += 1 << i
              }
              if (range >>> 24 === 0) {
                range <<= 8
                code = (code << 8) | bytes[position++]!
              }
            }
          }
          this.#rep3 = this.#rep2
          this.#rep2 = this.#rep1
          this.#rep1 = this.#rep0
          this.#rep0 = distance >>> 0
          if (this.#rep0 === 0xffffffff) {
            isEnd = true
            break
          }
        }
      }
      if (position > end) break
      if (!isStep && length > target - at) damaged("a match is longer than what is left")
      const distance = this.#rep0 + 1
      if (distance > at - start || distance > this.#dictionarySize) damaged("a distance goes back too far")
      if (at + length > buffer.length) {
        output.length = at
        buffer = output.reserve(length)
      }
      // A call costs as much as a few bytes.
      if (length > 32 && distance >= length) {
        buffer.copyWithin(at, at - distance, at - distance + length)
        at += length
      } else for (let from = at - distance, to = at + length; at < to;) buffer[at++] = buffer[from++]!
    }
    output.length = at
    this.#range = range
    this.#code = code
    this.#position = position
    this.#state = state
    if (position > end) damaged("it ends early")
    return isEnd
  }
}

LzmaDecoder.shapes.push(new LzmaDecoder(new Output(0, 0, () => damaged("it is empty")), 0))
