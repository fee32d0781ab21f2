// Measured: bench/formats.bench.ts
/**
 * The decoder of LZMA whose loop is a module of WebAssembly, written by scripts/lzma/module.ts.
 *
 * The module has a memory of its own: a piece of the compressed bytes, and a window of what was decoded last, which is
 * no larger than the dictionary and grows as it is filled. What a call has decoded is copied to the output.
 */
import { fromBase64 } from "../bytes.ts"
import { refuse } from "../refusal.ts"
import { LzmaDecoder } from "./lzmaDecoder.ts"
import { layout, lzmaModule } from "./lzmaModule.ts"
import { damaged, type Decoder, propertiesOf, startCode } from "./lzmaStream.ts"
import type { Output } from "./output.ts"

interface Memory {
  readonly buffer: ArrayBuffer
  readonly grow: (pages: number) => number
}

interface Module {
  readonly memory: Memory
  readonly decode: (at: number, target: number) => number
}

/** The types know this global of browsers alone. */
interface WebAssembly {
  readonly Module: new(bytes: Uint8Array) => object
  readonly Instance: new(compiled: object) => { readonly exports: Module }
}

const half = 1_024
const pageBytes = 0x10000
/** Compressed bytes that the memory has room for. */
const inputBytes = 0x10000
/** More than the compressed bytes of a literal or match. */
const symbolBytes = 32
/** What is written behind the end of the window: the rest of a match, and of eight bytes that are copied at once. */
const overrun = 320

/**
 * Bytes that are decoded in one call. Engines compile a module quickly at first and well later on, and what is compiled
 * well is used from the next call on.
 */
const callBytes = 0x4000

/** The largest window; xz writes none that is larger. Larger ones have the whole output as their window. */
const largestWindow = 1 << 26

/** The largest memory that is kept for the next file. */
const keptBytes = 0x400000

/** Made when first needed. */
let compiled: object | undefined
let isForbidden = false
/** One that no decoder uses. */
let kept: Module | undefined

const instantiate = (): Module | undefined => {
  const own = kept
  kept = undefined
  if (own !== undefined || isForbidden) return own
  const wasm = Reflect.get(globalThis, "WebAssembly") as WebAssembly | undefined
  try {
    compiled ??= wasm && new wasm.Module(fromBase64(lzmaModule))
  } catch {
    // A page may forbid it.
  }
  if (wasm === undefined || compiled === undefined) {
    isForbidden = true
    return undefined
  }
  try {
    return new wasm.Instance(compiled).exports
  } catch {
    // Each takes much of the address space until it is collected, of which there may be too little.
    return undefined
  }
}

/** A decoder that writes to an output: in WebAssembly, or in TypeScript where that may not be used. */
export const decoderOf = (output: Output, dictionarySize: number): Decoder => {
  if (Math.min(dictionarySize, output.limit) > largestWindow) return new LzmaDecoder(output, dictionarySize)
  const module = instantiate()
  return module === undefined
    ? new LzmaDecoder(output, dictionarySize)
    : new DecoderInWasm(module, output, Math.min(dictionarySize, largestWindow))
}

class DecoderInWasm implements Decoder {
  readonly #module: Module
  readonly #output: Output
  readonly #dictionarySize: number
  /** The size from which the window does not grow: copies of eight bytes write over no byte of the dictionary. */
  readonly #largest: number
  #memory!: Uint8Array
  #words!: Int32Array
  /** The size of the window. */
  #size: number
  #at = layout.windowStart
  /** The bytes since the dictionary was reset. */
  #length = 0
  #bytes: Uint8Array = new Uint8Array(0)
  /** Where the compressed bytes of the memory start and end, and all of them. */
  #start = 0
  #loaded = 0
  #end = 0

  constructor(module: Module, output: Output, dictionarySize: number) {
    this.#module = module
    this.#output = output
    this.#dictionarySize = dictionarySize
    this.#largest = (dictionarySize + 31) & ~15
    this.#look()
    this.#size = Math.min((this.#memory.length - layout.windowStart - overrun) & ~15, this.#largest)
    this.resetDictionary()
  }

  /** The buffer of a memory is another one after it has grown. */
  #look(): void {
    this.#memory = new Uint8Array(this.#module.memory.buffer)
    this.#words = new Int32Array(this.#module.memory.buffer)
    this.#output.beside = this.#memory.length
  }

  #word(address: number): number {
    return this.#words[address / 4]!
  }

  #setWord(address: number, value: number): void {
    this.#words[address / 4] = value
  }

  resetDictionary(): void {
    this.#at = layout.windowStart
    this.#length = 0
    this.#memory[layout.windowStart - 1] = 0
  }

  setProperties(byte: number): void {
    const { lc, lp, pb } = propertiesOf(byte)
    this.#setWord(layout.lc, lc)
    this.#setWord(layout.lpMask, (1 << lp) - 1)
    this.#setWord(layout.pbMask, (1 << pb) - 1)
    this.resetState()
  }

  resetState(): void {
    const { probabilities, probabilitiesEnd, rep3, state } = layout
    new Uint16Array(this.#memory.buffer, probabilities, (probabilitiesEnd - probabilities) / 2).fill(half)
    this.#words.fill(0, state / 4, rep3 / 4 + 1)
  }

  startRange(bytes: Uint8Array, start: number, end: number): void {
    this.#setWord(layout.code, startCode(bytes, start, end))
    this.#setWord(layout.range, -1)
    this.#bytes = bytes
    this.#end = end
    this.#load(start + 5)
  }

  get position(): number {
    return this.#start + this.#word(layout.position) - layout.input
  }

  get isFinished(): boolean {
    return this.#word(layout.code) === 0
  }

  /** Copies the compressed bytes from `start` on into the memory. */
  #load(start: number): void {
    const loaded = Math.min(start + inputBytes, this.#end)
    this.#memory.set(this.#bytes.subarray(start, loaded), layout.input)
    this.#start = start
    this.#loaded = loaded
    this.#setWord(layout.position, layout.input)
    this.#setWord(layout.limit, layout.input + loaded - start - (loaded < this.#end ? symbolBytes : 0))
  }

  /** Makes room for at least one byte: a full window grows, or comes round to its start. */
  #makeRoom(): void {
    const end = layout.windowStart + this.#size
    if (this.#at < end) return
    if (this.#size < this.#largest) {
      const size = Math.min(this.#size * 2, this.#largest)
      const missing = layout.windowStart + size + overrun - this.#memory.length
      try {
        if (missing > 0) this.#module.memory.grow(Math.ceil(missing / pageBytes))
      } catch {
        refuse("there is not enough memory for the dictionary of the LZMA stream")
      }
      this.#size = size
      this.#look()
    } else {
      // With the byte before it, which is the context of the next literal.
      this.#memory.copyWithin(layout.windowStart - 1, end - 1, this.#at)
      this.#at -= this.#size
    }
  }

  append(bytes: Uint8Array): void {
    for (let from = 0; from < bytes.length;) {
      this.#makeRoom()
      const part = bytes.subarray(from, from + layout.windowStart + this.#size - this.#at)
      this.#memory.set(part, this.#at)
      this.#at += part.length
      from += part.length
    }
    this.#length += bytes.length
    this.#output.append(bytes)
  }

  decode(count: number, isStep: boolean): boolean {
    const output = this.#output
    const target = output.length + count
    while (output.length < target) {
      this.#makeRoom()
      if (this.#loaded < this.#end && this.#word(layout.position) - layout.input > inputBytes / 2) {
        this.#load(this.position)
      }
      const from = this.#at
      const windowEnd = layout.windowStart + this.#size
      this.#setWord(layout.windowEnd, windowEnd)
      this.#setWord(layout.dictionarySize, this.#dictionarySize)
      this.#setWord(layout.origin, from - Math.min(this.#length, largestWindow))
      this.#setWord(layout.outcome, 0)
      const to = this.#module.decode(from, Math.min(from + Math.min(target - output.length, callBytes), windowEnd))
      this.#at = to
      this.#length += to - from
      if (this.position > this.#end) damaged("it ends early")
      const outcome = this.#word(layout.outcome)
      if (outcome === 2) damaged("a distance goes back too far")
      if (!isStep && output.length + to - from > target) damaged("a match is longer than what is left")
      output.append(this.#memory.subarray(from, to))
      if (outcome === 1) return true
    }
    return false
  }

  close(): void {
    if (this.#memory.length <= keptBytes) kept = this.#module
    this.#output.beside = 0
  }
}
