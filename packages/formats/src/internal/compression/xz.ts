// Measured: bench/formats.bench.ts
/** The .xz container, version 1.2 of the xz file format: streams of blocks of LZMA2, each with a check. */
import { Blocks } from "../blocks.ts"
import { crc32 } from "../checksum.ts"
import { crypto } from "../node.ts"
import { refuse } from "../refusal.ts"
import { every } from "../steps.ts"
import { type Filter, filterOf } from "./filters.ts"
import { decoderOf } from "./lzmaInWasm.ts"
import type { Decoder } from "./lzmaStream.ts"
import type { Output } from "./output.ts"

const damaged = (what: string): never => refuse(`the xz stream is damaged: ${what}`)

/** Whether an xz stream starts at a position. */
export const isXz = (bytes: Uint8Array, at = 0): boolean =>
  bytes[at] === 0xfd && bytes[at + 1] === 0x37 && bytes[at + 2] === 0x7a && bytes[at + 3] === 0x58 &&
  bytes[at + 4] === 0x5a && bytes[at + 5] === 0x00

interface Crc64Tables {
  readonly low: Int32Array
  readonly high: Int32Array
}

/** Made when first needed. */
let crc64Tables: Crc64Tables | undefined

/** The halves of the remainders of a byte that is followed by 0 to 7 others, 256 for each, by ECMA-182's polynomial reflected. */
const crc64TablesOf = (): Crc64Tables => {
  const low = new Int32Array(8 * 256)
  const high = new Int32Array(8 * 256)
  for (let i = 0; i < 256; i++) {
    let [l, h] = [i, 0]
    for (let bit = 0; bit < 8; bit++) {
      const carry = l & 1
      l = (l >>> 1) | (h << 31)
      h >>>= 1
      if (carry === 1) {
        l ^= 0xd7870f42
        h ^= 0xc96c5795
      }
    }
    low[i] = l
    high[i] = h
  }
  for (let at = 256; at < low.length; at++) {
    const [l, h] = [low[at - 256]!, high[at - 256]!]
    low[at] = ((l >>> 8) | (h << 24)) ^ low[l & 255]!
    high[at] = (h >>> 8) ^ high[l & 255]!
  }
  return { low, high }
}

/** The halves of a checksum. */
type Crc64 = readonly [low: number, high: number]

/** The checksum of bytes, after those of another: eight bytes at a time, whose lookups do not wait for each other. */
const crc64 = (bytes: Uint8Array, [low0, high0]: Crc64): Crc64 => {
  const { high, low } = crc64Tables ??= crc64TablesOf()
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let l = ~low0
  let h = ~high0
  let at = 0
  for (const end = bytes.length - 7; at < end; at += 8) {
    const x = l ^ view.getInt32(at, true)
    const y = h ^ view.getInt32(at + 4, true)
    const a = 1792 + (x & 255)
    const b = 1536 + ((x >>> 8) & 255)
    const c = 1280 + ((x >>> 16) & 255)
    const d = 1024 + (x >>> 24)
    const e = 768 + (y & 255)
    const f = 512 + ((y >>> 8) & 255)
    const g = 256 + ((y >>> 16) & 255)
    const i = y >>> 24
    l = low[a]! ^ low[b]! ^ low[c]! ^ low[d]! ^ low[e]! ^ low[f]! ^ low[g]! ^ low[i]!
    h = high[a]! ^ high[b]! ^ high[c]! ^ high[d]! ^ high[e]! ^ high[f]! ^ high[g]! ^ high[i]!
  }
  for (; at < bytes.length; at++) {
    const index = (l ^ bytes[at]!) & 255
    l = ((l >>> 8) | (h << 24)) ^ low[index]!
    h = (h >>> 8) ^ high[index]!
  }
  return [~l >>> 0, ~h >>> 0]
}

const checkSizes = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64]

class Reader {
  readonly bytes: Uint8Array
  readonly view: DataView
  at: number
  constructor(bytes: Uint8Array, at: number) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.at = at
  }
  need(count: number): void {
    if (this.at + count > this.bytes.length) damaged("it ends early")
  }
  byte(): number {
    this.need(1)
    return this.bytes[this.at++]!
  }
  uint16(): number {
    this.need(2)
    this.at += 2
    return this.view.getUint16(this.at - 2)
  }
  uint32(): number {
    this.need(4)
    this.at += 4
    return this.view.getUint32(this.at - 4, true)
  }
  /** A number of up to 63 bits, seven bits per byte, in as few bytes as it takes. */
  number(): number {
    let value = 0
    for (let i = 0; i < 9; i++) {
      const byte = this.byte()
      value += (byte & 0x7f) * 2 ** (7 * i)
      if ((byte & 0x80) !== 0) continue
      return byte === 0 && i > 0 ? damaged("a number has more bytes than it takes") : value
    }
    return damaged("a number is too long")
  }
}

interface Block {
  readonly dictionarySize: number
  /** What undoes the filters before LZMA2, in order. */
  readonly filters: ReadonlyArray<Filter>
  readonly compressedSize: number | undefined
  readonly uncompressedSize: number | undefined
}

const dictionarySizeOf = (bits: number): number => {
  if (bits > 40) damaged("a dictionary is too large")
  return bits === 40 ? 0xffffffff : (2 | (bits & 1)) * 2 ** (Math.floor(bits / 2) + 11)
}

const readBlockHeader = (reader: Reader, size: number): Block => {
  const start = reader.at - 1
  const end = start + size - 4
  reader.need(size - 1)
  if (crc32(reader.bytes.subarray(start, end)) !== reader.view.getUint32(end, true)) {
    damaged("the checksum of a block header is wrong")
  }
  // What a later version adds is in bits and bytes that are zero today.
  const flags = reader.byte()
  if ((flags & 0x3c) !== 0) refuse("the xz stream has flags of a later version of the format")
  const compressedSize = (flags & 0x40) === 0 ? undefined : reader.number()
  if (compressedSize === 0) damaged("a block has the wrong size")
  const uncompressedSize = (flags & 0x80) === 0 ? undefined : reader.number()
  let dictionarySize: number | undefined
  const filters: Array<Filter> = []
  for (let left = (flags & 3) + 1; left > 0; left--) {
    const id = reader.number()
    const length = reader.number()
    if (reader.at + length > end) damaged("a block header ends early")
    const properties = reader.bytes.subarray(reader.at, reader.at + length)
    if (id === 0x21 && length === 1 && left === 1) dictionarySize = dictionarySizeOf(properties[0]!)
    else if (left === 1) refuse("the xz stream has a last filter that is not LZMA2")
    else filters.unshift(filterOf(id, properties))
    reader.at += length
  }
  while (reader.at < end) {
    if (reader.byte() !== 0) refuse("the xz stream has fields of a later version of the format")
  }
  if (reader.at > end) damaged("a block header ends early")
  reader.at = end + 4
  return {
    dictionarySize: dictionarySize ?? damaged("a block has no LZMA2 filter"),
    filters,
    compressedSize,
    uncompressedSize
  }
}

/** Bytes that are decoded between two steps. */
const stepBytes = 0x40000

function* readLzma2(reader: Reader, decoder: Decoder, output: Output): Generator<void, void> {
  let needsDictionary = true
  let needsProperties = true
  let needsState = true
  for (;;) {
    const control = reader.byte()
    if (control === 0) return
    yield
    if (control === 1 || control >= 0xe0) {
      decoder.resetDictionary()
      needsDictionary = false
      needsProperties = true
    } else if (needsDictionary) damaged("its first chunk does not reset the dictionary")
    if (control >= 0x80) {
      let size = ((control & 0x1f) << 16) + reader.uint16() + 1
      const compressed = reader.uint16() + 1
      if (control >= 0xc0) {
        decoder.setProperties(reader.byte())
        needsProperties = needsState = false
      } else if (needsProperties) damaged("a chunk comes before its properties")
      else if (control >= 0xa0) {
        decoder.resetState()
        needsState = false
      } else if (needsState) damaged("a chunk comes before its state")
      reader.need(compressed)
      const end = reader.at + compressed
      decoder.startRange(reader.bytes, reader.at, end)
      // A step may write the rest of one match more.
      for (; size > 2 * stepBytes; yield) {
        const before = output.length
        if (decoder.decode(stepBytes, true)) damaged("a chunk ends early")
        size -= output.length - before
      }
      if (decoder.decode(size, false) || decoder.position !== end || !decoder.isFinished) damaged("a chunk ends early")
      reader.at = end
    } else if (control <= 2) {
      const size = reader.uint16() + 1
      reader.need(size)
      decoder.append(reader.bytes.subarray(reader.at, reader.at + size))
      reader.at += size
    } else damaged("a chunk has an unknown kind")
  }
}

/** Bytes that are checked between two steps. */
const checkedBytes = 0x400000

/** Checks the data of a block. */
function* verify(kind: number, bytes: Uint8Array, expected: Uint8Array): Generator<void, void> {
  const view = new DataView(expected.buffer, expected.byteOffset, expected.length)
  // A browser has only an asynchronous SHA-256; there the data is taken as it is.
  const sha256 = kind === 10 ? crypto?.createHash("sha256") : undefined
  let short = 0
  let long: Crc64 = [0, 0]
  for (let at = 0; at < bytes.length; at += checkedBytes) {
    const piece = bytes.subarray(at, at + checkedBytes)
    if (kind === 1) short = crc32(piece, short)
    else if (kind === 4) long = crc64(piece, long)
    else if (sha256 === undefined) break
    else sha256.update(piece)
    yield
  }
  const isRight = kind === 1
    ? short === view.getUint32(0, true)
    : kind === 4
    ? long[0] === view.getUint32(0, true) && long[1] === view.getUint32(4, true)
    : sha256 === undefined || sha256.digest().equals(expected)
  if (!isRight) damaged("the checksum of its data is wrong")
}

const pad = (reader: Reader, start: number): void => {
  while ((reader.at - start) % 4 !== 0) if (reader.byte() !== 0) damaged("its padding is not zero")
}

function* readStream(reader: Reader, output: Output): Generator<void, void> {
  const start = reader.at
  reader.need(12)
  const flags = reader.bytes.subarray(start + 6, start + 8)
  reader.at = start + 8
  if (crc32(flags) !== reader.uint32()) damaged("the checksum of its header is wrong")
  const check = flags[1]!
  if (flags[0] !== 0 || check > 15) refuse("the xz stream has flags of a later version of the format")
  const checkSize = checkSizes[check]!
  /** The sizes of each block, as the index must repeat them. */
  const sizes = new Blocks()
  for (;;) {
    const headerSize = (reader.byte() + 1) * 4
    if (headerSize === 4) break
    const header = readBlockHeader(reader, headerSize)
    const [from, to] = [reader.at, output.length]
    const decoder = decoderOf(output, header.dictionarySize)
    try {
      yield* readLzma2(reader, decoder, output)
    } finally {
      decoder.close()
    }
    const [compressed, plain] = [reader.at - from, output.length - to]
    if ((header.compressedSize ?? compressed) !== compressed) damaged("a block has the wrong size")
    if ((header.uncompressedSize ?? plain) !== plain) damaged("a block has the wrong size")
    const data = output.bytes.subarray(to, output.length)
    for (const undo of header.filters) yield* undo(data)
    if (header.filters.length > 0) yield* output.rewritten(to)
    pad(reader, from)
    reader.need(checkSize)
    yield* verify(check, data, reader.bytes.subarray(reader.at, reader.at + checkSize))
    reader.at += checkSize
    sizes.push(headerSize + compressed + checkSize)
    sizes.push(plain)
  }
  const index = reader.at - 1
  if (reader.number() !== sizes.length / 2) damaged("its index does not count its blocks")
  for (let at = 0; at < sizes.length; at++) {
    if (reader.number() !== sizes.at(at)) damaged("its index does not agree with its blocks")
    if (at % every === every - 1) yield
  }
  pad(reader, index)
  const indexEnd = reader.at
  if (crc32(reader.bytes.subarray(index, indexEnd)) !== reader.uint32()) damaged("the checksum of its index is wrong")
  reader.need(12)
  const footer = reader.at
  if (
    crc32(reader.bytes.subarray(footer + 4, footer + 10)) !== reader.uint32() ||
    (reader.uint32() + 1) * 4 !== indexEnd + 4 - index || reader.uint16() !== check ||
    reader.uint16() !== 0x595a
  ) damaged("its footer is wrong")
}

/** Bytes of padding between two steps. Streams have a multiple of four bytes, so that none is stepped over. */
const paddingStep = 0x40000

/**
 * Decompresses all streams; like Python's `lzma.decompress`, it ignores bytes after the last one. Yields after each
 * chunk, which holds at most 2 MiB.
 */
export function* unxz(bytes: Uint8Array, output: Output): Generator<void, Uint8Array> {
  const reader = new Reader(bytes, 0)
  do {
    yield* readStream(reader, output)
    yield
    // Streams may be followed by padding, a multiple of four zeros.
    while (reader.at + 4 <= bytes.length && reader.view.getUint32(reader.at) === 0) {
      reader.at += 4
      if (reader.at % paddingStep === 0) yield
    }
  } while (isXz(bytes, reader.at))
  const isCut = reader.at < bytes.length && bytes.length - reader.at < 4 &&
    bytes.subarray(reader.at).every((byte) => byte === 0)
  if (isCut) damaged("its padding is not of four bytes each")
  return output.result()
}
