// Measured: bench/formats.bench.ts
/**
 * bzip2, as written by Julian Seward's bzip2 1.0: a stream of blocks, each Huffman coded, moved to front and
 * Burrows–Wheeler transformed, with a CRC of every block and of the stream.
 */
import { refuse } from "../refusal.ts"
import type { Output } from "./output.ts"

const damaged = (what: string): never => refuse(`the bzip2 stream is damaged: ${what}`)

const maxCodeLength = 20
const groupSize = 50

/** Made when first needed. */
let crcTable: Uint32Array | undefined

const crcTableOf = (): Uint32Array =>
  Uint32Array.from({ length: 256 }, (_, i) => {
    let crc = i << 24
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x80000000 ? (crc << 1) ^ 0x04c11db7 : crc << 1
    return crc
  })

class BitReader {
  readonly bytes: Uint8Array
  position: number
  bits = 0
  count = 0

  constructor(bytes: Uint8Array, position: number) {
    this.bytes = bytes
    this.position = position
  }
  /** Reads at most 24 bits. */
  read(n: number): number {
    while (this.count < n) {
      if (this.position >= this.bytes.length) damaged("it ends early")
      this.bits = (this.bits << 8) | this.bytes[this.position++]!
      this.count += 8
    }
    this.count -= n
    return (this.bits >>> this.count) & ((1 << n) - 1)
  }
  read32(): number {
    const high = this.read(16)
    return ((high << 16) | this.read(16)) >>> 0
  }
  align(): void {
    this.count -= this.count % 8
    this.position -= this.count / 8
    this.count = 0
  }
}

interface Code {
  readonly min: number
  /** For each length, the largest code of that length or shorter, left-aligned to 20 bits; -1 when there is none. */
  readonly limit: Int32Array
  readonly base: Int32Array
  readonly symbols: Uint16Array
}

const makeCode = (lengths: Uint8Array): Code => {
  const counts = new Int32Array(maxCodeLength + 2)
  for (const length of lengths) counts[length]!++
  const symbols = new Uint16Array(lengths.length)
  let filled = 0
  let min = 0
  const limit = new Int32Array(maxCodeLength + 1).fill(-1)
  const base = new Int32Array(maxCodeLength + 1)
  let code = 0
  for (let length = 1; length <= maxCodeLength; length++) {
    const count = counts[length]!
    if (count > 0) {
      if (min === 0) min = length
      base[length] = filled - code
      for (let symbol = 0; symbol < lengths.length; symbol++) if (lengths[symbol] === length) symbols[filled++] = symbol
      code += count
      if (code > 1 << length) damaged("a Huffman code is over-full")
    }
    if (min !== 0) limit[length] = (code << (maxCodeLength - length)) - 1
    code <<= 1
  }
  return { min, limit, base, symbols }
}

const readCode = (reader: BitReader, symbolCount: number): Code => {
  const lengths = new Uint8Array(symbolCount)
  let length = reader.read(5)
  for (let symbol = 0; symbol < symbolCount; symbol++) {
    for (;;) {
      if (length < 1 || length > maxCodeLength) damaged("a Huffman code is out of range")
      if (reader.read(1) === 0) break
      length += reader.read(1) === 0 ? 1 : -1
    }
    lengths[symbol] = length
  }
  return makeCode(lengths)
}

const readUsedBytes = (reader: BitReader): Uint8Array => {
  const rows = reader.read(16)
  const used = new Uint8Array(256)
  let count = 0
  for (let row = 0; row < 16; row++) {
    if ((rows & (0x8000 >> row)) === 0) continue
    const columns = reader.read(16)
    for (let column = 0; column < 16; column++) if (columns & (0x8000 >> column)) used[count++] = row * 16 + column
  }
  if (count === 0) damaged("a block uses no byte")
  return used.subarray(0, count)
}

const readSelectors = (reader: BitReader, groups: number): Uint8Array => {
  const count = reader.read(15)
  if (count === 0) damaged("a block has no selectors")
  const order = Uint8Array.from({ length: groups }, (_, i) => i)
  const selectors = new Uint8Array(count)
  for (let i = 0; i < count; i++) {
    let at = 0
    while (reader.read(1) === 1) if (++at >= groups) damaged("a selector is out of range")
    const selected = order[at]!
    order.copyWithin(1, 0, at)
    order[0] = selected
    selectors[i] = selected
  }
  return selectors
}

/** Groups of symbols that are read in one step. */
const groupsAtOnce = 512

/** The symbols of a block, as far as they were read. */
interface Symbols {
  readonly codes: ReadonlyArray<Code>
  readonly selectors: Uint8Array
  /** The bytes before the Burrows–Wheeler transform. */
  readonly block: Uint32Array
  /** The number of each byte. */
  readonly counts: Int32Array
  readonly front: Uint8Array
  readonly endOfBlock: number
  group: number
  length: number
  run: number
  runWeight: number
}

const openSymbols = (reader: BitReader, block: Uint32Array): Symbols => {
  const used = readUsedBytes(reader)
  const groups = reader.read(3)
  if (groups < 2 || groups > 6) damaged("a block has the wrong number of Huffman codes")
  const selectors = readSelectors(reader, groups)
  const codes: Array<Code> = []
  for (let i = 0; i < groups; i++) codes.push(readCode(reader, used.length + 2))
  return {
    codes,
    selectors,
    block,
    counts: new Int32Array(256),
    front: used.slice(),
    endOfBlock: used.length + 1,
    group: 0,
    length: 0,
    run: 0,
    runWeight: 1
  }
}

/** Reads some symbols; returns whether the block ends with them. */
const readSymbols = (reader: BitReader, read: Symbols): boolean => {
  const { block, codes, counts, endOfBlock, front, selectors } = read
  const { bytes } = reader
  let { bits, count, position } = reader
  let { length, run, runWeight } = read
  const last = read.group + groupsAtOnce
  for (let { group } = read; group < last; group++) {
    const code = group < selectors.length ? codes[selectors[group]!]! : damaged("a block has too few selectors")
    const { base, limit, symbols } = code
    for (let left = groupSize; left > 0; left--) {
      while (count < maxCodeLength) {
        // Past the end the code is looked up with zeros, which is detected below.
        bits = (bits << 8) | (position < bytes.length ? bytes[position]! : 0)
        position++
        count += 8
      }
      const window = (bits >>> (count - maxCodeLength)) & ((1 << maxCodeLength) - 1)
      let size = code.min
      while (size <= maxCodeLength && window > limit[size]!) size++
      if (size > maxCodeLength) damaged("a Huffman code is unknown")
      const symbol = symbols[base[size]! + (window >>> (maxCodeLength - size))]
      count -= size
      if (symbol === undefined) return damaged("a Huffman code is unknown")
      if (symbol <= 1) {
        run += runWeight << symbol
        runWeight <<= 1
        // Checked at every step, because the weight doubles and would otherwise overflow.
        if (run > block.length - length) damaged("a run is longer than its block")
        continue
      }
      if (run > 0) {
        const byte = front[0]!
        counts[byte]! += run
        block.fill(byte, length, length + run)
        length += run
        run = 0
        runWeight = 1
      }
      if (symbol === endOfBlock) {
        if (position - (count >> 3) > bytes.length) damaged("it ends early")
        reader.bits = bits
        reader.count = count
        reader.position = position
        read.length = length
        return true
      }
      if (length >= block.length) damaged("a block is longer than it says")
      let at = symbol - 1
      const byte = front[at]!
      if (at > 32) front.copyWithin(1, 0, at)
      else for (; at > 0; at--) front[at] = front[at - 1]!
      front[0] = byte
      counts[byte]!++
      block[length++] = byte
    }
    if (position > bytes.length + 8) damaged("it ends early")
  }
  reader.bits = bits
  reader.count = count
  reader.position = position
  read.group = last
  read.length = length
  read.run = run
  read.runWeight = runWeight
  return false
}

/** Bytes that are written in one step: a block whose bytes repeat becomes up to 52 times as long. */
const bytesAtOnce = 0x200000

/** Bytes of a block that are undone in one step: those that follow each other lie anywhere in its memory. */
const entriesAtOnce = 0x20000

/** What is left to write of a block, whose transform was undone, and the CRC of what was written. */
interface Unwritten {
  readonly block: Uint32Array
  next: number
  left: number
  /** The bytes before that are the same as the last one, up to four, and that byte. */
  same: number
  previous: number
  crc: number
}

/** Undoes the transform of a block. */
const undone = (block: Uint32Array, length: number, origin: number, counts: Int32Array): Unwritten => {
  let sum = 0
  for (let byte = 0; byte < 256; byte++) {
    const count = counts[byte]!
    counts[byte] = sum
    sum += count
  }
  for (let i = 0; i < length; i++) {
    const byte = block[i]! & 0xff
    block[counts[byte]!++]! |= i << 8
  }
  return { block, next: block[origin]! >>> 8, left: length, same: 0, previous: -1, crc: -1 }
}

/** Undoes run lengths, and writes some bytes. */
const writeSome = (unwritten: Unwritten, output: Output): void => {
  const { block } = unwritten
  let { left, next, previous, same } = unwritten
  // An integer of 32 bits, which the engine knows by this.
  let crc = unwritten.crc | 0
  const table = crcTable ??= crcTableOf()
  let buffer = output.reserve(Math.min(left, output.limit - output.length))
  let at = output.length
  let room = buffer.length
  const stop = at + bytesAtOnce
  const rest = Math.max(0, left - entriesAtOnce)
  for (; left > rest && at < stop; left--) {
    const entry = block[next]!
    const byte = entry & 0xff
    next = entry >>> 8
    let copies = 1
    let value = byte
    if (same === 4) {
      copies = byte
      value = previous
      same = 0
      previous = -1
    } else if (byte === previous) same++
    else {
      same = 1
      previous = byte
    }
    if (at + copies > room) {
      output.length = at
      buffer = output.reserve(copies)
      room = buffer.length
    }
    for (; copies > 0; copies--) {
      buffer[at++] = value
      crc = (crc << 8) ^ table[(crc >>> 24) ^ value]!
    }
  }
  output.length = at
  unwritten.crc = crc
  unwritten.left = left
  unwritten.next = next
  unwritten.previous = previous
  unwritten.same = same
}

/**
 * Decompresses all streams of `bytes`; like Python's `bz2.decompress`, it ignores bytes after the last one. Yields
 * within and after each block, and after each stream.
 */
export function* bunzip2(bytes: Uint8Array, output: Output): Generator<void, Uint8Array> {
  let position = 0
  let room = new Uint32Array(0)
  while (position === 0 || isBzip2(bytes, position)) {
    const size = (bytes[position + 3]! - 0x30) * 100_000
    // Streams may be so short that making a block of each would take nearly all the time.
    if (room.length < size) room = new Uint32Array(size)
    const block = room.subarray(0, size)
    const reader = new BitReader(bytes, position + 4)
    let streamCrc = 0
    for (;;) {
      const magic = reader.read(24) * 0x1000000 + reader.read(24)
      const crc = reader.read32()
      if (magic === 0x177245385090) {
        if (crc !== streamCrc) damaged("its checksum is wrong")
        break
      }
      if (magic !== 0x314159265359) damaged("a block does not start where it should")
      if (reader.read(1) === 1) {
        refuse("the bzip2 stream was written by a bzip2 before 0.9.5, whose blocks are randomised")
      }
      const origin = reader.read(24)
      const symbols = openSymbols(reader, block)
      while (!readSymbols(reader, symbols)) yield
      const { counts, length } = symbols
      if (origin >= length) damaged("a block starts outside of itself")
      yield
      const unwritten = undone(block, length, origin, counts)
      while (unwritten.left > 0) {
        writeSome(unwritten, output)
        yield
      }
      if (~unwritten.crc >>> 0 !== crc) damaged("the checksum of a block is wrong")
      streamCrc = (((streamCrc << 1) | (streamCrc >>> 31)) ^ crc) >>> 0
    }
    reader.align()
    position = reader.position
    yield
  }
  return output.result()
}

/** Whether a bzip2 stream starts at a position. */
export const isBzip2 = (bytes: Uint8Array, at = 0): boolean => {
  if (bytes[at] !== 0x42 || bytes[at + 1] !== 0x5a || bytes[at + 2] !== 0x68) return false
  const level = bytes[at + 3] ?? 0
  if (level < 0x31 || level > 0x39) return false
  const [first, second] = [bytes[at + 4], bytes[at + 5]]
  return (first === 0x31 && second === 0x41) || (first === 0x17 && second === 0x72)
}
