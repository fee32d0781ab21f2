/** The checksums that object stores provide. */
import { createHash, type Hash } from "node:crypto"
import { crc32 } from "node:zlib"

/** A checksum in the stores' form: base64, with numbers in big endian order. */
export interface Checksum {
  readonly algorithm: "crc32" | "crc32c" | "crc64nvme" | "sha1" | "sha256" | "md5"
  readonly base64: string
}

/**
 * The tables of a reflected CRC of 32 bits: that of a byte, and of a byte that is followed by one to seven others, so that
 * eight bytes take one step instead of eight.
 */
const tablesOf = (polynomial: number): ReadonlyArray<Uint32Array> => {
  const first = Uint32Array.from({ length: 256 }, (_, byte) => {
    let remainder = byte
    for (let bit = 0; bit < 8; bit++) remainder = remainder & 1 ? (remainder >>> 1) ^ polynomial : remainder >>> 1
    return remainder >>> 0
  })
  const tables = [first]
  for (let place = 1; place < 8; place++) {
    const before = tables[place - 1]!
    tables.push(before.map((remainder) => (remainder >>> 8) ^ first[remainder & 255]!))
  }
  return tables
}

let castagnoli: ReadonlyArray<Uint32Array> | undefined

/** CRC-32C (Castagnoli), RFC 3720 appendix B.4. */
class Crc32c {
  private crc = 0xffffffff

  update(bytes: Uint8Array): void {
    const [t0, t1, t2, t3, t4, t5, t6, t7] = (castagnoli ??= tablesOf(0x82f63b78)) as [
      Uint32Array,
      Uint32Array,
      Uint32Array,
      Uint32Array,
      Uint32Array,
      Uint32Array,
      Uint32Array,
      Uint32Array
    ]
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    let { crc } = this
    let at = 0
    for (const end = bytes.length - 7; at < end; at += 8) {
      const x = crc ^ view.getInt32(at, true)
      const y = view.getInt32(at + 4, true)
      crc = t7[x & 255]! ^ t6[(x >>> 8) & 255]! ^ t5[(x >>> 16) & 255]! ^ t4[x >>> 24]! ^
        t3[y & 255]! ^ t2[(y >>> 8) & 255]! ^ t1[(y >>> 16) & 255]! ^ t0[y >>> 24]!
    }
    for (; at < bytes.length; at++) crc = (crc >>> 8) ^ t0[(crc ^ bytes[at]!) & 255]!
    this.crc = crc
  }

  base64(): string {
    return bigEndian((this.crc ^ 0xffffffff) >>> 0).toString("base64")
  }
}

interface NvmeTables {
  /** The halves of the remainders of a byte that is followed by 0 to 7 others: 256 for each. */
  readonly high: Uint32Array
  readonly low: Uint32Array
}

let nvme: NvmeTables | undefined

const nvmeTables = (): NvmeTables => {
  const high = new Uint32Array(8 * 256)
  const low = new Uint32Array(8 * 256)
  for (let byte = 0; byte < 256; byte++) {
    let remainder = BigInt(byte)
    for (let bit = 0; bit < 8; bit++) {
      remainder = remainder & 1n ? (remainder >> 1n) ^ 0x9a6c9329ac4bc9b5n : remainder >> 1n
    }
    high[byte] = Number(remainder >> 32n)
    low[byte] = Number(remainder & 0xffffffffn)
  }
  for (let at = 256; at < high.length; at++) {
    const [h, l] = [high[at - 256]!, low[at - 256]!]
    high[at] = (h >>> 8) ^ high[l & 255]!
    low[at] = ((l >>> 8) | (h << 24)) ^ low[l & 255]!
  }
  return { high, low }
}

/** CRC-64/NVME (NVM Express NVM Command Set 1.0, 5.2.1.3.4), in two halves: one BigInt per byte would be far slower. */
class Crc64Nvme {
  private high = 0xffffffff
  private low = 0xffffffff

  update(bytes: Uint8Array): void {
    const { high, low } = nvme ??= nvmeTables()
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    let { high: h, low: l } = this
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
    this.high = h
    this.low = l
  }

  base64(): string {
    const sum = Buffer.alloc(8)
    sum.writeUInt32BE(~this.high >>> 0, 0)
    sum.writeUInt32BE(~this.low >>> 0, 4)
    return sum.toString("base64")
  }
}

class Crc32 {
  private crc = 0

  update(bytes: Uint8Array): void {
    this.crc = crc32(bytes, this.crc)
  }

  base64(): string {
    return bigEndian(this.crc).toString("base64")
  }
}

class Digest {
  private readonly hash: Hash

  constructor(algorithm: string) {
    this.hash = createHash(algorithm)
  }

  update(bytes: Uint8Array): void {
    this.hash.update(bytes)
  }

  base64(): string {
    return this.hash.digest("base64")
  }
}

/** The checksum of bytes that arrive one after the other, so that a large object is never gone through at once. */
export interface Running {
  readonly update: (bytes: Uint8Array) => void
  /** The checksum of all of them, in base64. Ends it. */
  readonly base64: () => string
}

const bigEndian = (value: number): Buffer => {
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE(value)
  return sum
}

/** Starts a checksum. */
export const start = (algorithm: Checksum["algorithm"]): Running => {
  switch (algorithm) {
    case "crc32":
      return new Crc32()
    case "crc32c":
      return new Crc32c()
    case "crc64nvme":
      return new Crc64Nvme()
    default:
      return new Digest(algorithm)
  }
}
